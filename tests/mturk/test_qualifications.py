"""Qualifications through boto3: made, asked for, tested, granted, taken back; and who they let in."""

import time
from datetime import timedelta
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from core import clock
from core.errors import Conflict
from lifecycle import qualify
from lifecycle.accept import accept_named
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Hit
from mturk import people
from mturk.services import qualifications
from tests.mturk.test_hits import code_of, message_of
from tests.mturk.test_questions import FORM, KEY, TEXT
from workers_app.models import Grant, Qualification, QualificationRequest

pytestmark = pytest.mark.django_db(transaction=True)

ABOUT = {"Name": "Reads Fraktur", "Description": "Old German print.", "QualificationTypeStatus": "Active"}
TEST = {"Test": FORM.format(more=""), "TestDurationInSeconds": 600}
SCORED = TEST | {"AnswerKey": KEY.format(mapping="")}


@pytest.fixture
def create_type(client):
    def make(**members):
        return client.create_qualification_type(**ABOUT | members)["QualificationType"]

    return make


@pytest.fixture
def row_of():
    def find(told):
        return Qualification.objects.get(name=told["Name"])

    return find


@pytest.fixture
def known(requester, make_worker):
    """A worker and the id under which the requester knows them."""

    def make(**fields):
        worker = make_worker(**fields)
        return worker, people.worker_ids(requester, [worker.pk])[worker.pk]

    return make


def refused_with(act, **members):
    with pytest.raises(ClientError) as refused:
        act(**members)
    return code_of(refused), message_of(refused)


def test_a_type_is_as_it_was_made(client, create_type):
    made = create_type(Keywords="print, old", RetryDelayInSeconds=60, **SCORED)

    assert made == client.get_qualification_type(QualificationTypeId=made["QualificationTypeId"])["QualificationType"]
    assert (made["Name"], made["Keywords"], made["RetryDelayInSeconds"]) == ("Reads Fraktur", "print, old", 60)
    assert (made["IsRequestable"], made["AutoGranted"], made["QualificationTypeStatus"]) == (True, False, "Active")
    assert (made["Test"], made["AnswerKey"]) == (SCORED["Test"], SCORED["AnswerKey"])


def test_a_name_is_taken_once_and_free_again_after_deletion(client, create_type, client_of, make_requester):
    made = create_type()
    code, message = refused_with(client.create_qualification_type, **ABOUT)
    assert code == "QualificationTypeAlreadyExists"
    assert message.startswith("You have already created a QualificationType with this name.")
    client_of(make_requester()).create_qualification_type(**ABOUT)

    client.delete_qualification_type(QualificationTypeId=made["QualificationTypeId"])
    for act in (client.get_qualification_type, client.delete_qualification_type):
        assert refused_with(act, QualificationTypeId=made["QualificationTypeId"])[0] == "QualificationTypeDoesNotExist"
    assert create_type()["QualificationTypeId"] != made["QualificationTypeId"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Test": "<a>", "TestDurationInSeconds": 60}, "XMLParseError"),
        ({"Test": TEST["Test"]}, "AWS.MissingParameters"),
        ({"AnswerKey": SCORED["AnswerKey"]}, "InvalidParameterValue"),
        ({**TEST, "AutoGranted": True}, "InvalidParameterValue"),
        ({**SCORED, "Test": FORM.format(more=TEXT)}, "InvalidParameterValue"),
        ({"Description": "d" * 2001}, "InvalidParameterValue"),
        ({"RetryDelayInSeconds": -1}, "ParameterOutOfRange"),
    ],
)
def test_a_mistake_makes_no_type(client, members, code):
    assert refused_with(client.create_qualification_type, **ABOUT | members)[0] == code
    assert not Qualification.objects.exists()


def test_a_new_test_drops_the_key_and_a_test_stays(client, create_type):
    name = {"QualificationTypeId": create_type(**SCORED)["QualificationTypeId"]}
    changed = client.update_qualification_type(**name, Description="Another.")["QualificationType"]
    assert (changed["Description"], "AnswerKey" in changed) == ("Another.", True)
    changed = client.update_qualification_type(**name, **TEST)["QualificationType"]
    assert "Test" in changed and "AnswerKey" not in changed
    assert refused_with(client.update_qualification_type, **name, AutoGranted=True)[0] == "InvalidParameterValue"
    changed = client.update_qualification_type(**name, QualificationTypeStatus="Inactive")["QualificationType"]
    assert (changed["QualificationTypeStatus"], changed["IsRequestable"]) == ("Inactive", False)


