"""HIT layouts: the template of a project of the requester's, with a value for each `${name}` or `task.input.name`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import Q

from core.errors import Invalid
from marketplace.models import Project, Requester
from mturk import ids
from mturk.errors import RequestError
from mturk.finding import look_up
from mturk.layouts import fill, names_in
from mturk.questions import HTML, check_size

MOST_LISTED = 50


def layouts_of(requesters: Sequence[int]) -> list[tuple[Project, str]]:
    """Projects of these organisations whose template has placeholders, the newest first, each with its layout id."""
    has_names = Q(template__contains="${") | Q(template__contains="task.input.")
    rows = Project.objects.filter(has_names, requester__in=requesters, archived_at=None, trial_of=None)
    rows = rows.select_related("requester").only("public_id", "name", "requester__name", "requester__world")
    return [(row, ids.written(row.public_id)) for row in rows.order_by("-pk")[:MOST_LISTED]]


def question_of(*, requester: Requester, layout_id: str, parameters: Sequence[Mapping[str, str]]) -> str:
    """The HTMLQuestion that a layout makes of these values, which are put in as they are: markup in them is wanted.

    Raises
    ------
    RequestError
    """
    project = look_up(Project.objects.filter(requester=requester), layout_id)
    if project is None or not project.template.strip():
        raise RequestError("InvalidParameterValue", f"HITLayout {layout_id} does not exist.")
    values = {one["Name"].strip(): one["Value"] for one in parameters}
    wanted = set(names_in(project.template))
    for name in sorted(wanted - {name.partition(".")[0] for name in values} - set(values)):
        raise RequestError("AWS.MissingParameters", f"HITLayoutParameters: the layout asks for {name}.")
    try:
        html = fill(project.template, values)
    except Invalid as wrong:
        where, why = next(iter(wrong.errors.items()))
        raise RequestError("InvalidParameterValue", f"HITLayoutParameters: {where}: {why}") from None
    question = (
        f'<?xml version="1.0" encoding="UTF-8"?><HTMLQuestion xmlns="{HTML.strip("{}")}"><HTMLContent><![CDATA['
        f"{html.replace(']]>', ']]]]><![CDATA[>')}]]></HTMLContent><FrameHeight>0</FrameHeight></HTMLQuestion>"
    )
    check_size("HITLayoutId", question)
    return question
