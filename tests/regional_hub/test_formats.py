"""Figures as files: the same in every format, never a number where there is none, and the same bytes for ever."""

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

import openpyxl
import pyarrow.parquet as pq
import pytest

from regional_hub.figure_answer import Citation, find_answer
from regional_hub.figures import Figure, FigureQuery, FigureQueryError
from regional_hub.formats import FORMATS, TooManyRowsError
from regional_hub.formats.columns import COLUMNS
from regional_hub.formats.parquet_file import ROWS_A_GROUP
from regional_hub.formats.sdmx import ATTRIBUTES, DATA_SET_ATTRIBUTES, dimensions_of
from regional_hub.formats.sdmx_json import STATUS_NAMES
from regional_hub.formats.xlsx_file import MOST_ROWS
from shared_schema.service.exports import FORMULA_SIGNS, ROWS_A_CHUNK
from shared_schema.trend import WITH_VALUE, CellStatus
from tests.regional_hub.figure_samples import CITATION, FIGURES, GOOD, HIDDEN, LINK, QUERY, answer_of, digests, write
from tests.regional_hub.running import RunningHub
from tests.regional_hub.test_figures import NAMES, SEPTEMBER, publisher_of, release
from tests.shared_schema import builders

Row = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[2]
TEXTS: Final = {
    "json": "cdf1aab2276ffa48a7af857ea6ba373b5b9a5e1301c42bcf4a8e2913ce65a094",
    "csv": "87eac6476e5a4681fb4030f17ccccc5b97074b0f369d9b09bfd38f79c6ba4c21",
    "sdmx-csv": "a864f5c1b6992e8bc53d7eab9c58fe0ac844bd5c20b0513509118ccba8cf65de",
    "sdmx-json": "5037be5d2df57af8394fbb89511ef8dbdcf38a370c8e6649bece9face0c870b7",
}
"""SHA-256 of the files that no library has a hand in."""


def expected(figure: Figure, query: FigureQuery = QUERY, citation: Citation = CITATION) -> Row:
    return {
        "measure": query.table.measure,
        "table": query.table.id,
        "table_version": figure.table_version,
        "dimension": query.table.dimension,
        "cell": figure.cell,
        "area": figure.area,
        "publisher": figure.origin,
        "period": figure.period,
        "by": query.by,
        "source": figure.source,
        "status": figure.status,
        "estimate": figure.estimate,
        "low": figure.low,
        "high": figure.high,
        "variance_milli": figure.variance_milli,
        "contributors": figure.contributors,
        "cities_reporting": figure.reporting,
        "cities_expected": figure.expected,
        "cities_suppressed": figure.suppressed,
        "suppressed_at_most": figure.suppressed_high,
        "withheld": figure.withheld,
        "revision": figure.revision,
        "entry": figure.entry,
        "policy_version": citation.policy_version,
        "as_of": query.as_of,
        "citation": citation.line,
    }


# --- one independent reader for each format -------------------------------------------------------------------------


def read_json(data: bytes) -> list[Row]:
    whole = json.loads(data)
    figures = whole.pop("figures")
    return [{name: (whole | figure)[name] for name in COLUMNS} for figure in figures]


def read_csv(data: bytes) -> list[Row]:
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    return [{name: typed(name, text) for name, text in row.items()} for row in rows]


def typed(column: str, text: str | None) -> str | int | None:
    """What a cell of a text file says: an empty one nothing, one of a column of numbers a number."""
    return None if text in ("", None) else int(text) if COLUMNS[column] is int else text


