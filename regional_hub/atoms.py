"""What anybody can take apart from the revisions of a sum that were shown: its atoms.

Two revisions give away their difference. All combinations of what was shown are made of *atoms*: classes of statements
that were in the same revisions. While every atom comes from enough cities, no combination gives away fewer. It holds
digests and numbers of cities, no city's figures: what is withdrawn stays erased.

    {"cells":[0,0,1],"kinds":[{"atoms":[[0,1,2]],"hubs":{},"newest":[0,1,2],"shown":[3,41]}, ...],
     "tokens":[["leipzig.sn.de","<digest>",1], ...]}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from regional_hub.rollup import Token
from shared_schema import canonical


class HubPart(NamedTuple):
    """A hub's complete cell: cities and estimate, and how much of it that hub shows to its own members."""

    cities: int
    estimate: int
    shown_cities: int
    shown_estimate: int


@dataclass(frozen=True, slots=True)
class CellAtoms:
    """The atoms of one cell, the tokens of the newest revision shown, the hubs' parts in it, and what it said.

    `bound` is what was shown last of the cities that keep their figures: how many, and together at most how much.
    """

    atoms: tuple[frozenset[Token], ...] = ()
    newest: frozenset[Token] = frozenset()
    hubs: Mapping[str, HubPart] = field(default_factory=dict)
    shown: tuple[int, int] | None = None
    bound: tuple[int, int] | None = None

    def refine(self, tokens: frozenset[Token]) -> tuple[frozenset[Token], ...]:
        """The atoms once a revision of these tokens is shown too."""
        parts = [part for atom in self.atoms for part in (atom & tokens, atom - tokens)]
        parts.append(tokens.difference(*self.atoms))
        return tuple(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Atoms:
    """The atoms of every cell of a sum, in the order of the grid; nothing for a sum that was never shown."""

    cells: tuple[CellAtoms, ...] = ()

    def at(self, place: int) -> CellAtoms:
        return self.cells[place] if place < len(self.cells) else CellAtoms()

    def to_text(self) -> str:
        """Canonical JSON; cells with the same history share one place."""
        tokens = sorted({token for cell in self.cells for atom in cell.atoms for token in atom})
        places = {token: place for place, token in enumerate(tokens)}
        kinds: list[dict[str, Any]] = []
        cells: list[int] = []
        for cell in self.cells:
            kind = _kind_object(cell, places)
            if kind not in kinds:
                kinds.append(kind)
            cells.append(kinds.index(kind))
        return canonical.encode({"cells": cells, "kinds": kinds, "tokens": [list(token) for token in tokens]}).decode()

    @classmethod
    def from_text(cls, text: str | None) -> "Atoms":
        """What `to_text` has written; nothing for sums from before version 0.2."""
        if text is None:
            return cls()
        value = canonical.parse_strict(text.encode())
        tokens = [Token(*token) for token in value["tokens"]]
        kinds = [_read_kind(kind, tokens) for kind in value["kinds"]]
        return cls(tuple(kinds[place] for place in value["cells"]))


def _kind_object(cell: CellAtoms, places: Mapping[Token, int]) -> dict[str, Any]:
    kind: dict[str, Any] = {
        "atoms": sorted(sorted(places[token] for token in atom) for atom in cell.atoms),
        "newest": sorted(places[token] for token in cell.newest),
        "hubs": {name: list(part) for name, part in cell.hubs.items()},
    }
    pairs = {"shown": cell.shown, "bound": cell.bound}
    return kind | {name: list(pair) for name, pair in pairs.items() if pair is not None}


def _read_kind(kind: dict[str, Any], tokens: list[Token]) -> CellAtoms:
    return CellAtoms(
        atoms=tuple(frozenset(tokens[place] for place in atom) for atom in kind["atoms"]),
        newest=frozenset(tokens[place] for place in kind["newest"]),
        hubs={name: HubPart(*part) for name, part in kind["hubs"].items()},
        shown=tuple(kind["shown"]) if "shown" in kind else None,
        bound=tuple(kind["bound"]) if "bound" in kind else None,
    )
