"""Figures as a workbook for Excel: the sheet Figures as in CSV, the sheet About with what holds for all of them.

A workbook is made whole before its first piece, so it has an end: more figures are for CSV or Parquet.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.figures import FigureQueryError
from regional_hub.formats.columns import Value, about, columns_of, filters, rows
from shared_schema.names import parse_time
from shared_schema.service.exports import Sheet, book_bytes

MOST_ROWS: Final = 20_000
"""Ten seconds or so of work, and 12 MB of memory. Excel itself ends at 1,048,576."""
_CHUNK: Final = 64 * 1024


class TooManyRowsError(FigureQueryError):
    """An answer is too long for a workbook."""

    def __init__(self) -> None:
        super().__init__(
            f"expected at most {MOST_ROWS} figures for XLSX; take CSV or Parquet, or ask for fewer", "format"
        )


def write_xlsx(answer: Answer) -> Iterator[bytes]:
    """Reads all figures at once. Raises TooManyRowsError before anything is written."""
    found = list(islice(rows(answer), MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise TooManyRowsError
    sheets = Sheet("Figures", tuple(columns_of(answer)), found), Sheet("About", ("name", "value"), _about(answer))
    data = book_bytes(sheets, parse_time(answer.citation.published_at), answer.citation.hub)
    return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))


def _about(answer: Answer) -> Iterator[tuple[str, Value]]:
    yield from about(answer).items()
    for name, values in filters(answer).items():
        for value in values:
            yield f"filter {name}", value
