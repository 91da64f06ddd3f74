"""Becoming somebody here: an account, and the role that brings a person to work or to post work."""

from __future__ import annotations

from django.db import transaction

from core.errors import Invalid
from core.preferences import preference
from marketplace.models import Membership
from marketplace.services.members import found_organisation, join
from users.models import Invitation, User
from users.services import create_person, use_invitation
from workers_app.models import Worker

ROLES = ("requester", "worker")


@transaction.atomic
def register(
    *,
    email: str,
    password: str | None,
    role: str,
    name: str = "",
    organisation: str = "",
    invitation: Invitation | None = None,
    is_verified: bool = False,
    is_approved: bool | None = None,
) -> User:
    """A new account in one of `ROLES`, or `admin` (staff). Approved at once unless the site's sign-up says otherwise.

    Raises
    ------
    Invalid, Conflict
    """
    if role not in (*ROLES, "admin"):
        raise Invalid(errors={"role": f"One of {', '.join(ROLES)}."})
    if is_approved is None:
        is_approved = preference("SIGNUP") != "approval" or invitation is not None
    user = create_person(
        email=email,
        password=password,
        name=name,
        is_verified=is_verified,
        is_approved=is_approved,
        is_staff=role == "admin",
    )
    if role != "admin":
        enrol(user=user, role=role, organisation=organisation, invitation=invitation)
    return user


@transaction.atomic
def enrol(*, user: User, role: str, organisation: str = "", invitation: Invitation | None = None) -> User:
    """Give `user` what a role needs. A person may have both; asking for one again changes nothing.

    Raises
    ------
    Invalid, Conflict
    """
    if invitation is not None:
        use_invitation(invitation=invitation, user=user)
        role = invitation.role
        if invitation.requester_id:
            join(user=user, requester_id=invitation.requester_id, role=invitation.member_role)
            return user
    if role == "worker":
        Worker.objects.get_or_create(user=user)
    elif role == "requester":
        if not Membership.objects.filter(user=user).exists():
            found_organisation(user=user, name=organisation)
    else:
        raise Invalid(errors={"role": f"One of {', '.join(ROLES)}."})
    return user
