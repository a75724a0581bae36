"""Figures without noise: the naive way gives counts away, ours leaves every suppressed one wide."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_node.attack import Deduced, PublishedTable, audit
from local_node.disclosure import StoredDraw
from local_node.errors import DisclosureError
from local_node.suppression import as_published, effective_threshold, suppress
from local_node.tabulation import FrequencyTable
from shared_schema.period import parse_period
from shared_schema.release_rules import round_to_base
from shared_schema.trend import ReleasedCell, TableDefinition
from tests.factories import make_frequency_table, make_table

CELLS = ["a", "b", "c", "d"]
TABLES = [make_table(id=f"bias_incidents.by_{name}", dimension=name, cells=CELLS) for name in ("one", "two", "three")]
Q1 = "2026-Q1"


def counted(counts: Sequence[int | None], table: TableDefinition = TABLES[0], label: str = Q1) -> FrequencyTable:
    return make_frequency_table(counts, table=table, period=parse_period(label))


def released(table: FrequencyTable, earlier: Sequence[StoredDraw] = (), threshold: int = 10) -> StoredDraw:
    """As the ledger keeps it."""
    return StoredDraw(
        seq=len(earlier) + 1,
        entry_hash="ab" * 32,
        table=table.table.reference,
        measure=table.table.measure,
        unit=table.table.unit,
        period=table.period,
        source_kind=table.source_kind,
        epsilon_milli=0,
        scale=Fraction(0),
        library="scipy",
        coverage=table.coverage,
        cells=suppress(table, earlier, threshold=threshold),
        threshold=threshold,
    )


def audited(draws: Sequence[StoredDraw]) -> list[Deduced]:
    return audit([as_published(draw) for draw in draws])


def naive(counts: Sequence[int], name: str, label: str = Q1) -> PublishedTable:
    """Small counts suppressed and nothing else, the rest published as it is."""
    bounds = ((0, 9) if count < 10 else (count, count) for count in counts)
    cells = tuple(
        ReleasedCell(dims={"d": code}, status="Q", low=low, high=high)
        for code, (low, high) in zip(CELLS, bounds, strict=True)
    )
    return PublishedTable(name, parse_period(label), 10, cells)


def deduced_of(tables: Sequence[PublishedTable]) -> Deduced:
    (found,) = [each for each in audit(tables) if each.is_primary]
    return found


def test_naive_suppression_beside_another_table_of_the_measure_gives_the_count_away() -> None:
    found = deduced_of([naive((3, 20, 30, 40), "one"), naive((13, 20, 30, 30), "two")])
    assert (found.low, found.high) == (3, 3)


def test_a_year_less_three_quarters_gives_a_naively_suppressed_quarter_away() -> None:
    quarters = [naive((count, 20, 30, 40), "one", f"2026-Q{number}") for number, count in enumerate((4, 10, 11, 12), 1)]
    found = deduced_of([*quarters, naive((37, 80, 120, 160), "one", "2026")])
    assert (found.low, found.high) == (4, 4)


def test_the_year_of_one_table_gives_a_quarter_of_another_away() -> None:
    quarters = [naive((count, 20, 30, 40), "one", f"2026-Q{number}") for number, count in enumerate((4, 10, 11, 12), 1)]
    found = deduced_of([*quarters, naive((100, 97, 100, 100), "two", "2026")])
    assert (found.low, found.high) == (4, 4)


def test_figures_that_fit_no_counts_are_refused() -> None:
    with pytest.raises(DisclosureError, match="equal totals"):
        audit([naive((20, 20, 30, 40), "one"), naive((13, 20, 30, 30), "two")])


@pytest.mark.parametrize(("threshold", "label", "code"), [(4, Q1, "threshold"), (10, "2026-01", "period")])
def test_a_low_threshold_and_a_month_are_refused(threshold: int, label: str, code: str) -> None:
    with pytest.raises(DisclosureError) as refused:
        suppress(counted((3, 20, 30, 40), label=label), (), threshold=threshold)
    assert refused.value.code == code


def test_the_same_period_is_not_released_twice() -> None:
    table = counted((3, 20, 30, 40))
    with pytest.raises(DisclosureError, match="not released before"):
        suppress(table, [released(table)], threshold=10)


def test_zeros_are_suppressed_like_any_small_count_and_the_rest_is_rounded() -> None:
    cells = suppress(counted((0, 9, 12, None)), (), threshold=10)
    assert [(cell.status, cell.value, cell.low, cell.high) for cell in cells] == [
        ("Q", None, 0, 9), ("Q", None, 0, 9), ("A", 10, None, None), ("L", None, None, None),
    ]  # fmt: skip


def test_what_is_shown_leaves_three_counts_open_whatever_the_threshold() -> None:
    for threshold in range(5, 40):
        least = effective_threshold(threshold)
        alike = {count for count in range(least, least + 9) if round_to_base(count) == round_to_base(least)}
        assert least >= threshold
        assert len(alike) >= 3


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=20, max_size=120))
def test_three_tables_of_one_quarter_leave_every_suppressed_cell_wide(records: list[tuple[int, int, int]]) -> None:
    draws: list[StoredDraw] = []
    for number, table in enumerate(TABLES):
        counts = [sum(record[number] == cell for record in records) for cell in range(4)]
        try:
            draws.append(released(counted(counts, table), draws))
        except DisclosureError as held_back:
            assert held_back.code == "not-protectable"
        by_table = {as_published(draw).table: place for place, draw in enumerate(draws)}
        for found in audited(draws):
            count = sum(record[by_table[found.place.table]] == found.place.cell for record in records)
            assert found.low <= count <= found.high
            assert found.width >= (9 if found.is_primary else 1)


def test_a_year_after_its_quarters_leaves_every_suppressed_cell_wide_and_comes_out_the_same_again() -> None:
    quarters = [(4, 20, 30, 40), (10, 21, 33, 44), (11, 25, 35, 45), (12, 26, 36, 46)]
    draws: list[StoredDraw] = []
    for number, counts in enumerate(quarters, 1):
        draws.append(released(counted(counts, label=f"2026-Q{number}"), draws))
    year = counted([sum(column) for column in zip(*quarters, strict=True)], label="2026")
    draws.append(released(year, draws))
    assert suppress(year, draws[:-1], threshold=10) == draws[-1].cells
    assert min(found.width for found in audited(draws) if found.is_primary) >= 9


def test_a_hidden_quarter_stays_wide_when_only_another_tables_year_follows() -> None:
    draws: list[StoredDraw] = []
    for number in range(1, 5):
        counts = (9 if number == 1 else 22, 22, 32, 42)
        draws.append(released(counted(counts, label=f"2026-Q{number}"), draws))
    draws.append(released(counted((103, 113, 118, 125), TABLES[1], "2026"), draws))
    assert min(found.width for found in audited(draws) if found.is_primary) >= 9


def test_noisy_releases_and_those_of_other_measures_are_no_earlier_releases() -> None:
    table = counted((3, 20, 30, 40))
    stored = released(table)
    other = counted((3, 20, 30, 40), TABLES[1])
    for wrong in (replace(stored, threshold=None), replace(stored, measure="other")):
        with pytest.raises(DisclosureError, match="without noise"):
            suppress(other, [wrong], threshold=10)
