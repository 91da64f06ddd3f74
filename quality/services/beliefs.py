"""The live belief about HITs: one pass of incremental EM at each final answer (QUALITY.md 2.4 and 3).

Called under the locks of the HITs. Workers' counts change by one `UPDATE ... + delta` each, in the order of their ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone

from core import money
from marketplace.models import Batch, Hit
from marketplace.rules import Rules
from marketplace.schema import Question
from marketplace.selectors import Design
from quality.estimators.confidence import Sureness
from quality.estimators.live import at_confidence, pooled_confusion, update_item
from quality.estimators.risk import RiskModel
from quality.estimators.stopping import Rule, Verdict, decide, decide_by_risk, minimum_answers
from quality.models import Belief, CrowdModel, GoldQuestion, Judgment, WorkerReliability
from quality.services.healing import first_hits
from quality.services.machine_words import softened, words_on
from quality.services.scoring import live_value

ADD_COUNTS = """
INSERT INTO quality_workerreliability AS r
    (project_id, worker_id, question, part, state, counts, answered, "right", wrong, gate, monitor, alarms,
     lower, upper, state_reason, updated_at)
VALUES (%s, %s, %s, %s, 'quiz', %s::float8[], greatest(%s, 0), 0, 0, 0, 0, '{}', 0, 1, '', now())
ON CONFLICT (project_id, worker_id, question, part) DO UPDATE
SET counts = CASE WHEN cardinality(r.counts) = cardinality(EXCLUDED.counts)
                  THEN (SELECT coalesce(array_agg(a + b ORDER BY n), '{}')
                        FROM unnest(r.counts, EXCLUDED.counts) WITH ORDINALITY u(a, b, n))
                  ELSE EXCLUDED.counts END,
    -- Not EXCLUDED.answered: a withdrawn answer counts -1, and the CHECK looks first at the row to insert.
    answered = greatest(r.answered + %s, 0), updated_at = now()
