"""Files that workers handed in: a link that holds for a minute, and their end."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from mturk.models import AnswerFile

SALT = "mturk answer file"
LINK_HOLDS = timedelta(seconds=60)


def link_to(kept: AnswerFile) -> str:
    return settings.SITE_URL + reverse("mturk_file", args=[signing.dumps(kept.key, salt=SALT)])


def file_behind(token: str) -> AnswerFile | None:
    """None where the link is none of ours, or older than a minute."""
    try:
        key = signing.loads(token, salt=SALT, max_age=LINK_HOLDS)
    except signing.BadSignature:
        return None
    return AnswerFile.objects.filter(key=key).first()


def forget_files(*, hit_id: int) -> None:
    """The files of a HIT's answers, once it is committed that the HIT is gone."""
    kept = list(AnswerFile.objects.filter(assignment__hit=hit_id))
    AnswerFile.objects.filter(pk__in=[one.pk for one in kept]).delete()
    for one in kept:
        transaction.on_commit(lambda file=one.file: file.storage.delete(file.name))  # type: ignore[misc]
