"""A QuestionForm: read from its XML, and a worker's fields checked against it.

One function reads it (`read_form`); what it gives is used to post, to show, to check answers and to score tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import re2
from django.utils.translation import gettext as _
from lxml import etree

from mturk import formatted

LARGEST_FILE = 2_000_000_000
STYLES = ("radiobutton", "checkbox", "list", "dropdown", "combobox", "multichooser")
#: The form field of "other" beside that of the question.
OTHER = "__other"
Unreadable = Callable[[str], Exception]


@dataclass(frozen=True)
class Content:
    """One piece of what is shown. `kind`: title, text, list, formatted, binary, embedded, application."""

    kind: str
    text: str = ""
    items: tuple[str, ...] = ()
    mime: str = ""
    url: str = ""
    width: str = ""
    height: str = ""


@dataclass(frozen=True)
class Pattern:
    regex: str
    error: str = ""
    ignores_case: bool = False


@dataclass(frozen=True)
class FreeText:
    is_numeric: bool = False
    least: int | None = None
    most: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    patterns: tuple[Pattern, ...] = ()
    default: str = ""
    lines: int = 1


@dataclass(frozen=True)
class Choice:
    identifier: str
    content: Content


@dataclass(frozen=True)
class Selection:
    choices: tuple[Choice, ...]
    least: int = 1
    most: int = 1
    style: str = ""
    other: FreeText | None = None

    @property
    def is_single(self) -> bool:
        return self.most == 1

    @property
    def widget(self) -> str:
        """How it is drawn: radios, boxes, select or several."""
        if self.style in ("list", "dropdown", "combobox", "multichooser"):
            return "select" if self.is_single else "several"
        return "radios" if self.is_single else "boxes"


@dataclass(frozen=True)
class FileUpload:
    least: int
    most: int


@dataclass(frozen=True)
class FormQuestion:
    identifier: str
    name: str
    is_required: bool
    content: tuple[Content, ...]
    answer: FreeText | Selection | FileUpload


@dataclass(frozen=True)
class Overview:
    content: tuple[Content, ...]


@dataclass(frozen=True)
class Form:
    parts: tuple[Overview | FormQuestion, ...]

    @property
    def questions(self) -> Iterator[FormQuestion]:
        return (part for part in self.parts if isinstance(part, FormQuestion))

    @property
    def media(self) -> list[str]:
        """Addresses of pictures, sounds and films that are shown."""
        pieces = [piece for part in self.parts for piece in part.content]
        pieces += [
            choice.content
            for question in self.questions
            if isinstance(question.answer, Selection)
            for choice in question.answer.choices
        ]
        return [piece.url for piece in pieces if piece.url]


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Reads elements of one schema, each list of children in its order."""

    namespace: str
    unreadable: Unreadable
    may_upload: bool
    where: str = field(default="the form")

    def wrong(self, why: str) -> Exception:
        return self.unreadable(f"In {self.where}: {why}")

    def children(self, element: etree._Element) -> list[tuple[str, etree._Element]]:
        found = []
        for child in element:
            if not isinstance(child.tag, str):
                continue  # a comment
            if not child.tag.startswith(self.namespace):
                raise self.wrong(f"<{etree.QName(child).localname}> is not of this schema.")
            found.append((child.tag.removeprefix(self.namespace), child))
        stray = (element.text or "") + "".join(child.tail or "" for child in element)
        if stray.strip():
            raise self.wrong(f"There is text in <{etree.QName(element).localname}> outside of its elements.")
        return found

    def text(self, element: etree._Element) -> str:
        if any(isinstance(child.tag, str) for child in element):
            raise self.wrong(f"<{etree.QName(element).localname}> holds elements. Put them into CDATA.")
        return "".join(str(piece) for piece in element.itertext(tag=etree.Element)) or (element.text or "")

    def fields(self, element: etree._Element, order: str) -> dict[str, list[etree._Element]]:
        """Children by name, where `order` is such as "A B? C*": one, at most one, any number, in that order."""
        wanted = [(name.rstrip("?*+"), name[-1] if name[-1] in "?*+" else "") for name in order.split()]
        found: dict[str, list[etree._Element]] = {name: [] for name, _ in wanted}
        position = 0
        names = [name for name, _ in wanted]
        within = etree.QName(element).localname
        for name, child in self.children(element):
            if name not in found:
                raise self.wrong(f"<{name}> is not allowed in <{within}>.")
            if names.index(name) < position:
                raise self.wrong(f"<{name}> stands in the wrong place in <{within}>: the order is {', '.join(names)}.")
            position = names.index(name)
            found[name].append(child)
        for name, sign in wanted:
            if not found[name] and sign not in ("?", "*"):
                raise self.wrong(f"<{within}> needs <{name}>.")
            if len(found[name]) > 1 and sign not in ("*", "+"):
                raise self.wrong(f"<{within}> has more than one <{name}>.")
        return found

    def integer(self, value: str, name: str, least: int | None = None, most: int | None = None) -> int:
        if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
            raise self.wrong(f"{name} must be a whole number, not {value[:40]!r}.")
        number = int(value)
        if (least is not None and number < least) or (most is not None and number > most):
            raise self.wrong(f"{name} must be from {least} to {'any' if most is None else most}.")
        return number

    def url(self, element: etree._Element) -> str:
        url = self.text(element).strip()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise self.wrong(f"{etree.QName(element).localname} must begin with http:// or https://.")
        return url

    def form(self, root: etree._Element) -> Form:
        parts: list[Overview | FormQuestion] = []
        known: set[str] = set()
        for name, child in self.children(root):
            if name == "Overview":
                parts.append(Overview(self.content(child)))
            elif name == "Question":
                question = self.question(child)
                if question.identifier in known:
                    raise self.unreadable(f"Two questions are called {question.identifier}.")
                known.add(question.identifier)
                parts.append(question)
            else:
                raise self.wrong(f"<{name}> is not allowed in <QuestionForm>.")
        if not known:
            raise self.unreadable("A QuestionForm needs at least one Question.")
        return Form(tuple(parts))

    def question(self, element: etree._Element) -> FormQuestion:
        found = self.fields(element, "QuestionIdentifier DisplayName? IsRequired? QuestionContent AnswerSpecification")
        identifier = self.text(found["QuestionIdentifier"][0]).strip()
        if not identifier:
            raise self.wrong("A QuestionIdentifier is empty.")
        self.where = f"question {identifier}"
        required = self.text(found["IsRequired"][0]).strip() if found["IsRequired"] else "false"
        if required not in ("true", "false", "1", "0"):
            raise self.wrong("IsRequired must be true or false.")
        answers = self.children(found["AnswerSpecification"][0])
        if len(answers) != 1:
            raise self.wrong("AnswerSpecification must hold one of FreeTextAnswer, SelectionAnswer, FileUploadAnswer.")
        question = FormQuestion(
            identifier=identifier,
            name=self.text(found["DisplayName"][0]) if found["DisplayName"] else "",
            is_required=required in ("true", "1"),
            content=self.content(found["QuestionContent"][0]),
            answer=self.answer(*answers[0]),
        )
        self.where = "the form"
        return question

    def answer(self, name: str, element: etree._Element) -> FreeText | Selection | FileUpload:
        if name == "FreeTextAnswer":
            return self.free_text(element)
        if name == "SelectionAnswer":
            return self.selection(element)
        if name == "FileUploadAnswer" and self.may_upload:
            found = self.fields(element, "MaxFileSizeInBytes MinFileSizeInBytes")
            most = self.integer(self.text(found["MaxFileSizeInBytes"][0]), "MaxFileSizeInBytes", 1, LARGEST_FILE)
            least = self.integer(self.text(found["MinFileSizeInBytes"][0]), "MinFileSizeInBytes", 1, LARGEST_FILE)
            if least > most:
                raise self.wrong("MinFileSizeInBytes must not be more than MaxFileSizeInBytes.")
            return FileUpload(least, most)
        raise self.wrong(f"<{name}> is not allowed in <AnswerSpecification>.")

    def free_text(self, element: etree._Element) -> FreeText:
        found = self.fields(element, "Constraints? DefaultText? NumberOfLinesSuggestion?")
        values: dict[str, object] = {}
        if found["Constraints"]:
            values = self.constraints(found["Constraints"][0])
        if found["DefaultText"]:
            values["default"] = self.text(found["DefaultText"][0])
        if found["NumberOfLinesSuggestion"]:
            values["lines"] = self.integer(self.text(found["NumberOfLinesSuggestion"][0]), "NumberOfLinesSuggestion", 1)
        return FreeText(**values)  # type: ignore[arg-type]

    def constraints(self, element: etree._Element) -> dict[str, object]:
        found = self.fields(element, "IsNumeric? Length? AnswerFormatRegex*")
        values: dict[str, object] = {}
        if found["IsNumeric"]:
            limits = self.attributes(found["IsNumeric"][0], {"minValue": None, "maxValue": None})
            values |= {"is_numeric": True, "least": limits["minValue"], "most": limits["maxValue"]}
        if found["Length"]:
            limits = self.attributes(found["Length"][0], {"minLength": 0, "maxLength": 1})
            values |= {"min_length": limits["minLength"], "max_length": limits["maxLength"]}
        patterns = []
        for one in found["AnswerFormatRegex"]:
            if one.get("regex") is None:
                raise self.wrong("AnswerFormatRegex needs the attribute regex.")
            patterns.append(Pattern(one.get("regex", ""), one.get("errorText", ""), "i" in one.get("flags", "")))
        return values | {"patterns": tuple(patterns)}

    def attributes(self, element: etree._Element, known: Mapping[str, int | None]) -> dict[str, int | None]:
        values: dict[str, int | None] = dict.fromkeys(known)
        for name, value in element.attrib.items():
            if name not in known:
                raise self.wrong(f"<{etree.QName(element).localname}> has no attribute {name!s}.")
            values[str(name)] = self.integer(str(value), str(name), known[str(name)])
        low, high = values.values()
        if low is not None and high is not None and low > high:
            raise self.wrong(f"{list(known)[0]} must not be more than {list(known)[1]}.")
        return values

    def selection(self, element: etree._Element) -> Selection:
        found = self.fields(element, "MinSelectionCount? MaxSelectionCount? StyleSuggestion? Selections")
        inside = self.fields(found["Selections"][0], "Selection+ OtherSelection?")
        choices = tuple(self.choice(one) for one in inside["Selection"])
        if len({choice.identifier for choice in choices}) < len(choices):
            raise self.wrong("Two selections have the same SelectionIdentifier.")
        style = self.text(found["StyleSuggestion"][0]).strip() if found["StyleSuggestion"] else ""
        if style and style not in STYLES:
            raise self.wrong(f"StyleSuggestion must be one of {', '.join(STYLES)}.")
        least = self.counted(found["MinSelectionCount"], "MinSelectionCount", 0)
        most = self.counted(found["MaxSelectionCount"], "MaxSelectionCount", 1)
        offered = len(choices) + len(inside["OtherSelection"])
        most = max(most, least) if not found["MaxSelectionCount"] else most
        if least > most or least > offered:
            raise self.wrong(
                "MinSelectionCount must not be more than MaxSelectionCount, nor than there are selections."
            )
        other = self.free_text(inside["OtherSelection"][0]) if inside["OtherSelection"] else None
        return Selection(choices, least, most, style, other)

    def counted(self, found: Sequence[etree._Element], name: str, floor: int) -> int:
        return self.integer(self.text(found[0]), name, floor) if found else 1

    def choice(self, element: etree._Element) -> Choice:
        children = self.children(element)
        if [name for name, _ in children[:1]] != ["SelectionIdentifier"] or len(children) != 2:
            raise self.wrong("A Selection has a SelectionIdentifier and one of Text, FormattedContent, Binary.")
        identifier = self.text(children[0][1]).strip()
        if not identifier:
            raise self.wrong("A SelectionIdentifier is empty.")
        name, content = children[1]
        if name not in ("Text", "FormattedContent", "Binary"):
            raise self.wrong("A Selection shows one of Text, FormattedContent, Binary.")
        return Choice(identifier, self.piece(name, content))

    def content(self, element: etree._Element) -> tuple[Content, ...]:
        pieces = tuple(self.piece(name, child) for name, child in self.children(element))
        if not pieces:
            raise self.wrong(f"<{etree.QName(element).localname}> is empty.")
        return pieces

    def piece(self, name: str, element: etree._Element) -> Content:
        if name in ("Title", "Text"):
            return Content(name.lower(), self.text(element))
        if name == "List":
            items = self.fields(element, "ListItem+")["ListItem"]
            return Content("list", items=tuple(self.text(item) for item in items))
        if name == "FormattedContent":
            text = self.text(element)
            formatted.check(text)
            return Content("formatted", text)
        if name == "Binary":
            return self.binary(element)
        if name == "EmbeddedBinary":
            return self.embedded(element)
        if name == "Application" and self.may_upload:
            return Content("application", ", ".join(kind for kind, _ in self.children(element)))
        raise self.wrong(f"<{name}> is not allowed here.")

    def binary(self, element: etree._Element) -> Content:
        found = self.fields(element, "MimeType DataURL AltText")
        mime = self.fields(found["MimeType"][0], "Type SubType?")
        kind = self.text(mime["Type"][0]).strip()
        if kind not in ("image", "audio", "video"):
            raise self.wrong("The Type of a MimeType is image, audio or video.")
        return Content("binary", self.text(found["AltText"][0]), mime=kind, url=self.url(found["DataURL"][0]))

    def embedded(self, element: etree._Element) -> Content:
        order = "EmbeddedMimeType DataURL AltText Width Height ApplicationParameter*"
        found = self.fields(element, order)
        mime = self.fields(found["EmbeddedMimeType"][0], "Type SubType")
        for one in found["ApplicationParameter"]:
            self.fields(one, "Name Value")
        return Content(
            "embedded",
            self.text(found["AltText"][0]),
            mime=self.text(mime["Type"][0]).strip(),
            url=self.url(found["DataURL"][0]),
            width=self.text(found["Width"][0]).strip(),
            height=self.text(found["Height"][0]).strip(),
        )


