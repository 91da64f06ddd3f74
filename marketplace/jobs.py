"""The list of work: each batch as it is for one worker, filtered and sorted. Page, API and announcements share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import money
from core.errors import Invalid
from marketplace import figures
from marketplace.models import Assignment, Batch, Participation
from marketplace.selectors import (
    Closed,
    Stars,
    closed_by_counts,
    closed_to,
    designs_of,
    may_look,
    offered_to,
    stars_of,
)
from workers_app.models import Qualification, Worker

#: Batches that are judged at a time, the best by the wish first; more are looked at while too few of them are open.
MOST, LOOKS, ENOUGH = 500, 4, 100
NEWEST = (F("published_at").desc(), F("pk").desc())
#: What the database knows the best by. Where it does not, the newest stand for all.
BEST = {
    "pay": (F("hourly").desc(nulls_last=True), F("pk").desc()),
    "reward": (F("reward").desc(), F("pk").desc()),
}
SORTS = {
    "pay": _("Hourly pay"),
    "new": _("Newest first"),
    "reward": _("Pay of one answer"),
    "short": _("Shortest answers"),
    "soon": _("Fastest approval"),
    "left": _("Most work left"),
    "stars": _("Rating of the requester"),
}
SHOWS = {
    "open": _("Open to me"),
    "quiz": _("Entry quiz needed"),
    "closed": _("Closed to me"),
    "unpaid": _("Unpaid"),
}
#: Seconds of one answer: from, below.
LENGTHS = {
    "30s": (_("Under 30 s"), 0.0, 30.0),
    "2min": (_("30 s to 2 min"), 30.0, 120.0),
    "long": (_("Longer"), 120.0, float("inf")),
}
KINDS = {
    "categorical": _("one choice"),
    "multilabel": _("several choices"),
    "ordinal": _("a scale"),
    "number": _("a number"),
    "text": _("writing"),
    "pairwise": _("comparing two"),
    "boxes": _("boxes"),
    "polygons": _("outlines"),
    "mask": _("painting areas"),
    "keypoints": _("points"),
    "spans": _("marking words"),
    "segments": _("marking times"),
    "ranking": _("putting in order"),
}


@dataclass(frozen=True)
class Filters:
    """What a worker looks for. `least` is micros an hour; what is empty asks for nothing."""

    q: str = ""
    sort: str = "pay"
    least: int = 0
    show: tuple[str, ...] = ()
    kind: str = ""
    topic: str = ""
    length: str = ""
    stars: int = 0
    favourites: bool = False

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Filters:
        """Of a query string or a saved search; what is no filter is passed over."""

        def text(name: str) -> str:
            return str(given.get(name) or "").replace("\0", "").strip()[:80]

        def one_of(name: str, known: Collection[str]) -> str:
            return text(name) if text(name) in known else ""

        show = given.getlist("show") if hasattr(given, "getlist") else given.get("show") or ()
        try:
            least = money.parse(text("least").replace(",", ".") or "0")
        except Invalid:
            least = 0
        return cls(
            q=text("q"),
            sort=one_of("sort", SORTS) or "pay",
            least=least,
            show=tuple(name for name in SHOWS if name in ([show] if isinstance(show, str) else show)),
            kind=one_of("kind", KINDS),
            topic=text("topic"),
            length=one_of("length", LENGTHS),
            stars=int(text("stars")) if text("stars") in {"1", "2", "3", "4"} else 0,
            favourites=text("favourites") in {"1", "true", "True", "on"},
        )

    def to_dict(self) -> dict[str, Any]:
        """What differs from asking for nothing, as `read` takes it."""
        said: dict[str, Any] = {name: value for name, value in vars(self).items() if value != getattr(Filters, name)}
        if self.least:
            said["least"] = money.format_amount(self.least)
        if self.show:
            said["show"] = list(self.show)
        if self.favourites:
            said["favourites"] = "1"
        return said

    def to_query(self) -> str:
        return urlencode(self.to_dict(), doseq=True)


@dataclass(frozen=True)
class Job:
    """One batch in the list, as it is for this worker."""

    batch: Batch
    closed: list[Closed]
    pay: figures.Pay
    left: int
    done_today: int
    kinds: tuple[str, ...]
    approves: int
    held: Assignment | None
    is_favourite: bool
    stars: Stars
    decisions: figures.Decisions | None = None

    @property
    def needs_quiz(self) -> bool:
        return [reason.code for reason in self.closed] == ["quiz"]

    @property
    def is_closed(self) -> bool:
        return bool(self.closed) and not self.needs_quiz

    @property
    def may_look(self) -> bool:
        """Closed, and to be looked at all the same."""
        return bool(self.closed) and may_look(self.closed)

    @property
    def currency(self) -> str:
        return self.batch.project.requester.currency

    @property
    def kind_words(self) -> str:
        return ", ".join(str(KINDS.get(kind, kind)) for kind in self.kinds)

    @property
    def shows(self) -> str:
        """Under which of `SHOWS` it stands."""
        if self.is_closed:
            return "closed"
        return "quiz" if self.needs_quiz else "open" if self.batch.reward else "unpaid"


@dataclass(frozen=True)
class Found:
    """The jobs that fit, and how many there are of each sort before `show` chose among them. `is_cut`: there are more,
    which the wish puts behind these."""

    jobs: list[Job]
    counts: Mapping[str, int]
    topics: list[str]
    kinds: list[str]
    is_cut: bool = False


def find(worker: Worker, filters: Filters, *, among: Collection[int] | None = None) -> Found:
    """The list of work for `worker`, in a number of queries and of rows that does not grow with the market. `among`:
    these batches only."""
    rows = _asked(worker, filters)
    if among is not None:
        rows = rows.filter(pk__in=among)
    rows = rows.order_by(*BEST.get(filters.sort, NEWEST))
    every: list[Job] = []
    fitting: list[Job] = []
    is_cut = True
    for look in range(LOOKS):
        batches = list(rows[look * MOST : (look + 1) * MOST + 1])
        is_cut = len(batches) > MOST
        seen = {job.batch.pk for job in every}  # what is measured meanwhile moves
        every += jobs_of(worker, [batch for batch in batches[:MOST] if batch.pk not in seen])
        fitting = [job for job in every if _fits(job, filters)]
        if not is_cut or sum(not job.is_closed for job in fitting) >= ENOUGH:
            break
    counts = Counter(job.shows for job in fitting)
    chosen = [job for job in fitting if not filters.show or job.shows in filters.show]
    topics = sorted({str(topic) for job in every for topic in job.batch.project.topics})
    kinds = sorted({kind for job in every for kind in job.kinds}, key=list(KINDS).index)
    return Found(_sorted(chosen, filters.sort), counts, topics, kinds, is_cut)


def _asked(worker: Worker, filters: Filters) -> QuerySet[Batch]:
    """What the database can decide."""
    rows = offered_to(worker).select_related("project__requester__rating_sum")
    if filters.q:
        rows = rows.filter(
            Q(project__name__icontains=filters.q)
            | Q(project__summary__icontains=filters.q)
            | Q(project__requester__name__icontains=filters.q)
            | Q(project__topics__contains=[filters.q.lower()])
        )
    if filters.topic:
        rows = rows.filter(project__topics__contains=[filters.topic])
    if filters.favourites:
        rows = rows.filter(project__in=worker.favourites.values("project"))
    return rows


def _fits(job: Job, filters: Filters) -> bool:
    seconds = job.pay.seconds
    low, high = LENGTHS[filters.length][1:] if filters.length else (0.0, float("inf"))
    return (
        (not filters.least or (job.pay.hourly or 0) >= filters.least)
        and (not filters.kind or filters.kind in job.kinds)
        and (not filters.length or (seconds is not None and low <= seconds < high))
        and (not filters.stars or (job.stars.stars or 0) >= filters.stars)
    )


def _sorted(jobs: list[Job], by: str) -> list[Job]:
    """Newest first where the wish says no more; what one cannot take stands last."""
    keys: dict[str, Any] = {
        "pay": lambda job: -(job.pay.hourly or 0),
        "new": lambda job: 0,
        "reward": lambda job: -job.batch.reward,
        "short": lambda job: job.pay.seconds or float("inf"),
        "soon": lambda job: job.approves,
        "left": lambda job: -job.left,
        "stars": lambda job: -(job.stars.stars or 0),
    }
    return sorted(jobs, key=lambda job: (job.is_closed, not job.left and not job.held, keys[by](job)))


def jobs_of(worker: Worker, batches: list[Batch]) -> list[Job]:
    """Each of these batches as it is for this worker."""
    mine = {row.batch_id: row for row in Participation.objects.filter(worker=worker, batch__in=batches)}
    places = Assignment.objects.filter(
        worker=worker,
        batch__in=[row.batch_id for row in mine.values() if row.open_places],
        state=Assignment.State.ACCEPTED,
        is_ahead=False,
        deadline__gt=timezone.now(),
    )
    held = {row.batch_id: row for row in places.order_by("pk")}
    liked = set(worker.favourites.values_list("project", flat=True))
    designs, closed = designs_of(batches), closed_to(worker, batches)
    pays, left, today = figures.pays_of(batches), figures.lefts_in(batches), timezone.now().date()
    jobs = []
    for batch in batches:
        participation, design = mine.get(batch.pk), designs[batch.pk]
        worked_today = participation is not None and participation.today == today
        jobs.append(
            Job(
                batch=batch,
                closed=closed[batch.pk] + (closed_by_counts(batch, participation) if participation else []),
                pay=pays[batch.pk],
                left=left[batch.pk],
                done_today=participation.taken_today if participation and worked_today else 0,
                kinds=tuple(dict.fromkeys(question.kind for question in design.schema)),
                approves=design.rules.auto_approve_seconds,
                held=held.get(batch.pk),
                is_favourite=batch.project_id in liked,
                stars=stars_of(getattr(batch.project.requester, "rating_sum", None)),
            )
        )
    return jobs


def with_details(jobs: Iterable[Job]) -> list[Job]:
    """The same jobs with what only a page of them needs: how their requesters decide, and names of qualifications."""
    jobs = list(jobs)
    decided = figures.decisions_of({job.batch.project.requester_id for job in jobs})
    asked = {reason.way.removeprefix("ask:") for job in jobs for reason in job.closed if reason.way.startswith("ask:")}
    known = Qualification.objects.filter(public_id__in=asked).in_bulk(field_name="public_id") if asked else {}
    names = {str(public_id): row for public_id, row in known.items()}
    return [
        replace(
            job,
            decisions=decided[job.batch.project.requester_id],
            closed=[_named(reason, names) for reason in job.closed],
        )
        for job in jobs
    ]


def _named(reason: Closed, names: Mapping[str, Qualification]) -> Closed:
    """A reason about a qualification says which; only one that may be asked for keeps its way there."""
    if not reason.way.startswith("ask:"):
        return reason
    row = names.get(reason.way.removeprefix("ask:"))
    if row is None:
        return replace(reason, way="")
    is_asked_for = row.can_request and row.kind == Qualification.Kind.VALUE
    # A requester's list is nobody else's business: not even its name.
    about = "" if row.kind == Qualification.Kind.LIST else row.name
    return replace(reason, way=reason.way if is_asked_for else "", about=about)
