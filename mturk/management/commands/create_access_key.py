import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from marketplace.models import Membership
from mturk.services.keys import create_access_key
from mturk.services.sandbox import sandbox_for
from users.models import User


class Command(BaseCommand):
    help = "An access key for programs that speak Mechanical Turk; its secret is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="an owner or manager of the requester")
        parser.add_argument("--sandbox", action="store_true", help="a key of the sandbox: play money, separate data")
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument("--json", action="store_true")

    def handle(self, *, email: str, sandbox: bool, name: str, **options: Any) -> None:
        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            raise CommandError(f"There is no account {email}. Make one: manage.py create_user {email} --role requester")
        world = "sandbox" if sandbox else "live"
        if sandbox:
            sandbox_for(user=user)
        member = Membership.objects.filter(user=user, requester__world=world).order_by("pk").first()
        if member is None:
            raise CommandError(f"{email} is no member of a {world} requester.")
        try:
            key, secret = create_access_key(requester=member.requester, by=user, name=name)
        except DomainError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps({"access_key_id": key.key_id, "secret_access_key": secret}))
        else:
            self.stdout.write(f"{key.key_id} {secret}")
