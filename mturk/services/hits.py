"""HITs of this dialect: posted, extended, expired, moved and deleted, all on the market's own rows and money."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from core import clock
from core.errors import InsufficientFunds
from core.states import move
from lifecycle.apart import apart
from lifecycle.digest import lock_hits
from lifecycle.expire import end_overdue
from lifecycle.post_row import post_row
from marketplace.models import Assignment, Batch, Hit, HitData
from marketplace.services import posting
from marketplace.services.judging import purse_of, purses_of
from marketplace.services.media import ask_for
from marketplace.services.places import release_unneeded
from mturk import ids, policies, status
from mturk.errors import RequestError
from mturk.models import HitType, MturkHit
from mturk.questions import media_of, read_question
from mturk.services import watching
from mturk.services.files import forget_files
from mturk.services.hit_types import YEAR, in_range, standing_batch
from payments.services.escrow import give_back, lock_purses

MOST = 1_000_000_000
#: HITs made with fewer assignments never reach this many.
MANY = 10
LONGEST_ANNOTATION = 255


@transaction.atomic
def post_hit(
    *,
    hit_type: HitType,
    question: str,
    lifetime: int,
    assignments: int = 1,
    annotation: str = "",
    layout_id: str = "",
    layout_values: Mapping[str, str] | None = None,
    assignment_policy: Mapping[str, Any] | None = None,
    hit_policy: Mapping[str, Any] | None = None,
) -> MturkHit:
    """A HIT with its places paid for.

    Raises
    ------
    RequestError, InsufficientFunds
        Nothing is stored then.
    """
    in_range("LifetimeInSeconds", lifetime, 30, YEAR)
    in_range("MaxAssignments", assignments, 1, MOST)
    if len(annotation) > LONGEST_ANNOTATION:
        raise RequestError("InvalidParameterValue", f"RequesterAnnotation: at most {LONGEST_ANNOTATION} characters.")
    asked = read_question(question)
    if assignment_policy is not None:
        policies.read_known_answers(assignment_policy)
    if hit_policy is not None:
        policies.read_plurality(hit_policy)
    batch = standing_batch(hit_type=hit_type, question=question, assignments=assignments)
    # Equal questions have equal rows; the question itself stays beside, since rows are what workers are shown.
    data = {"question": asked.kind, "sha256": hashlib.sha256(question.encode()).hexdigest()}
    _need_the_money(batch, assignments)
    posted = post_row(batch=batch, data=data, places=assignments)
    if addresses := media_of(question):
        # Fetched for whoever is shown it; the HIT does not wait, since programs expect it to be there at once.
        ask_for(requester=hit_type.requester, addresses=[addresses])
    now = clock.now()
    row = MturkHit.objects.create(
        hit=posted.hit,
        requester_id=hit_type.requester_id,
        hit_type=hit_type,
        question=question,
        annotation=annotation,
        layout_id=layout_id,
        layout_values=layout_values or None,
        assignment_policy=assignment_policy,
        hit_policy=hit_policy,
        expires_at=now + timedelta(seconds=lifetime),
        created_at=now,
    )
    watching.watch(row)
    watching.note(row, "HITCreated")
    return row


def _need_the_money(batch: Batch, places: int) -> None:
    """More places than the market knows cost more than nearly anyone has: that is the first thing to say.

    Raises
    ------
    InsufficientFunds, RequestError
    """
    if places <= posting.MOST_PLACES:
        return
    if purse_of(batch).available.balance < places * batch.price:
        raise InsufficientFunds
    raise RequestError("ParameterOutOfRange", f"At most {posting.MOST_PLACES} assignments of a HIT are taken here.")


def lock(pk: int) -> MturkHit:
    """The row as it is now, its HIT locked."""
    lock_hits([pk])
    return MturkHit.objects.select_related("hit", "hit_type").get(pk=pk)


def _batch(row: MturkHit) -> Batch:
    return Batch.objects.select_related("project__requester").get(pk=row.hit.batch_id)


@transaction.atomic
def set_expiry(*, row: MturkHit, at: datetime) -> MturkHit:
    """Past: it takes no more workers, and what nobody accepted is released. Future: it takes them again.

    Raises
    ------
    RequestError, InsufficientFunds
    """
    row = lock(row.pk)
    _need_alive(row)
    now = clock.now()
    if at <= now:
        MturkHit.objects.filter(pk=row.pk).update(expires_at=min(row.expires_at, now))
        _stop(row)
    else:
        MturkHit.objects.filter(pk=row.pk).update(expires_at=at)
        _offer_again(row)
    return lock(row.pk)


def _need_alive(row: MturkHit) -> None:
    if row.disposed_at is not None:
        status.need(row, "Assignable", "Unassignable", "Reviewable", "Reviewing")


def _stop(row: MturkHit, *, is_over: bool = True) -> None:
    """Nobody is offered it any more; places that are held can still be answered and are paid. `is_over`: its time."""
    if row.hit.state == Hit.State.OPEN:
        move(row.hit, Hit.State.RETIRED)
        HitData.objects.filter(pk=row.pk).update(overrides={"ended_at": clock.now().isoformat()})
        if is_over:
            watching.note(row, "HITExpired")
    release_unneeded(hit_ids=[row.pk], purses=purses_of([_batch(row)]))


def _offer_again(row: MturkHit) -> None:
    """Places that had expired are paid for anew, where the sweep has ended it already."""
    left = row.hit.max_assignments - row.hit.taken
    if row.hit.state == Hit.State.OPEN:
        _note_offered(row)
    if row.hit.state != Hit.State.RETIRED or left <= 0:
        return
    batch = _batch(row)
    posting.lock_open(batch)
    posting.fund(batch=batch, places=left, key=f"again:{row.pk}:{uuid.uuid4().hex}")
    Hit.objects.filter(pk=row.pk).update(funded=F("funded") + left)
    move(row.hit, Hit.State.OPEN)
    HitData.objects.filter(pk=row.pk).update(overrides=None)
    posting.add_levels(batch=batch, levels={row.hit.priority})
    _note_offered(row)


def _note_offered(row: MturkHit) -> None:
    MturkHit.objects.filter(pk=row.pk).update(is_reviewing=False, is_announced=False)


@transaction.atomic
def add_assignments(*, row: MturkHit, more: int) -> None:
    """So many assignments more, paid for now; of an expired HIT, when it is offered again.

    Raises
    ------
    RequestError, InsufficientFunds
    """
    row = lock(row.pk)
    _need_alive(row)
    before = row.hit.max_assignments
    if before < MANY <= before + more:
        raise RequestError(
            "InvalidMaximumAssignmentsIncrease",
            f"A HIT made with fewer than {MANY} assignments cannot come to have {MANY} or more.",
        )
    in_range("NumberOfAdditionalAssignments", more, 1, MOST)
    _need_the_money(_batch(row), before + more)
    if row.expires_at <= clock.now():
        _stop(row)
        Hit.objects.filter(pk=row.pk).update(max_assignments=F("max_assignments") + more)
        watching.note(row, "HITExtended")
        return
    if not posting.ask_for_more(batch=_batch(row), answers=more, hit_ids=[row.pk]):
        raise RequestError("InvalidHITState", "This HIT was taken out of work by a person. It takes no assignments.")
    _note_offered(row)
    watching.note(row, "HITExtended")


@transaction.atomic
def set_reviewing(*, row: MturkHit, revert: bool) -> None:
    """Reviewable -> Reviewing, or back."""
    row = lock(row.pk)
    status.need(row, "Reviewing" if revert else "Reviewable")
    MturkHit.objects.filter(pk=row.pk).update(is_reviewing=not revert)


@transaction.atomic
def delete_hit(*, row: MturkHit) -> None:
    """Disposed of, once every answer is decided; what was put aside and is not owed goes back.

    Raises
    ------
    RequestError
    """
    row = lock(row.pk)
    standing = status.need(row, "Reviewable")
    if standing.submitted:
        raise RequestError(
            "InvalidHITState",
            f"This HIT is currently in the state 'Reviewable', with {standing.submitted} assignments that are neither"
            " approved nor rejected. Decide them first.",
        )
    _stop(row, is_over=False)
    MturkHit.objects.filter(pk=row.pk).update(disposed_at=clock.now())
    watching.note(row, "HITDisposed")
    forget_files(hit_id=row.pk)


#: A HIT that has been Reviewable for so long, without anything happening to it, is disposed of.
IDLE = timedelta(days=120)
LOOKED_AT = 500

# Some HITs that are old enough, the oldest first, and of those the ones that ended long ago: an answer that can still
# be taken or decided keeps a HIT, and so does whatever happened to it within that time.
IDLE_HITS = """
SELECT m.hit_id, m.created_at, (
    NOT m.is_reviewing
    AND (NOT h.room OR m.expires_at <= %(now)s)
    AND (h.taken >= h.max_assignments OR m.expires_at <= %(until)s)
    AND (SELECT 1 FROM marketplace_assignment a
         WHERE a.hit_id = m.hit_id AND (
            a.state IN ('accepted', 'submitted', 'revising')
            OR greatest(a.accepted_at, a.submitted_at, a.decided_at) > %(until)s
            OR a.state = 'expired' AND a.deadline > %(until)s) LIMIT 1) IS NULL
) AS is_idle
FROM mturk_mturkhit m JOIN marketplace_hit h ON h.id = m.hit_id
WHERE m.disposed_at IS NULL AND m.created_at <= %(until)s AND (m.created_at, m.hit_id) > (%(at)s, %(hit)s)
ORDER BY m.created_at, m.hit_id LIMIT %(most)s
"""
BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), 0)
#: How far this process has come on its round; another begins anew.
_looked = {"up to": BEGINNING}


def dispose_idle(most: int = LOOKED_AT) -> int:
    """Do what DeleteHIT would to HITs that nobody has touched for 120 days. Looks at some at a time; called by the
    sweep."""
    now = clock.now()
    at, hit = _looked["up to"]
    with connection.cursor() as cursor:
        cursor.execute(IDLE_HITS, {"now": now, "until": now - IDLE, "at": at, "hit": hit, "most": most})
        rows = cursor.fetchall()
    _looked["up to"] = (rows[-1][1], rows[-1][0]) if len(rows) == most else BEGINNING
    return apart(_dispose, [pk for pk, _at, is_idle in rows if is_idle], what="Disposal of a HIT")[0]


def _dispose(pk: int) -> int:
    try:
        delete_hit(row=MturkHit.objects.get(pk=pk))
    except RequestError:  # something happened to it this very moment
        return 0
    return 1


@transaction.atomic
def change_type(*, row: MturkHit, hit_type: HitType) -> None:
    """Move a HIT that nobody has taken yet to another type, with its money.

    Raises
    ------
    RequestError, InsufficientFunds
    """
    row = lock(row.pk)
    _need_alive(row)
    if row.hit_type_id == hit_type.pk:
        return
    if Assignment.objects.filter(hit=row.pk).exists():
        raise RequestError("InvalidHITState", "This HIT has been accepted before. Its type cannot be changed any more.")
    old = _batch(row)
    new = standing_batch(hit_type=hit_type, question=row.question, assignments=row.hit.max_assignments)
    posting.lock_open(new)
    places = row.hit.funded
    lock_purses([purse_of(old), purse_of(new)])
    if places * old.price:
        give_back(amounts=[(purse_of(old), f"move:{row.pk}:{uuid.uuid4().hex}", places * old.price)])
    posting.fund(batch=new, places=places, key=f"moved:{row.pk}:{uuid.uuid4().hex}")
    Hit.objects.filter(pk=row.pk).update(batch=new)
    HitData.objects.filter(pk=row.pk).update(batch=new, row_number=None)
    posting.add_levels(batch=new, levels={row.hit.priority})
    MturkHit.objects.filter(pk=row.pk).update(hit_type=hit_type)
    watching.watch(lock(row.pk))


def expire_due(limit: int = 200) -> int:
    """Stop offering the HITs whose time is over. Called by the sweep every second."""
    offered = MturkHit.objects.filter(hit__state=Hit.State.OPEN)
    return end_overdue("mturk.expire", offered, "expires_at", _expire, what="Expiry of a HIT", limit=limit)


@transaction.atomic
def _expire(pk: int) -> int:
    row = lock(pk)
    if row.expires_at > clock.now() or row.hit.state != Hit.State.OPEN:
        return 0
    _stop(row)
    return 1


def written_id(row: MturkHit) -> str:
    return ids.written(row.hit.data_row.public_id)
