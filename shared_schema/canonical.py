"""Canonical-or-reject JSON: one value has exactly one spelling, and every other spelling is refused.

Rules (DESIGN section 3): object keys sorted and ASCII, no white space, UTF-8 without BOM, strings in NFC and without
control or bidi-override characters, integers only and smaller than 2^53 in size, no null (an absent value is an absent
key), no duplicate keys, depth at most 8.
Related to RFC 8785 (JCS), stricter: numbers are integers, keys are ASCII, so sorting by code point is sorting by byte.

    encode({"b": 1, "a": "x"})          -> b'{"a":"x","b":1}'
    parse_canonical(b'{"a":1, "b":2}')  -> MalformedError, code not-canonical
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from shared_schema.errors import MalformedError, SchemaError
from shared_schema.problem import ProblemCode

Json = bool | int | str | Sequence[Any] | Mapping[str, Any]
JsonObject = dict[str, Any]

MAX_DEPTH = 8
MAX_ELEMENTS = 2_000
"""In one list or object: five times the largest table. Whoever checks the elements one by one (pydantic does, and
remembers every error) would spend most of a second on what fits into one envelope."""
MAX_INTEGER = 2**53 - 1
"""Every JSON reader in use holds integers up to here exactly (RFC 8259 section 6)."""
MAX_INTEGER_DIGITS = 16
"""Digits of MAX_INTEGER. A longer literal is either garbage or an attack on the reader."""
MAX_LITERAL_DIGITS = 400
"""Above this a number is not read at all: turning it into an integer costs quadratic time."""
_FORBIDDEN_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(value: Json) -> bytes:
    """Return the canonical bytes of `value`.

    Raises SchemaError when `value` has no canonical spelling (a float, a text not in NFC, too deep, ...).
    """
    _check(value, depth=1, place="")
    return _ENCODER.encode(value).encode()


def parse_canonical(data: bytes) -> JsonObject:
    """Read one canonical JSON object.

    Raises MalformedError when `data` is not JSON or not the canonical spelling, SchemaError when a value is of a kind
    that the contract does not know (float, integer of 2^53 and above, control character, text not in NFC).
    """
    value = parse_strict(data)
    if _ENCODER.encode(value).encode() != data:  # its values have been checked while reading
        raise MalformedError(
            "expected canonical JSON: sorted keys, no white space, no escapes that are not needed",
            code=ProblemCode.NOT_CANONICAL,
        )
    return value


def parse_strict(data: bytes) -> JsonObject:
    """Read one JSON object with the rules for values, but in any spelling (white space, order of keys).

    Raises MalformedError and SchemaError as `parse_canonical` does. For objects whose bytes are not signed.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("expected UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise MalformedError(f"expected a depth of at most {MAX_DEPTH}") from None
    except json.JSONDecodeError:
        raise MalformedError("expected one JSON object") from None
    if not isinstance(value, dict):
        raise MalformedError("expected a JSON object at the top")
    _check(value, depth=1, place=None)
    return value


def _unique_pairs(pairs: list[tuple[str, Any]]) -> JsonObject:
    # Python keeps the last of two equal keys and says nothing, so two readers could see two different messages.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedError("expected every key once in an object")
    return result


def _parse_integer(literal: str) -> int:
    if len(literal) > MAX_LITERAL_DIGITS:
        raise MalformedError(f"expected a number of at most {MAX_INTEGER_DIGITS} digits")
    return int(literal)


def _parse_float(literal: str) -> NoReturn:
    if float(literal) in (float("inf"), float("-inf")):
        raise MalformedError("expected a finite number")
    raise SchemaError("expected an integer without a fraction or an exponent")


def _parse_constant(literal: str) -> NoReturn:
    raise MalformedError("expected a number, got a constant that is not JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_int=_parse_integer,
    parse_float=_parse_float,
    parse_constant=_parse_constant,
)


def _check(value: object, *, depth: int, place: str | None) -> None:
    # The place is for our own values. In what somebody sent, the keys are the sender's, so there it is None.
    if isinstance(value, str):
        check_text(value, place=place)
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise SchemaError(f"expected an integer smaller than 2^53{_at(place)}")
    elif isinstance(value, (dict, list, tuple)):
        _check_container(value, depth=depth, place=place)
    else:
        raise SchemaError(f"expected text, integer, list or object{_at(place)}")


def _check_container(value: Mapping[str, Any] | Sequence[Any], *, depth: int, place: str | None) -> None:
    if depth > MAX_DEPTH:
        raise MalformedError(f"expected a depth of at most {MAX_DEPTH}")
    if len(value) > MAX_ELEMENTS:
        raise SchemaError(f"expected at most {MAX_ELEMENTS} elements in a list or an object{_at(place)}")
    if not isinstance(value, Mapping):
        for index, item in enumerate(value):
            if not _is_plain(item):
                _check(item, depth=depth + 1, place=_below(place, str(index)))
        return
    for key, item in value.items():
        if not key.isascii() or not key.isprintable():
            if _SURROGATE.search(key):
                raise MalformedError("expected text without lone surrogates")
            raise SchemaError("expected keys of printable ASCII characters")
        if not _is_plain(item):
            _check(item, depth=depth + 1, place=_below(place, key))


def _is_plain(item: object) -> bool:
    """Most values by far: a printable ASCII text or a small integer. Nothing else has to be looked at in them."""
    kind = type(item)
    if kind is str:
        return item.isascii() and item.isprintable()  # type: ignore[attr-defined, no-any-return]
    return kind is int and -MAX_INTEGER <= item <= MAX_INTEGER  # type: ignore[operator]


def _below(place: str | None, part: str) -> str | None:
    if place is None:
        return None
    return f"{place}.{part}" if place else part


def _at(place: str | None) -> str:
    return "" if place is None else f" at {place or 'the top'}"


def check_text(text: str, *, place: str | None = "") -> None:
    """Check that a text may stand in a signed message.

    Raises MalformedError for a lone surrogate (no UTF-8 spelling exists), SchemaError for control and bidi-override
    characters (they make a reader see other words than were signed: CVE-2021-42574) and for text that is not in NFC.
    """
    if text.isascii() and text.isprintable():
        return
    if _SURROGATE.search(text):
        raise MalformedError("expected text without lone surrogates")
    if _FORBIDDEN_TEXT.search(text):
        raise SchemaError(f"expected text without control or direction characters{_at(place)}", code=ProblemCode.TEXT)
    if not unicodedata.is_normalized("NFC", text):
        raise SchemaError(f"expected text in Unicode normal form C{_at(place)}", code=ProblemCode.TEXT)
