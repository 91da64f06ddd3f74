"""A recorded crowd through the whole market: posted, accepted, answered, digested, decided, paid and fitted for real.

Two ways. *Full*: every recorded answer is given. Its worker accepts that very HIT, a second answer to the same task is
a revision, and the gates only watch. Each task asks for as many answers as were recorded for it, so tasks with equal
numbers make one batch. *Adaptive*: one batch in which the market chooses and stops, with gold, gates and pools on.

How adaptive stays honest: a recorded crowd has answered some tasks and not others, so the market's claim, which may
give any task to anybody, cannot be followed to the letter. Instead workers arrive at random, stay for a session of
some answers, and take at random one of the open HITs that they had answered; where the claim would have drawn gold
for this worker, a gold one. Which HITs are open, who may work, how many golds they get, when a HIT has enough, and
what is paid is all the market's decision. No answer is given twice, and none is looked at before it is drawn.
"""

from __future__ import annotations

import csv
import gzip
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from django.core.files.base import ContentFile
from django.utils import timezone

from core.errors import Conflict, Invalid
from core.money import format_amount
from lifecycle import publish
from lifecycle.close import close_finished, closing_of
from lifecycle.decide import decide_due
from lifecycle.digest import digest_due
from lifecycle.doors import Door, HttpDoor, OwnDoor
from lifecycle.invariants import check_invariants
from lifecycle.operations import run_to_end
from lifecycle.refit import refit_project, refits_due
from lifecycle.watch import carry_pauses, limit_gold, set_gold_shares, take_in_scores
from marketplace.errors import AlreadyHad, CapReached, HitFull, NotEligible
from marketplace.models import Answer, Assignment, Batch, Hit, HitData, Participation, Project, Requester
from marketplace.services.accepting import check_in
from marketplace.services.posting import attach_upload, create_batch, preview_batch
from marketplace.services.projects import create_project
from payments.models import Account
from payments.selectors import balance
from payments.services.deposits import confirm_deposit, request_deposit
from quality.estimators.metrics import majority_accuracy
from quality.models import Belief
from quality.services.log import read_log
from users.models import User
from workers_app.models import Worker

QUESTION = "label"
#: Answers between two turns of the clock.
FULL_ROUND, ADAPTIVE_ROUND = 2000, 60
#: Answers that a worker gives before another takes over, in the adaptive way.
SESSION = 10
MOST_CLASSES = 200

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Recording:
    """Answers of a recorded crowd, in their order: (task, worker, label), and the truth of tasks where it is known."""

    name: str
    answers: list[tuple[str, str, str]]
    truth: dict[str, str]

    @property
    def classes(self) -> list[str]:
        return sorted({label for _, _, label in self.answers} | set(self.truth.values()))

    def newest(self) -> dict[tuple[str, str], str]:
        """What each worker said last of each task."""
        return {(task, worker): label for task, worker, label in self.answers}


def read_recording(labels: Path, truth: Path | None = None) -> Recording:
    """A data set from `labels.csv[.gz]` with columns task, worker, label; the truth beside it unless it is named.

    Raises
    ------
    Invalid
        When a file or a column is missing, or the labels are no classes.
    """
    found = _table(labels / "labels.csv" if labels.is_dir() else labels)
    folder = labels if labels.is_dir() else labels.parent
    answers = [(row["task"], row["worker"], row["label"]) for row in _rows(found, ("task", "worker", "label"))]
    beside = truth or next((p for p in (folder / "truth.csv", folder / "truth.csv.gz") if p.exists()), None)
    known = {row["task"]: row["label"] for row in _rows(_table(beside), ("task", "label"))} if beside else {}
    tasks = {task for task, _, _ in answers}
    recording = Recording(folder.name, answers, {task: label for task, label in known.items() if task in tasks})
    if not 2 <= len(recording.classes) <= MOST_CLASSES:
        raise Invalid(
            "These labels cannot be replayed.",
            errors={"label": f"It has {len(recording.classes)} values; classes are 2 to {MOST_CLASSES}."},
        )
    return recording


