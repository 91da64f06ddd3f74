import time
from contextlib import contextmanager
from unittest import mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core.errors import Invalid
from lifecycle.digest import digest_due
from marketplace.models import Assignment
from mturk import ids, people
from mturk.models import AnswerFile
from mturk.services import files
from mturk.services.importing import import_grants, review_results
from mturk.services.receiving import hand_in
from tests.mturk.frames_site import FILE, form_question, html_question, post, taken
from workers_app.models import Grant
from workers_app.services.granting import create_qualification

pytestmark = pytest.mark.django_db


@pytest.fixture
def handed_in(requester, make_worker):
    row = post(requester, html_question("<input name=x>"), assignments=3)
    done = []
    for number in range(3):
        assignment = taken(make_worker(), row)
        hand_in(assignment=assignment, fields=[("x", str(number)), ("assignmentId", "3A")])
        done.append(assignment)
    digest_due()
    return done


def table(*rows):
    return "\n".join(['"HITId","AssignmentId","Approve","Reject"', *rows])


def line(assignment, yes="", no=""):
    return f'"3X","{ids.written(assignment.public_id)}","{yes}","{no}"'


def test_a_results_table_decides_once(requester, handed_in):
    by = requester.members.get()
    text = table(line(handed_in[0], "X"), line(handed_in[1], no="Blank, in part"), line(handed_in[2]))

    first = review_results(requester=requester, by=by, text=text)
    again = review_results(requester=requester, by=by, text=text)

    states = [Assignment.objects.get(pk=one.pk).state for one in handed_in]
    assert states == ["approved", "rejected", "submitted"]
    assert (first.done, first.passed_over, again.done, again.passed_over) == (2, 0, 0, 2)


def test_a_table_with_a_mistake_decides_nothing(requester, handed_in, make_requester):
    by, text = requester.members.get(), table(line(handed_in[0], "X"), line(handed_in[1], "X", "no"))
    with pytest.raises(Invalid) as refused:
        review_results(requester=requester, by=by, text=text)
    assert list(refused.value.errors) == ["line 3"]
    with pytest.raises(Invalid, match="lacks") as refused:
        review_results(requester=requester, by=by, text="a,b\n1,2")
    assert set(refused.value.errors) == {"AssignmentId", "Approve", "Reject"}
    other = make_requester()
    with pytest.raises(Invalid) as refused:
        review_results(requester=other, by=other.members.get(), text=table(line(handed_in[0], "X")))
    assert "of yours" in refused.value.errors["line 2"]
    assert {Assignment.objects.get(pk=one.pk).state for one in handed_in} == {"submitted"}


def test_a_table_of_workers_grants_and_revokes(requester, handed_in):
    reads = create_qualification(requester=requester, name="Reads Latin")
    worker = handed_in[0].worker
    name = people.worker_ids(requester, [worker.pk])[worker.pk]

    assert import_grants(requester=requester, text=f"Worker ID,UPDATE-Reads Latin\n{name},80\n").done == 1
    assert Grant.objects.get(worker=worker, qualification=reads).value == 80
    assert import_grants(requester=requester, text=f"Worker ID,UPDATE-Reads Latin\n{name},Revoke\n").done == 1

    for text, where in (
        ("Worker ID,UPDATE-Greek\nA1,1", "UPDATE-Greek"),
        ("Worker ID,UPDATE-Reads Latin\nAAAAAAAAAAAAAA,1", "line 2"),
        (f"Worker ID,UPDATE-Reads Latin\n{name},often", "line 2"),
        ("Worker ID,Other\nA1,1", "UPDATE-"),
    ):
        with pytest.raises(Invalid) as refused:
            import_grants(requester=requester, text=text)
        assert where in refused.value.errors


def test_a_file_is_had_by_a_link_for_a_minute_and_goes_with_its_hit(
    requester, make_worker, django_capture_on_commit_callbacks, settings
):
    row = post(requester, form_question(FILE))
    assignment = taken(make_worker(), row)
    hand_in(assignment=assignment, fields=[], files={"scan": SimpleUploadedFile("a.html", b"<b>")})
    kept = AnswerFile.objects.get()
    link = files.link_to(kept).removeprefix(settings.SITE_URL)

    answer = Client().get(link)
    assert b"".join(answer.streaming_content) == b"<b>"
    assert answer["Content-Disposition"].startswith("attachment") and answer["X-Content-Type-Options"] == "nosniff"
    assert Client().get(link + "x").status_code == 404
    with freeze(seconds=61):
        assert Client().get(link).status_code == 404
    with django_capture_on_commit_callbacks(execute=True):
        files.forget_files(hit_id=row.pk)
    assert not AnswerFile.objects.exists() and not kept.file.storage.exists(kept.file.name)


@contextmanager
def freeze(seconds):
    with mock.patch("django.core.signing.time.time", return_value=time.time() + seconds):
        yield
