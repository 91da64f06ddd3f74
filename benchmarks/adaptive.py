"""What stopping by confidence saves: real crowds replayed answer by answer, against a fixed number of answers.

    python benchmarks/adaptive.py [--replays 12] [--draws 50] [--seeds 60] [--only rte,dog]

Answers of each item come in random order; after every pass all reliabilities are learned anew from what has been
asked so far; 50 random gold items run along, teach, and are not scored. The cost of a replay is compared with that at
which a fixed number of answers an item (mean of the draws, made monotone) gets the same accuracy. Then: a budget of 4
answers an item against equal shares, and "stop at a lead of 3 votes" at equal cost. Exits 1 under the limits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, logit

from benchmarks.limits import Verdicts, are_crowds_here, at_least
from quality.estimators import default_estimator
from quality.estimators.confidence import by_gold
from quality.estimators.em import prepare, run
from quality.estimators.encode import Answers, encode, encode_gold
from quality.estimators.expectation import default_pattern, evidence
from quality.estimators.leave_out import held_out_evidence
from quality.estimators.stopping import are_futile, tempered_rows
from tests.support import datasets
from tests.support.twins import twin

SETS = ("rte", "temporal", "dog", "bluebirds", "weather_amt")
TAUS = (0.8, 0.85, 0.9, 0.95)
#: Target and futility, from cheap to dear, for a comparison at equal cost.
SETTINGS = ((0.85, 0.005), (0.9, 0.005), (0.95, 0.005), (0.95, 0.002), (0.98, 0.001), (0.98, 0.0003))
BUDGET_SETS, BUDGET = ("rte", "dog", "bluebirds"), 4
N_GOLD, R_MIN, STEPS = 50, 2, 6
LIMITS = {
    "saved against fixed majority": at_least(0.55),
    "saved against fixed, own estimator": at_least(0.30),
    "accuracy over tau where tau is reached, worst": at_least(-0.02),
    "accuracy over tau of labels as sure, over all sets": at_least(-0.02),
    "saved on twin A, own estimator": at_least(0.35),
    "against a lead of 3 votes, worst": at_least(-0.003),
    "budget over equal shares, worst": at_least(0.02),
}


@dataclass(frozen=True)
class Crowd:
    """A data set whose answers come in an order, with gold that runs along.

    `rank` (N,) is the place of each answer among those of its item; `truth` (I,) is a class or -1.
    """

    answers: Answers
    rank: np.ndarray
    truth: np.ndarray
    gold: np.ndarray

    @classmethod
    def of(cls, answers: Answers, truth: np.ndarray, seed: int) -> Crowd:
        rng = np.random.default_rng(seed)
        gold = np.sort(rng.choice(np.flatnonzero(truth >= 0), N_GOLD, replace=False))
        count = np.bincount(answers.item, minlength=len(answers.items))
        order = np.lexsort((rng.random(len(answers.item)), answers.item))
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        return cls(answers, rank, truth, gold)

    @property
    def scored(self) -> np.ndarray:
        keep = self.truth >= 0
        keep[self.gold] = False
        return keep

    def asked(self, many: np.ndarray | int) -> np.ndarray:
        """Judgments (N,) that have come when each item has been asked so often."""
        return self.rank < np.broadcast_to(many, len(self.truth))[self.answers.item]

    def known(self) -> dict:
        classes = self.answers.classes
        return {self.answers.items[i].item(): classes[self.truth[i]].item() for i in self.gold}

    def delivered(self, keep: np.ndarray, tau: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels as columns at the end, which of them are as sure as `tau`, and which reach it, shapes (I,)."""
        part = self.answers.subset(keep)
        columns = part.items[part.item], part.workers[part.worker], part.classes[part.label]
        model = default_estimator("categorical")(gold_sample="random").fit(
            *columns, gold=self.known(), classes=part.classes.tolist()
        )
        label, sure, reached = np.full(len(part.items), -1), *np.zeros((2, len(part.items)), bool)
        rows = np.searchsorted(part.items, model.items_)
        label[rows] = np.searchsorted(part.classes, model.labels_)
        sure[rows], reached[rows] = model.confidence_ >= tau, model.reached(tau)
        return label, sure, reached

    def labels(self, keep: np.ndarray) -> np.ndarray:
        """Labels delivered at the end, as columns (I,)."""
        return self.delivered(keep)[0]

    def accuracy(self, labels: np.ndarray) -> float:
        return float((labels == self.truth)[self.scored].mean())


