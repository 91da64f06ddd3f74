"""What happened, for programs: the same notices as on the page."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from users.models import Notice, Way
from users.services.notices import GROUPS, choose_ways, read_notices, unread_notice, ways_of


class NoticeOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField(help_text="A stable word, such as answer.rejected.")
    title = serializers.CharField()
    body = serializers.CharField()
    url = serializers.CharField(help_text="A path of this site, or empty.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticesQuery(Input):
    unread = serializers.BooleanField(required=False, default=False, help_text="Only those not read yet.")


class UntilIn(Input):
    until = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="This notice and those before it; without it, all."
    )


class NoticeIn(Input):
    read = serializers.BooleanField(help_text="false makes it unread again.")


class ReadOut(serializers.Serializer):
    read = serializers.IntegerField(help_text="How many were unread.")


#: One field a group.
_WAY = {"choices": Way.values, "help_text": "page, mail (at once), daily (one e-mail a day) or off."}
WaysIn = type("WaysIn", (Input,), {name: serializers.ChoiceField(required=False, **_WAY) for name in GROUPS})
WaysOut = type("WaysOut", (serializers.Serializer,), {name: serializers.CharField() for name in GROUPS})


class Notices(Endpoint):
    @act("read", "work", gives=NoticeOut, query=NoticesQuery, paged=True, tag="people")
    def get(self, request: Request, query: dict[str, Any]) -> Any:
        """What happened, newest first."""
        rows = Notice.objects.filter(user=request.user)
        return rows.filter(read_at=None) if query["unread"] else rows


class NoticesRead(Endpoint):
    @act("write", "work", takes=UntilIn, gives=ReadOut, tag="people")
    def post(self, request: Request, data: dict[str, Any]) -> dict[str, int]:
        """Mark them read: all, or those up to the one that you have seen."""
        mine = Notice.objects.filter(user=request.user)
        if data["until"]:
            mine = mine.filter(pk__lte=_mine(request, data["until"]).pk)
        return {"read": read_notices(notices=mine)}


class NoticeOne(Endpoint):
    @act("write", "work", takes=NoticeIn, gives=NoticeOut, tag="people")
    def patch(self, request: Request, notice_id: uuid.UUID, data: dict[str, Any]) -> Notice:
        """Mark it read or unread."""
        notice = _mine(request, notice_id)
        if not data["read"]:
            return unread_notice(notice=notice)
        read_notices(notices=Notice.objects.filter(pk=notice.pk))
        notice.refresh_from_db()
        return notice


class NoticeWays(Endpoint):
    @act("read", "work", gives=WaysOut, tag="people")
    def get(self, request: Request) -> dict[str, str]:
        """How you hear of each group of notices: here only, also by e-mail at once, in one e-mail a day, or not."""
        return ways_of(request.user)

    @act("write", "work", takes=WaysIn, gives=WaysOut, tag="people")
    def patch(self, request: Request, data: dict[str, Any]) -> dict[str, str]:
        """Change some of them."""
        return choose_ways(user=request.user, ways=data)


def _mine(request: Request, notice_id: uuid.UUID) -> Notice:
    notice = Notice.objects.filter(user=request.user, public_id=notice_id).first()
    if notice is None:
        raise Http404
    return notice
