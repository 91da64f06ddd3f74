"""Who belongs to an organisation, and as what. An organisation always has an owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction

from core import audit, clock
from core.errors import Conflict, Invalid, NotThere
from marketplace.models import Membership, Requester
from users.models import Invitation, User
from users.services import find_invitation, use_invitation

INVITATION_STANDS = timedelta(days=14)


@transaction.atomic
def found_organisation(*, user: User, name: str = "") -> Requester:
    """A new organisation that posts work, owned by `user`."""
    name = name.strip() or user.get_short_name()
    if len(name) > 120:
        raise Invalid(errors={"name": "At most 120 characters."})
    requester = Requester.objects.create(name=name)
    Membership.objects.create(requester=requester, user=user, role=Membership.Role.OWNER)
    return requester


def rename_organisation(*, requester: Requester, name: str) -> Requester:
    if not 0 < len(name.strip()) <= 120:
        raise Invalid(errors={"name": "1 to 120 characters."})
    Requester.objects.filter(pk=requester.pk).update(name=name.strip())
    requester.refresh_from_db(fields=["name"])
    return requester


def invite_member(*, requester: Requester, email: str, role: str) -> Invitation:
    """An invitation whose code the inviter passes on. Whether the address has an account already is not told."""
    if role not in Membership.Role.values:
        raise Invalid(errors={"role": f"One of {', '.join(Membership.Role.values)}."})
    return Invitation.objects.create(
        email=email.lower(),
        role="requester",
        requester_id=requester.pk,
        member_role=role,
        expires_at=clock.now() + INVITATION_STANDS,
    )


@transaction.atomic
def join_by_invitation(*, user: User, code: str) -> Membership:
    """Become a member with an account that exists. Raises `NotThere`, `Conflict`."""
    invitation = find_invitation(code, email=user.email)
    if invitation is None or invitation.requester_id is None:
        raise NotThere("This invitation was used already, is over, or is for another address.")
    use_invitation(invitation=invitation, user=user)
    return join(user=user, requester_id=invitation.requester_id, role=invitation.member_role)


def join(*, user: User, requester_id: int, role: str = "") -> Membership:
    """Whoever is a member already keeps their role."""
    membership, _ = Membership.objects.get_or_create(
        requester_id=requester_id, user=user, defaults={"role": role or Membership.Role.VIEWER}
    )
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: str, by: Any = None) -> Membership:
    """Raises `Invalid`, and `Conflict` where the last owner would go."""
    if role not in Membership.Role.values:
        raise Invalid(errors={"role": f"One of {', '.join(Membership.Role.values)}."})
    if role != Membership.Role.OWNER:
        _keep_an_owner(membership)
    Membership.objects.filter(pk=membership.pk).update(role=role)
    membership.refresh_from_db(fields=["role"])
    subject = f"requester:{membership.requester_id}"
    audit.record(act="member.role", subject=subject, actor=by, user=membership.user_id, role=role)
    return membership


@transaction.atomic
def remove_member(*, membership: Membership, by: Any = None) -> None:
    _keep_an_owner(membership)
    Membership.objects.filter(pk=membership.pk).delete()
    subject = f"requester:{membership.requester_id}"
    audit.record(act="member.remove", subject=subject, actor=by, user=membership.user_id)


def _keep_an_owner(membership: Membership) -> None:
    # The organisation's lock: two owners who remove each other at the same moment would leave none.
    Requester.objects.select_for_update(no_key=True).get(pk=membership.requester_id)
    owners = Membership.objects.filter(requester_id=membership.requester_id, role=Membership.Role.OWNER)
    if not owners.exclude(pk=membership.pk).exists():
        raise Conflict("An organisation needs an owner. Make somebody else owner first.", code="last_owner")
