"""An Atom feed (RFC 4287): valid XML whatever its texts say. What XML has no place for is left out.

An entry's id never changes and no two things share one: a program makes it of a digest, or of an id of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as xml

from shared_schema.text_marks import as_line, as_xml

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
NEVER = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated last; RFC 4287, section 4.2.15, wants a moment."""
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class AtomEntry:
    """One thing: `lines` are its paragraphs, plain text. `address` may be empty where there is no public one."""

    id: str
    """An IRI, such as `urn:sha256:…`."""
    title: str
    author: str
    updated_at: str
    address: str
    language: str
    lines: tuple[str, ...]
    terms: tuple[tuple[str, str], ...] = ()
    """(code, label) of what it is about."""
    published_at: str = ""


def write_feed(feed_id: str, title: str, entries: Sequence[AtomEntry], *, own_address: str, generator: str) -> bytes:
    """The bytes of a feed document; the newest entry says when it was updated."""
    xml.register_namespace("", ATOM)
    root = xml.Element(_name("feed"))
    _add(root, "id", feed_id)
    _add(root, "title", as_line(title, MAX_TITLE))
    _add(root, "updated", max((entry.updated_at for entry in entries), default=NEVER))
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
    _add(element, "id", entry.id)
    _add(element, "title", as_line(entry.title, MAX_TITLE) or entry.id)
    _add(element, "updated", entry.updated_at)
    if entry.published_at:
        _add(element, "published", entry.published_at)
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