"""

Key = tuple[str, str]  # question, part
CLASSED = ("categorical", "ordinal", "pairwise", "multilabel")


def reliability_part(question: Question, part: str) -> str:
    """One reliability for all parts of a question, apart from multilabel: there each label has its own."""
    if question.kind != "multilabel":
        return ""
    return part if question.for_ == "item" else part.partition("/")[2]


@dataclass
class Learned:
    """What is believed about one HIT after this pass."""

    verdicts: list[Verdict] = field(default_factory=list)
    answers: int = 0
    newly_settled: list[Belief] = field(default_factory=list)

    @property
    def action(self) -> str:
        """`ask` while any stopping question asks; `settled` when all are; else `disputed`."""
        actions = {verdict.action for verdict in self.verdicts}
        if not actions or "ask" in actions:
            return "ask"
        return "disputed" if "disputed" in actions else "settled"


@dataclass(frozen=True)
class Crowd:
    pooled: np.ndarray
    prior: np.ndarray
    exponent: float
    is_calibrated: bool
    sureness: Sureness | None = None


def learn(
    *,
    project_id: int,
    hits: Sequence[Hit],
    batches: Mapping[int, Batch],
    designs: Mapping[int, Design],
    truths: Mapping[int, Mapping[str, Any]],
) -> dict[int, Learned]:
    """Bring the beliefs of these HITs up to date with the judgment log; say for each what is known now.

    `truths`: the keys of those that are gold, by HIT.
    """
    ids = [hit.pk for hit in hits]
    log = _log_of(ids)
    if any(batch.repairs_id for batch in batches.values()):
        _add_first_answers(log, first_hits(ids))
    beliefs = {(b.hit_id, b.question, b.part): b for b in Belief.objects.filter(hit_id__in=ids)}
    crowds = {(c.question, c.part): c for c in CrowdModel.objects.filter(project_id=project_id)}
    counts = _counts(project_id, {row.worker_id for rows in log.values() for row in rows})
    has_gold = GoldQuestion.objects.filter(project_id=project_id, pool="test").exists()
    machines = words_on(project_id=project_id, hits=hits, batches=batches, designs=designs)
    # What a machine answered alone is looked at anew: it may no longer be past its bound.
    answered_alone: dict[int, list[Key]] = defaultdict(list)
    for (hit_id, name, part), belief in beliefs.items():
        if belief.state == Belief.State.SETTLED and not belief.answers and belief.label is not None:
            answered_alone[hit_id].append((name, part))

    deltas: dict[tuple[int, str, str], Any] = {}
    changed: list[Belief] = []
    learned = {hit.pk: Learned() for hit in hits}
    for hit in hits:
        design = designs[hit.batch_id]
        by_key = _by_key(log.get(hit.pk, ()))
        alone = machines.alone.get(hit.pk, {})
        for key in {*alone, *answered_alone.get(hit.pk, ())}:
            by_key.setdefault(key, [])
        learned[hit.pk].answers = len({row.worker_id for row in log.get(hit.pk, ()) if row.weight > 0})
        for (name, part), rows in sorted(by_key.items()):
            if name not in design.schema:
                continue
            question = design.schema[name]
            belief = beliefs.get((hit.pk, name, part)) or Belief(hit=hit, question=name, part=part)
            newest, before = _newest(rows), _newest(row for row in rows if row.pk <= belief.seen)
            if question.kind in CLASSED:
                own = reliability_part(question, part)
                crowd = crowd_of(question, crowds.get((name, own)))
                crowd = replace(crowd, prior=softened(crowd.prior, machines.logs.get((hit.pk, name, part))))
                truth = truth_of(question, part, truths.get(hit.pk))
                if _stands(belief, rows, truth):
                    spread = spread_of(belief, crowd)
                else:
                    spread = _update_classes(question, belief, newest, before, counts, crowd, truth, deltas, own)
                    belief.run = None
                stops = question.stops or not rows or (name, part) in alone
                if stops and belief.state == Belief.State.OVERRULED:
                    learned[hit.pk].verdicts.append(Verdict("settled", "person"))
                elif stops and truth is None:
                    scored = _scored(newest, counts, name, own, has_gold)
                    verdict = _verdict(belief, spread, hit, design.rules, batches[hit.batch_id].price, crowd, scored)
                    verdict = _alone(belief, alone.get((name, part)), verdict)
                    learned[hit.pk].verdicts.append(verdict)
                    _settle(belief, verdict, learned[hit.pk])
            else:
                if not _stands(belief, rows, None):
                    _update_value(question, belief, newest, before, risk_of(crowds.get((name, ""))), deltas)
                if question.stops and belief.state == Belief.State.OVERRULED:
                    learned[hit.pk].verdicts.append(Verdict("settled", "person"))
                elif question.stops and not _is_known(question, part, truths.get(hit.pk)):
                    scored = _scored(newest, counts, name, "", has_gold)
                    verdict = _score_verdict(belief, hit, design.rules, scored)
                    learned[hit.pk].verdicts.append(verdict)
                    _settle(belief, verdict, learned[hit.pk])
            belief.seen = max((row.pk for row in rows), default=0)
            belief.updated_at = timezone.now()
            changed.append(belief)
    _save(changed)
    _add_counts(project_id, deltas)
    return learned


# --- reading ----------------------------------------------------------------------------------------------------------


def _log_of(hit_ids: Collection[int]) -> dict[int, list[Judgment]]:
    log: dict[int, list[Judgment]] = defaultdict(list)
    rows = Judgment.objects.filter(hit_id__in=list(hit_ids)).order_by("pk")
    for row in rows.only("hit_id", "worker_id", "question", "part", "label", "number", "text", "weight"):
        log[row.hit_id].append(row)
    return log


def _add_first_answers(log: dict[int, list[Judgment]], again: Mapping[int, int]) -> None:
    """HITs of a repair batch go on from the answers to the HIT that they ask again."""
    first = _log_of(again.values())
    for hit_id, asked in again.items():
        log[hit_id] = sorted([*first.get(asked, ()), *log.get(hit_id, ())], key=lambda row: row.pk)


def _by_key(rows: Iterable[Judgment]) -> dict[Key, list[Judgment]]:
    by_key: dict[Key, list[Judgment]] = defaultdict(list)
    for row in rows:
        by_key[row.question, row.part].append(row)
    return by_key


def _newest(rows: Iterable[Judgment]) -> dict[int, Judgment]:
    """The latest word of each worker that has weight."""
    newest = {row.worker_id: row for row in rows}
    return {worker: row for worker, row in newest.items() if row.weight > 0}


def _counts(project_id: int, workers: Collection[int]) -> dict[tuple[int, str, str], WorkerReliability]:
    rows = WorkerReliability.objects.filter(project_id=project_id, worker_id__in=workers)
    return {(row.worker_id, row.question, row.part): row for row in rows}


def truth_of(question: Question, part: str, keys: Mapping[str, Any] | None) -> np.ndarray | None:
    """Uniform over the accepted classes of a gold item; None elsewhere."""
    if not keys or question.name not in keys:
        return None
    key = keys[question.name]
    if question.for_ != "item":
        key = key.get(part) if question.kind != "multilabel" else key.get(part.partition("/")[0])
    accepted: set[int] = set()
    for value in (key or {}).get("accept", []):
        for judged in question.judgments(value if question.for_ == "item" else {part: value}):
            if judged.part == part and judged.label is not None:
                accepted.add(judged.label)
    if not accepted:
        return None
    truth = np.zeros(len(question.classes))
    truth[sorted(accepted)] = 1 / len(accepted)
    return truth


def crowd_of(question: Question, model: CrowdModel | None) -> Crowd:
    n = len(question.classes)
    if model is None or not model.classes or len(model.prior) != n:
        return Crowd(pooled_confusion(np.zeros((n, n))), np.full(n, 1 / max(n, 1)), 0.5, is_calibrated=False)
    pooled = np.array(model.pooled).reshape(n, n)
    sureness = Sureness.from_json(model.sureness) if model.sureness else None
    return Crowd(pooled, np.array(model.prior), model.exponent, model.is_calibrated, sureness)


def risk_of(model: CrowdModel | None) -> RiskModel | None:
    """What gold taught of expected scores; None where it was too little."""
    stored = model.sureness.get("risk") if model is not None else None
    return RiskModel.from_json(stored) if stored else None


def _is_known(question: Question, part: str, keys: Mapping[str, Any] | None) -> bool:
    key = (keys or {}).get(question.name)
    return bool(key if question.for_ == "item" else (key or {}).get(part))


# --- learning ---------------------------------------------------------------------------------------------------------


def _update_classes(
    question: Question,
    belief: Belief,
    newest: Mapping[int, Judgment],
    before: Mapping[int, Judgment],
    counts: Mapping[tuple[int, str, str], WorkerReliability],
    crowd: Crowd,
    truth: np.ndarray | None,
    deltas: dict[tuple[int, str, str], Any],
    own: str,
) -> np.ndarray:
    """Bring one belief up to date and note what it teaches about the workers.

    Returns P, shape (K,), its label as sure as gold bears out.
    """
    n = len(question.classes)
    previous = np.array(belief.posterior) if len(belief.posterior) == n and before else None
    workers = sorted(newest)

    def change(worker: int, label: int, amount: np.ndarray, answers: int) -> None:
        total, number = deltas.get((worker, question.name, own), (np.zeros((n, n)), 0))
        total[:, label] += amount
        deltas[worker, question.name, own] = (total, number + answers)

    # Words that were taken back or changed leave the counts under their old label.
    for worker, said in before.items():
        still = newest.get(worker)
        if previous is not None and (still is None or still.label != said.label):
            change(worker, int(said.label or 0), -said.weight * previous, -1)

    labels = np.array([newest[w].label for w in workers], dtype=np.intp)
    counted = np.array(
        [previous is not None and w in before and before[w].label == newest[w].label for w in workers], dtype=bool
    )
    weights = np.array([newest[w].weight for w in workers], dtype=float)
    stored = (
        np.stack([counts_of(counts.get((w, question.name, own)), n) for w in workers])
        if workers
        else np.zeros((0, n, n))
    )
    live = update_item(
        labels, stored, crowd.pooled, crowd.prior, previous=previous, counted=counted, weights=weights,
        votes=_votes([counts.get((w, question.name, own)) for w in workers]), truth=truth, b=crowd.exponent,
        sureness=crowd.sureness,
    )  # fmt: skip
    for row, worker in enumerate(workers):
        change(worker, int(labels[row]), live.deltas[row], 0 if counted[row] else 1)
    belief.posterior = live.posterior.tolist()
    if belief.state != Belief.State.OVERRULED:
        belief.label = live.label
    belief.confidence = float(live.confidence[live.label])
    belief.answers = len(workers)
    belief.is_calibrated = crowd.is_calibrated
    return live.confidence


def _votes(rows: Sequence[WorkerReliability | None]) -> np.ndarray:
    """Part of a vote of each answerer: who answers from one key shares it with the others on this item."""
    keys = [row.cluster if row else None for row in rows]
    return np.array([1 / keys.count(key) if key else 1.0 for key in keys])


def _stands(belief: Belief, rows: Sequence[Judgment], truth: np.ndarray | None) -> bool:
    """A refit wrote it and nothing was said since: one live pass would only make it worse."""
    is_newest = belief.run_id is not None and bool(rows) and belief.seen >= rows[-1].pk
    return is_newest and (truth is None or belief.posterior == truth.tolist())


def spread_of(belief: Belief, crowd: Crowd) -> np.ndarray:
    """P at exponent b from a stored belief, with its label at the calibrated confidence, shape (K,)."""
    posterior, label = np.maximum(belief.posterior, 1e-300), belief.label or 0
    return at_confidence(posterior**crowd.exponent * crowd.prior ** (1 - crowd.exponent), label, belief.confidence)


def counts_of(row: WorkerReliability | None, n: int) -> np.ndarray:
    if row is None or len(row.counts) != n * n:
        return np.zeros((n, n))
    return np.array(row.counts).reshape(n, n)


def _scored(
    newest: Mapping[int, Judgment],
    counts: Mapping[tuple[int, str, str], WorkerReliability],
    name: str,
    own: str,
    has_gold: bool,
) -> list[int]:
    """How many of each answerer's answers were scored; where there is no gold, how many they gave."""
    # A multilabel answer is scored as a whole, not label by label.
    rows = [counts.get((worker, name, "" if has_gold else own)) for worker in newest]
    return [0 if row is None else int(row.right + row.wrong if has_gold else row.answered) for row in rows]


