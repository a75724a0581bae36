"""A sealed total is shown whole, and what is beside it is protected as if the total were not there."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regional_hub.aggregate import add_up, nothing_left
from regional_hub.atoms import Atoms
from regional_hub.dominance import Rule
from regional_hub.opened_batches import OpenedBatch, share_of
from regional_hub.rollup import Contribution, Share, shares_of
from regional_hub.sealed_showing import show_all, with_all_shown, without_sealed
from regional_hub.showing import Showing, Surroundings, show
from shared_schema.period import parse_period
from shared_schema.trend import WITH_VALUE, AggregateBody, AggregateCell
from tests.regional_hub.test_aggregate import SAXONY, TABLE, city

RULE = Rule(3, 15)
OCTOBER = parse_period("2026-10")
SEALED = tuple(f"sealed-{number}" for number in range(6))


def batch(*values: int, cities: Sequence[str] = SEALED, name: str = "a") -> OpenedBatch:
    members = frozenset(cities)
    digest = name * 64
    return OpenedBatch(digest, "sachsen.de", TABLE.reference, "2026-10", members, members, 500, values)


def total(*batches: OpenedBatch) -> Share:
    share = share_of("sachsen.de", batches, "2026-10", TABLE)
    assert share is not None
    return share


def complete_of(shares: Sequence[Share]) -> AggregateBody:
    return add_up(shares, TABLE, SAXONY, OCTOBER, expected=9, revision=1)


def decide(shares: Sequence[Share], before: Showing | None = None) -> Showing:
    complete, rest = complete_of(shares), without_sealed(shares)
    plain = complete_of(rest) if rest else nothing_left(complete, expected=9)
    atoms = before.atoms if before else Atoms()
    return show_all(complete, shares, plain, atoms, before.body if before else None, Surroundings(RULE))


def of_cities(names: str, value: int = 20) -> list[Share]:
    contributions: list[Contribution] = [city(name, value, 0, "L") for name in names]
    return shares_of(contributions, OCTOBER)


def first(showing: Showing) -> AggregateCell:
    cell = showing.body.cells[0]
    AggregateBody.from_object(showing.body.to_object())
    return cell


@pytest.mark.parametrize("names", ["a", "ab"])
def test_two_cities_beside_a_sealed_total_are_not_in_what_is_shown(names: str) -> None:
    """They would be the difference to the total, which anybody can add up."""
    showing = decide([*of_cities(names), total(batch(70, 5, 6))])
    cell = first(showing)
    assert (cell.contributors, cell.estimate) == (6, 70)
    assert cell.sealed is not None and cell.sealed.estimate == 70
    assert showing.atoms.at(0).newest == frozenset() and showing.body.mechanism is None


def test_a_city_that_stands_out_is_not_hidden_by_a_sealed_total() -> None:
    showing = decide([*of_cities("ab", 1), *of_cities("c", 900), total(batch(5000, 5, 6))])
    assert (first(showing).contributors, first(showing).estimate) == (6, 5000)


def test_three_cities_beside_a_sealed_total_are_added_to_it() -> None:
    showing = decide([*of_cities("abc"), total(batch(70, 5, 6))])
    assert (first(showing).contributors, first(showing).estimate) == (9, 130)


def test_a_city_that_is_late_waits_and_the_sealed_total_does_not() -> None:
    before = decide([*of_cities("abc"), total(batch(70, 5, 6))])
    late = batch(9, 9, 9, cities=[f"late-{number}" for number in range(5)], name="b")
    after = decide([*of_cities("abcd"), total(batch(70, 5, 6), late)], before)
    assert (first(after).contributors, first(after).estimate) == (6 + 5 + 3, 79 + 60) and after.waits
    again = decide([*of_cities("abcd"), total(batch(70, 5, 6), late)], after)
    assert again.body.cells == after.body.cells


def test_a_sealed_total_that_comes_beside_what_is_shown_changes_nothing_of_the_rest() -> None:
    before = decide(of_cities("abc"))
    after = decide([*of_cities("abcd"), total(batch(70, 5, 6))], before)
    assert (first(after).contributors, first(after).estimate) == (9, 130) and after.waits


def test_a_sealed_total_alone_is_shown_as_it_is_made() -> None:
    shares = [total(batch(3, -4, 0))]
    showing = decide(shares)
    assert showing.body.mechanism == "two-hub" and not showing.waits
    assert [cell.estimate for cell in showing.body.cells] == [3, -4, 0]
    assert all(cell.sealed is None and cell.noise is None for cell in showing.body.cells)
    above = with_all_shown(complete_of(shares), showing.atoms)
    assert [(cell.shown.contributors, cell.shown.estimate) for cell in above.cells if cell.shown] == [
        (6, 3),
        (6, -4),
        (6, 0),
    ]


def test_a_total_of_which_the_directory_has_too_few_cities_is_none() -> None:
    """A hub below that calls its two cities a sealed total is looked at like any other."""
    share = Contribution("x.de", "d" * 64, complete_of([total(batch(70, 5, 6))]).model_copy(update={"complete": True}))
    (told,) = shares_of([share], OCTOBER)
    assert told.is_sealed and not told.at_most(2).is_sealed
    assert without_sealed([told.at_most(2)]) == [told.at_most(2)]


def test_what_a_hub_below_mixes_is_split_into_what_is_sealed_and_the_rest() -> None:
    shares = [*of_cities("ab"), total(batch(70, 5, 6))]
    below = with_all_shown(complete_of(shares), decide(shares).atoms)
    (told,) = shares_of([Contribution("x.de", "d" * 64, below)], OCTOBER)
    (rest,) = without_sealed([told])
    term = rest.terms[0]
    assert (term.cities, term.estimate, term.shown) == (2, 40, None)
    assert first(decide([told])).estimate == 70  # not 110: two cities would be the difference


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdef")), st.booleans()), min_size=1, max_size=5), st.data())
def test_taking_the_sealed_totals_away_leaves_what_is_shown_without_them(
    steps: list[tuple[set[str], bool]], data: st.DataObject
) -> None:
    """Whatever comes when: everybody's view less the totals is the view of a hub that has never had one."""
    values = {name: data.draw(st.integers(0, 60)) for name in "abcdef"}
    mixed: Showing | None = None
    plain: Showing | None = None
    present: set[str] = set()
    opened = False
    for names, opens in steps:
        present, opened = present | names, opened or opens
        rest = [share for name in sorted(present) for share in of_cities(name, values[name])]
        shares = [*rest, total(batch(70, 5, 6))] if opened else rest
        if not shares:
            continue
        mixed = decide(shares, mixed)
        if rest:
            before = plain.body if plain else None
            atoms = plain.atoms if plain else Atoms()
            plain = show(complete_of(rest), rest, atoms, before, Surroundings(RULE))
        assert beside_totals(mixed) == (seen(plain.body.cells[0]) if plain else (0, 0))
        assert mixed.atoms.to_text() == (plain.atoms if plain else mixed.atoms).to_text()


def seen(cell: AggregateCell) -> tuple[int, int]:
    return (cell.contributors, cell.estimate or 0) if cell.status in WITH_VALUE else (0, 0)


def beside_totals(showing: Showing) -> tuple[int, int]:
    cell = first(showing)
    part: Any = showing.body.sealed_part_of(cell)
    cities, estimate = seen(cell)
    return (cities, estimate) if part is None else (cities - part.contributors, estimate - part.estimate)
