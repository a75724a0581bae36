"""Pages that only a form leads to: a link, recovery codes, a token, the code at the door."""

import re

import pytest

from shared_schema.service.accounts.one_time_codes import code_at
from tests.browser.chromium import NARROW, Look, Window
from tests.browser.conftest import Open
from tests.browser.screens import Furnished
from tests.browsing import PASSWORD

pytestmark = pytest.mark.browser


def check(window: Window, where: str) -> None:
    """As for every screen. Chromium also complains of a picture that a next click cut off, and of every 4xx."""
    assert window.violations() == [], where
    assert window.overflow() <= 0, where
    expected = ("failed: ", "error: Failed to load resource: the server responded with a status of 4")
    assert [complaint for complaint in window.complaints if not complaint.startswith(expected)] == [], where


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(Look(), id="light", marks=pytest.mark.long),
        pytest.param(Look("dark", "de", NARROW), id="dark-german-narrow"),
    ],
)
def test_an_account_from_its_link_to_a_second_factor_and_back_in(
    look: Look, furnished: Furnished, served: str, open_window: Open
) -> None:
    """By the ids of fields and the addresses of forms alone, so that it goes in every language."""
    node, person = furnished.node, f"jo-{look.scheme}"
    window = open_window("olga", look)
    page = window.page

    window.open(f"{served}/invite")
    page.fill("#id", person)
    page.fill("#name", "Jo Journey")
    page.check("input[name=role][value=reader]")
    page.click("main form[action='/invite'] button")
    check(window, "the page of a link")
    address = page.locator("main code").inner_text()
    assert re.fullmatch(rf"{served}/welcome/[\w-]{{43}}", address)

    window = open_window(None, look)
    page = window.page
    window.open(address)
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("main button")
    page.fill("#person", person)
    page.fill("#password", PASSWORD)
    page.click("main button")

    window.open(f"{served}/account/second-factor")
    page.fill("#current", PASSWORD)
    page.click("main button")
    check(window, "the square")
    page.click("main summary")
    secret = re.sub(r"\s", "", page.locator("main code").inner_text())
    page.fill("#code", "000000")
    page.click("main button")
    check(window, "the square with an error")
    page.fill("#code", code_at(secret, node.clock()))
    page.click("main button")
    check(window, "recovery codes")
    codes = page.locator("main code").all_inner_texts()
    assert len(codes) == 10

    window.open(f"{served}/account/tokens")
    page.fill("#label", "Nightly reading")
    page.check("input[name=scopes][value='inbox:read']")
    page.fill("#current", PASSWORD)
    page.click("main form[action='/account/tokens'] button")
    check(window, "a token")
    assert page.locator("main code").inner_text().startswith("pxn_")

    page.click("header button")
    page.fill("#person", person)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/sign-in/code"))
    check(window, "the code at the door")
    page.fill("#code", "123456")
    page.keyboard.press("Enter")
    page.locator("[role=alert]").wait_for()
    check(window, "the code at the door with an error")
    page.fill("#code", codes[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served}/?done=recovery-code-used")
    window.page.context.clear_cookies()