def read_xlsx(data: bytes) -> list[Row]:
    header, *rows = openpyxl.load_workbook(io.BytesIO(data))["Figures"].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def read_parquet(data: bytes) -> list[Row]:
    rows: list[Row] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def read_sdmx_csv(data: bytes, query: FigureQuery = QUERY) -> list[Row]:
    """With sdmx1, told the structure that docs/analyst_guide.md describes."""
    import sdmx  # here, since it brings pandas: every process of a test run would load both to collect this module
    from sdmx.message import DataMessage
    from sdmx.model import common, v30

    names = dimensions_of(query.table)
    structure = v30.DataStructureDefinition(
        id="FIGURES",
        dimensions=common.DimensionDescriptor(
            components=[common.Dimension(id=name, order=place) for place, name in enumerate(names)]
        ),
        measures=v30.MeasureDescriptor(components=[v30.Measure(id="OBS_VALUE")]),
        attributes=common.AttributeDescriptor(
            components=[common.DataAttribute(id=name) for name in (*ATTRIBUTES.values(), *DATA_SET_ATTRIBUTES.values())]
        ),
    )
    message = sdmx.read_sdmx(io.BytesIO(data), format="csv", structure=structure)
    assert isinstance(message, DataMessage)
    found = []
    for observation in message.data[0].obs if message.data else ():
        values = {name: observation.dimension[name].value for name in names}
        values |= {name: each.value for name, each in observation.attached_attribute.items()}
        found.append(from_sdmx(values | {"OBS_VALUE": observation.value}, names[2]))
    return [{name: typed(name, value) for name, value in row.items()} for row in found]


def from_sdmx(values: Row, own: str) -> Row:
    """Our columns of one SDMX observation."""
    names = {**ATTRIBUTES, **DATA_SET_ATTRIBUTES}
    names |= {"area": "REF_AREA", "cell": own, "period": "TIME_PERIOD", "estimate": "OBS_VALUE"}
    fixed = {"by": {"M": "month", "Q": "quarter", "A": "year"}[values["FREQ"]], "dimension": own.lower()}
    return {name: fixed[name] if name in fixed else values[names[name]] for name in COLUMNS}


def read_sdmx_json(data: bytes) -> list[Row]:
    """By the field guide of SDMX-JSON 2.1.0: an index where a component has `values`, else the value itself."""
    message = json.loads(data)["data"]
    (structure,), (data_set,) = message["structures"], message["dataSets"]
    dimensions = structure["dimensions"]["observation"]
    assert [each["keyPosition"] for each in dimensions] == [0, 1, 2, 3]
    constant = resolve(structure["attributes"]["dataSet"], data_set["attributes"])
    components = structure["measures"]["observation"] + structure["attributes"]["observation"]
    found = []
    for key, values in data_set["observations"].items():
        place = resolve(dimensions, [int(number) for number in key.split(":")])
        found.append(from_sdmx(constant | place | resolve(components, values), dimensions[2]["id"]))
    return found


def resolve(components: Sequence[Row], values: Sequence[Any]) -> Row:
    """What each component says: coded or not coded, never both, and every component has its place."""
    found = {}
    for component, value in zip(components, values, strict=True):
        if "values" in component and value is not None:
            listed = component["values"][value]
            assert ("id" in listed) != ("value" in listed)
            value = listed["id"] if "id" in listed else listed["value"]
        found[component["id"]] = value
    return found


READERS: Final[dict[str, Callable[[bytes], list[Row]]]] = {
    "json": read_json,
    "csv": read_csv,
    "xlsx": read_xlsx,
    "parquet": read_parquet,
    "sdmx-csv": read_sdmx_csv,
    "sdmx-json": read_sdmx_json,
}
every_format = pytest.mark.parametrize("name", FORMATS)


# --- the same in every format ---------------------------------------------------------------------------------------


def test_every_format_has_a_reader_of_its_own() -> None:
    assert list(READERS) == list(FORMATS)
    assert all(each.name == name for name, each in FORMATS.items())


@every_format
def test_an_answer_is_read_back_row_by_row(name: str) -> None:
    assert READERS[name](write(name)) == [expected(figure) for figure in FIGURES]


@every_format
def test_an_answer_without_figures_is_a_whole_file(name: str) -> None:
    assert READERS[name](write(name, ())) == []


