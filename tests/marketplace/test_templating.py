"""Templates of the work page: what they show, and what they never let through."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from marketplace.templating import Stored, compile_template, render_markdown


def address(value):
    return Stored(f"/media/{len(value)}") if value else None


def render(source, **data):
    return compile_template(source).render(data, address)


def test_a_value_is_escaped_and_never_read_as_markdown():
    assert render("Say {{text}}", text="**<b>&\nhi**") == "<p>Say **&lt;b&gt;&amp;<br>hi**</p>\n"


def test_markdown_is_rendered():
    assert render("# A\n\n* *b* `{{x}}`\n\n| a |\n|---|\n| {{x}} |", x="1<2") == (
        "<h1>A</h1>\n<ul>\n<li><em>b</em> <code>1&lt;2</code></li>\n</ul>\n<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n"
        "</thead>\n<tbody>\n<tr>\n<td>1&lt;2</td>\n</tr>\n</tbody>\n</table>\n"
    )


def test_the_place_of_a_picture_is_kept_free_until_it_has_come():
    html = compile_template("{{image photo}}").render({"photo": "x"}, lambda _value: Stored("/media/1", 320, 240))

    assert html == '<p><img class="media" src="/media/1" width="320" height="240" alt="photo"></p>\n'


def test_media_come_from_our_storage_only():
    assert render("{{image photo | A bird}}", photo="https://x/y") == (
        '<p><img class="media" src="/media/11" alt="A bird"></p>\n'
    )
    assert render("{{audio s}}", s="a") == (
        '<p><audio class="media" src="/media/1" aria-label="s" controls preload="auto"></audio></p>\n'
    )
    assert "media-missing" in render("{{video v}}", v="")


def test_a_link_goes_only_to_the_web():
    assert render("{{link u | there}}", u='https://x/?a="b"') == (
        '<p><a href="https://x/?a=&quot;b&quot;" rel="noopener noreferrer nofollow" target="_blank">there</a></p>\n'
    )
    assert "<a" not in render("{{link u}}", u="javascript:alert(1)")


def test_a_column_called_like_a_kind_can_be_shown():
    assert render("{{image}} {{text image 1}}", **{"image": "a", "image 1": "b"}) == "<p>a b</p>\n"


def test_other_values_are_shown_as_json():
    assert render("{{n}} {{l}} {{e}}", n=1.5, l=["a"], e=None) == "<p>1.5 [&quot;a&quot;] </p>\n"


def test_an_unknown_placeholder_is_refused_with_the_columns_there_are():
    with pytest.raises(Invalid) as caught:
        render("{{photo}}", image="x", text="y")
    assert caught.value.code == "unknown_column"
    assert caught.value.errors == {"template": 'There is no column "photo". The columns are: image, text.'}


def test_columns_are_told_by_kind():
    template = compile_template("{{image a}} {{b}} {{video c}} {{a}}")
    assert template.columns == ("a", "b", "c")
    assert template.media_columns == ("a", "c")


@pytest.mark.parametrize(
    "source",
    [
        "{{}}", "{{a", "{{a}", "{{ | x}}", "{{a{{b}}", "[x]({{url}})", "![x]({{url}})", '[x](/a "{{t}}")',
        "![x](https://elsewhere.example/x.png)", "![x](//elsewhere.example/x.png)", "a\x00", "x" * 100_001,
        "{{a}}" * 201, "{{a}} &#xE000;0&#xE001;",
    ],
)  # fmt: skip
def test_a_template_that_could_not_work_is_refused(source):
    with pytest.raises(Invalid) as caught:
        compile_template(source)
    assert list(caught.value.errors) == ["template"]


def test_a_picture_of_our_own_may_stand_in_the_instructions():
    assert render_markdown("![x](/media/1)") == '<p><img src="/media/1" alt="x"></p>\n'


ATTACKS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](data:text/html,x)",
    "<svg onload=alert(1)>", '"><script>', "</p><script>", "<a href='javascript:x'>", "[x](vbscript:x)",
    "&#106;avascript:",
    "<style>*{}</style>", "<iframe src=//x>", "<base href=//x>", "<meta http-equiv=refresh>",
    "{{x}}<!--", "\ue0000\ue001",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_script_gets_through_as_template_or_value(attack):
    for html in (render(attack, x="1"), render("{{x}} {{link x}} {{image x | y}}", x=attack)):
        tags = re.findall(r"<[^>]*>", html)
        assert not [tag for tag in tags if re.search(r"script|onerror|onload|style|iframe|base|meta|svg", tag, re.I)]
        assert not re.search(r"""(href|src)="\s*(javascript|data|vbscript)""", html, re.I)


@given(st.text(), st.text())
def test_any_text_renders_or_is_refused_and_values_add_no_tag(source, value):
    try:
        template = compile_template(source + "{{x}}")
    except Invalid:
        return
    data = dict.fromkeys(template.columns, value)
    plain = template.render(dict.fromkeys(template.columns, "x"), address)
    html = template.render(data, address)
    assert html.replace("<br>", "").count("<") == plain.replace("<br>", "").count("<")
