"""What a person types is kept, put in order as to its characters, and measured against what can be asked for."""

from typing import Any

import pytest

from local_node.marks import Piece, cut
from local_node.writing import (
    MAX_FIELDS_BYTES,
    Gap,
    WritingError,
    body_of,
    fields_of,
    find_gaps,
    load_fields,
    read_fields,
    store_fields,
    tidy,
    title_of,
)
from shared_schema.statement import STATEMENT_BODIES, Kind

PRACTICE: dict[str, list[str]] = {
    "title": ["Open evenings"],
    "summary": ["We opened the club on more evenings. Nobody came."],
    "phenomenon": ["RWE", "POL"],
    "prevention_level": ["primary"],
    "agencies": ["youth:deliver", "municipality:fund"],
    "outcome": ["no_effect"],
    "lessons": ["Ask first which evenings they want."],
}


def gaps(**changes: list[str]) -> tuple[Gap, ...]:
    return find_gaps(Kind.PRACTICE, read_fields(Kind.PRACTICE, PRACTICE | changes))


def test_seven_fields_are_complete() -> None:
    assert gaps() == ()


@pytest.mark.parametrize("field", sorted(PRACTICE))
def test_each_of_the_seven_is_needed(field: str) -> None:
    assert gaps(**{field: []}) == (Gap(field, "missing"),)


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"title": ["ab"]}, Gap("title", "too-short", 3)),
        ({"title": ["x" * 121]}, Gap("title", "too-long", 120)),
        ({"summary": ["word " * 101]}, Gap("summary", "too-many-words", 100)),
        ({"summary": ["x" * 100_000]}, Gap("summary", "too-long", 1200)),
        ({"lessons": ["word " * 201]}, Gap("lessons", "too-many-words", 200)),
        ({"outcome": ["triumph"]}, Gap("outcome", "unknown-choice")),
        ({"phenomenon": ["RWE", "nonsense"]}, Gap("phenomenon", "unknown-choice")),
        ({"phenomenon": ["RWE", "LWE", "SIN", "AGO", "VIO", "MIX"]}, Gap("phenomenon", "too-many", 5)),
        ({"agencies": ["youth:"]}, Gap("agencies", "unknown-choice")),
        ({"agencies": ["nobody:deliver"]}, Gap("agencies", "unknown-choice")),
        ({"emmie.effect": ["word " * 201]}, Gap("emmie.effect", "too-many-words", 200)),
        ({"review_by": ["next year"]}, Gap("review_by", "form")),
        ({"adapted_from": ["not a digest"]}, Gap("adapted_from", "form")),
    ],
    ids=lambda value: value.field if isinstance(value, Gap) else "",
)
def test_what_is_wrong_is_told_by_field(changes: dict[str, list[str]], gap: Gap) -> None:
    assert gaps(**changes) == (gap,)


def test_several_gaps_come_in_the_order_of_the_form() -> None:
    assert [gap.field for gap in gaps(lessons=[], title=[], outcome=[])] == ["title", "lessons", "outcome"]


def test_a_text_that_is_far_too_long_is_kept() -> None:
    fields = read_fields(Kind.PRACTICE, PRACTICE | {"summary": ["x" * 100_000]})
    assert len(str(fields["summary"])) == 100_000
    assert load_fields(store_fields(fields)) == fields


def test_more_than_a_draft_can_hold_is_refused() -> None:
    with pytest.raises(WritingError) as caught:
        read_fields(Kind.PRACTICE, {"summary": ["x" * MAX_FIELDS_BYTES]})
    assert caught.value.code == "draft-too-large"
    with pytest.raises(WritingError):
        read_fields(Kind.PRACTICE, {"phenomenon": [f"P{number}" for number in range(201)]})


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Mu\u0308nchen", "München"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a\x00b\x07c\x1bd", "abcd"),
        ("so\u00adft\u200b hyp\u2060hens\ufeff", "soft hyphens"),
        ("right \u202eto\u202c left \u2066x\u2069", "right to left x"),
        ("half a pair \ud800.", "half a pair ."),
        ("line\u2028separator", "lineseparator"),
        ("tab\tstop", "tab stop"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("e\u0301\u0323 and fi", "ẹ́ and fi"),
    ],
)
def test_what_a_person_typed_is_put_in_order_and_not_refused(typed: str, kept: str) -> None:
    assert tidy(typed) == kept
    fields = read_fields(Kind.QUESTION, {"title": ["Who else?"], "text": [typed], "phenomenon": ["POL"]})
    assert find_gaps(Kind.QUESTION, fields) == ()


def test_names_that_a_kind_does_not_have_are_left_out() -> None:
    fields = read_fields(
        Kind.QUESTION, PRACTICE | {"text": ["How?"], "area": ["x"], "review": ["x"], "state": ["signed"]}
    )
    assert set(fields) == {"title", "text", "phenomenon"}


def test_what_is_typed_becomes_a_body_and_a_body_what_was_typed() -> None:
    fields = read_fields(Kind.PRACTICE, PRACTICE | {"emmie.effect": ["Fewer came."], "cost": ["low"]})
    body: dict[str, Any] = body_of(Kind.PRACTICE, fields)
    assert body["agencies"] == [{"type": "youth", "role": "deliver"}, {"type": "municipality", "role": "fund"}]
    assert body["emmie"] == {"effect": "Fewer came."}
    assert fields_of(Kind.PRACTICE, body | {"area": {}, "review": {}}) == fields


def test_an_answer_says_nothing_of_its_author_in_the_citys_name() -> None:
    fields = read_fields(Kind.ANSWER, {"question": ["a" * 64], "text": ["Yes."], "attribution": ["city"]})
    assert "attribution" not in body_of(Kind.ANSWER, fields)
    assert find_gaps(Kind.ANSWER, fields) == ()


@pytest.mark.parametrize("kind", [Kind.PRACTICE, Kind.EXPERIENCE, Kind.BULLETIN, Kind.QUESTION, Kind.ANSWER])
def test_the_form_has_every_field_of_the_body(kind: Kind) -> None:
    from local_node.writing import CHOICES, LISTS, TEXTS

    known = {name.partition(".")[0] for name in (*TEXTS[kind], *CHOICES[kind], *LISTS[kind])}
    assert set(STATEMENT_BODIES[kind].model_fields) - known <= {"area", "review", "surroundings", "archived"}


def test_a_draft_is_called_by_its_title_or_its_first_words() -> None:
    assert title_of(Kind.PRACTICE, {"title": "Open evenings", "summary": "x"}) == "Open evenings"
    assert title_of(Kind.ANSWER, {"text": "Yes, twice.\nAnd then"}) == "Yes, twice."
    assert title_of(Kind.ANSWER, {}) == ""


def test_a_marked_text_is_the_text_in_pieces() -> None:
    pieces = cut("Ask Anna or Ben.", [(1, 12, 15), (0, 4, 8)])
    assert pieces == (Piece("Ask "), Piece("Anna", 0), Piece(" or "), Piece("Ben", 1), Piece("."))
    assert cut("abc", []) == (Piece("abc"),)
    assert cut("abc", [(0, 0, 9), (1, 1, 2)]) == (Piece("abc", 0),)
    assert cut("", []) == ()
