"""Certificates: what an audit proves about the delivered labels, signed, and superseded when the labels change.

The claim and the hash of each section are signed; a section is shown or kept back as its requester chooses, and the
signature holds either way. All figures come from the judgment log, the audit's answers and the overrulings, so that
`computed_again` finds the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import audit
from core.errors import Conflict, Invalid
from core.states import move
from marketplace import figures
from marketplace.models import Batch
from marketplace.schema import Question
from quality.estimators.certificate import PPI_ERRORS, audit_interval, ppi_interval, score_interval
from quality.estimators.risk import ONE_ANSWER
from quality.models import AggregationRun, Certificate, GoldQuestion, Overruling, Sample, SampleItem
from quality.services.aggregation import agreement_of, belief_rows, in_one_schema, question_of, recompute
from quality.services.log import read_log
from quality.services.reliability import reliability
from quality.services.sampling import (
    Delivered,
    answers_of,
    class_of,
    frame_of,
    hash_of_frame,
    is_right,
    progress_of,
    question_to_sample,
    score_of,
    word_of,
)
from quality.services.scoring import is_scored, measure_of
from quality.services.signing import canonical, public_keys, sha256, sign, written
from users.models import User
from users.services.notices import notify

FORMAT = "touchstone.certificate/1"
#: Why a figure is not there: what is signed says so, and is in English.
NO_ALPHA = "Krippendorff's alpha needs a distance between answers; how far these agree, the expected score says."
MOST_CLASSES = 60
DIGITS = 6


@dataclass(frozen=True)
class Ground:
    """All that a certificate stands on: delivered labels, the audit of some of them, and the run that made them.

    `is_scored`: the labels are more or less right, and what is claimed first is their mean score.
    """

    batch: Batch
    question: Question
    sample: Sample
    run: AggregationRun
    labels: Sequence[Delivered]
    audited: Mapping[tuple[int, str], SampleItem]
    is_scored: bool = False


# --- issuing ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def issue_certificate(*, sample: Sample, by: Any) -> Certificate:
    """Sign what a finished audit proves. An earlier certificate about the same labels is superseded.

    Raises
    ------
    Conflict
        `audit_unfinished`, `not_fitted`: the final fit is not done, `labels_changed`: other labels were delivered since
        the draw, `certified`: it has its certificate.
    """
    sample = Sample.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "batch__project__requester"
    ).get(pk=sample.pk)  # fmt: skip
    if sample.purpose != Sample.Purpose.AUDIT:
        raise Conflict("Only a uniform random audit proves anything about all labels.", code="no_audit")
    if sample.certificates.exists():
        raise Conflict("This audit has its certificate.", code="certified")
    done, size = progress_of(sample)
    if done < size:
        raise Conflict(f"{size - done} of {size} items wait for an answer.", code="audit_unfinished")
    question = question_to_sample(sample.batch, sample.question)
    labels = frame_of(sample.batch, sample.question, sample.drawn_at)
    if hash_of_frame(labels) != sample.frame_hash:
        raise Conflict("Labels were added or taken away since the draw. Draw another audit.", code="labels_changed")
    ground = Ground(
        sample.batch, question, sample, _run_of(sample, labels), as_drawn(sample, labels), answers_of(sample),
        is_scored(question),
    )  # fmt: skip
    now = timezone.now()
    sections = sections_of(ground) | {"pay": _pay(sample.batch)}
    claim = claim_of(ground) | {
        "issued_at": now.isoformat(timespec="seconds"),
        "sections": {name: sha256(section) for name, section in sections.items()},
    }
    certificate = Certificate(
        batch=sample.batch, question=sample.question, sample=sample, run=ground.run, issued_by=by.pk, issued_at=now,
        checked_at=now,
    )  # fmt: skip
    certificate.claim = claim | {"id": str(certificate.public_id), "number": certificate.number}
    certificate.sections = sections
    certificate.signature, certificate.key_id = sign(certificate.claim)
    for earlier in Certificate.objects.filter(batch=sample.batch, question=sample.question, state="valid"):
        supersede(earlier, f"Certificate {certificate.number} was issued.")
    certificate.save(force_insert=True)
    audit.record(
        act="certificate.issue", subject=f"batch:{sample.batch_id}", actor=by, certificate=str(certificate.public_id)
    )
    return certificate


def _run_of(sample: Sample, labels: Sequence[Delivered]) -> AggregationRun:
    """The one run that all labels come from."""
    runs = {row.run for row in labels}
    if len(runs) != 1 or None in runs:
        raise Conflict(
            "The labels are not fitted as a whole yet. A final fit comes in seconds to minutes; issue it then.",
            code="not_fitted",
        )
    return AggregationRun.objects.get(pk=int(runs.pop() or 0))


def as_drawn(sample: Sample, labels: Sequence[Delivered], until: datetime | None = None) -> list[Delivered]:
    """The labels with audited errors as they were delivered: what was put right since the draw proves nothing."""
    drawn = answers_of(sample)
    hits = {hit for hit, _part in drawn}
    mended = Overruling.objects.filter(hit__in=hits, question=sample.question, created_at__gt=sample.drawn_at)
    known = GoldQuestion.objects.filter(hit__in=hits, pool="test", created_at__gt=sample.drawn_at)
    if until is not None:
        mended, known = mended.filter(created_at__lte=until), known.filter(created_at__lte=until)
    put_right = set(mended.values_list("hit_id", "part"))
    made_gold = set(known.values_list("hit_id", flat=True))

    def delivered(row: Delivered) -> Delivered:
        item = drawn.get(row.key)
        if item is None or not (row.key in put_right or row.hit in made_gold):
            return row
        return Delivered(row.hit, row.part, row.name, item.label, item.value, item.confidence, False, row.run)

    return [delivered(row) for row in labels]


# --- the claim --------------------------------------------------------------------------------------------------------


def claim_of(ground: Ground) -> dict[str, Any]:
    """What is claimed, how it was found, and what it can be computed again from."""
    sample, run = ground.sample, ground.run
    right = _right(ground)
    n, n_right = len(right), int(right.sum())
    bounds = audit_interval(sample.population, n, n - n_right)
    project = ground.batch.project
    draws = Sample.objects.filter(
        batch=ground.batch, question=sample.question, purpose=Sample.Purpose.AUDIT, drawn_at__lte=sample.drawn_at
    ).count()
    return {
        "format": FORMAT,
        "requester": project.requester.name,
        "project": project.name,
        "batch": ground.batch.name,
        "batch_id": str(ground.batch.public_id),
        "question": sample.question,
        "kind": ground.question.kind,
        "delivered": sample.population,
        "audited": n,
        "right": n_right,
        "accuracy": _round(n_right / n),
        "low": _round(bounds.lower),
        "high": _round(bounds.upper),
        "level": 0.95,
        "method": "exact hypergeometric",
        **({"score": _score(ground)} if ground.is_scored else {}),
        "auditors": "trusted workers" if sample.workers_batch_id else "the requester",
        "audit": {
            "id": str(sample.public_id),
            "seed": str(sample.seed),
            "drawn_at": sample.drawn_at.isoformat(timespec="seconds"),
            "frame_sha256": sample.frame_hash,
            "number_of_draws": draws,
        },
        "labels_sha256": hash_of_labels(ground.question, ground.labels),
        "fit": {
            "run": str(run.public_id),
            "method": run.method,
            "version": run.version,
            "seed": run.seed,
            "data_sha256": run.data_hash,
            "last_judgment": run.last_judgment,
            "status": run.guard,
        },
    }


def _score(ground: Ground) -> dict[str, Any]:
    """The mean score of what was delivered, with an interval that holds whatever the scores look like."""
    scores = _scores(ground)
    found = score_interval(scores, ground.sample.population)
    is_exact = bool(np.isin(scores, (0.0, 1.0)).all())
    return {
        "measure": measure_of(ground.question),
        "mean": _round(found.estimate),
        "low": _round(found.lower),
        "high": _round(found.upper),
        "method": "exact hypergeometric" if is_exact else "betting, without replacement",
    }


def _scores(ground: Ground) -> np.ndarray:
    """The score of each audited label, in the order of the draw, as the interval needs it."""
    drawn = sorted(_audited(ground), key=lambda pair: pair[1].place)
    return np.array([score_of(ground.question, row.value, item.answer) for row, item in drawn])


def hash_of_labels(question: Question, labels: Sequence[Delivered]) -> str:
    """SHA-256 of the canonical export: a line a label in the order of the items' ids, part, and the label as JSON."""
    lines = sorted(
        (row.name, row.part, orjson.dumps(word_of(question, row.label, row.value), option=orjson.OPT_SORT_KEYS))
        for row in labels
    )
    found = hashlib.sha256()
    for name, part, word in lines:
        found.update(f"{name}\t{part}\t".encode() + word + b"\n")
    return found.hexdigest()


