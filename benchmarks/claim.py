"""Accept and submit over HTTP, by 16 workers at once, against 10^3 to 10^6 open HITs.

    python benchmarks/claim.py [--sizes 1000,100000,1000000] [--seconds 15] [--accepts 300000] [--json]

Starts the whole site as `make run` does (web: 2 processes; sweep, Celery worker and beat) on a durable database of its
own under var/bench. Mixed priorities, 10 % gold, one of the 16 has done 10^4 HITs, the digest runs. The peer is an
endpoint of one INSERT and its commit, measured around each size in the same run. Exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = ROOT / "var" / "bench"
WORKERS = 16
BODY = b'{"answers": {"digit": "one"}}'
BODIES = [b'{"answers": {"digit": "%s"}}' % label for label in (b"one", b"one", b"one", b"two")]
LIMITS = {"cycles": 150.0, "of peer": 0.2, "p99 after churn": 1.5, "near the end": 60.0}


def configure(port: int) -> None:
    """Django of this process, on the database of the benchmark."""
    os.environ["DATA_DIR"], os.environ["PORT"] = str(DATA_DIR), str(port)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.site.settings"
    import django

    django.setup()


@dataclass
class Run:
    """What the workers saw: seconds of each accept, submit and cycle, and when there was no work."""

    accepts: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)  # moments at which a granted accept was asked for
    refused: list[float] = field(default_factory=list)  # moments at which "no work" came back
    errors: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    last: float = 0.0  # moment at which the last answer was in
    worked: float = 0.0  # until the last answer was in

    @property
    def rate(self) -> float:
        return len(self.cycles) / self.seconds if self.seconds else 0.0

    @property
    def false_refusals(self) -> int:
        """Told "no work" although someone who asked later still got some: places only become fewer."""
        last = max(self.took, default=0.0)
        return sum(moment < last for moment in self.refused)


def milliseconds(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1000 if values else float("nan")


async def work(wire: Any, batch: str, until: float, run: Run, *, to_the_end: bool) -> None:
    """One worker: accept, submit, again."""
    clock = time.perf_counter
    accept, number = f"/api/v1/batches/{batch}/accept", 0
    while clock() < until:
        begun = clock()
        place = await wire.post(accept)
        accepted = clock()
        if place.status == 409 and place.json()["code"] == "no_work":
            run.refused.append(accepted)
            if to_the_end:
                return
            continue
        if place.status != 201:
            count_error(run, place)
            continue
        run.took.append(begun)
        number += 1
        receipt = await wire.post(f"/api/v1/assignments/{place.json()['assignment']}/submit", BODIES[number % 4])
        submitted = clock()
        if receipt.status != 200:
            count_error(run, receipt)
            continue
        run.accepts.append(accepted - begun)
        run.submits.append(submitted - accepted)
        run.cycles.append(submitted - begun)
        run.last = submitted


def count_error(run: Run, answer: Any) -> None:
    name = f"{answer.status} {answer.body[:120].decode(errors='replace')}"
    run.errors[name] = run.errors.get(name, 0) + 1


def workers_at(port: int, tokens: list[str], batch: Any, seconds: float, *, to_the_end: bool = False) -> Run:
    """All workers at once, each on a connection of its own."""
    from tests.support.wire import Wire

    async def everybody() -> Run:
        run = Run()
        wires = [Wire("127.0.0.1", port, token=token) for token in tokens]
        for wire in wires:
            await wire.connect()
        begun = time.perf_counter()
        until = begun + seconds
        await asyncio.gather(*[work(w, str(batch.public_id), until, run, to_the_end=to_the_end) for w in wires])
        run.seconds = time.perf_counter() - begun
        run.worked = run.last - begun
        for wire in wires:
            wire.close()
        return run

    return asyncio.run(everybody())


def peer_at(port: int, seconds: float) -> float:
    """Requests a second of an endpoint with one INSERT and commit, by as many connections."""
    from tests.support.wire import Wire

    async def ask(wire: Any, until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            answer = await wire.post("/benchmark/insert", BODY)
            assert answer.status == 200, answer
            count += 1
        return count

    async def everybody() -> float:
        wires = [Wire("127.0.0.1", port) for _ in range(WORKERS)]
        begun = time.perf_counter()
        counts = await asyncio.gather(*[ask(wire, begun + seconds) for wire in wires])
        return sum(counts) / (time.perf_counter() - begun)

    return asyncio.run(everybody())


def churn(port: int, batch_id: int, worker_ids: list[int], count: int) -> int:
    """Accepts through the product's own statement, as fast as one process makes them."""
    configure(port)
    from marketplace.services.accepting import claim

    made = 0
    for number in range(count):
        if claim(worker_id=worker_ids[number % len(worker_ids)], batch_id=batch_id, key=None):
            made += 1
    return made


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        from tests.support.stack import Stack

        self.options = options
        self.port = options.port
        self.stack = Stack(DATA_DIR, self.port, DJANGO_SETTINGS_MODULE="benchmarks.site.settings")
        self.rows: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self.head_said = False

    def run(self) -> dict[str, Any]:
        import psycopg

        from config import postgres

        shutil.rmtree(DATA_DIR, ignore_errors=True)
        self.stack.start()
        try:
            configure(self.port)
            with psycopg.connect(self.stack.cluster.url(postgres.OWNER), autocommit=True) as self.owner:
                self.owner.execute(
                    "CREATE TABLE benchmark_row (id bigserial PRIMARY KEY, said bytea, at timestamptz DEFAULT now())"
                )
                return self.measure()
        finally:
            self.stack.stop()

    def measure(self) -> dict[str, Any]:
        sizes = [int(size) for size in self.options.sizes.split(",")]
        for size in sizes:
            self.rows.append(self.measure_size(size))
            self.say(self.rows[-1])
        if self.options.accepts:
            self.rows.append(self.measure_after_churn(sizes[-1]))
            self.say(self.rows[-1])
        end = self.measure_the_end()
        self.judge(end)
        return {"sizes": self.rows, "end": end, "broken": self.broken}

    def crowd(self, batch: Any, done: int) -> list[str]:
        """Sixteen workers, the first of whom has done `done` HITs."""
        from tests.support.market import analyse, make_done, make_workers

        made = make_workers(WORKERS)
        make_done(self.owner, worker=made[0][0], batch=batch, count=done)
        analyse(self.owner)
        return [token for _, token in made]

    def measure_size(self, size: int) -> dict[str, Any]:
        from tests.support.market import make_batch

        places = 3 if size > 10_000 else 60  # so that no run of these seconds ends the batch
        rules = {"mode": "fixed", "answers": places, "gates": False}  # nobody is paused: they answer without looking
        self.batch = make_batch(self.owner, hits=size, places=places, rules=rules)
        tokens = self.crowd(self.batch, min(10_000, size // 2))
        return self.measure_batch(f"{size:,} HITs", tokens)

    def measure_batch(self, name: str, tokens: list[str]) -> dict[str, Any]:
        seconds = self.options.seconds
        workers_at(self.port, tokens, self.batch, 2)  # plans, caches and first checks
        peers = [peer_at(self.port, seconds / 4)]
        digested = self.digested()
        begun = time.perf_counter()
        run = workers_at(self.port, tokens, self.batch, seconds)
        during = (self.digested() - digested) / (time.perf_counter() - begun)
        backlog = self.backlog()
        drained = self.drain()
        peers.append(peer_at(self.port, seconds / 4))
        peer = statistics.mean(peers)
        return {
            "name": name,
            "cycles": run.rate,
            "accept": [milliseconds(run.accepts, 0.5), milliseconds(run.accepts, 0.99)],
            "submit": [milliseconds(run.submits, 0.5), milliseconds(run.submits, 0.99)],
            "cycle": [milliseconds(run.cycles, 0.5), milliseconds(run.cycles, 0.99)],
            "peer": peer,
            "of peer": run.rate / peer,
            "digested": during,
            "backlog": backlog,
            "drained": drained,
            "errors": run.errors,
            "no work": len(run.refused),
        }

    def digested(self) -> int:
        return self.owner.execute("SELECT count(*) FROM marketplace_answer WHERE digested_at IS NOT NULL").fetchone()[0]

    def backlog(self) -> int:
        return self.owner.execute("SELECT count(*) FROM marketplace_answer WHERE digested_at IS NULL").fetchone()[0]

    def drain(self) -> float | None:
        """Answers a second that the digest learns from while nobody works; None where it had none left."""
        before, begun = self.backlog(), time.perf_counter()
        if before < 200:
            return None
        while self.backlog() and time.perf_counter() - begun < 120:
            time.sleep(0.2)
        return (before - self.backlog()) / (time.perf_counter() - begun)

    def measure_after_churn(self, size: int) -> dict[str, Any]:
        """The largest batch again, after many accepts that nobody vacuumed behind."""
        from marketplace.models import Participation
        from tests.support.market import make_workers

        ids = [worker.pk for worker, _ in make_workers(200)]
        soon = timezone_now() + timedelta(days=1)
        Participation.objects.bulk_create(
            [Participation(worker_id=pk, batch=self.batch, checked_until=soon, lane_share=0.1) for pk in ids]
        )
        begun, halves = time.perf_counter(), (ids[::2], ids[1::2])
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            share = self.options.accepts // 2
            made = sum(pool.map(churn, [self.port] * 2, [self.batch.pk] * 2, halves, [share] * 2))
        self.note(f"{made:,} accepts in process, {made / (time.perf_counter() - begun):,.0f}/s by two processes")
        return self.measure_batch(f"{size:,} HITs after {made:,} accepts", self.crowd(self.batch, 10_000))

    def measure_the_end(self) -> dict[str, Any]:
        """Batches of 32 places, one after the other, each worked until everybody is told that there is no more."""
        from marketplace.models import Assignment, Participation
        from tests.support.market import make_batch, make_workers

        made = make_workers(WORKERS)
        runs, left = [], 0
        for _ in range(self.options.ends):
            batch = make_batch(self.owner, hits=32, places=1, rules={"mode": "fixed", "answers": 1})
            soon = timezone_now() + timedelta(hours=1)
            Participation.objects.bulk_create(
                [Participation(worker=worker, batch=batch, checked_until=soon, lane_share=0.1) for worker, _ in made]
            )
            runs.append(workers_at(self.port, [token for _, token in made], batch, 30, to_the_end=True))
            left += 32 - Assignment.objects.filter(batch=batch).count()
        cycles = sum(len(run.cycles) for run in runs)
        return {
            "cycles": cycles / sum(run.worked for run in runs),
            "false no work": sum(run.false_refusals for run in runs),
            "left over": left,
            "errors": {name: count for run in runs for name, count in run.errors.items()},
        }

    # --- saying it ---------------------------------------------------------------------------------------------------

    def judge(self, end: dict[str, Any]) -> None:
        small, last = self.rows[0], self.rows[-1]
        worst = min(self.rows, key=lambda row: row["cycles"])
        self.check(worst["cycles"] >= LIMITS["cycles"], f"{worst['cycles']:.0f} cycles/s at {worst['name']}")
        worst = min(self.rows, key=lambda row: row["of peer"])
        self.check(worst["of peer"] >= LIMITS["of peer"], f"{worst['of peer']:.2f} of the peer at {worst['name']}")
        ratio = last["cycle"][1] / small["cycle"][1]
        self.check(
            ratio <= LIMITS["p99 after churn"], f"p99 at {last['name']} is {ratio:.2f} x that at {small['name']}"
        )
        self.check(end["cycles"] >= LIMITS["near the end"], f"{end['cycles']:.0f} cycles/s near the end")
        self.check(end["false no work"] == 0, f"{end['false no work']} false refusals near the end")
        errors = [name for row in [*self.rows, end] for name in row["errors"]]
        self.check(not errors, f"errors: {errors[:3]}")

    def check(self, holds: bool, what: str) -> None:
        self.note(f"{'holds ' if holds else 'BROKEN'} {what}")
        if not holds:
            self.broken.append(what)

    def note(self, line: str) -> None:
        print(line, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def say(self, row: dict[str, Any]) -> None:
        if not self.head_said:
            self.note(HEAD)
            self.head_said = True
        pairs = ["/".join(f"{value:.1f}" for value in row[name]) for name in ("accept", "submit", "cycle")]
        drained = f"{row['drained']:.0f}/s" if row["drained"] else "-"
        self.note(
            f"| {row['name']} | {row['cycles']:.0f} | {' | '.join(pairs)} | {row['peer']:.0f} | {row['of peer']:.2f} |"
            f" {row['digested']:.0f}/s | {row['backlog']} | {drained} |"
        )
        if row["errors"] or row["no work"]:
            self.note(f"  no work: {row['no work']}; errors: {row['errors']}")


HEAD = """| open HITs | cycles/s | accept ms p50/p99 | submit | cycle | peer/s | of peer | digested | backlog | then |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def timezone_now() -> datetime:
    return datetime.now(UTC)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/claim.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--accepts", type=int, default=300_000, help="before the largest size is measured again")
    parser.add_argument("--ends", type=int, default=20, help="batches of 32 places")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8300))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    bench = Bench(options)
    found = bench.run()
    if options.json:
        print(json.dumps(found))
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
