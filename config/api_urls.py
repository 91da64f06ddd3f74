"""The REST API, /api/v1: one line a URL, in the order of docs/api.md."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from drf_spectacular.views import SpectacularJSONAPIView

from core.api.endpoint import NothingHere
from marketplace.api import hooks, media, people, posting, reviewing, taking, work
from payments.api import money
from quality.api import exporting, keys, quizzes
from users.api import tokens
from workers_app.api import qualifications


class CodeConverter(StringConverter):
    """A worker's name as a requester knows it."""

    regex = "W[A-Z2-7]{16}"


register_converter(CodeConverter, "code")
document = SpectacularJSONAPIView.as_view(permission_classes=[], authentication_classes=[])

urlpatterns = [
    # First what is asked most: patterns are tried one by one.
    path("batches/<uuid:batch_id>/accept", taking.AcceptNext.as_view(), name="api-accept"),
    path("assignments/<uuid:assignment_id>/submit", taking.Submit.as_view(), name="api-submit"),
    path("openapi.json", document, name="api-openapi"),
    # Oneself
    path("me", people.Me.as_view(), name="api-me"),
    path("me/roles", people.MyRoles.as_view(), name="api-my-roles"),
    path("me/invitations", people.MyInvitations.as_view(), name="api-my-invitations"),
    path("me/data", work.MyData.as_view(), name="api-my-data"),
    path("tokens", tokens.Tokens.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", tokens.Token.as_view(), name="api-token"),
    # Organisations
    path("organisations", people.Organisations.as_view(), name="api-organisations"),
    path("organisations/<uuid:organisation_id>", people.Organisation.as_view(), name="api-organisation"),
    path("organisations/<uuid:organisation_id>/members", people.Members.as_view(), name="api-members"),
    path("organisations/<uuid:organisation_id>/members/<uuid:user_id>", people.Member.as_view(), name="api-member"),
    path("organisations/<uuid:organisation_id>/invitations", people.Invitations.as_view(), name="api-invitations"),
    path("organisations/<uuid:organisation_id>/blocks", people.Blocks.as_view(), name="api-blocks"),
    path("organisations/<uuid:organisation_id>/blocks/<code:worker>", people.BlockedWorker.as_view(), name="api-block"),
    path("organisations/<uuid:organisation_id>/balance", people.Balance.as_view(), name="api-balance"),
    path("organisations/<uuid:organisation_id>/deposits", money.Deposits.as_view(), name="api-deposits"),
    path("deposits/<uuid:deposit_id>", money.DepositOne.as_view(), name="api-deposit"),
    path("organisations/<uuid:organisation_id>/statement", money.Statement.as_view(), name="api-statement"),
    path("organisations/<uuid:organisation_id>/statement.csv", money.StatementCsv.as_view(), name="api-statement-csv"),
    path(
        "organisations/<uuid:organisation_id>/qualifications",
        qualifications.Qualifications.as_view(),
        name="api-qualifications",
    ),
    path("qualifications/<uuid:qualification_id>", qualifications.QualificationOne.as_view(), name="api-qualification"),
    path("qualifications/<uuid:qualification_id>/grants", qualifications.Grants.as_view(), name="api-grants"),
    path(
        "qualifications/<uuid:qualification_id>/grants/<code:worker>",
        qualifications.GrantOne.as_view(),
        name="api-grant",
    ),
    path("organisations/<uuid:organisation_id>/webhooks", hooks.RequesterHooks.as_view(), name="api-webhooks"),
    path("webhooks/<uuid:webhook_id>", hooks.Hook.as_view(), name="api-webhook"),
    path("webhooks/<uuid:webhook_id>/secret", hooks.HookSecret.as_view(), name="api-webhook-secret"),
    path("webhooks/<uuid:webhook_id>/ping", hooks.HookPing.as_view(), name="api-webhook-ping"),
    path("webhooks/<uuid:webhook_id>/deliveries", hooks.Deliveries.as_view(), name="api-webhook-deliveries"),
    # Projects and batches
    path("projects", posting.Projects.as_view(), name="api-projects"),
    path("projects/<uuid:project_id>", posting.ProjectOne.as_view(), name="api-project"),
    path("projects/<uuid:project_id>/clone", posting.ProjectClone.as_view(), name="api-project-clone"),
    path("projects/<uuid:project_id>/archive", posting.ProjectArchive.as_view(), name="api-project-archive"),
    path("projects/<uuid:project_id>/batches", posting.ProjectBatches.as_view(), name="api-project-batches"),
    path("batches", posting.Batches.as_view(), name="api-batches"),
    path("batches/<uuid:batch_id>", posting.BatchOne.as_view(), name="api-batch"),
    path("batches/<uuid:batch_id>/file", posting.BatchFile.as_view(), name="api-batch-file"),
    path("batches/<uuid:batch_id>/check", posting.BatchCheck.as_view(), name="api-batch-check"),
    path("batches/<uuid:batch_id>/preview", posting.BatchPreview.as_view(), name="api-batch-preview"),
    path("batches/<uuid:batch_id>/publish", posting.BatchPublish.as_view(), name="api-batch-publish"),
    path("batches/<uuid:batch_id>/progress", posting.BatchProgress.as_view(), name="api-batch-progress"),
    path("batches/<uuid:batch_id>/pause", posting.BatchPause.as_view(), name="api-batch-pause"),
    path("batches/<uuid:batch_id>/resume", posting.BatchResume.as_view(), name="api-batch-resume"),
    path("batches/<uuid:batch_id>/extend", posting.BatchExtend.as_view(), name="api-batch-extend"),
    path("batches/<uuid:batch_id>/more", posting.BatchMore.as_view(), name="api-batch-more"),
    path("batches/<uuid:batch_id>/close", posting.BatchClose.as_view(), name="api-batch-close"),
    path("batches/<uuid:batch_id>/clone", posting.BatchClone.as_view(), name="api-batch-clone"),
    path("batches/<uuid:batch_id>/rows", posting.BatchRows.as_view(), name="api-batch-rows"),
    path("batches/<uuid:batch_id>/rows/file", posting.BatchMoreRows.as_view(), name="api-batch-rows-file"),
    path("batches/<uuid:batch_id>/rows.csv", media.BatchRowsCsv.as_view(), name="api-batch-rows-csv"),
    path("batches/<uuid:batch_id>/media", media.BatchMedia.as_view(), name="api-batch-media"),
    path("organisations/<uuid:organisation_id>/media", media.MediaUpload.as_view(), name="api-media-upload"),
    path("media/<uuid:media_id>", media.MediaOne.as_view(), name="api-media"),
    path("media/<uuid:media_id>/fetch", media.MediaFetch.as_view(), name="api-media-fetch"),
    path("batches/<uuid:batch_id>/hits", posting.BatchHits.as_view(), name="api-batch-hits"),
    path("hits/<uuid:hit_id>", posting.HitOne.as_view(), name="api-hit"),
    path("hits/<uuid:hit_id>/cancel", posting.HitCancel.as_view(), name="api-hit-cancel"),
    path("hits/<uuid:hit_id>/release", posting.HitRelease.as_view(), name="api-hit-release"),
    path("batches/<uuid:batch_id>/exports", exporting.Exports.as_view(), name="api-exports"),
    path("batches/<uuid:batch_id>/exports/count", exporting.ExportCount.as_view(), name="api-export-count"),
    path("operations/<uuid:operation_id>/file", exporting.ExportFile.as_view(), name="api-export-file"),
    path("operations", posting.Operations.as_view(), name="api-operations"),
    path("operations/<uuid:operation_id>", posting.OperationOne.as_view(), name="api-operation"),
    path("operations/<uuid:operation_id>/cancel", posting.OperationCancel.as_view(), name="api-operation-cancel"),
    # Review
    path("batches/<uuid:batch_id>/assignments", reviewing.BatchAssignments.as_view(), name="api-batch-assignments"),
    path("batches/<uuid:batch_id>/decisions", reviewing.Decisions.as_view(), name="api-batch-decisions"),
    path("batches/<uuid:batch_id>/compensations", reviewing.Compensations.as_view(), name="api-compensations"),
    path("assignments/<uuid:assignment_id>", reviewing.AssignmentOne.as_view(), name="api-assignment"),
    path("assignments/<uuid:assignment_id>/approve", reviewing.Approve.as_view(), name="api-approve"),
    path("assignments/<uuid:assignment_id>/reject", reviewing.Reject.as_view(), name="api-reject"),
    path("assignments/<uuid:assignment_id>/redo", reviewing.Redo.as_view(), name="api-redo"),
    path("assignments/<uuid:assignment_id>/disregard", reviewing.Disregard.as_view(), name="api-disregard"),
    path("assignments/<uuid:assignment_id>/bonus", reviewing.Bonus.as_view(), name="api-bonus"),
    path("appeals", reviewing.RequesterAppeals.as_view(), name="api-appeals"),
    # Quality
    path("projects/<uuid:project_id>/gold", keys.ProjectGold.as_view(), name="api-project-gold"),
    path("projects/<uuid:project_id>/quiz", keys.QuizQuestions.as_view(), name="api-project-quiz"),
    path("projects/<uuid:project_id>/contests", keys.ProjectContests.as_view(), name="api-project-contests"),
    path("projects/<uuid:project_id>/workers", keys.ProjectWorkers.as_view(), name="api-project-workers"),
    path("projects/<uuid:project_id>/workers/<code:worker>/pause", keys.WorkerPause.as_view(), name="api-worker-pause"),
    path("projects/<uuid:project_id>/flags", keys.ProjectFlags.as_view(), name="api-project-flags"),
    path("projects/<uuid:project_id>/runs", keys.ProjectRuns.as_view(), name="api-project-runs"),
    path("projects/<uuid:project_id>/refit", keys.ProjectRefit.as_view(), name="api-project-refit"),
    path("hits/<uuid:hit_id>/gold", keys.HitGold.as_view(), name="api-hit-gold"),
    path("hits/<uuid:hit_id>/gold/promote", keys.HitPromote.as_view(), name="api-hit-promote"),
    path("gold/<uuid:gold_id>", keys.GoldOne.as_view(), name="api-gold"),
    path("gold/<uuid:gold_id>/suspend", keys.GoldSuspend.as_view(), name="api-gold-suspend"),
    path("gold/<uuid:gold_id>/release", keys.GoldRelease.as_view(), name="api-gold-release"),
    path("contests/<uuid:contest_id>/rule", keys.ContestRule.as_view(), name="api-contest-rule"),
    # Work
    path("work", work.FindWork.as_view(), name="api-work"),
    path("work/<uuid:batch_id>", work.WorkOne.as_view(), name="api-work-one"),
    path("work/<uuid:batch_id>/quiz", quizzes.StartQuiz.as_view(), name="api-start-quiz"),
    path("quizzes/<uuid:quiz_id>", quizzes.Quiz.as_view(), name="api-quiz"),
    path("quizzes/<uuid:quiz_id>/answers", quizzes.QuizAnswers.as_view(), name="api-quiz-answers"),
    path("hits/<uuid:hit_id>/accept", taking.AcceptNamed.as_view(), name="api-accept-named"),
    path("assignments/<uuid:assignment_id>/revise", taking.Revise.as_view(), name="api-revise"),
    path("assignments/<uuid:assignment_id>/open", work.Open.as_view(), name="api-open"),
    path("assignments/<uuid:assignment_id>/renew", work.Renew.as_view(), name="api-renew"),
    path("assignments/<uuid:assignment_id>/return", work.Return.as_view(), name="api-return"),
    path("assignments/<uuid:assignment_id>/appeal", work.FileAppeal.as_view(), name="api-file-appeal"),
    path("assignments/<uuid:assignment_id>/contest", quizzes.OpenContest.as_view(), name="api-open-contest"),
    path("my/assignments", work.MyAssignments.as_view(), name="api-my-assignments"),
    path("my/assignments/<uuid:assignment_id>", work.MyAssignment.as_view(), name="api-my-assignment"),
    path("my/appeals", work.MyAppeals.as_view(), name="api-my-appeals"),
    path("my/contests", quizzes.MyContests.as_view(), name="api-my-contests"),
    path("my/qualifications", qualifications.MyQualifications.as_view(), name="api-my-qualifications"),
    path("my/profile", work.MyProfile.as_view(), name="api-my-profile"),
    path("my/earnings", money.MyEarnings.as_view(), name="api-my-earnings"),
    path("my/statement", money.MyStatement.as_view(), name="api-my-statement"),
    path("my/statement.csv", money.MyStatementCsv.as_view(), name="api-my-statement-csv"),
    path("my/payouts", money.MyPayouts.as_view(), name="api-my-payouts"),
    path("my/payouts/<uuid:payout_id>", money.MyPayout.as_view(), name="api-my-payout"),
    path("my/payouts/<uuid:payout_id>/retry", money.MyPayoutRetry.as_view(), name="api-my-payout-retry"),
    path("my/webhooks", hooks.MyHooks.as_view(), name="api-my-webhooks"),
    # Staff
    path("admin/deposits", money.AllDeposits.as_view(), name="api-all-deposits"),
    path("admin/deposits/<uuid:deposit_id>/confirm", money.DepositConfirm.as_view(), name="api-deposit-confirm"),
    path("admin/deposits/<uuid:deposit_id>/refuse", money.DepositRefuse.as_view(), name="api-deposit-refuse"),
    path("admin/payouts", money.AllPayouts.as_view(), name="api-all-payouts"),
    path("admin/payouts/<uuid:payout_id>/send", money.PayoutSend.as_view(), name="api-payout-send"),
    path("admin/payouts/<uuid:payout_id>/paid", money.PayoutPaid.as_view(), name="api-payout-paid"),
    path("admin/payouts/<uuid:payout_id>/failed", money.PayoutFailed.as_view(), name="api-payout-failed"),
    path("admin/appeals", reviewing.AllAppeals.as_view(), name="api-all-appeals"),
    path("admin/appeals/<uuid:appeal_id>/rule", reviewing.AppealRule.as_view(), name="api-appeal-rule"),
    path("admin/goodwill", money.Goodwill.as_view(), name="api-goodwill"),
    re_path(r"^[\s\S]*$", NothingHere.as_view(), name="api-nothing-here"),
]
