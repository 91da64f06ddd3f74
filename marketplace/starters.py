"""Projects to start from: one for each simple kind of work, with instructions that were written for people who work.

A starter is ready to publish as it stands. Its rows show what a table for it looks like; they are the preview until a
requester's own table is there, and what members try first. Instructions, questions and rows are content in English,
which a requester edits; the words of the shelf itself are translated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Starter:
    key: str
    title: Any
    about: Any
    icon: str
    name: str
    summary: str
    template: str
    instructions: str
    questions: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, str]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    is_distressing: bool = False

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0])

    def fields(self) -> dict[str, Any]:
        """What `create_project` takes: the lists under "Examples" and "Not like this" become examples of their own."""
        instructions, _sign, rest = self.instructions.strip().partition("### Examples")
        good, _sign, bad = rest.partition("### Not like this")
        examples = [{"shows": shows, "is_good": True, "why": ""} for shows in _listed(good)]
        examples += [{"shows": shows, "is_good": False, "why": ""} for shows in _listed(bad)]
        return {
            "examples": examples,
            "name": self.name,
            "summary": self.summary,
            "template": self.template,
            "instructions": instructions.strip(),
            "questions": [dict(question) for question in self.questions],
            "rules": dict(self.rules),
            "is_distressing": self.is_distressing,
        }


def _listed(markdown: str) -> list[str]:
    """The items of a list, each as one line."""
    return [" ".join(item.split()) for item in re.split(r"^\* ", markdown, flags=re.MULTILINE)[1:]]


STARTERS: tuple[Starter, ...] = (
    Starter(
        key="image",
        title=_("Pictures into classes"),
        about=_("One picture, one choice: species, products, damage, documents."),
        icon="image",
        name="Sort pictures",
        summary="Look at a picture and choose what it mainly shows.",
        template="{{image picture | The picture to sort}}",
        instructions="""
Choose what the picture **mainly** shows: what takes most of it, or what it was clearly taken for.

1. Look at the whole picture; zoom in with `+` if it is small or dark.
2. Choose one class. Something in the background does not count.
3. Nothing fits? Choose *something else*. Too blurred to say? Choose *cannot tell*; it is a real answer.

### Examples

* A dog on a sofa: **animal**. The sofa is only where it sits.
* A street with people and cars, taken for the houses: **building**.
* A plate with half a sandwich: **food**.

### Not like this

* A painting of a horse on a wall is not *animal* but **something else**: it shows a painting.
* A person who holds a fish up to the camera: **person** when the face fills the picture, **animal** when the fish does.
""",
        questions=[
            {
                "name": "class",
                "kind": "categorical",
                "title": "What does the picture mainly show?",
                "labels": ["person", "animal", "food", "building", "vehicle", "landscape", "something else"],
                "na": True,
            }
        ],
        rows=[
            {"picture": "https://example.org/pictures/0001.jpg", "external_id": "0001"},
            {"picture": "https://example.org/pictures/0002.jpg", "external_id": "0002"},
            {"picture": "https://example.org/pictures/0003.jpg", "external_id": "0003"},
        ],
        rules={"reward": "0.04", "estimated_seconds": 10},
    ),
    Starter(
        key="text",
        title=_("Texts into classes"),
        about=_("Messages, titles, reviews or tickets: choose the topic of each."),
        icon="doc",
        name="Sort messages by topic",
        summary="Read a short message and choose what it is about.",
        template="{{text}}",
        instructions="""
Read the whole message, then choose what the writer wants **most**.

1. Two topics in one message? Choose the one that somebody would have to deal with first.
2. Judge what is written, not what might be behind it.
3. A message without any sense (random letters, an empty greeting) is *something else*.

### Examples

* “I was charged twice for October, please send one back.” **billing**
* “The app closes whenever I open a photo.” **technical problem**
* “Parcel says delivered but nothing is here.” **delivery**

### Not like this

