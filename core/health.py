"""Is it up, and can it serve: for supervisors, load balancers and operators; and what people see when it cannot."""

import sys

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist, loader
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

_migrated = False  # a process that has seen every migration applied need not look again


def unmet() -> list[str]:
    """What keeps this process from serving, in words; empty when it can."""
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            (commit,) = cursor.fetchone()
        if not _migrated:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return ["The database does not answer."]
    problems = [] if commit == "on" else [f"synchronous_commit is {commit}: acknowledged work could be lost."]
    return problems + ([] if _migrated else ["Migrations are missing."])


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database, durability and migrations are as they should be, else 503 with the reasons."""
    problems = unmet()
    return JsonResponse({"ready": not problems, "problems": problems}, status=503 if problems else 200)


RETRY_SECONDS = 3


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. A database that is away, full, or held up by somebody is a 503: nothing was stored, try again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        code, status, title = "unavailable", 503, "Out of reach for a moment. Nothing was stored: try again."
    else:
        code, status, title = "server_error", 500, "Something broke on our side. It has been recorded."
    response = _problem(request, code, status, title)
    if status == 503:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _problem(request: HttpRequest, code: str, status: int, title: str) -> HttpResponse:
    """problem+json for programs, a page for people; neither asks the database."""
    if "text/html" not in request.headers.get("Accept", ""):
        body = {"type": "about:blank", "title": title, "status": status, "code": code}
        return JsonResponse(body, status=status, content_type="application/problem+json")
    try:
        page = loader.get_template(f"{status}.html").render({"title": title}, None)
    except TemplateDoesNotExist:
        page = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1>"
    return HttpResponse(page, status=status)
