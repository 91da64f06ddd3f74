"""The demonstration of `make run`."""

import pytest
from django.contrib.auth import authenticate

from lifecycle import demo
from lifecycle.clock import STEPS
from lifecycle.invariants import check_invariants
from lifecycle.refit import refit_project
from marketplace.models import Assignment, Batch, Hit, Project
from quality.models import AggregationRun, Belief, GoldScore, WorkerReliability
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def smaller(monkeypatch):
    for name, size in (("FOR_CROWD", 24), ("FOR_VISITOR", 5), ("KNOWN", 6)):
        monkeypatch.setattr(demo, name, size)


def run_clock():
    while any(step() for _, step, _ in STEPS):
        pass


def test_the_demo_fills_a_batch_and_leaves_another_to_the_visitor(smaller):
    batch = demo.prepare()
    crowd = demo.Crowd(batch)
    run_clock()  # it also says how often hidden questions are drawn
    while crowd.work(pace=0, patience=1):
        run_clock()
    refit_project(project=batch.project)

    rows = {row.hit_id: row for row in Belief.objects.filter(hit__batch=batch)}
    right = [row.label == crowd.truth[hit_id] for hit_id, row in rows.items()]
    assert sum(right) / len(right) > 0.6  # few HITs, and a sixth of the crowd makes answers up
    assert GoldScore.objects.exists() and WorkerReliability.objects.exists()
    assert Assignment.objects.filter(batch=batch, state="approved").count() >= 40
    assert Hit.objects.filter(batch__name=demo.VISITOR_BATCH, room=True).count() == 5
    assert [finding for finding in check_invariants() if finding.broken] == []


def test_what_is_prepared_is_there_once(smaller):
    demo.prepare()
    counts = [model.objects.count() for model in (User, Project, Batch, Hit, Assignment)]
    demo.prepare()

    # The table of 1979 is closed and has results.
    batch = Batch.objects.get(project__name=demo.PATIENTS)
    run = AggregationRun.objects.get(project=batch.project)
    assert (batch.state, run.items, run.workers, run.answers) == ("closed", 45, 5, 225)
    # The accounts that are printed can sign in.
    for email, password in demo.ACCOUNTS.values():
        assert authenticate(None, username=email, password=password) is not None
        assert f"{email}  password {password}" in "\n".join(demo.account_lines())
    # The second time made nothing anew.
    assert [model.objects.count() for model in (User, Project, Batch, Hit, Assignment)] == counts
