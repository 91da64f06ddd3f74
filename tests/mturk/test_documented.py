"""What the API's documentation says in passing, each point through boto3."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from core import clock
from lifecycle.accept import accept_ahead, open_accepted, preview
from lifecycle.clock import STEPS
from lifecycle.digest import digest_due
from lifecycle.expire import return_place
from lifecycle.submit import submit
from marketplace.models import Assignment, Batch
from mturk import answers, ids
from mturk.models import Change, MturkHit
from mturk.services import changes
from mturk.services.watching import watch_type
from tests.mturk.conftest import QUESTION, TYPE
from tests.mturk.test_hits import code_of, message_of

pytestmark = pytest.mark.django_db(transaction=True)


def sweep():
    for name, step, _seconds in STEPS:
        if name in ("digest", "decide", "expire", "mturk expiry"):
            step()


@pytest.fixture
def counts_of(client):
    def told(hit):
        now = client.get_hit(HITId=hit["HITId"])["HIT"]
        numbers = [now[f"NumberOfAssignments{name}"] for name in ("Available", "Pending", "Completed")]
        return now["HITStatus"], *numbers

    return told


# --- places that nobody has accepted ----------------------------------------------------------------------------------


def test_previews_are_not_counted(create_hit, counts_of, make_worker, client):
    hit = create_hit(MaxAssignments=2)
    worker, batch = make_worker(), Batch.objects.get()

    looked_at = preview(worker=worker, batch=batch)
    assert counts_of(hit) == ("Assignable", 2, 0, 0)
    open_accepted(assignment=looked_at)
    assert counts_of(hit) == ("Assignable", 1, 1, 0)
    accept_ahead(worker=make_worker(), batch=batch)
    assert counts_of(hit) == ("Assignable", 1, 1, 0)
    with pytest.raises(ClientError) as refused:
        client.delete_hit(HITId=hit["HITId"])
    assert code_of(refused) == "InvalidHITState"
    client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=0)
    assert counts_of(hit) == ("Unassignable", 0, 2, 0)


def test_the_deadline_runs_from_the_moment_of_accepting(create_hit, make_worker, client):
    hit = create_hit()
    place = preview(worker=make_worker(), batch=Batch.objects.get())
    Assignment.objects.filter(pk=place.pk).update(accepted_at=clock.now() - timedelta(seconds=90))
    place = open_accepted(assignment=place)
    submit(assignment=place, raw=answers.body_of([("q", "a")]))
    digest_due()

    told = client.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"][0]

    assert told["Deadline"] - told["AcceptTime"] == timedelta(seconds=TYPE["AssignmentDurationInSeconds"])


def test_a_look_is_no_event(create_hit, make_worker):
    create_hit()
    watch_type(MturkHit.objects.get().hit_type)
    worker, batch = make_worker(), Batch.objects.get()

    return_place(assignment=preview(worker=worker, batch=batch), reason="other")
    assert {changes._event(change) for change in Change.objects.all()} <= {None}
    Change.objects.all().delete()
    open_accepted(assignment=preview(worker=make_worker(), batch=batch))
    assert [changes._event(change) for change in Change.objects.all()] == ["AssignmentAccepted"]


# --- decisions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def answered(create_hit, work_on):
    return work_on(create_hit(AutoApprovalDelayInSeconds=600), [("q", "a")])


@pytest.fixture
def told_of(client):
    return lambda assignment: client.get_assignment(AssignmentId=ids.written(assignment.public_id))["Assignment"]


def test_silence_approves_at_its_time(answered, told_of):
    Assignment.objects.filter(pk=answered.pk).update(
        submitted_at=clock.now() - timedelta(hours=1), decide_at=clock.now() - timedelta(minutes=50)
    )
    sweep()

    told = told_of(answered)

    assert told["AssignmentStatus"] == "Approved"
    assert told["ApprovalTime"] == told["AutoApprovalTime"] == told["SubmitTime"] + timedelta(minutes=10)
    assert "RequesterFeedback" not in told and "RejectionTime" not in told


def test_without_a_delay_it_is_approved_as_soon_as_it_is_submitted(create_hit, work_on, told_of):
    given = work_on(create_hit(AutoApprovalDelayInSeconds=0), [("q", "a")])
    sweep()

    assert told_of(given)["ApprovalTime"] == told_of(given)["SubmitTime"]


def test_a_rejection_stays_when_the_time_for_silence_is_over(client, answered, told_of):
    client.reject_assignment(AssignmentId=ids.written(answered.public_id), RequesterFeedback="")
    Assignment.objects.filter(pk=answered.pk).update(submitted_at=clock.now() - timedelta(hours=1))
    sweep()

    told = told_of(answered)
    assert told["AssignmentStatus"] == "Rejected" and told["RequesterFeedback"] == "" and "ApprovalTime" not in told


@pytest.mark.parametrize(("said", "told"), [({}, "Not this."), ({"RequesterFeedback": "It is."}, "It is.")])
def test_an_override_drops_the_rejection_and_tells_the_feedback_given_last(client, answered, told_of, said, told):
    name = ids.written(answered.public_id)
    client.reject_assignment(AssignmentId=name, RequesterFeedback="Not this.")
    for override in ({}, {"OverrideRejection": False}):
        with pytest.raises(ClientError) as refused:
            client.approve_assignment(AssignmentId=name, **override)
        assert code_of(refused) == "InvalidAssignmentState"
    assert client.approve_assignment(AssignmentId=name, OverrideRejection=True, **said).keys() == {"ResponseMetadata"}

    now = told_of(answered)

    assert (now["AssignmentStatus"], now["RequesterFeedback"]) == ("Approved", told)
    assert "RejectionTime" not in now and now["ApprovalTime"] > now["SubmitTime"]
    with pytest.raises(ClientError) as refused:
        client.approve_assignment(AssignmentId=name, OverrideRejection=True)
    assert "This operation can be called with a status of: Submitted" in message_of(refused)


def test_a_rejection_is_overridden_for_thirty_days_after_the_submission(client, answered):
    name = ids.written(answered.public_id)
    client.reject_assignment(AssignmentId=name, RequesterFeedback="No.")
    Assignment.objects.filter(pk=answered.pk).update(submitted_at=clock.now() - timedelta(days=30, seconds=1))
    with pytest.raises(ClientError) as refused:
        client.approve_assignment(AssignmentId=name, OverrideRejection=True)
    assert code_of(refused) == "InvalidAssignmentState"
    Assignment.objects.filter(pk=answered.pk).update(submitted_at=clock.now() - timedelta(days=29))
    client.approve_assignment(AssignmentId=name, OverrideRejection=True)


# --- HITs -------------------------------------------------------------------------------------------------------------


def test_a_deleted_qualification_ends_the_types_that_ask_for_it(client, create_hit):
    made = client.create_qualification_type(Name="Reads", Description="d", QualificationTypeStatus="Active")
    skill = made["QualificationType"]["QualificationTypeId"]
    hit = create_hit(QualificationRequirements=[{"QualificationTypeId": skill, "Comparator": "Exists"}])
    other = create_hit(Title="Another")
    client.delete_qualification_type(QualificationTypeId=skill)

    for call in (
        lambda: client.create_hit_with_hit_type(HITTypeId=hit["HITTypeId"], LifetimeInSeconds=60, Question=QUESTION),
        lambda: client.update_hit_type_of_hit(HITId=other["HITId"], HITTypeId=hit["HITTypeId"]),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_of(refused) == "QualificationTypeDoesNotExist"
    # HITs that are there stay, and are found by it.
    found = client.list_hits_for_qualification_type(QualificationTypeId=skill)["HITs"]
    assert [one["HITId"] for one in found] == [hit["HITId"]]


def test_the_same_expiry_twice_is_no_mistake(client, create_hit, counts_of):
    hit = create_hit()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    for at in (later, later, 0, datetime(2015, 1, 1, tzinfo=UTC), 0, later):
        client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=at)
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["Expiration"] == later
    assert counts_of(hit) == ("Assignable", 1, 0, 0)


def test_what_becomes_reviewable_again_is_announced_again(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=2)
    row = MturkHit.objects.get()
    MturkHit.objects.filter(pk=row.pk).update(expires_at=clock.now(), is_announced=True)  # the sweep is late

    client.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=datetime.now(UTC) + timedelta(hours=1))

    assert not MturkHit.objects.get().is_announced


def test_fewer_than_ten_never_become_ten(client, create_hit):
    for made, more, is_taken in ((9, 1, False), (1, 9, False), (1, 8, True), (10, 5, True), (8, 1_000_000_000, False)):
        hit = create_hit(MaxAssignments=made, Reward="0.01")
        call = {"HITId": hit["HITId"], "NumberOfAdditionalAssignments": more}
        if is_taken:
            client.create_additional_assignments_for_hit(**call)
            assert client.get_hit(HITId=hit["HITId"])["HIT"]["MaxAssignments"] == made + more
            continue
        with pytest.raises(ClientError) as refused:
            client.create_additional_assignments_for_hit(**call)
        assert code_of(refused) == "InvalidMaximumAssignmentsIncrease"


def test_tokens_of_other_operations(client, create_hit, answered):
    hit = create_hit()
    client.create_additional_assignments_for_hit(
        HITId=hit["HITId"], NumberOfAdditionalAssignments=1, UniqueRequestToken="t"
    )
    bonus = {"AssignmentId": ids.written(answered.public_id), "BonusAmount": "0.05", "Reason": "Thanks."}
    bonus["WorkerId"] = client.get_assignment(AssignmentId=bonus["AssignmentId"])["Assignment"]["WorkerId"]
    client.send_bonus(**bonus, UniqueRequestToken="t")  # each operation has tokens of its own
    create_hit(UniqueRequestToken="t")

    for call in (
        lambda: client.create_additional_assignments_for_hit(
            HITId=hit["HITId"], NumberOfAdditionalAssignments=1, UniqueRequestToken="t"
        ),
        lambda: client.send_bonus(**bonus, UniqueRequestToken="t"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_of(refused) == "DuplicateRequest"
        assert 'The idempotency token "t" has already been processed.' in message_of(refused)
    assert client.get_hit(HITId=hit["HITId"])["HIT"]["MaxAssignments"] == 2
    assert len(client.list_bonus_payments(AssignmentId=bonus["AssignmentId"])["BonusPayments"]) == 1


# --- of every operation -----------------------------------------------------------------------------------------------

#: What names nothing of the caller's, by what it would name.
NOWHERE = {"HIT": "3" + "0" * 25, "Assignment": "3AAA", "HITType": "30", "QualificationType": "3" + "Z" * 29}
NOTICE = {"Destination": "a@example.org", "Transport": "Email", "Version": "2006-05-05", "EventTypes": ["HITCreated"]}
#: Operation, what it names, its other members.
NAMING = [
    ("get_hit", "HIT", {}),
    ("update_expiration_for_hit", "HIT", {"ExpireAt": 0}),
    ("update_hit_review_status", "HIT", {}),
    ("create_additional_assignments_for_hit", "HIT", {"NumberOfAdditionalAssignments": 1}),
    ("delete_hit", "HIT", {}),
    ("list_review_policy_results_for_hit", "HIT", {}),
    ("list_assignments_for_hit", "HIT", {}),
    ("list_bonus_payments", "HIT", {}),
    ("create_hit_with_hit_type", "HITType", {"LifetimeInSeconds": 60, "Question": QUESTION}),
    ("list_reviewable_hits", "HITType", {}),
    ("update_notification_settings", "HITType", {"Notification": NOTICE}),
    ("get_assignment", "Assignment", {}),
    ("approve_assignment", "Assignment", {}),
    ("reject_assignment", "Assignment", {"RequesterFeedback": ""}),
    ("get_file_upload_url", "Assignment", {"QuestionIdentifier": "q"}),
    ("list_bonus_payments", "Assignment", {}),
    ("send_bonus", "Assignment", {"BonusAmount": "1", "Reason": "r", "WorkerId": "A2"}),
    ("update_qualification_type", "QualificationType", {"Description": "d"}),
    ("delete_qualification_type", "QualificationType", {}),
    ("list_workers_with_qualification_type", "QualificationType", {}),
    ("list_qualification_requests", "QualificationType", {}),
    ("get_qualification_score", "QualificationType", {"WorkerId": "A2"}),
    ("associate_qualification_with_worker", "QualificationType", {"WorkerId": "A2"}),
    ("disassociate_qualification_from_worker", "QualificationType", {"WorkerId": "A2"}),
]


def test_what_is_not_there_and_what_is_anothers_are_the_same_to_every_operation(
    client, client_of, answered, make_requester
):
    hit = MturkHit.objects.get()
    made = client.create_qualification_type(Name="Own", Description="d", QualificationTypeStatus="Active")
    own = {
        "HIT": ids.written(hit.hit.data_row.public_id),
        "Assignment": ids.written(answered.public_id),
        "HITType": ids.written(hit.hit_type.public_id),
        "QualificationType": made["QualificationType"]["QualificationTypeId"],
    }
    stranger = client_of(make_requester(deposit="10.00"))
    for name, kind, members in NAMING:
        for who, what in ((client, NOWHERE[kind]), (stranger, NOWHERE[kind]), (stranger, own[kind])):
            with pytest.raises(who.exceptions.RequestError) as refused:
                getattr(who, name)(**{f"{kind}Id": what}, **members)
            assert code_of(refused) == f"{kind}DoesNotExist", name
            assert "does not exist" in message_of(refused), name
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            assert refused.value.response["ResponseMetadata"]["RequestId"]
    for who in (client, stranger):
        for name in ("accept_qualification_request", "reject_qualification_request"):
            with pytest.raises(who.exceptions.RequestError) as refused:
                getattr(who, name)(QualificationRequestId="3AAA")
            assert code_of(refused) == "QualificationRequestDoesNotExist"
        for name, members in (("create_worker_block", {"Reason": "r"}), ("delete_worker_block", {})):
            with pytest.raises(who.exceptions.RequestError) as refused:
                getattr(who, name)(WorkerId="A2", **members)
            assert code_of(refused) == "WorkerDoesNotExist"
    assert answered.hit.mturk.expires_at == MturkHit.objects.get().expires_at


def test_operations_without_output_answer_nothing_more(client, create_hit, work_on, make_worker):
    """In an order in which each works; one client checks that nothing but ResponseMetadata comes."""
    hit, other = create_hit(MaxAssignments=2), create_hit(Title="Another")
    names = [ids.written(work_on(hit, [("q", "a")]).public_id) for _ in range(2)]
    given = client.get_assignment(AssignmentId=names[0])["Assignment"]
    skill = client.create_qualification_type(Name="Own", Description="d", QualificationTypeStatus="Active")
    held = {"QualificationTypeId": skill["QualificationType"]["QualificationTypeId"], "WorkerId": given["WorkerId"]}
    about, later = {"HITId": hit["HITId"]}, datetime.now(UTC) + timedelta(hours=2)
    for name, members in (
        ("update_hit_review_status", about),
        ("update_hit_review_status", {**about, "Revert": True}),
        ("approve_assignment", {"AssignmentId": names[0]}),
        ("reject_assignment", {"AssignmentId": names[1], "RequesterFeedback": "No."}),
        (
            "send_bonus",
            {"AssignmentId": names[0], "WorkerId": given["WorkerId"], "BonusAmount": "0.5", "Reason": "Thanks."},
        ),
        ("create_additional_assignments_for_hit", {**about, "NumberOfAdditionalAssignments": 1}),
        ("update_expiration_for_hit", {**about, "ExpireAt": later}),
        ("update_expiration_for_hit", {**about, "ExpireAt": 0}),
        ("delete_hit", about),
        ("update_hit_type_of_hit", {"HITId": other["HITId"], "HITTypeId": hit["HITTypeId"]}),
        ("create_worker_block", {"WorkerId": given["WorkerId"], "Reason": "r"}),
        ("create_worker_block", {"WorkerId": given["WorkerId"], "Reason": "another"}),
        ("delete_worker_block", {"WorkerId": given["WorkerId"]}),
        ("delete_worker_block", {"WorkerId": given["WorkerId"], "Reason": "again"}),
        ("associate_qualification_with_worker", {**held, "IntegerValue": 7}),
        ("associate_qualification_with_worker", {**held, "IntegerValue": 0, "SendNotification": False}),
        ("disassociate_qualification_from_worker", {**held, "Reason": ""}),
        ("associate_qualification_with_worker", held),
        ("delete_qualification_type", {"QualificationTypeId": held["QualificationTypeId"]}),
        ("update_notification_settings", {"HITTypeId": hit["HITTypeId"], "Notification": NOTICE}),
        ("update_notification_settings", {"HITTypeId": hit["HITTypeId"], "Active": False}),
        ("send_test_event_notification", {"Notification": NOTICE, "TestEventType": "Ping"}),
    ):
        assert list(getattr(client, name)(**members)) == ["ResponseMetadata"], name
    assert (
        client.notify_workers(Subject="s", MessageText="t", WorkerIds=[given["WorkerId"]])[
            "NotifyWorkersFailureStatuses"
        ]
        == []
    )


def test_the_run_that_the_documentation_tells_of(client, create_hit, counts_of, work_on):
    """Five assignments, from new to approved."""
    hit = create_hit(MaxAssignments=5, Reward="0.01")
    assert counts_of(hit) == ("Assignable", 5, 0, 0)
    held = [work_on(hit) for _ in range(3)]
    assert counts_of(hit) == ("Assignable", 2, 3, 0)
    held += [work_on(hit) for _ in range(2)]
    for place in held[:2]:
        submit(assignment=place, raw=answers.body_of([("q", "a")]))
    assert counts_of(hit) == ("Unassignable", 0, 3, 0)
    return_place(assignment=held[2], reason="other")
    assert counts_of(hit) == ("Assignable", 1, 2, 0)
    for place in (*held[3:], work_on(hit)):
        submit(assignment=place, raw=answers.body_of([("q", "a")]))
    assert counts_of(hit) == ("Reviewable", 0, 0, 0)
    assert client.list_reviewable_hits()["NumResults"] == 1
    for one in client.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"]:
        client.approve_assignment(AssignmentId=one["AssignmentId"])
    assert counts_of(hit) == ("Reviewable", 0, 0, 5)
    client.create_additional_assignments_for_hit(HITId=hit["HITId"], NumberOfAdditionalAssignments=1)
    assert counts_of(hit) == ("Assignable", 1, 0, 5)


def test_what_is_kept_ready_is_not_reviewable(client, create_hit, make_worker):
    create_hit()
    accept_ahead(worker=make_worker(), batch=Batch.objects.get())
    assert client.list_reviewable_hits()["HITs"] == []


def test_a_survey_of_thousands_is_one_hit(client, create_hit):
    hit = create_hit(MaxAssignments=5000, Reward="0.01")

    assert client.get_hit(HITId=hit["HITId"])["HIT"]["NumberOfAssignmentsAvailable"] == 5000
