"""Time and memory of the estimators at 10^6 answers, as ratios to crowd-kit's in the same run.

    python benchmarks/estimators.py [--answers 1000000] [--json]

crowd-kit runs in an environment of its own, var/bench-venv, made from requirements-bench.txt when it is missing. Exits
1 when a limit is broken: a tenth of crowd-kit's time an iteration, 600 MB, 5 s for a whole fit.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peers import BENCH_PYTHON, make_environment, output

PROJECT = Path(__file__).resolve().parents[1]
N_CLASSES = 4
LIMITS = {"ratio": 0.1, "megabytes": 600.0, "seconds": 5.0}

CROWD_KIT = """
import json, sys, time
import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene
columns = np.load(sys.argv[1])
data = pd.DataFrame({"task": columns["items"], "worker": columns["workers"], "label": columns["labels"]})
taken = []
for rounds in (1, 1, 5):
    start = time.perf_counter()
    DawidSkene(n_iter=rounds, tol=-1e300).fit(data)
    taken.append(time.perf_counter() - start)
print(json.dumps((taken[2] - taken[1]) / 4))  # the first run warms up
"""


def main() -> int:
    """Measure, print, and say by the exit code whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--measure", choices=("iteration", "fit"), help=argparse.SUPPRESS)
    parser.add_argument("--columns", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps({"iteration": measure_iteration, "fit": measure_fit}[options.measure](options.columns)))
        return 0
    found = run(options.answers)
    broken = [name for name, limit in LIMITS.items() if found[name] > limit]
    print(json.dumps(found | {"broken": broken}) if options.json else table(found, broken))
    return 1 if broken else 0


def run(n_answers: int) -> dict[str, float]:
    """All measurements, each in a process of its own so that memory is its own."""
    make_environment()
    with tempfile.TemporaryDirectory() as folder:
        columns = Path(folder) / "columns.npz"
        np.savez(columns, **simulate(n_answers))
        this = [sys.executable, str(Path(__file__)), "--columns", str(columns), "--measure"]
        theirs = float(output([str(BENCH_PYTHON), "-c", CROWD_KIT, str(columns)]))
        ours = output([*this, "iteration"])
        whole = output([*this, "fit"])
    return {
        "answers": n_answers,
        "crowd_kit_iteration": theirs,
        "dawid_skene_iteration": ours["dawid_skene"],
        "hierarchical_iteration": ours["hierarchical"],
        "dawid_skene_ratio": ours["dawid_skene"] / theirs,
        "ratio": ours["hierarchical"] / theirs,
        **whole,
    }


def simulate(n_answers: int) -> dict[str, np.ndarray]:
    """Five answers an item, 200 a worker, accuracy Beta(8, 2); the columns and the truth."""
    rng = np.random.default_rng(0)
    n_items, n_workers = max(n_answers // 5, 1), max(n_answers // 200, 3)
    truth = rng.integers(0, N_CLASSES, n_items)
    items, workers = np.repeat(np.arange(n_items), 5), rng.integers(0, n_workers, n_items * 5)
    wrong = (truth[items] + rng.integers(1, N_CLASSES, len(items))) % N_CLASSES
    right = rng.random(len(items)) < rng.beta(8, 2, n_workers)[workers]
    return {"items": items, "workers": workers, "labels": np.where(right, truth[items], wrong), "truth": truth}


def measure_iteration(path: Path) -> dict[str, float]:
    """Seconds a round, from the difference of two numbers of rounds."""
    from quality.estimators import DawidSkene
    from quality.estimators.em import prepare
    from quality.estimators.em import run as run_em
    from quality.estimators.encode import encode, encode_gold
    from quality.estimators.expectation import default_pattern

    columns = np.load(path)
    judgments = columns["items"], columns["workers"], columns["labels"]
    answers = encode(*judgments)
    setup = prepare(answers, encode_gold(None, answers), default_pattern(N_CLASSES), None)
    start = time.perf_counter()
    settled = run_em(setup, max_rounds=20, must_settle=False)
    hierarchical = (time.perf_counter() - start) / settled.n_iter
    taken = []
    for rounds in (2, 12):
        start = time.perf_counter()
        DawidSkene(n_iter=rounds, tol=0).fit(*judgments)
        taken.append(time.perf_counter() - start)
    return {"dawid_skene": (taken[1] - taken[0]) / 10, "hierarchical": hierarchical}


def measure_fit(path: Path) -> dict[str, float]:
    """Seconds and peak megabytes of a whole fit: ids, guards, calibration by 100 gold items."""
    from quality.estimators import HierarchicalDawidSkene

    columns = np.load(path)
    items, workers, labels, truth = (columns[name] for name in ("items", "workers", "labels", "truth"))
    chosen = np.random.default_rng(1).choice(len(truth), min(100, len(truth)), replace=False)
    gold = {int(item): int(truth[item]) for item in chosen}
    start = time.perf_counter()
    model = HierarchicalDawidSkene(seed=0, gold_sample="random").fit(items, workers, labels, gold=gold)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rounds": model.n_iter_,
        "accuracy": float((model.labels_ == truth[model.items_]).mean()),
    }


def table(found: dict[str, float], broken: list[str]) -> str:
    """The measurements for people."""
    lines = [
        f"{found['answers']:.0e} answers, K = {N_CLASSES}".replace("e+0", "e"),
        f"{'':24}{'s/iteration':>12}{'of crowd-kit':>14}",
        f"{'crowd-kit DawidSkene':24}{found['crowd_kit_iteration']:12.3f}{1:14.3f}",
        f"{'DawidSkene':24}{found['dawid_skene_iteration']:12.3f}{found['dawid_skene_ratio']:14.3f}",
        f"{'HierarchicalDawidSkene':24}{found['hierarchical_iteration']:12.3f}{found['ratio']:14.3f}",
        f"whole fit: {found['seconds']:.2f} s, {found['rounds']} rounds, peak {found['megabytes']:.0f} MB, "
        f"accuracy {found['accuracy']:.3f}",
        f"broken limits: {', '.join(broken)}" if broken else "within all limits",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
