"""A list of practices from elsewhere, as JSON or CSV, becomes drafts: one Markdown file each, for a person to complete.

    [columns]                       # field of a practice = column of the list
    title = "program"
    summary = "description"
    [constants]                     # the same for every practice
    outcome = "too_early"
    agencies = ["community_org:deliver"]

Nothing is released by this: every draft is still checked, asked for and looked at like any other.
"""

import csv
import io
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local_node.drafts import DraftError, parse_draft, to_markdown
from local_node.narrative import DETECTOR
from shared_schema.content import PracticeBody
from shared_schema.errors import SchemaError
from shared_schema.statement import Kind

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS: Final = 10_000
FORM: Final = (
    "expected a mapping in TOML with [columns] and [constants]: fields of a practice and their columns or values"
)
_PLACEHOLDER: Final = {
    "area": {"scheme": "ISO3166", "version": "2024", "code": "ZZ"},
    "review": {"role": "reviewer", "detector": DETECTOR, "findings": 0},
}


@dataclass(frozen=True, slots=True)
class ListMapping:
    """What the columns of a list mean, and what is the same for all."""

    columns: Mapping[str, str]
    constants: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListedDraft:
    """One row as a draft. `missing` says what a person has still to do, None when it is complete."""

    row: int
    name: str
    text: str
    missing: str | None


@dataclass(frozen=True, slots=True)
class DraftList:
    """What a list gave; `repeated` are the numbers of rows that say the same as an earlier one."""

    drafts: tuple[ListedDraft, ...]
    repeated: tuple[int, ...]


def parse_list_mapping(data: bytes) -> ListMapping:
    """Raises DraftError."""
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise DraftError(FORM) from None
    columns, constants = values.get("columns", {}), values.get("constants", {})
    known = set(PracticeBody.model_fields) - set(_PLACEHOLDER)
    if (
        set(values) - {"columns", "constants"}
        or not isinstance(columns, dict)
        or not isinstance(constants, dict)
        or not all(isinstance(column, str) for column in columns.values())
        or set(columns) & set(constants)
        or not all(_is_plain(value) for value in constants.values())
    ):
        raise DraftError(FORM)
    if unknown := sorted((set(columns) | set(constants)) - known):
        raise DraftError(
            f"expected fields of a practice, got {len(unknown)} others; there are {', '.join(sorted(known))}"
        )
    return ListMapping(columns, constants)


def parse_list(data: bytes, mapping: ListMapping) -> DraftList:
    """Read a list and give one draft for every row that says something new.

    Raises DraftError: neither JSON nor CSV, too many rows, a column that the list does not have.
    """
    rows = _read_rows(data)
    if len(rows) > MAX_ROWS:
        raise DraftError(f"expected at most {MAX_ROWS} rows")
    known = {name for row in rows for name in row}
    if missing := [column for column in mapping.columns.values() if column not in known]:
        raise DraftError(f"expected a list with the columns of the mapping; {len(missing)} are not there")
    drafts, repeated, seen = [], [], set()
    for number, row in enumerate(rows, start=1):
        fields = {field: text for field, column in mapping.columns.items() if (text := _text(row.get(column)))}
        key = tuple(sorted((field, _fold(text)) for field, text in fields.items()))
        if not fields or key in seen:
            repeated.append(number)
            continue
        seen.add(key)
        draft = dict(mapping.constants) | fields
        text = to_markdown(draft)
        drafts.append(ListedDraft(number, _name(number, fields), text, _missing(text)))
    return DraftList(tuple(drafts), tuple(repeated))


def _is_plain(value: object) -> bool:
    """A text, a number, or a list of texts: what is written and read back as the same."""
    return isinstance(value, (str, int)) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _read_rows(data: bytes) -> Sequence[Mapping[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip()[:1] != "[":
            return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        rows = json.loads(text)
    except (ValueError, RecursionError, csv.Error):
        raise DraftError("expected a list in UTF-8: a JSON array of objects, or CSV with a line of names") from None
    if not all(isinstance(row, dict) for row in rows):
        raise DraftError("expected a JSON array of objects")
    return list(rows)


def _text(value: object) -> str:
    """One line, without what has no place in UTF-8."""
    return " ".join(value.split()).encode("utf-8", "ignore").decode() if isinstance(value, str) else ""


def _fold(text: str) -> str:
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _name(number: int, fields: Mapping[str, str]) -> str:
    plain = unicodedata.normalize("NFKD", fields.get("title", "")).encode("ascii", "ignore").decode().lower()
    return "-".join([f"{number:04d}", *re.findall(r"[a-z0-9]+", plain)[:6]]) + ".md"


def _missing(text: str) -> str | None:
    """What is wrong with the draft as a practice, read back as it was written; no words of the text are repeated."""
    try:
        PracticeBody.from_object(parse_draft(text.encode(), Kind.PRACTICE) | _PLACEHOLDER)
    except (DraftError, SchemaError) as error:
        return error.message
    return None
