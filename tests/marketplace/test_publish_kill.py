"""Publishing through real processes that are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from django.core.files import File
from django.db import connection

from core.models import Operation
from lifecycle.invariants import check_invariants
from lifecycle.publish import publish_batch
from marketplace.models import Hit, HitData
from marketplace.services.posting import attach_upload, create_batch
from quality.models import GoldQuestion

ROWS = 30_000


def environment_of(folder):
    """What a process needs that works on the test's database, with files in a folder of the test's."""
    database = connection.settings_dict
    host, port = database["HOST"], database["PORT"]
    url = f"postgresql:///{database['NAME']}?host={host}&port={port}&user={database['USER']}"
    if database["PASSWORD"]:
        url += f"&password={database['PASSWORD']}"
    environment = {**os.environ, "DATABASE_URL": url, "DATA_DIR": str(folder)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings.dev"
    return environment


@pytest.fixture
def start(settings, tmp_path):
    """`start()`: a process that does the long work of the test's database."""
    settings.MEDIA_ROOT = tmp_path / "media"
    environment = environment_of(tmp_path)
    running = []

    def begin():
        argv = [sys.executable, "manage.py", "sweep", "--long"]
        running.append(subprocess.Popen(argv, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.DEVNULL))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


@pytest.mark.drill
@pytest.mark.django_db(transaction=True)
def test_publishing_survives_kill_9(start, make_project, make_requester, tmp_path):
    path = tmp_path / "rows.csv"
    with path.open("w") as rows:
        rows.write("text,external_id,gold\n")
        rows.writelines(f"row {n},{n},{'one' if n % 100 == 0 else ''}\n" for n in range(ROWS))
    batch = create_batch(project=make_project(requester=make_requester(deposit="1000000.00")))
    with path.open("rb") as file:
        attach_upload(batch=batch, file=File(file), name="rows.csv")
    operation = publish_batch(batch=batch)
    chance = random.Random(0)

    def has_begun(phase):
        operation.refresh_from_db()
        return operation.state == "running" and operation.cursor.get("phase", "check") == phase

    # In each phase once, some moment after it began.
    for name in ("check", "copy"):
        process = start()
        wait_for(partial(has_begun, name))
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        Operation.objects.filter(state="running").update(lease_until="2000-01-01T00:00Z")  # spares the test 30 s
    start()
    wait_for(lambda: operation.refresh_from_db() or operation.finished_at)

    batch.refresh_from_db()
    assert (operation.state, operation.error, batch.state) == ("done", "", "open")
    assert HitData.objects.filter(batch=batch).values("external_id").distinct().count() == ROWS
    assert Hit.objects.filter(batch=batch).count() == ROWS
    assert GoldQuestion.objects.count() == ROWS // 100
    assert not [finding for finding in check_invariants() if finding.broken]
