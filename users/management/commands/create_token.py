import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from users.models import User
from users.services import create_token


class Command(BaseCommand):
    help = "A token for the REST API, shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--scopes", required=True, help="read, write, money, work, work:any, admin; with commas")
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument("--json", action="store_true", help="as JSON, with its prefix and scopes")

    def handle(self, *, email: str, scopes: str, name: str, **options: Any) -> None:
        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            raise CommandError(f"There is no account {email}. Make one: manage.py create_user {email} --role requester")
        try:
            token, secret = create_token(
                user=user, scopes=[s.strip() for s in scopes.split(",") if s.strip()], name=name
            )
        except DomainError as error:
            raise CommandError("; ".join(error.errors.values()) or error.message) from error
        told = {"token": secret, "prefix": token.prefix, "scopes": token.scopes}
        self.stdout.write(json.dumps(told) if options["json"] else secret)
