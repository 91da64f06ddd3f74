"""What a drill asks of the stack's own Python: a process with its settings and its database.

    python -m tests.support.inside market --workers 50 --hits 500 --places 3
    python -m tests.support.inside tasks --count 100

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

import psycopg  # noqa: E402
from django.conf import settings  # noqa: E402

from config import celery_app  # noqa: E402
from tests.support.market import make_batch, make_workers  # noqa: E402

TASKS = {
    "lifecycle.tasks.digest_due": "celery",
    "lifecycle.tasks.decide_due": "celery",
    "lifecycle.tasks.expire_due": "celery",
    "core.tasks.heartbeat": "heartbeat",
}


def market(options: argparse.Namespace) -> dict[str, Any]:
    """A batch whose answers are approved at once, and workers with tokens."""
    rules = {"mode": "fixed", "answers": options.places, "auto_approve_seconds": 0}
    with psycopg.connect(settings.OWNER_DATABASE_URL, autocommit=True) as owner:
        batch = make_batch(owner, hits=options.hits, places=options.places, gold_percent=options.gold, rules=rules)
    workers = make_workers(options.workers)
    return {
        "batch": batch.pk,
        "public_id": str(batch.public_id),
        "reward": batch.reward,
        "workers": [worker.pk for worker, _ in workers],
        "tokens": [token for _, token in workers],
    }


def tasks(options: argparse.Namespace) -> dict[str, Any]:
    """Messages in any order, some delayed; each may be sent more than once."""
    generator = random.Random(options.seed)
    sent = 0
    for _ in range(options.count):
        name, queue = generator.choice(list(TASKS.items()))
        for _ in range(generator.randint(1, options.copies)):
            celery_app.send_task(name, queue=queue, countdown=generator.choice([None, None, 1, 3]))
            sent += 1
    return {"sent": sent}


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("market")
    making.set_defaults(run=market)
    for name, default in (("workers", 10), ("hits", 100), ("places", 3), ("gold", 10)):
        making.add_argument(f"--{name}", type=int, default=default)
    sending = commands.add_parser("tasks")
    sending.set_defaults(run=tasks)
    for name, default in (("count", 100), ("copies", 1), ("seed", 1)):
        sending.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(json.dumps(options.run(options)))


if __name__ == "__main__":
    main()
