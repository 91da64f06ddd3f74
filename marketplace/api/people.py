"""Oneself, organisations, their members, and the workers they work without."""

from __future__ import annotations

import uuid
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, Input
from core.errors import Invalid
from lifecycle.enrol import ROLES, enrol
from lifecycle.erase import erase_person
from marketplace.api.finding import one, requester_for, worker_by_code
from marketplace.models import Block, Membership, Requester
from marketplace.selectors import requesters_of
from marketplace.services import blocking, members, tour
from payments.models import Account
from payments.selectors import balance
from users.models import Invitation, User
from users.services import change_person
from workers_app.services.pseudonyms import pseudonyms

ROLE = serializers.ChoiceField(choices=Membership.Role.values)


# --- oneself ----------------------------------------------------------------------------------------------------------


class MembershipOut(serializers.Serializer):
    id = serializers.UUIDField(source="requester.public_id")
    name = serializers.CharField(source="requester.name")
    role = serializers.CharField()


class MeOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    email = serializers.EmailField()
    name = serializers.CharField()
    time_zone = serializers.CharField()
    language = serializers.CharField()
    is_staff = serializers.BooleanField()
    is_worker = serializers.SerializerMethodField()
    organisations = MembershipOut(source="listed_memberships", many=True)

    def get_is_worker(self, user: User) -> bool:
        return hasattr(user, "worker")


class MeIn(Input):
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    time_zone = serializers.ChoiceField(required=False, choices=sorted(available_timezones()))
    language = serializers.ChoiceField(required=False, choices=[code for code, _ in settings.LANGUAGES])


class RoleIn(Input):
    role = serializers.ChoiceField(choices=ROLES)
    organisation = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")


class CodeIn(Input):
    code = serializers.CharField(max_length=64)


class Me(Endpoint):
    @act("read", "work", gives=MeOut, tag="people")
    def get(self, request: Request) -> User:
        """Who the token stands for."""
        return _me(request)

    @act("write", "work", takes=MeIn, gives=MeOut, tag="people")
    def patch(self, request: Request, data: dict[str, Any]) -> User:
        """Change your name, time zone or language."""
        change_person(user=request.user, **data)
        return _me(request)


class EraseIn(Input):
    email = serializers.EmailField(help_text="Your address again, so that nobody does it by a slip.")
    gives_up = serializers.BooleanField(required=False, default=False, help_text="What could be paid out is given up.")


class MeErase(Endpoint):
    @act("write", "work", takes=EraseIn, tag="people")
    def post(self, request: Request, data: dict[str, Any]) -> None:
        """Erase who you are, for good: name, address, messages, answers' texts. The ledger keeps its numbers."""
        if data["email"].lower() != request.user.email:
            raise Invalid(errors={"email": "Type the address of this account."})
        erase_person(user=request.user, gives_up=data["gives_up"])


class MyRoles(Endpoint):
    @act("write", "work", takes=RoleIn, gives=MeOut, keyed=True, tag="people")
    def post(self, request: Request, data: dict[str, Any]) -> User:
        """Become a worker, or a requester with an organisation of your own. Having the role already changes nothing."""
        enrol(user=request.user, **data)
        return _me(request)


class MyInvitations(Endpoint):
    @act("write", "work", takes=CodeIn, gives=MembershipOut, status=201, keyed=True, tag="people")
    def post(self, request: Request, data: dict[str, Any]) -> Membership:
        """Join an organisation by the code of an invitation."""
        return members.join_by_invitation(user=request.user, **data)


def _me(request: Request) -> User:
    user = User.objects.select_related("worker").get(pk=request.user.pk)
    user.listed_memberships = user.memberships.select_related("requester").order_by("pk")  # type: ignore[attr-defined]
    return user


# --- organisations ----------------------------------------------------------------------------------------------------


class OrganisationOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    currency = serializers.CharField()
    world = serializers.CharField()
    created_at = serializers.DateTimeField()


class BalanceOut(serializers.Serializer):
    currency = serializers.CharField()
    available = Amount()
    put_aside = Amount()


class OrganisationIn(Input):
    name = serializers.CharField(max_length=120)


