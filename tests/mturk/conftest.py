import boto3
import pytest
from botocore.config import Config

from lifecycle.accept import accept_named
from lifecycle.digest import digest_due
from lifecycle.submit import submit
from marketplace.models import Assignment
from mturk import answers, ids
from mturk.models import MturkHit
from mturk.services.keys import create_access_key

#: Programs of their own, run by the Python of each tool (`test_clients.py`).
collect_ignore_glob = ["clients/*_client.py"]


@pytest.fixture
def requester(make_requester):
    return make_requester(deposit="100.00")


@pytest.fixture
def client_of(live_server):
    """`client_of(requester)`: boto3's own client, with real signatures over a real socket."""

    def make(requester, **options):
        key, secret = create_access_key(requester=requester, by=requester.members.get())
        given = {
            "aws_access_key_id": key.key_id,
            "aws_secret_access_key": secret,
            "region_name": "us-east-1",
            **options,
        }
        config = Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=30)
        return boto3.client("mturk", endpoint_url=live_server.url + "/mturk/", config=config, **given)

    return make


QUESTION = """
<?xml version="1.0" encoding="UTF-8"?>
<ExternalQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd">
  <ExternalURL>https://tasks.example.org/label?item=7&amp;page=1</ExternalURL>
  <FrameHeight>0</FrameHeight>
</ExternalQuestion>"""  # noqa: E501
TYPE = {
    "Title": "Read a label",
    "Description": "Say what is on the label.",
    "Keywords": "labels, reading",
    "Reward": "0.10",
    "AssignmentDurationInSeconds": 600,
    "AutoApprovalDelayInSeconds": 3600,
}


@pytest.fixture
def client(client_of, requester):
    return client_of(requester)


@pytest.fixture
def create_hit(client):
    """A HIT by boto3: its structure."""

    def make(**members):
        members = {"LifetimeInSeconds": 3600, "MaxAssignments": 1, "Question": QUESTION, **TYPE, **members}
        return client.create_hit(**members)["HIT"]

    return make


@pytest.fixture
def work_on(make_worker):
    """`work_on(hit, [("field", "value")], worker)`: a worker takes a place on it and, given fields, answers."""

    def make(hit, fields=None, worker=None):
        row = MturkHit.objects.get(hit__data_row__public_id=ids.read(hit["HITId"])).hit
        place = accept_named(worker=worker or make_worker(), hit=row)
        assignment = Assignment.objects.select_related("batch__project__requester", "hit").get(pk=place.assignment_id)
        if fields is not None:
            submit(assignment=assignment, raw=answers.body_of(fields))
            digest_due()
        assignment.refresh_from_db()
        return assignment

    return make


@pytest.fixture
def frame_site(transactional_db, settings):
    """The address of the site; frames are on the other name of the same server."""
    from tests.mturk.frames_site import serving

    with serving() as port:
        settings.SITE_URL = f"http://127.0.0.1:{port}"
        settings.FRAME_ORIGIN = f"http://localhost:{port}"
        settings.MTURK_HTTP_QUESTIONS = True
        yield settings.SITE_URL