@every_format
@pytest.mark.parametrize(("by", "label"), [("quarter", "2026-Q3"), ("year", "2026")])
def test_quarters_and_years_have_their_own_labels(name: str, by: Any, label: str) -> None:
    query = replace(QUERY, by=by, first=2026 * 12 + (6 if by == "quarter" else 0), last=2026 * 12 + 8)
    (row,) = READERS[name](write(name, [replace(GOOD, period=label)], query=query))
    assert (row["by"], row["period"], row["estimate"]) == (by, label, 12)


def test_sdmx1_reads_the_json_message_too_once_it_is_laid_out_as_in_1_0() -> None:
    """sdmx1 knows SDMX-JSON 1.0 alone. Its keys, values and attributes are those of 2.1 in other places."""
    import sdmx
    from sdmx.message import DataMessage

    message = json.loads(write("sdmx-json"))["data"]
    structure, data_set = message["structures"][0], message["dataSets"][0]
    for dimension in structure["dimensions"]["observation"]:
        dimension["values"] = [{"id": each.get("id", each.get("value"))} for each in dimension["values"]]
    for place, attribute in enumerate(structure["attributes"]["observation"], start=1):
        attribute["name"] = attribute["id"]
        if "values" not in attribute:  # 1.0 has a list of values for every attribute
            attribute["values"] = values = []
            for row in data_set["observations"].values():
                values.append({"name": row[place]})
                row[place] = None if row[place] is None else len(values) - 1
    header = {"id": "x", "prepared": CITATION.published_at, "sender": {"id": "sachsen_de"}}
    parts = {key: {"observation": structure[key]["observation"]} for key in ("dimensions", "attributes")}
    old = {"header": header, "structure": parts, "dataSets": [{k: data_set[k] for k in ("action", "observations")}]}
    read = sdmx.read_sdmx(io.BytesIO(json.dumps(old).encode()), format="json")
    assert isinstance(read, DataMessage)
    found = read.data[0].obs
    assert len(found) == len(FIGURES)
    for observation, figure in zip(found, FIGURES, strict=True):
        assert [str(each) for each in observation.dimension.get_values()] == [
            "M", figure.area, figure.cell, figure.period,
        ]  # fmt: skip
        assert observation.value == figure.estimate
        row = expected(figure)
        attached = {name: each.value for name, each in observation.attached_attribute.items()}
        assert attached.pop("OBS_STATUS").id == figure.status
        assert attached == {
            theirs: row[ours] for ours, theirs in ATTRIBUTES.items() if ours != "status" and row[ours] is not None
        }


def test_a_figure_of_a_real_hub_is_the_same_in_all_formats_and_for_ever(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in NAMES]
    release(hub, cities, builders.MONTH, 5, 7, 9)
    release(hub, cities[:2], SEPTEMBER, 1, 2, 3)

    def ask(name: str, **parameters: list[str]) -> tuple[bytes, FigureQuery]:
        with hub.hub.database.read() as session:
            answer = find_answer(session, parameters, publisher_of(hub))
            return b"".join(FORMATS[name].write(answer)), answer.query

    query = ask("json")[1]
    link: dict[str, list[str]] = {}
    for parameter, value in query.parameters:
        link.setdefault(parameter, []).append(value)
    before = {name: ask(name, **link)[0] for name in FORMATS}
    rows = [READERS[name](data) for name, data in before.items()]
    assert len(rows[0]) == 2 * 4 and all(each == rows[0] for each in rows)
    assert {(each["period"], each["status"], each["estimate"] is None) for each in rows[0]} == {
        ("2026-09", "Q", True),
        ("2026-10", "A", False),
    }
    hub.clock.advance(days=400)
    release(hub, cities[2:], SEPTEMBER, 4, 4, 4)
    assert ask("json")[0] != before["json"]
    assert {name: ask(name, **link)[0] for name in FORMATS} == before


# --- no value is no value -------------------------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("status", get_args(CellStatus))
def test_a_suppressed_figure_is_never_zero_and_a_zero_is_one(name: str, status: CellStatus) -> None:
    """Also where a mistake further down has left a value beside the status."""
    figure = replace(GOOD, status=status, estimate=0, low=0, high=0, variance_milli=0)
    (row,) = READERS[name](write(name, [figure]))
    value = 0 if status in WITH_VALUE else None
    assert [row[column] for column in ("estimate", "low", "high", "variance_milli")] == [value] * 4
    assert (value is None) == (status in ("Q", "L"))