class MemberOut(serializers.Serializer):
    user = serializers.UUIDField(source="user.public_id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.CharField()
    since = serializers.DateTimeField(source="created_at")


class MemberIn(Input):
    role = ROLE


class InvitationIn(Input):
    email = serializers.EmailField(max_length=254)
    role = ROLE


class InvitationOut(serializers.Serializer):
    code = serializers.CharField()
    url = serializers.SerializerMethodField()
    email = serializers.CharField()
    role = serializers.CharField(source="member_role")
    expires_at = serializers.DateTimeField()

    def get_url(self, invitation: Invitation) -> str:
        return f"{settings.SITE_URL}/accounts/signup/?invitation={invitation.code}"


class Organisations(Endpoint):
    @act("read", gives=OrganisationOut, paged=True, tag="organisations")
    def get(self, request: Request) -> Any:
        """Organisations you belong to."""
        return requesters_of(request.user)

    @act("write", takes=OrganisationIn, gives=OrganisationOut, status=201, keyed=True, tag="organisations")
    def post(self, request: Request, data: dict[str, Any]) -> Requester:
        """Found an organisation; you are its owner."""
        return members.found_organisation(user=request.user, **data)


class Organisation(Endpoint):
    @act("read", gives=OrganisationOut, tag="organisations")
    def get(self, request: Request, organisation_id: uuid.UUID) -> Requester:
        """One organisation."""
        return requester_for(request, organisation_id)

    @act("write", takes=OrganisationIn, gives=OrganisationOut, tag="organisations")
    def patch(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Requester:
        """Rename it (owners)."""
        return members.rename_organisation(requester=requester_for(request, organisation_id, "owner"), **data)


class TourIn(Input):
    is_shown = serializers.BooleanField(help_text="false hides the demonstration everywhere and pauses it.")


class Tour(Endpoint):
    @act("write", takes=TourIn, tag="people")
    def put(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> None:
        """Put the demonstration of a new site away, or show it again with its batches paused (managers)."""
        requester = requester_for(request, organisation_id, "manager")
        if data["is_shown"]:
            tour.bring_tour_back(requester=requester, by=request.user)
        else:
            tour.put_tour_away(requester=requester, by=request.user)


class Balance(Endpoint):
    @act("read", "money", gives=BalanceOut, tag="money")
    def get(self, request: Request, organisation_id: uuid.UUID) -> dict[str, Any]:
        """What can be spent, and what is put aside for batches."""
        requester = requester_for(request, organisation_id)
        kinds = (Account.Kind.ESCROW, Account.Kind.REPAIR)
        batches = requester.projects.values("batches")
        aside = Account.objects.filter(kind__in=kinds, owner_id__in=batches, currency=requester.currency)
        return {
            "currency": requester.currency,
            "available": balance(Account.Kind.AVAILABLE, requester.pk, requester.currency),
            "put_aside": sum(aside.values_list("balance", flat=True)),
        }


class Members(Endpoint):
    @act("read", gives=MemberOut, paged=True, tag="organisations")
    def get(self, request: Request, organisation_id: uuid.UUID) -> Any:
        """Its members."""
        return requester_for(request, organisation_id).memberships.select_related("user")


class Member(Endpoint):
    @act("write", takes=MemberIn, gives=MemberOut, tag="organisations")
    def patch(self, request: Request, organisation_id: uuid.UUID, user_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Change a member's role (owners). The last owner stays one."""
        membership = _member(request, organisation_id, user_id, "owner")
        return members.change_role(membership=membership, by=request.user, **data)

    @act("write", tag="organisations", refuses=[409])
    def delete(self, request: Request, organisation_id: uuid.UUID, user_id: uuid.UUID) -> None:
        """Take a member out (owners), or leave."""
        role = "viewer" if user_id == request.user.public_id else "owner"
        members.remove_member(membership=_member(request, organisation_id, user_id, role), by=request.user)


class Invitations(Endpoint):
    @act("read", gives=InvitationOut, paged=True, tag="organisations")
    def get(self, request: Request, organisation_id: uuid.UUID) -> Any:
        """Invitations that nobody has used (owners)."""
        requester = requester_for(request, organisation_id, "owner")
        return Invitation.objects.filter(requester_id=requester.pk, used_by=None)

    @act("write", takes=InvitationIn, gives=InvitationOut, status=201, keyed=True, tag="organisations")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Invitation:
        """Invite somebody; pass on the link or the code (owners)."""
        return members.invite_member(requester=requester_for(request, organisation_id, "owner"), **data)


def _member(request: Request, organisation_id: uuid.UUID, user_id: uuid.UUID, role: str) -> Membership:
    requester = requester_for(request, organisation_id, role)
    return one(requester.memberships.select_related("user"), user__public_id=user_id)


# --- blocks -----------------------------------------------------------------------------------------------------------


class BlockOut(serializers.Serializer):
    worker = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class BlockIn(Input):
    worker = serializers.CharField(max_length=40, help_text="The worker's name as your organisation knows it.")
    reason = serializers.CharField(max_length=300)


class BlockListOut(serializers.Serializer):
    items = BlockOut(many=True)


class Blocks(Endpoint):
    @act("read", gives=BlockListOut, tag="organisations")
    def get(self, request: Request, organisation_id: uuid.UUID) -> dict[str, Any]:
        """Workers without whom you work."""
        requester = requester_for(request, organisation_id)
        blocks = list(Block.objects.filter(requester=requester).order_by("-pk"))
        codes = pseudonyms(f"requester:{requester.pk}", [block.worker_id for block in blocks])
        return {"items": [_block_out(block, codes[block.worker_id]) for block in blocks]}

    @act("write", takes=BlockIn, gives=BlockOut, status=201, keyed=True, tag="organisations")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Work without somebody from now on (managers). What they hold can still be answered and is paid."""
        requester = requester_for(request, organisation_id, "manager")
        worker = worker_by_code(requester, data["worker"])
        block = blocking.block_worker(requester=requester, worker=worker, reason=data["reason"])
        return _block_out(block, data["worker"])


class BlockedWorker(Endpoint):
    @act("write", tag="organisations")
    def delete(self, request: Request, organisation_id: uuid.UUID, worker: str) -> None:
        """Lift a block (managers)."""
        requester = requester_for(request, organisation_id, "manager")
        blocking.unblock_worker(requester=requester, worker=worker_by_code(requester, worker))


def _block_out(block: Block, code: str) -> dict[str, Any]:
    return {"worker": code, "reason": block.reason, "created_at": block.created_at}
