"""A grader for each kind."""

import time

import pytest

from quality.estimators.grading import GRADERS, grade


@pytest.mark.parametrize(
    ("kind", "answer", "key", "options", "score", "passed"),
    [
        ("categorical", "cat", "cat", {}, 1, True),
        ("categorical", "dog", ["cat", "dog"], {}, 1, True),
        ("categorical", "cow", ["cat", "dog"], {}, 0, False),
        ("categorical", "ca", "cat", {}, 0, False),
        ("pairwise", "left", ["left", "tie"], {}, 1, True),
        ("pairwise", "right", ["left", "tie"], {}, 0, False),
        ("ordinal", 3, 3, {"order": [1, 2, 3, 4, 5]}, 1, True),
        ("ordinal", 4, 3, {"order": [1, 2, 3, 4, 5]}, 0.75, True),
        ("ordinal", 5, 3, {"order": [1, 2, 3, 4, 5]}, 0.5, False),
        ("ordinal", 5, [2, 4], {"order": [1, 2, 3, 4, 5]}, 0.75, True),
        ("ordinal", 4, 3, {"order": [1, 2, 3, 4, 5], "within": 0}, 0.75, False),
        ("ordinal", 9, 3, {"order": [1, 2, 3]}, 0, False),
        ("multilabel", ["a", "b"], ["a", "b"], {}, 1, True),
        ("multilabel", ["a", "b"], ["a", "b", "c"], {}, 0.8, True),
        ("multilabel", ["a"], ["a", "b", "c"], {}, 0.5, False),
        ("multilabel", [], [], {}, 1, True),
        ("multilabel", [], ["a"], {}, 0, False),
        ("boxes", [[0, 0, 2, 2]], [[0, 0, 2, 2]], {}, 1, True),
        ("boxes", [[0, 0, 2, 2], [8, 8, 9, 9]], [[0, 0, 2, 2], [4, 4, 5, 5]], {}, 0.5, False),
        ("boxes", [], [], {}, 1, True),
        ("boxes", [], [[0, 0, 1, 1]], {}, 0, False),
        ("mask", [[1, 1], [1, 0]], [[1, 1], [1, 1]], {}, 0.75, True),
        ("mask", [[0, 0]], [[0, 0]], {}, 1, True),
        ("sequence", ["B-X", "I-X", "O"], ["B-X", "I-X", "O"], {}, 1, True),
        ("sequence", ["B-X", "O", "O"], ["B-X", "I-X", "O"], {}, 0, False),
        ("sequence", ["O"], ["O"], {}, 1, True),
        ("ranking", list("abcd"), list("abcd"), {}, 1, True),
        ("ranking", list("dcba"), list("abcd"), {}, 0, False),
        ("number", 10, 10, {}, 1, True),
        ("number", 0.1 + 0.2, 0.3, {}, 1, True),
        ("number", 10.5, 10, {"absolute": 0.5}, 1, True),
        ("number", 10.6, 10, {"absolute": 0.5}, 0, False),
        ("number", -95, -100, {"relative": 0.05}, 1, True),
        ("number", float("nan"), 10, {"absolute": 1}, 0, False),
        ("text", "  Main STREET 5", "main street 5", {}, 1, True),
        ("text", "Elm", ["main", "elm"], {}, 1, True),
        ("text", "a b c d e f g h i x", "a b c d e f g h i j", {}, 0.9, True),
        ("text", "a b c d x", "a b c d e", {}, 0.8, False),
        ("text", "totally different words here", "one", {}, 0, False),
        ("text", "", "", {}, 1, True),
    ],
)
def test_grades(kind, answer, key, options, score, passed):
    found = grade(kind, answer, key, **options)

    assert found.score == pytest.approx(score)
    assert found.passed is passed


def test_a_pattern_has_to_match_all_of_the_text():
    assert grade("text", "AB-12", (), pattern="[A-Z]{2}-[0-9]+").passed
    assert not grade("text", "xAB-12", (), pattern="[A-Z]{2}-[0-9]+").passed


def test_a_cruel_pattern_stays_quick():
    started = time.perf_counter()

    found = grade("text", "a" * 5000 + "!", (), pattern="(a+)+")

    assert not found.passed
    assert time.perf_counter() - started < 1


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ValueError, match="pattern"):
        grade("text", "x", (), pattern="(")


def test_a_kind_without_a_grader_is_refused():
    with pytest.raises(ValueError, match="kind 'smell' has no grader"):
        grade("smell", 1, 1)
    plain = {"categorical", "pairwise", "ordinal", "multilabel", "number", "text"}
    assert set(GRADERS) == plain | {"boxes", "mask", "sequence", "ranking"}
