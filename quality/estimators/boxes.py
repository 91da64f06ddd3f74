"""Boxes around things in pictures: whose boxes mean the same thing, which things are there, and where they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.special import expit, log_expit, logsumexp

from quality.estimators.encode import Ids, check_lengths, encode_weights, factorise

#: Boxes mean the same thing up to this mean 1 - IoU. Two people's boxes around one small thing often share less than
#: half; boxes of one worker are never joined and different things hardly overlap, so a lax cut joins little wrongly.
CUT = 0.7
#: Two boxes of one worker in one picture are two things.
APART = 1e6
#: How much harder than others a thing can be to see, in logits.
HARDER = np.array([0.0, -1.0, -2.0, -3.0, -4.0])
#: Prior of a coincidence, that a box around nothing is met by another worker's: Beta(1, 19).
CHANCE = (1.0, 20.0)
#: Standard deviation of workers' recalls, in logits.
RECALL_SPREAD = 1.0
#: Pseudo-boxes that draw a worker's spread towards everybody's.
STRENGTH = 5.0


class BoxConsensus:
    """The boxes of each picture.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : list of ndarray, length I
        Boxes [x1, y1, x2, y2], shape (n, 4), the surest first.
    probabilities_ : list of ndarray, length I
        P(it is there) of each.
    confidence_ : ndarray, shape (I,)
        Expected F1 of the boxes: twice the expected number of right ones over boxes and expected things.
    recalls_, false_alarms_ : ndarray, shape (W,)
        How often a worker marks a thing that is easily seen; boxes a picture around nothing.
    spreads_ : ndarray, shape (W,)
        Typical distance of a worker's edges from the consensus, in sizes of the box.
    status_ : "ok"

    Notes
    -----
    Average-link clustering of each picture's boxes on 1 - IoU, cut at .7, one box a worker in a cluster. Every worker
    who looked says "there" or "not there" of each cluster: see `exists`, and more than .5 is delivered. Edges are
    medians weighted by 1/spread.

    Examples
    --------
    >>> boxes = [[[0, 0, 10, 10]], [[1, 0, 10, 10]], [[0, 0, 10, 11], [50, 50, 60, 60]]]
    >>> BoxConsensus().fit([1, 1, 1], list("abc"), boxes).estimates_[0].tolist()
    [[0.0, 0.0, 10.0, 10.0]]
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[Sequence[Sequence[float]]],
        gold: Mapping[Any, Sequence[Sequence[float]]] | None = None, weights: Ids | None = None,
    ) -> Self:  # fmt: skip
        """Estimate from N answers, each a list of boxes that may be empty; `gold` maps items to their true boxes.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        weight = encode_weights(weights, len(item))
        drawn = [_boxes(answer, f"labels (row {row})") for row, answer in enumerate(labels)]
        order = np.lexsort((worker, item))
        size = np.array([len(drawn[row]) for row in order])
        box = np.concatenate([drawn[row] for row in order])
        of_item, of_worker = np.repeat(item[order], size), np.repeat(worker[order], size)
        cluster = _clusters(box, of_item, of_worker)
        known = self._known(gold, box, of_item, cluster)
        there, recall, alarm = self._exist(item, worker, weight, of_item, of_worker, cluster, known)
        self.recalls_, self.false_alarms_ = recall, alarm
        edges = self._edges(box, of_worker, cluster, len(there))
        self._deliver(there, edges, of_item, cluster)
        self.status_ = "ok"
        return self

    def _known(
        self, gold: Mapping[Any, Any] | None, box: np.ndarray, of_item: np.ndarray, cluster: np.ndarray
    ) -> dict[int, int]:
        """Clusters of gold pictures: 1 where their median box meets a true one by IoU .5."""
        place = {value: row for row, value in enumerate(self.items_.tolist())}
        known = {}
        for value, answer in (gold or {}).items():
            true = _boxes(answer, f"gold of item {value!r}")
            for one in np.unique(cluster[of_item == place.get(value, -1)]).tolist():
                middle = np.median(box[cluster == one], axis=0)
                known[one] = int(len(true) > 0 and overlap(middle[None], true).max() >= 0.5)
        return known

    def _exist(
        self, item: np.ndarray, worker: np.ndarray, weight: np.ndarray, of_item: np.ndarray, of_worker: np.ndarray,
        cluster: np.ndarray, known: dict[int, int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """P(there) of each cluster (C,), and both rates of each worker (W,)."""
        n_workers = len(self.workers_)
        if not len(cluster):
            return np.zeros(0), np.full(n_workers, 0.8), np.full(n_workers, 0.2)
        home = np.zeros(cluster.max() + 1, int)
        home[cluster] = of_item
        # Everybody who looked at the picture has a word on each of its clusters.
        seen = [np.flatnonzero(home == one) for one in range(len(self.items_))]
        row = np.repeat(np.arange(len(item)), [len(seen[one]) for one in item])
        candidate = np.concatenate([seen[one] for one in item])
        said = np.isin(candidate * n_workers + worker[row], cluster.astype(np.int64) * n_workers + of_worker)
        there, recall = exists(candidate, worker[row], said, weight[row], len(home), n_workers, known)
        false = np.bincount(of_worker, 1 - there[cluster], n_workers)
        return there, recall, false / np.maximum(np.bincount(worker, minlength=n_workers), 1)

    def _edges(self, box: np.ndarray, of_worker: np.ndarray, cluster: np.ndarray, n_clusters: int) -> np.ndarray:
        """Weighted median edges of each cluster, shape (C, 4); weights from each worker's distance to the medians."""
        weight = np.ones(len(box))
        self.spreads_ = np.full(len(self.workers_), np.nan)
        if not len(box):
            return np.zeros((0, 4))
        for _ in range(3):
            edges = np.stack(
                [_weighted_medians(box[:, side], weight, cluster, n_clusters) for side in range(4)], axis=1
            )
            size = np.maximum(edges[:, 2:] - edges[:, :2], 1e-9).mean(axis=1)
            far = np.abs(box - edges[cluster]).mean(axis=1) / size[cluster]
            usual = max(float(np.median(far)), 1e-6)
            n = np.bincount(of_worker, minlength=len(self.workers_))
            self.spreads_ = (np.bincount(of_worker, far, len(n)) + STRENGTH * usual) / (n + STRENGTH)
            weight = usual / self.spreads_[of_worker]
        return edges

    def _deliver(self, there: np.ndarray, edges: np.ndarray, of_item: np.ndarray, cluster: np.ndarray) -> None:
        home = np.zeros(len(there), int)
        home[cluster] = of_item
        self.estimates_, self.probabilities_ = [], []
        self.confidence_ = np.ones(len(self.items_))
        for place in range(len(self.items_)):
            mine = np.flatnonzero(home == place)
            mine = mine[np.argsort(-there[mine], kind="stable")]
            kept = mine[there[mine] > 0.5]
            self.estimates_.append(edges[kept])
            self.probabilities_.append(there[kept])
            expected = len(kept) + there[mine].sum()
            self.confidence_[place] = 2 * there[kept].sum() / expected if len(kept) else 1 - there[mine].max(initial=0)


