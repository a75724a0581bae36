"""No page leads nowhere: every link and every form that a person finds is one that this person may open."""

import re
from html import unescape
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from tests.browser.screens import STAFF, Furnished
from tests.local_node.browsing import Browser

LINK = re.compile(r'<a\b[^>]*?href="([^"]+)"')
MARKED = re.compile(r'\bid="([^"]+)"')
FILES = re.compile(r"\.(csv|xlsx|ics|json|jsonl|atom)(\?|$)|/text$")
MOST_OF_A_KIND = 3
"""Pages that differ in a number, a digest or a query are of one kind; some of each are enough."""


@pytest.mark.parametrize(
    "person", [pytest.param(each, marks=() if each == "paul" else pytest.mark.long) for each in STAFF]
)
def test_no_link_leads_nowhere(furnished: Furnished, person: str) -> None:
    browser = Browser(furnished.node).sign_in(person)
    waiting, seen, kinds = [("/", "")], {"/"}, dict[str, int]()
    dead = []
    while waiting:
        path, source = waiting.pop()
        answer = browser.get(path)
        if answer.status_code not in (200, 303):
            dead.append(f"{source} leads to {path}: {answer.status_code}")
            continue
        if FILES.search(path) or answer.status_code == 303:
            continue
        marks = set(MARKED.findall(answer.text))
        for href in map(unescape, LINK.findall(answer.text)):
            address, mark = urldefrag(urljoin(path, href))
            if address == path and mark and mark not in marks:
                dead.append(f"{path} leads to #{mark}, which is not on it")
            if urlsplit(address).scheme or address in seen or not address.startswith("/"):
                continue
            seen.add(address)
            kind = re.sub(r"=[^&]*", "=", re.sub(r"/(?=[^/]*\d)[^/?]+", "/*", address))
            kinds[kind] = kinds.get(kind, 0) + 1
            if kinds[kind] <= MOST_OF_A_KIND:
                waiting.append((address, path))
    assert dead == []
    assert len(seen) > 10
