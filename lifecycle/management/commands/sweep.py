"""The clock of the market: a plain loop over the due rows, which needs no broker."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections, connection

from lifecycle.clock import LONG_STEPS, STEPS
from lifecycle.refit import wait_for_children

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Runs the market's clock: digest, decide, expire, and whatever else is due."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--once", action="store_true", help="Run each step until nothing is due, then end.")
        parser.add_argument("--long", action="store_true", help="The steps that may take seconds: files, refits.")

    def handle(self, *, once: bool = False, long: bool = False, **options: Any) -> None:
        if once:
            self.run_until_quiet()
            return
        self.stopping = False
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        steps = LONG_STEPS if long else STEPS
        due = {name: 0.0 for name, _, _ in steps}
        while not self.stopping:
            busy = False
            for name, step, every in steps:
                if self.stopping or time.monotonic() < due[name]:
                    continue
                did = self.run_step(name, step)
                # A step that found work looks again at once: the queue may hold more than one turn's worth.
                due[name] = time.monotonic() + (0 if did else every)
                busy = busy or bool(did)
            if not busy:
                time.sleep(0.1)

    def run_step(self, name: str, step: Any) -> int:
        close_old_connections()
        try:
            return step()
        except OperationalError as error:
            log.warning("%s waits for the database: %s", name, str(error).strip().splitlines()[0])
            connection.close()
            time.sleep(1)
        except Exception:
            log.exception("%s failed; it is tried again", name)
            time.sleep(1)
        return 0

    def run_until_quiet(self) -> None:
        while any(self.run_step(name, step) for name, step, _ in STEPS + LONG_STEPS) or wait_for_children():
            pass

    def stop(self, *_: Any) -> None:
        self.stopping = True