def _table(path: Path) -> Path:
    for candidate in (path, Path(f"{path}.gz")):
        if candidate.is_file():
            return candidate
    raise Invalid("There is no such data set.", errors={"labels": f"{path} is no file. Give labels.csv or its folder."})


def _rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise Invalid("The table cannot be read.", errors={missing[0]: f"{path.name} has no such column."})
        yield from reader


@dataclass(frozen=True)
class Settings:
    gold: int = 0
    redundancy: int | None = None
    seed: int = 0
    adaptive: bool = False
    target: float = 0.95
    reward: str = "0.01"
    #: Address of a running site on this database: workers come over HTTP then.
    site: str = ""


@dataclass(frozen=True)
class Report:
    """What a replay found. Money in micros; accuracies over tasks whose truth is known and was not used as gold."""

    name: str
    tasks: int
    workers: int
    answers: int
    recorded: int
    accuracy_majority: float | None
    accuracy_delivered: float | None
    mean_confidence: float
    deposited: int
    spent: int
    available: int
    held: int
    seconds: float
    invariants_broken: int
    broken: tuple[str, ...] = ()

    @property
    def is_accounted_for(self) -> bool:
        """Every micro that came in was paid, is available, or is put aside."""
        return self.deposited == self.spent + self.available + self.held

    def to_json(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks,
            "workers": self.workers,
            "answers": self.answers,
            "recorded": self.recorded,
            "saved": round(1 - self.answers / self.recorded, 4) if self.recorded else 0.0,
            "accuracy_majority": _rounded(self.accuracy_majority),
            "accuracy_delivered": _rounded(self.accuracy_delivered),
            "mean_confidence": _rounded(self.mean_confidence),
            "spent": format_amount(self.spent),
            "deposited": format_amount(self.deposited),
            "available": format_amount(self.available),
            "accounted_for": self.is_accounted_for,
            "seconds": round(self.seconds, 1),
            "invariants_broken": self.invariants_broken,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


#: Requests under way at once, over HTTP.
CONNECTIONS = 8
#: Seconds without any progress after which a site's clock is taken for dead.
PATIENCE = 60


class Replay:
    """One recording and the market that it is pushed through."""

    def __init__(self, recording: Recording, settings: Settings) -> None:
        self.settings = settings
        self.random = random.Random(settings.seed)  # noqa: S311  a simulation, to be repeated
        self.recording = recording
        if settings.redundancy is not None:
            self.recording = thinned(recording, settings.redundancy, self.random)
        self.started = time.monotonic()
        self.tag = secrets.token_hex(4)
        truths = sorted(self.recording.truth)
        if settings.gold > len(truths):
            raise Invalid(errors={"gold": f"At most {len(truths)}: so many tasks have a known truth."})
        self.gold = set(self.random.sample(truths, settings.gold))

    # --- the market -----------------------------------------------------------------------------------------------

    def post(self) -> None:
        """A requester with money, a project, and open batches."""
        self.staff = _person(f"staff-{self.tag}", is_staff=True)
        self.requester = Requester.objects.create(name=f"Replay of {self.recording.name}"[:120])
        self.workers = _workers(sorted({worker for _, worker, _ in self.recording.answers}), self.tag)
        self.project = self._project()
        self.batches = [self._publish(number, tasks) for number, tasks in sorted(self._uploads().items())]
        rows = HitData.objects.filter(batch__in=self.batches).select_related("hit__data_row")
        self.hits: dict[str, Hit] = {row.external_id or "": row.hit for row in rows}
        by_pk = {batch.pk: batch for batch in self.batches}
        for hit in self.hits.values():
            hit.batch = by_pk[hit.batch_id]
        self.door: Door = OwnDoor(self.workers)
        if self.settings.site:
            self.door = HttpDoor(self.workers, self.settings.site, connections=CONNECTIONS)

    def _project(self) -> Project:
        rules: dict[str, Any] = {
            "reward": self.settings.reward,
            "undo_seconds": 0,
            "auto_approve_seconds": 0,
            "assignment_seconds": 86_400,
            "max_share": None,
            "max_open": 100,
            "target": self.settings.target,
        }
        if not self.settings.adaptive:
            rules |= {"mode": "fixed", "answers": 1, "gold_share": 0.0}
        return create_project(
            requester=self.requester,
            name=f"Replay of {self.recording.name}"[:160],
            summary="Recorded answers of a real crowd, given again.",
            questions=[{"name": QUESTION, "kind": "categorical", "labels": self.recording.classes}],
            template="{{task}}",
            rules=rules,
        )

    def _uploads(self) -> dict[int, list[str]]:
        """Tasks by how many answers each is to get."""
        told: dict[str, set[str]] = {}
        for task, worker, _ in self.recording.answers:
            told.setdefault(task, set()).add(worker)
        if self.settings.adaptive:
            return {0: sorted(told)}
        uploads: dict[int, list[str]] = {}
        for task, workers in sorted(told.items()):
            uploads.setdefault(len(workers), []).append(task)
        return uploads

    def _publish(self, answers: int, tasks: Sequence[str]) -> Batch:
        if answers:
            self.project.rules = {**self.project.rules, "answers": answers}
            self.project.save(update_fields=["rules"])
        batch = create_batch(project=self.project, name=f"{len(tasks)} tasks")
        rows = (self._row(task) for task in tasks)
        batch = attach_upload(batch=batch, file=ContentFile(b"\n".join(map(orjson.dumps, rows))), name="tasks.jsonl")
        amount = preview_batch(batch=batch, rows=len(tasks)).put_aside
        if amount:
            confirm_deposit(deposit=request_deposit(requester=self.requester, amount=amount), by=self.staff)
        operation = run_to_end(publish.publish_batch(batch=batch))
        if operation.state != operation.State.DONE:
            raise Conflict(f"The tasks could not be posted. {operation.error}")
        return Batch.objects.select_related("project__requester").get(pk=batch.pk)

    def _row(self, task: str) -> dict[str, Any]:
        row = {"task": task, "external_id": task}
        return row | {"gold": self.recording.truth[task]} if task in self.gold else row

    # --- full -----------------------------------------------------------------------------------------------------

    def give_all(self, progress: Progress) -> None:
        """Every recorded answer, in the order in which they were recorded."""
        if self.settings.site:
            self._give_all_at_once(progress)
            return
        held: dict[tuple[str, str], Any] = {}
        for number, answer in enumerate(self.recording.answers, 1):
            self._give(answer, held)
            if number % FULL_ROUND == 0:
                self._work_off()
            progress(1)
        self._work_off()

    def _give_all_at_once(self, progress: Progress) -> None:
        """Over HTTP: several workers at the same time, each in their own order; the site's clock does the rest."""
        by_worker: dict[str, list[tuple[str, str, str]]] = {}
        for answer in self.recording.answers:
            by_worker.setdefault(answer[1], []).append(answer)

        def give(answers: Sequence[tuple[str, str, str]]) -> None:
            held: dict[tuple[str, str], Any] = {}
            for answer in answers:
                try:
                    self._give(answer, held)
                except NotEligible:
                    return  # paused by the site's gates
                progress(1)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(give, by_worker.values()))

    def _give(self, answer: tuple[str, str, str], held: dict[tuple[str, str], Any]) -> None:
        task, worker, label = answer
        if (task, worker) in held:
            self.door.revise(worker, held[task, worker], body(label))
        else:
            held[task, worker] = self.door.answer(worker, self.hits[task], body(label))

    def _work_off(self) -> None:
        """The clock, up to where nothing is due. Scores are taken in; nobody is paused for them."""
        run_dry([digest_due, take_in_scores, decide_due])

    # --- adaptive -------------------------------------------------------------------------------------------------

    def give_as_asked(self, progress: Progress) -> None:
        """Workers come and go until no HIT is open that somebody present could still answer."""
        left: dict[str, dict[str, str]] = {}
        for (task, worker), label in self.recording.newest().items():
            left.setdefault(worker, {})[task] = label
        since = 0
        while present := sorted(worker for worker, tasks in left.items() if tasks):
            gave = 0
            for worker in self.random.sample(present, len(present)):
                gave_now = self._session(worker, left[worker], progress)
                gave, since = gave + gave_now, since + gave_now
                if since >= ADAPTIVE_ROUND:
                    since = self._turn()
            since = self._turn()
            if not gave:
                break
        self._turn()

    def _session(self, worker: str, tasks: dict[str, str], progress: Progress) -> int:
        """Some answers of one worker; tasks that need nobody any more are forgotten only once they have ended."""
        participation = self._participation(worker)
        if participation is None:
            return 0
        by_pk = {self.hits[task].pk: task for task in tasks}
        rooms = dict(Hit.objects.filter(pk__in=by_pk, room=True, lane__lte=1).values_list("pk", "lane"))
        gave = 0
        while rooms and gave < SESSION:
            lane = int(self.random.random() < participation.lane_share)
            fitting = sorted(pk for pk, own in rooms.items() if own == lane) or sorted(rooms)
            chosen = self.random.choice(fitting)
            del rooms[chosen]
            task = by_pk[chosen]
            try:
                self.door.answer(worker, self.hits[task], body(tasks[task]))
            except (HitFull, AlreadyHad):
                continue
            except (NotEligible, CapReached):
                break
            del tasks[task]
            gave += 1
            progress(1)
        return gave

    def _participation(self, worker: str) -> Participation | None:
        try:
            return check_in(worker=self.workers[worker], batch=self.batches[0])
        except (NotEligible, Conflict):
            return None

    def _turn(self) -> int:
        run_dry([digest_due, take_in_scores])
        for step in (carry_pauses, set_gold_shares, limit_gold, decide_due):
            step()
        if self.project.pk in refits_due():
            refit_project(project=self.project)
        return 0

    # --- the end --------------------------------------------------------------------------------------------------

    def finish(self) -> Report:
        """Close what is open, fit once more, and see what came out."""
        if self.settings.site:
            self._wait_for_clock()
        run_dry([digest_due, take_in_scores, decide_due, close_finished])
        for batch in Batch.objects.filter(pk__in=[b.pk for b in self.batches]).exclude(state="closed"):
            run_to_end(closing_of(batch))
        run_dry([digest_due, decide_due])
        refit_project(project=self.project)
        return self.report()

    def _wait_for_clock(self) -> None:
        """Until the site's own clock has digested every answer."""
        waiting = Answer.objects.filter(assignment__batch__in=self.batches, digested_at=None)
        left, since = waiting.count(), time.monotonic()
        while left:
            time.sleep(0.5)
            before, left = left, waiting.count()
            if left < before:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise Conflict("The site does not digest answers. Does its sweep run, on this very database?")

    def report(self) -> Report:
        labels, confidences = self._delivered()
        scored = [task for task in labels if task in self.recording.truth and task not in self.gold]
        right = [labels[task] == self.recording.truth[task] for task in scored]
        ordinary = [confidence for task, confidence in confidences.items() if task not in self.gold]
        spent, available, held = self._money()
        broken = tuple(finding.name for finding in check_invariants() if finding.broken)
        answers = Assignment.objects.filter(batch__in=self.batches, submitted_at__isnull=False).count()
        return Report(
            name=self.recording.name,
            tasks=len(self.hits),
            workers=len(self.workers),
            answers=answers,
            recorded=len(self.recording.newest()),
            accuracy_majority=self._majority(scored),
            accuracy_delivered=float(np.mean(right)) if right else None,
            mean_confidence=float(np.mean(ordinary)) if ordinary else 0.0,
            deposited=sum(deposit.amount for deposit in self.requester.deposits.all()),
            spent=spent,
            available=available,
            held=held,
            seconds=time.monotonic() - self.started,
            invariants_broken=len(broken),
            broken=broken,
        )

    def _delivered(self) -> tuple[dict[str, str], dict[str, float]]:
        found = Belief.objects.filter(hit__batch__in=self.batches, question=QUESTION, label__isnull=False)
        labels: dict[str, str] = {}
        confidences: dict[str, float] = {}
        for task, label, confidence in found.values_list("hit__data_row__external_id", "label", "confidence"):
            labels[task or ""], confidences[task or ""] = self.recording.classes[label or 0], confidence
        return labels, confidences

    def _majority(self, tasks: Sequence[str]) -> float | None:
        """Expected accuracy of majority vote under random ties, over the answers that were given."""
        log = read_log(project_id=self.project.pk, question=QUESTION, last=2**62)
        row = {self.hits[task].pk: place for place, task in enumerate(tasks)}
        votes = np.zeros((len(tasks), len(self.recording.classes)))
        for hit, label in zip(log.hit.tolist(), log.label.tolist(), strict=True):
            if hit in row:
                votes[row[hit], label] += 1
        classes = {label: place for place, label in enumerate(self.recording.classes)}
        truth = np.array([classes[self.recording.truth[task]] for task in tasks], int)
        return majority_accuracy(votes, truth) if len(tasks) else None

    def _money(self) -> tuple[int, int, int]:
        """Spent on approved answers, available again, and still put aside, in micros."""
        approved = Assignment.objects.filter(batch__in=self.batches, state="approved")
        prices = {batch.pk: batch.price for batch in self.batches}
        spent = sum(prices[batch_id] for batch_id in approved.values_list("batch_id", flat=True))
        held = sum(
            balance(kind, batch.pk) for batch in self.batches for kind in (Account.Kind.ESCROW, Account.Kind.REPAIR)
        )
        return spent, balance(Account.Kind.AVAILABLE, self.requester.pk), held


