"""The table of results as Amazon's site gave it: written, read by scripts, marked and brought back."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from core import clock
from marketplace.models import Assignment
from mturk import ids
from mturk.exporting import write_results
from mturk.services.importing import review_results
from tests.mturk.conftest import TYPE

pytestmark = pytest.mark.django_db(transaction=True)


def rows_of(requester, **which):
    to = io.StringIO()
    written = write_results(requester=requester, to=to, **which)
    table = csv.DictReader(io.StringIO(to.getvalue()))
    rows = list(table)
    assert written == len(rows)
    return list(table.fieldnames), rows


@pytest.fixture
def layout(requester, make_project):
    return make_project(requester=requester, template="<p>${text}</p><form><input name='a'></form>")


def test_a_row_for_each_answer_under_the_known_columns(client, create_hit, work_on, requester, layout):
    hit = create_hit(MaxAssignments=3, RequesterAnnotation="row 7")
    about = TYPE | {"Title": "By layout", "LifetimeInSeconds": 60, "HITLayoutId": ids.written(layout.public_id)}
    made = client.create_hit(**about, HITLayoutParameters=[{"Name": "text", "Value": "<b>=1+1</b>"}])["HIT"]
    first = work_on(hit, [("label", "cat"), ("box", "1"), ("box", "2"), ("note", "=cmd()")])
    second = work_on(hit, [("label", "dög, too")])
    work_on(hit)  # accepted, not handed in
    third = work_on(made, [("a", "x")], first.worker)
    client.approve_assignment(AssignmentId=ids.written(first.public_id), RequesterFeedback="Good.")
    Assignment.objects.filter(pk=first.pk).update(submitted_at=clock.now() - timedelta(days=10))

    columns, rows = rows_of(requester)

    assert columns[:3] == ["HITId", "HITTypeId", "Title"] and columns[-2:] == ["Approve", "Reject"]
    assert columns[27:-2] == ["Input.text", "Answer.label", "Answer.box", "Answer.note", "Answer.a"]
    assert [row["AssignmentId"] for row in rows] == [ids.written(one.public_id) for one in (first, second, third)]
    one = rows[0]
    told = client.get_assignment(AssignmentId=one["AssignmentId"])["Assignment"]
    assert (one["HITId"], one["HITTypeId"], one["WorkerId"]) == (hit["HITId"], hit["HITTypeId"], told["WorkerId"])
    assert (one["Title"], one["Reward"], one["MaxAssignments"]) == ("Read a label", "$0.10", "3")
    assert (one["RequesterAnnotation"], one["LifetimeInSeconds"]) == ("row 7", "3600")
    assert (one["AssignmentStatus"], one["RequesterFeedback"]) == ("Approved", "Good.")
    assert one["SubmitTime"] == f"{told['SubmitTime']:%a %b %d %H:%M:%S} UTC {told['SubmitTime'].year}"
    assert (one["Answer.label"], one["Answer.box"], one["Answer.note"]) == ("cat", "1|2", "'=cmd()")
    assert (one["LifetimeApprovalRate"], one["Last7DaysApprovalRate"]) == ("50% (1/2)", "0% (0/1)")
    assert (one["Approve"], one["Reject"], one["Input.text"], one["RejectionTime"]) == ("", "", "", "")
    assert rows[1]["Answer.label"] == "dög, too" and rows[2]["Input.text"] == "<b>=1+1</b>"
    assert [
        row["HITId"] for row in rows_of(requester, hit_type=layout.requester.hit_types.get(title="By layout"))[1]
    ] == [made["HITId"]]


def test_marked_it_can_be_brought_back(create_hit, work_on, requester, tmp_path, capsys):
    hit, owner = create_hit(MaxAssignments=3), requester.members.get()
    given = [work_on(hit, [("q", str(number))]) for number in range(3)]
    file = tmp_path / "results.csv"
    call_command("mturk_export", owner.email, str(file), "--hit-type", hit["HITTypeId"])
    with file.open(newline="") as opened:
        table = csv.DictReader(opened)
        rows = list(table)
    rows[0]["Approve"], rows[2]["Reject"] = "x", "Not this."
    marked = io.StringIO()
    writer = csv.DictWriter(marked, table.fieldnames)
    writer.writeheader()
    writer.writerows(rows)

    review_results(requester=requester, by=owner, text=marked.getvalue())

    assert [Assignment.objects.get(pk=one.pk).state for one in given] == ["approved", "submitted", "rejected"]
    assert "3 answers" in capsys.readouterr().out


def test_nobody_elses_results(client_of, create_hit, work_on, make_requester):
    hit = create_hit()
    work_on(hit, [("q", "a")])
    stranger = make_requester()

    assert rows_of(stranger)[1] == []
    with pytest.raises(CommandError):
        call_command("mturk_export", stranger.members.get().email, "-", "--hit-type", hit["HITTypeId"])
    with pytest.raises(CommandError):
        call_command("mturk_export", "nobody@example.org", "-")


def test_a_layout_is_found_by_its_id_on_the_page_of_keys(requester, layout, make_project):
    make_project(requester=requester, template="No placeholder in {{here}}.")
    strangers = make_project(template="${theirs}")
    pages = Client()
    pages.force_login(requester.members.get())

    page = pages.get(reverse("access_keys")).content.decode()

    assert ids.written(layout.public_id) in page and ids.written(strangers.public_id) not in page
    assert page.count('<span class="id">') == 1
