"""Amazon's own schemas: what is of a known kind has nothing else in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock

from lxml import etree

_alone = Lock()


def mistake_in(root: etree._Element, name: str) -> str:
    """What the schema `name` forbids in `root`; empty where it allows all of it."""
    schema = _schema(name)
    with _alone:  # a schema keeps the mistakes that it found last
        try:
            schema.assertValid(root)
        except etree.DocumentInvalid as error:
            return str(error)
    return ""


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / f"{name}.xsd"))
