"""Time and memory of the estimators at 10^6 and 10^7 answers, as ratios to crowd-kit's in the same run.

    python benchmarks/estimators.py [--sizes 1000000,10000000] [--json]

All times are of computing, on one core: the machine may have more to do. crowd-kit runs in an environment of its own,
var/bench-venv, made from requirements-bench.txt when it is missing. Whole fits on real sets are our Dawid-Skene against
theirs, with the same number of rounds at most. Exits 1 when a limit is broken: a fifteenth (tenth at 10^7) of its time
an iteration, 600 MB and 5 s for a whole hierarchical fit at 10^6, a thirtieth of its time for whole fits (median),
1 ms for the belief about one item.
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

from benchmarks.limits import Verdicts, are_crowds_here, at_most
from benchmarks.peers import BENCH_PYTHON, make_environment, output

PROJECT = Path(__file__).resolve().parents[1]
N_CLASSES = 4
RATIOS = {1_000_000: 1 / 15, 10_000_000: 1 / 10}
LIMITS = {"megabytes": 600.0, "seconds": 5.0}  # at 10^6
FITS, BELIEF_MS = 1 / 30, 1.0

CROWD_KIT = """
import json, sys, time
import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene
columns = np.load(sys.argv[1])
data = pd.DataFrame({"task": columns["items"], "worker": columns["workers"], "label": columns["labels"]})
taken = []
for rounds in (1, 1, 5):
    start = time.process_time()
    DawidSkene(n_iter=rounds, tol=-1e300).fit(data)
    taken.append(time.process_time() - start)
print(json.dumps((taken[2] - taken[1]) / 4))  # the first run warms up
"""


CROWD_KIT_FITS = """
import json, sys, time
import pandas as pd
from crowdkit.aggregation import DawidSkene
taken = {}
for name, columns in json.load(open(sys.argv[1])).items():
    data = pd.DataFrame({"task": columns["items"], "worker": columns["workers"], "label": columns["labels"]})
    times = []
    for _ in range(3):
        start = time.process_time()
        DawidSkene(n_iter=100).fit(data)
        times.append(time.process_time() - start)
    taken[name] = min(times)
