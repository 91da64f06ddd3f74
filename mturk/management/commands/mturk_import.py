"""Tables from Mechanical Turk's requester site: results with decisions, or workers with qualifications."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from marketplace.models import Membership
from mturk.services.importing import import_grants, review_results
from users.models import User


class Command(BaseCommand):
    help = "results: decides what stands under Approve and Reject. workers: grants what stands under UPDATE-<name>."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=["results", "workers"])
        parser.add_argument("email", help="an owner or manager of the requester")
        parser.add_argument("table", help="a CSV file, or - for standard input")
        parser.add_argument("--sandbox", action="store_true")

    def handle(self, *, kind: str, email: str, table: str, sandbox: bool, **options: Any) -> None:
        world = "sandbox" if sandbox else "live"
        user = User.objects.filter(email=email.lower()).first()
        member = Membership.objects.filter(user=user, requester__world=world).order_by("pk").first() if user else None
        if user is None or member is None or not member.is_at_least(Membership.Role.MANAGER):
            raise CommandError(f"{email} is no owner or manager of a {world} requester.")
        text = sys.stdin.read() if table == "-" else Path(table).read_text()
        try:
            if kind == "results":
                done = review_results(requester=member.requester, by=user, text=text)
            else:
                done = import_grants(requester=member.requester, text=text)
        except DomainError as error:
            told = [f"{where}: {why}" for where, why in error.errors.items()]
            raise CommandError("\n".join([str(error.message), *told])) from error
        self.stdout.write(f"Done: {done.done}. As it was: {done.passed_over}.")
