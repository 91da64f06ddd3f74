"""From an idea to a table that can be published: template, data, question, trial, pay."""

from __future__ import annotations

import copy
import csv
import json
import re
import statistics
import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import Conflict, DomainError, Invalid
from core.pages import tell
from core.preferences import preference
from core.templatetags.touchstone import SYMBOLS
from lifecycle.accept import accept
from lifecycle.publish import check_upload
from lifecycle.trial import start_trial
from marketplace.columns import slots_of
from marketplace.forms import (
    BatchForm,
    DesignForm,
    ExampleForm,
    ExampleForms,
    PayForm,
    QuestionForm,
    QuestionForms,
)
from marketplace.models import Answer, Assignment, Batch, Membership, Project, Requester
from marketplace.rules import Rules
from marketplace.schema import schema_of
from marketplace.selectors import Design, batches_of, design_of, projects_of, requesters_of
from marketplace.services.costs import Preview, answers_before, hourly_pay, preview
from marketplace.services.design import prices
from marketplace.services.posting import attach_upload, create_batch, name_columns, sample_of
from marketplace.services.projects import archive_project, clone_project, create_project, update_project
from marketplace.starters import BLANK, BY_KEY, STARTERS, starter_of
from marketplace.views.requester import for_requesters
from marketplace.views.steps import draft_of, previewed, sample_row, steps_of
from workers_app.models import Qualification, Worker

MOST_QUESTIONS = 50
#: What a price is told for while nobody knows how many rows there will be.
ROWS_TO_TELL = 1000


def project_for(request: HttpRequest, project_id: uuid.UUID, role: str = Membership.Role.MANAGER) -> Project:
    mine = projects_of(request.user, role).filter(trial_of=None).select_related("requester")
    return get_object_or_404(mine.distinct(), public_id=project_id)


def _frame(project: Project, draft: Batch | None, here: str) -> dict[str, Any]:
    """What every step shows around itself."""
    return {
        "project": project,
        "requester": project.requester,
        "currency": project.requester.currency,
        "symbol": SYMBOLS.get(project.requester.currency, project.requester.currency).strip(),
        "draft": draft,
        "steps": steps_of(project, draft, here),
        "here": here,
    }


# --- template ---------------------------------------------------------------------------------------------------------


@for_requesters
def studio_project_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Choose what to start from: a whole project that can be published as it stands, and changed in every part."""
    if request.method != "POST":
        context = {"requester": requester, "starters": [*STARTERS, BLANK], "steps": steps_of(None, None, "template")}
        return render(request, "studio/starters.html", context)
    if not requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists():
        raise Http404
    starter = BY_KEY.get(request.POST.get("starter", ""), BLANK)
    project = create_project(requester=requester, **starter.fields())
    return redirect("studio_data", project.public_id)


# --- data -------------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_data(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Hand in a table; or what became of the one that is there."""
    project = project_for(request, project_id)
    draft = draft_of(project)
    if draft is not None and draft.upload and "new" not in request.GET:
        return redirect("studio_columns", draft.public_id)
    return _data_page(request, project, BatchForm())


def _data_page(request: HttpRequest, project: Project, form: BatchForm, status: int = 200) -> HttpResponse:
    starter = starter_of(project.template, project.questions)
    row = sample_row(project.template, project.questions)
    rows = [{k: v for k, v in one.items() if k != "external_id"} for one in starter.rows] if starter else [row]
    context = _frame(project, draft_of(project), "data") | {
        "form": form,
        "columns": list(row),
        "rows": [list(one.values()) for one in rows],
    }
    return render(request, "studio/data.html", context, status=status)


