"""What somebody wants to see of the picture, as it stands in the address: so a view can be kept, sent and printed.

read_query(policy, {"table": "first_contacts.by_age", "by": "quarter"}, tables_with_figures, today)
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import urlencode

from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.period import Granularity, Period, parse_period
from shared_schema.service.pages.forms import FormError
from shared_schema.trend import TableDefinition

MONTHS_SHOWN: Final = 36
MOST_MONTHS: Final = 120
"""Ten years: a longer table is for a spreadsheet, and nobody reads it here."""
EVERY: Final = "every"
"""In place of a cell's code: all of them side by side."""
MONTHS: Final[Mapping[Granularity, int]] = {"month": 1, "quarter": 3, "year": 12}
View = Literal["chart", "table"]


@dataclass(frozen=True, slots=True)
class Query:
    """A table, the cell of it (empty for all together), the length of the periods, the first and last of them."""

    table: TableDefinition
    cell: str
    by: Granularity
    first: str
    last: str
    view: View

    @property
    def labels(self) -> tuple[str, ...]:
        """Every period, oldest first, whether there is a figure or not."""
        return _labels(self.first, self.last, self.by)

    @property
    def days(self) -> tuple[str, str]:
        """The first days of the first and of the last period."""
        return parse_period(self.labels[0]).start, parse_period(self.labels[-1]).start

    @property
    def codes(self) -> tuple[str, ...]:
        """The cells that are shown beside the total."""
        if self.cell == EVERY:
            return self.table.cells
        return (self.cell,) if self.cell else ()

    def address(self, path: str = "/picture", **changes: str) -> str:
        """The address of this view, or of one that differs from it."""
        names = {
            "table": self.table.id, "cell": self.cell, "by": self.by, "from": self.first, "to": self.last,
            "view": self.view,
        }  # fmt: skip
        return f"{path}?{urlencode({name: value for name, value in (names | changes).items() if value})}"


def read_query(
    policy: PolicyBody, values: Mapping[str, str], with_figures: Collection[str], today: date
) -> tuple[Query, FormError | None]:
    """What the address asks for, and what in it could not be read: then the usual stands in its place.

    Raises KeyError for a table that the policy does not have.
    """
    table = _find_table(policy, values.get("table", ""), with_figures)
    by = values.get("by", "")
    granularity: Granularity = next((each for each in table.granularities if each == by), table.granularities[0])
    cell = values.get("cell", "")
    view = values.get("view", "")
    usual = Query(
        table=table,
        cell=cell if cell == EVERY or cell in table.cells else "",
        by=granularity,
        first=_months_before(today, MONTHS_SHOWN),
        last=_months_before(today, 1),
        view="table" if view == "table" or cell == EVERY else "chart",
    )
    try:
        first, last = _month(values, "from", usual.first), _month(values, "to", usual.last)
        _check_span(first, last)
    except FormError as error:
        return usual, error
    return replace(usual, first=first, last=last), None


def newest_tables(policy: PolicyBody) -> Sequence[TableDefinition]:
    """Every table of a policy in its newest version, in the policy's order."""
    found = {table.id: policy.find_table(table.id) for table in policy.tables}
    return [table for table in found.values() if table is not None]


def place_of(label: str, by: Granularity) -> int:
    """The number of the period of this length in which a month or period begins; the next one has the next number."""
    first = parse_period(label).first_day
    return (first.year * 12 + first.month - 1) // MONTHS[by]


def label_of(place: int, by: Granularity) -> str:
    """The label of the period with this number."""
    year, part = divmod(place, 12 // MONTHS[by])
    return {"year": f"{year:04d}", "quarter": f"{year:04d}-Q{part + 1}", "month": f"{year:04d}-{part + 1:02d}"}[by]


@lru_cache(maxsize=64)
def _labels(first: str, last: str, by: Granularity) -> tuple[str, ...]:
    return tuple(label_of(place, by) for place in range(place_of(first, by), place_of(last, by) + 1))


def _find_table(policy: PolicyBody, wanted: str, with_figures: Collection[str]) -> TableDefinition:
    """The wanted one; without a wish the first that has figures, or else the first of all."""
    tables = newest_tables(policy)
    if wanted:
        return {table.id: table for table in tables}[wanted]
    found = [table for table in tables if table.id in with_figures] or tables
    return found[0]


def _months_before(today: date, months: int) -> str:
    place = today.year * 12 + today.month - 1 - months
    return label_of(place, "month")


def _month(values: Mapping[str, str], name: str, usual: str) -> str:
    text = values.get(name, "").strip()
    if not text:
        return usual
    try:
        period: Period = parse_period(text)
    except ContractError:
        raise FormError("expected a month such as 2026-01", name) from None
    return period.start[:7] if name == "from" else period.end[:7]


def _check_span(first: str, last: str) -> None:
    months = place_of(last, "month") - place_of(first, "month") + 1
    if months < 1:
        raise FormError("expected a last month that is not before the first one", "to")
    if months > MOST_MONTHS:
        raise FormError(f"expected at most {MOST_MONTHS} months, got {months}", "from")
