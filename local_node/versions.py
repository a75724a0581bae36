"""What has changed between two versions of an item, word by word. Which takes the place of which: `shared_schema`."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local_node.freshness import Content

NOT_COMPARED = ("review", "replaces")
"""Different in every version, and nothing that readers look for."""
_PIECES = re.compile(r"\S+|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words that stayed, went or came."""

    change: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs; its pieces in their order make both versions."""

    field: str
    pieces: tuple[Piece, ...]

    @property
    def marked(self) -> str:
        """As the program wdiff writes it: `[-old-] {+new+}`."""
        marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
        return "".join(marks[piece.change].format(piece.text) for piece in self.pieces)


def compare(older: Content, newer: Content) -> tuple[FieldChange, ...]:
    """The fields that differ between two versions, with the words that went and came."""
    before, after = dict(_fields(older.to_object())), dict(_fields(newer.to_object()))
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        FieldChange(name, tuple(_pieces(before.get(name, ""), after.get(name, ""))))
        for name in names
        if before.get(name) != after.get(name)
    )


def _fields(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name in NOT_COMPARED:
            continue
        if isinstance(value, dict):
            yield from _fields(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", _as_text(value)


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_as_text, value))
    return ": ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _pieces(before: str, after: str) -> Iterator[Piece]:
    """The longest common runs of words stay (difflib, after Ratcliff and Metzener 1988)."""
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    for _tag, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        removed, added = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        if removed == added:
            yield Piece("same", removed)
            continue
        if removed:
            yield Piece("removed", removed)
        if added:
            yield Piece("added", added)
