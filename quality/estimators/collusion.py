"""Workers who answer from one key share one vote: found and weighed before the labels are estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from quality.estimators.copying import Meetings, components, meetings_of, pair_tails, significant, surprise
from quality.estimators.em import Setup, run
from quality.estimators.encode import Answers
from quality.estimators.expectation import shrunk_confusions, soft_counts

#: Items in common from which a pair casts suspicion, and from which it can be convicted.
SUSPECT_COMMON, CONVICT_COMMON = 5, 12
#: How often copies of a noisy key agree; what a pair has to overcome; agreement of honest pairs at most.
COPIES_AGREE, RESERVE, HONEST = 0.93, 3.0, 0.88
#: False pairs among those found.
ALPHA = 0.01
#: Part of the surprise that has to be there: two good workers agree often, but hardly more than expected.
EXCESS = 0.5
#: Times that clusters are looked for again with the votes of the last time.
LOOKS = 4
#: Rounds of each fit on the way: what is looked for is coarse.
ROUNDS = 30


@dataclass(frozen=True)
class Ring:
    """Workers who answer from one key.

    Attributes
    ----------
    members : ndarray of int
        Workers, increasing.
    gain : float
        Log-likelihood of "one knows, the others copy" over that of "all work alone".
    """

    members: np.ndarray
    gain: float


def find_rings(setup: Setup) -> list[Ring]:
    """Rings of three or more workers, the largest first; each explains the answers better than honest work does.

    Notes
    -----
    The posterior is itself bent by colluders, so the first look does without: a pair that agrees on A of n items has
    log-odds ``A ln(.93/h) + (n - A) ln(.07/(1 - h)) - 3``, h being the mean agreement, and a judgment weighs
    ``1 / (1 + sum sigmoid(log-odds))`` over the others on its item. With those weights a model is fitted, pairs are
    tested exactly against it (`copying`), who matches the majority of a component is added to it, the members of a
    component share a vote, and so on four times. A cluster is kept if the joint log-likelihood with one
    super-worker, whom the others copy, is larger by more than log N: without that, experts would be taken for copies.
    """
    answers = setup.answers
    if len(answers.classes) < 2:
        return []
    suspects = meetings_of(answers, SUSPECT_COMMON)
    met = suspects.with_common(CONVICT_COMMON)
    if not len(met.first):
        return []
    weight = _first_weights(answers, suspects)
    found: list[np.ndarray] = []
    for look in range(LOOKS):
        again = _clusters(setup, met, answers.weight * weight)
        if not again or (look and _same(again, found)):
            found = again
            break
        found, weight = again, shared_weights(answers, again)
    return _convicted(setup, sorted(found, key=len, reverse=True))


def shared_weights(answers: Answers, clusters: list[np.ndarray]) -> np.ndarray:
    """1/c for each judgment of a cluster with c members on its item, else 1, shape (N,)."""
    weight = np.ones(len(answers.item))
    for members in clusters:
        of_ring = np.isin(answers.worker, members)
        present = np.bincount(answers.item[of_ring], minlength=len(answers.items))
        weight[of_ring] = 1 / present[answers.item[of_ring]]
    return weight


def _first_weights(answers: Answers, met: Meetings) -> np.ndarray:
    common, agree = met.common, met.agreeing(answers.label)
    honest = float(np.clip(agree.sum() / max(common.sum(), 1), 1 / len(answers.classes), HONEST))
    odds = agree * np.log(COPIES_AGREE / honest) + (common - agree) * np.log((1 - COPIES_AGREE) / (1 - honest))
    suspicion = expit(odds - RESERVE)[met.pair]
    n = len(answers.item)
    return 1 / (1 + np.bincount(met.one, suspicion, n) + np.bincount(met.other, suspicion, n))


def _clusters(setup: Setup, met: Meetings, weight: np.ndarray) -> list[np.ndarray]:
    """Components of convicted pairs, with everybody who follows their key."""
    answers = replace(setup.answers, weight=weight)
    fit = run(replace(setup, answers=answers, guard=False), max_rounds=ROUNDS, must_settle=False)
    rows = shrunk_confusions(soft_counts(setup.answers, fit.posterior), fit.pooled)
    tails, excess = pair_tails(answers, met, fit.posterior, rows)
    chosen = significant(tails, ALPHA)
    chosen = chosen[excess[chosen] > EXCESS]
    parts = [part for part in components(met.first[chosen], met.second[chosen], len(rows)) if len(part) >= 3]
    taken = np.zeros(len(rows), bool)
    found = []
    for part in sorted(parts, key=len, reverse=True):
        part = part[~taken[part]]
        if len(part) >= 3:
            part = np.union1d(part, _followers(answers, part, fit.posterior, rows, fit.pooled))
            part = part[~taken[part]]
            taken[part] = True
            found.append(part)
    return found


def _followers(
    answers: Answers, members: np.ndarray, posterior: np.ndarray, rows: np.ndarray, pooled: np.ndarray
) -> np.ndarray:
    """Workers who agree with the members' majority too often for chance."""
    key = _key_of(answers, members)
    known = key >= 0
    counts = np.zeros((len(pooled), len(pooled)))
    np.add.at(counts.T, key[known], posterior[known])
    of_key = shrunk_confusions(counts, pooled)
    judged = np.flatnonzero(known[answers.item] & ~np.isin(answers.worker, members))
    judged = judged[np.argsort(answers.worker[judged], kind="stable")]
    if not len(judged):
        return members[:0]
    workers, group = np.unique(answers.worker[judged], return_inverse=True)
    item, label = answers.item[judged], answers.label[judged]
    joint = np.log(np.maximum(posterior[item], 1e-12))
    joint -= answers.weight[judged, None] * np.log(np.maximum(rows[answers.worker[judged], :, label], 1e-12))
    others = np.exp(joint - joint.max(axis=1, keepdims=True))
    alike = (rows[answers.worker[judged]] * of_key).sum(axis=2)
    chance = (others / others.sum(axis=1, keepdims=True) * alike).sum(axis=1)
    agree = np.bincount(group, label == key[item], len(workers)).astype(int)
    tails, excess = surprise(group, np.clip(chance, 0, 1), agree)
    return workers[(tails < ALPHA / len(rows)) & (excess > EXCESS)]


