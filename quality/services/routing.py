"""Where one answer more tells most: for batches with a budget (QUALITY.md 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from marketplace.selectors import Design
from quality.estimators.stopping import expected_entropy_drop, tempered_rows
from quality.models import Belief, CrowdModel
from quality.services.beliefs import Crowd, crowd_of, reliability_part, spread_of
from quality.services.scoring import is_scored


def expected_gains(*, project_id: int, design: Design, hit_ids: Collection[int]) -> dict[int, float]:
    """HIT -> how much an answer of an average worker is expected to lower the entropy of its labels, in nats.

    The sum over the questions that decide when a HIT ends. HITs of which nothing is believed yet are left out. Kinds
    without classes have no entropy: there it is the risk that one voice more of so many may take away.
    """
    models = {(model.question, model.part): model for model in CrowdModel.objects.filter(project_id=project_id)}
    crowds: dict[tuple[str, str], tuple[Crowd, np.ndarray]] = {}
    gains: dict[int, float] = defaultdict(float)
    asked = {question.name: question for question in design.schema if question.stops}
    beliefs = Belief.objects.filter(hit__in=hit_ids, question__in=asked).exclude(state__in=["settled", "overruled"])
    for belief in beliefs.only("hit", "question", "part", "posterior", "label", "confidence", "answers"):
        question = asked[belief.question]
        if is_scored(question):
            if belief.confidence:
                gains[belief.hit_id] += (1 - belief.confidence) / (belief.answers + 1)
            continue
        key = (question.name, reliability_part(question, belief.part))
        if key not in crowds:
            crowd = crowd_of(question, models.get(key))
            crowds[key] = crowd, tempered_rows(crowd.pooled, crowd.exponent)
        crowd, answer = crowds[key]
        if len(belief.posterior) == len(question.classes):
            gains[belief.hit_id] += expected_entropy_drop(spread_of(belief, crowd), answer)
    return gains
