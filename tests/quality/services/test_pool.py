"""The pool of a project, summed in the database, is what its rows say one by one."""

import numpy as np
import pytest

from marketplace.schema import schema_of
from quality.estimators.gold import bar_for
from quality.models import WorkerReliability
from quality.selectors import FIRST_MEAN, RATE_FROM, pool_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("workers", [0, 3, 40])
def test_the_pool_is_what_its_rows_say(workers, make_project, make_worker):
    project = make_project()
    schema = schema_of(project.questions)
    question = next(iter(schema))
    rng = np.random.default_rng(3)
    rows = []
    for number in range(workers):
        right, wrong = float(rng.integers(0, 30)) + 0.25, float(rng.integers(0, 9))
        rows.append((right, wrong))
        for part, checked in (("", 5), ("other", 5), ("", 0)):
            about = {"part": part, "checked": checked, "right": right, "wrong": wrong}
            name = question.name if checked else f"never checked {number}"
            WorkerReliability.objects.create(worker=make_worker(), project=project, question=name, **about)

    pool = pool_of(project.pk, question.name, schema)

    right, total = sum(r for r, _ in rows), sum(r + w for r, w in rows)
    rates = [r / (r + w) for r, w in rows if r + w >= RATE_FROM]
    expected = bar_for(rates, int(total), len(question.classes) - question.na)
    assert pool.mean == pytest.approx((right + 5 * FIRST_MEAN) / (total + 5))
    assert (pool.bar.p1, pool.bar.p0) == pytest.approx((expected.p1, expected.p0))
    assert pool.bar.warns_only == expected.warns_only
