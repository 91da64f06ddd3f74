"""Review policies, and events told to queues and topics: what follows from an answer, through boto3."""

import http.server
import json
import threading
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError
from django.core import mail
from django.core.management import call_command
from django.test import override_settings

from core.models import Outbox
from lifecycle.decide import approve
from lifecycle.expire import return_place
from marketplace.models import Assignment, Hit
from mturk import ids
from mturk.models import Change, ReviewEntry
from mturk.policies import Plurality, agree
from mturk.services import changes, notifications
from tests.mturk.test_hits import code_of

pytestmark = pytest.mark.django_db(transaction=True)


def known(key=None, **parameters):
    entries = [{"Key": name, "Values": values} for name, values in (key or {"q": ["a"]}).items()]
    given = [{"Key": name, "Values": [str(value)]} for name, value in parameters.items()]
    return {
        "PolicyName": "ScoreMyKnownAnswers/2011-09-01",
        "Parameters": [{"Key": "AnswerKey", "MapEntries": entries}, *given],
    }


def plurality(questions="q", threshold=50, **parameters):
    given = {"QuestionIds": questions, "QuestionAgreementThreshold": threshold, **parameters}
    return {
        "PolicyName": "SimplePlurality/2011-09-01",
        "Parameters": [{"Key": name, "Values": [str(value)]} for name, value in given.items()],
    }


@pytest.fixture
def answer(work_on):
    def do(hit, **fields):
        assignment = work_on(hit, list(fields.items()))
        while changes.act_on_changes():
            pass
        assignment.refresh_from_db()
        return assignment

    return do


def results(client, hit, level="Assignment"):
    report = client.list_review_policy_results_for_hit(HITId=hit["HITId"])[f"{level}ReviewReport"]
    return (
        [(one["Key"], one.get("QuestionId"), one["Value"]) for one in report["ReviewResults"]],
        [(one["ActionName"], one["Status"]) for one in report["ReviewActions"]],
    )


def test_known_answers_approve_and_reject(client, create_hit, answer):
    policy = known({"q": ["a"], "r": ["x", "y"]}, ApproveIfKnownAnswerScoreIsAtLeast=60, RejectReason="See the guide.")
    policy["Parameters"].append({"Key": "RejectIfKnownAnswerScoreIsLessThan", "Values": ["50"]})
    hit = create_hit(MaxAssignments=3, AssignmentReviewPolicy=policy)
    right, half, wrong = answer(hit, q=" a ", r="x"), answer(hit, q="a", r="z"), answer(hit, q="b")

    assert (right.state, half.state, wrong.state) == ("submitted", "submitted", "rejected")
    assert wrong.decision_reason == "See the guide." and wrong.decide_at is not None  # open to an appeal
    found, acted = results(client, hit)
    assert found[:3] == [("KnownAnswerCorrect", "q", "1"), ("KnownAnswerCorrect", "r", "0"),
                         ("KnownAnswerScore", None, "50")]  # fmt: skip
    assert acted == [("review", "Succeeded")] * 3 + [("reject", "Succeeded")]
    told = client.list_review_policy_results_for_hit(HITId=hit["HITId"])
    assert told["AssignmentReviewPolicy"] == {"PolicyName": "ScoreMyKnownAnswers/2011-09-01"}
    assert "HITReviewPolicy" not in told


def test_several_values_are_one_set(create_hit, answer, work_on):
    hit = create_hit(AssignmentReviewPolicy=known({"q": ["x", "y"]}, ApproveIfKnownAnswerScoreIsAtLeast=100))
    assignment = work_on(hit, [("q", "y"), ("q", "x")])
    changes.act_on_changes()

    assignment.refresh_from_db()
    assert assignment.state == "approved"


def test_a_low_score_asks_for_one_more_up_to_the_ceiling(client, create_hit, answer):
    policy = known(ExtendIfKnownAnswerScoreIsLessThan=50, ExtendMaximumAssignments=2)
    hit = create_hit(AssignmentReviewPolicy=policy)
    answer(hit, q="b")
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["MaxAssignments"] == 2
    answer(hit, q="c")

    assert client.get_hit(HITId=hit["HITId"])["HIT"]["MaxAssignments"] == 2
    assert [one for one in results(client, hit)[1] if one[0] == "extend"] == [("extend", "Succeeded")] * 2
    call_command("invariants")


