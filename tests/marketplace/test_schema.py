"""The question schema: definitions, data and answers."""

import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from marketplace.schema import CANT_TELL, NA, Judged, Schema, schema_of

DIGIT = {"name": "digit", "kind": "categorical", "labels": ["0", "1", "7"]}
TAGS = {"name": "tags", "kind": "multilabel", "labels": ["cat", "dog", "bird"]}
MOOD = {"name": "mood", "kind": "ordinal", "labels": ["bad", "fair", "good"]}
AGE = {"name": "age", "kind": "number", "min": 0, "max": 120, "step": 0.5, "unit": "years"}
NOTE = {"name": "note", "kind": "text", "required": False, "max": 20}
BETTER = {"name": "better", "kind": "pairwise", "tie": True, "left": "a", "right": "b"}
ALL = [DIGIT, TAGS, MOOD, AGE, NOTE, BETTER]


def errors_of(questions):
    with pytest.raises(Invalid) as caught:
        Schema.from_json(questions)
    return caught.value.errors


def refused(questions, answers, data=None):
    with pytest.raises(Invalid) as caught:
        schema_of(questions).parse(answers, data or {})
    return caught.value.errors


def test_a_definition_with_every_kind_is_read_and_written_back():
    schema = Schema.from_json(ALL)

    assert [question.kind for question in schema] == [
        "categorical",
        "multilabel",
        "ordinal",
        "number",
        "text",
        "pairwise",
    ]
    assert [question.stops for question in schema] == [True, False, False, False, False, False]
    assert Schema.from_json(schema.to_json()) == schema
    assert json.loads(json.dumps(schema.to_json())) == schema.to_json()


def test_each_kind_has_a_grader_of_its_own():
    assert {
        q.kind: (q.score.grader, q.score.bar, q.score.absolute, q.score.relative) for q in Schema.from_json(ALL)
    } == {
        "categorical": ("accepted", 1.0, 0.0, 0.0),
        "multilabel": ("f1", 0.8, 0.0, 0.0),
        "ordinal": ("within", 1.0, 1.0, 0.0),
        "number": ("tolerance", 1.0, 0.5, 0.0),
        "text": ("equal", 1.0, 0.0, 0.0),
        "pairwise": ("accepted", 1.0, 0.0, 0.0),
    }
    assert Schema.from_json([{"name": "n", "kind": "number"}])["n"].score.relative == 0.05
    assert Schema.from_json([{**NOTE, "score": {"grader": "wer"}}])["note"].score.bar == 0.9


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("no object", "questions[0]"),
        ({"kind": "text"}, "questions[0].name"),
        ({"name": "1st", "kind": "text"}, "questions[0].name"),
        ({"name": "x" * 61, "kind": "text"}, "questions[0].name"),
        ({"name": "x"}, "questions[0].kind"),
        ({"name": "x", "kind": "boxes"}, "questions[0].kind"),
        ({"name": "x", "kind": ["text"]}, "questions[0].kind"),
        ({**DIGIT, "colour": "red"}, "questions[0].colour"),
        ({**DIGIT, "for": "page"}, "questions[0].for"),
        ({**DIGIT, "required": "yes"}, "questions[0].required"),
        ({**DIGIT, "labels": ["one"]}, "questions[0].labels"),
        ({**DIGIT, "labels": "one two"}, "questions[0].labels"),
        ({**DIGIT, "labels": [0, 1]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", "a"]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", " b"]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", ""]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", "b" * 201]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", CANT_TELL]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", "b\x00"]}, "questions[0].labels"),
        ({**DIGIT, "labels": ["a", "\ud800"]}, "questions[0].labels"),
        ({**DIGIT, "labels": [str(n) for n in range(1001)]}, "questions[0].labels"),
        ({**TAGS, "labels": ["b" * 81]}, "questions[0].labels"),
        ({**TAGS, "for": "turn", "labels": ["b" * 44]}, "questions[0].labels"),
        ({**NOTE, "labels": ["a", "b"]}, "questions[0].labels"),
        ({**NOTE, "stops": "yes"}, "questions[0].stops"),
        ({**AGE, "min": 200}, "questions[0].max"),
        ({**AGE, "min": "0"}, "questions[0].min"),
        ({**AGE, "max": math.nan}, "questions[0].max"),
        ({**AGE, "max": 10**400}, "questions[0].max"),
        ({**AGE, "step": 0}, "questions[0].step"),
        ({**NOTE, "max": 1.5}, "questions[0].max"),
        ({**NOTE, "text": "x" * 20_001}, "questions[0].text"),
        ({**DIGIT, "score": {"grader": "f1"}}, "questions[0].score.grader"),
        ({**DIGIT, "score": {"bar": 0}}, "questions[0].score.bar"),
        ({**DIGIT, "score": {"absolute": 1}}, "questions[0].score.absolute"),
        ({**NOTE, "score": {"grader": "pattern", "pattern": "("}}, "questions[0].score.pattern"),
        ({**NOTE, "score": {"grader": "pattern"}}, "questions[0].score.pattern"),
        ({**DIGIT, "when": []}, "questions[0].when"),
        ({**DIGIT, "when": {"question": "later", "op": "==", "value": "x"}}, "questions[0].when"),
        ({**DIGIT, "when": {"data": "x", "op": "~", "value": "x"}}, "questions[0].when.op"),
        ({**DIGIT, "when": {"data": "x", "op": "answered", "value": "x"}}, "questions[0].when.value"),
        ({**DIGIT, "when": {"data": "x", "op": ">"}}, "questions[0].when.value"),
        ({**DIGIT, "when": {"part": "x", "op": "==", "value": "x"}}, "questions[0].when.part"),
        ({**DIGIT, "when": {"all": []}}, "questions[0].when.all"),
        ({**DIGIT, "when": {"all": [{"data": "x", "op": "in", "value": 3}]}}, "questions[0].when.all[0]"),
    ],
)
def test_a_mistake_in_a_definition_is_named_by_its_path(question, path):
    assert list(errors_of([question])) == [path]


