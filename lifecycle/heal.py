"""What follows when answers lose their weight: labels are fitted again, what is unsure is asked again, the requester
reads what it came to. After close the requester asks again with one click: a repair batch, whose answers count for the
labels of the closed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from core import audit, clock, money
from core.errors import Conflict, DomainError
from core.states import move
from core.templatetags.touchstone import money_words
from lifecycle.refit import start_refit
from marketplace.models import Batch, Hit, HitData
from marketplace.rows import Row
from marketplace.rules import Rules
from marketplace.selectors import design_of
from marketplace.services import media, posting
from marketplace.services.copying import copy_rows
from marketplace.services.costs import Places, check_floor, repair_of
from marketplace.services.design import RowCheck, prices
from marketplace.services.telling import managers_of
from quality.models import Belief, HealedLabel, Healing
from quality.services.healing import conclude, short_hits
from users.services.notices import notify
from workers_app.models import Qualification

#: Healings looked at in one step.
MOST_AT_ONCE = 100
#: HITs asked again by one click, and answers that each can come to have on top.
MOST_ASKED, MORE = 5_000, 2
#: How long after its close what is disputed in a batch still goes to experts by itself.
EXPERTS_WITHIN = timedelta(days=7)


def heal_due(limit: int = MOST_AT_ONCE) -> int:
    """Bring healings a step further: to a refit that knows of the decision, then to the end. A step of the clock."""
    due = Healing.objects.filter(done_at=None).select_related("batch__project__requester", "work", "fit")
    return sum(_go_on(healing) for healing in due.order_by("pk")[:limit])


def _go_on(healing: Healing) -> int:
    if not _is_decided(healing):
        return 0
    if healing.fit is None:
        # One that is under way may have read before the decision: then the next.
        fit = start_refit(project=healing.batch.project)
        return 0 if fit is None else Healing.objects.filter(pk=healing.pk, fit=None).update(fit=fit)
    if healing.fit.finished_at is None:
        return 0
    with transaction.atomic():
        waiting = Healing.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=healing.pk, done_at=None)
        found = waiting.select_related("batch__project__requester").first()
        if found is None:
            return 0
        tell(conclude(found))
    return 1


def _is_decided(healing: Healing) -> bool:
    """Whether every answer that is there has its new weight. Places still held are waited for, but not here."""
    work = healing.work
    return work is None or work.finished_at is not None or bool(work.cursor.get("is_weighed"))


def words_of(healing: Healing) -> Any:
    """37 labels changed, 112 asked again, 4.10."""
    if healing.cause == Healing.Cause.EXPERTS:
        sent = ngettext_lazy("{n} item sent to experts", "{n} items sent to experts", healing.asked)
        return format_lazy(sent, n=healing.asked)
    currency = healing.batch.project.requester.currency
    changed = ngettext_lazy("{n} label changed", "{n} labels changed", healing.changed)
    asked = ngettext_lazy("{n} asked again", "{n} asked again", healing.asked)
    return format_lazy(
        "{}, {}, {}",
        format_lazy(changed, n=healing.changed),
        format_lazy(asked, n=healing.asked),
        money_words(healing.cost, currency),
    )


def tell(healing: Healing) -> None:
    """Those who run the batch, where anything changed."""
    short = len(short_hits(healing))
    if not (healing.changed or healing.asked or short):
        return
    batch = healing.batch
    why = {
        Healing.Cause.IGNORED: _("The answers of a worker do not count any more."),
        Healing.Cause.COUNTED: _("The answers of a worker count again."),
        Healing.Cause.KEY: _("A known answer was put right."),
        Healing.Cause.MACHINE: _("A machine may not answer alone any more."),
    }[Healing.Cause(healing.cause)]
    one, more = "{n} item is below its target now: ask again.", "{n} items are below their target now: ask again."
    left = format_lazy(ngettext_lazy(one, more, short), n=short)
    for user in managers_of(batch.project.requester):
        notify(
            user=user,
            kind="batch.healed",
            title=format_lazy("{}: {}", batch.name, words_of(healing)),
            body=format_lazy("{} {}", why, left) if short else why,
            url=reverse("studio_changes", args=[batch.public_id]),
            key=f"healed:{healing.public_id}",
        )


# --- asking again -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """What asking again takes: so many HITs, and micros at most; what is not needed comes back."""

    hits: int
    most: int
    is_new_batch: bool


def offer_of(healing: Healing) -> Offer | None:
    """None where nothing is below its target."""
    hits = min(len(short_hits(healing)), MOST_ASKED)
    if not hits or healing.done_at is None:
        return None
    batch = healing.batch
    if batch.takes_more:
        return Offer(hits, hits * batch.price, is_new_batch=False)
    most = hits * MORE * batch.price
    return Offer(hits, most + repair_of(most), is_new_batch=True)


@transaction.atomic
def ask_again(*, healing: Healing, by: Any) -> Batch:
    """Ask about what is below its target since; returns the batch that does: the same while it is open, else a new one.

    Raises
    ------
    Conflict
        `nothing_short`
    InsufficientFunds
        Nothing was changed then.
    """
    rows = Healing.objects.select_for_update(no_key=True, of=("self",)).select_related("batch__project__requester")
    healing = rows.get(pk=healing.pk)
    offer = offer_of(healing)
    if offer is None:
        raise Conflict(_("No label of it is below its target. Nothing was asked."), code="nothing_short")
    hits, batch = short_hits(healing)[:MOST_ASKED], healing.batch
    if batch.takes_more:
        posting.ask_for_more(batch=batch, answers=1, hit_ids=hits)
        asks = batch
    else:
        asks = _publish_again(healing, hits, name=_("repair"), rules=batch.design["rules"])
        Healing.objects.filter(pk=healing.pk).update(repair=asks)
    healing.labels.filter(hit__in=hits, is_short=True).update(is_short=False, is_asked=True)
    cost = len(hits) * batch.price * (MORE if offer.is_new_batch else 1)
    Healing.objects.filter(pk=healing.pk).update(asked=F("asked") + len(hits), cost=F("cost") + cost)
    audit.record(
        act="labels.ask_again", subject=f"batch:{batch.pk}", actor=by, hits=len(hits), asked_in=str(asks.public_id)
    )
    return asks


@dataclass(frozen=True)
class RepairPlaces(Places):
    """One answer more, and money for `MORE`."""

    def of(self, index: int) -> tuple[int, int]:
        return 1, MORE


def _publish_again(healing: Healing, hit_ids: Sequence[int], *, name: Any, rules: dict[str, Any]) -> Batch:
    """The same items once more, by `rules`: each goes on from the belief that there is, one answer at a time."""
    batch = healing.batch
    data = {row.hit_id: row.data for row in HitData.objects.filter(hit__in=hit_ids)}
    rows = [Row(line, data[hit_id]) for line, hit_id in enumerate(hit_ids, 1)]
    most = max(design_of(batch).rules.most_places, _most_answers(hit_ids)) + MORE
    rules = {
        **rules,
        "mode": "target",
        "min_answers": 1,
        "max_answers": most,
        "budget": None,
        "gold_share": 0.0,
        "quiz_questions": 0,
        "per_worker": None,
    }
    own = posting.create_batch(project=batch.project, name=f"{batch.name[:130]} ({name})")
    own = move(
        own,
        Batch.State.PUBLISHING,
        design={**batch.design, "rules": rules},
        repairs=batch,
        assignment_seconds=batch.assignment_seconds,
        day_cap=batch.day_cap,
        open_cap=batch.open_cap,
        **_prices(batch, rules),
    )
    check = RowCheck.of(own.design)
    asked = media.ask_for(requester=batch.project.requester, addresses=[check.media_of(row.data) for row in rows])
    places = RepairPlaces(design_of(own).rules, own.price, None, "")
    copied = copy_rows(batch=own, rows=rows, first_index=0, places=places, parked=asked.missing_in_row)
    asked.make_wait({index: one.hit_id for index, one in enumerate(copied)})
    new_ids = [one.hit_id for one in copied]
    with connection.cursor() as cursor:
        cursor.execute(LINK, {"healing": healing.pk, "old": list(hit_ids), "new": new_ids})
        cursor.execute(COPY_BELIEFS, {"old": list(hit_ids), "new": new_ids})
    return posting.open_published(batch=own, hits=len(copied), levels={0})


def _prices(batch: Batch, rules: dict[str, Any]) -> dict[str, int]:
    """Those of the batch, unless the reward is another one."""
    if rules.get("reward") == batch.design["rules"].get("reward"):
        return {"reward": batch.reward, "fee": batch.fee}
    return prices(Rules.from_json(rules))


def _most_answers(hit_ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(taken) FROM marketplace_hit WHERE id = ANY(%s)", [list(hit_ids)])
        return cursor.fetchone()[0] or 0


LINK = """
UPDATE quality_healedlabel l SET repair_hit_id = m.new
FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS m(old, new)
WHERE l.id = (SELECT min(f.id) FROM quality_healedlabel f WHERE f.healing_id = %(healing)s AND f.hit_id = m.old)
"""
COPY_BELIEFS = """
INSERT INTO quality_belief (hit_id, question, part, state, posterior, label, value, interval, confidence, answers, seen,
                            is_calibrated, updated_at)
