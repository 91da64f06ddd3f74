"""Proof: the audit of a finished batch, answered blind, and certificates, for their requester and for the public."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import charts
from core.errors import DomainError
from core.pages import tell
from lifecycle.audit_crowd import ANSWERS, send_to_workers, trusted_outsiders
from lifecycle.refit import start_refit
from marketplace.models import Batch, Hit, Membership, Requester
from marketplace.selectors import batches_of, design_of
from marketplace.views.requester import for_requesters
from marketplace.widgets import read_form
from quality.estimators.certificate import audit_interval
from quality.models import Belief, Certificate, Sample, SampleItem
from quality.services.certificates import document_of, issue_certificate, publish_certificate
from quality.services.sampling import LEAST_AUDIT, answer_item, draw_sample, frame_of, progress_of, unanswered
from quality.services.scoring import MEASURE_WORDS, in_short
from quality.showing import item_of
from quality.views.batches import batch_of, inside
from quality.views.results import reliability_of

REVIEWER, MANAGER = Membership.Role.REVIEWER, Membership.Role.MANAGER
#: Sizes whose width is told before a draw, and the accuracy that the telling supposes.
SIZES, SUPPOSED = (50, 100, 200, 400), 0.95
SECTION_WORDS = {
    "per_label": gettext_lazy("Accuracy by label"),
    "calibration": gettext_lazy("Whether the confidence holds"),
    "second_estimate": gettext_lazy("The second, tighter estimate"),
    "making": gettext_lazy("Answers, workers and agreement"),
    "pay": gettext_lazy("Pay, measured"),
}


def _samples(request: HttpRequest, role: str) -> QuerySet[Sample]:
    mine = Sample.objects.filter(batch__in=batches_of(request.user, role), purpose=Sample.Purpose.AUDIT)
    return mine.select_related("batch__project__requester")


def _certificates(request: HttpRequest, role: str) -> QuerySet[Certificate]:
    mine = Certificate.objects.filter(batch__in=batches_of(request.user, role))
    return mine.select_related("batch__project__requester", "sample", "run")


# --- audits -----------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_proof(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """What can be said of a batch's labels, and what has been proved."""
    batch = batch_of(request, batch_id)
    schema = design_of(batch).schema
    samples = list(
        Sample.objects.filter(batch=batch, purpose=Sample.Purpose.AUDIT)
        .select_related("workers_batch")
        .order_by("-pk")[:20]
    )
    is_open = Hit.objects.filter(batch=batch, lane=0, state=Hit.State.OPEN).exists()
    asked = request.GET.get("question", "")
    asked = asked if asked in schema else next(iter(schema)).name
    labels = 0 if is_open else len(frame_of(batch, asked, batch.closed_at or batch.published_at))
    context = {
        "audits": [(sample, *progress_of(sample), sample.certificates.first()) for sample in samples],
        "certificates": [
            (one, in_short(one.claim)) for one in Certificate.objects.filter(batch=batch).order_by("-pk")[:20]
        ],
        "is_open": is_open,
        "labels": labels,
        "questions": [question.name for question in schema],
        "asked": asked,
        "least": min(LEAST_AUDIT, labels),
        "sizes": [_width(labels, size) for size in SIZES if size <= labels],
        "supposed": SUPPOSED,
        "outsiders": len(trusted_outsiders(batch)),
        "answers_each": ANSWERS,
        "answer_price": ANSWERS * batch.price,
        "may_review": batches_of(request.user, REVIEWER).filter(pk=batch.pk).exists(),
    }
    return render(request, "batch/proof.html", inside(request, batch, "studio_proof") | context)


def _width(labels: int, size: int) -> dict[str, Any]:
    bounds = audit_interval(labels, size, round(size * (1 - SUPPOSED)))
    return {"size": size, "low": bounds.lower, "high": bounds.upper}


