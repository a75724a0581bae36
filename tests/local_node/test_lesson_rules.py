"""The pure rules about lessons: what is out of date, who tried what, where it came from, which takes whose place."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from local_node.balance import choose
from local_node.freshness import Freshness, freshness_of, freshness_of_content, in_words
from local_node.lesson import read_lesson
from local_node.lineage import Relative, grow, in_lines
from local_node.versions import compare
from shared_schema.content import QuestionBody
from shared_schema.evidence import Trial, merge
from shared_schema.period import Area
from shared_schema.relay import generalise
from shared_schema.statement import Kind
from shared_schema.versions import Version, can_replace, family_of
from shared_schema.vocabulary import Outcome
from tests.factories import make_practice, make_trend

NOW = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)

# --- freshness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("review_by", "archived", "now", "expected"),
    [
        ("2026-10", False, NOW, Freshness.STALE),
        ("2026-11", False, NOW, Freshness.CURRENT),
        ("2026-11", False, NOW + timedelta(seconds=1), Freshness.STALE),
        ("2026-11", False, datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), Freshness.CURRENT),
        ("2099-01", True, NOW, Freshness.ARCHIVED),
        (None, True, NOW, Freshness.ARCHIVED),
        (None, False, NOW, Freshness.CURRENT),
    ],
)
def test_an_item_is_stale_from_the_first_second_after_its_month(
    review_by: str | None, archived: bool, now: datetime, expected: Freshness
) -> None:
    assert freshness_of(review_by, archived=archived, now=now) is expected


SAXONY = Area(scheme="NUTS", version="2024", code="DED")


def test_readers_are_told_in_words_why_an_item_is_grey() -> None:
    assert in_words(Freshness.CURRENT, None) is None
    assert in_words(Freshness.STALE, "2026-10") == "Out of date: its author wanted to look at it again by 2026-10"
    assert "no longer stands behind it" in str(in_words(Freshness.ARCHIVED, None))


def test_only_practices_go_out_of_date() -> None:
    question = QuestionBody(
        title="Who knows?", text="How?", phenomenon=make_practice().phenomenon, review=make_practice().review
    )
    assert freshness_of_content(question, NOW) is Freshness.CURRENT
    assert freshness_of_content(make_practice(archived=True), NOW) is Freshness.ARCHIVED


# --- evidence ------------------------------------------------------------------------------------------------------


def trial(city: str | None, outcome: Outcome, seq: int = 1) -> Trial:
    return Trial(city, outcome, seq)


def test_a_city_that_reports_often_counts_once_with_its_newest_word() -> None:
    reports = [trial("a.de", Outcome.WORKED, seq) for seq in range(1, 50)]
    assert merge([trial("a.de", Outcome.HARM, 99), *reports]).line == "tried in 1 city: 1 harm"


def test_cities_that_are_not_named_are_counted_and_said_to_be_so() -> None:
    evidence = merge([trial("a.de", Outcome.WORKED), trial(None, Outcome.STOPPED), trial(None, Outcome.STOPPED)])
    assert evidence.line == "tried in 3 cities (2 not named): 1 worked, 2 stopped"


def test_the_line_names_every_outcome_there_is_and_no_other() -> None:
    outcomes = [Outcome.WORKED] * 4 + [Outcome.HARM] + [Outcome.MIXED] * 2
    trials = [trial(f"city{place}.de", outcome) for place, outcome in enumerate(outcomes)]
    assert merge(trials).line == "tried in 7 cities: 4 worked, 2 mixed, 1 harm"


# --- lineage -------------------------------------------------------------------------------------------------------


def relative(digest: str, parent: str | None = None) -> Relative:
    return Relative(digest, parent, f"Practice {digest}", f"{digest}.de", Outcome.WORKED, "2026-11-22T09:00:00Z")


def test_a_circle_is_cut() -> None:
    tree = grow([relative("a", "b"), relative("b", "a")], "a")
    assert len(list(in_lines(tree, "a"))) == 2


def test_a_forebear_that_is_not_here_is_a_place_without_a_title() -> None:
    lines = list(in_lines(grow([relative("b", "a")], "b"), "b"))
    assert lines == ["- an item that is not here", "  * Practice b (b.de, worked)"]


def test_a_tree_begins_with_the_oldest_and_shows_all_that_was_made_of_it() -> None:
    tree = grow([relative("a"), relative("b", "a"), relative("c", "a"), relative("d", "b")], "d")
    assert [line.split(" (")[0] for line in in_lines(tree, "d")] == [
        "- Practice a", "  - Practice b", "    * Practice d", "  - Practice c",
    ]  # fmt: skip


# --- versions ------------------------------------------------------------------------------------------------------


def version(digest: str, seq: int, replaces: str | None = None, **changes: object) -> Version:
    values = {"origin": "a.de", "kind": Kind.PRACTICE, "relayed": False} | changes
    return Version(digest=digest, seq=seq, replaces=replaces, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{"origin": "b.de"}, {"kind": Kind.QUESTION}, {"relayed": True}, {"seq": 1}, {"replaces": "other"}],
    ids=str,
)
def test_nothing_takes_the_place_of_what_another_wrote_or_another_kind_or_a_later_word(
    changes: dict[str, object],
) -> None:
    newer = version(**({"digest": "new", "seq": 9, "replaces": "old"} | changes))  # type: ignore[arg-type]
    assert not can_replace(newer, version("old", 5))
    assert len(family_of([newer, version("old", 5)], "old")) == 1


def test_of_relayed_items_none_takes_anothers_place() -> None:
    assert not can_replace(version("new", 2, "old", relayed=True), version("old", 1, relayed=True))


def test_a_family_is_all_versions_the_newest_first() -> None:
    versions = [version("a", 1), version("b", 2, "a"), version("c", 3, "b"), version("fork", 4, "a"), version("x", 5)]
    for digest in ("a", "b", "c", "fork"):
        assert [each.digest for each in family_of(versions, digest)] == ["fork", "c", "b", "a"]
    assert family_of(versions, "unknown") == ()


def test_changes_are_shown_word_by_word_and_field_by_field() -> None:
    older = make_practice(cost="low", emmie={"effect": "It was small."})
    newer = make_practice(
        outcome="harm", lessons="Begin with scenes that pupils bring themselves.", emmie={"effect": "It was large."}
    )
    assert {change.field: change.marked for change in compare(older, newer)} == {
        "outcome": "[-mixed-]{+harm+}",
        "lessons": "Begin with scenes that [-teachers-]{+pupils+} bring themselves.",
        "emmie.effect": "It was [-small.-]{+large.+}",
        "cost": "[-low-]",
    }
    assert compare(older, older) == ()


# --- a list with both sides ----------------------------------------------------------------------------------------


class Item:
    def __init__(self, outcome: Outcome | None) -> None:
        self.outcomes = frozenset() if outcome is None else frozenset({outcome})


def test_a_failure_far_down_gets_a_place_and_the_order_stays() -> None:
    ranked = [*(Item(Outcome.WORKED) for _ in range(30)), Item(Outcome.HARM), Item(None)]
    assert choose(ranked, 8) == (*ranked[:7], ranked[30])
    turned = [*(Item(Outcome.STOPPED) for _ in range(30)), Item(Outcome.WORKED)]
    assert turned[30] in choose(turned, 4)


@pytest.mark.parametrize("places", [1, 2, 5])
def test_a_list_is_never_longer_than_asked_for(places: int) -> None:
    ranked = [Item(outcome) for outcome in Outcome]
    assert len(choose(ranked, places)) == places
    assert choose([], places) == ()


# --- lessons -------------------------------------------------------------------------------------------------------


def test_the_author_of_a_relayed_item_is_a_city_and_never_the_hub() -> None:
    body = generalise(make_practice(attribution="region"), SAXONY)
    lesson = read_lesson("0" * 64, "sachsen.de", 1, "2026-11-22T09:00:00Z", body)
    assert lesson is not None
    assert (lesson.author, lesson.kind) == ("a city in the region", Kind.PRACTICE)
    assert lesson.headline == "Rehearsing hard conversations"


def test_figures_are_no_lesson() -> None:
    assert read_lesson("0" * 64, "sachsen.de", 1, "2026-11-22T09:00:00Z", make_trend()) is None
