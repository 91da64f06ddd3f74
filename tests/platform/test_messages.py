"""What people read in German and Spanish: nothing is missing, nothing that is filled in gets lost, and pages use it."""

import gettext
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf import settings as site
from django.urls import reverse

FILES = [
    path
    for language in ["de", "es"]
    if (path := Path(site.BASE_DIR) / "locale" / language / "LC_MESSAGES" / "django.po").exists()
]
#: What is filled in, and the markup around it: both come back in a translation, each as often as before.
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%(?:\.\d+)?[a-z%]|\{\w*\}|\{\{.*?\}\}|</?\w[^>]*>")

pytestmark = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])


def versions(entry: polib.POEntry) -> Iterator[tuple[str, str]]:
    """(source, translation) of each form; forms beyond the second are of the plural."""
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
    for form, text in entry.msgstr_plural.items():
        yield entry.msgid if form == 0 else entry.msgid_plural, text


def test_every_message_is_translated_and_looked_at(path):
    messages = [entry for entry in polib.pofile(path) if not entry.obsolete]

    assert len(messages) > 2000
    assert [entry.msgid for entry in messages if entry.fuzzy or not entry.translated()] == []


def test_what_is_filled_in_survives_translation(path):
    different = [
        (source, text)
        for entry in polib.pofile(path)
        for source, text in versions(entry)
        if Counter(PLACEHOLDER.findall(source)) != Counter(PLACEHOLDER.findall(text))
    ]

    assert different == []


def test_the_compiled_catalog_is_that_of_its_source(path):
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    source = {}
    for entry in polib.pofile(path):
        key = f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid
        if entry.msgid_plural:
            source |= {(key, form): text for form, text in entry.msgstr_plural.items()}
        else:
            source[key] = entry.msgstr
    del compiled[""]

    assert compiled == source


def headings(page: bytes) -> list[str]:
    return [re.sub(r"<[^>]+>|\s+", " ", found).strip() for found in re.findall(r"<h1.*?</h1>", page.decode(), re.S)]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["home", "find_work"])
def test_a_page_is_in_the_language_asked_for(path, name, client, make_worker, settings):
    settings.LOCALE_PATHS = [path.parents[2]]
    if name == "find_work":
        client.force_login(make_worker().user)
    language = path.parts[-3]

    english = client.get(reverse(name), headers={"accept-language": "en"})
    settings.LANGUAGE_CODE = language
    translated = client.get(reverse(name), headers={"accept-language": language})

    assert f'<html lang="{language}"' in translated.content.decode()
    assert headings(english.content) and headings(translated.content)
    assert not set(headings(english.content)) & set(headings(translated.content))