@dataclass(frozen=True)
class Belief:
    """What is believed when some answers are in: of each item, gold left out of what it taught."""

    spread: np.ndarray
    label: np.ndarray
    confidence: np.ndarray
    pooled: np.ndarray
    confusions: np.ndarray
    b: float
    most: float


def believe(crowd: Crowd, keep: np.ndarray) -> Belief:
    """Fit the judgments that have come in (N,)."""
    part = crowd.answers.subset(keep)
    gold = encode_gold(crowd.known(), part)
    setup = prepare(part, gold, default_pattern(len(part.classes)), "random")
    fit = run(setup, must_settle=False)
    log_prior = np.broadcast_to(np.log(fit.prior[0]), fit.posterior.shape)
    held_out = log_prior + held_out_evidence(setup, fit)
    joint = log_prior + evidence(part, np.log(fit.confusions))
    joint[gold.rows] = held_out[gold.rows]
    label = joint.argmax(axis=1)
    # Gold has run through the same rule, so all of its answers speak.
    kept = np.ones(len(part.item), bool)
    calibration, confidence = by_gold(part, gold, kept, log_prior, held_out[gold.rows], held_out, label)
    tempered = log_prior + calibration.b * (held_out - log_prior)
    spread = np.exp(tempered - tempered.max(axis=1, keepdims=True))
    spread /= spread.sum(axis=1, keepdims=True)
    return Belief(spread, label, np.clip(confidence, 0, 1), fit.pooled, fit.confusions, calibration.b, calibration.most)


@dataclass
class Replayed:
    cost: float
    accuracy: float
    #: Whether labels that reach the target are right: as sure as that, where gold proves it. And those as sure.
    reached: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    sure: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def adaptive(crowd: Crowd, tau: float, eps: float | None = 0.005) -> Replayed:
    """Ask until each item settles or is futile."""
    most = np.bincount(crowd.answers.item, minlength=len(crowd.truth))
    many = np.minimum(R_MIN, most)
    is_open = np.ones(len(most), bool)
    while True:
        belief = believe(crowd, crowd.asked(many))
        is_open &= (belief.confidence < tau) & (many < most)
        rows = np.flatnonzero(is_open)
        if eps is not None and len(rows):
            held = np.array([belief.spread[rows, belief.label[rows]], belief.confidence[rows] / belief.most])
            spread, sure = logit(np.clip(held, 1e-6, 1 - 1e-6))
            # tau is about confidence; looking ahead is about the spread: the same distance in logits.
            goal = expit(logit(tau / belief.most) + spread - sure) if tau < belief.most else 2.0
            is_open[rows] = ~are_futile(belief.spread[rows], belief.pooled, belief.label[rows], eps, belief.b, goal)
        if not is_open.any():
            break
        many[is_open] += 1
    label, sure, reached = crowd.delivered(crowd.asked(many), tau)
    right, scored = label == crowd.truth, crowd.scored
    return Replayed(
        float(many[scored].mean()), float(right[scored].mean()), right[scored & reached], right[scored & sure]
    )


