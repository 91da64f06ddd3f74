"""A market with something on every page, and browsers that are signed in to it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from lifecycle.accept import accept
from lifecycle.decide import decide_due, reject
from lifecycle.digest import digest_due
from lifecycle.export import start_export
from lifecycle.operations import run_to_end
from lifecycle.qualify import ask, grant
from lifecycle.submit import submit
from marketplace.models import (
    Appeal,
    Assignment,
    Batch,
    HitData,
    Media,
    Message,
    Project,
    Requester,
    SavedSearch,
    Thread,
    Webhook,
)
from marketplace.services.choosing import save_search
from marketplace.services.messaging import answer_thread, write_as_worker
from marketplace.services.posting import attach_upload, create_batch
from mturk.models import AccessKey
from mturk.services.keys import create_access_key
from mturk.services.qualifications import create_type
from payments.models import Transfer
from payments.services.deposits import request_deposit
from quality.models import Certificate, Flag, GoldQuestion, Healing, Sample
from quality.services.certificates import issue_certificate, publish_certificate
from quality.services.gold import mark_as_gold
from quality.services.quiz import add_quiz_questions
from quality.services.sampling import answer_item, draw_sample
from quality.services.training import add_training_questions
from tests.mturk.test_questions import FORM, TEXT
from users.models import Notice, User
from users.services import create_token
from users.services.notices import notify
from workers_app.models import Qualification, QualificationRequest, Worker
from workers_app.services.granting import create_qualification

# Playwright keeps an event loop in this thread; the tests use the ORM beside it, one after the other.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def answer(worker: Worker, batch: Batch, said: Any, *, seconds: float = 12.0) -> Assignment:
    """One answer through the real accept and submit; final at once."""
    place = accept(worker=worker, batch=batch)
    assignment = Assignment.objects.select_related("batch", "hit__data_row").get(pk=place.assignment_id)
    submit(assignment=assignment, raw=json.dumps({"answers": said, "seconds": seconds}).encode(), undo=0)
    return assignment


def settle() -> None:
    """What the sweep would do in the next second."""
    digest_due()
    decide_due()


@dataclass
class Market:
    """Rows that pages can be about; each of a sort that fills its page."""

    requester: Requester
    owner: User
    project: Project
    batch: Batch
    draft: Batch
    quiz_batch: Batch
    worker: Worker
    held: Assignment
    rejected: Assignment
    staff: User
    export: Any
    flag: Flag
    token_prefix: str
    qualification: Qualification
    webhook: Webhook
    media: Media
    known: GoldQuestion
    notice: Notice
    asked: QualificationRequest
    search: SavedSearch
    thread: Thread
    reply: Message
    finished: Batch
    audit: Sample
    certificate: Certificate
    access_key: AccessKey

    @cached_property
    def tested(self) -> Qualification:
        """Had by a test of Mechanical Turk's kind."""
        about = {"Name": "Reads Hebrew", "Description": "Print and hand.", "QualificationTypeStatus": "Active"}
        return create_type(
            requester=self.requester, members=about | {"Test": FORM.format(more=TEXT), "TestDurationInSeconds": 600}
        )

    @cached_property
    def appeal(self) -> Appeal:
        """Written when a page first asks for it, and nobody is told: other tests appeal themselves."""
        by = timezone.now() + timedelta(days=6)
        return Appeal.objects.create(assignment=self.rejected, reason="Both names were marked.", rule_by=by)

    @cached_property
    def healing(self) -> Healing:
        """A correction after close that left a label below its target; written when a page first asks for it."""
        hit = self.finished.hits.order_by("pk")[0]
        healing = Healing.objects.create(
            batch=self.finished, cause="ignored", leaned=24, changed=1, done_at=timezone.now()
        )
        healing.labels.create(
            hit=hit,
            question="digit",
            label=1,
            confidence=0.97,
            state="settled",
            taken=5,
            is_changed=True,
            is_short=True,
        )
        return healing

    @cached_property
    def transfer(self) -> Transfer:
        return Transfer.objects.order_by("-pk")[0]


def audited(finished: Any, project: Project, owner: User) -> tuple[Batch, Certificate, Sample]:
    """A finished batch with a published certificate, and another audit that is under way."""
    done = finished(items=24, project=project)
    sample = draw_sample(batch=done.batch, size=20, by=owner)
    for item in sample.items.all():
        answer_item(item=item, answer=done.word(item.hit_id), by=owner)
    certificate = issue_certificate(sample=sample, by=owner)
    publish_certificate(certificate=certificate, is_public=True, shows=list(certificate.sections), by=owner)
    return done.batch, certificate, draw_sample(batch=done.batch, size=20, by=owner)


