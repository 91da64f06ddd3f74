"""Each invariant holds in a market at work, and finds the break that is planted into it."""

import json

import pytest
from django.core.management import call_command
from django.db import connection

from lifecycle.accept import accept
from lifecycle.invariants import APPEND_ONLY, FUNCTIONS, STATEMENTS, check_invariants
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.models import Answer, Assignment, Hit
from payments.models import Account
from quality.models import Belief, GoldQuestion
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(make_batch, make_worker):
    """One batch at work: a paid HIT, and a place still held."""
    batch = make_batch(hits=2, rules={"mode": "fixed", "answers": 2})
    workers = [make_worker(), make_worker()]
    for worker in workers:
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()
    accept(worker=workers[0], batch=batch)
    return batch


def broken() -> set[str]:
    return {finding.name for finding in check_invariants() if finding.broken}


def plant(statement: str) -> None:
    """Run it past the triggers that would refuse it, as the owner of the tables."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for part in statement.split(";"):
            cursor.execute(part)
        for table in APPEND_ONLY:
            if f"{table} DISABLE" not in statement:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_a_market_at_work_breaks_nothing(market):
    assert broken() == set()


#: Invariant -> statements that break it (others may break with it).
PLANTED = {
    "M1": "UPDATE payments_entry SET amount = amount + 1 WHERE id = (SELECT max(id) FROM payments_entry)",
    "M2": "DELETE FROM payments_entry WHERE id = (SELECT max(id) FROM payments_entry)",
    "M3": "UPDATE payments_account SET balance = balance + 1 WHERE kind = 'batch:escrow'",
    "M4": "ALTER TABLE payments_account DROP CONSTRAINT account_never_negative;"
    "UPDATE payments_account SET balance = -1 WHERE kind = 'worker:payable'",
    "M5": "UPDATE marketplace_hit SET funded = funded + 1 WHERE id = (SELECT max(id) FROM marketplace_hit)",
    "M6": "UPDATE marketplace_batch SET state = 'closed'",
    "M7": "UPDATE marketplace_assignment SET state = 'rejected' WHERE state = 'approved'",
    "M8": "ALTER TABLE payments_entry DISABLE TRIGGER USER",
    "M9": "UPDATE payments_deposit SET amount = amount + 1",
    "M10": "UPDATE payments_transfer SET reverses_id = (SELECT min(id) FROM payments_transfer)"
    " WHERE id = (SELECT max(id) FROM payments_transfer)",
    "W1": "UPDATE marketplace_hit SET taken = taken - 1 WHERE taken > 0",
    "W2": "DROP INDEX assignment_once; INSERT INTO marketplace_assignment"
    " (hit_id, batch_id, worker_id, reward, deadline) SELECT hit_id, batch_id, worker_id, reward, deadline"
    " FROM marketplace_assignment LIMIT 1",
    "W3": "UPDATE marketplace_batch SET place_cap = 1",
    "W4": "UPDATE marketplace_assignment SET submitted_at = accepted_at - interval '1 day' WHERE state = 'approved'",
    "W5": r"UPDATE marketplace_answer SET raw = '\x00' WHERE id = (SELECT max(id) FROM marketplace_answer)",
    "W6": "UPDATE marketplace_participation SET open_places = open_places + 1",
    "W7": "UPDATE marketplace_hit SET state = 1, max_assignments = 2 WHERE taken < 2",
    "W9": """UPDATE workers_app_worker SET payout_details = '{"identity": "one"}'""",
    "S1": """UPDATE marketplace_hitdata SET data = '{"gold:digit": "one"}'""",
    "S2": "INSERT INTO workers_app_pseudonym (scope, worker_id, code) SELECT s, w.id, 'W1'"
    " FROM unnest(ARRAY['requester:1', 'requester:2']) s, (SELECT min(id) AS id FROM workers_app_worker) w",
    "S3": "UPDATE marketplace_hitdata SET batch_id = batch_id + 1",
    "S4": "UPDATE users_user SET password = 'in the clear'",
    "Y1": "INSERT INTO core_outbox (kind, key, payload, attempts, due_at, created_at, last_error)"
    " VALUES ('webhook', 'k', '{}', 0, now() - interval '2 days', now(), '')",
    "Y2": "UPDATE marketplace_answer SET digested_at = NULL, final_at = now() - interval '2 hours'",
    "Y3": "INSERT INTO core_idempotencykey (principal, method, path, key, request_hash, content_type, created_at)"
    " VALUES ('u', 'POST', '/', 'k', '', '', now() - interval '2 days')",
    "Y4": "DELETE FROM django_migrations WHERE app = 'quality'",
    "A1": "UPDATE core_auditentry SET reason = 'another' WHERE id = (SELECT min(id) FROM core_auditentry)",
}
#: Those that need more than statements have tests of their own below.
APART = {"W8", "W10"}


def test_each_invariant_has_a_break_to_find():
    assert set(PLANTED) | APART == set(STATEMENTS) | set(FUNCTIONS)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_break_is_found(market, name):
    assert name not in broken()

    plant(PLANTED[name])

    assert name in broken()


def test_an_unscored_answer_to_a_known_question_is_found(market):
    answer = Answer.objects.earliest("pk")
    keys = {"digit": {"accept": ["one"]}}
    gold = GoldQuestion.objects.create(project=market.project, hit=answer.assignment.hit, keys=keys)
    GoldQuestion.objects.filter(pk=gold.pk).update(created_at=answer.received_at)

    assert broken() == {"W10"}


def test_a_label_that_does_not_follow_from_the_log_is_found(market):
    refit_project(project=market.project)
    assert broken() == set()

    Belief.objects.filter(hit__batch=market).update(label=0)

    assert broken() == {"W8"}


def test_the_command_names_the_rows_and_fails(market, capsys):
    plant(PLANTED["M5"])

    with pytest.raises(SystemExit) as end:
        call_command("invariants", "--json")

    said = json.loads(capsys.readouterr().out)
    [check] = [check for check in said["checks"] if check["broken"]]
    assert (end.value.code, said["broken"], check["name"]) == (1, 1, "M5")
    escrow = Account.objects.get(kind="batch:escrow", owner_id=market.pk).balance
    assert check["broken"] == [{"batch": market.pk, "state": "open", "due": escrow + market.price, "escrow": escrow}]


def test_the_command_says_a_line_each_when_all_is_well(market, capsys):
    call_command("invariants")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(STATEMENTS) + len(FUNCTIONS)
    assert all(line.startswith("ok") for line in lines)
    assert Hit.objects.exists()
