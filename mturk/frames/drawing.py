"""A part of a QuestionForm as its template draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from mturk.form import OTHER, FormQuestion


def drawn(
    part: Any, number: int, given: QueryDict | None, errors: Mapping[str, str], media: Mapping[str, str]
) -> dict[str, Any]:
    """A part of the form for its template: `values` are what was chosen or typed before."""
    told: dict[str, Any] = {"content": part.content, "number": number, "media": media, "question": None}
    if isinstance(part, FormQuestion):
        name = part.identifier
        default = [getattr(part.answer, "default", "")]
        other = getattr(part.answer, "other", None)
        told |= {
            "question": part,
            "kind": type(part.answer).__name__,
            "values": given.getlist(name) if given is not None else default,
            "other_name": name + OTHER,
            "other": given.get(name + OTHER, "") if given is not None else getattr(other, "default", ""),
            "error": errors.get(name, ""),
            "alone": part.content[0].text if len(part.content) == 1 and part.content[0].kind == "text" else part.name,
        }
    return told
