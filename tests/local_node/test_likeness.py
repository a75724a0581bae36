"""Alike is what says the same: different things with similar names stay apart, copies come together."""

import pytest

from local_node.likeness import Likeness, group, pack, resemblance, sketch_text, title_key, unpack

TEXT = (
    "Schools rehearse short scenes with trained actors before they need them. Teachers bring the scenes themselves, "
    "and every class plays two of them in a morning. The youth office pays the actors, the police listen and do not "
    "speak. Afterwards parents are invited to an evening where pupils show what they have found out."
)
OTHER = (
    "A team of street workers meets young people where they spend their evenings. It offers rides to sports grounds, "
    "small jobs and somebody to talk to, and it never writes down a name."
)


def alike(text: str, *, title: str = "", source: str | None = None) -> Likeness:
    return Likeness(source, title_key(title), sketch_text(text))


def test_different_texts_are_not_alike() -> None:
    assert group([alike(TEXT), alike(OTHER)]) == ((0,), (1,))


def test_different_authors_may_use_one_title() -> None:
    items = [alike(TEXT, title="Exit", source="a.de"), alike(OTHER, title="Exit", source="b.de")]
    assert group(items) == ((0,), (1,))


def test_authors_that_are_not_named_are_never_taken_for_one_by_a_title() -> None:
    assert group([alike(TEXT, title="Exit"), alike(OTHER, title="Exit")]) == ((0,), (1,))


@pytest.mark.parametrize(("one", "other"), [("Talks 2024", "Talks 2025"), ("Centre", "Centre Foundation"), ("", "")])
def test_titles_of_one_author_that_differ_in_a_letter_are_two(one: str, other: str) -> None:
    items = [alike(TEXT, title=one, source="a.de"), alike(OTHER, title=other, source="a.de")]
    assert group(items) == ((0,), (1,))


def test_items_without_words_are_not_alike() -> None:
    assert group([alike(""), alike("😀")]) == ((0,), (1,))


def test_a_chain_of_small_changes_does_not_join_its_ends() -> None:
    words = [f"w{number}" for number in range(60)]
    steps = [" ".join([*words[start:], *(f"n{number}" for number in range(start))]) for start in (0, 18, 36)]
    assert group([alike(step) for step in steps]) == ((0, 1), (2,))


def test_a_copy_by_another_city_is_alike_also_with_some_other_words() -> None:
    copy = TEXT.replace("trained", "hired").replace("morning", "day").replace("police", "POLICE")
    assert group([alike(TEXT), alike(OTHER), alike(copy)]) == ((0, 2), (1,))


def test_a_second_text_under_the_same_title_by_the_same_author_is_alike() -> None:
    items = [alike(TEXT, title="Café-Abende!", source="a.de"), alike(OTHER, title="CAFE ABENDE", source="a.de")]
    assert group(items) == ((0, 1),)


def test_the_estimate_is_exact_for_short_texts_and_close_for_long_ones() -> None:
    assert resemblance(sketch_text("a b c d"), sketch_text("a b c e")) == pytest.approx(1 / 3)
    one, other = ([f"w{number}" for number in range(start, start + 900)] for start in (0, 300))
    assert resemblance(sketch_text(" ".join(one)), sketch_text(" ".join(other))) == pytest.approx(0.5, abs=0.15)


def test_a_sketch_is_stored_and_read_again() -> None:
    assert unpack(pack(sketch_text(TEXT))) == sketch_text(TEXT)
