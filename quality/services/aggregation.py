"""Refits: all judgments about a question fitted at once, and what they say written back (QUALITY.md sections 1, 2, 8).

Reading is cut off at a judgment's number, so new answers may come in meanwhile; writing holds the project's lock, so
that no digest works on counts that are being replaced. Everything a run used is stored with it: `recompute` gives the
same result again, to the byte on the same versions and kind of processor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson
from django.db import connection, transaction
from django.utils import timezone

from core.errors import DomainError
from marketplace.models import Batch, Project
from marketplace.schema import Question, Score
from marketplace.selectors import Design, design_of
from quality.estimators import NumericError, agreement
from quality.estimators.intervals import consensus_interval
from quality.models import AggregationRun, Belief, CrowdModel, GoldQuestion, WorkerReliability
from quality.services import defence, healing
from quality.services.beliefs import CLASSED, reliability_part, truth_of
from quality.services.canaries import found_of
from quality.services.fitting import Fitted, Keys, add_alone, fit, hear
from quality.services.judgments import close_log
from quality.services.log import Log, read_log, read_texts
from quality.services.machine_words import alone_beside, snapshot_of_words, words_beside
from quality.services.reliability import on_known_answers
from quality.services.scoring import is_scored
from quality.services.several import disagreement_in

VERSION = f"1; numpy {version('numpy')}; scipy {version('scipy')}"
#: Draws of the interval of agreement; fewer where each takes long.
LEVELS: dict[str, agreement.Level] = {"ordinal": "ordinal", "number": "interval"}
DRAWS, FEWER_DRAWS, MANY_ITEMS = 1000, 100, 20_000


class FitFailed(DomainError):
    code = "fit_failed"
    message = "The estimate did not settle. The previous result stands; staff can see why."


@dataclass(frozen=True)
class Asked:
    """A question as the batches of a project ask it.

    Batches froze their own copy of the project: `columns` maps each batch to the places of its classes among those of
    `question`, the newest batch's.
    """

    question: Question
    columns: dict[int, np.ndarray]
    designs: dict[int, Design]


@dataclass(frozen=True)
class Cutoff:
    """What a refit reads: judgments up to `last`, and the answer keys of that moment."""

    last: int
    keys: Keys
    key_version: int
    #: What machines are heard with, from `snapshot_of_words`; None: as they are when the fit begins.
    machines: dict[str, Any] | None = None


# --- the whole of it --------------------------------------------------------------------------------------------------


def refit(*, project: Project, question: str, cutoff: Cutoff | None = None, seed: int = 0) -> AggregationRun | None:
    """Fit all judgments about `question` and store labels, crowd and workers; None where there is nothing to fit.

    Raises
    ------
    FitFailed
        When the estimate did not settle. The previous result stands.
    """
    asked = question_of(project, question)
    if asked is None:
        return None
    if cutoff is None:
        cutoff = cut_off(project=project, asked=asked)
    log = in_one_schema(read_log(project_id=project.pk, question=question, last=cutoff.last), asked)
    machines = snapshot_of_words(project.pk, question) if cutoff.machines is None else cutoff.machines
    fitted = fit_heard(asked, log, cutoff.keys, seed, machines)
    if fitted is None:
        return None
    run = AggregationRun(
        project=project,
        question=question,
        method=fitted.method,
        version=VERSION,
        parameters={
            "gold_sample": "balanced",
            "keys": {str(item): accepted for item, accepted in cutoff.keys.items()},
            **({"machines": machines} if machines else {}),
            **({"scores": asdict(asked.question.score)} if is_scored(asked.question) else {}),
        },
        seed=seed,
        last_judgment=cutoff.last,
        gold_key_version=cutoff.key_version,
        data_hash=data_hash(log, cutoff.keys),
        result_hash=fitted.digest(),
        guard=fitted.status[:20],
        answers=int((log.weight > 0).sum()),
        items=len(fitted.items),
        workers=len(np.unique(log.worker[log.weight > 0])),
        report=report_of(asked, log, fitted, seed, project.pk)
        | {"reliability": reliability_of(asked, log, cutoff.keys, seed)},
    )
    write(run, asked, log, fitted)
    return run


def recompute(run: AggregationRun) -> tuple[Fitted, Log]:
    """Fit again what a run fitted, from the log and what is stored with the run.

    Raises
    ------
    ValueError
        When the log no longer holds the judgments of that run.
    """
    asked = question_of(run.project, run.question)
    if asked is None:
        raise ValueError("No batch asks this question any more.")
    keys = {int(item): accepted for item, accepted in run.parameters["keys"].items()}
    log = in_one_schema(read_log(project_id=run.project_id, question=run.question, last=run.last_judgment), asked)
    if data_hash(log, keys) != run.data_hash:
        raise ValueError("The judgments are not those that the run was made from.")
    # By the grader of that time; runs without were made before there were expected scores.
    grader = run.parameters.get("scores")
    if grader is not None:
        asked = replace(asked, question=replace(asked.question, score=Score(**grader)))
    fitted = fit_heard(asked, log, keys, run.seed, run.parameters.get("machines", {}), scores=grader is not None)
    if fitted is None:
        raise ValueError("There is nothing to fit.")
    return fitted, log


# --- reading ----------------------------------------------------------------------------------------------------------


def questions_of(project: Project) -> list[str]:
    """Names of the questions that published batches of the project ask."""
    names = {question.name: None for design in _designs(project).values() for question in design.schema}
    return list(names)


def question_of(project: Project, name: str) -> Asked | None:
    """The question as the newest batch asks it; batches that ask it as another kind are left out."""
    designs = {pk: design for pk, design in _designs(project).items() if name in design.schema}
    if not designs:
        return None
    newest = designs[max(designs)].schema[name]
    columns, kept = {}, {}
    for pk, design in designs.items():
        question = design.schema[name]
        if (question.kind, question.for_) != (newest.kind, newest.for_):
            continue
        # A class that the newest batch no longer offers has no column: its answers stay with the live belief.
        columns[pk] = np.array([newest.index.get(label, -1) for label in question.classes], int)
        kept[pk] = design
    return Asked(newest, columns, kept)


def _designs(project: Project) -> dict[int, Design]:
    published = Batch.objects.filter(project=project, published_at__isnull=False)
    return {batch.pk: design_of(batch) for batch in published}


@transaction.atomic
def cut_off(*, project: Project, asked: Asked) -> Cutoff:
    """Decide what a refit reads. Digests wait only for as long as this takes."""
    last = close_log(project.pk)
    golds = GoldQuestion.objects.filter(
        project=project, pool="test", state__in=["active", "retired"], is_soft=False, hit__isnull=False
    )
    known = list(golds.order_by("pk").values_list("hit_id", "hit__batch_id", "keys", "key_version"))
    log = read_log(project_id=project.pk, question=asked.question.name, last=last)
    place = {part: index for index, part in enumerate(log.parts)}
    keys: dict[int, list[Any]] = {}
    for hit_id, batch_id, key, _ in known:
        for part in log.parts:
            accepted = _accepted(asked, batch_id, part, key)
            if accepted:
                keys[hit_id * len(log.parts) + place[part]] = accepted
    judged = set(log.item.tolist())
    return Cutoff(last, {item: keys[item] for item in sorted(keys) if item in judged}, sum(row[3] for row in known))


def _accepted(asked: Asked, batch_id: int, part: str, keys: dict[str, Any]) -> list[Any]:
    """Accepted classes, numbers or texts of one part of a HIT whose answer is known."""
    design = asked.designs.get(batch_id)
    question = asked.question
    if design is None or question.name not in keys:
        return []
    if question.kind in CLASSED:
        truth = truth_of(design.schema[question.name], part, keys)
        columns = [] if truth is None else asked.columns[batch_id][np.flatnonzero(truth)].tolist()
        return sorted(column for column in columns if column >= 0)
    key = keys[question.name] if question.for_ == "item" else keys[question.name].get(part, {})
    plain = float if question.kind == "number" else str
    return [plain(value) for value in key.get("accept", []) if not isinstance(value, dict)]


def in_one_schema(log: Log, asked: Asked) -> Log:
    """The log with all class indices in the schema of `asked.question`; what has no place there is left out."""
    label = log.label.copy()
    for batch_id, columns in asked.columns.items():
        if own_columns(columns) is not None:
            mine = (log.batch == batch_id) & (log.label >= 0)
            label[mine] = columns[log.label[mine]]
    known = np.isin(log.batch, list(asked.columns)) & ((log.label < 0) | (label >= 0))
    return replace(log, label=label).only(known)


def fit_log(question: Question, log: Log, keys: Keys, seed: int, *, scores: bool = True) -> Fitted | None:
    texts = read_texts(log) if question.kind == "text" and len(log) else None
    try:
        return fit(question, log, keys, seed=seed, texts=texts, scores=scores)
    except NumericError as error:
        raise FitFailed(f"{FitFailed.message} ({error})") from error


def fit_heard(
    asked: Asked, log: Log, keys: Keys, seed: int, machines: dict[str, Any], *, scores: bool = True
) -> Fitted | None:
    """The fit of people's answers, with the machines of the snapshot beside them; `{}`: as if there were none."""
    fitted = fit_log(asked.question, log, keys, seed, scores=scores)
    if fitted is None or not machines or asked.question.kind not in CLASSED:
        return fitted
    said = words_beside(
        question=asked.question.name,
        snapshot=machines,
        items=fitted.items,
        parts=log.parts,
        columns=asked.columns,
        n_classes=len(asked.question.classes),
    )
    if said is not None:
        fitted = hear(asked.question, fitted, said, keys, log.parts)
    return _with_alone(asked, log, fitted, machines)