@require_POST
@for_requesters
def proof_draw(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Draw a random audit, and begin to answer it."""
    batch = batch_of(request, batch_id, MANAGER if request.POST.get("who") == "workers" else REVIEWER)
    try:
        size = int(request.POST.get("size", "") or 0)
    except ValueError:
        size = 0
    try:
        sample = _draw(request, batch, size)
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_proof", batch.public_id)
    if sample.workers_batch_id:
        messages.success(request, _("Trusted workers answer it. The money for it is put aside."))
        return redirect("studio_proof", batch.public_id)
    return redirect("studio_audit", sample.public_id)


@transaction.atomic
def _draw(request: HttpRequest, batch: Batch, size: int) -> Sample:
    """Draw; where workers are to answer and cannot, nothing is drawn."""
    sample = draw_sample(batch=batch, question=request.POST.get("question", ""), size=size, by=request.user)
    if request.POST.get("who") == "workers":
        send_to_workers(sample=sample, by=request.user)
        sample.refresh_from_db()
    return sample


@require_safe
@for_requesters
def studio_audit(request: HttpRequest, requester: Requester, sample_id: uuid.UUID) -> HttpResponse:
    """The next item of an audit, without its label and without anybody's answer."""
    sample = get_object_or_404(_samples(request, REVIEWER), public_id=sample_id)
    item = unanswered(Sample.objects.filter(pk=sample.pk)).first()
    done, size = progress_of(sample)
    context: dict[str, Any] = {
        "sample": sample,
        "item": item,
        "done": done,
        "size": size,
        "content": "",
        "widget": None,
    }
    if item is not None:
        about = Belief(hit=item.hit, question=sample.question, part=item.part)
        context["content"], context["widget"] = item_of(sample.batch, about)
    return render(request, "batch/audit.html", inside(request, sample.batch, "studio_proof") | context)


@require_POST
@for_requesters
def audit_answer(request: HttpRequest, requester: Requester, sample_id: uuid.UUID) -> HttpResponse:
    """What is right for one drawn item; `none`: no answer fits, which counts against the label."""
    sample = get_object_or_404(_samples(request, REVIEWER), public_id=sample_id)
    items = SampleItem.objects.filter(sample=sample).select_related("hit__data_row")
    try:
        item = get_object_or_404(items, public_id=uuid.UUID(request.POST.get("item", "")))
    except ValueError:
        return redirect("studio_audit", sample.public_id)
    answer = None
    question = design_of(sample.batch).schema[sample.question]
    if "none" not in request.POST:
        given = read_form(design_of(sample.batch).schema, item.hit.data_row.data, request.POST).get(question.name)
        if question.for_ != "item" and isinstance(given, dict):
            part = item.part.rpartition("/")[0] if question.kind == "multilabel" else item.part
            given = given.get(part)
        if given is None:
            messages.warning(request, _("Choose an answer, or say that none fits."))
            return redirect("studio_audit", sample.public_id)
        answer = given
    try:
        answer_item(item=item, answer=answer, by=request.user)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_audit", sample.public_id)


@require_POST
@for_requesters
def audit_certify(request: HttpRequest, requester: Requester, sample_id: uuid.UUID) -> HttpResponse:
    """Sign what the audit proves. Where a final fit is due, it is begun."""
    sample = get_object_or_404(_samples(request, MANAGER), public_id=sample_id)
    try:
        certificate = issue_certificate(sample=sample, by=request.user)
    except DomainError as refusal:
        if refusal.code == "not_fitted":
            start_refit(project=sample.batch.project)
        tell(request, refusal)
        return redirect("studio_proof", sample.batch.public_id)
    return redirect("studio_certificate", certificate.public_id)


# --- certificates -----------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_certificate(request: HttpRequest, requester: Requester, certificate_id: uuid.UUID) -> HttpResponse:
    """The certificate with all that stands behind it, and what the public sees of it."""
    certificate = get_object_or_404(_certificates(request, Membership.Role.VIEWER), public_id=certificate_id)
    may_write = batches_of(request.user, MANAGER).filter(pk=certificate.batch_id).exists()
    context = _shown(certificate, list(certificate.sections)) | {
        "is_studio": True,
        "may_write": may_write,
        "choices": [(name, SECTION_WORDS.get(name, name), name in certificate.shows) for name in certificate.sections],
        "public_url": request.build_absolute_uri(reverse("public_certificate", args=[certificate.public_id])),
    }
    return render(request, "batch/certificate.html", context)


@require_safe
def public_certificate(request: HttpRequest, certificate_id: uuid.UUID) -> HttpResponse:
    """What its requester chose to publish, for anybody who has the address."""
    published = Certificate.objects.select_related("batch__project__requester", "sample", "run")
    certificate = get_object_or_404(published, public_id=certificate_id, is_public=True)
    context = _shown(certificate, certificate.shows) | {"is_studio": False, "may_write": False}
    return render(request, "batch/certificate.html", context)


def _shown(certificate: Certificate, names: list[str]) -> dict[str, Any]:
    claim = certificate.claim
    sections = {name: section for name, section in certificate.sections.items() if name in names}
    per_label, calibration = sections.get("per_label"), sections.get("calibration")
    making = sections.get("making")
    return {
        "certificate": certificate,
        "claim": claim,
        "issued_at": parse_datetime(claim["issued_at"]),
        "drawn_at": parse_datetime(claim["audit"]["drawn_at"]),
        "thousandths": int(claim["accuracy"] * 1000),
        "score": claim.get("score"),
        "measure": MEASURE_WORDS.get(claim.get("score", {}).get("measure", ""), ""),
        "share_audited": claim["audited"] / claim["delivered"],
        "per_label": [_label_row(row) for row in per_label["labels"] if row["delivered"]] if per_label else [],
        "mix_ups": per_label["mix_ups"][:6] if per_label else [],
        "calibration": calibration,
        "reliability": reliability_of(calibration) if calibration else None,
        "second": sections.get("second_estimate"),
        "making": making,
        "redundancy": _redundancy(making["answers_per_item"]) if making else None,
        "pay": sections.get("pay"),
        "signature": certificate.signature,
    }


def _label_row(row: dict[str, Any]) -> dict[str, Any]:
    share = row["right"] / row["audited"] if row["audited"] else None
    return {"right": None, "low": None, "high": None} | row | {"share": share}


def _redundancy(counts: dict[str, int]) -> charts.Chart:
    points = [(answers, float(number)) for answers, number in sorted(counts.items(), key=lambda one: int(one[0]))]
    words = ", ".join(f"{answers}: {number:.0f}" for answers, number in points)
    message = _("Items by the number of their answers: %s") % words
    return charts.bars(
        points, message=message, head=(_("Answers"), _("Items")), axis=_("answers for an item"), small=True
    )


@require_safe
@for_requesters
def certificate_file(request: HttpRequest, requester: Requester, certificate_id: uuid.UUID) -> HttpResponse:
    """The signed file, whole."""
    certificate = get_object_or_404(_certificates(request, Membership.Role.VIEWER), public_id=certificate_id)
    return _file(certificate, None)


@require_safe
def public_certificate_file(request: HttpRequest, certificate_id: uuid.UUID) -> HttpResponse:
    """The signed file with the sections that are published."""
    certificate = get_object_or_404(Certificate, public_id=certificate_id, is_public=True)
    return _file(certificate, certificate.shows)


def _file(certificate: Certificate, sections: list[str] | None) -> HttpResponse:
    content = orjson.dumps(document_of(certificate, sections), option=orjson.OPT_INDENT_2)
    response = HttpResponse(content, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="certificate-{certificate.number}.json"'
    return response


@require_POST
@for_requesters
def certificate_publish(request: HttpRequest, requester: Requester, certificate_id: uuid.UUID) -> HttpResponse:
    """Choose what the public may read."""
    certificate = get_object_or_404(_certificates(request, MANAGER), public_id=certificate_id)
    is_public = request.POST.get("public") == "1"
    try:
        publish_certificate(
            certificate=certificate, is_public=is_public, shows=request.POST.getlist("shows"), by=request.user
        )
        words = (
            _("Anybody who has the address can read it now.") if is_public else _("Only your organisation reads it.")
        )
        messages.success(request, words)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_certificate", certificate.public_id)