@pytest.fixture
def market(make_requester, make_project, make_batch, make_worker, make_user, finished) -> Market:
    requester = make_requester()
    owner = requester.memberships.get().user
    project = make_project(requester=requester, rules={"min_answers": 2, "max_answers": 3, "auto_approve_seconds": 600})
    batch = make_batch(project=project, hits=8)
    workers = [make_worker() for _worker in range(3)]
    given = [answer(workers[n % 3], batch, {"digit": "zero" if n % 5 else "one"}) for n in range(12)]
    settle()
    mine = next(one for one in given if one.worker_id == workers[0].pk)
    rejected = reject(assignment=Assignment.objects.get(pk=mine.pk), by=owner.pk, reason="Two names were not marked.")
    held = Assignment.objects.get(pk=accept(worker=workers[0], batch=batch).assignment_id)
    draft = create_batch(project=project, name="A draft")
    attach_upload(batch=draft, file=ContentFile(b"text,gold\nfirst,zero\nsecond,\n", name="t.csv"), name="t.csv")
    quizzed = make_project(requester=requester, name="Behind a quiz", rules={"quiz_questions": 2, "quiz_pass": 2})
    rows = [{"data": {"text": f"known {n}"}, "keys": {"digit": {"accept": ["zero"]}}} for n in range(4)]
    add_quiz_questions(project=quizzed, rows=rows)
    add_training_questions(project=quizzed, rows=[{**row, "explanation": "A ring."} for row in rows[:2]])
    quizzed.refresh_from_db()
    request_deposit(requester=requester, amount=50_000_000, reference="a transfer")
    flag = Flag.objects.create(
        kind="pair",
        worker=workers[0],
        project=project,
        message="Equal answers more often than by chance. A person looks.",
        key="pair:1",
        expires_at="2099-01-01T00:00Z",
    )
    webhook = Webhook.objects.create(requester=requester, url="https://example.org/hook", events=["batch.finished"])
    webhook.deliveries.create(
        outbox_key="webhook:1:batch.finished:x", event="batch.finished", attempt=1, response_code=200
    )
    token, _secret = create_token(user=owner, scopes=["read"], name="nightly")
    told = {"title": "Two names were missing", "body": "Look at row 4.", "url": "/earnings/"}
    notice = notify(user=workers[0].user, kind="message", **told)
    granted = create_qualification(requester=requester, name="Reads Fraktur", can_request=True)
    grant(qualification=granted, worker=workers[0], value=80)
    qualification = create_qualification(requester=requester, name="Reads Latin", can_request=True)
    wish = ask(worker=workers[0], qualification=qualification, note="Six years of school.")
    create_qualification(requester=requester, name="Reads Greek", can_request=True)
    asked = write_as_worker(worker=workers[0], project=project, body="Is a seven with a bar a seven?")
    reply = answer_thread(thread=asked.thread, by=owner, body="It is. Thank you for asking.", is_by_worker=False)
    done, certificate, audit = audited(finished, make_project(requester=requester, name="Done"), owner)
    return Market(
        requester=requester,
        owner=owner,
        project=project,
        batch=batch,
        draft=draft,
        quiz_batch=make_batch(project=quizzed),
        worker=workers[0],
        held=held,
        rejected=rejected,
        staff=make_user(is_staff=True, is_superuser=True),
        export=run_to_end(start_export(batch=batch)),
        flag=flag,
        token_prefix=token.prefix,
        webhook=webhook,
        media=Media.objects.create(requester=requester, source_url="https://example.org/x.png", state="failed"),
        known=mark_as_gold(hit=batch.hits.order_by("-pk").first(), keys={"digit": "zero"}, pool="audit"),
        notice=notice,
        qualification=qualification,
        asked=wish,
        search=save_search(worker=workers[0], name="Digits", filters={"q": "digit"}, tells=True),
        thread=reply.thread,
        reply=reply,
        finished=done,
        audit=audit,
        certificate=certificate,
        access_key=create_access_key(requester=requester, by=owner, name="old scripts")[0],
    )


@pytest.fixture
def signed_in(context, live_server):
    """Give the browser the session of a user; None ends it."""

    def sign_in(user: User | None) -> None:
        context.clear_cookies()
        if user is None:
            return
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": live_server.url}]
        )

    return sign_in


@pytest.fixture
def complaints(page, live_server):
    """What the browser complains of: errors of scripts, whatever the content policy stopped, and other hosts asked."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda asked: heard.append(f"asked {asked.url}") if _is_elsewhere(asked.url, live_server) else None
    )
    page.on("request", lambda asked: heard.append(asked.post_data or "") if asked.url.endswith("/csp-report") else None)
    return heard


# --- at work ----------------------------------------------------------------------------------------------------------

DATA = {"text": "The mayor <b>spoke</b>.", "a": "first", "b": "second"}


@pytest.fixture
def work(make_project, make_batch, make_worker):
    """A batch and a worker for it; `hits` HITs with the same data."""

    def make(questions=None, hits=3, **rules):
        rules = {"undo_seconds": 0, "min_answers": 1, "max_answers": 1, **rules}
        project = make_project(rules=rules, **({"questions": questions} if questions else {}))
        batch = make_batch(project=project, hits=hits)
        if questions:
            HitData.objects.filter(batch=batch).update(data=DATA)
        return batch, make_worker()

    return make


@pytest.fixture
def at_work(page, live_server, signed_in):
    """Open the work page of a worker in a batch; the next HIT is at hand."""

    def go(batch, worker):
        signed_in(worker.user)
        page.goto(live_server.url + reverse("find_work"))
        page.get_by_role("button", name=f"Start {batch.project.name}").click()
        page.wait_for_url("**/work/*-*/")
        at_rest(page)
        return page

    return go


def at_rest(page):
    """Nothing is on its way: what was handed in is acknowledged, and the page after this one was asked for."""
    page.wait_for_function("""() => {
        const waits = Object.keys(localStorage).some(key => key.startsWith("send:"));
        return !waits && document.querySelector("#main").dataset.atHand !== undefined;
    }""")


def moves_on(page, act):
    """Do `act` and wait until the page holds the next HIT and all is sent."""
    before = page.url
    act()
    page.wait_for_url(lambda url: url != before, timeout=10_000)
    at_rest(page)


def _is_elsewhere(url: str, live_server: Any) -> bool:
    return not url.startswith((live_server.url + "/", "data:", "blob:"))
