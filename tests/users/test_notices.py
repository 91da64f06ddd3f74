"""People hear of what concerns them, in the way that they chose, once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from core.models import Outbox
from core.pages import undo_of
from users.models import Notice
from users.services import notices
from users.services.mailing import gather_digests, send_due_mail
from users.services.notices import GROUPS, choose_ways, group_of, next_digest, notify, read_notices

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(make_user):
    return make_user(name="Ada", time_zone="Europe/Berlin")


def all_the_same(way):
    return dict.fromkeys(GROUPS, way)


def morning_has_come():
    waiting = Notice.objects.filter(mailed_at=None, mail_due_at__isnull=False)
    waiting.update(mail_due_at=timezone.now() - timedelta(seconds=1))


def test_a_kind_belongs_to_a_group_by_its_first_word():
    assert group_of("answer.rejected") == "answers"
    assert group_of("payout.paid") == group_of("deposit.confirmed") == "money"
    assert group_of("something.new") == "other"


def test_the_bell_counts_what_is_unread(client, reader):
    for number in range(3):
        notify(user=reader, kind="message", title=f"Number {number}")
    read_notices(notices=Notice.objects.filter(title="Number 0"))
    client.force_login(reader)

    page = client.get(reverse("notices")).content.decode()

    assert 'aria-label="2 unread notices"' in page
    assert page.index("Number 2") < page.index("Number 1") < page.index("Number 0")


def test_an_email_at_once_leaves_by_the_outbox(reader):
    choose_ways(user=reader, ways={"money": "mail"})

    notify(user=reader, kind="payout.paid", title="€12.00 are on their way", body="To your bank.", url="/earnings/")

    assert not mail.outbox
    assert send_due_mail() == 1
    (letter,) = mail.outbox
    assert letter.to == [reader.email] and letter.subject == "€12.00 are on their way - Touchstone"
    assert "To your bank." in letter.body and "/earnings/" in letter.body and reverse("notice_settings") in letter.body
    assert send_due_mail() == gather_digests() == 0


def test_the_email_of_the_day_holds_what_is_unread(reader, make_user):
    choose_ways(user=reader, ways={"answers": "daily"})
    for number in range(4):
        notify(user=reader, kind="answer.rejected", title=f"Number {number}")
    notify(user=make_user(), kind="work.new", title="Of somebody who wants no mail")
    read_notices(notices=Notice.objects.filter(title="Number 3"))

    assert gather_digests() == 0  # not before the morning
    morning_has_come()
    assert gather_digests() == 1
    assert gather_digests() == 0
    send_due_mail()

    (letter,) = mail.outbox
    assert letter.subject.startswith("3 things happened")
    assert "Number 2" in letter.body and "Number 3" not in letter.body


def test_what_was_read_before_the_morning_sends_nothing(reader):
    notify(user=reader, kind="answer.rejected", title="Seen on the page")
    read_notices(notices=reader.notices.all())
    morning_has_come()

    assert gather_digests() == 1
    assert not Outbox.objects.exists()


def test_the_morning_is_where_the_reader_is(make_user):
    noon = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

    assert next_digest(make_user(time_zone="Europe/Berlin"), noon) == datetime(2026, 7, 2, 6, 0, tzinfo=UTC)
    assert next_digest(make_user(time_zone="Pacific/Honolulu"), noon) == datetime(2026, 7, 1, 18, 0, tzinfo=UTC)
    assert next_digest(make_user(time_zone="Nowhere/Atall"), noon) == datetime(2026, 7, 2, 8, 0, tzinfo=UTC)


def test_off_is_off_and_here_is_no_email(reader):
    choose_ways(user=reader, ways=all_the_same("off"))
    assert notify(user=reader, kind="payout.paid", title="Unheard") is None
    choose_ways(user=reader, ways={"money": "page"})
    notify(user=reader, kind="payout.paid", title="Heard")
    morning_has_come()

    assert [notice.title for notice in reader.notices.all()] == ["Heard"]
    assert not Outbox.objects.exists()


def test_the_same_key_is_told_once(reader):
    choose_ways(user=reader, ways=all_the_same("mail"))

    first = notify(user=reader, kind="batch.paused", title="Paused", key="batch:1:paused")
    again = notify(user=reader, kind="batch.paused", title="Paused", key="batch:1:paused")

    assert first == again and reader.notices.count() == 1 and Outbox.objects.count() == 1


def test_a_flood_of_emails_turns_into_one_a_day(reader):
    choose_ways(user=reader, ways=all_the_same("mail"))

    for number in range(notices.MOST_AN_HOUR + 5):
        notify(user=reader, kind="message", title=f"Number {number}")

    assert Outbox.objects.count() == notices.MOST_AN_HOUR
    assert reader.notices.filter(mailed_at=None, mail_due_at__isnull=False).count() == 5


def test_lazy_words_are_written_in_the_readers_language(make_user):
    reader = make_user(language="de")

    notice = notify(user=reader, kind="message", title=format_lazy("{} 5", gettext_lazy("Sunday")))

    assert notice.title == "Sonntag 5"


def test_mail_that_nobody_can_get_is_given_up(make_user):
    recorded = make_user()
    recorded.email = "w1@replay.invalid"
    recorded.save(update_fields=["email"])
    notify(user=recorded, kind="message", title="To nobody")

    send_due_mail()

    assert not mail.outbox and Outbox.objects.get().given_up_at


def test_a_mail_server_that_is_away_is_tried_again(reader, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    notify(user=reader, kind="message", title="Later")

    send_due_mail()

    row = Outbox.objects.get()
    assert row.attempts == 1 and row.due_at > timezone.now() and not row.delivered_at and not row.given_up_at


def test_choices_that_are_none_change_nothing(reader):
    with pytest.raises(Invalid) as refusal:
        choose_ways(user=reader, ways={"money": "off", "answers": "by pigeon", "doves": "off"})

    assert set(refusal.value.errors) == {"answers", "doves"}
    assert not reader.notice_preferences.exists()


def test_opening_reads_it_and_leads_to_where_one_can_act(client, reader):
    notice = notify(user=reader, kind="message", title="Look", url="/earnings/")
    elsewhere = notify(user=reader, kind="message", title="Look", url="https://evil.example/")
    client.force_login(reader)

    assert client.post(reverse("notice_open", args=[notice.public_id])).url == "/earnings/"
    assert client.post(reverse("notice_open", args=[elsewhere.public_id])).url == reverse("notices")
    assert reader.unread_notices() == 0
    client.post(reverse("notice_unread", args=[notice.public_id]))
    assert reader.unread_notices() == 1
    client.post(reverse("notices_read"))
    assert reader.unread_notices() == 0


def test_marking_all_read_is_undone_and_brings_back_no_other(client, reader, make_user):
    old, *new = [notify(user=reader, kind="message", title=str(n)) for n in range(3)]
    read_notices(notices=Notice.objects.filter(pk=old.pk))
    theirs = notify(user=make_user(), kind="message", title="Theirs")
    client.force_login(reader)

    page = client.post(reverse("notices_read"), follow=True)

    (undo,) = [undo_of(message) for message in page.context["messages"]]
    assert reader.unread_notices() == 0
    Notice.objects.filter(pk=theirs.pk).update(read_at=Notice.objects.get(pk=new[0].pk).read_at)
    client.post(undo["href"], dict(undo["fields"]))
    assert set(Notice.objects.filter(read_at=None)) == set(new)
    assert client.post(reverse("notices_unread"), {"at": "yesterday"}).status_code == 404


def test_a_page_of_notices_costs_the_same_however_many_there_are(client, reader, django_assert_num_queries):
    client.force_login(reader)
    Notice.objects.bulk_create([Notice(user=reader, kind="message", title=str(n)) for n in range(60)])
    client.get(reverse("notices"))

    with django_assert_num_queries(6):
        page = client.get(reverse("notices") + "?page=2").content.decode()

    assert "26 to 50 of 60" in page


def test_choices_are_made_on_the_page(client, reader):
    client.force_login(reader)

    client.post(reverse("notice_settings"), {"money": "off", "messages": "daily", "doves": "off"})

    assert dict(reader.notice_preferences.values_list("group", "way")) == {"money": "off", "messages": "daily"}


def test_programs_read_up_to_what_they_have_seen(api, reader):
    shown = [notify(user=reader, kind="message", title=str(n)) for n in range(3)]
    client = api(reader, "read", "write")

    assert client.post("notices/read", {"until": str(shown[1].public_id)}).json() == {"read": 2}
    assert [one["title"] for one in client.get("notices?unread=true").json()["items"]] == ["2"]
    assert client.call("PATCH", "notices/ways", {"money": "off"}).json()["money"] == "off"
