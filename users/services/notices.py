"""Telling people what happened: on the page, by e-mail at once, in one e-mail a day, or not at all, as they chose.

A notice is written with its cause, in the same transaction. E-mails leave by the outbox (`users.services.mailing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.errors import Invalid
from core.models import Outbox
from core.zones import zone_of
from users.models import Notice, NoticePreference, User, Way

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words
else:
    Words = str | Promise

#: The hour, where the reader is, at which the e-mail of the day goes out.
DIGEST_HOUR = 8
#: More e-mails than this in an hour, and the next ones wait for the e-mail of the day.
MOST_AN_HOUR = 10


@dataclass(frozen=True)
class Group:
    """Notices that are wanted or unwanted together: those whose kind begins with one of the words `kinds`."""

    words: Words
    hint: Words
    way: str
    kinds: tuple[str, ...]


GROUPS: dict[str, Group] = {
    "answers": Group(
        _("My answers"), _("Rejected with the reason, sent back, turned round, and bonuses."), Way.DAILY, ("answer",)
    ),
    "appeals": Group(_("Appeals"), _("A ruling on an appeal, and appeals that wait for one."), Way.MAIL, ("appeal",)),
    "access": Group(
        _("My access to work"),
        _("Pauses with their reason and their end, and qualifications that were granted."),
        Way.MAIL,
        ("access", "qualification"),
    ),
    "money": Group(
        _("Money"), _("Payouts paid or failed, deposits that arrived."), Way.MAIL, ("payout", "deposit", "balance")
    ),
    "batches": Group(
        _("My batches"), _("Finished, paused with the reason, or waiting for a decision."), Way.DAILY, ("batch", "hit")
    ),
    "work": Group(
        _("New work"), _("Work that fits a saved search, and changed instructions."), Way.PAGE, ("work", "project")
    ),
    "messages": Group(_("Messages"), _("What others write to you here."), Way.MAIL, ("message",)),
    "other": Group(_("Everything else"), _("Long work that is done, and news of this site."), Way.PAGE, ()),
}
_GROUP_OF = {word: name for name, group in GROUPS.items() for word in group.kinds}


def group_of(kind: str) -> str:
    return _GROUP_OF.get(kind.partition(".")[0], "other")


@transaction.atomic
def notify(*, user: User, kind: str, title: Words, body: Words = "", url: str = "", key: str = "") -> Notice | None:
    """Tell one person that something happened; None where they did not want to hear of it.

    Call it in the transaction of what happened. Lazy words are written in the reader's language: pass
    `gettext_lazy`, and for words with values `format_lazy`.

    Parameters
    ----------
    kind : stable, `group.what`, such as "answer.rejected" or "payout.paid".
    url : a path of this site, to where the reader can act.
    key : the same key again for the same person is the same notice, told once.
    """
    ways = ways_of(user)
    way = ways[group_of(kind)]
    if way == Way.OFF:
        return None
    now = timezone.now()
    with translation.override(user.language):
        notice = Notice(
            user=user, kind=kind, key=key, title=str(title)[:200], body=str(body), url=url[:300], created_at=now
        )
    by_mail = way == Way.MAIL and not _is_flooded(user, now)
    if by_mail:
        notice.mail_due_at = notice.mailed_at = now
    elif way != Way.PAGE:
        notice.mail_due_at = next_digest(user, now)
    if key:
        Notice.objects.bulk_create([notice], ignore_conflicts=True)
        stored = Notice.objects.get(user=user, key=key)
        if stored.public_id != notice.public_id:
            return stored
        notice = stored
    else:
        notice.save(force_insert=True)
    if by_mail:
        Outbox.objects.create(kind="mail", key=f"mail:notice:{notice.public_id}", payload={"notices": [notice.pk]})
    return notice


def notify_all(users: Iterable[User], *, kind: str, title: Words, body: Words = "", url: str = "") -> int:
    """Tell several people the same; how many wanted to hear it."""
    return sum(notify(user=user, kind=kind, title=title, body=body, url=url) is not None for user in users)


def _is_flooded(user: User, now: datetime) -> bool:
    at_once = Notice.objects.filter(user=user, mailed_at__gte=now - timedelta(hours=1), mail_due_at=F("mailed_at"))
    return at_once[:MOST_AN_HOUR].count() >= MOST_AN_HOUR


def next_digest(user: User, now: datetime) -> datetime:
    """The next morning where the reader is."""
    here = now.astimezone(zone_of(user.time_zone))
    morning = datetime.combine(here.date(), time(DIGEST_HOUR), tzinfo=here.tzinfo)
    return morning if morning > here else morning + timedelta(days=1)


# --- what people chose ------------------------------------------------------------------------------------------------


def ways_of(user: User) -> dict[str, str]:
    """Of each group how this person hears of it."""
    chosen = dict(NoticePreference.objects.filter(user=user).values_list("group", "way"))
    return {name: chosen.get(name, group.way) for name, group in GROUPS.items()}


@transaction.atomic
def choose_ways(*, user: User, ways: Mapping[str, str]) -> dict[str, str]:
    """Change how this person hears of some groups. Raises `Invalid` for a group or a way that there is not."""
    errors = {}
    for name, way in ways.items():
        if name not in GROUPS:
            errors[name] = gettext("There is no such group. Choose from %s.") % ", ".join(GROUPS)
        elif way not in Way.values:
            errors[name] = gettext("Choose one of %s.") % ", ".join(Way.values)
    if errors:
        raise Invalid(errors=errors)
    rows = [NoticePreference(user=user, group=name, way=way) for name, way in ways.items()]
    NoticePreference.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["user", "group"], update_fields=["way"]
    )
    return ways_of(user)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_notices(*, notices: QuerySet[Notice], at: datetime | None = None) -> int:
    """Mark them read, `at` this moment (default: now); how many were not."""
    return notices.filter(read_at=None).update(read_at=at or timezone.now())


def unread_together(*, user: User, at: datetime) -> int:
    """Take back one `read_notices`, by the moment that it wrote; how many are unread again."""
    return Notice.objects.filter(user=user, read_at=at).update(read_at=None)


def unread_notice(*, notice: Notice) -> Notice:
    """Back to the unread ones."""
    Notice.objects.filter(pk=notice.pk).update(read_at=None)
    notice.read_at = None
    return notice
