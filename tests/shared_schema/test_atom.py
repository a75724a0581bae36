"""The feed is valid XML whatever somebody writes, and its entries keep their names."""

from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.service.atom import ATOM, NEVER, AtomEntry, write_feed

HOSTILE = "]]><script>alert(1)</script>&amp;\x00\x0b\ud800\ufffe\u202e<!DOCTYPE x [<!ENTITY y 'z'>]>"


def entry(**changes: Any) -> AtomEntry:
    values: dict[str, Any] = {
        "id": f"urn:sha256:{'ab' * 32}",
        "title": "Open evenings",
        "author": "dresden.sn.de",
        "updated_at": "2026-11-22T09:00:00Z",
        "address": "https://node.leipzig.de/inbox/abab",
        "language": "de",
        "lines": ("Ask first.", "Then open."),
        "terms": (("RWE", "Right-wing extremism"),),
    }
    return AtomEntry(**(values | changes))


def read(*entries: AtomEntry, **changes: str) -> Element:
    words = {"own_address": "https://node.leipzig.de/feeds/x.atom", "generator": "Prevention Exchange"} | changes
    root: Element = fromstring(write_feed("urn:x", "Harm", entries, **words))
    return root


def text(root: Element, *path: str) -> str:
    return root.findtext("/".join(f"{{{ATOM}}}{tag}" for tag in path)) or ""


def test_hostile_texts_stay_texts() -> None:
    root = read(
        entry(title=HOSTILE, author=HOSTILE, lines=(HOSTILE,), terms=(("x", HOSTILE),), address="https://a/?&<")
    )
    assert [child.tag for child in root.iter() if not child.tag.startswith(f"{{{ATOM}}}")] == []
    assert "<script>alert(1)</script>" in text(root, "entry", "content")
    for bad in "\x00\x0b\ufffe":
        assert bad not in "".join(root.itertext())


@given(st.text(st.characters(), max_size=60), st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_makes_the_feed_unreadable(one: str, other: str) -> None:
    root = read(entry(title=one, author=other, lines=(one, other)), entry(title=other or "x", lines=(one,)))
    assert len(root.findall(f"{{{ATOM}}}entry")) == 2


def test_an_entry_has_what_the_format_asks_for() -> None:
    root = read(entry(), entry(id=f"urn:sha256:{'cd' * 32}", updated_at="2026-11-23T09:00:00Z"))
    first = root.find(f"{{{ATOM}}}entry")
    assert first is not None
    assert text(first, "id") == f"urn:sha256:{'ab' * 32}"
    assert (text(first, "title"), text(first, "author", "name")) == ("Open evenings", "dresden.sn.de")
    assert text(first, "content") == "Ask first.\n\nThen open."
    assert first.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    assert text(root, "updated") == "2026-11-23T09:00:00Z"  # the newest entry's
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{{{ATOM}}}link")}
    assert links == {"self": "https://node.leipzig.de/feeds/x.atom"}


def test_a_feed_without_entries_is_a_feed() -> None:
    root = read()
    assert (text(root, "updated"), text(root, "id"), text(root, "title")) == (NEVER, "urn:x", "Harm")


def test_without_a_public_address_there_are_no_links() -> None:
    root = read(entry(address=""), own_address="")
    assert list(root.iter(f"{{{ATOM}}}link")) == []
