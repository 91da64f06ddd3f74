"""Nothing that reaches a worker tells gold from ordinary work (RELIABILITY.md T5).

A crowd of attackers does 1000 gold and 1000 ordinary HITs through the doors that workers have, notes all that can be
noted (headers, sizes, times, order, ids, how often a HIT comes back), and is told afterwards which were gold. If a
learner trained on four fifths can rank the rest, something leaks; to know that it would, leaks are planted.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from lifecycle.clock import STEPS
from marketplace.models import Hit, HitData
from marketplace.services.judging import purse_of
from payments.services.escrow import put_aside
from quality.services import exposure
from quality.services.gold_upload import KeyedHit, add_uploaded_gold
from tests.support.api import ApiClient
from users.services import create_token

EACH = 1000
NOT_FOR_WORKERS = {"base_requester.html", "base_staff.html"}
WORKERS = 40
EVERY = 10
#: HITs of each kind: some are left over, so that the end of a batch is not all that is looked at.
HITS = 450

FORBIDDEN = re.compile(rb"gold|\btests?\b|correct|honeypot|known.answer", re.IGNORECASE)


@dataclass
class Seen:
    """What one worker notes of one assignment."""

    worker: int
    place: int
    assignment: str
    hit: str
    numbers: dict[str, float]
    shapes: tuple[Any, ...]
    page: str = ""
    is_gold: bool = field(default=False, compare=False)


# --- the attackers ----------------------------------------------------------------------------------------------------


class Attacker:
    def __init__(self, number: int, worker: Any) -> None:
        self.number, self.worker = number, worker
        self.client = ApiClient(create_token(user=worker.user, scopes=("work", "read"))[1])
        self.browser = Client()
        self.browser.force_login(worker.user)
        self.seen: list[Seen] = []
        self.last = 0.0
        self.raw: list[bytes] = []

    def work(self, batch: Any, *, looks_at_page: bool) -> str | None:
        """Accept, look, answer (six of seven times right); returns the HIT, None where there is no work."""
        accepted, accept_times = timed(lambda: self.client.post(f"batches/{batch.public_id}/accept"))
        if accepted.status_code == 409:
            return None
        assert accepted.status_code == 201, accepted.content
        place = accepted.json()
        page = self.look(place["assignment"]) if looks_at_page else ""
        truth = "one" if len(place["data"]["text"]) % 2 else "zero"
        wrong = "zero" if truth == "one" else "one"
        body = orjson.dumps({"answers": {"digit": wrong if random.random() < 1 / 7 else truth}})
        answered, submit_times = timed(lambda: self.client.post(f"assignments/{place['assignment']}/submit", body))
        assert answered.status_code == 200, answered.content
        receipt = answered.json()
        self.raw += [accepted.content, answered.content]
        accepted_at, deadline, received_at = (
            datetime.fromisoformat(text).timestamp()
            for text in (place["accepted_at"], place["deadline"], receipt["received_at"])
        )
        self.seen.append(
            Seen(
                self.number,
                len(self.seen),
                place["assignment"],
                place["hit"],
                {
                    "accept wall": accept_times[0],
                    "accept work": accept_times[1],
                    "submit wall": submit_times[0],
                    "submit work": submit_times[1],
                    "accept bytes": len(accepted.content) - len(place["data"]["text"]),
                    "accept elsewhere": accept_times[0] - accept_times[1],
                    "submit elsewhere": submit_times[0] - submit_times[1],
                    "submit bytes": len(answered.content),
                    "header bytes": sum(len(k) + len(v) for k, v in accepted.headers.items()),
                    "place": len(self.seen),
                    "since the last": accepted_at - self.last if self.last else 0.0,
                    "allowed": deadline - accepted_at,
                    "held": received_at - accepted_at,
                    "accepted, part of a second": accepted_at % 1,
                    "text": len(place["data"]["text"]),
                    **bits("hit", place["hit"]),
                    **bits("assignment", place["assignment"]),
                },
                (header_shape(accepted), header_shape(answered), shape(place), shape(receipt)),
                page,
            )
        )
        self.last = received_at
        return place["hit"]

    def look(self, assignment: str) -> str:
        """The work page as this worker's browser gets it."""
        response = self.browser.get(f"/work/{assignment}/")
        assert response.status_code == 200
        self.raw.append(response.content)
        return response.content.decode() + "\n".join(f"{k}: {v}" for k, v in sorted(response.headers.items()))


def timed(call: Any) -> tuple[Any, tuple[float, float]]:
    """The response, and milliseconds by the wall and of work in this thread (which a busy machine does not blur)."""
    wall, work = time.perf_counter(), time.thread_time()
    response = call()
    return response, ((time.perf_counter() - wall) * 1e3, (time.thread_time() - work) * 1e3)


