"""Periods are whole months, quarters or years; areas are never finer than a municipality."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.errors import SchemaError
from shared_schema.period import Area, Period, parse_period
from tests.shared_schema.builders import LEIPZIG, MONTH

labels = st.one_of(
    st.builds("{:04d}".format, st.integers(1900, 9999)),
    st.builds("{:04d}-{:02d}".format, st.integers(1900, 9999), st.integers(1, 12)),
    st.builds("{:04d}-Q{}".format, st.integers(1900, 9999), st.integers(1, 4)),
)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "2014-",
        "2014-1",
        "2014-13",
        "2014-00",
        "2014-Q0",
        "2014-Q5",
        "2014-q1",
        "2014Q1",
        "2014-01-01",
        "14",
        "20145",
        "1899",
        "0000",
        "2014-01\n",
        " 2014",
        "２０１４",
        "٢٠١٤-01",
        "2014-W01",
        "2014-H1",
        "-2014",
        "2014-1٢",
    ],
)
def test_everything_but_a_month_a_quarter_or_a_year_is_refused(label: str) -> None:
    with pytest.raises(SchemaError, match="expected a period such as"):
        parse_period(label)


@pytest.mark.parametrize(
    "change",
    [
        {"start": "2026-10-02"},
        {"end": "2026-10-30"},
        {"end": "2026-10-01", "granularity": "day"},
        {"granularity": "day"},
        {"granularity": "quarter"},
        {"granularity": "year"},
        {"start": "2026-09-01"},
        {"start": "2026-10-31", "end": "2026-10-01"},
        {"start": "2026-13-01"},
        {"start": "0000-10-01"},
        {"start": "２０２６-10-01"},
        {"start": "2026-10-01T00"},
        {"start": "20261001"},
        {"start": 20261001},
        {"start": "2026-02-01", "end": "2026-02-29"},
        {"start": "2024-02-01", "end": "2024-02-28"},
        {"start": "2026-02-01", "end": "2026-04-30", "granularity": "quarter"},
        {"start": "2026-07-01", "end": "2027-06-30", "granularity": "year"},
        {"basis": "occurred"},
        {"hour": 9},
    ],
)
def test_a_period_that_is_not_whole_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Period.from_object(MONTH | change)


@pytest.mark.parametrize(
    ("label", "start", "end", "granularity"),
    [
        ("2014-01", "2014-01-01", "2014-01-31", "month"),
        ("2024-02", "2024-02-01", "2024-02-29", "month"),
        ("2100-02", "2100-02-01", "2100-02-28", "month"),
        ("2014-Q1", "2014-01-01", "2014-03-31", "quarter"),
        ("2014-Q4", "2014-10-01", "2014-12-31", "quarter"),
        ("2014", "2014-01-01", "2014-12-31", "year"),
    ],
)
def test_a_label_stands_for_its_first_and_last_day(label: str, start: str, end: str, granularity: str) -> None:
    period = parse_period(label)
    assert (period.start, period.end, period.granularity, period.basis) == (start, end, granularity, "recorded")
    assert period.label == label


@given(labels)
def test_every_period_has_one_label(label: str) -> None:
    period = parse_period(label)
    assert period.label == label
    assert Period.from_bytes(period.to_bytes()) == period
    assert period.first_day.day == 1
    if period.last_day.year < 9999:
        assert (period.last_day + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "POSTCODE"},
        {"scheme": "H3"},
        {"version": "24"},
        {"version": "２０２４"},
        {"code": ""},
        {"code": "D"},
        {"code": "de_1"},
        {"code": "DE 1"},
        {"code": "A" * 17},
        {"district": "Mitte"},
        {"street": "x"},
        {"lat": 51},
    ],
)
def test_an_area_is_a_public_code_and_nothing_finer(change: dict[str, str]) -> None:
    with pytest.raises(SchemaError):
        Area.from_object(LEIPZIG | change)


@pytest.mark.parametrize(("scheme", "code"), [("LAU", "DE_14713000"), ("NUTS", "DED"), ("ISO3166", "DE-SN")])
def test_municipalities_regions_and_countries_are_areas(scheme: str, code: str) -> None:
    assert Area.from_object({"scheme": scheme, "version": "2024", "code": code}).code == code
