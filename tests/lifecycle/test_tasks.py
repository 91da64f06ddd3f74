"""Celery with its real broker: beat's messages have the steps of the clock done, and both at once do no harm."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from django.conf import settings

from lifecycle import tasks
from lifecycle.accept import accept
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from marketplace.models import Answer, Assignment
from tests.marketplace.test_publish_kill import environment_of, wait_for
from tests.support.factories import body
from tests.support.together import run_together


def test_beat_sends_every_step_that_is_a_task():
    sent = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    steps = {f"lifecycle.tasks.{name}" for name in ("digest_due", "decide_due", "expire_due")}
    assert sent == steps | {"core.tasks.heartbeat"}
    assert all(entry["options"]["expires"] for entry in settings.CELERY_BEAT_SCHEDULE.values())


@pytest.fixture
def celery(tmp_path):
    """A worker with beat in it, on the test's database, which is the default broker as well. No sweep."""
    argv = [sys.executable, "-m", "celery", "-A", "config", "--quiet", "worker", "--beat", "--concurrency", "1"]
    argv += ["--schedule", str(tmp_path / "beat"), "--loglevel", "warning", "--queues", "celery,heartbeat"]
    process = subprocess.Popen(
        argv,
        cwd=settings.BASE_DIR,
        env=environment_of(tmp_path),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)  # beat is a child of its own
    process.wait()


@pytest.mark.drill
@pytest.mark.django_db(transaction=True)
def test_without_a_sweep_celery_digests_and_pays(celery, make_batch, make_worker):
    batch = make_batch(rules={"mode": "fixed", "answers": 1})
    place = accept(worker=make_worker(), batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))

    wait_for(lambda: Answer.objects.filter(digested_at__isnull=False).exists(), seconds=120)
    wait_for(lambda: Assignment.objects.get().state == Assignment.State.APPROVED, seconds=60)

    assert celery.poll() is None
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.mark.django_db(transaction=True)
def test_the_same_step_at_once_does_everything_once(make_batch, make_worker):
    batch = make_batch(hits=60, rules={"mode": "fixed", "answers": 1})
    worker = make_worker()
    for _ in range(60):
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))

    digested = run_together(*[partial(tasks.digest_due)] * 4)
    paid = run_together(*[partial(tasks.decide_due)] * 3)

    assert sum(digested) == 60
    assert sum(paid) <= 60
    while tasks.decide_due():
        pass
    assert not Answer.objects.filter(digested_at=None).exists()
    assert not Assignment.objects.exclude(state="approved").exists()
    assert not [finding for finding in check_invariants() if finding.broken]