def test_a_value_that_is_not_there_leaves_nothing_that_could_be_read_as_one() -> None:
    line = list(csv.reader(io.StringIO(write("csv", [HIDDEN]).decode())))[1]
    assert line[list(COLUMNS).index("estimate")] == ""
    (figure,) = json.loads(write("json", [HIDDEN]))["figures"]
    assert figure["estimate"] is None
    cells = openpyxl.load_workbook(io.BytesIO(write("xlsx", [HIDDEN])))["Figures"]
    assert cells.cell(2, list(COLUMNS).index("estimate") + 1).value is None
    assert pq.read_table(io.BytesIO(write("parquet", [HIDDEN])))["estimate"].null_count == 1
    header, line = csv.reader(io.StringIO(write("sdmx-csv", [HIDDEN]).decode()))
    assert line[header.index("OBS_VALUE")] == ""
    (values,) = json.loads(write("sdmx-json", [HIDDEN]))["data"]["dataSets"][0]["observations"].values()
    assert values[0] is None


def test_every_status_has_its_name_in_the_code_list() -> None:
    assert set(STATUS_NAMES) == set(get_args(CellStatus))


# --- what else a file carries ---------------------------------------------------------------------------------------


def test_json_parquet_and_workbook_say_what_was_asked_and_by_whom_it_is_published() -> None:
    asked = {
        "table": ["bias_incidents.by_offence"], "area": ["DED", "DE"], "by": ["month"],
        "from": ["2026-09"], "to": ["2026-10"],
    }  # fmt: skip
    head = json.loads(write("json"))
    assert head["filters"] == asked
    notes = {
        key.decode(): value.decode() for key, value in pq.read_schema(io.BytesIO(write("parquet"))).metadata.items()
    }
    assert json.loads(notes["filters"]) == asked
    sheet: list[Any] = list(
        openpyxl.load_workbook(io.BytesIO(write("xlsx")))["About"].iter_rows(min_row=2, values_only=True)
    )
    assert [value for key, value in sheet if key == "filter area"] == ["DED", "DE"]
    about: dict[Any, Any] = dict(sheet)
    for name, value in {
        "table_version": 1, "policy_version": 2, "as_of": 7, "link": LINK, "citation": CITATION.line,
        "published_at": "2026-11-22T09:00:00Z", "table_title": "Bias incidents by offence",
    }.items():  # fmt: skip
        assert (head[name], notes[name], about[name]) == (value, str(value), value)


def test_an_sdmx_message_names_the_table_in_its_wording_and_the_time_of_the_log() -> None:
    table = builders.TABLE.model_copy(update={"version": 3})
    message = json.loads(write("sdmx-json", query=replace(QUERY, table=table)))
    assert message["meta"]["prepared"] == CITATION.published_at
    assert message["meta"]["sender"] == {"id": "sachsen_de", "name": "sachsen.de"}
    urn = message["data"]["structures"][0]["links"][0]["urn"]
    assert urn.endswith("Dataflow=sachsen.de:bias_incidents_by_offence(3.0.0)")
    line = write("sdmx-csv", query=replace(QUERY, table=table)).splitlines()[1]
    assert line.startswith(b"dataflow,sachsen.de:bias_incidents_by_offence(3.0.0),I,M,DED,verbal,2026-09,12,A,")


@pytest.mark.parametrize(
    ("dimension", "component"),
    [("offence", "OFFENCE"), ("a.b_c", "A_B_C"), ("entry", "DIM_ENTRY"), ("freq", "DIM_FREQ")],
)
def test_a_dimension_gets_an_id_that_sdmx_allows_and_nothing_else_has(dimension: str, component: str) -> None:
    table = builders.TABLE.model_copy(update={"dimension": dimension})
    header = next(csv.reader(io.StringIO(write("sdmx-csv", query=replace(QUERY, table=table)).decode())))
    assert header[5] == component and len(set(header)) == len(header)


