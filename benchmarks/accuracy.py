"""What the default estimator reaches on real crowds of known truth, beside majority vote, crowd-kit and CROWDLAB.

    python benchmarks/accuracy.py [--draws 20] [--without-peers] [--json]

Four tables, as docs/estimators.md has them: all answers without gold; 1 and 2 answers an item; all answers with 50
random gold items that are not scored; calibration of those. Exits 1 under the limits below. Reads the folder
DATASETS_DIR (default: ../shared/datasets beside the project); peers run in var/bench-venv (requirements-bench.txt).
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from benchmarks.limits import Verdicts, are_crowds_here, at_least, at_most
from benchmarks.peers import peer_labels
from quality.estimators import DawidSkene, HierarchicalDawidSkene, default_estimator
from quality.estimators.encode import encode
from quality.estimators.metrics import brier_score, expected_calibration_error, majority_accuracy
from tests.support import datasets

FEW = ("rte", "dog", "bluebirds", "temporal", "weather_amt", "face")
N_GOLD = 50
LIMITS = {
    "mean without gold": at_least(83.5),
    "mean without gold, without ducks": at_least(83.3),
    "mean with gold": at_least(85.0),
    "worst against majority with gold": at_least(-0.5),
    "worst against majority at 1 and 2 answers": at_least(-0.5),
    "mean calibration error": at_most(0.04),
    "worst calibration error": at_most(0.08),
    "mean gain in Brier score": at_least(0.025),
    "worst gain in Brier score": at_least(-0.002),
}


def main() -> int:
    """Print the tables; say by the exit code whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="print the figures under limits as one JSON object")
    options = parser.parse_args()
    if not are_crowds_here():
        return 1
    figures = without_gold(options.without_peers) | at_few_answers(options.draws) | with_gold(options.draws)
    verdicts = Verdicts(LIMITS)
    for name, value in figures.items():
        verdicts.say(name, value)
    if options.json:
        print(json.dumps(figures | {"broken": verdicts.broken}))
    return verdicts.exit_code


def without_gold(alone: bool) -> dict[str, float]:
    """All answers: accuracy of every method on every set."""
    rows: dict[str, dict[str, float]] = {}
    notes = {}
    for name in datasets.CATEGORICAL:
        data = datasets.load(name)
        model = default_estimator("categorical")().fit(data.items, data.workers, data.labels)
        row = {"majority": votes_of(data)} | {"ours": data.accuracy(model.items_, model.labels_)}
        for method in (HierarchicalDawidSkene, DawidSkene):
            found = method().fit(data.items, data.workers, data.labels)
            row[method.__name__] = data.accuracy(found.items_, found.labels_)
        if not alone:
            row |= {f"{peer}": data.accuracy(*labels) for peer, labels in peer_labels(data).items()}
        rows[name], notes[name] = row, f"{model.n_kinds_} {model.status_}"
    table("all answers, no gold", rows, notes)
    ours = np.array([row["ours"] for row in rows.values()])
    others = [row["ours"] for name, row in rows.items() if name != "ducks"]
    return {
        "mean without gold": 100 * float(ours.mean()),
        "mean without gold, without ducks": 100 * float(np.mean(others)),
    }


def at_few_answers(draws: int) -> dict[str, float]:
    """One and two answers an item: mean accuracy of majority vote and of ours."""
    rows = {}
    for name in FEW:
        data = datasets.load(name)
        for redundancy in (1, 2):
            found = []
            for seed in range(draws):
                part = data.first(redundancy, np.random.default_rng(seed))
                model = default_estimator("categorical")().fit(part.items, part.workers, part.labels)
                found.append([votes_of(part), part.accuracy(model.items_, model.labels_)])
            rows[f"{name}, {redundancy}"] = dict(zip(("majority", "ours"), np.mean(found, axis=0), strict=True))
    table("few answers, no gold", rows)
    worst = min(row["ours"] - row["majority"] for row in rows.values())
    return {"worst against majority at 1 and 2 answers": 100 * float(worst)}


