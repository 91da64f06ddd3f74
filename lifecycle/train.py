"""A model trained here on the labels of a batch: its predictions, the labels that it doubts, what to ask next.

It takes seconds to minutes of a processor, so it has a child process, as refits have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from core import audit
from core.errors import Conflict, Invalid
from core.models import Operation
from core.operations import Turn, start_operation
from marketplace.models import Batch, Hit, HitData
from marketplace.schema import Question
from marketplace.selectors import design_of
from marketplace.services.posting import add_levels, lock_open
from quality.estimators.learning import ask_next, doubtful_labels
from quality.models import Belief, Machine
from quality.services.local_model import TooLittle, features_of, learn_labels
from quality.services.machine_words import ALONE
from quality.services.machines import Said, record_predictions, version_of

KIND = "train"
NAME = "Trained here"
#: Items that a model learns from and speaks of, and how many are named in its lists.
MOST_ITEMS, MOST_NAMED = 100_000, 500
#: What people are asked about first has this priority.
FIRST = 50
SEED = 20


def start_training(*, batch: Batch, by: Any) -> Operation:
    """Train a model on the labels of a batch, for its first question with labels.

    Raises
    ------
    Invalid
        No question of this batch can be learned.
    Conflict
        `under_way`.
    """
    if question_to_learn(batch) is None:
        raise Invalid(errors={"question": _("A model here learns questions with one label an item. There is none.")})
    audit.record(act="machine.train", subject=f"batch:{batch.pk}", actor=by)
    return start_operation(
        kind=KIND,
        subject=f"batch:{batch.pk}",
        requester_id=batch.project.requester_id,
        arguments={"batch": batch.pk},
    )


def question_to_learn(batch: Batch) -> Question | None:
    return next((one for one in design_of(batch).schema if one.kind in ALONE and one.for_ == "item"), None)


def train(turn: Turn) -> None:
    """All of it in one turn; done again from the start where the process was killed."""
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED)
        return
    batch = Batch.objects.select_related("project__requester").get(pk=turn.operation.arguments["batch"])
    question = question_to_learn(batch)
    if question is None:
        raise TooLittle
    rows = list(HitData.objects.filter(batch=batch).order_by("hit_id").values_list("hit_id", "data")[:MOST_ITEMS])
    ids = np.array([pk for pk, _data in rows], np.int64)
    labels, weights, answers = labels_of(batch, question, ids)
    features, kind = features_of([data for _pk, data in rows], batch.project.requester_id)
    learned = learn_labels(features, labels, weights, len(question.classes), seed=SEED, kind=kind)
    best = learned.probabilities.argmax(axis=1)
    scores = learned.probabilities.max(axis=1)
    known = np.flatnonzero(labels >= 0)
    doubt = doubtful_labels(labels[known], learned.probabilities[known])
    lane = dict(Hit.objects.filter(batch=batch).values_list("pk", "lane"))
    ordinary = np.array([lane[pk] == 0 for pk in ids.tolist()])
    open_ids = set(Hit.objects.filter(batch=batch, room=True, lane=0).values_list("pk", flat=True))
    free = np.flatnonzero(np.isin(ids, list(open_ids)) & (answers == 0))
    order = free[ask_next(learned.probabilities[free], learned.features[free], most=MOST_NAMED)] if len(free) else free
    named = [
        [int(ids[known[row]]), int(labels[known[row]]), int(to), round(float(margin), 4)]
        for row, to, margin in zip(doubt.rows, doubt.suggested, doubt.margins, strict=True)
        if ordinary[known[row]]
    ]
    with transaction.atomic():
        machine, _made = Machine.objects.get_or_create(
            project=batch.project, name=NAME, defaults={"source": Machine.Source.LOCAL}
        )
        version = version_of(machine, f"{turn.operation.public_id}"[:8])
        record_predictions(
            version=version,
            said=[
                Said(int(pk), question.name, "", int(label), None, round(float(score), 4))
                for pk, label, score in zip(ids, best, scores, strict=True)
            ],
        )
        turn.finish(
            result={
                "question": question.name,
                "kind": learned.kind,
                "learned_from": len(known),
                "agrees": round(learned.accuracy, 4),
                "doubtful": named[:MOST_NAMED],
                "doubtful_count": len(named),
                "next": ids[order].tolist(),
            },
            done=len(ids),
            total=len(ids),
        )


def labels_of(batch: Batch, question: Question, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What people's answers say of items: classes (-1 for none), how sure they are, how many they are; each (N,)."""
    labels, weights, answers = np.full(len(ids), -1), np.zeros(len(ids)), np.zeros(len(ids), int)
    beliefs = Belief.objects.filter(hit__batch=batch, question=question.name, part="", label__isnull=False)
    for pk, label, confidence, state, count in beliefs.values_list("hit_id", "label", "confidence", "state", "answers"):
        place = int(np.searchsorted(ids, pk))
        if place >= len(ids) or ids[place] != pk or not (count or state == Belief.State.OVERRULED):
            continue
        labels[place], answers[place] = label, count
        weights[place] = 1.0 if state == Belief.State.OVERRULED else max(confidence, 0.01)
    return labels, weights, answers


def newest_training(batch: Batch) -> Operation | None:
    return Operation.objects.filter(kind=KIND, subject=f"batch:{batch.pk}").order_by("-pk").first()


def newest_result(batch: Batch) -> dict[str, Any]:
    """What the newest training that came to its end found; empty before."""
    done = Operation.objects.filter(kind=KIND, subject=f"batch:{batch.pk}", state=Operation.State.DONE)
    found = done.order_by("-pk").first()
    return found.result if found is not None else {}


@transaction.atomic
def ask_first(*, batch: Batch, count: int, by: Any) -> int:
    """Have people asked first about the items that a model named as the most useful; how many came to the front.

    Raises
    ------
    Invalid
        `count` is out of range.
    Conflict
        `no_list`: no model has named items.
    """
    ids = newest_result(batch).get("next", [])
    if not 0 < count <= MOST_NAMED:
        raise Invalid(errors={"count": _("A number from 1 to %(most)s.") % {"most": MOST_NAMED}})
    if not ids:
        raise Conflict(_("Train a model first: it names the items."), code="no_list")
    chosen = list(
        Hit.objects.select_for_update(no_key=True)
        .filter(pk__in=ids[:count], batch=batch, room=True, lane=0, priority__lt=FIRST)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    lock_open(batch)
    Hit.objects.filter(pk__in=chosen).update(priority=FIRST)
    add_levels(batch=batch, levels=[FIRST])
    audit.record(act="machine.first", subject=f"batch:{batch.pk}", actor=by, count=len(chosen))
    return len(chosen)
