"""Files for Excel: no text becomes a formula, and numbers stay numbers."""

import csv
import io

import openpyxl
import pytest

from shared_schema.service.exports import csv_bytes, download_headers, safe_cell, xlsx_bytes


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\uff1d1+1",
        "\uff0b1",
        "\ufeff=1",
        "|calc",
        "\x85=1",
        "\x00=1",
        "\u2a751",
    ],
)
def test_a_text_that_begins_like_a_formula_is_neutralised(text: str) -> None:
    assert str(safe_cell(text)).startswith("'")


@pytest.mark.parametrize("value", [-5, 0, 1.5, None, "plain", "", "a=b", "2026-10"])
def test_what_is_harmless_stays_as_it_is(value: str | float | None) -> None:
    assert safe_cell(value) == value


def test_csv_has_the_mark_for_excel_and_keeps_negative_numbers() -> None:
    data = csv_bytes(("Größe", "=x"), [("=1+1", -5), ('a "quoted", text', None)])
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [["Größe", "'=x"], ["'=1+1", "-5"], ['a "quoted", text', ""]]


def test_xlsx_has_no_formula_and_an_allowed_name() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes("a/b: [very] " + "x" * 60, ("a", "=b"), [("=1", -5)])))
    (sheet,) = book.worksheets
    assert len(sheet.title) <= 31 and "/" not in sheet.title
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["a", "'=b"], ["'=1", -5]]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_the_name_of_a_download_cannot_leave_its_header() -> None:
    assert download_headers('a"\r\nX: y/../z.csv')["Content-Disposition"] == 'attachment; filename="a-X-y-..-z.csv"'
