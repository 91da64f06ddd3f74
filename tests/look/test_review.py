"""Review by the keyboard alone, its dialogs, and a certificate that prints on one page."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from quality.models import Belief, Overruling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_label_is_decided_and_taken_back_by_keys(page, complaints, live_server, market, signed_in):
    signed_in(market.owner)
    page.goto(live_server.url + reverse("studio_review", args=[market.finished.public_id]))
    first = page.locator("h2 a.id").inner_text()

    page.keyboard.press("2")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.locator("h2 a.id").inner_text() != first
    row = Overruling.objects.get()
    assert (row.label, row.is_lifted) == (1, False)
    with page.expect_navigation():
        page.keyboard.press("z")
    assert Belief.objects.get(hit=row.hit_id).state == "disputed"
    with page.expect_navigation():
        page.keyboard.press("j")
    assert page.locator(".q-item[aria-current]").count() == 1
    page.locator("#why").press("z")  # while typing no key acts
    assert page.locator("#why").input_value() == "z" and Overruling.objects.count() == 2
    assert not complaints


def test_the_dialogs_open_by_key_and_axe_finds_nothing(page, live_server, market, signed_in):
    signed_in(market.owner)
    for key, dialog in (("?", "map"), ("c", "note"), ("g", "gold")):
        page.goto(live_server.url + reverse("studio_review", args=[market.finished.public_id]))
        page.keyboard.press(key)

        expect(page.locator(f"#{dialog}")).to_be_visible()
        assert not Axe().run(page).response["violations"]
        page.keyboard.press("Escape")
        expect(page.locator(f"#{dialog}")).to_be_hidden()


def test_a_certificate_prints_on_one_page(page, live_server, market):
    page.goto(live_server.url + reverse("public_certificate", args=[market.certificate.public_id]))

    printed = page.pdf(prefer_css_page_size=True)

    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 1
