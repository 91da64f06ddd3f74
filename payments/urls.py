"""Pages about money."""

from django.urls import path

from payments.views import requester, worker

urlpatterns = [
    path("earnings/", worker.earnings, name="earnings"),
    path("earnings/waiting/", worker.earnings_waiting, name="earnings_waiting"),
    path("earnings/rejected/", worker.earnings_rejected, name="earnings_rejected"),
    path("earnings/payouts/", worker.earnings_payouts, name="earnings_payouts"),
    path("earnings/payouts/ask/", worker.ask_payout, name="ask_payout"),
    path("earnings/payouts/<uuid:payout_id>/again/", worker.ask_again, name="ask_again"),
    path("earnings/payouts/<uuid:payout_id>/cancel/", worker.cancel_payout, name="cancel_payout"),
    path("earnings/rejected/<uuid:assignment_id>/appeal/", worker.appeal, name="appeal"),
    path("earnings/statement.csv", worker.statement_csv, name="statement_csv"),
    path("studio/money/", requester.studio_money, name="studio_money"),
    path("studio/money/deposit/", requester.ask_deposit, name="ask_deposit"),
    path("studio/money/statement.csv", requester.studio_statement, name="studio_statement"),
]