def _verdict(
    belief: Belief, spread: np.ndarray, hit: Hit, rules: Rules, price: int, crowd: Crowd, scored: list[int]
) -> Verdict:
    if not rules.is_adaptive:
        return _when_full(belief, hit, rules)
    value = None
    if rules.worth is not None and price:
        value = money.parse(rules.worth) / price
    rule = Rule(tau=rules.target, r_min=rules.min_answers, r_max=rules.max_answers, value=value)
    r_min = min(minimum_answers(scored, rules.min_answers), rules.max_answers)
    label = int(belief.label or 0)
    return decide(spread, label, belief.answers, rule, pooled=crowd.pooled, b=crowd.exponent, r_min=r_min)


def _alone(belief: Belief, word: tuple[int, float] | None, verdict: Verdict) -> Verdict:
    """A machine past its checked bound answers alone, as long as no person says otherwise."""
    if word is None or verdict.action == "settled" or (belief.answers and belief.label != word[0]):
        return verdict
    belief.label, belief.confidence = word
    belief.is_calibrated, belief.run = True, None
    return Verdict("settled", "machine")


def _settle(belief: Belief, verdict: Verdict, learned: Learned) -> None:
    if belief.state == Belief.State.OVERRULED:
        return
    state = {"ask": "collecting", "settled": "settled", "disputed": "disputed"}[verdict.action]
    if state == "settled" and belief.state != "settled":
        belief.settled_at = timezone.now()
        learned.newly_settled.append(belief)
    belief.state = state