* “Great service, but my invoice is missing.” is not *praise*: the invoice has to be sent, so **billing**.
* “How do I change my address for the next parcel?” is not *delivery*, nothing went wrong: **account**.
""",
        questions=[
            {
                "name": "topic",
                "kind": "categorical",
                "title": "What is the message about?",
                "labels": ["billing", "delivery", "technical problem", "account", "praise", "something else"],
                "na": True,
            }
        ],
        rows=[
            {"text": "I was charged twice for October. Can you send one of them back?", "external_id": "m-1"},
            {"text": "The app closes whenever I open a photo.", "external_id": "m-2"},
            {"text": "My parcel says delivered, but there is nothing at the door.", "external_id": "m-3"},
            {"text": "How do I change the e-mail address I sign in with?", "external_id": "m-4"},
        ],
        rules={"reward": "0.05", "estimated_seconds": 15},
    ),
    Starter(
        key="audio",
        title=_("Sounds into classes"),
        about=_("Short recordings: what is heard in them, and how clearly."),
        icon="pulse",
        name="Sort recordings",
        summary="Listen to a short recording and say what is heard in it.",
        template="{{audio recording | The recording to listen to}}",
        instructions="""
Listen to the whole recording once, with headphones if you have some. Listen again before you answer if you are unsure.

1. Choose the sound that is in front. Noise behind it does not count.
2. Somebody speaks while music plays: **speech**, if you could write down the words, else **music**.
3. Nothing but hiss or silence: **silence or noise**.
4. Then say how clear the recording is. A quiet recording can be clear.

### Examples

* A bird sings, a car passes far away: **animal**.
* A choir: **music**, also when you understand the words.

### Not like this

* A radio plays a song in an office where people talk over it: not *music*, but **speech**.
""",
        questions=[
            {
                "name": "sound",
                "kind": "categorical",
                "title": "What is heard in front?",
                "labels": ["speech", "music", "animal", "machine or traffic", "silence or noise", "something else"],
                "na": True,
            },
            {
                "name": "clear",
                "kind": "ordinal",
                "title": "How clear is it?",
                "labels": ["not at all", "hardly", "fairly", "very"],
            },
        ],
        rows=[
            {"recording": "https://example.org/recordings/0001.mp3", "external_id": "0001"},
            {"recording": "https://example.org/recordings/0002.mp3", "external_id": "0002"},
        ],
        rules={"reward": "0.08", "estimated_seconds": 25},
    ),
    Starter(
        key="video",
        title=_("Films into classes"),
        about=_("Short clips: what happens, and whether anybody is in them."),
        icon="play",
        name="Sort short clips",
        summary="Watch a short clip and choose what happens in it.",
        template="{{video clip | The clip to watch}}",
        instructions="""
Watch the clip to its end. What counts is what **happens**, not what stands still.

1. Several things happen? Choose the one that takes longest.
2. The camera moves but nothing else does: **nothing happens**.
3. Then say whether a person can be seen, even for a moment. A hand is enough; a drawing or a statue is not.

### Examples

* Somebody chops onions and talks to the camera the whole time: **cooking**.
* A dog runs after a ball that was thrown before the clip begins: **sport or play**.

### Not like this

* A car park seen through a window, with one car that leaves after a second: not *traffic*, but **nothing happens**.
""",
        questions=[
            {
                "name": "event",
                "kind": "categorical",
                "title": "What happens?",
                "labels": ["sport or play", "cooking", "talking", "traffic", "nothing happens", "something else"],
                "na": True,
            },
            {
                "name": "person",
                "kind": "categorical",
                "title": "Can a person be seen?",
                "labels": ["yes", "no"],
                "when": {"question": "event", "op": "!=", "value": "nothing happens"},
            },
        ],
        rows=[
            {"clip": "https://example.org/clips/0001.mp4", "external_id": "0001"},
            {"clip": "https://example.org/clips/0002.mp4", "external_id": "0002"},
        ],
        rules={"reward": "0.12", "estimated_seconds": 40},
    ),
    Starter(
        key="sentiment",
        title=_("Sentiment"),
        about=_("How somebody feels about something, from very bad to very good."),
        icon="chat",
        name="How do they feel about it?",
        summary="Read what somebody wrote and say how they feel about it.",
        template="{{text}}",
        instructions="""
Say how **the writer** feels about what they write of. Not how you feel about it, and not how polite the words are.

1. *Neutral* is for facts without feeling, not for good and bad mixed.
2. Good and bad mixed? Ask yourself whether the writer would do or buy it again.
3. Irony counts as what it means: “Great, broken again” is **very bad**.

### Examples

* “Best purchase of the year.” **very good**
* “Does what it should.” **good**
* “It arrived on Monday.” **neutral**
* “Too small, but they took it back.” **bad**

### Not like this

