"""What people do about gold, and what follows for beliefs and money: mark, promote, release, correct, rule.

Each is recorded last: whoever writes to the audit log holds it to the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from core import audit
from core.errors import Conflict
from lifecycle.digest import batches_of_hits, digest_hits, lock_hits
from marketplace.models import Hit
from marketplace.services.judging import purses_of
from marketplace.services.places import release_unneeded
from quality.models import Contest, GoldQuestion
from quality.selectors import believed_keys
from quality.services import contesting, gold
from quality.services.healing import begin_for_key


@transaction.atomic
def mark(
    *, hit: Hit, keys: Mapping[str, Any], explanation: str = "", tags: Sequence[str] = (), pool: str = "test", by: Any,
    in_review: bool = False,
) -> GoldQuestion:  # fmt: skip
    """A person knows the answer of this HIT, and came upon it `in_review`, or otherwise. Raises as `mark_as_gold`."""
    marked = gold.mark_as_gold(
        hit=hit, keys=keys, explanation=explanation, tags=tags, pool=pool, in_review=in_review
    )  # fmt: skip
    _learn_again(marked)
    audit.record(act="gold.mark", subject=f"hit:{hit.pk}", actor=by, keys=marked.keys, pool=pool)
    return marked


@transaction.atomic
def promote(*, hit: Hit, by: Any) -> GoldQuestion:
    """A person has looked at the consensus of this HIT and confirms it.

    Raises
    ------
    Conflict
        There is no consensus that could be a key.
    """
    keys = believed_keys(hit)
    if not keys:
        raise Conflict("There is no consensus on this HIT to confirm. Give the key yourself.", code="no_consensus")
    return mark(hit=hit, keys=keys, by=by, in_review=True)


@transaction.atomic
def release(*, marked: GoldQuestion, by: Any, reason: str = "") -> GoldQuestion:
    """Show it no more: it ends like any other HIT, and what its places had put aside goes back."""
    released = gold.release_gold(gold=marked)
    _learn_again(released)
    audit.record(act="gold.release", subject=f"gold:{marked.pk}", actor=by, reason=reason)
    return released


@transaction.atomic
def put_right(*, marked: GoldQuestion, keys: Mapping[str, Any] | None, by: Any, reason: str) -> GoldQuestion:
    """Correct a key, or without `keys` take it out of use; what it cost workers is restored."""
    before = marked.keys
    mended = contesting.put_right(gold=marked, keys=keys)
    _learn_again(mended)
    begin_for_key(mended)
    act = "gold.suspend" if keys is None else "gold.correct"
    audit.record(act=act, subject=f"gold:{marked.pk}", actor=by, reason=reason, before=before, after=mended.keys)
    return mended


@transaction.atomic
def rule(*, contest: Contest, is_upheld: bool, ruling: str, by: Any, keys: Mapping[str, Any] | None = None) -> Contest:
    """Rule on a worker's dispute. Raises as `close_contest`."""
    ruled = contesting.close_contest(contest=contest, is_upheld=is_upheld, ruling=ruling, keys=keys)
    if is_upheld and (marked := GoldQuestion.objects.filter(hit=contest.assignment.hit_id).first()):
        _learn_again(marked)
        begin_for_key(marked)
    subject = f"contest:{contest.pk}"
    audit.record(act="contest.rule", subject=subject, actor=by, reason=ruling, is_upheld=is_upheld, keys=keys)
    return ruled


def _learn_again(marked: GoldQuestion) -> None:
    """The belief leans on the key, or no longer does; a HIT that went back to work may have enough answers, or not."""
    if marked.hit_id is None:
        return
    digest_hits(project_id=marked.project_id, hit_ids=[marked.hit_id])
    hits = lock_hits([marked.hit_id])
    release_unneeded(hit_ids=[hit.pk for hit in hits], purses=purses_of(batches_of_hits(hits).values()))
