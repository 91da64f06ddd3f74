"""The ledger, the invariants, the log, the settings and people, for programs of the staff. Scope `admin`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, Empty, Input
from core.api.tables import csv_response
from core.models import AuditEntry, Note, Operation
from core.notes import add_note, notes_on
from core.preferences import CHANGEABLE, change_preference, preference, source_of
from lifecycle.check_up import check_ups, start_check_up
from marketplace.api.finding import one
from marketplace.models import Requester
from payments.api.money import ReasonIn
from payments.models import Transfer
from payments.selectors import sums_of_accounts
from staff import system
from staff.api.workers import NoteOut, StaffNoteIn
from staff.filters import KINDS, refuse, transfers_asked
from staff.ledger import CSV_HEADER, csv_rows, with_entries
from staff.log import log_asked
from staff.people import SHOWS, found_people
from users.models import Invitation, User
from users.services import standing

# --- the ledger -------------------------------------------------------------------------------------------------------


class KindOut(serializers.Serializer):
    kind = serializers.CharField()
    currency = serializers.CharField()
    accounts = serializers.IntegerField()
    balance = Amount()


class LedgerOut(serializers.Serializer):
    items = KindOut(many=True)


class EntryOut(serializers.Serializer):
    account = serializers.CharField()
    owner = serializers.CharField()
    amount = Amount()
    currency = serializers.CharField()


class LedgerTransferOut(serializers.Serializer):
    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    key = serializers.CharField()
    cause = serializers.CharField()
    memo = serializers.CharField()
    entries = EntryOut(many=True)


class TransferQuery(Input):
    account = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1, help_text="Its number.")
    batch = serializers.UUIDField(required=False)
    worker = serializers.UUIDField(required=False)
    organisation = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(required=False, choices=KINDS)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, help_text="The last day.")
    key = serializers.CharField(required=False, max_length=80, help_text="A transfer's key, or its id.")


def _shaped(request: Request, rows: Sequence[Transfer]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.public_id,
            "at": row.created_at,
            "kind": row.kind,
            "key": row.key,
            "cause": cause.words,
            "memo": row.memo,
            "entries": [
                {
                    "account": entry.account.kind,
                    "owner": owner.words,
                    "amount": entry.amount,
                    "currency": entry.account.currency,
                }
                for entry, owner in entries
            ],
        }
        for row, cause, entries in with_entries(list(rows))
    ]


def _asked(query: dict[str, Any]) -> QuerySet[Transfer]:
    asked = transfers_asked({name: str(value) for name, value in query.items()})
    refuse(asked)
    return asked.rows


class Ledger(Endpoint):
    @act("admin", gives=LedgerOut, tag="staff")
    def get(self, request: Request) -> dict[str, Any]:
        """Where all money is, by kind of account."""
        names = ("kind", "currency", "accounts", "balance")
        return {"items": [dict(zip(names, row, strict=True)) for row in sums_of_accounts()]}


class Transfers(Endpoint):
    @act("admin", query=TransferQuery, gives=LedgerTransferOut, paged=True, shape=_shaped, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Transfer]:
        """Movements of money with their entries and causes."""
        return _asked(query)


class TransfersCsv(Endpoint):
    @act("admin", query=TransferQuery, content="text/csv", tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> Any:
        """The same as a table, a line an entry."""
        return csv_response(csv_rows(_asked(query)), header=CSV_HEADER, name="transfers.csv")


# --- the site ---------------------------------------------------------------------------------------------------------


class CheckUpOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    result = serializers.JSONField(help_text="findings: name, says, broken rows, seconds; broken: how many.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class CheckUps(Endpoint):
    @act("admin", gives=CheckUpOut, paged=True, tag="staff")
    def get(self, request: Request) -> QuerySet[Operation]:
        """Checks of every invariant."""
        return check_ups()

    @act("admin", takes=Empty, gives=CheckUpOut, status=202, keyed=True, tag="staff")
    def post(self, request: Request, data: dict[str, Any]) -> Operation:
        """Check every invariant now, beside the market."""
        return start_check_up(by=request.user)


class DueOut(serializers.Serializer):
    name = serializers.CharField()
    count = serializers.IntegerField()
    since = serializers.DateTimeField(allow_null=True)
    is_slow = serializers.BooleanField()


class SystemOut(serializers.Serializer):
    due = DueOut(many=True)
    database_bytes = serializers.IntegerField()
    disk_free_bytes = serializers.IntegerField()
    connections = serializers.IntegerField()


class System(Endpoint):
    @act("admin", gives=SystemOut, tag="staff")
    def get(self, request: Request) -> dict[str, Any]:
        """Queues with the age of their oldest row, database and disk."""
        database = system.database()
        return {
            "due": system.due_rows(),
            "database_bytes": database["size"],
            "disk_free_bytes": system.disk()["free"],
            "connections": database["connections"],
        }


class LogOut(serializers.Serializer):
    at = serializers.DateTimeField()
    act = serializers.CharField()
    subject = serializers.CharField()
    by = serializers.SerializerMethodField(help_text="null: a machine.")
    reason = serializers.CharField()
    details = serializers.JSONField()
    hash = serializers.CharField()

    def get_by(self, entry: AuditEntry) -> str | None:
        return entry.actor.email if entry.actor else None


class LogQuery(Input):
    act = serializers.CharField(required=False, max_length=60, help_text="An act, or its beginning.")
    subject = serializers.CharField(required=False, max_length=120)
    actor = serializers.CharField(required=False, max_length=254, help_text="An e-mail, or machine.")
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, help_text="The last day.")


class Log(Endpoint):
    @act("admin", query=LogQuery, gives=LogOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[AuditEntry]:
        """Who did what to what, and why."""
        return log_asked({name: str(value) for name, value in query.items()})


class SettingOut(serializers.Serializer):
    name = serializers.CharField()
    meaning = serializers.CharField()
    value = serializers.CharField()
    source = serializers.ChoiceField(choices=["staff", "environment", "default"])


class SettingsOut(serializers.Serializer):
    items = SettingOut(many=True)


class SettingIn(Input):
    value = serializers.CharField(max_length=60, allow_null=True, help_text="null: what the environment says.")
    reason = serializers.CharField(max_length=300)


def _setting(name: str) -> dict[str, Any]:
    meaning = str(CHANGEABLE[name].meaning)
    return {"name": name, "meaning": meaning, "value": str(preference(name)), "source": source_of(name)}


class Settings(Endpoint):
    @act("admin", gives=SettingsOut, tag="staff")
    def get(self, request: Request) -> dict[str, Any]:
        """Settings that staff may change while the site runs."""
        return {"items": [_setting(name) for name in CHANGEABLE]}


class Setting(Endpoint):
    @act("admin", takes=SettingIn, gives=SettingOut, keyed=True, tag="staff")
    def put(self, request: Request, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Change one. All processes go by it within seconds."""
        value = change_preference(name=name, by=request.user, **data)
        return _setting(name) | {"value": str(value), "source": source_of(name) if data["value"] is None else "staff"}


