"""Texts: normalising, word error rate, and the consensus of answers, chosen or built word by word."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from quality.estimators.encode import Gold, Ids, check_lengths, encode_weights, factorise

#: Words of the median answer from which texts are built rather than chosen.
WORDS_TO_BUILD = 4
#: Words that could stand where another stands, for the weight of a vote.
OTHER_WORDS = 20
PUNCTUATION = ".,;:!?\"()[]{}…“”„«»‘’'`-–—"


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
    return _distance(wanted, given) / len(wanted) if wanted else float(bool(given))


class TextConsensus:
    """The text of each item: of short ones the one most workers wrote, of long ones built word by word (ROVER).

    Who agrees more often weighs more. Words are compared without case and punctuation at their ends, and delivered in
    the commonest spelling.

    Parameters
    ----------
    build : bool, optional
        Build texts that nobody may have written? Default: where the median answer has four words or more.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : list of str, length I
    confidence_ : ndarray, shape (I,)
        Weighted share of the winner, built texts: mean over the words: how united the crowd is, not how likely right.
    agreement_ : ndarray, shape (W,)
        Share of a worker's answers (words) that agree with the consensus, drawn to .8 by five pseudo-answers.
    is_built_ : bool
    status_ : "ok"

    Notes
    -----
    Built: the answers of an item are aligned word by word into slots, the most central answer first. A word's votes
    weigh ``log(a (V - 1) / (1 - a))``, a being the worker's agreement and V = 20 the words that could be there instead;
    "no word here" is a vote like others.

    References
    ----------
    J. Fiscus (1997). A post-processing system to yield reduced word error rates: ROVER. ASRU.

    Examples
    --------
    >>> model = TextConsensus().fit([1, 1, 1, 2], list("abca"), ["Main St", "main  st", "Maine St", "Elm"])
    >>> model.estimates_, model.confidence_.round(2).tolist()
    (['Main St', 'Elm'], [0.72, 1.0])
    >>> said = ["the cat sat on the mat", "a cat sat on the mat", "the cat sat on mat"]
    >>> TextConsensus().fit([1, 1, 1], list("abc"), said).estimates_
    ['the cat sat on the mat']
    """

    def __init__(
        self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 10, build: bool | None = None
    ) -> None:
        self.seed, self.gold_sample, self.n_iter, self.build = seed, gold_sample, n_iter, build

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[str], gold: Gold | None = None, weights: Ids | None = None
    ) -> Self:
        """Estimate from N texts (`labels`); `gold` maps items to a true text or to accepted ones.

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
        self.is_built_ = self.build
        if self.build is None:
            self.is_built_ = bool(np.median([len(text.split()) for text in plain]) >= WORDS_TO_BUILD)
        if self.is_built_:
            self._build(item, worker, weight, texts, gold)
        else:
            self._choose(item, worker, weight, texts, plain, gold)
        self.status_ = "ok"
        return self

    def _choose(
        self, item: np.ndarray, worker: np.ndarray, weight: np.ndarray, texts: list[str], plain: list[str],
        gold: Gold | None,
    ) -> None:  # fmt: skip
        is_new = [n == 0 or item[n] != item[n - 1] or plain[n] != plain[n - 1] for n in range(len(plain))]
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

    def _build(
        self, item: np.ndarray, worker: np.ndarray, weight: np.ndarray, texts: list[str], gold: Gold | None
    ) -> None:
        aligned = _aligned(item, worker, weight, texts)
        known = self._known(gold)
        slot, word, who, votes = aligned.slot, aligned.word, worker[aligned.row], weight[aligned.row]
        n_words = len(aligned.words)
        pair, candidate = np.unique(slot.astype(np.int64) * n_words + word, return_inverse=True)
        owner, said = np.divmod(pair, n_words)
        answered = np.bincount(who, minlength=len(self.workers_))
        self.agreement_ = np.full(len(self.workers_), 0.8)
        for _ in range(self.n_iter):
            odds = np.log(self.agreement_ * (OTHER_WORDS - 1) / (1 - self.agreement_))
            count = np.bincount(candidate, votes * np.maximum(odds, 1e-3)[who])
            winner = _best(count, owner)
            agrees = candidate == winner[slot]
            self.agreement_ = (np.bincount(who, agrees, len(answered)) + 4) / (answered + 5)
        share = count[winner] / np.bincount(owner, count)
        home = aligned.item_of_slot
        self.confidence_ = np.bincount(home, share, len(self.items_)) / np.maximum(
            np.bincount(home, minlength=len(self.items_)), 1
        )
        spelling = _spellings(candidate, aligned.spelling, len(pair))
        built: list[list[str]] = [[] for _ in self.items_]
        for place, chosen in zip(home.tolist(), winner.tolist(), strict=True):
            if aligned.words[said[chosen]]:
                built[place].append(spelling[chosen])
        self.estimates_ = [known.get(n, " ".join(words)) for n, words in enumerate(built)]
        for place in known:
            self.confidence_[place] = 1.0

    def _known(self, gold: Gold | None) -> dict[int, str]:
        place = {item: row for row, item in enumerate(self.items_.tolist())}
        return {
            place[item]: accepted if isinstance(accepted, str) else next(iter(accepted))
            for item, accepted in (gold or {}).items()
            if item in place
        }

    def _accepted(self, gold: Gold | None, plain: list[str], item: np.ndarray) -> np.ndarray:
        keys = {
            known: {normalise_text(text) for text in ([accepted] if isinstance(accepted, str) else accepted)}
            for known, accepted in (gold or {}).items()
        }
        ids = self.items_.tolist()
        return np.array([text in keys.get(ids[i], ()) for text, i in zip(plain, item, strict=True)], bool)


