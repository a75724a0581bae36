"""What may be shown: the two rules, every difference, and what stays when something may not change."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regional_hub.aggregate import add_up
from regional_hub.atoms import Atoms, CellAtoms
from regional_hub.dominance import Piece, Rule, find_withheld, is_dominated
from regional_hub.rollup import Contribution, Token, shares_of
from regional_hub.showing import Relation, Showing, Surroundings, show, with_shown_parts
from shared_schema.period import parse_period
from shared_schema.trend import AggregateBody, ShownPart
from tests.regional_hub.test_aggregate import SAXONY, TABLE, city, month, rounded

RULE = Rule(3, 15)
OCTOBER = parse_period("2026-10")


def pieces(*values: int, variance_milli: int = 0) -> list[Piece]:
    return [Piece(1, value, variance_milli) for value in values]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((50, 50), "few-cities"),
        ((100, 50, 14), "dominance"),
        ((100, 50, 15), None),
        ((100, 0, 0), "dominance"),
        ((100, 50, -20), "dominance"),
        ((100, 50, 20, -20), None),
        ((0, 0, 0), None),
        ((-5, -5, -5), None),
    ],
)
def test_three_cities_of_which_none_can_be_estimated(values: tuple[int, ...], reason: str | None) -> None:
    assert find_withheld(pieces(*values), RULE) == reason


@pytest.mark.parametrize(("value", "dominated"), [(3, False), (4, True)])
def test_what_does_not_stand_out_from_its_noise_is_protected_by_it(value: int, dominated: bool) -> None:
    """A variance of 2.89 makes a margin of 3.3."""
    assert is_dominated(pieces(value, 0, 0, variance_milli=2_890), 15) is dominated


def test_a_city_with_much_noise_takes_nobodys_protection_away() -> None:
    """Its noise is known to itself: it could work out the second largest."""
    noisy, middle, small = Piece(1, 4000, 9_680_000_000), Piece(1, 500, 1_841), Piece(1, 1, 1_841)
    assert noisy.value < noisy.margin
    assert is_dominated([noisy, middle, small], 15)
    assert is_dominated([small, middle, noisy], 15)
    assert not is_dominated([noisy, middle, small, Piece(1, 74, 1_841)], 15)
    assert not is_dominated([noisy, Piece(1, 3, 2_890), Piece(1, 0, 2_890)], 15)


@given(
    st.lists(st.tuples(st.integers(-50, 500), st.integers(0, 10**8)), min_size=3, max_size=8),
    st.integers(1, 100),
)
def test_whoever_knows_a_value_cannot_estimate_another_that_stands_out(
    values: list[tuple[int, int]], p_percent: int
) -> None:
    """For every pair, not only the two largest."""
    found = [Piece(1, value, variance) for value, variance in values]
    whole = sum(max(0, piece.value) for piece in found)
    safe = all(
        100 * (whole - one.value - max(0, other.value)) >= p_percent * one.value
        for one in found
        for other in found
        if one is not other and one.value > one.margin
    )
    assert is_dominated(found, p_percent) is not safe


@given(st.lists(st.integers(-50, 500), min_size=3, max_size=8), st.integers(1, 100))
def test_the_second_city_cannot_estimate_the_first_within_p_percent(values: list[int], p_percent: int) -> None:
    """What the second one knows: the sum less its own. Clamped values, as the rule states it."""
    if not is_dominated(pieces(*values), p_percent):
        ordered = sorted((max(0, value) for value in values), reverse=True)
        estimate = sum(ordered) - ordered[1]
        assert 100 * (estimate - ordered[0]) >= p_percent * ordered[0]


def body_of(*contributions: Contribution, label: str = "2026-10") -> AggregateBody:
    period = parse_period(label)
    return add_up(shares_of(contributions, period), TABLE, SAXONY, period, expected=9, revision=1)


def decide(
    *contributions: Contribution, before: Showing | None = None, relations: Sequence[Relation] = (),
    rule: Rule = RULE, label: str = "2026-10",
) -> Showing:  # fmt: skip
    shares = shares_of(contributions, parse_period(label))
    atoms = before.atoms if before else Atoms()
    around = Surroundings(rule, tuple(relations), lambda: shares)
    return show(body_of(*contributions, label=label), shares, atoms, before.body if before else None, around)


def cities(names: str, value: int = 20, **changes: Any) -> list[Contribution]:
    return [city(name, value, 0, "L", **changes) for name in names]


def first(showing: Showing) -> tuple[object, ...]:
    cell = showing.body.cells[0]
    return cell.status, cell.contributors, cell.estimate, cell.withheld


def test_a_shown_cell_says_nothing_of_its_noise_or_of_what_is_shown() -> None:
    showing = decide(*cities("abc"))
    assert first(showing) == ("A", 3, 60, None)
    assert all(cell.noise is None and cell.shown is None for cell in showing.body.cells)
    AggregateBody.from_object(showing.body.to_object())


@pytest.mark.parametrize(("late", "entered"), [("d", 3), ("de", 3), ("def", 6)])
def test_late_cities_enter_together(late: str, entered: int) -> None:
    before = decide(*cities("abc"))
    after = decide(*cities("abc" + late), before=before)
    assert first(after) == ("A", entered, 20 * entered, None)
    assert after.waits is (entered == 3)


def quarters_of(name: str, *values: int | tuple[int, int]) -> list[Contribution]:
    return [
        rounded(name, value, 10, 10, period=month(f"2026-Q{number}")) for number, value in enumerate(values, start=1)
    ]


def bound_of(showing: Showing, place: int = 0) -> tuple[object, object]:
    cell = showing.body.cells[place]
    return cell.suppressed, cell.suppressed_high


def test_a_bound_that_is_made_of_released_figures_is_shown_to_nobody() -> None:
    """One city's three quarters, and at most 9 in the fourth: the bound of its year is its figure."""
    one = decide(*quarters_of("a", 500, 480, 520, (0, 9)), label="2026")
    assert (first(one)[:2], bound_of(one)) == (("Q", 0), (None, None))
    three = [item for name in "abc" for item in quarters_of(name, 500, 480, 520, (0, 9))]
    assert bound_of(decide(*three, label="2026")) == (None, None)
    assert body_of(*three, label="2026").cells[0].suppressed == 3  # for the hub above


