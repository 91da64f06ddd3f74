"""The sandbox of a requester: an organisation of its own with the same people, play money, and Amazon's fees."""

from __future__ import annotations

from django.db import transaction

from core import money
from marketplace.models import Membership, Requester
from payments.services.deposits import confirm_deposit, request_deposit
from users.models import User

#: The currency code for tests (ISO 4217), and what Amazon's sandbox always said was there.
CURRENCY = "XTS"
PLAY_MONEY = 10_000 * money.MICROS
#: Amazon's fees: of the reward, more from so many assignments of a HIT on and for Masters, and never less than a cent.
FEE_BASIS_POINTS, MORE_FOR_MANY, MORE_FOR_MASTERS, MANY = 2000, 2000, 500, 10
LEAST_FEE = 10_000


def is_sandbox(requester: Requester) -> bool:
    return requester.world == Requester.World.SANDBOX


def sandbox_of(user: User) -> Requester | None:
    """The sandbox in which `user` is a manager or owner, where there is one."""
    mine = Membership.objects.filter(
        user=user, requester__world=Requester.World.SANDBOX, role__in=[Membership.Role.OWNER, Membership.Role.MANAGER]
    )
    member = mine.select_related("requester").order_by("pk").first()
    return member.requester if member else None


@transaction.atomic
def sandbox_for(*, user: User) -> Requester:
    """The same, made where there is none."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if found := sandbox_of(user):
        return found
    live = Requester.objects.filter(memberships__user=user, world=Requester.World.LIVE).order_by("pk").first()
    name = f"{live.name if live else user.email}"[:100] + " (sandbox)"
    made = Requester.objects.create(name=name, currency=CURRENCY, world=Requester.World.SANDBOX)
    Membership.objects.create(requester=made, user=user, role=Membership.Role.OWNER)
    confirm_deposit(deposit=request_deposit(requester=made, amount=PLAY_MONEY, reference="play money"), by=None)
    return made


def fee_of(amount: int, *, is_many: bool = False, is_for_masters: bool = False) -> int:
    """Amazon's fee on one assignment or bonus, in micros, rounded half up to the cent.

    >>> fee_of(100_000), fee_of(1_000_000, is_many=True), fee_of(10_000), fee_of(1_000_000, is_for_masters=True)
    (20000, 400000, 10000, 250000)
    """
    share = FEE_BASIS_POINTS + MORE_FOR_MANY * is_many + MORE_FOR_MASTERS * is_for_masters
    cents = (amount * share // 10_000 + LEAST_FEE // 2) // LEAST_FEE
    return max(LEAST_FEE, cents * LEAST_FEE)
