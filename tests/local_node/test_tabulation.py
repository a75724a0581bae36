"""Counting on the grid: true zeros, cells that nobody collected, coverage, quarters out of months."""

from dataclasses import replace

import pytest

from local_node.errors import TabulationError
from local_node.records import ReturnRecord, Status
from local_node.tabulation import (
    MAX_CELL,
    Collected,
    EventCount,
    FrequencyTable,
    count_events,
    tabulate,
    tabulate_correction,
)
from shared_schema.period import parse_period
from shared_schema.trend import Coverage
from shared_schema.vocabulary import SourceKind
from tests.factories import JANUARY, make_table

TABLE = make_table(cells=["arson", "assault"])
RETURN = SourceKind.AGENCY_RETURN


def report(
    cell: str, value: int | None, agency: str = "police", period: str = "2026-01", source: SourceKind = RETURN
) -> ReturnRecord:
    return ReturnRecord(TABLE.id, agency, period, cell, value, source)


def counted(*reports: ReturnRecord, expected: int = 1, period: str = "2026-01") -> FrequencyTable:
    return tabulate(reports, TABLE, parse_period(period), expected)


def cells(table: FrequencyTable) -> list[tuple[str, str, int | None]]:
    return [(cell.code, cell.status, cell.count) for cell in table.cells]


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ((), "empty"),
        ((report("arson", None), report("assault", None)), "empty"),
        ((report("arson", 1, period="2026-02"),), "empty"),
        ((report("other", 1),), "grid"),
        ((report("arson", 1), report("arson", 1)), "reported-twice"),
        ((report("arson", 1, source=SourceKind.SURVEY),), "source-kind"),
        ((report("arson", 1), report("arson", 1, "ngo", source=SourceKind.OPEN_MEDIA)), "source-kind"),
    ],
)
def test_what_cannot_be_counted_is_refused(reports: tuple[ReturnRecord, ...], code: str) -> None:
    with pytest.raises(TabulationError) as caught:
        counted(*reports)
    assert caught.value.code == code


def test_an_agencys_word_that_it_counted_each_person_once_is_taken() -> None:
    table = make_table(unit="person", cells=["arson", "assault"])
    counted_persons = tabulate([report("arson", 1), report("assault", 0)], table, JANUARY, 1)
    assert cells(counted_persons) == [("arson", "A", 1), ("assault", "A", 0)]


def test_zero_is_counted_and_a_blank_is_not_collected() -> None:
    table = counted(report("arson", 0), report("assault", None))
    assert cells(table) == [("arson", "A", 0), ("assault", "L", None)]


def test_agencies_are_added_up() -> None:
    table = counted(report("arson", 2), report("assault", 0), report("arson", 3, "ngo"), report("assault", 1, "ngo"))
    assert cells(table) == [("arson", "A", 5), ("assault", "A", 1)]
    assert (table.coverage.reporting, table.coverage.expected) == (2, 2)


def test_the_blank_of_one_agency_lowers_the_coverage_and_never_counts_as_zero() -> None:
    table = counted(
        report("arson", 2), report("assault", 4), report("arson", 3, "ngo"), report("assault", None, "ngo"),
        expected=3,
    )  # fmt: skip
    assert cells(table) == [("arson", "A", 5), ("assault", "A", 4)]
    assert (table.coverage.reporting, table.coverage.expected) == (1, 3)


def test_a_cell_that_nobody_collects_does_not_lower_the_coverage_of_the_others() -> None:
    table = counted(report("arson", 2), report("assault", None))
    assert (table.coverage.reporting, table.coverage.expected) == (1, 1)


def test_an_agency_that_reports_is_expected_whatever_number_was_given() -> None:
    table = counted(report("arson", 2), report("assault", 1), expected=0)
    assert (table.coverage.reporting, table.coverage.expected) == (1, 1)


def test_three_months_fill_a_quarter() -> None:
    months = [report(cell, 1, period=f"2026-0{month}") for month in (1, 2, 3) for cell in ("arson", "assault")]
    assert cells(counted(*months, period="2026-Q1")) == [("arson", "A", 3), ("assault", "A", 3)]


def test_a_quarter_with_a_month_that_was_not_collected_is_not_collected() -> None:
    months = [report("arson", 1, period=f"2026-0{month}") for month in (1, 2, 3)]
    months += [report("assault", 1, period="2026-01"), report("assault", None, period="2026-02")]
    table = counted(*months, period="2026-Q1")
    assert cells(table) == [("arson", "A", 3), ("assault", "L", None)]


def test_a_month_is_not_made_out_of_a_quarter() -> None:
    with pytest.raises(TabulationError, match="at least one cell"):
        counted(report("arson", 3, period="2026-Q1"))


