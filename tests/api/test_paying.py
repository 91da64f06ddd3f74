"""Bonuses, compensations, payouts and statements, to the micro."""

import pytest

from core.errors import Conflict, InsufficientFunds, Invalid
from core.models import Outbox
from lifecycle import pay_out
from lifecycle.accept import accept
from lifecycle.bonus import pay_bonus
from lifecycle.clock import STEPS
from lifecycle.compensate import Line, compensate
from lifecycle.submit import submit
from marketplace.models import Assignment
from marketplace.services.hooks import create_webhook
from payments.models import Account, Transfer
from payments.selectors import balance
from tests.support.factories import body


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=2, rules={"auto_approve_seconds": 0})


@pytest.fixture
def worker(make_worker):
    return make_worker()


@pytest.fixture
def held(batch, worker):
    return Assignment.objects.get(pk=accept(worker=worker, batch=batch).assignment_id)


@pytest.fixture
def paid(held):
    submit(assignment=held, raw=body(digit="one"))
    while any(step() for _, step, _ in STEPS):
        pass
    held.refresh_from_db()
    return held


def available(batch):
    return balance(Account.Kind.AVAILABLE, batch.project.requester_id)


def payable(worker):
    return balance(Account.Kind.PAYABLE, worker.pk)


@pytest.mark.django_db
def test_a_bonus_is_paid_once_for_its_key_with_the_fee_on_top(paid, batch, worker):
    before, had = available(batch), payable(worker)

    first = pay_bonus(assignment=paid, amount=500_000, reason="Thorough.", key="a")
    again = pay_bonus(assignment=paid, amount=500_000, reason="Thorough.", key="a")

    assert first == again
    assert payable(worker) - had == 500_000
    assert before - available(batch) == 550_000
    assert first.memo == "Thorough."


@pytest.mark.django_db
def test_a_bonus_needs_an_answer_a_reason_and_money(held, batch, worker):
    with pytest.raises(Conflict):
        pay_bonus(assignment=held, amount=1, reason="For nothing.", key="a")
    submit(assignment=held, raw=body(digit="one"))
    held.refresh_from_db()
    for amount, reason in ((0, "x"), (-5, "x"), (5, " ")):
        with pytest.raises(Invalid):
            pay_bonus(assignment=held, amount=amount, reason=reason, key="a")
    with pytest.raises(InsufficientFunds):
        pay_bonus(assignment=held, amount=10**12, reason="Too much.", key="a")

    assert payable(worker) == 0
    assert not Transfer.objects.filter(kind="bonus").exists()


@pytest.mark.django_db
def test_a_compensation_is_paid_once_without_a_fee(held, batch, worker):
    before = available(batch)
    lines = [Line(held, 50_000, "The picture was broken.")]

    first, again = compensate(batch=batch, lines=lines), compensate(batch=batch, lines=lines)

    assert first == again
    assert payable(worker) == 50_000
    assert before - available(batch) == 50_000
    with pytest.raises(Conflict):
        compensate(batch=batch, lines=[Line(held, 60_000, "More.")])
    assert payable(worker) == 50_000


@pytest.mark.django_db
def test_of_compensations_all_lines_are_paid_or_none(held, paid, batch, worker, make_worker):
    second = Assignment.objects.get(pk=accept(worker=make_worker(), batch=batch).assignment_id)
    before = available(batch)

    with pytest.raises(Invalid) as refused:
        compensate(batch=batch, lines=[Line(second, 50_000, "Broken."), Line(paid, 50_000, "Paid already.")])

    assert set(refused.value.errors) == {"lines[1].assignment"}
    assert available(batch) == before


@pytest.mark.django_db
def test_each_step_of_a_payout_is_told(paid, worker, make_user, settings):
    settings.PAYOUT_MINIMUM = 10_000
    create_webhook(url="https://example.org/", events=["payout.changed"], worker=worker)
    staff = make_user(is_staff=True)

    payout = pay_out.request(worker=worker, amount=100_000)
    pay_out.send(payout=payout, by=staff)
    pay_out.fail(payout=payout, by=staff, reason="No such account.")
    pay_out.request_again(payout=payout)
    pay_out.send(payout=payout, by=staff)
    pay_out.settle(payout=payout, by=staff, reference="B-7")

    told = [row.payload["data"]["state"] for row in Outbox.objects.filter(kind="webhook").order_by("pk")]
    assert told == ["requested", "sending", "failed", "requested", "sending", "paid"]
    assert payable(worker) == 0


@pytest.mark.django_db
def test_statements_add_up_for_both_sides(paid, batch, worker, api):
    pay_bonus(assignment=paid, amount=500_000, reason="=1+1", key="a")
    owner = batch.project.requester.memberships.get().user
    requester = batch.project.requester.public_id

    mine = api(worker.user, "work").get("my/statement").json()["items"]
    theirs = api(owner, "read").get(f"organisations/{requester}/statement").json()["items"]
    table = b"".join(api(worker.user, "work").get("my/statement.csv").streaming_content).decode()

    assert [(line["kind"], line["amount"], line["about"]) for line in mine] == [
        ("bonus", "0.50", ""), ("reward", "0.10", batch.project.name),
    ]  # fmt: skip
    assert sum(float(line["amount"]) for line in theirs) == pytest.approx(available(batch) / 1e6)
    assert theirs[0]["kind"] == "bonus" and theirs[0]["amount"] == "-0.55"
    assert '"\'=1+1"' in table and '"0.50"' in table


@pytest.mark.django_db
def test_earnings_tell_what_waits_and_what_was_paid(paid, worker, api, settings):
    settings.PAYOUT_MINIMUM = 10_000
    pay_out.request(worker=worker, amount=40_000)

    told = api(worker.user, "work").get("my/earnings").json()

    assert (told["payable"], told["rewards"], told["paid_out"], told["waiting"]) == ("0.06", "0.10", "0.04", "0.00")
