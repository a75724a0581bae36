"""A page of the inbox: filters, both sides, what is new, what others say of it, and how many there are."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from local_node import finding, reader, verbs
from local_node.app import Node
from local_node.finding import Page, Reader, Tallies
from local_node.inbox_query import parse_wanted
from local_node.search_query import SearchError
from shared_schema.content import Surroundings
from shared_schema.envelope import Envelope
from tests.hub_simulator import Author, HubSimulator, MovableClock
from tests.local_node.test_search import experience, log


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


def practice(author: Author, title: str, **changes: Any) -> Envelope:
    """A practice that says something else than every other one, so that none is taken for a copy."""
    words = [hashlib.sha256(f"{title}{part}".encode()).hexdigest()[:6] for part in range(20)]
    texts = {"summary": f"Evenings: {' '.join(words[:10])}", "lessons": " ".join(words[10:])}
    return author.practice(title, **(texts | changes))


def find(node: Node, *pairs: tuple[str, str], who: Reader = Reader("anna")) -> Page:  # noqa: B008 - it is frozen
    with node.database.read() as session:
        return finding.find_page(session, parse_wanted(pairs), who, node.clock())


def titles(page: Page) -> list[str]:
    return [card.entry.hit.headline for card in page.cards]


def test_what_the_node_does_not_know_is_asked_for_in_vain(node: Node) -> None:
    for name, words in (("near", "who is near"), ("similar", "similar to what")):
        with pytest.raises(SearchError, match=words):
            find(node, (name, "1"))
    assert find(node, ("unread", "1")).total == 0


def test_ones_own_items_are_no_news(member: Node, hub: HubSimulator, dresden: Author) -> None:
    own = Author(member.name, member.key, member.clock)
    log(member, hub, practice(own, "Ours"), practice(dresden, "Theirs"))
    inside = Reader("anna", city=member.name)
    assert titles(find(member, who=inside)) == ["Theirs"]
    assert titles(find(member, ("unread", "1"), who=inside)) == ["Theirs"]
    assert find(member, ("q", "evenings"), who=inside).total == 1
    assert sorted(titles(find(member))) == ["Ours", "Theirs"]
    with member.database.read() as session:
        assert finding.count_new(session, parse_wanted([]), inside, 0, 9) == 1
        assert [each.headline for each in finding.list_lessons(session, parse_wanted([]), inside, 9)] == ["Theirs"]


def test_all_are_read_a_few_at_a_time(
    member: Node, hub: HubSimulator, dresden: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(member, hub, *(practice(dresden, f"Number {number}") for number in range(5)))
    for at_once in (1, 2, 5, 6):
        monkeypatch.setattr(finding, "EACH_TIME", at_once)
        with member.database.read() as session:
            found = [each.headline for each in finding.each_lesson(session, parse_wanted([]), Reader("anna"))]
        assert found == [f"Number {number}" for number in reversed(range(5))], at_once
    with member.database.read() as session, pytest.raises(SearchError):
        finding.each_lesson(session, parse_wanted([("similar", "1")]), Reader("anna"))


def test_every_filter_finds_what_fits_and_nothing_else(
    member: Node, hub: HubSimulator, dresden: Author, clock: MovableClock
) -> None:
    old = practice(
        dresden, "Old school talk", setting=["school"], language="de", outcome="worked", phenomenon=["REL.ISL"],
        evidence_level="3", surroundings={"size": "L", "urbanisation": "1"},
    )  # fmt: skip
    log(member, hub, old)
    clock.advance(days=2)
    new = practice(dresden, "New club", prevention_level="tertiary", agencies=[{"type": "police", "role": "deliver"}])
    log(member, hub, new)
    both, first, second = {"Old school talk", "New club"}, ["Old school talk"], ["New club"]
    for pair, found in (
        (("kind", "practice"), both), (("kind", "question"), []), (("setting", "school"), first),
        (("language", "de"), first), (("outcome", "worked"), first), (("outcome", "no_effect"), second),
        (("phenomenon", "REL"), first), (("evidence", "3"), first), (("size", "L"), first),
        (("urbanisation", "1"), first), (("level", "tertiary"), second), (("agency", "police"), second),
        (("area", "14612"), both), (("area", "99"), []), (("near", "1"), both),
        (("from", "2026-11-23"), second), (("to", "2026-11-22"), first), (("q", "school"), first),
    ):  # fmt: skip
        page = find(member, pair)
        assert set(titles(page)) == set(found), pair
        assert page.total == len(found), pair
    assert titles(find(member, ("similar", "1"), who=Reader("anna", Surroundings(size="L")))) == first


def test_unread_and_useful_are_those_of_whoever_asks(member: Node, hub: HubSimulator, dresden: Author) -> None:
    one, _two = log(member, hub, practice(dresden, "One"), practice(dresden, "Two"))
    with member.database.write() as session:
        reader.mark_read(session, "anna", one)
        reader.set_useful(session, "anna", one, True, member.clock())
    assert titles(find(member, ("unread", "1"))) == ["Two"]
    assert titles(find(member, ("useful", "1"))) == ["One"]
    assert find(member, ("useful", "1"), who=Reader("ben")).total == 0
    card = next(card for card in find(member, who=Reader("ben")).cards if card.entry.hit.digest == one)
    assert (card.is_new, card.is_useful, card.useful) == (True, False, 1)


def test_pages_show_everything_once_and_the_end(member: Node, hub: HubSimulator, dresden: Author) -> None:
    log(member, hub, *(practice(dresden, f"Number {number:02} {'x' * number}") for number in range(25)))
    for sort in ([], [("sort", "newest")], [("q", "evenings")], [("q", "evenings"), ("sort", "newest")]):
        pages = [find(member, *sort, ("page", str(number))) for number in (1, 2, 3)]
        assert [page.has_more for page in pages] == [True, False, False], sort
        digests = [d for page in pages for card in page.cards for d in (card.entry.hit, *card.entry.alike)]
        assert len({hit.digest for hit in digests}) == len(digests), sort
        assert {page.total for page in pages} == {25}


def test_no_more_than_so_many_are_counted(
    member: Node, hub: HubSimulator, dresden: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_COUNTED", 2)
    log(member, hub, *(practice(dresden, f"Number {number}") for number in range(3)))
    page = find(member)
    assert (page.total, page.is_capped) == (2, True)


def test_failures_have_their_place_on_the_first_page(member: Node, hub: HubSimulator, dresden: Author) -> None:
    good = [practice(dresden, f"Evenings {'evenings ' * (n % 3)}{n}", outcome="worked") for n in range(24)]
    bad = practice(dresden, "Another try", outcome="harm")
    log(member, hub, *good, bad)
    assert "Another try" in titles(find(member, ("q", "evenings")))


def test_where_no_item_has_every_word_those_with_one_are_shown_and_it_is_said(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    log(member, hub, practice(dresden, "School talk"))
    page = find(member, ("q", "school submarine"))
    assert (titles(page), page.every_word, page.total) == (["School talk"], False, 1)


def test_a_card_says_what_all_cities_say_of_any_version(member: Node, hub: HubSimulator, dresden: Author) -> None:
    first = practice(dresden, "First", outcome="worked")
    second = practice(dresden, "Second", outcome="worked", replaces=first.digest)
    other = practice(dresden, "Other", outcome="harm")
    halle, jena = hub.city("halle.st.de"), hub.city("jena.th.de")
    log(
        member, hub, first, second, other,
        experience(halle, first.digest, "worked"), experience(jena, second.digest, "harm"),
    )  # fmt: skip
    cards = {card.entry.hit.headline: card for card in find(member, ("kind", "practice")).cards}
    assert set(cards) == {"Second", "Other"}
    for title, line in (("Second", "tried in 3 cities: 2 worked, 1 harm"), ("Other", "tried in 1 city: 1 harm")):
        evidence = cards[title].evidence
        assert evidence is not None
        assert evidence.line == line


def test_what_is_taken_back_is_on_no_page_and_in_no_count(member: Node, hub: HubSimulator, dresden: Author) -> None:
    one, _two = log(member, hub, practice(dresden, "One", outcome="worked"), practice(dresden, "Two", outcome="harm"))
    assert counts(member, "outcome") == {"worked": 1, "harm": 1}
    log(member, hub, dresden.withdrawal(one))
    assert (titles(find(member)), find(member).total, counts(member, "outcome")) == (["Two"], 1, {"harm": 1})
    assert find(member, ("q", "one")).total == 0


def counts(node: Node, name: str, pairs: Sequence[tuple[str, str]] = ()) -> dict[str, int]:
    with node.database.read() as session:
        return dict(finding.tally(session, parse_wanted(pairs), Reader("anna"))[name])


def test_counts_are_of_what_fits_the_other_filters(member: Node, hub: HubSimulator, dresden: Author) -> None:
    log(
        member, hub, practice(dresden, "School one", phenomenon=["RWE", "POL"], language="de"),
        practice(dresden, "Club two", phenomenon=["RWE"], outcome="worked"),
    )  # fmt: skip
    assert counts(member, "phenomena") == {"RWE": 2, "POL": 1}
    assert counts(member, "phenomena", [("q", "school")]) == {"RWE": 1, "POL": 1}
    assert counts(member, "language", [("outcome", "worked")]) == {"und": 1}
    assert counts(member, "settings") == {}


def test_counts_over_everything_are_remembered_until_something_comes_or_goes(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    tallies, who = Tallies(), Reader("anna")

    def beside(*pairs: tuple[str, str]) -> dict[str, int]:
        page = find(member, *pairs)
        with member.database.read() as session:
            return dict(tallies.of(session, parse_wanted(pairs), who, page).get("outcome", {}))

    _one, two = log(member, hub, practice(dresden, "One", outcome="worked"), practice(dresden, "Two", outcome="harm"))
    assert beside() == beside() == {"worked": 1, "harm": 1}
    assert beside(("outcome", "harm")) == {"harm": 1}
    log(member, hub, dresden.withdrawal(two))
    log(member, hub, practice(dresden, "Three", outcome="mixed"))  # as many as before
    assert beside() == {"worked": 1, "mixed": 1}


def test_what_arrived_after_a_number_is_listed_and_counted(member: Node, hub: HubSimulator, dresden: Author) -> None:
    log(member, hub, practice(dresden, "Before"))
    up_to = find(member).up_to
    log(member, hub, practice(dresden, "After"), practice(dresden, "Later"))
    with member.database.read() as session:
        wanted, who = parse_wanted([]), Reader("anna")
        assert finding.count_new(session, wanted, who, up_to, 100) == 2
        assert finding.count_new(session, wanted, who, up_to, 1) == 1
        listed = finding.list_lessons(session, wanted, who, 9, after=up_to, up_to=up_to + 1)
    assert [lesson.headline for lesson in listed] == ["After"]
    assert verbs.run(member, "search", {"words": "later"})["items"]
