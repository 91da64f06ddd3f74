"""Answers through boto3: read, approved, rejected, thanked for; and what a requester may say to workers."""

import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from lifecycle.digest import digest_due
from marketplace.models import Assignment
from mturk import answers, ids
from mturk.services.receiving import hand_in
from payments.models import Account, Transfer
from payments.selectors import balance
from tests.mturk.frames_site import FILE, form_question
from tests.mturk.test_hits import code_of, message_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answered(create_hit, work_on):
    """A HIT with one answer: its structure, the assignment, and the id of that."""
    hit = create_hit(MaxAssignments=2)
    assignment = work_on(hit, [("label", "a cat & <dog>"), ("box", "1"), ("box", "2"), ("note", ""), ("hitId", "x")])
    return hit, assignment, ids.written(assignment.public_id)


def test_an_answer_is_told_as_it_was_given(client, answered):
    hit, assignment, name = answered
    found = client.list_assignments_for_hit(HITId=hit["HITId"])

    assert found["NumResults"] == 1
    (told,) = found["Assignments"]
    assert told == client.get_assignment(AssignmentId=name)["Assignment"]
    assert (told["AssignmentId"], told["HITId"], told["AssignmentStatus"]) == (name, hit["HITId"], "Submitted")
    assert told["AutoApprovalTime"] - told["SubmitTime"] == timedelta(hours=1)
    assert told["AcceptTime"] <= told["SubmitTime"] <= told["Deadline"]
    assert told["WorkerId"][0] == "A" and len(told["WorkerId"]) == 14
    space = f"{{{answers.NAMESPACE}}}"
    fields = {
        one.find(f"{space}QuestionIdentifier").text: one.find(f"{space}FreeText").text
        for one in ET.fromstring(told["Answer"].encode())
    }
    assert fields == {"label": "a cat & <dog>", "box": "1|2", "note": None}


def test_forbidden_characters_leave_the_xml_readable():
    ET.fromstring(answers.xml_of([("a\x00", "b\x0bc\ud800")]).encode())


def test_lists_are_of_one_status_and_in_pages(client, create_hit, work_on):
    hit = create_hit(MaxAssignments=5)
    made = [ids.written(work_on(hit, [("q", str(number))]).public_id) for number in range(4)]
    work_on(hit)
    client.approve_assignment(AssignmentId=made[1])
    client.reject_assignment(AssignmentId=made[2], RequesterFeedback="Not this.")

    def names(**members):
        pages = client.get_paginator("list_assignments_for_hit").paginate(
            HITId=hit["HITId"], PaginationConfig={"PageSize": 2}, **members
        )
        return [one["AssignmentId"] for page in pages for one in page["Assignments"]]

    assert names() == made
    assert names(AssignmentStatuses=["Approved"]) == [made[1]]
    assert names(AssignmentStatuses=["Submitted", "Rejected"]) == [made[0], made[2], made[3]]


def test_an_accepted_assignment_cannot_be_read_yet(client, create_hit, work_on):
    name = ids.written(work_on(create_hit()).public_id)
    with pytest.raises(ClientError) as refused:
        client.get_assignment(AssignmentId=name)
    assert code_of(refused) == "InvalidAssignmentState"
    assert "This operation can be called with a status of: Reviewable,Approved,Rejected" in message_of(refused)


def test_approval_pays_once(client, answered, requester):
    _, assignment, name = answered
    client.approve_assignment(AssignmentId=name, RequesterFeedback="Well done.")

    told = client.get_assignment(AssignmentId=name)["Assignment"]
    assert (told["AssignmentStatus"], told["RequesterFeedback"]) == ("Approved", "Well done.")
    assert "ApprovalTime" in told and "RejectionTime" not in told
    assert balance(Account.Kind.PAYABLE, assignment.worker_id, requester.currency) == 100_000
    for again in (client.approve_assignment, client.reject_assignment):
        with pytest.raises(ClientError) as refused:
            again(AssignmentId=name, RequesterFeedback="Again.")
        assert code_of(refused) == "InvalidAssignmentState"
        assert "This operation can be called with a status of: Submitted" in message_of(refused)
    assert balance(Account.Kind.PAYABLE, assignment.worker_id, requester.currency) == 100_000


def test_a_rejection_is_turned_round_only_when_asked(client, answered, requester):
    _, assignment, name = answered
    client.reject_assignment(AssignmentId=name, RequesterFeedback="")
    told = client.get_assignment(AssignmentId=name)["Assignment"]
    assert (told["AssignmentStatus"], told["RequesterFeedback"]) == ("Rejected", "")
    assert "RejectionTime" in told
    with pytest.raises(ClientError) as refused:
        client.approve_assignment(AssignmentId=name)
    assert code_of(refused) == "InvalidAssignmentState"

    client.approve_assignment(AssignmentId=name, OverrideRejection=True)
    told = client.get_assignment(AssignmentId=name)["Assignment"]
    assert told["AssignmentStatus"] == "Approved" and "RejectionTime" not in told
    assert balance(Account.Kind.PAYABLE, assignment.worker_id, requester.currency) == 100_000


