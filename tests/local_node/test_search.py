"""The search over a real inbox: what is taken back is gone, nobody takes another's place, both sides are shown."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from local_node import library, verbs
from local_node.app import Node
from local_node.settings import load_settings
from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.envelope import Envelope
from shared_schema.governance import RelayedBody
from shared_schema.keys import MemberRole
from shared_schema.period import Area
from shared_schema.relay import UnnamedBody, generalise
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from shared_schema.statement import Audience, Kind
from tests.factories import make_practice
from tests.hub_simulator import Author, HubSimulator, MovableClock

REVIEW = {"role": "reviewer", "detector": "narrative/0.1", "findings": 0}
AREA = {"scheme": "LAU", "version": "2024", "code": "14612000"}
RARE = "Quetzalcoatlus"
"""A word that stands in one text alone."""

SAXONY = Area(scheme="NUTS", version="2024", code="DED")


def log(node: Node, hub: HubSimulator, *envelopes: Envelope) -> list[str]:
    """Put statements into the hub's log, and sync."""
    for envelope in envelopes:
        hub.log(envelope)
    verbs.run(node, "sync", {})
    return [envelope.digest for envelope in envelopes]


def search(node: Node, words: str = "", **params: Any) -> list[str]:
    """The digests that a search finds."""
    return [item["digest"] for item in verbs.run(node, "search", {"words": words} | params)["items"]]


def experience(author: Author, practice: str, outcome: str, **changes: Any) -> Envelope:
    body = {"practice": practice, "changes": "We began later.", "outcome": outcome, "lessons": "It took a year."}
    values = body | {"area": AREA, "review": REVIEW} | changes
    return author.sign(Kind.EXPERIENCE, ExperienceBody.from_object(values), Audience.EUROPE)


def relayed(hub: HubSimulator, content: UnnamedBody, **changes: Any) -> Envelope:
    """What the hub relays of a practice or an experience; `changes` are put in by the hub itself."""
    body = generalise(content.model_copy(update={"attribution": "region"}), SAXONY).to_object()
    part = "practice" if isinstance(content, PracticeBody) else "experience"
    return hub.author.sign(Kind.RELAYED, RelayedBody.from_object(body | {part: body[part] | changes}), Audience.EUROPE)


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


# --- what is not there any more, and what is not believed ----------------------------------------------------------


def stored_words(node: Node) -> bytes:
    """Every byte that the index keeps."""
    with node.database.read() as session:
        names = (
            "search_items",
            "search_texts_data",
            "search_texts_idx",
            "search_texts_content",
            "search_texts_docsize",
        )
        rows = [session.execute(text(f"SELECT * FROM {name}")).all() for name in names]
    return repr(rows).lower().encode()