def shape(value: Any) -> Any:
    """JSON with its values stripped: names, order, kinds."""
    if isinstance(value, dict):
        return tuple((name, shape(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def header_shape(response: Any) -> tuple[Any, ...]:
    return (response.status_code, *((name, re.sub(r"\d+", "0", value)) for name, value in response.headers.items()))


def bits(name: str, public_id: str) -> dict[str, float]:
    """A version 4 UUID is noise; the front of one that counts or dates is not."""
    raw = uuid.UUID(public_id).bytes
    parts = {f"{name} front": float(int.from_bytes(raw[:6])), f"{name} back": float(int.from_bytes(raw[8:]))}
    return parts | {f"{name} version": float(raw[6] >> 4)} | {f"{name} byte {n}": float(raw[n]) for n in range(16)}


# --- the crowd at work ------------------------------------------------------------------------------------------------


@pytest.fixture
def seeded(monkeypatch):
    """The same draws each time: what is tested by a p-value should not fail one run in twenty."""
    random.seed(5)
    monkeypatch.setattr(exposure, "STALE_SECONDS", 0)  # else the clock on the wall had a say
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")


@pytest.fixture
def crowd(seeded, make_project, make_batch, make_worker, make_requester):
    """A batch in which half of the HITs are gold, and workers in turns until 1000 of each kind are done."""
    rules = {"gold_share": 0.5, "max_open": 100, "max_answers": 5, "gates": False, "reward": "0.01"}
    project = make_project(requester=make_requester(deposit="10000.00"), rules=rules)
    batch = make_batch(project=project, hits=0)
    truth = post(batch, 2 * HITS)
    attackers = [Attacker(number, make_worker()) for number in range(WORKERS)]
    run_clock()
    done = [0, 0]
    while min(done) < EACH:
        for attacker in attackers:
            hit = attacker.work(batch, looks_at_page=sum(done) % EVERY == 0)
            assert hit, f"no work is left after {done}"
            done[truth[hit]] += 1
        run_clock()
    for attacker in attackers:
        for seen in attacker.seen:
            seen.is_gold = truth[seen.hit]
    return attackers, truth


def post(batch: Any, number: int) -> dict[str, bool]:
    """HITs as an upload makes them, a random half of them with a key; public id -> is it gold."""
    hits = Hit.objects.bulk_create(
        Hit(batch=batch, lane=lane, max_assignments=2, funded=5)
        for lane in random.sample([0, 1] * (number // 2), number)
    )
    rows = HitData.objects.bulk_create(
        HitData(hit=hit, batch=batch, row_hash=hit.pk, data={"text": "x" * random.randint(5, 60)}) for hit in hits
    )
    add_uploaded_gold(
        project_id=batch.project_id,
        keyed=[
            KeyedHit(row.hit_id, {"digit": {"accept": ["one" if len(row.data["text"]) % 2 else "zero"]}})
            for row in rows
            if row.hit.lane
        ],
    )
    put_aside(purse=purse_of(batch), amount=5 * number * batch.price, key=f"more:{batch.pk}")
    return {str(row.public_id): bool(row.hit.lane) for row in rows}


def run_clock() -> None:
    for _, step, _ in STEPS:
        step()


# --- looking for a difference -----------------------------------------------------------------------------------------


def table(notes: list[Seen]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, f), is it gold (n,), the HIT (n,): with what the attackers learn by comparing notes."""
    times_seen: dict[str, int] = {}
    first_seen: dict[str, int] = {}
    for seen in notes:
        times_seen[seen.hit] = times_seen.get(seen.hit, 0) + 1
        first_seen[seen.hit] = min(first_seen.get(seen.hit, seen.place), seen.place)
    names = sorted(notes[0].numbers)
    features = [
        [
            *(seen.numbers[name] for name in names),
            times_seen[seen.hit],
            seen.place - first_seen[seen.hit],
            *(float(b) for b in hashlib.sha256(repr(seen.shapes).encode()).digest()[:2]),
        ]
        for seen in notes
    ]
    hits = {hit: number for number, hit in enumerate(times_seen)}
    return np.array(features), np.array([seen.is_gold for seen in notes]), np.array([hits[s.hit] for s in notes])


def auc_of(notes: list[Seen], splits: int = 5) -> float:
    """How well gold is ranked above the rest, over five folds; a HIT is never in both the taught and the asked part.

    The mean of some ways to split: one alone is off by .03 either way where there is nothing to learn.
    """
    features, is_gold, hits = table(notes)
    found = []
    with threadpool_limits(1):  # on a busy machine the threads would wait for each other
        for split in range(splits):
            scores = np.zeros(len(notes))
            folds = StratifiedGroupKFold(5, shuffle=True, random_state=split)
            for taught, asked in folds.split(features, is_gold, hits):
                learner = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=0)
                scores[asked] = learner.fit(features[taught], is_gold[taught]).predict_proba(features[asked])[:, 1]
            found.append(roc_auc_score(is_gold, scores))
    return float(np.mean(found))


def exposures(notes: list[Seen], truth: dict[str, bool]) -> tuple[list[int], list[int]]:
    """How often each gold and each ordinary HIT came."""
    counts = dict.fromkeys(truth, 0)
    for seen in notes:
        counts[seen.hit] += 1
    return [n for hit, n in counts.items() if truth[hit]], [n for hit, n in counts.items() if not truth[hit]]


def planted(notes: list[Seen], leak: Any) -> list[Seen]:
    return [
        Seen(s.worker, s.place, s.assignment, s.hit, leak(s) if s.is_gold else s.numbers, s.shapes, s.page, s.is_gold)
        for s in notes
    ]


def slower(seen: Seen) -> dict[str, float]:
    """As if an answer were graded before it is acknowledged."""
    # In the wall's time and in the work of this thread.
    late = {name: seen.numbers[name] + 5.0 for name in ("submit wall", "submit work")}
    return seen.numbers | late


def longer(seen: Seen) -> dict[str, float]:
    return seen.numbers | {"accept bytes": seen.numbers["accept bytes"] + 1}


def dated(notes: list[Seen]) -> list[Seen]:
    """As if ids told their age (version 7), and gold were an hour older."""
    now = int(time.time() * 1000)
    return [
        Seen(
            s.worker, s.place, s.assignment, s.hit,
            s.numbers | {"hit front": float(now + n - (3_600_000 if s.is_gold else 0))},
            s.shapes, s.page, s.is_gold,
        )
        for n, s in enumerate(notes)
    ]  # fmt: skip


def without_tokens(page: str) -> str:
    """Some hundred thousand random characters spell any word of four letters now and then."""
    page = re.sub(r"(csrfmiddlewaretoken\" value=|csrf-token\" content=|nonce=|nonce-)\"?[\w+/=-]+", r"\1TOKEN", page)
    return re.sub(r"(Set-Cookie|csrftoken|X-CSRFToken|data-csrf)([\"':= ]+)[\w-]+", r"\1\2TOKEN", page)


def bare(page: str) -> str:
    """A page without its values: ids, numbers, times, tokens and the item's own text."""
    page = re.sub(r"([0-9a-f]{8}-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", page)
    page = re.sub(r"data-worker=\"\w+", "data-worker=WORKER", page)
    page = without_tokens(page)
    return re.sub(r"\d+", "0", re.sub(r"x{5,60}", "TEXT", page))


def known(notes: list[Seen], what: Any) -> tuple[set[Any], set[Any]]:
    """What is seen of gold, and what of the rest."""
    return {what(s) for s in notes if s.is_gold}, {what(s) for s in notes if not s.is_gold}


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
@pytest.mark.quiet
def test_gold_cannot_be_told_from_ordinary_work(crowd):
    attackers, truth = crowd
    notes = [seen for attacker in attackers for seen in attacker.seen]
    pages = [seen for seen in notes if seen.page]

    # The same bytes, but for values.
    gold, ordinary = known(notes, lambda seen: seen.shapes)
    assert gold == ordinary and len(gold) == 1
    gold, ordinary = known(pages, lambda seen: bare(seen.page))
    assert len(gold) == len(ordinary) == 1, difference(gold | ordinary)
    assert gold == ordinary, difference(gold | ordinary)
    told = [without_tokens(raw.decode()).encode() for attacker in attackers for raw in attacker.raw]
    words = [match for raw in told for match in FORBIDDEN.findall(raw)]
    assert words == []

    # It comes back as often as the rest.
    gold_counts, ordinary_counts = exposures(notes, truth)
    assert ks_2samp(gold_counts, ordinary_counts).pvalue > 0.05
    assert ks_2samp([n + 1 for n in gold_counts], ordinary_counts).pvalue < 0.05

    # And whatever else there is to learn does not help; what would help is found.
    assert auc_of(notes) <= 0.55
    assert auc_of(planted(notes, slower), splits=1) >= 0.9
    assert auc_of(planted(notes, longer), splits=1) >= 0.9
    assert auc_of(dated(notes), splits=1) >= 0.9


def difference(pages: set[str]) -> str:
    """Where pages that should be equal are not."""
    first, *others = sorted(pages)
    lines = [set(page.splitlines()) for page in others]
    return "\n".join(sorted(line for other in lines for line in other ^ set(first.splitlines())))[:3000]


#: Templates that workers see at work. The studio and staff pages speak of gold to those who made it, and the public
#: pages say openly that some questions have known answers.
WORKER_TEMPLATES = [
    "core/templates/base*.html", "core/templates/parts/*.html",
    "marketplace/templates/work/**/*.html", "payments/templates/earnings/**/*.html", "users/templates/**/*.html",
]  # fmt: skip


@pytest.mark.parametrize("pattern", [*WORKER_TEMPLATES, "*/static/**/*.js", "*/static/**/*.css", "*/static/**/*.svg"])
def test_no_file_that_workers_get_names_it(pattern):
    files = [path for path in settings.BASE_DIR.glob(pattern) if path.name not in NOT_FOR_WORKERS]

    assert files
    assert [str(path) for path in files if FORBIDDEN.search(path.read_bytes())] == []


def test_the_words_are_found_where_they_are():
    for leak in (b'{"is_gold": true}', b'<p class="Correct">', b"X-Test: 1", b"a honeypot", b"known answer"):
        assert FORBIDDEN.search(leak)
    assert not FORBIDDEN.search(b'{"latest": 1, "contest": 2, "attested": 3}')
