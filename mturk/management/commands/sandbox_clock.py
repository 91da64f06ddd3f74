from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from mturk.services.sandbox import sandbox_for
from mturk.services.sandbox_clock import move_clock
from users.models import User


class Command(BaseCommand):
    help = "Move the business clock of someone's sandbox forward: deadlines, expiry and approvals come sooner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="an owner or manager of the sandbox")
        for unit in ("days", "hours", "minutes", "seconds"):
            parser.add_argument(f"--{unit}", type=float, default=0)

    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            raise CommandError(f"There is no account {email}.")
        forward = timedelta(**{unit: options[unit] for unit in ("days", "hours", "minutes", "seconds")})
        requester = sandbox_for(user=user)
        try:
            move_clock(requester=requester, forward=forward, by=user)
        except DomainError as error:
            raise CommandError(" ".join(error.errors.values()) or error.message) from error
        self.stdout.write(f"It is later by {forward} in {requester}.")