def read_form(root: etree._Element, namespace: str, unreadable: Unreadable) -> Form:
    """`namespace` in braces; `unreadable` makes the error to raise. Only the 2005 schema has file uploads."""
    return _Reader(namespace, unreadable, may_upload="2005-10-01" in namespace).form(root)


# --- a worker's fields ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upload:
    """A file that was handed in: what it is called by, and its size."""

    key: str
    size: int


#: (question, value, kind), where kind is "text", "selection", "other", or "file:<bytes>" with the key as value.
Entry = tuple[str, str, str]


def check_fields(
    form: Form, fields: Mapping[str, Sequence[str]], uploads: Mapping[str, Upload] | None = None
) -> tuple[list[Entry], dict[str, str]]:
    """What is to be stored, in the form's order, and what is wrong, by question."""
    entries: list[Entry] = []
    errors: dict[str, str] = {}
    for question in form.questions:
        values = [value for value in fields.get(question.identifier, ()) if value != ""]
        answer = question.answer
        if isinstance(answer, FreeText):
            value = values[0] if values else ""
            wrong = check_text(answer, value, is_required=question.is_required)
            entries.append((question.identifier, value, "text"))
        elif isinstance(answer, Selection):
            other = next(iter(fields.get(question.identifier + OTHER, ())), "")
            wrong = check_selection(answer, values, other, is_required=question.is_required)
            chosen = [choice.identifier for choice in answer.choices if choice.identifier in values]
            entries += [(question.identifier, one, "selection") for one in chosen]
            if answer.other is not None and other.strip():
                entries.append((question.identifier, other, "other"))
            elif not chosen:
                entries.append((question.identifier, "", "none"))
        else:
            upload = (uploads or {}).get(question.identifier)
            wrong = check_upload(answer, upload, is_required=question.is_required)
            if upload is not None:
                entries.append((question.identifier, upload.key, f"file:{upload.size}"))
        if wrong:
            errors[question.identifier] = wrong
    return entries, errors


