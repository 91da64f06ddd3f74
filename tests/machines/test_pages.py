"""The page of machines, as its requester uses it."""

import io

import pytest
from django.urls import reverse

from core.models import Operation
from lifecycle.machines import take_in_predictions
from quality.models import Machine, MachineUse, Prediction

pytestmark = pytest.mark.django_db


def act(client, batch, name, /, **sent):
    return client.post(reverse("machine_act", args=[batch.public_id, name]), sent, follow=True).content.decode()


def test_a_table_of_predictions_is_sent_checked_and_let_answer_alone(setting, client):
    heard = setting(known=110, others=10)
    client.force_login(heard.owner)
    page = client.get(reverse("studio_machine", args=[heard.batch.public_id])).content.decode()
    assert "Net" in page and "Listened to, not counted" in page
    rows = [f"{hit.data_row.public_id},{('zero', 'one')[heard.truth[hit.pk]]},0.9" for hit in heard.hits]
    table = io.BytesIO("\n".join(["hit,prediction,confidence", *rows]).encode())
    table.name = "said.csv"

    page = act(client, heard.batch, "upload", machine=heard.machine.public_id, file=table)
    assert "Taken: 120 items." in page
    take_in_predictions()
    page = client.get(reverse("studio_machine", args=[heard.batch.public_id])).content.decode()

    assert "It spoke of 120 of 120 items." in page and "Counts" in page and "everywhere" in page
    assert "Saved." in act(client, heard.batch, "use", machine=heard.machine.public_id, accepts="1", show_share="0.50")
    use = MachineUse.objects.get()
    assert (use.accepts, use.show_share) == (True, 0.5)


def test_mistakes_are_named_with_their_line(setting, client):
    heard = setting(known=1, others=1)
    client.force_login(heard.owner)
    table = io.BytesIO(b"external_id,digit\nnobody,one\n")
    table.name = "said.csv"

    page = act(client, heard.batch, "upload", machine=heard.machine.public_id, file=table)

    assert "Line 2, column external id" in page and not Prediction.objects.exists()


def test_a_machine_is_added_asked_and_switched_off(setting, client):
    heard = setting(known=1, others=1)
    client.force_login(heard.owner)
    about = {"name": "Far", "source": "http", "url": "https://model.example.org/"}

    assert "Connected." in act(client, heard.batch, "connect", **about)
    far = Machine.objects.get(name="Far")
    assert "Asking: 0 of 2" in act(client, heard.batch, "ask", machine=far.public_id)
    assert Operation.objects.filter(kind="predict").count() == 1
    assert "counts no more" in act(client, heard.batch, "switch", machine=far.public_id, on="0")
    far.refresh_from_db()
    assert not far.is_on


def test_training_begins_from_the_page_and_its_lists_are_shown(finished, client):
    done = finished(items=4)
    client.force_login(done.owner)

    assert "It is being trained" in act(client, done.batch, "train")
    ids = [hit.pk for hit in done.hits]
    result = {
        "question": "digit", "kind": "text", "learned_from": 80, "agrees": 0.9, "doubtful_count": 1,
        "doubtful": [[ids[0], 0, 1, 0.4]], "next": ids[1:3],
    }  # fmt: skip
    Operation.objects.filter(kind="train").update(state="done", result=result, finished_at="2026-11-21T10:00Z")
    page = client.get(reverse("studio_machine", args=[done.batch.public_id])).content.decode()

    assert "1 label looks wrong to it" in page and "Most useful to ask next" in page and "90" in page


def test_the_page_asks_the_same_number_of_questions_whatever_the_batch(setting, client, django_assert_max_num_queries):
    heard = setting(known=60, others=40)
    heard.speak()
    take_in_predictions()
    client.force_login(heard.owner)

    with django_assert_max_num_queries(45):
        client.get(reverse("studio_machine", args=[heard.batch.public_id]))


def test_a_stranger_finds_nothing(setting, client, make_requester):
    heard = setting(known=1, others=1)
    client.force_login(make_requester().memberships.get().user)

    assert client.get(reverse("studio_machine", args=[heard.batch.public_id])).status_code == 404
    url = reverse("machine_act", args=[heard.batch.public_id, "connect"])
    assert client.post(url, {"name": "Mine"}).status_code == 404
    assert Machine.objects.count() == 1
