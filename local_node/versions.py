"""The versions of an item: which one takes the place of which, and what has changed, word by word.

An item takes the place of an older one only if the same origin signed both: nobody rewrites what another city said.
Items that a hub relays without the city's name take nobody's place. All of them carry the hub's signature, so nothing
here shows that two are of the same city, and one city could push aside what another one wrote.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from local_node.freshness import Content
from shared_schema.statement import Kind

NOT_COMPARED = ("review", "replaces")
"""Different in every version, and nothing that readers look for."""
_PIECES = re.compile(r"\S+|\s+")


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as the index knows it."""

    digest: str
    origin: str
    seq: int
    kind: Kind
    relayed: bool
    replaces: str | None


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


def can_replace(newer: Version, older: Version) -> bool:
    """Whether `newer` takes the place of `older`. `search_index.REPLACED` asks the same of the database."""
    return (
        newer.replaces == older.digest
        and newer.origin == older.origin
        and newer.kind is older.kind
        and newer.seq > older.seq
        and not newer.relayed
        and not older.relayed
    )


def family_of(versions: Sequence[Version], digest: str) -> tuple[Version, ...]:
    """All versions of the item that `digest` is one of, the newest first; empty when it is not among them."""
    known = {version.digest: version for version in versions}
    members = {digest} if digest in known else set()
    grown = True
    while grown:
        found = {
            each.digest
            for newer in versions
            if (older := known.get(newer.replaces or "")) and can_replace(newer, older)
            for each in (newer, older)
            if {newer.digest, older.digest} & members
        }
        grown = not found <= members
        members |= found
    return tuple(sorted((known[member] for member in members), key=lambda version: version.seq, reverse=True))


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
