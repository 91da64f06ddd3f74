"""Generated requests against every operation that the API documents: no server error, no undocumented answer.

A few requests an operation here; `SCHEMATHESIS=100 make test ARGS="-k schemathesis"` makes that many, in every phase.
"""

import os
import subprocess
import sys

import pytest

from tests.support.url_policy import World
from users.models import ApiToken
from users.services import create_token
from workers_app.models import Worker

EXAMPLES = int(os.environ.get("SCHEMATHESIS", "0"))


@pytest.fixture
def token(transactional_db, make_requester, make_project, make_batch, make_worker, make_user):
    """Of somebody who may do everything here: staff, requester and worker, with work of every state around them."""
    world = World(make_requester, make_project, make_batch, make_worker, make_user)
    world.submitted, world.earn(), world.deposit, world.webhook  # noqa: B018  made by being asked for
    user = world.owner
    Worker.objects.create(user=user)
    type(user).objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    return create_token(user=user, scopes=ApiToken.SCOPES)[1]


@pytest.mark.slow
@pytest.mark.logs_errors  # what goes wrong is in the report
def test_schemathesis_finds_nothing(token, live_server, tmp_path, settings):
    phases = ["--phases", "examples,coverage,fuzzing,stateful"] if EXAMPLES else ["--phases", "fuzzing"]
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(settings.BASE_DIR / "schemathesis.toml"),
            "run",
            f"{live_server.url}/api/v1/openapi.json",
        ),
        *("--header", f"Authorization: Bearer {token}", "--max-examples", str(EXAMPLES or 2), *phases),
        *os.environ.get("SCHEMATHESIS_ARGS", "").split(),
        *("--checks", "all", "--seed", "7", "--no-color", "--continue-on-failure"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=3600)

    assert done.returncode == 0, done.stdout[-40_000:] + done.stderr[-2000:]
