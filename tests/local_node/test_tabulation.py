"""Counting on the grid: true zeros, cells that nobody collected, coverage, quarters out of months."""

from datetime import date

import pytest

from local_node.errors import TabulationError
from local_node.records import EventRecord, ReturnRecord
from local_node.tabulation import FrequencyTable, count_events, tabulate
from shared_schema.period import parse_period
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


def test_a_table_that_counts_persons_is_refused_while_agencies_give_no_file_references() -> None:
    with pytest.raises(TabulationError, match="counts persons"):
        tabulate([report("arson", 1)], make_table(unit="person"), JANUARY, 1)


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


def event(day: date, code: str = "arson", agency: str = "police") -> EventRecord:
    return EventRecord("bias_incidents", agency, day, (("offence", code),))


def test_events_become_a_whole_grid_with_zeros_for_every_collected_period() -> None:
    collected = {("police", "2026-01"): RETURN, ("police", "2026-02"): RETURN}
    returns = count_events([event(date(2026, 1, 5)), event(date(2026, 1, 31))], collected, TABLE)
    assert [(record.period, record.cell, record.value) for record in returns] == [
        ("2026-01", "arson", 2),
        ("2026-01", "assault", 0),
        ("2026-02", "arson", 0),
        ("2026-02", "assault", 0),
    ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (event(date(2026, 1, 5), "other"), "grid"),
        (event(date(2026, 2, 5)), "periods"),
        (event(date(2026, 1, 5), agency="ngo"), "periods"),
    ],
)
def test_an_event_without_a_place_is_refused(wrong: EventRecord, code: str) -> None:
    with pytest.raises(TabulationError) as caught:
        count_events([wrong], {("police", "2026-01"): RETURN}, TABLE)
    assert caught.value.code == code
