"""What may be shown of a sum: the rules, and what everybody can already take apart. Plain functions of their arguments.

A cell is shown when it passes the two rules of `dominance` (enough cities, and none that stands out), and when every
difference to what is shown already passes them too (*differencing*):

- the cities in which a new revision differs from earlier ones (`atoms`),
- whatever can be combined from all shown revisions of months, quarters and year that belong together (`family`),
- those in which a longer period of hubs below differs from the shorter ones that are shown,
- those whose figures the hubs below do not show.

What a hub below shows of a cell is known to everybody. It protects nobody and needs no protection: only the rest of
its sum, as one piece, is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache

from regional_hub.atoms import Atoms, CellAtoms, HubPart
from regional_hub.dominance import Piece, Rule, city_pieces, find_withheld, is_dominated
from regional_hub.family import gives_away
from regional_hub.rollup import Part, Share, Term, Token
from shared_schema.trend import WITH_VALUE, AggregateBody, AggregateCell, ShownPart, Withheld


@dataclass(frozen=True, slots=True)
class Relation:
    """A longer period and all the shorter ones that make it up; None stands for the sum that is being decided."""

    longer: Atoms | None
    shorter: tuple[Atoms | None, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision depends on besides the sum itself.

    `more` brings the shares behind the related periods; it is only called when they are needed.
    """

    rule: Rule
    relations: tuple[Relation, ...] = ()
    more: Callable[[], Sequence[Share]] = tuple
    family: tuple[Atoms, ...] = ()
    """The other shown sums of the same table and year."""


@dataclass(frozen=True, slots=True)
class Showing:
    """The sum as everybody may see it, what can be taken apart afterwards, and whether a cell waits for more cities."""

    body: AggregateBody
    atoms: Atoms
    waits: bool


def show(
    complete: AggregateBody, shares: Sequence[Share], atoms: Atoms, before: AggregateBody | None, around: Surroundings
) -> Showing:
    """Decide on every cell of a complete sum. `atoms` and `before` are from the newest revision that was shown.

    A cell that may not change yet stays as `before` has it; one that may not stay either is withheld.
    """
    cells: list[AggregateCell] = []
    after: list[CellAtoms] = []
    waits = False
    for place, cell in enumerate(complete.cells):
        known = atoms.at(place)
        new = _CellNow.of(place, cell, shares, known)
        reason = _find_reason(new, around)
        if (
            reason is not None
            and before is not None
            and before.cells[place].status in WITH_VALUE
            and _stands(new, around)
        ):
            cells.append(before.cells[place])
            waits = True
        else:
            bound = _find_bound(cell, [share.terms[place] for share in shares], known, around.rule)
            cells.append(_bare(cell, bound) if reason is None else _withhold(cell, reason, bound))
            known = replace(known, bound=bound or known.bound)
        shown_now = reason is None and cell.status in WITH_VALUE
        after.append(replace(new.after, bound=known.bound) if shown_now else known)
    body = complete.model_copy(update={"complete": False, "cells": tuple(cells)})
    return Showing(body, Atoms(tuple(after)), waits)


def with_shown_parts(complete: AggregateBody, atoms: Atoms) -> AggregateBody:
    """The complete sum for the hub above, which learns what this hub has shown of every cell last.

    Also of one that is withheld now because somebody has withdrawn: what was shown is known.
    """
    cells = tuple(
        cell.model_copy(update={"shown": ShownPart(contributors=known.shown[0], estimate=known.shown[1])})
        if cell.status in WITH_VALUE and (known := atoms.at(place)).shown is not None
        else cell
        for place, cell in enumerate(complete.cells)
    )
    return complete.model_copy(update={"cells": cells})