* “The villain is terrifying!” in a film review is not *bad*: a terrifying villain is praise. **good**
""",
        questions=[
            {
                "name": "feeling",
                "kind": "ordinal",
                "title": "How does the writer feel about it?",
                "labels": ["very bad", "bad", "neutral", "good", "very good"],
                "stops": True,
                "na": True,
            }
        ],
        rows=[
            {"text": "Best purchase of the year.", "external_id": "s-1"},
            {"text": "Great. Broken again.", "external_id": "s-2"},
            {"text": "It arrived on Monday.", "external_id": "s-3"},
            {"text": "Too small, but they took it back without a word.", "external_id": "s-4"},
        ],
        rules={"reward": "0.04", "estimated_seconds": 12},
    ),
    Starter(
        key="preference",
        title=_("Which of two is better"),
        about=_("Two texts, pictures or sounds side by side: answers of models, designs, translations."),
        icon="scale",
        name="Which answer is better?",
        summary="Two answers to one question: say which one helps more.",
        template="**{{question}}**",
        instructions="""
Two answers to the same question stand side by side. Choose the one that would **help the person who asked** more.

1. Right comes before long: a short true answer beats a long one with a mistake.
2. Does it answer what was asked? Advice that nobody asked for does not help.
3. Equally right? Then the clearer one.
4. Really no difference that you could name? *Equally good.* Use it seldom.

### Examples

* Asked for the boiling point of water at sea level: “100 °C” beats three sentences about steam.
* Both name the same three steps, one in the right order: that one.

### Not like this

* Do not choose the friendlier one when it is wrong.
* Left and right mean nothing by themselves: read both to the end before you choose.
""",
        questions=[
            {
                "name": "better",
                "kind": "pairwise",
                "title": "Which answer helps more?",
                "left": "answer_a",
                "right": "answer_b",
                "tie": True,
                "stops": True,
            },
            {
                "name": "why",
                "kind": "text",
                "title": "In a few words: why?",
                "required": False,
                "max": 300,
            },
        ],
        rows=[
            {
                "question": "How do I get candle wax out of a tablecloth?",
                "answer_a": "Scrape off what you can, lay paper on it and iron it on low heat. Paper takes up the wax.",
                "answer_b": "Wash it as hot as possible. Wax is a kind of fat and hot water always removes it.",
                "external_id": "p-1",
            },
            {
                "question": "Is it warmer in summer because the Earth is nearer to the Sun?",
                "answer_a": "Yes, the orbit is an ellipse.",
                "answer_b": "No. The axis is tilted, so the Sun stands higher for longer. We are nearest in January.",
                "external_id": "p-2",
            },
        ],
        rules={"reward": "0.12", "estimated_seconds": 40},
    ),
    Starter(
        key="rating",
        title=_("Rating"),
        about=_("Points on a scale that is described: quality, usefulness, closeness."),
        icon="sort",
        name="Rate photos of holiday homes",
        summary="Rate how well a photo would help somebody to choose a place to stay.",
        template="{{image photo | A photo of a holiday home}}\n\n{{caption}}",
        instructions="""
Rate how well the photo, with its caption, would help you to **choose a place to stay**. Judge the photo, not the
taste of the owner: an ugly sofa on a sharp photo can be a 5.

### Examples

* **5**: sharp, light, shows the room or the view as it is; the caption says what is not seen.
* **4**: good, with one small fault, such as a cut-off corner.
* **3**: you see what it is, but would ask for another photo.
* **2**: dark, blurred or mostly something else.
* **1**: useless, or not a photo of the place at all.

### Not like this

* A beautiful sunset without the house: **1** or **2**. It does not help to choose.
* A caption that does not fit the photo: at most **2**.
""",
        questions=[
            {
                "name": "points",
                "kind": "ordinal",
                "title": "How helpful is the photo?",
                "labels": ["1", "2", "3", "4", "5"],
                "stops": True,
                "na": True,
            }
        ],
        rows=[
            {
                "photo": "https://example.org/homes/12-1.jpg",
                "caption": "Kitchen, with a dishwasher on the left that is not seen.",
                "external_id": "12-1",
            },
            {
                "photo": "https://example.org/homes/12-2.jpg",
                "caption": "The view from the balcony.",
                "external_id": "12-2",
            },
        ],
        rules={"reward": "0.05", "estimated_seconds": 15},
    ),
    Starter(
        key="transcription",
        title=_("Transcription"),
        about=_("Type what is read or heard: receipts, cards, forms, recordings."),
        icon="keys",
        name="Type what the card says",
        summary="Read one old card and type its text, letter by letter.",
        template="{{image card | A card with writing}}",
        instructions="""
