"""An Atom feed (RFC 4287) of lessons: valid XML whatever they say. What XML has no place for is left out.

An entry's id is made of the item's digest, so it never changes and no two items share one. What is taken back is not in
the next feed; what a feed reader has fetched before is out of reach, as with every copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as xml

from local_node.text_marks import as_line, as_xml

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
NEVER = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated last; RFC 4287, section 4.2.15, wants a moment."""
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class AtomEntry:
    """One item: `lines` are its paragraphs, plain text. `address` may be empty where the node has no public one."""

    digest: str
    title: str
    author: str
    issued_at: str
    address: str
    language: str
    lines: tuple[str, ...]
    terms: tuple[tuple[str, str], ...] = ()
    """(code, label) of what it is about."""


def write_feed(feed_id: str, title: str, entries: Sequence[AtomEntry], *, own_address: str, generator: str) -> bytes:
    """The bytes of a feed document; the newest entry says when it was updated."""
    xml.register_namespace("", ATOM)
    root = xml.Element(_name("feed"))
    _add(root, "id", feed_id)
    _add(root, "title", as_line(title, MAX_TITLE))
    _add(root, "updated", max((entry.issued_at for entry in entries), default=NEVER))
    _add(root, "generator", generator)
    if own_address:
        _add(root, "link", None, rel="self", type=MEDIA_TYPE, href=own_address)
    for entry in entries:
        root.append(_entry(entry))
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode").encode() + b"\n"


def _entry(entry: AtomEntry) -> xml.Element:
    element = xml.Element(_name("entry"))
    if entry.language != "und":
        element.set("{http://www.w3.org/XML/1998/namespace}lang", entry.language)
    _add(element, "id", f"urn:sha256:{entry.digest}")
    _add(element, "title", as_line(entry.title, MAX_TITLE) or entry.digest[:12])
    _add(element, "updated", entry.issued_at)
    _add(xml.SubElement(element, _name("author")), "name", as_line(entry.author, MAX_TITLE))
    if entry.address:
        _add(element, "link", None, rel="alternate", type="text/html", href=entry.address)
    for code, label in entry.terms:
        _add(element, "category", None, term=code, label=as_line(label, MAX_TITLE))
    _add(element, "content", as_xml("\n\n".join(entry.lines)), type="text")
    return element


def _name(tag: str) -> str:
    return f"{{{ATOM}}}{tag}"


def _add(parent: xml.Element, tag: str, text: str | None, **attributes: str) -> None:
    element = xml.SubElement(parent, _name(tag), attributes)
    element.text = text
