"""Workers who go on whatever happens, and write down what they were promised.

The journal is the client's own: what was sent, under which key, and what was acknowledged. After the drill it is held
against the database (the way Jepsen does it): whatever was acknowledged is there, byte for byte, and once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.wire import Answer, Broken, Wire

PAID = """
SELECT c.owner_id, sum(e.amount)::bigint FROM payments_entry e
JOIN payments_account c ON c.id = e.account_id JOIN payments_transfer t ON t.id = e.transfer_id
WHERE c.kind = 'worker:payable' AND t.kind = 'reward' AND c.owner_id = ANY(%s) GROUP BY 1
"""
LABELS = ("zero", "one", "two", "three")
#: What a client tries again: no answer, or one that says "try again".
AGAIN = {500, 502, 503, 504}


@dataclass
class Journal:
    """Everything that a crowd sent and was told."""

    accepts: list[dict[str, Any]] = field(default_factory=list)
    submits: list[dict[str, Any]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    longest_wait: float = 0.0  # from the first try of a request to its acknowledgement, where it was tried again
    last_ack: float = 0.0

    def write(self, path: Path) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in [*self.accepts, *self.submits]))


@dataclass
class Crowd:
    """One client a worker. `die` is how often a request asks the web process to die on it."""

    port: int
    market: dict[str, Any]
    seed: int
    die: float = 0.0
    journal: Journal = field(default_factory=Journal)
    stopping: bool = False

    async def run(self) -> None:
        """Work until `stopping` is set; whatever was begun is brought to its acknowledgement."""
        await asyncio.gather(*[self._live(index) for index in range(len(self.market["tokens"]))])

    async def _live(self, index: int) -> None:
        generator = random.Random(f"{self.seed}:{index}")
        wire = Wire("127.0.0.1", self.port, token=self.market["tokens"][index])
        worker = self.market["workers"][index]
        try:
            while not self.stopping:
                key = str(uuid.UUID(int=generator.getrandbits(128), version=4))
                place = await self._until_told(
                    wire, generator, f"/api/v1/batches/{self.market['public_id']}/accept", Idempotency_Key=key
                )
                if place.status == 409:
                    await asyncio.sleep(0.2)
                    continue
                told = place.json()
                self.journal.accepts.append({"worker": worker, "key": key, "assignment": told["assignment"]})
                body = b'{"answers": {"digit": "%s"}, "seconds": %.6f}' % (
                    generator.choice(LABELS).encode(),
                    generator.random() * 100,
                )
                receipt = await self._until_told(
                    wire, generator, f"/api/v1/assignments/{told['assignment']}/submit", body
                )
                self.journal.submits.append(
                    {
                        "worker": worker,
                        "assignment": told["assignment"],
                        "sent": body.decode(),
                        "status": receipt.status,
                        "receipt": receipt.json(),
                    }
                )
        finally:
            wire.close()

    async def _until_told(
        self, wire: Wire, generator: random.Random, path: str, body: bytes = b"", **headers: str
    ) -> Answer:
        """Send the same request until it is answered for good."""
        begun, tries = time.monotonic(), 0
        while True:
            more = dict(headers)
            if tries == 0 and generator.random() < self.die:
                more["X_Die"] = generator.choice(["before", "after"])
            tries += 1
            try:
                answer = await wire.post(path, body, seconds=20, **more)
            except Broken:
                self.journal.statuses["broken"] += 1
            else:
                self.journal.statuses[str(answer.status)] += 1
                if answer.status not in AGAIN:
                    break
                assert b"retry-after" in answer.headers or answer.status != 503, answer
            await asyncio.sleep(generator.uniform(0.02, 0.2))
        self.journal.last_ack = time.monotonic()
        if tries > 1:
            self.journal.longest_wait = max(self.journal.longest_wait, self.journal.last_ack - begun)
        return answer


def compare(journal: Journal, stack: Any, market: dict[str, Any]) -> dict[str, int]:
    """What the journal holds against the database: all of these must be 0, apart from the first two."""
    places = {
        (str(row[0]), row[1], row[2])
        for row in stack.sql(
            "SELECT public_id, worker_id, accept_key FROM marketplace_assignment WHERE batch_id = %s", market["batch"]
        )
    }
    answers: dict[str, list[bytes]] = {}
    for assignment, raw in stack.sql(
        "SELECT a.public_id, n.raw FROM marketplace_answer n JOIN marketplace_assignment a ON a.id = n.assignment_id"
        " WHERE a.batch_id = %s",
        market["batch"],
    ):
        answers.setdefault(str(assignment), []).append(bytes(raw))
    good = [row for row in journal.submits if row["status"] == 200]
    paid = dict(stack.sql(PAID, market["workers"]))
    owed = Counter({row["assignment"]: 1 for row in good})
    earned: Counter[int] = Counter()
    for row in good:
        earned[row["worker"]] += market["reward"]
    return {
        "accepted": len(journal.accepts),
        "submitted": len(good),
        "accepts lost": sum((row["assignment"], row["worker"], row["key"]) not in places for row in journal.accepts),
        "answers lost": sum(row["sent"].encode() not in answers.get(row["assignment"], []) for row in good),
        "answers twice": sum(len(versions) > 1 for versions in answers.values()),
        "wrong receipts": sum(
            row["receipt"]["sha256"] != hashlib.sha256(row["sent"].encode()).hexdigest() for row in good
        ),
        "refused submits": len(journal.submits) - len(good),
        "acknowledged twice": len(good) - len(owed),
        "workers paid wrongly": sum(paid.get(worker, 0) != amount for worker, amount in earned.items()),
    }
