import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from marketplace.models import Assignment
from users.models import User
from workers_app.models import Worker

NUMBERS = itertools.count(1)


@pytest.fixture
def make_crowd(db):
    """Many workers quickly: nobody of them signs in."""

    def make(count: int) -> list[Worker]:
        users = User.objects.bulk_create(
            [User(email=f"crowd{next(NUMBERS)}@example.org", password="!") for _ in range(count)]
        )
        return Worker.objects.bulk_create([Worker(user=user) for user in users])

    return make


@pytest.fixture
def make_overdue(db):
    def make(assignment: Assignment) -> None:
        Assignment.objects.filter(pk=assignment.pk).update(deadline=timezone.now() - timedelta(seconds=1))

    return make


@pytest.fixture
def without_check(transactional_db):
    """Drop a CHECK for one test."""
    dropped = []

    def drop(table: str, name: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
            dropped.append((table, name, cursor.fetchone()[0]))
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    yield drop
    with connection.cursor() as cursor:
        for table, name, definition in dropped:
            cursor.execute(f"TRUNCATE {table} CASCADE")  # what broke the rule
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
