"""A table that somebody sends: what was pasted from Excel, a CSV file or an XLSX file becomes rows of short texts.

Nothing in it is trusted (CHECKS 61): names that leave a folder, archives that unpack into much more than they are,
formulas, macros and hidden sheets are refused with a sentence that says what to do. Of what stands below the headers
only numbers, periods and the sign for "not collected" are kept; everything else becomes UNREADABLE at once, because a
column that nobody asked for may hold what no node may know.

    sheet = read_sheet("october.xlsx", data)
    sheet.header, sheet.rows        -> ("Month", "Assault"), (("2026-10", "3"),)
"""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final

import openpyxl
from babel import Locale
from babel.dates import get_month_names

from local_node.errors import RecordError
from shared_schema.errors import SchemaError
from shared_schema.period import parse_period

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_ROWS: Final = 600
"""Thirty years of months, with room; the command line reads longer files."""
MAX_TITLES: Final = 10
"""Lines in which the sign between the cells is looked for: titles, and the headers below them."""
MAX_COLUMNS: Final = 200
MAX_HEADER: Final = 100
MAX_UNPACKED: Final = 25 * 1024 * 1024
"""A sheet of this size has some hundred kilobytes."""
MAX_PARTS: Final = 500
NOT_COLLECTED: Final = "n"
NOT_COLLECTED_SIGNS: Final = frozenset({"n", "x", "z", "n/a", "[x]", "[z]"})
"""What people type for it: `n` as the form says, and the shorthand of official statistics (x, z)."""
UNREADABLE: Final = "?"
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t")
_NUMBER: Final = re.compile(r"[0-9][0-9., '\u00a0\u202f]{0,20}", re.ASCII)
_ONLY_SIGNED: Final = re.compile(r"[+-](?: ?[0-9][0-9., '\u00a0\u202f]*%?| [^\W\d][\w ,.'/-]*)")
"""A figure with its sign, and a line of a list (`- of which`): no figure that is wanted, and no formula either."""
_MONTH_FIRST: Final = re.compile(r"(?:01\.)?(0?[1-9]|1[0-2])[./-]([0-9]{4})", re.ASCII)
_QUARTER_FIRST: Final = re.compile(
    r"(?:Q|T|K|Quartal |quarter )\s?([1-4])[ /.-]{1,2}([0-9]{4})", re.ASCII | re.IGNORECASE
)
_QUARTER_NAMED: Final = re.compile(
    r"([1-4])\. ?(?:Quartal|quarter|trimestre|kwartaal|kvartal) ([0-9]{4})", re.ASCII | re.IGNORECASE
)
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})(?:[./](0?[1-9]|1[0-2])|-(0[1-9]|1[0-2])-01| Q([1-4]))", re.ASCII)
_WITH_NAME: Final = re.compile(r"([^\W\d]+)\.?[ -](20[0-9]{2}|[0-9]{2})")
"""Excel turns `October 2026` into a date and shows `Oct-26`, or `Okt 26`; that is what is copied then."""
_DELIMITER_LINE: Final = re.compile(r"sep=([,;\t])", re.IGNORECASE)
"""What Excel and others write above a table to say how its cells are divided."""
_LANGUAGES: Final = ("en", "de", "fr", "nl", "da")


class SheetError(RecordError):
    """A table cannot be read, or holds what no table of figures holds."""

    code = "sheet"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Headers, and rows of texts that are safe to keep; `lines` are their places in what was sent, from 1."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def read_sheet(name: str, data: bytes) -> Sheet:
    """The table of a file, by what it is and not by how it is called. Raises SheetError."""
    _check_name(name)
    if len(data) > MAX_BYTES:
        raise SheetError(f"expected a file of at most {MAX_BYTES // 1024 // 1024} MB", code="sheet-too-large")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise SheetError("expected a file in the format .xlsx without a password, or .csv", code="sheet-kind")
    if data.startswith(b"PK"):
        return make_sheet(_read_workbook(data))
    return make_sheet(_read_text(_decode(data), None))


def read_pasted(text: str) -> Sheet:
    """The table that was pasted: rows of cells with TAB between them, or semicolons. Raises SheetError."""
    return make_sheet(_read_text(text, ";" if "\t" not in text and ";" in text else "\t"))


