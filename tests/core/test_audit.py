"""The audit log: a chain that shows where it was touched."""

import pytest
from django.db import DatabaseError, connection, transaction

from core import audit
from core.models import AuditEntry
from tests.support.together import run_together


@pytest.mark.django_db
def test_each_entry_seals_the_one_before(make_user):
    actor = make_user(is_staff=True)
    first = audit.record(act="a.first", subject="thing:1", actor=actor, reason="Because.", amount=5)
    second = audit.record(act="a.second", subject="thing:2")

    assert second.previous_hash == first.hash
    assert first.details == {"amount": 5}
    assert list(audit.broken_links()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", ["reason = 'Other.'", "subject = 'thing:9'", "at = at + interval '1 s'", "details = '{}'"]
)
def test_a_changed_entry_is_found(change):
    for number in range(3):
        audit.record(act="a", subject=f"thing:{number}", reason="Because.", amount=number)
    past_the_triggers(f"UPDATE core_auditentry SET {change} WHERE subject = 'thing:1'")

    assert audit_subjects() & {"thing:1", "thing:9"}


@pytest.mark.django_db
def test_a_removed_entry_is_found():
    for number in range(3):
        audit.record(act="a", subject=f"thing:{number}")
    past_the_triggers("DELETE FROM core_auditentry WHERE subject = 'thing:1'")

    assert audit_subjects() == {"thing:2"}


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE core_auditentry SET act = 'b'", "DELETE FROM core_auditentry"])
def test_the_database_refuses_to_change_it(statement):
    audit.record(act="a", subject="thing:1")

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.get().act == "a"


@pytest.mark.django_db(transaction=True)
def test_writers_side_by_side_make_one_chain():
    results = run_together(*[lambda n=n: audit.record(act="a", subject=f"thing:{n}") for n in range(30)], connections=6)

    assert {type(result) for result in results} == {AuditEntry}
    assert list(audit.broken_links()) == []


def past_the_triggers(statement):
    """As somebody with the owner's rights might do it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE core_auditentry DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE core_auditentry ENABLE TRIGGER USER")


def audit_subjects():
    return {entry.subject for entry in audit.broken_links()}