def _with_alone(asked: Asked, log: Log, fitted: Fitted, machines: dict[str, Any]) -> Fitted:
    if "" not in log.parts:
        return fitted
    rows = [
        (row.hit_id, row.batch_id, int(asked.columns[row.batch_id][row.label]), row.lower)
        for row in alone_beside(question=asked.question.name, snapshot=machines, answered=np.unique(log.hit))
        if row.batch_id in asked.columns and asked.columns[row.batch_id][row.label] >= 0
    ]
    if not rows:
        return fitted
    hits, batches, labels, lower = (np.array(column) for column in zip(*rows, strict=True))
    return add_alone(fitted, hits * len(log.parts) + log.parts.index(""), batches, labels, lower)


def data_hash(log: Log, keys: Keys) -> str:
    known = orjson.dumps([[item, accepted] for item, accepted in sorted(keys.items())])
    return hashlib.sha256(log.digest().encode() + known).hexdigest()


# --- reporting --------------------------------------------------------------------------------------------------------


def report_of(asked: Asked, log: Log, fitted: Fitted, seed: int, project_id: int) -> dict[str, Any]:
    return {
        "iterations": fitted.n_iter,
        "calibration": {
            "b": round(fitted.b, 4),
            "gold": fitted.n_gold,
            "is_calibrated": fitted.calibrated,
            "proven": fitted.proven,
            # What it takes to prove what batches ask for.
            "targets": [
                {"target": target, "more": fitted.more_to_prove(target)}
                for target in sorted({design.rules.target for design in asked.designs.values()})
                if fitted.calibration
            ],
        },
        "agreement": agreement_of(asked, log, seed),
        "disagreement": disagreement_in(project_id, asked.question, log, seed),
        "mean_confidence": round(float(fitted.confidence.mean()), 4) if len(fitted.items) else None,
        # How many, not who: requesters' programs read this. Who stands with the workers.
        "clusters": [len(members) for members in fitted.clusters],
        "inverted": len(fitted.inverted),
    }