def _find_bound(cell: AggregateCell, terms: Sequence[Term], known: CellAtoms, rule: Rule) -> tuple[int, int] | None:
    """How many cities keep their figures, and their bound; None where that could tell of too few of them.

    A bound that is made of released figures (a year whose last quarter is suppressed) is as good as a figure, and so is
    that of a hub below beside what that hub shows. Of the others, which only say how large a hidden count can be, there
    must be enough, and enough must have come since a bound was shown.
    """
    if cell.suppressed is None or cell.suppressed_high is None or any(term.tells for term in terms):
        return None
    now, before = (cell.suppressed, cell.suppressed_high), known.bound
    if now == before:
        return now
    fresh = now[0] if before is None else now[0] - before[0]
    return now if fresh >= rule.min_contributors else None


def _bare(cell: AggregateCell, bound: tuple[int, int] | None) -> AggregateCell:
    suppressed, high = bound or (None, None)
    return cell.model_copy(update={"noise": None, "shown": None, "suppressed": suppressed, "suppressed_high": high})


def _withhold(cell: AggregateCell, reason: Withheld, bound: tuple[int, int] | None) -> AggregateCell:
    suppressed, high = bound or (None, None)
    return AggregateCell(
        dims=cell.dims,
        status="Q",
        contributors=cell.contributors,
        suppressed=suppressed,
        suppressed_high=high,
        withheld=reason,
    )


# --- one cell ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CellNow:
    """One cell: what it is made of now, what was known of it before, and what would be known once it is shown."""

    place: int
    cell: AggregateCell
    parts: Mapping[Token, Part]
    hubs: Mapping[str, Term]
    known: CellAtoms
    after: CellAtoms

    @classmethod
    def of(cls, place: int, cell: AggregateCell, shares: Sequence[Share], known: CellAtoms) -> "_CellNow":
        parts = _city_parts(shares, place)
        hubs = {share.member: share.terms[place] for share in shares if share.is_hub and share.terms[place].cities}
        tokens = set(parts)
        for member, term in hubs.items():
            kept, fresh = _hub_tokens(member, term, known)
            tokens |= kept | ({fresh.token} if fresh else set())
            parts |= {fresh.token: fresh} if fresh else {}
        after = CellAtoms(
            atoms=known.refine(frozenset(tokens)),
            newest=frozenset(tokens),
            hubs={member: _hub_part(term) for member, term in hubs.items()},
            shown=None if cell.estimate is None else (cell.contributors, cell.estimate),
        )
        return cls(place, cell, parts, hubs, known, after)

    @property
    def cities(self) -> int:
        direct = {token.member for token in self.parts if token.member not in self.hubs}
        return len(direct) + sum(term.cities for term in self.hubs.values())


def _city_parts(shares: Sequence[Share], place: int) -> dict[Token, Part]:
    return {part.token: part for share in shares if not share.is_hub for part in share.terms[place].parts}


def _hub_part(term: Term) -> HubPart:
    shown = term.shown
    return HubPart(term.cities, term.estimate, shown.contributors if shown else 0, shown.estimate if shown else 0)


def _hub_tokens(member: str, term: Term, known: CellAtoms) -> tuple[set[Token], Part | None]:
    """The tokens of a hub's sum that were there before, and one for what has come since.

    A hub's sum that has grown has a token more, of as many cities as it has grown by, or of one city when its number
    is the same and its figure is not. What that hub itself has shown of the change needs no token. A sum of fewer
    cities has lost some, so none of its old tokens is there any more.
    """
    before, now = known.hubs.get(member), _hub_part(term)
    number = len({token for atom in known.atoms for token in atom if token.member == member})
    if before is None:
        return set(), Part(Token(member, f"#{number}", now.cities), now.estimate, term.variance_milli)
    old = {token for token in known.newest if token.member == member}
    grown, change = now.cities - before.cities, now.estimate - before.estimate
    public = (now.shown_cities - before.shown_cities, now.shown_estimate - before.shown_estimate)
    if (grown, change) in ((0, 0), public):
        return old, None
    if grown < 0:
        return set(), Part(Token(member, f"#{number}", now.cities), now.estimate, term.variance_milli)
    cities = max(1, min(grown, abs(grown - public[0])))
    spread = term.variance_milli * cities // now.cities
    return old, Part(Token(member, f"#{number}", cities), change - public[1], spread, change=True)


