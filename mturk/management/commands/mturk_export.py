"""The table of results that Mechanical Turk's requester site gave."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.models import Membership
from mturk.errors import RequestError
from mturk.exporting import write_results
from mturk.operations.hits import type_of
from users.models import User


class Command(BaseCommand):
    help = "Results as a CSV table: fill in Approve or Reject, and `mturk_import results` decides so."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="a member of the requester")
        parser.add_argument("table", help="a CSV file to write, or - for standard output")
        parser.add_argument("--hit-type", default="", help="the HITTypeId; else all of them")
        parser.add_argument("--sandbox", action="store_true")

    def handle(self, *, email: str, table: str, hit_type: str, sandbox: bool, **options: Any) -> None:
        world = "sandbox" if sandbox else "live"
        user = User.objects.filter(email=email.lower()).first()
        member = Membership.objects.filter(user=user, requester__world=world).order_by("pk").first() if user else None
        if member is None:
            raise CommandError(f"{email} is no member of a {world} requester.")
        try:
            found = type_of(member.requester, hit_type) if hit_type else None
        except RequestError as error:
            raise CommandError(error.message) from None
        if table == "-":
            write_results(requester=member.requester, to=sys.stdout, hit_type=found)
            return
        with Path(table).open("w", newline="") as file:
            written = write_results(requester=member.requester, to=file, hit_type=found)
        self.stdout.write(f"{written} answers in {table}.")
