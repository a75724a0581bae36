"""Read a PDF of Chromium: how many pages it has, and what stands on each as text that can be searched and copied.

Only what Skia writes is understood: one content stream a page, fonts with a ToUnicode map (ISO 32000-1, 9.4, 9.10.3).
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

_OBJECT: Final = re.compile(rb"(\d+) 0 obj\s(.*?)\sendobj", re.DOTALL)
_STREAM: Final = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN: Final = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>|T[Jj]|(ET)")


def pages_of(pdf: bytes) -> list[str]:
    """The text of every page, in the order of the file."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    return [" ".join(_text_of(body, objects)) for body in _page_bodies(objects)]


def _page_bodies(objects: dict[int, bytes]) -> Iterator[bytes]:
    """In the order of the page tree."""
    tree = next(body for body in objects.values() if re.search(rb"/Type /Catalog", body))
    root = _reference(tree, b"Pages")
    yield from _below(objects[root], objects)


def _below(node: bytes, objects: dict[int, bytes]) -> Iterator[bytes]:
    if b"/Type /Pages" not in node:
        yield node
        return
    kids = re.search(rb"/Kids \[(.*?)\]", node, re.DOTALL)
    assert kids is not None
    for number in re.findall(rb"(\d+) 0 R", kids[1]):
        yield from _below(objects[int(number)], objects)


def _text_of(page: bytes, objects: dict[int, bytes]) -> Iterator[str]:
    fonts = dict(re.findall(rb"/(F\d+) (\d+) 0 R", page))
    maps = {name: _map_of(objects[int(number)], objects) for name, number in fonts.items()}
    font, line = b"", ""
    for name, glyphs, end in _SHOWN.findall(_stream(objects[_reference(page, b"Contents")])):
        if name:
            font = name
        elif glyphs:
            codes = (glyphs[at : at + 4].lower() for at in range(0, len(glyphs), 4))
            line += "".join(maps[font].get(code, "") for code in codes)
        elif end and line:
            yield line
            line = ""


def _map_of(font: bytes, objects: dict[int, bytes]) -> dict[bytes, str]:
    """Glyph → text, of the font's ToUnicode map."""
    found: dict[bytes, str] = {}
    text = _stream(objects[_reference(font, b"ToUnicode")])
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", text, re.DOTALL):
        for glyph, meaning in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            found[glyph.lower()] = bytes.fromhex(meaning.decode()).decode("utf-16-be")
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", text, re.DOTALL):
        for first, last, meaning in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            for step in range(int(last, 16) - int(first, 16) + 1):
                found[b"%04x" % (int(first, 16) + step)] = chr(int(meaning, 16) + step)
    return found


def _reference(body: bytes, name: bytes) -> int:
    match = re.search(rb"/" + name + rb" (\d+) 0 R", body)
    assert match is not None, name
    return int(match[1])


def _stream(body: bytes) -> bytes:
    match = _STREAM.search(body)
    assert match is not None
    return zlib.decompress(match[1]) if b"/FlateDecode" in body else match[1]
