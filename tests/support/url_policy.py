"""What every URL must do: for whom it works, what a stranger gets, what happens in the wrong state.

`tests/test_url_policy.py` walks the URL resolver and fails for a URL (an API endpoint: for each of its methods) that no
line speaks of. To add a URL, add a `Line` to `API` or `PAGES`; `kwargs` and `body` may be functions of the `World`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from core.models import Operation
from lifecycle.accept import accept
from lifecycle.clock import STEPS
from lifecycle.decide import approve, reject
from lifecycle.export import start_export
from lifecycle.operations import run_to_end
from lifecycle.submit import submit
from marketplace.models import Assignment, Batch, Hit, Media, Participation
from marketplace.services.appealing import file_appeal
from marketplace.services.choosing import save_search, set_favourite
from marketplace.services.hooks import create_webhook
from marketplace.services.members import invite_member, join
from marketplace.services.messaging import answer_thread, report_message, write_as_worker
from payments.services.deposits import request_deposit
from payments.services.payouts import request_payout, send_payout
from quality.models import Belief, Healing, WorkerReliability
from quality.services.certificates import issue_certificate
from quality.services.contesting import open_contest
from quality.services.gold import mark_as_gold
from quality.services.machines import connect_machine
from quality.services.quiz import add_quiz_questions, start_quiz
from quality.services.sampling import answer_item, draw_sample
from quality.services.training import add_training_questions
from tests.support.api import ApiClient
from tests.support.factories import body as answers
from tests.support.finished import finish
from users.models import User
from users.services import create_token
from users.services.notices import notify
from workers_app.models import Grant
from workers_app.services.granting import create_qualification
from workers_app.services.pseudonyms import code_for, pseudonyms
from workers_app.services.requesting import request_qualification

#: A stranger is answered, about things of their own only.
OWN = "own"
Of = Callable[["World"], Any]


@dataclass(frozen=True)
class Wrong:
    """The state, or the input, in which it does not work. `before` brings it about."""

    status: int
    code: str = ""
    before: Of | None = None
    body: Any = None
    query: str = ""


@dataclass(frozen=True)
class Line:
    name: str
    method: str = "GET"
    by: str = "manager"
    kwargs: Of | dict[str, Any] | None = None
    body: Any = None
    status: int = 200
    stranger: int | str = 404
    wrong: Wrong | None = None
    before: Of | None = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    def url(self, world: World) -> str:
        return reverse(self.name, kwargs=of(self.kwargs, world) or {})


def of(value: Any, world: World) -> Any:
    return value(world) if callable(value) else value


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every URL of the site with its full name."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix)
        else:
            yield f"{prefix}{entry.name or entry.pattern}", entry


def methods_of(pattern: URLPattern) -> list[str]:
    """Of an API endpoint, those it has; of anything else at least GET."""
    view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
    found = [m.upper() for m in ("get", "post", "put", "patch", "delete") if hasattr(getattr(view, m, None), "scopes")]
    return found or ["GET"]


class World:
    """A requester with work in every state, a worker in it, staff, and a stranger who is both worker and requester."""

    def __init__(
        self, make_requester: Any, make_project: Any, make_batch: Any, make_worker: Any, make_user: Any
    ) -> None:
        self.make_batch, self.make_worker, self.make_user = make_batch, make_worker, make_user
        self.make_project = make_project
        self.requester = make_requester()
        self.owner = self.requester.memberships.get().user
        self.staff_user = make_user(is_staff=True, is_superuser=True)
        self.worker = make_worker()
        self.strange_requester = make_requester()
        self.strange_user = self.strange_requester.memberships.get().user
        self.strange_worker = make_worker()
        self.project = make_project(requester=self.requester, rules={"auto_approve_seconds": 86_400})
        self.batch = make_batch(project=self.project, hits=4)

    # --- clients ---

    @cached_property
    def manager(self) -> ApiClient:
        return _client(self.owner, "read", "write", "money")

    @cached_property
    def hand(self) -> ApiClient:
        return _client(self.worker.user, "work", "work:any", "money", "read", "write")

    @cached_property
    def staff(self) -> ApiClient:
        return _client(self.staff_user, "read", "write", "money", "work", "admin")

    @cached_property
    def strange_manager(self) -> ApiClient:
        return _client(self.strange_user, "read", "write", "money")

    @cached_property
    def strange_hand(self) -> ApiClient:
        return _client(self.strange_worker.user, "work", "work:any", "money", "read", "write")

    def stranger_to(self, by: str) -> ApiClient:
        return self.strange_hand if by == "hand" else self.strange_manager

    def user_of(self, by: str) -> User:
        return {"manager": self.owner, "hand": self.worker.user, "staff": self.staff_user}[by]

    def browser(self, user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    # --- rows ---

    @cached_property
    def draft(self) -> Batch:
        return Batch.objects.create(project=self.project, name="a draft")

    @cached_property
    def failed_media(self) -> Media:
        address = "https://x.example/a.png"
        return Media.objects.create(requester=self.requester, source_url=address, state="failed", error="It said 404.")

    @cached_property
    def standing(self) -> Batch:
        return self.make_batch(project=self.project, hits=0, is_standing=True)

    @cached_property
    def hit(self) -> Hit:
        return self.batch.hits.order_by("pk").first()

    @cached_property
    def accepted(self) -> Assignment:
        return Assignment.objects.get(pk=accept(worker=self.worker, batch=self.batch).assignment_id)

    @cached_property
    def ahead(self) -> Assignment:
        from marketplace.services.accepting import accept_next

        return Assignment.objects.get(pk=accept_next(worker=self.worker, batch=self.batch, ahead=True).assignment_id)

    @cached_property
    def submitted(self) -> Assignment:
        submit(assignment=self.accepted, raw=answers(digit="one"), undo=0)
        for _, step, _ in STEPS:
            step()
        self.accepted.refresh_from_db()
        return self.accepted

    @cached_property
    def approved(self) -> Assignment:
        return approve(assignment=self.submitted)

    @cached_property
    def rejected(self) -> Assignment:
        return reject(assignment=self.submitted, by=self.owner.pk, reason="It was the other one.")

    @cached_property
    def appeal(self) -> Any:
        return file_appeal(assignment=self.rejected, reason="It was not.")

    @cached_property
    def contest(self) -> Any:
        return open_contest(assignment=self.submitted, reason="It is a one.")

    @cached_property
    def payout(self) -> Any:
        self.earn()
        return request_payout(worker=self.worker, amount=1_000_000)

    def earn(self) -> None:
        from payments.models import Account
        from payments.services.ledger import account, post_transfer

        here, there = account(Account.Kind.PAYABLE, self.worker.pk), account(Account.Kind.OUTSIDE)
        post_transfer(key=f"test-earned:{self.worker.pk}", kind="reward", amounts={here: 5_000_000, there: -5_000_000})

    def earn_fees(self) -> None:
        from payments.models import Account
        from payments.services.ledger import account, post_transfer

        here, there = account(Account.Kind.FEES), account(Account.Kind.OUTSIDE)
        post_transfer(key="test-fees", kind="fee", amounts={here: 5_000_000, there: -5_000_000})

    @cached_property
    def sent_payout(self) -> Any:
        return send_payout(payout=self.payout, by=self.staff_user)

    @cached_property
    def failed_payout(self) -> Any:
        from payments.services.payouts import fail_payout

        return fail_payout(payout=self.sent_payout, reason="The bank sent it back.", by=self.staff_user)

    @cached_property
    def deposit(self) -> Any:
        return request_deposit(requester=self.requester, amount=5_000_000)

    @cached_property
    def member(self) -> User:
        user = self.make_user()
        join(user=user, requester_id=self.requester.pk, role="viewer")
        return user

    @cached_property
    def invitation(self) -> Any:
        return invite_member(requester=self.requester, email=self.worker.user.email, role="viewer")

    @cached_property
    def token(self) -> Any:
        return create_token(user=self.owner, scopes=["read"])[0]

    @cached_property
    def notice(self) -> Any:
        return notify(user=self.worker.user, kind="message", title="Two names were missing")

    @cached_property
    def webhook(self) -> Any:
        return create_webhook(url="https://example.org/hook", events=["batch.finished"], requester=self.requester)

    @cached_property
    def qualification(self) -> Any:
        return create_qualification(requester=self.requester, name="Reads Fraktur")

    @cached_property
    def code(self) -> str:
        """The worker's name for the requester."""
        pseudonyms(f"requester:{self.requester.pk}", [self.worker.pk])
        return code_for(f"requester:{self.requester.pk}", self.worker.pk)

    @cached_property
    def asked(self) -> Any:
        """The worker asks for the qualification."""
        self.qualification.can_request = True
        self.qualification.save(update_fields=["can_request"])
        return request_qualification(worker=self.worker, qualification=self.qualification)

    @cached_property
    def message(self) -> Any:
        """What the worker wrote to the requester."""
        self.take_part()
        return write_as_worker(worker=self.worker, project=self.project, body="Is a seven with a bar a seven?")

    @cached_property
    def reply(self) -> Any:
        return answer_thread(thread=self.message.thread, by=self.owner, body="It is.", is_by_worker=False)

    @cached_property
    def report(self) -> Any:
        return report_message(message=self.reply, reason="Rude.", is_by_worker=True)

    @cached_property
    def search(self) -> Any:
        return save_search(worker=self.worker, name="Well paid", filters={"least": "12"})

    def like(self) -> None:
        set_favourite(worker=self.worker, project=self.project, is_favourite=True)

    @cached_property
    def operation(self) -> Operation:
        return Operation.objects.create(kind="test", subject="test:1", requester_id=self.requester.pk)

    @cached_property
    def export(self) -> Operation:
        return run_to_end(start_export(batch=self.batch))

    @cached_property
    def done(self) -> Any:
        """A finished batch with known truth."""
        return finish(self.make_batch, self.make_worker)(items=20, project=self.make_project(requester=self.requester))

    @cached_property
    def machine(self) -> Any:
        return connect_machine(project=self.project, name="Sheets", by=self.owner)

    @cached_property
    def endpoint(self) -> Any:
        about = {"name": "Far", "source": "http", "url": "https://model.example.org/predict"}
        return connect_machine(project=self.project, by=self.owner, **about)

    @cached_property
    def sample(self) -> Any:
        return draw_sample(batch=self.done.batch, size=20, by=self.owner)

    def trust(self, count: int) -> None:
        """Workers whom the project of `done` trusts, and who had no part in it."""
        for _ in range(count):
            WorkerReliability.objects.create(
                worker=self.make_worker(), project=self.done.batch.project, question="digit", state="trusted"
            )

    def answer_sample(self) -> Any:
        for item in self.sample.items.all():
            answer_item(item=item, answer=self.done.word(item.hit_id), by=self.owner)
        return self.sample

    @cached_property
    def certificate(self) -> Any:
        return issue_certificate(sample=self.answer_sample(), by=self.owner)

    @cached_property
    def healing(self) -> Any:
        """A correction after close that left a label below its target."""
        healing = Healing.objects.create(batch=self.done.batch, cause="ignored", changed=1, done_at=timezone.now())
        healing.labels.create(
            hit=self.done.hits[0], question="digit", label=1, confidence=0.97, state="settled", taken=5, is_short=True
        )
        return healing

    def settle_all(self) -> None:
        Belief.objects.filter(hit__batch=self.done.batch).update(state="settled")

    @cached_property
    def gold(self) -> Any:
        return mark_as_gold(hit=self.hit, keys={"digit": "one"})

    @cached_property
    def training(self) -> Any:
        rows = [{"data": {"text": "1"}, "keys": {"digit": "one"}, "explanation": "One stroke."}]
        return add_training_questions(project=self.project, rows=rows)[0]

    @cached_property
    def open_to_undo(self) -> Assignment:
        """Handed in, and not final yet."""
        submit(assignment=self.accepted, raw=answers(digit="one"), undo=8)
        return self.accepted

    @cached_property
    def quiz(self) -> Any:
        self.open_quiz()
        return start_quiz(worker=self.worker, project=self.project)

    def open_quiz(self) -> None:
        rows = [{"data": {"text": str(n)}, "keys": {"digit": "one"}} for n in range(2)]
        self.project.rules = {**self.project.rules, "quiz_questions": 2, "quiz_pass": 2}
        self.project.save(update_fields=["rules"])
        add_quiz_questions(project=self.project, rows=rows)
        self.project.refresh_from_db()

    def pause_worker(self) -> None:
        WorkerReliability.objects.create(
            worker=self.worker, project=self.project, question="digit", state="paused", state_reason="A look."
        )

    def take_answers(self) -> None:
        """The worker has a record in the project."""
        assert self.submitted

    def reinstate(self) -> None:
        from quality.services.watching import reinstate_worker

        reinstate_worker(project=self.project, worker=self.worker, by=self.staff_user, reason="Looked.")

    def grant(self) -> None:
        Grant.objects.create(qualification=self.qualification, worker=self.worker)

    def take_part(self) -> None:
        Participation.objects.get_or_create(worker=self.worker, batch=self.batch)

    def secrets(self) -> list[str]:
        """What no stranger's answer may hold."""
        rows = [self.requester, self.project, self.batch, self.worker, self.owner]
        return [str(row.public_id) for row in rows] + [self.owner.email, self.worker.user.email, self.requester.name]


def _client(user: User, *scopes: str) -> ApiClient:
    return ApiClient(create_token(user=user, scopes=scopes)[1])


def call(client: ApiClient, line: Line, url: str, body: Any) -> Any:
    return client.client.generic(
        line.method,
        url,
        body if isinstance(body, bytes) else json.dumps(body if body is not None else {}),
        content_type=line.content_type,
        headers=client.headers,
    )