def _find_reason(new: _CellNow, around: Surroundings) -> Withheld | None:
    """Why the cell may not be shown as it is now; None when it may, or has no figure."""
    if new.cell.status not in WITH_VALUE:
        return None
    rule = around.rule
    if new.cities < rule.min_contributors:
        return "few-cities"
    if (reason := _find_unshown(new, rule)) is not None:  # also every city of a hub without hubs below
        return reason
    if (
        _has_lost_cities(new)
        or _tells_apart(new, rule)
        or any(_gives_away(new, relation, around) for relation in around.relations)
    ):
        return "differencing"
    return "differencing" if _family_gives_away(new, around) else None


def _has_lost_cities(new: _CellNow) -> bool:
    """Whether a hub has fewer cities in it than in what was shown, and does not show the same loss itself."""
    return any(
        part.cities < before.cities
        and (part.cities - before.cities, part.estimate - before.estimate)
        != (part.shown_cities - before.shown_cities, part.shown_estimate - before.shown_estimate)
        for member, term in new.hubs.items()
        if (before := new.known.hubs.get(member)) is not None and (part := _hub_part(term))
    )


def _find_unshown(new: _CellNow, rule: Rule) -> Withheld | None:
    """The rules for what the hubs below do not show: the cities of this hub, and the rest of their sums."""
    pieces = [piece for piece in map(_unshown_piece, new.hubs.values()) if piece is not None]
    pieces += city_pieces({token: part for token, part in new.parts.items() if token.member not in new.hubs}).values()
    if not pieces:
        return None
    reason = find_withheld(pieces, rule)
    return "differencing" if reason == "few-cities" else reason


