"""Figures as the reader's language writes them: 1,234.50 in English, 1.234,50 in German."""

from __future__ import annotations

from django.utils.formats import get_format
from django.utils.translation import get_language

NARROW = "\u202f"
MINUS = "\u2212"


def written(figure: str) -> str:
    """A figure that Python wrote (`1,234.5`), in the separators of the active language."""
    separators = {",": get_format("THOUSAND_SEPARATOR"), ".": get_format("DECIMAL_SEPARATOR")}
    return figure.translate({ord(one): str(other) for one, other in separators.items()})


def symbol_first() -> bool:
    """Whether the currency stands before the amount."""
    return (get_language() or "en").startswith("en")