Type **exactly** what is written: same spelling, same capital letters, same punctuation, mistakes included.

1. One line of the card is one line of yours.
2. Write `[?]` for one word that you cannot read, and go on with the rest.
3. What is crossed out is left out. What is written above the line goes where it belongs.
4. A stamp or a printed heading is not typed; only what was written by hand.

### Examples

* “Bakers Son, recieved 3 sacks” stays **Bakers Son, recieved 3 sacks**.
* A name you cannot make out: **[?] Miller, 12 May**.

### Not like this

* Do not write “received”: we want what stands there.
* Do not explain anything in brackets.
""",
        questions=[
            {
                "name": "readable",
                "kind": "categorical",
                "title": "Can the card be read?",
                "labels": ["yes", "in part", "no"],
            },
            {
                "name": "text",
                "kind": "text",
                "title": "What does it say?",
                "max": 2000,
                "score": {"grader": "wer", "bar": 0.8},
                "when": {"question": "readable", "op": "!=", "value": "no"},
            },
        ],
        rows=[
            {"card": "https://example.org/cards/0001.png", "external_id": "card-1"},
            {"card": "https://example.org/cards/0002.png", "external_id": "card-2"},
        ],
        rules={"reward": "0.25", "estimated_seconds": 75, "mode": "fixed", "answers": 3},
    ),
    Starter(
        key="moderation",
        title=_("Moderation"),
        about=_("May this stay? And if not, by which of your rules."),
        icon="flag",
        name="May this comment stay?",
        summary="Read a comment and decide by our rules whether it may stay. Some are unpleasant.",
        template="{{comment}}",
        instructions="""
Decide **by these rules**, not by whether you agree with the comment.

1. **May stay**: opinion, criticism, bad language that is aimed at nobody.
2. **Must go** as soon as one of these is true:
   * *insult*: aimed at a person, to hurt them;
   * *hate*: against people because of what they are;
   * *threat*: announces or wishes violence;
   * *private data*: somebody’s address, number or workplace;
   * *advertising*: wants to sell or to lead elsewhere.
3. Choose **all** rules that are broken.

You may stop at any time and skip any comment; it costs you nothing.

### Examples

* “This bridge is a bloody disgrace.” **may stay**: it is aimed at a bridge.
* “He lives in 14 Mill Lane, go and tell him.” **must go**: *private data*, and *threat* if violence is meant.

### Not like this

* “The minister lies.” is criticism of what somebody does in office: **may stay**.
""",
        questions=[
            {
                "name": "decision",
                "kind": "categorical",
                "title": "May it stay?",
                "labels": ["may stay", "must go"],
                "na": True,
            },
            {
                "name": "rules",
                "kind": "multilabel",
                "title": "Which rules are broken?",
                "labels": ["insult", "hate", "threat", "private data", "advertising"],
                "min": 1,
                "when": {"question": "decision", "op": "==", "value": "must go"},
            },
        ],
        rows=[
            {"comment": "This bridge is a bloody disgrace.", "external_id": "c-1"},
            {"comment": "Cheap watches!! Look at my profile.", "external_id": "c-2"},
            {"comment": "The minister promised it in May and nothing has happened.", "external_id": "c-3"},
        ],
        rules={"reward": "0.06", "estimated_seconds": 18},
        is_distressing=True,
    ),
    Starter(
        key="matching",
        title=_("Matching"),
        about=_("Are these two the same thing: products, companies, addresses, people?"),
        icon="copy",
        name="Is it the same product?",
        summary="Compare two product entries and say whether they are the same product.",
        template="| | Shop A | Shop B |\n| --- | --- | --- |\n| Title | {{title_a}} | {{title_b}} |\n"
        "| Price | {{price_a}} | {{price_b}} |",
        instructions="""
Say whether a customer who orders one would be content to get the other: the **same product**, whatever the shop calls
it.

1. Maker, model and size must fit. Colour may differ only where neither entry names one.
2. Another number of pieces is another product: 2 pens are not 10 pens.
3. Prices may differ; shops do. A price ten times as high is a hint that the size differs.
4. You may look the names up elsewhere.

