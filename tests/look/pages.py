"""Every page for people by the name of its URL: whose it is, and where it is in a market. A new URL has to be added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.look.conftest import Market
from users.models import User

Where = Callable[[Market], dict[str, Any]]


def nowhere(_market: Market) -> dict[str, Any]:
    return {}


#: Pages that are read, by whose they are.
ANYBODY: dict[str, Where] = {
    "home": nowhere,
    "public_certificate": lambda m: {"certificate_id": m.certificate.public_id},
}
WORKER: dict[str, Where] = {
    "find_work": nowhere,
    "my_queue": nowhere,
    "work_page": lambda m: {"assignment_id": m.held.public_id},
    "quiz": lambda m: {"batch_id": m.quiz_batch.public_id},
    "practice": lambda m: {"batch_id": m.quiz_batch.public_id},
    "earnings": nowhere,
    "earnings_waiting": nowhere,
    "earnings_rejected": nowhere,
    "earnings_payouts": nowhere,
    "my_home": nowhere,
    "my_answers": nowhere,
    "my_appeals": nowhere,
    "my_requesters": nowhere,
    "my_data": nowhere,
    "erase_me": nowhere,
    "my_qualifications": nowhere,
    "qualification_tests": nowhere,
    "qualification_test": lambda m: {"qualification_id": m.tested.public_id},
    "my_messages": nowhere,
    "my_thread": lambda m: {"thread_id": m.thread.public_id},
}
#: Of whoever is signed in.
EVERYONE: dict[str, Where] = {"notices": nowhere, "notice_settings": nowhere, "search": nowhere, "join": nowhere}
OWNER: dict[str, Where] = {
    "studio": nowhere,
    "studio_project_new": nowhere,
    "studio_project": lambda m: {"project_id": m.project.public_id},
    "studio_project_edit": lambda m: {"project_id": m.project.public_id},
    "studio_data": lambda m: {"project_id": m.quiz_batch.project.public_id},
    "studio_columns": lambda m: {"batch_id": m.draft.public_id},
    "studio_trial": lambda m: {"project_id": m.project.public_id},
    "studio_pay": lambda m: {"project_id": m.project.public_id},
    "studio_known": lambda m: {"project_id": m.project.public_id},
    "studio_quiz": lambda m: {"project_id": m.quiz_batch.project.public_id},
    "studio_training": lambda m: {"project_id": m.quiz_batch.project.public_id},
    "studio_forecast": nowhere,
    "studio_batches": nowhere,
    "studio_webhooks": nowhere,
    "studio_webhook": lambda m: {"webhook_id": m.webhook.public_id},
    "studio_media": nowhere,
    "access_keys": nowhere,
    "studio_blocks": nowhere,
    "studio_batch": lambda m: {"batch_id": m.batch.public_id},
    "studio_workers": lambda m: {"batch_id": m.batch.public_id},
    "studio_agreement": lambda m: {"batch_id": m.finished.public_id},
    "studio_crowd": lambda m: {"batch_id": m.finished.public_id},
    "studio_machine": lambda m: {"batch_id": m.batch.public_id},
    "studio_results": lambda m: {"batch_id": m.batch.public_id},
    "studio_review": lambda m: {"batch_id": m.finished.public_id},
    "review_bulk": lambda m: {"batch_id": m.batch.public_id},
    "studio_item": lambda m: {"item_id": m.rejected.hit.data_row.public_id},
    "studio_compensate": lambda m: {"batch_id": m.batch.public_id},
    "studio_proof": lambda m: {"batch_id": m.finished.public_id},
    "studio_whatif": lambda m: {"batch_id": m.finished.public_id},
    "studio_changes": lambda m: {"batch_id": m.healing.batch.public_id},
    "studio_audit": lambda m: {"sample_id": m.audit.public_id},
    "studio_certificate": lambda m: {"certificate_id": m.certificate.public_id},
    "studio_money": nowhere,
    "studio_team": nowhere,
    "studio_messages": nowhere,
    "studio_qualifications": nowhere,
    "studio_thread": lambda m: {"thread_id": m.thread.public_id},
}
STAFF: dict[str, Where] = {
    "staff_home": nowhere,
    "staff_appeals": nowhere,
    "staff_appeal": lambda m: {"appeal_id": m.appeal.public_id},
    "staff_flags": nowhere,
    "staff_keys": nowhere,
    "staff_reports": nowhere,
    "staff_workers": nowhere,
    "staff_worker": lambda m: {"worker_id": m.worker.public_id},
    "staff_answer": lambda m: {"assignment_id": m.rejected.public_id},
    "staff_deposits": nowhere,
    "staff_payouts": nowhere,
    "staff_goodwill": nowhere,
    "staff_ledger": nowhere,
    "staff_accounts": nowhere,
    "staff_transfers": nowhere,
    "staff_transfer": lambda m: {"transfer_id": m.transfer.public_id},
    "staff_system": nowhere,
    "staff_operation": lambda m: {"operation_id": m.export.public_id},
    "staff_invariants": nowhere,
    "staff_log": nowhere,
    "staff_people": nowhere,
    "staff_person": lambda m: {"user_id": m.owner.public_id},
    "staff_invitations": nowhere,
    "staff_organisations": nowhere,
    "staff_organisation": lambda m: {"organisation_id": m.requester.public_id},
    "staff_settings": nowhere,
    "styleguide": nowhere,
}
#: All that each sees.
OF = {"anybody": ANYBODY, "worker": {**WORKER, **EVERYONE}, "owner": OWNER, "staff": STAFF}


def reader(market: Market, whose: str) -> User | None:
    """Who reads the pages `OF[whose]`; None is anybody."""
    return {"anybody": None, "worker": market.worker.user, "owner": market.owner, "staff": market.staff}[whose]


#: Parts of pages and files, read too.
PARTS: dict[str, tuple[str, Where]] = {
    "studio_batch_now": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "batch_exports_now": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "export_file": ("owner", lambda m: {"operation_id": m.export.public_id}),
    "certificate_file": ("owner", lambda m: {"certificate_id": m.certificate.public_id}),
    "public_certificate_file": ("anybody", lambda m: {"certificate_id": m.certificate.public_id}),
    "studio_statement": ("owner", nowhere),
    "studio_sample": ("owner", lambda m: {"project_id": m.project.public_id}),
    "staff_transfers_csv": ("staff", nowhere),
    "statement_csv": ("worker", nowhere),
    "my_data_file": ("worker", nowhere),
}
#: Acts: POST only. With what a stranger must not be able to do with somebody else's row.
ACTS: dict[str, tuple[str, Where]] = {
    "start": ("anybody", lambda m: {"role": "worker"}),
    "start_work": ("worker", lambda m: {"batch_id": m.batch.public_id}),
    "work_preview": ("worker", lambda m: {"batch_id": m.batch.public_id}),
    "work_next": ("worker", lambda m: {"batch_id": m.batch.public_id}),
    "work_open": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_renew": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_submit": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_undo": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_draft": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_report": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "work_read": ("worker", lambda m: {"batch_id": m.batch.public_id}),
    "work_return": ("worker", lambda m: {"assignment_id": m.held.public_id}),
    "quiz_start": ("worker", lambda m: {"batch_id": m.quiz_batch.public_id}),
    "quiz_answer": ("worker", lambda m: {"batch_id": m.quiz_batch.public_id}),
    "dispute_answer": ("worker", lambda m: {"assignment_id": m.rejected.public_id}),
    "ask_payout": ("worker", nowhere),
    "ask_again": ("worker", lambda m: {"payout_id": m.held.public_id}),
    "cancel_payout": ("worker", lambda m: {"payout_id": m.held.public_id}),
    "appeal": ("worker", lambda m: {"assignment_id": m.rejected.public_id}),
    "rate_requester": ("worker", lambda m: {"requester_id": m.requester.public_id}),
    "queue_work": ("worker", lambda m: {"batch_id": m.batch.public_id}),
    "mark_favourite": ("worker", lambda m: {"project_id": m.project.public_id}),
    "save_search": ("worker", nowhere),
    "delete_search": ("worker", lambda m: {"search_id": m.search.public_id}),
    "ask_qualification": ("worker", lambda m: {"qualification_id": m.qualification.public_id}),
    "withdraw_qualification": ("worker", lambda m: {"request_id": m.asked.public_id}),
    "studio_qualification_new": ("owner", nowhere),
    "studio_qualification_change": ("owner", lambda m: {"qualification_id": m.qualification.public_id}),
    "studio_grant": ("owner", lambda m: {"qualification_id": m.qualification.public_id}),
    "studio_request_answer": ("owner", lambda m: {"request_id": m.asked.public_id}),
    "my_thread_read": ("worker", lambda m: {"thread_id": m.thread.public_id}),
    "my_message_report": ("worker", lambda m: {"message_id": m.reply.public_id}),
    "studio_thread_read": ("owner", lambda m: {"thread_id": m.thread.public_id}),
    "studio_message_report": ("owner", lambda m: {"message_id": m.thread.messages.first().public_id}),
    "studio_batch_new": ("owner", lambda m: {"project_id": m.project.public_id}),
    "batch_upload": ("owner", lambda m: {"batch_id": m.draft.public_id}),
    "batch_export": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "batch_clone": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "batch_act": ("owner", lambda m: {"batch_id": m.batch.public_id, "act": "pause"}),
    "review_decide": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_answer": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_undo": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_clarify": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_gold": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_draw": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "review_bulk_do": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "item_act": ("owner", lambda m: {"item_id": m.rejected.hit.data_row.public_id, "act": "open"}),
    "compensate_pay": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "proof_draw": ("owner", lambda m: {"batch_id": m.finished.public_id}),
    "changes_experts": ("owner", lambda m: {"batch_id": m.finished.public_id}),
    "changes_ask": ("owner", lambda m: {"healing_id": m.healing.public_id}),
    "audit_answer": ("owner", lambda m: {"sample_id": m.audit.public_id}),
    "audit_certify": ("owner", lambda m: {"sample_id": m.audit.public_id}),
    "certificate_publish": ("owner", lambda m: {"certificate_id": m.certificate.public_id}),
    "ask_deposit": ("owner", nowhere),
    "studio_invite": ("owner", nowhere),
    "studio_token_new": ("owner", nowhere),
    "studio_preview": ("owner", lambda m: {"project_id": m.project.public_id}),
    "studio_price": ("owner", lambda m: {"project_id": m.project.public_id}),
    "project_act": ("owner", lambda m: {"project_id": m.project.public_id, "act": "archive"}),
    "studio_trial_start": ("owner", lambda m: {"project_id": m.project.public_id}),
    "studio_trial_use": ("owner", lambda m: {"project_id": m.project.public_id}),
    "batch_deliver": ("owner", lambda m: {"batch_id": m.batch.public_id}),
    "machine_act": ("owner", lambda m: {"batch_id": m.batch.public_id, "act": "connect"}),
    "known_mark": ("owner", lambda m: {"project_id": m.project.public_id}),
    "known_act": ("owner", lambda m: {"gold_id": m.known.public_id, "act": "release"}),
    "quiz_add": ("owner", lambda m: {"project_id": m.project.public_id}),
    "training_add": ("owner", lambda m: {"project_id": m.project.public_id}),
    "studio_rename": ("owner", nowhere),
    "studio_member": ("owner", lambda m: {"member_id": m.requester.memberships.get(user=m.owner).pk}),
    "webhook_new": ("owner", nowhere),
    "access_key_new": ("owner", nowhere),
    "sandbox_clock": ("owner", nowhere),
    "access_key_end": ("owner", lambda m: {"key_id": m.access_key.key_id}),
    "webhook_act": ("owner", lambda m: {"webhook_id": m.webhook.public_id, "act": "change"}),
    "media_upload": ("owner", nowhere),
    "media_again": ("owner", lambda m: {"media_id": m.media.public_id}),
    "block_act": ("owner", nowhere),
    "studio_token_end": ("owner", lambda m: {"prefix": m.token_prefix}),
    "tour_away": ("owner", nowhere),
    "tour_back": ("owner", nowhere),
    "notices_read": ("worker", nowhere),
    "notices_unread": ("worker", nowhere),
    "notice_open": ("worker", lambda m: {"notice_id": m.notice.public_id}),
    "notice_unread": ("worker", lambda m: {"notice_id": m.notice.public_id}),
    "staff_appeal_rule": ("staff", lambda m: {"appeal_id": m.held.public_id}),
    "staff_flag_decide": ("staff", lambda m: {"flag_id": m.flag.public_id}),
    "staff_key_rule": ("staff", lambda m: {"contest_id": m.held.public_id}),
    "staff_report_rule": ("staff", lambda m: {"message_id": m.reply.public_id}),
    "staff_worker_decide": ("staff", lambda m: {"worker_id": m.worker.public_id}),
    "staff_worker_note": ("staff", lambda m: {"worker_id": m.worker.public_id}),
    "staff_worker_account": ("staff", lambda m: {"worker_id": m.worker.public_id}),
    "staff_deposit_decide": ("staff", lambda m: {"deposit_id": m.held.public_id}),
    "staff_payout_decide": ("staff", lambda m: {"payout_id": m.held.public_id}),
    "staff_goodwill_fill": ("staff", nowhere),
    "staff_invariants_run": ("staff", nowhere),
    "staff_person_decide": ("staff", lambda m: {"user_id": m.owner.public_id}),
    "staff_person_note": ("staff", lambda m: {"user_id": m.owner.public_id}),
    "staff_person_worker": ("staff", lambda m: {"user_id": m.worker.user.public_id}),
    "staff_invitation_new": ("staff", nowhere),
    "staff_invitation_cancel": ("staff", lambda m: {"invitation_id": 1}),
    "staff_organisation_note": ("staff", lambda m: {"organisation_id": m.requester.public_id}),
    "staff_setting_change": ("staff", lambda m: {"name": "SIGNUP"}),
}
#: Pages that need to be asked about something (`?project=`); tests/marketplace/test_message_pages.py opens them.
ABOUT = {"my_message_new", "studio_message_new", "frame_state", "frame_confirm"}
#: Ways on, which lead elsewhere and show nothing of anybody.
WAYS = {"enter", "enter_any", "media", "choose_language", "choose_direction", "csp_report"}
WAYS |= {"mturk_file", "mturk_submit", "mturk_preview", "mturk_tasks"}  # tests/mturk/test_frames.py
ABOUT |= {"work_look"}  # of work that is closed: tests/mturk/test_guarding.py
#: Pages of allauth in our look, as somebody who is not signed in and as somebody who is.
ENTRANCE = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "account_email_verification_sent",
    "account_inactive",
]
OWN_ACCOUNT = ["account_email", "account_change_password", "account_logout", "mfa_index", "mfa_activate_totp"]
ADMIN = [
    "admin:index",
    "admin:payments_deposit_changelist",
    "admin:payments_payout_changelist",
    "admin:marketplace_appeal_changelist",
    "admin:users_user_changelist",
    "admin:quality_flag_changelist",
]
