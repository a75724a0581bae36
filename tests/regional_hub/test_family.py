"""Months, quarters and the year of a table: what is combined from all that was ever shown is of enough cities."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regional_hub.aggregate import add_up
from regional_hub.atoms import Atoms
from regional_hub.dominance import Rule
from regional_hub.family import gives_away
from regional_hub.rollup import Contribution, Part, Token, labels_of_year, shares_of
from regional_hub.showing import Showing, Surroundings, show
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.trend import WITH_VALUE, AggregateCell, TableDefinition
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub
from tests.regional_hub.test_aggregate import SAXONY, TABLE, city, month
from tests.regional_hub.test_trends import published
from tests.shared_schema import builders

RULE = Rule(3, 15)
LABELS = labels_of_year("2026")


class Year:
    """A table's year at a hub: what was released, and every revision of every sum that was shown."""

    def __init__(self) -> None:
        self.releases: dict[tuple[str, str], Contribution] = {}
        self.sums: dict[str, Showing] = {}
        self.shown: list[frozenset[Token]] = []

    def release(self, names: Iterable[str], *labels: str, value: int = 20) -> "Year":
        for label in labels:
            for name in names:
                self.releases[name, label] = city(name, value, "L", "L", period=month(label))
        return self

    def add_up(self) -> "Year":
        for label in LABELS:
            period = parse_period(label)
            shares = shares_of(list(self.releases.values()), period)
            if not shares:
                continue
            before = self.sums.get(label)
            family = tuple(found.atoms for other, found in self.sums.items() if other != label)
            around = Surroundings(RULE, (), self._all_shares, family)
            complete = add_up(shares, TABLE, SAXONY, period, expected=9, revision=1)
            atoms = before.atoms if before else Atoms()
            showing = self.sums[label] = show(complete, shares, atoms, before.body if before else None, around)
            newest = showing.atoms.at(0).newest
            if newest and newest not in self.shown:
                self.shown.append(newest)
        return self

    def _all_shares(self) -> list[Any]:
        return [share for label in self.sums for share in shares_of(list(self.releases.values()), parse_period(label))]

    def cell(self, label: str) -> AggregateCell:
        return self.sums[label].body.cells[0]

    def is_shown(self, label: str) -> bool:
        return label in self.sums and self.cell(label).status in WITH_VALUE


MONTHS = ("2026-01", "2026-02", "2026-03")


def test_an_older_revision_of_a_month_is_subtracted_too() -> None:
    """A quarter less the first revision of January would be d's January."""
    year = Year().release("abc", "2026-01").add_up().release("defg", "2026-01").add_up()
    assert [year.cell("2026-01").contributors, len(year.shown)] == [7, 2]
    year.release("abcd", "2026-02", "2026-03").add_up()
    assert (year.cell("2026-02").contributors, year.is_shown("2026-Q1")) == (4, False)
    assert year.cell("2026-Q1").withheld == "differencing"


def test_a_year_is_compared_with_any_mixture_of_quarters_and_months() -> None:
    year = Year().release("abc", "2026-Q1", "2026-Q2", "2026-07", "2026-08", "2026-09", "2026-Q4")
    year.release("x", "2026-Q3").release("d", "2026").add_up()
    assert [year.is_shown(label) for label in ("2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4")] == [True, True, False, True]
    assert year.cell("2026").withheld == "differencing"


def test_a_month_that_comes_last_gives_nobody_away_either() -> None:
    year = Year().release("abc", *MONTHS).add_up()
    assert year.is_shown("2026-Q1")
    year.release("d", *MONTHS[:2]).release("efg", MONTHS[0]).add_up()
    assert (year.cell(MONTHS[0]).contributors, year.cell(MONTHS[1]).contributors) == (7, 3)


def test_cities_that_lack_different_months_may_be_left_out_of_a_year_together() -> None:
    """The months less the year are the other months of j, k and l: three cities, and no fewer for any single month."""
    year = Year().release("abc", *LABELS[:12])
    for name, missing in (("j", 1), ("k", 5), ("l", 9)):
        year.release(name, *(label for label in LABELS[:12] if int(label[5:]) != missing))
    year.add_up()
    assert [year.cell(label).contributors for label in LABELS[:12]] == [5, 6, 6, 6, 5, 6, 6, 6, 5, 6, 6, 6]
    assert year.is_shown("2026")


def test_a_city_that_stands_out_of_a_combination_is_not_given_away() -> None:
    """The quarter less its months are g, h and i: enough cities, and one of them stands out."""
    even = Year().release("abcde", *MONTHS).release("ghi", "2026-Q1", value=90).add_up()
    assert even.is_shown("2026-Q1")
    uneven = Year().release("abcde", *MONTHS).release("g", "2026-Q1", value=90).release("hi", "2026-Q1", value=1)
    assert uneven.add_up().cell("2026-Q1").withheld == "differencing"


MOVES = st.tuples(
    st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=6),
    st.sampled_from((*MONTHS, *MONTHS, "2026-04", "2026-05", "2026-06", "2026-Q1", "2026-Q2", "2026-Q3", "2026")),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(MOVES, min_size=1, max_size=14))
