"""Tables for Excel: CSV and XLSX files in which no text can become a formula (OWASP, CSV injection; CHECKS 61).

A text that begins with = + - @ |, TAB, CR or LF, or with one of their wide forms, gets an apostrophe in front, which
Excel shows as text. Numbers stay numbers.

    csv_bytes(("Period", "Assault"), [("2026-10", 3)])
    csv_chunks(header, rows)                                 for a program: no mark, a piece at a time
    xlsx_bytes("Returns", header, rows)
    book_bytes((Sheet("Data", header, rows), Sheet("About", …)), made_at, author)

openpyxl takes a second to load, so only a program that writes a workbook loads it.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from openpyxl import Workbook

Value = str | int | float | None
FORMULA_SIGNS: Final = frozenset("=+-@|\t\r\n")
_LOOKED_AT: Final = FORMULA_SIGNS | {" "}
MAX_SHEET_NAME: Final = 31
CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NOT_IN_SHEET_NAME: Final = re.compile(r"[\[\]:*?/\\]")
_NOT_IN_A_CELL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_WIDEST: Final = 40
ROWS_A_CHUNK: Final = 500
"""About 100 KB."""


class Sheet(NamedTuple):
    """One sheet of a workbook."""

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[Value]]


def safe_cell(value: Value) -> Value:
    """A value as it may stand in a cell of a file; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    if value.isascii() and value.isprintable() and value[:1] not in _LOOKED_AT:
        return value  # nearly all; the rest takes five times as long
    text = _NOT_IN_A_CELL.sub("", value)
    first = unicodedata.normalize("NFKC", text.lstrip(" \u00a0\ufeff")[:1])[:1]
    return f"'{text}" if first in FORMULA_SIGNS and first else text


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """UTF-8 with the mark that lets Excel know; commas, and CRLF as RFC 4180 has it."""
    return b"\xef\xbb\xbf" + b"".join(csv_chunks(header, rows))


def csv_chunks(header: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """The same without the mark, some hundred rows at a time: for programs, and for tables of any length."""
    lines = chain((header,), rows)
    while batch := list(islice(lines, ROWS_A_CHUNK)):
        out = io.StringIO(newline="")
        csv.writer(out).writerows([safe_cell(value) for value in row] for row in batch)
        yield out.getvalue().encode()


def xlsx_bytes(title: str, header: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """One sheet with a bold header that stays in sight."""
    out = io.BytesIO()
    _write_book((Sheet(title, header, rows),)).save(out)
    return out.getvalue()


def book_bytes(sheets: Iterable[Sheet], made_at: datetime, author: str) -> bytes:
    """Several such sheets. The same arguments give the same bytes: every time in the file is `made_at`.

    That holds as long as openpyxl and zlib stay the same; another version of them may spell the same cells otherwise.
    """
    from openpyxl.writer.excel import ExcelWriter

    from shared_schema.service.steady_zip import SteadyZip

    book = _write_book(sheets)
    moment = made_at.astimezone(UTC).replace(tzinfo=None)
    book.properties.created = book.properties.modified = moment
    book.properties.creator = author
    out = io.BytesIO()
    # `Workbook.save` would put the time of saving over `modified`.
    ExcelWriter(book, SteadyZip(out, moment)).save()
    return out.getvalue()


def _write_book(sheets: Iterable[Sheet]) -> "Workbook":
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    for title, header, rows in sheets:
        sheet = book.create_sheet(_NOT_IN_SHEET_NAME.sub(" ", title)[:MAX_SHEET_NAME].strip("' ") or "Sheet")
        sheet.freeze_panes = "A2"
        for number, text in enumerate(header, start=1):
            sheet.column_dimensions[get_column_letter(number)].width = min(max(len(text) + 2, 10), _WIDEST)
        cells = []
        for text in header:
            cell = WriteOnlyCell(sheet, value=safe_cell(text))
            cell.font = Font(bold=True)
            cells.append(cell)
        sheet.append(cells)
        for row in rows:
            sheet.append([safe_cell(value) for value in row])
    return book


def download_headers(name: str) -> dict[str, str]:
    """What makes a browser save an answer under a plain name (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "table"
    return {"Content-Disposition": f'attachment; filename="{plain}"', "Cache-Control": "no-store"}
