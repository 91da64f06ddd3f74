"""Whatever a program can do, a person can do on a page: both lead to the same services."""

from __future__ import annotations

import re

import pytest

from tests.support.calls import graph, reached
from tests.support.url_policy import methods_of, patterns

CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
SERVICE = re.compile(r"(lifecycle\.\w+|\w+\.services(\.\w+)?|core\.(operations|preferences))\.[a-z]\w*$")
#: What programs alone do, and why no page is needed.
FOR_PROGRAMS = {
    ("api-accept", "lifecycle.accept.accept_by_id"): "A page accepts with its batch at hand; a program has its id.",
    (
        "api-accept-named",
        "lifecycle.accept.accept_named",
    ): "Teams hand out named HITs by program; people take the next.",
    ("api-revise", "lifecycle.submit.revise"): "For replays of recorded crowds.",
    ("api-predictions", "lifecycle.machines.send_predictions"): "A model is a program.",
    ("api-batch-rows", "lifecycle.post_row.post_row"): "One row as it arises; on the page a table of one row is added.",
}


@pytest.fixture(scope="module")
def calls():
    return graph()


def operations():
    """(name, method, dotted name of the endpoint's method) of every act of the API."""
    for name, pattern in patterns():
        view = getattr(pattern.callback, "cls", None)
        for method in CHANGES.intersection(methods_of(pattern)) if name.startswith("api-") and view else ():
            yield name, method, f"{view.__module__}.{view.__name__}.{method.lower()}"


def test_every_act_of_the_api_has_its_page(calls):
    views = [name for name in calls if re.match(r"\w+\.views\.", name)]
    on_pages = reached(calls, views)
    missing = set()
    for name, _method, endpoint in operations():
        services = {one for one in reached(calls, [endpoint], within=".api.") if SERVICE.match(one) and one in calls}
        missing |= {(name, service) for service in services - on_pages}

    assert missing - FOR_PROGRAMS.keys() == set(), "No page does this."
    assert FOR_PROGRAMS.keys() - missing == set(), "These have a page by now, or are gone."


def test_the_acts_are_found(calls):
    """Else the test above would find nothing, whatever was missing."""
    found = {name: endpoint for name, _method, endpoint in operations()}
    assert len(found) > 100

    def services(name):
        return {one for one in reached(calls, [found[name]], within=".api.") if SERVICE.match(one)}

    assert "marketplace.services.posting.pause_batch" in services("api-batch-pause")
    assert "lifecycle.compensate.compensate" in services("api-compensations")
    assert all(endpoint in calls for endpoint in found.values() if ".api." in endpoint)
