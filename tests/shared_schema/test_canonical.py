"""One value has one spelling; everything else is refused, and nothing but the contract's own errors comes out."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.canonical import MAX_DEPTH, MAX_INTEGER, Json, encode, parse_canonical, parse_strict
from shared_schema.errors import MalformedError, SchemaError
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.shared_schema.builders import raw_json, statement

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)
keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
values = st.recursive(
    st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


objects = st.dictionaries(keys, values, max_size=5).filter(lambda value: depth(value) <= MAX_DEPTH)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "nothing"),
        (b" {}", "white space before"),
        (b"{}\n", "white space after"),
        (b'{"a": 1}', "white space inside"),
        (b'{"b":1,"a":2}', "keys not sorted"),
        (b'{"a":-0}', "minus zero"),
        (b'{"a":"\\u0061"}', "an escape that is not needed"),
        (b'{"a":"\\/"}', "an escaped slash"),
        (b'{"a":"\\u00e9"}', "an escape instead of UTF-8"),
        (b'{"a":"\\u000a"}', "a long escape where a short one exists"),
        (b'{"a":01}', "a leading zero"),
        (b'{"a":1}{"a":1}', "two objects"),
        (b'{"a":1},', "something after the object"),
        (b"{'a':1}", "single quotes"),
        (b'{"a":1,}', "a comma too many"),
        (b"[]", "a list at the top"),
        (b'"a"', "a text at the top"),
        (b"1", "a number at the top"),
        (b"null", "null at the top"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (b'\xef\xbb\xbf{"a":1}', "a byte order mark"),
        (b'{"a":"\xc0\x80"}', "an overlong NUL"),
        (b'{"a":"\xed\xa0\x80"}', "a surrogate in UTF-8"),
        (b'{"a":"\xf5\x80\x80\x80"}', "above U+10FFFF"),
        (b'{"a":"\xe9"}', "Latin-1"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "minus Infinity"),
        (b'{"a":1e400}', "a number beyond floats"),
        (b'{"a":"\x00"}', "a raw NUL"),
        (b'{"a":1,"a":1}', "a key twice"),
        (b'{"a":1,"\\u0061":2}', "a key twice, once escaped"),
        (b'{"a":{"b":1,"b":2}}', "a key twice below"),
    ],
)
def test_other_spellings_and_other_bytes_are_malformed(data: bytes, why: str) -> None:
    with pytest.raises(MalformedError):
        parse_canonical(data)


@pytest.mark.parametrize("literal", [b"1.0", b"1.5", b"1e3", b"-0.0", b"1E-400"])
def test_a_number_with_a_fraction_or_an_exponent_is_refused(literal: bytes) -> None:
    with pytest.raises(SchemaError, match="expected an integer"):
        parse_canonical(b'{"a":%b}' % literal)


def test_null_is_refused_because_an_absent_value_is_an_absent_key() -> None:
    with pytest.raises(SchemaError, match="expected text, integer, list or object"):
        parse_canonical(b'{"a":null}')


@pytest.mark.parametrize("value", [MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**300])
def test_an_integer_that_not_every_reader_holds_exactly_is_refused(value: int) -> None:
    for read in (parse_canonical, parse_strict):
        with pytest.raises(SchemaError, match="2\\^53") as caught:
            read(b'{"a":%d}' % value)
        assert not isinstance(caught.value, MalformedError)
    with pytest.raises(SchemaError, match=r"at a$"):
        encode({"a": value})


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER, 0])
def test_the_largest_integers_are_read(value: int) -> None:
    assert parse_canonical(b'{"a":%d}' % value) == {"a": value}


def test_a_literal_of_many_digits_is_not_even_converted() -> None:
    with pytest.raises(MalformedError, match="digits"):
        parse_canonical(b'{"a":%b}' % (b"9" * 200_000))


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\x08",
        "\x0b",
        "\x0c",
        "\r",
        "\x1b",
        "\x7f",
        "\x80",
        "\x9f",
        "\u061c",
        "\u200e",
        "\u200f",
        "\u2028",
        "\u202a",
        "\u202e",
        "\u2066",
        "\u2069",
        "\ufeff",
        "\ufff9",
    ],
)
def test_control_and_direction_characters_are_refused(character: str) -> None:
    escaped = json.dumps({"a": character}).replace(" ", "").encode()
    for read in (parse_canonical, parse_strict):
        with pytest.raises(SchemaError) as caught:
            read(escaped)
        assert caught.value.code is ProblemCode.TEXT
    with pytest.raises(SchemaError, match=r"at a$"):
        encode({"a": character})


def test_line_breaks_and_tabs_are_text() -> None:
    assert parse_canonical(b'{"a":"one\\n\\ttwo"}') == {"a": "one\n\ttwo"}


@pytest.mark.parametrize("text", ["e\u0301", "\u212b", "\u1100\u1161", "\u0958"])
def test_text_that_is_not_in_normal_form_c_is_refused(text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_canonical(raw_json({"a": text}))
    assert caught.value.code is ProblemCode.TEXT
    assert parse_canonical(raw_json({"a": unicodedata.normalize("NFC", text)}))


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udfff", b"x\\ud83d"])
def test_a_lone_surrogate_is_malformed(escape: bytes) -> None:
    with pytest.raises(MalformedError, match="surrogate"):
        parse_canonical(b'{"a":"%b"}' % escape)
    with pytest.raises(MalformedError, match="surrogate"):
        encode({"a": "\ud800"})


@pytest.mark.parametrize("key", ["é", "\x00", "\x7f", "a\nb", "\u202e"])
def test_a_key_that_is_not_printable_ascii_is_refused(key: str) -> None:
    with pytest.raises(SchemaError, match="printable ASCII"):
        parse_canonical(json.dumps({key: 1}).replace(" ", "").encode())
    with pytest.raises(SchemaError, match="printable ASCII"):
        encode({key: 1})


def test_a_lone_surrogate_in_a_key_is_malformed() -> None:
    with pytest.raises(MalformedError, match="surrogate"):
        parse_canonical(b'{"\\ud800":1}')


def test_more_than_eight_levels_are_refused() -> None:
    with pytest.raises(MalformedError, match="depth"):
        parse_canonical(raw_json(nested(MAX_DEPTH + 1)))
    with pytest.raises(MalformedError, match="depth"):
        encode(nested(MAX_DEPTH + 1))
    assert parse_canonical(raw_json(nested(MAX_DEPTH))) == nested(MAX_DEPTH)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a":['])
@pytest.mark.parametrize("levels", [100, 2_000, 100_000])
def test_no_depth_exhausts_the_reader(opening: bytes, levels: int) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'{"a":[': b"]}"}[opening]
    for data in (opening * levels, opening * levels + b"0" + closing * levels):
        with pytest.raises(MalformedError):
            parse_canonical(data)


@pytest.mark.parametrize("value", [1.0, None, b"bytes", {1, 2}, float("nan")])
def test_a_value_without_a_canonical_spelling_is_not_encoded(value: Json) -> None:
    with pytest.raises(SchemaError, match=r"at body\.1$"):
        encode({"body": [0, value]})


def test_what_we_encode_ourselves_is_refused_with_its_place() -> None:
    with pytest.raises(SchemaError, match=r"at body\.cells\.1\.note$"):
        encode({"body": {"cells": [{}, {"note": "\x00"}]}})
    with pytest.raises(SchemaError, match=r"at the top$"):
        encode("\x00")


def test_the_other_reader_takes_any_spelling_but_the_same_values() -> None:
    assert parse_strict(b' { "b" : 1, "a" : "\\u00e9" } ') == {"a": "é", "b": 1}
    with pytest.raises(MalformedError):
        parse_strict(b'{"a":1,"a":1}')
    with pytest.raises(SchemaError):
        parse_strict(b'{"a":1.0}')


@given(objects)
def test_what_is_encoded_is_read_back_and_has_one_spelling(value: dict[str, Any]) -> None:
    data = encode(value)
    assert parse_canonical(data) == value
    assert encode(parse_canonical(data)) == data
    assert json.loads(data) == value


@given(objects)
def test_every_other_spelling_of_a_value_is_refused(value: dict[str, Any]) -> None:
    spaced = json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
    backwards = json.dumps(
        dict(sorted(value.items(), reverse=True)), ensure_ascii=False, separators=(",", ":")
    ).encode()
    for other in {spaced, backwards} - {encode(value)}:
        with pytest.raises(MalformedError):
            parse_canonical(other)


def assert_refused_or_canonical(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except SchemaError as error:
        assert type(error) in (SchemaError, MalformedError)
        assert len(str(error)) < 500
    else:
        assert encode(value) == data


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_our_errors(data: bytes) -> None:
    assert_refused_or_canonical(data)


@given(st.text(st.sampled_from('{}[]":,0123456789.eE+-\\utrfalsn \n\t\ud800é'), max_size=60))
def test_arbitrary_pieces_of_json_raise_nothing_but_our_errors(text: str) -> None:
    assert_refused_or_canonical(text.encode(errors="surrogatepass"))


@given(
    st.sampled_from([encode(statement(kind)) for kind in Kind]),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4),
)
def test_mutated_statements_raise_nothing_but_our_errors(data: bytes, mutations: list[tuple[int, int, bytes]]) -> None:
    for place, removed, inserted in mutations:
        place %= len(data) + 1
        data = data[:place] + inserted + data[place + removed :]
    assert_refused_or_canonical(data)
