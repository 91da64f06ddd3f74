"""Review: the queue, one label with its answers side by side, and every act on it. And the page of one item."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import DomainError
from core.models import Operation
from core.operations import cancel_operation
from core.pages import tell
from lifecycle import decide_later
from lifecycle import gold as known
from lifecycle.bonus import pay_bonus
from lifecycle.clarify import clarify
from lifecycle.decide import approve
from lifecycle.decide_later import NEEDS_REASON, OPEN_FOR, WHICH, select_answers
from lifecycle.overrule import give_back, overrule
from marketplace.models import Assignment, Batch, Hit, Membership, Requester
from marketplace.schema import Question
from marketplace.selectors import batches_of, design_of
from marketplace.services.messaging import write_as_requester
from marketplace.services.posting import cancel_hit, release_parked
from marketplace.showing import show_item
from marketplace.views.requester import for_requesters
from marketplace.widgets import read_form
from quality import figures
from quality.models import Belief, GoldQuestion, Overruling, Sample
from quality.selectors import believed_keys
from quality.services.beliefs import CLASSED
from quality.services.sampling import draw_sample
from quality.services.scoring import is_scored
from quality.showing import (
    ORDERS,
    answer_steps,
    answers_side_by_side,
    bars_of,
    belief_steps,
    crowd_for,
    item_of,
    money_steps,
    overruling_steps,
    review_queue,
    words_of,
)
from quality.views.batches import batch_of, inside, why_unsure
from quality.views.results import LabelPages

QUEUE = 40
#: Seconds in which a label that was decided is offered to be taken back in passing; on its page it always can.
OFFER_UNDO = 120
REVIEWER = Membership.Role.REVIEWER

ORDER_WORDS = {
    "disputed": gettext_lazy("Most disputed first"),
    "unsure": gettext_lazy("Least sure first"),
    "oldest": gettext_lazy("Oldest dispute first"),
    "waiting": gettext_lazy("Answers not paid yet"),
    "drawn": gettext_lazy("Drawn at random"),
}
#: What is said while a decision waits, and its verb.
WAITING_WORDS = {
    "approve": gettext_lazy("Approving"),
    "reject": gettext_lazy("Rejecting"),
    "disregard": gettext_lazy("Setting aside"),
    "use": gettext_lazy("Using again"),
    "redo": gettext_lazy("Sending back"),
}
#: Acts on one answer: name, words, what it means.
ACT_WORDS = [
    ("approve", gettext_lazy("Approve"), gettext_lazy("Paid now.")),
    ("reject", gettext_lazy("Reject"), gettext_lazy("Not paid, not used. The worker may appeal for 7 days.")),
    ("disregard", gettext_lazy("Pay, do not use"), gettext_lazy("Paid as agreed; the label no longer leans on it.")),
    ("use", gettext_lazy("Use again"), gettext_lazy("It counts for the label again.")),
    ("redo", gettext_lazy("Send back"), gettext_lazy("Same place, same pay, 48 hours for another version.")),
    ("bonus", gettext_lazy("Bonus"), gettext_lazy("On top of the reward, from your balance, with the fee on it.")),
    ("message", gettext_lazy("Message"), gettext_lazy("Only this worker reads it.")),
]


# --- the page ---------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_review(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """The queue and the case in hand: `item` (and `question`, `part`) names it, else it is the first of the queue."""
    batch = batch_of(request, batch_id)
    order = request.GET.get("order", "")
    order = order if order in ORDERS else ORDERS[0]
    rows = review_queue(batch, order)
    page = LabelPages(rows, QUEUE, f"queue:{batch.pk}:{order}").get_page(request.GET.get("page"))
    queue = list(page.object_list)
    belief = _asked_for(request, batch) or (queue[0] if queue else None)
    at = next((n for n, one in enumerate(queue) if belief is not None and one.pk == belief.pk), None)
    design = design_of(batch)
    questions = {question.name: question for question in design.schema}
    votes, pictures = figures.votes_of(queue, questions), figures.pictures_of(queue, batch)
    context = {
        "order": order,
        "orders": ORDER_WORDS.items(),
        "page": page,
        "queue": [
            {
                "belief": one,
                "name": figures.item_name(one),
                "picture": pictures.get(one.hit_id),
                "votes": votes[one.pk],
                "href": _link(batch, order, page.number, one),
                "is_here": belief is not None and one.pk == belief.pk,
            }
            for one in queue
        ],
        "query": urlencode({"order": order}) + "&",
        "position": None if at is None else page.start_index() + at,
        "before": _link(batch, order, page.number, queue[at - 1]) if at else None,
        "next": _link(batch, order, page.number, queue[at + 1]) if at is not None and at + 1 < len(queue) else None,
        "today": _decided_today(request, batch),
        "toast": _toast(request, batch, questions),
        "may_review": _may(request, batch, REVIEWER),
        "act": request.GET.get("act", ""),
    }
    if belief is not None:
        context |= _case(request, batch, belief, questions[belief.question])
    context["here_url"] = _link(batch, order, page.number, belief) if belief else request.get_full_path()
    return render(request, "batch/review.html", inside(request, batch, "studio_review") | context)


def _asked_for(request: HttpRequest, batch: Batch) -> Belief | None:
    try:
        item = uuid.UUID(request.GET.get("item", ""))
    except ValueError:
        return None
    mine = Belief.objects.filter(hit__batch=batch, hit__lane=0, hit__data_row__public_id=item)
    if name := request.GET.get("question"):
        mine = mine.filter(question=name, part=request.GET.get("part", ""))
    return mine.select_related("hit__data_row").order_by("question", "part").first()


def _link(batch: Batch, order: str, page: int, belief: Belief, **more: str) -> str:
    about = {"order": order, "item": str(belief.hit.data_row.public_id), "question": belief.question}
    about |= {"part": belief.part} if belief.part else {}
    about |= {"page": str(page)} if page > 1 else {}
    return f"{reverse('studio_review', args=[batch.public_id])}?{urlencode(about | more)}"


def _case(request: HttpRequest, batch: Batch, belief: Belief, question: Question) -> dict[str, Any]:
    design = design_of(batch)
    content, widget = item_of(batch, belief)
    said = answers_side_by_side(batch, belief, question)
    crowd = crowd_for(batch, question, belief.part)
    act, on = request.GET.get("act", ""), request.GET.get("on", "")
    chosen = next((one for one in said if str(one.assignment.public_id) == on), None)
    ruling = Overruling.objects.filter(hit=belief.hit_id, question=belief.question, part=belief.part)
    meanings = {name: (words, meaning) for name, words, meaning in ACT_WORDS}
    return {
        "belief": belief,
        "name": figures.item_name(belief),
        "item_id": belief.hit.data_row.public_id,
        "question": question,
        "content": content,
        "widget": widget,
        "label": words_of(question, belief.label, belief.value),
        "bars": bars_of(question, belief, crowd),
        "target": design.rules.target,
        "target_at": round(100 * design.rules.target, 1),
        "is_calibrated": belief.is_calibrated,
        "is_scored": is_scored(question) and belief.state != Belief.State.OVERRULED,
        "why": why_unsure(question, belief),
        "answers": [{"said": one, "acts": acts_for(one.assignment)} for one in said],
        "waiting_count": sum(one.assignment.state == Assignment.State.SUBMITTED for one in said),
        "chosen": chosen,
        "chosen_act": act if act in meanings else "",
        "chosen_words": meanings.get(act, ("", "")),
        "needs_reason": act in NEEDS_REASON or act == "bonus",
        # A form that is sent twice pays once.
        "bonus_key": uuid.uuid4().hex,
        "ruling": ruling.order_by("-pk").first() if belief.state == Belief.State.OVERRULED else None,
        "is_gold": GoldQuestion.objects.filter(hit=belief.hit_id, pool="test").exists(),
        "may_gold": question.kind in CLASSED and question.for_ == "item" and question.kind != "multilabel",
        "item_url": reverse("studio_item", args=[belief.hit.data_row.public_id]),
        "price": batch.price,
    }


def acts_for(row: Assignment) -> list[tuple[str, Any]]:
    """Acts that are open for this answer now."""
    is_paid, is_open = row.state == Assignment.State.APPROVED, row.state == Assignment.State.SUBMITTED
    there = {
        "approve": is_open or row.state == Assignment.State.REJECTED,
        "reject": is_open,
        "disregard": (is_open or is_paid) and row.counts,
        "use": (is_open or is_paid) and not row.counts,
        "redo": is_open,
        "bonus": True,
        "message": True,
    }
    return [(name, words) for name, words, _meaning in ACT_WORDS if there[name]]


def _decided_today(request: HttpRequest, batch: Batch) -> int:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    mine = Overruling.objects.filter(
        by=int(request.user.pk or 0), hit__batch=batch, created_at__gte=midnight, is_lifted=False
    )
    return mine.count()


def _toast(request: HttpRequest, batch: Batch, questions: dict[str, Question]) -> dict[str, Any] | None:
    """What was done last and can still be taken back."""
    now = timezone.now()
    mine = Operation.objects.filter(
        kind=decide_later.KIND, subject=f"batch:{batch.pk}", state="waiting", cancel_asked=False, due_at__gt=now
    )
    waiting = mine.filter(arguments__by=request.user.pk).order_by("-pk").first()
    if waiting is not None:
        words = WAITING_WORDS[waiting.arguments["act"]]
        said = _("%(doing)s %(count)s: in a moment.") % {"doing": words, "count": waiting.total}
        return {"words": said, "what": f"operation:{waiting.public_id}", "until": int(waiting.due_at.timestamp())}
    last = (
        Overruling.objects.filter(hit__batch=batch, by=int(request.user.pk or 0))
        .select_related("hit__data_row")
        .order_by("-pk")
        .first()
    )
    if last is None or last.is_lifted or (now - last.created_at).total_seconds() > OFFER_UNDO:
        return None
    question = questions.get(last.question)
    label = words_of(question, last.label, last.value) if question else ""
    row = last.hit.data_row
    name = row.external_id or str(row.public_id)[:8].upper()
    said = _("%(item)s decided: %(label)s. Pay stays as it is.") % {"item": name, "label": label}
    return {"words": said, "what": f"overruling:{last.public_id}", "until": None}


def _may(request: HttpRequest, batch: Batch, role: str) -> bool:
    return batches_of(request.user, role).filter(pk=batch.pk).exists()


# --- acts -------------------------------------------------------------------------------------------------------------


def _back(request: HttpRequest, batch: Batch, field: str = "back") -> HttpResponse:
    """To where the page said; only ever to the review of this batch."""
    there = reverse("studio_review", args=[batch.public_id])
    asked = request.POST.get(field, "")
    return redirect(asked if asked == there or asked.startswith(f"{there}?") else there)


def _hit(request: HttpRequest, batch: Batch) -> Hit:
    try:
        item = uuid.UUID(request.POST.get("item", ""))
    except ValueError:
        raise Http404 from None
    ordinary = Hit.objects.filter(batch=batch, lane=0).select_related("data_row", "batch")
    return get_object_or_404(ordinary, data_row__public_id=item)


def _given(request: HttpRequest, batch: Batch, hit: Hit, question: Question, part: str) -> Any:
    """The answer of the posted form to one question (of one part)."""
    answers = read_form(design_of(batch).schema, hit.data_row.data, request.POST)
    given = answers.get(question.name)
    return given if question.for_ == "item" or not isinstance(given, dict) else given.get(part)


@require_POST
@for_requesters
def review_decide(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Put a label in the machine's place (or agree with it), and go on to the next."""
    batch = batch_of(request, batch_id, REVIEWER)
    hit = _hit(request, batch)
    schema, name = design_of(batch).schema, request.POST.get("question", "")
    if name not in schema:
        raise Http404
    question, part = schema[name], request.POST.get("part", "")
    whole = part.rpartition("/")[0] if question.kind == "multilabel" and question.for_ != "item" else part
    if question.kind == "multilabel" and question.for_ == "item":
        whole = ""
    try:
        answer = _given(request, batch, hit, question, whole)
        reason = request.POST.get("reason", "")
        overrule(hit=hit, question=name, part=whole, answer=answer, by=request.user, reason=reason)
    except DomainError as refusal:
        tell(request, refusal)
        return _back(request, batch)
    return _back(request, batch, "next")


