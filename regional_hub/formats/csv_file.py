"""Figures as CSV (RFC 4180): one header, one row for each figure, nothing else. UTF-8 without a mark."""

from collections.abc import Iterator

from regional_hub.figure_answer import Answer
from regional_hub.formats.columns import columns_of, rows
from shared_schema.service.exports import csv_chunks


def write_csv(answer: Answer) -> Iterator[bytes]:
    """A figure without a value has an empty cell; every text is safe in a spreadsheet. Raises nothing of its own."""
    return csv_chunks(tuple(columns_of(answer)), rows(answer))
