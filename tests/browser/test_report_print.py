"""The report on paper: A4, its headings as text, and a warning on every page of the internal one."""

import re
import unicodedata

import pytest

from tests.browser.chromium import Look
from tests.browser.conftest import Open
from tests.browser.pdf_text import pages_of

pytestmark = pytest.mark.browser
HEADINGS = (
    "What we did",
    "What did not work",
    "Figures",
    "What we learned from others",
    "What waits",
)
MOST_PAGES = 4


def plain(page: str) -> str:
    """With one space between words, and letters in place of ligatures."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", page))


def printed(open_window: Open, served: str, query: str) -> tuple[bytes, list[str]]:
    """What the browser makes of it when somebody prints to a file."""
    window = open_window("anna", Look())
    window.open(f"{served}/report?quarter=2026-Q3{query}")
    pdf = window.page.pdf(prefer_css_page_size=True)
    assert window.complaints == []
    return pdf, [plain(page) for page in pages_of(pdf)]


def test_the_report_prints_on_few_pages_of_a4_with_its_headings_as_text(open_window: Open, served: str) -> None:
    pdf, pages = printed(open_window, served, "")
    assert 1 <= len(pages) <= MOST_PAGES
    assert set(re.findall(rb"/MediaBox \[0 0 (\d+)(?:\.\d+)? (\d+)", pdf)) <= {(b"594", b"841"), (b"595", b"842"),
                                                                              (b"596", b"842")}  # fmt: skip
    text = " ".join(pages)
    assert all(heading in text for heading in HEADINGS)
    assert all("Leipzig: Report for Q3 2026" in page for page in pages), "the running title is missing"
    assert "INTERNAL" not in text


def test_nothing_of_the_page_around_it_is_printed(open_window: Open, served: str) -> None:
    _, pages = printed(open_window, served, "")
    text = " ".join(pages)
    for around in ("Sign out", "Language", "our fingerprint", "Your own words", "Ctrl+P", "Inbox"):
        assert around not in text


def test_every_page_of_the_internal_report_says_so(open_window: Open, served: str) -> None:
    _, pages = printed(open_window, served, "&internal=yes")
    assert all("INTERNAL, not for the public" in page for page in pages)
    assert any("our own exact figures" in page for page in pages)


def test_a_long_report_breaks_into_pages_and_every_one_is_marked(open_window: Open, served: str) -> None:
    window = open_window("anna", Look())
    window.open(f"{served}/report?quarter=2025-Q4&internal=yes")
    window.page.fill(
        "#text", "\n\n".join(f"Part {number}. " + "We talked, and listened. " * 12 for number in range(12))
    )
    window.page.get_by_role("button", name="Save").click()
    window.page.wait_for_url("**done=report-saved*")
    pages = pages_of(window.page.pdf(prefer_css_page_size=True))
    assert len(pages) >= 2
    assert all("INTERNAL, not for the public" in plain(page) for page in pages)
