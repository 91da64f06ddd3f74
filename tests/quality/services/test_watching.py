"""Gate, looks and monitor over the log of scores, and what a pause does and does not do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lifecycle.accept import accept
from lifecycle.submit import submit
from lifecycle.watch import carry_pauses, take_in_scores
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Participation
from marketplace.selectors import eligibility
from payments.models import Account
from payments.selectors import balance
from quality.estimators.gold import Bar, Monitor
from quality.models import Flag, GoldScore, WorkerReliability
from quality.selectors import Pool
from quality.services.contesting import put_right
from quality.services.watching import end_pauses, keep_paused, read_record, reinstate_worker
from tests.support.factories import body
from tests.test_lifecycle import run_clock

POOL = Pool(0.8, Bar(0.85, 0.60, warns_only=False))
RIGHT, WRONG = True, False


def reliability(worker):
    return WorkerReliability.objects.get(worker=worker, question="digit", part="")


@pytest.fixture
def crowd(make_batch, make_worker, score_golds):
    """A batch with nine good workers whose record sets the bar, and one to be judged."""
    batch = make_batch(hits=60, rules={"mode": "fixed", "answers": 20})
    for _ in range(9):
        worker = make_worker()
        Participation.objects.create(worker=worker, batch=batch, taken_in_all=20)
        score_golds(worker, batch, [RIGHT] * 17 + [WRONG] * 3)
    worker = make_worker()
    Participation.objects.create(worker=worker, batch=batch, taken_in_all=20)
    take_in_scores()
    return batch, worker


def test_the_record_does_not_depend_on_where_it_is_cut():
    passed = [RIGHT, WRONG, RIGHT] * 30

    whole = read_record(passed, POOL)

    assert (whole.right, whole.wrong, whole.n) == (60, 30, 90)
    assert [sum(look) for look in whole.looks] == [20, 30, 40, 50, 60, 80]
    assert read_record([], POOL).monitor == Monitor()


def test_nine_right_pass_the_gate_and_the_first_verdict_stands():
    assert read_record([RIGHT] * 8, POOL).verdict == "open"
    assert read_record([RIGHT] * 9, POOL).verdict == "pass"
    assert read_record([RIGHT] * 9 + [WRONG] * 20, POOL).verdict == "pass"


def test_the_monitor_raises_before_it_stops():
    record = read_record([RIGHT] * 40 + [WRONG] * 8, POOL)

    assert record.raised[0] < record.stopped[0]
    assert len(record.alarms) == 2


@pytest.mark.django_db
def test_scores_are_taken_in_once(make_batch, make_worker, score_golds):
    batch, worker = make_batch(hits=12), make_worker()
    score_golds(worker, batch, [RIGHT] * 9 + [WRONG])

    assert (take_in_scores(), take_in_scores()) == (1, 0)

    row = reliability(worker)
    assert (row.right, row.wrong, row.checked, row.state) == (9, 1, 10, "trusted")
    assert 0 < row.lower < 0.9 < row.upper < 1


@pytest.mark.django_db
def test_a_worker_far_below_the_bar_is_paused_at_a_look_and_the_claim_hears_of_it(crowd, score_golds):
    batch, worker = crowd
    score_golds(worker, batch, [WRONG] * 14 + [RIGHT] * 5)
    take_in_scores()
    assert reliability(worker).state == "quiz"  # 19: no look yet

    score_golds(worker, batch, [RIGHT])
    take_in_scores()
    carry_pauses()

    row, participation = reliability(worker), Participation.objects.get(worker=worker, batch=batch)
    flag = Flag.objects.get(kind="paused")
    assert (row.state, participation.barred, participation.barred_text) == ("paused", "paused", flag.message)
    assert (flag.evidence["right"], flag.evidence["wrong"], flag.evidence["by"]) == (6, 14, "look")
    assert [reason.code for reason in eligibility(worker, batch)] == ["paused"]
    with pytest.raises(NotEligible) as refusal:
        accept(worker=worker, batch=batch)
    assert flag.message in refusal.value.errors["paused"]


@pytest.mark.django_db
def test_a_pause_holds_in_every_batch_of_the_project(crowd, score_golds, make_batch):
    batch, worker = crowd
    other = make_batch(project=batch.project)
    score_golds(worker, batch, [WRONG] * 20)
    take_in_scores()
    carry_pauses()

    assert [reason.code for reason in eligibility(worker, other)] == ["paused"]
    assert eligibility(worker, make_batch()) == []


@pytest.mark.django_db
def test_rules_without_gates_only_watch(crowd, score_golds):
    batch, worker = crowd
    batch.design["rules"]["gates"] = False
    batch.published_at = timezone.now()
    batch.save(update_fields=["design", "published_at"])
    score_golds(worker, batch, [WRONG] * 20)

    take_in_scores()

    row = reliability(worker)
    assert (row.state, row.wrong, Flag.objects.count()) == ("quiz", 20, 0)
    assert row.gate < -2.944


@pytest.mark.django_db
def test_an_unknown_pool_pauses_nobody(make_batch, make_worker, score_golds):
    batch, worker = make_batch(hits=20), make_worker()
    Participation.objects.create(worker=worker, batch=batch, taken_in_all=20)
    score_golds(worker, batch, [WRONG] * 20)

    take_in_scores()

    assert reliability(worker).state == "quiz"


@pytest.mark.django_db
def test_never_more_than_three_in_ten_are_paused(crowd, score_golds, make_worker):
    batch, first = crowd
    bad = [first]
    for _ in range(5):
        bad.append(make_worker())
        Participation.objects.create(worker=bad[-1], batch=batch, taken_in_all=20)

    for worker in bad:
        score_golds(worker, batch, [WRONG] * 20)
        take_in_scores()

    paused = [worker for worker in bad if reliability(worker).state == "paused"]
    assert len(paused) == 4  # of 15
    flag = Flag.objects.get(kind="gold_suspect")
    assert (flag.batch, flag.evidence["question"]) == (batch, "digit")


@pytest.mark.django_db
def test_a_pause_takes_no_pay_back_and_accepted_work_stays_payable(crowd, score_golds, make_batch):
    batch, worker = crowd
    other = make_batch(project=batch.project, hits=2)
    place = accept(worker=worker, batch=other)
    score_golds(worker, batch, [WRONG] * 20)
    take_in_scores()
    carry_pauses()

    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()

    assert reliability(worker).state == "paused"
    assert balance(Account.Kind.PAYABLE, worker.pk) == other.reward


@pytest.mark.django_db
def test_a_person_reinstates_and_everything_begins_anew(crowd, score_golds, make_user):
    batch, worker = crowd
    score_golds(worker, batch, [WRONG] * 20)
    take_in_scores()
    carry_pauses()

    reinstate_worker(project=batch.project, worker=worker, by=make_user(is_staff=True), reason="The photos were bad.")
    carry_pauses()
    score_golds(worker, batch, [RIGHT] * 19)
    take_in_scores()

    row = reliability(worker)
    assert (row.state, row.right, row.wrong, row.checked) == ("trusted", 19, 20, 19)
    assert eligibility(worker, batch) == []
    assert Flag.objects.get(kind="paused").state == "closed"


@pytest.mark.django_db
def test_a_person_keeps_a_pause_and_ninety_days_end_it(crowd, score_golds, make_user):
    batch, worker = crowd
    score_golds(worker, batch, [WRONG] * 20)
    take_in_scores()
    before = reliability(worker)

    keep_paused(project=batch.project, worker=worker, by=make_user(), reason="Answers at random.")
    assert reliability(worker).look_again_at > before.look_again_at
    assert end_pauses() == 0
    WorkerReliability.objects.filter(pk=before.pk).update(paused_at=timezone.now() - timedelta(days=91))
    assert end_pauses() == 1

    assert (reliability(worker).state, end_pauses()) == ("quiz", 0)


@pytest.mark.django_db
def test_a_corrected_key_ends_the_pause_it_led_to(crowd, score_golds, make_user):
    batch, worker = crowd
    score_golds(worker, batch, [WRONG] * 12 + [RIGHT] * 8)
    take_in_scores()
    assert reliability(worker).state == "paused"

    for score in GoldScore.objects.filter(worker=worker, passed=False)[:6]:
        put_right(gold=score.gold, keys={"gold": "zero | one"})

    row = reliability(worker)
    assert (row.state, row.right, row.wrong) == ("quiz", 14, 6)
    assert Flag.objects.get(kind="paused").state == "closed"


@pytest.mark.django_db
def test_a_suspended_key_counts_for_nobody(crowd, score_golds, make_user):
    batch, worker = crowd
    score_golds(worker, batch, [WRONG] * 2)
    take_in_scores()

    put_right(gold=GoldScore.objects.filter(worker=worker).first().gold, keys=None)

    assert (reliability(worker).right, reliability(worker).wrong) == (0, 1)


@pytest.mark.django_db
def test_a_key_that_strong_workers_miss_is_suspended(make_batch, make_worker, score_golds):
    batch = make_batch(hits=61)
    doubtful = batch.hits.order_by("pk").first()
    for worker in [make_worker() for _ in range(4)]:
        score_golds(worker, batch, [WRONG] + [RIGHT] * 60)

    take_in_scores()
    take_in_scores()

    doubtful.gold.refresh_from_db()
    assert (doubtful.gold.state, Flag.objects.get(kind="gold_in_doubt").hit) == ("suspended", doubtful)
    assert set(WorkerReliability.objects.values_list("right", "wrong")) == {(60, 0)}