def test_an_agency_has_no_part_that_begins_with_a_digit() -> None:
    citation = replace(CITATION, hub="24h.1stadt.de")
    assert b",N24h.N1stadt.de:bias" not in write("sdmx-csv", citation=CITATION)
    assert b",N24h.N1stadt.de:bias" in write("sdmx-csv", citation=citation)


# --- formulas -------------------------------------------------------------------------------------------------------

EVIL: Final = "=cmd|' /C calc'!A0"


def test_no_text_of_a_spreadsheet_is_a_formula_and_programs_get_it_as_it_is() -> None:
    table = builders.TABLE.model_copy(update={"title": EVIL, "cells": ("+A1", "-2", "@x")})
    parts = {"query": replace(QUERY, table=table), "citation": replace(CITATION, line=EVIL)}
    figures = [replace(GOOD, cell=code, estimate=-5) for code in table.cells]
    for name in ("csv", "sdmx-csv"):
        for row in csv.reader(io.StringIO(write(name, figures, **parts).decode())):
            assert all(text == "-5" or text[:1] not in FORMULA_SIGNS for text in row if text)
    book = openpyxl.load_workbook(io.BytesIO(write("xlsx", figures, **parts)))
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells) and f"'{EVIL}" in [cell.value for cell in cells]
    for name in ("json", "parquet", "sdmx-json"):
        rows = READERS[name](write(name, figures, **parts))
        assert [(row["cell"], row["citation"]) for row in rows] == [(code, EVIL) for code in table.cells]


# --- the same bytes -------------------------------------------------------------------------------------------------


def test_another_process_elsewhere_makes_the_same_bytes_and_loads_a_library_only_for_its_format() -> None:
    code = """
import json, sys
import regional_hub.formats
loaded = sorted({"openpyxl", "pyarrow", "pandas"} & set(sys.modules))
from tests.regional_hub.figure_samples import digests
print(json.dumps([loaded, digests()]))
"""
    environment = os.environ | {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True, text=True
    )
    assert json.loads(done.stdout) == [[], digests()]


def test_the_bytes_behind_a_permanent_link_change_only_on_purpose() -> None:
    """A new digest here breaks every link that somebody has cited: docs/adr/0025."""
    assert {name: digest for name, digest in digests().items() if name in TEXTS} == TEXTS


def test_a_workbook_holds_no_time_but_that_of_the_log_and_no_version_of_a_library() -> None:
    with zipfile.ZipFile(io.BytesIO(write("xlsx"))) as archive:
        assert {each.date_time for each in archive.infolist()} == {(2026, 11, 22, 9, 0, 0)}
        core, app = archive.read("docProps/core.xml"), archive.read("docProps/app.xml")
    assert core.count(b"2026-11-22T09:00:00Z") == 2 and b"sachsen.de" in core
    assert openpyxl.__version__.encode() not in core + app and b"openpyxl" not in (core + app).lower()