def with_gold(draws: int) -> dict[str, float]:
    """All answers and 50 random gold items: accuracy and calibration on the others."""
    rows = {}
    for name in datasets.CATEGORICAL:
        data = datasets.load(name)
        found = [score_with_gold(data, seed) for seed in range(draws)]
        rows[name] = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    table("all answers, 50 random gold", {n: {k: r[k] for k in ("majority", "ours")} for n, r in rows.items()})
    shown = ("ECE at b = 1", "ECE", "ECE over chance", "Brier at b = 1", "Brier")
    table("calibration (x 100)", {n: {k: r[k] for k in shown} for n, r in rows.items()})
    gaps = [row["ECE over chance"] for row in rows.values()]
    gains = [row["Brier at b = 1"] - row["Brier"] for row in rows.values()]
    return {
        "mean with gold": 100 * float(np.mean([row["ours"] for row in rows.values()])),
        "worst against majority with gold": 100 * float(min(row["ours"] - row["majority"] for row in rows.values())),
        "mean calibration error": float(np.mean(gaps)),
        "worst calibration error": float(max(gaps)),
        "mean gain in Brier score": float(np.mean(gains)),
        "worst gain in Brier score": float(min(gains)),
    }


def score_with_gold(data: datasets.Dataset, seed: int) -> dict[str, float]:
    """One draw of gold; nothing of it is scored."""
    rng = np.random.default_rng(seed)
    gold = {item: data.truth[item] for item in rng.choice(sorted(data.truth), N_GOLD, replace=False).tolist()}
    model = default_estimator("categorical")(gold_sample="random").fit(data.items, data.workers, data.labels, gold=gold)
    scored = np.array([item in data.truth and item not in gold for item in model.items_])
    truth = np.array([data.truth.get(item, "") for item in model.items_])
    right = (truth == model.labels_)[scored]
    confidence, posterior = np.clip(model.confidence_[scored], 0, 1), model.posteriors_[scored]
    sure = posterior[np.arange(len(right)), np.searchsorted(model.classes_, model.labels_[scored])]
    raw = expected_calibration_error(confidence, right, debiased=False)
    by_chance = np.mean([
        expected_calibration_error(confidence, rng.random(len(right)) < confidence, debiased=False) for _ in range(20)
    ])  # fmt: skip
    return {
        "majority": votes_of(data, scored),
        "ours": float(right.mean()),
        "ECE at b = 1": expected_calibration_error(sure, right, debiased=False),
        "ECE": raw,
        "ECE over chance": raw - float(by_chance),
        "Brier at b = 1": brier_score(sure, right),
        "Brier": brier_score(confidence, right),
    }


def votes_of(data: datasets.Dataset, scored: np.ndarray | None = None) -> float:
    """Accuracy of majority vote in expectation over random ties."""
    answers = encode(data.items, data.workers, data.labels)
    known = np.array([item in data.truth for item in answers.items])
    known = known if scored is None else scored
    truth = np.array([data.truth[item] for item in answers.items[known]])
    column = np.searchsorted(answers.classes, truth)
    # A truth that nobody said is out of reach for every method.
    reached = answers.classes[np.minimum(column, len(answers.classes) - 1)] == truth
    return majority_accuracy(answers.votes[known][reached], column[reached]) * float(reached.mean())


def table(title: str, rows: dict[str, dict[str, float]], notes: dict[str, str] | None = None) -> None:
    """A Markdown table in per cent with a row of means."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    print(f"\n{title}\n\n| data set | {' | '.join(columns)} |{' kinds, status |' if notes else ''}")
    print(f"| --- |{' --- |' * (len(columns) + bool(notes))}")
    for name, row in rows.items():
        # A peer may fail on a set.
        cells = " | ".join(f"{100 * row[column]:.1f}" if column in row else "-" for column in columns)
        print(f"| {name} | {cells} |" + (f" {notes[name]} |" if notes else ""))
    means = [float(np.mean([row.get(column, np.nan) for row in rows.values()])) for column in columns]
    print(f"| mean | {' | '.join(f'{100 * mean:.1f}' for mean in means)} |{' |' if notes else ''}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