def test_all_mistakes_are_named_at_once():
    assert set(errors_of([{**DIGIT, "labels": []}, {**DIGIT, "na": 1}, "x"])) == {
        "questions[0].labels",
        "questions[1].na",
        "questions[2]",
    }


def test_two_questions_cannot_share_a_name():
    assert list(errors_of([DIGIT, DIGIT])) == ["questions[1].name"]


def test_an_empty_schema_takes_only_an_empty_answer():
    schema = Schema.from_json([])

    assert schema.parse({}, {}) == {}
    assert list(refused([], {"x": "y"})) == ["x"]


def test_200_labels_in_any_script_work():
    labels = [f"标签 {n} 🙂" for n in range(200)]
    question = schema_of([{**DIGIT, "labels": labels, "na": True}])["digit"]

    assert question.classes == (*labels, CANT_TELL)
    assert question.judgments(labels[199]) == [Judged("", 199, None)]
    assert question.judgments(NA) == [Judged("", 200, None)]


def test_answers_of_every_kind_become_canonical():
    parsed = schema_of(ALL).parse(
        {
            "better": "tie",
            "tags": ["bird", "cat"],
            "digit": "7",
            "mood": "good",
            "age": "12.50",
            "note": "  a\r\nb ",
        },
        {"a": "x", "b": "y"},
    )

    assert parsed == {
        "digit": "7",
        "tags": ["cat", "bird"],
        "mood": "good",
        "age": 12.5,
        "note": "a\nb",
        "better": "tie",
    }
    assert list(parsed) == ["digit", "tags", "mood", "age", "note", "better"]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        (DIGIT, "8"), (DIGIT, 7), (DIGIT, ["7"]), (DIGIT, NA), (DIGIT, {"x": 1}), (DIGIT, ""), (DIGIT, None),
        ({**DIGIT, "na": True}, CANT_TELL), ({**DIGIT, "na": True}, {"na": False}),
        (TAGS, "cat"), (TAGS, ["cow"]), (TAGS, ["cat", "cat"]), (TAGS, [1]), ({**TAGS, "min": 1}, []),
        ({**TAGS, "max": 1}, ["cat", "dog"]),
        (AGE, "12,5"), (AGE, "1_0"), (AGE, True), (AGE, -1), (AGE, 121), (AGE, 0.3), (AGE, "nan"), (AGE, "٣"),
        (AGE, "1" * 5000), (AGE, math.inf),
        ({**NOTE, "required": True}, "   "), (NOTE, "x" * 21), (NOTE, "a\x00"), (NOTE, "\ud800"), (NOTE, 3),
        ({**NOTE, "min": 3}, "ab"),
        ({**BETTER, "tie": False}, "tie"), (BETTER, "a"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_under_the_name_of_its_question(question, value):
    assert list(refused([question], {question["name"]: value})) == [question["name"]]


def test_an_optional_question_may_be_left_out():
    assert schema_of([NOTE]).parse({}, {}) == schema_of([NOTE]).parse({"note": " "}, {}) == {}


def test_no_label_at_all_is_an_answer_of_a_multilabel_question():
    assert schema_of([TAGS]).parse({"tags": []}, {}) == {"tags": []}
    assert list(refused([TAGS], {})) == ["tags"]


def test_all_wrong_answers_are_named_at_once():
    assert set(refused([DIGIT, AGE, NOTE], {"age": "old", "shoe": 42})) == {"digit", "age", "shoe"}
    assert set(refused([DIGIT], ["7"])) == {"answers"}


WHY = {"name": "why", "kind": "text", "when": {"question": "digit", "op": "!=", "value": "7"}}


def test_a_hidden_question_does_not_apply_and_must_not_be_answered():
    schema = schema_of([DIGIT, WHY])

    assert schema.parse({"digit": "7"}, {}) == {"digit": "7"}
    assert schema.parse({"digit": "7", "why": ""}, {}) == {"digit": "7"}
    assert list(refused([DIGIT, WHY], {"digit": "7", "why": "so"})) == ["why"]
    assert list(refused([DIGIT, WHY], {"digit": "1"})) == ["why"]


def test_a_question_that_hangs_on_a_wrong_answer_is_not_blamed():
    assert list(refused([DIGIT, WHY], {"digit": "8", "why": "so"})) == ["digit"]


@pytest.mark.parametrize(
    ("when", "answers", "data", "shown"),
    [
        ({"question": "digit", "op": "in", "value": ["0", "1"]}, {"digit": "1"}, {}, True),
        ({"question": "digit", "op": "==", "value": NA}, {"digit": NA}, {}, True),
        ({"question": "digit", "op": "answered"}, {"digit": NA}, {}, True),
        ({"question": "digit", "op": "answered"}, {}, {}, False),
        ({"question": "digit", "op": "!=", "value": "7"}, {}, {}, False),
        ({"question": "tags", "op": "==", "value": "cat"}, {"tags": ["cat", "dog"]}, {}, True),
        ({"question": "tags", "op": "!=", "value": "cat"}, {"tags": ["cat", "dog"]}, {}, False),
        ({"question": "tags", "op": "answered"}, {"tags": []}, {}, False),
        ({"question": "mood", "op": ">=", "value": "fair"}, {"mood": "good"}, {}, True),
        ({"question": "mood", "op": "<", "value": "fair"}, {"mood": "fair"}, {}, False),
        ({"question": "age", "op": ">", "value": 17.5}, {"age": 18}, {}, True),
        ({"question": "age", "op": "<=", "value": 17.5}, {"age": 18}, {}, False),
        ({"data": "length", "op": ">", "value": 9}, {}, {"length": "10"}, True),
        ({"data": "length", "op": ">", "value": 9}, {}, {"length": "long"}, False),
        ({"data": "day", "op": "<", "value": "2026-02-01"}, {}, {"day": "2026-01-31"}, True),
        ({"data": "flag", "op": "==", "value": True}, {}, {"flag": "TRUE"}, True),
        ({"data": "gone", "op": "!=", "value": "x"}, {}, {}, False),
        ({"data": "lang", "op": "in", "value": ["en", "de"]}, {}, {"lang": "de"}, True),
        ({"all": [{"data": "a", "value": 1}, {"any": [{"data": "b", "value": 1}, {"data": "c", "value": 1}]}]},
         {}, {"a": "1", "c": 1}, True),
        ({"all": [{"data": "a", "value": 1}, {"data": "b", "value": 1}]}, {}, {"a": "1"}, False),
    ],
)  # fmt: skip
def test_conditions(when, answers, data, shown):
    optional = [{**question, "required": False} for question in ({**DIGIT, "na": True}, TAGS, MOOD, AGE)]
    schema = schema_of([*optional, {"name": "more", "kind": "categorical", "labels": ["y", "n"], "when": when}])

    if shown:
        assert schema.parse({**answers, "more": "y"}, data)["more"] == "y"
        with pytest.raises(Invalid):
            schema.parse(answers, data)
    else:
        assert "more" not in schema.parse(answers, data)
        with pytest.raises(Invalid):
            schema.parse({**answers, "more": "y"}, data)
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    "when",
    [
        {"question": "digit", "op": ">", "value": "1"},
        {"question": "digit", "op": "==", "value": "9"},
        {"question": "digit", "op": "==", "value": NA},
        {"question": "age", "op": "==", "value": "old"},
        {"question": "tags", "op": "==", "value": "cow"},
        {"question": "said", "op": "==", "value": "x"},
    ],
)
def test_a_condition_that_could_never_be_meant_is_refused(when):
    said = {"name": "said", "kind": "text", "for": "turn"}
    assert list(errors_of([DIGIT, AGE, TAGS, said, {**MOOD, "when": when}])) == ["questions[4].when"]


