"""Which column of somebody's table is which cell of ours: proposed, corrected once, remembered. Plain rules.

A header is known by the code of the cell or by its label in any language of the pages. What is not known is left out
until a person says what it is. A number with marks in it is refused: whether 1.234 is a thousand or a little more than
one depends on where it was typed.

    columns = propose(sheet, table, names)              -> ("period", "assault", "")
    read_figures(sheet, columns, table, period=None)    -> figures by period, and what is wrong by line
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from local_node.records import MAX_COUNT, RowError
from local_node.sheets import NOT_COLLECTED, UNREADABLE, Sheet, read_period, turned
from shared_schema import canonical
from shared_schema.messages import N_
from shared_schema.period import parse_period
from shared_schema.trend import TableDefinition

PERIOD: Final = "period"
LEFT_OUT: Final = ""
WRONG_PERIOD: Final = N_("expected a period such as 2026-10 or October 2026")
OTHER_LENGTH: Final = N_("expected a month, quarter or year, as this table has them")
NOT_BEGUN: Final = N_("expected a period that has begun")
TWICE: Final = N_("expected every period once")
EMPTY: Final = N_("expected 0 for zero or n for not collected, got an empty cell")
MARKED: Final = N_("expected a whole number without a point, comma or space in it, such as 1234")
NO_NUMBER: Final = N_("expected a whole number, 0 for zero, or n for not collected")
TOO_MANY: Final = N_("expected a smaller number")
_PROBLEMS: Final = frozenset({WRONG_PERIOD, OTHER_LENGTH, NOT_BEGUN})
_COUNT: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_MARKED: Final = re.compile(r"[0-9]+[., '\u00a0\u202f][0-9., '\u00a0\u202f]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Figures:
    """Period → cell → number or None, and what is wrong."""

    values: Mapping[str, Mapping[str, int | None]]
    errors: tuple[RowError, ...]


def folded(text: str) -> str:
    """A header as it is compared: without case, accents, spaces and signs."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in plain if sign.isalnum()))


def names_of(labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Folded label or code → code; a label that two cells have names neither."""
    found: dict[str, str | None] = {}
    for code, texts in labels.items():
        for text in {folded(each) for each in (code, *texts)} - {""}:
            found[text] = code if found.get(text, code) == code else None
    return {text: code for text, code in found.items() if code is not None}


def upright(sheet: Sheet, names: Mapping[str, str]) -> Sheet:
    """The sheet with its labels on top: many people have them on the left, one below the other."""
    on_top = sum(folded(text) in names for text in sheet.header)
    on_the_left = sum(folded(row[0]) in names for row in (sheet.header, *sheet.rows))
    return turned(sheet) if on_the_left > on_top else sheet


def layout_of(sheet: Sheet) -> str:
    """The fingerprint of the headers: the same export of next month has the same one."""
    return hashlib.sha256(canonical.encode({"header": [folded(text) for text in sheet.header]})).hexdigest()[:32]


def propose(sheet: Sheet, names: Mapping[str, str]) -> tuple[str, ...]:
    """For each column the code of its cell, PERIOD or LEFT_OUT; each of them once, the first one that fits."""
    taken: set[str] = set()
    columns = []
    for index, text in enumerate(sheet.header):
        code = names.get(folded(text), LEFT_OUT)
        if not code and PERIOD not in taken and _is_period_column(sheet, index):
            code = PERIOD
        columns.append(LEFT_OUT if code in taken else code)
        taken.add(code)
        taken.discard(LEFT_OUT)
    return tuple(columns)


def _is_period_column(sheet: Sheet, index: int) -> bool:
    cells = [row[index] for row in sheet.rows]
    return bool(cells) and all(read_period(cell) is not None for cell in cells)


def fits(columns: Sequence[str], sheet: Sheet, table: TableDefinition) -> bool:
    """Whether a remembered layout can be one of this sheet and table: each cell once, nothing unknown."""
    used = [code for code in columns if code != LEFT_OUT]
    return (
        len(columns) == len(sheet.header)
        and len(set(used)) == len(used)
        and set(used) <= {PERIOD, *table.cells}
        and bool(set(used) - {PERIOD})
    )


def read_figures(
    sheet: Sheet, columns: Sequence[str], table: TableDefinition, *, period: str | None, today: date
) -> Figures:
    """The figures of a sheet. `period` is that of the only row where no column says it.

    An empty cell is wrong: it may be zero or not collected, and only who sends the table knows.
    """
    values: dict[str, dict[str, int | None]] = {}
    errors: list[RowError] = []
    for line, row in zip(sheet.lines, sheet.rows, strict=True):
        label = _period_of(row, columns, period if len(sheet.rows) == 1 else None, table, today)
        if label in _PROBLEMS:
            errors.append(RowError(line, _header(sheet, columns, PERIOD), label))
        elif label in values:
            errors.append(RowError(line, _header(sheet, columns, PERIOD), TWICE))
        figures: dict[str, int | None] = {}
        for index, code in enumerate(columns):
            if code in (PERIOD, LEFT_OUT):
                continue
            value = read_cell(row[index])
            if isinstance(value, str):
                errors.append(RowError(line, sheet.header[index], value))
            else:
                figures[code] = value
        values.setdefault(label, figures)
    return Figures(values, tuple(errors))


def read_cell(text: str) -> int | str | None:
    """A number, None for "not collected", or what was expected."""
    if text == NOT_COLLECTED:
        return None
    if _COUNT.fullmatch(text) and int(text) <= MAX_COUNT:
        return int(text)
    if not text:
        return EMPTY
    if _MARKED.fullmatch(text):
        return MARKED
    if text == UNREADABLE or not _COUNT.fullmatch(text):
        return NO_NUMBER
    return TOO_MANY


def _header(sheet: Sheet, columns: Sequence[str], code: str) -> str:
    return sheet.header[columns.index(code)] if code in columns else ""


def _period_of(
    row: Sequence[str], columns: Sequence[str], given: str | None, table: TableDefinition, today: date
) -> str:
    """The label, or one of _PROBLEMS."""
    label = read_period(row[columns.index(PERIOD)]) if PERIOD in columns else given
    if label is None:
        return WRONG_PERIOD
    period = parse_period(label)
    if period.granularity not in table.granularities:
        return OTHER_LENGTH
    return label if period.first_day <= today else NOT_BEGUN