def make_sheet(lines: Iterable[tuple[int, Sequence[str]]]) -> Sheet:
    """A sheet of raw rows, the first of which is the header. Raises SheetError: a formula, too much, nothing."""
    found: list[tuple[int, list[str]]] = []
    for number, cells in lines:
        row = [_plain(cell) for cell in cells]
        for cell in row:
            _check_no_formula(cell, number)
        if any(row):
            found.append((number, row))
        if len(found) > MAX_ROWS or len(row) > MAX_COLUMNS:
            raise SheetError(
                f"expected at most {MAX_ROWS} rows and {MAX_COLUMNS} columns; longer files are read at the console",
                code="sheet-too-large",
            )
    if not found:
        raise SheetError("expected a row of headers and figures below it", code="sheet-empty")
    found = _without_titles(found)
    width = max(len(row) for _, row in found)
    table = [row + [""] * (width - len(row)) for _, row in found]
    return Sheet(tuple(table[0]), tuple(map(tuple, table[1:])), tuple(number for number, _ in found[1:]))


def _without_titles(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows from the headers on: what stands above them alone in the first cell says what the table is about."""
    first = next((index for index, (_, row) in enumerate(rows) if any(row[1:])), 0)
    return rows if _has_figure(rows[first][1]) else rows[first:]


def _has_figure(row: Sequence[str]) -> bool:
    """Whether a row is one of figures: headers have names and periods."""
    return any(_NUMBER.fullmatch(cell) and read_period(cell) is None for cell in row)


def turned(sheet: Sheet) -> Sheet:
    """The same table with rows and columns exchanged: headers on the left become headers on top."""
    columns = list(zip(sheet.header, *sheet.rows, strict=True))
    return Sheet(columns[0], tuple(columns[1:]), tuple(range(2, len(columns) + 1)))


def without_texts(sheet: Sheet) -> Sheet:
    """The sheet as it may be kept: below the headers only numbers, periods and "not collected"."""
    header = tuple(text[:MAX_HEADER] for text in sheet.header)
    return Sheet(header, tuple(tuple(keep(cell) for cell in row) for row in sheet.rows), sheet.lines)


def keep(cell: str) -> str:
    """A cell as it may be kept."""
    if not cell or _NUMBER.fullmatch(cell):
        return read_period(cell) or cell
    if cell.casefold() in NOT_COLLECTED_SIGNS:
        return NOT_COLLECTED
    return read_period(cell) or UNREADABLE


def read_period(text: str) -> str | None:
    """The label of a period as people write it: `2026-10`, `10/2026`, `October 2026`, `Oct-26`, `Q4 2026`."""
    if found := _MONTH_FIRST.fullmatch(text.removeprefix("1.") if text.count(".") == 2 else text):
        text = f"{found[2]}-{int(found[1]):02d}"
    elif found := _YEAR_FIRST.fullmatch(text):
        text = f"{found[1]}-Q{found[4]}" if found[4] else f"{found[1]}-{int(found[2] or found[3]):02d}"
    elif found := _QUARTER_FIRST.fullmatch(text) or _QUARTER_NAMED.fullmatch(text):
        text = f"{found[2]}-Q{found[1]}"
    elif (found := _WITH_NAME.fullmatch(text)) and (month := _month_names().get(found[1].casefold())):
        text = f"{'20' + found[2][-2:]}-{month:02d}"
    try:
        return parse_period(text).label
    except SchemaError:
        return None


@cache
def _month_names() -> dict[str, int]:
    return {
        name.casefold().rstrip("."): number
        for code in _LANGUAGES
        for width in ("wide", "abbreviated")
        for number, name in get_month_names(width, locale=Locale.parse(code)).items()
    }


def _plain(cell: str) -> str:
    """A cell in Unicode's NFC, on one line, without the signs that nobody sees."""
    text = unicodedata.normalize("NFC", cell)
    return " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())


def _check_no_formula(cell: str, line: int) -> None:
    if len(cell) > 1 and cell.startswith(FORMULA_SIGNS) and not _ONLY_SIGNED.fullmatch(cell):
        raise SheetError(
            f"expected figures in line {line}, got a cell that begins like a formula; in Excel copy the cells and "
            "paste them as values",
            code="formula",
        )


def _check_name(name: str) -> None:
    """A name is only shown; one that leads into another folder says that somebody is trying something."""
    plain = PurePosixPath(name).name == name and PureWindowsPath(name).name == name
    if not name or not plain or not name.isprintable() or len(name) > 200 or name in (".", ".."):
        raise SheetError("expected the plain name of a file", code="file-name")


# --- CSV and pasted text ---------------------------------------------------------------------------------------------


def _decode(data: bytes) -> str:
    """Excel writes CSV in UTF-8, UTF-16 or, in Western Europe, Windows-1252."""
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SheetError("expected a file in the format .xlsx or .csv", code="sheet-kind")
    encodings = ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SheetError("expected a file in the format .xlsx or .csv", code="sheet-kind")


def _read_text(text: str, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    told = _DELIMITER_LINE.fullmatch(first.strip())
    delimiter = delimiter or (told[1] if told else _delimiter_of(text.splitlines()[:MAX_TITLES]))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width, is_narrow = None, False
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise SheetError(f"expected rows of cells, got something else in line {line}", code="sheet") from None
        if told is not None and width is None and "".join(row).strip().lower() == "sep=":
            continue
        if width is None and any(cell.strip() for cell in row):
            if len(row) > 1:
                width = 1 if is_narrow and _has_figure([cell.strip() for cell in row]) else len(row)
            is_narrow = True
        if delimiter == "," and width is not None and any(cell.strip() for cell in row[width:]):
            raise SheetError(
                f"expected as many cells in line {line} as there are headers; is there a number with a comma in it?",
                code="sheet-comma",
            )
        yield line, row


def _delimiter_of(lines: Sequence[str]) -> str:
    """TAB before the semicolon before the comma: a label may have commas in it, and seldom one of the others."""
    bare = re.sub(r'"[^"]*"', "", "\n".join(lines))
    return next((sign for sign in "\t;" if sign in bare), ",")


# --- XLSX ------------------------------------------------------------------------------------------------------------


def _read_workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    _check_archive(data)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    except Exception:  # whatever a broken or hostile file makes the reader stumble over
        raise _unreadable() from None
    if any(sheet.sheet_state != "visible" for sheet in book.worksheets):
        raise SheetError("expected a file without hidden sheets: show them or delete them", code="hidden-sheet")
    if not book.worksheets:
        raise _unreadable()
    sheet = book.worksheets[0]
    rows = sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS + 1)
    for number in range(1, MAX_ROWS + 3):
        try:
            row = next(rows, None)
        except Exception:  # as above: it reads while it goes
            raise _unreadable() from None
        if row is None:
            return
        yield number, [_text_of(cell, number) for cell in _trimmed(row)]


def _trimmed(row: Sequence[Any]) -> Sequence[Any]:
    """Without the empty cells on the right, which a formatted column has without end."""
    last = max((index for index, cell in enumerate(row) if cell.value is not None), default=-1)
    return row[: last + 1]


def _check_archive(data: bytes) -> None:
    """Look at the archive before anything in it is unpacked."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise _unreadable() from None
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise SheetError("expected a file that is not much larger when it is unpacked", code="sheet-too-large")
    for part in parts:
        pieces = part.filename.replace("\\", "/").split("/")
        if ".." in pieces or part.filename.startswith(("/", "\\")) or ":" in part.filename:
            raise SheetError("expected a file whose parts lie inside it", code="file-name")
        if pieces[-1].lower().startswith("vbaproject") or "macrosheets" in pieces or "activeX" in pieces:
            raise SheetError("expected a file without macros: save it as .xlsx", code="macro")
    if "xl/workbook.xml" not in {part.filename for part in parts}:
        raise _unreadable()


def _unreadable() -> SheetError:
    return SheetError("expected a file that Excel or LibreOffice has saved as .xlsx, or .csv", code="sheet-kind")


def _text_of(cell: Any, line: int) -> str:
    value = cell.value
    if cell.data_type == "f":
        _check_no_formula("=formula", line)
    if value is None:
        return ""
    if isinstance(value, (datetime, date)):
        return f"{value:%Y-%m}" if value.day == 1 else f"{value:%Y-%m-%d}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**12:
        return str(int(value))
    return str(value)