def test_a_withdrawn_item_leaves_no_word_in_the_index(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (digest, _) = log(member, hub, dresden.practice(RARE, summary=RARE), dresden.practice("Another one"))
    assert search(member, RARE) == [digest]
    assert RARE[4:].lower().encode() in stored_words(member)
    hub.withdraw(dresden, digest)
    verbs.run(member, "sync", {})
    assert search(member, RARE) == []
    assert RARE[4:].lower().encode() not in stored_words(member)
    with pytest.raises(VerbError, match="expected the digest of one lesson"):
        verbs.run(member, "show", {"digest": digest})


def test_what_the_same_page_takes_back_never_enters_the_index(member: Node, hub: HubSimulator, dresden: Author) -> None:
    practice = dresden.practice(RARE, summary=RARE)
    hub.log(practice)
    hub.log(dresden.withdrawal(practice.digest))  # and the hub shows the content all the same
    verbs.run(member, "sync", {})
    assert search(member, RARE) == []
    assert RARE[4:].lower().encode() not in stored_words(member)


def test_an_item_leaves_the_index_in_the_very_transaction_whoever_writes(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, dresden.practice())
    with member.database.write() as session:
        session.execute(text("UPDATE inbox SET state = 'quarantined' WHERE digest = :digest"), {"digest": digest})
        for name in ("search_items", "search_texts"):
            assert session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0
        session.rollback()
    assert search(member, "evenings") == [digest]


def test_an_item_in_quarantine_is_not_found_until_it_is_verified(member: Node, hub: HubSimulator) -> None:
    stranger = hub.city("chemnitz.sn.de", enrolled=False)
    (digest,) = log(member, hub, stranger.practice())
    assert search(member, "evenings") == []
    hub.enrol(stranger.name, stranger.key.public)
    verbs.run(member, "sync", {})
    assert search(member, "evenings") == [digest]


def test_figures_rules_and_members_are_not_searched(member: Node) -> None:
    with member.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM search_items")).scalar_one() == 0


def reopened(node: Node, hub: HubSimulator, clock: MovableClock) -> Node:
    node.close()
    return Node(node.data_dir, load_settings(node.data_dir), load_key(node.data_dir), clock, hub)


def test_a_node_of_an_older_release_finds_its_old_items(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    digest, taken_back = log(member, hub, dresden.practice(), dresden.practice("Rounds of talks"))
    with member.database.write() as session:  # as the older release leaves it: without an index for the first
        session.execute(text("DELETE FROM search_items WHERE digest = :digest"), {"digest": digest})
        session.execute(text("DROP TRIGGER search_forgets"))
        session.execute(text("UPDATE inbox SET state = 'withdrawn', envelope = NULL WHERE digest = :digest"), {
            "digest": taken_back
        })  # fmt: skip
    node = reopened(member, hub, clock)
    try:
        assert search(node, "evenings") == [digest]
        assert search(node, "rounds") == []
        with node.database.write() as session:
            assert library.catch_up(session) == 0
    finally:
        node.close()


def test_an_item_that_the_contract_cannot_read_any_more_does_not_stop_the_node(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    broken, good = log(member, hub, dresden.practice("Old words"), dresden.practice())
    with member.database.write() as session:
        session.execute(text("DELETE FROM search_items"))
        session.execute(text("UPDATE inbox SET envelope = x'7b7d' WHERE digest = :digest"), {"digest": broken})
    node = reopened(member, hub, clock)
    assert search(node, "evenings") == [good]
    node.close()


# --- versions ------------------------------------------------------------------------------------------------------


def test_nobody_takes_the_place_of_another_citys_item(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (digest,) = log(member, hub, dresden.practice())
    rival = hub.city("chemnitz.sn.de")
    log(member, hub, rival.practice("Something first", summary="So that the next one has a higher number."))
    (other,) = log(member, hub, rival.practice("Better evenings", replaces=digest, summary="Nothing of it is true."))
    assert {digest, other} <= set(search(member, "evenings"))
    assert len(verbs.run(member, "show", {"digest": digest})["versions"]) == 1


def test_one_relayed_city_does_not_push_aside_another(member: Node, hub: HubSimulator) -> None:
    first = relayed(hub, make_practice())
    (digest,) = log(member, hub, first)
    practice = make_practice(summary="Something else entirely, says another.")
    (other,) = log(member, hub, relayed(hub, practice, replaces=digest))
    assert set(search(member, "rehearsing")) == {digest, other}


def test_a_reader_who_never_saw_the_version_between_sees_the_newest(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (first,) = log(member, hub, dresden.practice())
    dresden.practice("Withdrawn before anybody read it", replaces=first)
    (third,) = log(member, hub, dresden.practice("Open nights", replaces=first, outcome="worked"))
    assert search(member, "open") == [third]


def test_the_newest_version_takes_the_place_of_the_older_ones(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (first,) = log(member, hub, dresden.practice())
    (second,) = log(member, hub, dresden.practice("Open nights", replaces=first))
    (third,) = log(member, hub, dresden.practice("Open nights", replaces=second, outcome="worked"))
    assert search(member, "open") == [third]
    shown = verbs.run(member, "show", {"digest": first[:12]})
    assert shown["replaced_by"] == third
    assert [version["digest"] for version in shown["versions"]] == [third, second, first]
    assert shown["versions"][0]["changes"][0]["marked"] == "[-no_effect-]{+worked+}"
    assert shown["versions"][1]["changes"][0] == {
        "field": "title",
        "marked": "Open [-evenings-]{+nights+}",
        "pieces": [
            {"change": "same", "text": "Open "},
            {"change": "removed", "text": "evenings"},
            {"change": "added", "text": "nights"},
        ],
    }


def test_an_old_version_does_not_come_back_when_the_middle_one_is_withdrawn(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (first,) = log(member, hub, dresden.practice())
    (second,) = log(member, hub, dresden.practice(replaces=first))
    (third,) = log(member, hub, dresden.practice(replaces=second))
    hub.withdraw(dresden, second)
    verbs.run(member, "sync", {})
    assert search(member, "evenings") == [third]
    hub.withdraw(dresden, third)
    verbs.run(member, "sync", {})
    assert search(member, "evenings") == [first]


def test_of_two_that_take_the_same_place_the_later_one_counts(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (first,) = log(member, hub, dresden.practice())
    _, later = log(member, hub, dresden.practice(replaces=first), dresden.practice(replaces=first))
    assert search(member, "evenings") == [later]


# --- words and filters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"words": "x" * 10_000}, {"words": '"'}, {"words": "\0"}, {"words": 7}, {}, {"words": "a", "limit": 0},
        {"words": "a", "limit": True}, {"words": "a", "outcome": ["lost"]}, {"words": "a", "kind": ["policy"]},
        {"words": "a", "evidence": 9}, {"words": "a", "language": ""}, {"words": "a", "area": "%" * 99},
        {"words": "a", "setting": {"school": 1}},
    ],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_one_sentence(member: Node, params: Mapping[str, Any]) -> None:
    with pytest.raises(VerbError) as refused:
        verbs.run(member, "search", dict(params))
    assert refused.value.message.startswith("expected ")


@pytest.mark.parametrize("words", ['"open', "NEAR(open)", "open -evenings*", "open 😀", 'open "" OR', "title:open"])
def test_strange_words_find_something_or_nothing(member: Node, hub: HubSimulator, dresden: Author, words: str) -> None:
    log(member, hub, dresden.practice())
    assert len(search(member, words)) <= 1


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"phenomenon": ["REL"]}, True),
        ({"phenomenon": ["REL.OTH"]}, False),
        ({"phenomenon": ["RE"]}, None),
        ({"outcome": ["harm", "worked"]}, True),
        ({"outcome": ["worked"]}, False),
        ({"evidence": 2}, True),
        ({"evidence": 3}, False),
        ({"level": ["tertiary", "secondary"]}, True),
        ({"level": ["primary"]}, False),
        ({"setting": ["online"]}, True),
        ({"setting": ["school"]}, False),
        ({"agency": ["police"]}, True),
        ({"agency": ["company"]}, False),
        ({"language": "de"}, True),
        ({"language": "DE-at"}, None),
        ({"language": "d"}, False),
        ({"area": "14"}, True),
        ({"area": "DED"}, False),
        ({"area": "1%"}, False),
        ({"kind": ["practice"], "outcome": ["harm"]}, True),
        ({"kind": ["question"]}, False),
    ],
)
def test_filters_must_all_fit(
    member: Node, hub: HubSimulator, dresden: Author, filters: dict[str, Any], fits: bool | None
) -> None:
    (digest,) = log(
        member,
        hub,
        dresden.practice(
            phenomenon=["REL.ISL"], outcome="harm", evidence_level="2", prevention_level="secondary",
            setting=["online", "home"], agencies=[{"type": "police", "role": "refer"}], language="de-AT",
        ),
    )  # fmt: skip
    if "phenomenon" in filters and fits is None:
        with pytest.raises(VerbError, match="expected one of RWE"):
            search(member, **filters)
        return
    expected = [digest] if fits or filters == {"language": "DE-at"} else []
    if filters != {"language": "DE-at"}:
        assert search(member, **filters) == expected
    assert search(member, "evenings", **filters) == search(member, **filters)


def test_near_is_what_our_own_hub_vouches_for_and_relays(member: Node, hub: HubSimulator, dresden: Author) -> None:
    parent = Author("deutschland.de", hub.city("deutschland.de", enrolled=False).key, hub.clock)
    ours = log(member, hub, dresden.practice(), relayed(hub, make_practice(title="Quiet evenings")))
    far = Author("bremen.hb.de", hub.city("bremen.hb.de", enrolled=False).key, hub.clock)
    hub.enrol(parent.name, parent.key.public, role=MemberRole.PARENT)
    hub.enrol(far.name, far.key.public, signed_by=parent)
    (theirs,) = log(member, hub, far.practice("Evenings by the sea", summary="A long way from here."))
    assert set(search(member, "evenings")) == {*ours, theirs}
    assert set(search(member, "evenings", near=True)) == set(ours)


def test_near_without_a_hub_says_what_is_missing(node: Node) -> None:
    with pytest.raises(VerbError, match="expected a hub, which says who is near"):
        search(node, "evenings", near=True)


def test_when_nothing_has_every_word_some_have_one(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (digest,) = log(member, hub, dresden.practice())
    found = verbs.run(member, "search", {"words": "evenings submarine"})
    assert (found["every_word"], [item["digest"] for item in found["items"]]) == (False, [digest])
    assert verbs.run(member, "search", {"words": "submarine"}) == {"every_word": True, "items": []}


def test_everything_in_words_is_found_and_the_title_counts_most(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    phenomenon = ["RWE"]
    bulletin = {"title": "Stickers", "text": "More graffiti again.", "phenomenon": phenomenon, "area": AREA}
    question = {"title": "Who removes it?", "text": "There is graffiti at schools.", "phenomenon": phenomenon}
    found = log(
        member,
        hub,
        dresden.practice("Graffiti workshops"),
        dresden.sign(Kind.BULLETIN, BulletinBody.from_object(bulletin | {"review": REVIEW}), Audience.REGION),
        dresden.sign(Kind.QUESTION, QuestionBody.from_object(question | {"review": REVIEW}), Audience.REGION),
    )
    answer = AnswerBody.from_object({"question": found[2], "text": "Our own graffiti team.", "review": REVIEW})
    found += log(
        member,
        hub,
        dresden.sign(Kind.ANSWER, answer, Audience.REGION),
        experience(dresden, found[0], "worked", lessons="Graffiti is fun."),
    )
    assert set(search(member, "graffiti")) == set(found)
    assert search(member, "graffiti")[0] == found[0]
    assert search(member, "graffiti", kind=["answer"]) == [found[3]]


def test_our_own_item_that_comes_back_by_the_feed_is_found(
    member: Node, hub: HubSimulator, clock: MovableClock
) -> None:
    own = Author(member.name, member.key, clock)
    (digest,) = log(member, hub, own.practice("What we did"))
    assert search(member, "what we did") == [digest]


# --- both sides, and alike -----------------------------------------------------------------------------------------


def many(author: Author, count: int, outcome: str) -> list[Envelope]:
    """Practices that share one word and nothing else."""
    return [
        author.practice(
            f"Evenings {outcome} {number}",
            summary=" ".join(f"{outcome}{number}s{word}" for word in range(20)),
            lessons=" ".join(f"{outcome}{number}l{word}" for word in range(20)),
            outcome=outcome,
        )
        for number in range(count)
    ]


def test_a_short_list_holds_successes_and_failures(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    failed = log(member, hub, *many(dresden, 1, "harm"))
    clock.advance(days=40)
    worked = log(member, hub, *many(dresden, 12, "worked"))
    listed = search(member, "evenings", limit=4)
    assert failed[0] in listed
    assert search(member, "evenings", limit=4, outcome=["worked"]) == search(member, "evenings worked", limit=4)
    digest = verbs.run(member, "digest", {"days": 30, "limit": 5})
    assert [item["digest"] for item in digest["items"] if item["older"]] == failed
    assert {item["digest"] for item in digest["items"] if not item["older"]} <= set(worked)
    assert len(digest["items"]) == 5


def test_an_author_cannot_date_an_item_to_the_top_for_ever(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    ahead = MovableClock(clock() + timedelta(days=9_000))
    log(member, hub, Author(dresden.name, dresden.key, ahead).practice("From the future", outcome="worked"))
    clock.advance(days=1)
    dresden.last_seq = 50
    (newer,) = log(member, hub, dresden.practice("Of today", summary="Quite another text.", lessons="About others."))
    assert verbs.run(member, "digest", {})["items"][0]["digest"] == newer


def test_an_empty_digest_and_a_wrong_one(member: Node) -> None:
    assert verbs.run(member, "digest", {}) == {"days": 30, "items": []}
    with pytest.raises(VerbError, match="expected days from 1 to 3650"):
        verbs.run(member, "digest", {"days": 0})


def test_a_copy_is_one_entry_that_names_the_other_and_its_outcome(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    other = hub.city("chemnitz.sn.de")
    log(member, hub, dresden.practice("Evenings"), other.practice("Nights", outcome="harm"))
    (item,) = verbs.run(member, "search", {"words": "youth club"})["items"]
    assert {item["outcome"], item["alike"][0]["outcome"]} == {"no_effect", "harm"}


# --- one item ------------------------------------------------------------------------------------------------------


def test_the_evidence_of_all_cities_is_one_line(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (first,) = log(member, hub, dresden.practice(outcome="worked"))
    (second,) = log(member, hub, dresden.practice(outcome="worked", replaces=first, lessons="Later."))
    chemnitz, zwickau = hub.city("chemnitz.sn.de"), hub.city("zwickau.sn.de")
    log(member, hub, experience(chemnitz, first, "worked"))
    (mistaken,) = log(member, hub, experience(zwickau, second, "worked"))
    log(member, hub, experience(zwickau, second, "harm", replaces=mistaken))
    hidden = json.loads(experience(dresden, second, "mixed", attribution="region").payload)["body"]
    log(member, hub, relayed(hub, ExperienceBody.from_object(hidden)))
    for digest in (first, second):
        shown = verbs.run(member, "show", {"digest": digest})
        assert shown["evidence"]["line"] == "tried in 4 cities (1 not named): 2 worked, 1 mixed, 1 harm"


def test_lineage_goes_up_and_down_and_over_versions(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    chemnitz, zwickau = hub.city("chemnitz.sn.de"), hub.city("zwickau.sn.de")
    (root,) = log(member, hub, dresden.practice("Root", adapted_from="f" * 64))
    (left,) = log(member, hub, chemnitz.practice("Left", adapted_from=root))
    (newer_root,) = log(member, hub, dresden.practice("Root, newer", replaces=root, adapted_from="f" * 64))
    clock.advance(days=1)
    (right,) = log(member, hub, zwickau.practice("Right", adapted_from=newer_root))
    plain = ["- an item that is not here", "  - Root, newer", "    - Left", "    - Right"]
    for digest, place in ((root, 1), (left, 2), (right, 3)):
        lines = [line.split(" (")[0] for line in verbs.run(member, "show", {"digest": digest})["lineage"]]
        assert lines == [*plain[:place], plain[place].replace("-", "*"), *plain[place + 1 :]]


def test_an_item_that_stands_alone_has_no_tree_and_its_dates_in_words(
    member: Node, hub: HubSimulator, clock: MovableClock, dresden: Author
) -> None:
    (digest,) = log(member, hub, dresden.practice(review_by="2026-12"))
    shown = verbs.run(member, "show", {"digest": digest})
    assert (shown["lineage"], shown["freshness"], shown["note"]) == (None, "current", None)
    clock.advance(days=60)
    assert verbs.run(member, "show", {"digest": digest})["freshness"] == "stale"
    (item,) = verbs.run(member, "search", {"words": "evenings"})["items"]
    assert item["note"] == "Out of date: its author wanted to look at it again by 2026-12"


# --- cities alike --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"size": ["huge"]}, "bad-parameter"),
        ({"urbanisation": 1}, "bad-parameter"),
        ({"similar": True}, "no-surroundings"),
    ],
)
def test_a_wrong_likeness_of_cities_is_refused(member: Node, params: dict[str, Any], code: str) -> None:
    with pytest.raises(VerbError) as caught:
        verbs.run(member, "search", {"words": ""} | params)
    assert caught.value.code == code


def test_lessons_of_similar_cities_are_found(member: Node, hub: HubSimulator) -> None:
    def practice(city: str, **surroundings: str) -> Envelope:
        place = {"surroundings": surroundings} if surroundings else {}
        words = f"{city} " * 30
        body = make_practice(**place, title=f"Evenings in {city}", summary=words, lessons=words)
        return hub.city(f"{city}.sn.de").sign(Kind.PRACTICE, body, Audience.EUROPE)

    envelopes = practice("dresden", size="XL", urbanisation="1"), practice("zwickau", size="S"), practice("chemnitz")
    large, small, silent = log(member, hub, *envelopes)

    def found(**params: Any) -> set[str]:
        return {item["digest"] for item in verbs.run(member, "search", {"words": "evenings"} | params)["items"]}

    assert found() == {large, small, silent}
    assert found(size=["XL", "XXL"]) == {large}
    assert found(size="S") == {small}
    assert found(urbanisation=["1"]) == {large}
    member.settings = member.settings.model_copy(update={"city_size": "S"})
    assert found(similar=True) == {small}
