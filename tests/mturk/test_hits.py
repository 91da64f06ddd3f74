"""HITs through boto3: made, found, extended, expired, moved and deleted, with their money."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from botocore.exceptions import ClientError
from django.core.management import call_command

from core import clock
from lifecycle.expire import return_place
from marketplace.models import Batch, Hit, Project
from mturk import ids, wire
from mturk.errors import RequestError
from mturk.models import HitType, MturkHit, RequestToken
from mturk.operations import BY_NAME
from mturk.questions import HTML, parse
from mturk.services import hits, tokens
from mturk.services.keys import create_access_key
from tests.mturk.conftest import QUESTION, TYPE
from tests.support.together import run_together, slowly

pytestmark = pytest.mark.django_db(transaction=True)


def code_of(refused):
    return refused.value.response["TurkErrorCode"].removeprefix("AWS.MechanicalTurk.")


def message_of(refused):
    return refused.value.response["Error"]["Message"]


def balance(client):
    found = client.get_account_balance()
    return found["AvailableBalance"], found["OnHoldBalance"]


def price(batch=None):
    return (batch or Batch.objects.get()).price / 1e6


def test_a_hit_is_as_it_was_asked_for(client, create_hit):
    hit = create_hit(MaxAssignments=3, RequesterAnnotation="row 7")

    assert hit == client.get_hit(HITId=hit["HITId"])["HIT"]
    assert hit["Question"] == QUESTION
    assert (hit["Title"], hit["Reward"], hit["RequesterAnnotation"]) == ("Read a label", "0.10", "row 7")
    assert (hit["HITStatus"], hit["HITReviewStatus"]) == ("Assignable", "NotReviewed")
    assert hit["QualificationRequirements"] == []
    assert hit["Expiration"] - hit["CreationTime"] == timedelta(hours=1)
    assert len({hit["HITId"], hit["HITTypeId"], hit["HITGroupId"]}) == 3
    assert hit["NumberOfAssignmentsAvailable"] == 3


def test_its_places_are_paid_for_when_it_is_made(client, create_hit):
    create_hit(MaxAssignments=3)

    held = 3 * price()
    assert balance(client) == (f"{100 - held:.2f}", f"{held:.2f}")


def test_without_the_money_nothing_is_stored(client, create_hit):
    with pytest.raises(client.exceptions.RequestError) as refused:
        create_hit(Reward="60.00", MaxAssignments=2, UniqueRequestToken="once")

    assert code_of(refused) == "InsufficientFunds"
    assert "This Requester has insufficient funds in their account to complete this transaction." in message_of(refused)
    assert not Hit.objects.exists() and not HitType.objects.exists() and not RequestToken.objects.exists()
    assert balance(client) == ("100.00", "0.00")


def test_the_same_seven_values_are_the_same_type(client, create_hit):
    first = client.create_hit_type(**TYPE)["HITTypeId"]

    assert client.create_hit_type(**TYPE | {"Reward": "0.1"})["HITTypeId"] == first
    assert client.create_hit_type(**TYPE | {"Title": "Another"})["HITTypeId"] != first
    assert create_hit()["HITTypeId"] == first
    made = client.create_hit_with_hit_type(HITTypeId=first, LifetimeInSeconds=60, Question=QUESTION)["HIT"]
    assert made["HITTypeId"] == first
    assert Batch.objects.get().state == "open" and Project.objects.get().name == "Read a label"


def test_another_requesters_hit_is_not_there(client_of, create_hit, make_requester):
    hit, other = create_hit(), client_of(make_requester())

    for name, members in (
        ("get_hit", {}),
        ("delete_hit", {}),
        ("update_expiration_for_hit", {"ExpireAt": 0}),
        ("update_hit_review_status", {}),
        ("create_additional_assignments_for_hit", {"NumberOfAdditionalAssignments": 1}),
        ("list_assignments_for_hit", {}),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(other, name)(HITId=hit["HITId"], **members)
        assert code_of(refused) == "HITDoesNotExist"
    with pytest.raises(ClientError) as refused:
        other.create_hit_with_hit_type(HITTypeId=hit["HITTypeId"], LifetimeInSeconds=60, Question=QUESTION)
    assert code_of(refused) == "HITTypeDoesNotExist"
    assert other.list_hits()["NumResults"] == 0


@pytest.mark.parametrize(
    ("members", "code", "named"),
    [
        ({"Question": "<a>"}, "XMLParseError", "error parsing the XML question"),
        ({"Question": "<a/>"}, "XMLParseError", "root"),
        ({"Question": QUESTION.replace("<FrameHeight>0</FrameHeight>", "")}, "XMLParseError", "FrameHeight"),
        ({"Question": QUESTION.replace("https", "ftp")}, "InvalidParameterValue", "ExternalURL"),
        ({"Question": "x" * 65_536}, "InvalidParameterValue", "65535"),
        ({"Question": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "XMLParseError", "DOCTYPE"),
        ({"LifetimeInSeconds": 29}, "ParameterOutOfRange", "LifetimeInSeconds"),
        ({"MaxAssignments": 0}, "ParameterOutOfRange", "MaxAssignments"),
        ({"AssignmentDurationInSeconds": 31_536_001}, "ParameterOutOfRange", "AssignmentDurationInSeconds"),
        ({"Title": "t" * 129}, "InvalidParameterValue", "Title"),
        ({"RequesterAnnotation": "a" * 256}, "InvalidParameterValue", "RequesterAnnotation"),
        (
            {"QualificationRequirements": [{"QualificationTypeId": "3" + "0" * 25, "Comparator": "Exists"}]},
            "QualificationTypeDoesNotExist",
            "does not exist",
        ),
        ({"HITReviewPolicy": {"PolicyName": "SimplePlurality/2011-09-01"}}, "InvalidParameterValue", "QuestionIds"),
        ({"HITReviewPolicy": {"PolicyName": "Mine"}}, "InvalidParameterValue", "HITReviewPolicy.PolicyName"),
        ({"HITLayoutId": "3" + "0" * 25}, "AWS.MissingParameters", "either Question or HITLayoutId"),
        ({"MaxAssignments": 1_000_000_000}, "InsufficientFunds", "insufficient funds"),
        ({"Reward": "9" * 30}, "ParameterOutOfRange", "Reward"),
        (
            {
                "QualificationRequirements": [
                    {
                        "QualificationTypeId": "00000000000000000040",
                        "Comparator": "GreaterThan",
                        "IntegerValues": [2**40],
                    }
                ]
            },
            "InvalidParameterValue",
            "integers",
        ),
    ],
)
def test_a_mistake_is_named_and_nothing_is_stored(client, create_hit, members, code, named):
    with pytest.raises(ClientError) as refused:
        create_hit(**members)

    assert (code_of(refused), named in message_of(refused)) == (code, True), message_of(refused)
    assert not Hit.objects.exists() and not Batch.objects.exists()


def test_a_token_makes_one_hit(client, create_hit):
    first = create_hit(UniqueRequestToken="night 7")

    with pytest.raises(ClientError) as refused:
        create_hit(UniqueRequestToken="night 7")
    assert code_of(refused).lower() == "hitalreadyexists"
    assert 'The idempotency token "night 7" has already been processed.' in message_of(refused)
    assert first["HITId"] in message_of(refused)
    assert Hit.objects.count() == 1

    RequestToken.objects.update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    create_hit(UniqueRequestToken="night 7")
    assert Hit.objects.count() == 2


def test_the_same_token_at_once_makes_one_hit(requester, monkeypatch):
    from django.db import transaction

    key, _ = create_access_key(requester=requester, by=requester.members.get())
    monkeypatch.setattr(tokens, "hold_token", slowly(tokens.hold_token))
    members = {**TYPE, "LifetimeInSeconds": 60, "Question": QUESTION, "UniqueRequestToken": "once"}

    def call():
        with transaction.atomic():
            return BY_NAME["CreateHIT"](key, members)["HIT"]["HITId"]

    made = run_together(*[partial(call)] * 8, connections=8)

    assert sorted(type(one).__name__ for one in made) == ["RequestError"] * 7 + ["str"]
    assert all("HitAlreadyExists" in one.code for one in made if isinstance(one, RequestError))
    assert Hit.objects.count() == 1


def test_pages_lose_and_repeat_nothing_while_hits_are_added(client, create_hit):
    made = [create_hit()["HITId"] for _ in range(7)]
    seen, token = [], {}
    while True:
        page = client.list_hits(MaxResults=3, **token)
        seen += [hit["HITId"] for hit in page["HITs"]]
        assert page["NumResults"] == len(page["HITs"])
        create_hit()
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert seen == made[::-1]
    with pytest.raises(ClientError):
        client.list_hits(NextToken="made up")
    with pytest.raises(ClientError):
        client.list_reviewable_hits(NextToken=token["NextToken"])


def test_the_status_follows_the_work(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=2)

    def now():
        found = client.get_hit(HITId=hit["HITId"])["HIT"]
        return (
            found["HITStatus"],
            found["NumberOfAssignmentsAvailable"],
            found["NumberOfAssignmentsPending"],
            found["NumberOfAssignmentsCompleted"],
        )

    first = work_on(hit)
    assert now() == ("Assignable", 1, 1, 0)
    work_on(hit, [("q", "a")])
    assert now() == ("Unassignable", 0, 1, 0)
    return_place(assignment=first, reason="other")
    assert now() == ("Assignable", 1, 0, 0)
    last = work_on(hit, [("q", "b")])
    assert now() == ("Reviewable", 0, 0, 0)
    client.approve_assignment(AssignmentId=ids.written(last.public_id))
    assert now() == ("Reviewable", 0, 0, 1)
    assert Hit.objects.get().state == Hit.State.RETIRED


def test_a_rejected_place_is_not_asked_for_again(client, create_hit, work_on):
    hit = create_hit(Reward="0.00")
    client.reject_assignment(AssignmentId=ids.written(work_on(hit, [("q", "a")]).public_id), RequesterFeedback="No.")

    found = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (found["HITStatus"], found["MaxAssignments"]) == ("Reviewable", 1)


def test_an_expired_hit_takes_nobody_gives_its_money_back_and_can_be_offered_again(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=2)
    before = balance(client)
    held = work_on(hit)
    client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=0)

    expired = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (expired["HITStatus"], expired["NumberOfAssignmentsAvailable"]) == ("Unassignable", 0)
    assert balance(client)[1] == f"{price():.2f}"
    assert held.state == "accepted"

    later = datetime.now(UTC) + timedelta(days=1)
    client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=later)
    found = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (found["HITStatus"], found["NumberOfAssignmentsAvailable"]) == ("Assignable", 1)
    assert abs(found["Expiration"] - later) < timedelta(seconds=2)
    assert balance(client) == before
    work_on(hit, [("q", "a")])


def test_the_sweep_ends_hits_whose_time_is_over(client, create_hit):
    hit = create_hit()
    assert hits.expire_due() == 0
    MturkHit.objects.update(expires_at=clock.now() - timedelta(seconds=1))

    assert hits.expire_due() == 1
    assert hits.expire_due() == 0
    assert Hit.objects.get().state == Hit.State.RETIRED
    assert balance(client) == ("100.00", "0.00")
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Reviewable"


def test_more_assignments_are_paid_for_and_bring_it_back(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=1)
    work_on(hit, [("q", "a")])
    held = balance(client)[1]
    about = {"HITId": hit["HITId"], "NumberOfAdditionalAssignments": 2}
    client.create_additional_assignments_for_hit(**about, UniqueRequestToken="more")

    found = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (found["HITStatus"], found["MaxAssignments"], found["NumberOfAssignmentsAvailable"]) == ("Assignable", 3, 2)
    assert balance(client)[1] == f"{float(held) + 2 * price():.2f}"
    with pytest.raises(ClientError) as refused:
        client.create_additional_assignments_for_hit(**about, UniqueRequestToken="more")
    assert code_of(refused) == "DuplicateRequest"
    with pytest.raises(ClientError) as refused:
        client.create_additional_assignments_for_hit(**about | {"NumberOfAdditionalAssignments": 7})
    assert code_of(refused) == "InvalidMaximumAssignmentsIncrease"
    with pytest.raises(ClientError) as refused:
        client.create_additional_assignments_for_hit(HITId=hit["HITId"], NumberOfAdditionalAssignments=10**9)
    assert code_of(refused) in ("ParameterOutOfRange", "InvalidMaximumAssignmentsIncrease")


def test_reviewing_is_set_and_taken_back(client, create_hit, work_on):
    hit = create_hit()
    with pytest.raises(ClientError) as refused:
        client.update_hit_review_status(HITId=hit["HITId"])
    assert code_of(refused) == "InvalidHITState"
    work_on(hit, [("q", "a")])
    assert client.list_reviewable_hits()["NumResults"] == 1

    client.update_hit_review_status(HITId=hit["HITId"])
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Reviewing"
    assert client.list_reviewable_hits()["NumResults"] == 0
    found = client.list_reviewable_hits(Status="Reviewing", HITTypeId=hit["HITTypeId"])
    assert [one["HITId"] for one in found["HITs"]] == [hit["HITId"]]
    client.update_hit_review_status(HITId=hit["HITId"], Revert=True)
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Reviewable"


def test_a_hit_is_deleted_once_all_is_decided(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=2)
    answer = work_on(hit, [("q", "a")])
    with pytest.raises(ClientError) as refused:
        client.delete_hit(HITId=hit["HITId"])
    assert code_of(refused) == "InvalidHITState"
    client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=0)
    with pytest.raises(ClientError) as refused:
        client.delete_hit(HITId=hit["HITId"])
    assert "neither approved nor rejected" in message_of(refused)
    client.approve_assignment(AssignmentId=ids.written(answer.public_id))

    found = client.delete_hit(HITId=hit["HITId"])
    assert list(found) == ["ResponseMetadata"]
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Disposed"
    assert client.list_hits()["NumResults"] == 0
    assert balance(client) == (f"{100 - price():.2f}", "0.00")
    with pytest.raises(ClientError) as refused:
        client.delete_hit(HITId=hit["HITId"])
    assert "currently in the state 'Disposed'" in message_of(refused)


def test_an_untouched_hit_moves_to_another_type_with_its_money(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=2)
    dearer = client.create_hit_type(**TYPE | {"Reward": "0.30"})["HITTypeId"]
    client.update_hit_type_of_hit(HITId=hit["HITId"], HITTypeId=dearer)

    found = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (found["HITTypeId"], found["Reward"]) == (dearer, "0.30")
    assert balance(client)[1] == f"{2 * price(Hit.objects.get().batch):.2f}"
    assert work_on(hit).reward == 300_000
    with pytest.raises(ClientError) as refused:
        client.update_hit_type_of_hit(HITId=hit["HITId"], HITTypeId=hit["HITTypeId"])
    assert code_of(refused) == "InvalidHITState"


def test_after_all_this_the_books_are_right(client, create_hit, work_on):
    first, second, third = create_hit(MaxAssignments=2), create_hit(), create_hit()
    client.approve_assignment(AssignmentId=ids.written(work_on(first, [("q", "a")]).public_id))
    client.reject_assignment(AssignmentId=ids.written(work_on(first, [("q", "b")]).public_id), RequesterFeedback="")
    client.update_expiration_for_hit(HITId=second["HITId"], ExpireAt=0)
    dearer = client.create_hit_type(**TYPE | {"Reward": "0.30"})["HITTypeId"]
    client.update_hit_type_of_hit(HITId=third["HITId"], HITTypeId=dearer)
    client.create_additional_assignments_for_hit(HITId=third["HITId"], NumberOfAdditionalAssignments=2)

    call_command("invariants")


def test_every_operation_of_the_model_is_there():
    assert set(BY_NAME) == set(wire.service().operation_names)


LAYOUT = "<p>${text}</p><form><input name='a'></form>"


def test_a_layout_makes_the_question(client, requester, make_project):
    project = make_project(requester=requester, template=LAYOUT)
    about = TYPE | {"LifetimeInSeconds": 60, "HITLayoutId": ids.written(project.public_id)}
    hit = client.create_hit(**about, HITLayoutParameters=[{"Name": "text", "Value": "<b>a ]]> b</b>"}])["HIT"]

    assert hit["HITLayoutId"] == about["HITLayoutId"]
    root = parse(hit["Question"])
    assert root.findtext(f"{HTML}HTMLContent") == "<p><b>a ]]> b</b></p><form><input name='a'></form>"
    for wrong in ([], [{"Name": "text", "Value": ""}, {"Name": "more", "Value": ""}]):
        with pytest.raises(ClientError):
            client.create_hit(**about, HITLayoutParameters=wrong)
    assert Hit.objects.count() == 1
