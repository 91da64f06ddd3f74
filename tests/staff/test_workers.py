"""What staff see of a worker, and what they decide."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.errors import Conflict, Invalid
from core.models import AuditEntry, Operation
from lifecycle.accept import accept
from lifecycle.digest import digest_due
from lifecycle.hold import hold_worker, lift_hold
from lifecycle.operations import run_due_operations
from lifecycle.watch import carry_pauses
from lifecycle.weigh import weigh_worker
from marketplace.errors import NotEligible
from marketplace.models import Participation
from quality.models import Belief, Flag, Judgment, WorkerReliability
from quality.services.contesting import restore_scores
from quality.services.watching import pause_worker, reinstate_worker
from staff.audit import copying_of, evidence_of, pace_of
from users.models import Notice

pytestmark = pytest.mark.django_db


def test_equal_mistakes_are_evidence_and_equal_right_answers_are_not(crowd):
    found = copying_of(crowd.worker, crowd.batch.project)

    pair = found.pairs[0]
    assert pair.worker == crowd.copycat
    assert (pair.equal, pair.common) == (24, 24)
    assert len(pair.wrong) > 3 and found.mistakes[0].said != found.mistakes[0].label
    assert abs(sum(pair.chance) - 1) < 1e-9

    honest = copying_of(crowd.others[0], crowd.batch.project).pairs[0]
    assert honest.equal == 24 and not honest.wrong
    assert pair.tail < honest.tail


def test_the_line_of_known_answers_ends_where_the_record_says(crowd):
    (evidence,) = evidence_of(crowd.others[0], crowd.batch.project)

    assert (evidence.right, evidence.asked) == (3, 3)
    assert len(evidence.line.rows) == 3
    assert float(evidence.line.rows[-1][2]) == pytest.approx(evidence.row.gate, abs=0.01)


def test_the_pace_stands_beside_that_of_the_batch(crowd):
    crowd.answers_of(crowd.worker).update(active_seconds=0.4)

    (pace,) = pace_of(crowd.worker, crowd.batch.project)

    assert (pace.answers, pace.median, pace.fast, pace.is_fast) == (24, 0.4, 1.0, True)
    assert pace.of_all == 9.0


def test_a_person_pauses_and_only_a_person_ends_it(crowd):
    project = crowd.batch.project
    pause_worker(project=project, worker=crowd.worker, by=crowd.staff, reason="Two of one office.")
    carry_pauses()

    assert Participation.objects.get(worker=crowd.worker, batch=crowd.batch).barred == "paused"
    assert "Two of one office." in Notice.objects.get(user=crowd.worker.user, kind="access.paused").body
    # A key that is put right ends pauses of rules, not this one.
    for gold in project.gold_questions.all():
        restore_scores(gold=gold)
    assert WorkerReliability.objects.get(worker=crowd.worker).state == "paused"
    with pytest.raises(Conflict):
        pause_worker(project=project, worker=crowd.worker, by=crowd.staff, reason="Again.")

    reinstate_worker(project=project, worker=crowd.worker, by=crowd.staff, reason="They explained.")

    row = WorkerReliability.objects.get(worker=crowd.worker)
    assert (row.state, row.paused_by) == ("quiz", None)
    acts = AuditEntry.objects.filter(subject=f"worker:{crowd.worker.pk}").order_by("pk").values_list("act", "actor")
    assert list(acts) == [("worker.pause", crowd.staff.pk), ("worker.reinstate", crowd.staff.pk)]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 181])
def test_a_pause_without_a_reason_that_fits_changes_nothing(reason, crowd):
    with pytest.raises(Invalid):
        pause_worker(project=crowd.batch.project, worker=crowd.worker, by=crowd.staff, reason=reason)

    assert (
        not WorkerReliability.objects.filter(state="paused").exists()
        and not AuditEntry.objects.exclude(act__startswith="deposit").filter(act="worker.pause").exists()
    )


def weights(worker):
    newest = Judgment.objects.filter(worker=worker).order_by("hit_id", "-pk").distinct("hit_id")
    return {row.weight for row in newest}


def test_weight_is_taken_and_given_back_and_pay_stays(crowd):
    project, said = crowd.batch.project, {"project": crowd.batch.project, "worker": crowd.worker, "by": crowd.staff}
    rewards = list(crowd.answers_of(crowd.worker).order_by("pk").values_list("state", "reward"))
    labels = dict(Belief.objects.filter(part="").values_list("hit_id", "answers"))

    weigh_worker(counts=False, reason="Copied answers.", **said)
    run_due_operations()

    assert weights(crowd.worker) == {0.0}
    assert Operation.objects.get(kind="weigh").state == "done"
    assert not crowd.answers_of(crowd.worker).filter(counts=True).exists()
    assert list(crowd.answers_of(crowd.worker).order_by("pk").values_list("state", "reward")) == rewards
    fewer = dict(Belief.objects.filter(part="").values_list("hit_id", "answers"))
    assert {labels[hit] - fewer[hit] for hit in fewer} == {1}
    with pytest.raises(Conflict):
        weigh_worker(counts=False, reason="Again.", **said)

    weigh_worker(counts=True, reason="They explained.", **said)
    run_due_operations()
    digest_due()

    assert weights(crowd.worker) == {1.0}
    assert dict(Belief.objects.filter(part="").values_list("hit_id", "answers")) == labels
    assert not WorkerReliability.objects.filter(worker=crowd.worker, project=project, ignored_at__isnull=False).exists()


def test_what_was_disregarded_by_itself_stays_so(crowd):
    from lifecycle.decide import disregard

    one = crowd.answers_of(crowd.worker).order_by("pk").first()
    disregard(assignment=one, by=None, reason="A slip.")
    said = {"project": crowd.batch.project, "worker": crowd.worker, "by": crowd.staff, "reason": "A look."}

    weigh_worker(counts=False, **said)
    run_due_operations()
    weigh_worker(counts=True, **said)
    run_due_operations()

    assert list(crowd.answers_of(crowd.worker).filter(counts=False)) == [one]


def test_nobody_on_hold_gets_work_and_the_reason_is_read(crowd, make_batch):
    batch = make_batch(project=crowd.batch.project, hits=3)
    hold_worker(worker=crowd.worker, by=crowd.staff, reason="We are asking you something.")

    with pytest.raises(NotEligible):
        accept(worker=crowd.worker, batch=batch)
    assert Notice.objects.get(user=crowd.worker.user).body == "We are asking you something."

    lift_hold(worker=crowd.worker, by=crowd.staff, reason="Thank you.")
    accept(worker=crowd.worker, batch=batch)


def test_the_account_is_shown_once_for_a_reason_that_is_written_down(client, crowd):
    client.force_login(crowd.staff)
    page, url = (
        reverse("staff_worker", args=[crowd.worker.public_id]),
        reverse("staff_worker_account", args=[crowd.worker.public_id]),
    )
    email = crowd.worker.user.email

    assert email not in client.get(page).content.decode()
    assert email not in client.post(url, {"reason": " "}, follow=True).content.decode()
    assert email in client.post(url, {"reason": "A court asks."}).content.decode()
    assert AuditEntry.objects.get(act="worker.account_shown").reason == "A court asks."
    assert email not in client.get(page).content.decode()


def test_a_flag_is_confirmed_with_a_verdict_and_nothing_else_follows(client, crowd):
    flag = Flag.objects.create(
        key="pair:1", kind="pair", worker=crowd.worker, message="Equal answers.", expires_at="2099-01-01T00:00Z"
    )
    client.force_login(crowd.staff)

    client.post(reverse("staff_flag_decide", args=[flag.public_id]), {"decision": "confirmed", "reason": "Same desk."})

    flag.refresh_from_db()
    assert (flag.state, flag.verdict, flag.closed_by) == ("closed", "confirmed", crowd.staff.pk)
    assert not WorkerReliability.objects.filter(state="paused").exists()


def test_the_page_of_a_worker_asks_a_fixed_number_of_queries(client, crowd, django_assert_max_num_queries):
    client.force_login(crowd.staff)

    with django_assert_max_num_queries(40):
        page = client.get(reverse("staff_worker", args=[crowd.worker.public_id])).content.decode()

    assert "Wrong answers that both gave" in page and "Agreement with others" in page


@pytest.mark.parametrize("sort", ["newest", "answers", "lowest"])
def test_the_list_of_workers_asks_as_much_for_many_as_for_few(sort, client, crowd, make_worker):
    client.force_login(crowd.staff)
    url = reverse("staff_workers") + f"?show=all&sort={sort}"
    client.get(url)

    def count():
        with CaptureQueriesContext(connection) as found:
            client.get(url)
        return len(found)

    few = count()
    for _one in range(12):
        make_worker()
    assert count() == few <= 12