TURN = {"name": "tone", "kind": "ordinal", "labels": ["rude", "kind"], "for": "turn", "na": True}
TURNS = {"turns": [{"id": "a", "who": "user"}, {"id": 7, "who": "bot"}, "and a plain one"]}


def test_an_answer_to_a_question_for_parts_maps_part_to_value():
    schema = schema_of([TURN])
    parsed = schema.parse({"tone": {"7": "kind", "a": "rude", "2": NA}}, TURNS)

    assert parsed == {"tone": {"a": "rude", "7": "kind", "2": NA}}
    assert schema["tone"].judgments(parsed["tone"]) == [
        Judged("a", 0, None),
        Judged("7", 1, None),
        Judged("2", 2, None),
    ]
    assert list(refused([TURN], {"tone": {"a": "rude", "b": "kind", "7": "odd"}}, TURNS)) == [
        "tone[b]",
        "tone[7]",
        "tone[2]",
    ]
    assert list(refused([TURN], {"tone": "rude"}, TURNS)) == ["tone"]


def test_a_question_for_parts_can_look_at_its_part_and_at_the_same_part_of_an_earlier_one():
    bots = {**TURN, "when": {"part": "who", "op": "==", "value": "bot"}}
    why = {"name": "why", "kind": "text", "for": "turn", "when": {"question": "tone", "op": "==", "value": "rude"}}
    schema = schema_of([bots, why])

    assert schema.parse({"tone": {"7": "rude"}, "why": {"7": "shouts"}}, TURNS) == {
        "tone": {"7": "rude"},
        "why": {"7": "shouts"},
    }
    assert list(refused([bots, why], {"tone": {"a": "kind", "7": "rude"}}, TURNS)) == ["tone[a]"]


