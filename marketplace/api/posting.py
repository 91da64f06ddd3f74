"""Projects, batches and their rows: from a design to work that is open, and to its end."""

from __future__ import annotations

import uuid
from tempfile import TemporaryFile
from typing import Any

from django.core.files import File
from django.db.models import Count, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, Empty, Input, JsonList, JsonObject
from core.errors import Invalid, NotThere
from core.models import Operation
from core.operations import cancel_operation, resume_operation
from lifecycle.close import close_batch
from lifecycle.more import ask_for_more
from lifecycle.post_row import post_row
from lifecycle.publish import add_rows, check_upload, publish_batch
from lifecycle.trial import start_trial
from marketplace.api.finding import as_role, batch_for, hit_for, project_for, requester_for
from marketplace.models import Batch, Hit, Project, Requester
from marketplace.rules import MODES
from marketplace.selectors import batches_of, design_of, projects_of, requesters_of
from marketplace.services import posting, projects
from payments.models import Account
from payments.selectors import balance

# --- projects ---------------------------------------------------------------------------------------------------------

QUESTIONS_HELP = "The answer schema: a list of questions, see docs/api.md."


class ProjectOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    organisation = serializers.UUIDField(source="requester.public_id")
    name = serializers.CharField()
    summary = serializers.CharField()
    audience = serializers.CharField()
    questions = serializers.JSONField(help_text=QUESTIONS_HELP)
    template = serializers.CharField()
    instructions = serializers.CharField()
    examples = serializers.JSONField()
    instruction_version = serializers.IntegerField()
    rules = serializers.JSONField(help_text="What was set; the rest takes the audience's defaults.")
    topics = serializers.JSONField()
    is_distressing = serializers.BooleanField()
    own_pseudonyms = serializers.BooleanField()
    archived_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ProjectChangeIn(Input):
    name = serializers.CharField(required=False, max_length=160)
    summary = serializers.CharField(required=False, allow_blank=True, max_length=300)
    audience = serializers.ChoiceField(required=False, choices=Project.Audience.values)
    questions = JsonList(required=False, help_text=QUESTIONS_HELP)
    template = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=100_000)
    instructions = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=100_000)
    examples = JsonList(required=False, help_text="Shown beside the task: shows (Markdown), is_good, why.")
    rules = JsonObject(required=False, help_text=f"mode ({', '.join(MODES)}), reward, ...: see docs/api.md.")
    topics = serializers.ListField(required=False, child=serializers.CharField(max_length=60), max_length=20)
    is_distressing = serializers.BooleanField(required=False)
    own_pseudonyms = serializers.BooleanField(required=False)


class ProjectIn(ProjectChangeIn):
    organisation = serializers.UUIDField(required=False, help_text="Needed when you belong to more than one.")
    name = serializers.CharField(max_length=160)


class ProjectQuery(Input):
    organisation = serializers.UUIDField(required=False)
    archived = serializers.BooleanField(required=False, default=False)


class NameIn(Input):
    name = serializers.CharField(required=False, allow_blank=True, max_length=160, default="")


class Projects(Endpoint):
    @act("read", query=ProjectQuery, gives=ProjectOut, paged=True, tag="projects")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Project]:
        """Projects of your organisations."""
        rows = projects_of(request.user).select_related("requester").filter(trial_of=None)
        rows = rows.filter(archived_at__isnull=not query["archived"])
        return rows.filter(requester__public_id=query["organisation"]) if "organisation" in query else rows

    @act("write", takes=ProjectIn, gives=ProjectOut, status=201, keyed=True, tag="projects")
    def post(self, request: Request, data: dict[str, Any]) -> Project:
        """Design work: what is asked, how it is shown, what it pays, how good the labels must be (managers)."""
        requester = _requester(request, data.pop("organisation", None))
        return projects.create_project(requester=requester, **data)


