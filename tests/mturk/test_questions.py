"""Questions, tests, answer keys and answers: read as Amazon's schemas say, and scored."""

import pytest

from mturk.answer_keys import read_key, read_test
from mturk.errors import RequestError
from mturk.questions import SCHEMAS, form_of, read_question

FORM = """<QuestionForm
 xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2017-11-06/QuestionForm.xsd">
  <Overview><Title>Colours</Title><FormattedContent><![CDATA[<b>Look</b>&nbsp;well.]]></FormattedContent></Overview>
  <Question>
    <QuestionIdentifier>sky</QuestionIdentifier><IsRequired>true</IsRequired>
    <QuestionContent><Text>Which colours?</Text></QuestionContent>
    <AnswerSpecification><SelectionAnswer>
      <MinSelectionCount>1</MinSelectionCount><MaxSelectionCount>2</MaxSelectionCount>
      <StyleSuggestion>checkbox</StyleSuggestion>
      <Selections>
        <Selection><SelectionIdentifier>blue</SelectionIdentifier><Text>Blue</Text></Selection>
        <Selection><SelectionIdentifier>grey</SelectionIdentifier><Text>Grey</Text></Selection>
        <Selection><SelectionIdentifier>red</SelectionIdentifier><Text>Red</Text></Selection>
      </Selections>
    </SelectionAnswer></AnswerSpecification>
  </Question>
  {more}
</QuestionForm>"""
TEXT = """<Question>
    <QuestionIdentifier>why</QuestionIdentifier>
    <QuestionContent><Text>Why?</Text></QuestionContent>
    <AnswerSpecification><FreeTextAnswer>
      <Constraints><Length minLength="2" maxLength="5"/><AnswerFormatRegex regex="^[A-Z]+$" flags="i"/></Constraints>
    </FreeTextAnswer></AnswerSpecification>
  </Question>"""
KEY = """<AnswerKey xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/AnswerKey.xsd">
  <Question><QuestionIdentifier>sky</QuestionIdentifier>
    <AnswerOption><SelectionIdentifier>blue</SelectionIdentifier><SelectionIdentifier>grey</SelectionIdentifier>
      <AnswerScore>8</AnswerScore></AnswerOption>
    <AnswerOption><SelectionIdentifier>blue</SelectionIdentifier><AnswerScore>5</AnswerScore></AnswerOption>
    <DefaultScore>-1</DefaultScore>
  </Question>{mapping}</AnswerKey>"""


def form(more=""):
    return form_of(FORM.format(more=more))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (FORM.format(more="<Question/>"), "XMLParseError"),
        (FORM.format(more=TEXT.replace("why", "sky")), "XMLParseError"),
        (FORM.format(more="").replace("<b>Look</b>", "<script>1</script>"), "XHTMLParseError"),
        (FORM.format(more="").replace("<b>Look</b>", "<b>Look"), "XHTMLParseError"),
        (FORM.format(more="").replace("<b>Look</b>", "<!-- a -->"), "XHTMLParseError"),
        (FORM.format(more="").replace("<b>Look</b>", "<a href='java&#10;script:a()'>x</a>"), "XHTMLParseError"),
        (FORM.format(more="").replace("<b>Look</b>", "<img src='https://a.example/b.png'/>"), "XHTMLParseError"),
        (FORM.format(more="").replace(">1<", ">3<"), "XMLParseError"),
    ],
)
def test_what_the_schema_forbids_is_refused(given, code):
    with pytest.raises(RequestError) as refused:
        read_question(given)
    assert refused.value.code == f"AWS.MechanicalTurk.{code}"


PERCENT = "<PercentageMapping><MaximumSummedScore>{}</MaximumSummedScore></PercentageMapping>"
RANGE = """<RangeMapping><SummedScoreRange><InclusiveLowerBound>5</InclusiveLowerBound>
<InclusiveUpperBound>8</InclusiveUpperBound><QualificationValue>2</QualificationValue></SummedScoreRange>
<OutOfRangeQualificationValue>0</OutOfRangeQualificationValue></RangeMapping>"""


@pytest.mark.parametrize(
    ("mapping", "chosen", "value"),
    [
        ("", {"blue", "grey"}, 8),
        ("", {"blue"}, 5),
        ("", {"grey"}, -1),
        ("", set(), -1),
        (PERCENT.format(12), {"blue", "grey"}, 67),
        ("<ScaleMapping><SummedScoreMultiplier>1.5</SummedScoreMultiplier></ScaleMapping>", {"blue"}, 8),
        (RANGE, {"blue"}, 2),
        (RANGE, {"blue", "grey"}, 2),
        (RANGE, {"red"}, 0),
    ],
)
def test_an_answer_key_scores_the_exact_selections(mapping, chosen, value):
    wrapped = f"<QualificationValueMapping>{mapping}</QualificationValueMapping>" if mapping else ""

    assert read_key(KEY.format(mapping=wrapped), form()).value({"sky": frozenset(chosen)}) == value


def test_a_text_cannot_be_scored_and_other_questions_are_no_test():
    with pytest.raises(RequestError):
        read_key(KEY.format(mapping=""), form(TEXT))
    with pytest.raises(RequestError):
        read_key(KEY.format(mapping="").replace("sky", "sea"), form())
    with pytest.raises(RequestError):
        read_test(
            f'<ExternalQuestion xmlns="{SCHEMAS}2006-07-14/ExternalQuestion.xsd">'
            "<ExternalURL>https://a.example</ExternalURL><FrameHeight>0</FrameHeight></ExternalQuestion>"
        )


SITE = "<ExternalURL>https://a.example/?ids[]=1&amp;b=2</ExternalURL>"
HIGH = "<FrameHeight>0</FrameHeight>"
PAGE = "<HTMLContent><![CDATA[<form></form>]]></HTMLContent>"


def external(inside, attributes=""):
    return f'<ExternalQuestion xmlns="{SCHEMAS}2006-07-14/ExternalQuestion.xsd"{attributes}>{inside}</ExternalQuestion>'


def page(inside):
    return f'<HTMLQuestion xmlns="{SCHEMAS}2011-11-11/HTMLQuestion.xsd">{inside}</HTMLQuestion>'


def test_what_amazons_schemas_allow_is_taken():
    place = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    for given in (external(SITE + HIGH), external(f"<!-- c -->{SITE}\n {HIGH}", place), page(PAGE + HIGH)):
        read_question(f'\n<?xml version="1.0" encoding="UTF-8"?>{given}')


@pytest.mark.parametrize(
    "given",
    [
        external(HIGH + SITE),
        external(SITE),
        external(SITE + HIGH + HIGH),
        external(SITE + HIGH + "<Title>x</Title>"),
        external(SITE.replace("<ExternalURL>", '<ExternalURL target="x">') + HIGH),
        external(SITE + HIGH, ' version="1"'),
        external("text" + SITE + HIGH),
        page(HIGH + PAGE),
        page(PAGE + "<FrameHeight>tall</FrameHeight>"),
        page("<HTMLContent><b>not escaped</b></HTMLContent>" + HIGH),
        page(PAGE + HIGH).replace("2011-11-11", "2012-01-01"),
        FORM.format(more="").replace("<Question>", '<Question id="1">'),
        FORM.format(more="").replace("<Text>Blue</Text>", "<Text>Blue</Text><Text>Navy</Text>"),
    ],
)
def test_what_amazons_schemas_forbid_is_refused(given):
    with pytest.raises(RequestError) as refused:
        read_question(given)
    assert refused.value.code == "AWS.MechanicalTurk.XMLParseError"
    assert "There was an error parsing the XML question or answer data in your request." in refused.value.message