def reliability_of(asked: Asked, log: Log, keys: Keys, seed: int) -> dict[str, Any]:
    """Whether the stated confidence holds on known answers that a fit was not told; {} where they are too few."""
    try:
        return on_known_answers(asked.question, log, keys, seed)
    except NumericError:
        return {}


def agreement_of(asked: Asked, log: Log, seed: int) -> dict[str, Any] | None:
    """Krippendorff's alpha on the first answers to each item only: stopping early bends it otherwise."""
    level: agreement.Level = LEVELS.get(asked.question.kind, "nominal")
    values = log.number if level == "interval" else log.label
    keep = (log.weight > 0) & (~np.isnan(log.number) if level == "interval" else log.label >= 0)
    if not keep.any():
        return None
    least = {pk: _first_few(design) for pk, design in asked.designs.items()}
    order = np.lexsort((log.id, log.item))
    order = order[keep[order]]
    item = log.item[order]
    start = np.flatnonzero(np.r_[True, item[1:] != item[:-1]])
    rank = np.arange(len(item)) - np.repeat(start, np.diff(np.r_[start, len(item)]))
    first = order[rank < np.array([least[batch] for batch in log.batch[order].tolist()])]
    columns = log.item[first], log.worker[first], values[first]
    alpha = agreement.krippendorff_alpha(*columns, level=level)
    if np.isnan(alpha):
        return None
    draws = DRAWS if len(start) <= MANY_ITEMS else FEWER_DRAWS
    low, high = agreement.krippendorff_interval(
        *columns,
        level=level,
        rng=np.random.default_rng(seed),
        draws=draws,
    )
    return {"alpha": round(alpha, 4), "low": round(low, 4), "high": round(high, 4), "level": level}


