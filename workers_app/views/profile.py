"""A worker's own data: what they say about themselves, and all that is held about them."""

from __future__ import annotations

import orjson
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core.errors import DomainError, Invalid
from core.pages import tell
from core.preferences import preference
from lifecycle.erase import erase_person
from lifecycle.personal_data import everything_about
from marketplace.services.accepting import recheck
from marketplace.views.worker import for_workers
from payments.models import Account
from payments.selectors import balance
from users.services import change_person
from workers_app.forms import ProfileForm
from workers_app.models import Worker
from workers_app.services.profile import change_worker
from workers_app.views.home import tabs


@require_http_methods(["GET", "HEAD", "POST"])
@for_workers
def my_data(request: HttpRequest, worker: Worker) -> HttpResponse:
    """What requirements look at, and the worker's qualifications."""
    said = {
        "country": worker.country,
        "subdivision": worker.subdivision,
        "languages": ", ".join(worker.languages),
        "accepts_distressing": worker.accepts_distressing,
        "accepts_messages": worker.accepts_messages,
        "time_zone": worker.user.time_zone,
        "language": worker.user.language,
    }
    form = ProfileForm(request.POST or None, initial=said)
    if request.method == "POST" and form.is_valid():
        said = dict(form.cleaned_data)
        change_person(user=worker.user, time_zone=said.pop("time_zone"), language=said.pop("language"))
        change_worker(worker=worker, **said)
        recheck(worker_id=worker.pk)  # what one may do is looked at anew with the next claim
        messages.success(request, _("Saved. The list of work goes by it from now on."))
        return redirect("my_data")
    context = {"form": form, "worker": worker} | tabs(worker, "my_data")
    return render(request, "me/data.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@for_workers
def erase_me(request: HttpRequest, worker: Worker) -> HttpResponse:
    """What erasing means, and the act: the worker types their address, so that nobody does it by a slip."""
    if request.method == "POST":
        try:
            if request.POST.get("email", "").strip().lower() != worker.user.email:
                raise Invalid(errors={"email": _("Type the address of this account.")})
            erase_person(user=worker.user, gives_up="gives_up" in request.POST)
        except DomainError as refusal:
            tell(request, refusal)
        else:
            logout(request)
            return redirect("home")
    payable = balance(Account.Kind.PAYABLE, worker.pk)
    context = {"payable": payable, "currency": settings.LEDGER_CURRENCY, "minimum": preference("PAYOUT_MINIMUM")}
    return render(request, "me/erase.html", context | tabs(worker, "my_data"))


@require_safe
@for_workers
def my_data_file(request: HttpRequest, worker: Worker) -> HttpResponse:
    """All that is held about this person, to take along."""
    response = HttpResponse(
        orjson.dumps(everything_about(worker.user), option=orjson.OPT_INDENT_2, default=str),
        content_type="application/json",
    )
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    response["Cache-Control"] = "no-store"
    return response
