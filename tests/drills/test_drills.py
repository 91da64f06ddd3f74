"""F1 to F5 and F8 of the fault plan: nothing acknowledged is lost, nothing is paid twice, the books are right."""

import asyncio
import json
import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from config import postgres
from tests.drills.conftest import FULL, inside
from tests.drills.crowd import AGAIN, Crowd, compare
from tests.support.stack import kill, sockets_of
from tests.support.wire import Wire

#: They share the stack and the machine: `make test` runs them last, in one process and in this order.
pytestmark = [pytest.mark.drill, pytest.mark.timeout(0 if FULL else 300)]

#: How long each drill goes on: in `make drills`, and in `make test`.
KILLS_OF_WEB = 200 if FULL else 2
KILLS_OF_CELERY = 100 if FULL else 5
KILLS_OF_POSTGRES = 20 if FULL else 1
SECONDS_WITHOUT_BROKER = 300 if FULL else 3
CLIENTS = 50 if FULL else 12
SOCKETS = 1000 if FULL else 300
#: What a person may notice of a killed web process, and of a killed database; a busy test machine gets more.
ERROR_WINDOW = 2.0 if FULL else 20.0
BACK_AFTER = 10.0 if FULL else 40.0


def settle(stack, market, seconds=60):
    """Wait until every answer is learned from, decided and paid."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ((waiting,),) = stack.sql(
            "SELECT count(*) FROM marketplace_assignment a WHERE batch_id = %s AND (state = 'submitted' OR EXISTS ("
            " SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id AND n.digested_at IS NULL))",
            market["batch"],
        )
        if not waiting:
            return
        time.sleep(0.3)
    raise AssertionError(f"{waiting} answers were not decided within {seconds} s")


def nothing_was_lost(stack, market, crowd):
    settle(stack, market)
    crowd.journal.write(stack.data_dir / "journal.jsonl")
    found = compare(crowd.journal, stack, market)
    print(found, dict(crowd.journal.statuses), f"longest wait {crowd.journal.longest_wait:.1f} s")
    assert found.pop("accepted") > 0
    assert found.pop("submitted") > 0
    assert found == dict.fromkeys(found, 0)
    done = stack.manage("invariants", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def run_apart(coroutine):
    """Run it on a loop of its own: browser tests of the same process leave theirs running."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def live(crowd, trouble):
    """The crowd works while `trouble` happens."""

    async def both():
        working = asyncio.create_task(crowd.run())
        try:
            await trouble()
        finally:
            crowd.stopping = True
            await asyncio.wait_for(working, 120)

    run_apart(both())


def test_f1_web_workers_are_killed_under_load(stack, make_market, seed):
    market = make_market(workers=CLIENTS, hits=400 if not FULL else 20_000, places=3)
    crowd, generator = Crowd(stack.port, market, seed), random.Random(seed)
    windows = []

    async def trouble():
        for _ in range(KILLS_OF_WEB):
            await asyncio.sleep(generator.uniform(0.05, 0.4))
            running = await some(stack, stack.web_workers, 2)
            kill(max(running, key=sockets_of))  # the one that most clients are talking to
        windows.append(crowd.journal.longest_wait)
        # Now at chosen points: before anything was done, and after the commit with nobody told.
        crowd.die = 0.02
        await asyncio.sleep(60 if FULL else 3)
        crowd.die = 0

    live(crowd, trouble)

    assert crowd.journal.statuses["broken"] > 0
    nothing_was_lost(stack, market, crowd)
    assert windows[0] <= ERROR_WINDOW


async def some(stack, processes, count=1):
    """Wait until there are so many of them: the supervisor starts again what was killed."""
    until = time.monotonic() + 60
    while len(running := await asyncio.to_thread(processes)) < count:
        assert time.monotonic() < until, "\n".join(stack.lines[-30:])
        await asyncio.sleep(0.1)
    return running


def test_f2_celery_and_the_sweep_are_killed_at_work(stack, make_market, seed):
    market = make_market(workers=CLIENTS, hits=400 if not FULL else 20_000, places=3)
    crowd, generator = Crowd(stack.port, market, seed), random.Random(seed)

    async def trouble():
        kills = 0
        while kills < KILLS_OF_CELERY:
            if kills % 5 == 0:
                await asyncio.to_thread(inside, stack, "tasks", count=20, seed=seed + kills)
            await asyncio.sleep(generator.uniform(0.1, 0.5))
            workers, sweeps = stack.celery_workers(), stack.sweeps()
            if generator.random() < 0.2 and sweeps:
                kill(generator.choice(sweeps))
            elif workers:
                kill(generator.choice(workers))
                kills += 1

    live(crowd, trouble)
    nothing_was_lost(stack, market, crowd)


