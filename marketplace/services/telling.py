"""What workers and requesters hear of answers and batches: written with its cause, in words that say what to do."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.templatetags.touchstone import money_for_reader
from marketplace.models import Appeal, Assignment, Batch, Membership, Project, Requester
from users.models import User
from users.services.notices import Words, notify, notify_all
from workers_app.models import Worker

#: Why a batch stopped, and what its requester can do about it.
PAUSES: dict[str, Words] = {
    Batch.Pause.BUDGET: _("Its budget is used up. Raise it, and it goes on."),
    Batch.Pause.BALANCE: _("The balance does not cover the next answers. Deposit, and open it again."),
    Batch.Pause.FLAGS: _("Workers gave many of its HITs back. Staff look at it; read the reasons and mend the work."),
    Batch.Pause.EXPIRED: _("Its time is over. Extend it, and it goes on."),
    Batch.Pause.NOBODY: _("Nobody may work on it any more. Loosen who may, and open it again."),
    Batch.Pause.STAFF: _("Staff paused it and look at it. They write to you when it can go on."),
    Batch.Pause.PILOT: _("Its pilot is done. Look at the first answers, then open it again."),
}
HANDS_KEPT = _("What workers hold can still be handed in and is paid.")


def managers_of(requester: Requester) -> QuerySet[User]:
    """Those who run its batches."""
    roles = [Membership.Role.OWNER, Membership.Role.MANAGER]
    return User.objects.filter(memberships__requester=requester, memberships__role__in=roles, is_active=True)


# --- to workers -------------------------------------------------------------------------------------------------------


def answer_rejected(assignment: Assignment) -> None:
    tell_worker(
        assignment,
        kind="answer.rejected",
        title=format_lazy(_("Rejected: {project}"), project=_project(assignment).name),
        body=format_lazy(
            _("Reason: {reason} You may appeal for 7 days; the reward stays put aside until then."),
            reason=_sentence(assignment.decision_reason),
        ),
        url=reverse("earnings_rejected"),
    )


def answer_turned_round(assignment: Assignment) -> None:
    reward = money_for_reader(assignment.reward, _project(assignment).requester.currency)
    tell_worker(
        assignment,
        kind="answer.approved",
        title=format_lazy(_("Approved after all: {project}"), project=_project(assignment).name),
        body=format_lazy(_("The rejection is undone. {reward} are yours."), reward=reward),
        url=reverse("earnings"),
    )


def answer_sent_back(assignment: Assignment) -> None:
    tell_worker(
        assignment,
        kind="answer.returned",
        title=format_lazy(_("Sent back for another version: {project}"), project=_project(assignment).name),
        body=format_lazy(
            _("Note: {note} The pay stays the same. Without a new version in 48 hours this one is decided."),
            note=_sentence(assignment.decision_reason),
        ),
        url=reverse("work_page", args=[assignment.public_id]),
    )


def paid_beyond(assignment: Assignment, *, amount: int, reason: str, kind: str, key: str) -> None:
    """A bonus, or a compensation; `key` is that of its transfer, so that it is told once."""
    project = _project(assignment)
    words = _("A bonus of {amount}: {project}") if kind == "bonus" else _("Compensated with {amount}: {project}")
    tell_worker(
        assignment,
        kind=f"answer.{kind}",
        title=format_lazy(words, amount=money_for_reader(amount, project.requester.currency), project=project.name),
        body=_sentence(reason),
        url=reverse("earnings"),
        key=key,
    )


def appeal_ruled(appeal: Appeal) -> None:
    project = _project(appeal.assignment)
    words = (
        _("Your appeal was upheld: {project}")
        if appeal.state == Appeal.State.UPHELD
        else _("Your appeal was dismissed: {project}")
    )
    tell_worker(
        appeal.assignment,
        kind="appeal.ruled",
        title=format_lazy(words, project=project.name),
        body=_sentence(appeal.ruling),
        url=reverse("earnings_rejected"),
    )


def tell_worker(assignment: Assignment, *, kind: str, title: Words, body: Words, url: str, key: str = "") -> None:
    worker = Worker.objects.select_related("user").get(pk=assignment.worker_id)
    notify(user=worker.user, kind=kind, title=title, body=body, url=url, key=key)


# --- to requesters ----------------------------------------------------------------------------------------------------


def appeal_filed(appeal: Appeal) -> None:
    batch = Batch.objects.select_related("project__requester").get(pk=appeal.assignment.batch_id)
    notify_all(
        managers_of(batch.project.requester),
        kind="appeal.filed",
        title=format_lazy(_("A worker appeals against a rejection: {batch}"), batch=batch.name),
        body=_sentence(appeal.reason),
        url=_page(batch),
    )


def batch_paused(batch: Batch) -> None:
    """Unless its requester paused it: they know."""
    if batch.paused_because in PAUSES:
        notify_all(
            managers_of(batch.project.requester),
            kind="batch.paused",
            title=format_lazy(_("Paused: {batch}"), batch=batch.name),
            body=format_lazy("{} {}", PAUSES[batch.paused_because], HANDS_KEPT),
            url=_page(batch),
        )


def batch_finished(batch: Batch) -> None:
    notify_all(
        managers_of(batch.project.requester),
        kind="batch.finished",
        title=format_lazy(_("Finished: {batch}"), batch=batch.name),
        body=_("Its labels are ready. Money that nothing needs any more has come back."),
        url=_page(batch),
    )


def _page(batch: Batch) -> str:
    return reverse("studio_batch", args=[batch.public_id])


def _project(assignment: Assignment) -> Project:
    return Project.objects.select_related("requester").get(batches=assignment.batch_id)


def _sentence(words: str) -> str:
    words = words.strip()
    return words if not words or words[-1] in ".!?…" else f"{words}."
