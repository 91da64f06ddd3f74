"""Erasing a person (GDPR Art. 17): who they are goes, what was paid and what the market learnt stays without a name.

Everything personal hangs on `users.User`; the ledger and the judgments hold a number. Answers keep their hash: bytes
and text go by a function that the database's owner has made, since the application may not change an answer.
"""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import connection, transaction
from django.db.models import Max, Q
from django.urls import reverse
from django.utils import timezone

from core import audit
from core.errors import Conflict
from core.models import Note
from core.preferences import preference
from lifecycle.expire import return_place
from marketplace.models import Appeal, Assignment, Draft, Membership, Message, Webhook
from payments.models import Account, Payout
from payments.selectors import balance
from quality.models import Contest
from users.models import Invitation, Notice, User
from workers_app.models import QualificationRequest, Worker

State = Assignment.State


@transaction.atomic
def erase_person(*, user: User, gives_up: bool = False) -> None:
    """Erase `user` for good.

    Parameters
    ----------
    gives_up : what is payable and could be paid out is given up.

    Raises
    ------
    Conflict
        `only_owner`, `work_undecided` (with the time by which it is decided), `payout_under_way`, `money_left`.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    worker = Worker.objects.filter(user=user).first()
    _check_organisations(user)
    if worker is not None:
        _check_work(worker, gives_up)
        _erase_worker(worker)
    _erase_messages(user)
    _erase_notes(user, worker)
    user.memberships.all().delete()
    user.notices.all().delete()
    user.notice_preferences.all().delete()
    user.tokens.filter(revoked_at=None).update(revoked_at=timezone.now())
    user.tokens.update(name="")
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    user.set_unusable_password()
    gone = {"email": f"erased-{user.public_id}@erased.invalid", "name": "", "time_zone": "UTC", "language": "en"}
    User.objects.filter(pk=user.pk).update(**gone, is_active=False, is_staff=False, password=user.password)
    audit.record(act="person.erase", subject=f"user:{user.pk}")


def _erase_notes(user: User, worker: Worker | None) -> None:
    """What staff noted about them, and the address on invitations. One that nobody used goes whole: without its address
    it would be anybody's."""
    subjects = [f"user:{user.pk}"] + ([f"worker:{worker.pk}"] if worker else [])
    Note.objects.filter(subject__in=subjects).delete()
    Invitation.objects.filter(email__iexact=user.email, used_by=None).delete()
    Invitation.objects.filter(Q(email__iexact=user.email) | Q(used_by=user)).update(email="")


def _erase_messages(user: User) -> None:
    """What they wrote, also where the notices of others quote it."""
    written = Message.objects.filter(author=user)
    threads = written.order_by().values_list("thread__public_id", flat=True).distinct()
    pages = [reverse(name, args=[thread]) for thread in threads for name in ("my_thread", "studio_thread")]
    Notice.objects.filter(kind="message.received", url__in=pages).update(body="")
    written.update(body="")


def _check_organisations(user: User) -> None:
    for mine in user.memberships.filter(role=Membership.Role.OWNER).select_related("requester"):
        others = mine.requester.memberships.filter(role=Membership.Role.OWNER).exclude(user=user)
        if not others.exists():
            name = mine.requester.name
            raise Conflict(f"{name} would be without an owner. Make somebody else one first.", code="only_owner")


def _check_work(worker: Worker, gives_up: bool) -> None:
    """What is promised to a worker is kept before they go, unless they give it up."""
    undecided = Assignment.objects.filter(worker=worker, state__in=[State.SUBMITTED, State.REVISING])
    appealed = Appeal.objects.filter(assignment__worker=worker, state=Appeal.State.OPEN)
    if undecided.exists() or appealed.exists():
        last: datetime | None = undecided.aggregate(last=Max("decide_at"))["last"]
        last = appealed.aggregate(last=Max("rule_by"))["last"] or last
        until = f" All of it is decided by {last:%d %b %Y, %H:%M} UTC." if last else ""
        raise Conflict(f"Some of your answers are not decided yet.{until}", code="work_undecided")
    if worker.payouts.filter(state__in=[Payout.State.REQUESTED, Payout.State.SENDING]).exists():
        raise Conflict("A payout is on its way. Wait until it has arrived, or take it back.", code="payout_under_way")
    left = balance(Account.Kind.PAYABLE, worker.pk)
    if left >= preference("PAYOUT_MINIMUM") and not gives_up:
        raise Conflict("There is money to pay out. Ask for it first, or say that you give it up.", code="money_left")


def _erase_worker(worker: Worker) -> None:
    for place in Assignment.objects.filter(worker=worker, state=State.ACCEPTED).select_related("batch", "hit"):
        return_place(assignment=place, reason=Assignment.ReturnReason.OTHER)
    Draft.objects.filter(assignment__worker=worker).delete()
    worker.favourites.all().delete()
    worker.saved_searches.all().delete()
    Webhook.objects.filter(worker=worker).delete()
    QualificationRequest.objects.filter(worker=worker).update(note="")
    Appeal.objects.filter(assignment__worker=worker).update(reason="")
    Contest.objects.filter(assignment__worker=worker).update(reason="")
    Assignment.objects.filter(worker=worker).exclude(return_note="").update(return_note="")
    said: dict[str, object] = dict.fromkeys(["country", "subdivision", "suspended_reason"], "")
    said |= {"languages": [], "payout_details": {}}
    Worker.objects.filter(pk=worker.pk).update(**said, accepts_messages=False, accepts_distressing=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT erase_answers(%s)", [worker.pk])
