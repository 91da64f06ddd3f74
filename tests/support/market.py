"""A market of any size, made quickly inside PostgreSQL, for benchmarks and drills."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

import psycopg
from django.utils import timezone

from core import money
from marketplace.models import Batch, Membership, Participation, Project, Requester
from marketplace.selectors import freeze_design
from marketplace.services.judging import purse_of
from payments.services.deposits import confirm_deposit, request_deposit
from payments.services.escrow import put_aside
from users.models import ApiToken, User
from users.services import TOKEN_MARK
from workers_app.models import Worker

NUMBERS = itertools.count(1)
QUESTION = {"name": "digit", "kind": "categorical", "labels": ["zero", "one", "two", "three"]}
#: Most of a batch is ordinary; some of it comes first.
PRIORITIES = "CASE WHEN n %% 20 = 0 THEN 2 WHEN n %% 20 < 4 THEN 1 ELSE 0 END"

HITS = f"""
INSERT INTO marketplace_hit (batch_id, lane, priority, position, max_assignments, funded)
SELECT %(batch)s, CASE WHEN n %% 100 < %(gold)s THEN 1 ELSE 0 END, {PRIORITIES}, (random() * 2147483646)::int,
       %(places)s, %(places)s
FROM generate_series(1, %(hits)s) n
"""  # noqa: S608
DATA = """
INSERT INTO marketplace_hitdata (hit_id, public_id, batch_id, row_hash, data)
SELECT id, gen_random_uuid(), batch_id, id, jsonb_build_object('text', 'item ' || id || repeat(' x', 60))
FROM marketplace_hit WHERE batch_id = %(batch)s
"""
GOLD = """
INSERT INTO quality_goldquestion (public_id, project_id, hit_id, pool, state, keys, key_version, explanation, tags,
                                  is_soft, weight, created_at)
SELECT gen_random_uuid(), %(project)s, id, 'test', 'active', '{"digit": {"accept": ["one"]}}', 1, '', '[]',
       false, 1, now()
FROM marketplace_hit WHERE batch_id = %(batch)s AND lane = 1
"""
# Unpaid, so that the books are right without as many transfers.
DONE = """
WITH h AS (
    SELECT id FROM marketplace_hit WHERE batch_id = %(batch)s AND lane = 0 AND taken < max_assignments LIMIT %(count)s
), a AS (
    INSERT INTO marketplace_assignment (hit_id, batch_id, worker_id, state, reward, opened_at, submitted_at, decided_at,
                                        deadline)
    SELECT id, %(batch)s, %(worker)s, 'approved', 0, now(), now(), now(), now() FROM h RETURNING id, hit_id
), n AS (
    INSERT INTO marketplace_answer (assignment_id, version, raw, sha256, data, final_at, digested_at)
    SELECT id, 1, '{}', sha256('{}'), '{}', now(), now() FROM a
)
UPDATE marketplace_hit SET taken = taken + 1 FROM a WHERE marketplace_hit.id = a.hit_id
"""
TABLES = (
    "marketplace_hit",
    "marketplace_hitdata",
    "marketplace_assignment",
    "marketplace_answer",
    "quality_goldquestion",
)


def make_requester() -> Requester:
    number = next(NUMBERS)
    user = User.objects.create_user(f"requester{number}.{timezone.now():%H%M%S%f}@example.org", None)
    requester = Requester.objects.create(name=f"Benchmark {number}")
    Membership.objects.create(requester=requester, user=user, role="owner")
    confirm_deposit(deposit=request_deposit(requester=requester, amount=money.parse("900000000")), by=None)
    return requester


def make_workers(count: int) -> list[tuple[Worker, str]]:
    """Workers, each with a token."""
    now = timezone.now()
    users = [
        User(email=f"worker{next(NUMBERS)}.{now:%H%M%S%f}@example.org", password="!", approved_at=now)
        for _ in range(count)
    ]
    workers = Worker.objects.bulk_create([Worker(user=user) for user in User.objects.bulk_create(users)])
    secrets_ = [f"{TOKEN_MARK}{secrets.token_urlsafe(32)}" for _ in workers]
    ApiToken.objects.bulk_create(
        [
            ApiToken(user_id=worker.user_id, scopes=["work"], prefix=secret[:8], digest=ApiToken.digest_of(secret))
            for worker, secret in zip(workers, secrets_, strict=True)
        ]
    )
    return list(zip(workers, secrets_, strict=True))


def make_batch(
    owner: psycopg.Connection[Any],
    *,
    hits: int,
    places: int = 3,
    gold_percent: int = 10,
    rules: dict[str, Any] | None = None,
) -> Batch:
    """An open batch of `hits` HITs with mixed priorities, its money put aside."""
    project = Project.objects.create(
        requester=make_requester(),
        name=f"Benchmark of {hits} HITs",
        questions=[QUESTION],
        template="{{text}}",
        rules={"reward": "0.01", "undo_seconds": 0, "max_share": None, "max_open": 100, **(rules or {})},
    )
    batch = Batch.objects.create(
        project=project,
        name=project.name,
        state="open",
        design=freeze_design(project),
        reward=10_000,
        fee=1_000,
        levels=[2, 1, 0],
        open_cap=32_000,
        is_standing=True,
        published_at=timezone.now(),
    )
    arguments = {"batch": batch.pk, "project": project.pk, "hits": hits, "places": places, "gold": gold_percent}
    for statement in (HITS, DATA, GOLD):
        owner.execute(statement, arguments)
    put_aside(purse=purse_of(batch), amount=hits * places * batch.price, key=f"publish:{batch.pk}")
    return batch


def make_done(owner: psycopg.Connection[Any], *, worker: Worker, batch: Batch, count: int) -> None:
    """`worker` has done `count` HITs of `batch`."""
    owner.execute(DONE, {"batch": batch.pk, "worker": worker.pk, "count": count})
    Participation.objects.update_or_create(worker=worker, batch=batch, defaults={"taken_in_all": count})


def analyse(owner: psycopg.Connection[Any]) -> None:
    """As publishing does it: plans are made for tables of this size."""
    for table in TABLES:
        owner.execute(f"ANALYZE {table}")
