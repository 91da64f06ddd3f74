"""`manage.py invariants`: does the market hold together?"""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from lifecycle.invariants import FUNCTIONS, STATEMENTS, check_invariants


class Command(BaseCommand):
    help = "Checks every invariant of money, work, secrecy and system; exit code 1 and the rows where one is broken."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "names", nargs="*", choices=[[], *STATEMENTS, *FUNCTIONS], help="Only these, such as M5 W1."
        )
        parser.add_argument("--full", action="store_true", help="Compute all labels again, not only recent ones.")
        parser.add_argument("--json", action="store_true", help="One JSON object instead of lines.")

    def handle(self, *, names: list[str], **options: Any) -> None:
        findings = check_invariants(names, full=options["full"])
        broken = [finding for finding in findings if finding.broken]
        if options["json"]:
            checks = [{"name": f.name, "says": f.says, "broken": f.broken} for f in findings]
            self.stdout.write(json.dumps({"broken": len(broken), "checks": checks}, default=str))
        else:
            for finding in findings:
                self.stdout.write(f"{'BROKEN' if finding.broken else 'ok':6} {finding.name:4} {finding.says}")
                for row in finding.broken:
                    self.stdout.write("            " + ", ".join(f"{k}={v}" for k, v in row.items() if v is not None))
        if broken:
            sys.exit(1)