@require_POST
@for_requesters
def review_answer(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """One act on one answer, or the approval of all that wait on an item."""
    act = request.POST.get("act", "")
    batch = batch_of(request, batch_id, Membership.Role.MANAGER if act == "bonus" else REVIEWER)
    do = ANSWER_ACTS.get(act)
    if do is None and act not in OPEN_FOR and act != "approve_all":
        raise Http404
    try:
        if act == "approve_all":
            rows = Assignment.objects.filter(hit=_hit(request, batch))
            decide_later.decide_later(batch=batch, act="approve", rows=rows, by=request.user)
        else:
            row = get_object_or_404(
                Assignment.objects.filter(batch=batch).select_related("batch__project", "worker__user"),
                public_id=_uuid(request.POST.get("on", "")),
            )
            _act(request, batch, act, row, do)
    except DomainError as refusal:
        tell(request, refusal)
    return _back(request, batch)


def _act(request: HttpRequest, batch: Batch, act: str, row: Assignment, do: Callable[..., None] | None) -> None:
    if do is not None:
        do(request, row)
        return
    if act == "approve" and row.state == Assignment.State.REJECTED:
        approve(assignment=row, by=request.user.pk, reason=request.POST.get("reason", ""))
        messages.success(request, _("Approved and paid after all."))
        return
    rows = Assignment.objects.filter(pk=row.pk)
    reason = request.POST.get("reason", "")
    decide_later.decide_later(batch=batch, act=act, rows=rows, by=request.user, reason=reason)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None


def _bonus(request: HttpRequest, row: Assignment) -> None:
    amount = money.parse(request.POST.get("amount", ""))
    key = request.POST.get("key", "")[:80] or uuid.uuid4().hex
    pay_bonus(assignment=row, amount=amount, reason=request.POST.get("reason", ""), key=key, by=request.user)
    messages.success(request, _("The bonus is paid. The worker reads what it is for."))


def _message(request: HttpRequest, row: Assignment) -> None:
    body = request.POST.get("reason", "")
    write_as_requester(worker=row.worker, project=row.batch.project, by=request.user, body=body, assignment=row)
    messages.success(request, _("Your message is sent."))


ANSWER_ACTS: dict[str, Callable[..., None]] = {"bonus": _bonus, "message": _message}


@require_POST
@for_requesters
def review_undo(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Take the last act back: a decision that still waits, or a label that a person gave."""
    batch = batch_of(request, batch_id, REVIEWER)
    kind, _sign, which = request.POST.get("what", "").partition(":")
    try:
        if kind == "operation":
            mine = Operation.objects.filter(kind=decide_later.KIND, subject=f"batch:{batch.pk}")
            cancel_operation(operation=get_object_or_404(mine, public_id=_uuid(which)))
            messages.success(request, _("Taken back. Nothing was decided."))
        elif kind == "overruling":
            row = get_object_or_404(
                Overruling.objects.select_related("hit").filter(hit__batch=batch), public_id=_uuid(which)
            )
            give_back(hit=row.hit, question=row.question, part=row.part, by=request.user)
            messages.success(request, _("Taken back. The answers decide again."))
        else:
            raise Http404
    except DomainError as refusal:
        tell(request, refusal)
    return _back(request, batch)


@require_POST
@for_requesters
def review_clarify(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """A note beside the task for everybody who works on the batch."""
    batch = batch_of(request, batch_id, REVIEWER)
    try:
        hit = _hit(request, batch) if request.POST.get("item") else None
        clarify(batch=batch, body=request.POST.get("body", ""), hit=hit, by=request.user)
        messages.success(request, _("Everybody who works on this batch is told, and sees it beside the task."))
    except DomainError as refusal:
        tell(request, refusal)
    return _back(request, batch)


@require_POST
@for_requesters
def review_gold(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """A person knows the answer: the item checks workers from now on, as far as it may still be shown."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    hit = _hit(request, batch)
    schema, name = design_of(batch).schema, request.POST.get("question", "")
    if name not in schema:
        raise Http404
    try:
        keys = {name: {"accept": [request.POST.get("label", "")]}}
        explanation = request.POST.get("explanation", "")[:1000]
        marked = known.mark(hit=hit, keys=keys, explanation=explanation, by=request.user, in_review=True)
        messages.success(request, _whom_it_scores(marked))
    except DomainError as refusal:
        tell(request, refusal)
    return _back(request, batch)


@require_POST
@for_requesters
def review_draw(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Labels to look at besides the disputed: drawn at random, the doubtful more often."""
    batch = batch_of(request, batch_id, REVIEWER)
    try:
        size = int(request.POST.get("size", "") or 0)
    except ValueError:
        size = 0
    try:
        name = request.POST.get("question", "") or next(iter(design_of(batch).schema)).name
        draw_sample(batch=batch, question=name, size=size, by=request.user, purpose=Sample.Purpose.REVIEW)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect(f"{reverse('studio_review', args=[batch.public_id])}?order=drawn")


# --- many at once -----------------------------------------------------------------------------------------------------

WHICH_WORDS = {
    "all": gettext_lazy("all answers that wait"),
    "agree": gettext_lazy("answers that say what the label says"),
    "differ": gettext_lazy("answers that say something else than the label"),
}
BULK_ACTS = ("approve", "reject", "disregard", "use", "redo")


@require_safe
@for_requesters
def review_bulk(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Choose answers and an act, and read what it will do. Nothing is done here."""
    batch = batch_of(request, batch_id, REVIEWER)
    act, which = request.GET.get("act", "approve"), request.GET.get("which", "agree")
    act, which = act if act in BULK_ACTS else "approve", which if which in WHICH else "agree"
    planned, sample = None, []
    if "act" in request.GET:
        rows = select_answers(batch=batch, which=which)
        try:
            planned = decide_later.preview(batch=batch, act=act, rows=rows)
            sample = list(
                Assignment.objects.filter(pk__in=planned.ids[:10]).select_related("hit__data_row").order_by("pk")
            )
        except DomainError as refusal:
            tell(request, refusal)
    words = {name: (said, meaning) for name, said, meaning in ACT_WORDS}
    context = {
        "acts": [(name, words[name][0]) for name in BULK_ACTS],
        "whiches": WHICH_WORDS.items(),
        "act": act,
        "act_words": words[act],
        "which": which,
        "planned": planned,
        "sample": sample,
        "needs_reason": act in NEEDS_REASON,
        "seconds": decide_later.SECONDS,
    }
    return render(request, "batch/bulk.html", inside(request, batch, "studio_review") | context)


@require_POST
@for_requesters
def review_bulk_do(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Do what the preview said, in a few seconds; the review page offers to take it back."""
    batch = batch_of(request, batch_id, REVIEWER)
    act, which = request.POST.get("act", ""), request.POST.get("which", "")
    try:
        rows = select_answers(batch=batch, which=which)
        reason, seal = request.POST.get("reason", ""), request.POST.get("seal", "")
        decide_later.decide_later(batch=batch, act=act, rows=rows, by=request.user, reason=reason, seal=seal or "none")
    except DomainError as refusal:
        tell(request, refusal)
        here = reverse("review_bulk", args=[batch.public_id])
        return redirect(f"{here}?{urlencode({'act': act, 'which': which})}")
    return redirect("studio_review", batch.public_id)


# --- one item ---------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_item(request: HttpRequest, requester: Requester, item_id: uuid.UUID) -> HttpResponse:
    """An item with its whole history: each answer, each step of belief, each cent."""
    hits = Hit.objects.filter(batch__in=batches_of(request.user, Membership.Role.VIEWER))
    hit = get_object_or_404(hits.select_related("batch__project__requester", "data_row"), data_row__public_id=item_id)
    batch = hit.batch
    schema = design_of(batch).schema
    beliefs = list(Belief.objects.filter(hit=hit).select_related("hit__data_row", "run").order_by("question", "part"))
    labels, steps = [], []
    codes: dict[int, str] = {}
    seen_answers: set[int] = set()
    for belief in beliefs:
        if belief.question not in schema:
            continue
        question = schema[belief.question]
        said = answers_side_by_side(batch, belief, question)
        codes |= {one.assignment.worker_id: one.code for one in said}
        labels.append(
            {
                "belief": belief,
                "question": question,
                "words": words_of(question, belief.label, belief.value),
                "bars": bars_of(question, belief, crowd_for(batch, question, belief.part)),
                "said": said,
                "target": design_of(batch).rules.target,
                "target_at": round(100 * design_of(batch).rules.target, 1),
                "is_scored": is_scored(question) and belief.state != Belief.State.OVERRULED,
                "why": why_unsure(question, belief),
                "review": _link(batch, ORDERS[0], 1, belief),
            }
        )
        steps += belief_steps(batch, belief, question, codes) + overruling_steps(belief, question)
        fresh = [one for one in said if one.assignment.pk not in seen_answers]
        steps += answer_steps(fresh, question)
        seen_answers |= {one.assignment.pk for one in said}
    steps += money_steps(hit, codes)
    row = hit.data_row
    context = {
        "hit": hit,
        "row": row,
        "name": row.external_id or str(row.public_id)[:8].upper(),
        "content": show_item(design_of(batch), row.data, batch.project.requester_id).content,
        "cells": list(row.data.items())[:50],
        "labels": labels,
        "steps": sorted(steps, key=lambda step: step.at),
        "spent": sum(step.amount or 0 for step in steps),
        "may_end": hit.state in (Hit.State.OPEN, Hit.State.PARKED),
        "is_parked": hit.state == Hit.State.PARKED,
        "may_confirm": bool(believed_keys(hit)) and not GoldQuestion.objects.filter(hit=hit).exists(),
        "freed": (hit.funded - hit.taken) * batch.price if hit.funded > hit.taken else 0,
    }
    return render(request, "batch/item.html", inside(request, batch, "studio_results") | context)


def _end_item(hit: Hit, request: HttpRequest) -> str:
    cancel_hit(hit=hit)
    return _("Nobody is offered it any more. What no answer needs has come back.")


def _open_item(hit: Hit, request: HttpRequest) -> str:
    release_parked(hit=hit)
    return _("It is offered again.")


def _confirm_item(hit: Hit, request: HttpRequest) -> str:
    return _whom_it_scores(known.promote(hit=hit, by=request.user))


def _whom_it_scores(marked: GoldQuestion) -> str:
    if marked.chosen:
        return _(
            "It is a known answer now. It came up because its answers were in doubt, so only those that are still to "
            "come count for their workers."
        )
    return _("It is a known answer now. Workers who answered it are scored by it.")


#: What can be done with an item as a whole; each says what was done, or raises.
ITEM_ACTS: dict[str, Callable[[Hit, HttpRequest], str]] = {
    "end": _end_item,
    "open": _open_item,
    "confirm": _confirm_item,
}


@require_POST
@for_requesters
def item_act(request: HttpRequest, requester: Requester, item_id: uuid.UUID, act: str) -> HttpResponse:
    """End it, offer again what was set aside, or confirm its label as a known answer."""
    hits = Hit.objects.filter(batch__in=batches_of(request.user, Membership.Role.MANAGER), lane=0)
    hit = get_object_or_404(hits.select_related("batch__project__requester"), data_row__public_id=item_id)
    if act not in ITEM_ACTS:
        raise Http404
    try:
        messages.success(request, ITEM_ACTS[act](hit, request))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_item", item_id)
