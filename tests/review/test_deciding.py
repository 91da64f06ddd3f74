"""Decisions on many answers: counted first, taken back while they wait; and labels that a person decides."""

import json

import pytest

from core.errors import Conflict, Invalid
from core.models import AuditEntry, Operation
from core.operations import cancel_operation
from lifecycle import decide_later as later
from lifecycle.accept import accept
from lifecycle.clarify import clarify
from lifecycle.decide import approve, disregard, use_again
from lifecycle.digest import digest_due
from lifecycle.operations import run_due_operations, run_to_end
from lifecycle.overrule import give_back, overrule
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.models import Assignment, GuidelineNote, Hit
from payments.models import Account
from payments.selectors import balance
from quality.models import Belief, Judgment, Overruling
from quality.services.exporting import label_rows
from quality.services.sampling import draw_sample
from users.models import Notice

pytestmark = pytest.mark.django_db


def answer(worker, batch, word):
    place = accept(worker=worker, batch=batch)
    assignment = Assignment.objects.select_related("batch", "hit__data_row").get(pk=place.assignment_id)
    submit(assignment=assignment, raw=json.dumps({"answers": {"digit": word}, "seconds": 9}).encode(), undo=0)
    return assignment


@pytest.fixture
def batch(make_batch, make_project):
    rules = {"mode": "fixed", "answers": 3, "auto_approve_seconds": 86_400}
    return make_batch(project=make_project(rules=rules), hits=2)


@pytest.fixture
def owner(batch):
    return batch.project.requester.memberships.get().user


@pytest.fixture
def answered(batch, make_worker):
    """Two items, each answered one, one, zero; the last worker differs."""
    given = [
        answer(worker, batch, word)
        for worker, word in ((make_worker(), w) for w in ("one", "one", "zero"))
        for _ in range(2)
    ]
    digest_due()
    Belief.objects.filter(hit__batch=batch).update(state="settled", label=1)
    return [Assignment.objects.get(pk=one.pk) for one in given]


def everything(batch, which="all"):
    return later.select_answers(batch=batch, which=which)


def states(batch):
    return sorted(Assignment.objects.filter(batch=batch).values_list("state", flat=True))


def test_a_preview_counts_and_sums_and_changes_nothing(batch, answered):
    seen = later.preview(batch=batch, act="approve", rows=everything(batch))

    assert (seen.count, seen.workers, seen.amount, seen.fee) == (6, 3, 600_000, 60_000)
    assert states(batch) == ["submitted"] * 6


def test_those_that_differ_from_the_label_are_chosen(batch, answered):
    assert {row.pk for row in everything(batch, "differ")} == {row.pk for row in answered[4:]}
    assert {row.pk for row in everything(batch, "agree")} == {row.pk for row in answered[:4]}


def test_many_are_approved_and_paid_when_their_time_has_come(batch, answered, owner):
    operation = later.decide_later(batch=batch, act="approve", rows=everything(batch), by=owner)

    assert run_due_operations() == 0 and states(batch) == ["submitted"] * 6
    operation = run_to_end(operation)

    assert operation.result == {"decided": 6, "skipped": 0} and states(batch) == ["approved"] * 6
    assert sum(balance(Account.Kind.PAYABLE, row.worker_id) for row in answered[::2]) == 600_000
    assert AuditEntry.objects.get(act="assignments.approve").details["count"] == 6


def test_taken_back_in_time_nothing_was_decided(batch, answered, owner):
    operation = later.decide_later(batch=batch, act="reject", rows=everything(batch), by=owner, reason="Not read.")

    cancel_operation(operation=operation)
    run_to_end(operation)

    assert states(batch) == ["submitted"] * 6 and Operation.objects.get().state == "cancelled"


def test_what_was_decided_meanwhile_is_skipped(batch, answered, owner):
    operation = later.decide_later(batch=batch, act="reject", rows=everything(batch), by=owner, reason="Not read.")
    approve(assignment=answered[0], by=owner.pk)

    assert run_to_end(operation).result == {"decided": 5, "skipped": 1}
    assert states(batch) == ["approved"] + ["rejected"] * 5


def test_a_preview_that_is_out_of_date_decides_nothing(batch, answered, owner):
    seen = later.preview(batch=batch, act="approve", rows=everything(batch))
    approve(assignment=answered[0], by=owner.pk)

    with pytest.raises(Conflict) as refusal:
        later.decide_later(batch=batch, act="approve", rows=everything(batch), by=owner, seal=seen.seal)

    assert refusal.value.code == "changed" and not Operation.objects.exists()


@pytest.mark.parametrize("act", later.NEEDS_REASON)
def test_no_reason_no_decision(act, batch, answered, owner):
    with pytest.raises(Invalid) as refusal:
        later.decide_later(batch=batch, act=act, rows=everything(batch), by=owner, reason=" ")

    assert "reason" in refusal.value.errors and not Operation.objects.exists()


