"""What can be worked out from all shown sums of a table and year together. Plain functions of their arguments.

A month, its quarter and its year are made of the same statements, and every revision of each stays in the feed. All
that anybody can compute from them is a combination of *rows* (the atoms of each of these sums) with some factors. A
*class* is the statements that are in the same rows: they have the same factor in every combination.

1. A class of enough cities, none of which stands out, protects itself and whatever it is added to.
2. What is left are combinations in which no such class remains. Each of them has to keep the two rules of `dominance`;
   and they must not become fewer than `min_contributors` cities, however they are combined.

So it is known for sure that no combination, of any revisions and lengths of period, is about fewer cities. The p%-rule
is asked of the combinations of step 2 one by one; of all combinations of them nobody can.

    gives_away(before, after, parts, rule)      before and after: the rows without and with the sum to decide on
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import comb, gcd, lcm

from regional_hub.dominance import Piece, Rule, city_pieces, find_withheld
from regional_hub.rollup import Part, Token

Row = frozenset[Token]
Vector = list[Fraction]
MAX_TRIALS = 2_000
"""Sets of cities that are tried before a sum is rather withheld; a hundred trials take a few milliseconds."""


def gives_away(
    before: Sequence[Row], after: Sequence[Row], find_parts: Callable[[], Mapping[Token, Part]], rule: Rule
) -> bool:
    """Whether the rows `after` allow a combination that breaks a rule and that the rows `before` did not allow.

    `find_parts` is asked for figures only when they are needed; a statement that it does not know is withdrawn, and
    nobody can say whether it stood out.
    """
    known = set(_classes_of(tuple(before)))
    classes = _classes_of(tuple(after))
    weak = [each for each in classes if not _protects(each, each in known, find_parts, rule)]
    if not weak:
        return False
    strong = [each for each in classes if each not in weak]
    left = _combinations_left(after, strong, weak)
    if len(left) == len(_combinations_left(before, strong, weak)):
        return False  # whatever is left over now could be had before
    return any(_breaks(vector, weak, find_parts(), rule) for vector in left) or _hides_behind_few(left, weak, rule)


@lru_cache(maxsize=16)
def _classes_of(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same for most cells of a grid."""
    places: defaultdict[Token, int] = defaultdict(int)
    for number, row in enumerate(rows):
        for token in row:
            places[token] |= 1 << number
    classes: defaultdict[int, list[Token]] = defaultdict(list)
    for token, place in places.items():
        classes[place].append(token)
    return tuple(frozenset(tokens) for tokens in classes.values())


def _protects(tokens: Row, known: bool, find_parts: Callable[[], Mapping[Token, Part]], rule: Rule) -> bool:
    """A hub's part is judged by what that hub shows (`showing`). What was allowed before is not asked again."""
    if any(token.is_of_hub for token in tokens):
        return True
    if len({token.member for token in tokens}) < rule.min_contributors:
        return False
    if known:
        return True
    found = _figures_of(tokens, find_parts())
    return found is not None and find_withheld(list(city_pieces(found).values()), rule) is None


def _figures_of(tokens: Iterable[Token], parts: Mapping[Token, Part]) -> dict[Token, Part] | None:
    found = {token: part for token in tokens if (part := parts.get(token)) is not None}
    return found if len(found) == len(set(tokens)) else None


def _breaks(vector: Vector, weak: Sequence[Row], parts: Mapping[Token, Part], rule: Rule) -> bool:
    """The two rules for one combination; of a city whose figures are added and subtracted the size counts."""
    whole = lcm(*(factor.denominator for factor in vector))
    factors = [int(factor * whole) for factor in vector]
    shared = gcd(*factors)
    factors = [factor // shared for factor in factors]
    used = [(factor, tokens) for factor, tokens in zip(factors, weak, strict=True) if factor]
    found = _figures_of([token for _, tokens in used for token in tokens], parts)
    if found is None:
        return True
    if len(used) == 1:
        return find_withheld(list(city_pieces(found).values()), rule) is not None
    values: defaultdict[str, int] = defaultdict(int)
    variances: defaultdict[str, int] = defaultdict(int)
    for factor, tokens in used:
        for token in tokens:
            values[token.member] += factor * found[token].value
            variances[token.member] += factor**2 * found[token].variance_milli
    pieces = [Piece(1, abs(value), variances[member]) for member, value in values.items()]
    return find_withheld(pieces, rule) is not None


def _hides_behind_few(left: Sequence[Vector], weak: Sequence[Row], rule: Rule) -> bool:
    """Whether several combinations can be combined to one that only some few cities are in."""
    if len(left) < 2:
        return False  # one alone has been looked at
    cities = sorted({token.member for tokens in weak for token in tokens})
    few = rule.min_contributors - 1
    if comb(len(cities), few) > MAX_TRIALS:
        return True
    members = [{token.member for token in tokens} for tokens in weak]
    for chosen in combinations(cities, few):
        others = [place for place, names in enumerate(members) if names - set(chosen)]
        if len(_reduce([[vector[place] for place in others] for vector in left])) < len(left):
            return True
    return False


# --- linear algebra ------------------------------------------------------------------------------------------------


def _combinations_left(rows: Sequence[Row], strong: Sequence[Row], weak: Sequence[Row]) -> list[Vector]:
    """A basis of what the rows can be combined to when no strong class may remain, as factors of the weak ones.

    Gauss: the strong classes are eliminated first, and what is then left of a row has none of them.
    """
    columns = [next(iter(tokens)) for tokens in (*strong, *weak)]
    table = [[Fraction(token in row) for token in columns] for row in rows]
    reduced = _reduce(table)
    return [row[len(strong) :] for row in reduced if not any(row[: len(strong)])]


def _reduce(table: Iterable[Vector]) -> list[Vector]:
    """The reduced row echelon form, without rows of zeros."""
    rows = [list(row) for row in table]
    width = len(rows[0]) if rows else 0
    done = 0
    for column in range(width):
        pivot = next((place for place in range(done, len(rows)) if rows[place][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        first = rows[done][column]
        rows[done] = [value / first for value in rows[done]]
        for place, row in enumerate(rows):
            if place != done and row[column]:
                factor = row[column]
                rows[place] = [
                    value - factor * other if other else value for value, other in zip(row, rows[done], strict=True)
                ]
        done += 1
    return rows[:done]
