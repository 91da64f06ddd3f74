"""The market that `make run` shows: a batch that fills while somebody looks, and one that was finished in 1979.

The pictures are scikit-learn's bundled digits. The crowd is simulated and says so in its names; it works through the
same accept and submit as anybody, and the clock does the rest. Every step looks at what is there, so that a demo which
was ended half-way goes on where it was.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image
from sklearn.datasets import load_digits

from core import money
from core.errors import Conflict, DomainError
from core.models import Operation
from lifecycle import publish
from lifecycle.accept import accept, accept_named
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.enrol import register
from lifecycle.operations import run_to_end
from lifecycle.refit import refit_project
from lifecycle.submit import revise, submit
from marketplace.errors import AlreadyHad, BatchNotOpen, NoWork
from marketplace.models import Assignment, Batch, Hit, HitData, Media, Membership, Project, Requester
from marketplace.services.design import MEDIA_PREFIX
from marketplace.services.media import keep
from marketplace.services.posting import attach_upload, create_batch, subject_of
from marketplace.services.projects import create_project
from payments.services.deposits import confirm_deposit, request_deposit
from quality.estimators.data import anaesthetists
from users.models import User
from workers_app.models import Worker

#: Role -> e-mail and password of a demo account. Only a development server makes them.
ACCOUNTS: dict[str, tuple[str, str]] = {
    "requester": ("requester@example.org", "reads-digits-2026"),
    "worker": ("worker@example.org", "types-digits-2026"),
    "admin": ("admin@example.org", "keeps-watch-2026"),
}
ORGANISATION = "Postal Archive (demo)"
DIGITS, PATIENTS = "Read handwritten digits", "Fit for an anaesthetic? (1979)"
CROWD_BATCH, VISITOR_BATCH = "300 digits, read by a simulated crowd", "60 digits, left for you"
DEPOSIT = money.parse("250.00")
INSTRUCTIONS = """
1. Pick the digit that the writer most likely meant.
2. Judge the shape, not how neat it is.
3. If two are equally likely, choose the one that needs fewer strokes.
"""
#: Digits that are easily mixed up, and what tells them apart; the instructions show some of each.
MIXED_UP = {
    4: "Fours: open at the top, or closed to a point.",
    9: "Nines: a round loop on a stem.",
    1: "Ones: one stroke. A flag at the top or a foot is fine.",
}
#: Pictures of each batch, and how many of them are hidden checks.
FOR_CROWD, FOR_VISITOR, KNOWN = 300, 60, 30
#: Answers a second of the whole crowd.
PACE = 3.0
SEED = 8


@dataclass(frozen=True)
class Reader:
    """How a simulated worker reads: `right` of the time correctly; what else says what they do otherwise."""

    name: str
    right: float
    habit: str = "slips"
    seconds: float = 4.0


CROWD: tuple[Reader, ...] = (
    *(Reader(f"expert {n}", 0.97) for n in range(1, 6)),
    *(Reader(f"average {n}", 0.87) for n in range(1, 7)),
    Reader("biased 1 (takes 1 for 7, 9 for 4)", 0.92, "biased"),
    Reader("biased 2 (takes 1 for 7, 9 for 4)", 0.90, "biased"),
    Reader("spammer 1 (guesses)", 0.0, "guesses", 0.8),
    Reader("spammer 2 (always 1)", 0.0, "always 1", 0.6),
    Reader("colluder 1", 0.55, "colludes", 2.0),
    Reader("colluder 2", 0.55, "colludes", 2.0),
)


def account_lines() -> list[str]:
    """What the supervisor prints."""
    return [f"Demo {role:9} {email}  password {password}" for role, (email, password) in ACCOUNTS.items()]


# --- what is there before the crowd comes -----------------------------------------------------------------------------


def prepare() -> Batch:
    """Accounts, money, projects and batches; the batch that the crowd is to fill."""
    admin, requester = _accounts()
    project = Project.objects.filter(requester=requester, name=DIGITS).first() or _digits_project(requester, admin)
    batch = _publish(project, CROWD_BATCH, slice(0, FOR_CROWD))
    _publish(project, VISITOR_BATCH, slice(FOR_CROWD, FOR_CROWD + FOR_VISITOR))
    _patients(requester)
    Project.objects.filter(requester=requester, name__in=[DIGITS, PATIENTS]).update(is_tour=True)
    return batch


def _accounts() -> tuple[User, Requester]:
    for role, (email, password) in ACCOUNTS.items():
        if not User.objects.filter(email=email).exists():
            register(
                email=email,
                password=password,
                role=role,
                name=f"Demo {role}",
                organisation=ORGANISATION,
                is_verified=True,
                is_approved=True,
            )
    requester = Membership.objects.select_related("requester").get(user__email=ACCOUNTS["requester"][0]).requester
    return User.objects.get(email=ACCOUNTS["admin"][0]), requester


@transaction.atomic
def _digits_project(requester: Requester, admin: User) -> Project:
    confirm_deposit(deposit=request_deposit(requester=requester, amount=DEPOSIT, reference="demo"), by=admin)
    return create_project(
        requester=requester,
        name=DIGITS,
        summary="Which digit do you see? Pictures of 8 x 8 points, enlarged.",
        questions=[
            {"name": "digit", "kind": "categorical", "labels": list("0123456789"), "title": "Which digit is it?"}
        ],
        template="{{image picture | A handwritten digit, enlarged}}",
        instructions=INSTRUCTIONS,
        examples=[
            {"shows": " ".join(_shown(requester, digit)), "is_good": True, "why": why}
            for digit, why in MIXED_UP.items()
        ],
        rules={
            "reward": "0.02",
            "estimated_seconds": 5,
            "target": 0.95,
            "min_answers": 2,
            "max_answers": 7,
            "gold_share": 0.1,
            "max_share": 0.3,
            "auto_approve_seconds": 0,
        },
        topics=["handwriting"],
    )


def _publish(project: Project, name: str, which: slice) -> Batch:
    batch = Batch.objects.filter(project=project, name=name).first() or create_batch(project=project, name=name)
    if batch.state == Batch.State.DRAFT:
        if not batch.upload:
            rows = b"\n".join(map(orjson.dumps, _digit_rows(project.requester, which)))
            batch = attach_upload(batch=batch, file=ContentFile(rows), name="digits.jsonl")
        _run(publish.publish_batch(batch=batch))
    elif batch.state == Batch.State.PUBLISHING:  # an earlier demo was ended here
        _run(Operation.objects.filter(kind="publish", subject=subject_of(batch)).latest("pk"))
    return Batch.objects.select_related("project__requester").get(pk=batch.pk)


def _run(operation: Operation) -> None:
    """Work on it, together with the clock of the site, until it is done."""
    deadline = time.monotonic() + 120
    while (operation := run_to_end(operation)).finished_at is None and time.monotonic() < deadline:
        time.sleep(0.2)
    if operation.state != Operation.State.DONE:
        raise Conflict(f"The demo could not be posted. {operation.error}")


def _digit_rows(requester: Requester, which: slice) -> list[dict[str, Any]]:
    digits = load_digits()
    known = set(np.random.default_rng(SEED).choice(FOR_CROWD, KNOWN, replace=False).tolist())
    known |= set(range(FOR_CROWD, FOR_CROWD + FOR_VISITOR, 10))
    rows = []
    for number in range(which.start, which.stop):
        media = keep(Media.objects.create(requester=requester), "image/png", picture(digits.images[number]))
        row = {"picture": f"{MEDIA_PREFIX}{media.public_id}", "external_id": f"digit-{number}"}
        rows.append(row | ({"gold": str(digits.target[number])} if number in known else {}))
    return rows


def _shown(requester: Requester, digit: int, count: int = 3) -> Iterator[str]:
    """Pictures of one digit for the instructions, in Markdown; none of those that are asked about."""
    digits = load_digits()
    rest = np.flatnonzero(digits.target == digit)
    for number in rest[rest >= FOR_CROWD + FOR_VISITOR][:count]:
        media = keep(Media.objects.create(requester=requester), "image/png", picture(digits.images[number]))
        yield f"![A {digit}]({MEDIA_PREFIX}{media.public_id})"


#: Shares of black from which on a point is darker, and over how much of it a step is smoothed.
SHADES, SMOOTH = np.array([0.22, 0.45, 0.7]), 0.06


def picture(points: np.ndarray, size: int = 320) -> bytes:
    """A PNG of one digit (8, 8), dark on light with a margin: enlarged as contours, since mere blur is hard to read."""
    points = np.pad(np.asarray(points, dtype=np.float32) / 16, 1)
    enlarged = np.asarray(Image.fromarray(points, "F").resize((size, size), Image.Resampling.BICUBIC))
    dark = np.clip((enlarged[..., None] - SHADES) / SMOOTH + 0.5, 0, 1).mean(axis=-1)
    out = io.BytesIO()
    Image.fromarray((255 * (1 - dark)).round().astype(np.uint8), "L").save(out, "PNG", optimize=True)
    return out.getvalue()


# --- the crowd --------------------------------------------------------------------------------------------------------


class Crowd:
    """Simulated workers at a batch."""

    def __init__(self, batch: Batch, *, seed: int = SEED) -> None:
        self.batch = batch
        self.rng = np.random.default_rng(seed)
        self.workers = {reader: _worker(f"Simulated {reader.name}", reader.name) for reader in CROWD}
        truth = load_digits().target
        names = HitData.objects.filter(batch=batch).values_list("hit_id", "external_id")
        self.truth = {hit_id: int(truth[int((name or "-0").partition("-")[2])]) for hit_id, name in names}
        self.present = list(CROWD)

    def answer_one(self) -> bool:
        """Somebody present takes a place and answers; False once the batch has nothing for anybody."""
        while self.present:
            reader = self.present[self.rng.integers(len(self.present))]
            worker = self.workers[reader]
            try:
                place = accept(worker=worker, batch=self.batch)
            except DomainError as refusal:
                if isinstance(refusal, NoWork):
                    time.sleep(0.05)
                self.present.remove(reader)  # nothing left, paused, or above a cap
                continue
            said = self.read(reader, place.hit_id)
            seconds = round(float(self.rng.lognormal(np.log(reader.seconds), 0.4)), 1)
            raw = orjson.dumps({"answers": {"digit": str(said)}, "seconds": seconds})
            assignment = Assignment.objects.select_related("batch").get(pk=place.assignment_id)
            submit(assignment=assignment, raw=raw, undo=0)
            return True
        return False

    def read(self, reader: Reader, hit_id: int) -> int:
        """The digit that `reader` says."""
        truth, drawn = self.truth[hit_id], self.rng.random()
        if reader.habit == "always 1":
            return 1
        if reader.habit == "guesses":
            return int(self.rng.integers(10))
        if reader.habit == "colludes":  # both say the same, right or wrong
            shared = np.random.default_rng([SEED, hit_id])
            return truth if shared.random() < reader.right else int(shared.integers(10))
        if reader.habit == "biased" and truth in (7, 4) and drawn < 0.6:
            return 1 if truth == 7 else 9
        return truth if drawn < reader.right else int(self.rng.integers(10))

    def work(self, *, pace: float = PACE, patience: int = 30) -> int:
        """Answer until nothing is left; how many answers. Waits while the clock may yet open places."""
        answers, waited = 0, 0
        while waited < patience:
            if self.answer_one():
                answers, waited = answers + 1, 0
                if pace:
                    time.sleep(float(self.rng.exponential(1 / pace)))
            else:
                self.batch.refresh_from_db(fields=["state"])
                if self.batch.state != Batch.State.OPEN:
                    break
                waited += 1
                self.present = list(CROWD)
                if pace:
                    time.sleep(2)
        return answers


def _worker(name: str, key: str) -> Worker:
    email = f"{key.partition('(')[0].strip().replace(' ', '-')}@simulated.invalid"
    user = User.objects.filter(email=email).first()
    if user is None:
        user = register(email=email, password=None, role="worker", name=name, is_verified=True, is_approved=True)
    return Worker.objects.get(user=user)


# --- 1979 -------------------------------------------------------------------------------------------------------------


def _patients(requester: Requester) -> None:
    """45 patients and 5 observers, as facts: a closed batch with results.

    Observer 1 judged every patient three times; here the second and third time are revisions, and the last counts.
    """
    project = Project.objects.filter(requester=requester, name=PATIENTS).first() or create_project(
        requester=requester,
        name=PATIENTS,
        summary="45 patients, judged by 5 anaesthetists. Recorded answers of Dawid and Skene's paper, not live work.",
        audience="volunteers",
        questions=[{"name": "fitness", "kind": "categorical", "labels": list("1234"), "title": "Fitness, 1 is fit"}],
        template="Patient {{patient}}",
        rules={"mode": "fixed", "answers": 5, "auto_approve_seconds": 0, "undo_seconds": 0, "gold_share": 0.0},
    )
    facts = anaesthetists()
    batch = Batch.objects.filter(project=project).first() or create_batch(project=project, name="Table 1 of the paper")
    if batch.state == Batch.State.DRAFT:
        rows = [{"patient": n, "external_id": f"patient-{n}"} for n in sorted(set(facts.items.tolist()))]
        file = ContentFile(b"\n".join(map(orjson.dumps, rows)))
        _run(publish.publish_batch(batch=attach_upload(batch=batch, file=file, name="patients.jsonl")))
    batch = Batch.objects.select_related("project__requester").get(pk=batch.pk)
    if batch.state != Batch.State.OPEN:
        return
    observers = {n: _worker(f"Observer {n} (1979)", f"observer {n}") for n in sorted(set(facts.workers.tolist()))}
    _enter(batch, observers, list(zip(*(column.tolist() for column in facts), strict=True)))
    while digest_due():
        pass
    batch.refresh_from_db()
    if batch.state == Batch.State.OPEN:
        try:
            close_batch(batch=batch)
        except Conflict:
            pass  # the clock closed it
    refit_project(project=project)


def _enter(batch: Batch, observers: dict[int, Worker], facts: Sequence[tuple[int, int, int]]) -> None:
    rows = HitData.objects.filter(batch=batch).select_related("hit")
    hits = {int((row.external_id or "-0").partition("-")[2]): row.hit for row in rows}
    held: dict[tuple[int, int], Assignment] = {}
    for patient, observer, rating in facts:
        raw = orjson.dumps({"answers": {"fitness": str(rating)}})
        assignment = held.get((patient, observer)) or _place(observers[observer], hits[patient])
        held[patient, observer] = assignment
        assignment.batch = batch
        if assignment.state == Assignment.State.ACCEPTED:
            submit(assignment=assignment, raw=raw, undo=0)
            assignment.refresh_from_db(fields=["state"])
        else:
            revise(assignment=assignment, raw=raw)


def _place(worker: Worker, hit: Hit) -> Assignment:
    """The observer's place, which they may have from a demo that was ended half-way."""
    try:
        accept_named(worker=worker, hit=hit)
    except (AlreadyHad, BatchNotOpen):
        pass
    return Assignment.objects.get(worker=worker, hit=hit)


def run(*, pace: float = PACE) -> int:
    """All of the demo; how many answers the crowd gave this time."""
    batch = prepare()
    return Crowd(batch).work(pace=pace) if batch.state == Batch.State.OPEN else 0
