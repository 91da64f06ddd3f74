"""Texts: normalising, word error rate, and the consensus of transcripts that agree word for word."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Self

import numpy as np

from quality.estimators.encode import Gold, Ids, check_lengths, encode_weights, factorise


def normalise_text(text: str) -> str:
    """Compatible Unicode forms, case and white space made one.

    Examples
    --------
    >>> normalise_text("  Ｈello\\u00a0 WORLD ")
    'hello world'
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def word_error_rate(reference: str, text: str) -> float:
    """Word edits from the reference, over its words; both normalised.

    Examples
    --------
    >>> word_error_rate("the cat sat", "The cat sat down")
    0.3333333333333333
    """
    wanted, given = normalise_text(reference).split(), normalise_text(text).split()
    row = list(range(len(given) + 1))
    for i, word in enumerate(wanted, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(given, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1] / len(wanted) if wanted else float(bool(given))


class TextConsensus:
    """The text that most workers wrote, equal after normalising; whoever agrees more often weighs more.

    It chooses among the answers and builds none: aligning transcripts word by word (ROVER) is not done here.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : list of str, length I
        The commonest spelling of the winning text.
    confidence_ : ndarray, shape (I,)
        Weighted share of the winner: how united the crowd is, not how likely it is right.
    agreement_ : ndarray, shape (W,)
        Share of a worker's answers that agree with the consensus, drawn to .8 by five pseudo-answers.
    status_ : "ok"

    Examples
    --------
    >>> model = TextConsensus().fit([1, 1, 1, 2], list("abca"), ["Main St", "main  st", "Maine St", "Elm"])
    >>> model.estimates_, model.confidence_.round(2).tolist()
    (['Main St', 'Elm'], [0.72, 1.0])
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 10) -> None:
        self.seed, self.gold_sample, self.n_iter = seed, gold_sample, n_iter

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[str], gold: Gold | None = None, weights: Ids | None = None
    ) -> Self:
        """Choose among N texts (`labels`); `gold` maps items to a true text or to accepted ones.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        if not all(isinstance(text, str) for text in labels):
            raise ValueError("labels must hold texts.")
        weight = encode_weights(weights, len(item))
        plain = [normalise_text(text) for text in labels]
        rows = sorted(range(len(item)), key=lambda n: (item[n], plain[n], labels[n], worker[n]))
        item, worker, weight = item[rows], worker[rows], weight[rows]
        texts, plain = [labels[n] for n in rows], [plain[n] for n in rows]
        is_new = [n == 0 or item[n] != item[n - 1] or plain[n] != plain[n - 1] for n in range(len(rows))]
        candidate = np.cumsum(is_new) - 1
        owner = item[is_new]
        right = self._accepted(gold, plain, item)
        self.agreement_ = np.full(len(self.workers_), 0.8)
        answered = np.bincount(worker)
        for _ in range(self.n_iter):
            votes = np.bincount(candidate, weight * self.agreement_[worker])
            votes[candidate[right]] += 1e6  # what is known outvotes everybody
            winner = _best(votes, owner)
            agrees = candidate == winner[item]
            self.agreement_ = (np.bincount(worker, agrees) + 4) / (answered + 5)
        votes = np.bincount(candidate, weight * self.agreement_[worker])
        self.confidence_ = votes[winner] / np.bincount(owner, votes)
        start = np.searchsorted(candidate, winner)
        end = np.searchsorted(candidate, winner, side="right")
        self.estimates_ = [_commonest(texts[i:j]) for i, j in zip(start, end, strict=True)]
        self.status_ = "ok"
        return self

    def _accepted(self, gold: Gold | None, plain: list[str], item: np.ndarray) -> np.ndarray:
        keys = {
            known: {normalise_text(text) for text in ([accepted] if isinstance(accepted, str) else accepted)}
            for known, accepted in (gold or {}).items()
        }
        ids = self.items_.tolist()
        return np.array([text in keys.get(ids[i], ()) for text, i in zip(plain, item, strict=True)], bool)


def _best(votes: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Candidate with the most votes of each item; the first in the alphabet of those that tie, shape (I,)."""
    order = np.lexsort((np.arange(len(votes)), -votes.round(9), owner))
    return order[np.flatnonzero(np.diff(owner[order], prepend=-1))]


def _commonest(texts: list[str]) -> str:
    """Spelling used most; of those that tie, the first in the alphabet."""
    return min(Counter(texts).items(), key=lambda pair: (-pair[1], pair[0]))[0]