def suppressed(names: str, high: int = 9) -> list[Contribution]:
    return [rounded(name, (0, high), 20, 20) for name in names]


@pytest.mark.parametrize(("names", "bound"), [("a", (None, None)), ("ab", (None, None)), ("abc", (3, 27))])
def test_how_much_cities_keep_at_most_is_shown_for_enough_of_them(names: str, bound: tuple[object, object]) -> None:
    shown = decide(*suppressed(names), *(rounded(name, 20, 20, 20) for name in "xyz"), label="2026-Q4")
    assert (first(shown)[:2], bound_of(shown)) == (("A", 3), bound)
    assert bound_of(decide(*suppressed(names), rounded("x", 20, 20, 20), label="2026-Q4")) == bound  # withheld as well


def test_nor_is_the_difference_of_two_bounds_one_citys() -> None:
    before = decide(*suppressed("abc"), label="2026-Q4")
    one_more = decide(*suppressed("abc"), *suppressed("d", 159), before=before, label="2026-Q4")
    assert bound_of(one_more) == (None, None)
    assert bound_of(decide(*suppressed("abc"), before=one_more, label="2026-Q4")) == (3, 27)
    one_less = decide(*suppressed("bc"), before=before, label="2026-Q4")
    assert bound_of(one_less) == (None, None)
    three_more = decide(*suppressed("abcdef"), before=one_more, label="2026-Q4")
    assert bound_of(three_more) == (6, 54)
    assert Atoms.from_text(three_more.atoms.to_text()) == three_more.atoms


def test_the_bounds_of_a_hub_below_are_not_passed_on() -> None:
    below = Contribution("one", "1" * 64, body_of(*suppressed("abc"), label="2026-Q4"))
    assert bound_of(decide(below, *suppressed("d"), label="2026-Q4")) == (None, None)


def test_late_cities_of_which_one_stands_out_wait_too() -> None:
    before = decide(*cities("abcd"))
    assert first(decide(*cities("abcd"), *cities("ef", 1), city("g", 90, 0, "L"), before=before))[1] == 4


def test_two_steps_that_are_each_large_enough_do_not_leave_a_small_rest_together() -> None:
    """Without a, the next revision would give a away, whatever comes with it."""
    one = decide(*cities("abc"))
    two = decide(*cities("abcdef"), before=one)
    assert first(two)[1] == 6
    assert first(decide(*cities("bcdefghi"), before=two))[3] == "differencing"


@given(st.lists(st.sets(st.sampled_from("abcdefghij"), min_size=1), min_size=1, max_size=6))
def test_whatever_comes_and_goes_no_atom_is_ever_smaller_than_three_cities(history: list[set[str]]) -> None:
    showing: Showing | None = None
    shown: list[frozenset[str]] = []
    for names in history:
        showing = decide(*cities("".join(sorted(names))), before=showing)
        newest = frozenset(token.member for token in showing.atoms.at(0).newest)
        if showing.body.cells[0].status == "A" and newest not in shown:
            shown.append(newest)
        assert all(len({token.member for token in atom}) >= 3 for atom in showing.atoms.at(0).atoms)
    # the same from the outside: all unions and differences of what was shown
    members = {name: tuple(name in names for names in shown) for name in "abcdefghij"}
    classes = [vector for vector in members.values() if any(vector)]
    assert all(classes.count(vector) >= 3 for vector in classes)


