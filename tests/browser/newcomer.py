"""A newcomer's first afternoon, played in Chromium on real programs: every step, click, field and second is counted.

Anna, coordinator, adds an agency, enters a month for it, and writes down something that failed. Ben, reviewer,
approves. It is sent, another city reads it; Anna takes it back and sees that everybody has confirmed.

    story = play(browser, own, other, password, exchange)
    story.steps, story.clicks
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, Locator, Page, expect

EVERYBODY: Final = re.compile(r"\b([1-9]\d*) of \1 confirmed")
TITLE: Final = "Evening talks that nobody came to"
FIRST_PERIOD: Final = "2026-01"
FILLED_IN: Final = {
    "title": TITLE,
    "summary": "We invited young people to evening talks in the town hall, every other week for half a year.",
    "lessons": "We would ask first where they meet. The town hall was the wrong place, and the evening the wrong time.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a newcomer wants to do, and what it took."""

    what: str
    clicks: int
    fields: int
    pages: int
    seconds: float


@dataclass
class Story:
    """The whole afternoon."""

    steps: list[Step] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def clicks(self) -> int:
        return sum(step.clicks for step in self.steps)

    @property
    def fields(self) -> int:
        return sum(step.fields for step in self.steps)

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


class Hand:
    """Somebody's hand in a window of their own: counts what it does."""

    def __init__(self, page: Page, story: Story) -> None:
        self.page = page
        self._story = story
        self.clicks = self.fields = self.pages = 0
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("framenavigated", lambda _frame: self._turn())

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._story.complaints.append(text)

    def _turn(self) -> None:
        self.pages += 1

    def open(self, address: str) -> None:
        """Type an address."""
        self.page.goto(address)

    def click(self, name: str, *, role: Any = "link", within: str = "body") -> None:
        """Click what has this name."""
        self.press(self.page.locator(within).get_by_role(role, name=name).first)

    def press(self, place: Locator) -> None:
        """Click a place that leads to a page, and wait for it as a person does."""
        with self.page.expect_navigation():
            place.click()
        self.clicks += 1

    def touch(self, place: Locator) -> None:
        """Click a place that changes this page."""
        place.click()
        self.clicks += 1

    def fill(self, name: str, text: str) -> None:
        """Type into the field of this name."""
        self.page.locator(f"[name='{name}']").first.fill(text)
        self.fields += 1

    def tick(self, name: str, value: str) -> None:
        """Tick a box, or choose one of several."""
        place = self.page.locator(f"[name='{name}'][value='{value}']").first
        if not place.is_visible():  # the label is what one sees and clicks
            place = self.page.locator(f"label:has([name='{name}'][value='{value}'])").first
        place.click()
        self.clicks += 1

    def choose(self, name: str, value: str) -> None:
        """Choose in a list."""
        self.page.locator(f"select[name='{name}']").select_option(value)
        self.clicks += 1

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Count what is done inside as one step."""
        before, begun = (self.clicks, self.fields, self.pages), time.monotonic()
        yield
        clicks, fields, pages = (
            now - was for now, was in zip((self.clicks, self.fields, self.pages), before, strict=True)
        )
        self._story.steps.append(Step(what, clicks, fields, pages, time.monotonic() - begun))


def play(browser: Browser, own: str, other: str, password: str, exchange: Callable[[], None]) -> Story:
    """Play it. `exchange` lets the hubs and the other city take their turns, as they do by themselves.

    Raises AssertionError where a page does not show what a newcomer needs to see.
    """
    story = Story()
    anna, ben, elsewhere = (Hand(browser.new_context(locale="en-GB").new_page(), story) for _ in range(3))
    with anna.step("sign in"):
        _sign_in(anna, own, "anna", password)
    with anna.step("add an agency, and say what it reports"):
        _agree(anna)
    with anna.step("enter a month"):
        _enter_a_month(anna)
    with anna.step("write a lesson that failed"):
        _write(anna)
    with anna.step("look through it and ask for a review"):
        anna.click("Look through it", role="button")
        anna.click("Ask for a review", role="button")
    with ben.step("review it as the second person"):
        _sign_in(ben, own, "ben", password)
        ben.click("Review", within="nav")
        ben.click(TITLE, within="main")
        ben.click("Approve: it may leave", role="button")
    with anna.step("send it"):
        anna.click("Outbox", within="nav")
        anna.click("Exchange with the hub now", role="button")
        expect(anna.page.get_by_role("link", name=TITLE)).to_be_visible()
    for _ in range(2):  # up to the nation and down again; then the other city reads
        exchange()
    with elsewhere.step("see it in another city"):
        _sign_in(elsewhere, other, "anna", password)
        elsewhere.click("Inbox", within="nav")
        elsewhere.click(TITLE, within="main")
        expect(elsewhere.page.get_by_role("heading", name=TITLE)).to_be_visible()
    with anna.step("take it back"):
        anna.click(TITLE, within="main")
        anna.click("Take it back")
        anna.tick("reason", "other")
        anna.click("Take it back", role="button")
        anna.click("Outbox", within="nav")
        anna.click("Exchange with the hub now", role="button")
    for _ in range(4):  # the withdrawal travels as far, and the word that it arrived travels back
        exchange()
    with anna.step("see that everybody has confirmed"):
        anna.click("Exchange with the hub now", role="button")
        expect(anna.page.get_by_text(EVERYBODY).first).to_be_visible()
    elsewhere.open(f"{other}/inbox")
    expect(elsewhere.page.get_by_text(TITLE)).to_have_count(0)
    return story


def _sign_in(hand: Hand, node: str, person: str, password: str) -> None:
    hand.open(f"{node}/sign-in")
    hand.fill("person", person)
    hand.fill("password", password)
    hand.click("Sign in", role="button")


def _agree(hand: Hand) -> None:
    """One agency, one table, by month."""
    hand.click("Agencies", within="nav")
    hand.click("Add an agency", within="main")
    hand.fill("name", "Youth office")
    hand.tick("kinds", "youth")
    hand.tick("roles", "deliver")
    hand.click("Save", role="button", within="main")
    hand.click("Returns", within="nav")
    hand.click("What each agency has agreed to report", within="main")
    hand.choose("agency", "youth-office")
    hand.choose("table", "first_contacts.by_phenomenon")
    hand.fill("first", FIRST_PERIOD)
    hand.click("Save", role="button", within="main")


def _enter_a_month(hand: Hand) -> None:
    """The newest month that is missing: one figure, all the rest zero, saved."""
    hand.click("Returns", within="nav")
    hand.press(hand.page.locator("main table a", has_text="missing").first)
    hand.page.locator("form.return-form input[type=text]").first.fill("3")
    hand.fields += 1
    hand.touch(hand.page.get_by_role("button", name="All the rest is zero").first)
    if hand.page.locator("[name=asked]").count():
        hand.tick("asked", "1")
    hand.click("Save", role="button", within="main")


def _write(hand: Hand) -> None:
    """The seven fields that suffice."""
    hand.click("Lessons", within="nav")
    hand.press(hand.page.locator("main a[href*='/lessons/new']").first)
    if hand.page.locator("main a[href*='kind=practice']").count():
        hand.press(hand.page.locator("main a[href*='kind=practice']").first)
    for name, text in FILLED_IN.items():
        hand.fill(name, text)
    hand.tick("phenomenon", "RWE")
    hand.tick("prevention_level", "primary")
    hand.choose("agency-0", "youth")
    hand.choose("role-0", "deliver")
    hand.tick("outcome", "no_effect")
    hand.tick("audience", "europe")