def exists(
    candidate: np.ndarray, worker: np.ndarray, said: np.ndarray, weight: np.ndarray, n_candidates: int, n_workers: int,
    known: Mapping[int, int], n_iter: int = 50,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """P(there) of each candidate (C,) and each worker's recall (W,), from N words "there" or "not there" (`said`).

    Parameters
    ----------
    known : mapping
        Candidate to 1 (is there) or 0.

    Notes
    -----
    A thing that is there is seen by w with probability ``sigmoid(a_w + d_g)``, d_g being how hard it is to see, one of
    `HARDER`: without that, things which half of the workers overlook would count as not there. A box around nothing
    has one author, and each other worker meets it by chance alone: a candidate is one only because somebody drew it.
    EM with a_w normal about the crowd's mean.
    """
    word = np.where(said, 1.0, 0.0)
    votes = np.bincount(candidate, weight * word, n_candidates)
    asked = np.bincount(candidate, weight, n_candidates)
    start = np.clip(votes / np.maximum(asked, 1e-9), 0.05, 0.95)
    belief = np.column_stack([1 - start, *(start[:, None] * np.full(len(HARDER), 1 / len(HARDER))).T])
    ability, middle = np.full(n_workers, 2.0), 2.0
    for _ in range(n_iter):
        for _ in range(2):
            chance = expit(ability[worker, None] + HARDER)
            share = weight[:, None] * belief[candidate, 1:]
            slope = np.bincount(worker, (share * chance * (1 - chance)).sum(axis=1), n_workers) + RECALL_SPREAD**-2
            pull = np.bincount(worker, (share * (word[:, None] - chance)).sum(axis=1), n_workers)
            ability = np.clip(ability + (pull - (ability - middle) * RECALL_SPREAD**-2) / slope, -6, 6)
        middle = float(ability.mean())
        false = belief[:, 0]
        met = (CHANCE[0] + false @ np.maximum(votes - 1, 0)) / (sum(CHANCE) + false @ np.maximum(asked - 1, 0))
        prior = np.log((belief.sum(axis=0) + 1) / (n_candidates + belief.shape[1]))
        log_rate = ability[worker, None] + HARDER
        spoken = weight[:, None] * np.where(said[:, None], log_expit(log_rate), log_expit(-log_rate))
        joint = np.column_stack([
            np.log(np.maximum(votes, 1e-9) / np.maximum(asked, 1e-9))
            + np.maximum(votes - 1, 0) * np.log(met) + (asked - np.maximum(votes, 1)) * np.log1p(-met),
            *(np.bincount(candidate, column, n_candidates) for column in spoken.T),
        ]) + prior  # fmt: skip
        for one, truth in known.items():
            joint[one, 1:] += -1e9 * (truth == 0)
            joint[one, 0] += -1e9 * (truth == 1)
        updated = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        moved, belief = np.abs(updated - belief).max(), updated
        if moved < 1e-6:
            break
    return 1 - belief[:, 0], expit(ability)


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) and (m, 4), shape (n, m).

    Examples
    --------
    >>> overlap(np.array([[0, 0, 2, 2.]]), np.array([[1, 0, 3, 2.]])).round(3)
    array([[0.333]])
    """
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.maximum(high - low, 0).prod(axis=2)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1)[:, None] + (other[:, 2:] - other[:, :2]).prod(axis=1)[None]
    return both / np.maximum(areas - both, 1e-12)


def box_matches(found: np.ndarray, true: np.ndarray, bar: float = 0.5) -> int:
    """Boxes that can be paired one to one at IoU `bar`: the best of the pairs left, again and again."""
    if not len(found) or not len(true):
        return 0
    score, n = overlap(found, true), 0
    while score.size and score.max() >= bar:
        row, column = np.unravel_index(score.argmax(), score.shape)
        score[row], score[:, column] = -1, -1
        n += 1
    return n


def _clusters(box: np.ndarray, of_item: np.ndarray, of_worker: np.ndarray) -> np.ndarray:
    """Cluster of each box (B,), numbered over all pictures."""
    cluster, n = np.zeros(len(box), int), 0
    edge = np.flatnonzero(np.diff(of_item, prepend=-1, append=-2))
    for begin, end in zip(edge[:-1], edge[1:], strict=True):
        part = slice(begin, end)
        if end - begin == 1:
            cluster[part] = n
            n += 1
            continue
        far = 1 - overlap(box[part], box[part])
        far[of_worker[part][:, None] == of_worker[part][None]] = APART
        np.fill_diagonal(far, 0)
        found = fcluster(linkage(squareform(far, checks=False), "average"), CUT, "distance") - 1
        _, found = np.unique(found, return_inverse=True)
        cluster[part] = n + found
        n += found.max() + 1
    return cluster


def _weighted_medians(value: np.ndarray, weight: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Median of each group by weight: the mean of the two in the middle where the halves are equal, shape (G,)."""
    order = np.lexsort((value, group))
    value, weight, group = value[order], weight[order], group[order]
    total = np.bincount(group, weight, n_groups)
    before = np.cumsum(weight) - weight - (np.cumsum(total) - total)[group]
    half = total[group] / 2
    lower = (before <= half * (1 + 1e-9)) & (before + weight >= half * (1 - 1e-9))
    return np.bincount(group, value * lower, n_groups) / np.maximum(np.bincount(group, lower, n_groups), 1)


def _boxes(answer: Any, name: str) -> np.ndarray:
    try:
        boxes = np.asarray(answer, float).reshape(-1, 4) if len(answer) else np.zeros((0, 4))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a list of [x1, y1, x2, y2].") from None
    if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
        raise ValueError(f"{name} holds a box that is not finite, or whose x2 or y2 lies before x1 or y1.")
    return boxes
