"""Workers whom an organisation works without: no reproach, and without effect anywhere else."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError, Invalid
from core.pages import tell
from marketplace.models import Membership, Requester
from marketplace.selectors import requesters_of
from marketplace.services.blocking import block_worker, unblock_worker
from marketplace.views.requester import for_requesters
from workers_app.models import Pseudonym, Worker
from workers_app.services.pseudonyms import pseudonyms

PAGE = 50


def _may(request: HttpRequest, requester: Requester) -> bool:
    return requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists()


def _scope(requester: Requester) -> str:
    return f"requester:{requester.pk}"


@require_safe
@for_requesters
def studio_blocks(request: HttpRequest, requester: Requester) -> HttpResponse:
    page = Paginator(requester.blocks.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    codes = pseudonyms(_scope(requester), [block.worker_id for block in page.object_list])
    context = {
        "requester": requester,
        "page": page,
        "blocks": [(codes[block.worker_id], block) for block in page.object_list],
        "worker": request.GET.get("worker", "")[:40],
        "may_write": _may(request, requester),
    }
    return render(request, "studio/blocks.html", context)


@require_POST
@for_requesters
def block_act(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Work without somebody, or with them again."""
    if not _may(request, requester):
        raise Http404
    try:
        worker = _named(requester, request.POST.get("worker", ""))
        if request.POST.get("do") == "unblock":
            unblock_worker(requester=requester, worker=worker)
            messages.success(request, _("They are offered your work again."))
        else:
            block_worker(requester=requester, worker=worker, reason=request.POST.get("reason", ""))
            messages.success(request, _("They are not offered your work any more. What they hold is still paid."))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_blocks")


def _named(requester: Requester, code: str) -> Worker:
    """The worker whom this organisation knows by a name. Raises `Invalid` for a name that it does not know."""
    known = Pseudonym.objects.select_related("worker").filter(scope=_scope(requester))
    row = known.filter(code=code.strip().upper()).first()
    if row is None:
        raise Invalid(errors={"worker": _("Nobody is known to you by this name. It stands beside their answers.")})
    return row.worker