def check_text(answer: FreeText, value: str, *, is_required: bool) -> str:
    """What is wrong with it, as a sentence; "" for nothing. JavaScript counts length in UTF-16, so do we."""
    if not value.strip():
        return _("Answer this question.") if is_required or answer.min_length else ""
    length = len(value.encode("utf-16-le")) // 2
    if answer.min_length is not None and length < answer.min_length:
        return _("At least %(count)d characters.") % {"count": answer.min_length}
    if answer.max_length is not None and length > answer.max_length:
        return _("At most %(count)d characters.") % {"count": answer.max_length}
    if answer.is_numeric:
        if not re.fullmatch(r"\s*[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})\s*", value, re.ASCII):
            return _("Write a number.")
        number = float(value)
        if answer.least is not None and number < answer.least:
            return _("At least %(number)d.") % {"number": answer.least}
        if answer.most is not None and number > answer.most:
            return _("At most %(number)d.") % {"number": answer.most}
    for pattern in answer.patterns:
        if not _matches(pattern, value):
            return pattern.error or _("That does not have the form that is asked for.")
    return ""


def _matches(pattern: Pattern, value: str) -> bool:
    """In linear time, or not here at all: what RE2 does not know (look-around) is checked by the browser only."""
    options = re2.Options()
    options.case_sensitive = not pattern.ignores_case
    options.log_errors = False
    try:
        return re2.compile(pattern.regex, options).search(value) is not None
    except re2.error:
        return True


def check_selection(answer: Selection, values: Sequence[str], other: str, *, is_required: bool) -> str:
    known = {choice.identifier for choice in answer.choices}
    if set(values) - known:
        return _("Choose among what is offered.")
    has_other = answer.other is not None and bool(other.strip())
    if has_other and answer.other is not None and (wrong := check_text(answer.other, other, is_required=False)):
        return wrong
    count = len(set(values)) + has_other
    if not count:
        return _("Answer this question.") if is_required and answer.least else ""
    if count < answer.least:
        return _("Choose at least %(count)d.") % {"count": answer.least}
    if count > answer.most:
        return _("Choose at most %(count)d.") % {"count": answer.most}
    return ""


def check_upload(answer: FileUpload, upload: Upload | None, *, is_required: bool) -> str:
    if upload is None:
        return _("Choose a file.") if is_required else ""
    if not answer.least <= upload.size <= answer.most:
        return _("The file must have from %(least)d to %(most)d bytes.") % {"least": answer.least, "most": answer.most}
    return ""
