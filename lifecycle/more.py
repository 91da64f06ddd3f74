"""Ask for more answers of a batch: at once where the HITs are few, else some thousand in a commit, with their money."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction

from core import audit
from core.errors import DomainError
from core.models import Operation
from core.operations import Turn, record_done, start_operation
from marketplace.models import Batch, Hit
from marketplace.services import posting

KIND = "ask_for_more"
#: HITs in one transaction: some tenths of a second.
GROUP = 5_000


def ask_for_more(*, batch: Batch, answers: int, hit_ids: Collection[int] | None = None, by: Any = None) -> Operation:
    """So many more places on each of these HITs (default: all), paid for now; finished ones open again.

    It is done on return, unless all HITs of a large batch are meant: then the sweep does it. `result` has `hits`, how
    many it reached.

    Raises
    ------
    Invalid, InsufficientFunds, Conflict
        Nothing was changed then.
    """
    about: dict[str, Any] = {
        "kind": KIND,
        "subject": posting.subject_of(batch),
        "requester_id": batch.project.requester_id,
    }
    hits = posting.can_take_more(batch)
    if hit_ids is None and hits[: GROUP + 1].count() > GROUP:
        total = posting.check_more(batch=batch, answers=answers)
        last = hits.order_by("-pk").values_list("pk", flat=True)[0]
        arguments = {"batch": batch.pk, "answers": answers, "last": last}
        with transaction.atomic():
            started = start_operation(**about, arguments=arguments, total=total)
            audit.record(act="batch.more", subject=about["subject"], actor=by, answers=answers, hits=total)
            return started
    with transaction.atomic():
        reached = posting.ask_for_more(batch=batch, answers=answers, hit_ids=hit_ids)
        arguments = {"batch": batch.pk, "answers": answers}
        done = record_done(**about, arguments=arguments, total=reached, result={"hits": reached})
        audit.record(act="batch.more", subject=about["subject"], actor=by, answers=answers, hits=reached)
        return done


def work(turn: Turn) -> None:
    """One group. Where the money ends, what was asked for stays, and the rest can be gone on with."""
    arguments, done = turn.operation.arguments, turn.operation.done
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED, error=f"{done} HITs had been asked again before.", result={"hits": done})
        return
    batch = Batch.objects.select_related("project__requester").get(pk=arguments["batch"])
    # In the order of ids and by their range, not by what may take more: that changes with each answer.
    hits = Hit.objects.filter(batch=batch, pk__gt=turn.cursor.get("after", 0), pk__lte=arguments["last"])
    ids = list(hits.order_by("pk").values_list("pk", flat=True)[:GROUP])
    if not ids:
        turn.finish(result={"hits": done}, total=done)
        return
    try:
        with transaction.atomic():
            done += posting.ask_for_more(batch=batch, answers=arguments["answers"], hit_ids=ids)
            turn.save(cursor={"after": ids[-1]}, done=done, result={"hits": done})
    except DomainError as refusal:
        so_far = f"{done} of {turn.operation.total} HITs have been asked again."
        turn.finish(
            Operation.State.FAILED,
            error=f"{refusal.message.removesuffix(posting.UNCHANGED)} {so_far}",
            result={"hits": done},
        )
