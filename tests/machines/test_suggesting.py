"""Suggestions: who sees them, what is drawn, what it is worth, and that nothing of it tells hidden questions apart."""

import random
import re

import pytest
from django.urls import reverse

from core.errors import Invalid
from lifecycle.submit import submit
from marketplace.models import Assignment, Hit
from marketplace.schema import schema_of
from quality.models import Judgment, MachineUse, Suggestion
from quality.services import suggesting
from quality.services.machines import use_machine
from quality.services.suggesting import draw_suggestion, hide_where_unspoken, other_than, use_of_words
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db

CHOSEN = re.compile(r"<input[^>]* data-key=[^>]* checked")


@pytest.fixture
def shown(setting):
    heard = setting(known=20, others=60)
    heard.speak(wrong=3)
    use_machine(batch=heard.batch, machine=heard.machine, show_share=1.0, by=heard.owner)
    return heard


@pytest.fixture
def fate(monkeypatch):
    """Draws as a test wants them."""
    chance = random.Random(4)
    monkeypatch.setattr(suggesting, "_chance", chance)
    return chance


def take(setting, worker):
    """A place for each HIT, with what is drawn for it."""
    rows = {}
    for hit in setting.hits:
        place = Assignment.objects.create(
            hit=hit, batch=setting.batch, worker=worker, reward=0, deadline="2030-01-01T00Z"
        )
        rows[hit.pk] = draw_suggestion(assignment_id=place.pk, hit_id=hit.pk, worker_id=worker.pk, batch=setting.batch)
    return rows


def test_one_in_ten_is_blind_and_one_in_twenty_altered_on_hidden_questions_as_on_all(shown, make_worker, fate):
    drawn = [row for worker in (make_worker() for _ in range(12)) for row in take(shown, worker).items()]

    hidden = {hit.pk for hit in shown.known}
    for group in (hidden, {hit.pk for hit in shown.others}):
        arms = [row.arm for pk, row in drawn if pk in group]
        assert 0.05 < arms.count("blind") / len(arms) < 0.16
        assert 0.01 < arms.count("altered") / len(arms) < 0.10
    # What is altered differs from the machine's word, whatever the key says.
    for pk, row in drawn:
        word = ("zero", "one")[shown.truth[pk]]
        missed = pk in {hit.pk for hit in shown.known[:3]}
        assert (row.shown["digit"] == word) == ((row.arm != "altered") != missed)


def test_a_draw_stands(shown, make_worker):
    worker = make_worker()
    first = take(shown, worker)
    place = Assignment.objects.filter(worker=worker).first()

    again = draw_suggestion(assignment_id=place.pk, hit_id=place.hit_id, worker_id=worker.pk, batch=shown.batch)

    assert (again.arm, again.shown) == (first[place.hit_id].arm, first[place.hit_id].shown)
    assert Suggestion.objects.count() == len(shown.hits)


def test_only_a_share_of_workers_sees_any_and_these_always(setting, make_worker):
    heard = setting(known=2, others=4)
    heard.speak()
    use_machine(batch=heard.batch, machine=heard.machine, show_share=0.5, by=heard.owner)

    seen = [{row is not None for row in take(heard, make_worker()).values()} for _ in range(20)]

    assert {frozenset(one) for one in seen} == {frozenset({True}), frozenset({False})}


def test_it_is_not_shown_where_some_items_would_stand_out_without_it(setting):
    heard = setting(known=3, others=5)
    heard.speak(hits=heard.others)

    with pytest.raises(Invalid) as refusal:
        use_machine(batch=heard.batch, machine=heard.machine, show_share=0.5, by=heard.owner)
    assert "3 are missing" in refusal.value.errors["show_share"] and not MachineUse.objects.exists()
    heard.speak(hits=heard.known)
    use_machine(batch=heard.batch, machine=heard.machine, show_share=0.5, by=heard.owner)
    Hit.objects.create(batch=heard.batch, max_assignments=2)

    assert hide_where_unspoken() == 1
    assert MachineUse.objects.get().show_share == 0


def test_the_work_page_shows_it_chosen_and_says_whose_choice_it_is(shown, make_worker, client, monkeypatch):
    monkeypatch.setattr(suggesting, "BLIND", 0.0)
    monkeypatch.setattr(suggesting, "ALTERED", 0.0)
    worker = make_worker()
    client.force_login(worker.user)

    page = client.post(reverse("start_work", args=[shown.batch.public_id]), follow=True).content.decode()

    assert "A machine chose this answer" in page and len(CHOSEN.findall(page)) == 1
    monkeypatch.setattr(suggesting, "BLIND", 1.0)
    other = make_worker()
    client.force_login(other.user)
    page = client.post(reverse("start_work", args=[shown.batch.public_id]), follow=True).content.decode()
    assert "A machine" not in page and not CHOSEN.search(page)
    assert Suggestion.objects.filter(arm="blind").count() == 1


def test_an_answer_that_repeats_a_suggestion_weighs_less_and_one_that_does_not_weighs_in_full(
    shown, make_worker, monkeypatch
):
    monkeypatch.setattr(suggesting, "BLIND", 0.0)
    monkeypatch.setattr(suggesting, "ALTERED", 0.0)
    worker = make_worker()
    hits = shown.others[:2]
    for hit, follows in zip(hits, (True, False), strict=True):
        place = Assignment.objects.create(
            hit=hit, batch=shown.batch, worker=worker, reward=0, deadline="2030-01-01T00Z", opened_at="2026-01-01T00Z"
        )
        Hit.objects.filter(pk=hit.pk).update(taken=1)
        said = draw_suggestion(assignment_id=place.pk, hit_id=hit.pk, worker_id=worker.pk, batch=shown.batch)
        word = (
            said.shown["digit"]
            if follows
            else other_than(schema_of(shown.batch.project.questions)["digit"], said.shown["digit"])
        )
        submit(assignment=Assignment.objects.get(pk=place.pk), raw=body(digit=word))
    run_clock()

    weights = {row.hit_id: row.weight for row in Judgment.objects.all()}
    assert weights == {hits[0].pk: 0.75, hits[1].pk: 1.0}
    told = use_of_words(shown.batch)
    assert (told.shown, told.same_as_shown, told.blind, told.tried) == (2, 1, 0, 0)


def test_how_often_wrong_ones_pass_is_counted_on_those_that_are_wrong():
    assert suggesting.Followed(tried=16, passed=9).rate == 0.5
    schema = schema_of([{"name": "tags", "kind": "multilabel", "labels": ["a", "b"]}])
    assert other_than(schema["tags"], ["a"]) in ([], ["a", "b"])
