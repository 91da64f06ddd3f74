"""The list of work: whom a batch is open to, for many batches in as many queries as for one."""

import time

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from core.errors import Invalid
from lifecycle import upkeep
from lifecycle.upkeep import measure_pay
from marketplace import figures, jobs, selectors
from marketplace.api.work import Judged
from marketplace.models import Batch, Block, Membership, Participation, Project, Requester
from marketplace.rules import Rules
from marketplace.selectors import closed_to, designs_of, eligibility, freeze_design, offered_to, standing_of
from workers_app.models import Grant, Qualification

QUERIES_OF_STANDING = 4


@pytest.fixture
def market(make_requester, make_worker):
    """`market(batches=n, grants=m)`: open batches of different requesters, half asking for a grant that is held."""

    def make(*, batches: int, grants: int = 0):
        worker = make_worker()
        wanted = Qualification.objects.bulk_create(Qualification(name=f"skill {n}") for n in range(grants))
        Grant.objects.bulk_create(Grant(qualification=each, worker=worker, value=80) for each in wanted)
        subject = str(wanted[0].public_id) if wanted else "country"
        asks = [{"subject": subject, "compare": ">=" if wanted else "missing", "value": 50}]
        question = {"name": "digit", "kind": "categorical", "labels": ["zero", "one"]}
        requesters = Requester.objects.bulk_create(Requester(name=f"Museum {n}") for n in range(batches))
        projects = Project.objects.bulk_create(
            Project(
                requester=each,
                name=f"Read {n}",
                questions=[question],
                template="{{text}} " * 500,
                rules={"requirements": asks if n % 2 else []},
            )
            for n, each in enumerate(requesters)
        )
        now = timezone.now()
        Batch.objects.bulk_create(
            Batch(project=each, name=each.name, state="open", design=freeze_design(each), published_at=now, levels=[0])
            for each in projects
        )
        return worker

    return make


def test_many_batches_are_judged_in_as_many_queries_as_one(market, django_assert_num_queries):
    worker = market(batches=40, grants=30)
    batches = list(offered_to(worker))
    designs_of(batches)

    with django_assert_num_queries(QUERIES_OF_STANDING):
        closed = closed_to(worker, batches)

    assert len(closed) == 40
    assert not any(closed.values())


