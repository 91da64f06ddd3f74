"""The lines of the REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from core.models import Operation, Outbox
from lifecycle.decide import disregard, use_again
from lifecycle.overrule import give_back, overrule
from lifecycle.train import start_training
from marketplace.models import Assignment, Batch
from marketplace.services.posting import pause_batch
from quality.models import Belief
from tests.support.factories import DIGIT
from tests.support.factories import body as answers
from tests.support.url_policy import OWN, Line, World, Wrong

BAD_CURSOR = Wrong(404, "no_such_page", query="?cursor=nonsense")
ILLEGAL = "illegal_move"


def organisation(w: World) -> dict[str, Any]:
    return {"organisation_id": w.requester.public_id}


def project(w: World) -> dict[str, Any]:
    return {"project_id": w.project.public_id}


def batch(w: World) -> dict[str, Any]:
    return {"batch_id": w.batch.public_id}


def draft(w: World) -> dict[str, Any]:
    return {"batch_id": w.draft.public_id}


def machine(w: World) -> dict[str, Any]:
    return {"machine_id": w.machine.public_id}


def name_next(w: World) -> None:
    """A training that named the world's HITs."""
    ids = list(w.batch.hits.values_list("pk", flat=True))
    about = {"kind": "train", "subject": f"batch:{w.batch.pk}", "state": "done", "requester_id": w.requester.pk}
    Operation.objects.create(**about, result={"next": ids})


def predicted(w: World, word: str) -> dict[str, Any]:
    """One prediction about the world's first HIT."""
    row = {"hit": str(w.batch.hits.first().data_row.public_id), "answers": {"digit": word}}
    return {"machine": str(w.machine.public_id), "predictions": [row]}


def hit(w: World) -> dict[str, Any]:
    return {"hit_id": w.hit.data_row.public_id}


def failed_media(w: World) -> dict[str, Any]:
    return {"media_id": w.failed_media.public_id}


def gold(w: World) -> dict[str, Any]:
    return {"gold_id": w.gold.public_id}


def done(w: World) -> dict[str, Any]:
    return {"batch_id": w.done.batch.public_id}


def sample(w: World) -> dict[str, Any]:
    return {"sample_id": w.sample.public_id}


def certificate(w: World) -> dict[str, Any]:
    return {"certificate_id": w.certificate.public_id}


def set_aside(w: World) -> None:
    disregard(assignment=w.submitted, by=w.owner.pk, reason="Guessed.")


def assignment(state: str) -> Any:
    return lambda w: {"assignment_id": getattr(w, state).public_id}


def close(w: World) -> None:
    Batch.objects.filter(pk=w.batch.pk).update(state="closed")


def upload(w: World) -> None:
    from django.core.files.base import ContentFile

    from marketplace.services.posting import attach_upload

    attach_upload(batch=w.draft, file=ContentFile(b"text\na\nb\n"), name="rows.csv")


def delivered(w: World) -> int:
    """A delivery of a message that has arrived."""
    key = f"webhook:{w.webhook.pk}:batch.finished:x"
    Outbox.objects.get_or_create(
        key=key,
        defaults={"kind": "webhook", "payload": {"webhook": w.webhook.pk}, "delivered_at": timezone.now()},
    )
    return w.webhook.deliveries.create(outbox_key=key, event="batch.finished", attempt=1, response_code=200).pk


def expire(w: World) -> None:
    Assignment.objects.filter(pk=w.ahead.pk).update(deadline=timezone.now() - timedelta(seconds=1))


def end_undo(assignment: Assignment) -> None:
    assignment.answers.update(final_at=timezone.now())


def suspend(w: World) -> None:
    w.worker.suspended_at = timezone.now()
    w.worker.save(update_fields=["suspended_at"])


REASON = {"reason": "Because."}
ONE = {"question": "digit", "answer": "one"}
NOTHING = Wrong(400, "malformed", body=b"{")

