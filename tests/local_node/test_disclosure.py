"""From true counts to a protected table: only the stored draw comes out, and statuses stay as they are."""

from dataclasses import fields, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.disclosure import ProtectedTable, StoredDraw, add_noise, noisy_cells, protect, to_trend_body
from local_node.errors import DisclosureError
from local_node.tabulation import MAX_CELL, FrequencyTable
from shared_schema.period import parse_period
from shared_schema.release_rules import check_trend
from shared_schema.trend import ReviewNote, TrendBody
from tests.factories import LEIPZIG, make_frequency_table, make_policy, make_table

NOTE = ReviewNote(role="reviewer", detector="narrative/0.1", findings=0)


def stored_draw(table: FrequencyTable, noise: tuple[int, ...]) -> StoredDraw:
    """As the ledger makes it."""
    return StoredDraw(
        seq=7,
        entry_hash="ab" * 32,
        table=table.table.reference,
        measure=table.table.measure,
        unit=table.table.unit,
        period=table.period,
        source_kind=table.source_kind,
        epsilon_milli=1000,
        scale=Fraction(1),
        library="opendp 0.16.0",
        coverage=table.coverage,
        cells=add_noise(table, noise),
    )


@pytest.mark.parametrize("noise", [(), (0,) * 4, (0,) * 6])
def test_a_table_takes_one_draw_for_every_cell_with_a_count(noise: tuple[int, ...]) -> None:
    with pytest.raises(DisclosureError, match="expected 5 draws"):
        add_noise(make_frequency_table(), noise)


@pytest.mark.parametrize(
    "other",
    [
        make_frequency_table(period=parse_period("2026-02")),
        make_frequency_table(table=make_table(version=2)),
        make_frequency_table(table=make_table(title="Another wording")),
    ],
    ids=["period", "version", "wording"],
)
def test_the_draw_of_another_table_or_period_is_refused(other: FrequencyTable) -> None:
    with pytest.raises(DisclosureError):
        protect(make_frequency_table(), stored_draw(other, (0,) * 5))


def test_a_draw_on_another_grid_is_refused() -> None:
    table = make_frequency_table()
    draw = stored_draw(table, (0,) * 5)
    with pytest.raises(DisclosureError, match="6 cells"):
        protect(table, replace(draw, cells=draw.cells[::-1]))


def test_noise_is_added_unclamped_and_blank_and_zero_stay_apart() -> None:
    cells = add_noise(make_frequency_table((3, 0, 12, 1, None, 0)), (-5, 2, 0, -1, -1))
    assert [(cell.status, cell.value) for cell in cells] == [
        ("A", -2),
        ("A", 2),
        ("A", 12),
        ("A", 0),
        ("L", None),
        ("A", -1),
    ]


def test_a_protected_table_has_no_place_for_true_counts() -> None:
    assert [field.name for field in fields(ProtectedTable)] == ["draw"]
    assert not any("count" in field.name or "noise" in field.name for field in fields(StoredDraw))


def test_the_trend_body_keeps_the_rules_of_the_policy_and_says_how_it_was_protected() -> None:
    table = make_frequency_table()
    body = to_trend_body(protect(table, stored_draw(table, (1,) * 5)), area=LEIPZIG, review=NOTE)
    check_trend(body, make_policy())
    assert body.privacy is not None
    assert body.privacy.to_object() == {
        "unit": "record",
        "window": "period",
        "epsilon_milli": 1000,
        "composition": "parallel over periods, sum over tables",
    }
    assert body.ledger.to_object() == {"seq": 7, "head": "ab" * 32, "prev": "0" * 64}
    assert body.coverage.to_object() == {"reporting": 1, "expected": 2}
    assert body.cells[4].to_object() == {"dims": {"offence": "unconfirmed"}, "status": "L"}
    assert TrendBody.from_bytes(body.to_bytes()) == body


counts = st.lists(st.one_of(st.none(), st.integers(0, MAX_CELL)), min_size=6, max_size=6)


@given(counts, st.data())
def test_every_grid_keeps_its_cells_in_order_and_only_counted_cells_get_a_value(
    true_counts: list[int | None], data: st.DataObject
) -> None:
    table = make_frequency_table(true_counts)
    noise = data.draw(st.lists(st.integers(-99, 99), min_size=noisy_cells(table), max_size=noisy_cells(table)))
    cells = add_noise(table, noise)
    assert [cell.dims["offence"] for cell in cells] == list(table.table.cells)
    assert [cell.value is None for cell in cells] == [count is None for count in true_counts]
    assert sum(cell.value or 0 for cell in cells) == sum(count or 0 for count in true_counts) + sum(noise)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=12, max_size=12),
    st.integers(0, 5),
    st.lists(st.integers(0, 10**5), min_size=6, max_size=6),
)
def test_neighbouring_data_give_messages_of_one_length_and_form_whatever_the_noise(
    noise: list[int], cell: int, counts: list[int]
) -> None:
    """One record more: the same cells in the same order, and not a byte more on the wire."""

    def body(true_counts: list[int], drawn: list[int]) -> TrendBody:
        table = make_frequency_table(true_counts)
        return to_trend_body(protect(table, stored_draw(table, tuple(drawn))), area=LEIPZIG, review=NOTE)

    neighbour = [count + (place == cell) for place, count in enumerate(counts)]
    one, other = body(counts, noise[:6]), body(neighbour, noise[6:])
    check_trend(one, make_policy())
    assert len(one.to_bytes()) == len(other.to_bytes())
    assert [each.dims for each in one.cells] == [each.dims for each in other.cells]
    assert sorted(one.to_object()) == sorted(other.to_object())


def test_an_entry_of_the_first_format_names_no_entry_before_it() -> None:
    table = make_frequency_table()
    first = replace(stored_draw(table, (0,) * 5), format=1)
    body = to_trend_body(protect(table, first), area=LEIPZIG, review=NOTE)
    assert body.ledger.to_object() == {"seq": 7, "head": "ab" * 32}


def test_a_draw_of_a_release_does_not_stand_for_its_correction() -> None:
    table = make_frequency_table()
    with pytest.raises(DisclosureError):
        protect(replace(table, correction=1), stored_draw(table, (0,) * 5))
