"""People and organisations: who comes in, who is locked out, what staff should know of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.keyset import page
from core.models import AuditEntry
from core.notes import add_note, notes_on
from core.pages import tell
from marketplace.models import Batch, Membership, Requester
from payments.models import Account, Deposit
from payments.selectors import balance
from staff.doors import done, for_staff, reason_in
from staff.people import SHOWS, found_people
from staff.workers import look_behind
from users.models import Invitation, User
from users.services import standing
from workers_app.models import Worker

SIZE = 40


@require_safe
@for_staff
def staff_people(request: HttpRequest) -> HttpResponse:
    show, words = request.GET.get("show", "all"), request.GET.get("q", "").strip()[:120]
    show = show if show in SHOWS else "all"
    listed = page(found_people(show=show, words=words), ["-pk"], request.GET.get("after", ""), SIZE)
    ids = [user.pk for user in listed.rows]
    workers = set(Worker.objects.filter(user__in=ids).values_list("user_id", flat=True))
    roles: dict[int, list[Membership]] = {}
    for membership in Membership.objects.filter(user__in=ids).select_related("requester").order_by("pk"):
        roles.setdefault(membership.user_id, []).append(membership)
    rows = [(user, user.pk in workers, roles.get(user.pk, [])) for user in listed.rows]
    query = urlencode({name: value for name, value in {"show": show, "q": words}.items() if value})
    context = {"page": listed, "rows": rows, "show": show, "shows": SHOWS, "words": words, "query": query}
    return render(request, "staff/people.html", context)


@require_safe
@for_staff
def staff_person(request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    person = get_object_or_404(User, public_id=user_id)
    context = {
        "person": person,
        "is_worker": Worker.objects.filter(user=person).exists(),
        "memberships": Membership.objects.filter(user=person).select_related("requester").order_by("pk"),
        "tokens": person.tokens.order_by("-pk")[:10],
        "has_second_factor": is_mfa_enabled(person),
        "notes": notes_on(f"user:{person.pk}")[:20],
        "log": AuditEntry.objects.filter(subject=f"user:{person.pk}").select_related("actor").order_by("-pk")[:20],
        "is_oneself": person.pk == request.user.pk,
    }
    return render(request, "staff/person.html", context)


#: Act -> what it does; each in the log with its reason.
ACTS: dict[str, Callable[..., Any]] = {
    "approve": standing.approve_person,
    "lock": standing.lock_person,
    "unlock": standing.unlock_person,
    "staff": lambda **said: standing.set_staff(is_staff=True, **said),
    "not_staff": lambda **said: standing.set_staff(is_staff=False, **said),
}


@require_POST
@for_staff
def staff_person_decide(request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    person = get_object_or_404(User, public_id=user_id)
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        raise Http404
    return done(
        request,
        lambda: act(user=person, by=request.user, reason=reason_in(request)),
        _("Decided, and written down."),
        "staff_person",
        person.public_id,
    )


@require_POST
@for_staff
def staff_person_note(request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    person = get_object_or_404(User, public_id=user_id)
    return done(
        request,
        lambda: add_note(subject=f"user:{person.pk}", by=request.user, text=request.POST.get("text", "")),
        _("The note is kept."),
        "staff_person",
        person.public_id,
    )


@require_POST
@for_staff
def staff_person_worker(request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    """From a person to the number they work under: the same look behind, written down the same."""
    worker = get_object_or_404(Worker, user__public_id=user_id)
    try:
        look_behind(worker=worker, by=request.user, reason=reason_in(request))
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("staff_person", user_id)
    return redirect("staff_worker", worker.public_id)


# --- invitations ------------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_invitations(request: HttpRequest) -> HttpResponse:
    rows = Invitation.objects.filter(requester_id=None).select_related("used_by")
    listed = page(rows, ["-pk"], request.GET.get("after", ""), SIZE)
    context = {"page": listed, "now": timezone.now(), "new": request.session.pop("invitation", None)}
    return render(request, "staff/invitations.html", context)


@require_POST
@for_staff
def staff_invitation_new(request: HttpRequest) -> HttpResponse:
    """The link is shown once to who made it: they pass it on."""
    try:
        invitation = standing.invite_person(
            email=request.POST.get("email", ""), role=request.POST.get("role", "worker"), by=request.user
        )
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("The invitation stands for 14 days. Pass its link on."))
        request.session["invitation"] = invitation.code
    return redirect("staff_invitations")


@require_POST
@for_staff
def staff_invitation_cancel(request: HttpRequest, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation.objects.filter(requester_id=None), pk=invitation_id)
    return done(
        request,
        lambda: standing.cancel_invitation(invitation=invitation, by=request.user),
        _("Cancelled: the link works no more."),
        "staff_invitations",
    )


# --- organisations ----------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_organisations(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:120]
    rows = Requester.objects.all()
    if words:
        rows = rows.filter(name__icontains=words)
    listed = page(rows, ["-pk"], request.GET.get("after", ""), SIZE)
    ids = [one.pk for one in listed.rows]
    members = dict(
        Membership.objects.filter(requester__in=ids).order_by().values_list("requester_id").annotate(n=Count("pk"))
    )
    live = [Batch.State.OPEN, Batch.State.PAUSED]
    batches = dict(
        Batch.objects.filter(project__requester__in=ids, state__in=live)
        .order_by()
        .values_list("project__requester_id")
        .annotate(n=Count("pk"))
    )
    held = dict(
        Account.objects.filter(kind=Account.Kind.AVAILABLE, owner_id__in=ids).values_list("owner_id", "balance")
    )
    table = [(one, members.get(one.pk, 0), batches.get(one.pk, 0), held.get(one.pk, 0)) for one in listed.rows]
    query = urlencode({"q": words}) if words else ""
    return render(request, "staff/organisations.html", {"page": listed, "rows": table, "words": words, "query": query})


@require_safe
@for_staff
def staff_organisation(request: HttpRequest, organisation_id: uuid.UUID) -> HttpResponse:
    requester = get_object_or_404(Requester, public_id=organisation_id)
    batches = Batch.objects.filter(project__requester=requester)
    aside = Account.objects.filter(
        kind__in=[Account.Kind.ESCROW, Account.Kind.REPAIR], owner_id__in=batches.values("pk")
    ).aggregate(sum=Sum("balance"))["sum"]
    context = {
        "requester": requester,
        "members": requester.memberships.select_related("user").order_by("pk"),
        "batches": batches.select_related("project").order_by("-pk")[:20],
        "available": balance(Account.Kind.AVAILABLE, requester.pk, requester.currency),
        "aside": aside or 0,
        "waiting": requester.deposits.filter(state=Deposit.State.REQUESTED).aggregate(sum=Sum("amount"))["sum"] or 0,
        "notes": notes_on(f"requester:{requester.pk}")[:20],
    }
    return render(request, "staff/organisation.html", context)


@require_POST
@for_staff
def staff_organisation_note(request: HttpRequest, organisation_id: uuid.UUID) -> HttpResponse:
    requester = get_object_or_404(Requester, public_id=organisation_id)
    return done(
        request,
        lambda: add_note(subject=f"requester:{requester.pk}", by=request.user, text=request.POST.get("text", "")),
        _("The note is kept."),
        "staff_organisation",
        requester.public_id,
    )
