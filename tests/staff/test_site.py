"""The site itself: invariants, the log, settings, people, and who gets in at all."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from core import audit
from core.errors import Conflict, Invalid
from core.keyset import page
from core.models import AuditEntry, Note, Preference
from core.preferences import change_preference, preference
from lifecycle.check_up import check_ups, start_check_up
from lifecycle.operations import run_to_end
from lifecycle.personal_data import everything_about
from marketplace.rules import Rules
from marketplace.services.design import prices
from users.models import User
from users.services import create_token, find_invitation, standing

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(make_user):
    return make_user(is_staff=True, is_superuser=True)


def test_a_check_of_all_invariants_says_which_rows_break_one(client, staff, make_batch):
    batch = make_batch(hits=2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE marketplace_hit SET taken = 1 WHERE id = %s", [batch.hits.first().pk])

    done = run_to_end(start_check_up(by=staff))

    assert (done.state, done.result["broken"]) == ("done", 1)
    broken = {one["name"]: one["broken"] for one in done.result["findings"] if one["broken"]}
    assert list(broken) == ["W1"] and broken["W1"][0]["hit"] == batch.hits.first().pk
    client.force_login(staff)
    told = client.get(reverse("staff_invariants")).content.decode()
    assert "1 broken" in told and "1 row breaks it" in told and f"<td>{batch.hits.first().pk}</td>" in told
    assert [one.pk for one in check_ups()] == [done.pk]


def test_one_check_at_a_time(staff):
    start_check_up(by=staff)

    with pytest.raises(Conflict):
        start_check_up(by=staff)


def test_a_changed_fee_is_the_fee_of_what_is_published_next(staff):
    rules = Rules.from_json({"reward": "0.10"}, audience="public")
    assert prices(rules)["fee"] == 10_000

    change_preference(name="FEE_BASIS_POINTS", value="2000", by=staff, reason="Costs rose.")
    # What other processes read once they look again.
    from django.core.cache import cache

    cache.set("preferences", dict(Preference.objects.values_list("name", "value")))

    assert prices(rules)["fee"] == 20_000
    entry = AuditEntry.objects.get(act="setting.change")
    assert (entry.actor, entry.reason, entry.details) == (staff, "Costs rose.", {"before": "1000", "after": 2000})


@pytest.mark.parametrize(
    ("name", "value"),
    [("FEE_BASIS_POINTS", "5001"), ("FEE_BASIS_POINTS", "1.5"), ("HOURLY_FLOOR", "NaN"), ("HOURLY_FLOOR", "8.001"),
     ("SIGNUP", "closed"), ("SECRET_KEY", "x")],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_refused(name, value, staff):
    with pytest.raises(Invalid):
        change_preference(name=name, value=value, by=staff, reason="Why.")

    assert not Preference.objects.exists() and preference("FEE_BASIS_POINTS") == 1000


def test_settings_never_show_a_secret(client, staff, settings):
    client.force_login(staff)

    told = client.get(reverse("staff_settings")).content.decode()

    assert settings.SECRET_KEY not in told and "SECRET_KEY" in told


def test_who_is_locked_out_is_out_at_once(client, make_user, staff):
    person = make_user()
    token, _secret = create_token(user=person, scopes=["read"])
    client.force_login(person)

    standing.lock_person(user=person, by=staff, reason="Asked by the person.")

    assert client.get(reverse("my_data")).status_code == 302
    token.refresh_from_db()
    assert token.revoked_at is not None
    with pytest.raises(Conflict):
        standing.lock_person(user=staff, by=staff, reason="Myself.")
    standing.unlock_person(user=person, by=staff, reason="Back.")
    assert User.objects.get(pk=person.pk).is_active


def test_a_cancelled_invitation_lets_nobody_in(staff):
    invitation = standing.invite_person(email="New@Example.org", role="worker", by=staff)
    assert find_invitation(invitation.code) is not None

    standing.cancel_invitation(invitation=invitation, by=staff)

    assert find_invitation(invitation.code) is None
    with pytest.raises(Conflict):
        standing.cancel_invitation(invitation=invitation, by=staff)


def test_notes_are_kept_and_given_to_whom_they_are_about(client, make_worker, staff):
    worker = make_worker()
    client.force_login(staff)

    client.post(reverse("staff_worker_note", args=[worker.public_id]), {"text": "Asked about pay by mail."})

    assert Note.objects.get().author == staff
    assert [note["text"] for note in everything_about(worker.user)["notes"]] == ["Asked about pay by mail."]


def test_without_a_second_factor_the_doors_stay_shut_where_it_is_asked_for(client, staff, settings):
    settings.STAFF_MFA = True
    client.force_login(staff)

    for name in ("staff_home", "staff_ledger", "staff_settings"):
        assert client.get(reverse(name)).url == reverse("mfa_index")
    assert client.post(reverse("staff_invariants_run")).url == reverse("mfa_index")
    assert client.get(reverse("admin:index")).status_code == 302
    assert not check_ups().exists()


def test_the_log_is_narrowed_by_act_person_and_day(client, staff):
    for number in range(3):
        audit.record(act="worker.pause", subject=f"worker:{number}", actor=staff, reason=f"Reason {number}.")
    audit.record(act="gold.suspend", subject="gold:1", reason="By a rule.")
    client.force_login(staff)
    url = reverse("staff_log")

    assert "By a rule." in client.get(url, {"actor": "machine"}).content.decode()
    told = client.get(url, {"act": "worker.", "actor": staff.email}).content.decode()
    assert "Reason 2." in told and "By a rule." not in told
    assert "No line fits" in client.get(url, {"until": "2001-01-01"}).content.decode()


@pytest.mark.parametrize("order", [["pk"], ["-pk"], ["act", "pk"], ["-act", "-pk"]])
def test_pages_have_every_row_once_in_order(order, staff):
    for number in range(11):
        audit.record(act=f"act.{number % 3}", subject=f"x:{number}")
    every = list(AuditEntry.objects.order_by(*order))

    seen, mark = [], ""
    while True:
        found = page(AuditEntry.objects.all(), order, mark, size=4)
        seen += found.rows
        if not (mark := found.onward):
            break

    assert seen == every
    assert page(AuditEntry.objects.all(), order, "nonsense", size=4).rows == every[:4]


def test_a_detail_of_the_log_may_have_any_name(client, staff):
    audit.record(act="machine.upload", subject="batch:1", actor=staff, items=300, keys="all")
    client.force_login(staff)

    told = client.get(reverse("staff_log")).content.decode()

    assert "items" in told and "300" in told