def on_budget(crowd: Crowd, each: int) -> float:
    """Spend `each` answers an item on the answers expected to tell most, after one each; accuracy.

    Who is asked about what is chosen together, among the recorded answers: one a step about each item, and nobody gives
    more than a tenth of all answers or three times the mean.
    """
    answers = crowd.answers
    n_items, n_workers, n_classes = answers.shape
    asked = crowd.asked(1)
    left = each * n_items - int(asked.sum())
    most = max(0.1, 3 / n_workers) * each * n_items
    while left > 0:
        belief = believe(crowd, asked)
        rates = tempered_rows(belief.confusions, belief.b)
        open_ = np.flatnonzero(~asked)
        joint = belief.spread[answers.item[open_], :, None] * rates[answers.worker[open_]]
        said = joint.sum(axis=1)
        after = (joint / said[:, None, :]).transpose(0, 2, 1)
        drop = entropy(belief.spread)[answers.item[open_]] - (said * entropy(after)).sum(axis=1)
        best = open_[np.lexsort((crowd.rank[open_], -drop))]
        given = np.bincount(answers.worker[asked], minlength=n_workers)
        taken, chosen = set(), []
        for judgment in best.tolist():
            item, worker = int(answers.item[judgment]), int(answers.worker[judgment])
            if item not in taken and given[worker] < most:
                taken.add(item)
                given[worker] += 1
                chosen.append(judgment)
                if len(chosen) >= min(left, max(n_items // STEPS, 1)):
                    break
        if not chosen:
            break
        asked[chosen] = True
        left -= len(chosen)
    return crowd.accuracy(crowd.labels(asked))


def entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1)


def lead_of_three(crowd: Crowd) -> tuple[float, float]:
    """Cost and accuracy of asking until a class leads by 3 votes."""
    answers = crowd.answers
    n_items, _, n_classes = answers.shape
    most = np.bincount(answers.item, minlength=n_items)
    many, votes = np.zeros(n_items, int), np.zeros((n_items, n_classes))
    order = np.lexsort((crowd.rank, answers.item))
    start = np.cumsum(most) - most
    is_open = most > 0
    while is_open.any():
        rows = np.flatnonzero(is_open)
        votes[rows, answers.label[order[start[rows] + many[rows]]]] += 1
        many[rows] += 1
        top = np.sort(votes, axis=1)
        is_open = (many < most) & (top[:, -1] - top[:, -2] < 3)
    return float(many[crowd.scored].mean()), crowd.accuracy(crowd.labels(crowd.asked(many)))


def fixed_curves(make: Callable[[int], Crowd], draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers an item, and mean accuracy of majority vote and of our own estimator, made monotone."""
    most = int(np.bincount(make(0).answers.item).max())
    grid = np.unique(np.r_[1:7, 8 : min(most, 11) + 1, 13 : most + 1 : 4, most])
    grid = grid[grid <= most]
    majority, own = np.zeros(len(grid)), np.zeros(len(grid))
    for seed in range(draws):
        crowd = make(1000 + seed)
        for place, many in enumerate(grid):
            keep = crowd.asked(int(many))
            majority[place] += votes_right(crowd, keep) / draws
            own[place] += crowd.accuracy(crowd.labels(keep)) / draws
    return grid.astype(float), np.maximum.accumulate(majority), np.maximum.accumulate(own)


def votes_right(crowd: Crowd, keep: np.ndarray) -> float:
    """Accuracy of majority vote in expectation over random ties."""
    votes = crowd.answers.subset(keep).votes[crowd.scored]
    top = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return float((top[np.arange(len(votes)), crowd.truth[crowd.scored]] / top.sum(axis=1)).mean())


def cost_for(accuracy: float, grid: np.ndarray, curve: np.ndarray) -> float:
    """Fixed answers an item that reach an accuracy; all there are where it is never reached."""
    if accuracy > curve[-1]:
        return float(grid[-1])
    place = int(np.searchsorted(curve, accuracy))
    if place == 0:
        return float(grid[0])
    part = (accuracy - curve[place - 1]) / max(curve[place] - curve[place - 1], 1e-12)
    return float(grid[place - 1] + part * (grid[place] - grid[place - 1]))


def real(name: str) -> Callable[[int], Crowd]:
    data = datasets.load(name)
    answers = encode(data.items, data.workers, data.labels)
    truth = np.array([data.truth.get(item, "") for item in answers.items])
    column = np.minimum(np.searchsorted(answers.classes, truth), len(answers.classes) - 1)
    truth = np.where(answers.classes[column] == truth, column, -1)
    return lambda seed: Crowd.of(answers, truth, seed)


def simulated(seed: int) -> Crowd:
    drawn = twin("A", 9, seed % 5)
    return Crowd.of(encode(drawn.items, drawn.workers, drawn.labels), drawn.truth, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=12)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=60, help="of the comparison with a lead of 3 votes")
    parser.add_argument("--only", default=",".join(SETS))
    options = parser.parse_args()
    if not are_crowds_here():
        return 1
    verdicts = Verdicts(LIMITS)
    for name, value in dict(measure(options)).items():
        verdicts.say(name, value)
    return verdicts.exit_code


def measure(options: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """The figures under limits, with a table of each on the way."""
    names = options.only.split(",")
    print("| data set | tau | answers | accuracy | fixed majority | fixed own | reached | right | as sure | right |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    against_votes, against_own, over, sure, leads = [], [], [], [], []
    for name in names:
        make = real(name)
        found = compare(name, make, TAUS, options)
        against_votes += [row[0] for row in found]
        against_own += [row[1] for row in found]
        over += [value for row in found for value in row[2]]
        sure += [row[3] for row in found]
        leads.append(against_lead(name, make, options.seeds))
    yield "saved against fixed majority", float(np.mean(against_votes))
    yield "saved against fixed, own estimator", float(np.mean(against_own))
    print(f"In {len(over)} of {len(against_own)} cells gold proves the target in some replay.")
    if over:
        yield "accuracy over tau where tau is reached, worst", min(over)
    by_tau = [np.concatenate(sure[place :: len(TAUS)]) for place in range(len(TAUS))]
    as_sure = [float(some.mean()) - tau for some, tau in zip(by_tau, TAUS, strict=True) if len(some)]
    yield "accuracy over tau of labels as sure, over all sets", float(min(as_sure, default=0.0))
    yield "saved on twin A, own estimator", compare("twin A", simulated, (0.95,), options)[0][1]
    yield "against a lead of 3 votes, worst", float(min(leads))
    gains = []
    for name in BUDGET_SETS:
        if name in names:
            make = real(name)
            pairs = [
                (on_budget(crowd, BUDGET), crowd.accuracy(crowd.labels(crowd.asked(BUDGET))))
                for crowd in map(make, range(options.replays))
            ]
            routed, equal = np.mean(pairs, axis=0)
            print(f"budget of {BUDGET} on {name}: {routed:.3f}, equal shares {equal:.3f}", flush=True)
            gains.append(routed - equal)
    if gains:
        yield "budget over equal shares, worst", float(min(gains))


def compare(
    name: str, make: Callable[[int], Crowd], taus: tuple[float, ...], options: argparse.Namespace
) -> list[tuple[float, float, list[float], np.ndarray]]:
    """For each tau: saved against majority, against our own, accuracy over tau of what reached it, what is as sure."""
    grid, majority, own = fixed_curves(make, options.draws)
    rows = []
    for tau in taus:
        replays = [adaptive(make(seed), tau) for seed in range(options.replays)]
        cost, accuracy = (float(np.mean([getattr(one, what) for one in replays])) for what in ("cost", "accuracy"))
        votes, ours = cost_for(accuracy, grid, majority), cost_for(accuracy, grid, own)
        reached, sure = (np.concatenate([getattr(one, what) for one in replays]) for what in ("reached", "sure"))
        scored = max(sum(int(make(seed).scored.sum()) for seed in range(len(replays))), 1)
        shown = " | ".join(
            f"{len(some) / scored:.2f} | {some.mean() if len(some) else float('nan'):.3f}" for some in (reached, sure)
        )
        print(f"| {name} | {tau} | {cost:.2f} | {accuracy:.3f} | {votes:.2f} | {ours:.2f} | {shown} |")
        rows.append((1 - cost / votes, 1 - cost / ours, [float(reached.mean()) - tau] if len(reached) else [], sure))
    sys.stdout.flush()
    return rows


def against_lead(name: str, make: Callable[[int], Crowd], seeds: int) -> float:
    """Accuracy over that of "stop at a lead of 3 votes", at its cost, between the two nearest of our settings."""
    cost, accuracy = np.mean([lead_of_three(make(seed)) for seed in range(seeds)], axis=0)
    curve = []
    for tau, eps in SETTINGS:
        replays = [adaptive(make(seed), tau, eps) for seed in range(max(seeds // 10, 1))]
        curve.append((np.mean([one.cost for one in replays]), np.mean([one.accuracy for one in replays])))
    costs, accuracies = np.array(sorted(curve)).T
    ours = float(np.interp(cost, costs, np.maximum.accumulate(accuracies)))
    print(f"lead of 3 votes on {name}: {cost:.2f} answers, {accuracy:.3f}; ours at that cost {ours:.3f}", flush=True)
    return ours - float(accuracy)


if __name__ == "__main__":
    sys.exit(main())
