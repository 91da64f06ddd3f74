"""Tools of other people, unchanged, at the versions pinned in clients/ and installed apart into var/clients: each one
publishes, gets a worker's answer through the real page in Chromium, and reviews it (`make clients`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from marketplace.models import Assignment
from mturk import ids
from mturk.models import MturkHit
from mturk.services.keys import create_access_key
from tests.mturk.frames_site import html_question, opened, other_host
from tests.mturk.test_frames import OUTSIDE, keys

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HERE = Path(__file__).parent / "clients"
ROOT = Path(__file__).resolve().parents[2]
#: What a tool's own dependencies still run on.
PYTHONS = {"psiturk": "python3.9"}
JS = "@aws-sdk/client-mturk@3.1015.0"
CROWD = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form><crowd-input name="word" label="A word" required></crowd-input></crowd-form>"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def installed(name):
    """The folder of a Python tool in an environment of its own; made once."""
    folder = settings.DATA_DIR / "clients" / name
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        wanted = str(HERE / f"{name}.txt")
        python = shutil.which(PYTHONS.get(name, sys.executable))
        if python is None:
            pytest.skip(f"{name} needs a {PYTHONS[name]}")
        try:
            if uv := shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)):
                run(uv, "venv", "--quiet", "--python", python, str(folder))
                run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), "-r", wanted)
            else:
                run(python, "-m", "venv", str(folder))
                run(str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "-r", wanted)
        except AssertionError as error:
            pytest.skip(f"{name} cannot be installed: {str(error)[-300:]}")
        (folder / "ready").touch()
    return folder


def installed_js():
    folder = settings.DATA_DIR / "clients" / "js"
    if shutil.which("npm") is None:
        pytest.skip("no npm for the JavaScript SDK")
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        try:
            run("npm", "install", "--silent", "--no-audit", "--no-fund", JS, cwd=folder)
        except AssertionError as error:
            pytest.skip(f"the JavaScript SDK cannot be installed: {str(error)[-300:]}")
        (folder / "ready").touch()
    return folder


@pytest.fixture
def environment(requester, frame_site, tmp_path):
    """What a tool finds in its environment: keys, and where Mechanical Turk is."""
    key, secret = create_access_key(requester=requester, by=requester.members.get())
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": key.key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_MTURK": f"{frame_site}/mturk/",
    }


@pytest.fixture
def proxied(environment, frame_site, tmp_path):
    """The same for tools whose endpoint is fixed in their code: through `manage.py mturk_proxy`."""
    with (tmp_path / "proxy.log").open("w") as log:
        proxy = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "mturk_proxy", "--port", "0", "--site", frame_site, "--only"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            told = dict(proxy.stdout.readline().strip().split("=", 1) for _line in range(4))
            plain = {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL_MTURK"}
            yield {**plain, **told, "NO_PROXY": ""}
        finally:
            proxy.terminate()
            proxy.wait(10)


def answered(page, frame_site, make_worker, hit, word):
    """A worker takes the HIT that was published and says `word`, by keyboard."""
    row = MturkHit.objects.select_related("hit__batch").get(hit__data_row__public_id=ids.read(hit))
    stage = opened(page, frame_site, make_worker(country="US"), row)
    stage.frame.get_by_label("A word").press_sequentially(word)
    keys(page, "Tab", "Enter")
    assert stage.handed_in().state == Assignment.State.SUBMITTED


def test_aws_cli(page, frame_site, requester, make_worker, environment, tmp_path):
    aws = [str(installed("awscli") / "bin/aws"), "mturk"]
    question = tmp_path / "question.xml"
    question.write_text(html_question(CROWD))
    made = run(
        *aws, "create-hit", "--title", "By the command line", "--description", "One word.", "--reward", "0.05",
        "--lifetime-in-seconds", "3600", "--assignment-duration-in-seconds", "600", "--max-assignments", "1",
        "--question", f"file://{question}", env=environment,
    )  # fmt: skip
    hit = json.loads(made)["HIT"]["HITId"]
    answered(page, frame_site, make_worker, hit, "shell")

    [found] = json.loads(run(*aws, "list-assignments-for-hit", "--hit-id", hit, env=environment))["Assignments"]
    assert '[{"word":"shell"}]' in found["Answer"]
    run(*aws, "approve-assignment", "--assignment-id", found["AssignmentId"], env=environment)
    after = json.loads(run(*aws, "get-assignment", "--assignment-id", found["AssignmentId"], env=environment))
    assert after["Assignment"]["AssignmentStatus"] == "Approved"


def test_the_javascript_sdk(page, frame_site, requester, make_worker, environment, tmp_path):
    folder = installed_js()
    question = tmp_path / "question.xml"
    question.write_text(html_question(CROWD))
    script = ["node", str(HERE / "js_client.mjs")]
    hit = json.loads(run(*script, "publish", str(question), env=environment, cwd=folder))["hit"]
    answered(page, frame_site, make_worker, hit, "node")

    reviewed = json.loads(run(*script, "review", hit, env=environment, cwd=folder))
    assert '[{"word":"node"}]' in reviewed["said"][0] and reviewed["status"] == ["Approved"]


def test_larry(page, frame_site, requester, make_worker, proxied, tmp_path):
    script = [str(installed("larry") / "bin/python"), str(HERE / "larry_client.py")]
    page_file = tmp_path / "page.html"
    page_file.write_text(CROWD)
    hit = json.loads(run(*script, "publish", str(page_file), env=proxied).splitlines()[-1])["hit"]
    answered(page, frame_site, make_worker, hit, "larry")

    reviewed = json.loads(run(*script, "review", hit, env=proxied).splitlines()[-1])
    assert "larry" in json.dumps(reviewed["said"]) and reviewed["status"] == ["Approved"]


@pytest.mark.parametrize("name", ["psiturk", "dallinger"])
def test_an_external_page(name, page, frame_site, requester, make_worker, proxied):
    script = [str(installed(name) / "bin/python"), str(HERE / f"{name}_client.py")]
    with other_host(lambda path, body: OUTSIDE) as (origin, _heard):
        hit = json.loads(run(*script, "publish", f"{origin}/ad", env=proxied).splitlines()[-1])["hit"]
        row = MturkHit.objects.select_related("hit__batch").get(hit__data_row__public_id=ids.read(hit))
        stage = opened(page, frame_site, make_worker(country="US"), row)
        stage.frame.frame_locator("iframe").get_by_label("Say").press_sequentially("a word")
        keys(page, "Enter")
        assert stage.handed_in().state == Assignment.State.SUBMITTED

    reviewed = json.loads(run(*script, "review", hit, env=proxied).splitlines()[-1])
    assert len(reviewed["said"]) == 1 and reviewed["status"] == ["Approved"]
