"""A machine answers alone only past the bound that known answers have shown, and people keep checking it."""

import pytest

from lifecycle.accept import accept
from lifecycle.heal import ask_again, offer_of
from lifecycle.invariants import check_invariants
from lifecycle.machines import answered_alone, look_again, take_in_predictions
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.errors import NoWork
from marketplace.models import Assignment, Hit
from marketplace.services.judging import purse_of
from payments.models import Account
from payments.selectors import balance
from payments.services.escrow import put_aside
from quality.models import Belief, MachineTrust, MachineUse
from quality.services.aggregation import changed_since
from quality.services.machine_words import is_asked_anyhow
from quality.services.machines import use_machine
from tests.support.factories import body
from tests.support.healing import heal
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def alone(setting):
    """A machine that is right on all of 100 known answers, and allowed to answer alone at a target of .9."""
    heard = setting(known=100, others=40, rules={"target": 0.9})
    use_machine(batch=heard.batch, machine=heard.machine, accepts=True, by=heard.owner)
    return heard


def states(setting):
    return dict(Hit.objects.filter(pk__in=[hit.pk for hit in setting.others]).values_list("pk", "state"))


def test_items_past_the_bound_are_settled_and_their_money_comes_back(alone):
    before = balance(Account.Kind.ESCROW, alone.batch.pk)
    version = alone.speak(score=0.99)

    take_in_predictions()

    anyhow = {pk for pk in states(alone) if is_asked_anyhow(version, pk)}
    assert {pk for pk, state in states(alone).items() if state == Hit.State.OPEN} == anyhow
    settled = Belief.objects.filter(hit__in=alone.others, state="settled")
    assert {one.hit_id: one.label for one in settled} == {
        pk: alone.truth[pk] for pk in states(alone) if pk not in anyhow
    }
    assert {one.answers for one in settled} == {0} and all(0.9 <= one.confidence < 1 for one in settled)
    price = alone.batch.price * 7
    assert before - balance(Account.Kind.ESCROW, alone.batch.pk) == price * len(settled)
    assert not [hit for hit in alone.known if Belief.objects.filter(hit=hit, state="settled").exists()]


@pytest.mark.parametrize("wrong", [5, 12])
def test_a_machine_that_is_not_good_enough_answers_nothing_alone(alone, wrong):
    alone.speak(wrong=wrong, score=0.99)

    take_in_predictions()

    assert set(states(alone).values()) == {Hit.State.OPEN} and not answered_alone(alone.batch).exists()


def test_below_its_threshold_people_are_asked(alone):
    """It is wrong where it says that it is unsure: only the sure ones are settled."""
    unsure = {hit.pk for hit in [*alone.known[:20], *alone.others[:20]]}
    version = alone.speak(wrong=20, score=lambda hit: 0.2 if hit.pk in unsure else 0.99)

    take_in_predictions()

    assert {pk for pk, state in states(alone).items() if state == Hit.State.RETIRED} == {
        hit.pk for hit in alone.others[20:] if not is_asked_anyhow(version, hit.pk)
    }


def test_once_the_bound_no_longer_holds_people_are_asked_after_all(alone):
    alone.speak(score=0.99)
    take_in_predictions()
    settled = list(answered_alone(alone.batch).values_list("hit_id", flat=True))
    reserve = 5
    put_aside(purse=purse_of(alone.batch), amount=0, key="reserve", repair=reserve * alone.batch.price)
    MachineTrust.objects.all().delete()

    look_again(alone.batch)

    assert not answered_alone(alone.batch).exists()
    left = [pk for pk, state in states(alone).items() if state == Hit.State.RETIRED]
    assert reserve == len(settled) - len(left) < len(settled)
    healing = heal(alone.batch)
    assert (healing.cause, healing.leaned, healing.asked) == ("machine", len(settled), reserve)
    assert offer_of(healing).hits == len(left)
    ask_again(healing=healing, by=alone.owner)
    assert set(states(alone).values()) == {Hit.State.OPEN}
    run_clock()
    assert [found.name for found in check_invariants() if found.broken] == []


def test_accepting_stops_where_people_say_otherwise(alone, make_worker, monkeypatch):
    monkeypatch.setattr("quality.services.machine_words.ASKED_ANYHOW", 0.5)
    version = alone.speak(score=0.99)
    take_in_predictions()
    Hit.objects.filter(pk__in=[hit.pk for hit in alone.known]).update(max_assignments=0)
    anyhow = [pk for pk in states(alone) if is_asked_anyhow(version, pk)]
    for worker in (make_worker(), make_worker()):
        for _ in anyhow:
            try:
                place = accept(worker=worker, batch=alone.batch)
            except NoWork:
                break
            wrong = ("zero", "one")[1 - alone.truth[place.hit_id]]
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=wrong))
    run_clock()

    take_in_predictions()

    use = MachineUse.objects.get(batch=alone.batch)
    assert not use.accepts and use.stopped_because.startswith("People answered")
    assert not answered_alone(alone.batch).exists()


def test_labels_by_a_machine_are_fitted_and_can_be_computed_again(alone, make_worker, monkeypatch):
    """A certificate stands on one run for all labels; those that no person answered are in it."""
    monkeypatch.setattr("quality.services.machine_words.ASKED_ANYHOW", 0.5)
    version = alone.speak(score=0.99)
    take_in_predictions()
    Hit.objects.filter(pk__in=[hit.pk for hit in alone.known]).update(max_assignments=0)
    place = accept(worker=make_worker(), batch=alone.batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()

    [run] = refit_project(project=alone.batch.project)

    settled = {pk for pk in states(alone) if not is_asked_anyhow(version, pk)}
    fitted = Belief.objects.filter(run=run, answers=0, hit__lane=0)
    assert {one.hit_id for one in fitted} == settled
    assert {(one.state, one.label == alone.truth[one.hit_id]) for one in fitted} == {("settled", True)}
    assert changed_since(run) == []
    assert [found.name for found in check_invariants(full=True) if found.broken] == []
