"""ActionsGuarded: who may accept, who may look, and who hears of a HIT at all."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from core.errors import Invalid
from lifecycle.announce import announce_work
from marketplace.errors import Hidden
from marketplace.models import Assignment, Batch, Participation
from marketplace.rules import Rules
from marketplace.selectors import known_projects, offered_to
from marketplace.services.choosing import save_search
from mturk import ids
from tests.mturk.conftest import QUESTION
from tests.mturk.frames_site import FILE, form_question
from users.models import Notice
from workers_app.models import Grant, Qualification

pytestmark = pytest.mark.django_db(transaction=True)
HTML = (
    '<HTMLQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2011-11-11/HTMLQuestion.xsd">'
    "<HTMLContent><![CDATA[<!DOCTYPE html><html><body><form><input name='label'></form></body></html>]]></HTMLContent>"
    "<FrameHeight>0</FrameHeight></HTMLQuestion>"
)


@pytest.fixture
def skill(client):
    made = client.create_qualification_type(Name="Reads labels", Description="d", QualificationTypeStatus="Active")
    return made["QualificationType"]["QualificationTypeId"]


@pytest.fixture
def guarded(create_hit, skill):
    """`guarded("Accept")`: a HIT for those who hold a qualification, and its batch."""

    def make(action=None, **more):
        asks = {"QualificationTypeId": skill, "Comparator": "Exists", **more}
        if action:
            asks["ActionsGuarded"] = action
        hit = create_hit(QualificationRequirements=[asks], Question=HTML, Title=f"Read it, {action or sorted(more)[0]}")
        return hit, Batch.objects.order_by("-pk").first()

    return make


@pytest.fixture
def holder(make_worker, skill):
    worker = make_worker()
    Grant.objects.create(qualification=Qualification.objects.get(public_id=ids.read(skill)), worker=worker, value=1)
    return worker


def page_of(client, worker, name, *args, method="get"):
    client.force_login(worker.user)
    return getattr(client, method)(reverse(name, args=args))


@pytest.fixture
def pages():
    return Client()


def test_it_is_given_back_as_sent(create_hit, skill):
    asks = {"QualificationTypeId": skill, "Comparator": "Exists"}
    cases = (
        ({}, "Accept"),
        ({"ActionsGuarded": "PreviewAndAccept"}, "PreviewAndAccept"),
        ({"ActionsGuarded": "DiscoverPreviewAndAccept"}, "DiscoverPreviewAndAccept"),
        ({"RequiredToPreview": True}, "PreviewAndAccept"),
        ({"RequiredToPreview": True, "ActionsGuarded": "Accept"}, "Accept"),
    )
    for number, (more, told) in enumerate(cases):
        (given,) = create_hit(QualificationRequirements=[asks | more], Title=f"Case {number}")[
            "QualificationRequirements"
        ]
        assert given == asks | more | {"ActionsGuarded": told}


def test_accept_lets_everybody_find_and_look(guarded, make_worker, pages, settings):
    settings.FRAME_ORIGIN = "http://frames.example"
    _hit, batch = guarded("Accept")
    worker = make_worker()

    listed = page_of(pages, worker, "find_work").content.decode()
    assert reverse("work_look", args=[batch.public_id]) in listed and "Closed to you" in listed
    led = page_of(pages, worker, "work_preview", batch.public_id, method="post")
    assert led.url == reverse("work_look", args=[batch.public_id])
    shown = page_of(pages, worker, "work_look", batch.public_id)
    assert shown.status_code == 200
    text = shown.content.decode()
    assert "Accept and start" not in text and "is asked for" in text
    address = re.search(r'src="(http://frames\.example[^"]+)"', text)[1].replace("&amp;", "&")
    assert "assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE" in address and "workerId" not in address
    page = pages.get(address.removeprefix("http://frames.example"), headers={"host": "frames.example"})
    assert page.status_code == 200 and "name='label'" in page.content.decode()
    assert not Assignment.objects.exists()
    refused = page_of(pages, worker, "start_work", batch.public_id, method="post")
    assert refused.url == reverse("find_work") and not Assignment.objects.exists()


def test_a_look_hands_in_nothing(guarded, make_worker, pages, settings):
    settings.FRAME_ORIGIN = "http://frames.example"
    _hit, batch = guarded("Accept")
    text = page_of(pages, make_worker(), "work_look", batch.public_id).content.decode()
    token = re.search(r"/f/([^/]+)/", text)[1]

    said = pages.post(f"/s/{token}/mturk/externalSubmit", {"label": "x"}, headers={"host": "frames.example"})

    assert said.status_code == 404 and "Accept the HIT" in said.content.decode()
    assert not Assignment.objects.exists()


def test_preview_and_accept_can_be_found_and_not_looked_at(guarded, make_worker, pages):
    worker = make_worker()
    for _hit, batch in (guarded("PreviewAndAccept"), guarded(RequiredToPreview=True)):
        listed = page_of(pages, worker, "find_work").content.decode()
        assert batch.project.name in listed
        assert reverse("work_look", args=[batch.public_id]) not in listed
        for name, method in (("work_preview", "post"), ("work_look", "get")):
            led = page_of(pages, worker, name, batch.public_id, method=method)
            assert led.url == reverse("find_work"), name
            assert "is asked for" in pages.get(led.url).content.decode()


def test_several_requirements_each_guard_their_own(create_hit, skill, make_worker, pages, client):
    other = client.create_qualification_type(Name="Other", Description="d", QualificationTypeStatus="Active")
    other = other["QualificationType"]["QualificationTypeId"]
    create_hit(
        QualificationRequirements=[
            {"QualificationTypeId": skill, "Comparator": "Exists", "ActionsGuarded": "DiscoverPreviewAndAccept"},
            {"QualificationTypeId": other, "Comparator": "DoesNotExist", "ActionsGuarded": "Accept"},
        ]
    )
    knows, knows_and_had, stranger = make_worker(), make_worker(), make_worker()
    for worker in (knows, knows_and_had):
        Grant.objects.create(qualification=Qualification.objects.get(name="Reads labels"), worker=worker)
    Grant.objects.create(qualification=Qualification.objects.get(name="Other"), worker=knows_and_had)

    def found(worker):
        return "Closed to you" if "Closed to you" in (page := _list(pages, worker)) else "Start" in page and "open"

    assert (found(knows), found(knows_and_had), found(stranger)) == ("open", "Closed to you", False)


def _list(pages, worker):
    page = page_of(pages, worker, "find_work").content.decode()
    return page if "Read a label" in page else ""


def test_for_who_may_not_discover_it_there_is_nothing(guarded, make_worker, holder, pages, api):
    hit, batch = guarded("DiscoverPreviewAndAccept")
    worker, type_id = make_worker(), hit["HITTypeId"]

    def statuses(who):
        pages.force_login(who.user)
        program = api(who.user, "work")
        return {
            "list": batch.project.name in pages.get(reverse("find_work")).content.decode(),
            "search": batch.project.name
            in pages.get(reverse("search") + "?q=Read it").content.decode().replace("Read it</", ""),
            "start": pages.post(reverse("start_work", args=[batch.public_id])).status_code,
            "preview": pages.post(reverse("work_preview", args=[batch.public_id])).status_code,
            "look": pages.get(reverse("work_look", args=[batch.public_id])).status_code,
            "link": pages.get(f"/mturk/preview?groupId={hit['HITGroupId']}").status_code,
            "tasks": pages.get(f"/projects/{type_id}/tasks").status_code,
            "favourite": pages.post(reverse("mark_favourite", args=[batch.project.public_id])).status_code,
            "message": pages.get(f"{reverse('my_message_new')}?project={batch.project.public_id}").status_code,
            "api list": len(program.get("work").json()["items"]),
            "api open": len(program.get("work?open=false").json()["items"]),
            "api one": program.get(f"work/{batch.public_id}").status_code,
            "api accept": program.post(f"batches/{batch.public_id}/accept").status_code,
        }

    assert statuses(worker) == {
        "list": False,
        "search": False,
        "start": 404,
        "preview": 404,
        "look": 404,
        "link": 404,
        "tasks": 404,
        "favourite": 404,
        "message": 404,
        "api list": 0,
        "api open": 0,
        "api one": 404,
        "api accept": 404,
    }
    assert not Participation.objects.filter(worker=worker).exists()
    assert batch not in offered_to(worker) and batch.project not in known_projects(worker)
    seen = statuses(holder)
    assert seen["list"] and seen["search"] and seen["api one"] == 200 and seen["api accept"] in (201, 409)
    assert {seen["start"], seen["link"], seen["tasks"], seen["favourite"], seen["message"]} == {302, 200}


def test_nothing_says_that_it_is_there_when_it_is_dry_or_closed(guarded, make_worker, holder, work_on, api):
    hit, batch = guarded("DiscoverPreviewAndAccept")
    work_on(hit, [("label", "x")], holder)

    assert api(make_worker().user, "work").post(f"batches/{batch.public_id}/accept").status_code == 404
    Batch.objects.filter(pk=batch.pk).update(state="closed")
    assert api(make_worker().user, "work").post(f"batches/{batch.public_id}/accept").status_code == 404
    with pytest.raises(Hidden):
        work_on(hit, worker=make_worker())


def test_who_has_worked_there_goes_on_knowing_it(guarded, holder, work_on, pages):
    hit, batch = guarded("DiscoverPreviewAndAccept")
    work_on(hit, [("label", "x")], holder)
    Grant.objects.all().delete()

    assert batch.project.name not in page_of(pages, holder, "find_work").content.decode()
    assert page_of(pages, holder, "start_work", batch.public_id, method="post").status_code == 302


def test_saved_searches_tell_only_those_who_may_know(guarded, make_worker, holder):
    announce_work()
    strangers = make_worker()
    for worker in (holder, strangers):
        save_search(worker=worker, name="all", filters={"q": "Read it"}, tells=True)
    guarded("DiscoverPreviewAndAccept")

    announce_work()

    assert [notice.user for notice in Notice.objects.filter(kind="work.new")] == [holder.user]


def test_a_market_that_hides_nothing_pays_one_look_in_an_index(make_worker, make_batch, django_assert_num_queries):
    worker = make_worker()
    make_batch()
    with django_assert_num_queries(2):
        list(offered_to(worker))


def test_what_hides_is_judged_once_for_each_set_of_requirements(
    client, create_hit, skill, holder, make_worker, django_assert_num_queries
):
    for number in range(5):
        create_hit(
            Title=f"Hidden {number}",
            QualificationRequirements=[
                {"QualificationTypeId": skill, "Comparator": "Exists", "ActionsGuarded": "DiscoverPreviewAndAccept"}
            ],
        )
    with django_assert_num_queries(3):
        assert len(list(offered_to(holder))) == 5
    assert not list(offered_to(make_worker()))


def test_a_rule_says_what_it_guards(make_batch, make_worker):
    asks = {"subject": "country", "compare": "==", "value": "DE"}
    with pytest.raises(Invalid):
        Rules.from_json({"requirements": [{**asks, "guards": "everything"}]})
    hidden = make_batch(rules={"requirements": [{**asks, "guards": "discover"}]})

    assert hidden in offered_to(make_worker(country="DE"))
    assert hidden not in offered_to(make_worker(country="FR"))
    assert Batch.objects.get(pk=hidden.pk).hidden_by == [{**asks, "guards": "discover"}]


@pytest.mark.parametrize(
    ("question", "path", "shows"),
    [
        (QUESTION, "/x/", "tasks.example.org"),
        (form_question(FILE), "/f/", "Scan"),
    ],
)
def test_every_kind_can_be_looked_at(question, path, shows, create_hit, skill, make_worker, pages, settings):
    settings.FRAME_ORIGIN = "http://frames.example"
    asks = {"QualificationTypeId": skill, "Comparator": "Exists"}
    create_hit(QualificationRequirements=[asks], Question=question)

    text = page_of(pages, make_worker(), "work_look", Batch.objects.get().public_id).content.decode()
    address = re.search(r'src="http://frames\.example([^"]+)"', text)[1].replace("&amp;", "&")
    page = pages.get(address, headers={"host": "frames.example"})

    assert address.startswith(path) and page.status_code == 200
    assert shows in page.content.decode() and "ASSIGNMENT_ID_NOT_AVAILABLE" in page.content.decode()
    assert pages.get(address, headers={"host": "frames.example"}).status_code == 200
    pages.logout()
    assert pages.get(address, headers={"host": "frames.example"}).status_code == 404
