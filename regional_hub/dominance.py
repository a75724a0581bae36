"""The two rules for what is shown of a sum, and the pieces they look at. Plain functions of their arguments.

1. *few-cities*: at least `min_contributors` cities have a value in it.
2. *dominance*: X - x - y >= p/100 * x for every value x, where X is the sum of the noisy values, clamped at 0, and y
   the largest of the others: else whoever has y could estimate x to within p percent (the p%-rule: Hundepool et al.
   2012, "Statistical Disclosure Control", section 4.2.2). Where x is within its own 95 % margin of noise, the noise
   protects it better than the rule, and the rule is not asked for it; the others it protects all the same.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from regional_hub.rollup import Part, Token
from shared_schema.trend import Withheld

_NORMAL_95: Final = 1.959963984540054


class Rule(NamedTuple):
    """The two numbers of the policy."""

    min_contributors: int
    p_percent: int


class Piece(NamedTuple):
    """What one member puts into a sum or a difference: so many cities, a noisy value, and its variance."""

    cities: int
    value: int
    variance_milli: int

    @property
    def margin(self) -> float:
        return _NORMAL_95 * math.sqrt(self.variance_milli / 1000)


def find_withheld(pieces: Sequence[Piece], rule: Rule) -> Withheld | None:
    """Which of the two rules a sum of these pieces breaks; None when it may be shown."""
    if sum(piece.cities for piece in pieces) < rule.min_contributors:
        return "few-cities"
    return "dominance" if is_dominated(pieces, rule.p_percent) else None


def is_dominated(pieces: Sequence[Piece], p_percent: int) -> bool:
    """The p%-rule: a piece stands out from its noise, and the rest behind the two largest is too small to hide it.

    Only the two largest are looked at: for the others the second largest is in the rest, and is enough.
    """
    ordered = sorted(pieces, key=lambda piece: piece.value, reverse=True)
    rest = sum(max(0, piece.value) for piece in ordered[2:])
    return any(piece.value > piece.margin and 100 * rest < p_percent * piece.value for piece in ordered[:2])


def city_pieces(parts: Mapping[Token, Part]) -> dict[str, Piece]:
    """One piece per member. A noisy value below 0 is taken as 0; of a correction the size counts."""
    by_member: defaultdict[str, list[Part]] = defaultdict(list)
    for part in parts.values():
        by_member[part.token.member].append(part)
    pieces = {}
    for member, own in by_member.items():
        value = sum(part.value for part in own)
        size = abs(value) if all(part.change for part in own) else max(0, value)
        pieces[member] = Piece(max(part.token.cities for part in own), size, sum(part.variance_milli for part in own))
    return pieces