class ProjectOne(Endpoint):
    @act("read", gives=ProjectOut, tag="projects")
    def get(self, request: Request, project_id: uuid.UUID) -> Project:
        """One project."""
        return project_for(request, project_id)

    @act("write", takes=ProjectChangeIn, gives=ProjectOut, tag="projects")
    def patch(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Project:
        """Change the design for batches to come; published ones keep theirs (managers)."""
        return projects.update_project(project=project_for(request, project_id, "manager"), **data)


class ProjectClone(Endpoint):
    @act("write", takes=NameIn, gives=ProjectOut, status=201, keyed=True, tag="projects")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Project:
        """A new project with the same design (managers)."""
        return projects.clone_project(project=project_for(request, project_id, "manager"), **data)


class ProjectArchive(Endpoint):
    @act("write", takes=Empty, gives=ProjectOut, keyed=True, tag="projects")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Project:
        """Take it out of the lists (managers). Its batches go on."""
        return projects.archive_project(project=project_for(request, project_id, "manager"))


def _requester(request: Request, public_id: uuid.UUID | None) -> Requester:
    if public_id is not None:
        return requester_for(request, public_id, "manager")
    mine = list(requesters_of(request.user, "manager")[:2])
    if not mine:
        raise Http404
    if len(mine) > 1:
        raise Invalid(errors={"organisation": "You manage more than one organisation: say which."})
    return mine[0]


# --- operations -------------------------------------------------------------------------------------------------------


class OperationOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    state = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    result = serializers.SerializerMethodField()
    error = serializers.CharField()
    is_cancelling = serializers.BooleanField(source="cancel_asked")
    can_resume = serializers.BooleanField(help_text="It failed with some of it done, and can go on from there.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_result(self, operation: Operation) -> dict[str, Any]:
        """Without where we keep the file: it is fetched from operations/{id}/file."""
        return {name: value for name, value in operation.result.items() if name != "file"}


class OperationQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Operation.State.values)


class Operations(Endpoint):
    @act("read", query=OperationQuery, gives=OperationOut, paged=True, tag="operations")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Operation]:
        """Long pieces of work of your organisations: publishing, checking, adding rows, exporting, refitting."""
        rows = operations_for(request.user, "viewer")
        return rows.filter(state=query["state"]) if "state" in query else rows


class OperationOne(Endpoint):
    @act("read", gives=OperationOut, tag="operations")
    def get(self, request: Request, operation_id: uuid.UUID) -> Operation:
        """How far it is, and what came of it."""
        return as_role(operations_for, request.user, "viewer", public_id=operation_id)


