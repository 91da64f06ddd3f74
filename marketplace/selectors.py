"""Questions asked of the marketplace. Who may work on what is decided here and nowhere else: `eligibility`."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from scipy.special import betaincinv

from marketplace.models import (
    Assignment,
    Batch,
    Block,
    Hit,
    HitData,
    Media,
    Membership,
    Message,
    Participation,
    Project,
    RatingSum,
    Requester,
    Thread,
)
from marketplace.rules import ABOUT_THE_WORKER, RECORD, Rules
from marketplace.schema import KINDS, Schema, schema_of
from workers_app.models import Grant, Qualification, QualificationRequest, Worker


@dataclass(frozen=True)
class Closed:
    """One reason why a batch is closed to a worker, and how it could open."""

    code: str
    message: str
    remedy: str = ""
    #: Where the remedy is, for pages and programs: quiz, profile, queue, write, tomorrow, or ask:<qualification>.
    way: str = ""
    #: The name of what the reason is about.
    about: str = ""
    #: What is closed, see `marketplace.rules.GUARDS`: with accept, one may still look; with discover, nobody says so.
    guards: str = "preview"


@dataclass(frozen=True)
class Design:
    """What a batch froze when it was published."""

    questions: tuple[dict[str, Any], ...]
    schema: Schema
    template: str
    instructions: str
    examples: tuple[dict[str, Any], ...]
    instruction_version: int
    rules: Rules


def design_of(batch: Batch) -> Design:
    """The frozen design of a published batch, parsed once a process; a draft reads its project's."""
    return designs_of([batch])[batch.pk]


#: By batch and time of publishing, which say all: a batch that is known here need not have its design loaded.
_DESIGNS: dict[tuple[int, datetime], Design] = {}
MOST_DESIGNS = 2048
_filling = threading.Lock()


def designs_of(batches: Iterable[Batch]) -> dict[int, Design]:
    """The designs of batches by their ids; those whose column is deferred are read in one query."""
    found: dict[int, Design] = {}
    unknown: list[Batch] = []
    for batch in batches:
        if batch.state in (Batch.State.DRAFT, Batch.State.PUBLISHING) or batch.published_at is None:
            found[batch.pk] = _parse_design(freeze_design(batch.project))
        elif (known := _DESIGNS.get((batch.pk, batch.published_at))) is not None:
            found[batch.pk] = known
        else:
            unknown.append(batch)
    deferred = {batch.pk: batch for batch in unknown if "design" in batch.get_deferred_fields()}
    if deferred:
        for pk, design in Batch.objects.filter(pk__in=deferred).values_list("pk", "design"):
            deferred[pk].design = design
    for batch in unknown:
        found[batch.pk] = _parse_design(batch.design or freeze_design(batch.project))
        _remember(batch, found[batch.pk])
    return found


def _remember(batch: Batch, design: Design) -> None:
    with _filling:
        if len(_DESIGNS) >= MOST_DESIGNS:
            del _DESIGNS[next(iter(_DESIGNS))]
        _DESIGNS[batch.pk, batch.published_at] = design  # type: ignore[index]  # published, so it has a time


def _parse_design(design: dict[str, Any]) -> Design:
    return Design(
        questions=tuple(design["questions"]),
        schema=schema_of(design["questions"]),
        template=design["template"],
        instructions=design["instructions"],
        examples=tuple(design.get("examples", ())),
        instruction_version=design["instruction_version"],
        rules=Rules.from_json(design["rules"]),
    )


def freeze_design(project: Project) -> dict[str, Any]:
    """The copy of a project's rules that a batch keeps.

    Where the number of answers hangs on how sure they make us, a question that stands alone decides when they are
    enough, whatever its kind, unless it says that it doesn't.
    """
    rules, questions = Rules.from_json(project.rules, audience=project.audience), project.questions
    if rules.is_adaptive and len(questions) == 1 and not KINDS[questions[0]["kind"]].stops:
        questions = [{"stops": True, **questions[0]}]
    return {
        "questions": questions,
        "template": project.template,
        "instructions": project.instructions,
        "examples": project.examples,
        "instruction_version": project.instruction_version,
        "rules": rules.to_json(),
    }


