"""`manage.py verify_certificate FILE`: is it signed by us, and does the log still say the same?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quality.services.verifying import Check, verify


class Command(BaseCommand):
    help = (
        "Checks the signature of a certificate (JSON), and computes its labels and figures again from the judgment log."
        " Exit code 1 where anything differs."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", help="The certificate as it was downloaded; - reads standard input.")
        parser.add_argument(
            "--signature-only", action="store_true", help="Do not look into the log; for a copy of the file elsewhere."
        )

    def handle(self, *, file: str, signature_only: bool, **options: Any) -> None:
        try:
            content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        checks = verify(content, with_log=not signature_only)
        for check in checks:
            self.stdout.write(_line(check))
            for detail in check.details[:20]:
                self.stdout.write(f"            {detail}")
        if any(check.state == "BROKEN" for check in checks):
            sys.exit(1)


def _line(check: Check) -> str:
    return f"{check.state:6} {check.says}"
