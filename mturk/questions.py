"""The XML of a question: read safely (bytes, no entities, no network), told apart, and kept as it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from lxml import etree

from mturk.errors import RequestError
from mturk.form import Form, read_form
from mturk.frames.page import media_in
from mturk.hosts import is_same_site
from mturk.xsd import mistake_in

SCHEMAS = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"
#: Root and its schema, as the namespace must name it.
EXTERNAL = f"{{{SCHEMAS}2006-07-14/ExternalQuestion.xsd}}"
HTML = f"{{{SCHEMAS}2011-11-11/HTMLQuestion.xsd}}"
FORMS = (f"{{{SCHEMAS}2005-10-01/QuestionForm.xsd}}", f"{{{SCHEMAS}2017-11-06/QuestionForm.xsd}}")


@dataclass(frozen=True)
class Asked:
    """What kind of question it is; `url` of an external one."""

    kind: str
    url: str = ""


def parse(text: str) -> etree._Element:
    """The root of an XML text.

    Raises
    ------
    RequestError
        `XMLParseError`
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.strip().encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise unreadable(str(error)) from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise unreadable("A DOCTYPE is not allowed.")
    return root


def validate(root: etree._Element) -> None:
    """Against the schema that its namespace names.

    Raises
    ------
    RequestError
        `XMLParseError`
    """
    version, _, name = (etree.QName(root).namespace or "").removeprefix(SCHEMAS).partition("/")
    if mistake := mistake_in(root, f"{name.removesuffix('.xsd')}-{version}"):
        raise unreadable(mistake)


def unreadable(why: str) -> RequestError:
    return RequestError(
        "XMLParseError", f"There was an error parsing the XML question or answer data in your request. {why}"
    )


def check_size(name: str, text: str) -> None:
    most = settings.MTURK_QUESTION_BYTES
    if len(text.encode(errors="replace")) > most:
        raise RequestError("InvalidParameterValue", f"{name}: at most {most} bytes of UTF-8.")


def read_question(text: str) -> Asked:
    """Which of the three kinds a question is, once what every one must have is there.

    Raises
    ------
    RequestError
        `XMLParseError`, or `InvalidParameterValue` for one that is too long.
    """
    check_size("Question", text)
    root = parse(text)
    if root.tag == f"{EXTERNAL}ExternalQuestion":
        asked = _external(root)
        validate(root)
        return asked
    if root.tag == f"{HTML}HTMLQuestion":
        _one(root, f"{HTML}HTMLContent")
        _height(root, HTML)
        validate(root)
        return Asked("HTMLQuestion")
    for name in FORMS:
        if root.tag == f"{name}QuestionForm":
            read_form(root, name, unreadable)
            validate(root)
            return Asked("QuestionForm")
    raise unreadable(f"The root must be an ExternalQuestion, HTMLQuestion or QuestionForm in its namespace: {root.tag}")


def _external(root: etree._Element) -> Asked:
    url = _one(root, f"{EXTERNAL}ExternalURL")
    _height(root, EXTERNAL)
    parts = urlsplit(url)
    is_http_fine = settings.DEBUG or settings.MTURK_HTTP_QUESTIONS or parts.hostname in ("localhost", "127.0.0.1")
    allowed = ("https", "http") if is_http_fine else ("https",)
    if parts.scheme not in allowed or not parts.hostname:
        raise RequestError("InvalidParameterValue", f"ExternalURL must be an https address: {url}")
    if is_same_site(url, settings.SITE_URL):
        raise RequestError(
            "InvalidParameterValue", f"ExternalURL must lie on a site of your own, not on this one: {url}"
        )
    return Asked("ExternalQuestion", url)


def _one(root: etree._Element, tag: str) -> str:
    found = root.findall(tag)
    text = (found[0].text or "").strip() if len(found) == 1 else ""
    if not text:
        raise unreadable(f"There must be one {etree.QName(tag).localname}, and not an empty one.")
    return text


def _height(root: etree._Element, name: str) -> None:
    if not _one(root, f"{name}FrameHeight").isdecimal():
        raise unreadable("FrameHeight must be a whole number of pixels, 0 to fit the window.")


@lru_cache(maxsize=256)
def form_of(text: str) -> Form | None:
    """The form, where the question is a QuestionForm.

    Raises
    ------
    RequestError
        `XMLParseError`, `XHTMLParseError`
    """
    root = parse(text)
    for name in FORMS:
        if root.tag == f"{name}QuestionForm":
            return read_form(root, name, unreadable)
    return None


def html_of(text: str) -> str | None:
    """The page of an HTMLQuestion, None of any other."""
    root = parse(text)
    return (root.findtext(f"{HTML}HTMLContent") or "") if root.tag == f"{HTML}HTMLQuestion" else None


def height_of(text: str) -> int:
    """Pixels; 0 fits the window."""
    root = parse(text)
    for name in (HTML, EXTERNAL):
        if (found := root.findtext(f"{name}FrameHeight")) is not None:
            return min(int(found), 100_000)
    return 0


def external_of(text: str) -> str | None:
    """The address of an ExternalQuestion, None of any other."""
    root = parse(text)
    return (
        (root.findtext(f"{EXTERNAL}ExternalURL") or "").strip() if root.tag == f"{EXTERNAL}ExternalQuestion" else None
    )


def media_of(text: str) -> list[str]:
    """Addresses of pictures, sounds and films that a question of ours to show names."""
    if form := form_of(text):
        formatted = [piece.text for part in form.parts for piece in part.content if piece.kind == "formatted"]
        return [*form.media, *media_in(" ".join(formatted))]
    return media_in(html_of(text) or "")
