"""Raw records: an agency's file in, typed records or a list of what is wrong out. It opens nothing and stores nothing.

Two kinds of files. *Returns* have one row per period and one column per cell: a blank means not collected, 0 means
zero. *Events* have one row per event with a date and its dimensions; the person who imports says which periods the file
covers, so that a period without an event is a zero and not a gap.

A wrong row is named by its line and column and never by what it holds. The rest of the file is still read, so that
everything that is wrong is said at once.

    parsed = parse_csv(data, parse_mapping(toml), agency="police", today=date(2026, 11, 22))
"""

import csv
import io
import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local_node.errors import RecordError
from shared_schema.errors import SchemaError
from shared_schema.names import CellCode, TermId
from shared_schema.period import Period, parse_period
from shared_schema.vocabulary import SourceKind

MAX_FILE_BYTES: Final = 5 * 1024 * 1024  # thirty years of daily events; small enough to read whole
MAX_COUNT: Final = 10**8  # far above any city's month
MAX_MAPPING_ERRORS: Final = 5
MAX_REFERENCE: Final = 200  # characters of an agency's file reference
DELIMITERS: Final = ",;\t"
DATE_FORMATS: Final = {"iso": "%Y-%m-%d", "german": "%d.%m.%Y"}
_COUNT: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9_.+-]{1,40}", re.ASCII)
_AGENCY: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}", re.ASCII)


Status = Literal["A", "B", "D"]
"""SDMX OBS_STATUS of what was collected: reported, break in the series, definition differs."""
STATUSES: Final[dict[str, Status]] = {"A": "A", "B": "B", "D": "D"}

# --- what comes out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """One cell of an agency's return for one period. `value` is None where it was not collected.

    `counted_in` is the period that a late return counts in; None is its own.
    """

    table: str
    agency: str
    period: str
    cell: str
    value: int | None
    source_kind: SourceKind
    status: Status = "A"
    counted_in: str | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event, with its cell code in every dimension of the mapping, the dimensions in alphabetical order.

    `unit_hash` is the keyed hash of the agency's file reference; the reference itself is kept nowhere.
    """

    measure: str
    agency: str
    recorded_on: date
    dims: tuple[tuple[str, str], ...]
    unit_hash: str | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one place of the file. Lines count from 1, the header included; the column is its header."""

    line: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a file holds. `periods` are those that an events file covers, all of them, by `dimensions`."""

    records: tuple[ReturnRecord | EventRecord, ...]
    errors: tuple[RowError, ...]
    periods: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()


# --- the mapping ---------------------------------------------------------------------------------------------------


def _check_label(label: str) -> str:
    try:
        return parse_period(label).label
    except SchemaError as error:
        raise ValueError(error.message) from None


PeriodLabel = Annotated[str, AfterValidator(_check_label)]


