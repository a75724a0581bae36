"""The address of the inbox: whatever stands in it, it is read as a wish or refused in words, and has one form."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.inbox_query import SWITCHES, Order, Wanted, parse_wanted
from local_node.search_query import SearchError
from shared_schema.vocabulary import Outcome, Phenomenon

Pairs = list[tuple[str, str]]


@pytest.mark.parametrize(
    "pair",
    [
        ("outcome", "wonderful"),
        ("phenomenon", "RWE "),
        ("phenomenon", "rwe"),
        ("kind", "membership"),
        ("level", "' OR 1=1"),
        ("setting", "\x00"),
        ("agency", "youth,police"),
        ("evidence", "6"),
        ("evidence", "-1"),
        ("language", "d_e"),
        ("area", "%"),
        ("area", "１４"),
        ("size", "XXXL"),
        ("urbanisation", "0"),
        ("from", "yesterday"),
        ("to", "2026-02-30"),
        ("sort", "city"),
        ("page", "0"),
        ("page", "1000001"),
        ("page", "²"),
        ("page", "9" * 400),
        ("q", "a" * 501),
        ("q", "!?"),
    ],
)
def test_what_nobody_can_ask_for_is_refused_in_words(pair: tuple[str, str]) -> None:
    if pair == ("phenomenon", "RWE "):
        assert parse_wanted([pair]).filters.phenomena == (Phenomenon.RWE,)  # blanks around it are nobody's wish
        return
    with pytest.raises(SearchError, match="expected"):
        parse_wanted([pair])


def test_days_the_wrong_way_round_and_endless_lists_are_refused() -> None:
    with pytest.raises(SearchError, match="first day before"):
        parse_wanted([("from", "2026-11-02"), ("to", "2026-11-01")])
    with pytest.raises(SearchError, match="at most 40"):
        parse_wanted([("outcome", "harm")] * 41)


def test_empty_fields_and_foreign_ones_ask_for_nothing() -> None:
    assert parse_wanted([("q", "  "), ("outcome", ""), ("done", "saved"), ("show", "lessons")]) == Wanted()
    assert not Wanted().asks_for_something
    assert not parse_wanted([("page", "3"), ("sort", "newest")]).asks_for_something
    assert parse_wanted([("unread", "1")]).asks_for_something


def test_one_wish_has_one_address_in_whatever_order_it_came() -> None:
    pairs: Pairs = [("q", " school   yard "), ("outcome", "worked"), ("outcome", "harm"), ("language", "DE")]
    addresses = {tuple(parse_wanted(order).pairs()) for order in permutations(pairs)}
    assert addresses == {(("q", "school yard"), ("outcome", "harm"), ("outcome", "worked"), ("language", "de"))}


def test_every_filter_survives_the_way_into_an_address_and_back() -> None:
    pairs: Pairs = [
        ("q", "runder tisch"), ("kind", "practice"), ("phenomenon", "POL"), ("outcome", "no_effect"),
        ("level", "primary"), ("setting", "school"), ("agency", "youth"), ("evidence", "2"), ("language", "de"),
        ("area", "14"), ("size", "L"), ("urbanisation", "1"), ("from", "2026-01-01"), ("to", "2026-12-31"),
        *((name, "1") for name in SWITCHES), ("sort", "newest"), ("page", "2"),
    ]  # fmt: skip
    wanted = parse_wanted(pairs)
    assert wanted.pairs() == pairs
    assert parse_wanted(wanted.pairs()) == wanted
    assert (wanted.order, wanted.page) == (Order.NEWEST, 2)


def test_loosening_takes_one_field_away_and_goes_back_to_the_first_page() -> None:
    wanted = parse_wanted([("q", "school"), ("outcome", "harm"), ("page", "4")])
    assert wanted.without("q").pairs() == [("outcome", "harm")]
    assert wanted.without("outcome").filters.outcomes == ()
    assert wanted.filters.outcomes == (Outcome.HARM,)


@given(st.lists(st.tuples(st.sampled_from(["q", "outcome", "page", "from", "area", "unread"]), st.text(max_size=40))))
def test_no_address_does_more_than_being_refused(pairs: Pairs) -> None:
    try:
        wanted = parse_wanted(pairs)
    except SearchError:
        return
    assert parse_wanted(wanted.pairs()) == wanted
