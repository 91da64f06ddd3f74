"""What a digest sends to the database does not grow with the HITs of its group."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Outbox
from lifecycle.accept import accept
from lifecycle.digest import digest_hits
from lifecycle.submit import submit
from marketplace.models import Assignment, Batch, Hit, Webhook
from marketplace.services.judging import purse_of
from payments.models import Transfer
from payments.services.escrow import put_aside
from quality.services.gold import mark_as_gold

pytestmark = pytest.mark.django_db
SOME, MANY = 4, 12


def answered(make_batch, make_worker, *, hits: int, says: tuple[str, ...], funded: int, reserve: int) -> Batch:
    """Each HIT has all answers that it asked for; `funded` places have money, and the reserve has it for some more."""
    batch = make_batch(hits=hits, places=len(says), rules={"mode": "target", "max_answers": 7})
    Hit.objects.filter(batch=batch).update(funded=funded)
    put_aside(purse=purse_of(batch), amount=0, repair=reserve * batch.price, key=f"more:{batch.pk}")
    for label in says:
        worker = make_worker()
        for _hit in range(hits):
            place = accept(worker=worker, batch=batch)
            raw = b'{"answers": {"digit": "%s"}}' % label.encode()
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=raw, undo=0)
    return batch


def digest(batch: Batch) -> int:
    """Everything due as one group; returns how many statements it took."""
    hit_ids = list(batch.hits.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        digest_hits(project_id=batch.project_id, hit_ids=hit_ids)
    return len([one for one in queries if "SAVEPOINT" not in one["sql"]])


@pytest.mark.parametrize("says", [("zero", "one"), ("one", "one", "one", "one", "one", "one")])
def test_a_digest_sends_as_many_statements_for_many_hits_as_for_some(says, make_batch, make_worker):
    batches = [
        answered(make_batch, make_worker, hits=hits, says=says, funded=len(says), reserve=hits) for hits in (SOME, MANY)
    ]
    for batch in batches:
        Webhook.objects.create(
            requester=batch.project.requester, url="https://example.org/", events=["label.settled"], secret="s"
        )
        for hit in batch.hits.order_by("pk")[: batch.hits.count() // 2]:
            mark_as_gold(hit=hit, keys={"digit": "one"}, pool="audit")

    some, many = map(digest, batches)

    # The counts of each worker are one statement of their own; the workers are as many in both.
    assert some == many
    settled = len(set(says)) == 1
    assert Outbox.objects.filter(payload__event="label.settled").count() == (SOME + MANY if settled else 0)
    assert Transfer.objects.filter(key__startswith="ask:").count() == (0 if settled else SOME + MANY)


def test_the_reserve_goes_to_the_first_hits_as_far_as_it_goes(make_batch, make_worker):
    batch = answered(make_batch, make_worker, hits=3, says=("zero", "one"), funded=2, reserve=2)

    digest(batch)

    hits = list(batch.hits.order_by("pk"))
    assert [hit.state for hit in hits] == [Hit.State.OPEN, Hit.State.OPEN, Hit.State.RETIRED]
    assert [(hit.max_assignments, hit.funded) for hit in hits] == [(3, 3), (3, 3), (2, 2)]
    assert purse_of(batch).repair.balance == 0
    asked = Transfer.objects.filter(key__startswith="ask:").order_by("pk")
    assert [one.key.split(":")[1] for one in asked] == [str(hit.pk) for hit in hits[:2]]
    assert all(-sum(e.amount for e in one.entries.all() if e.amount < 0) == batch.price for one in asked)