# --- people -----------------------------------------------------------------------------------------------------------


class PersonOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    email = serializers.EmailField()
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    is_staff = serializers.BooleanField()
    approved_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField(source="date_joined")


class PersonQuery(Input):
    show = serializers.ChoiceField(required=False, choices=list(SHOWS), default="all")
    q = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")


class MaybeReasonIn(Input):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class StaffRoleIn(ReasonIn):
    is_staff = serializers.BooleanField()


def _person(user_id: uuid.UUID) -> User:
    return one(User.objects.all(), public_id=user_id)


class People(Endpoint):
    @act("admin", query=PersonQuery, gives=PersonOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[User]:
        """Accounts by state, by the beginning of an e-mail or by a whole name."""
        return found_people(show=query["show"], words=query["q"])


class PersonApprove(Endpoint):
    @act("admin", takes=MaybeReasonIn, gives=PersonOut, keyed=True, tag="staff")
    def post(self, request: Request, user_id: uuid.UUID, data: dict[str, Any]) -> User:
        """Let a sign-up in."""
        return standing.approve_person(user=_person(user_id), by=request.user, **data)


class PersonLock(Endpoint):
    @act("admin", takes=ReasonIn, gives=PersonOut, keyed=True, tag="staff")
    def post(self, request: Request, user_id: uuid.UUID, data: dict[str, Any]) -> User:
        """Lock somebody out; their tokens end."""
        return standing.lock_person(user=_person(user_id), by=request.user, **data)


class PersonUnlock(Endpoint):
    @act("admin", takes=ReasonIn, gives=PersonOut, keyed=True, tag="staff")
    def post(self, request: Request, user_id: uuid.UUID, data: dict[str, Any]) -> User:
        """They may sign in again."""
        return standing.unlock_person(user=_person(user_id), by=request.user, **data)


class PersonRole(Endpoint):
    @act("admin", takes=StaffRoleIn, gives=PersonOut, keyed=True, tag="staff")
    def put(self, request: Request, user_id: uuid.UUID, data: dict[str, Any]) -> User:
        """Make somebody staff, or end it."""
        return standing.set_staff(user=_person(user_id), by=request.user, **data)


class PersonNotes(Endpoint):
    @act("admin", gives=NoteOut, paged=True, tag="staff")
    def get(self, request: Request, user_id: uuid.UUID) -> QuerySet[Note]:
        """What staff wrote down about a person."""
        return notes_on(f"user:{_person(user_id).pk}")

    @act("admin", takes=StaffNoteIn, gives=NoteOut, status=201, keyed=True, tag="staff")
    def post(self, request: Request, user_id: uuid.UUID, data: dict[str, Any]) -> Note:
        """Add a note."""
        return add_note(subject=f"user:{_person(user_id).pk}", by=request.user, **data)


class OrganisationNotes(Endpoint):
    @act("admin", gives=NoteOut, paged=True, tag="staff")
    def get(self, request: Request, organisation_id: uuid.UUID) -> QuerySet[Note]:
        """What staff wrote down about an organisation."""
        return notes_on(f"requester:{one(Requester.objects.all(), public_id=organisation_id).pk}")

    @act("admin", takes=StaffNoteIn, gives=NoteOut, status=201, keyed=True, tag="staff")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Note:
        """Add a note."""
        requester = one(Requester.objects.all(), public_id=organisation_id)
        return add_note(subject=f"requester:{requester.pk}", by=request.user, **data)


class StaffInvitationOut(serializers.Serializer):
    number = serializers.IntegerField(source="pk")
    email = serializers.CharField()
    role = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    is_used = serializers.SerializerMethodField()

    def get_is_used(self, invitation: Invitation) -> bool:
        return invitation.used_by_id is not None


class NewInvitationOut(StaffInvitationOut):
    code = serializers.CharField(help_text="Goes into the sign-up link: ?invitation=CODE.")


class StaffInvitationIn(Input):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=["worker", "requester"], default="worker", required=False)


def _invitations() -> QuerySet[Invitation]:
    return Invitation.objects.filter(requester_id=None)


class AllInvitations(Endpoint):
    @act("admin", gives=StaffInvitationOut, paged=True, tag="staff")
    def get(self, request: Request) -> QuerySet[Invitation]:
        """Invitations to the site."""
        return _invitations()

    @act("admin", takes=StaffInvitationIn, gives=NewInvitationOut, status=201, keyed=True, tag="staff")
    def post(self, request: Request, data: dict[str, Any]) -> Invitation:
        """Invite one person; the code stands for 14 days."""
        return standing.invite_person(by=request.user, **data)


class InvitationCancel(Endpoint):
    @act("admin", takes=Empty, gives=StaffInvitationOut, keyed=True, tag="staff")
    def post(self, request: Request, invitation_id: int, data: dict[str, Any]) -> Invitation:
        """The code works no more."""
        return standing.cancel_invitation(invitation=one(_invitations(), pk=invitation_id), by=request.user)
