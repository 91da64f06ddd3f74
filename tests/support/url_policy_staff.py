"""The lines of the REST API that are for staff alone: workers, flags, the ledger, the site, people."""

from __future__ import annotations

from typing import Any

from lifecycle.check_up import start_check_up
from lifecycle.hold import hold_worker
from lifecycle.weigh import weigh_worker
from quality.models import Flag
from quality.services.flagging import close_flag
from quality.services.watching import pause_worker
from tests.support.url_policy import Line, World, Wrong
from users.services import standing

BAD_CURSOR = Wrong(404, "no_such_page", query="?cursor=nonsense")


def worker(w: World) -> dict[str, Any]:
    return {"worker_id": w.worker.public_id}


def in_project(**more: Any) -> Any:
    return lambda w: {"project": str(w.project.public_id), "reason": "A look at the answers.", **more}


def pause(w: World) -> None:
    pause_worker(project=w.project, worker=w.worker, by=w.staff_user, reason="A look.")


def hold(w: World) -> None:
    hold_worker(worker=w.worker, by=w.staff_user, reason="A look.")


def ignore(w: World) -> None:
    w.take_answers()
    weigh_worker(project=w.project, worker=w.worker, counts=False, by=w.staff_user, reason="A look.")


def flag(w: World) -> Flag:
    found = Flag.objects.filter(key="policy").first()
    return found or Flag.objects.create(
        key="policy", kind="pair", worker=w.worker, message="Look.", expires_at="2099-01-01T00:00Z"
    )


def close(w: World) -> None:
    close_flag(flag=flag(w), by=w.staff_user, reason="Looked.")


def organisation(w: World) -> dict[str, Any]:
    return {"organisation_id": w.requester.public_id}


def person(w: World) -> dict[str, Any]:
    return {"user_id": w.member.public_id}


def lock(w: World) -> None:
    standing.lock_person(user=w.member, by=w.staff_user, reason="A look.")


def unapprove(w: World) -> None:
    type(w.member).objects.filter(pk=w.member.pk).update(approved_at=None)


def approve(w: World) -> None:
    standing.approve_person(user=w.member, by=w.staff_user)


def invitation(w: World) -> dict[str, Any]:
    if not hasattr(w, "site_invitation"):
        w.site_invitation = standing.invite_person(  # type: ignore[attr-defined]
            email="new@example.org", role="worker", by=w.staff_user
        )
    return {"invitation_id": w.site_invitation.pk}  # type: ignore[attr-defined]


WHY = {"reason": "A look at the answers."}
NO_REASON = Wrong(400, "invalid", body={"reason": ""})