def replay(recording: Recording, settings: Settings, progress: Progress = lambda _: None) -> Report:
    """Push `recording` through this process's market, and say what came of it."""
    run = Replay(recording, settings)
    run.post()
    if settings.adaptive:
        run.give_as_asked(progress)
    else:
        run.give_all(progress)
    return run.finish()


def thinned(recording: Recording, redundancy: int, rng: random.Random) -> Recording:
    """At most `redundancy` workers a task, drawn at random, with all that they said of it."""
    told: dict[str, list[str]] = {}
    for task, worker in recording.newest():
        told.setdefault(task, []).append(worker)
    kept = {
        (task, worker)
        for task, workers in told.items()
        for worker in rng.sample(sorted(workers), min(redundancy, len(workers)))
    }
    answers = [answer for answer in recording.answers if (answer[0], answer[1]) in kept]
    return Recording(recording.name, answers, recording.truth)


def body(label: str) -> bytes:
    return orjson.dumps({"answers": {QUESTION: label}})


def run_dry(steps: Iterable[Callable[[], int]]) -> None:
    """Run the steps of the clock until none of them finds work."""
    steps = list(steps)
    while sum(step() for step in steps):
        pass


def _person(name: str, **fields: Any) -> User:
    user = User(email=f"{name}@replay.invalid", name="Recorded crowd", approved_at=timezone.now(), **fields)
    user.set_unusable_password()
    user.save()
    return user


def _workers(names: Sequence[str], tag: str) -> Mapping[str, Worker]:
    users = [
        User(email=f"{index}-{tag}@replay.invalid", name=f"Recorded {name}"[:120]) for index, name in enumerate(names)
    ]
    for user in users:
        user.set_unusable_password()
    users = User.objects.bulk_create(users)
    workers = Worker.objects.bulk_create(Worker(user=user) for user in users)
    return dict(zip(names, workers, strict=True))
