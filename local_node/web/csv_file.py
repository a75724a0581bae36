"""A table as CSV for a spreadsheet, in which no text can become a formula (OWASP, CSV injection; CHECKS 61)."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

FORMULA_SIGNS: Final = frozenset("=+-@\t\r\n|")


def neutralise(cell: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would read it as a formula, wide forms included."""
    text = "".join(letter for letter in cell if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs"))
    begin = unicodedata.normalize("NFKC", text.lstrip(" \u00a0\ufeff")[:1])[:1]
    return f"'{text}" if begin in FORMULA_SIGNS and begin else text


def to_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """UTF-8 with the mark that lets Excel know, CRLF as RFC 4180 has it, every cell neutralised."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([neutralise(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
