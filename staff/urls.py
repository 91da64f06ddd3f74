"""Pages of the staff, /staff/."""

from django.urls import path

from staff.views import ledger, money, people, queues, settings, system, workers

urlpatterns = [
    path("", queues.staff_home, name="staff_home"),
    path("appeals/", queues.staff_appeals, name="staff_appeals"),
    path("appeals/<uuid:appeal_id>/", queues.staff_appeal, name="staff_appeal"),
    path("appeals/<uuid:appeal_id>/rule/", queues.staff_appeal_rule, name="staff_appeal_rule"),
    path("flags/", queues.staff_flags, name="staff_flags"),
    path("flags/<uuid:flag_id>/decide/", queues.staff_flag_decide, name="staff_flag_decide"),
    path("keys/", queues.staff_keys, name="staff_keys"),
    path("keys/<uuid:contest_id>/rule/", queues.staff_key_rule, name="staff_key_rule"),
    path("workers/", workers.staff_workers, name="staff_workers"),
    path("workers/<uuid:worker_id>/", workers.staff_worker, name="staff_worker"),
    path("workers/<uuid:worker_id>/decide/", workers.staff_worker_decide, name="staff_worker_decide"),
    path("workers/<uuid:worker_id>/note/", workers.staff_worker_note, name="staff_worker_note"),
    path("workers/<uuid:worker_id>/account/", workers.staff_worker_account, name="staff_worker_account"),
    path("answers/<uuid:assignment_id>/", ledger.staff_answer, name="staff_answer"),
    path("deposits/", money.staff_deposits, name="staff_deposits"),
    path("deposits/<uuid:deposit_id>/decide/", money.staff_deposit_decide, name="staff_deposit_decide"),
    path("payouts/", money.staff_payouts, name="staff_payouts"),
    path("payouts/<uuid:payout_id>/decide/", money.staff_payout_decide, name="staff_payout_decide"),
    path("goodwill/", money.staff_goodwill, name="staff_goodwill"),
    path("goodwill/fill/", money.staff_goodwill_fill, name="staff_goodwill_fill"),
    path("ledger/", ledger.staff_ledger, name="staff_ledger"),
    path("ledger/accounts/", ledger.staff_accounts, name="staff_accounts"),
    path("ledger/transfers/", ledger.staff_transfers, name="staff_transfers"),
    path("ledger/transfers.csv", ledger.staff_transfers_csv, name="staff_transfers_csv"),
    path("ledger/transfers/<uuid:transfer_id>/", ledger.staff_transfer, name="staff_transfer"),
    path("system/", system.staff_system, name="staff_system"),
    path("system/operations/<uuid:operation_id>/", system.staff_operation, name="staff_operation"),
    path("invariants/", system.staff_invariants, name="staff_invariants"),
    path("invariants/run/", system.staff_invariants_run, name="staff_invariants_run"),
    path("log/", system.staff_log, name="staff_log"),
    path("people/", people.staff_people, name="staff_people"),
    path("people/invitations/", people.staff_invitations, name="staff_invitations"),
    path("people/invitations/new/", people.staff_invitation_new, name="staff_invitation_new"),
    path(
        "people/invitations/<int:invitation_id>/cancel/", people.staff_invitation_cancel, name="staff_invitation_cancel"
    ),
    path("people/<uuid:user_id>/", people.staff_person, name="staff_person"),
    path("people/<uuid:user_id>/decide/", people.staff_person_decide, name="staff_person_decide"),
    path("people/<uuid:user_id>/note/", people.staff_person_note, name="staff_person_note"),
    path("people/<uuid:user_id>/worker/", people.staff_person_worker, name="staff_person_worker"),
    path("organisations/", people.staff_organisations, name="staff_organisations"),
    path("organisations/<uuid:organisation_id>/", people.staff_organisation, name="staff_organisation"),
    path("organisations/<uuid:organisation_id>/note/", people.staff_organisation_note, name="staff_organisation_note"),
    path("settings/", settings.staff_settings, name="staff_settings"),
    path("settings/<slug:name>/", settings.staff_setting_change, name="staff_setting_change"),
]