SELECT m.new, b.question, b.part, 'collecting', b.posterior, b.label, b.value, b.interval, b.confidence, b.answers,
       b.seen, b.is_calibrated, now()
FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS m(old, new) JOIN quality_belief b ON b.hit_id = m.old
"""


# --- experts ----------------------------------------------------------------------------------------------------------


def disputed_hits(batch: Batch) -> list[int]:
    """HITs that ended in dispute, and that nobody was asked about again."""
    again = HealedLabel.objects.filter(healing__batch=batch, repair_hit__isnull=False).values("hit")
    disputed = Belief.objects.filter(
        hit__batch=batch, hit__lane=0, hit__state=Hit.State.RETIRED, state=Belief.State.DISPUTED
    )
    rows = disputed.exclude(hit__in=again).order_by("hit").values_list("hit_id", flat=True)
    return list(rows.distinct()[:MOST_ASKED])


@transaction.atomic
def send_to_experts(*, batch: Batch, qualification: Qualification, reward: int | None = None, by: Any) -> Batch:
    """Ask holders of `qualification` about what stayed disputed; their answers count for the labels of `batch`.

    `reward` (micros an answer) is the batch's own unless given. At most two answers an item; what is not needed comes
    back.

    Raises
    ------
    Conflict
        `nothing_disputed`; `not_published`.
    Invalid
        The reward is below the floor.
    InsufficientFunds
        Nothing was changed then.
    """
    batch = Batch.objects.select_related("project__requester").get(pk=batch.pk)
    if batch.published_at is None:
        raise Conflict(_("Publish it first."), code="not_published")
    hits = disputed_hits(batch)
    if not hits:
        raise Conflict(_("No item is disputed that was not asked about again."), code="nothing_disputed")
    needs = {"subject": str(qualification.public_id), "compare": "exists", "name": qualification.name}
    rules = {**batch.design["rules"], "requirements": [needs]}
    if reward is not None:
        rules["reward"] = money.format_amount(reward)
    typed = Rules.from_json(rules)
    check_floor(rules=typed, reward=typed.reward_micros, audience=batch.project.audience)
    healing = Healing.objects.create(
        batch=batch, cause=Healing.Cause.EXPERTS, leaned=len(hits), asked=len(hits), done_at=clock.now()
    )
    beliefs = Belief.objects.filter(hit__in=hits, state=Belief.State.DISPUTED).order_by("hit", "question", "part")
    HealedLabel.objects.bulk_create(
        HealedLabel(
            healing=healing, hit_id=row.hit_id, question=row.question, part=row.part, label=row.label, value=row.value,
            confidence=row.confidence, state=row.state, is_asked=True,
        )
        for row in beliefs
    )  # fmt: skip
    asks = _publish_again(healing, hits, name=_("experts"), rules=rules)
    Healing.objects.filter(pk=healing.pk).update(repair=asks, cost=len(hits) * MORE * asks.price)
    audit.record(
        act="labels.to_experts", subject=f"batch:{batch.pk}", actor=by, hits=len(hits), asked_in=str(asks.public_id)
    )
    return asks


def send_due_to_experts() -> int:
    """What stays disputed in a finished batch goes to experts where its rules say so. A step of the clock.

    Where the money does not suffice its requester is told, once, and it is tried again while the batch is young.
    """
    young = clock.now() - EXPERTS_WITHIN
    due = Batch.objects.filter(state=Batch.State.CLOSED, closed_at__gt=young, repairs=None)
    due = due.filter(design__rules__has_key="experts").exclude(design__rules__experts=None)
    due = due.exclude(healings__cause=Healing.Cause.EXPERTS)
    sent = 0
    for batch in due.select_related("project__requester").order_by("pk")[:MOST_AT_ONCE]:
        qualification = Qualification.objects.filter(public_id=batch.design["rules"]["experts"]).first()
        if qualification is None or not disputed_hits(batch):
            continue
        try:
            send_to_experts(batch=batch, qualification=qualification, by=None)
        except DomainError as refusal:
            for user in managers_of(batch.project.requester):
                notify(
                    user=user,
                    kind="batch.experts",
                    title=format_lazy(_("Not sent to experts: {batch}"), batch=batch.name),
                    body=str(refusal.message),
                    url=reverse("studio_changes", args=[batch.public_id]),
                    key=f"experts:{batch.public_id}",
                )
            continue
        sent += 1
    return sent
