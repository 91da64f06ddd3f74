import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from core import money
from core.errors import DomainError
from lifecycle.enrol import register
from payments.models import Account
from payments.selectors import balance
from payments.services.deposits import confirm_deposit, request_deposit


class Command(BaseCommand):
    help = "A ready-to-use account: verified and approved. Prints it as JSON, with its password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--role", choices=["requester", "worker", "admin"], required=True)
        parser.add_argument("--password", help="default: a random one, printed")
        parser.add_argument("--deposit", default="0", help="money that a requester starts with, such as 100.00")

    def handle(self, *, email: str, role: str, password: str | None, deposit: str, **options: Any) -> None:
        password = password or secrets.token_urlsafe(16)
        try:
            facts = self.create(email=email, role=role, password=password, deposit=deposit)
        except DomainError as error:
            raise CommandError("; ".join(f"{k}: {v}" for k, v in error.errors.items()) or error.message) from error
        self.stdout.write(json.dumps({"email": email.lower(), "password": password, "role": role, **facts}))

    @transaction.atomic
    def create(self, *, email: str, role: str, password: str, deposit: str) -> dict[str, str]:
        amount = money.parse(deposit, field="deposit")
        if amount and role != "requester":
            raise CommandError("--deposit is for requesters.")
        user = register(email=email, password=password, role=role, is_verified=True, is_approved=True)
        facts = {"user": str(user.public_id)}
        if role == "worker":
            facts["worker"] = str(user.worker.public_id)
        if role == "requester":
            requester = user.requesters.get()
            if amount:
                confirm_deposit(deposit=request_deposit(requester=requester, amount=amount), by=None)
            facts["requester"] = str(requester.public_id)
            facts["available"] = money.format_amount(balance(Account.Kind.AVAILABLE, requester.pk, requester.currency))
            facts["currency"] = requester.currency
        return facts
