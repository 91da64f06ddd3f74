"""Mechanical Turk's API: CreateHIT and ListAssignmentsForHIT a second, and whether they stay as fast behind many HITs.

    python benchmarks/mturk.py [--small 1000] [--large 1000000] [--calls 400] [--json]

Each call is signed by botocore and goes through the whole site, in one process. HITs are made inside the server, each
with one answer. Exits 1 where the 99th percentile with many HITs is over 1.5 times that with few. The server is one of
its own, in var/bench-mturk.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.database import PROJECT, own_database

DATA_DIR = PROJECT / "var" / "bench-mturk"
MOST_SLOWER = 1.5
#: Calls before the measured ones: caches of the process and of the server are warm then.
WARM = 50

# As `post_hit` leaves them, with one answer each; in groups, so that no statement is huge.
FILL = [
    """
    INSERT INTO marketplace_hit (batch_id, lane, priority, position, max_assignments, funded, taken, state)
    SELECT %(batch)s, 0, 0, (random() * 2147483646)::int, 1, 0, 1, 1 FROM generate_series(1, %(count)s)
    """,
    """
    INSERT INTO marketplace_hitdata (hit_id, public_id, batch_id, row_hash, data, created_at)
    SELECT h.id, gen_random_uuid(), h.batch_id, h.id, '{}', now() FROM marketplace_hit h
    WHERE h.batch_id = %(batch)s AND NOT EXISTS (SELECT FROM marketplace_hitdata d WHERE d.hit_id = h.id)
    """,
    """
    INSERT INTO mturk_mturkhit (hit_id, requester_id, hit_type_id, question, annotation, layout_id, expires_at,
                                is_reviewing, created_at, is_announced)
    SELECT h.id, %(requester)s, %(type)s, %(question)s, '', '', now() + interval '1 day', false, now(), false
    FROM marketplace_hit h WHERE h.batch_id = %(batch)s
      AND NOT EXISTS (SELECT FROM mturk_mturkhit m WHERE m.hit_id = h.id)
    """,
    """
    INSERT INTO marketplace_assignment (hit_id, batch_id, worker_id, state, reward, accepted_at, opened_at,
                                        submitted_at, deadline)
    SELECT h.id, h.batch_id, %(worker)s, 'submitted', 10000, now(), now(), now(), now() FROM marketplace_hit h
    WHERE h.batch_id = %(batch)s AND h.taken = 1
      AND NOT EXISTS (SELECT FROM marketplace_assignment a WHERE a.hit_id = h.id)
    """,
    """
    INSERT INTO marketplace_answer (assignment_id, version, raw, sha256, data, received_at, final_at, digested_at)
    SELECT a.id, 1, '{}', sha256('{}'), '{"answers": {"fields": "[[\\"q\\", \\"a\\"]]"}}', now(), now(), now()
    FROM marketplace_assignment a
    WHERE a.batch_id = %(batch)s AND NOT EXISTS (SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id)
    """,
]
QUESTION = (
    '<ExternalQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/'
    'ExternalQuestion.xsd"><ExternalURL>https://tasks.example.org/?item={}</ExternalURL><FrameHeight>0</FrameHeight>'
    "</ExternalQuestion>"
)
TYPE = {
    "Title": "Read a label",
    "Description": "Say what is on the label.",
    "Reward": "0.01",
    "AssignmentDurationInSeconds": 600,
    "LifetimeInSeconds": 86_400,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with own_database(DATA_DIR):
        from django.conf import settings

        settings.ALLOWED_HOSTS.append("testserver")
        settings.MTURK_BURST = 10**9
        found = measure([options.small, options.large], options.calls)
    few, many = found[options.small], found[options.large]
    slower = {name: many[name]["p99_ms"] / few[name]["p99_ms"] for name in few}
    if options.json:
        print(json.dumps({"hits": found, "p99_ratio": slower}))
    else:
        print(f"{'':22} {'HITs':>9} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
        for count, acts in found.items():
            for name, act in acts.items():
                print(f"{name:22} {count:9} {act['per_second']:9.1f} {act['p50_ms']:8.1f} {act['p99_ms']:8.1f}")
        for name, ratio in slower.items():
            print(f"{name}: p99 with {options.large} HITs is {ratio:.2f} times that with {options.small}")
    return 1 if max(slower.values()) > MOST_SLOWER else 0


def measure(sizes: list[int], calls: int) -> dict[int, dict[str, dict[str, float]]]:
    import psycopg
    from django.conf import settings

    from mturk.models import MturkHit
    from mturk.services.hit_types import find_or_make_type, standing_batch
    from mturk.services.keys import create_access_key
    from tests.support.market import make_requester, make_workers

    requester = make_requester()
    key, secret = create_access_key(requester=requester, by=requester.members.get())
    ask = client(key.key_id, secret)
    hit_type = find_or_make_type(requester=requester, members=TYPE)
    batch = standing_batch(hit_type=hit_type)
    ((worker, _),) = make_workers(1)
    about = {"batch": batch.pk, "requester": requester.pk, "type": hit_type.pk, "worker": worker.pk}
    found: dict[int, dict[str, dict[str, float]]] = {}
    with psycopg.connect(settings.OWNER_DATABASE_URL, autocommit=True) as owner:
        for size in sizes:
            while (missing := size - MturkHit.objects.filter(requester=requester).count()) > 0:
                for statement in FILL:
                    owner.execute(statement, {**about, "question": QUESTION.format(0), "count": min(missing, 50_000)})
            owner.execute("VACUUM (ANALYZE)")
            found[size] = {
                "CreateHIT": paced(lambda n: ask("CreateHIT", {**TYPE, "Question": QUESTION.format(n)}), calls),
                "ListAssignmentsForHIT": paced(lister(ask, requester.pk), calls),
            }
    return found


def lister(ask: Callable[[str, dict[str, Any]], Any], requester: int) -> Callable[[int], Any]:
    """Asks for the answers of one HIT after the other, of those that have any."""
    from mturk import ids
    from mturk.models import MturkHit

    rows = MturkHit.objects.filter(requester=requester, hit__taken=1).order_by("hit")
    step = max(1, rows.count() // 500)
    names = [ids.written(public_id) for public_id in rows.values_list("hit__data_row__public_id", flat=True)[::step]]
    return lambda n: ask("ListAssignmentsForHIT", {"HITId": names[n % len(names)]})


def client(key_id: str, secret: str) -> Callable[[str, dict[str, Any]], Any]:
    """`ask(operation, members)`: signed as botocore signs it, answered by the site in this process."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from django.test import Client

    site, signer = Client(), SigV4Auth(Credentials(key_id, secret), "mturk-requester", "us-east-1")

    def ask(operation: str, members: dict[str, Any]) -> Any:
        body = json.dumps(members).encode()
        request = AWSRequest("POST", "http://testserver/mturk/", data=body)
        request.headers["Content-Type"] = "application/x-amz-json-1.1"
        request.headers["X-Amz-Target"] = f"MTurkRequesterServiceV20170117.{operation}"
        signer.add_auth(request)
        headers = {**dict(request.headers), "Host": "testserver"}
        answer = site.post("/mturk/", body, content_type="application/x-amz-json-1.1", headers=headers)
        assert answer.status_code == 200, answer.content[:300]
        return answer

    return ask


def paced(call: Callable[[int], Any], calls: int) -> dict[str, float]:
    """How long a call takes, after some that only warm up."""
    for number in range(WARM):
        call(number)
    took = []
    for number in range(calls):
        began = time.perf_counter()
        call(WARM + number)
        took.append(time.perf_counter() - began)
    took.sort()
    return {
        "per_second": calls / sum(took),
        "p50_ms": took[calls // 2] * 1000,
        "p99_ms": took[min(calls - 1, calls * 99 // 100)] * 1000,
    }


if __name__ == "__main__":
    sys.exit(main())
