"""The studio's lists stay quick with a hundred thousand rows behind each."""

from __future__ import annotations

import time

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse

from marketplace.models import Participation
from users.models import User
from workers_app.models import Worker

pytestmark = [pytest.mark.django_db, pytest.mark.pace]
MANY = 100_000
MOST_SECONDS = 0.2

BATCHES = """
INSERT INTO marketplace_batch (public_id, project_id, name, state, paused_because, is_standing, design, reward, fee,
    assignment_seconds, levels, open_cap, lane_share, upload, upload_name, upload_format, upload_columns, upload_facts,
    created_at, published_at, spent_that_day)
SELECT gen_random_uuid(), %(project)s, 'Batch ' || n, CASE WHEN n %% 50 = 0 THEN 'open' ELSE 'closed' END, '', false,
       '{}', 0, 0, 600, '{}', 10, 0, '', '', '', '{}', '{}', now() - n * interval '1 minute', now(), 0
FROM generate_series(1, %(many)s) n
"""
HITS = """
INSERT INTO marketplace_hit (batch_id, lane, priority, position, max_assignments, funded, state)
SELECT %(batch)s, 0, 0, n, 3, 0, CASE WHEN n %% 3 = 0 THEN 1 ELSE 0 END FROM generate_series(1, %(many)s) n
"""
MEDIA = """
INSERT INTO marketplace_media (public_id, requester_id, source_url, file, content_type, size, sha256, state, error,
    attempts, due_at, created_at)
SELECT gen_random_uuid(), %(requester)s, '', '', 'image/png', 100, '', 'ready', '', 0, now(), now()
FROM generate_series(1, %(many)s) n
"""
DELIVERIES = """
INSERT INTO marketplace_webhookdelivery (webhook_id, outbox_key, event, attempt, response_code, error, took_ms, at)
SELECT %(webhook)s, 'k' || n, 'label.settled', 1, 200, '', 20, now() FROM generate_series(1, %(many)s) n
"""


def crowd(batch, many):
    """Workers who have taken something of a batch."""
    users = User.objects.bulk_create([User(email=f"w{n}@many.invalid", password="!") for n in range(many)])
    workers = Worker.objects.bulk_create([Worker(user=user) for user in users])
    Participation.objects.bulk_create([Participation(worker=one, batch=batch, taken_in_all=5) for one in workers])


def test_lists_of_the_studio_stay_quick(client, market):
    arguments = {
        "many": MANY,
        "project": market.project.pk,
        "batch": market.batch.pk,
        "requester": market.requester.pk,
        "webhook": market.webhook.pk,
    }
    crowd(market.batch, MANY // 10)
    with connection.cursor() as cursor:
        for statement in (BATCHES, HITS, MEDIA, DELIVERIES):
            cursor.execute(statement, arguments)
        cursor.execute("ANALYZE marketplace_batch, marketplace_hit, marketplace_media, marketplace_webhookdelivery")
    client.force_login(market.owner)
    urls = {
        "batches": reverse("studio_batches"),
        "batches, searched": reverse("studio_batches") + "?q=77&state=open",
        "batches, waiting": reverse("studio_batches") + "?state=needs",
        "projects": reverse("studio"),
        "project": reverse("studio_project", args=[market.project.public_id]),
        "workers": reverse("studio_workers", args=[market.batch.public_id]),
        "media": reverse("studio_media"),
        "deliveries": reverse("studio_webhook", args=[market.webhook.public_id]),
        "known": reverse("studio_known", args=[market.project.public_id]),
    }

    slow = {name: took for name, url in urls.items() if (took := quickest(client, url)) > MOST_SECONDS}

    assert not slow, slow


def quickest(client, url, tries=5):
    """Seconds of the quickest of a few visits, each with nothing counted before."""
    times = []
    for _try in range(tries):
        cache.clear()
        began = time.perf_counter()
        assert client.get(url).status_code == 200
        times.append(time.perf_counter() - began)
    return min(times)
