"""Texts: normalising, word error rate, and the consensus of transcripts that agree word for word."""

from __future__ import annotations

import unicodedata


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
