"""The picture as files: exactly the figures of the page, with their notes and the line to cite them by.

Long form, a line for each figure, because every spreadsheet and every statistics program can turn that into what it
needs. What is not a number has no number in it: neither 0 nor an empty text that could be read as one.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from openpyxl import Workbook

from local_node.web.picture_view import Picture
from local_node.web.picture_words import PictureWords
from shared_schema.service.exports import csv_bytes, safe_cell
from shared_schema.service.translations import N_

Row = Sequence[str | int | None]
HEADINGS: Final = (
    N_("Table"), N_("Period"), N_("Source"), N_("Code"), N_("Group"), N_("State"), N_("Figure"), N_("Lower end"),
    N_("Upper end"), N_("Direction of change"), N_("Coverage"), N_("Notes"),
)  # fmt: skip


def make_csv(picture: Picture, words: PictureWords, now: datetime) -> bytes:
    """The figures, an empty line, the notes."""
    return csv_bytes(_headings(words), (*_rows(picture, words), (), *_notes(picture, words, now)))


def make_xlsx(picture: Picture, words: PictureWords, now: datetime) -> bytes:
    """The figures on one sheet, the notes on another."""
    book = Workbook(write_only=True)
    for title, rows in (
        (words.words.gettext("Figures"), (_headings(words), *_rows(picture, words))),
        (words.words.gettext("Notes"), _notes(picture, words, now)),
    ):
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([safe_cell(value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def file_name(picture: Picture, ending: str) -> str:
    """`first_contacts.by_age-2024-01-2026-12.csv`, of letters that every system takes."""
    query = picture.query
    return f"{query.table.id}-{query.labels[0]}-{query.labels[-1]}.{ending}"


def _headings(words: PictureWords) -> list[str]:
    return [words.words.gettext(heading) for heading in HEADINGS]


def _rows(picture: Picture, words: PictureWords) -> Iterator[Row]:
    table = picture.query.table
    for source in picture.sources:
        for period in picture.query.labels:
            for code in picture.columns:
                shown = source.at(period, code)
                yield (
                    table.id,
                    period,
                    words.source(source),
                    code or "_T",  # the total, as SDMX spells it
                    words.cell(table, code),
                    shown.kind,
                    shown.value,
                    shown.low,
                    shown.high,
                    words.change(shown),
                    words.coverage(source, period),
                    "; ".join(words.notes(shown)),
                )


def _notes(picture: Picture, words: PictureWords, now: datetime) -> Iterator[Row]:
    yield (words.citation(picture.query, now),)
    for source in picture.sources:
        yield (words.source(source), words.explanation(source))
    yield from words.reading(picture)