def test_types_are_found_by_their_name_first(client, create_type, client_of, make_requester):
    for number in range(12):
        create_type(Name=f"reads fraktur {number}")
    create_type()
    other = client_of(make_requester())
    pages = other.get_paginator("list_qualification_types").paginate(
        MustBeRequestable=True, Query="READS FRAKTUR", PaginationConfig={"PageSize": 5}
    )
    found = [one["Name"] for page in pages for one in page["QualificationTypes"]]
    assert found == ["Reads Fraktur", *(f"reads fraktur {number}" for number in range(12))]
    assert other.list_qualification_types(MustBeRequestable=False, MustBeOwnedByCaller=True)["NumResults"] == 0
    everything = client.list_qualification_types(MustBeRequestable=False, Query="worker_locale")
    assert [one["QualificationTypeId"] for one in everything["QualificationTypes"]] == ["00000000000000000071"]


def test_another_requesters_type_can_be_read_and_nothing_else(client_of, create_type, make_requester):
    made, other = create_type(**SCORED), client_of(make_requester())
    name = {"QualificationTypeId": made["QualificationTypeId"]}

    assert "AnswerKey" not in other.get_qualification_type(**name)["QualificationType"]
    worker = {"WorkerId": "A" + "2" * 13}
    for act, members in (
        (other.delete_qualification_type, {}),
        (other.update_qualification_type, {"Description": "Mine"}),
        (other.associate_qualification_with_worker, worker),
        (other.disassociate_qualification_from_worker, worker),
        (other.get_qualification_score, worker),
        (other.list_workers_with_qualification_type, {}),
        (other.list_qualification_requests, {}),
    ):
        assert refused_with(act, **name, **members)[0] == "QualificationTypeDoesNotExist"


def test_a_grant_is_told_until_it_is_taken_back_and_after(client, create_type, known):
    _, worker = known()
    about = {"QualificationTypeId": create_type()["QualificationTypeId"], "WorkerId": worker}
    code, message = refused_with(client.get_qualification_score, **about)
    assert (code, "does not exist" in message) == ("QualificationDoesNotExist", True)

    client.associate_qualification_with_worker(**about, IntegerValue=7)
    client.associate_qualification_with_worker(**about, IntegerValue=8, SendNotification=False)
    held = client.get_qualification_score(**about)["Qualification"]
    assert (held["IntegerValue"], held["Status"]) == (8, "Granted")

    client.disassociate_qualification_from_worker(**about, Reason="")
    for act in (client.get_qualification_score, client.disassociate_qualification_from_worker):
        code, message = refused_with(act, **about)
        assert code == "InvalidQualificationState"
        assert "This operation can be called with a status of: Granted" in message
    client.associate_qualification_with_worker(**about)
    assert "IntegerValue" not in client.get_qualification_score(**about)["Qualification"]


def test_workers_are_listed_by_status_in_pages(client, create_type, known):
    name = {"QualificationTypeId": create_type()["QualificationTypeId"]}
    workers = [known()[1] for _ in range(5)]
    for value, worker in enumerate(workers):
        client.associate_qualification_with_worker(**name, WorkerId=worker, IntegerValue=value)
    client.disassociate_qualification_from_worker(**name, WorkerId=workers[2])

    def listed(**members):
        pages = client.get_paginator("list_workers_with_qualification_type").paginate(
            **name, **members, PaginationConfig={"PageSize": 2}
        )
        return [(one["WorkerId"], one["Status"]) for page in pages for one in page["Qualifications"]]

    assert [worker for worker, _ in listed()] == workers
    assert listed(Status="Revoked") == [(workers[2], "Revoked")]
    assert [worker for worker, _ in listed(Status="Granted")] == workers[:2] + workers[3:]


def test_whoever_asks_for_an_automatic_one_has_it(client, create_type, row_of, known):
    worker, name = known()
    made = create_type(AutoGranted=True, AutoGrantedValue=3)
    qualifications.ask(worker=worker, qualification=row_of(made))

    held = client.get_qualification_score(QualificationTypeId=made["QualificationTypeId"], WorkerId=name)
    assert held["Qualification"]["IntegerValue"] == 3
    assert client.list_qualification_requests()["NumResults"] == 0


