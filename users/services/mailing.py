"""Notices by e-mail: each by itself, or those of a day together. At least once; a repeat has the same Message-ID."""

from __future__ import annotations

import hashlib
import logging
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import outbox
from core.models import Outbox
from core.zones import zone_of
from users.models import Notice, User

log = logging.getLogger(__name__)

#: Mails in one turn, over one connection.
GROUP = 20
#: Users in one turn whose mail of the day is gathered.
GATHERED = 200
#: A mail of the day names so many things and counts the rest.
MOST_NAMED = 30
#: Addresses that lead nowhere by definition (RFC 2606): recorded and simulated people.
NOWHERE = (".invalid",)


def gather_digests(limit: int = GATHERED) -> int:
    """Put together the mail of the day of those whose morning has come; how many were. Read notices stay out."""
    due = Notice.objects.filter(mailed_at=None, mail_due_at__lte=timezone.now())
    users = due.order_by("user_id").values_list("user_id", flat=True).distinct()[:limit]
    return sum(_gather(user_id) for user_id in list(users))


@transaction.atomic
def _gather(user_id: int) -> int:
    waiting = Notice.objects.filter(user_id=user_id, mailed_at=None, mail_due_at__isnull=False)
    rows = list(waiting.select_for_update(skip_locked=True).order_by("pk").values_list("pk", "read_at"))
    if not rows:
        return 0  # another turn has them
    Notice.objects.filter(pk__in=[pk for pk, _read in rows]).update(mailed_at=timezone.now())
    unread = [pk for pk, read_at in rows if read_at is None]
    if unread:
        Outbox.objects.create(kind="mail", key=f"mail:digest:{user_id}:{unread[-1]}", payload={"notices": unread})
    return 1


def send_due_mail(limit: int = GROUP) -> int:
    """Send what is due. Called every few seconds; safe at the same time as itself."""
    rows = outbox.take_due("mail", limit)
    if not rows:
        return 0
    connection = get_connection()
    for row in rows:
        error, is_final = _send(row, connection)
        outbox.settle(row, arrived=not error, error=error, is_final=is_final)
    connection.close()
    return len(rows)


def _send(row: Outbox, connection: Any) -> tuple[str, bool]:
    """What went wrong ("" if nothing did), and whether trying again is of no use."""
    notices = list(Notice.objects.filter(pk__in=row.payload["notices"]).select_related("user").order_by("pk"))
    if not notices:
        return "The notices are gone.", True
    user = notices[0].user
    if not user.is_active or user.email.endswith(NOWHERE):
        return "Nobody reads mail at this address.", True
    try:
        letter(user, notices, key=row.key, connection=connection).send()
    except (SMTPRecipientsRefused, SMTPSenderRefused) as error:
        return f"Refused: {type(error).__name__}.", True
    except (SMTPException, OSError) as error:
        return f"Not sent: {type(error).__name__}.", False
    return "", False


def letter(user: User, notices: list[Notice], *, key: str, connection: Any = None) -> EmailMessage:
    """The e-mail about some notices of one person, in their language and zone."""
    with translation.override(user.language), timezone.override(zone_of(user.time_zone)):
        if len(notices) == 1:
            subject = notices[0].title
        else:
            subject = ngettext("%d thing happened", "%d things happened", len(notices)) % len(notices)
        context = {
            "notices": notices[:MOST_NAMED],
            "rest": max(len(notices) - MOST_NAMED, 0),
            "name": user.get_short_name(),
            "site": settings.SITE_URL.rstrip("/"),
            "all": reverse("notices"),
            "choose": reverse("notice_settings"),
        }
        text = render_to_string("mail/notices.txt", context)
        subject = _("%(what)s - Touchstone") % {"what": " ".join(subject.split())}
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    return EmailMessage(
        subject,
        text,
        to=[user.email],
        connection=connection,
        headers={
            "Message-ID": f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>",
            "List-Unsubscribe": f"<{context['site']}{context['choose']}>",
            "Auto-Submitted": "auto-generated",
        },
    )