def test_beyond_a_tenth_a_person_decides(create_hit, answer, work_on, monkeypatch):
    hit = create_hit(MaxAssignments=5, AssignmentReviewPolicy=known(RejectIfKnownAnswerScoreIsLessThan=50))
    monkeypatch.setattr("mturk.services.reviews.REJECTED_FROM", 2)
    approve(assignment=answer(hit, q="a"))
    first, second, third = (answer(hit, q="b") for _ in range(3))

    assert (first.state, second.state, third.state) == ("rejected", "submitted", "submitted")
    assert list(ReviewEntry.objects.filter(name="reject").order_by("pk").values_list("status", flat=True)) == [
        "Succeeded", "Intended", "Intended",
    ]  # fmt: skip


DOCUMENTED = [
    {"1": "coat", "2": "blue", "3": "large", "4": "Furry"},
    {"1": "sweater", "2": "blue", "3": "large", "4": "fur"},
    {"1": "coat", "2": "green", "3": "large", "4": "furr"},
]


def test_plurality_is_as_documented(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=3, HITReviewPolicy=plurality("1,2,3,4", ApproveIfWorkerAgreementScoreIsAtLeast=70))
    for fields in DOCUMENTED:
        work_on(hit, list(fields.items()))
        while changes.act_on_changes():
            pass

    found, acted = results(client, hit, "HIT")
    assert [value for key, _, value in found if key == "AgreedAnswerFound"] == ["true", "true", "true", "false"]
    assert [(q, value) for key, q, value in found if key == "AnswerAgreementScore"] == [
        ("1", "66"), ("2", "66"), ("3", "100"),
    ]  # fmt: skip
    assert [value for key, _, value in found if key == "WorkerAgreementScore"] == ["100", "66", "66"]
    assert [value for key, _, value in found if key == "HitAgreementScore"] == ["75"]
    assert acted == [("review", "Succeeded"), ("approve", "Succeeded")]
    assert sorted(Assignment.objects.values_list("state", flat=True)) == ["approved", "submitted", "submitted"]


def test_disagreement_asks_for_more_and_is_looked_at_again(client, create_hit, answer):
    policy = plurality(ExtendIfHITAgreementScoreIsLessThan=50, ExtendMaximumAssignments=3)
    hit = create_hit(MaxAssignments=2, HITReviewPolicy=policy)
    answer(hit, q="a")
    answer(hit, q="b")
    found = client.get_hit(HITId=hit["HITId"])["HIT"]
    assert (found["HITStatus"], found["MaxAssignments"]) == ("Assignable", 3)
    answer(hit, q="a")

    assert [value for key, _, value in results(client, hit, "HIT")[0] if key == "HitAgreementScore"] == ["0", "100"]
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Reviewable"


def test_unanimous_is_agreed_at_a_threshold_of_100_and_long_answers_are_left_out():
    same = [{"q": frozenset({"a"})}] * 2
    assert agree(Plurality(("q",), 100), same).hit_score == 100
    assert agree(Plurality(("q",), 50), [{"q": frozenset({"a" * 257})}] * 2).hit_score == 0
    assert agree(Plurality(("q",), 50), []).agreed == {}


@pytest.mark.parametrize(
    ("member", "policy"),
    [
        ("AssignmentReviewPolicy", plurality()),
        ("HITReviewPolicy", known()),
        ("AssignmentReviewPolicy", known(ApproveIfKnownAnswerScoreIsAtLeast=102)),
        ("AssignmentReviewPolicy", known(Unknown=1)),
        ("AssignmentReviewPolicy", {"PolicyName": "ScoreMyKnownAnswers/2011-09-01"}),
        ("HITReviewPolicy", plurality(ExtendIfHITAgreementScoreIsLessThan=50)),
        ("HITReviewPolicy", plurality(threshold="most")),
    ],
)
def test_a_policy_that_is_none_is_refused(create_hit, member, policy):
    with pytest.raises(ClientError) as refused:
        create_hit(**{member: policy})
    assert code_of(refused) == "InvalidParameterValue"
    assert not Hit.objects.exists()