# --- who may work -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """What a worker's eligibility hangs on, read at once for any number of batches (four queries)."""

    worker: Worker
    #: Requesters of which the worker is a member, and who do not want them.
    own: frozenset[int]
    blocked: frozenset[int]
    #: Project -> code and text of why `quality.services` took them out of it: one batch of a project speaks for all.
    barred: Mapping[int, tuple[str, str]]
    #: Values of grants, by the qualification's public id and by its key.
    held: Mapping[str, Any]
    quizzes: Mapping[int, int]
    #: What they did anywhere, by the names of `marketplace.rules.RECORD`; empty where nobody asks.
    record: Mapping[str, int] = field(default_factory=dict)


#: Stands for the value of a grant without one: it is there, and fits nothing that compares.
HELD = ""


def standing_of(worker: Worker, batches: Iterable[Batch]) -> Standing:
    """What `eligibility` needs to know of `worker` for these batches, whose projects are loaded."""
    batches = list(batches)
    designs = designs_of(batches)
    wanted = {item["subject"] for design in designs.values() for item in design.rules.requirements}
    quizzes = {batch.project.quiz_id for batch in batches if batch.project.quiz_id is not None}
    barred = Participation.objects.filter(worker=worker).exclude(barred="").order_by("pk")
    requesters = {batch.project.requester_id for batch in batches}
    members = Membership.objects.filter(user=worker.user_id, requester__in=requesters)
    blocks = Block.objects.filter(worker=worker, requester__in=requesters)
    return Standing(
        worker=worker,
        own=frozenset(members.values_list("requester", flat=True)),
        blocked=frozenset(blocks.values_list("requester", flat=True)),
        barred={p: (code, text) for p, code, text in barred.values_list("batch__project", "barred", "barred_text")},
        **_held(worker, wanted, quizzes),
    )


def _held(worker: Worker, wanted: set[str], quizzes: Collection[int] = ()) -> dict[str, Any]:
    """What a `Standing` knows of these subjects of requirements, and of these quizzes."""
    asked = Q(qualification__public_id__in=wanted - {*ABOUT_THE_WORKER, *RECORD}) | Q(qualification__in=quizzes)
    grants = Grant.objects.filter(asked, worker=worker) if wanted or quizzes else Grant.objects.none()
    values = list(grants.values_list("qualification__public_id", "qualification", "value"))
    return {
        "held": {str(public_id): HELD if value is None else value for public_id, _, value in values},
        "quizzes": {pk: value for _, pk, value in values if value is not None},
        "record": record_of(worker) if wanted & {*RECORD} else {},
    }


#: With fewer submitted answers than this, a worker's share of approved ones says nothing, and is 100.
RECORD_FROM = 100


def record_of(worker: Worker) -> dict[str, int]:
    """Counts and percentages of what a worker did for live organisations."""
    state = Assignment.State
    is_answer = Q(submitted_at__isnull=False)
    done = Assignment.objects.filter(worker=worker, batch__project__requester__world=Requester.World.LIVE).aggregate(
        accepted=Count("pk", filter=~Q(state=state.LAPSED)),
        submitted=Count("pk", filter=is_answer),
        approved=Count("pk", filter=Q(state=state.APPROVED)),
        rejected=Count("pk", filter=Q(state=state.REJECTED)),
        expired=Count("pk", filter=Q(state=state.EXPIRED)),
        returned=Count("pk", filter=Q(state=state.RETURNED)),
    )

    def share(part: str, whole: str) -> int:
        return done[part] * 100 // done[whole] if done[whole] else 0

    return {
        "approved": done["approved"],
        "approval": share("approved", "submitted") if done["submitted"] >= RECORD_FROM else 100,
        "rejection": share("rejected", "submitted"),
        "submission": share("submitted", "accepted") if done["accepted"] else 100,
        "abandonment": share("expired", "accepted"),
        "return": share("returned", "accepted"),
    }


