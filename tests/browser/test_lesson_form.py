"""A lesson from the first key to the request: it saves itself, two windows lose nothing, and it is short enough."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from local_node import verbs
from tests.browser.chromium import Look, Window
from tests.browser.conftest import Open
from tests.browser.screens import Furnished

pytestmark = pytest.mark.browser


def open_form(open_window: Open, served: str) -> Window:
    window = open_window("anna", Look())
    window.open(f"{served}/lessons/new?kind=practice")
    return window


def test_a_lesson_saves_itself_and_is_there_after_a_reload(open_window: Open, served: str) -> None:
    window = open_form(open_window, served)
    window.page.get_by_label("Title").fill("A game night for three clubs")
    expect(window.page.locator("#autosave")).to_contain_text("Saved")
    assert "/lessons/d" in window.page.url
    window.page.get_by_label("What did you do?").fill("Three clubs met. It was loud and good.")
    expect(window.page.locator("#summary-count")).to_contain_text("8 of 100 words")
    expect(window.page.locator("#autosave")).to_contain_text("Not saved yet")
    expect(window.page.locator("#autosave")).to_contain_text("Saved")
    window.page.reload()
    assert window.page.get_by_label("Title").input_value() == "A game night for three clubs"
    assert window.page.get_by_label("What did you do?").input_value().startswith("Three clubs")
    assert window.complaints == []


def test_the_window_that_is_late_says_so_and_keeps_what_was_typed(open_window: Open, served: str) -> None:
    first = open_form(open_window, served)
    first.page.get_by_label("Title").fill("Written in the first window")
    expect(first.page.locator("#autosave")).to_contain_text("Saved")
    second = open_window("anna", Look(), another=True)
    second.open(first.page.url)
    second.page.get_by_label("Title").fill("Written in the second window")
    expect(second.page.locator("#autosave")).to_contain_text("Not saved yet")
    expect(second.page.locator("#autosave")).to_contain_text("Saved")
    first.page.get_by_label("Title").fill("Too late, in the first window")
    expect(first.page.locator("#autosave")).to_contain_text("Changed in another window")
    first.page.get_by_role("button", name="Save draft").click()
    expect(first.page.get_by_role("alert")).to_contain_text("Written in the second window")
    assert first.page.get_by_label("Title").input_value() == "Too late, in the first window"


def test_a_lesson_is_eight_entries_and_three_clicks_without_a_script(
    furnished: Furnished, open_window: Open, served: str
) -> None:
    window = open_window("anna", Look(scripts=False))
    window.open(f"{served}/lessons")
    page = window.page
    page.get_by_role("link", name="Something we tried").click()
    page.get_by_label("Title").fill("Football did not help")
    page.get_by_label("What did you do?").fill("We offered football on Fridays. Few came, and not those.")
    page.get_by_label("Right-wing extremism").check()
    page.get_by_label("Groups that may need more support").check()
    page.locator("#agency-0").select_option("youth")
    page.locator("#role-0").select_option("deliver")
    page.get_by_label("It made no difference").check()
    page.get_by_label("What would you do again").fill("Ask first what they would like.")
    page.get_by_role("button", name="Look through it").click()
    page.get_by_role("button", name="Ask for a review").click()
    assert "/reviews/r" in page.url
    request = page.url.split("/")[-1].split("?")[0]
    assert verbs.run(furnished.node, "release.show", {"request": request})["body"]["outcome"] == "no_effect"


def test_what_was_typed_a_moment_before_leaving_is_kept(open_window: Open, served: str) -> None:
    """The quiet second after which a draft saves itself has not passed yet; the browser sends it while it goes."""
    window = open_form(open_window, served)
    window.page.get_by_label("Title").fill("Typed and gone at once")
    window.page.goto("about:blank")
    for _ in range(5):  # what is sent while a page goes away may arrive after the next page
        window.open(f"{served}/lessons")
        if "Typed and gone at once" in window.page.content():
            break
    assert "Typed and gone at once" in window.page.content()


def test_a_form_of_somebody_who_was_signed_out_is_sent_again_by_reloading(
    open_window: Open, served: str, cookies: Callable[[str | None], list[Any]]
) -> None:
    window = open_window("anna", Look(scripts=False))
    window.open(f"{served}/lessons/new?kind=question")
    window.page.get_by_label("Title").fill("Who has tried a night bus?")
    window.page.context.clear_cookies()
    window.page.get_by_role("button", name="Save draft").click()
    assert "You are signed out" in window.page.content()
    window.page.context.add_cookies(cookies("anna"))  # as signing in, in a window of its own, does
    window.page.reload()
    assert "/lessons/d" in window.page.url
    assert window.page.get_by_label("Title").input_value() == "Who has tried a night bus?"
