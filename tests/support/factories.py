"""Factory fixtures with defaults that pass, so that a test states only what it is about."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from django.utils import timezone

from core import money
from marketplace.models import Batch, Hit, HitData, Membership, Project, Requester
from marketplace.rules import Rules
from marketplace.selectors import freeze_design
from marketplace.services.judging import purse_of
from payments.services.deposits import confirm_deposit, request_deposit
from payments.services.escrow import put_aside
from users.models import User
from workers_app.models import Worker

NUMBERS = itertools.count(1)
DIGIT = {"name": "digit", "kind": "categorical", "labels": ["zero", "one"]}


def body(**answers: Any) -> bytes:
    return json.dumps({"answers": answers}).encode()


@pytest.fixture
def make_user(db):
    def make(**fields: Any) -> User:
        return User.objects.create_user(f"person{next(NUMBERS)}@example.org", "a long password", **fields)

    return make


@pytest.fixture
def make_worker(make_user):
    def make(**fields: Any) -> Worker:
        return Worker.objects.create(user=make_user(), **fields)

    return make


@pytest.fixture
def make_requester(make_user):
    def make(*, deposit: str = "1000.00", **fields: Any) -> Requester:
        owner = make_user()
        requester = Requester.objects.create(name=f"Archive {next(NUMBERS)}", **fields)
        Membership.objects.create(requester=requester, user=owner, role="owner")
        if money.parse(deposit):
            staff = make_user(is_staff=True)
            confirm_deposit(deposit=request_deposit(requester=requester, amount=money.parse(deposit)), by=staff)
        return requester

    return make


@pytest.fixture
def make_project(make_requester):
    def make(*, requester: Requester | None = None, rules: dict[str, Any] | None = None, **fields: Any) -> Project:
        fields = {"name": "Read digits", "questions": [DIGIT], "template": "{{text}}", **fields}
        # No delay between submit and pay, unless a test is about it.
        rules = {"reward": "0.10", "undo_seconds": 0, "auto_approve_seconds": 0, "max_share": None, **(rules or {})}
        return Project.objects.create(requester=requester or make_requester(), rules=rules, **fields)

    return make


@pytest.fixture
def make_batch(make_project):
    """An open batch of `hits` HITs, its money put aside."""

    def make(*, project: Project | None = None, hits: int = 1, places: int | None = None, **kwargs: Any) -> Batch:
        rules_given = kwargs.pop("rules", None)
        project = project or make_project(rules=rules_given)
        rules = Rules.from_json(project.rules, audience=project.audience)
        reward = rules.reward_micros
        batch = Batch.objects.create(
            project=project,
            name=f"Batch {next(NUMBERS)}",
            state="open",
            design=freeze_design(project),
            reward=reward,
            fee=money.fee_of(reward, 1000),
            assignment_seconds=rules.assignment_seconds,
            levels=[0],
            open_cap=rules.max_open,
            published_at=timezone.now(),
            **kwargs,
        )
        first, most = places or rules.first_places, places or rules.most_places
        for number in range(hits):
            hit = Hit.objects.create(batch=batch, max_assignments=first, funded=most)
            HitData.objects.create(hit=hit, batch=batch, data={"text": f"item {number}"}, row_hash=number)
        put_aside(purse=purse_of(batch), amount=hits * most * batch.price, key=f"publish:{batch.pk}")
        return batch

    return make