def test_a_quarter_beside_one_of_its_months_counts_twice_and_is_refused() -> None:
    with pytest.raises(TabulationError) as caught:
        counted(report("arson", 3, period="2026-Q1"), report("arson", 1, period="2026-02"), period="2026-Q1")
    assert caught.value.code == "reported-twice"


# --- late figures, statuses, corrections ---------------------------------------------------------------------------


def late(cell: str, value: int | None, agency: str = "ngo") -> ReturnRecord:
    return ReturnRecord(TABLE.id, agency, "2025-12", cell, value, RETURN, counted_in="2026-01")


def test_late_figures_alone_make_no_period() -> None:
    with pytest.raises(TabulationError) as caught:
        counted(late("arson", 2))
    assert caught.value.code == "empty"


def test_a_late_figure_outside_the_grid_is_refused() -> None:
    with pytest.raises(TabulationError) as caught:
        counted(report("arson", 1), late("other", 2))
    assert caught.value.code == "grid"


@pytest.mark.parametrize("agency", ["police", "ngo"])
def test_late_figures_are_added_and_say_nothing_about_coverage(agency: str) -> None:
    table = counted(report("arson", 1), report("assault", 0), late("arson", 2, agency), expected=2)
    assert cells(table) == [("arson", "A", 3), ("assault", "A", 0)]
    assert (table.coverage.reporting, table.coverage.expected) == (1, 2)


@pytest.mark.parametrize("value", [0, 2])
def test_whether_a_late_figure_is_zero_shows_in_no_status(value: int) -> None:
    table = counted(report("arson", 1), report("assault", None), late("assault", value))
    assert cells(table) == [("arson", "A", 1), ("assault", "A", value)]


def test_of_the_statuses_of_several_agencies_the_gravest_is_shown() -> None:
    def marked(agency: str, status: Status, value: int | None = 1) -> list[ReturnRecord]:
        return [replace(report(cell, value, agency), status=status) for cell in TABLE.cells]

    assert {cell.status for cell in counted(*marked("a", "A"), *marked("b", "B")).cells} == {"B"}
    assert {cell.status for cell in counted(*marked("a", "D"), *marked("b", "B")).cells} == {"D"}
    assert {cell.status for cell in counted(*marked("a", "A"), *marked("b", "D", None)).cells} == {"A"}


def corrected(deltas: dict[str, int]) -> FrequencyTable:
    return tabulate_correction(deltas, TABLE, JANUARY, RETURN, Coverage(reporting=1, expected=2), 3)


@pytest.mark.parametrize(("deltas", "code"), [({"other": 1}, "grid"), ({"arson": -MAX_CELL - 1}, "too-large")])
def test_a_correction_that_has_no_place_is_refused(deltas: dict[str, int], code: str) -> None:
    with pytest.raises(TabulationError) as caught:
        corrected(deltas)
    assert caught.value.code == code


def test_a_correction_has_the_whole_grid_with_zeros_where_nothing_changed() -> None:
    table = corrected({"assault": -2})
    assert cells(table) == [("arson", "A", 0), ("assault", "A", -2)]
    assert table.correction == 3


# --- events --------------------------------------------------------------------------------------------------------


def event(month: str, code: str = "arson", agency: str = "police", count: int = 1, late: bool = False) -> EventCount:
    return EventCount(agency, month, code, count, RETURN, late)


def test_events_become_a_whole_grid_with_zeros_for_every_collected_period() -> None:
    collected = [Collected("police", "2026-01", RETURN), Collected("police", "2026-02", RETURN, "B")]
    returns = count_events([event("2026-01", count=2)], collected, TABLE)
    assert [(record.period, record.cell, record.value, record.status) for record in returns] == [
        ("2026-01", "arson", 2, "A"),
        ("2026-01", "assault", 0, "A"),
        ("2026-02", "arson", 0, "B"),
        ("2026-02", "assault", 0, "B"),
    ]


def test_late_events_become_late_returns_of_the_whole_grid() -> None:
    returns = count_events([event("2026-02", agency="ngo", late=True)], [Collected("police", "2026-02", RETURN)], TABLE)
    assert [(each.agency, each.cell, each.value, each.counted_in) for each in returns] == [
        ("police", "arson", 0, None),
        ("police", "assault", 0, None),
        ("ngo", "arson", 1, "2026-02"),
        ("ngo", "assault", 0, "2026-02"),
    ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (event("2026-01", "other"), "grid"),
        (event("2026-02"), "periods"),
        (event("2026-01", agency="ngo"), "periods"),
    ],
)
def test_an_event_without_a_place_is_refused(wrong: EventCount, code: str) -> None:
    with pytest.raises(TabulationError) as caught:
        count_events([wrong], [Collected("police", "2026-01", RETURN)], TABLE)
    assert caught.value.code == code