API = [
    Line("api-openapi", by="anonymous", stranger=200),
    Line("api-nothing-here", by="anonymous", status=404),
    # Oneself
    Line("api-me", stranger=OWN),
    Line("api-me", "PATCH", body={"name": "Ann"}, stranger=OWN, wrong=Wrong(400, "invalid", body={"email": "x@y.z"})),
    Line("api-my-roles", "POST", body={"role": "worker"}, stranger=OWN,
         wrong=Wrong(400, "invalid", body={"role": "admin"})),
    Line("api-my-invitations", "POST", by="hand", body=lambda w: {"code": w.invitation.code}, status=201,
         wrong=Wrong(404, "not_found", body={"code": "used"})),
    Line("api-my-data", stranger=OWN),
    Line("api-me-erase", "POST", by="hand", body=lambda w: {"email": w.worker.user.email}, status=204, stranger=400,
         wrong=Wrong(409, "work_undecided", before=lambda w: w.submitted)),
    Line("api-my-accuracy", by="hand", stranger=OWN),
    Line("api-tokens", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-tokens", "POST", body={"scopes": ["read"]}, status=201, stranger=OWN,
         wrong=Wrong(403, "scope_missing", body={"scopes": ["admin"]})),
    Line("api-token", "DELETE", kwargs=lambda w: {"token_id": w.token.public_id}, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: w.token.delete())),  # and one's own: tests/api/test_tokens.py
    Line("api-notices", by="hand", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-notices-read", "POST", by="hand", body={}, stranger=OWN,
         wrong=Wrong(404, "not_found", body=lambda w: {"until": str(w.worker.public_id)})),
    Line("api-notice-ways", by="hand", stranger=OWN),
    Line("api-notice-ways", "PATCH", by="hand", body={"answers": "off"}, stranger=OWN,
         wrong=Wrong(400, "invalid", body={"answers": "by pigeon"})),
    Line("api-notice", "PATCH", by="hand", kwargs=lambda w: {"notice_id": w.notice.public_id}, body={"read": True},
         wrong=Wrong(400, "invalid", body={"read": "yes"})),
    # Organisations
    Line("api-organisations", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-organisations", "POST", body={"name": "Museum"}, status=201, stranger=OWN,
         wrong=Wrong(400, "invalid", body={"name": ""})),
    Line("api-organisation", kwargs=organisation),
    Line("api-organisation", "PATCH", kwargs=organisation, body={"name": "Museum"},
         wrong=Wrong(400, "invalid", body={"name": " "})),
    Line("api-members", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-member", "PATCH", kwargs=lambda w: {**organisation(w), "user_id": w.member.public_id},
         body={"role": "reviewer"}, wrong=Wrong(400, "invalid", body={"role": "boss"})),
    Line("api-member", "DELETE", kwargs=lambda w: {**organisation(w), "user_id": w.owner.public_id}, status=204,
         before=lambda w: w.requester.memberships.filter(user=w.member).update(role="owner"),
         wrong=Wrong(409, "last_owner")),
    Line("api-invitations", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-invitations", "POST", kwargs=organisation, body={"email": "new@example.org", "role": "viewer"},
         status=201, wrong=Wrong(400, "invalid", body={"email": "nobody", "role": "viewer"})),
    Line("api-blocks", kwargs=organisation),
    Line("api-blocks", "POST", kwargs=organisation, body=lambda w: {"worker": w.code, "reason": "Not again."},
         status=201, wrong=Wrong(404, "not_found", body={"worker": "WAAAAAAAAAAAAAAAA", "reason": "Who?"})),
    Line("api-block", "DELETE", kwargs=lambda w: {**organisation(w), "worker": w.code}, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: w.worker.pseudonyms.all().delete())),
    Line("api-tour", "PUT", kwargs=organisation, body={"is_shown": False}, status=204,
         wrong=Wrong(400, "invalid", body={"is_shown": "no"})),
    # What a sandbox is answered, tests/mturk/test_sandbox_clock.py says.
    Line("api-clock", "POST", kwargs=organisation, body={"seconds": 60}, status=409,
         wrong=Wrong(400, "invalid", body={"seconds": -1})),
    Line("api-balance", kwargs=organisation),
    Line("api-deposits", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-deposits", "POST", kwargs=organisation, body={"amount": "25.00"}, status=201,
         wrong=Wrong(400, "invalid", body={"amount": "-5"})),
    Line("api-deposit", kwargs=lambda w: {"deposit_id": w.deposit.public_id}),
    Line("api-statement", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-statement-csv", kwargs=organisation, wrong=Wrong(400, "invalid", query="?since=yesterday")),
    Line("api-qualifications", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-qualifications", "POST", kwargs=organisation, body={"name": "Latin"}, status=201,
         wrong=Wrong(409, "name_taken", before=lambda w: w.qualification, body={"name": "Reads Fraktur"})),
    Line("api-qualification", kwargs=lambda w: {"qualification_id": w.qualification.public_id}),
    Line("api-qualification", "PATCH", kwargs=lambda w: {"qualification_id": w.qualification.public_id},
         body={"name": "Fraktur"}, wrong=Wrong(400, "invalid", body={"name": ""})),
    Line("api-grants", kwargs=lambda w: {"qualification_id": w.qualification.public_id}, before=World.grant,
         wrong=BAD_CURSOR),
    Line("api-grant", "PUT", kwargs=lambda w: {"qualification_id": w.qualification.public_id, "worker": w.code},
         body={"value": 5}, wrong=Wrong(409, "quiz", before=lambda w: setattr_and_save(w.qualification, kind="quiz"))),
    Line("api-grant", "DELETE", kwargs=lambda w: {"qualification_id": w.qualification.public_id, "worker": w.code},
         before=World.grant, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: w.worker.grants.all().delete())),
    Line("api-qualification-requests", kwargs=organisation, before=lambda w: w.asked, wrong=BAD_CURSOR),
    Line("api-qualification-request-answer", "POST", kwargs=lambda w: {"request_id": w.asked.public_id},
         body={"is_granted": True, "value": 3},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.asked, state="withdrawn"),
                     body={"is_granted": True})),
    Line("api-organisation-rating", kwargs=organisation),
    # Messages
    Line("api-threads", kwargs=organisation, before=lambda w: w.message, wrong=BAD_CURSOR),
    Line("api-project-threads", "POST", kwargs=project, before=World.take_part,
         body=lambda w: {"worker": w.code, "body": "Thank you."}, status=201,
         wrong=Wrong(409, "no_messages", before=lambda w: setattr_and_save(w.worker, accepts_messages=False))),
    Line("api-thread", kwargs=lambda w: {"thread_id": w.message.thread.public_id}),
    Line("api-thread", "POST", kwargs=lambda w: {"thread_id": w.message.thread.public_id}, body={"body": "It is."},
         status=201, wrong=Wrong(400, "invalid", body={"body": ""})),
    Line("api-message-report", "POST", kwargs=lambda w: {"message_id": w.message.public_id}, body=REASON,
         wrong=Wrong(409, "own_message", before=lambda w: setattr_and_save(w.message, is_by_worker=False),
                     body=REASON)),
    Line("api-my-threads", by="hand", before=lambda w: w.message, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-threads", "POST", by="hand", body=lambda w: {"project": str(w.project.public_id), "body": "A word."},
         status=201, stranger=201, wrong=Wrong(400, "invalid", body={"body": "A word."})),
    Line("api-my-thread", by="hand", kwargs=lambda w: {"thread_id": w.message.thread.public_id}),
    Line("api-my-thread", "POST", by="hand", kwargs=lambda w: {"thread_id": w.message.thread.public_id},
         body={"body": "Thank you."}, status=201, wrong=Wrong(400, "invalid", body={"body": " "})),
    Line("api-webhooks", kwargs=organisation, wrong=BAD_CURSOR),
    Line("api-webhooks", "POST", kwargs=organisation, body={"url": "https://example.org/", "events": ["label.settled"]},
         status=201,
         wrong=Wrong(400, "invalid", body={"url": "https://169.254.169.254/", "events": ["label.settled"]})),
    Line("api-webhook", kwargs=lambda w: {"webhook_id": w.webhook.public_id}),
    Line("api-webhook", "PATCH", kwargs=lambda w: {"webhook_id": w.webhook.public_id}, body={"is_active": False},
         wrong=Wrong(400, "invalid", body={"url": "http://example.org/"})),
    Line("api-webhook", "DELETE", kwargs=lambda w: {"webhook_id": w.webhook.public_id}, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: type(w.webhook).objects.all().delete())),
    Line("api-webhook-secret", "POST", kwargs=lambda w: {"webhook_id": w.webhook.public_id}, wrong=NOTHING),
    Line("api-webhook-ping", "POST", kwargs=lambda w: {"webhook_id": w.webhook.public_id},
         before=lambda w: setattr_and_save(w.webhook, url="https://127.0.0.1/"), wrong=NOTHING),
    Line("api-webhook-deliveries", kwargs=lambda w: {"webhook_id": w.webhook.public_id}, wrong=BAD_CURSOR),
    Line("api-webhook-again", "POST", kwargs=lambda w: {"webhook_id": w.webhook.public_id, "delivery_id": delivered(w)},
         status=204, wrong=Wrong(409, "not_ended", before=lambda w: Outbox.objects.update(delivered_at=None))),
    # Projects and batches
    Line("api-projects", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-projects", "POST", status=201, stranger=404, wrong=Wrong(400, "invalid", body={"name": ""}),
         body=lambda w: {"organisation": str(w.requester.public_id), "name": "Digits", "questions": [DIGIT],
                         "template": "{{text}}", "rules": {"reward": "0.10"}}),
    Line("api-project", kwargs=project),
    Line("api-project", "PATCH", kwargs=project, body={"summary": "Read one digit."},
         wrong=Wrong(400, "invalid", body={"rules": {"mode": "magic"}})),
    Line("api-project-clone", "POST", kwargs=project, status=201, wrong=NOTHING),
    Line("api-project-trial", "POST", kwargs=project, body={"rows": [{"text": "a row"}]}, status=201,
         wrong=Wrong(400, "invalid", body={"rows": [{"other": "column"}]})),
    Line("api-project-archive", "POST", kwargs=project, wrong=NOTHING),
    Line("api-project-batches", "POST", kwargs=project, body={"name": "First"}, status=201,
         wrong=Wrong(400, "invalid", body={"expires_at": "2001-01-01T00:00:00Z"})),
    Line("api-batches", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-batch", kwargs=batch),
    Line("api-batch-file", "PUT", kwargs=draft, body=b"text\none\n", content_type="text/csv",
         wrong=Wrong(409, "not_a_draft", before=lambda w: setattr_and_save(w.draft, state="closed"),
                     body=b"text\none\n")),
    Line("api-batch-columns", "PUT", kwargs=draft, before=upload, body={"columns": {"text": "words"}},
         wrong=Wrong(400, "invalid", body={"columns": {"nothing": "text"}})),
    Line("api-batch-check", "POST", kwargs=draft, before=upload, status=202,
         wrong=Wrong(409, "not_a_draft", before=lambda w: setattr_and_save(w.draft, state="closed"))),
    Line("api-batch-preview", kwargs=draft, wrong=Wrong(400, "invalid", query="?rows=-1")),
    Line("api-batch-publish", "POST", kwargs=draft, before=upload, status=202,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.draft, state="closed"))),
    Line("api-batch-progress", kwargs=batch),
    Line("api-batch-pause", "POST", kwargs=batch, wrong=Wrong(409, ILLEGAL, before=close)),
    Line("api-batch-resume", "POST", kwargs=batch, before=lambda w: pause_batch(batch=w.batch),
         wrong=Wrong(409, ILLEGAL, before=lambda w: Batch.objects.update(state="open", paused_because=""))),
    Line("api-batch-extend", "POST", kwargs=batch, body={"expires_at": None},
         wrong=Wrong(409, "closed", before=close, body={"expires_at": None})),
    Line("api-batch-more", "POST", kwargs=batch, body={"answers": 1}, status=202,
         wrong=Wrong(409, "batch_not_open", before=close, body={"answers": 1})),
    Line("api-batch-close", "POST", kwargs=batch, status=202, wrong=Wrong(409, ILLEGAL, before=close)),
    Line("api-batch-clone", "POST", kwargs=batch, status=201, wrong=NOTHING),
    Line("api-batch-rows", "POST", kwargs=lambda w: {"batch_id": w.standing.public_id}, body={"data": {"text": "7"}},
         status=201, wrong=Wrong(409, "batch_not_open", before=lambda w: setattr_and_save(
             w.standing, state="draft", design={}, published_at=None), body={"data": {"text": "7"}})),
    Line("api-batch-rows-file", "PUT", kwargs=batch, body=b"text\nnew\n", content_type="text/csv", status=202,
         wrong=Wrong(409, "not_open", before=close, body=b"text\nnew\n")),
    Line("api-batch-rows-csv", kwargs=batch),
    Line("api-batch-media", kwargs=batch, wrong=BAD_CURSOR),
    Line("api-media-upload", "PUT", kwargs=organisation, body=b"ID3sound", content_type="audio/mpeg",
         wrong=Wrong(400, "invalid", body=b"no media")),
    Line("api-media", kwargs=failed_media),
    Line("api-media", "PUT", kwargs=failed_media, body=b"ID3sound", content_type="audio/mpeg",
         wrong=Wrong(400, "invalid", body=b"no media")),
    Line("api-media-fetch", "POST", kwargs=failed_media,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.failed_media, state="ready"))),
    Line("api-batch-hits", kwargs=batch, wrong=BAD_CURSOR),
    Line("api-hit", kwargs=hit),
    Line("api-hit-cancel", "POST", kwargs=hit,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.hit, state=3))),
    Line("api-hit-release", "POST", kwargs=hit, before=lambda w: setattr_and_save(w.hit, state=2),
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.hit, state=3))),
    Line("api-operations", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-operation", kwargs=lambda w: {"operation_id": w.operation.public_id}),
    Line("api-operation-cancel", "POST", kwargs=lambda w: {"operation_id": w.operation.public_id},
         wrong=Wrong(409, "finished", before=lambda w: setattr_and_save(w.operation, state="done"))),
    Line("api-operation-resume", "POST", kwargs=lambda w: {"operation_id": w.operation.public_id}, status=202,
         before=lambda w: setattr_and_save(w.operation, state="failed", cursor={"after": 1}),
         wrong=Wrong(409, "not_resumable", before=lambda w: setattr_and_save(w.operation, state="failed", cursor={}))),
    Line("api-exports", "POST", kwargs=batch, body={"what": "answers"}, status=202,
         wrong=Wrong(400, "invalid", body={"what": "everything"})),
    Line("api-export-count", kwargs=batch, wrong=Wrong(400, "invalid", query="?what=everything")),
    Line("api-export-file", kwargs=lambda w: {"operation_id": w.export.public_id},
         wrong=Wrong(409, "not_finished", before=lambda w: setattr_and_save(w.export, state="running"))),
    # Review
    Line("api-batch-assignments", kwargs=batch, before=lambda w: w.submitted, wrong=BAD_CURSOR),
    Line("api-batch-decisions", "POST", kwargs=batch,
         body=lambda w: {"decision": "approve", "assignments": [str(w.submitted.public_id)]},
         wrong=Wrong(400, "invalid",
                     body=lambda w: {"decision": "reject", "assignments": [str(w.submitted.public_id)]})),
    Line("api-compensations", "POST", kwargs=batch, status=201,
         body=lambda w: {"lines": [{"assignment": str(w.accepted.public_id), "amount": "0.05", "reason": "Broken."}]},
         wrong=Wrong(400, "invalid", body=lambda w: {"lines": [
             {"assignment": str(w.approved.public_id), "amount": "0.05", "reason": "Broken."}]})),
    Line("api-assignment", kwargs=assignment("submitted")),
    Line("api-approve", "POST", kwargs=assignment("submitted"), wrong=Wrong(409, ILLEGAL, before=lambda w: w.approved)),
    Line("api-reject", "POST", kwargs=assignment("submitted"), body=REASON,
         wrong=Wrong(409, ILLEGAL, before=lambda w: w.approved, body=REASON)),
    Line("api-redo", "POST", kwargs=assignment("submitted"), body={"note": "Look closer."},
         wrong=Wrong(409, ILLEGAL, before=lambda w: w.approved, body={"note": "Look closer."})),
    Line("api-disregard", "POST", kwargs=assignment("submitted"), body=REASON, wrong=Wrong(400, "invalid", body={})),
    Line("api-bonus", "POST", kwargs=assignment("submitted"), body={"amount": "0.50", "reason": "Thorough."},
         status=201, wrong=Wrong(402, "insufficient_funds", body={"amount": "100000.00", "reason": "Thorough."})),
    Line("api-forecast", kwargs=project, wrong=Wrong(400, "invalid", query="?spam=2")),
    Line("api-agreement", kwargs=done, wrong=Wrong(400, "invalid", query="?question=colour")),
    Line("api-crowd", kwargs=done, wrong=Wrong(400, "invalid", query="?question=colour")),
    Line("api-review", kwargs=batch, before=lambda w: w.submitted, wrong=Wrong(400, "invalid", query="?order=luck")),
    Line("api-overrule", kwargs=hit),
    Line("api-overrule", "POST", kwargs=hit, body=ONE, status=201,
         wrong=Wrong(400, "invalid", body={"question": "colour", "answer": "one"})),
    Line("api-give-back", "POST", kwargs=hit, body={"question": "digit"},
         before=lambda w: overrule(hit=w.hit, by=w.owner, **ONE),
         wrong=Wrong(409, "not_overruled", before=lambda w: give_back(hit=w.hit, question="digit", by=w.owner))),
    Line("api-use-again", "POST", kwargs=assignment("submitted"), body={}, before=set_aside,
         wrong=Wrong(409, "not_set_aside", before=lambda w: use_again(assignment=w.submitted, by=w.owner.pk))),
    Line("api-decisions-preview", kwargs=done, wrong=Wrong(400, "invalid", query="?act=praise")),
    Line("api-decisions-later", "POST", kwargs=done, body={"act": "disregard", "reason": "Guessed."}, status=202,
         wrong=Wrong(409, "changed", body={"act": "disregard", "reason": "Guessed.", "seal": "another"})),
    Line("api-guideline-notes", kwargs=batch, wrong=BAD_CURSOR),
    Line("api-guideline-notes", "POST", kwargs=batch, body={"body": "A barred 7 is a 7."}, status=201,
         wrong=Wrong(400, "invalid", body={"body": " "})),
    # Proof
    Line("api-samples", kwargs=done, wrong=BAD_CURSOR),
    Line("api-samples", "POST", kwargs=done, body={"size": 20}, status=201,
         wrong=Wrong(400, "invalid", body={"size": 21})),
    Line("api-sample-items", kwargs=sample, wrong=BAD_CURSOR),
    Line("api-sample-answer", "POST", kwargs=lambda w: {"item_id": w.sample.items.first().public_id},
         body={"answer": "one"}, wrong=Wrong(400, "invalid", body={"answer": "seven"})),
    Line("api-sample-certificate", "POST", kwargs=sample, body={}, status=201, before=lambda w: w.answer_sample(),
         wrong=Wrong(409, "certified", before=lambda w: w.certificate)),
    Line("api-sample-send", "POST", kwargs=sample, body={}, before=lambda w: w.trust(3),
         wrong=Wrong(409, "audit_begun", before=lambda w: w.answer_sample())),
    Line("api-certificates", kwargs=lambda w: {"batch_id": w.certificate.batch.public_id}, wrong=BAD_CURSOR),
    Line("api-certificate", kwargs=certificate),
    Line("api-certificate", "PATCH", kwargs=certificate, body={"is_public": True, "shows": ["making"]},
         wrong=Wrong(400, "invalid", body={"is_public": True, "shows": ["secrets"]})),
    Line("api-appeals", before=lambda w: w.appeal, stranger=OWN, wrong=BAD_CURSOR),
    # Quality
    Line("api-healings", kwargs=lambda w: {"batch_id": w.healing.batch.public_id}, wrong=BAD_CURSOR),
    Line("api-ask-again", "POST", kwargs=lambda w: {"healing_id": w.healing.public_id}, body={}, status=201,
         wrong=Wrong(409, "nothing_short", before=lambda w: w.healing.labels.all().delete())),
    Line("api-experts", "POST", kwargs=lambda w: {"batch_id": w.done.batch.public_id}, status=201,
         body=lambda w: {"qualification": str(w.qualification.public_id)},
         wrong=Wrong(409, "nothing_disputed", before=lambda w: w.settle_all())),
    Line("api-what-if", kwargs=lambda w: {"batch_id": w.done.batch.public_id},
         wrong=Wrong(400, "invalid", query="?target=0.9&answers=3")),
    Line("api-project-gold", kwargs=project, before=lambda w: w.gold, wrong=BAD_CURSOR),
    Line("api-project-quiz", "POST", kwargs=project, status=201,
         body={"rows": [{"data": {"text": "1"}, "keys": {"digit": "one"}}]},
         wrong=Wrong(400, "invalid", body={"rows": [{"data": {"text": "1"}, "keys": {"digit": "nine"}}]})),
    Line("api-project-training", "POST", kwargs=project, status=201,
         body={"rows": [{"data": {"text": "1"}, "keys": {"digit": "one"}}]},
         wrong=Wrong(400, "invalid", body={"rows": [{"data": {"text": "1"}, "keys": {"digit": "nine"}}]})),
    Line("api-project-contests", kwargs=project, before=lambda w: w.contest, wrong=BAD_CURSOR),
    Line("api-project-workers", kwargs=project, before=World.pause_worker, wrong=BAD_CURSOR),
    Line("api-worker-pause", "POST", kwargs=lambda w: {**project(w), "worker": w.code}, before=World.pause_worker,
         body={"decision": "reinstate", "reason": "The key was wrong."},
         wrong=Wrong(409, "not_paused", before=lambda w: w.worker.reliabilities.all().delete(),
                     body={"decision": "keep", "reason": "x"})),
    Line("api-project-flags", kwargs=project, wrong=BAD_CURSOR),
    Line("api-project-runs", kwargs=project, wrong=BAD_CURSOR),
    Line("api-project-refit", "POST", kwargs=project, status=202,
         wrong=Wrong(409, "under_way", before=lambda w: start_refit(w))),
    Line("api-hit-gold", "POST", kwargs=hit, body={"keys": {"digit": "one"}}, status=201,
         wrong=Wrong(409, "already_gold", before=lambda w: w.gold, body={"keys": {"digit": "one"}})),
    Line("api-hit-promote", "POST", kwargs=hit, status=201,
         before=lambda w: Belief.objects.create(hit=w.hit, question="digit", label=1, confidence=0.99, state="settled"),
         wrong=Wrong(409, "no_consensus", before=lambda w: Belief.objects.all().delete())),
    Line("api-gold", kwargs=gold),
    Line("api-gold", "PATCH", kwargs=gold, body={"keys": {"digit": "zero"}},
         wrong=Wrong(400, "invalid", body={"keys": {"digit": "nine"}})),
    Line("api-gold-suspend", "POST", kwargs=gold, body=REASON,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.gold, state="retired"), body=REASON)),
    Line("api-gold-release", "POST", kwargs=gold,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.gold, state="retired"))),
    Line("api-contest-rule", "POST", kwargs=lambda w: {"contest_id": w.contest.public_id},
         body={"is_upheld": False, "ruling": "The key holds."},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.contest, state="upheld"),
                     body={"is_upheld": True, "ruling": "Again."})),
    # Work
    Line("api-work", by="hand", stranger=200, wrong=BAD_CURSOR),
    Line("api-work-one", by="hand", kwargs=batch, stranger=200, wrong=Wrong(404, "not_found", before=close)),
    Line("api-start-quiz", "POST", by="hand", kwargs=batch, before=World.open_quiz, status=201, stranger=201,
         wrong=Wrong(409, "no_quiz", before=lambda w: setattr_and_save(w.project, rules={}))),
    Line("api-quiz", by="hand", kwargs=lambda w: {"quiz_id": w.quiz.public_id}),
    Line("api-quiz-answers", "POST", by="hand", kwargs=lambda w: {"quiz_id": w.quiz.public_id},
         body=lambda w: {"answers": {item: {"digit": "one"} for item in w.quiz.items}},
         wrong=Wrong(400, "invalid", body={"answers": {}})),
    Line("api-practice", by="hand", kwargs=batch, before=lambda w: w.training, stranger=200),
    Line("api-practice", "POST", by="hand", kwargs=batch, stranger=200,
         body=lambda w: {"item": str(w.training.public_id), "answers": {"digit": "one"}},
         wrong=Wrong(400, "invalid", body=lambda w: {"item": str(w.training.public_id), "answers": {"digit": "nine"}})),
    Line("api-accept", "POST", by="hand", kwargs=batch, status=201, stranger=201,
         wrong=Wrong(409, "batch_not_open", before=close)),
    Line("api-accept-named", "POST", by="hand", kwargs=hit, status=201, stranger=201,
         wrong=Wrong(403, "not_eligible", before=suspend)),
    Line("api-submit", "POST", by="hand", kwargs=assignment("accepted"), body=answers(digit="one"),
         wrong=Wrong(409, "already_final", before=lambda w: w.submitted, body=answers(digit="zero"))),
    Line("api-revise", "POST", by="hand", kwargs=assignment("submitted"), body=answers(digit="zero"),
         wrong=Wrong(400, "answer_invalid", body=answers(digit="nine"))),
    Line("api-open", "POST", by="hand", kwargs=assignment("ahead"),
         wrong=Wrong(409, "not_accepted", before=lambda w: setattr_and_save(w.ahead, state="lapsed"))),
    Line("api-renew", "POST", by="hand", kwargs=assignment("ahead"),
         wrong=Wrong(409, "not_accepted", before=expire)),
    Line("api-undo", "POST", by="hand", kwargs=assignment("open_to_undo"),
         wrong=Wrong(409, "already_final", before=lambda w: end_undo(w.open_to_undo))),
    Line("api-draft", "PUT", by="hand", kwargs=assignment("accepted"), body={"fields": [["q:digit", "one"]]},
         wrong=Wrong(400, "invalid", body={"fields": [["q:digit"]]})),
    Line("api-draft", by="hand", kwargs=assignment("accepted")),
    Line("api-report", "POST", by="hand", kwargs=assignment("accepted"), body={"reason": "broken"},
         wrong=Wrong(400, "invalid", body={"reason": "ugly"})),
    Line("api-return", "POST", by="hand", kwargs=assignment("accepted"), body={"reason": "unclear"},
         wrong=Wrong(409, "not_accepted", before=lambda w: w.submitted, body={"reason": "unclear"})),
    Line("api-file-appeal", "POST", by="hand", kwargs=assignment("rejected"), body={"reason": "It was right."},
         status=201, wrong=Wrong(409, "appealed_already", before=lambda w: w.appeal, body={"reason": "It was right."})),
    Line("api-open-contest", "POST", by="hand", kwargs=assignment("submitted"), body={"reason": "It was right."},
         status=201, wrong=Wrong(400, "invalid", body={"reason": ""})),
    Line("api-my-assignments", by="hand", before=lambda w: w.submitted, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-assignment", by="hand", kwargs=assignment("submitted")),
    Line("api-my-appeals", by="hand", before=lambda w: w.appeal, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-contests", by="hand", before=lambda w: w.contest, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-qualifications", by="hand", before=World.grant, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-ask-qualification", "POST", by="hand", kwargs=lambda w: {"qualification_id": w.qualification.public_id},
         before=lambda w: setattr_and_save(w.qualification, can_request=True), status=201, stranger=201,
         wrong=Wrong(409, "asked_already", before=lambda w: w.asked)),
    Line("api-my-requests", by="hand", before=lambda w: w.asked, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-request", "DELETE", by="hand", kwargs=lambda w: {"request_id": w.asked.public_id},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.asked, state="granted"))),
    Line("api-my-ratings", by="hand", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-rating", "PUT", by="hand", kwargs=organisation, before=lambda w: w.approved, body={"stars": 4},
         wrong=Wrong(409, "not_paid_yet", before=lambda w: setattr_and_save(w.approved, state="submitted"),
                     body={"stars": 4})),
    Line("api-my-favourites", by="hand", before=World.like, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-favourite", "PUT", by="hand", kwargs=project, before=World.take_part, status=204, stranger=204,
         wrong=Wrong(404, "not_found", before=lambda w: (setattr_and_save(w.project, audience="team"),
                                                         w.worker.participations.all().delete()))),
    Line("api-my-favourite", "DELETE", by="hand", kwargs=project, before=World.like, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: w.worker.favourites.all().delete())),
    Line("api-my-searches", by="hand", before=lambda w: w.search, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-searches", "POST", by="hand", body={"name": "Texts", "filters": {"q": "text"}}, status=201,
         stranger=201, wrong=Wrong(409, "name_taken", before=lambda w: w.search,
                                   body={"name": "Well paid", "filters": {}})),
    Line("api-my-search", "DELETE", by="hand", kwargs=lambda w: {"search_id": w.search.public_id}, status=204,
         wrong=Wrong(404, "not_found", before=lambda w: w.search.delete())),
    Line("api-my-payout-cancel", "POST", by="hand", kwargs=lambda w: {"payout_id": w.payout.public_id},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.payout, state="sending"))),
    Line("api-my-profile", by="hand", stranger=OWN),
    Line("api-my-profile", "PATCH", by="hand", body={"country": "DE"}, stranger=OWN,
         wrong=Wrong(400, "invalid", body={"country": "Germany"})),
    Line("api-my-earnings", by="hand", stranger=OWN),
    Line("api-my-statement", by="hand", before=World.earn, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-statement-csv", by="hand", before=World.earn, stranger=OWN,
         wrong=Wrong(400, "invalid", query="?until=never")),
    Line("api-my-payouts", by="hand", before=lambda w: w.payout, stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-payouts", "POST", by="hand", before=World.earn, body={"amount": "2.00"}, status=201, stranger=402,
         wrong=Wrong(402, "insufficient_funds", body={"amount": "500.00"})),
    Line("api-my-payout", by="hand", kwargs=lambda w: {"payout_id": w.payout.public_id}),
    Line("api-my-payout-retry", "POST", by="hand", kwargs=lambda w: {"payout_id": w.failed_payout.public_id},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.failed_payout, state="paid"))),
    Line("api-my-webhooks", by="hand", stranger=OWN, wrong=BAD_CURSOR),
    Line("api-my-webhooks", "POST", by="hand", body={"url": "https://example.org/", "events": ["payout.changed"]},
         status=201, stranger=OWN, wrong=Wrong(400, "invalid", body={"url": "ftp://x/", "events": ["payout.changed"]})),
    # Staff: anybody else, however scoped the token, is refused.
    Line("api-all-deposits", by="staff", before=lambda w: w.deposit, stranger=403, wrong=BAD_CURSOR),
    Line("api-deposit-confirm", "POST", by="staff", kwargs=lambda w: {"deposit_id": w.deposit.public_id}, stranger=403,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.deposit, state="refused"))),
    Line("api-deposit-refuse", "POST", by="staff", kwargs=lambda w: {"deposit_id": w.deposit.public_id}, stranger=403,
         body=REASON,
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.deposit, state="refused"), body=REASON)),
    Line("api-all-payouts", by="staff", before=lambda w: w.payout, stranger=403, wrong=BAD_CURSOR),
    Line("api-payout-send", "POST", by="staff", kwargs=lambda w: {"payout_id": w.payout.public_id}, stranger=403,
         wrong=Wrong(409, ILLEGAL, before=lambda w: w.sent_payout)),
    Line("api-payout-paid", "POST", by="staff", kwargs=lambda w: {"payout_id": w.sent_payout.public_id}, stranger=403,
         wrong=Wrong(409, ILLEGAL, before=lambda w: w.failed_payout)),
    Line("api-payout-failed", "POST", by="staff", kwargs=lambda w: {"payout_id": w.sent_payout.public_id},
         stranger=403, body=REASON, wrong=Wrong(409, ILLEGAL, before=lambda w: w.failed_payout, body=REASON)),
    Line("api-all-appeals", by="staff", before=lambda w: w.appeal, stranger=403, wrong=BAD_CURSOR),
    Line("api-appeal-rule", "POST", by="staff", kwargs=lambda w: {"appeal_id": w.appeal.public_id}, stranger=403,
         body={"is_upheld": True, "ruling": "It was right."},
         wrong=Wrong(409, ILLEGAL, before=lambda w: setattr_and_save(w.appeal, state="dismissed"),
                     body={"is_upheld": True, "ruling": "It was right."})),
    Line("api-reports", by="staff", before=lambda w: w.report, stranger=403, wrong=BAD_CURSOR),
    Line("api-report-rule", "POST", by="staff", kwargs=lambda w: {"message_id": w.report.public_id}, stranger=403,
         body={"is_hidden": True, "reason": "It is rude."},
         wrong=Wrong(409, "not_reported", before=lambda w: setattr_and_save(w.report, reported_at=None))),
    Line("api-goodwill", by="staff", stranger=403),
    Line("api-goodwill", "POST", by="staff", before=World.earn_fees, body={"amount": "1.00"}, stranger=403,
         wrong=Wrong(402, "insufficient_funds", body={"amount": "1000.00"})),
    # Machines as workers
    Line("api-machines", kwargs=project, wrong=BAD_CURSOR),
    Line("api-machines", "POST", kwargs=project, body={"name": "Net"}, status=201,
         wrong=Wrong(400, "invalid", body={"name": "Net", "source": "http", "url": "ftp://example.org"})),
    Line("api-machine", kwargs=machine),
    Line("api-machine", "PATCH", kwargs=machine, body={"is_on": False}, wrong=NOTHING),
    Line("api-batch-machines", kwargs=batch),
    Line("api-batch-machines", "PUT", kwargs=batch, body=lambda w: {"machine": str(w.machine.public_id)},
         wrong=Wrong(400, "invalid", body=lambda w: {"machine": str(w.machine.public_id), "show_share": 2})),
    Line("api-training", kwargs=batch),
    Line("api-training", "POST", kwargs=batch, status=202,
         wrong=Wrong(409, "under_way", before=lambda w: start_training(batch=w.batch, by=w.owner))),
    Line("api-ask-first", "POST", kwargs=batch, body={"count": 2}, before=name_next,
         wrong=Wrong(400, "invalid", body={"count": 501})),
    Line("api-disagreement", kwargs=batch),
    Line("api-hit-distribution", kwargs=hit),
    Line("api-predictions", "POST", kwargs=batch, body=lambda w: predicted(w, "one"), status=201,
         wrong=Wrong(400, "invalid", body=lambda w: predicted(w, "nine"))),
    Line("api-ask-machine", "POST", kwargs=batch, body=lambda w: {"machine": str(w.endpoint.public_id)}, status=202,
         wrong=Wrong(409, "no_endpoint", body=lambda w: {"machine": str(w.machine.public_id)})),
]  # fmt: skip


def setattr_and_save(row: Any, **changes: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**changes)
    row.refresh_from_db()


def start_refit(w: World) -> None:
    from lifecycle.refit import start_refit as start

    start(project=w.project)
