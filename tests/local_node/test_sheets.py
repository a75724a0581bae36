"""Tables from Excel: hostile files, numbers with marks, layouts remembered, and nothing kept that nobody asked for."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_node.errors import RecordError
from local_node.layouts import LEFT_OUT, PERIOD, layout_of, names_of, propose, read_figures, upright
from local_node.return_entry import How
from local_node.sheet_store import claim_sheet, find_columns, find_sheet, keep_sheet, remember_columns
from local_node.sheets import MAX_BYTES, UNREADABLE, SheetError, read_pasted, read_period, read_sheet, without_texts
from shared_schema.service.database import Database
from shared_schema.service.exports import xlsx_bytes
from tests.factories import COORDINATOR, NOW, TODAY, add_people, make_table

TABLE = make_table(cells=["assault", "arson", "other"])
NAMES = names_of({"assault": ["Assault", "Körperverletzung"], "arson": ["Arson", "Brand"], "other": ["Other"]})
GOOD = xlsx_bytes("Returns", ("Month", "Assault", "Arson", "Other"), [("2026-10", 3, 0, "n")])


def workbook(fill: Callable[[Any], object]) -> bytes:
    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def rezipped(data: bytes, extra: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            if part.filename not in extra:
                target.writestr(part.filename, source.read(part.filename))
        for name, content in extra.items():
            target.writestr(name, content)
    return out.getvalue()


def with_formula(book: Any) -> None:
    book.active.append(["Month", "Assault"])
    book.active.append(["2026-10", "=1+1"])


def with_hidden_sheet(book: Any) -> None:
    book.active.append(["Month", "Assault"])
    book.create_sheet("notes").sheet_state = "hidden"


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&c;</t></si></sst>'
)

# --- hostile files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("../x.csv", b"Month,Assault\n2026-10,1\n", "file-name"),
        ("..\\x.xlsx", GOOD, "file-name"),
        ("C:x.csv", b"Month,Assault\n2026-10,1\n", "file-name"),
        ("", b"Month\n", "file-name"),
        ("x.csv", b"a" * (MAX_BYTES + 1), "sheet-too-large"),
        ("x.csv", b"Month\n" + b"2026-10\n" * 601, "sheet-too-large"),
        ("x.csv", b"," * 199 + b"\n", "sheet-empty"),
        ("x.csv", b"a," * 200 + b"\n", "sheet-too-large"),
        ("x.csv", b"", "sheet-empty"),
        ("x.csv", b"Month,Assault\n2026-10,=1+1\n", "formula"),
        ("x.csv", b"Month,Assault\n2026-10,+A1\n", "formula"),
        ("x.csv", b"Month,Assault\n2026-10,-1+A1\n", "formula"),
        ("x.csv", b"Month,Assault\n2026-10,-SUM(A1)\n", "formula"),
        ("x.csv", b"Month,Assault\n2026-10,- SUM(A1)\n", "formula"),
        ("x.csv", b"Month,Assault\n2026-10,+ cmd|' /C calc'!A0\n", "formula"),
        ("x.csv", b"Month,@SUM\n2026-10,1\n", "formula"),
        ("x.csv", b'Month,Assault\n2026-10,"1\n', "sheet"),
        ("x.csv", b"\0\1\2\3", "sheet-kind"),
        ("x.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 100, "sheet-kind"),
        ("x.xlsx", b"PK\x03\x04" + b"\0" * 100, "sheet-kind"),
        ("x.xlsx", GOOD[: len(GOOD) // 2], "sheet-kind"),
        ("x.xlsx", workbook(with_formula), "formula"),
        ("x.xlsx", workbook(with_hidden_sheet), "hidden-sheet"),
        ("x.xlsx", rezipped(GOOD, {"xl/vbaProject.bin": b"x"}), "macro"),
        ("x.xlsx", rezipped(GOOD, {"../../etc/passwd": b"x"}), "file-name"),
        ("x.xlsx", rezipped(GOOD, {"xl/media/x.bin": b"\0" * 26 * 1024 * 1024}), "sheet-too-large"),
        ("x.xlsx", rezipped(GOOD, {f"x{n}": b"" for n in range(501)}), "sheet-too-large"),
        ("x.xlsx", rezipped(GOOD, {"xl/worksheets/sheet1.xml": LAUGHS}), "sheet-kind"),
        ("x.xlsx", rezipped(GOOD, {"xl/workbook.xml": LAUGHS}), "sheet-kind"),
        ("x.xlsx", rezipped(GOOD, {"xl/worksheets/sheet1.xml": b"<worksheet"}), "sheet-kind"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_file_is_refused_in_a_sentence(name: str, data: bytes, code: str) -> None:
    with pytest.raises(SheetError, match=r"^expected") as caught:
        read_sheet(name, data)
    assert caught.value.code == code


def test_a_signed_number_and_a_line_of_a_list_are_no_formula_and_no_figure() -> None:
    sheet = read_sheet("x.csv", b"Month,- of which arson,Assault\n2026-10,-5,+ 1\n")
    assert sheet.header == ("Month", "- of which arson", "Assault")
    assert without_texts(sheet).rows == (("2026-10", UNREADABLE, UNREADABLE),)


@pytest.mark.parametrize(
    "above", ["Police,,\n", "Police\n", "Police,,\n,,\nWhat came in,,\n", "Police\n\n2026\n", "\n\n"]
)
def test_titles_above_the_headers_are_passed_over(above: str) -> None:
    sheet = read_sheet("x.csv", f"{above}Month,Assault,Arson\n2026-10,1,2\n".encode())
    assert (sheet.header, sheet.rows) == (("Month", "Assault", "Arson"), (("2026-10", "1", "2"),))
    assert sheet.lines == (above.count("\n") + 2,)


def test_the_sign_between_the_cells_is_looked_for_below_the_title_as_well() -> None:
    sheet = read_sheet("x.csv", b"Figures of 2026, police\nMonth;Assault\n2026-10;1\n")
    assert (sheet.header, sheet.rows) == (("Month", "Assault"), (("2026-10", "1"),))


def test_figures_below_a_lonely_header_are_not_taken_for_headers() -> None:
    sheet = read_sheet("x.csv", b"Month;\n2026-10;3\n2026-11;4\n")
    assert (sheet.header, sheet.rows) == (("Month", ""), (("2026-10", "3"), ("2026-11", "4")))
    with pytest.raises(SheetError) as caught:
        read_sheet("x.csv", b"Assault\n1,200\n")
    assert caught.value.code == "sheet-comma"


def test_headers_on_the_left_and_a_single_column_have_no_title() -> None:
    assert read_pasted("\t2026-10\nAssault\t3").header == ("", "2026-10")
    assert read_pasted("Assault\n3\n4").rows == (("3",), ("4",))


def test_a_number_with_a_comma_between_commas_is_not_two_numbers() -> None:
    """Assault would be 1 and Arson 200: both can be, and both are wrong."""
    with pytest.raises(SheetError) as caught:
        read_sheet("x.csv", b"Month,Assault,Arson\n2026-10,1,200,4\n")
    assert caught.value.code == "sheet-comma" and "line 2" in caught.value.message


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_sheet_or_a_sheet_error(data: bytes) -> None:
    for given_data in (data, b"PK\x03\x04" + data):
        try:
            read_sheet("x", given_data)
        except SheetError:
            continue


# --- good files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        "Month;Assault;Arson;Other\n2026-10;3;0;n\n".encode("utf-16"),
        b"\xef\xbb\xbfMonth,Assault,Arson,Other\r\n2026-10,3,0,n\r\n",
        b"sep=;\r\nMonth;Assault;Arson;Other\r\n2026-10;3;0;n\r\n",
        b"Month;Assault;Arson;Other;Left, right, centre, none, both, and others\r\n2026-10;3;0;n;7\r\n",
        b"Month;K\xf6rperverletzung;Brand;Other\n10/2026;3;0;x\n",
        workbook(
            lambda book: [
                book.active.append(row)
                for row in (["Month", "assault", "arson", "other"], [datetime(2026, 10, 1), 3.0, 0, "z"])  # noqa: DTZ001
            ]
        ),
    ],
    ids=["xlsx", "utf-16", "utf-8", "sep", "commas in a label", "windows-1252", "dates and floats"],
)
def test_what_excel_writes_is_read(data: bytes) -> None:
    sheet = without_texts(read_sheet("x", data))
    figures = read_figures(sheet, propose(sheet, NAMES), TABLE, period=None, today=TODAY)
    assert figures.errors == ()
    assert figures.values == {"2026-10": {"assault": 3, "arson": 0, "other": None}}


@pytest.mark.parametrize("text", ["Assault\t3\nBrand\t0\nother\tn", "\t2026-10\nAssault\t3\nBrand\t0\nother\tn"])
def test_labels_may_stand_on_the_left(text: str) -> None:
    sheet = without_texts(upright(read_pasted(text), NAMES))
    figures = read_figures(sheet, propose(sheet, NAMES), TABLE, period="2026-10", today=TODAY)
    assert figures.errors == ()
    assert figures.values == {"2026-10": {"assault": 3, "arson": 0, "other": None}}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("2026-10", "2026-10"),
        ("10/2026", "2026-10"),
        ("01.10.2026", "2026-10"),
        ("1.10.2026", "2026-10"),
        ("October 2026", "2026-10"),
        ("Okt. 2026", "2026-10"),
        ("Okt 26", "2026-10"),  # what Excel makes of it, and copies
        ("Oct-26", "2026-10"),
        ("2026-10-01", "2026-10"),
        ("2026/10", "2026-10"),
        ("2026 Q4", "2026-Q4"),
        ("4. Quartal 2026", "2026-Q4"),
        ("2026-10-02", None),
        ("Oct-1926", None),
        ("Märzz 2026", None),
        ("Q4 2026", "2026-Q4"),
        ("2026", "2026"),
        ("2.10.2026", None),
        ("13/2026", None),
        ("soon", None),
    ],
)
def test_a_period_is_read_as_people_write_it(text: str, label: str | None) -> None:
    assert read_period(text) == label


def test_what_is_copied_from_a_csv_file_is_read() -> None:
    assert read_pasted("Month;Assault\n2026-10;3").rows == (("2026-10", "3"),)


# --- what is wrong is said by line, and never repeated --------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "empty cell"),
        ("1.234", "point, comma or space"),
        ("1,5", "point, comma or space"),
        ("1 234", "point, comma or space"),
        ("999999999", "smaller"),
        ("many", "whole number"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(cell: str, said: str) -> None:
    sheet = without_texts(read_pasted(f"Month\tAssault\tArson\n2026-09\t1\t2\n2026-10\t{cell}\t2"))
    figures = read_figures(sheet, propose(sheet, NAMES), TABLE, period=None, today=TODAY)
    (error,) = figures.errors
    assert (error.line, error.column) == (3, "Assault")
    assert said in error.message
    assert not cell or cell not in error.message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2026-10\t1\n2026-10\t2", "every period once"),
        ("2027-01\t1", "has begun"),
        ("2026\t1", "as this table has"),
    ],
)
def test_a_wrong_period_is_refused(rows: str, said: str) -> None:
    sheet = read_pasted(f"Month\tAssault\n{rows}")
    figures = read_figures(sheet, (PERIOD, "assault"), TABLE, period=None, today=TODAY)
    assert any(said in error.message for error in figures.errors)


def test_two_rows_without_a_period_are_not_taken_for_one_month() -> None:
    sheet = read_pasted("Assault\tArson\n1\t2\n3\t4")
    figures = read_figures(sheet, propose(sheet, NAMES), TABLE, period="2026-10", today=TODAY)
    assert len(figures.errors) == 2


def test_a_column_that_nobody_asked_for_is_not_kept() -> None:
    sheet = without_texts(read_pasted("Month\tAssault\tRemarks\n2026-10\t3\tAnna Schneider, 17"))
    assert propose(sheet, NAMES) == (PERIOD, "assault", LEFT_OUT)
    assert sheet.rows == (("2026-10", "3", UNREADABLE),)


@pytest.mark.parametrize("header", ["한국어", "ﬁrst", "\ud800", "a\u202eb", "Größe (m²)", ""])
def test_any_header_has_a_layout(header: str) -> None:
    sheet = read_pasted(f"Month\t{header}\tassault\n2026-10\t1\t2")
    assert len(layout_of(sheet)) == 32


# --- remembered ----------------------------------------------------------------------------------------------------


def test_a_layout_is_corrected_once_and_remembered_for_its_agency(node_database: Database) -> None:
    first = read_pasted("Monat\tFälle\tAssault\n2026-09\t1\t2")
    later = read_pasted("MONAT\tFälle\tassault\n2026-10\t3\t4")
    assert layout_of(first) == layout_of(later)
    chosen = (PERIOD, "assault", "other")
    with node_database.write() as session:
        add_people(session)
        remember_columns(session, first, chosen, TABLE, agency="police", person=COORDINATOR, now=NOW)
    with node_database.read() as session:
        assert find_columns(session, later, TABLE, "police", NAMES) == (chosen, True)
        assert find_columns(session, later, TABLE, "youth", NAMES) == ((PERIOD, "", "assault"), False)


@pytest.mark.parametrize("columns", [("assault", "assault"), (PERIOD, ""), ("", ""), ("murder", ""), ("assault",)])
def test_a_layout_that_cannot_be_is_not_remembered(node_database: Database, columns: tuple[str, ...]) -> None:
    sheet = read_pasted("Month\tAssault\n2026-10\t1")
    with pytest.raises(RecordError), node_database.write() as session:
        remember_columns(session, sheet, columns, TABLE, agency="police", person=COORDINATOR, now=NOW)


def test_a_table_waits_a_day_and_is_taken_out_once(node_database: Database) -> None:
    sheet = read_pasted("Month\tAssault\n2026-10\t1")
    with node_database.write() as session:
        add_people(session)
        number = keep_sheet(session, sheet, agency="police", table=TABLE, how=How.PASTE, person=COORDINATOR, now=NOW)
        other = keep_sheet(session, sheet, agency="police", table=TABLE, how=How.PASTE, person=COORDINATOR, now=NOW)
    with node_database.write() as session:
        found = find_sheet(session, number, now=NOW)
        assert found is not None and found.sheet == sheet and found.agency == "police"
        assert find_sheet(session, other, now=NOW + timedelta(days=2)) is None
        assert claim_sheet(session, number) and not claim_sheet(session, number)