def test_no_combination_of_all_that_was_ever_shown_is_about_fewer_than_three_cities(moves: list[Any]) -> None:
    """From the outside: leave out two cities, and no sum becomes a combination of the others that it was not before."""
    year = Year()
    for names, label, now in moves:
        year.release((name for name in names if (name, label) not in year.releases), label)
        if now:
            year.add_up()
    year.add_up()
    tokens = sorted({token for tokens in year.shown for token in tokens})
    whole = rank_of([[int(token in row) for token in tokens] for row in year.shown])
    for pair in combinations(sorted({token.member for token in tokens}), 2):
        rest = [token for token in tokens if token.member not in pair]
        assert rank_of([[int(token in row) for token in rest] for row in year.shown]) == whole


PRIME = 2**61 - 1


def rank_of(table: list[list[int]]) -> int:
    """By other means than the program's: modulo a prime."""
    rows, rank = [row[:] for row in table], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((place for place in range(rank, len(rows)) if rows[place][column] % PRIME), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, PRIME)
        for place in range(rank + 1, len(rows)):
            factor = rows[place][column] * inverse % PRIME
            if factor:
                pairs = zip(rows[place], rows[rank], strict=True)
                rows[place] = [(value - factor * other) % PRIME for value, other in pairs]
        rank += 1
    return rank


def token(name: str, number: int = 0) -> Token:
    return Token(name, f"{name}{number}", 1)


def figures(*tokens: Token) -> dict[Token, Part]:
    return {each: Part(each, 20, 1841) for each in tokens}


def test_two_combinations_that_are_each_wide_enough_can_be_one_that_is_not() -> None:
    """Whole sums of enough cities, and their difference is a's figure less d's."""
    a, b, c, d = (token(name) for name in "abcd")
    rows = [frozenset([a, b, c]), frozenset([b, c, d])]
    assert gives_away(rows[:1], rows, lambda: figures(a, b, c, d), RULE)
    assert not gives_away([], [frozenset([a, b, c, d])], lambda: figures(a, b, c, d), RULE)


def test_a_withdrawn_statement_that_could_be_had_is_not_given_away() -> None:
    a, b, c, d = (token(name) for name in "abcd")
    rows = [frozenset([a, b, c, d])]
    assert gives_away(rows, [*rows, frozenset([a, b, c])], lambda: figures(a, b, c), RULE)


def test_what_could_be_had_before_is_no_reason_to_withhold_more() -> None:
    """From before this rule: a alone is known already, and another sum gives nothing away beyond that."""
    a, b, c, d, e, f, g = (token(name) for name in "abcdefg")
    known = [frozenset([a, b, c, d]), frozenset([b, c, d])]
    assert not gives_away(known, [*known, frozenset([e, f, g])], lambda: figures(a, b, c, d, e, f, g), RULE)


# --- at the hub ----------------------------------------------------------------------------------------------------


def newest(reader: City, label: str) -> dict[str, Any]:
    bodies = [body for body in published(reader) if body["period"] == month(label)]
    found: dict[str, Any] = bodies[-1]["cells"][0]
    return found


def test_a_hub_withholds_a_quarter_that_an_older_revision_would_open(hub: RunningHub) -> None:
    hub.clock.advance(days=365)
    cities = {name: hub.enrol(f"{name}.sn.de") for name in "abcdefg"}

    def release(names: str, label: str) -> None:
        for name in names:
            hub.accept(cities[name].trend(30, 0, 0, period=month(label)))

    release("abc", "2026-01")
    hub.verb("aggregate")
    release("defg", "2026-01")
    hub.verb("aggregate")
    release("abcd", "2026-02")
    release("abcd", "2026-03")
    hub.verb("aggregate")
    assert newest(cities["a"], "2026-01")["contributors"] == 7
    assert newest(cities["a"], "2026-Q1")["withheld"] == "differencing"
    assert hub.verb("aggregate") == {"published": 0}


@pytest.fixture
def yearly(start_hub: HubStarter) -> RunningHub:
    table = builders.TABLE.to_object() | {"granularities": ["month", "quarter", "year"]}
    policy = PolicyBody.from_object(builders.POLICY.to_object() | {"tables": [table]})
    hub = start_hub("sachsen.de", policy=policy)
    hub.clock.advance(days=365)
    return hub


def test_a_hub_withholds_a_year_that_quarters_and_months_would_open(yearly: RunningHub) -> None:
    reference = TableDefinition.from_object(yearly.verb("policy.show")["tables"][0]).reference.to_object()
    cities = {name: yearly.enrol(f"{name}.sn.de") for name in "abcdx"}

    def release(names: str, *labels: str) -> None:
        for name in names:
            for label in labels:
                yearly.accept(cities[name].trend(30, 0, 0, period=month(label), table=reference))

    release("abc", "2026-Q1", "2026-Q2", "2026-07", "2026-08", "2026-09", "2026-Q4")
    release("x", "2026-Q3")
    release("d", "2026")
    yearly.verb("aggregate")
    assert newest(cities["a"], "2026-Q2")["status"] == "A"
    assert newest(cities["a"], "2026")["withheld"] == "differencing"
