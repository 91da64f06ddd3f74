"""HIT layouts: the template of a project of the requester's, with a value put in for each `${name}`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from marketplace.models import Project, Requester
from mturk import ids
from mturk.errors import RequestError
from mturk.questions import HTML, check_size

PLACE = re.compile(r"\$\{([^{}]+)\}")


def question_of(*, requester: Requester, layout_id: str, parameters: Sequence[Mapping[str, str]]) -> str:
    """The HTMLQuestion that a layout makes of these values, which are put in as they are: markup in them is wanted.

    Raises
    ------
    RequestError
    """
    public_id = ids.read(layout_id)
    project = Project.objects.filter(requester=requester, public_id=public_id).first() if public_id else None
    if project is None or not project.template.strip():
        raise RequestError("InvalidParameterValue", f"HITLayout {layout_id} does not exist.")
    values = {one["Name"].strip(): one["Value"] for one in parameters}
    wanted = {name.strip() for name in PLACE.findall(project.template)}
    for name in sorted(wanted - set(values)):
        raise RequestError("AWS.MissingParameters", f"HITLayoutParameters: the layout asks for {name}.")
    for name in sorted(set(values) - wanted):
        raise RequestError("InvalidParameterValue", f"HITLayoutParameters: the layout has no {name}.")
    html = PLACE.sub(lambda found: values[found[1].strip()], project.template)
    question = (
        f'<?xml version="1.0" encoding="UTF-8"?><HTMLQuestion xmlns="{HTML.strip("{}")}"><HTMLContent><![CDATA['
        f"{html.replace(']]>', ']]]]><![CDATA[>')}]]></HTMLContent><FrameHeight>0</FrameHeight></HTMLQuestion>"
    )
    check_size("HITLayoutId", question)
    return question
