"""Checking a design as a whole, and each row against it, before anything is published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from core import money
from core.errors import DomainError, Invalid
from core.outbound import NotSent, target_of
from core.preferences import preference
from marketplace.models import Project
from marketplace.rows import GOLD, BadRow, Row
from marketplace.rules import Rules
from marketplace.schema import Schema, schema_of
from marketplace.schema.kinds import Refused
from marketplace.templating import Template, compile_template, render_markdown

#: Where the site serves its own media; a value of a media column may be such an address.
MEDIA_PREFIX = "/media/"
LONGEST_URL = 2000


@dataclass(frozen=True)
class RowCheck:
    """What a row must have to be shown and asked about."""

    schema: Schema
    template: Template

    @classmethod
    def of(cls, design: Mapping[str, Any]) -> RowCheck:
        """From a frozen design."""
        return cls(schema_of(design["questions"]), compile_template(design["template"]))

    def checked(self, row: Row) -> Row | BadRow:
        """The row with its data and key in canonical form, or what is wrong with it."""
        data = row.data
        if not self._shown <= data.keys():
            column = min(self._shown - data.keys())
            there = ", ".join(sorted(data)[:20])
            return BadRow(row.line, column, f"The template shows this column; the row has only: {there}.")
        for column in self.template.media_columns:
            if mistake := mistake_of_media(data[column]):
                return BadRow(row.line, column, mistake)
        if self.schema.needed_columns:
            try:
                data = self.schema.read_data(data)
            except Invalid as invalid:
                return BadRow(row.line, *next(iter(invalid.errors.items())))
            row = row._replace(data=data)
        if row.key is None:
            return row
        try:
            return row._replace(key=self._read_key(row.key))
        except Invalid as invalid:
            return BadRow(row.line, *next(iter(invalid.errors.items())))

    def _read_key(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        key = {}
        for name, value in raw.items():
            column = name if name == GOLD else f"{GOLD}:{name}"
            if name == GOLD and len(self.schema) == 1:
                name = self.schema.questions[0].name
            if name not in self.schema:
                names = ", ".join(f"{GOLD}:{question.name}" for question in self.schema)
                raise Invalid(errors={column: f"Name the question of the key in the first line: {names}."})
            try:
                key[name] = self.schema[name].read_key(value)
            except Refused as refused:
                raise Invalid(errors={column: str(refused)}) from None
        return key

    @cached_property
    def _shown(self) -> frozenset[str]:
        return frozenset(self.template.columns)

    def media_of(self, data: Mapping[str, Any]) -> set[str]:
        """The addresses of other hosts whose media the item shows."""
        shown = {data[column] for column in self.template.media_columns}
        return {address for address in shown if not address.startswith(MEDIA_PREFIX)}


def mistake_of_media(value: Any) -> str | None:
    if value is None or value == "":
        return "Is empty. Give the address of the media, or take the row out."
    if not isinstance(value, str) or len(value) > LONGEST_URL:
        return f"Give one address of at most {LONGEST_URL} characters."
    if value.startswith(MEDIA_PREFIX):
        try:
            UUID(value.removeprefix(MEDIA_PREFIX))
        except ValueError:
            return "No address of uploaded media. It looks like /media/ and an id."
        return None
    try:
        target_of(value)
    except NotSent as never:
        return str(never)
    return None


def check_project(project: Project) -> Rules:
    """The project's rules, once everything in it has been read.

    Raises
    ------
    Invalid
        With all mistakes of questions, template, instructions and rules at once.
    """
    errors: dict[str, str] = {}
    rules = Rules()
    for name in ("questions", "template", "instructions", "rules"):
        try:
            if name == "questions":
                schema_of(project.questions)
            elif name == "template":
                compile_template(project.template)
            elif name == "instructions":
                render_markdown(project.instructions)
            else:
                rules = Rules.from_json(project.rules, audience=project.audience)
        except DomainError as wrong:
            is_markdown = name == "instructions"
            errors |= {name if is_markdown else field: sentence for field, sentence in wrong.errors.items()}
    if errors:
        raise Invalid("The project has errors. Nothing was changed.", errors=errors)
    return rules


def fingerprint(design: Mapping[str, Any]) -> str:
    """Changes when a file that was checked has to be checked again."""
    checked = {"questions": design["questions"], "template": design["template"]}
    return hashlib.sha256(orjson.dumps(checked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def prices(rules: Rules) -> dict[str, int]:
    """Reward and fee of one approved assignment, in micros."""
    reward = rules.reward_micros
    return {"reward": reward, "fee": money.fee_of(reward, preference("FEE_BASIS_POINTS"))}
