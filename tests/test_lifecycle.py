"""One HIT from accept to paid."""

import pytest

from lifecycle.accept import accept
from lifecycle.clock import STEPS
from lifecycle.submit import submit
from marketplace.errors import NoWork
from marketplace.models import Assignment, Hit
from payments.models import Account
from payments.selectors import balance
from quality.models import Belief
from tests.support.factories import body


def run_clock():
    while any(step() for _, step, _ in STEPS):
        pass


@pytest.mark.django_db
def test_a_hit_goes_from_accept_to_paid(make_batch, make_worker):
    batch = make_batch(hits=1)
    requester = batch.project.requester
    workers = [make_worker() for _ in range(3)]

    for worker in workers:
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
        run_clock()

    hit = Hit.objects.get(batch=batch)
    belief = Belief.objects.get(hit=hit)
    assert (hit.state, hit.taken, hit.funded) == (Hit.State.RETIRED, 3, 0)
    assert (belief.label, belief.answers) == (1, 3)
    assert [balance(Account.Kind.PAYABLE, w.pk) for w in workers] == [100_000] * 3
    assert balance(Account.Kind.FEES) == 30_000
    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 1_000_000_000 - 330_000


@pytest.mark.django_db
def test_a_worker_gets_each_hit_once(make_batch, make_worker):
    batch, worker = make_batch(hits=3, rules={"mode": "fixed", "answers": 2}), make_worker()

    places = [accept(worker=worker, batch=batch) for _ in range(3)]

    assert len({place.hit_id for place in places}) == 3
    with pytest.raises(NoWork):
        accept(worker=worker, batch=batch)
