"""The wire: who is let in, what is refused and how. boto3 signs, our server checks."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st

from mturk import ids
from mturk.models import AccessKey
from mturk.services.keys import create_access_key, revoke_access_key
from mturk.signing import SERVICE

TARGET = "MTurkRequesterServiceV20170117.GetAccountBalance"


def signed(key, secret, body=b"{}", target=TARGET, region="us-east-1", path="/mturk/"):
    """The headers of a request as botocore signs it."""
    request = AWSRequest(
        "POST", f"http://testserver{path}", data=body, headers={"Content-Type": "application/x-amz-json-1.1"}
    )
    request.headers["X-Amz-Target"] = target
    SigV4Auth(Credentials(key.key_id, secret), SERVICE, region).add_auth(request)
    return dict(request.headers)


def send(headers, body=b"{}", path="/mturk/"):
    headers = {**headers, "Host": "testserver"}
    answer = Client().post(path, body, content_type="application/x-amz-json-1.1", headers=headers)
    return answer.status_code, json.loads(answer.content)


@pytest.fixture
def pair(requester):
    return create_access_key(requester=requester, by=requester.members.get())


@pytest.mark.django_db(transaction=True)
def test_a_requester_reads_their_balance(client_of, requester):
    found = client_of(requester).get_account_balance()

    assert found["AvailableBalance"] == "100.00"
    assert found["OnHoldBalance"] == "0.00"
    assert found["ResponseMetadata"]["RequestId"]


@pytest.mark.django_db(transaction=True)
def test_a_wrong_secret_is_the_documented_error(client_of, requester):
    with pytest.raises(ClientError) as refused:
        client_of(requester, aws_secret_access_key="x" * 40).get_account_balance()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/mturk/", "/mturk/api/", "/"])
def test_what_is_signed_is_answered(pair, path):
    assert send(signed(*pair, path=path), path=path)[0] == 200


@pytest.mark.django_db
def test_unsigned_is_refused():
    assert send({"X-Amz-Target": TARGET})[1]["__type"] == "MissingAuthenticationTokenException"


@pytest.mark.django_db
def test_an_unknown_or_revoked_key_is_refused(pair, requester):
    key, secret = pair
    headers = signed(key, secret)
    assert send(headers)[0] == 200
    revoke_access_key(key=key, by=requester.members.get())

    assert send(headers)[1]["__type"] == "UnrecognizedClientException"


@pytest.mark.django_db
def test_a_key_ends_with_the_membership_of_who_made_it(pair, requester):
    headers = signed(*pair)
    requester.memberships.all().delete()

    assert send(headers)[1]["__type"] == "UnrecognizedClientException"


@pytest.mark.django_db
def test_a_changed_body_is_refused(pair):
    assert send(signed(*pair), body=b'{"MaxResults": 1}')[1]["__type"] == "InvalidSignatureException"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["X-Amz-Target", "X-Amz-Date", "Host"])
def test_a_changed_header_is_refused(pair, name):
    headers = signed(*pair)
    changed = {"X-Amz-Target": "MTurkRequesterServiceV20170117.ListHITs", "Host": "localhost"}
    at = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    changed["X-Amz-Date"] = f"{at + timedelta(seconds=1):%Y%m%dT%H%M%SZ}"
    answer = Client().post(
        "/mturk/", b"{}", content_type="application/x-amz-json-1.1",
        headers={**headers, "Host": "testserver", name: changed[name]},
    )  # fmt: skip

    assert json.loads(answer.content)["__type"] == "InvalidSignatureException"


@pytest.mark.django_db
def test_a_region_that_was_not_signed_is_refused(pair):
    headers = signed(*pair)
    assert send(signed(*pair, region="eu-west-1"))[0] == 200
    headers["Authorization"] = headers["Authorization"].replace("us-east-1", "eu-west-1")

    assert send(headers)[1]["__type"] == "InvalidSignatureException"


@pytest.mark.django_db
def test_another_service_is_refused(pair):
    headers = signed(*pair)
    headers["Authorization"] = headers["Authorization"].replace(SERVICE, "s3")

    assert send(headers)[1]["__type"] == "InvalidSignatureException"


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "is_taken"), [(-16, False), (-14, True), (14, True), (16, False)])
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(pair, minutes, is_taken, monkeypatch):
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: moment.replace(tzinfo=None))

    status, said = send(signed(*pair))

    assert (status == 200) is is_taken, said


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["", "GetAccountBalance", "MTurkRequesterServiceV20170117.Fly", "X.GetHIT"])
def test_an_unknown_operation_is_refused(pair, target):
    assert send(signed(*pair, target=target))[1]["__type"] == "UnknownOperationException"


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"7"])
def test_what_is_no_json_object_is_refused(pair, body):
    status, said = send(signed(*pair, body=body), body=body)

    assert (status, said["__type"]) == (400, "SerializationException")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "members", "error", "names"),
    [
        ("GetHIT", {}, "ValidationException", "HITId"),
        ("GetHIT", {"HITId": 7}, "SerializationException", "HITId"),
        ("GetHIT", {"HITId": "lower-case"}, "ValidationException", "HITId"),
        ("GetHIT", {"HITId": "3" * 65}, "ValidationException", "HITId"),
        ("ListHITs", {"MaxResults": 0}, "ValidationException", "MaxResults"),
        ("ListHITs", {"MaxResults": 101}, "ValidationException", "MaxResults"),
        ("ListHITs", {"MaxResults": True}, "SerializationException", "MaxResults"),
        ("ListReviewableHITs", {"Status": "Sleeping"}, "ValidationException", "Status"),
    ],
)
def test_a_broken_constraint_names_its_member(pair, operation, members, error, names):
    body = json.dumps(members).encode()
    said = send(signed(*pair, body=body, target=f"MTurkRequesterServiceV20170117.{operation}"), body=body)[1]

    assert said["__type"] == error
    assert names in said["message"]


@pytest.mark.django_db
def test_the_secret_is_not_in_the_database(pair):
    key, secret = pair
    sealed = bytes(AccessKey.objects.get().sealed)
    assert secret.encode() not in sealed
    with override_settings(ACCESS_KEY_SECRETS=["another"]):
        assert send(signed(key, secret))[1]["__type"] == "UnrecognizedClientException"
    with override_settings(ACCESS_KEY_SECRETS=["another", settings.SECRET_KEY]):
        assert send(signed(key, secret))[0] == 200


@pytest.mark.django_db
def test_the_command_prints_a_key_that_works(requester, capsys):
    call_command("create_access_key", requester.members.get().email)
    key_id, secret = capsys.readouterr().out.split()

    assert send(signed(AccessKey.objects.get(key_id=key_id), secret))[0] == 200


@given(st.uuids())
def test_ids_lead_back_to_the_uuid(public_id):
    text = ids.written(public_id)
    assert ids.read(text) == public_id
    assert text[0] == "3" and text.isalnum() and text == text.upper()


def test_what_is_no_id_leads_nowhere():
    too_large = "3" + "Z" * 25
    assert [ids.read(text) for text in ("", "3", too_large, hashlib.sha256().hexdigest())] == [None] * 4


@pytest.mark.django_db
def test_a_body_that_nobody_reads_to_its_end_is_the_callers_mistake(pair, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"Question": "x" * 1000}).encode()

    status, said = send(signed(*pair, body=body), body=body)

    assert (status, said["__type"]) == (400, "SerializationException")
