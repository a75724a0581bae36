"""What somebody reads, finds useful and writes down: one person's own, and gone when the item is taken back."""

import pytest
from sqlalchemy import func, select, text

from local_node import audit, reader, search_index, verbs
from local_node.app import Node
from local_node.orm import NoteRow, ReaderRow, ReadItemRow, UsefulMarkRow
from local_node.reader import ReaderError
from tests.hub_simulator import Author, HubSimulator
from tests.local_node.browsing import give_account
from tests.local_node.test_search import log

NOWHERE = "0" * 64


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


def unread(node: Node, person: str, *digests: str) -> set[str]:
    with node.database.read() as session:
        return set(reader.unread_among(session, person, digests))


# --- new and read --------------------------------------------------------------------------------------------------


def test_what_one_person_has_read_is_still_new_for_another(member: Node, hub: HubSimulator, dresden: Author) -> None:
    one, two = log(member, hub, dresden.practice("One"), dresden.practice("Two"))
    with member.database.write() as session:
        for _twice in range(2):
            reader.mark_read(session, "anna", one)
    assert (unread(member, "anna", one, two), unread(member, "ben", one, two)) == ({two}, {one, two})
    with member.database.write() as session:
        reader.mark_unread(session, "anna", one)
    assert unread(member, "anna", one, two) == {one, two}


def test_a_newcomer_begins_with_everything_read(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (old,) = log(member, hub, dresden.practice("Old"))
    give_account(member, "anna")
    (new,) = log(member, hub, dresden.practice("New"))
    give_account(member, "anna")  # a new password changes nothing
    assert unread(member, "anna", old, new) == {new}


def test_everything_read_covers_what_was_seen_and_not_what_came_since(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    seen = log(member, hub, dresden.practice("One"), dresden.practice("Two"))
    with member.database.read() as session:
        up_to = search_index.last_number(session)
    (later,) = log(member, hub, dresden.practice("Three"))
    with member.database.write() as session:
        reader.mark_read(session, "anna", seen[0])
        reader.mark_all_read(session, "anna", up_to)
        reader.mark_all_read(session, "anna", 1)  # an older window goes nowhere back
        assert session.scalar(select(func.count()).select_from(ReadItemRow)) == 0
    assert unread(member, "anna", *seen, later) == {later}


def test_nobody_can_read_ahead_of_what_is_here(member: Node, hub: HubSimulator, dresden: Author) -> None:
    with member.database.write() as session:
        reader.mark_all_read(session, "anna", 10**15)
    (new,) = log(member, hub, dresden.practice("New"))
    assert unread(member, "anna", new) == {new}


def test_a_number_that_is_given_away_again_is_new(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (gone,) = log(member, hub, dresden.practice("Gone"))
    with member.database.write() as session:
        reader.mark_all_read(session, "anna", 100)
        before = session.scalar(select(ReaderRow.read_up_to))
    log(member, hub, dresden.withdrawal(gone))
    (new,) = log(member, hub, dresden.practice("New"))
    with member.database.read() as session:
        number = session.execute(text("SELECT id FROM search_items WHERE digest = :digest"), {"digest": new}).scalar()
    assert number == before  # SQLite gives the number away again
    assert unread(member, "anna", new) == {new}


# --- useful to us --------------------------------------------------------------------------------------------------


def test_two_clicks_are_one_mark_and_what_is_not_here_gets_none(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, dresden.practice("One"))
    now = member.clock()
    with member.database.write() as session:
        for person in ("anna", "anna", "ben"):
            reader.set_useful(session, person, digest, True, now)
        assert reader.count_useful(session, [digest, NOWHERE]) == {digest: 2}
        assert reader.useful_among(session, "ben", [digest]) == {digest}
        reader.set_useful(session, "ben", digest, False, now)
        reader.set_useful(session, "ben", digest, False, now)
        assert reader.count_useful(session, [digest]) == {digest: 1}
        with pytest.raises(ReaderError, match="that can be read here"):
            reader.set_useful(session, "anna", NOWHERE, True, now)
        events = [event.action for event in audit.list_events(session) if event.action.startswith("item.")]
    assert events == ["item.not-useful", "item.useful", "item.useful"]


# --- notes ---------------------------------------------------------------------------------------------------------


def test_a_note_from_an_older_window_does_not_overwrite_the_newer_one(
    member: Node, hub: HubSimulator, dresden: Author
) -> None:
    (digest,) = log(member, hub, dresden.practice("One"))
    now = member.clock()
    with member.database.write() as session:
        reader.write_note(session, "anna", digest, "Ask the youth office\r\nfirst ", 0, now)
        for stale in (0, 7):
            with pytest.raises(ReaderError, match="another window"):
                reader.write_note(session, "anna", digest, "Something else", stale, now)
        reader.write_note(session, "anna", digest, "", 1, now)
        with pytest.raises(ReaderError, match="another window"):
            reader.write_note(session, "anna", digest, "From before it was removed", 1, now)
        assert reader.find_note(session, "anna", digest).edition == 2
        assert reader.find_note(session, "ben", digest) == reader.Note()


def test_a_note_is_bounded_and_needs_an_item(member: Node, hub: HubSimulator, dresden: Author) -> None:
    (digest,) = log(member, hub, dresden.practice("One"))
    with member.database.write() as session:
        with pytest.raises(ReaderError, match="4000 letters, got 4001"):
            reader.write_note(session, "anna", digest, "a" * 4001, 0, member.clock())
        with pytest.raises(ReaderError, match="can be read here"):
            reader.write_note(session, "anna", NOWHERE, "A note", 0, member.clock())


def test_what_is_taken_back_takes_marks_and_notes_along(member: Node, hub: HubSimulator, dresden: Author) -> None:
    gone, kept = log(member, hub, dresden.practice("Gone"), dresden.practice("Kept"))
    with member.database.write() as session:
        for digest in (gone, kept):
            reader.set_useful(session, "anna", digest, True, member.clock())
            reader.mark_read(session, "anna", digest)
            reader.write_note(session, "anna", digest, "It says: ask first", 0, member.clock())
    log(member, hub, dresden.withdrawal(gone))
    with member.database.read() as session:
        for row in (NoteRow, UsefulMarkRow, ReadItemRow):
            assert session.scalars(select(row.digest)).all() == [kept]
    assert verbs.run(member, "audit.verify", {})["events"]
