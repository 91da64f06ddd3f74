"""`manage.py simulate`: crowds whose truth is known, and what each estimator makes of their answers."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quality import plots
from quality.simulation.crowds import DIFFICULTY, SPAM, TWINS, Recipe
from quality.simulation.experiment import METHODS, SLIDERS, Outcome, Result, run

COLUMNS = ("slider", "value", "method", "target", "answers", "accuracy", "low", "high", "confidence", "error",
           "reached", "right", "seconds", "crowds")  # fmt: skip


class Command(BaseCommand):
    help = (
        "Draws simulated crowds whose truth is known, runs the estimators on their answers, and says how right they"
        " are, how well they know it, and what stopping by confidence saves. No database is needed."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--twin", default="A", choices=TWINS,
            help="A: workers of mixed accuracy; B: two classes, 90/10; C: opposite biases; D: A with items that lure.",
        )  # fmt: skip
        parser.add_argument("--items", type=int, default=1500)
        parser.add_argument("--workers", type=int, default=100)
        parser.add_argument("--classes", type=int, help="Twins A and D; 4.")
        parser.add_argument("--answers", type=_numbers, default=[1, 2, 3, 5], help="Answers an item: 1,2,3,5")
        parser.add_argument("--skill", type=float, help="Mean accuracy of an honest worker; twins A and D; 0.8.")
        parser.add_argument(
            "--spam", type=float,
            help="Share of workers who answer at random (B: always the same). By itself: " + _by_twin(SPAM),
        )  # fmt: skip
        parser.add_argument("--collusion", type=float, default=0.0, help="Share of workers who copy one random key.")
        parser.add_argument(
            "--drift", type=float, default=0.0, help="Share of honest answers that are guesses in the end."
        )
        parser.add_argument(
            "--difficulty", type=float, help="Share of items with a lure. By itself: " + _by_twin(DIFFICULTY)
        )
        parser.add_argument("--gold", type=int, default=0, help="Known items, drawn at random; not scored.")
        parser.add_argument("--crowds", type=int, default=5, help="Crowds to draw: seeds 0, 1, 2, ...")
        parser.add_argument(
            "--methods", default=",".join(METHODS), help="Some of these, or crowd-kit:GLAD where it is installed."
        )
        parser.add_argument("--targets", type=_numbers, default=[], help="Also stop at these confidences: 0.9,0.95")
        parser.add_argument("--sweep", help="Also move one slider: spam=0:0.5:0.1 (" + ", ".join(SLIDERS) + ")")
        parser.add_argument("--out", type=Path, help="A folder for results.json, results.csv and plots as SVG.")
        parser.add_argument("--json", action="store_true", help="Print the result as one JSON object.")

    def handle(self, **options: Any) -> None:
        try:
            result = _run(options, (lambda words: None) if options["json"] else self._tell)
        except (ValueError, ImportError) as error:
            raise CommandError(str(error)) from error
        if options["out"]:
            _write(result, options["out"])
        if options["json"]:
            self.stdout.write(json.dumps(result.to_json()))
            return
        for line in _table(result):
            self.stdout.write(line)

    def _tell(self, words: str) -> None:
        self.stderr.write(f"done: {words}")


def _run(options: dict[str, Any], tell: Any) -> Result:
    fields = ("twin", "items", "workers", "spam", "collusion", "drift", "difficulty", "skill", "classes")
    answers = [int(one) for one in options["answers"]]
    if answers != options["answers"]:
        raise ValueError("answers must be whole numbers.")
    recipe = Recipe(answers=min(max(answers, default=1), options["workers"]), **{one: options[one] for one in fields})
    slider, values = _sweep(options["sweep"])
    return run(
        recipe, answers=answers, methods=options["methods"].split(","), targets=options["targets"],
        crowds=options["crowds"], gold=options["gold"], slider=slider, values=values, tell=tell,
    )  # fmt: skip


def _numbers(words: str) -> list[float]:
    return [float(one) for one in words.split(",")]


def _by_twin(shares: dict[str, float]) -> str:
    return ", ".join(f"{twin} {share:g}" for twin, share in shares.items()) + "."


def _sweep(words: str | None) -> tuple[str, list[float]]:
    """`spam=0:0.5:0.1` is spam at 0, .1, ... .5."""
    if not words:
        return "", []
    slider, _sign, between = words.partition("=")
    try:
        low, high, step = (float(one) for one in between.split(":"))
    except ValueError:
        raise ValueError("sweep is written as spam=0:0.5:0.1: slider, from, to, step.") from None
    if not (step > 0 and high >= low and (high - low) / step <= 100):
        raise ValueError("sweep needs a step above 0 from low to high, at most 100 of them.")
    return slider, [round(low + index * step, 6) for index in range(int((high - low) / step + 1e-9) + 1)]


def _rows(result: Result) -> list[dict[str, Any]]:
    plain: list[Outcome] = [*result.outcomes, *result.stopped]
    rows = [{"slider": "", "value": ""} | asdict(one) for one in plain]
    return rows + [
        {"slider": result.slider, "value": at.value} | asdict(one) for at in result.swept for one in at.outcomes
    ]


def _write(result: Result, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(result.to_json(), indent=1) + "\n")
    with (folder / "results.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(_rows(result))
    drawn = {"accuracy": plots.by_answers(result), "calibration": plots.calibration(result)}
    if result.swept:
        drawn[result.slider] = plots.swept(result)
    for name, chart in drawn.items():
        (folder / f"{name}.svg").write_text(plots.as_file(chart))


def _table(result: Result) -> list[str]:
    lines = [f"{'method':<28}{'answers':>8}{'right':>8}{'worst':>8}{'best':>8}{'stated':>8}{'error':>8}{'seconds':>9}"]
    for one in _rows(result):
        name = one["method"]
        name = f"{name} at {one['target']:g}" if "target" in one else name
        name = f"{name}, {one['slider']} {one['value']:g}" if one["slider"] else name
        figures = (one[key] * 100 for key in ("accuracy", "low", "high", "confidence", "error"))
        line = f"{name:<28}{one['answers']:>8.2f}" + "".join(f"{figure:>8.1f}" for figure in figures)
        lines.append(f"{line}{one['seconds']:>9.3f}")
    if result.found and result.found.copycats:
        found = result.found
        lines.append(f"copycats: {found.found} of {found.copycats} found, {found.accused} others taken for them")
    lines.append(f"per cent, mean of {result.crowds} simulated crowds; {result.gold} known items, not scored")
    return lines
