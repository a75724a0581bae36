"""Reading an agency's file: what is wrong is named by line and column, blank and zero stay apart."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.errors import RecordError
from local_node.records import (
    MAX_COUNT,
    MAX_FILE_BYTES,
    EventRecord,
    EventsMapping,
    ParsedFile,
    ReturnRecord,
    ReturnsMapping,
    RowError,
    parse_csv,
    parse_mapping,
)
from tests.factories import TODAY, make_events_mapping, make_returns_mapping

SMALL = make_returns_mapping(columns={"assault": "assault", "arson": "arson"})


def read(
    text: str | bytes, mapping: ReturnsMapping | EventsMapping = SMALL, periods: tuple[str, ...] = ()
) -> ParsedFile:
    data = text.encode() if isinstance(text, str) else text
    return parse_csv(data, mapping, agency="police", today=TODAY, periods=periods)


def values_of(parsed: ParsedFile) -> dict[tuple[str, str], int | None]:
    return {(record.period, record.cell): record.value for record in parsed.records if isinstance(record, ReturnRecord)}


# --- a file that cannot be read as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "header"),
        (b"\n \n", "header"),
        (b"x" * (MAX_FILE_BYTES + 1), "too-large"),
        (b"month,assault,arson\n2026-01,\xff,1\n", "encoding"),
        (b"month,assault,assault\n", "header"),
        (b"month,assault\n2026-01,1\n", "columns"),
        (b"month,assault,arson,remarks\n2026-01,1,2,x\n", "columns"),
        (b'month,assault,arson\n2026-01,"1,2\n', "csv"),
    ],
    ids=["empty", "blank", "large", "latin-1", "double", "missing", "extra", "quote"],
)
def test_a_file_that_is_no_return_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(data)
    assert caught.value.code == code


def test_a_wrong_encoding_is_named_with_its_line() -> None:
    with pytest.raises(RecordError, match="line 2"):
        read(b"month,assault,arson\n2026-01,\xe4,1\n")


@pytest.mark.parametrize("agency", ["", "Police", "a b", "../x", "x" * 61])
def test_an_agency_needs_a_plain_id(agency: str) -> None:
    with pytest.raises(RecordError, match="agency's id"):
        parse_csv(b"month,assault,arson\n", SMALL, agency=agency, today=TODAY)


# --- wrong rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["-1", "1.0", "1,0", "x", "=1+1", "+3", "1e3", "٣", str(MAX_COUNT + 1), "9" * 400])
def test_a_count_is_a_whole_number_of_zero_or_more(text: str) -> None:
    parsed = read(f'month;assault;arson\n2026-01;0;1\n2026-02;"{text}";1\n')
    message = f"expected a whole number from 0 to {MAX_COUNT}, or nothing where it was not collected"
    assert parsed.errors == (RowError(3, "assault", message),)
    assert values_of(parsed) == {("2026-01", "assault"): 0, ("2026-01", "arson"): 1}


@pytest.mark.parametrize(
    ("period", "message"),
    [
        ("2026-13", "expected a period such as 2014-01, 2014-Q1 or 2014"),
        ("January", "expected a period such as 2014-01, 2014-Q1 or 2014"),
        ("", "expected a period such as 2014-01, 2014-Q1 or 2014"),
        ("2026-12", "expected a period that has begun"),
        ("2099", "expected a period that has begun"),
    ],
)
def test_a_period_is_known_and_has_begun(period: str, message: str) -> None:
    assert read(f"month,assault,arson\n{period},1,2\n") == ParsedFile((), (RowError(2, "month", message),))


def test_a_period_that_comes_twice_is_wrong_the_second_time() -> None:
    parsed = read("month,assault,arson\n2026-01,1,2\n2026-01,3,4\n")
    assert parsed.errors == (RowError(3, "month", "expected every period once"),)
    assert len(parsed.records) == 2


def test_a_row_with_too_few_fields_is_named() -> None:
    parsed = read("month,assault,arson\n2026-01,1\n2026-02,1,2,3\n\n2026-03,1,2\n")
    assert [(error.line, error.message) for error in parsed.errors] == [
        (2, "expected 3 fields, got 2"),
        (3, "expected 3 fields, got 4"),
    ]
    assert len(parsed.records) == 2


def test_every_wrong_place_is_named_at_once_and_nothing_is_repeated() -> None:
    parsed = read("month,assault,arson\nKevin,secret,-5\n")
    assert [error.column for error in parsed.errors] == ["month", "assault", "arson"]
    assert not any("Kevin" in error.message or "secret" in error.message for error in parsed.errors)


def test_a_line_number_is_that_of_the_text_file_also_after_a_quoted_line_break() -> None:
    mapping = make_events_mapping()
    text = 'date,offence,note\n2026-01-05,arson,"two\nlines"\n2026-01-06,,x\n'
    parsed = read(text, mapping, ("2026-01",))
    assert [(error.line, error.column) for error in parsed.errors] == [(4, "offence")]


# --- good files ----------------------------------------------------------------------------------------------------


def test_blank_is_not_collected_and_zero_is_zero() -> None:
    parsed = read("month,assault,arson\n2026-01,,0\n")
    assert values_of(parsed) == {("2026-01", "assault"): None, ("2026-01", "arson"): 0}
    assert parsed.errors == ()


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfmonth,assault,arson\r\n2026-01,3,0\r\n",
        b"month;assault;arson\n2026-01;3;0",
        b"arson\tmonth\tassault\n 0\t2026-01 \t3\n",
        b"\n\nmonth,assault,arson\n\n2026-01,3,0\n",
        b"month,assault,arson\r2026-01,3,0\r",
    ],
    ids=["bom", "semicolon", "tab", "blank-lines", "old-mac"],
)
def test_the_usual_spellings_of_csv_mean_the_same(data: bytes) -> None:
    parsed = read(data)
    assert parsed.errors == ()
    assert {
        (record.period, record.cell, record.value) for record in parsed.records if isinstance(record, ReturnRecord)
    } == {
        ("2026-01", "assault", 3),
        ("2026-01", "arson", 0),
    }


def test_a_column_may_be_left_out_only_by_name() -> None:
    mapping = make_returns_mapping(columns={"assault": "assault"}, ignore=("arson",))
    assert len(read("month,assault,arson\n2026-01,1,2\n", mapping).records) == 1


def test_an_accent_in_a_header_matches_in_both_unicode_spellings() -> None:
    toml = 'kind="returns"\nmeasure="m"\ntable="m.t"\ncolumns={"Ko\u0308rper"="a"}\n'
    mapping = parse_mapping(toml.encode())
    assert read("month,K\u00f6rper\n2026-01,1\n", mapping).errors == ()
    assert read("month,Ko\u0308rper\n2026-01,1\n", mapping).errors == ()


# --- events --------------------------------------------------------------------------------------------------------


def test_a_file_of_events_says_which_periods_it_covers() -> None:
    with pytest.raises(RecordError, match="the periods that the file covers"):
        read("date,offence\n", make_events_mapping())


@pytest.mark.parametrize("periods", [("2026-99",), ("2027-01",), ("2026-01", "2026-Q1"), ("2026-01", "2026-01")])
def test_covered_periods_are_known_begun_and_apart(periods: tuple[str, ...]) -> None:
    with pytest.raises(RecordError) as caught:
        read("date,offence\n", make_events_mapping(), periods)
    assert caught.value.code == "periods"


def test_a_return_takes_no_periods() -> None:
    with pytest.raises(RecordError, match="names its own"):
        read("month,assault,arson\n", SMALL, ("2026-01",))


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("2026-02-01,arson", "date"),
        ("2026-01-32,arson", "date"),
        ("5.1.2026,arson", "date"),
        ("2026-01-05,", "offence"),
        ("2026-01-05,a b", "offence"),
    ],
)
def test_a_wrong_event_is_named(row: str, column: str) -> None:
    parsed = read(f"date,offence\n{row}\n", make_events_mapping(), ("2026-01",))
    assert [(error.line, error.column) for error in parsed.errors] == [(2, column)]
    assert parsed.records == ()


def test_events_are_read_through_the_value_map_and_further_columns_stay_outside() -> None:
    mapping = make_events_mapping(
        date_format="german", dimensions={"offence": {"column": "Delikt", "values": {"Brand": "arson", "": "other"}}}
    )
    parsed = read("Name;Datum;date;Delikt\nK;x;05.01.2026;Brand\nL;y;6.1.2026;\n", mapping, ("2026-01", "2026-02"))
    assert parsed == ParsedFile(
        (
            EventRecord("bias_incidents", "police", date(2026, 1, 5), (("offence", "arson"),)),
            EventRecord("bias_incidents", "police", date(2026, 1, 6), (("offence", "other"),)),
        ),
        (),
        ("2026-01", "2026-02"),
        ("offence",),
    )


# --- the mapping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "toml",
    [
        "",
        "kind = ",
        "kind = 'other'",
        'kind = "returns"\nmeasure = "m"\ntable = "m.t"',
        'kind = "returns"\nmeasure = "m"\ntable = "m.t"\ncolumns = {}',
        'kind = "returns"\nmeasure = "m"\ntable = "m.t"\ncolumns = {a = "x", b = "x"}',
        'kind = "returns"\nmeasure = "m"\ntable = "m.t"\ncolumns = {a = "x y"}',
        'kind = "returns"\nmeasure = "m"\ntable = "m.t"\ncolumns = {a = "x"}\nsecret = 1',
        'kind = "returns"\nmeasure = 2026-01-01\ntable = "m.t"\ncolumns = {a = "x"}',
        'kind = "events"\nmeasure = "m"\ndimensions = {}',
        'kind = "events"\nmeasure = "m"\ndate_format = "us"\ndimensions = {a = {column = "x"}}',
    ],
)
def test_a_mapping_that_is_not_one_is_refused(toml: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_mapping(toml.encode())
    assert caught.value.code == "mapping"


def test_a_mapping_is_utf_8() -> None:
    with pytest.raises(RecordError):
        parse_mapping(b"kind = '\xff'")


# --- anything else -------------------------------------------------------------------------------------------------

fragments = st.sampled_from(
    ["month", "assault", "arson", "date", "offence", ",", ";", "\t", "\n", "\r", '"', "2026-01", "0", " ", "\x00"]
)


@given(st.one_of(st.binary(max_size=400), st.lists(fragments, max_size=60).map(lambda parts: "".join(parts).encode())))
def test_whatever_a_file_holds_reading_it_ends_in_a_result_or_in_a_record_error(data: bytes) -> None:
    for mapping, periods in ((SMALL, ()), (make_events_mapping(), ("2026-01",))):
        try:
            parsed = read(data, mapping, periods)
        except RecordError:
            continue
        assert all(error.line >= 1 and error.message.startswith("expected") for error in parsed.errors)


@given(st.binary(max_size=200))
def test_whatever_a_mapping_holds_reading_it_ends_in_a_result_or_in_a_record_error(data: bytes) -> None:
    with pytest.raises(RecordError):
        parse_mapping(data)


counts = st.one_of(st.none(), st.integers(0, MAX_COUNT))


@given(st.dictionaries(st.dates(date(1990, 1, 1), TODAY).map(lambda day: f"{day:%Y-%m}"), st.tuples(counts, counts)))
def test_what_was_written_is_what_is_read(months: dict[str, tuple[int | None, int | None]]) -> None:
    lines = ["month,assault,arson"]
    lines += [
        ",".join([month, *("" if count is None else str(count) for count in row)]) for month, row in months.items()
    ]
    parsed = read("\n".join(lines))
    assert parsed.errors == ()
    found = {
        (record.period, record.cell): record.value for record in parsed.records if isinstance(record, ReturnRecord)
    }
    assert found == {
        (month, cell): row[place] for month, row in months.items() for place, cell in enumerate(("assault", "arson"))
    }