print(json.dumps(taken))
"""


def main() -> int:
    """Measure, print, and say by the exit code whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000000,10000000")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object, too")
    parser.add_argument("--measure", choices=("iteration", "fit", "default"), help=argparse.SUPPRESS)
    parser.add_argument("--columns", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measures = {"iteration": measure_iteration, "fit": measure_fit, "default": measure_default}
        print(json.dumps(measures[options.measure](options.columns)))
        return 0
    found = [run(int(size)) for size in options.sizes.split(",")]
    fits, belief, verdicts = whole_fits(), measure_belief(), Verdicts()
    for one in found:
        print(table(one))
    for name, ratio in fits.items():
        print(f"whole fit, {name}: {1 / ratio:.0f} times as fast as crowd-kit")
    for one in found:
        limits = {"ratio": RATIOS.get(int(one["answers"]), 0.1)} | (LIMITS if one["answers"] == 1_000_000 else {})
        for name, limit in limits.items():
            verdicts.say(f"{one['answers']:.0e} answers, {name}", one[name], at_most(limit))
    if fits:
        verdicts.say("whole fits, ratio", float(np.median(list(fits.values()))), at_most(FITS))
    verdicts.say("belief about one item after an answer, ms", belief, at_most(BELIEF_MS))
    if options.json:
        print(json.dumps({"sizes": found, "fits": fits, "belief_ms": belief, "broken": verdicts.broken}))
    return verdicts.exit_code


def whole_fits() -> dict[str, float]:
    """Our time for a whole Dawid-Skene fit over crowd-kit's, for each real set that is there."""
    from quality.estimators import DawidSkene
    from tests.support import datasets

    if not are_crowds_here():
        return {}
    sets = {name: datasets.load(name) for name in datasets.CATEGORICAL}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sets.json"
        columns = ("items", "workers", "labels")
        file.write_text(json.dumps({n: {c: getattr(d, c).tolist() for c in columns} for n, d in sets.items()}))
        theirs = output([str(BENCH_PYTHON), "-c", CROWD_KIT_FITS, str(file)])
    ratios = {}
    for name, data in sets.items():
        times = []
        for _ in range(3):
            start = time.process_time()
            DawidSkene(n_iter=100).fit(data.items, data.workers, data.labels)
            times.append(time.process_time() - start)
        ratios[name] = min(times) / theirs[name]
    return ratios


def measure_belief() -> float:
    """Milliseconds to bring the belief about an item with seven answers in five classes up to date."""
    from quality.estimators.live import class_prior, pooled_confusion, update_item

    rng = np.random.default_rng(0)
    counts, pooled = rng.gamma(2, 5, (7, 5, 5)), pooled_confusion(np.full((5, 5), 100.0))
    labels, prior = rng.integers(0, 5, 7), class_prior(np.full(5, 50.0))
    start = time.process_time()
    for _ in range(1000):
        update_item(labels, counts, pooled, prior, previous=prior)
    return time.process_time() - start


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
        default = output([*this, "default"])
    return {
        "answers": n_answers,
        "crowd_kit_iteration": theirs,
        "dawid_skene_iteration": ours["dawid_skene"],
        "hierarchical_iteration": ours["hierarchical"],
        "dawid_skene_ratio": ours["dawid_skene"] / theirs,
        "ratio": ours["hierarchical"] / theirs,
        **whole,
        "default_seconds": default["seconds"],
        "default_megabytes": default["megabytes"],
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
    start = time.process_time()
    settled = run_em(setup, max_rounds=20, must_settle=False)
    hierarchical = (time.process_time() - start) / settled.n_iter
    taken = []
    for rounds in (2, 12):
        start = time.process_time()
        DawidSkene(n_iter=rounds, tol=0).fit(*judgments)
        taken.append(time.process_time() - start)
    return {"dawid_skene": (taken[1] - taken[0]) / 10, "hierarchical": hierarchical}


def measure_fit(path: Path) -> dict[str, float]:
    """Seconds and peak megabytes of a whole hierarchical fit: ids, guards, calibration by 100 gold items."""
    from quality.estimators import HierarchicalDawidSkene

    return whole_fit(path, HierarchicalDawidSkene)


def measure_default(path: Path) -> dict[str, float]:
    """The same of what the product delivers: collusion, kinds of items and opinions besides."""
    from quality.estimators import default_estimator

    return whole_fit(path, default_estimator("categorical"))


def whole_fit(path: Path, method) -> dict[str, float]:
    columns = np.load(path)
    items, workers, labels, truth = (columns[name] for name in ("items", "workers", "labels", "truth"))
    chosen = np.random.default_rng(1).choice(len(truth), min(100, len(truth)), replace=False)
    gold = {int(item): int(truth[item]) for item in chosen}
    start = time.process_time()
    model = method(seed=0, gold_sample="random").fit(items, workers, labels, gold=gold)
    return {
        "seconds": time.process_time() - start,
        "megabytes": peak_megabytes(),
        "rounds": model.n_iter_,
        "accuracy": float((model.labels_ == truth[model.items_]).mean()),
    }


def peak_megabytes() -> float:
    """The most memory of this program: `ru_maxrss` begins with that of the process it was started from."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(found: dict[str, float]) -> str:
    """The measurements for people."""
    answers = found["answers"]
    methods = {
        "crowd-kit DawidSkene": "crowd_kit",
        "DawidSkene": "dawid_skene",
        "HierarchicalDawidSkene": "hierarchical",
    }
    lines = [
        f"{answers:.0e} answers, K = {N_CLASSES}".replace("e+0", "e"),
        f"{'':24}{'s/iteration':>12}{'ns/answer':>12}{'times as fast':>15}",
    ]
    for name, key in methods.items():
        seconds = found[f"{key}_iteration"]
        faster = found["crowd_kit_iteration"] / seconds
        lines.append(f"{name:24}{seconds:12.3f}{1e9 * seconds / answers:12.0f}{faster:15.1f}")
    lines += [
        f"whole hierarchical fit: {found['seconds']:.2f} s, {found['rounds']} rounds, {found['megabytes']:.0f} MB, "
        f"accuracy {found['accuracy']:.3f}",
        f"whole default fit: {found['default_seconds']:.2f} s, peak {found['default_megabytes']:.0f} MB",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
