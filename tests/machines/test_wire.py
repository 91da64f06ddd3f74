"""Machines that are asked over the network, by real servers that speak either protocol."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from xml.etree import ElementTree

import pytest

from core.errors import Conflict
from core.models import Operation
from lifecycle.machines import start_asking
from lifecycle.operations import run_to_end
from marketplace.schema import schema_of
from quality.models import MachineVersion, Prediction
from quality.services.machine_wire import label_config, read_regions
from quality.services.machines import connect_machine


class Model(BaseHTTPRequestHandler):
    """Says "one" of everything, in both protocols."""

    asked: list = []
    fault = ""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append((self.path, self.headers.get("Authorization"), body))
        if self.fault == "status":
            self.send_response(503)
            self.end_headers()
            return
        if self.path == "/ls/predict":
            region = {"from_name": "digit", "to_name": "text", "type": "choices", "value": {"choices": ["one"]}}
            said = {
                "results": [{"result": [region], "score": 0.8} for _ in body["tasks"]], "model_version": "7",
            }  # fmt: skip
        else:
            rows = [{"id": one["id"], "answers": {"digit": "one"}, "confidence": 0.8} for one in body["items"]]
            said = {"predictions": rows, "model_version": "7"}
            if self.fault == "words":
                said["predictions"][0]["answers"] = {"digit": "nine"}
        raw = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def model(settings):
    server = HTTPServer(("127.0.0.1", 0), Model)
    Model.asked, Model.fault = [], ""
    settings.OUTBOUND_ALLOWED = [f"127.0.0.1:{server.server_port}"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def connected(batch, url, source):
    owner = batch.project.requester.memberships.get().user
    return connect_machine(project=batch.project, name=source, source=source, url=url, token="secret", by=owner)


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "path"), [("http", "/any"), ("label_studio", "/ls")])
def test_it_is_asked_about_every_item_and_its_version_is_kept(make_batch, model, source, path):
    batch = make_batch(hits=60)

    done = run_to_end(start_asking(machine=connected(batch, model + path, source), batch=batch))

    assert done.state == Operation.State.DONE and done.done == 60
    assert [len(body.get("tasks", body.get("items"))) for _path, _token, body in Model.asked] == [50, 10]
    assert {token for _path, token, _body in Model.asked} == {"Bearer secret"}
    assert MachineVersion.objects.get().name == "7"
    assert set(Prediction.objects.values_list("label", "score")) == {(1, 0.8)}
    assert Prediction.objects.count() == 60


@pytest.mark.django_db
def test_what_fits_no_question_is_named_and_the_rest_taken(make_batch, model):
    Model.fault = "words"
    batch = make_batch(hits=3)

    done = run_to_end(start_asking(machine=connected(batch, model, "http"), batch=batch))

    assert Prediction.objects.count() == 2 and "one of" in done.result["wrong"][0]


@pytest.mark.django_db
def test_a_machine_that_is_down_is_asked_again_and_then_said_to_be_down(make_batch, model):
    Model.fault = "status"
    operation = start_asking(machine=connected(make_batch(hits=3), model, "http"), batch=make_batch(hits=3))
    operation = run_to_end(operation)
    assert (operation.state, operation.failures) == (Operation.State.WAITING, 1)
    Operation.objects.filter(pk=operation.pk).update(failures=4)

    operation = run_to_end(Operation.objects.get(pk=operation.pk))

    assert (operation.state, operation.error) == (Operation.State.FAILED, "It answered with status 503.")


@pytest.mark.django_db
def test_only_a_machine_with_an_address_is_asked(make_batch):
    batch = make_batch()

    with pytest.raises(Conflict) as refusal:
        start_asking(machine=connected(batch, "", "table"), batch=batch)

    assert refusal.value.code == "no_endpoint" and not Operation.objects.exists()


def test_questions_in_the_language_of_label_studio_are_xml_and_their_results_are_read():
    schema = schema_of(
        [
            {"name": "tag", "kind": "multilabel", "labels": ['a "b"', "c & d"]},
            {"name": "age", "kind": "number"},
            {"name": "says", "kind": "text"},
            {"name": "mood", "kind": "ordinal", "labels": ["low", "high"], "na": True},
        ]
    )

    view = ElementTree.fromstring(label_config(schema, {"picture": "https://x.org/a.JPG?x=1", "text": "hi"}))

    assert [(one.tag, one.get("name")) for one in view][:3] == [
        ("Image", "picture"),
        ("Text", "text"),
        ("Choices", "tag"),
    ]
    assert [choice.get("value") for choice in view[2]] == ['a "b"', "c & d"]
    assert [choice.get("value") for choice in view[5]] == ["low", "high", "can't tell"]
    regions = [
        {"from_name": "tag", "value": {"choices": ["c & d"]}},
        {"from_name": "age", "value": {"number": 7}},
        {"from_name": "says", "value": {"text": ["hello"]}},
        {"from_name": "mood", "value": {"rating": 2}},
        {"from_name": "other", "value": {"choices": ["x"]}},
    ]
    assert read_regions(schema, regions) == {"tag": ["c & d"], "age": 7, "says": "hello", "mood": "high"}