def _right(ground: Ground) -> np.ndarray:
    """Whether each audited label is right, in the order of `_audited`."""
    return np.array(
        [
            is_right(ground.question, row.label, row.value, row.part, item.answer)
            for row, item in _audited(ground)
        ],
        bool,
    )  # fmt: skip


def _audited(ground: Ground) -> list[tuple[Delivered, SampleItem]]:
    return [(row, ground.audited[row.key]) for row in ground.labels if row.key in ground.audited]


# --- the sections -----------------------------------------------------------------------------------------------------


def sections_of(ground: Ground) -> dict[str, Any]:
    """What stands behind the claim, each section by itself; all of it can be computed again from the log."""
    sections = {
        "per_label": per_label(ground),
        "calibration": calibration(ground),
        "second_estimate": second_estimate(ground),
        "making": making(ground),
    }
    return {name: section for name, section in sections.items() if section}


def per_label(ground: Ground) -> dict[str, Any]:
    """By delivered label: how many, how many audited, how many right, and its own exact interval."""
    question = ground.question
    if (
        is_scored(question)
        or not question.classes
        or len(question.classes) > MOST_CLASSES
        or question.kind == "multilabel"
    ):
        return {}
    delivered = Counter(row.label for row in ground.labels)
    audited: Counter[int | None] = Counter()
    right: Counter[int | None] = Counter()
    mixed: Counter[tuple[int | None, int | None]] = Counter()
    for (row, item), is_so in zip(_audited(ground), _right(ground).tolist(), strict=True):
        audited[row.label] += 1
        right[row.label] += is_so
        if not is_so:
            mixed[row.label, class_of(question, row.part, item.answer)] += 1
    rows = []
    for label, name in enumerate(question.classes):
        found: dict[str, Any] = {"label": name, "delivered": delivered[label], "audited": audited[label]}
        if audited[label]:
            bounds = audit_interval(delivered[label], audited[label], audited[label] - right[label])
            found |= {"right": right[label], "low": _round(bounds.lower), "high": _round(bounds.upper)}
        rows.append(found)
    words = list(question.classes)
    mix_ups = [
        {"label": words[said or 0], "is": None if truth is None else words[truth], "count": count}
        for (said, truth), count in sorted(mixed.items(), key=lambda one: (-one[1], str(one[0])))
    ]
    return {"labels": rows, "mix_ups": mix_ups}