def test_results_come_in_pages_and_by_level(client, create_hit, answer):
    hit = create_hit(MaxAssignments=2, AssignmentReviewPolicy=known(), HITReviewPolicy=plurality())
    answer(hit, q="a")
    answer(hit, q="a")
    seen, token = 0, {}
    while True:
        page = client.list_review_policy_results_for_hit(HITId=hit["HITId"], MaxResults=3, **token)
        seen += sum(len(page[f"{level}ReviewReport"][part]) for level in ("Assignment", "HIT")
                    for part in ("ReviewResults", "ReviewActions"))  # fmt: skip
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == ReviewEntry.objects.count() == 17
    only = client.list_review_policy_results_for_hit(HITId=hit["HITId"], PolicyLevels=["HIT"], RetrieveActions=False)
    assert "AssignmentReviewReport" not in only and only["HITReviewReport"]["ReviewActions"] == []


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver():
    """A queue of ten lines: what was posted to it, and its address."""
    got = []

    class Receive(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    with override_settings(OUTBOUND_ALLOWED=[address]):
        yield got, f"http://{address}/queue"
    server.shutdown()
    server.server_close()


ALL = ["AssignmentAccepted", "AssignmentReturned", "AssignmentSubmitted", "AssignmentApproved", "HITCreated",
       "HITReviewable", "HITExtended", "HITExpired", "HITDisposed"]  # fmt: skip


def spec(destination, transport="SQS", events=ALL):
    return {"Destination": destination, "Transport": transport, "Version": "2014-08-15", "EventTypes": events}


def test_events_reach_the_queue(client, create_hit, work_on, receiver):
    got, address = receiver
    hit = create_hit(MaxAssignments=1)
    client.update_notification_settings(HITTypeId=hit["HITTypeId"], Notification=spec(address), Active=True)
    return_place(assignment=work_on(hit), reason="other")
    name = ids.written(work_on(hit, [("q", "a")]).public_id)
    while changes.act_on_changes():
        pass
    client.approve_assignment(AssignmentId=name)
    client.delete_hit(HITId=hit["HITId"])
    while changes.act_on_changes() or notifications.deliver_due():
        pass

    documents = [json.loads(parse_qs(body)["MessageBody"][0]) for body in got]
    events = [event for document in documents for event in document["Events"]]
    assert sorted(event["EventType"] for event in events) == sorted(
        ["AssignmentAccepted"] * 2
        + ["AssignmentReturned", "AssignmentSubmitted", "HITReviewable", "AssignmentApproved", "HITDisposed"]
    )
    assert {event["HITId"] for event in events} == {hit["HITId"]}
    assert [event["AssignmentId"] for event in events if event["EventType"] == "AssignmentApproved"] == [name]
    assert {document["EventDocVersion"] for document in documents} == {"2014-08-15"}
    assert not Change.objects.exists()


def test_switched_off_nothing_is_told(client, create_hit, work_on, receiver):
    hit = create_hit()
    with pytest.raises(ClientError):
        client.update_notification_settings(HITTypeId=hit["HITTypeId"], Active=True)
    client.update_notification_settings(HITTypeId=hit["HITTypeId"], Notification=spec(receiver[1]))
    client.update_notification_settings(HITTypeId=hit["HITTypeId"], Active=False)
    work_on(hit, [("q", "a")])
    while changes.act_on_changes():
        pass

    assert not Outbox.objects.filter(kind="mturk").exists()


def test_a_test_event_is_sent_at_once_by_every_transport(client, receiver):
    got, address = receiver
    client.send_test_event_notification(Notification=spec(address, events=[]), TestEventType="Ping")
    with override_settings(MTURK_TOPICS={"arn:aws:sns:us-east-1:1:a": address}):
        topic = spec("arn:aws:sns:us-east-1:1:a", "SNS")
        client.send_test_event_notification(Notification=topic, TestEventType="HITExpired")
        client.send_test_event_notification(
            Notification=spec("me@example.org", "Email"), TestEventType="AssignmentAccepted"
        )
        while notifications.deliver_due():
            pass

    bodies = [json.loads(body) for body in got if body.startswith("{")]
    assert [(one["Type"], one["TopicArn"]) for one in bodies] == [("Notification", "arn:aws:sns:us-east-1:1:a")]
    assert json.loads(bodies[0]["Message"])["Events"][0]["EventType"] == "HITExpired"
    assert "Ping" in next(body for body in got if not body.startswith("{"))
    assert [message.to for message in mail.outbox] == [["me@example.org"]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Destination": "https://127.0.0.1/"}, "InvalidTransportEndpoint"),
        ({"Destination": "arn:aws:sns:us-east-1:1:b", "Transport": "SNS"}, "InvalidTransportEndpoint"),
        ({"Destination": "nobody", "Transport": "Email"}, "InvalidTransportEndpoint"),
        ({"Version": "2001-01-01"}, "InvalidParameterValue"),
        ({"EventTypes": ["Ping"]}, "InvalidParameterValue"),
    ],
)
def test_a_destination_that_leads_nowhere_is_refused(client, create_hit, wrong, code):
    hit = create_hit()
    with pytest.raises(ClientError) as refused:
        client.update_notification_settings(
            HITTypeId=hit["HITTypeId"], Notification=spec("https://queue.example.org/1") | wrong
        )
    assert code_of(refused) == code