def _first_few(design: Design) -> int:
    rules = design.rules
    return max(2, rules.min_answers if rules.is_adaptive else rules.first_places)


# --- writing ----------------------------------------------------------------------------------------------------------

FITTED = """
CREATE TEMP TABLE fitted (hit_id bigint, part text, posterior float8[], label smallint, value jsonb, bounds float8[],
                          confidence float8, answers int, seen bigint)
"""
#: What is final says so at once; what is still open is settled by the digest, HIT by HIT, under its lock.
WRITE_BELIEFS = """
INSERT INTO quality_belief AS o (hit_id, question, part, state, posterior, label, value, interval, confidence,
                                 answers, seen, is_calibrated, run_id, settled_at, updated_at)
SELECT f.hit_id, %(question)s, f.part, s.state, f.posterior, f.label, f.value, f.bounds, f.confidence, f.answers,
       f.seen, %(calibrated)s, %(run)s, CASE WHEN s.state = 'settled' THEN now() END, now()
FROM fitted f JOIN marketplace_hit h ON h.id = f.hit_id JOIN marketplace_batch b ON b.id = h.batch_id,
     LATERAL (SELECT CASE WHEN h.state = 0 THEN 'collecting'
                          WHEN f.confidence >= (b.design #>> '{rules,target}')::float8 THEN 'settled'
                          ELSE 'disputed' END AS state) s
ON CONFLICT (hit_id, question, part) DO UPDATE SET
    posterior = EXCLUDED.posterior, interval = EXCLUDED.interval, confidence = EXCLUDED.confidence,
    answers = EXCLUDED.answers, seen = EXCLUDED.seen, is_calibrated = EXCLUDED.is_calibrated,
    run_id = EXCLUDED.run_id, updated_at = now(),
    value = CASE WHEN o.state = 'overruled' THEN o.value ELSE EXCLUDED.value END,
    label = CASE WHEN o.state = 'overruled' THEN o.label ELSE EXCLUDED.label END,
    state = CASE WHEN o.state = 'overruled' OR EXCLUDED.state = 'collecting' THEN o.state ELSE EXCLUDED.state END,
    settled_at = CASE WHEN EXCLUDED.state = 'settled' THEN coalesce(o.settled_at, now()) ELSE o.settled_at END
"""
#: HITs of running batches whose label is on the other side of the target now, or that were answered meanwhile.
UNSETTLED = """
SELECT DISTINCT h.id FROM fitted f JOIN marketplace_hit h ON h.id = f.hit_id AND h.lane = 0
JOIN marketplace_batch b ON b.id = h.batch_id AND b.state IN ('open', 'paused')
LEFT JOIN quality_belief o ON o.hit_id = f.hit_id AND o.question = %(question)s AND o.part = f.part
WHERE (coalesce(o.state, '') = 'settled') <> (f.confidence >= (b.design #>> '{rules,target}')::float8)
   OR o.label IS DISTINCT FROM f.label
UNION SELECT DISTINCT hit_id FROM quality_judgment
WHERE project_id = %(project)s AND question = %(question)s AND id > %(last)s
ORDER BY 1
"""