@require_safe
@for_requesters
def studio_sample(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """A table of the shape that the project reads, to fill in."""
    project = project_for(request, project_id, Membership.Role.VIEWER)
    starter = starter_of(project.template, project.questions)
    rows = list(starter.rows) if starter else [sample_row(project.template, project.questions)]
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="sample.csv"'
    writer = csv.DictWriter(response, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return response


@require_POST
@for_requesters
def studio_batch_new(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Upload a table: a draft. Where its columns are the project's it is checked at once; else they are named first."""
    project = project_for(request, project_id)
    form = BatchForm(request.POST, request.FILES)
    if not form.is_valid():
        return _data_page(request, project, form, 400)
    file = form.cleaned_data["file"]
    try:
        # A draft that has nothing yet is filled; any other keeps its table.
        empty = project.batches.filter(state=Batch.State.DRAFT, upload="").order_by("-pk").first()
        batch = empty or create_batch(project=project, name=form.cleaned_data["name"])
        attach_upload(batch=batch, file=file, name=file.name)
    except Invalid as refusal:
        for name, sentence in refusal.errors.items():
            form.add_error(name if name in form.fields else None, sentence)
        return _data_page(request, project, form, 400)
    sample = sample_of(batch)
    slots = slots_of(project.template, project.questions, sample)
    if not sample.mistake and any(slot.is_needed and slot.column != slot.name for slot in slots):
        return redirect("studio_columns", batch.public_id)
    check_upload(batch=batch)
    return redirect("studio_batch", batch.public_id)


@for_requesters
def studio_columns(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Say which column of the table is which; the first rows stand beside."""
    mine = batches_of(request.user, Membership.Role.MANAGER).filter(state=Batch.State.DRAFT).exclude(upload="")
    batch = get_object_or_404(mine.distinct(), public_id=batch_id)
    project = batch.project
    sample = sample_of(batch)
    slots = slots_of(project.template, project.questions, sample, batch.upload_columns)
    errors: dict[str, str] = {}
    if request.method == "POST":
        chosen = {slot.name: request.POST.get(f"c-{slot.name}", "") for slot in slots}
        slots = [slot.choose(chosen[slot.name]) for slot in slots]
        try:
            name_columns(batch=batch, names=_names(chosen, sample.columns, "rest" in request.POST))
            check_upload(batch=batch)
            return redirect("studio_batch", batch.public_id)
        except Conflict as refusal:
            tell(request, refusal)
        except Invalid as refusal:
            errors = refusal.errors
    context = _frame(project, batch, "data") | {
        "batch": batch,
        "sample": sample,
        "slots": slots,
        "errors": errors,
        "rows": [[row.get(column, "") for column in sample.columns] for row in sample.rows],
        "keeps_rest": request.method != "POST" or "rest" in request.POST,
    }
    return render(request, "studio/columns.html", context, status=400 if errors else 200)


def _names(chosen: dict[str, str], columns: list[str], keeps_rest: bool) -> dict[str, str]:
    """What each column of the file is called here. One that nothing is read from keeps its name, or is left out."""
    names = {column: name for name, column in chosen.items() if column}
    if len(names) < sum(1 for column in chosen.values() if column):
        twice = next(c for c in chosen.values() if c and list(chosen.values()).count(c) > 1)
        raise Invalid(errors={twice: _("This column is chosen twice. Choose another for one of the two.")})
    for column in columns:
        if column not in names:
            # Under its own name it would be taken for what somebody chose another column for.
            names[column] = column if keeps_rest and column not in chosen else ""
    return names


# --- question ---------------------------------------------------------------------------------------------------------


@for_requesters
def studio_project_edit(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """What is asked and how it looks. Batches that are published keep the copy they were published with."""
    project = project_for(request, project_id)
    if request.method != "POST":
        questions = QuestionForms(initial=[QuestionForm.of(one) for one in project.questions] or [{}], prefix="q")
        form = DesignForm(initial=DesignForm.of(project))
        return _design_page(request, project, form, questions, ExampleForms(initial=_examples(project), prefix="e"))
    if (act := request.POST.get("do", "")).startswith(("add", "up-")):
        asked = _moved(_asked(request.POST), act)
        form = DesignForm(initial={name: request.POST.get(name) for name in DesignForm.base_fields})
        shown = [{name: one[name].value() for name in ExampleForm.base_fields} for one in _posted(request, project)]
        examples = ExampleForms(initial=[one for one in shown if one["shows"]], prefix="e")
        return _design_page(request, project, form, QuestionForms(initial=asked, prefix="q"), examples)
    form, questions = DesignForm(request.POST), QuestionForms(request.POST, prefix="q")
    examples = _posted(request, project)
    if not (form.is_valid() and questions.is_valid() and examples.is_valid()):
        return _design_page(request, project, form, questions, examples)
    kept = [one for one in questions.forms if not one.cleaned_data.get("DELETE")]
    try:
        asked = [one.to_json() for one in kept]
        update_project(project=project, **form.to_fields(), questions=asked, examples=_written(examples))
    except Invalid as refusal:
        _mark(refusal, form, kept)
        return _design_page(request, project, form, questions, examples)
    return _saved(request, project, "studio_trial")


def _examples(project: Project) -> list[dict[str, Any]]:
    return [ExampleForm.of(one) for one in project.examples]


def _posted(request: HttpRequest, project: Project) -> Any:
    """The examples of a posted form; where it has none, those that the project has."""
    if "e-TOTAL_FORMS" in request.POST:
        return ExampleForms(request.POST, prefix="e")
    values = {"e-TOTAL_FORMS": len(project.examples), "e-INITIAL_FORMS": 0}
    for index, one in enumerate(_examples(project)):
        values |= {f"e-{index}-{name}": value for name, value in one.items()}
    return ExampleForms(values, prefix="e")


def _written(examples: Any) -> list[dict[str, Any]]:
    """Those that say something; an emptied one is gone."""
    rows = [one.cleaned_data for one in examples.forms if one.cleaned_data.get("shows", "").strip()]
    return [{"shows": row["shows"], "is_good": row["is_good"] is not False, "why": row["why"]} for row in rows]


def _design_page(
    request: HttpRequest, project: Project, form: DesignForm, questions: Any, examples: Any
) -> HttpResponse:
    draft = draft_of(project)
    has_errors = bool(form.errors or any(questions.errors)) if form.is_bound else False
    design = None if has_errors else _design_from(project, form, questions, examples)
    rules = Rules.from_json(project.rules, audience=project.audience)
    context = _frame(project, draft, "question") | {
        "form": form,
        "questions": questions,
        "examples": examples,
        "has_errors": has_errors,
        "names": [one["name"].value() for one in questions if one["name"].value()],
        "preview": previewed(project, design or _stored(project), draft, rules.reward_micros),
    }
    return render(request, "studio/design.html", context, status=400 if has_errors else 200)


def _stored(project: Project) -> Design:
    return design_of(Batch(project=project))


def _design_from(project: Project, form: DesignForm, questions: Any, examples: Any) -> Design | None:
    """The design as it stands in the forms, if it can be drawn."""
    if not form.is_bound:
        return None
    if not (form.is_valid() and questions.is_valid() and examples.is_valid()):
        return None
    asked = [one.to_json() for one in questions.forms if not one.cleaned_data.get("DELETE")]
    schema_of(asked)
    written = copy.copy(project)
    written.questions, written.template = asked, form.cleaned_data["template"]
    written.instructions, written.examples = form.cleaned_data["instructions"], _written(examples)
    return _stored(written)


def _asked_count(posted: QueryDict) -> int:
    written = str(posted.get("q-TOTAL_FORMS", ""))
    return min(int(written), MOST_QUESTIONS) if written.isdigit() else 0


def _asked(posted: QueryDict) -> list[dict[str, Any]]:
    """The questions as they stand in a posted form, checked or not."""
    asked = []
    for index in range(_asked_count(posted)):
        values: dict[str, Any] = {name: posted.get(f"q-{index}-{name}") for name in QuestionForm.base_fields}
        try:
            values["more"] = json.loads(values["more"] or "null")
        except ValueError:
            values["more"] = None
        if not posted.get(f"q-{index}-DELETE"):
            asked.append(values)
    return asked


def _moved(asked: list[dict[str, Any]], act: str) -> list[dict[str, Any]]:
    """One question more, or one of them a place earlier."""
    if act == "add":
        return [*asked, {}][:MOST_QUESTIONS]
    index = int(act.removeprefix("up-") or 0) if act.removeprefix("up-").isdigit() else 0
    if 0 < index < len(asked):
        asked[index - 1], asked[index] = asked[index], asked[index - 1]
    return asked


def _mark(refusal: Invalid, form: Any, questions: list[QuestionForm]) -> None:
    """What the service refuses, at the field that it is about."""
    for path, sentence in refusal.errors.items():
        found = re.match(r"questions\[(\d+)\](?:\.(\w+))?", path)
        if found and int(found[1]) < len(questions):
            asked = found[2] or ""
            name = {"min": "low", "max": "high", "required": "optional", "when": "when_question"}.get(asked, asked)
            questions[int(found[1])].add_error(name if name in QuestionForm.base_fields else None, sentence)
            continue
        name = {"auto_approve_seconds": "approve"}.get(path.removeprefix("rules."), path.removeprefix("rules."))
        form.add_error(
            name if name in form.fields else None, sentence if name in form.fields else f"{path}: {sentence}"
        )


def _saved(request: HttpRequest, project: Project, following: str) -> HttpResponse:
    """Saved: the draft's table is checked against what is new, and on to the next step, or away."""
    draft = draft_of(project)
    if draft is not None and draft.upload:
        try:
            check_upload(batch=draft)
        except Conflict:
            pass  # it is being checked, and publishing checks again what has changed
    messages.success(request, _("Saved. Batches that are published keep the copy they were published with."))
    if request.POST.get("do") == "leave":
        return redirect("studio_project", project.public_id)
    if following == "publish":
        return redirect("studio_batch", draft.public_id) if draft else redirect("studio_data", project.public_id)
    return redirect(following, project.public_id)


@require_POST
@for_requesters
def studio_preview(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """The preview of what stands in the forms now, saved or not."""
    project = project_for(request, project_id)
    form, questions = DesignForm(request.POST), QuestionForms(request.POST, prefix="q")
    rules = Rules.from_json(project.rules, audience=project.audience)
    try:
        design = _design_from(project, form, questions, _posted(request, project))
        found = previewed(project, design, draft_of(project), rules.reward_micros)
    except DomainError as refusal:
        found = {"page": "", "refusal": " ".join(refusal.errors.values()) or refusal.message}
    return render(request, "studio/preview.html", {"preview": found})


@require_POST
@for_requesters
def project_act(request: HttpRequest, requester: Requester, project_id: uuid.UUID, act: str) -> HttpResponse:
    """Copy it, or take it out of the lists."""
    project = project_for(request, project_id)
    if act == "clone":
        copied = clone_project(project=project)
        messages.success(request, _("A copy. What you change in it changes nothing of the other."))
        return redirect("studio_project", copied.public_id)
    if act == "archive":
        archive_project(project=project)
        messages.success(request, _("Archived: it is out of the lists. Its batches go on."))
        return redirect("studio")
    raise Http404


# --- trial ------------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_trial(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Try the work yourself, and what came of it."""
    project = project_for(request, project_id, Membership.Role.REVIEWER)
    rules = Rules.from_json(project.rules, audience=project.audience)
    trial = Batch.objects.filter(project__trial_of=project).order_by("-pk").first()
    tried = _tried(trial) if trial else []
    seconds = [one["seconds"] for row in tried for one in row["given"] if one["seconds"]]
    context = _frame(project, draft_of(project), "trial") | {
        "trial": trial,
        "tried": tried,
        "given": len(seconds),
        "median": round(statistics.median(seconds)) if seconds else None,
        "estimate": rules.estimated_seconds,
        "is_open": trial is not None and trial.state == Batch.State.OPEN,
        "questions": design_of(trial).schema if trial else [],
        "preview": previewed(project, _stored(project), draft_of(project), rules.reward_micros),
        "may_write": requesters_of(request.user, Membership.Role.MANAGER).filter(pk=project.requester_id).exists(),
    }
    return render(request, "studio/trial.html", context)


def _tried(trial: Batch) -> list[dict[str, Any]]:
    """The rows of a trial with what each member answered; one query for answers, one for rows."""
    answers: QuerySet[Answer] = Answer.objects.filter(assignment__batch=trial).order_by("pk")
    newest = {answer.assignment_id: answer for answer in answers.select_related("assignment__worker__user")}
    rows = []
    for hit in trial.hits.select_related("data_row").order_by("pk"):
        given = [one for one in newest.values() if one.assignment.hit_id == hit.pk]
        rows.append(
            {
                "data": hit.data_row.data,
                "given": [
                    {
                        "who": one.assignment.worker.user.email,
                        "answers": [
                            (name, _words(value)) for name, value in ((one.data or {}).get("answers") or {}).items()
                        ],
                        "seconds": one.assignment.active_seconds,
                    }
                    for one in given
                ],
            }
        )
    return rows


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _("cannot tell") if isinstance(value, dict) else str(value)


@require_POST
@for_requesters
def studio_trial_start(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Make a trial and go to work on it."""
    project = project_for(request, project_id, Membership.Role.REVIEWER)
    rows = [row for one in [starter_of(project.template, project.questions)] if one for row in one.rows]
    try:
        trial = start_trial(project=project, user=request.user, rows=rows or [_row_of(project)])
        place = accept(worker=Worker.objects.get(user=request.user), batch=trial)  # type: ignore[misc]
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_trial", project.public_id)
    return redirect("work_page", place.public_id)


def _row_of(project: Project) -> dict[str, Any]:
    return sample_row(project.template, project.questions)


@require_POST
@for_requesters
def studio_trial_use(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Take the time that the trial took as the estimate of the project."""
    project = project_for(request, project_id)
    answered = Assignment.objects.filter(batch__project__trial_of=project, active_seconds__gt=0)
    newest = answered.order_by("-batch_id").first()
    mine = answered.filter(batch_id=newest.batch_id) if newest else answered.none()
    seconds = [took for took in mine.values_list("active_seconds", flat=True) if took]
    if seconds:
        rules = project.rules | {"estimated_seconds": max(1, round(statistics.median(seconds)))}
        update_project(project=project, rules=rules)
        messages.success(request, _("Taken over: %s seconds an answer.") % rules["estimated_seconds"])
    return redirect("studio_pay", project.public_id)


# --- pay and quality --------------------------------------------------------------------------------------------------


@for_requesters
def studio_pay(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Pay, how good a label must be, and who may work, with the price beside."""
    project = project_for(request, project_id)
    held = qualifications_for(project.requester)
    if request.method != "POST":
        form = PayForm(initial=PayForm.of(project), qualifications=held)
        return _pay_page(request, project, form, project.rules, project.audience)
    form = PayForm(request.POST, qualifications=held)
    if form.is_valid():
        try:
            update_project(project=project, **form.to_fields(project.rules))
            return _saved(request, project, "publish")
        except Invalid as refusal:
            _mark(refusal, form, [])
    return _pay_page(request, project, form, project.rules, project.audience, 400)


def qualifications_for(requester: Requester) -> QuerySet[Qualification]:
    """Those an organisation can ask for: its own and the site's, without those that quizzes earn by themselves."""
    there = Qualification.objects.filter(Q(requester=requester) | Q(requester=None))
    return there.exclude(kind=Qualification.Kind.QUIZ).order_by("name")[:200]


def _pay_page(
    request: HttpRequest, project: Project, form: PayForm, rules: dict[str, Any], audience: str, status: int = 200
) -> HttpResponse:
    draft = draft_of(project)
    quiz = project.gold_questions.filter(pool="quiz", state="active").count()
    context = _frame(project, draft, "pay") | {
        "form": form,
        "has_errors": status == 400,
        "quiz_count": quiz,
        "price": priced(project, draft, rules, audience),
        "preview": previewed(project, _stored(project), draft, 0),
    }
    return render(request, "studio/pay.html", context, status=status)


def priced(project: Project, draft: Batch | None, raw: dict[str, Any], audience: str) -> dict[str, Any]:
    """What `studio/price.html` tells by these rules: least, expected, most; and pay an hour against the floor."""
    facts = draft.upload_facts if draft else {}
    rows = facts.get("hits") or ROWS_TO_TELL
    told: dict[str, Any] = {
        "rows": rows,
        "is_known": bool(facts.get("hits")),
        "fee_share": preference("FEE_BASIS_POINTS") / 10_000,
        "currency": project.requester.currency,
        "floor": money.parse(preference("HOURLY_FLOOR")),
        "is_public": audience == Project.Audience.PUBLIC,
    }
    try:
        rules = Rules.from_json(raw, audience=audience)
        pay = prices(rules)
        cost: Preview = preview(rules=rules, rows=rows, **pay, answers_before=answers_before(project))
    except DomainError as refusal:
        return told | {"refusal": " ".join(refusal.errors.values()) or refusal.message}
    an_hour = hourly_pay(rules, pay["reward"])
    hourly = money.parse(str(an_hour)) if an_hour is not None else None
    top = max(cost.maximum.total, 1)
    return told | {
        "cost": cost,
        "hourly": hourly,
        "is_below": hourly is not None and told["is_public"] and hourly < told["floor"],
        "hourly_end": max(hourly or 0, told["floor"]) * 1.6,
        "top": top,
        "seconds": rules.estimated_seconds,
        "rules": rules,
    }


@require_POST
@for_requesters
def studio_price(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """The price of what stands in the form now, saved or not."""
    project = project_for(request, project_id)
    form = PayForm(request.POST, qualifications=qualifications_for(project.requester))
    if form.is_valid():
        fields = form.to_fields(project.rules)
        found = priced(project, draft_of(project), fields["rules"], fields["audience"])
    else:
        found = {"refusal": _("The price comes back as soon as every field can be read."), "rows": 0}
    return render(request, "studio/price.html", {"price": found})