@pytest.mark.parametrize(
    "turns",
    [None, "", "no json", "{}", [], [3], [{"id": True}], [{"id": "x" * 37}], [{"id": "a/b"}], [{"id": ""}],
     [{"id": "1"}, "second"], ["x"] * 501],
)  # fmt: skip
def test_data_that_does_not_list_its_parts_is_refused(turns):
    with pytest.raises(Invalid) as caught:
        schema_of([TURN]).read_data({"turns": turns})
    assert list(caught.value.errors) == ["turns"]


def test_parts_may_come_as_the_text_of_a_cell():
    assert schema_of([TURN]).read_data({"turns": '["one", "two"]'}) == {"turns": ["one", "two"]}


def test_a_pairwise_question_needs_its_two_columns():
    with pytest.raises(Invalid) as caught:
        schema_of([BETTER]).read_data({"a": "x"})
    assert list(caught.value.errors) == ["b"]


def test_a_multilabel_answer_is_one_judgment_a_label():
    tags = schema_of([{**TAGS, "na": True}])["tags"]

    assert tags.classes == ("no", "yes", CANT_TELL)
    assert tags.judgments(["dog"]) == [Judged("cat", 0, None), Judged("dog", 1, None), Judged("bird", 0, None)]
    assert tags.judgments(NA) == [Judged("cat", 2, None), Judged("dog", 2, None), Judged("bird", 2, None)]
    by_turn = schema_of([{**TAGS, "for": "turn"}])["tags"]
    assert by_turn.judgments({"0": ["cat"]})[0] == Judged("0/cat", 1, None)


def test_numbers_pairs_and_texts_are_judged_in_their_own_way():
    schema = schema_of([{**AGE, "na": True}, NOTE, BETTER])

    assert schema["age"].judgments(12) == [Judged("", None, 12.0)]
    assert (schema["age"].classes, schema["age"].judgments(NA)) == ((CANT_TELL,), [Judged("", 0, None)])
    assert schema["note"].judgments("x") == [Judged("", None, None)]
    assert schema["better"].judgments("tie") == [Judged("", 2, None)]