def test_another_requesters_assignment_is_not_there(client_of, answered, make_requester):
    _, _, name = answered
    other = client_of(make_requester())
    for act in (other.approve_assignment, other.reject_assignment):
        with pytest.raises(ClientError) as refused:
            act(AssignmentId=name, RequesterFeedback="Mine?")
        assert code_of(refused) == "AssignmentDoesNotExist"
        assert "does not exist" in message_of(refused)
    assert Assignment.objects.get().state == "submitted"


def test_a_bonus_is_paid_and_listed(client, answered, requester):
    hit, assignment, name = answered
    worker = client.get_assignment(AssignmentId=name)["Assignment"]["WorkerId"]
    about = {"WorkerId": worker, "AssignmentId": name, "BonusAmount": "1.50", "Reason": "Thorough."}
    client.send_bonus(**about, UniqueRequestToken="thanks")
    client.send_bonus(**about | {"BonusAmount": "0.25"})

    assert balance(Account.Kind.PAYABLE, assignment.worker_id, requester.currency) == 1_750_000
    first = client.list_bonus_payments(HITId=hit["HITId"], MaxResults=1)
    assert first["NumResults"] == 1
    (told,) = first["BonusPayments"]
    del told["GrantTime"]
    assert told == about
    second = client.list_bonus_payments(HITId=hit["HITId"], NextToken=first["NextToken"])
    assert [one["BonusAmount"] for one in second["BonusPayments"]] == ["0.25"]
    assert client.list_bonus_payments(AssignmentId=name)["NumResults"] == 2
    with pytest.raises(ClientError) as refused:
        client.send_bonus(**about, UniqueRequestToken="thanks")
    assert code_of(refused) == "DuplicateRequest"
    for wrong, code in (
        ({"BonusAmount": "0"}, "InvalidParameterValue"),
        ({"WorkerId": "A" + "B" * 13}, "InvalidParameterValue"),
        ({"BonusAmount": "5000"}, "InsufficientFunds"),
    ):
        with pytest.raises(ClientError) as refused:
            client.send_bonus(**about | wrong)
        assert code_of(refused) == code
    with pytest.raises(ClientError):
        client.list_bonus_payments()
    assert Transfer.objects.filter(kind="bonus").count() == 2


def test_a_blocked_worker_is_listed_until_they_are_not(client, answered, make_worker, create_hit, work_on):
    _, assignment, name = answered
    worker = client.get_assignment(AssignmentId=name)["Assignment"]["WorkerId"]
    client.create_worker_block(WorkerId=worker, Reason="Copies.")
    client.create_worker_block(WorkerId=worker, Reason="Copies a lot.")

    assert client.list_worker_blocks()["WorkerBlocks"] == [{"WorkerId": worker, "Reason": "Copies a lot."}]
    client.delete_worker_block(WorkerId=worker)
    client.delete_worker_block(WorkerId=worker, Reason="")
    assert client.list_worker_blocks()["NumResults"] == 0
    with pytest.raises(ClientError) as refused:
        client.create_worker_block(WorkerId="A" + "2" * 13, Reason="Who?")
    assert code_of(refused) == "WorkerDoesNotExist"


def test_only_workers_whose_work_was_judged_are_written_to(client, answered):
    _, assignment, name = answered
    worker = client.get_assignment(AssignmentId=name)["Assignment"]["WorkerId"]
    about = {"Subject": "More work", "MessageText": "It is there.", "WorkerIds": [worker, "A" + "2" * 13]}
    assert len(client.notify_workers(**about)["NotifyWorkersFailureStatuses"]) == 2
    client.approve_assignment(AssignmentId=name)

    (failure,) = client.notify_workers(**about)["NotifyWorkersFailureStatuses"]
    assert (failure["WorkerId"], failure["NotifyWorkersFailureCode"]) == ("A" + "2" * 13, "HardFailure")
    from marketplace.models import Message

    assert Message.objects.get().body == "More work\n\nIt is there."


def test_a_file_is_had_by_its_link(client, create_hit, work_on, settings):
    hit = create_hit(Question=form_question(FILE))
    assignment = work_on(hit)
    name = ids.written(assignment.public_id)
    with pytest.raises(ClientError) as too_early:
        client.get_file_upload_url(AssignmentId=name, QuestionIdentifier="scan")
    hand_in(assignment=assignment, fields=[], files={"scan": SimpleUploadedFile("a.txt", b"scanned")})
    digest_due()

    link = client.get_file_upload_url(AssignmentId=name, QuestionIdentifier="scan")["FileUploadURL"]

    assert b"".join(Client().get(link.removeprefix(settings.SITE_URL)).streaming_content) == b"scanned"
    with pytest.raises(ClientError) as unknown:
        client.get_file_upload_url(AssignmentId=name, QuestionIdentifier="photo")
    assert "can be called with a status of" in message_of(too_early) and "photo" in message_of(unknown)