def test_an_answer_that_was_set_aside_can_be_used_again(batch, answered, owner):
    one = answered[4]
    disregard(assignment=one, by=owner.pk, reason="Guessed.")
    assert Belief.objects.get(hit=one.hit_id).answers == 2

    use_again(assignment=Assignment.objects.get(pk=one.pk), by=owner.pk)
    digest_due()

    assert Belief.objects.get(hit=one.hit_id).answers == 3
    assert Judgment.objects.filter(assignment_id=one.pk).order_by("-pk").first().weight == 1
    with pytest.raises(Conflict):
        use_again(assignment=Assignment.objects.get(pk=one.pk), by=owner.pk)


# --- overruling -------------------------------------------------------------------------------------------------------


def test_a_person_decides_a_label_and_it_stays(batch, answered, owner):
    hit = Hit.objects.get(pk=answered[0].hit_id)

    [row] = overrule(hit=hit, question="digit", answer="zero", by=owner, reason="It is a zero.")
    refit_project(project=batch.project)
    digest_due()

    belief = Belief.objects.get(hit=hit)
    assert (belief.state, belief.label) == ("overruled", 0) and belief.answers == 3
    assert (row.before["label"], row.chosen, row.inclusion) == (1, "free", None)
    assert AuditEntry.objects.get(act="label.overrule").details["label"] == "zero"
    exported = label_rows(batch, [hit])[0]["labels"]["digit"]
    assert (exported["label"], exported["state"], exported["confidence"]) == ("zero", "overruled", None)


def test_a_disputed_label_was_looked_at_for_certain_and_a_drawn_one_with_its_probability(finished):
    done = finished(items=100)
    disputed = Belief.objects.filter(hit__batch=done.batch, state="disputed").first()
    [row] = overrule(hit=disputed.hit, question="digit", answer="one", by=done.owner)
    sample = draw_sample(batch=done.batch, size=10, by=done.owner, purpose="review")
    item = sample.items.exclude(hit=disputed.hit).first()

    [drawn] = overrule(hit=item.hit, question="digit", answer="one", by=done.owner)

    assert (row.chosen, row.inclusion) == ("disputed", 1.0)
    assert (drawn.chosen, drawn.inclusion) == ("drawn", item.inclusion)


def test_what_a_person_decided_asks_for_no_more_answers_and_its_money_comes_back(make_batch, make_worker):
    batch = make_batch(hits=1, rules={"mode": "fixed", "answers": 3, "auto_approve_seconds": 86_400})
    owner = batch.project.requester.memberships.get().user
    answer(make_worker(), batch, "one")
    digest_due()

    overrule(hit=batch.hits.get(), question="digit", answer="zero", by=owner)

    hit = batch.hits.get()
    assert hit.state == Hit.State.RETIRED and hit.funded == 1
    assert balance(Account.Kind.ESCROW, batch.pk) == batch.price


def test_given_back_the_machine_speaks_again(batch, answered, owner):
    hit = Hit.objects.get(pk=answered[0].hit_id)
    overrule(hit=hit, question="digit", answer="zero", by=owner)

    give_back(hit=hit, question="digit", by=owner)

    belief = Belief.objects.get(hit=hit)
    assert belief.label == 1 and belief.state != "overruled" and belief.overruled_by is None
    assert list(Overruling.objects.order_by("pk").values_list("is_lifted", flat=True)) == [False, True]
    with pytest.raises(Conflict):
        give_back(hit=hit, question="digit", by=owner)


@pytest.mark.parametrize(
    ("about", "field"),
    [({"question": "colour"}, "question"), ({"answer": "seven"}, "answer"), ({"part": "2"}, "part")],
)
def test_a_decision_that_does_not_fit_is_refused(about, field, batch, answered, owner):
    given = {"question": "digit", "answer": "zero"} | about

    with pytest.raises(Invalid) as refusal:
        overrule(hit=Hit.objects.get(pk=answered[0].hit_id), by=owner, **given)

    assert field in refusal.value.errors and not Overruling.objects.exists()


# --- guideline notes --------------------------------------------------------------------------------------------------


def test_a_note_reaches_everybody_who_works_on_the_batch_once(batch, answered, owner):
    clarify(batch=batch, body="A barred 7 is a 7.", by=owner)
    operation = Operation.objects.get(kind="clarify")

    run_to_end(operation)

    assert operation.total == 3 and Notice.objects.filter(kind="project.guideline").count() == 3
    assert GuidelineNote.objects.get().body == "A barred 7 is a 7."


def test_an_empty_note_is_refused(batch, owner):
    with pytest.raises(Invalid):
        clarify(batch=batch, body=" ", by=owner)

    assert not GuidelineNote.objects.exists() and not Operation.objects.exists()
