"""Trying the work before anybody is paid for it: a real batch, unpaid, for members only.

It belongs to a twin of the project, so that nothing of it is ever part of the real one: no answer, no worker's record,
no price. The crowd is not shown it, because a twin is for a private team.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson
from django.core.files.base import ContentFile
from django.db import transaction

from core import clock
from core.errors import Invalid
from lifecycle.close import close_batch
from marketplace.models import Batch, Project
from marketplace.rows import Reader, Row
from marketplace.rules import Rules
from marketplace.selectors import freeze_design
from marketplace.services import media, posting
from marketplace.services.copying import copy_rows
from marketplace.services.costs import Places
from marketplace.services.design import RowCheck
from workers_app.models import Worker

MOST_ROWS = 10
#: So many members can answer each row; more would only wait for each other.
MOST_MEMBERS = 5
#: What a trial does otherwise than the work itself.
UNPAID: dict[str, Any] = {
    "mode": "fixed",
    "reward": "0",
    "budget": None,
    "gold_share": 0.0,
    "gates": False,
    "quiz_questions": 0,
    "per_worker": None,
    "per_day": None,
    "max_share": None,
    "max_open": 25,
    "auto_approve_seconds": 0,
    "requirements": [],
}
COPIED = (
    *("name", "summary", "questions", "template", "instructions", "examples", "instruction_version", "topics"),
    "is_distressing",
)


@transaction.atomic
def start_trial(*, project: Project, user: Any, rows: Sequence[Mapping[str, Any]] = ()) -> Batch:
    """A trial of the project as it is now, with the first rows of its newest draft (else with `rows`). The trial
    before is closed.

    Raises
    ------
    Invalid
        When there is nothing to try: no question, or no row that fits.
    """
    if not project.questions:
        raise Invalid(errors={"questions": "Ask at least one question, then try it."})
    twin = _twin_of(project)
    check = RowCheck.of(freeze_design(twin))
    fitting = list(islice(_fitting(check, _rows_of(project) or _rows_from(rows)), MOST_ROWS))
    if not fitting:
        raise Invalid(
            "There is no row to try it with.",
            errors={"rows": "Upload a table whose columns are the ones that the project shows."},
        )
    for before in twin.batches.filter(state__in=[Batch.State.OPEN, Batch.State.PAUSED]):
        close_batch(batch=before)
    Worker.objects.get_or_create(user=user)
    batch = posting.create_batch(project=twin, name=f"Trial of {project.name[:140]}")
    content = b"\n".join(orjson.dumps(row.data) for row in fitting)
    posting.attach_upload(batch=batch, file=ContentFile(content), name="trial.jsonl")
    batch = posting.begin_publishing(batch=batch)
    rules = Rules.from_json(batch.design["rules"])
    asked = media.ask_for(requester=project.requester, addresses=[check.media_of(row.data) for row in fitting])
    copied = copy_rows(
        batch=batch, rows=fitting, first_index=0, places=Places(rules, 0, len(fitting), ""), parked=asked.missing_in_row
    )
    asked.make_wait({index: one.hit_id for index, one in enumerate(copied)})
    return posting.open_published(batch=batch, hits=len(copied), levels={0})


def _twin_of(project: Project) -> Project:
    rules = Rules.from_json(project.rules, audience=project.audience).to_json()
    members = project.requester.memberships.count()
    changes = {name: getattr(project, name) for name in COPIED} | {
        "audience": Project.Audience.TEAM,
        "rules": rules | UNPAID | {"answers": min(max(members, 1), MOST_MEMBERS)},
        "archived_at": clock.now(),
    }
    twin, _is_new = Project.objects.update_or_create(
        trial_of=project, requester=project.requester, defaults=changes, create_defaults=changes
    )
    return twin


def _rows_of(project: Project) -> list[Any]:
    """The beginning of the newest draft's table, read as it will be published."""
    draft = project.batches.filter(state=Batch.State.DRAFT).exclude(upload="").order_by("-pk").first()
    if draft is None:
        return []
    with draft.upload.open("rb") as file:
        return list(islice(Reader(file, draft.upload_format, names=draft.upload_columns), 5 * MOST_ROWS))


def _rows_from(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    return [Row(line, {k: v for k, v in row.items() if k != "external_id"}) for line, row in enumerate(rows, 1)]


def _fitting(check: RowCheck, rows: Sequence[Any]) -> Iterator[Row]:
    """Good rows, as ordinary ones: a key would make one wait in the other lane."""
    for row in rows:
        if not isinstance(row, Row):
            continue
        plain = check.checked(row._replace(key=None, explanation="", external_id=None, group=None, priority=0))
        if isinstance(plain, Row):
            yield plain
