"""Items that only suspects see: do they repeat each other's wrong answers more often than people who work alone?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from quality.estimators.copying import poisson_binomial_tail

#: How sure it is that workers who work alone do not repeat more often than is assumed of them.
SURE = 0.95


@dataclass(frozen=True)
class Chances:
    """Answers that came after a wrong one to the same item; whether they repeat it.

    Attributes
    ----------
    row : ndarray of int, shape (T,)
        Each such answer.
    wrong : ndarray of int, shape (T,)
        The first wrong answer to its item.
    repeated : ndarray of bool, shape (T,)
    """

    row: np.ndarray
    wrong: np.ndarray
    repeated: np.ndarray


@dataclass(frozen=True)
class Sharing:
    """What canaries say about their workers.

    Attributes
    ----------
    items : int
        Canaries that two or more of them answered.
    chances, repeated : int
        Answers that could repeat a wrong one, and those that did.
    expected : float
        How many would at most, of people who work alone.
    tail : float
        P(at least so many), exactly.
    """

    items: int
    chances: int
    repeated: int
    expected: float
    tail: float


def chances_to_repeat(items: np.ndarray, labels: np.ndarray, right: np.ndarray) -> Chances:
    """Answers after the first wrong one to their item.

    Parameters
    ----------
    items, labels : ndarray of int, shape (N,)
        In the order in which the answers were given, one answer a worker and item.
    right : ndarray of bool, shape (N,)
        Whether the answer is among the accepted ones.

    Examples
    --------
    >>> found = chances_to_repeat(np.array([7, 7, 7, 8, 8]), np.array([0, 2, 2, 1, 1]), np.array([1, 0, 0, 1, 1], bool))
    >>> found.row, found.wrong, found.repeated
    (array([2]), array([2]), array([ True]))
    """
    first: dict[int, int] = {}
    row, wrong = [], []
    for n, (item, label) in enumerate(zip(items.tolist(), labels.tolist(), strict=True)):
        if item in first:
            row.append(n)
            wrong.append(first[item])
        elif not right[n]:
            first[item] = label
    rows, wrongs = np.array(row, np.intp), np.array(wrong, np.intp)
    return Chances(rows, wrongs, labels[rows] == wrongs)


def repeat_rate(repeated: np.ndarray) -> float:
    """How often people who work alone repeat a wrong answer at most, by answers (T,) of theirs that could have.

    The upper end of the exact interval (Clopper and Pearson): 1 where nothing is known.

    Examples
    --------
    >>> round(repeat_rate(np.arange(40) < 8), 3), repeat_rate(np.zeros(0, bool))
    (0.332, 1.0)
    """
    n, k = len(repeated), int(repeated.sum())
    return float(betaincinv(k + 1, n - k, SURE)) if k < n else 1.0


def sharing(
    items: np.ndarray, workers: np.ndarray, labels: np.ndarray, accepted: np.ndarray, confusions: np.ndarray,
    at_least: float,
) -> Sharing:  # fmt: skip
    """Hold what the members of a suspect cluster say about canaries against what they would say alone.

    Parameters
    ----------
    items, workers, labels : ndarray of int, shape (N,)
        Places of the canary, the member and the class; in the order in which the answers were given.
    accepted : ndarray of bool, shape (I, K)
        The known answers of each canary.
    confusions : ndarray, shape (W, K, K)
        [member, truth, said]; canaries among what they were learned from only make it harder to be convicted.
    at_least : float
        From `repeat_rate` of workers outside the cluster, on known items of the same supply.

    Notes
    -----
    A cluster is found because its members agree; to hold the same answers against them again would prove nothing.
    Canaries are drawn at random from known items that nobody has seen, before any answer to them, and go to members
    alone. So they are fresh; what is right is known, which agreement on a right answer says nothing about, however
    likely; and no outsider can have told anybody an answer.

    Take the answers to one canary as they came. From the first wrong one, l, on, each later member repeats it or does
    not. Whoever works alone does not know l: given the truth k, each of these is a coin of its own that falls on l with
    ``th[member, k, l]``, whatever the others said (they are conditioned on, and l is fixed by what came before). So
    the number of repeats over all canaries is Poisson-binomial, and its upper tail exact: there is no counting of
    pairs, of which three equal answers would make three that depend on each other.

    One thing bends that: hard items, of which many get the same wrong idea by themselves. Workers outside the
    cluster meet such items too, in the same supply, so no coin is taken to fall on l less often than theirs do at most
    (`at_least`). Who guesses, or always says the same, repeats much by their own confusion, and is not convicted.
    With more than one accepted answer, the one under which the repeat is likeliest counts.

    Members who share only what is right can't be told from good workers this way; nor need they be.

    Raises
    ------
    ValueError
        `at_least` is no probability.
    """
    if not 0 <= at_least <= 1:
        raise ValueError(f"at_least must be a probability, not {at_least}.")
    found = chances_to_repeat(items, labels, accepted[items, labels])
    rates = confusions[workers[found.row], :, found.wrong]
    own = np.where(accepted[items[found.row]], rates, 0.0).max(axis=1, initial=0.0)
    chance = np.maximum(own, at_least)
    repeated = int(found.repeated.sum())
    tail = poisson_binomial_tail(chance, repeated) if len(chance) else 1.0
    met = int((np.bincount(items, minlength=1) > 1).sum())
    return Sharing(met, len(chance), repeated, float(chance.sum()), tail)