def eligibility(worker: Worker, batch: Batch, standing: Standing | None = None) -> list[Closed]:
    """Why `batch` is closed to `worker`: empty when it is open. The list of work, "why not me" and the claim use it.

    Counts (places held, caps) are not here: the claim checks them under its lock. `standing` spares the queries where
    many batches are asked about, see `closed_to`.
    """
    standing = standing or standing_of(worker, [batch])
    project = batch.project
    reasons: list[Closed] = []
    if batch.state != Batch.State.OPEN:
        reasons.append(Closed("batch_not_open", _("It takes no new work now."), _("Look again later.")))
    if worker.suspended_at:
        on_hold = worker.suspended_reason or _("Your account is on hold.")
        reasons.append(Closed("suspended", on_hold, _("Ask staff to look.")))
    is_open_to_own = project.audience in PRIVATE
    is_own = project.requester_id in standing.own
    if is_own and not is_open_to_own:
        reasons.append(Closed("own_work", _("You belong to the organisation that posted it.")))
    if is_open_to_own and not is_own:
        reasons.append(Closed("private", _("It is for the members of one organisation."), guards="discover"))
    if project.requester_id in standing.blocked:
        reasons.append(Closed("blocked", _("This requester works without you. It costs you nothing elsewhere.")))
    if project.is_distressing and not worker.accepts_distressing:
        remedy = _("Allow such content in your settings to see it.")
        reasons.append(Closed("distressing", _("It shows distressing content."), remedy, way="profile"))
    if barred := standing.barred.get(project.pk):
        message, remedy, way = BARRED.get(barred[0], (gettext_lazy("You are paused here."), "", "write"))
        reasons.append(Closed(barred[0], barred[1] or str(message), str(remedy), way))
    rules = design_of(batch).rules
    return reasons + _quiz(standing, rules, project) + _unmet(standing, rules.requirements)


def closed_to(worker: Worker, batches: Iterable[Batch]) -> dict[int, list[Closed]]:
    """`eligibility` for many batches, by their ids, in as many queries as for one."""
    batches = list(batches)
    standing = standing_of(worker, batches)
    return {batch.pk: eligibility(worker, batch, standing) for batch in batches}


def may_look(closed: Iterable[Closed]) -> bool:
    """Whether what is closed so may be looked at all the same."""
    return all(reason.guards == "accept" for reason in closed)


def _quiz(standing: Standing, rules: Rules, project: Project) -> list[Closed]:
    """Work behind a quiz is open to those whose grant has enough right answers."""
    if not rules.quiz_questions or project.quiz_id is None:
        return []
    right = standing.quizzes.get(project.quiz_id)
    if right is not None and right >= rules.quiz_pass:
        return []
    code = "quiz" if right is None else "quiz_failed"
    return [Closed(code, *map(str, BARRED[code]))]


#: Why `quality.services` took a worker out of a batch, in words that both sides read.
BARRED: dict[str, tuple[Any, Any, str]] = {
    "paused": (
        gettext_lazy(
            "Your answers are being looked at by a person, because several differed from answers that are known."
        ),
        gettext_lazy("You are told the outcome here. Nothing you earned is touched."),
        "write",
    ),
    "quiz": (
        gettext_lazy("This work starts with a short quiz."),
        gettext_lazy("Take the quiz; it can be repeated once where it is close."),
        "quiz",
    ),
    "quiz_failed": (
        gettext_lazy("The quiz did not go well enough for this work."),
        gettext_lazy("Other work is open to you."),
        "",
    ),
}


def _unmet(standing: Standing, requirements: Iterable[dict[str, Any]]) -> list[Closed]:
    """Requirements that the worker does not meet. `subject` is country, language, or a qualification's id."""
    worker = standing.worker
    unmet = []
    for item in requirements:
        subject, compare, value = item["subject"], item["compare"], item.get("value")
        have: Any
        if subject == "country":
            have, ok = worker.country, _compare(worker.country or None, compare, value)
        elif subject == "locale":
            have, ok = _locale(worker), _compare_locale(worker, compare, value)
        elif subject == "adult":
            have = int(worker.accepts_distressing)
            ok = _compare(have, compare, value)
        elif subject in RECORD:
            have = standing.record[subject]
            ok = _compare(have, compare, value)
        elif subject == "language":
            have = ", ".join(worker.languages)
            ok = any(_compare(language, compare, value) for language in worker.languages or [None])
        else:
            have = standing.held.get(str(subject))
            ok = _compare(have, compare, value)
        if not ok:
            name = item.get("name") or WORDS_ABOUT.get(subject) or _("A qualification")
            is_about = subject in ABOUT_THE_WORKER + RECORD
            way = "" if compare == "missing" or subject in RECORD else f"ask:{subject}"
            way = "profile" if subject in ABOUT_THE_WORKER else way
            message = _asks(str(name), compare, value, have)
            about = "" if is_about else item.get("name") or ""
            guards = item.get("guards", "preview")
            unmet.append(Closed(f"requirement:{subject}", message, item.get("remedy", ""), way, about, guards))
    return unmet


