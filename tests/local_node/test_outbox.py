"""Rows leave in order, are claimed once, and come back with their reason."""

from datetime import timedelta

import pytest

from local_node import hub_client, outbox
from local_node.outbox import LONGEST_WAIT, ClaimedItem, OutboxError, OutboxState
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubIdentity
from tests.hub_simulator import Author, HubSimulator, MovableClock, seeded_key

HUB = "sachsen.de"


@pytest.fixture
def database(node_database: Database, hub: HubSimulator, clock: MovableClock) -> Database:
    identity = HubIdentity(
        name=HUB, level="region", vkey=hub.verifier.vkey, fingerprint=hub.verifier.key.fingerprint, api=1
    )
    with node_database.write() as session:
        hub_client.pin_hub(session, hub.url, identity, identity.fingerprint, clock())
    return node_database


@pytest.fixture
def author(clock: MovableClock) -> Author:
    return Author("leipzig.sn.de", seeded_key("leipzig.sn.de"), clock)


def enqueue(database: Database, author: Author, count: int = 1) -> None:
    with database.write() as session:
        for _ in range(count):
            envelope = author.practice()
            outbox.enqueue(session, envelope, author.last_seq, [HUB], author.clock())


def claim(database: Database, clock: MovableClock, *, patient: bool = True) -> ClaimedItem | None:
    with database.write() as session:
        return outbox.claim_next(session, HUB, clock(), patient=patient)


def test_rows_are_claimed_in_order_of_seq(database: Database, author: Author, clock: MovableClock) -> None:
    later, earlier = author.practice("Later"), author.practice("Earlier")
    with database.write() as session:
        outbox.enqueue(session, later, 9, [HUB], clock())
        outbox.enqueue(session, earlier, 8, [HUB], clock())
    item = claim(database, clock)
    assert item is not None
    assert item.digest == earlier.digest


def test_a_claimed_row_is_nobody_elses_and_holds_back_those_behind_it(
    database: Database, author: Author, clock: MovableClock
) -> None:
    enqueue(database, author, 2)
    assert claim(database, clock) is not None
    assert claim(database, clock) is None


def test_enqueuing_twice_has_the_effect_of_once(database: Database, author: Author, clock: MovableClock) -> None:
    envelope = author.practice()
    with database.write() as session:
        outbox.enqueue(session, envelope, 1, [HUB], clock())
        outbox.enqueue(session, envelope, 1, [HUB], clock())
        assert len(outbox.list_rows(session)) == 1


def test_a_row_that_was_put_back_waits_for_its_time_and_keeps_its_reason(
    database: Database, author: Author, clock: MovableClock
) -> None:
    enqueue(database, author)
    item = claim(database, clock)
    assert item is not None
    with database.write() as session:
        due = outbox.put_back(session, item, "unreachable", clock())
        assert outbox.list_rows(session)[0].reason == "unreachable"
    assert claim(database, clock) is None
    clock.now = due
    assert claim(database, clock) is not None


def test_a_person_who_asks_does_not_have_to_wait(database: Database, author: Author, clock: MovableClock) -> None:
    enqueue(database, author)
    item = claim(database, clock)
    assert item is not None
    with database.write() as session:
        outbox.put_back(session, item, "unreachable", clock())
    assert claim(database, clock, patient=False) is not None


def test_waiting_grows_to_an_hour_and_no_further() -> None:
    waits = [outbox.wait_after(failures) for failures in range(12)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=30)
    assert waits[-1] == outbox.wait_after(10**6) == LONGEST_WAIT


def test_a_hub_that_names_a_time_is_believed_up_to_an_hour(
    database: Database, author: Author, clock: MovableClock
) -> None:
    enqueue(database, author)
    item = claim(database, clock)
    assert item is not None
    with database.write() as session:
        assert outbox.put_back(session, item, "unreachable", clock(), retry_after=10**6) == clock() + LONGEST_WAIT


def test_a_refused_row_lets_the_next_one_go(database: Database, author: Author, clock: MovableClock) -> None:
    enqueue(database, author, 2)
    first = claim(database, clock)
    assert first is not None
    with database.write() as session:
        outbox.mark_refused(session, first, "release-rule")
    second = claim(database, clock)
    assert second is not None
    assert second.seq == first.seq + 1


def test_a_row_cannot_be_settled_twice(database: Database, author: Author, clock: MovableClock) -> None:
    enqueue(database, author)
    item = claim(database, clock)
    assert item is not None
    with database.write() as session:
        outbox.mark_refused(session, item, "release-rule")
    with pytest.raises(OutboxError, match="expected row 1"), database.write() as session:
        outbox.put_back(session, item, "unreachable", clock())


def test_a_row_that_a_crash_left_in_sending_is_taken_up_again(
    database: Database, author: Author, clock: MovableClock
) -> None:
    enqueue(database, author)
    assert claim(database, clock) is not None
    with database.write() as session:
        assert outbox.take_up_again(session) == 1
        assert outbox.list_rows(session)[0].state is OutboxState.WAITING
    assert claim(database, clock) is not None
