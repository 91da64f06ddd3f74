"""How much a worker's answers say."""

import numpy as np
import pytest

from quality.estimators.expectation import pooled_confusion
from quality.estimators.spam import expected_cost, information, measured, raykar_yu
from tests.support.twins import one_coin, two_coin


def test_the_score_is_the_sum_over_pairs_of_classes():
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 4)

    by_hand = sum(((rows[a] - rows[b]) ** 2).sum() for a in range(4) for b in range(a + 1, 4)) / 12

    assert raykar_yu(rows) == pytest.approx(by_hand)


def test_a_perfect_worker_and_one_who_guesses():
    prior = np.array([0.9, 0.1])
    perfect, same = np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]])

    assert [raykar_yu(perfect), information(perfect, prior), expected_cost(perfect, prior)] == pytest.approx([1, 1, 0])
    assert [raykar_yu(same), information(same, prior), expected_cost(same, prior)] == pytest.approx([0, 0, 1])


def test_the_score_tells_spammers_in_a_skewed_job_where_agreement_does_not():
    """75 judgments each, shares 90/10: one who always says the common class agrees with nearly everybody."""
    rng = np.random.default_rng(0)
    prior, n = np.array([0.9, 0.1]), 400
    lazy = np.arange(n) < n // 2
    rows = two_coin(np.where(lazy, 0.95, rng.beta(9, 1.5, n)), np.where(lazy, 0.05, rng.beta(5, 2, n)))
    truth = rng.multinomial(75, prior, n)
    counts = np.stack([[rng.multinomial(truth[w, k], rows[w, k]) for k in range(2)] for w in range(n)]).astype(float)

    score = measured(counts, pooled_confusion(counts.sum(axis=0)), prior, 1.0, seed=0)["spammer score"].value
    accuracy = np.trace(counts, axis1=1, axis2=2) / 75

    assert auc(score[~lazy], score[lazy]) >= 0.9
    assert auc(score[~lazy], score[lazy]) >= auc(accuracy[~lazy], accuracy[lazy]) + 0.1


def test_few_are_taken_for_worse_than_they_are_and_intervals_shrink_with_answers():
    """Only the upper bound acts: a square of noisy rates is too large, never too small."""
    rng = np.random.default_rng(1)
    rows = one_coin(rng.uniform(0.4, 0.9, 200), 3)
    widths = []
    for n in (20, 200):
        counts = np.stack([[rng.multinomial(n, row) for row in worker] for worker in rows]).astype(float)
        found = measured(counts, pooled_confusion(counts.sum(axis=0)), np.full(3, 1 / 3), 1.0, seed=0)["spammer score"]
        truth = raykar_yu(rows)
        assert (truth <= found.upper).mean() >= 0.95
        widths.append((found.upper - found.lower).mean())
    assert widths[1] < widths[0] / 2


def auc(better: np.ndarray, worse: np.ndarray) -> float:
    return float(((better[:, None] > worse).mean() + (better[:, None] >= worse).mean()) / 2)