WORDS_ABOUT = {
    "country": gettext_lazy("Your country"),
    "language": gettext_lazy("Your languages"),
    "locale": gettext_lazy("Where you are"),
    "adult": gettext_lazy("Whether you accept distressing content"),
    "approved": gettext_lazy("Your approved answers"),
    "approval": gettext_lazy("Your approved answers in percent"),
    "rejection": gettext_lazy("Your rejected answers in percent"),
    "submission": gettext_lazy("What you hand in of what you accept, in percent"),
    "abandonment": gettext_lazy("What you let expire, in percent"),
    "return": gettext_lazy("What you give back, in percent"),
}


def _locale(worker: Worker) -> str:
    return "-".join(part for part in (worker.country, worker.subdivision) if part)


def _compare_locale(worker: Worker, compare: str, value: Any) -> bool:
    """Locales are countries, or a country and its subdivision, such as US-CA, which then both must fit."""
    if compare in ("exists", "missing"):
        return bool(worker.country) == (compare == "exists")
    if not worker.country:
        return False
    fits = any(one in (worker.country, _locale(worker)) for one in (value if isinstance(value, list) else [value]))
    return fits == (compare in ("==", "in"))


COMPARED = {
    "==": gettext_lazy("%(name)s: %(value)s is asked for, %(have)s."),
    "!=": gettext_lazy("%(name)s: anything but %(value)s is asked for, %(have)s."),
    "<": gettext_lazy("%(name)s: less than %(value)s is asked for, %(have)s."),
    "<=": gettext_lazy("%(name)s: at most %(value)s is asked for, %(have)s."),
    ">": gettext_lazy("%(name)s: more than %(value)s is asked for, %(have)s."),
    ">=": gettext_lazy("%(name)s: at least %(value)s is asked for, %(have)s."),
    "in": gettext_lazy("%(name)s: one of %(value)s is asked for, %(have)s."),
    "not_in": gettext_lazy("%(name)s: none of %(value)s is asked for, %(have)s."),
    "exists": gettext_lazy("%(name)s is asked for, %(have)s."),
    "missing": gettext_lazy("%(name)s must not be there, %(have)s."),
}


def _asks(name: str, compare: str, value: Any, have: Any) -> str:
    """What is asked for and what the worker has, in one sentence."""
    wanted = ", ".join(map(str, value)) if isinstance(value, list) else value
    told = _("you have none") if have in (None, "") else _("you have %s") % have
    return COMPARED[compare] % {"name": name, "value": wanted, "have": told}


def closed_by_counts(batch: Batch, participation: Participation) -> list[Closed]:
    """What the claim checks under its lock, told beforehand: caps of one person in one batch."""
    today = timezone.now().date()
    taken_today = participation.taken_today if participation.today == today else 0
    reasons = []
    if batch.place_cap is not None and participation.taken_in_all >= batch.place_cap:
        message = _("You have done the %d that one person may do here.") % batch.place_cap
        reasons.append(Closed("place_cap", message))
    elif batch.day_cap is not None and taken_today >= batch.day_cap:
        message = _("You have done the %d that one person may do here in a day.") % batch.day_cap
        reasons.append(Closed("day_cap", message, _("It opens again at midnight UTC."), "tomorrow"))
    if participation.open_places >= batch.open_cap:
        message = _("You hold as many as one person may at once.")
        reasons.append(Closed("too_many_open", message, _("Hand in or give back some of them."), "queue"))
    return reasons


def _compare(have: Any, compare: str, value: Any) -> bool:
    if compare == "exists":
        return have is not None
    if compare == "missing":
        return have is None
    if have is None:
        return compare in ("!=", "not_in")
    if have == HELD:
        return False
    tests = {
        "==": lambda: have == value,
        "!=": lambda: have != value,
        "<": lambda: have < value,
        "<=": lambda: have <= value,
        ">": lambda: have > value,
        ">=": lambda: have >= value,
        "in": lambda: have in value,
        "not_in": lambda: have not in value,
    }
    try:
        return bool(tests[compare]())
    except TypeError:
        return False