def test_a_withdrawn_city_is_no_difference_of_two_sums() -> None:
    before = decide(*cities("abcd"))
    after = decide(*cities("abc"), before=before)
    assert first(after) == ("Q", 3, None, "differencing")
    assert after.atoms == before.atoms  # what was shown is known for ever
    assert first(decide(*cities("abcd"), before=after)) == ("A", 4, 80, None)


def test_a_withdrawal_and_late_cities_at_once_do_not_hide_it() -> None:
    before = decide(*cities("abcd"))
    assert first(decide(*cities("abcefg"), before=before))[3] == "differencing"


def test_a_quarter_and_its_months_give_nobody_away() -> None:
    labels = ("2026-10", "2026-11", "2026-12")
    by_month = {label: cities("abcd", period=month(label)) for label in labels}
    months = [decide(*by_month[label], label=label) for label in labels]
    relation = Relation(None, tuple(showing.atoms for showing in months))
    everybody = [item for items in by_month.values() for item in items]
    assert first(decide(*everybody, label="2026-Q4", relations=[relation])) == ("A", 4, 240, None)
    three = [item for item in everybody if item.member != "d"]
    assert first(decide(*three, label="2026-Q4", relations=[relation]))[3] == "differencing"


def hub(name: str, members: str, shown: int, value: int = 20) -> Contribution:
    """A hub with as many cities of `value` each, of which it shows the first so many."""
    body = body_of(*cities(members, value))
    part = ShownPart(contributors=shown, estimate=value * shown) if shown else None
    cells = (body.cells[0].model_copy(update={"shown": part}), *body.cells[1:])
    return Contribution(name, name.rjust(64, "0"), body.model_copy(update={"cells": cells}))


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (("abc", 3), ("def", 3), None),
        (("abc", 3), ("de", 0), "differencing"),
        (("abcd", 3), ("def", 3), "differencing"),
        (("abc", 0), ("def", 0), "dominance"),
        (("abc", 3), ("def", 0), "dominance"),
    ],
)
def test_what_the_hubs_below_do_not_show_comes_from_nobody_or_from_enough(
    one: tuple[str, int], other: tuple[str, int], reason: str | None
) -> None:
    """A rest from one hub alone is that hub's hidden sum; from two, each could tell the other's."""
    assert first(decide(hub("one", *one), hub("other", *other)))[3] == reason


def test_the_hidden_part_of_a_large_sum_has_the_noise_of_few_cities() -> None:
    """97 cities are shown. Of the three that are not, one stands out of their noise, and not out of that of all 100."""
    body = body_of(*cities("".join(chr(number) for number in range(97, 194)), 5), *cities("xyz".upper(), 0))
    shown = ShownPart(contributors=97, estimate=97 * 5)
    for value, reason in ((0, None), (6, "dominance"), (25, "dominance")):
        estimate = body.cells[0].estimate or 0
        cell = body.cells[0].model_copy(update={"shown": shown, "estimate": estimate + value})
        below = Contribution("one", "1" * 64, body.model_copy(update={"cells": (cell, *body.cells[1:])}))
        assert first(decide(below))[3] == reason, value


def test_three_hubs_that_show_nothing_add_up_to_something_that_is_shown() -> None:
    assert first(decide(*(hub(name, "ab", 0) for name in ("one", "two", "three")))) == ("A", 6, 120, None)


def test_a_nation_follows_what_its_regions_have_shown_since() -> None:
    before = decide(hub("one", "abc", 3), hub("two", "def", 3))
    waits = decide(hub("one", "abcg", 3), hub("two", "def", 3), before=before)
    assert (first(waits), waits.waits) == (("A", 6, 120, None), True)
    assert first(decide(hub("one", "abcghi", 6), hub("two", "def", 3), before=waits)) == ("A", 9, 180, None)


def test_a_region_that_lost_a_city_takes_the_nations_figure_with_it() -> None:
    before = decide(hub("one", "abcg", 4), hub("two", "def", 3))
    after = decide(hub("one", "abc", 4), hub("two", "def", 3), before=before)
    assert first(after)[3] == "differencing"