def test_designs_that_are_not_known_yet_are_read_in_one_query(market, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(selectors, "_DESIGNS", {})
    batches = list(offered_to(market(batches=12)))

    with django_assert_num_queries(1):
        designs = designs_of(batches)
    with django_assert_num_queries(0):
        assert designs_of(batches) == designs

    assert len(designs) == 12


def test_no_more_designs_are_kept_than_memory_is_meant_for(market, monkeypatch):
    monkeypatch.setattr(selectors, "_DESIGNS", {})
    monkeypatch.setattr(selectors, "MOST_DESIGNS", 5)

    designs_of(offered_to(market(batches=9)))

    assert len(selectors._DESIGNS) == 5


def test_the_answer_for_many_is_the_answer_for_each(make_batch, make_project, make_requester, make_worker):
    worker = make_worker(country="DE")
    skill = Qualification.objects.create(name="skill")
    Grant.objects.create(qualification=skill, worker=worker, value=40)
    need = {"subject": str(skill.public_id), "compare": ">=", "value": 50}
    own, foe = make_requester(), make_requester()
    Membership.objects.create(requester=own, user=worker.user)
    Block.objects.create(requester=foe, worker=worker, reason="late")
    barred = make_batch()
    Participation.objects.create(worker=worker, batch=barred, barred="paused", barred_text="Until a person looked.")
    batches = [
        make_batch(),
        make_batch(project=make_project(requester=own)),
        make_batch(project=make_project(requester=own, audience="team")),
        make_batch(project=make_project(audience="team")),
        make_batch(project=make_project(requester=foe)),
        make_batch(project=make_project(is_distressing=True)),
        make_batch(rules={"requirements": [need]}),
        make_batch(
            rules={"requirements": [{**need, "value": 40}, {"subject": "country", "compare": "in", "value": []}]}
        ),
        barred,
        make_batch(project=barred.project),
    ]

    closed = closed_to(worker, batches)

    assert [[reason.code for reason in closed[batch.pk]] for batch in batches] == [
        [],
        ["own_work"],
        [],
        ["private"],
        ["blocked"],
        ["distressing"],
        [f"requirement:{skill.public_id}"],
        ["requirement:country"],
        ["paused"],
        ["paused"],
    ]
    assert all(closed[batch.pk] == eligibility(worker, batch) for batch in batches)
    assert closed[batches[-1].pk][0].message == "Until a person looked."


def test_strangers_do_not_hear_of_private_work(make_batch, make_project, make_requester, make_worker):
    requester, member, stranger = make_requester(), make_worker(), make_worker()
    Membership.objects.create(requester=requester, user=member.user)
    team = make_batch(project=make_project(requester=requester, audience="team"))
    public = make_batch()

    assert set(offered_to(member)) == {team, public}
    assert set(offered_to(stranger)) == {public}


def test_a_standing_speaks_only_for_what_was_asked(make_batch, make_worker):
    worker, batch = make_worker(), make_batch()
    other = Qualification.objects.create(name="other")
    Grant.objects.create(qualification=other, worker=worker)

    assert standing_of(worker, [batch]).held == {}


def test_find_work_by_api_takes_the_same_queries_for_any_number_of_batches(api, market, django_assert_max_num_queries):
    def ask(batches: int, question: str) -> int:
        worker = market(batches=batches, grants=3)
        client = api(worker.user, "work")
        client.get(f"work{question}")  # designs are parsed once a process
        with django_assert_max_num_queries(30) as made:
            assert client.get(f"work{question}").status_code == 200
        return len(made)

    ask(2, "?limit=200")  # a market whose qualification the workers after this one lack: its name is looked up
    few, many = ask(2, "?limit=200"), ask(60, "?limit=200")
    assert few == many
    # What is open is found by the standing, and asks for no qualification whose name would be looked up.
    found = many + QUERIES_OF_STANDING - 1
    assert ask(3, "?open=true&limit=200") == ask(50, "?open=true&limit=200") == found


def test_the_page_takes_the_same_queries_for_any_number_of_batches(market, django_assert_max_num_queries):
    def ask(batches: int) -> int:
        browser = Client()
        browser.force_login(market(batches=batches).user)
        browser.get("/work/")
        cache.clear()
        with django_assert_max_num_queries(40) as made:
            assert browser.get("/work/").status_code == 200
        return len(made)

    assert ask(2) == ask(19)


def test_the_best_paid_are_found_among_very_many_newer_ones(make_batch, make_project, make_worker, monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 2)
    monkeypatch.setattr(jobs, "ENOUGH", 1)
    monkeypatch.setitem(upkeep._measured, "up to", 0)
    rules = {"estimated_seconds": 36, "reward": "0.10"}
    best = make_batch(hits=1, rules={**rules, "reward": "0.50"})
    closed = make_batch(hits=1, project=make_project(is_distressing=True, rules={**rules, "reward": "0.90"}))
    other = make_batch(hits=1, project=make_project(is_distressing=True, rules={**rules, "reward": "0.80"}))
    newer = [make_batch(hits=1, rules=rules) for _n in range(4)]
    worker = make_worker()
    assert measure_pay(most=3) == 3 and measure_pay(most=3) == 3 and measure_pay(most=3) == 1
    assert measure_pay(most=100) == 0, "what has not changed is not written"

    by_pay = jobs.find(worker, jobs.Filters())
    by_time = jobs.find(worker, jobs.Filters(sort="new"))

    # Of the first two nothing is open: two more are looked at.
    assert [job.batch for job in by_pay.jobs] == [best, newer[-1], closed, other]
    assert [job.batch for job in by_time.jobs] == newer[:1:-1]
    assert by_pay.is_cut and by_time.is_cut
    assert Batch.objects.get(pk=best.pk).hourly == 50_000_000
    monkeypatch.setattr(jobs, "MOST", 100)
    assert not jobs.find(worker, jobs.Filters()).is_cut


def test_programs_page_through_what_is_open_to_them(api, make_batch, make_project, make_worker, monkeypatch):
    monkeypatch.setattr(Judged, "AT_ONCE", 2)
    made = [make_batch(project=make_project(is_distressing=n % 3 == 0)) for n in range(7)]
    wanted = [str(batch.public_id) for n, batch in enumerate(made) if n % 3][::-1]
    client = api(make_worker().user, "work")

    first = client.get("work?open=true&limit=3").json()
    second = client.get(f"work?open=true&limit=3&cursor={first['next_cursor']}").json()

    assert [one["batch"] for one in first["items"] + second["items"]] == wanted
    assert second["next_cursor"] is None
    assert len(client.get("work?open=false").json()["items"]) == 3


MANY_BATCHES = """
INSERT INTO marketplace_batch (public_id, project_id, name, state, paused_because, is_standing, design, reward, fee,
    assignment_seconds, levels, open_cap, lane_share, upload, upload_name, upload_format, upload_columns, upload_facts,
    created_at, published_at, spent_that_day, hourly)
SELECT gen_random_uuid(), project_id, name, state, '', false, design, reward, 0, 600, levels, 10, 0, '', '', '', '{}',
       '{}', now(), now() - n * interval '1 second', 0, (random() * 20000000)::bigint
FROM generate_series(1, 200) n, (SELECT * FROM marketplace_batch ORDER BY id DESC LIMIT 500) b
"""


@pytest.mark.pace
def test_a_hundred_thousand_open_batches_are_listed_in_time(api, market):
    worker = market(batches=500, grants=300)
    with connection.cursor() as cursor:
        cursor.execute(MANY_BATCHES)
        cursor.execute("ANALYZE marketplace_batch")
    client, browser = api(worker.user, "work"), Client()
    browser.force_login(worker.user)
    asked = {
        "page": lambda: browser.get("/work/"),
        "newest": lambda: browser.get("/work/?sort=new"),
        "reward": lambda: browser.get("/work/?sort=reward"),
        "program": lambda: client.get("work?open=true&limit=100"),
    }
    took = {}
    for name, ask in asked.items():
        ask()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            assert ask().status_code == 200
            times.append(time.perf_counter() - began)
        took[name] = min(times)

    assert {name: seconds for name, seconds in took.items() if seconds > 0.2} == {}


@pytest.mark.pace
def test_five_hundred_open_batches_and_many_grants_are_listed_in_time(api, market):
    worker = market(batches=500, grants=300)
    client = api(worker.user, "work")
    client.get("work?open=true&limit=100")
    took = []
    for _ in range(10):
        began = time.perf_counter()
        found = client.get("work?open=true&limit=100").json()["items"]
        took.append(time.perf_counter() - began)

    assert len(found) == 100
    assert min(took) < 0.2


def test_figures_of_many_batches_are_those_of_each(make_batch, make_worker):
    batches = [make_batch(hits=3), make_batch(hits=0), make_batch(hits=2, rules={"estimated_seconds": 36})]

    pays, left = figures.pays_of(batches), figures.lefts_in(batches)
    cache.clear()

    assert [left[b.pk] for b in batches] == [3, 0, 2] == [figures.left_in(b) for b in batches]
    assert [pays[b.pk] for b in batches] == [figures.pay_of(b) for b in batches]
    assert [pays[b.pk].hourly for b in batches] == [None, None, 10_000_000]


@pytest.mark.parametrize("subject", ["skill", "", 7, None, ["country"]])
def test_a_requirement_about_nothing_known_is_refused_before_anybody_meets_it(subject):
    with pytest.raises(Invalid) as refusal:
        Rules.from_json({"requirements": [{"subject": subject, "compare": "exists"}]})

    assert refusal.value.errors == {"rules.requirements[0].subject": "country, language, or a qualification's id."}
