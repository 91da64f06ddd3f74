"""What programs may do to a sandbox beside Mechanical Turk's own operations."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from marketplace.api.finding import requester_for
from mturk.services.sandbox_clock import FURTHEST, move_clock


class ClockIn(Input):
    seconds = serializers.IntegerField(min_value=1, max_value=FURTHEST.days * 86_400, help_text="How much later it is.")


class Clock(Endpoint):
    @act("write", takes=ClockIn, refuses=[409], tag="people")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> None:
        """Move the business clock of a sandbox forward: deadlines, expiry and approvals come sooner (managers)."""
        requester = requester_for(request, organisation_id, "manager")
        move_clock(requester=requester, forward=timedelta(seconds=data["seconds"]), by=request.user)