def _key_of(answers: Answers, members: np.ndarray) -> np.ndarray:
    """What most members say of each item, -1 where none does, shape (I,)."""
    said = answers.subset(np.isin(answers.worker, members)).votes
    return np.where(said.sum(axis=1) > 0, said.argmax(axis=1), -1)


def _convicted(setup: Setup, clusters: list[np.ndarray]) -> list[Ring]:
    rings: list[Ring] = []
    if not clusters:
        return rings
    enough = np.log(len(setup.answers.item))
    best = _likelihood(setup, [])
    for members in clusters:
        found = _likelihood(setup, [*(ring.members for ring in rings), members])
        if found - best > enough:
            rings.append(Ring(members, float(found - best)))
            best = found
    return rings


def _likelihood(setup: Setup, rings: list[np.ndarray]) -> float:
    """Observed log-likelihood where the members of each ring copy, at some rate, one super-worker's answers."""
    answers, gold = setup.answers, setup.gold
    n_classes = len(answers.classes)
    keep = ~np.isin(answers.worker, np.concatenate([*rings, np.zeros(0, int)]))
    item, worker, label = [answers.item[keep]], [answers.worker[keep]], [answers.label[keep]]
    weight, copied = [answers.weight[keep]], 0.0
    for members in rings:
        key = _key_of(answers, members)
        known = np.flatnonzero(key >= 0)
        item.append(known)
        worker.append(np.full(len(known), members[0]))
        label.append(key[known])
        weight.append(np.ones(len(known)))
        of_ring = np.isin(answers.worker, members)
        agree = int((answers.label[of_ring] == key[answers.item[of_ring]]).sum())
        rate = (agree + 1) / (int(of_ring.sum()) + 2)
        copied += agree * np.log(rate) + (int(of_ring.sum()) - agree) * np.log((1 - rate) / (n_classes - 1))
    columns = [np.concatenate(column) for column in (item, worker, label, weight)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    merged = Answers(
        answers.items, answers.workers, answers.classes, *(column[order].astype(kind) for column, kind in zip(
            columns, (np.int32, np.int32, np.int32, float), strict=True)),
    )  # fmt: skip
    fit = run(replace(setup, answers=merged, gold=gold, guard=False), max_rounds=ROUNDS, must_settle=False)
    return fit.likelihood + copied


def _same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