def _unshown_piece(term: Term) -> Piece | None:
    part = _hub_part(term)
    cities, value = part.cities - part.shown_cities, part.estimate - part.shown_estimate
    hidden = max(1, abs(cities))
    return Piece(hidden, abs(value), term.variance_milli * hidden // part.cities) if cities or value else None


def _tells_apart(new: _CellNow, rule: Rule) -> bool:
    """Whether a part of what was shown, or of what is new, could now be had on its own and breaks a rule."""
    if not new.known.atoms:
        return False
    known = set(new.known.atoms)
    return any(_breaks(atom, new, rule) for atom in new.after.atoms if atom not in known)


def _breaks(atom: frozenset[Token], new: _CellNow, rule: Rule) -> bool:
    parts: dict[Token, Part] = {}
    for token in atom:
        part = new.parts.get(token) or _find_heir(token, new) or _find_kept(token, new)
        if part is None:
            return True  # withdrawn: its figure is erased, so nobody can say whether it stands out
        parts[token] = part
    return find_withheld(list(city_pieces(parts).values()), rule) is not None


def _find_heir(token: Token, new: _CellNow) -> Part | None:
    """The part that has all statements of `token` and more: a year that has its months now. It says much the same."""
    names = set(token.name.split("+"))
    heirs = (part for part in new.parts.values() if part.token.member == token.member)
    return next((part for part in heirs if names <= set(part.token.name.split("+"))), None)


def _find_kept(token: Token, new: _CellNow) -> Part | None:
    """A hub's sum that has not changed; how it is made up is that hub's affair."""
    term = new.hubs.get(token.member)
    if term is None or token not in new.after.newest:
        return None
    share = Fraction(token.cities, term.cities)
    return Part(token, int(term.estimate * share), int(term.variance_milli * share))


def _stands(new: _CellNow, around: Surroundings) -> bool:
    """Whether what is shown may stay: nothing in it was withdrawn, and it keeps the rule of today."""
    rule, known = around.rule, new.known
    if known.shown is None or known.shown[0] < rule.min_contributors or not set(known.hubs) <= set(new.hubs):
        return False
    parts: dict[Token, Part] = {}
    for token in known.newest:
        part = new.parts.get(token) or _find_heir(token, new) or _find_kept(token, new)
        if part is None:
            return False
        parts[token] = part
    cities = {token: part for token, part in parts.items() if token.member not in new.hubs}
    return bool(new.hubs) or not is_dominated(list(city_pieces(cities).values()), rule.p_percent)


def _family_gives_away(new: _CellNow, around: Surroundings) -> bool:
    others = [
        row for number, atoms in enumerate(around.family) for row in _rows_apart(atoms.at(new.place).atoms, number)
    ]
    if not others:
        return False  # `_tells_apart` has looked at the sum itself

    @cache
    def find_parts() -> Mapping[Token, Part]:
        known = _city_parts(around.more(), new.place) | dict(new.parts)
        every = {token for row in (*others, *new.after.atoms) for token in row}
        heirs = {token: heir for token in every - set(known) if (heir := _find_heir(token, new)) is not None}
        return known | heirs

    return gives_away([*others, *new.known.atoms], [*others, *new.after.atoms], find_parts, around.rule)


@lru_cache(maxsize=64)
def _rows_apart(atoms: tuple[frozenset[Token], ...], number: int) -> tuple[frozenset[Token], ...]:
    """The parts of hubs have numbers that say nothing beyond their own sum, so they get that sum's number as well."""
    return tuple(
        frozenset(token._replace(name=f"{token.name} {number}") if token.is_of_hub else token for token in atom)
        if any(token.is_of_hub for token in atom)
        else atom
        for atom in atoms
    )


# --- longer and shorter periods ------------------------------------------------------------------------------------


def _gives_away(new: _CellNow, relation: Relation, around: Surroundings) -> bool:
    """Whether the longer period less the shorter ones that are shown breaks a rule. `new` stands for itself."""
    longer = new.after if relation.longer is None else relation.longer.at(new.place)
    every = [new.after if atoms is None else atoms.at(new.place) for atoms in relation.shorter]
    shorter = [atoms for atoms in every if atoms.newest]
    if not longer.newest or not shorter:
        return False
    complete = len(shorter) == len(every)
    hubs = set(longer.hubs).union(*(atoms.hubs for atoms in shorter))
    pieces = [piece for name in hubs if (piece := _hub_difference(name, longer, shorter, complete)) is not None]
    own = {token for token in longer.newest if token.member not in hubs}
    others = {token for atoms in shorter for token in atoms.newest if token.member not in hubs}
    if not pieces and own == others:
        return False
    known = dict(new.parts)
    if any(token not in known for token in own ^ others):
        known |= _city_parts(around.more(), new.place)
    if any(token not in known for token in own ^ others):
        return True  # withdrawn since, so nobody can say whether it stands out
    pieces += _differences(own - others, others - own, known)
    return find_withheld(pieces, around.rule) is not None


def _differences(more: set[Token], less: set[Token], known: Mapping[Token, Part]) -> list[Piece]:
    """By how much each city's figures in the longer period differ from those in the shorter ones."""
    above = city_pieces({token: known[token] for token in more})
    below = city_pieces({token: known[token] for token in less})
    pieces = []
    for member in {*above, *below}:
        one, other = above.get(member, Piece(1, 0, 0)), below.get(member, Piece(1, 0, 0))
        pieces.append(Piece(1, abs(one.value - other.value), one.variance_milli + other.variance_milli))
    return pieces


def _hub_difference(member: str, longer: CellAtoms, shorter: Sequence[CellAtoms], complete: bool) -> Piece | None:
    """The same for a hub below: None when it is nothing, or what that hub itself shows."""
    nothing = HubPart(0, 0, 0, 0)
    whole = longer.hubs.get(member, nothing)
    parts = [atoms.hubs.get(member, nothing) for atoms in shorter]
    value = whole.estimate - sum(part.estimate for part in parts)
    public = whole.shown_estimate - sum(part.shown_estimate for part in parts)
    apart = max(abs(whole.cities - part.cities) for part in parts)
    hidden = whole.cities - whole.shown_cities
    same = all(part.cities - part.shown_cities == hidden for part in parts)
    if value == public and same and (complete or not hidden):
        return None
    return Piece(max(1, apart) if complete else max(1, whole.cities), abs(value), 0)
