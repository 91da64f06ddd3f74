"""Copycats, gate, monitor and certificate on real crowds.

    python benchmarks/crowds.py [--seeds 10] [--audits 2000] [--only copycats,gate,monitor,certificate]

Exits 1 over the limits. Reads the folder DATASETS_DIR as `benchmarks/accuracy.py` does.

* copycats: answers of randomly chosen workers replaced by one random key with 5 % noise, until they hold 30 (40) % of
  all; accuracy lost against the same answers deleted.
* gate: half of the items are gold, given in random order; who is paused, and how right those are on the other half.
* monitor: each worker's gold drawn again and again; how often a steady one is paused within 150, and how soon a fall
  of .25 is seen.
* certificate: exact coverage on the grid of the quality design; coverage over random audits of delivered labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from benchmarks.limits import Verdicts, are_crowds_here, at_least, at_most
from quality.estimators import default_estimator
from quality.estimators.certificate import PPI_ERRORS, audit_interval, ppi_interval
from quality.estimators.gold import LOOKS, MONITOR_FROM, Monitor, bar_for, monitor, pause_verdict
from tests.support import datasets
from tests.support.copycats import with_copycats

COPIED = ("bluebirds", "rte", "dog")
#: The service's first guess at a pool's mean, and golds from which a worker's rate tells something of the pool.
FIRST_MEAN, RATE_FROM = 0.75, 10
#: Answers on the other half from which a worker's accuracy is known.
KNOWN = 20
DELIVERED, PARTS, ACCURACIES = (300, 1000, 3000, 10_000), (0.02, 0.1, 0.3, 0.6, 0.9), (0.85, 0.9, 0.95, 0.98, 0.995)
LIMITS = {
    "lost to 30 % copycats, worst set": at_most(0.03),
    "lost to 40 % copycats, worst set": at_most(0.08),
    "workers paused, worst job": at_most(0.30),
    "of those below 1/K + .1 paused": at_least(0.60),
    "of the above-median paused": at_most(0.05),
    "steady workers paused within 150": at_most(0.05),
    "answers until a fall of .25 is seen": at_most(35.0),
    "exact coverage, worst cell": at_least(0.945),
    "exact coverage, mean": at_most(0.98),
    "coverage on real sets, worst": at_least(0.94),
}


def main() -> int:
    """Print each figure beside its limit; say by the exit code whether all hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--audits", type=int, default=2000)
    parser.add_argument("--only", default="copycats,gate,monitor,certificate")
    options = parser.parse_args()
    if not are_crowds_here():
        return 1
    parts: dict[str, Callable[[], Iterator[tuple[str, float]]]] = {
        "copycats": lambda: copycats(options.seeds),
        "gate": lambda: gates(options.seeds),
        "monitor": lambda: monitors(options.seeds),
        "certificate": lambda: certificates(options.audits),
    }
    verdicts = Verdicts(LIMITS)
    for part in options.only.split(","):
        for name, value in parts[part]():
            verdicts.say(name, value)
    return verdicts.exit_code


# --- copycats ---------------------------------------------------------------------------------------------------------


def copycats(seeds: int) -> Iterator[tuple[str, float]]:
    for share in (0.3, 0.4):
        lost = {name: [loss(name, share, seed) for seed in range(seeds)] for name in COPIED}
        for name, found in lost.items():
            print(f"{name}, {share:.0%} copied: {np.mean(found):+.4f} lost, at most {max(found):+.4f}", flush=True)
        yield f"lost to {100 * share:.0f} % copycats, worst set", max(float(np.mean(found)) for found in lost.values())


def loss(name: str, share: float, seed: int) -> float:
    """Accuracy with the copies' answers deleted, less that with them."""
    data, copied = with_copycats(datasets.load(name), share, seed)
    found = []
    for keep in (~copied, np.ones(len(copied), bool)):
        model = default_estimator("categorical")().fit(data.items[keep], data.workers[keep], data.labels[keep])
        found.append(data.accuracy(model.items_, model.labels_))
    return found[0] - found[1]


# --- gate and monitor -------------------------------------------------------------------------------------------------