def test_a_workbook_of_an_empty_log_has_a_time_that_an_archive_can_hold() -> None:
    data = write("xlsx", (), citation=replace(CITATION, published_at="1970-01-01T00:00:00Z"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --- many figures ---------------------------------------------------------------------------------------------------

MANY: Final = replace(
    QUERY, table=builders.TABLE.model_copy(update={"cells": tuple(f"c{number}" for number in range(400))}),
    first=1900 * 12, last=1929 * 12 + 11,
)  # fmt: skip
STREAMED: Final = [name for name in FORMATS if name != "xlsx"]


class Counted:
    """Many figures, and how many were taken so far."""

    def __init__(self, number: int) -> None:
        self.taken = 0
        self._number = number

    def __iter__(self) -> Iterator[Figure]:
        labels = MANY.labels
        for place in range(self._number):
            self.taken += 1
            yield replace(GOOD, cell=f"c{place // 300}", period=labels[place % 300], estimate=place)


def read_estimates(name: str, data: bytes) -> list[int]:
    rows = read_sdmx_csv(data, MANY) if name == "sdmx-csv" else READERS[name](data)
    return [row["estimate"] for row in rows]


def pieces(name: str, figures: Counted) -> Iterator[tuple[int, bytes]]:
    """Each piece of a file with the number of figures that were read for it."""
    before = 0
    for chunk in FORMATS[name].write(answer_of(figures, query=MANY)):
        yield figures.taken - before, chunk
        before = figures.taken


def check_pieces(name: str, number: int) -> bytes:
    """Whatever the number of figures, a piece is made of few of them, and is small."""
    taken = []
    file = io.BytesIO()
    for read, chunk in pieces(name, Counted(number)):
        taken.append(read)
        assert len(chunk) < 2**20
        file.write(chunk)
    assert max(taken) <= (ROWS_A_GROUP if name == "parquet" else ROWS_A_CHUNK)
    assert sum(taken) == number and len(taken) > 1
    return file.getvalue()


@pytest.mark.parametrize("name", STREAMED)
def test_a_long_answer_comes_in_pieces_and_whole(name: str) -> None:
    assert read_estimates(name, check_pieces(name, 1200)) == list(range(1200))


@pytest.mark.long
@pytest.mark.parametrize("name", STREAMED)
def test_a_hundred_thousand_figures_come_in_small_pieces(name: str) -> None:
    check_pieces(name, 100_000)


@pytest.mark.long
@pytest.mark.parametrize("name", STREAMED)
def test_ten_times_the_figures_need_no_more_memory(name: str) -> None:
    def peak(number: int) -> int:
        tracemalloc.start()
        try:
            for _ in pieces(name, Counted(number)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    write(name)  # what a library holds once it is loaded is not what an answer needs
    step = ROWS_A_GROUP if name == "parquet" else ROWS_A_CHUNK
    assert peak(5 * step) < 1.5 * peak(2 * step)


def test_a_workbook_has_an_end_and_says_so_before_it_begins() -> None:
    figures = Counted(MOST_ROWS + 500)
    with pytest.raises(TooManyRowsError, match="take CSV or Parquet") as caught:
        FORMATS["xlsx"].write(answer_of(figures, query=MANY))
    assert figures.taken == MOST_ROWS + 1 and FORMATS["xlsx"].most_rows == MOST_ROWS
    assert issubclass(TooManyRowsError, FigureQueryError) and caught.value.parameter == "format"


# --- sealed totals ----------------------------------------------------------------------------------------------------


def write_sealed(name: str) -> bytes:
    figures = [replace(figure, mechanism="two-hub") for figure in FIGURES[:2]] + [FIGURES[2]]
    return b"".join(FORMATS[name].write(replace(answer_of(figures), tells_mechanism=True)))


def test_every_format_says_which_figures_are_sealed_totals() -> None:
    said = ["two-hub", "two-hub", "cities"]
    assert [figure["mechanism"] for figure in json.loads(write_sealed("json"))["figures"]] == said
    rows = list(csv.DictReader(io.StringIO(write_sealed("csv").decode())))
    assert [row["mechanism"] for row in rows] == said
    header, *cells = openpyxl.load_workbook(io.BytesIO(write_sealed("xlsx")))["Figures"].iter_rows(values_only=True)
    assert [dict(zip(header, row, strict=True))["mechanism"] for row in cells] == said
    assert pq.read_table(io.BytesIO(write_sealed("parquet")))["mechanism"].to_pylist() == said
    rows = list(csv.DictReader(io.StringIO(write_sealed("sdmx-csv").decode())))
    assert [row["MECHANISM"] for row in rows] == said
    data = json.loads(write_sealed("sdmx-json"))["data"]
    names = [each["id"] for each in data["structures"][0]["attributes"]["observation"]]
    place = 1 + names.index("MECHANISM")
    assert [row[place] for row in data["dataSets"][0]["observations"].values()] == said


def test_a_table_without_sealed_totals_has_the_columns_of_before() -> None:
    for name in ("json", "csv", "sdmx-csv", "sdmx-json"):
        assert b"mechanism" not in write(name).lower()
