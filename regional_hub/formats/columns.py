"""The columns of a table of figures, and what holds for all of its rows. Their names are a contract with analysts.

What they mean stands in docs/analyst_guide.md. Here is the one place where a figure becomes a row, so here is the one
place where a value could get out of a figure that has none.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.figures import Figure
from shared_schema.trend import WITH_VALUE

Value = str | int | None
VALUES: Final = ("estimate", "low", "high", "variance_milli")
"""What only a figure with a value has."""
FIGURE_COLUMNS: Final[Mapping[str, type[str] | type[int]]] = {
    "table_version": int,
    "cell": str,
    "area": str,
    "publisher": str,
    "period": str,
    "source": str,
    "status": str,
    "estimate": int,
    "low": int,
    "high": int,
    "variance_milli": int,
    "contributors": int,
    "cities_reporting": int,
    "cities_expected": int,
    "cities_suppressed": int,
    "suppressed_at_most": int,
    "withheld": str,
    "revision": int,
    "entry": int,
}
"""Those that differ from figure to figure, with the type of their values."""
COLUMNS: Final[Mapping[str, type[str] | type[int]]] = {
    "measure": str,
    "table": str,
    "table_version": int,
    "dimension": str,
    "cell": str,
    "area": str,
    "publisher": str,
    "period": str,
    "by": str,
    **{
        name: kind
        for name, kind in FIGURE_COLUMNS.items()
        if name not in ("table_version", "cell", "area", "publisher", "period")
    },
    "policy_version": int,
    "as_of": int,
    "citation": str,
}
"""All columns of a file that is one table, in their order."""
MECHANISM: Final = "mechanism"
"""How the noise was drawn; the last column of a file about a table that has sealed totals, and of no other."""
BY_CITIES: Final = "cities"
"""The mechanism of a sum whose noise each city has drawn for itself."""


def columns_of(answer: Answer) -> list[str]:
    """The columns that this answer has."""
    return [*COLUMNS, MECHANISM] if answer.tells_mechanism else [*COLUMNS]


def figure_values(figure: Figure, answer: Answer) -> dict[str, Value]:
    """What differs from figure to figure, by column. A figure that is suppressed or not collected has no value."""
    has_value = figure.status in WITH_VALUE
    return {
        "table_version": figure.table_version,
        "cell": figure.cell,
        "area": figure.area,
        "publisher": figure.origin,
        "period": figure.period,
        "source": figure.source,
        "status": figure.status,
        "estimate": figure.estimate if has_value else None,
        "low": figure.low if has_value else None,
        "high": figure.high if has_value else None,
        "variance_milli": figure.variance_milli if has_value else None,
        "contributors": figure.contributors,
        "cities_reporting": figure.reporting,
        "cities_expected": figure.expected,
        "cities_suppressed": figure.suppressed,
        "suppressed_at_most": figure.suppressed_high,
        "withheld": figure.withheld,
        "revision": figure.revision,
        "entry": figure.entry,
        **({MECHANISM: figure.mechanism or BY_CITIES} if answer.tells_mechanism else {}),
    }


def about(answer: Answer) -> dict[str, Value]:
    """What holds for the whole answer: of what, by whom, in which state of the log, and how to cite it."""
    query, citation = answer.query, answer.citation
    return {
        "measure": query.table.measure,
        "measure_title": citation.measure.title if citation.measure else None,
        "table": query.table.id,
        "table_version": query.table.version,
        "table_title": query.table.title,
        "unit": query.table.unit,
        "dimension": query.table.dimension,
        "by": query.by,
        "hub": citation.hub,
        "level": citation.level,
        "policy_version": citation.policy_version,
        "as_of": query.as_of,
        "published_at": citation.published_at,
        "link": citation.link,
        "citation": citation.line,
    }


def filters(answer: Answer) -> dict[str, list[str]]:
    """What was asked for: every parameter of the permanent link but `as_of`, with its values."""
    found: dict[str, list[str]] = {}
    for name, value in answer.query.filters:
        found.setdefault(name, []).append(value)
    return found


def rows(answer: Answer) -> Iterator[list[Value]]:
    """One row for each figure, in the order of `columns_of`."""
    constant, columns = about(answer), columns_of(answer)
    for figure in answer.figures:
        values = constant | figure_values(figure, answer)
        yield [values[name] for name in columns]