def _update_value(
    question: Question,
    belief: Belief,
    newest: Mapping[int, Judgment],
    before: Mapping[int, Judgment],
    model: RiskModel | None,
    deltas: dict[tuple[int, str, str], Any],
) -> None:
    """Bring a belief of a kind without classes up to date: a first consensus, and its expected score as confidence."""
    rows = sorted(newest.values(), key=lambda row: row.pk)
    said = [row.number if question.kind == "number" else row.text for row in rows if row.label is None]
    said = [one for one in said if one is not None]
    value, expected = live_value(question, said, len(rows) - len(said), model)
    if belief.state != Belief.State.OVERRULED:
        belief.value, belief.interval = value, []
    belief.confidence, belief.is_calibrated = expected, model is not None
    belief.answers, belief.run = len(newest), None
    for worker in sorted({*newest, *before}):
        change = (worker in newest) - (worker in before)
        if change:
            _, number = deltas.get((worker, question.name, ""), (None, 0))
            deltas[worker, question.name, ""] = (np.zeros(0), number + change)


def _score_verdict(belief: Belief, hit: Hit, rules: Rules, scored: list[int]) -> Verdict:
    """As `_verdict`, by the expected score of kinds without classes."""
    if not rules.is_adaptive:
        return _when_full(belief, hit, rules)
    r_min = min(minimum_answers(scored, rules.min_answers), rules.max_answers)
    rule = Rule(tau=rules.target, r_min=rules.min_answers, r_max=rules.max_answers)
    risk = 1 - belief.confidence if belief.confidence else None
    return decide_by_risk(risk, belief.answers, rule, r_min=r_min)


def _when_full(belief: Belief, hit: Hit, rules: Rules) -> Verdict:
    """Where the number of answers is fixed."""
    if belief.answers < rules.wanted(hit.max_assignments):
        return Verdict("ask", "minimum")
    is_sure = belief.confidence >= rules.target
    return Verdict("settled", "target") if is_sure else Verdict("disputed", "maximum")


# --- writing ----------------------------------------------------------------------------------------------------------


def _save(beliefs: list[Belief]) -> None:
    Belief.objects.bulk_create(
        beliefs,
        update_conflicts=True,
        unique_fields=["hit", "question", "part"],
        update_fields=[
            "state", "posterior", "label", "value", "interval", "confidence", "answers", "seen", "is_calibrated", "run",
            "settled_at", "updated_at",
        ],
    )  # fmt: skip


def _add_counts(project_id: int, deltas: Mapping[tuple[int, str, str], Any]) -> None:
    rows = [
        (project_id, worker, question, part, total.ravel().tolist(), number, number)
        for (worker, question, part), (total, number) in sorted(deltas.items())
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(ADD_COUNTS, rows)
