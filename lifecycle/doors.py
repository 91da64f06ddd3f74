"""The two ways in which a replay's workers reach the market: this process's own functions, or the site over HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
import orjson

from core.errors import Conflict
from lifecycle.accept import accept_named
from lifecycle.submit import revise, submit
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Hit
from users.services import create_token
from workers_app.models import Worker

#: Requests that failed on the way are sent again so often, under the same key.
TRIES = 5


class Door(Protocol):
    """What a recorded worker does. `answer` gives what `revise` needs to find the place again."""

    def answer(self, worker: str, hit: Hit, raw: bytes) -> Any: ...

    def revise(self, worker: str, place: Any, raw: bytes) -> None: ...


class OwnDoor:
    """The functions that the site itself calls."""

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self.workers = workers

    def answer(self, worker: str, hit: Hit, raw: bytes) -> Assignment:
        place = accept_named(worker=self.workers[worker], hit=hit)
        assignment = Assignment(pk=place.assignment_id, batch=hit.batch, hit=hit, worker=self.workers[worker])
        submit(assignment=assignment, raw=raw)
        return assignment

    def revise(self, worker: str, place: Assignment, raw: bytes) -> None:
        revise(assignment=place, raw=raw)


class HttpDoor:
    """The REST API of a running site, with a token of the scope `work:any` for each worker."""

    def __init__(self, workers: Mapping[str, Worker], site: str, *, connections: int) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request hides the rest
        self.site = site.rstrip("/")
        self.client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=connections))
        scopes = ("work", "work:any")
        self.tokens = {
            name: create_token(user=worker.user, scopes=scopes, name="replay")[1] for name, worker in workers.items()
        }

    def answer(self, worker: str, hit: Hit, raw: bytes) -> str:
        key = f"replay-{hit.pk}"
        place = self._post(worker, f"hits/{hit.data_row.public_id}/accept", b"", {"Idempotency-Key": key})
        self._post(worker, f"assignments/{place['assignment']}/submit", raw)
        return place["assignment"]

    def revise(self, worker: str, place: str, raw: bytes) -> None:
        self._post(worker, f"assignments/{place}/revise", raw)

    def _post(self, worker: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        sent = {"Authorization": f"Bearer {self.tokens[worker]}", "Content-Type": "application/json", **(headers or {})}
        said, failed = "no answer", 0
        while failed < TRIES:
            try:
                response = self.client.post(f"{self.site}/api/v1/{path}", content=body, headers=sent)
            except httpx.TransportError as error:
                said = str(error)
                failed += 1
                time.sleep(0.2 * 2**failed)
                continue
            if response.is_success:
                return orjson.loads(response.content)
            said = f"{response.status_code} {response.text[:300]}"
            if response.status_code == 403:
                raise NotEligible(said)
            if response.status_code == 429:
                time.sleep(float(response.headers["Retry-After"]))
            elif response.is_server_error:
                failed += 1
                time.sleep(0.2 * 2**failed)
            else:
                break
        raise Conflict(f"{self.site} refused POST {path}: {said}")
