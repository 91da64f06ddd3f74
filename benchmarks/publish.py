"""Publishing a file, as a ratio to COPYing the same prepared rows into copies of both tables in the same run.

    python benchmarks/publish.py [--rows 1000000] [--format csv] [--external-id] [--gold 0.0] [--json]

Ours is the whole way from the uploaded file to `open`: two passes over the file, every row checked, ids, hashes, COPY
in lots with their cursor, ANALYZE, escrow. The peer is one COPY a table of what ours has written, into
`LIKE ... INCLUDING ALL` tables, on the same server. Exits 1 when ours reaches less than 30 % of its speed. The server
is one of its own, in var/bench-publish.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.database import PROJECT, own_database

DATA_DIR = PROJECT / "var/bench-publish"
LEAST_RATIO = 0.30
PIECE = 1 << 18
COLUMNS = {
    "marketplace_hit": "id, batch_id, lane, priority, position, group_key, max_assignments, taken, funded, state",
    "marketplace_hitdata": "hit_id, public_id, batch_id, row_number, external_id, row_hash, data, created_at",
}
WORDS = (
    "archive",
    "bridge",
    "candle",
    "desert",
    "engine",
    "forest",
    "garden",
    "harbour",
    "island",
    "market",
    "notebook",
)


def main() -> int:
    """Measure, print, and say by the exit code whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    parser.add_argument("--external-id", action="store_true", help="each row has one, so each is looked up")
    parser.add_argument("--gold", type=float, default=0.0, help="share of rows that have a key")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with own_database(DATA_DIR):
        found = run(options)
    print(json.dumps(found) if options.json else table(found))
    return 0 if found["ratio"] >= LEAST_RATIO else 1


def run(options: argparse.Namespace) -> dict[str, Any]:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.OWNER_DATABASE_URL, autocommit=True) as owner:
        forget(owner)
        with tempfile.NamedTemporaryFile(suffix=f".{options.format}") as file:
            write_rows(Path(file.name), options)
            size = Path(file.name).stat().st_size
            ours = publish(Path(file.name))
        peer = copy_again(owner)
        forget(owner)
    return {
        "rows": options.rows,
        "file_megabytes": round(size / 1e6, 1),
        "check_seconds": round(ours["check"], 2),
        "copy_seconds": round(ours["copy"], 2),
        "open_seconds": round(ours["open"], 2),
        "publish_rows_per_second": round(options.rows / sum(ours.values())),
        "copy_rows_per_second": round(options.rows / peer),
        "ratio": round(peer / sum(ours.values()), 3),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def forget(owner: Any) -> None:
    owner.execute("DROP TABLE IF EXISTS bench_marketplace_hit, bench_marketplace_hitdata")
    owner.execute("TRUNCATE marketplace_hit, users_user, marketplace_requester, core_operation CASCADE")


def write_rows(path: Path, options: argparse.Namespace) -> None:
    """A table whose rows make about 300 bytes of JSON."""
    chance = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for number in range(options.rows):
            row = {
                "text": " ".join(chance.choices(WORDS, k=27)),
                "source": f"https://archive.example/items/{number}/page-{chance.randrange(100)}.html",
                "language": chance.choice(["en", "de", "fr"]),
                "year": str(chance.randrange(1900, 2020)),
            }
            if options.external_id:
                row["external_id"] = f"item-{number}"
            if options.gold:
                row["gold"] = "yes" if chance.random() < options.gold else ""
            if options.format == "jsonl":
                file.write(json.dumps(row) + "\n")
                continue
            if number == 0:
                writer.writerow(row)
            writer.writerow(row.values())


def publish(path: Path) -> dict[str, float]:
    """Seconds in each phase, from the uploaded file to `open`."""
    from django.core.files import File

    from core import money
    from core.operations import take, work_on
    from lifecycle.operations import WORK
    from lifecycle.publish import publish_batch
    from marketplace.models import Membership, Requester
    from marketplace.services.posting import attach_upload, create_batch
    from marketplace.services.projects import create_project
    from payments.services.deposits import confirm_deposit, request_deposit
    from users.models import User

    person = User.objects.create_user("bench@example.org", "a long password", is_staff=True)
    requester = Requester.objects.create(name="Bench")
    Membership.objects.create(requester=requester, user=person)
    confirm_deposit(deposit=request_deposit(requester=requester, amount=money.parse("100000000")), by=person)
    question = {"name": "kind", "kind": "categorical", "labels": ["yes", "no"], "na": True}
    project = create_project(requester=requester, name="Bench", questions=[question], template="{{text}} {{source}}")
    batch = create_batch(project=project)
    with path.open("rb") as file:
        batch = attach_upload(batch=batch, file=File(file), name=path.name)
    seconds = {"check": 0.0, "copy": 0.0, "open": 0.0}
    operation = publish_batch(batch=batch)

    def timed(turn: Any) -> None:
        phase, start = turn.cursor.get("phase", "check"), time.perf_counter()
        WORK["publish"](turn)
        seconds[phase] += time.perf_counter() - start

    while operation.finished_at is None:
        operation = work_on(take(operation), timed)
    batch.refresh_from_db()
    if batch.state != "open":
        raise SystemExit(f"Not published: {operation.error}")
    batch.upload.delete(save=False)
    return seconds


def copy_again(owner: Any) -> float:
    """Seconds to COPY the rows that are there, already prepared, into empty copies of their tables."""
    seconds = 0.0
    for name, columns in COLUMNS.items():
        owner.execute(f"CREATE TABLE bench_{name} (LIKE {name} INCLUDING ALL)")
        with tempfile.TemporaryFile() as prepared:
            with owner.cursor().copy(f"COPY (SELECT {columns} FROM {name}) TO STDOUT") as out:
                for piece in out:
                    prepared.write(piece)
            prepared.seek(0)
            start = time.perf_counter()
            with owner.cursor().copy(f"COPY bench_{name} ({columns}) FROM STDIN") as into:
                for piece in pieces(prepared):
                    into.write(piece)
            seconds += time.perf_counter() - start
    return seconds


def pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def table(found: dict[str, Any]) -> str:
    verdict = "holds" if found["ratio"] >= LEAST_RATIO else "BROKEN"
    return "\n".join(
        [
            f"Publish {found['rows']:,} rows ({found['file_megabytes']} MB)",
            f"  check {found['check_seconds']} s, copy {found['copy_seconds']} s, open {found['open_seconds']} s:"
            f" {found['publish_rows_per_second']:,} rows/s, {found['peak_megabytes']} MB at most",
            f"  COPY of the same rows into LIKE ... INCLUDING ALL: {found['copy_rows_per_second']:,} rows/s",
            f"  ratio {found['ratio']} (at least {LEAST_RATIO}: {verdict})",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
