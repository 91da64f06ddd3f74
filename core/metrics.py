"""Figures for operators, in the text form of Prometheus. Each process writes its own file; a scrape sums them."""

import os
import time
from collections.abc import Callable, Iterable

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY as OWN_PROCESS
from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

REQUESTS = Histogram(
    "touchstone_request_seconds",
    "Time to answer a request, by URL name.",
    ["method", "url", "code"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.5, 1, 2.5, 5),
)

#: Gauges read from the database at each scrape: name, what it is, one statement that gives one number. Apps add theirs.
GAUGES: list[tuple[str, str, str]] = [
    ("outbox_due", "Effects that should have been delivered by now.",
     "SELECT count(*) FROM core_outbox WHERE delivered_at IS NULL AND given_up_at IS NULL AND due_at < now()"),
    ("outbox_given_up", "Effects that were given up.",
     "SELECT count(*) FROM core_outbox WHERE given_up_at IS NOT NULL"),
    ("operations_running", "Long pieces of work that are not done.",
     "SELECT count(*) FROM core_operation WHERE state IN ('waiting', 'running')"),
    ("operations_failed", "Long pieces of work that failed.",
     "SELECT count(*) FROM core_operation WHERE state = 'failed'"),
    ("worker_silent_seconds", "Since Celery last took a task of beat.",
     "SELECT coalesce(extract(epoch FROM now() - max(at)), -1) FROM core_watermark WHERE name = 'celery'"),
    ("database_bytes", "Size of the database.", "SELECT pg_database_size(current_database())"),
    ("database_connections", "Open connections.",
     "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"),
]  # fmt: skip


class RequestMetricsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        found = request.resolver_match
        REQUESTS.labels(request.method, (found and found.view_name) or "", response.status_code).observe(
            time.perf_counter() - began
        )
        return response


class DatabaseGauges:
    """A collector that asks the database."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with connection.cursor() as cursor:
            for name, what, statement in GAUGES:
                cursor.execute(statement)
                yield GaugeMetricFamily(f"touchstone_{name}", what, value=float(cursor.fetchone()[0]))


def may_see(request: HttpRequest) -> bool:
    """Staff, whoever has METRICS_TOKEN, and programs on this machine that did not come through a proxy."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and constant_time_compare(token, settings.METRICS_TOKEN):
        return True
    local = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1")
    proxied = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    return (local and not proxied) or bool(request.user.is_active and request.user.is_staff)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_see(request):
        raise Http404
    registry = CollectorRegistry()
    registry.register(DatabaseGauges())
    text = generate_latest(registry)
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        summed = CollectorRegistry()
        multiprocess.MultiProcessCollector(summed)
        text += generate_latest(summed)
    else:
        text += generate_latest(OWN_PROCESS)
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")