class _Mapping(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    measure: TermId
    source_kind: SourceKind = SourceKind.AGENCY_RETURN
    break_from: PeriodLabel | None = None
    definition_differs: bool = False

    def status_of(self, label: str) -> Status:
        """`D` where the agency counts by another definition, `B` in the period in which its series breaks."""
        return "D" if self.definition_differs else "B" if label == self.break_from else "A"


Word = Annotated[str, AfterValidator(lambda text: unicodedata.normalize("NFC", text))]
Header = Annotated[Word, Field(min_length=1, max_length=100)]


class ReturnsMapping(_Mapping):
    """Which column of a return is which cell of which table. A column that is in neither list stops the import."""

    kind: Literal["returns"]
    table: TermId
    period_column: Header = "month"
    columns: Annotated[dict[Header, CellCode], Field(min_length=1, max_length=400)]
    ignore: tuple[Header, ...] = ()


class DimensionColumn(BaseModel):
    """Where a dimension stands, and which of its words is which cell; without `values` the words are the cells."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    column: Header
    values: dict[Word, CellCode] | None = None


class EventsMapping(_Mapping):
    """Which columns of a list of events are read. All others are left alone: they never enter the node.

    `unit_column` has the agency's own file reference, with which a person counts once; it is hashed while it is read.
    """

    kind: Literal["events"]
    date_column: Header = "date"
    date_format: Literal["iso", "german"] = "iso"
    unit_column: Header | None = None
    dimensions: Annotated[dict[TermId, DimensionColumn], Field(min_length=1, max_length=10)]


Mapping = Annotated[ReturnsMapping | EventsMapping, Field(discriminator="kind")]
_MAPPING: Final[TypeAdapter[ReturnsMapping | EventsMapping]] = TypeAdapter(Mapping)
_FIELDS: Final = {*ReturnsMapping.model_fields, *EventsMapping.model_fields, *DimensionColumn.model_fields}


def parse_mapping(data: bytes) -> ReturnsMapping | EventsMapping:
    """Read a mapping from TOML. Raises RecordError naming the field that is wrong.

    kind = "returns"
    measure = "bias_incidents"
    table = "bias_incidents.by_offence"
    columns = { assault = "assault", arson = "arson" }
    """
    try:
        value: Any = tomllib.loads(data.decode("utf-8"))
        mapping = _MAPPING.validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise RecordError(f"expected another mapping: {_explain(error)}", code="mapping") from None
    except (ValueError, RecursionError):  # no TOML, no UTF-8, or a number of thousands of digits
        raise RecordError("expected a mapping in TOML (UTF-8)", code="mapping") from None
    if isinstance(mapping, ReturnsMapping) and len(set(mapping.columns.values())) != len(mapping.columns):
        raise RecordError("expected another mapping: every cell from one column", code="mapping")
    return mapping


def _explain(error: ValidationError) -> str:
    """The fields that are wrong, by the names that a mapping gives them; never a name or a value of the agency's."""
    parts = []
    for item in error.errors(include_input=False, include_url=False, include_context=False)[:MAX_MAPPING_ERRORS]:
        if item["type"].startswith("union_tag"):
            return "kind: expected returns or events"
        place = ".".join(str(part) for part in item["loc"][1:] if part in _FIELDS)
        if item["type"] == "extra_forbidden":
            place = f"a field in {place} that no mapping has" if place else "a field that no mapping has"
        parts.append(f"{place}: {item['msg'].removeprefix('Value error, ')}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


# --- the file ------------------------------------------------------------------------------------------------------


def parse_csv(
    data: bytes,
    mapping: ReturnsMapping | EventsMapping,
    *,
    agency: str,
    today: date,
    periods: Sequence[str] = (),
    hash_unit: Callable[[str], str] | None = None,
) -> ParsedFile:
    """Read a CSV file: UTF-8 (with or without BOM), delimiter comma, semicolon or TAB, a header line.

    `periods` (labels such as `2014-01`) are those that a file of events covers; `hash_unit` makes the keyed hash of a
    file reference (`units.hash_unit`) where the mapping has a `unit_column`. Wrong rows are in the result's
    `errors`; RecordError is raised when the file cannot be read as a whole.
    """
    if not _AGENCY.fullmatch(agency):
        raise RecordError("expected an agency's id of small letters, digits, dot, dash or underscore", code="agency")
    rows = _Rows(data)
    if isinstance(mapping, ReturnsMapping):
        if periods:
            raise RecordError("expected no periods: a return names its own", code="periods")
        return _parse_returns(rows, mapping, agency, today)
    if mapping.unit_column is not None and hash_unit is None:
        raise RecordError("expected a key to hash the file references with", code="unit-key")
    return _parse_events(rows, mapping, agency, _covered_periods(periods, today), hash_unit)


def _parse_returns(rows: "_Rows", mapping: ReturnsMapping, agency: str, today: date) -> ParsedFile:
    rows.check_columns({mapping.period_column, *mapping.columns}, others=mapping.ignore)
    records: list[ReturnRecord | EventRecord] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for line, row in rows.read(errors):
        found: list[ReturnRecord | EventRecord] = []
        wrong = len(errors)
        label = _read_period(row[mapping.period_column], today)
        if isinstance(label, Period) and label.label in seen:
            label = "expected every period once"
        if isinstance(label, str):
            errors.append(RowError(line, mapping.period_column, label))
        for column, cell in mapping.columns.items():
            value = _read_count(row[column])
            if isinstance(value, str):
                errors.append(RowError(line, column, value))
            elif isinstance(label, Period):
                status = mapping.status_of(label.label)
                found.append(ReturnRecord(mapping.table, agency, label.label, cell, value, mapping.source_kind, status))
        if len(errors) == wrong and isinstance(label, Period):  # a row is good as a whole or not at all
            seen.add(label.label)
            records += found
    return ParsedFile(tuple(records), tuple(errors))


def _parse_events(
    rows: "_Rows",
    mapping: EventsMapping,
    agency: str,
    periods: Sequence[Period],
    hash_unit: Callable[[str], str] | None,
) -> ParsedFile:
    references = () if mapping.unit_column is None else (mapping.unit_column,)
    rows.check_columns({mapping.date_column, *references, *(place.column for place in mapping.dimensions.values())})
    read_day = cache(partial(_read_day, form=mapping.date_format, periods=periods))  # many events share a day
    places = sorted(mapping.dimensions.items())
    records: list[ReturnRecord | EventRecord] = []
    errors: list[RowError] = []
    for line, row in rows.read(errors):
        wrong = len(errors)
        day = read_day(row[mapping.date_column])
        if isinstance(day, str):
            errors.append(RowError(line, mapping.date_column, day))
        dims = tuple((dimension, _read_code(row[place.column], place)) for dimension, place in places)
        for (_, place), (_, code) in zip(places, dims, strict=True):
            if not code:
                errors.append(RowError(line, place.column, "expected one of the values that the mapping names"))
        unit = None
        if mapping.unit_column is not None and hash_unit is not None:
            if 0 < len(row[mapping.unit_column]) <= MAX_REFERENCE:
                unit = hash_unit(row[mapping.unit_column])
            else:
                errors.append(
                    RowError(line, mapping.unit_column, f"expected a reference of 1 to {MAX_REFERENCE} letters")
                )
        if len(errors) == wrong and isinstance(day, date):
            records.append(EventRecord(mapping.measure, agency, day, dims, unit))
    covered = tuple(period.label for period in periods)
    return ParsedFile(tuple(records), tuple(errors), covered, tuple(mapping.dimensions))


class _Rows:
    """The rows of a CSV file under its header."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_FILE_BYTES:
            raise RecordError(f"expected a file of at most {MAX_FILE_BYTES} bytes", code="too-large")
        try:
            text = unicodedata.normalize("NFC", data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise RecordError(f"expected UTF-8, got another encoding in line {line}", code="encoding") from None
        first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
        if not first:
            raise RecordError("expected a header line", code="header")
        delimiter = max(DELIMITERS, key=first.count)
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self.header = tuple(next(self._lines())[1])
        if len(set(self.header)) != len(self.header):
            raise RecordError("expected every column once in the header", code="header")

    def check_columns(self, needed: Collection[str], others: Collection[str] | None = None) -> None:
        """Raise RecordError unless all `needed` columns are there and, with `others`, no further ones."""
        if missing := sorted(set(needed) - set(self.header)):
            raise RecordError(f"expected the columns {', '.join(missing)} in the header", code="columns")
        if others is not None and (unknown := len(set(self.header) - set(needed) - set(others))):
            raise RecordError(
                f"expected only columns that the mapping names (or lists under ignore), got {unknown} others",
                code="columns",
            )

    def read(self, errors: list[RowError]) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield (line, header → text); a row with another number of fields becomes an error instead."""
        for line, fields in self._lines():
            if len(fields) == len(self.header):
                yield line, dict(zip(self.header, fields, strict=True))
            else:
                message = f"expected {len(self.header)} fields, got {len(fields)}"
                errors.append(RowError(line, self.header[0], message))

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number of the row's first line, its fields); lines without anything are left out."""
        while True:
            line = self._reader.line_num + 1
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                raise RecordError(f"expected CSV, got a row that cannot be read in line {line}", code="csv") from None
            if fields:
                yield line, [field.strip() for field in fields]


# --- one field: the value, or a sentence that says what was expected -----------------------------------------------


def _read_count(text: str) -> int | str | None:
    if not text:
        return None
    if not _COUNT.fullmatch(text) or int(text) > MAX_COUNT:
        return f"expected a whole number from 0 to {MAX_COUNT}, or nothing where it was not collected"
    return int(text)


def _read_period(text: str, today: date) -> Period | str:
    try:
        period = parse_period(text)
    except SchemaError as error:
        return error.message
    return period if period.first_day <= today else "expected a period that has begun"


def _read_day(text: str, form: str, periods: Sequence[Period]) -> date | str:
    try:
        day = datetime.strptime(text, DATE_FORMATS[form]).date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return f"expected a date such as {date(2026, 11, 22).strftime(DATE_FORMATS[form])}"
    if not any(period.first_day <= day <= period.last_day for period in periods):
        return "expected a date in one of the periods that the file covers"
    return day


def _read_code(text: str, place: DimensionColumn) -> str:
    """The cell's code; empty when the text is none."""
    if place.values is not None:
        return place.values.get(text, "")
    return text if _CODE.fullmatch(text) else ""


def _covered_periods(labels: Sequence[str], today: date) -> tuple[Period, ...]:
    if not labels:
        raise RecordError("expected the periods that the file covers: a month without events is a zero", code="periods")
    periods: list[Period] = []
    for label in labels:
        period = _read_period(label, today)
        if isinstance(period, str):
            raise RecordError(f"{period}, as one that the file covers", code="periods")
        if any(period.overlaps(other) for other in periods):
            raise RecordError("expected periods that do not overlap", code="periods")
        periods.append(period)
    return tuple(periods)
