"""Erasing a person: promises are kept first, then nothing says who they were, and the books stay as they are."""

import json

import pytest
from django.db import connection
from django.urls import reverse

from core.errors import Conflict
from core.notes import add_note
from lifecycle.accept import accept
from lifecycle.decide import decide_due
from lifecycle.digest import digest_due
from lifecycle.erase import erase_person
from lifecycle.personal_data import everything_about
from lifecycle.submit import submit
from marketplace.models import Answer, Assignment
from marketplace.services.choosing import save_search, set_favourite
from marketplace.services.messaging import write_as_worker
from payments.models import Account
from payments.selectors import balance
from payments.services.payouts import request_payout
from tests.support.factories import body
from users.models import Invitation, User
from workers_app.models import Worker

pytestmark = pytest.mark.django_db
CANARY = "Zebulon Quillfeather"


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=20, rules={"reward": "0.60"})


def hand_in(worker, batch):
    place = accept(worker=worker, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)


@pytest.fixture
def worker(make_worker, make_user, batch):
    """Somebody who left traces everywhere, and was paid."""
    worker = make_worker(country="AT", languages=["de"])
    User.objects.filter(pk=worker.user_id).update(name=CANARY)
    worker.user.refresh_from_db()
    hand_in(worker, batch)
    digest_due()
    decide_due()
    write_as_worker(worker=worker, project=batch.project, body=f"I am {CANARY}.")
    save_search(worker=worker, name=CANARY, filters={"q": "x"})
    set_favourite(worker=worker, project=batch.project, is_favourite=True)
    for subject in (f"worker:{worker.pk}", f"user:{worker.user_id}"):
        add_note(subject=subject, by=make_user(is_staff=True), text=f"{CANARY} wrote to us.")
    for used_by in (worker.user, None):
        Invitation.objects.create(email=worker.user.email.upper(), role="worker", used_by=used_by)
    return worker


def everywhere():
    """Every text of every table of ours, apart from what is sealed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            found += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return found


def test_nothing_says_who_they_were_and_the_books_are_the_same(worker, batch):
    email, payable = worker.user.email, balance(Account.Kind.PAYABLE, worker.pk)
    hashes = list(Answer.objects.values_list("sha256", flat=True))
    assert any(CANARY in row for row in everywhere())

    erase_person(user=worker.user)

    assert [row for row in everywhere() if CANARY in row or email in row.lower()] == []
    assert list(Invitation.objects.values_list("email", "used_by")) == [("", worker.user_id)]
    assert balance(Account.Kind.PAYABLE, worker.pk) == payable == 600_000
    assert list(Answer.objects.values_list("sha256", flat=True)) == hashes
    assert list(Answer.objects.values_list("raw", "data")) == [(None, None)]
    user = User.objects.get(pk=worker.user_id)
    assert (user.is_active, user.has_usable_password()) == (False, False)
    assert Worker.objects.get(pk=worker.pk).country == ""


def test_what_is_undecided_comes_first(worker, make_batch):
    slow = make_batch(hits=2, rules={"auto_approve_seconds": 86_400})
    hand_in(worker, slow)

    with pytest.raises(Conflict) as refusal:
        erase_person(user=worker.user)

    assert refusal.value.code == "work_undecided"
    assert User.objects.get(pk=worker.user_id).name == CANARY


def test_money_comes_first_unless_it_is_given_up(worker, batch):
    hand_in(worker, batch)
    digest_due()
    decide_due()
    with pytest.raises(Conflict) as refusal:
        erase_person(user=worker.user)
    assert refusal.value.code == "money_left"
    payout = request_payout(worker=worker, amount=1_000_000)
    with pytest.raises(Conflict) as refusal:
        erase_person(user=worker.user, gives_up=True)
    assert (refusal.value.code, payout.state) == ("payout_under_way", "requested")


def test_an_organisation_is_not_left_without_an_owner(worker, make_requester):
    make_requester().memberships.create(user=worker.user, role="viewer")
    make_requester(deposit="0").memberships.update(user=worker.user)

    with pytest.raises(Conflict) as refusal:
        erase_person(user=worker.user)

    assert refusal.value.code == "only_owner"
    assert worker.user.memberships.count() == 2


def test_a_place_that_is_held_goes_back(worker, batch):
    accept(worker=worker, batch=batch)

    erase_person(user=worker.user)

    assert not Assignment.objects.filter(worker=worker, state="accepted").exists()


def test_on_the_page_the_address_has_to_be_typed(client, worker):
    client.force_login(worker.user)
    wrong = client.post(reverse("erase_me"), {"email": "x@example.org"})
    assert "Type the address of this account." in wrong.content.decode()
    assert User.objects.get(pk=worker.user_id).is_active

    assert client.post(reverse("erase_me"), {"email": worker.user.email}).url == reverse("home")

    assert not User.objects.get(pk=worker.user_id).is_active
    assert client.get(reverse("my_home")).status_code == 302


def test_the_download_has_what_was_written_marked_and_saved(worker):
    told = json.loads(json.dumps(everything_about(worker.user), default=str))

    assert [one["body"] for one in told["messages"]] == [f"I am {CANARY}."]
    assert told["saved_searches"][0]["name"] == CANARY
    assert told["favourites"][0]["project__name"] == "Read digits"