@transaction.atomic
def write(run: AggregationRun, asked: Asked, log: Log, fitted: Fitted) -> AggregationRun:
    """Replace beliefs, crowd and workers' counts by those of `fitted`; `run.unsettled` lists HITs to settle again.

    What takes long is done before the project's lock is asked for: digests wait for as long as the rest takes.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(FITTED)
        with cursor.copy("COPY fitted FROM STDIN") as copy:
            for row in belief_rows(asked, log, fitted):
                copy.write_row(row)
        cursor.execute("ANALYZE fitted")
        close_log(run.project_id)
        run.save(force_insert=True)
        about: dict[str, Any] = {"question": run.question, "run": run.pk, "project": run.project_id}
        about |= {"last": run.last_judgment, "calibrated": fitted.calibrated}
        cursor.execute(UNSETTLED, about)
        run.unsettled = [hit_id for (hit_id,) in cursor.fetchall()]  # type: ignore[attr-defined]
        healing.note_changes(project_id=run.project_id, question=run.question)
        cursor.execute(WRITE_BELIEFS, about)
        cursor.execute("DROP TABLE fitted")
    if asked.question.kind in CLASSED:
        write_crowds(run, asked, fitted)
        write_workers(run, asked, log, fitted)
    elif is_scored(asked.question):
        write_risk(run, fitted)
    return run


def belief_rows(asked: Asked, log: Log, fitted: Fitted) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `fitted`, in the classes of each item's own batch."""
    order = np.argsort(log.item, kind="stable")
    item = log.item[order]
    unique, start = np.unique(item, return_index=True)
    seen = np.maximum.reduceat(log.id[order], start)
    answers = np.add.reduceat((log.weight[order] > 0).astype(int), start)
    batch = log.batch[order][start]
    at = np.searchsorted(unique, fitted.items)
    hits, parts = log.split_items(fitted.items)
    back = {pk: own_columns(columns) for pk, columns in asked.columns.items()}
    for row, (place, whole) in enumerate(zip(at.tolist(), fitted.items.tolist(), strict=True)):
        is_alone = whole in fitted.alone
        own = back[fitted.alone[whole] if is_alone else int(batch[place])]
        label, posterior = int(fitted.labels[row]), fitted.posteriors[row]
        if len(posterior) and own is not None:
            posterior, label = _in_own_classes(posterior, own)
        value = fitted.values[row]
        yield (
            int(hits[row]),
            parts[row],
            array_of(posterior),
            label if label >= 0 else None,
            None if value is None else orjson.dumps(value).decode(),
            array_of(fitted.intervals[row]),
            float(fitted.confidence[row]),
            0 if is_alone else int(answers[place]),
            0 if is_alone else int(seen[place]),
        )


def array_of(numbers: np.ndarray) -> str:
    return "{" + ",".join(map(repr, numbers.tolist())) + "}"


def own_columns(columns: np.ndarray) -> np.ndarray | None:
    """Places of a batch's classes; None where they are those of the newest batch, as they nearly always are."""
    return None if (columns == np.arange(len(columns))).all() else columns


def _in_own_classes(posterior: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, int]:
    share = np.where(own >= 0, posterior[own], 0.0)
    share = share / share.sum() if share.sum() else np.full(len(own), 1 / len(own))
    return share, int(share.argmax())


def write_crowds(run: AggregationRun, asked: Asked, fitted: Fitted) -> None:
    CrowdModel.objects.bulk_create(
        [
            CrowdModel(
                project_id=run.project_id,
                question=run.question,
                part=part,
                classes=list(asked.question.classes),
                prior=crowd.prior.tolist(),
                pooled=crowd.pooled.ravel().tolist(),
                exponent=fitted.b,
                is_calibrated=fitted.calibrated,
                sureness=fitted.sureness[part].to_json() if part in fitted.sureness else {},
                run=run,
            )
            for part, crowd in sorted(fitted.crowds.items())
        ],
        update_conflicts=True,
        unique_fields=["project", "question", "part"],
        update_fields=["classes", "prior", "pooled", "exponent", "is_calibrated", "sureness", "run", "updated_at"],
    )