def test_a_keyed_test_is_scored_at_once_and_taken_again_after_the_delay(client, create_type, row_of, known):
    worker, name = known()
    made = create_type(**SCORED, RetryDelayInSeconds=60)
    about = {"QualificationTypeId": made["QualificationTypeId"], "WorkerId": name}
    qualifications.ask(worker=worker, qualification=row_of(made), fields=[("sky", "red")])
    assert client.get_qualification_score(**about)["Qualification"]["IntegerValue"] == -1

    again = {"worker": worker, "qualification": row_of(made), "fields": [("sky", "blue"), ("sky", "grey")]}
    with pytest.raises(Conflict):
        qualifications.ask(**again)
    QualificationRequest.objects.update(created_at=clock.now() - timedelta(seconds=61))
    qualifications.ask(**again)
    assert client.get_qualification_score(**about)["Qualification"]["IntegerValue"] == 8


def test_a_worker_takes_a_test_on_its_page(client, create_type, row_of, known):
    worker, name = known()
    made = create_type(**SCORED)
    browser, address = Client(), f"/me/tests/{row_of(made).public_id}/"
    browser.force_login(worker.user)
    assert address in browser.get("/me/tests/").content.decode()
    began = browser.get(address).context["began"]

    refused = browser.post(address, {"_began": began, "sky": "green"})
    assert refused.status_code == 400 and "Choose among what is offered." in refused.content.decode()
    with mock.patch("django.core.signing.time.time", return_value=time.time() + 601):
        assert browser.post(address, {"_began": began, "sky": "blue"}).url == "/me/tests/"
    assert not QualificationRequest.objects.exists()
    assert browser.post(address, {"_began": began, "sky": ["blue", "grey"]}).url == "/me/qualifications/"

    held = client.get_qualification_score(QualificationTypeId=made["QualificationTypeId"], WorkerId=name)
    assert held["Qualification"]["IntegerValue"] == 8
    client.update_qualification_type(
        QualificationTypeId=made["QualificationTypeId"], QualificationTypeStatus="Inactive"
    )
    assert browser.get(address).status_code == 404


def test_without_a_delay_it_can_be_asked_for_once(create_type, row_of, known):
    worker, _ = known()
    row = row_of(create_type())
    qualify.answer_request(request=qualify.ask(worker=worker, qualification=row), is_granted=False, answer="No.")

    with pytest.raises(Conflict) as refused:
        qualify.ask(worker=worker, qualification=row)
    assert refused.value.code == "asked_once"


def test_other_requests_wait_for_the_requester(client, create_type, row_of, known):
    first, second = known(), known()
    made = create_type(**TEST)
    for worker, _ in (first, second):
        qualifications.ask(worker=worker, qualification=row_of(made), fields=[("sky", "blue")])

    one, two = client.list_qualification_requests()["QualificationRequests"]
    assert (one["WorkerId"], one["Test"]) == (first[1], TEST["Test"])
    assert "<SelectionIdentifier>blue</SelectionIdentifier>" in one["Answer"]
    client.accept_qualification_request(QualificationRequestId=one["QualificationRequestId"], IntegerValue=9)
    client.reject_qualification_request(QualificationRequestId=two["QualificationRequestId"])

    assert client.list_qualification_requests(QualificationTypeId=made["QualificationTypeId"])["NumResults"] == 0
    assert Grant.objects.get().value == 9
    assert {row.state for row in QualificationRequest.objects.all()} == {"granted", "refused"}
    for act in (client.accept_qualification_request, client.reject_qualification_request):
        code, _ = refused_with(act, QualificationRequestId=one["QualificationRequestId"])
        assert code == "InvalidQualificationRequestState"
        assert refused_with(act, QualificationRequestId="3" * 26)[0] == "QualificationRequestDoesNotExist"


def test_deleting_a_type_refuses_who_waits_and_ends_its_use(client, create_type, create_hit, row_of, known):
    made = create_type()
    qualify.ask(worker=known()[0], qualification=row_of(made))
    requirement = {"QualificationTypeId": made["QualificationTypeId"], "Comparator": "Exists"}
    hit = create_hit(QualificationRequirements=[requirement])
    named = client.list_hits_for_qualification_type(QualificationTypeId=made["QualificationTypeId"])
    assert [one["HITId"] for one in named["HITs"]] == [hit["HITId"]]
    client.delete_qualification_type(QualificationTypeId=made["QualificationTypeId"])

    assert QualificationRequest.objects.get().state == "refused"
    assert refused_with(create_hit, QualificationRequirements=[requirement], Title="New")[0] == (
        "QualificationTypeDoesNotExist"
    )


