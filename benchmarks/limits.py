"""Limits that benchmarks keep: said figure by figure, and by the exit code; and whether the real crowds are there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limit:
    value: float
    is_least: bool

    def holds(self, figure: float) -> bool:
        return figure >= self.value if self.is_least else figure <= self.value


def at_least(value: float) -> Limit:
    return Limit(value, is_least=True)


def at_most(value: float) -> Limit:
    return Limit(value, is_least=False)


@dataclass
class Verdicts:
    """What was measured, beside its limits; `named` are those that a name stands for."""

    named: Mapping[str, Limit] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def say(self, name: str, figure: float, limit: Limit | None = None, beside: str = "limit") -> None:
        """One line, as soon as it is known; `beside` is whose figure the limit is."""
        limit = limit or self.named[name]
        holds = limit.holds(float(figure))
        print(f"{'holds' if holds else 'BROKEN':8}{name}: {figure:.4g} ({beside} {limit.value:.4g})", flush=True)
        if not holds:
            self.broken.append(name)

    @property
    def exit_code(self) -> int:
        return 1 if self.broken else 0


def are_crowds_here() -> bool:
    """Whether the folder of data sets is there; else says where it was looked for."""
    from tests.support import datasets  # what it brings along would weigh where memory is measured

    is_here = datasets.ROOT.is_dir()
    if not is_here:
        print(f"No data sets in {datasets.ROOT}: set DATASETS_DIR.", file=sys.stderr)
    return is_here
