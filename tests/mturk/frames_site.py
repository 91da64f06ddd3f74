"""One process under two names, as `make run` serves it: the site is 127.0.0.1, frames are localhost."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test.testcases import LiveServerThread
from django.urls import reverse

from lifecycle.accept import accept_named
from marketplace.models import Assignment
from mturk import questions
from mturk.services.hit_types import find_or_make_type
from mturk.services.hits import post_hit

TEMPLATES = Path(__file__).resolve().parents[2].parent / "shared" / "mturk" / "templates"
ROOT = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"
TYPE = {"AssignmentDurationInSeconds": 600, "Reward": "0.05", "Title": "Look at it", "Description": "And say."}


@contextmanager
def serving() -> Iterator[int]:
    """The site on a port of its own; static files by WhiteNoise, as in production."""
    thread = LiveServerThread("127.0.0.1", lambda handler: handler, connections_override={})
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield thread.port
    finally:
        thread.terminate()
        for connection in connections.all():
            connection.close()


def html_question(html: str, height: int = 0) -> str:
    inside = html.replace("]]>", "]]]]><![CDATA[>")
    return (
        f'<HTMLQuestion xmlns="{ROOT}2011-11-11/HTMLQuestion.xsd"><HTMLContent><![CDATA[{inside}]]></HTMLContent>'
        f"<FrameHeight>{height}</FrameHeight></HTMLQuestion>"
    )


def external_question(url: str, height: int = 400) -> str:
    address = url.replace("&", "&amp;")
    return (
        f'<ExternalQuestion xmlns="{ROOT}2006-07-14/ExternalQuestion.xsd"><ExternalURL>{address}</ExternalURL>'
        f"<FrameHeight>{height}</FrameHeight></ExternalQuestion>"
    )


FILE = """<Question><QuestionIdentifier>scan</QuestionIdentifier><QuestionContent><Text>Scan</Text></QuestionContent>
<AnswerSpecification><FileUploadAnswer><MaxFileSizeInBytes>9</MaxFileSizeInBytes><MinFileSizeInBytes>1</MinFileSizeInBytes>
</FileUploadAnswer></AnswerSpecification></Question>"""


def form_question(inside: str, version: str = "2005-10-01") -> str:
    return f'<QuestionForm xmlns="{ROOT}{version}/QuestionForm.xsd">{inside}</QuestionForm>'


@dataclass
class Stage:
    """A worker's page in a browser, on one HIT."""

    page: Any
    base: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    assignment: Assignment | None = None

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("iframe[data-frame]")

    def handed_in(self) -> Assignment:
        """Waits until the page went on, and gives the assignment as it is then."""
        self.page.wait_for_url(re.compile("done=1|/work/$"), timeout=20_000)
        assert self.assignment is not None
        self.assignment.refresh_from_db()
        return self.assignment


def post(requester: Any, question: str, **more: Any) -> Any:
    hit_type = find_or_make_type(requester=requester, members=TYPE)
    questions.read_question(question)
    return post_hit(hit_type=hit_type, question=question, lifetime=3600, **more)


def taken(worker: Any, row: Any) -> Assignment:
    """A place of the worker on this very HIT."""
    place = accept_named(worker=worker, hit=row.hit)
    return Assignment.objects.get(pk=place.assignment_id)


def session_of(worker: Any) -> SessionStore:
    session = SessionStore()
    session[SESSION_KEY] = str(worker.user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = worker.user.get_session_auth_hash()
    session.save()
    return session


def signed_in(context: Any, worker: Any, base: str) -> None:
    key = session_of(worker).session_key
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": base}])


def opened(page: Any, base: str, worker: Any, row: Any) -> Stage:
    stage = Stage(page, base)
    page.on("request", lambda asked: stage.asked.append(asked.url))
    page.on("pageerror", lambda error: stage.errors.append(str(error)))
    signed_in(page.context, worker, base)
    stage.assignment = taken(worker, row)
    page.goto(base + reverse("work_page", args=[stage.assignment.public_id]))
    return stage


@contextmanager
def other_host(answer: Callable[[str, bytes], str]) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A server of somebody else, on another address; gives its origin and what it was asked: (method, path, body)."""
    heard: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.append((self.command, self.path, body))
            content = answer(self.path, body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.3", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.3:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


def task_answers(assignment: Assignment) -> dict[str, Any]:
    """What a crowd-form said, from the stored answer."""
    from mturk import answers

    answer = assignment.answers.get()
    fields = dict(answers.fields_of(answer.data))
    assert set(fields) == {"taskAnswers"}
    [said] = json.loads(fields["taskAnswers"])
    return said
