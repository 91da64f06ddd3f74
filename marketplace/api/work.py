"""The worker's side: find work, what one holds and gave, appeals, one's own data. Nothing here differs between HITs of
different kinds: the same fields, in the same order, of the same size."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core import money
from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, Empty, Input, JsonList
from lifecycle.accept import keep, open_accepted
from lifecycle.expire import return_place
from lifecycle.personal_data import everything_about
from lifecycle.report import report_problem
from marketplace.api.choosing import RatingOut
from marketplace.api.finding import one, worker_of
from marketplace.api.reviewing import AppealOut, shape_answer
from marketplace.errors import NotYours
from marketplace.figures import Decisions
from marketplace.jobs import KINDS, LENGTHS, SHOWS, Filters, find, jobs_of, with_details
from marketplace.models import Answer, Appeal, Assignment, Batch, Draft
from marketplace.selectors import closed_to, designs_of, offered_to
from marketplace.services import appealing
from marketplace.services.drafts import keep_draft
from marketplace.services.submitting import take_back
from workers_app.models import Worker
from workers_app.services.profile import change_worker

# --- finding ----------------------------------------------------------------------------------------------------------


class ClosedOut(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()
    way = serializers.CharField(
        help_text="What to do: quiz, profile, queue, write, tomorrow, ask:QUALIFICATION; empty: nothing helps."
    )
    about = serializers.CharField(help_text="What it is about: a qualification's name.")


class WorkOut(serializers.Serializer):
    batch = serializers.UUIDField()
    project = serializers.UUIDField()
    name = serializers.CharField()
    summary = serializers.CharField()
    organisation = serializers.UUIDField()
    requester = serializers.CharField()
    rating = RatingOut(help_text="What workers say of the requester.")
    decided = serializers.IntegerField(help_text="Answers that the requester decided on lately.")
    rejected = serializers.IntegerField(help_text="Among them.")
    decides_in_seconds = serializers.FloatField(allow_null=True, help_text="The median.")
    audience = serializers.CharField()
    topics = serializers.JSONField()
    is_distressing = serializers.BooleanField()
    is_favourite = serializers.BooleanField()
    kinds = serializers.ListField(child=serializers.CharField(), help_text="Kinds of questions.")
    reward = Amount()
    currency = serializers.CharField()
    estimated_seconds = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True, help_text="Of one answer, measured where it is.")
    hourly = Amount(allow_null=True, help_text="Pay an hour: of the middle worker, or by the requester's estimate.")
    hourly_low = Amount(allow_null=True, help_text="Of the slower quarter of workers.")
    hourly_high = Amount(allow_null=True)
    is_measured = serializers.BooleanField(help_text="false: by the requester's estimate.")
    left = serializers.IntegerField(help_text="HITs with room, counted up to 10,000.")
    assignment_seconds = serializers.IntegerField(help_text="Time for one HIT.")
    auto_approve_seconds = serializers.IntegerField(help_text="Silence approves after this.")
    expires_at = serializers.DateTimeField(allow_null=True)
    is_open = serializers.BooleanField()
    closed = ClosedOut(many=True, help_text="Why it is closed to you, and how it could open.")


class WorkDetailOut(WorkOut):
    questions = serializers.JSONField(help_text="The answer schema.")
    template = serializers.CharField(help_text="Markdown with {{column}} placeholders.")
    instructions = serializers.CharField(help_text="Markdown.")
    instruction_version = serializers.IntegerField()


class WorkQuery(Input):
    open = serializers.BooleanField(required=False, help_text="true: only what is open to you; false: only the rest.")
    q = serializers.CharField(required=False, max_length=80, help_text="Words of the title, topic or requester.")
    least = AmountIn(required=False, help_text="An hour.")
    kind = serializers.ChoiceField(required=False, choices=list(KINDS))
    topic = serializers.CharField(required=False, max_length=80)
    length = serializers.ChoiceField(required=False, choices=list(LENGTHS), help_text="Of one answer.")
    stars = serializers.IntegerField(required=False, min_value=1, max_value=4, help_text="The requester has so many.")
    show = serializers.ChoiceField(required=False, choices=list(SHOWS))
    favourites = serializers.BooleanField(required=False)


#: Parts of a question that say how answers are judged, which is nothing that a worker is told.
OF_REQUESTERS = ("score", "stops")


def shown_questions(questions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in q.items() if name not in OF_REQUESTERS} for q in questions]


def shape_work(request: Request, batches: Sequence[Batch], *, whole: bool = False) -> list[dict[str, Any]]:
    batches = list(batches)
    designs = designs_of(batches)
    shaped = []
    for job in with_details(jobs_of(worker_of(request), batches)):
        batch, project, design = job.batch, job.batch.project, designs[job.batch.pk]
        decisions = job.decisions or Decisions()
        row = {
            "batch": batch.public_id,
            "project": project.public_id,
            "name": project.name,
            "summary": project.summary,
            "organisation": project.requester.public_id,
            "requester": project.requester.name,
            "rating": vars(job.stars),
            "decided": decisions.decided,
            "rejected": decisions.rejected,
            "decides_in_seconds": decisions.seconds,
            "audience": project.audience,
            "topics": project.topics,
            "is_distressing": project.is_distressing,
            "is_favourite": job.is_favourite,
            "kinds": sorted(job.kinds),
            "reward": batch.reward,
            "currency": project.requester.currency,
            "estimated_seconds": design.rules.estimated_seconds,
            "seconds": job.pay.seconds,
            "hourly": job.pay.hourly,
            "hourly_low": job.pay.low,
            "hourly_high": job.pay.high,
            "is_measured": job.pay.is_measured,
            "left": job.left,
            "assignment_seconds": batch.assignment_seconds,
            "auto_approve_seconds": job.approves,
            "expires_at": batch.expires_at,
            "is_open": not job.closed,
            "closed": [asdict(reason) for reason in job.closed],
        }
        if whole:
            row |= {
                "questions": shown_questions(design.questions),
                "template": design.template,
                "instructions": design.instructions,
                "instruction_version": design.instruction_version,
            }
        shaped.append(row)
    return shaped


class Judged:
    """Rows that are open to a worker (or not), of which a page takes the newest: judged as they are asked for, since
    no statement can tell, and a market may have very many."""

    AT_ONCE = 200

    def __init__(self, rows: QuerySet[Batch], worker: Worker, is_open: bool) -> None:
        self.rows, self.worker, self.is_open = rows, worker, is_open

    def filter(self, **conditions: Any) -> Judged:
        return Judged(self.rows.filter(**conditions), self.worker, self.is_open)

    def order_by(self, *order: str) -> Judged:
        return Judged(self.rows.order_by(*order), self.worker, self.is_open)

    def __getitem__(self, wanted: slice) -> list[Batch]:
        found: list[Batch] = []
        rows = self.rows
        while len(found) < wanted.stop:
            batches = list(rows[: self.AT_ONCE])
            closed = closed_to(self.worker, batches)
            found += [batch for batch in batches if (not closed[batch.pk]) == self.is_open]
            if len(batches) < self.AT_ONCE:
                break
            rows = self.rows.filter(pk__lt=batches[-1].pk)
        return found[: wanted.stop]


class FindWork(Endpoint):
    @act("work", query=WorkQuery, gives=WorkOut, paged=True, shape=shape_work, tag="work")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Batch]:
        """Work there is, newest first; where it is closed to you, why, and how it could open."""
        worker = worker_of(request)
        rows = offered_to(worker)
        wanted = query.pop("open", None)
        if query:
            least = money.format_amount(query.get("least", 0))
            found = find(worker, Filters.read({**query, "least": least}))
            rows = rows.filter(pk__in=[job.batch.pk for job in found.jobs])
        rows = rows.select_related("project__requester__rating_sum")
        return rows if wanted is None else Judged(rows, worker, wanted)  # type: ignore[return-value]


class WorkOne(Endpoint):
    @act("work", gives=WorkDetailOut, tag="work")
    def get(self, request: Request, batch_id: uuid.UUID) -> dict[str, Any]:
        """One batch with its questions, template and instructions."""
        return shape_work(request, [one(known_batches(worker_of(request)), public_id=batch_id)], whole=True)[0]


def known_batches(worker: Worker) -> QuerySet[Batch]:
    """Batches offered to the worker, and those they have worked in."""
    worked = Batch.objects.filter(participations__worker=worker).values("pk")
    offered = offered_to(worker).values("pk")
    return Batch.objects.filter(Q(pk__in=offered) | Q(pk__in=worked)).select_related("project__requester")


# --- what one holds and gave ------------------------------------------------------------------------------------------


class MyAssignmentOut(serializers.Serializer):
    id = serializers.UUIDField()
    batch = serializers.UUIDField()
    hit = serializers.UUIDField()
    project = serializers.CharField()
    state = serializers.CharField()
    is_ahead = serializers.BooleanField(help_text="Accepted ahead and not opened yet.")
    reward = Amount()
    accepted_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField(allow_null=True)
    deadline = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    decide_at = serializers.DateTimeField(allow_null=True, help_text="When silence decides it.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField()
    return_reason = serializers.CharField()
    data = serializers.JSONField()
    answers = serializers.ListField(child=serializers.JSONField(), help_text="Your versions.")


class MyQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Assignment.State.values)
    batch = serializers.UUIDField(required=False)


class ReturnIn(Input):
    reason = serializers.ChoiceField(choices=Assignment.ReturnReason.values)
    note = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")


class UndoOut(serializers.Serializer):
    final_at = serializers.DateTimeField()


class DraftIn(Input):
    fields = JsonList(help_text="Pairs of texts: the name of a field and its value.")  # type: ignore[assignment]


class DraftOut(serializers.Serializer):
    saved_at = serializers.DateTimeField(allow_null=True)
    fields = serializers.ListField(child=serializers.JSONField())  # type: ignore[assignment]


class LeaseOut(serializers.Serializer):
    deadline = serializers.DateTimeField()


class AppealIn(Input):
    reason = serializers.CharField(max_length=5000, help_text="Why the answer should be paid.")


def shape_mine(request: Request, rows: Sequence[Assignment]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.public_id,
            "batch": row.batch.public_id,
            "hit": row.hit.data_row.public_id,
            "project": row.batch.project.name,
            "state": row.state,
            "is_ahead": row.is_ahead,
            "reward": row.reward,
            "accepted_at": row.accepted_at,
            "opened_at": row.opened_at,
            "deadline": row.deadline,
            "submitted_at": row.submitted_at,
            "decide_at": row.decide_at,
            "decided_at": row.decided_at,
            "decision_reason": row.decision_reason,
            "return_reason": row.return_reason,
            "data": row.hit.data_row.data,
            "answers": [shape_answer(answer) for answer in row.answers.all()],
        }
        for row in rows
    ]


def mine(request: Request) -> QuerySet[Assignment]:
    versions = Prefetch("answers", Answer.objects.defer("raw").order_by("version"))
    rows = Assignment.objects.filter(worker=worker_of(request)).select_related("batch__project", "hit__data_row")
    return rows.defer("batch__design", "batch__project__questions").prefetch_related(versions)


class MyAssignments(Endpoint):
    @act("work", query=MyQuery, gives=MyAssignmentOut, paged=True, shape=shape_mine, tag="work")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Assignment]:
        """HITs you hold and answers you gave."""
        rows = mine(request)
        if "batch" in query:
            rows = rows.filter(batch__public_id=query["batch"])
        return rows.filter(state=query["state"]) if "state" in query else rows


class MyAssignment(Endpoint):
    @act("work", gives=MyAssignmentOut, tag="work")
    def get(self, request: Request, assignment_id: uuid.UUID) -> dict[str, Any]:
        """One of them."""
        return shape_mine(request, [one(mine(request), public_id=assignment_id)])[0]


class Open(Endpoint):
    @act("work", takes=Empty, gives=MyAssignmentOut, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """You see a HIT that was accepted ahead: its time starts now."""
        assignment = open_accepted(assignment=one(mine(request), public_id=assignment_id))
        if assignment.state == Assignment.State.LAPSED:
            raise NotYours
        return shape_mine(request, [one(mine(request), pk=assignment.pk)])[0]


class Renew(Endpoint):
    @act("work", takes=Empty, gives=LeaseOut, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Keep a HIT that was accepted ahead for another while."""
        assignment = one(mine(request), public_id=assignment_id)
        if not keep(assignment=assignment):
            raise NotYours("This is not kept any more: it was opened, given back, or its time ran out.")
        assignment.refresh_from_db(fields=["deadline"])
        return {"deadline": assignment.deadline}


