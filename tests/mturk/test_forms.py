"""What is read from questions without a browser: forms, formatted content, Liquid, layouts, what is derived, pages."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles import finders

from core.errors import Invalid
from mturk import derive, formatted, layouts, liquid
from mturk.errors import RequestError
from mturk.form import check_fields
from mturk.frames import libraries, page
from mturk.hosts import is_same_site
from mturk.loose import loose
from mturk.questions import form_of, media_of, read_question
from tests.mturk.frames_site import TEMPLATES, external_question, form_question, html_question
from tests.mturk.test_frames import EVERYTHING, FORM

ONE = "<Question><QuestionIdentifier>q</QuestionIdentifier>{}</Question>"
TEXT = "<QuestionContent><Text>Why?</Text></QuestionContent>"
FREE = "<AnswerSpecification><FreeTextAnswer>{}</FreeTextAnswer></AnswerSpecification>"


def free(inside):
    return f"<FreeTextAnswer>{inside}</FreeTextAnswer>"


def form(answer, content=TEXT, version="2005-10-01"):
    return form_question(ONE.format(content + f"<AnswerSpecification>{answer}</AnswerSpecification>"), version)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (form_question(""), "at least one Question"),
        (form_question(ONE.format(TEXT)), "needs <AnswerSpecification>"),
        (form("<FreeTextAnswer/>", "<QuestionContent></QuestionContent>"), "is empty"),
        (form("<FreeTextAnswer><DefaultText>a</DefaultText><Constraints/></FreeTextAnswer>"), "wrong place"),
        (form("<SelectionAnswer><Selections></Selections></SelectionAnswer>"), "needs <Selection>"),
        (form("<FreeTextAnswer/>" * 2), "must hold one of"),
        (form(free("<NumberOfLinesSuggestion>0</NumberOfLinesSuggestion>")), "must be from 1"),
        (form(free("<Constraints><Length minLength='5' maxLength='4'/></Constraints>")), "more"),
        (form("<FileUploadAnswer><MaxFileSizeInBytes>9</MaxFileSizeInBytes><MinFileSizeInBytes>1</MinFileSizeInBytes>"
              "</FileUploadAnswer>", version="2017-11-06"), "not allowed"),
        (form("<FreeTextAnswer/>", "<QuestionContent><Binary><MimeType><Type>image</Type></MimeType>"
              "<DataURL>ftp://a/b</DataURL><AltText>x</AltText></Binary></QuestionContent>"), "http"),
        (form_question(ONE.format(TEXT + FREE.format("")) * 2), "Two questions"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + form("<FreeTextAnswer/>"), "DOCTYPE"),
    ],
)  # fmt: skip
def test_what_a_form_may_not_be_is_told(question, why):
    with pytest.raises(RequestError, match=why) as refused:
        read_question(question)
    assert refused.value.code == "AWS.MechanicalTurk.XMLParseError"


def test_the_shared_test_of_a_qualification_is_read():
    path = TEMPLATES / "qualification_test.xml"
    if not path.exists():
        pytest.skip("no shared folder with templates beside the project")
    read = form_of(path.read_text())

    assert [question.identifier for question in read.questions] == ["first_question", "second_question"]
    assert [one["kind"] for one in derive.questions_from(path.read_text())] == ["categorical", "categorical"]


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"year": ["1951"], "hand": ["left"]}, {}),
        ({"year": ["1899"], "hand": ["left"]}, {"year"}),
        ({"year": ["195"], "hand": ["left"]}, {"year"}),
        ({"year": ["195x"], "hand": ["left"]}, {"year"}),
        ({"hand": ["left"]}, {"year"}),
        ({"year": ["1951"], "hand": ["up"]}, {"hand"}),
        ({"year": ["1951"]}, {"hand"}),
        ({"year": ["1951"], "hand": ["left", "right"]}, {"hand"}),
        ({"year": ["1951"], "hand": ["left"], "seen": ["ink", "seal"], "seen__other": ["x"]}, {"seen"}),
    ],
)
def test_answers_to_a_form_are_checked_here_too(values, wrong):
    _entries, errors = check_fields(form_of(form_question(FORM)), values)

    assert set(errors) == set(wrong)


def test_an_expression_that_could_hang_does_not():
    read = form_of(
        form("<FreeTextAnswer><Constraints><AnswerFormatRegex regex='^(a+)+$'/></Constraints></FreeTextAnswer>")
    )
    _entries, errors = check_fields(read, {"q": ["a" * 60_000 + "!"]})

    assert set(errors) == {"q"}


@pytest.mark.parametrize(
    "text",
    ["a &amp; <b>b</b>&nbsp;<br/>", "<ul><li>one</li></ul>", '<a href="https://a.example">x</a>',
     '<img src="https://a.example/b.png" alt="b"/>', "<table><tr><td>1</td></tr></table>", "plain < no"[:5]],
)  # fmt: skip
def test_formatted_content_that_is_allowed(text):
    formatted.check(text)


@pytest.mark.parametrize(
    "text",
    ["<script>x</script>", "<div>x</div>", "<p class='x'>y</p>", "<p id='x'>y</p>", "<p style='x'>y</p>", "<!-- x -->",
     '<a href="javascript:x">y</a>', '<img src="https://a.example/b.png"/>', "<ul>x</ul>", "<b><p>x</p></b>", "<b>x",
     "<p onclick='x'>y</p>", "&nosuch;"],
)  # fmt: skip
def test_formatted_content_that_is_not_allowed(text):
    with pytest.raises(RequestError) as refused:
        formatted.check(text)
    assert refused.value.code == "AWS.MechanicalTurk.XHTMLParseError"


def test_liquid_escapes_and_knows_the_filters_of_ground_truth():
    data = {"labels": ["it's", "<b>"], "text": "<i>&amp;", "url": "s3://bucket/a b.png"}
    source = "{{ task.input.labels | to_json }}|{{ task.input.labels | to_json | escape }}|{{ task.input.text }}"
    source += "|{{ task.input.text | skip_autoescape }}|{{ task.input.text | escape_once }}|{{ task.input.nothing.at }}"
    source += "|{{ task.input.url | grant_read_access }}|{% for one in task.input.labels %}{{ one }},{% endfor %}"

    assert liquid.render(source, data).split("|") == [
        '["it\\u0027s","\\u003cb\\u003e"]',
        "[&#34;it\\u0027s&#34;,&#34;\\u003cb\\u003e&#34;]",
        "&lt;i&gt;&amp;amp;",
        "<i>&amp;",
        "&lt;i&gt;&amp;",
        "",
        "https://bucket.s3.amazonaws.com/a%20b.png",
        "it&#39;s,&lt;b&gt;,",
    ]
    for wrong in ("{{ a | nosuch }}", "{% for %}", "{% for n in (1..10000000) %}x{% endfor %}", "{% include 'x' %}"):
        with pytest.raises(Invalid):
            liquid.render(wrong, {})


def test_a_layout_wants_a_value_for_each_placeholder_and_no_other():
    assert layouts.fill("<b>${a}</b>${b}${a}", {"a": "<i>", "b": "${a}"}) == "<b><i></b>${a}<i>"
    with pytest.raises(Invalid) as refused:
        layouts.fill("${a}", {"b": "1"})
    assert set(refused.value.errors) == {"a", "b"}
    assert layouts.fill("{{ task.input.o.x }}", {"o.x": "<"}) == "&lt;"


def test_questions_are_derived_from_what_a_page_asks():
    found = {one["name"]: one for one in derive.questions_from(html_question(EVERYTHING))}

    assert {name: one["kind"] for name, one in found.items()} == {
        "mood": "categorical", "tags": "multilabel", "flags": "multilabel", "on": "multilabel", "much": "number",
        "cat_dog": "categorical", "pick": "categorical", "plain": "categorical",
    }  # fmt: skip
    assert found["tags"]["labels"] == ["one", "two", "None"]
    assert found["much"] | {"min": 1.0, "max": 5.0, "step": 1.0} == found["much"]
    assert all(one["required"] is False for one in found.values())
    assert derive.questions_from(external_question("https://a.example/")) == []


def test_libraries_that_everybody_knows_are_answered_here():
    for address in (
        "https://code.jquery.com/jquery-1.12.4.min.js", "//ajax.googleapis.com/ajax/libs/jquery/3.3.1/jquery.min.js",
        "https://maxcdn.bootstrapcdn.com/bootstrap/4.0.0/css/bootstrap.min.css",
        "https://s3.amazonaws.com/mturk-public/bs30/css/bootstrap.min.css",
        "https://s3.amazonaws.com/mturk-public/externalHIT_v1.js", "https://assets.crowd.aws/crowd-html-elements.js",
        "https://cdnjs.cloudflare.com/ajax/libs/font-awesome/4.7.0/css/font-awesome.min.css",
    ):  # fmt: skip
        found = libraries.answered(address)
        assert found and finders.find(found.removeprefix("/static/")), address
    assert libraries.answered("https://evil.example/jquery.min.js") is None
    assert libraries.answered("https://code.jquery.com/ui/1.13/jquery-ui.js") is None


def test_a_page_is_rewritten_where_it_must_be_and_nowhere_else():
    html = (
        '<script src="https://code.jquery.com/jquery-3.3.1.min.js" integrity="sha384-x"></script>'
        "<form action='//workersandbox.mturk.com/mturk/externalSubmit'><img src=\"https://a.example/b?x=1&amp;y=2\">"
        '<a href="https://a.example/c.png">https://a.example/</a></form>'
    )
    assert media_of(html_question(html)) == ["https://a.example/b?x=1&y=2", "https://a.example/c.png"]
    about = {"assignment": "3A", "title": "T", "nonce": "n"}
    built = page.build(html, media={"https://a.example/b?x=1&y=2": "/media/1"}, submit="/s/t", about=about)

    assert 'src="/static/rest_framework/js/jquery-3.7.1.min.js"' in built and "integrity" not in built
    assert 'action="/s/t"' in built and '<img src="/media/1">' in built
    assert '<a href="https://a.example/c.png">https://a.example/</a>' in built
    wrapped = page.build("<input name=x>", media={}, submit="/s/t", about=about)
    assert '<form name="mturk_form"' in wrapped and 'value="3A"' in wrapped


def test_json_as_templates_write_it():
    assert loose("[{label: 'it\\'s', n: -1.5, on: true,}, /**/ ]") is None  # comments only where a browser reads it
    assert loose("[{label: 'it\\'s', n: -1.5, on: true,}]") == [{"label": "it's", "n": -1.5, "on": True}]
    assert loose("[" * 500) is None and loose("{a}") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:2", True),
        ("http://127.0.0.1", "http://127.0.0.3", False),
        ("https://a.site.example", "https://site.example", True),
        ("https://site.example", "https://else.example", False),
        ("http://localhost", "http://127.0.0.1", False),
    ],
)
def test_which_addresses_share_cookies(one, other, same):
    assert is_same_site(one, other) is same


def test_an_external_page_on_our_own_site_is_refused(settings):
    settings.SITE_URL = "https://work.example.org"
    with pytest.raises(RequestError, match="of your own"):
        read_question(external_question("https://tasks.example.org/x"))


def test_formatted_content_is_what_amazons_schema_allows():
    for text in (
        '<map id="m" name="m"><area alt="x" href="https://a.example/"/></map>',
        '<p align="left">a<br/>&eacute;</p>',
    ):
        formatted.check(text)
    for text in (
        '<p align="sideways">a</p>',
        "<a><a>in a link</a></a>",
        "<table></table>",
        '<img src="https://a.example/b.png" alt="" width="wide"/>',
        '<a href="mailto:a@example.org">mail</a>',
        "<pre><sub>1</sub></pre>",
    ):
        with pytest.raises(RequestError) as refused:
            formatted.check(text)
        assert refused.value.code == "AWS.MechanicalTurk.XHTMLParseError", text
