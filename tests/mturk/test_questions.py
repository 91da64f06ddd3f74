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
