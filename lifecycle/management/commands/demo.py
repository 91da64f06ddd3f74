"""`manage.py demo`: demo accounts, and work that arrives while a visitor looks. `make run` calls it once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from lifecycle import demo


class Command(BaseCommand):
    help = "Makes the demonstration: accounts, pictures of digits, a simulated crowd, and the table of 1979."
    #: What the supervisor prints once the site is up.
    accounts = demo.account_lines()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--pace", type=float, default=demo.PACE, help="Answers a second; 0: as fast as it goes.")

    def handle(self, *, pace: float, **options: Any) -> None:
        answers = demo.run(pace=pace)
        self.stdout.write(f"The simulated crowd gave {answers} answers.")