def calibration(ground: Ground) -> dict[str, Any]:
    """Does the stated confidence hold? Nothing for kinds that state none, and for labels that a person gave."""
    pairs = [
        (row.confidence, is_so)
        for (row, _item), is_so in zip(_audited(ground), _right(ground).tolist(), strict=True)
        if row.label is not None and not row.is_overruled
    ]
    return reliability(np.array([stated for stated, _ in pairs]), np.array([is_so for _, is_so in pairs], bool))


def second_estimate(ground: Ground) -> dict[str, Any]:
    """PPI++, where there are errors enough and every label states a confidence, or an expected score."""
    if ground.is_scored:
        return _second_score(ground)
    right = _right(ground)
    if len(right) - right.sum() < PPI_ERRORS or any(row.label is None for row in ground.labels):
        return {}
    stated = np.array([row.confidence for row, _item in _audited(ground)])
    return _second(right, stated, np.array([row.confidence for row in ground.labels]))


def _second_score(ground: Ground) -> dict[str, Any]:
    scores, population = _scores(ground), np.array([row.confidence for row in ground.labels])
    if (
        len(scores) - scores.sum() < PPI_ERRORS
        or not population.all()
        or any(row.is_overruled for row in ground.labels)
    ):
        return {}
    drawn = sorted(_audited(ground), key=lambda pair: pair[1].place)
    return _second(scores, np.array([row.confidence for row, _item in drawn]), population)


def _second(found_right: np.ndarray, stated: np.ndarray, population: np.ndarray) -> dict[str, Any]:
    found = ppi_interval(found_right, stated, population)
    return {
        "method": "PPI++",
        "accuracy": _round(found.estimate),
        "low": _round(found.lower),
        "high": _round(found.upper),
    }


