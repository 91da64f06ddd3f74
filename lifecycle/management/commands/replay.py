"""`manage.py replay`: one real crowd data set through the whole system."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.errors import DomainError
from core.money import format_amount
from lifecycle.replay import Recording, Report, Settings, read_recording, replay


class Command(BaseCommand):
    help = "Pushes recorded answers of a real crowd through accept, submit, digest, decide and pay."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("labels", type=Path, help="labels.csv[.gz]: task, worker, label; or its folder.")
        parser.add_argument("--truth", type=Path, help="truth.csv[.gz] with task, label. Default: beside the labels.")
        parser.add_argument("--gold", type=int, default=0, help="Hide so many truths in the work as gold.")
        parser.add_argument("--redundancy", type=int, help="Use at most so many answers a task.")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--adaptive", action="store_true", help="The market chooses and stops.")
        parser.add_argument("--target", type=float, default=0.95, help="Confidence to stop at, with --adaptive.")
        parser.add_argument(
            "--http", nargs="?", const="", metavar="URL", help="Workers come over HTTP to the site on this data."
        )
        parser.add_argument("--json", action="store_true", help="One JSON object as the last line.")

    def handle(self, *, labels: Path, truth: Path | None, **options: Any) -> None:
        if options["gold"] < 0 or (options["redundancy"] is not None and options["redundancy"] < 1):
            raise CommandError("--gold is 0 or more, --redundancy 1 or more.")
        chosen = Settings(
            gold=options["gold"],
            redundancy=options["redundancy"],
            seed=options["seed"],
            adaptive=options["adaptive"],
            target=options["target"],
            site=self.site(options["http"]),
        )
        try:
            recording = read_recording(labels, truth)
            with tqdm(total=len(recording.answers), unit="answer", file=sys.stderr, disable=None) as bar:
                report = replay(recording, chosen, bar.update)
        except DomainError as error:
            raise CommandError(" ".join([error.message, *error.errors.values()])) from error
        if not options["json"]:
            self.tell(recording, chosen, report)
        else:
            self.stdout.write(json.dumps(report.to_json()))
        if report.invariants_broken:
            sys.exit(1)

    def site(self, given: str | None) -> str:
        """The address after --http, else that of the site which `make run` starts; empty without --http."""
        return "" if given is None else given or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"

    def tell(self, recording: Recording, chosen: Settings, report: Report) -> None:
        say = self.stdout.write
        say(f"{report.name}: {report.tasks} tasks, {report.workers} workers, {len(recording.classes)} classes")
        share = f", {1 - report.answers / report.recorded:.1%} saved" if chosen.adaptive else ""
        say(f"answers given        {report.answers} of {report.recorded}{share}")
        if report.accuracy_majority is not None and report.accuracy_delivered is not None:
            say(f"majority vote        {report.accuracy_majority:.2%} right")
            say(f"delivered labels     {report.accuracy_delivered:.2%} right")
        say(f"mean confidence      {report.mean_confidence:.2%}")
        amounts = [format_amount(m) for m in (report.deposited, report.spent, report.available, report.held)]
        say("money in             {} = {} spent + {} available + {} put aside".format(*amounts))
        say(f"every cent           {'accounted for' if report.is_accounted_for else 'NOT ACCOUNTED FOR'}")
        say(f"invariants broken    {report.invariants_broken} {' '.join(report.broken)}".rstrip())
        rate = report.answers / report.seconds if report.seconds else 0
        say(f"time                 {report.seconds:.1f} s, {rate:.0f} answers a second")