def test_f3_postgres_is_killed(stack, make_market, seed):
    market = make_market(workers=CLIENTS, hits=400 if not FULL else 20_000, places=3)
    crowd, generator = Crowd(stack.port, market, seed), random.Random(seed)
    away = []

    async def trouble():
        for _ in range(KILLS_OF_POSTGRES):
            await asyncio.sleep(generator.uniform(0.5, 2.0))
            begun = time.monotonic()
            for pid in stack.postgres_tree():
                kill(pid)
            while crowd.journal.last_ack < begun or not await asyncio.to_thread(stack.cluster.answers):
                assert time.monotonic() - begun < 60, "\n".join(stack.lines[-30:])
                await asyncio.sleep(0.05)
            up = time.monotonic()
            while crowd.journal.last_ack < up:
                assert time.monotonic() - up < 60, "\n".join(stack.lines[-30:])
                await asyncio.sleep(0.05)
            away.append((up - begun, time.monotonic() - up))

    live(crowd, trouble)

    print("database back after, and the site after it:", [f"{a:.1f} + {b:.1f} s" for a, b in away])
    assert set(crowd.journal.statuses) <= {"200", "201", "409", "503", "broken"}
    assert max(after for _, after in away) <= BACK_AFTER
    nothing_was_lost(stack, market, crowd)


def test_f4_the_broker_fails_and_is_emptied(stack, make_market, seed):
    market = make_market(workers=CLIENTS, hits=400 if not FULL else 20_000, places=3)
    crowd = Crowd(stack.port, market, seed)

    def pulse():
        return stack.sql("SELECT max(at) FROM core_watermark WHERE name = 'celery'")[0][0]

    async def trouble():
        await asyncio.to_thread(inside, stack, "tasks", count=20, seed=seed)
        for queue in ("celery", "heartbeat"):
            stack.sql(f"REVOKE INSERT, SELECT, UPDATE, DELETE ON pgmq.q_{queue} FROM {postgres.APP}")
            stack.sql(f"TRUNCATE pgmq.q_{queue}")
        await asyncio.sleep(SECONDS_WITHOUT_BROKER)

    try:
        live(crowd, trouble)
        nothing_was_lost(stack, market, crowd)  # still without a broker
    finally:
        for queue in ("celery", "heartbeat"):
            stack.sql(f"GRANT INSERT, SELECT, UPDATE, DELETE ON pgmq.q_{queue} TO {postgres.APP}")

    assert not {int(status) for status in crowd.journal.statuses if status != "broken"} & AGAIN
    assert not crowd.journal.statuses["broken"]
    before, until = pulse(), time.monotonic() + 90
    inside(stack, "tasks", count=10, seed=seed)
    while pulse() == before:
        assert time.monotonic() < until, "Celery took no task after the broker was back:\n" + "\n".join(
            stack.lines[-30:]
        )
        time.sleep(0.5)


def test_f5_messages_come_twice_late_and_out_of_order(stack, make_market, seed):
    market = make_market(workers=CLIENTS, hits=400, places=3)
    crowd = Crowd(stack.port, market, seed)
    rounds = 20 if FULL else 1

    async def trouble():
        for number in range(rounds):
            await asyncio.to_thread(inside, stack, "tasks", count=20, copies=3, seed=seed + number)
            # The same messages again, some of them visible only later: what a broker does that lost its place.
            stack.sql(
                "INSERT INTO pgmq.q_celery (vt, message, headers)"
                " SELECT now() + random() * interval '3 s', message, headers FROM pgmq.q_celery LIMIT 50"
            )

    live(crowd, trouble)
    nothing_was_lost(stack, market, crowd)


@pytest.mark.parametrize("places", [1, 100])
def test_f8_a_thousand_sockets_for_the_last_places(stack, make_market, places):
    market = make_market(workers=SOCKETS, hits=1, places=places, gold=0)

    async def ask(wire, start):
        await wire.connect()
        await start.wait()
        begun = time.monotonic()
        answer = await wire.post(f"/api/v1/batches/{market['public_id']}/accept", seconds=60)
        return answer, time.monotonic() - begun

    async def everybody():
        start = asyncio.Event()
        wires = [Wire("127.0.0.1", stack.port, token=token) for token in market["tokens"]]
        asking = [asyncio.create_task(ask(wire, start)) for wire in wires]
        await asyncio.sleep(0.5)
        start.set()
        return await asyncio.gather(*asking)

    answers = run_apart(everybody())

    statuses = [answer.status for answer, _ in answers]
    codes = {json.loads(answer.body)["code"] for answer, _ in answers if answer.status != 201}
    slowest = sorted(seconds for _, seconds in answers)[int(SOCKETS * 0.99)]
    print(f"p99 of {SOCKETS} accepts: {slowest:.2f} s")
    assert statuses.count(201) == places
    assert statuses.count(409) == SOCKETS - places
    assert codes <= {"no_work"}
    assert stack.sql("SELECT taken FROM marketplace_hit WHERE batch_id = %s", market["batch"]) == [(places,)]
    if FULL:
        assert slowest <= 5.0


def test_browsers_that_stay_connected_keep_nobody_out(stack):
    """More than granian would keep by itself (1024 in two processes) before it lets the next one wait 30 s."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def connect():
        idle = [Wire("127.0.0.1", stack.port) for _ in range(1100)]
        for wire in idle:
            await wire.connect()
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        await Wire("127.0.0.1", stack.port).post("/health/live", seconds=10)
        return time.monotonic() - begun

    assert run_apart(connect()) < 5


def test_the_site_ends_with_exit_code_0_after_all_that(stack):
    """The last of them, so that the stack is stopped while somebody looks."""
    assert stack.process.poll() is None