def making(ground: Ground) -> dict[str, Any]:
    """Answers, workers and how they shared the work, agreement, and what was left out."""
    batch, run = ground.batch, ground.run
    asked = question_of(batch.project, run.question)
    assert asked is not None, "a run has a question"
    log = in_one_schema(read_log(project_id=batch.project_id, question=run.question, last=run.last_judgment), asked)
    log = log.only(log.batch == batch.pk)
    used = log.only(log.weight > 0)
    keys = {row.key for row in ground.labels}
    items, counts = np.unique(used.item, return_counts=True)
    hits, parts = used.split_items(items)
    per_item = Counter(
        count for hit, part, count in zip(hits.tolist(), parts, counts.tolist(), strict=True) if (hit, part) in keys
    )
    _workers, by_worker = np.unique(used.worker, return_counts=True)
    shares = np.sort(by_worker)[::-1] / max(by_worker.sum(), 1)
    return {
        "answers": len(used),
        "workers": len(by_worker),
        "largest_share": _round(shares[0]) if len(shares) else None,
        "half_by": int(np.searchsorted(np.cumsum(shares), 0.5) + 1) if len(shares) else None,
        "agreement": agreement_of(asked, log, run.seed),
        "left_out": int((log.weight <= 0).sum()),
        "overruled": sum(row.is_overruled for row in ground.labels),
        "answers_per_item": {str(count): number for count, number in sorted(per_item.items())},
        **(_expected(ground) if ground.is_scored else {}),
    }


def _expected(ground: Ground) -> dict[str, Any]:
    """What the answers alone said of the score, before anybody audited; and why what is missing is missing."""
    stated = [row.confidence for row in ground.labels if not row.is_overruled]
    known = [one for one in stated if one]
    missing = {"alpha": NO_ALPHA} if ground.question.kind == "text" else {}
    if len(known) < len(stated):
        missing["expected_score"] = f"{len(stated) - len(known)} labels have none. {ONE_ANSWER}"
    return {
        "expected_score": _round(float(np.mean(known))) if known else None,
        "without_expected_score": len(stated) - len(known),
        "is_calibrated": bool(ground.run.report.get("calibration", {}).get("is_calibrated")),
        "undefined": missing,
    }


def _pay(batch: Batch) -> dict[str, Any]:
    pay = figures.pay_of(batch)
    currency = batch.project.requester.currency
    return {"median_hourly_micros": pay.hourly if pay.is_measured else None, "currency": currency}


def _round(value: float) -> float:
    return round(float(value), DIGITS)


# --- showing ----------------------------------------------------------------------------------------------------------


def document_of(certificate: Certificate, sections: Sequence[str] | None = None) -> dict[str, Any]:
    """The signed file: with all sections, or only with those named."""
    key = public_keys().get(certificate.key_id)
    shown = (
        certificate.sections if sections is None else {n: s for n, s in certificate.sections.items() if n in sections}
    )
    return {
        "claim": certificate.claim,
        "sections": shown,
        "signature": {
            "algorithm": "Ed25519",
            "key_id": certificate.key_id,
            "public_key": written(key) if key else None,
            "value": certificate.signature,
        },
    }


@transaction.atomic
def publish_certificate(*, certificate: Certificate, is_public: bool, shows: Sequence[str], by: Any) -> Certificate:
    """Choose whether anybody who has its address may read a certificate, and which sections of it.

    Raises
    ------
    Invalid
    """
    unknown = [name for name in shows if name not in certificate.sections]
    if unknown:
        raise Invalid(errors={"shows": f"It has no {unknown[0]}. It has: {', '.join(sorted(certificate.sections))}."})
    certificate.is_public, certificate.shows = is_public, sorted(set(shows))
    certificate.save(update_fields=["is_public", "shows"])
    subject = f"certificate:{certificate.pk}"
    audit.record(act="certificate.publish", subject=subject, actor=by, is_public=is_public, shows=certificate.shows)
    return certificate


# --- while labels change ----------------------------------------------------------------------------------------------


def supersede(certificate: Certificate, because: str) -> Certificate:
    return move(
        certificate,
        Certificate.State.SUPERSEDED,
        superseded_at=timezone.now(),
        superseded_because=because[:300],
        checked_at=timezone.now(),
    )


def doubt(*, batch_ids: Sequence[int]) -> int:
    """Labels of these batches may have changed: their certificates are looked at again, by the sweep."""
    return Certificate.objects.filter(batch__in=batch_ids, state="valid").update(checked_at=None)


def check_certificates(limit: int = 20) -> int:
    """Supersede certificates whose labels are no longer what they say. A step of the clock; how many were looked at."""
    due = Certificate.objects.filter(state="valid", checked_at=None).order_by("pk").values_list("pk", flat=True)
    return sum(_check(pk) for pk in list(due[:limit]))


@transaction.atomic
def _check(pk: int) -> int:
    waiting = Certificate.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        state="valid", checked_at=None
    )
    certificate = waiting.select_related("batch__project", "sample").filter(pk=pk).first()
    if certificate is None:
        return 0
    if not is_still_so(certificate):
        supersede(certificate, _what_changed(certificate))
        _tell(certificate)
    else:
        Certificate.objects.filter(pk=pk).update(checked_at=timezone.now())
    return 1


