"""Acts of single rows on pages: an item, a report, a dispute, a compensation, a qualification, an invitation."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from core.models import AuditEntry
from lifecycle.accept import accept
from lifecycle.expire import return_place
from marketplace.models import Assignment, Hit, HitData
from marketplace.services.judging import purse_of
from marketplace.services.members import invite_member
from marketplace.services.messaging import report_message
from payments.models import Account
from payments.selectors import balance
from payments.services.escrow import put_aside
from quality.models import Belief, Contest, GoldQuestion

pytestmark = pytest.mark.django_db


def told(response):
    return [str(message) for message in response.context["messages"]]


# --- an item ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def untouched(market):
    """A funded HIT that nobody has taken."""
    batch = market.batch
    hit = Hit.objects.create(batch=batch, max_assignments=2, funded=2)
    HitData.objects.create(hit=hit, batch=batch, data={"text": "one more"}, row_hash=99)
    put_aside(purse=purse_of(batch), amount=2 * batch.price, key="one more")
    return hit


def test_an_item_is_ended_and_what_it_does_not_need_comes_back(client, market, untouched):
    client.force_login(market.owner)
    hit = untouched
    page = reverse("studio_item", args=[hit.data_row.public_id])
    act = reverse("item_act", args=[hit.data_row.public_id, "end"])
    held = balance(Account.Kind.ESCROW, market.batch.pk)
    assert f'action="{act}"' in client.get(page).content.decode()

    client.post(act)

    hit.refresh_from_db()
    assert hit.state == Hit.State.CANCELLED and hit.funded == 0
    assert balance(Account.Kind.ESCROW, market.batch.pk) < held
    assert f'action="{act}"' not in client.get(page).content.decode()
    assert "cannot become" in told(client.post(act, follow=True))[0]


def test_an_item_that_was_set_aside_is_offered_again(client, market, untouched):
    client.force_login(market.owner)
    hit = untouched
    Hit.objects.filter(pk=hit.pk).update(state=Hit.State.PARKED)

    client.post(reverse("item_act", args=[hit.data_row.public_id, "open"]))

    hit.refresh_from_db()
    assert hit.state == Hit.State.OPEN


def test_the_label_of_an_item_is_confirmed_as_a_known_answer(client, market):
    client.force_login(market.owner)
    belief = Belief.objects.filter(hit__batch=market.batch, hit__lane=0, label__isnull=False).first()

    client.post(reverse("item_act", args=[belief.hit.data_row.public_id, "confirm"]))

    keys = GoldQuestion.objects.get(hit=belief.hit_id).keys
    assert keys == {"digit": {"accept": [["zero", "one"][belief.label]]}}
    assert AuditEntry.objects.filter(act="gold.mark", actor=market.owner, subject=f"hit:{belief.hit_id}").exists()


def test_items_are_acted_on_by_managers(client, market, make_user):
    viewer = make_user()
    market.requester.memberships.create(user=viewer, role="reviewer")
    client.force_login(viewer)
    row = market.batch.hits.filter(lane=0).first().data_row
    act = reverse("item_act", args=[row.public_id, "end"])

    assert f'action="{act}"' not in client.get(reverse("studio_item", args=[row.public_id])).content.decode()
    assert client.post(act).status_code == 404


# --- reports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "hidden"), [("hide", True), ("keep", False)])
def test_staff_look_at_a_reported_message(decision, hidden, client, market):
    report_message(message=market.reply, reason="It is rude.", is_by_worker=True)
    client.force_login(market.staff)
    assert "It is rude." in client.get(reverse("staff_reports")).content.decode()
    assert "Reported messages" in client.get(reverse("staff_home")).content.decode()
    url = reverse("staff_report_rule", args=[market.reply.public_id])

    client.post(url, {"decision": decision, "reason": "Read it."})

    market.reply.refresh_from_db()
    assert bool(market.reply.hidden_at) == hidden and market.reply.looked_at
    assert AuditEntry.objects.get(act=f"message.{decision}").reason == "Read it."
    assert "It is rude." not in client.get(reverse("staff_reports")).content.decode()
    assert "It is rude." in client.get(reverse("staff_reports") + "?show=ruled").content.decode()
    assert "No report of this message waits" in told(client.post(url, {"decision": "hide"}, follow=True))[0]


def test_the_list_of_reports_asks_the_same_however_many_there_are(client, market, django_assert_num_queries):
    client.force_login(market.staff)
    report_message(message=market.reply, reason="It is rude.", is_by_worker=True)
    client.get(reverse("staff_reports"))
    with django_assert_num_queries(REPORT_QUERIES):
        client.get(reverse("staff_reports"))
    for _n in range(3):
        market.thread.messages.create(
            is_by_worker=False, author=market.owner, body="x", reported_at="2026-01-01T00:00Z", report_reason="y"
        )
    with django_assert_num_queries(REPORT_QUERIES):
        client.get(reverse("staff_reports"))


REPORT_QUERIES = 4


# --- disputes ---------------------------------------------------------------------------------------------------------


def test_a_worker_sees_their_answers_and_disputes_how_one_is_judged(client, market):
    client.force_login(market.worker.user)
    page = client.get(reverse("my_answers"))
    assert [row.pk for row, _dispute in page.context["rows"]] == list(
        market.worker.assignments.exclude(state="accepted").order_by("-pk").values_list("pk", flat=True)
    )
    assert "Two names were not marked." in page.content.decode()
    only = client.get(reverse("my_answers") + "?show=rejected").context["rows"]
    assert [row.pk for row, _dispute in only] == [market.rejected.pk]

    url = reverse("dispute_answer", args=[market.rejected.public_id])
    assert "why your answer holds" in told(client.post(url, {"reason": " "}, follow=True))[0]
    client.post(url, {"reason": "It is a seven."})

    assert Contest.objects.values_list("assignment", "reason").get() == (market.rejected.pk, "It is a seven.")
    assert "It is a seven." in client.get(reverse("my_answers")).content.decode()


def test_the_list_of_answers_asks_the_same_however_many_there_are(client, market, django_assert_num_queries):
    client.force_login(market.worker.user)
    client.get(reverse("my_answers"))
    for show in ("", "?show=rejected", "?show=waiting"):
        with django_assert_num_queries(ANSWER_QUERIES):
            client.get(reverse("my_answers") + show)


ANSWER_QUERIES = 7


# --- compensation -----------------------------------------------------------------------------------------------------


@pytest.fixture
def given_back(market):
    """A place that its worker opened and gave back."""
    worker = market.batch.participations.exclude(worker=market.worker).first().worker
    row = Assignment.objects.get(pk=accept(worker=worker, batch=market.batch).assignment_id)
    return return_place(assignment=row, reason="broken")


def test_what_was_given_back_is_paid_for_once(client, market, given_back):
    client.force_login(market.owner)
    page, pay = (reverse(name, args=[market.batch.public_id]) for name in ("studio_compensate", "compensate_pay"))
    before = balance(Account.Kind.PAYABLE, given_back.worker_id)
    assert str(given_back.public_id) in client.get(page).content.decode()
    form = {"assignment": [str(given_back.public_id)], "amount": "0,05", "reason": "It had no picture."}

    for _twice in range(2):
        client.post(pay, form)

    assert balance(Account.Kind.PAYABLE, given_back.worker_id) == before + 50_000
    shown = client.get(page).content.decode()
    assert str(given_back.public_id) not in shown and "Paid" in shown


def test_a_table_of_compensations_names_each_row_that_cannot_be_paid(client, market, given_back):
    client.force_login(market.owner)
    pay = reverse("compensate_pay", args=[market.batch.public_id])
    before = balance(Account.Kind.PAYABLE, given_back.worker_id)

    def send(*lines):
        text = "\n".join(["assignment,amount,reason", *lines]).encode()
        return told(client.post(pay, {"file": SimpleUploadedFile("pay.csv", text)}, follow=True))

    good = f"{given_back.public_id},0.05,No picture"
    (said,) = send(good, "nobody,0.05,x")
    assert "Row 3, assignment: There is no such assignment" in said
    (said,) = send(f"{given_back.public_id},much,x")
    assert "Row 2, amount" in said
    (said,) = send(f"{given_back.public_id},0.05,")
    assert "Row 2, reason" in said
    (said,) = told(client.post(pay, {"file": SimpleUploadedFile("p.csv", b"who,what\n1,2\n")}, follow=True))
    assert "no column amount, assignment, reason" in said
    assert balance(Account.Kind.PAYABLE, given_back.worker_id) == before
    assert send(good) == ["1 worker is paid, and reads why."]
    assert balance(Account.Kind.PAYABLE, given_back.worker_id) == before + 50_000


# --- qualifications, invitations --------------------------------------------------------------------------------------


def test_a_qualification_is_changed(client, market):
    client.force_login(market.owner)
    url = reverse("studio_qualification_change", args=[market.qualification.public_id])
    assert f'action="{url}"' in client.get(reverse("studio_qualifications")).content.decode()

    client.post(url, {"name": "Reads old Latin", "description": "Manuscripts"})

    market.qualification.refresh_from_db()
    assert (market.qualification.name, market.qualification.can_request) == ("Reads old Latin", False)
    assert "of this name already" in told(client.post(url, {"name": "Reads Greek"}, follow=True))[0]


def test_an_invitation_is_taken_up_with_an_account_that_exists(client, market, make_user):
    invitation = invite_member(requester=market.requester, email="", role="reviewer")
    user = make_user()
    client.force_login(user)

    asked = client.get(reverse("account_signup"), {"invitation": invitation.code})
    assert asked.url == f"{reverse('join')}?invitation={invitation.code}"
    assert invitation.code in client.get(asked.url).content.decode()
    assert not market.requester.memberships.filter(user=user).exists(), "nothing happens by following a link"
    joined = client.post(reverse("join"), {"code": invitation.code})

    assert joined.url == reverse("studio")
    assert market.requester.memberships.get(user=user).role == "reviewer"
    assert "used already" in client.post(reverse("join"), {"code": invitation.code}).content.decode()
