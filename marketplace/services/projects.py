"""Designing work: a project is checked as a whole whenever it is written, so that what is stored can be published."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from core import clock
from core.errors import Invalid
from marketplace.models import Project, Requester
from marketplace.services.design import check_project
from marketplace.templating import render_markdown

MOST_EXAMPLES = 30
#: What a requester may set. The rest follows.
FIELDS = frozenset(
    {
        *("name", "summary", "audience", "questions", "template", "instructions", "examples", "rules", "topics"),
        *("is_distressing", "own_pseudonyms"),
    }
)


@transaction.atomic
def create_project(*, requester: Requester, **fields: Any) -> Project:
    """Raises `Invalid` with all mistakes at once; nothing is stored then."""
    project = Project(requester=requester, **known(fields))
    check(project)
    project.save(force_insert=True)
    return project


@transaction.atomic
def update_project(*, project: Project, **changes: Any) -> Project:
    """Change the design for batches to come; published ones keep the copy that they froze. Raises as `create_project`.

    New instructions get a new version, which workers are shown once.
    """
    project = Project.objects.select_for_update().get(pk=project.pk)
    before = (project.instructions, project.examples)
    for name, value in known(changes).items():
        setattr(project, name, value)
    check(project)
    changed = {*changes, "updated_at"}
    if (project.instructions, project.examples) != before:
        project.instruction_version += 1
        changed.add("instruction_version")
    project.save(update_fields=changed)
    return project


def clone_project(*, project: Project, name: str = "") -> Project:
    """A new project with the same design."""
    fields = {field: getattr(project, field) for field in FIELDS}
    return create_project(requester=project.requester, **{**fields, "name": name or f"{project.name[:150]} (copy)"})


def archive_project(*, project: Project) -> Project:
    """Take it out of the lists. Its batches go on."""
    Project.objects.filter(pk=project.pk, archived_at=None).update(archived_at=clock.now())
    project.refresh_from_db()
    return project


def known(fields: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise Invalid(errors=dict.fromkeys(unknown, "A project has no such field."))
    return fields


def check(project: Project) -> None:
    errors: dict[str, str] = {}
    if not isinstance(project.name, str) or not 0 < len(project.name.strip()) <= 160:
        errors["name"] = "A name of 1 to 160 characters."
    if not isinstance(project.summary, str) or len(project.summary) > 300:
        errors["summary"] = "At most 300 characters."
    if project.audience not in Project.Audience.values:
        errors["audience"] = f"One of {', '.join(Project.Audience.values)}."
    if not isinstance(project.topics, list) or not all(isinstance(topic, str) for topic in project.topics):
        errors["topics"] = "A list of texts."
    for name, kind in (("template", str), ("instructions", str), ("rules", dict), ("questions", list)):
        if not isinstance(getattr(project, name), kind):
            errors[name] = {str: "A text.", dict: "An object.", list: "A list."}[kind]
    errors |= mistakes_of_examples(project.examples)
    for name in ("is_distressing", "own_pseudonyms"):
        if not isinstance(getattr(project, name), bool):
            errors[name] = "Write true or false."
    if errors:
        raise Invalid("The project has errors. Nothing was changed.", errors=errors)
    check_project(project)


def mistakes_of_examples(examples: Any) -> dict[str, str]:
    """What is wrong with examples, by their place; empty when nothing is."""
    if not isinstance(examples, list) or len(examples) > MOST_EXAMPLES:
        return {"examples": f"A list of at most {MOST_EXAMPLES} examples."}
    errors: dict[str, str] = {}
    for number, example in enumerate(examples):
        where = f"examples[{number}]"
        if not isinstance(example, dict) or set(example) - {"shows", "is_good", "why"}:
            errors[where] = "An object with shows, is_good and why."
            continue
        shows, why = example.get("shows"), example.get("why", "")
        if not isinstance(shows, str) or not 0 < len(shows.strip()) <= 5000:
            errors[f"{where}.shows"] = "Markdown of 1 to 5000 characters."
        else:
            try:
                render_markdown(shows)
            except Invalid as invalid:
                errors[f"{where}.shows"] = next(iter(invalid.errors.values()))
        if not isinstance(why, str) or len(why) > 500:
            errors[f"{where}.why"] = "A text of at most 500 characters."
        if not isinstance(example.get("is_good"), bool):
            errors[f"{where}.is_good"] = "true for an example, false for a counter-example."
    return errors
