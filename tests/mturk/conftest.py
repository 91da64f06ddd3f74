import boto3
import pytest
from botocore.config import Config

from mturk.services.keys import create_access_key


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
