"""What is read is strict, and what is refused is never repeated: no message holds a word of the sender."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from shared_schema import canonical
from shared_schema.checkpoint import Checkpoint, NoteVerifier, parse_checkpoint, verify_note
from shared_schema.entry import Receipt
from shared_schema.envelope import kind_of, parse_envelope
from shared_schema.errors import ContractError, MalformedError, SchemaError
from shared_schema.feed import FeedState, parse_page, verify_page
from shared_schema.governance import EnrolmentRequest
from shared_schema.keys import PublicKey
from shared_schema.merkle import parse_tile_index
from shared_schema.names import Version, parse_time
from shared_schema.period import parse_period
from shared_schema.statement import Kind
from shared_schema.wire import WireModel, describe
from tests.shared_schema.builders import (
    BODIES,
    CITY_KEY,
    HUB,
    HUB_KEY,
    HUB_VERIFIER,
    enrolment_request,
    filled_log,
    raw_json,
    receive,
    signed,
    signed_statement,
    statement,
)


class Part(WireModel):
    v: Version = 1
    name: Annotated[str, Field(min_length=1, max_length=5)]
    count: int | None = None


class Whole(WireModel):
    parts: tuple[Part, ...]
    places: dict[Annotated[str, Field(max_length=2)], int]


# --- strict ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b'{"extra":1,"name":"a"}',
        b'{"count":1}',
        b'{"name":1}',
        b'{"name":true}',
        b'{"count":"1","name":"a"}',
        b'{"count":true,"name":"a"}',
        b'{"count":false,"name":"a"}',
        b'{"name":"a","v":true}',
        b'{"name":"a","v":2}',
        b'{"name":"a","v":0}',
        b'{"name":"a","v":"1"}',
        b'{"name":["a"]}',
        b'{"name":"abcdef"}',
        b'{"name":""}',
    ],
)
def test_nothing_is_converted_and_nothing_unknown_is_let_in(data: bytes) -> None:
    with pytest.raises(SchemaError) as caught:
        Part.from_bytes(data)
    assert not isinstance(caught.value, MalformedError)


def test_only_canonical_bytes_are_read() -> None:
    with pytest.raises(MalformedError):
        Part.from_bytes(b'{"name": "a"}')
    assert Part.from_bytes(b'{"name":"a"}') == Part(name="a")


@pytest.mark.parametrize("value", [[], "x", None, 1, b"{}"])
def test_only_an_object_is_a_message(value: object) -> None:
    with pytest.raises(SchemaError, match="expected an object"):
        Part.from_object(value)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Part(name="a").name = "b"  # type: ignore[misc]


def test_absent_values_are_absent_keys() -> None:
    assert Part(name="a").to_bytes() == b'{"name":"a","v":1}'
    assert Part(name="a", count=0).to_bytes() == b'{"count":0,"name":"a","v":1}'


def test_a_text_that_may_not_be_signed_is_refused_when_it_is_written() -> None:
    with pytest.raises(SchemaError, match=r"at name$"):
        Part(name="\u202e").to_bytes()


def test_the_error_names_the_places_by_the_fields_of_the_contract() -> None:
    with pytest.raises(SchemaError) as caught:
        Whole.from_object({"parts": [{"name": "a"}, {"name": "abcdef", "secret": 1}], "places": {"secret": 1}})
    message = str(caught.value)
    assert "parts.1.name: String should have at most 5 characters" in message
    assert "parts.1.(unknown field): Extra inputs are not permitted" in message
    assert "places.(unknown field): String should have at most 2 characters" in message
    assert "secret" not in message


def test_of_many_errors_a_few_are_shown_and_the_rest_counted() -> None:
    with pytest.raises(SchemaError) as caught:
        Whole.from_object({"parts": [{}] * 500, "places": {}})
    assert str(caught.value).startswith("parts.0.name: Field required; parts.1.name: Field required")
    assert str(caught.value).endswith("and 495 more")


def test_a_long_error_is_cut_before_it_outgrows_a_problem_document() -> None:
    with pytest.raises(SchemaError) as caught:
        receive(signed_statement(body=BODIES[Kind.PRACTICE] | {"agencies": [{"type": "x", "role": "x"}] * 20}))
    assert len(str(caught.value)) < 500
    assert str(caught.value).endswith("more")


def test_describe_is_never_empty() -> None:
    with pytest.raises(ValidationError) as caught:
        Part.model_validate_json(b"1")
    assert describe(caught.value).startswith("the top: ")


# --- no echo ---------------------------------------------------------------------------------------------------

CANARY = "zq7canary"
CANARY_NUMBER = 7_316_054_829_173_605
WRONG_VALUES: list[object] = [
    CANARY,
    CANARY + "\x00",
    CANARY + "e\u0301",
    CANARY * 300,
    f"{CANARY} {CANARY}",
    f"2026-{CANARY}",
    "9731-99-99",
    "9731-99-99T99:99:99Z",
    CANARY_NUMBER,
    -CANARY_NUMBER,
    CANARY_NUMBER * 1000,
    73160548.25,
    None,
    [CANARY],
    [],
    {},
    {CANARY: CANARY},
    {CANARY + "é": 1},
    {CANARY: [{CANARY: {CANARY: CANARY_NUMBER * 1000}}]},
    {CANARY: {CANARY: {CANARY: {CANARY: {CANARY: {CANARY: {CANARY: {CANARY: 1}}}}}}}},
    {CANARY * 1000: CANARY_NUMBER * 1000},
    {CANARY: 1, CANARY + "\x00": 2},
]
SECRETS = (CANARY, str(CANARY_NUMBER), "73160548", "9731-99", "é")


def assert_tells_nothing(call: Callable[..., object], *arguments: object) -> bool:
    """Whether `call` was refused; when it was, with one of our errors, short, and without a word of the sender."""
    try:
        call(*arguments)
    except ContractError as error:
        for text in (str(error), error.message, repr(error), *map(str, error.args)):
            assert len(text) < 500
            for secret in SECRETS:
                assert secret not in text
        return True
    return False


def spoiled(value: object) -> Iterator[object]:
    """Copies of `value`, each wrong at one place: every value, every key, and an unknown key in every object."""
    yield from WRONG_VALUES
    if isinstance(value, dict):
        for wrong in (CANARY, CANARY_NUMBER, {CANARY: CANARY}):
            yield value | {CANARY: wrong}
        for key, item in value.items():
            yield {other: held for other, held in value.items() if other != key} | {CANARY: item}
            for changed in spoiled(item):
                yield value | {key: changed}
    elif isinstance(value, list):
        for place, item in enumerate(value[:2]):
            for changed in spoiled(item):
                yield [*value[:place], changed, *value[place + 1 :]]
        yield value * 500


@pytest.mark.parametrize("kind", Kind)
def test_no_error_about_a_statement_repeats_a_word_of_it(kind: Kind) -> None:
    refused = 0
    for value in spoiled(statement(kind)):
        payload = raw_json(value)
        refused += assert_tells_nothing(receive, signed(payload, kind))
    assert refused > 150


@pytest.mark.parametrize("kind", [Kind.TREND, Kind.AGGREGATE])
def test_no_error_about_a_cell_repeats_its_dimension_or_code(kind: Kind) -> None:
    for dims in ({CANARY: "verbal"}, {"offence": CANARY}, {CANARY: CANARY}, {CANARY.upper(): "a"}, {"offence": "a b"}):
        body = copy.deepcopy(BODIES[kind])
        body["cells"][0]["dims"] = dims
        assert assert_tells_nothing(receive, signed_statement(kind, body))


def test_no_error_about_an_envelope_repeats_a_word_of_it() -> None:
    for value in spoiled(json.loads(signed_statement())):
        body = raw_json(value)
        assert_tells_nothing(receive, body)


def test_no_error_about_an_enrolment_request_repeats_a_word_of_it() -> None:
    refused = 0
    for value in spoiled(enrolment_request(url="https://leipzig.example.org")):
        data = raw_json(value)
        refused += assert_tells_nothing(EnrolmentRequest.from_bytes, data)
    assert refused > 150


def test_no_error_about_a_feed_page_or_a_receipt_repeats_a_word_of_it() -> None:
    log = filled_log(3)
    honest = log.page(0, 3)
    for value in spoiled(honest):
        if isinstance(value, dict) and value.get("first") != honest["first"]:
            continue  # an index is said in the alarm: the operator of the reading node needs it
        assert_tells_nothing(read_first_page, raw_json(value))
    for value in spoiled(log.receipt(1).to_object()):
        assert_tells_nothing(Receipt.from_bytes, raw_json(value))


def read_first_page(data: bytes) -> object:
    return verify_page(FeedState(HUB_VERIFIER), parse_page(data))


@pytest.mark.parametrize(
    "call",
    [
        lambda: canonical.parse_canonical(CANARY.encode()),
        lambda: canonical.parse_strict(b'{"%b":%b}' % (CANARY.encode(), CANARY.encode())),
        lambda: canonical.parse_canonical(b'{"a":%d.5}' % CANARY_NUMBER),
        lambda: canonical.parse_canonical(b'{"a":%d}' % 10**400),
        lambda: canonical.parse_canonical(CANARY.encode() + b"\xff"),
        lambda: parse_envelope(CANARY.encode()),
        lambda: kind_of(CANARY),
        lambda: parse_page(CANARY.encode()),
        lambda: parse_tile_index(CANARY),
        lambda: parse_period(CANARY),
        lambda: parse_period("9731-99"),
        lambda: parse_checkpoint(f"{CANARY}\n{CANARY}\n{CANARY}\n"),
        lambda: NoteVerifier.from_vkey(f"{CANARY}+{CANARY}+{CANARY}"),
        lambda: verify_note(f"{CANARY}\n\n— {CANARY} {CANARY}\n", HUB_VERIFIER),
        lambda: verify_note(Checkpoint(CANARY, 3, bytes(32)).sign(CITY_KEY), HUB_VERIFIER),
        lambda: PublicKey(CANARY.encode()),
    ],
)
def test_no_reader_repeats_what_it_could_not_read(call: Callable[[], object]) -> None:
    assert assert_tells_nothing(call)


@pytest.mark.parametrize("text", ["", CANARY, "9731-99-99T99:99:99Z", "2026-02-30T00:00:00Z", "2026-11-22T09:00:60Z"])
def test_a_time_that_is_none_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a time such as 2026-11-22T09:00:00Z$"):
        parse_time(text)


def test_what_a_hub_says_under_its_own_key_is_not_repeated_either() -> None:
    note = Checkpoint(CANARY, 3, bytes(32)).to_text()
    page = filled_log(3).page(0, 3) | {"checkpoint": Checkpoint(HUB, 3, bytes(32)).sign(HUB_KEY)}
    assert assert_tells_nothing(read_first_page, raw_json(page))
    assert assert_tells_nothing(verify_note, note, HUB_VERIFIER)
