"""A model that is trained here, on the labels so far: of texts, or of pictures, with scikit-learn.

It speaks of each labelled item only through models that did not see that item's label, known answers among them: what
it says of those would otherwise be no check, and its suggestions on them would give them away.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import sparse

from core.errors import DomainError
from marketplace.models import Media
from marketplace.services.design import MEDIA_PREFIX
from marketplace.services.media import stored_media

FOLDS = 5
#: Labelled items that a model needs, and of a class to be learned at all.
LEAST_LABELS, LEAST_OF_CLASS = 50, FOLDS
MOST_FEATURES = 50_000
SIDE, CELLS, TURNS = 32, 4, 9


class TooLittle(DomainError):
    """There is too little to learn from; the sentence says what."""

    code = "too_little"
    message = "There is too little to learn from yet."


@dataclass(frozen=True)
class Learned:
    """What a model says of all items.

    Attributes
    ----------
    probabilities : ndarray, shape (N, K)
        Of labelled items from models that did not see their label.
    features : ndarray, shape (N, D)
        Dense rows of length 1, for telling alike from unlike.
    accuracy : float
        Share of the labelled items where it says the label.
    kind : "text" or "pictures"
    """

    probabilities: np.ndarray
    features: np.ndarray
    accuracy: float
    kind: str


def learn_labels(
    features: Any, labels: np.ndarray, weights: np.ndarray, n_classes: int, *, seed: int, kind: str
) -> Learned:
    """Train on the items with a label (`labels` >= 0) and speak of all.

    Parameters
    ----------
    features : array or sparse matrix, shape (N, D)
    labels : ndarray of int, shape (N,)
        -1 where there is none.
    weights : ndarray, shape (N,)
        How much a label is to be believed.

    Raises
    ------
    TooLittle
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    labels, weights = np.asarray(labels, np.intp), np.asarray(weights, float)
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    known = np.flatnonzero((labels >= 0) & (sizes[np.maximum(labels, 0)] >= LEAST_OF_CLASS))
    if len(known) < LEAST_LABELS or len(np.unique(labels[known])) < 2:
        raise TooLittle(
            f"A model needs {LEAST_LABELS} labelled items in two classes of {LEAST_OF_CLASS} and more;"
            f" there are {len(known)}."
        )
    table = sparse.csr_matrix(features) if sparse.issparse(features) else np.asarray(features, float)
    total = np.zeros((len(labels), n_classes))
    spoken = np.zeros(len(labels))
    unknown = np.setdiff1d(np.arange(len(labels)), known)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, held in folds.split(known, labels[known]):
        model = LogisticRegression(max_iter=300, C=4.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(table[known[seen]], labels[known[seen]], sample_weight=weights[known[seen]])
        rows = np.concatenate([known[held], unknown])
        total[np.ix_(rows, model.classes_)] += model.predict_proba(table[rows])
        spoken[rows] += 1
    probabilities = total / spoken[:, None]
    dense = table
    if sparse.issparse(table):
        wide = min(50, table.shape[1] - 1, table.shape[0] - 1)
        dense = TruncatedSVD(max(wide, 1), random_state=seed).fit_transform(table)
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    return Learned(
        probabilities=probabilities,
        features=dense / np.where(length > 0, length, 1.0),
        accuracy=float((probabilities[known].argmax(axis=1) == labels[known]).mean()),
        kind=kind,
    )


# --- features ---------------------------------------------------------------------------------------------------------


def features_of(rows: Sequence[Mapping[str, Any]], requester_id: int) -> tuple[Any, str]:
    """Features of items, (N, D), and what they are of: pictures where most items have one that is here, else text."""
    pictures = _pictures(rows, requester_id)
    if len(pictures) >= len(rows) / 2 and pictures:
        size = len(next(iter(pictures.values())))
        blank = np.zeros(size)
        return np.stack([pictures.get(place, blank) for place in range(len(rows))]), "pictures"
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [" \n".join(str(value) for value in row.values() if isinstance(value, str | int | float)) for row in rows]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MOST_FEATURES)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=MOST_FEATURES)
    try:
        return sparse.hstack([words.fit_transform(texts), letters.fit_transform(texts)]).tocsr(), "text"
    except ValueError:  # no word in any item
        raise TooLittle("The items have neither text nor pictures that are stored here.") from None


def _pictures(rows: Sequence[Mapping[str, Any]], requester_id: int) -> dict[int, np.ndarray]:
    """By place, the features of the first picture of an item."""
    found: dict[int, np.ndarray] = {}
    for start in range(0, len(rows), 500):
        values = {place: list(rows[place].values()) for place in range(start, min(start + 500, len(rows)))}
        own = stored_media(requester_id=requester_id, values=[one for row in values.values() for one in row])
        ids = {file.address.removeprefix(MEDIA_PREFIX) for file in own.values()}
        stored = {
            f"{MEDIA_PREFIX}{media.public_id}": media
            for media in Media.objects.filter(public_id__in=ids, content_type__startswith="image/")
        }
        for place, row in values.items():
            for value in row:
                media = stored.get(own[value].address) if isinstance(value, str) and value in own else None
                if media is not None and (vector := _features_of(media)) is not None:
                    found[place] = vector
                    break
    return found


def _features_of(media: Media) -> np.ndarray | None:
    try:
        with media.file.open("rb") as file:
            return picture_features(file.read())
    except (OSError, UnidentifiedImageError, ValueError):
        return None


def picture_features(content: bytes) -> np.ndarray:
    """A small picture as numbers: where its edges run, its shades, and its colours.

    Returns
    -------
    ndarray, shape (CELLS * CELLS * TURNS + 16 * 16 + 24,)
    """
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    small = np.asarray(picture.resize((SIDE, SIDE)), float) / 255
    shade = small.mean(axis=2)
    down, right = np.gradient(shade)
    size, turn = np.hypot(down, right), (np.arctan2(down, right) % np.pi) / np.pi * TURNS
    cell = np.arange(SIDE) * CELLS // SIDE
    place = (cell[:, None] * CELLS + cell[None, :]) * TURNS + np.minimum(turn.astype(int), TURNS - 1)
    edges = np.bincount(place.ravel(), size.ravel(), CELLS * CELLS * TURNS)
    edges = edges / (np.linalg.norm(edges) + 1e-6)
    shades = shade.reshape(16, 2, 16, 2).mean(axis=(1, 3)).ravel()
    colours = np.concatenate([np.histogram(small[..., n], 8, (0, 1))[0] for n in range(3)]) / SIDE**2
    return np.concatenate([3 * edges, shades - shades.mean(), colours])