def right_by_worker(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Of the answers to items with a truth: item and worker as numbers, whether right; and the number of classes."""
    data = datasets.load(name)
    known = np.array([item in data.truth for item in data.items])
    _, item = np.unique(data.items[known], return_inverse=True)
    _, worker = np.unique(data.workers[known], return_inverse=True)
    truth = np.array([data.truth[i] for i in data.items[known]])
    return item, worker, data.labels[known] == truth, len(np.unique(data.labels))


def gates(seeds: int) -> Iterator[tuple[str, float]]:
    most, caught, harmed = [], [], []
    for name in datasets.CATEGORICAL:
        found = [gate_job(name, seed) for seed in range(seeds)]
        paused, bad, good = (np.concatenate([one[k] for one in found]) for k in range(3))
        share = [float(one[0].mean()) for one in found]
        caught.append(bad)
        harmed.append(good)
        most.append(max(share))
        print(
            f"{name}: {np.mean(share):.3f} paused, at most {max(share):.3f}; {bad.sum()} of {len(bad)} bad ones, "
            f"{good.sum()} of {len(good)} above the median",
            flush=True,
        )
    yield "workers paused, worst job", max(most)
    yield "of those below 1/K + .1 paused", float(np.concatenate(caught).mean())
    yield "of the above-median paused", float(np.concatenate(harmed).mean())


def gate_job(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is paused (W,), and of those whose accuracy is known: the bad ones', and the above-median ones' pauses."""
    item, worker, right, n_classes = right_by_worker(name)
    rng = np.random.default_rng(seed)
    is_gold = (rng.permutation(item.max() + 1) < (item.max() + 1) // 2)[item]
    n_workers = worker.max() + 1
    counts, paused = np.zeros((2, n_workers), int), np.zeros(n_workers, bool)
    for row in rng.permutation(np.flatnonzero(is_gold)):
        w = worker[row]
        if paused[w]:
            continue
        counts[int(right[row]), w] += 1
        wrong, good = int(counts[0, w]), int(counts[1, w])
        if wrong + good not in LOOKS:
            continue
        # As the pool stands at this look; `quality.selectors.pool_of` sums the same in the database.
        answered = counts.sum(axis=0)
        seen = answered >= RATE_FROM
        bar = bar_for((counts[1, seen] / answered[seen]).tolist(), int(answered.sum()), n_classes)
        mean = float((counts[1].sum() + 5 * FIRST_MEAN) / (answered.sum() + 5))
        if not bar.warns_only:
            # Only the worst are paused: who did worse comes before.
            rate = (counts[1] + 1) / (answered + 2)
            before = paused | ((answered >= LOOKS[0]) & (rate < rate[w]))
            paused[w] = pause_verdict(good, wrong, mean, bar, int(before.sum()), n_workers) == "pause"
    other = np.bincount(worker[~is_gold], minlength=n_workers)
    truth = np.bincount(worker[~is_gold], right[~is_gold], n_workers) / np.maximum(other, 1)
    # Who was looked at, and is known well enough to say what they are.
    judged = (counts.sum(axis=0) >= LOOKS[0]) & (other >= KNOWN)
    median = np.median(truth[judged]) if judged.any() else 1.0
    return paused, paused[judged & (truth < 1 / n_classes + 0.1)], paused[judged & (truth > median)]


def monitors(seeds: int, most: int = 400) -> Iterator[tuple[str, float]]:
    rng = np.random.default_rng(0)
    paused, seen = [], []
    for name in datasets.CATEGORICAL:
        _, worker, right, _ = right_by_worker(name)
        mean = float(right.mean())
        for w in np.flatnonzero(np.bincount(worker) >= 2 * KNOWN):
            own = right[worker == w]
            if own.mean() < 0.5:
                continue  # the gate's business
            for _ in range(seeds):
                steady = rng.choice(own, MONITOR_FROM + 150)
                paused.append(first(steady, mean, ("pause",)) is not None)
                fallen = rng.choice(own, MONITOR_FROM + 70 + most)
                fallen[MONITOR_FROM + 70 :] &= rng.random(most) < 1 - 0.25 / own.mean()
                seen.append(first(fallen, mean, ("raise", "pause"), MONITOR_FROM + 70) or most)
    print(f"{len(seen) // seeds} workers, {seeds} times; a fall is seen after {np.median(seen):.0f} in the median")
    yield "steady workers paused within 150", float(np.mean(paused))
    yield "answers until a fall of .25 is seen", float(np.mean(seen))


def first(answers: np.ndarray, mean: float, events: tuple[str, ...], start: int = 0) -> int | None:
    """The number after `start` of the first answer that brings one of the events."""
    state, right, wrong = Monitor(), 0, 0
    for n, is_right in enumerate(answers.tolist()):
        state = monitor(state, is_right, right, wrong, mean)
        right, wrong = right + is_right, wrong + (not is_right)
        if n >= start and state.event in events:
            return n + 1 - start
    return None


# --- certificate ------------------------------------------------------------------------------------------------------


def certificates(audits: int) -> Iterator[tuple[str, float]]:
    covers = exact_coverage()
    yield "exact coverage, worst cell", min(covers)
    yield "exact coverage, mean", float(np.mean(covers))
    worst = []
    for name in datasets.CATEGORICAL:
        right, stated = delivered(name)
        n = min(200, len(right) // 3)
        exact, ppi, width = resampled(right, stated, n, audits)
        worst.append(exact)
        helped = f"PPI++ {np.mean(ppi):.3f} of {len(ppi)}, {width:.2f} times as wide" if len(ppi) else "no PPI++"
        print(f"{name}: {len(right)} delivered, {n} audited: exact {exact:.3f}; {helped}", flush=True)
    yield "coverage on real sets, worst", min(worst)


def delivered(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Of the labels delivered without gold: whether they are right, and how sure they are said to be."""
    data = datasets.load(name)
    model = default_estimator("categorical")().fit(data.items, data.workers, data.labels)
    known = np.array([item in data.truth for item in model.items_])
    truth = np.array([data.truth.get(item, "") for item in model.items_])
    return (model.labels_ == truth)[known], model.confidence_[known]


def resampled(right: np.ndarray, stated: np.ndarray, n: int, audits: int) -> tuple[float, np.ndarray, float]:
    """Coverage of the exact interval; whether PPI++ covers, where it is shown; its mean width over the exact one's."""
    rng, accuracy = np.random.default_rng(0), right.mean()
    interval = lru_cache(None)(audit_interval)
    exact, ppi, widths = [], [], []
    for _ in range(audits):
        chosen = rng.choice(len(right), n, replace=False)
        errors = int(n - right[chosen].sum())
        plain = interval(len(right), n, errors)
        exact.append(plain.lower - 1e-12 <= accuracy <= plain.upper + 1e-12)
        if errors >= PPI_ERRORS:
            found = ppi_interval(right[chosen], stated[chosen], stated)
            ppi.append(found.lower <= accuracy <= found.upper)
            widths.append((found.upper - found.lower) / (plain.upper - plain.lower))
    return float(np.mean(exact)), np.array(ppi), float(np.mean(widths)) if widths else 0.0


def exact_coverage() -> list[float]:
    """In each cell of the grid, over all audits that there can be, where simulation would draw 20 000."""
    from scipy.stats import hypergeom

    covers = []
    for n_delivered in DELIVERED:
        for n_audited in (max(int(n_delivered * part), 10) for part in PARTS):
            for errors in (round(n_delivered * (1 - accuracy)) for accuracy in ACCURACIES):
                seen = np.arange(*covering(n_delivered, n_audited, errors))
                covers.append(float(hypergeom.pmf(seen, n_delivered, errors, n_audited).sum()))
    return covers


def covering(n_delivered: int, n_audited: int, errors: int) -> tuple[int, int]:
    """From which to below which number of errors seen the interval covers the truth: both bounds are monotone."""
    lowest, highest = max(0, n_audited + errors - n_delivered), min(errors, n_audited)
    truth = 1 - errors / n_delivered
    too_few = first_false(lambda x: audit_interval(n_delivered, n_audited, x).lower > truth + 1e-12, lowest, highest)
    return too_few, first_false(
        lambda x: audit_interval(n_delivered, n_audited, x).upper >= truth - 1e-12, lowest, highest
    )


def first_false(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The first number from `first` on for which `holds` is false; it is true up to there."""
    while first <= last:
        middle = (first + last) // 2
        if holds(middle):
            first = middle + 1
        else:
            last = middle - 1
    return first


if __name__ == "__main__":
    sys.exit(main())