def _tell(certificate: Certificate) -> None:
    """Whoever issued it hears that it no longer holds; a public page says so by itself."""
    if issuer := User.objects.filter(pk=certificate.issued_by, is_active=True).first():
        notify(
            user=issuer,
            kind="batch.certificate_superseded",
            title=format_lazy(_("Certificate {number} is superseded"), number=certificate.number),
            body=certificate.superseded_because,
            url=f"/studio/certificates/{certificate.public_id}/",
            key=f"superseded:{certificate.public_id}",
        )


def is_still_so(certificate: Certificate) -> bool:
    """Whether the delivered labels are those that the certificate is about."""
    sample = certificate.sample
    labels = frame_of(certificate.batch, certificate.question, sample.drawn_at)
    if hash_of_frame(labels) != sample.frame_hash:
        return False
    labels = as_drawn(sample, labels, until=certificate.issued_at)
    question = question_to_sample(certificate.batch, certificate.question)
    return hash_of_labels(question, labels) == certificate.claim["labels_sha256"]


def _what_changed(certificate: Certificate) -> str:
    since = Overruling.objects.filter(
        hit__batch=certificate.batch, question=certificate.question, created_at__gt=certificate.issued_at
    )
    by_hand = since.values("hit", "part").distinct().count()
    what = f"{by_hand} of its labels were decided by a person" if by_hand else "A later fit gave other labels"
    return f"{what} since it was issued. Draw another audit."


# --- again from the log -----------------------------------------------------------------------------------------------


def ground_again(certificate: Certificate) -> Ground:
    """What a certificate stands on, with every label fitted again from the judgment log.

    Raises
    ------
    ValueError
        When the log no longer holds what the run was made from.
    """
    sample, batch = certificate.sample, certificate.batch
    run = certificate.run
    question = question_to_sample(batch, certificate.question)
    fitted, log = recompute(run)
    asked = question_of(batch.project, run.question)
    assert asked is not None
    again = {(row[0], row[1]): row for row in belief_rows(asked, log, fitted)}
    ruled: dict[tuple[int, str], Overruling] = {}
    for one in Overruling.objects.filter(
        hit__batch=batch, question=certificate.question, created_at__lte=certificate.issued_at
    ).order_by("pk"):
        ruled[one.hit_id, one.part] = one

    def refitted(row: Delivered) -> Delivered:
        by_hand = ruled.get(row.key)
        if by_hand is not None and not by_hand.is_lifted:
            return Delivered(row.hit, row.part, row.name, by_hand.label, by_hand.value, row.confidence, True, run.pk)
        found = again.get(row.key)
        if found is None:
            raise ValueError(f"Item {row.name} has no label in the log.")
        value = None if found[4] is None else orjson.loads(found[4])
        return Delivered(row.hit, row.part, row.name, found[3], value, float(found[6]), False, run.pk)

    labels = [refitted(row) for row in frame_of(batch, certificate.question, sample.drawn_at)]
    labels = as_drawn(sample, labels, until=certificate.issued_at)
    # Those that were issued before there were scores are computed as they were.
    return Ground(batch, question, sample, run, labels, answers_of(sample), "score" in certificate.claim)


def computed_again(certificate: Certificate) -> tuple[dict[str, Any], dict[str, Any]]:
    """Claim and sections as they follow from the log today. Raises as `ground_again`."""
    ground = ground_again(certificate)
    return claim_of(ground), sections_of(ground)


def differences(stated: Any, found: Any, path: str = "", tolerance: float = 1e-4) -> list[str]:
    """Where two figures, lists or objects are not the same; numbers may differ by `tolerance`.

    >>> differences({"a": 1.0, "b": [1, 2]}, {"a": 1.00001, "b": [1, 3]})
    ['b[1]: 2, and 3 from the log']
    """
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        inner = [
            differences(stated.get(name), found.get(name), f"{path}.{name}" if path else name, tolerance)
            for name in sorted({*stated, *found})
        ]
        return [line for lines in inner for line in lines]
    if isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        pairs = enumerate(zip(stated, found, strict=True))
        return [line for at, (a, b) in pairs for line in differences(a, b, f"{path}[{at}]", tolerance)]
    is_number = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (stated, found))
    if stated == found or (is_number and abs(stated - found) <= tolerance):
        return []
    return [f"{path}: {canonical(stated).decode()}, and {canonical(found).decode()} from the log"]