class OperationCancel(Endpoint):
    @act("write", takes=Empty, gives=OperationOut, keyed=True, tag="operations")
    def post(self, request: Request, operation_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Ask it to stop; it undoes itself (managers)."""
        return cancel_operation(operation=as_role(operations_for, request.user, "manager", public_id=operation_id))


class OperationResume(Endpoint):
    @act("write", takes=Empty, gives=OperationOut, status=202, keyed=True, tag="operations")
    def post(self, request: Request, operation_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Go on with what failed, from where it came (managers). `can_resume` says whether that is possible."""
        return resume_operation(operation=as_role(operations_for, request.user, "manager", public_id=operation_id))


def operations_for(user: Any, role: str) -> QuerySet[Operation]:
    return Operation.objects.filter(requester_id__in=requesters_of(user, role).values("pk"))


# --- batches ----------------------------------------------------------------------------------------------------------


class BatchOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    project = serializers.UUIDField(source="project.public_id")
    name = serializers.CharField()
    state = serializers.CharField()
    paused_because = serializers.CharField()
    is_standing = serializers.BooleanField()
    reward = Amount()
    fee = Amount()
    day_budget = Amount(allow_null=True)
    file = serializers.CharField(source="upload_name", help_text="Name of the uploaded file.")
    check = serializers.JSONField(source="upload_facts", help_text="What the check of the file found.")
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class BatchIn(Input):
    name = serializers.CharField(required=False, allow_blank=True, max_length=160, default="")
    is_standing = serializers.BooleanField(required=False, default=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    day_budget = AmountIn(required=False, help_text="What the rows of a standing batch may put aside in a day.")


class BatchQuery(Input):
    project = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(required=False, choices=Batch.State.values)


class PreviewQuery(Input):
    rows = serializers.IntegerField(
        required=False, min_value=0, max_value=1_000_000, help_text="Instead of the checked file's."
    )


class CostOut(serializers.Serializer):
    answers = serializers.IntegerField()
    rewards = Amount()
    fees = Amount()
    total = Amount()


class PreviewOut(serializers.Serializer):
    rows = serializers.IntegerField()
    minimum = CostOut()
    expected = CostOut()
    maximum = CostOut()
    repair = Amount(help_text="Reserve for answers asked again; comes back at the end.")
    put_aside = Amount(help_text="Leaves the balance when it is published; what is not needed comes back.")
    hourly = serializers.CharField(allow_null=True, help_text="Pay an hour by your own estimate.")


class ProgressOut(serializers.Serializer):
    state = serializers.CharField()
    hits = serializers.DictField(child=serializers.IntegerField(), help_text="HITs by state.")
    assignments = serializers.DictField(child=serializers.IntegerField(), help_text="Assignments by state.")
    escrow = Amount()
    repair = Amount()


class ExtendIn(Input):
    expires_at = serializers.DateTimeField(allow_null=True, help_text="null: no end.")


class MoreIn(Input):
    answers = serializers.IntegerField(min_value=1, max_value=posting.MOST_PLACES)
    hits = serializers.ListField(
        required=False, child=serializers.UUIDField(), max_length=posting.MOST_HITS_AT_ONCE, help_text="Default: all."
    )


class Batches(Endpoint):
    @act("read", query=BatchQuery, gives=BatchOut, paged=True, tag="batches")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Batch]:
        """Batches of your organisations."""
        rows = batches_of(request.user).filter(project__trial_of=None)
        rows = rows.defer("design", "project__questions", "project__template")
        if "project" in query:
            rows = rows.filter(project__public_id=query["project"])
        return rows.filter(state=query["state"]) if "state" in query else rows


class ProjectBatches(Endpoint):
    @act("write", takes=BatchIn, gives=BatchOut, status=201, keyed=True, tag="batches")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """A draft of a batch (managers). Then: the file, its check, the preview of cost, publish."""
        return posting.create_batch(project=project_for(request, project_id, "manager"), **data)


class BatchOne(Endpoint):
    @act("read", gives=BatchOut, tag="batches")
    def get(self, request: Request, batch_id: uuid.UUID) -> Batch:
        """One batch."""
        return batch_for(request, batch_id)


class BatchProgress(Endpoint):
    @act("read", gives=ProgressOut, tag="batches")
    def get(self, request: Request, batch_id: uuid.UUID) -> dict[str, Any]:
        """How far it is: HITs and assignments by state, and the money put aside."""
        batch = batch_for(request, batch_id)
        hits = dict(batch.hits.order_by().values_list("state").annotate(n=Count("pk")))
        currency = batch.project.requester.currency
        return {
            "state": batch.state,
            "hits": {Hit.State(state).label: n for state, n in hits.items()},
            "assignments": dict(batch.assignments.order_by().values_list("state").annotate(n=Count("pk"))),
            "escrow": balance(Account.Kind.ESCROW, batch.pk, currency),
            "repair": balance(Account.Kind.REPAIR, batch.pk, currency),
        }


class BatchPreview(Endpoint):
    @act("read", query=PreviewQuery, gives=PreviewOut, tag="batches")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> Any:
        """What it will cost at least, expectedly and at most, before any money moves."""
        return posting.preview_batch(batch=batch_for(request, batch_id), rows=query.get("rows"))


class TableParser(BaseParser):
    """A file as the body of a request: nothing is read here."""

    def __init__(self, media_type: str = "text/csv") -> None:
        self.media_type = media_type

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return {}


MEDIA_TYPES = {"text/csv": "csv", "text/tab-separated-values": "tsv", "application/x-ndjson": "jsonl"}


class FileQuery(Input):
    name = serializers.CharField(
        required=False, max_length=200, default="", help_text="As you call the file: its ending tells the format."
    )


class BatchFile(Endpoint):
    def get_parsers(self) -> list[Any]:
        return [TableParser(kind) for kind in MEDIA_TYPES]

    @act("write", query=FileQuery, body=tuple(MEDIA_TYPES), gives=BatchOut, refuses=[409, 413, 415], tag="batches")
    def put(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> Batch:
        """The rows of a draft, as CSV, TSV or JSON lines in the body (managers). Replaces a file sent before."""
        batch = batch_for(request, batch_id, "manager")
        with _received(request) as file:
            name, format = _named(request, query["name"])
            return posting.attach_upload(batch=batch, file=file, name=name, format=format)


class BatchMoreRows(Endpoint):
    def get_parsers(self) -> list[Any]:
        return [TableParser(kind) for kind in MEDIA_TYPES]

    @act("write", query=FileQuery, body=tuple(MEDIA_TYPES), gives=OperationOut, status=202, refuses=[409, 413, 415],
         tag="batches")  # fmt: skip
    def put(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> Operation:
        """Add the rows of a file to an open or paused batch (managers). Rows whose `external_id` is there already are
        left as they are, so the same file can be sent again."""
        batch = batch_for(request, batch_id, "manager")
        with _received(request) as file:
            name, format = _named(request, query["name"])
            return add_rows(batch=batch, file=file, name=name, format=format)


def _received(request: Request) -> File:
    """The body in a temporary file: it may be larger than memory."""
    if _kind(request) not in MEDIA_TYPES:
        raise UnsupportedMediaType(request.content_type or "")
    kept = TemporaryFile()  # noqa: SIM115  closed by whoever takes it
    while piece := request._request.read(1024 * 1024):
        kept.write(piece)
        if kept.tell() > posting.LARGEST_UPLOAD:
            break  # the service says how large it may be
    kept.seek(0)
    file = File(kept, name="upload")
    file.size = kept.seek(0, 2)
    kept.seek(0)
    if not file.size:
        raise Invalid(errors={"body": "Send the file as the body of the request."})
    return file


def _named(request: Request, name: str) -> tuple[str, str]:
    format = MEDIA_TYPES[_kind(request)]
    return name or f"rows.{format}", format


def _kind(request: Request) -> str:
    return (request.content_type or "").partition(";")[0].strip().lower()


class ColumnsIn(Input):
    columns = JsonObject(help_text="Column of the file -> what it is called here; an empty text leaves it out.")


class BatchColumns(Endpoint):
    @act("write", takes=ColumnsIn, gives=BatchOut, tag="batches")
    def put(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """Say what the columns of a draft's file are called here (managers), such as `{"photo_url": "picture", "label":
        "gold"}`. Then check it again."""
        names = {str(column): str(name or "") for column, name in data["columns"].items()}
        return posting.name_columns(batch=batch_for(request, batch_id, "manager"), names=names)


class TrialIn(Input):
    rows = serializers.ListField(
        required=False, child=JsonObject(), max_length=10, default=[], help_text="Where no draft has a file."
    )


class ProjectTrial(Endpoint):
    @act("write", takes=TrialIn, gives=BatchOut, status=201, keyed=True, tag="projects")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """Try the project as it is now: an unpaid batch for members, with the first rows of its newest draft. Nothing
        of it becomes part of the project's results (reviewers)."""
        project = project_for(request, project_id, "reviewer")
        return start_trial(project=project, user=request.user, rows=data["rows"])


class BatchCheck(Endpoint):
    @act("write", takes=Empty, gives=OperationOut, status=202, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Check the file row by row, so that mistakes and cost are known before it is published (managers)."""
        return check_upload(batch=batch_for(request, batch_id, "manager"))


class BatchPublish(Endpoint):
    @act("write", "money", takes=Empty, gives=OperationOut, status=202, keyed=True, refuses=[402], tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Check all rows, put the money aside and open the work: all of it, or the draft stays (managers)."""
        return publish_batch(batch=batch_for(request, batch_id, "manager"), by=request.user)


class BatchPause(Endpoint):
    @act("write", takes=Empty, gives=BatchOut, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """No new places. What was accepted can be answered and is paid (managers)."""
        return posting.pause_batch(batch=batch_for(request, batch_id, "manager"), by=request.user)


class BatchResume(Endpoint):
    @act("write", takes=Empty, gives=BatchOut, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """Go on (managers)."""
        batch = batch_for(request, batch_id, "manager")
        return posting.resume_batch(batch=batch, by_staff=request.user.is_staff, by=request.user)


class BatchExtend(Endpoint):
    @act("write", takes=ExtendIn, gives=BatchOut, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """Give it until later (managers)."""
        return posting.extend_batch(batch=batch_for(request, batch_id, "manager"), by=request.user, **data)


class BatchMore(Endpoint):
    @act("write", "money", takes=MoreIn, gives=OperationOut, status=202, keyed=True, refuses=[402], tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Ask for so many more answers of each HIT, or of those named; paid for now (managers). Few are done at once;
        `result.hits` says how many were reached."""
        batch = batch_for(request, batch_id, "manager")
        ids = None
        if "hits" in data:
            rows = Hit.objects.filter(batch=batch, data_row__public_id__in=data["hits"])
            ids = list(rows.values_list("pk", flat=True))
            if len(ids) != len(set(data["hits"])):
                raise NotThere(errors={"hits": "Some of these are no HITs of this batch."})
        return ask_for_more(batch=batch, answers=data["answers"], hit_ids=ids, by=request.user)


class BatchClose(Endpoint):
    @act("write", takes=Empty, gives=OperationOut, status=202, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """End it (managers). What is undecided stays payable; the rest of the money comes back. A small batch is closed
        at once; a large one takes no new work, and its operation says how far it is."""
        return close_batch(batch=batch_for(request, batch_id, "manager"), by=request.user)


class BatchClone(Endpoint):
    @act("write", takes=NameIn, gives=BatchOut, status=201, keyed=True, tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Batch:
        """A new draft with a copy of the file (managers)."""
        return posting.clone_batch(batch=batch_for(request, batch_id, "manager"), **data)


# --- rows and HITs ----------------------------------------------------------------------------------------------------


class RowIn(Input):
    data = JsonObject(help_text="The item, by column.")
    external_id = serializers.CharField(required=False, max_length=200, help_text="Your own id: posted once.")
    priority = serializers.IntegerField(required=False, min_value=-100, max_value=100, default=0)
    group = serializers.CharField(required=False, max_length=200)
    key = JsonObject(required=False, help_text="Question to accepted answer, where it is known.")
    explanation = serializers.CharField(required=False, allow_blank=True, max_length=10_000, default="")


class PostedOut(serializers.Serializer):
    hit = serializers.UUIDField(source="data_row.public_id")
    external_id = serializers.CharField(source="data_row.external_id", allow_null=True)
    is_new = serializers.BooleanField(help_text="false: it was posted before under this external_id.")


class BeliefOut(serializers.Serializer):
    question = serializers.CharField()
    part = serializers.CharField()
    state = serializers.CharField()
    label = serializers.JSONField(help_text="What we think now.")
    confidence = serializers.FloatField(
        allow_null=True, help_text="Of numbers and texts the expected score; null: there is nothing to compare yet."
    )
    answers = serializers.IntegerField()


class HitOut(serializers.Serializer):
    id = serializers.UUIDField()
    batch = serializers.UUIDField()
    external_id = serializers.CharField(allow_null=True)
    row = serializers.IntegerField(allow_null=True)
    state = serializers.CharField()
    priority = serializers.IntegerField()
    places = serializers.IntegerField()
    taken = serializers.IntegerField()
    data = serializers.JSONField()
    beliefs = BeliefOut(many=True)


class HitQuery(Input):
    state = serializers.ChoiceField(required=False, choices=[label for _, label in Hit.State.choices])
    external_id = serializers.CharField(required=False, max_length=200)


class BatchRows(Endpoint):
    @act("write", takes=RowIn, gives=PostedOut, status=201, keyed=True, refuses=[402], tag="batches")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Post one row to an open standing batch (managers): written, paid for and open at once, or not at all."""
        return post_row(batch=batch_for(request, batch_id, "manager"), **data)


def shape_hits(request: Request, hits: Any) -> list[dict[str, Any]]:
    """HITs with their data and beliefs, labels by name."""
    shaped = []
    for hit in hits:
        schema = design_of(hit.batch).schema
        shaped.append(
            {
                "id": hit.data_row.public_id,
                "batch": hit.batch.public_id,
                "external_id": hit.data_row.external_id,
                "row": hit.data_row.row_number,
                "state": hit.get_state_display(),
                "priority": hit.priority,
                "places": hit.max_assignments,
                "taken": hit.taken,
                "data": hit.data_row.data,
                "beliefs": [
                    {
                        "question": belief.question,
                        "part": belief.part,
                        "state": belief.state,
                        "label": belief_value(schema, belief),
                        "confidence": None if belief.sureness is None else round(belief.sureness, 4),
                        "answers": belief.answers,
                    }
                    for belief in hit.beliefs.all()
                ],
            }
        )
    return shaped


def belief_value(schema: Any, belief: Any) -> Any:
    if belief.label is None or belief.question not in schema:
        return belief.value
    classes = schema[belief.question].classes
    return classes[belief.label] if belief.label < len(classes) else None


class BatchHits(Endpoint):
    @act("read", query=HitQuery, gives=HitOut, paged=True, shape=shape_hits, tag="batches")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[Hit]:
        """HITs of a batch with what we think of each now."""
        rows = (
            batch_for(request, batch_id).hits.select_related("data_row", "batch__project").prefetch_related("beliefs")
        )
        if "state" in query:
            state = next(value for value, label in Hit.State.choices if label == query["state"])
            rows = rows.filter(state=state)
        if "external_id" in query:
            rows = rows.filter(data_row__batch_id__isnull=False, data_row__external_id=query["external_id"])
        return rows


class HitOne(Endpoint):
    @act("read", gives=HitOut, tag="batches")
    def get(self, request: Request, hit_id: uuid.UUID) -> dict[str, Any]:
        """One HIT."""
        return shape_hits(request, [hit_for(request, hit_id)])[0]


class HitCancel(Endpoint):
    @act("write", takes=Empty, gives=HitOut, keyed=True, tag="batches")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Nobody is offered it any more (managers). Places that are held are paid; the rest of its money comes back."""
        return shape_hits(request, [posting.cancel_hit(hit=hit_for(request, hit_id, "manager"))])[0]


class HitRelease(Endpoint):
    @act("write", takes=Empty, gives=HitOut, keyed=True, tag="batches")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """It was put aside as unanswerable, and is not (managers): open it again."""
        return shape_hits(request, [posting.release_parked(hit=hit_for(request, hit_id, "manager"))])[0]