def test_a_region_that_lost_a_city_is_not_shown_beside_other_hidden_cities_either() -> None:
    """Two shown sums of the nation would differ by the city that was withdrawn, whatever else is in them."""
    one = decide(hub("one", "abcd", 4, 1))
    two = decide(hub("one", "abcd", 4, 1), hub("two", "efg", 0, 1), before=one)
    assert (first(one)[:3], first(two)[:3]) == (("A", 4, 4), ("A", 7, 7))
    three = decide(hub_of_three_that_showed_four(), hub("two", "efg", 0, 1), before=two)
    assert first(three)[3] == "differencing"
    followed = decide(hub("one", "abc", 3, 1), hub("two", "efg", 0, 1), before=two)
    assert first(followed) == ("A", 6, 6, None)  # the region shows it itself


def hub_of_three_that_showed_four() -> Contribution:
    body = body_of(*cities("abc", 1))
    cell = body.cells[0].model_copy(update={"shown": ShownPart(contributors=4, estimate=4)})
    return Contribution("one", "1" * 64, body.model_copy(update={"cells": (cell, *body.cells[1:])}))


def test_a_nations_quarter_gives_no_regions_late_city_away() -> None:
    """The months have three cities of the first region, the quarter four: the difference is one."""
    labels = ("2026-10", "2026-11", "2026-12")
    months = [decide(*_two_hubs("abc", label), label=label).atoms for label in labels]
    relation = Relation(None, tuple(months))
    same = decide(*_two_hubs("abc", "2026-Q4", 60), label="2026-Q4", relations=[relation])
    assert first(same) == ("A", 6, 360, None)
    more = decide(*_two_hubs("abcg", "2026-Q4", 60), label="2026-Q4", relations=[relation])
    assert first(more)[3] == "differencing"


def three_hubs(label: str, hidden: int, shown: tuple[int, int, int]) -> list[Contribution]:
    """Three hubs of six cities each, of which they show three; what they hide is the same everywhere."""
    found = []
    for name, public in zip(("one", "two", "three"), shown, strict=True):
        body = body_of(*cities("abcdef", period=month(label)), label=label)
        part = ShownPart(contributors=3, estimate=public)
        cell = body.cells[0].model_copy(update={"shown": part, "estimate": public + hidden})
        found.append(
            Contribution(name, name.rjust(64, "0"), body.model_copy(update={"cells": (cell, *body.cells[1:])}))
        )
    return found


@pytest.mark.parametrize(("last", "reason"), [((600, 10, 10), "differencing"), ((60, 60, 60), None)])
def test_a_quarter_less_two_months_is_more_than_what_the_hubs_show_of_it(
    last: tuple[int, int, int], reason: str | None
) -> None:
    """December is not shown. That the hidden figures happen to cancel out is nothing that a reader knows."""
    months = [decide(*three_hubs(label, 60, (60, 60, 60)), label=label).atoms for label in ("2026-10", "2026-11")]
    whole = (120 + last[0], 120 + last[1], 120 + last[2])
    relation = Relation(None, (*months, Atoms()))
    quarter = decide(*three_hubs("2026-Q4", 120, whole), label="2026-Q4", relations=[relation])
    assert first(quarter)[3] == reason


def _two_hubs(members: str, label: str, value: int = 20) -> list[Contribution]:
    """Two hubs with a sum of this period; both show three cities."""
    found = []
    for name, names in (("one", members), ("two", "def")):
        body = body_of(*cities(names, value, period=month(label)), label=label)
        shown = ShownPart(contributors=3, estimate=3 * value)
        cells = (body.cells[0].model_copy(update={"shown": shown}), *body.cells[1:])
        found.append(Contribution(name, name.rjust(64, "0"), body.model_copy(update={"cells": cells})))
    return found


def test_the_hub_above_learns_what_was_shown_also_when_it_is_withheld_now() -> None:
    before = decide(*cities("abcd"))
    after = decide(*cities("abc"), before=before)
    complete = with_shown_parts(body_of(*cities("abc")), after.atoms)
    assert complete.cells[0].shown == ShownPart(contributors=4, estimate=80)
    assert complete.cells[2].shown is None
    AggregateBody.from_object(complete.to_object())


def test_atoms_are_kept_as_canonical_text_without_any_citys_figure() -> None:
    atoms = decide(*cities("abc", 4711)).atoms
    assert Atoms.from_text(atoms.to_text()) == atoms
    assert "4711" not in atoms.to_text()
    assert Atoms.from_text(None) == Atoms()


def test_a_revision_of_other_statements_splits_the_atoms() -> None:
    tokens = [Token(name, "0", 1) for name in "abcd"]
    known = CellAtoms(atoms=(frozenset(tokens[:3]),))
    assert set(known.refine(frozenset(tokens[1:]))) == {
        frozenset(tokens[1:3]),
        frozenset(tokens[:1]),
        frozenset(tokens[3:]),
    }
