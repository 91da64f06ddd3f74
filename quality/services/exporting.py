"""Labels and answers of a batch as tables, some thousand HITs at a time: what goes out, and in which words.

Labels: one row an item, the requester's own columns first, then for each question its label, confidence, state and
number of answers. Answers: one row an answer that counts as handed in, by pseudonym; what is rejected and can still be
appealed is withheld, so that nobody has the work without paying for it. Both: one row an answer, beside its item and
labels; an item without answers has one row.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from core.api.tables import safe_cell
from marketplace.models import Answer, Assignment, Batch, Hit
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.models import Belief, GoldQuestion, Judgment
from quality.services.several import delivers_shares, has_shares, shares_on
from workers_app.services.pseudonyms import pseudonyms

#: Label of the filter -> states of beliefs; empty: every item, decided or not.
STATES: dict[str, tuple[str, ...]] = {
    "": (),
    "decided": (Belief.State.SETTLED, Belief.State.OVERRULED),
    "disputed": (Belief.State.DISPUTED,),
}
HANDED_IN = Q(state__in=[Assignment.State.SUBMITTED, Assignment.State.REVISING, Assignment.State.APPROVED]) | Q(
    state=Assignment.State.REJECTED, decide_at=None
)


def hits_to_export(batch: Batch, states: str) -> QuerySet[Hit]:
    """The items of a filter, in the order of their ids."""
    hits = Hit.objects.filter(batch=batch)
    if wanted := STATES[states]:
        hits = hits.filter(pk__in=Belief.objects.filter(hit__batch=batch, state__in=wanted).values("hit_id"))
    return hits.order_by("pk")


def answers_to_export(batch: Batch, states: str) -> QuerySet[Assignment]:
    answers = Assignment.objects.filter(HANDED_IN, hit__batch=batch)
    return answers.filter(hit__in=hits_to_export(batch, states).values("pk")) if states else answers


def count_rows(batch: Batch, what: str, states: str = "") -> int:
    """How many rows a table would have. Raises `KeyError` for what is not in `TABLES`."""
    return {"labels": _count_items, "answers": _count_answers, "both": _count_both}[what](batch, states)


def _count_items(batch: Batch, states: str) -> int:
    if wanted := STATES[states]:
        decided = Belief.objects.filter(hit__batch=batch, state__in=wanted)
        return int(decided.aggregate(n=Count("hit", distinct=True))["n"])
    return Hit.objects.filter(batch=batch).count()


def _count_answers(batch: Batch, states: str) -> int:
    return answers_to_export(batch, states).count()


def _count_both(batch: Batch, states: str) -> int:
    answered = answers_to_export(batch, states).aggregate(n=Count("hit", distinct=True))["n"]
    return _count_answers(batch, states) + _count_items(batch, states) - answered


def snapshot_of(batch: Batch) -> str:
    """Names what was known when an export began: the same snapshot of a closed batch has the same labels."""
    asked = [question.name for question in design_of(batch).schema]
    log = Judgment.objects.filter(project_id=batch.project_id, question__in=asked)
    last = log.order_by("-pk").values_list("pk", flat=True).first()
    return f"{str(batch.public_id)[:8]}-{last or 0}"


# --- labels -----------------------------------------------------------------------------------------------------------


def label_rows(batch: Batch, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """One row an item; nested, as JSON lines have it."""
    questions = {question.name: question for question in design_of(batch).schema}
    ids = [hit.pk for hit in hits]
    known = set(GoldQuestion.objects.filter(hit_id__in=ids).values_list("hit_id", flat=True))
    beliefs: dict[int, list[Belief]] = defaultdict(list)
    for belief in Belief.objects.filter(hit_id__in=ids).order_by("question", "part"):
        beliefs[belief.hit_id].append(belief)
    several = shares_on(batch, ids) if delivers_shares(batch.project) else {}
    rows = []
    for hit in Hit.objects.filter(pk__in=ids).select_related("data_row").order_by("pk"):
        rows.append(
            {
                "hit": str(hit.data_row.public_id),
                "external_id": hit.data_row.external_id,
                "row": hit.data_row.row_number,
                "state": hit.State(hit.state).label,
                "gold": hit.pk in known,
                "data": hit.data_row.data,
                "labels": _labels(beliefs[hit.pk], questions, several),
            }
        )
    return rows


def _labels(
    beliefs: Iterable[Belief],
    questions: Mapping[str, Question],
    several: Mapping[tuple[int, str], dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    by_question: dict[str, list[Belief]] = defaultdict(list)
    for belief in beliefs:
        by_question[belief.question].append(belief)
    labels = {name: _label(rows, questions[name]) for name, rows in by_question.items() if name in questions}
    for name, rows in by_question.items():
        if (shared := several.get((rows[0].hit_id, name))) is not None:
            labels[name] = {**shared, **{key: labels[name][key] for key in ("state", "answers")}}
    return labels


def _label(beliefs: Sequence[Belief], question: Question) -> dict[str, Any]:
    """The delivered label of one question; its confidence is that of its weakest part.

    Of numbers and texts that is the expected score, and None where a part has none.
    """
    said = {belief.part: _word(belief, question) for belief in beliefs}
    label: Any = said.get("")
    if question.kind == "multilabel" and question.for_ == "item":
        label = [part for part, word in said.items() if word == "yes"]
    elif "" not in said:
        label = said
    states = {belief.state for belief in beliefs}
    worst = next(
        state
        for state in (Belief.State.COLLECTING, Belief.State.DISPUTED, Belief.State.OVERRULED, Belief.State.SETTLED)
        if state in states
    )
    # A person's label has no probability.
    stated = [belief.sureness for belief in beliefs if belief.state != Belief.State.OVERRULED]
    known = [one for one in stated if one is not None]
    has_classes = any(belief.label is not None for belief in beliefs)
    said_more: dict[str, Any] = {}
    if question.kind == "ordinal" and "" in said:
        said_more = {"median": next(belief.value for belief in beliefs)}
    elif question.kind == "number" and "" in said:
        low, high = next(belief.interval for belief in beliefs) or (None, None)
        said_more = {"low": low, "high": high}
    return {
        "label": label,
        **said_more,
        "confidence": round(min(known), 4) if known and len(known) == len(stated) else None,
        "state": worst,
        "answers": max(belief.answers for belief in beliefs),
        "calibrated": all(belief.is_calibrated for belief in beliefs) if known or has_classes else None,
    }


#: Columns of a label, besides the label itself.
MORE = {"ordinal": (".median",), "number": (".low", ".high")}
ALWAYS = (".confidence", ".state", ".answers")


#: Columns of a distribution, besides the share of each label; of very many labels, the shares stand in one cell.
SHARED = (".entropy", ".groups", ".state", ".answers")
MOST_COLUMNS = 60


def ends_of(question: Question, *, shares: bool) -> tuple[str, ...]:
    """What follows the name of a question in the columns of its label, or of its distribution."""
    if not shares or not has_shares(question):
        return ("", *MORE.get(question.kind, ()), *ALWAYS)
    return (*share_ends(question), *SHARED)


def share_ends(question: Question) -> tuple[str, ...]:
    labels = question.labels if question.kind == "multilabel" else question.classes
    return tuple(f".share.{label}" for label in labels) if len(labels) <= MOST_COLUMNS else (".shares",)


def _word(belief: Belief, question: Question) -> Any:
    if belief.label is not None and belief.label < len(question.classes):
        return question.classes[belief.label]
    return belief.value


# --- answers ----------------------------------------------------------------------------------------------------------


def answer_rows(batch: Batch, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """One row an answer, in its newest version."""
    assignments = list(Assignment.objects.filter(HANDED_IN, hit__in=hits).only("pk", "worker_id"))
    newest = Answer.objects.filter(assignment=OuterRef("pk")).order_by("-version")
    found = (
        Assignment.objects.filter(pk__in=[one.pk for one in assignments])
        .select_related("hit__data_row")
        .annotate(said=Subquery(newest.values("data")[:1]))
        .order_by("pk")
    )
    names = pseudonyms(batch.project.pseudonym_scope, [one.worker_id for one in assignments])
    return [
        {
            "assignment": str(one.public_id),
            "hit": str(one.hit.data_row.public_id),
            "external_id": one.hit.data_row.external_id,
            "worker": names[one.worker_id],
            "submitted_at": one.submitted_at.isoformat() if one.submitted_at else None,
            "state": one.state,
            "counts": one.counts,
            "seconds": one.active_seconds,
            "answers": (one.said or {}).get("answers", {}),
            "cannot_answer": (one.said or {}).get("cannot_answer"),
        }
        for one in found
    ]


# --- both -------------------------------------------------------------------------------------------------------------


def both_rows(batch: Batch, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """One row an answer, beside its item and labels; an item that nobody answered has one row."""
    said: dict[str, list[dict[str, Any] | None]] = defaultdict(list)
    for answer in answer_rows(batch, hits):
        said[answer["hit"]].append({_BESIDE.get(k, k): v for k, v in answer.items() if k not in ("hit", "external_id")})
    return [{**item, "answer": one} for item in label_rows(batch, hits) for one in said[item["hit"]] or [None]]


#: What is called otherwise beside an item.
_BESIDE = {"state": "assignment.state"}

#: The tables there are: what makes their rows.
TABLES: dict[str, Callable[[Batch, Sequence[Hit]], list[dict[str, Any]]]] = {
    "labels": label_rows,
    "answers": answer_rows,
    "both": both_rows,
}


# --- writing ----------------------------------------------------------------------------------------------------------


def columns_of(batch: Batch, what: str, data_columns: Sequence[str]) -> list[str]:
    """The header of a table. `data_columns` are the requester's own."""
    schema = design_of(batch).schema
    given = [*(f"answer.{question.name}" for question in schema), "cannot_answer"]
    if what == "answers":
        return ["assignment", "hit", "external_id", "worker", "submitted_at", "state", "counts", "seconds", *given]
    shares = delivers_shares(batch.project)
    said = [f"{q.name}{end}" for q in schema for end in ends_of(q, shares=shares)]
    item = ["hit", "external_id", "row", "state", "gold", *(f"data.{name}" for name in data_columns), *said]
    if what == "both":
        item += ["assignment", "worker", "submitted_at", _BESIDE["state"], "counts", "seconds", *given]
    return list(dict.fromkeys(item))  # a question may be called as one of ours: then the column is its label


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, with_header: bool) -> bytes:
    """Rows as a spreadsheet reads them: no cell is a formula, whatever a person wrote into it."""
    out = io.StringIO()
    writer = csv.writer(out)
    if with_header:
        writer.writerow(columns)
    for row in rows:
        cells = flat(row)
        writer.writerow([cell(cells.get(column)) for column in columns])
    return out.getvalue().encode()


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a table has it, by the names of its columns."""
    row = {**row, **(row.get("answer") or {})}
    cells = {name: value for name, value in row.items() if name not in ("data", "labels", "answers", "answer")}
    cells |= {f"data.{name}": value for name, value in row.get("data", {}).items()}
    cells |= {f"answer.{name}": value for name, value in row.get("answers", {}).items()}
    for name, label in row.get("labels", {}).items():
        cells |= {f"{name}.{key}": value for key, value in label.items()} | {name: label.get("label")}
        cells |= {f"{name}.share.{word}": share for word, share in label.get("shares", {}).items()}
    return cells


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = " | ".join(value)
    return safe_cell(value if isinstance(value, str) else orjson.dumps(value).decode())