### Examples

* “Anker PowerCore 10000” and “ANKER A1263 power bank 10 000 mAh”: **same product**.
* “Lego 10698” and “LEGO Classic Large Box”: **same product**, 10698 is its number.

### Not like this

* “Canon EOS 80D body” and “Canon EOS 80D with 18-55 lens”: **different**, a lens is missing.
""",
        questions=[
            {
                "name": "same",
                "kind": "categorical",
                "title": "Is it the same product?",
                "labels": ["same product", "different products"],
                "na": True,
            }
        ],
        rows=[
            {
                "title_a": "Anker PowerCore 10000",
                "price_a": "25.99",
                "title_b": "ANKER A1263 power bank 10 000 mAh black",
                "price_b": "27.50",
                "external_id": "a-1",
            },
            {
                "title_a": "Canon EOS 80D body",
                "price_a": "799",
                "title_b": "Canon EOS 80D + EF-S 18-55 mm",
                "price_b": "899",
                "external_id": "a-2",
            },
        ],
        rules={"reward": "0.08", "estimated_seconds": 25},
    ),
    Starter(
        key="survey",
        title=_("Survey"),
        about=_("Several questions to many people, each person once, some only where they apply."),
        icon="user",
        name="A short survey about cycling",
        summary="Six short questions about how you get around. No names, no addresses.",
        template="{{introduction}}",
        instructions="""
There are no right answers: we want to know how **you** do it.

1. Answer for the last four weeks, not for an ideal month.
2. Some questions are asked only where they apply to you.
3. Do not write names, addresses or anything else that would tell who you are.

### Examples

* You rode once to the lake and once to the shop: that is **1 to 3 times** in four weeks.
* You own a bicycle and did not use it: **never**; the following questions are left out.
""",
        questions=[
            {
                "name": "often",
                "kind": "ordinal",
                "title": "How often did you cycle in the last four weeks?",
                "labels": ["never", "1 to 3 times", "every week", "almost every day"],
            },
            {
                "name": "for_what",
                "kind": "multilabel",
                "title": "What for?",
                "labels": ["to work or school", "shopping", "sport", "to see people", "something else"],
                "when": {"question": "often", "op": "!=", "value": "never"},
            },
            {
                "name": "minutes",
                "kind": "number",
                "title": "How long was the longest ride?",
                "unit": "minutes",
                "min": 1,
                "max": 1440,
                "when": {"question": "often", "op": "!=", "value": "never"},
            },
            {
                "name": "safe",
                "kind": "ordinal",
                "title": "How safe does cycling feel where you live?",
                "labels": ["very unsafe", "rather unsafe", "rather safe", "very safe"],
                "na": True,
            },
            {
                "name": "hinders",
                "kind": "categorical",
                "title": "What hinders you most?",
                "labels": ["nothing", "traffic", "weather", "distance", "no bicycle", "my health", "something else"],
                "na": True,
            },
            {
                "name": "wish",
                "kind": "text",
                "title": "One thing that would make you cycle more?",
                "required": False,
                "max": 500,
            },
        ],
        rows=[{"introduction": "About cycling where you live. It takes about two minutes.", "external_id": "form-1"}],
        rules={"reward": "0.60", "estimated_seconds": 120, "mode": "fixed", "answers": 100, "gold_share": 0.0},
    ),
)

BY_KEY = {starter.key: starter for starter in STARTERS}

#: A question and nothing else, for those who know what they want.
BLANK = Starter(
    key="blank",
    title=_("From nothing"),
    about=_("One question with two choices; everything else is yours to write."),
    icon="plus",
    name="New project",
    summary="",
    template="{{text}}",
    instructions="",
    questions=[{"name": "answer", "kind": "categorical", "title": "What is it?", "labels": ["yes", "no"]}],
    rows=[{"text": "The first item", "external_id": "1"}],
    rules={"reward": "0.10", "estimated_seconds": 30},
)


def starter_of(template: str, questions: Sequence[Mapping[str, Any]]) -> Starter | None:
    """The starter that a project still looks like, for sample rows: it shows the same columns and asks the same."""
    asked = {(question.get("name"), question.get("left")) for question in questions}
    alike = (one for one in STARTERS if one.template == template)
    return next((one for one in alike if asked & {(q["name"], q.get("left")) for q in one.questions}), None)