class Return(Endpoint):
    @act("work", takes=ReturnIn, gives=MyAssignmentOut, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Give a HIT back. It costs you nothing, and it is not offered to you again."""
        assignment = return_place(assignment=one(mine(request), public_id=assignment_id), **data)
        return shape_mine(request, [one(mine(request), pk=assignment.pk)])[0]


class Undo(Endpoint):
    @act("work", takes=Empty, gives=UndoOut, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Take an answer back to change it, while it is not final: until when you may. Unchanged, it stands."""
        return {"final_at": take_back(assignment=one(mine(request), public_id=assignment_id))}


class KeepDraft(Endpoint):
    @act("work", takes=DraftIn, gives=DraftOut, tag="work")
    def put(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Keep what is typed so far; an empty list forgets it."""
        assignment = one(mine(request), public_id=assignment_id)
        return {"saved_at": keep_draft(assignment=assignment, fields=data["fields"]), "fields": data["fields"]}

    @act("work", gives=DraftOut, tag="work")
    def get(self, request: Request, assignment_id: uuid.UUID) -> dict[str, Any]:
        """What was kept."""
        draft = Draft.objects.filter(assignment=one(mine(request), public_id=assignment_id)).first()
        return {"saved_at": draft and draft.saved_at, "fields": draft.fields if draft else []}


class Report(Endpoint):
    @act("work", takes=ReturnIn, gives=MyAssignmentOut, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Tell of a problem and keep the place. A person looks at it."""
        assignment = one(mine(request), public_id=assignment_id)
        report_problem(assignment=assignment, **data)
        return shape_mine(request, [assignment])[0]


class FileAppeal(Endpoint):
    @act("work", takes=AppealIn, gives=AppealOut, status=201, keyed=True, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Appeal:
        """Ask staff to look at a rejection, within 7 days."""
        return appealing.file_appeal(assignment=one(mine(request), public_id=assignment_id), **data)


class MyAppeals(Endpoint):
    @act("work", gives=AppealOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[Appeal]:
        """Your appeals, and how they were ruled."""
        return Appeal.objects.filter(assignment__worker=worker_of(request)).select_related("assignment")


# --- oneself as a worker ----------------------------------------------------------------------------------------------


class ProfileOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    country = serializers.CharField()
    subdivision = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    accepts_distressing = serializers.BooleanField()
    accepts_messages = serializers.BooleanField(help_text="Requesters may begin to write to you.")
    suspended_at = serializers.DateTimeField(allow_null=True)
    suspended_reason = serializers.CharField()


class ProfileIn(Input):
    country = serializers.RegexField(r"^[A-Z]{2}$", required=False, help_text="ISO 3166 code.")
    subdivision = serializers.RegexField(
        r"^[A-Z0-9]{0,3}$", required=False, allow_blank=True, help_text="Of the country: ISO 3166-2, such as CA."
    )
    languages = serializers.ListField(
        required=False, child=serializers.RegexField(r"^[a-z]{2,3}$"), max_length=20, help_text="ISO 639 codes."
    )
    accepts_distressing = serializers.BooleanField(required=False)
    accepts_messages = serializers.BooleanField(required=False)


class MyProfile(Endpoint):
    @act("work", gives=ProfileOut, tag="people")
    def get(self, request: Request) -> Worker:
        """What requesters' requirements look at."""
        return worker_of(request)

    @act("work", takes=ProfileIn, gives=ProfileOut, tag="people")
    def patch(self, request: Request, data: dict[str, Any]) -> Worker:
        """Change country, languages, or whether you accept distressing content."""
        return change_worker(worker=worker_of(request), **data)


class MyDataOut(serializers.Serializer):
    made_at = serializers.DateTimeField()
    person = serializers.JSONField()
    worker = serializers.JSONField(allow_null=True)
    organisations = serializers.JSONField()
    qualifications = serializers.JSONField()
    assignments = serializers.JSONField()
    drafts = serializers.JSONField()
    payouts = serializers.JSONField()
    earnings = serializers.JSONField()
    notes = serializers.JSONField(help_text="What staff wrote down about you.")
    notices = serializers.JSONField()
    messages = serializers.JSONField()
    qualification_requests = serializers.JSONField(required=False, help_text="Of workers, as what follows.")
    favourites = serializers.JSONField(required=False)
    saved_searches = serializers.JSONField(required=False)
    ratings = serializers.JSONField(required=False)
    appeals = serializers.JSONField(required=False)
    tokens = serializers.JSONField()


class MyData(Endpoint):
    @act("read", "work", gives=MyDataOut, tag="people")
    def get(self, request: Request) -> dict[str, Any]:
        """Everything we hold about you, as one object."""
        return everything_about(request.user)