@pytest.mark.parametrize(
    ("question", "raw", "key"),
    [
        (DIGIT, "7", ["7"]),
        (DIGIT, " 7 | 1 ", ["7", "1"]),
        ({**DIGIT, "labels": ["a|b", "c"]}, "a|b", ["a|b"]),
        ({**DIGIT, "na": True}, f"7|{CANT_TELL}", ["7", NA]),
        (DIGIT, {"accept": ["0", "1", "1"]}, ["0", "1"]),
        (TAGS, "dog|cat", [["cat", "dog"]]),
        (TAGS, ["dog"], [["dog"]]),
        (TAGS, {"accept": [["dog"], ["cat"]]}, [["dog"], ["cat"]]),
        (AGE, "12.5", [12.5]),
        (NOTE, "a | b", ["a | b"]),
        (BETTER, "left|tie", ["left", "tie"]),
    ],
)
def test_a_key_accepts_one_value_or_several(question, raw, key):
    assert schema_of([question])[question["name"]].read_key(raw) == {"accept": key}


def test_a_key_for_parts_is_given_by_part_also_in_a_cell():
    tone = schema_of([TURN])["tone"]
    key = {"0": {"accept": ["kind"]}, "1": {"accept": ["rude", NA]}}
    assert tone.read_key({"0": "kind", "1": {"accept": ["rude", NA]}}) == key
    assert tone.read_key('{"0": "kind", "1": "rude | can\'t tell"}') == key
    for wrong in ("kind", "[]", "{}", ["kind"]):
        with pytest.raises(ValueError, match="each turn"):
            tone.read_key(wrong)


@pytest.mark.parametrize("raw", ["8", "7|8", {"accept": []}, {"accept": "7"}, 7, None])
def test_a_key_that_no_answer_could_match_is_refused(raw):
    with pytest.raises(ValueError, match=r"\w"):
        schema_of([DIGIT])["digit"].read_key(raw)


def test_a_stored_definition_is_read_once():
    assert schema_of(ALL) is schema_of(copy.deepcopy(ALL))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["name", "kind", "for", "when", "required", "na", "stops", "labels", "score", "min", "max", "step", "tie", "text"]
)


@given(st.lists(st.dictionaries(KEYS, json_values), max_size=3) | json_values)
def test_any_json_is_a_schema_or_refused_with_paths(questions):
    try:
        schema = schema_of(questions)
    except Invalid as invalid:
        assert invalid.errors
        assert all(path.startswith("questions") and sentence for path, sentence in invalid.errors.items())
    else:
        assert Schema.from_json(schema.to_json()) == schema


labels = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20).filter(
        lambda label: label == label.strip() and label != CANT_TELL
    ),
    min_size=2,
    max_size=20,
    unique=True,
)


@given(labels, st.data())
def test_every_label_can_be_answered_and_parsing_twice_changes_nothing(labels, data):
    schema = schema_of([{**DIGIT, "labels": labels, "na": True}, {**TAGS, "labels": labels}])
    answers = {
        "digit": data.draw(st.sampled_from(labels) | st.just(NA)),
        "tags": data.draw(st.lists(st.sampled_from(labels), unique=True)),
    }

    parsed = schema.parse(answers, {})

    assert schema.parse(parsed, {}) == parsed == json.loads(json.dumps(parsed))
    assert set(parsed["tags"]) == set(answers["tags"])
    judged = schema["digit"].judgments(parsed["digit"])
    assert [schema["digit"].classes[one.label] for one in judged] == [
        CANT_TELL if answers["digit"] == NA else answers["digit"]
    ]
    assert {one.part for one in schema["tags"].judgments(parsed["tags"]) if one.label == 1} == set(answers["tags"])


@given(st.dictionaries(st.sampled_from([question["name"] for question in ALL]) | st.text(max_size=5), json_values))
def test_any_answers_are_canonical_or_refused_by_name(answers):
    schema = schema_of([{**question, "na": True} for question in ALL])
    try:
        parsed = schema.parse(answers, {})
    except Invalid as invalid:
        assert invalid.errors
        assert all(isinstance(name, str) and sentence for name, sentence in invalid.errors.items())
    else:
        assert schema.parse(parsed, {}) == parsed
        for name, value in parsed.items():
            for one in schema[name].judgments(value):
                assert one.label is None or 0 <= one.label < len(schema[name].classes)