#: Work of these audiences is nothing that strangers hear of.
PRIVATE = (Project.Audience.TEAM, Project.Audience.ME)
#: Columns that may be long and that no list of batches shows: designs come from `designs_of`.
LONG_COLUMNS = (
    "design",
    "upload_facts",
    "project__questions",
    "project__template",
    "project__instructions",
    "project__rules",
)


def offered_to(worker: Worker) -> QuerySet[Batch]:
    """Open batches that this worker may know of, without their long columns: whether they may work there,
    `closed_to` says."""
    own = Membership.objects.filter(user=worker.user_id).values("requester")
    known = ~Q(project__audience__in=PRIVATE) | Q(project__requester__in=own)
    rows = Batch.objects.filter(known, state=Batch.State.OPEN, project__trial_of=None)
    rows = rows.filter(not_hidden_from(worker, Batch.objects.filter(state=Batch.State.OPEN)))
    return rows.select_related("project__requester").defer(*LONG_COLUMNS)


def not_hidden_from(worker: Worker, rows: QuerySet[Batch]) -> Q:
    """Of `rows`, the batches whose being there is no secret, and those that say so to this worker. What hides them is
    judged once for each set of requirements, here as in `eligibility`; a market without any pays one look in an
    index."""
    hiding = list(rows.filter(hidden_by__isnull=False).order_by().values_list("hidden_by", flat=True).distinct())
    known = Q(hidden_by__isnull=True)
    if not hiding:
        return known
    held = _held(worker, {item["subject"] for requirements in hiding for item in requirements})
    standing = Standing(worker=worker, own=frozenset(), blocked=frozenset(), barred={}, **held)
    return known | Q(hidden_by__in=[requirements for requirements in hiding if not _unmet(standing, requirements)])


# --- scoping ----------------------------------------------------------------------------------------------------------


def requesters_of(user: Any, role: str = "viewer") -> QuerySet[Requester]:
    """Organisations in which `user` has at least `role`. Every requester page and endpoint starts from it."""
    roles = Membership.RANK[: Membership.RANK.index(Membership.Role(role)) + 1]
    return Requester.objects.filter(memberships__user=user, memberships__role__in=roles)


def projects_of(user: Any, role: str = "viewer") -> QuerySet[Project]:
    """Without a demonstration that was put away: that is nowhere to be seen."""
    put_away = Q(is_tour=True, archived_at__isnull=False)
    return Project.objects.filter(~put_away, requester__in=requesters_of(user, role))


def batches_of(user: Any, role: str = "viewer") -> QuerySet[Batch]:
    put_away = Q(project__is_tour=True, project__archived_at__isnull=False)
    mine = Batch.objects.filter(~put_away, project__requester__in=requesters_of(user, role))
    return mine.select_related("project__requester")


def media_of(user: Any, role: str = "viewer") -> QuerySet[Media]:
    return Media.objects.filter(requester__in=requesters_of(user, role)).select_related("requester")


def posted_rows(batch: Batch) -> Iterator[tuple[int | None, str | None, str, str]]:
    """Row number, external id, HIT and its state, in the order in which the rows were posted."""
    rows = HitData.objects.filter(hit__batch=batch).order_by("hit_id")
    for number, external_id, public_id, state in rows.values_list(
        "row_number", "external_id", "public_id", "hit__state"
    ).iterator(chunk_size=2000):
        yield number, external_id, str(public_id), str(Hit.State(state).label)


def assignments_of_worker(worker: Worker) -> QuerySet[Assignment]:
    return Assignment.objects.filter(worker=worker)


def overdue(assignment: Assignment) -> bool:
    return assignment.state == Assignment.State.ACCEPTED and assignment.deadline <= timezone.now()


# --- messages ---------------------------------------------------------------------------------------------------------

#: Messages of a thread that are shown; older ones stay in the download of one's own data.
MESSAGES_SHOWN = 200


