"""A text as a reader takes it in: no invisible characters, one kind of dash, space and digit; with the way back.

    folded = fold("An\\u00adna  0341\\u2011123")        .text == "Anna  0341-123"
    folded.span(0, 4)                                 (0, 5), the place in the text as it was written

Sources: Unicode Standard Annex 15 (NFKC), Unicode Technical Standard 39 (confusables; invisible characters).
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_INVISIBLE_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Folded:
    """`places[i]` is where the character i of `text` comes from, and one more for the end."""

    text: str
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The passage of the written text that became [start, end)."""
        return self.places[start], max(self.places[end - 1] + 1, self.places[end] if end > start else 0)


def is_invisible(character: str) -> bool:
    """Whether nobody sees it: soft hyphens, zero-width spaces and joiners, variation selectors, tags."""
    return (
        unicodedata.category(character) == "Cf"
        or character in _INVISIBLE_LETTERS
        or 0xFE00 <= ord(character) <= 0xFE0F
        or 0x180B <= ord(character) <= 0x180F
        or 0xE0000 <= ord(character) <= 0xE0FFF
    )


def without_invisible(text: str) -> str:
    """The same without what nobody sees."""
    return text if text.isascii() else "".join(each for each in text if not is_invisible(each))


def fold(text: str, *, small: bool = False) -> Folded:
    """Fold a text; `small` for small letters in one spelling as well (`Straße`, `STRASSE`)."""
    parts: list[str] = []
    places: list[int] = []
    position = 0
    while position < len(text):
        entity = _ENTITY.match(text, position) if text[position] == "&" else None
        source = entity[0] if entity else text[position]
        piece = _fold_one(html.unescape(source)) if entity else _fold_one(source)
        piece = piece.casefold() if small else piece
        parts.append(piece)
        places += [position] * len(piece)
        position += len(source)
    return Folded("".join(parts), (*places, len(text)))


def _fold_one(characters: str) -> str:
    folded = []
    for character in characters:
        category = unicodedata.category(character)
        if character.isascii():
            folded.append(character)
        elif is_invisible(character):
            continue
        elif category == "Pd" or character == "\u2212":
            folded.append("-")
        elif category == "Zs":
            folded.append(" ")
        else:
            folded.append(unicodedata.normalize("NFKC", character))
    return "".join(folded)
