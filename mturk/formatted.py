"""FormattedContent: the subset of XHTML in a QuestionForm, checked when it is posted and cleaned when it is shown."""

from __future__ import annotations

import re
from html.entities import html5

import nh3
from django.utils.safestring import SafeString
from lxml import etree

from mturk.errors import RequestError
from mturk.xsd import mistake_in


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INLINE = _names("a area b big br cite code del em font i img ins map q small strong sub sup u")
BLOCK = _names("blockquote center dl h1 h2 h3 h4 h5 h6 hr ol p pre table ul")
FLOW = INLINE | BLOCK
#: What each element may hold; True beside it where it may hold text of its own.
INSIDE: dict[str, tuple[frozenset[str], bool]] = {
    **dict.fromkeys(_names("b big cite code em font i q small strong sub sup u a dt p pre"), (INLINE, True)),
    **dict.fromkeys(_names("h1 h2 h3 h4 h5 h6"), (INLINE, True)),
    **dict.fromkeys(_names("li dd blockquote center td th ins del"), (FLOW, True)),
    **dict.fromkeys(_names("ul ol"), (_names("li"), False)),
    "dl": (_names("dt dd"), False),
    "table": (_names("caption col colgroup thead tfoot tbody tr"), False),
    **dict.fromkeys(_names("thead tfoot tbody"), (_names("tr"), False)),
    "tr": (_names("th td"), False),
    "colgroup": (_names("col"), False),
    "map": (BLOCK | {"area"}, False),
    **dict.fromkeys(_names("area br col hr img"), (frozenset(), False)),
}
COMMON = _names("title lang dir")
CELL = _names("align valign char charoff width height abbr axis headers scope rowspan colspan nowrap bgcolor")
ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": _names("charset type name href hreflang rel rev accesskey shape coords tabindex target"),
    "area": _names("shape coords href nohref alt target accesskey tabindex"),
    "img": _names("src alt name longdesc height width usemap ismap align border hspace vspace"),
    "font": _names("size color face"),
    "table": _names("summary width border frame rules cellspacing cellpadding align bgcolor"),
    **dict.fromkeys(_names("td th"), CELL),
    **dict.fromkeys(
        _names("tr thead tbody tfoot col colgroup"), _names("align valign char charoff span width bgcolor")
    ),
    "hr": _names("align noshade size width"),
    "ol": _names("type start compact"),
    "ul": _names("type compact"),
    "li": _names("type value"),
    "dl": _names("compact"),
    "br": _names("clear"),
    "pre": _names("width"),
    **dict.fromkeys(_names("p h1 h2 h3 h4 h5 h6"), _names("align")),
    **dict.fromkeys(_names("blockquote q"), _names("cite")),
    **dict.fromkeys(_names("ins del"), _names("cite datetime")),
    "map": _names("id name"),
}
NEEDED = {"img": ("src", "alt"), "area": ("alt",)}
#: They would lead out of the frame, or meet names of its page.
UNSHOWN = {"id", "rel", "target", "name", "usemap"}
LINKS = ("href", "src", "cite", "longdesc")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
UNSEEN = re.compile(r"[\0- ]")  # browsers leave these out before they look for the scheme
ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
XML_OWN = frozenset({"amp", "lt", "gt", "quot", "apos"})
XMLNS = "http://www.w3.org/1999/xhtml"


def check(text: str) -> None:
    """
    Raises
    ------
    RequestError
        `XHTMLParseError`, saying what is not allowed.
    """
    source = f'<FormattedContent xmlns="{XMLNS}">{_without_entities(text)}</FormattedContent>'
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(source.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise broken(str(error)) from None
    for child in root:
        _check(child, FLOW, "FormattedContent")
    if mistake := mistake_in(root, "FormattedContentXHTMLSubset-2006-07-14"):
        raise broken(mistake.replace(f"{{{XMLNS}}}", ""))


def _check(element: etree._Element, allowed: frozenset[str], within: str) -> None:
    if not isinstance(element.tag, str):
        raise broken("Comments and processing instructions are not allowed.")
    name = element.tag.removeprefix(f"{{{XMLNS}}}")
    if name not in INSIDE or name not in allowed:
        raise broken(f"<{name}> is not allowed in <{within}>.")
    inside, may_hold_text = INSIDE[name]
    known = COMMON | ATTRIBUTES.get(name, frozenset())
    for attribute, value in element.attrib.items():
        key = str(attribute).rpartition("}")[2]
        if key not in known:
            raise broken(f"The attribute {key} is not allowed on <{name}>.")
        scheme = SCHEME.match(UNSEEN.sub("", str(value))) if key in LINKS else None
        if scheme and scheme[1].lower() not in {"http", "https", "mailto"}:
            raise broken(f"{key} of <{name}> must be an address of the web.")
    for key in NEEDED.get(name, ()):
        if key not in element.attrib:
            raise broken(f"<{name}> needs the attribute {key}.")
    own = (element.text or "") + "".join(child.tail or "" for child in element)
    if not may_hold_text and own.strip():
        raise broken(f"Text is not allowed directly in <{name}>.")
    if name in {"ul", "ol", "dl", "tr", "thead", "tbody", "tfoot"} and not len(element):
        raise broken(f"<{name}> must not be empty.")
    for child in element:
        _check(child, inside, name)


def _without_entities(text: str) -> str:
    """HTML's names such as &nbsp; as numbers: XML knows five of them."""

    def number(match: re.Match[str]) -> str:
        character = html5.get(f"{match[1]};")
        if match[1] in XML_OWN or character is None:
            return match[0]
        return "".join(f"&#{ord(one)};" for one in character)

    return ENTITY.sub(number, text)


def broken(why: str) -> RequestError:
    return RequestError("XHTMLParseError", f"There was an error parsing the XHTML data in your request. {why}")


def shown(text: str) -> SafeString:
    """HTML for a page of ours, cleaned once more."""
    html = nh3.clean(
        text,
        tags=set(INSIDE) - {"area", "map"},
        attributes={name: set(keys | COMMON) - UNSHOWN for name, keys in ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return SafeString(html)  # allow: went through nh3
