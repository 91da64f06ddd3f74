"""What is typed and not handed in, answers taken back, and places that lapsed although they were shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Invalid
from lifecycle.accept import accept, accept_ahead
from lifecycle.digest import digest_due
from lifecycle.expire import expire_due, return_place
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from marketplace.errors import AlreadyFinal, NotYours
from marketplace.guide import compared
from marketplace.models import Answer, Assignment, Draft, Hit, Participation
from marketplace.services.drafts import forget_drafts, keep_draft
from marketplace.services.submitting import LONGEST_UNDO, take_back
from quality.models import GoldScore
from quality.services.gold import mark_as_gold
from tests.support.factories import body

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(make_batch, make_worker):
    def make(**kwargs):
        batch = make_batch(**kwargs)
        return Assignment.objects.get(pk=accept(worker=make_worker(), batch=batch).assignment_id)

    return make


def broken():
    return [finding.name for finding in check_invariants() if finding.broken]


# --- drafts -----------------------------------------------------------------------------------------------------------


def test_the_last_draft_is_kept(held):
    assignment = held()

    keep_draft(assignment=assignment, fields=[["q:digit", "zero"]])
    keep_draft(assignment=assignment, fields=[["q:digit", "one\0"]])

    assert Draft.objects.get().fields == [["q:digit", "one"]]


@pytest.mark.parametrize(
    "fields", [None, {}, [["q:digit"]], [["q:digit", 1]], [["q", "x" * 500_001]], [["q", ""]] * 2001]
)
def test_a_draft_that_is_none_is_refused_and_nothing_is_kept(held, fields):
    with pytest.raises(Invalid) as refused:
        keep_draft(assignment=held(), fields=fields)

    assert list(refused.value.errors) == ["fields"] and not Draft.objects.exists()


def test_what_was_given_back_takes_no_draft(held):
    assignment = return_place(assignment=held(), reason="other")

    with pytest.raises(NotYours):
        keep_draft(assignment=assignment, fields=[])


def test_drafts_go_a_day_after_nothing_can_come_of_them(held):
    handed_in, open_still = held(), held()
    for assignment in (handed_in, open_still):
        keep_draft(assignment=assignment, fields=[["q:digit", "one"]])
    submit(assignment=handed_in, raw=body(digit="one"))

    assert forget_drafts(timezone.now()) == 0
    assert forget_drafts(timezone.now() + timedelta(hours=25)) == 1
    assert Draft.objects.get().assignment == open_still


# --- taking back ------------------------------------------------------------------------------------------------------


def test_an_answer_taken_back_waits_a_minute_and_stands_unchanged(held):
    assignment = held()
    submit(assignment=assignment, raw=body(digit="one"), undo=8)

    until = take_back(assignment=assignment)

    answer = Answer.objects.get()
    assert until == answer.final_at == answer.received_at + LONGEST_UNDO
    assert take_back(assignment=assignment) == until, "asked again, it is no longer"
    assert digest_due() == 0
    Answer.objects.update(final_at=timezone.now())
    assert digest_due() == 1 and Answer.objects.count() == 1


def test_what_is_final_is_not_taken_back(held):
    assignment = held()
    submit(assignment=assignment, raw=body(digit="one"), undo=0)

    with pytest.raises(AlreadyFinal):
        take_back(assignment=assignment)
    with pytest.raises(AlreadyFinal):
        take_back(assignment=held())


# --- answered without a connection ------------------------------------------------------------------------------------


@pytest.fixture
def lapsed(make_batch, make_worker):
    """A place ahead whose lease ran out; `hits` are known questions where they are `known`."""

    def make(*, known=False, **kwargs):
        batch, worker = make_batch(**kwargs), make_worker()
        place = accept_ahead(worker=worker, batch=batch)
        if known:
            mark_as_gold(hit=Hit.objects.get(pk=place.hit_id), keys={"digit": "one"})
        Assignment.objects.update(deadline=timezone.now() - timedelta(seconds=1))
        expire_due()
        assignment = Assignment.objects.select_related("batch__project__requester", "hit__data_row").get()
        assert assignment.state == "lapsed"
        return assignment

    return make


@pytest.mark.parametrize("known", [False, True])
def test_an_answer_to_a_place_that_lapsed_counts_while_the_place_is_free(lapsed, known):
    assignment = lapsed(known=known, places=2)

    receipt = submit(assignment=assignment, raw=body(digit="one"))

    assignment.refresh_from_db()
    assert receipt.is_late and receipt.has_place
    assert assignment.state == "submitted" and assignment.opened_at and not assignment.is_ahead
    assert Participation.objects.get().taken_in_all == 1
    digest_due()
    assert GoldScore.objects.count() == known
    assert broken() == []


def test_it_is_kept_where_the_place_is_taken(lapsed, make_worker):
    assignment = lapsed(places=1)
    accept(worker=make_worker(), batch=assignment.batch)

    receipt = submit(assignment=assignment, raw=body(digit="one"))

    assignment.refresh_from_db()
    assert not receipt.has_place and assignment.state == "lapsed"
    assert Answer.objects.get().digested_at is not None
    assert broken() == []


def test_what_the_page_fetched_ahead_meanwhile_does_not_stand_in_its_way(lapsed):
    assignment = lapsed(places=1)
    ahead = accept_ahead(worker=assignment.worker, batch=assignment.batch)
    assert ahead.hit_id == assignment.hit_id

    assert submit(assignment=assignment, raw=body(digit="one")).has_place
    assert Assignment.objects.get(pk=ahead.assignment_id).state == "lapsed"
    assert assignment.hit.assignments.filter(holds=True).count() == 1
    assert broken() == []


def test_nobody_has_the_same_hit_twice_by_it(lapsed):
    assignment = lapsed(places=2)
    again = accept(worker=assignment.worker, batch=assignment.batch)
    assert again.hit_id == assignment.hit_id

    assert not submit(assignment=assignment, raw=body(digit="one")).has_place
    assert broken() == []


# --- what changed in the instructions ---------------------------------------------------------------------------------


def test_only_lines_that_differ_are_shown():
    pieces = [(piece.is_new, str(piece.html)) for piece in compared("- one\n- two\n- three", "- one\n- 2\n- three")]

    assert pieces == [(False, "<ul>\n<li>two</li>\n</ul>\n"), (True, "<ul>\n<li>2</li>\n</ul>\n")]
    assert list(compared("same", "same")) == []
