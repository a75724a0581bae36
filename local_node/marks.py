"""A text with what was found in it, cut into pieces for readers: plain ones, and those that are marked and numbered.

    cut("Ask Anna first.", [(0, 4, 8)])
    -> (Piece("Ask "), Piece("Anna", number=0), Piece(" first."))

Pure. What finds them is `narrative`; the numbers are those by which a person decides about them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from local_node.narrative import Finding


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage of a text; `number` is that of the finding, None for what nobody has to look at."""

    text: str
    number: int | None = None


def cut(text: str, places: Iterable[tuple[int, int, int]]) -> tuple[Piece, ...]:
    """The whole text in its order, in pieces; `places` are (number, first character, the one after the last)."""
    pieces: list[Piece] = []
    reached = 0
    for number, first, after in sorted(places, key=lambda place: place[1]):
        start, end = max(first, reached), min(after, len(text))
        if end <= start:
            continue
        if start > reached:
            pieces.append(Piece(text[reached:start]))
        pieces.append(Piece(text[start:end], number))
        reached = end
    if reached < len(text):
        pieces.append(Piece(text[reached:]))
    return tuple(pieces)


def cut_all(texts: Mapping[str, str], findings: Sequence[Finding]) -> dict[str, tuple[Piece, ...]]:
    """Field -> its text in pieces, for every text."""
    places: dict[str, list[tuple[int, int, int]]] = {}
    for number, finding in enumerate(findings):
        places.setdefault(finding.field, []).append((number, finding.start, finding.end))
    return {field: cut(text, places.get(field, ())) for field, text in texts.items()}
