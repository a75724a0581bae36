"""Chromium of the system, without a window and without a network of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

EXECUTABLE: Final = Path("/usr/bin/chromium")
FLAGS: Final = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NARROW: Final = 320
WIDE: Final = 1280
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE: Final = Axe()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """One browser for a whole run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Look:
    """How somebody looks at a page."""

    scheme: str = "light"
    language: str = "en"
    width: int = WIDE
    scripts: bool = True

    @property
    def name(self) -> str:
        """`light-en-1280`."""
        return f"{self.scheme}-{self.language}-{self.width}{'' if self.scripts else '-no-scripts'}"


@dataclass
class Window:
    """A page, and everything that its console has complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Go to an address, which has to be there."""
        answer = self.page.goto(address)
        assert answer is not None, address
        assert answer.status == 200, (address, answer.status)

    def violations(self) -> list[str]:
        """What axe-core finds (WCAG 2.2 AA and its best practices), a line for each."""
        results: Any = _AXE.run(self.page, options={"runOnly": TAGS, "resultTypes": ["violations"]})
        return [
            f"{rule['id']}: {node['target']} {node['html'][:160]}"
            for rule in results.response["violations"]
            for node in rule["nodes"]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def new_context(browser: Browser, look: Look, cookies: list[Any]) -> BrowserContext:
    """A context with the session of somebody."""
    context = browser.new_context(
        viewport={"width": look.width, "height": 900},
        color_scheme="dark" if look.scheme == "dark" else "light",
        locale="de-DE" if look.language == "de" else "en-GB",
        java_script_enabled=look.scripts,
        reduced_motion="reduce",
    )
    context.add_cookies(cookies)
    return context


def new_window(context: BrowserContext) -> Window:
    """A page that remembers every error and warning of its console, and every failed request."""
    page = context.new_page()
    window = Window(page)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            window.complaints.append(f"{message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: window.complaints.append(f"page error: {error}"))
    page.on("requestfailed", lambda request: window.complaints.append(f"failed: {request.url}"))
    return window