@pytest.mark.parametrize(
    ("comparator", "values", "let_in"),
    [
        ("Exists", {}, {"none", "five"}),
        ("DoesNotExist", {}, {"without"}),
        ("EqualTo", {"IntegerValues": [5]}, {"five"}),
        ("NotEqualTo", {"IntegerValues": [4]}, {"five"}),
        ("In", {"IntegerValues": [4, 5]}, {"five"}),
        ("NotIn", {"IntegerValues": [5]}, set()),
        ("GreaterThanOrEqualTo", {"IntegerValues": [5]}, {"five"}),
        ("LessThan", {"IntegerValues": [5]}, set()),
    ],
)
def test_a_comparator_lets_in_whom_it_names(client, create_type, create_hit, known, comparator, values, let_in):
    name = create_type()["QualificationTypeId"]
    people_of = {"without": known(), "none": known(), "five": known()}
    client.associate_qualification_with_worker(QualificationTypeId=name, WorkerId=people_of["none"][1])
    client.associate_qualification_with_worker(QualificationTypeId=name, WorkerId=people_of["five"][1], IntegerValue=5)
    requirement = {"QualificationTypeId": name, "Comparator": comparator, **values}
    create_hit(MaxAssignments=3, QualificationRequirements=[requirement])

    assert {who for who, (worker, _) in people_of.items() if takes(worker)} == let_in


def takes(worker):
    try:
        accept_named(worker=worker, hit=Hit.objects.get())
    except NotEligible:
        return False
    return True


LOCALE = "00000000000000000071"


@pytest.mark.parametrize(
    ("comparator", "locales", "let_in"),
    [
        ("EqualTo", [{"Country": "US"}], {"CA", "NY"}),
        ("EqualTo", [{"Country": "US", "Subdivision": "CA"}], {"CA"}),
        ("NotEqualTo", [{"Country": "US", "Subdivision": "CA"}], {"NY", "IN"}),
        ("In", [{"Country": "IN"}, {"Country": "US", "Subdivision": "NY"}], {"NY", "IN"}),
    ],
)
def test_a_locale_is_a_country_or_a_part_of_it(create_hit, make_worker, comparator, locales, let_in):
    workers = {
        "CA": make_worker(country="US", subdivision="CA"),
        "NY": make_worker(country="US", subdivision="NY"),
        "IN": make_worker(country="IN"),
        "nowhere": make_worker(),
    }
    requirement = {"QualificationTypeId": LOCALE, "Comparator": comparator, "LocaleValues": locales}
    create_hit(MaxAssignments=4, QualificationRequirements=[requirement])

    assert {name for name, worker in workers.items() if takes(worker)} == let_in


@pytest.mark.parametrize(
    ("type_id", "value", "let_in"),
    [
        ("000000000000000000L0", 95, True),  # fewer than 100 answers: 100
        ("00000000000000000040", 1, True),
        ("00000000000000000040", 2, False),
        ("00000000000000000060", 1, False),
    ],
)
def test_the_systems_qualifications_are_reckoned(client, create_hit, work_on, make_worker, type_id, value, let_in):
    worker = make_worker()
    work_on(create_hit(Title="Before"), [("q", "a")], worker)
    Assignment.objects.update(state="approved", decided_at=clock.now())
    Hit.objects.update(state=Hit.State.CANCELLED)
    asked = {"QualificationTypeId": type_id, "Comparator": "GreaterThanOrEqualTo", "IntegerValues": [value]}
    hit = create_hit(QualificationRequirements=[asked])
    told = client.get_qualification_type(QualificationTypeId=type_id)["QualificationType"]

    assert (told["QualificationTypeId"], told["IsRequestable"]) == (type_id, False)
    assert hit["QualificationRequirements"] == [asked | {"ActionsGuarded": "Accept"}]
    if let_in:
        work_on(hit, worker=worker)
    else:
        with pytest.raises(NotEligible):
            work_on(hit, worker=worker)


@pytest.mark.parametrize(
    "requirement",
    [
        {"QualificationTypeId": LOCALE, "Comparator": "EqualTo", "IntegerValues": [1]},
        {"QualificationTypeId": LOCALE, "Comparator": "LessThan", "LocaleValues": [{"Country": "US"}]},
        {"QualificationTypeId": "00000000000000000040", "Comparator": "Exists", "IntegerValues": [1]},
        {"QualificationTypeId": "00000000000000000040", "Comparator": "In", "IntegerValues": list(range(16))},
        {"QualificationTypeId": "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH", "Comparator": "EqualTo", "IntegerValues": [1]},
    ],
)
def test_a_requirement_that_makes_no_sense_is_refused(create_hit, requirement):
    assert refused_with(create_hit, QualificationRequirements=[requirement])[0] == "InvalidParameterValue"
