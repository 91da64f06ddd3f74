"""A worker asks for a qualification; the organisation grants it or says why not."""

import pytest

from core.errors import Conflict, IllegalMove, Invalid
from lifecycle.qualify import answer_request
from workers_app.models import Grant, QualificationRequest
from workers_app.services.granting import create_qualification
from workers_app.services.requesting import request_qualification, withdraw_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def qualification(make_requester):
    return create_qualification(requester=make_requester(), name="Reads Fraktur", can_request=True)


@pytest.fixture
def asked(qualification, make_worker):
    return request_qualification(worker=make_worker(), qualification=qualification, note=" I do. ")


def test_what_is_granted_is_held(asked):
    assert asked.note == "I do."

    answer_request(request=asked, is_granted=True, value=7)

    assert Grant.objects.get(worker=asked.worker).value == 7
    with pytest.raises(Conflict) as refusal:
        request_qualification(worker=asked.worker, qualification=asked.qualification)
    assert refusal.value.code == "held_already"


def test_a_refusal_says_why_and_one_may_ask_again(asked):
    with pytest.raises(Invalid):
        answer_request(request=asked, is_granted=False)
    answer_request(request=asked, is_granted=False, answer="Send a sample first.")

    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("refused", "Send a sample first.")
    assert not Grant.objects.exists()
    request_qualification(worker=asked.worker, qualification=asked.qualification)
    assert QualificationRequest.objects.filter(state="open").count() == 1


def test_it_is_asked_for_once_at_a_time(asked):
    with pytest.raises(Conflict) as refusal:
        request_qualification(worker=asked.worker, qualification=asked.qualification)

    assert refusal.value.code == "asked_already"


def test_what_was_withdrawn_is_not_granted(asked):
    withdraw_request(request=asked)

    with pytest.raises(IllegalMove):
        answer_request(request=asked, is_granted=True)

    assert not Grant.objects.exists()


def test_what_is_not_to_be_asked_for_is_not(make_requester, make_worker):
    mine = create_qualification(requester=make_requester(), name="Friends")

    with pytest.raises(Conflict) as refusal:
        request_qualification(worker=make_worker(), qualification=mine)

    assert refusal.value.code == "not_requestable"
    with pytest.raises(Invalid):
        create_qualification(requester=make_requester(), name="Mine", kind="list", can_request=True)
