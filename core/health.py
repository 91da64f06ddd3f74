"""Is it up, and can it serve: for supervisors, load balancers and operators."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
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