def known_projects(worker: Worker) -> QuerySet[Project]:
    """Projects that a worker may know of: open to all and published, of an own organisation, or worked in."""
    known = not_hidden_from(worker, Batch.objects.all())
    is_published = Exists(Batch.objects.filter(known, project=OuterRef("pk"), published_at__isnull=False))
    is_open = Q(audience__in=[Project.Audience.PUBLIC, Project.Audience.VOLUNTEERS])
    is_own = Q(requester__in=worker.user.memberships.values("requester"))
    has_worked = Q(pk__in=worker.participations.values("batch__project"))
    return Project.objects.filter((is_open | is_own) & is_published | has_worked).select_related("requester")


def workers_of_project(project: Project) -> QuerySet[Worker]:
    """Those who take or took part in it."""
    taking_part = Participation.objects.filter(batch__project=project, worker=OuterRef("pk"))
    return Worker.objects.filter(Exists(taking_part)).select_related("user")


def threads_of_worker(worker: Worker) -> QuerySet[Thread]:
    rows = Thread.objects.filter(worker=worker)
    return rows.select_related("project__requester", "assignment", "worker__user").order_by("-last_at", "-pk")


def threads_of_requesters(user: Any, role: str = "viewer") -> QuerySet[Thread]:
    rows = Thread.objects.filter(project__requester__in=requesters_of(user, role))
    return rows.select_related("project__requester", "assignment", "worker__user").order_by("-last_at", "-pk")


def messages_in(thread: Thread) -> list[Message]:
    """The last ones, oldest first."""
    return list(thread.messages.order_by("-pk")[:MESSAGES_SHOWN])[::-1]


# --- ratings ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stars:
    """What workers say of a requester: the mean of 1 to 5 stars with its 95 % interval; None until five have spoken."""

    raters: int = 0
    stars: float | None = None
    low: float | None = None
    high: float | None = None


def requesters_worked_for(worker: Worker) -> QuerySet[Requester]:
    """Organisations in whose batches the worker took part."""
    taken = Participation.objects.filter(worker=worker, taken_in_all__gt=0, batch__project__requester=OuterRef("pk"))
    return Requester.objects.filter(Exists(taken)).select_related("rating_sum")


def stars_of(total: RatingSum | None) -> Stars:
    """Each rating counts as a share between 1 and 5, so that Beta(1 + s, 1 + n - s) bounds the mean; one decimal."""
    if total is None:
        return Stars()
    share = (total.stars - total.raters) / 4
    low, high = betaincinv(1 + share, 1 + total.raters - share, [0.025, 0.975])
    mean = total.stars / total.raters
    return Stars(total.raters, round(mean, 1), round(min(1 + 4 * low, mean), 1), round(max(1 + 4 * high, mean), 1))


def rating_of(requester: Requester) -> Stars:
    return stars_of(RatingSum.objects.filter(requester=requester).first())


# --- qualifications ---------------------------------------------------------------------------------------------------


def requestable() -> QuerySet[Qualification]:
    """Qualifications that any worker may ask for."""
    return Qualification.objects.filter(can_request=True, kind=Qualification.Kind.VALUE, requester__isnull=False)


def requests_of(user: Any, role: str = "viewer") -> QuerySet[QualificationRequest]:
    """What workers ask of the organisations of `user`."""
    rows = QualificationRequest.objects.filter(qualification__requester__in=requesters_of(user, role))
    return rows.select_related("qualification", "worker")


def qualifications_of(user: Any, role: str = "viewer") -> QuerySet[Qualification]:
    return Qualification.objects.filter(requester__in=requesters_of(user, role)).select_related("requester")


def places_held(worker: Worker) -> QuerySet[Assignment]:
    """Places that were opened and not answered yet, looked for only in batches where the worker holds any."""
    batches = worker.participations.filter(open_places__gt=0).values("batch")
    held = assignments_of_worker(worker).filter(batch__in=batches, state=Assignment.State.ACCEPTED, is_ahead=False)
    return held.filter(deadline__gt=timezone.now())


def sent_back_to(worker: Worker) -> QuerySet[Assignment]:
    """Answers that came back for another version, what is decided first on top. What waits for nothing has no
    `decide_at`, so that not every answer of the worker is looked at."""
    waiting = assignments_of_worker(worker).filter(state=Assignment.State.REVISING, decide_at__isnull=False)
    return waiting.select_related("batch__project__requester").order_by("decide_at")
