"""When answers lose their weight: labels are computed again, asked again, told of; after close by a repair batch."""

import numpy as np
import pytest

from core.errors import Conflict
from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.gold import put_right
from lifecycle.heal import ask_again, offer_of
from lifecycle.operations import run_due_operations
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from lifecycle.weigh import weigh_worker
from marketplace.models import Assignment, Hit
from marketplace.services.judging import purse_of
from payments.services.escrow import put_aside
from quality.models import Belief, GoldQuestion, Healing, Judgment, WorkerReliability
from quality.services.aggregation import changed_since
from tests.support.factories import body
from tests.support.healing import heal
from users.models import Notice

pytestmark = pytest.mark.django_db


def ignore(batch, worker, staff):
    weigh_worker(project=batch.project, worker=worker, counts=False, by=staff, reason="Copied answers.")


def labels_of(batch):
    return dict(Belief.objects.filter(hit__batch=batch).values_list("hit_id", "label"))


def settled_in(batch):
    return set(Belief.objects.filter(hit__batch=batch, state="settled").values_list("hit_id", flat=True))


@pytest.fixture
def ignored(finished, make_user):
    """A closed batch of 60 labels, five answers each, whose most active judge has lost the weight since."""
    done = finished(items=60, accuracy=0.8)
    before, sure = labels_of(done.batch), settled_in(done.batch)
    worker = WorkerReliability.objects.filter(project=done.batch.project).order_by("worker_id").first().worker
    ignore(done.batch, worker, make_user(is_staff=True))
    return done, worker, before, sure, heal(done.batch)


def test_labels_that_leaned_on_the_answers_are_counted_and_told(ignored):
    done, _worker, before, sure, healing = ignored

    after = labels_of(done.batch)
    changed = {hit for hit in before if before[hit] != after[hit]}
    lost = sure - settled_in(done.batch)
    assert (healing.leaned, healing.changed, healing.asked) == (60, len(changed), 0)
    assert changed and lost  # else the crowd of this test shows nothing
    assert set(healing.labels.filter(is_changed=True).values_list("hit_id", flat=True)) == changed
    assert set(healing.labels.filter(is_short=True).values_list("hit_id", flat=True)) == lost
    notice = Notice.objects.get(user=done.owner, kind="batch.healed")
    assert f"{len(changed)} labels changed, 0 asked again" in notice.title


def test_after_close_a_repair_batch_goes_on_from_the_beliefs_and_its_answers_count_in_the_first(ignored, make_worker):
    done, _worker, _before, _sure, healing = ignored
    offer = offer_of(healing)

    repair = ask_again(healing=healing, by=done.owner)

    short = healing.labels.filter(is_asked=True).values_list("hit_id", flat=True)
    assert repair.state == "open" and repair.repairs_id == done.batch.pk
    assert offer.hits == repair.hits.count() == len(set(short))
    purse = purse_of(repair)
    assert purse.escrow.balance == offer.hits * 2 * repair.price
    assert offer.most == purse.escrow.balance + purse.repair.balance
    again, first = healing.labels.filter(repair_hit__isnull=False).values_list("repair_hit_id", "hit_id")[0]
    assert Belief.objects.get(hit=again).posterior == Belief.objects.get(hit=first).posterior
    with pytest.raises(Conflict):
        ask_again(healing=healing, by=done.owner)

    worker = make_worker()
    said = {}
    for _hit in range(offer.hits):
        place = accept(worker=worker, batch=repair)
        said[place.hit_id] = done.word(dict(healing.labels.values_list("repair_hit_id", "hit_id"))[place.hit_id])
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=said[place.hit_id]), undo=0)
    digest_due()

    assert Belief.objects.get(hit=again).answers == Belief.objects.get(hit=first).answers + 1 == 5
    close_batch(batch=repair)
    [run] = refit_project(project=done.batch.project)
    assert Belief.objects.get(hit=first).answers == 5
    assert run.items == 60 and changed_since(run) == []


def test_while_the_batch_is_open_it_asks_again_from_the_repair_reserve(make_batch, make_worker, make_user):
    batch = make_batch(hits=30, places=4, rules={"mode": "target", "min_answers": 4})
    rng = np.random.default_rng(4)
    workers = [make_worker() for _one in range(4)]
    for worker in workers:
        for _hit in range(30):
            place = accept(worker=worker, batch=batch)
            word = ("zero", "one")[(place.hit_id + (rng.random() < 0.15)) % 2]
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=word), undo=0)
    digest_due()
    refit_project(project=batch.project)
    median = float(np.median(Belief.objects.filter(hit__batch=batch).values_list("confidence", flat=True)))
    batch.design["rules"]["target"] = median
    batch.save(update_fields=["design"])
    refit_project(project=batch.project)
    put_aside(purse=purse_of(batch), amount=0, repair=30 * batch.price, key="reserve")
    ended = set(batch.hits.filter(state=Hit.State.RETIRED).values_list("pk", flat=True))
    sure = settled_in(batch)

    ignore(batch, workers[0], make_user(is_staff=True))
    healing = heal(batch)

    opened = set(batch.hits.filter(state=Hit.State.OPEN).values_list("pk", flat=True)) & ended
    assert sure & opened
    assert healing.asked == len(opened)
    assert healing.cost == len(opened) * batch.price
    assert not healing.labels.filter(is_short=True, hit__in=opened).exists()


def test_who_lost_the_weight_says_nothing_new_with_weight(make_batch, make_worker, make_user):
    batch, worker = make_batch(hits=2, places=2), make_worker()

    def answer():
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)
        digest_due()

    answer()
    ignore(batch, worker, make_user(is_staff=True))
    run_due_operations()
    answer()

    assert Judgment.objects.filter(worker=worker, weight__gt=0).values("hit").distinct().count() == 1
    assert set(Assignment.objects.filter(worker=worker).values_list("counts", flat=True)) == {False}


def test_a_corrected_key_heals_the_labels_that_it_had_bent(finished, make_user):
    done = finished(items=60, accuracy=0.7)
    staff = make_user(is_staff=True)
    known = GoldQuestion.objects.bulk_create(
        GoldQuestion(project=done.batch.project, hit=hit, keys={"digit": {"accept": [done.word(hit.pk)]}})
        for hit in done.hits[:24]
    )
    Hit.objects.filter(pk__in=[one.hit_id for one in known]).update(lane=1)
    refit_project(project=done.batch.project)
    wrong = {"zero": "one", "one": "zero"}
    before = labels_of(done.batch)

    for one in known[:10]:
        put_right(marked=one, keys={"digit": wrong[done.word(one.hit_id)]}, by=staff, reason="A look at the scan.")
    assert Healing.objects.filter(batch=done.batch, done_at=None).count() == 1
    healing = heal(done.batch)

    after = labels_of(done.batch)
    ordinary = set(done.batch.hits.filter(lane=0).values_list("pk", flat=True))
    assert healing.cause == "key"
    assert healing.changed == len({hit for hit in ordinary if before[hit] != after[hit]})


def test_nothing_is_said_where_nothing_changed(finished, make_user):
    done = finished(items=30, accuracy=1.0)
    worker = WorkerReliability.objects.filter(project=done.batch.project).first().worker
    ignore(done.batch, worker, make_user(is_staff=True))

    healing = heal(done.batch)

    assert (healing.leaned, healing.changed, healing.asked, healing.cost) == (30, 0, 0, 0)
    told = Notice.objects.filter(kind="batch.healed").exists()
    assert told == healing.labels.filter(is_short=True).exists()
