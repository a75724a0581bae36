"""Periods and areas: when and where a figure belongs. Nothing finer than a month or a municipality exists here."""

import calendar
import re
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from shared_schema.errors import SchemaError
from shared_schema.wire import WireModel

Granularity = Literal["month", "quarter", "year"]
_LABEL = re.compile(r"(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])))?", re.ASCII)
FIRST_YEAR = 1900
"""Nothing older is counted; and a label such as `0014-01` is rather a slip of the pen."""
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Period(WireModel):
    """A calendar month, quarter or year; `start` and `end` are its first and last day (ISO 8601)."""

    start: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)
    end: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)
    granularity: Granularity
    basis: Literal["recorded"] = "recorded"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        try:
            first = date.fromisoformat(self.start)
        except ValueError:
            raise ValueError("expected the first day of a calendar period") from None
        if first.year < FIRST_YEAR:  # or `parse_period` could not read its own label
            raise ValueError(f"expected a year from {FIRST_YEAR} on")
        if (self.start, self.end) != _bounds(first.year, first.month, self.granularity):
            raise ValueError("expected the first and the last day of a calendar month, quarter or year")
        return self

    @property
    def label(self) -> str:
        """`2014-01`, `2014-Q1` or `2014`."""
        year, month = self.start[:4], int(self.start[5:7])
        if self.granularity == "month":
            return self.start[:7]
        return year if self.granularity == "year" else f"{year}-Q{(month + 2) // 3}"

    @property
    def first_day(self) -> date:
        return date.fromisoformat(self.start)

    @property
    def last_day(self) -> date:
        return date.fromisoformat(self.end)

    def overlaps(self, other: Self) -> bool:
        """Whether they share a day."""
        return self.start <= other.end and other.start <= self.end


def parse_period(label: str) -> Period:
    """Read `2014-01`, `2014-Q1` or `2014`. Raises SchemaError for anything else."""
    match = _LABEL.fullmatch(label)
    if match is None or int(match[1]) < FIRST_YEAR:
        raise SchemaError("expected a period such as 2014-01, 2014-Q1 or 2014")
    granularity: Granularity = "month" if match[2] else "quarter" if match[3] else "year"
    month = int(match[2]) if match[2] else 3 * int(match[3]) - 2 if match[3] else 1
    start, end = _bounds(int(match[1]), month, granularity)
    return Period(start=start, end=end, granularity=granularity)


def _bounds(year: int, month: int, granularity: Granularity) -> tuple[str, str]:
    months = _MONTHS[granularity]
    first = month - (month - 1) % months
    last = first + months - 1
    return f"{year:04d}-{first:02d}-01", f"{year:04d}-{last:02d}-{calendar.monthrange(year, last)[1]:02d}"


class Area(WireModel):
    """A place by a public code and its version; never finer than a municipality.

    Schemes: LAU (Eurostat local administrative units), NUTS (Eurostat regions), ISO3166 (ISO 3166-1 and -2).
    """

    scheme: Literal["LAU", "NUTS", "ISO3166"]
    version: str = Field(pattern=r"^[0-9]{4}$")
    code: str = Field(pattern=r"^[A-Z0-9_-]{2,16}$")