@dataclass(frozen=True)
class _Aligned:
    """One row a worker and slot: which answer (`row`), which `slot`, which word ("" where there is none)."""

    row: np.ndarray
    slot: np.ndarray
    word: np.ndarray
    spelling: list[str]
    words: list[str]
    item_of_slot: np.ndarray


def _aligned(item: np.ndarray, worker: np.ndarray, weight: np.ndarray, texts: list[str]) -> _Aligned:
    """Align the answers of each item into slots."""
    rows, slots, keys, spelling, homes = [], [], [], [], []
    n_slots = 0
    edge = np.flatnonzero(np.diff(item, prepend=-1, append=-2))
    for begin, end in zip(edge[:-1].tolist(), edge[1:].tolist(), strict=True):
        written = [normalise_spaces(text) for text in texts[begin:end]]
        plain = [[_bare(word) for word in words] for words in written]
        for place, pick in enumerate(align(plain)):
            for answer, position in enumerate(pick):
                rows.append(begin + answer)
                slots.append(n_slots + place)
                keys.append("" if position < 0 else plain[answer][position])
                spelling.append("" if position < 0 else written[answer][position])
            homes.append(int(item[begin]))
        n_slots = len(homes)
    words = sorted(set(keys))
    index = {word: n for n, word in enumerate(words)}
    code = np.array([index[key] for key in keys], np.int64)
    return _Aligned(np.array(rows, int), np.array(slots, int), code, spelling, words, np.array(homes, int))


def align(texts: Sequence[Sequence[str]]) -> list[list[int]]:
    """Slots of several word lists: for each, the position of its word in each text, -1 where there is none.

    The text with the least distance to the others comes first; each next one is aligned to the slots so far, where a
    word costs the share of the answers there that differ from it.

    Examples
    --------
    >>> align([["a", "b"], ["a", "x", "b"], ["b"]])
    [[0, 0, -1], [-1, 1, -1], [1, 2, 0]]
    """
    far = [sum(_distance(one, other) for other in texts) for one in texts]
    order = sorted(range(len(texts)), key=lambda n: (far[n], n))
    slots = [{order[0]: position} for position in range(len(texts[order[0]]))]
    for done, new in enumerate(order[1:], 1):
        counts = [Counter(texts[one][position] for one, position in slot.items()) for slot in slots]
        slots = _merge(slots, counts, done, texts[new], new)
    return [[slot.get(one, -1) for one in range(len(texts))] for slot in slots]


def _merge(
    slots: list[dict[int, int]], counts: list[Counter], done: int, words: Sequence[str], new: int
) -> list[dict[int, int]]:
    """`slots` with one more text: least cost of matching, skipping a slot, or opening one."""
    n, m = len(slots), len(words)
    skip = [sum(count.values()) / done for count in counts]
    cost = [[0.0] * (m + 1) for _ in range(n + 1)]
    for j in range(1, m + 1):
        cost[0][j] = float(j)
    for i in range(1, n + 1):
        above, row, count, over = cost[i - 1], cost[i], counts[i - 1], skip[i - 1]
        row[0] = above[0] + over
        for j in range(1, m + 1):
            match = above[j - 1] + 1 - count.get(words[j - 1], 0) / done
            row[j] = min(match, above[j] + over, row[j - 1] + 1)
    merged, i, j = [], n, m
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + 1 - counts[i - 1].get(words[j - 1], 0) / done:
            merged.append(slots[i - 1] | {new: j - 1})
            i, j = i - 1, j - 1
        elif i and cost[i][j] == cost[i - 1][j] + skip[i - 1]:
            merged.append(slots[i - 1])
            i -= 1
        else:
            merged.append({new: j - 1})
            j -= 1
    return merged[::-1]


def _distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Words to change, insert or delete.

    A column of the table of edits at once, its steps up and down as the bits of two numbers (G. Myers 1999, J. ACM 46).
    """
    if one == other:
        return 0
    if not one or not other:
        return max(len(one), len(other))
    places: dict[str, int] = {}
    for position, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << position
    every, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    rises, falls, distance = every, 0, len(one)
    for word in other:
        same = places.get(word, 0)
        diagonal = (((same & rises) + rises) ^ rises) | same
        up, down = falls | ~(diagonal | rises), rises & diagonal
        distance += bool(up & last) - bool(down & last)
        up, down, kept = up << 1 | 1, down << 1, same | falls
        rises, falls = (down | ~(kept | up)) & every, up & kept & every
    return distance


def normalise_spaces(text: str) -> list[str]:
    """Words as written, in compatible Unicode forms."""
    return unicodedata.normalize("NFKC", text).split()


def _bare(word: str) -> str:
    """A word as it is compared: without case and without punctuation at its ends; punctuation alone is itself."""
    plain = word.casefold()
    return plain.strip(PUNCTUATION) or plain


def _spellings(candidate: np.ndarray, written: list[str], n_candidates: int) -> list[str]:
    """Commonest spelling of each candidate; of those that tie, the first in the alphabet."""
    found: list[Counter] = [Counter() for _ in range(n_candidates)]
    for place, text in zip(candidate.tolist(), written, strict=True):
        found[place][text] += 1
    return [min(count.items(), key=lambda pair: (-pair[1], pair[0]))[0] for count in found]


def _best(votes: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Candidate with the most votes of each item; the first in the alphabet of those that tie, shape (I,)."""
    order = np.lexsort((np.arange(len(votes)), -votes.round(9), owner))
    return order[np.flatnonzero(np.diff(owner[order], prepend=-1))]


def _commonest(texts: list[str]) -> str:
    """Spelling used most; of those that tie, the first in the alphabet."""
    return min(Counter(texts).items(), key=lambda pair: (-pair[1], pair[0]))[0]