STAFF = [
    Line("api-all-workers", by="staff", stranger=403, wrong=BAD_CURSOR),
    Line("api-staff-worker", by="staff", kwargs=worker, stranger=403),
    Line("api-staff-pause", "POST", by="staff", kwargs=worker, body=in_project(), stranger=403,
         wrong=Wrong(409, "paused_already", before=pause, body=in_project())),
    Line("api-staff-reinstate", "POST", by="staff", kwargs=worker, before=pause, body=in_project(), stranger=403,
         wrong=Wrong(409, "not_paused", before=World.reinstate, body=in_project())),
    Line("api-staff-keep", "POST", by="staff", kwargs=worker, before=pause, body=in_project(), stranger=403,
         wrong=Wrong(409, "not_paused", before=World.reinstate, body=in_project())),
    Line("api-staff-weight", "POST", by="staff", kwargs=worker, before=World.take_answers, stranger=403,
         body=in_project(counts=False), wrong=Wrong(409, "unchanged", before=ignore, body=in_project(counts=False))),
    Line("api-staff-hold", "POST", by="staff", kwargs=worker, body=WHY, stranger=403,
         wrong=Wrong(409, "held_already", before=hold, body=WHY)),
    Line("api-staff-lift", "POST", by="staff", kwargs=worker, before=hold, body=WHY, stranger=403,
         wrong=Wrong(400, "invalid", before=lambda w: None, body={"reason": ""})),
    Line("api-staff-account", "POST", by="staff", kwargs=worker, body=WHY, stranger=403, wrong=NO_REASON),
    Line("api-staff-worker-notes", by="staff", kwargs=worker, stranger=403, wrong=BAD_CURSOR),
    Line("api-staff-worker-notes", "POST", by="staff", kwargs=worker, body={"text": "Asked by mail."}, status=201,
         stranger=403, wrong=Wrong(400, "invalid", body={"text": ""})),
    Line("api-all-flags", by="staff", before=flag, stranger=403, wrong=BAD_CURSOR),
    Line("api-flag-decide", "POST", by="staff", kwargs=lambda w: {"flag_id": flag(w).public_id}, stranger=403,
         body={"verdict": "confirmed", **WHY},
         wrong=Wrong(409, "illegal_move", before=close, body={"verdict": "confirmed", **WHY})),
    Line("api-all-contests", by="staff", before=lambda w: w.contest, stranger=403, wrong=BAD_CURSOR),
    Line("api-staff-contest-rule", "POST", by="staff", kwargs=lambda w: {"contest_id": w.contest.public_id},
         body={"is_upheld": False, "ruling": "It was a one."}, stranger=403,
         wrong=Wrong(400, "invalid", body={"is_upheld": False, "ruling": ""})),
    Line("api-ledger", by="staff", stranger=403),
    Line("api-transfers", by="staff", stranger=403, wrong=Wrong(400, "invalid", query="?since=yesterday")),
    Line("api-transfers-csv", by="staff", stranger=403, wrong=Wrong(400, "invalid", query="?batch=none")),
    Line("api-invariants", by="staff", stranger=403, wrong=BAD_CURSOR),
    Line("api-invariants", "POST", by="staff", status=202, stranger=403,
         wrong=Wrong(409, "under_way", before=lambda w: start_check_up(by=w.staff_user))),
    Line("api-system", by="staff", stranger=403),
    Line("api-log", by="staff", stranger=403, wrong=BAD_CURSOR),
    Line("api-settings", by="staff", stranger=403),
    Line("api-setting", "PUT", by="staff", kwargs={"name": "FEE_BASIS_POINTS"}, body={"value": "900", **WHY},
         stranger=403, wrong=Wrong(400, "invalid", body={"value": "9.5", **WHY})),
    Line("api-people", by="staff", stranger=403, wrong=BAD_CURSOR),
    Line("api-person-approve", "POST", by="staff", kwargs=person, before=unapprove, stranger=403,
         wrong=Wrong(409, "approved_already", before=approve)),
    Line("api-person-lock", "POST", by="staff", kwargs=person, body=WHY, stranger=403,
         wrong=Wrong(409, "locked_already", before=lock, body=WHY)),
    Line("api-person-unlock", "POST", by="staff", kwargs=person, before=lock, body=WHY, stranger=403,
         wrong=NO_REASON),
    Line("api-person-role", "PUT", by="staff", kwargs=person, body={"is_staff": True, **WHY}, stranger=403,
         wrong=Wrong(409, "unchanged", body={"is_staff": False, **WHY})),
    Line("api-person-notes", by="staff", kwargs=person, stranger=403, wrong=BAD_CURSOR),
    Line("api-person-notes", "POST", by="staff", kwargs=person, body={"text": "Asked by mail."}, status=201,
         stranger=403, wrong=Wrong(400, "invalid", body={"text": ""})),
    Line("api-organisation-notes", by="staff", kwargs=organisation, stranger=403,
         wrong=BAD_CURSOR),
    Line("api-organisation-notes", "POST", by="staff", kwargs=organisation,
         body={"text": "Asked by mail."}, status=201, stranger=403, wrong=Wrong(400, "invalid", body={"text": ""})),
    Line("api-all-invitations", by="staff", before=invitation, stranger=403, wrong=BAD_CURSOR),
    Line("api-all-invitations", "POST", by="staff", body={"email": "new@example.org"}, status=201, stranger=403,
         wrong=Wrong(400, "invalid", body={"email": "nobody"})),
    Line("api-invitation-cancel", "POST", by="staff", kwargs=invitation, stranger=403,
         wrong=Wrong(409, "invitation_over", before=lambda w: standing.cancel_invitation(
             invitation=(invitation(w), w.site_invitation)[1], by=w.staff_user))),
]  # fmt: skip