def write_risk(run: AggregationRun, fitted: Fitted) -> None:
    """What gold taught of expected scores, for the answers that come in from now on."""
    CrowdModel.objects.update_or_create(
        project_id=run.project_id,
        question=run.question,
        part="",
        defaults={
            "classes": [],
            "prior": [],
            "pooled": [],
            "is_calibrated": fitted.calibrated,
            "sureness": {"risk": fitted.risk.to_json()} if fitted.risk else {},
            "run": run,
            "updated_at": timezone.now(),
        },
    )


def write_workers(run: AggregationRun, asked: Asked, log: Log, fitted: Fitted) -> None:
    """Counts that the live updates go on from: what each worker said, against the posteriors just stored."""
    rng = np.random.default_rng(run.seed)
    rows = []
    signs: dict[str, dict[int, defence.Signs]] = {}
    found = found_of(run.project_id, run.question)
    for own, crowd in sorted(fitted.crowds.items()):
        part = np.array([reliability_part(asked.question, part) == own for part in log.parts])
        workers, counts, answered = count_words(log.only(part[log.part]), fitted)
        signs[own] = defence.signs_of(
            workers=workers, counts=counts, answered=answered, pooled=crowd.pooled, prior=crowd.prior, b=fitted.b,
            clusters=fitted.clusters, inverted=fitted.inverted, seed=run.seed, canaries=found,
        )  # fmt: skip
        for place, worker in enumerate(workers.tolist()):
            lower, _, upper = consensus_interval(counts[place], crowd.pooled, crowd.prior, fitted.b, rng)
            rows.append(
                WorkerReliability(
                    project_id=run.project_id,
                    worker_id=worker,
                    question=run.question,
                    part=own,
                    counts=counts[place].ravel().tolist(),
                    answered=int(answered[place]),
                    lower=lower,
                    upper=upper,
                    cluster=signs[own][worker].cluster,
                    signs=signs[own][worker].to_json(),
                )
            )
    # Whoever lost the weight of all their answers starts again.
    WorkerReliability.objects.filter(project_id=run.project_id, question=run.question).exclude(counts=[]).update(
        counts=[], answered=0, cluster=None, signs={}, updated_at=timezone.now()
    )
    WorkerReliability.objects.bulk_create(
        sorted(rows, key=lambda row: (row.worker_id, row.part)),
        batch_size=2000,
        update_conflicts=True,
        unique_fields=["project", "worker", "question", "part"],
        update_fields=["counts", "answered", "lower", "upper", "cluster", "signs", "updated_at"],
    )
    defence.raise_flags(run, signs.get("", {}))


def count_words(log: Log, fitted: Fitted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Workers (W,), their soft counts (W, K, K) [truth, said], and their answers (W,)."""
    log = log.only((log.weight > 0) & (log.label >= 0))
    at = np.searchsorted(fitted.items, log.item)
    known = (at < len(fitted.items)) & (fitted.items[np.minimum(at, len(fitted.items) - 1)] == log.item)
    log, at = log.only(known), at[known]
    workers, row = np.unique(log.worker, return_inverse=True)
    n = fitted.posteriors.shape[1]
    counts = np.zeros((len(workers), n, n))
    for truth in range(n):
        weight = log.weight * fitted.posteriors[at, truth]
        counts[:, truth] = np.bincount(row * n + log.label, weight, len(workers) * n).reshape(len(workers), n)
    return workers, counts, np.bincount(row, minlength=len(workers))


def changed_since(run: AggregationRun, *, tolerance: float = 1e-4) -> list[dict[str, Any]]:
    """Beliefs that a run delivered and that it would not deliver again (W8): other label, or other confidence."""
    try:
        fitted, log = recompute(run)
    except ValueError as error:
        return [{"run": run.pk, "why": str(error)}]
    asked = question_of(run.project, run.question)
    again = {(row[0], row[1]): (row[3], row[6]) for row in belief_rows(asked, log, fitted)}  # type: ignore[arg-type]
    broken: list[dict[str, Any]] = []
    delivered = Belief.objects.filter(run=run).exclude(state=Belief.State.OVERRULED)
    for hit_id, part, label, confidence in delivered.values_list("hit_id", "part", "label", "confidence"):
        found = again.get((hit_id, part))
        if found is None or found[0] != label or abs(found[1] - confidence) > tolerance:
            broken.append({"run": run.pk, "hit": hit_id, "part": part, "delivered": [label, confidence], "now": found})
    return broken
