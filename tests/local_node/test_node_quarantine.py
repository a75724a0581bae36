"""Poison in a hub's log: set aside with its reason, never in the way, and two contents for one number are evidence."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from local_node import hub_place, item_store, verbs
from local_node.app import Node
from local_node.inbox import InboxState
from local_node.orm import EvidenceRow, InboxRow, SearchItemRow
from shared_schema import canonical
from shared_schema.envelope import MAX_ENVELOPE_BYTES, Envelope, envelope_from_object, sign_payload
from shared_schema.feed import FeedItem
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import Author, HubSimulator
from tests.local_node.conftest import Leipzig

Poison = Callable[[Author], Envelope]


def changed(author: Author, **changes: object) -> Envelope:
    """The author's next practice with other fields, signed as it is."""
    value: dict[str, Any] = json.loads(author.practice().payload) | changes
    kind = str(value["kind"])
    return sign_payload(kind, canonical.encode(value), author.key)


def broken_signature(author: Author) -> Envelope:
    first, second = author.practice("One"), author.practice("Two")
    value = json.loads(first.to_bytes())
    value["signatures"] = json.loads(second.to_bytes())["signatures"]
    return envelope_from_object(value)


POISON: list[tuple[Poison, ProblemCode]] = [
    (broken_signature, ProblemCode.BAD_SIGNATURE),
    (lambda author: changed(author, origin="somebody.sn.de"), ProblemCode.WRONG_ORIGIN),
    (lambda author: changed(author, kind="gossip"), ProblemCode.SCHEMA),
    (lambda author: changed(author, mood="good"), ProblemCode.SCHEMA),
    (lambda author: changed(author, pad="x" * MAX_ENVELOPE_BYTES), ProblemCode.TOO_LARGE),
]


def log(hub: HubSimulator, envelope: Envelope) -> None:
    hub.log(envelope, kind=envelope.kind, audience=Audience.EUROPE)  # type: ignore[arg-type]


def test_poison_is_set_aside_with_its_reason_and_what_follows_is_read(member: Node, hub: HubSimulator) -> None:
    city = hub.city("dresden.sn.de")
    codes = {}
    for make, code in POISON:
        poison = make(city)
        log(hub, poison)
        codes[poison.digest] = code.value
    good = city.practice("A good one")
    log(hub, good)
    report = verbs.run(member, "sync", {})
    assert (report["quarantined"], report["problems"], report["alarms"]) == (len(POISON), [], [])
    lines = verbs.run(member, "quarantine.list", {})["items"]
    assert {line["digest"]: line["code"] for line in lines} == codes and all(line["to_do"] for line in lines)
    for digest, expected in codes.items():
        explained = verbs.run(member, "explain", {"digest": digest})
        assert (explained["place"], explained["reason"]) == ("quarantined", expected)
    assert verbs.run(member, "explain", {"digest": good.digest})["place"] == "shown"
    assert verbs.run(member, "quarantine.retry", {}) == {"released": 0, "left": len(POISON)}
    shown = verbs.run(member, "inbox.list", {"kind": "practice", "state": "accepted"})["items"]
    assert [item["digest"] for item in shown] == [good.digest]
    verbs.run(member, "status", {})


def test_a_newer_program_takes_what_an_older_one_set_aside(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    envelope = city.practice()
    leipzig.hub.log(envelope)
    leipzig.pull()
    with leipzig.database.write() as session:  # as a program would have left it that did not know the field
        row = session.get_one(InboxRow, envelope.digest)
        row.state, row.reason, row.seq = InboxState.QUARANTINED.value, ProblemCode.SCHEMA.value, None
    with leipzig.database.write() as session:
        report = item_store.retry_all(session, leipzig.hub.name, hub_place.load_trust(session, leipzig.pinned.pin))
    assert report.accepted == 1
    assert leipzig.items()[envelope.digest].state is InboxState.ACCEPTED


@pytest.mark.parametrize("pages", [1, 2])
def test_two_contents_for_one_number_are_both_kept_and_alarm(leipzig: Leipzig, pages: int) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    first = city.practice("One story")
    city.last_seq -= 1
    second = city.practice("Another story")
    leipzig.hub.log(first)
    if pages == 2:
        leipzig.pull()
    leipzig.hub.log(second)
    leipzig.pull()
    items = leipzig.items()
    assert items[first.digest].state is InboxState.ACCEPTED
    assert (items[second.digest].state, items[second.digest].reason) == (InboxState.QUARANTINED, "seq-conflict")
    for _ in range(2):
        assert [alarm.code for alarm in leipzig.alarms()] == ["seq-conflict"], "an honest page does not settle it"
        leipzig.pull()
    with leipzig.database.read() as session:
        row = session.get_one(EvidenceRow, second.digest)
        assert (row.known_digest, row.envelope) == (first.digest, second.stored_bytes)

    leipzig.hub.withdraw(city, first.digest)
    leipzig.pull()
    with leipzig.database.read() as session:
        assert session.get_one(EvidenceRow, second.digest).envelope == b""


# --- CHECKS 70 -----------------------------------------------------------------------------------------------------


def read_shuffled(leipzig: Leipzig, deliveries: int) -> None:
    """The same items by many entries in any order, as a hub may repeat them that other hubs hand on to it."""
    city = leipzig.hub.city("dresden.sn.de")
    leipzig.pull()
    items = [city.practice(f"Number {number}") for number in range(30)]
    chance = random.Random(70)
    for start in range(0, deliveries, 100):
        order = [chance.choice(items) for _ in range(100)]
        with leipzig.database.write() as session:
            state = hub_place.load_state(session, leipzig.pinned.verifier)
            trust = hub_place.load_trust(session, leipzig.pinned.pin)
            for envelope in order:
                leipzig.hub.log(envelope)
            now = leipzig.clock()
            item_store.store_page(session, state, state, make_items(leipzig, order, start), trust=trust, now=now)
    found = {item.digest: item for item in leipzig.items().values() if item.kind is Kind.PRACTICE}
    assert set(found) == {envelope.digest for envelope in items}
    assert {item.state for item in found.values()} == {InboxState.ACCEPTED}
    with leipzig.database.read() as session:
        count = session.scalar(select(func.count()).select_from(SearchItemRow))
    assert count == len(items)


def make_items(leipzig: Leipzig, order: list[Envelope], start: int) -> list[FeedItem]:
    """Each delivery at a place of its own, beyond the real log."""
    entries = {entry.digest: entry for entry in leipzig.hub.entries}
    first = len(leipzig.hub.entries) + 1_000 + start
    return [FeedItem(first + place, entries[each.digest], each, None) for place, each in enumerate(order)]


def test_five_hundred_shuffled_deliveries_are_one_item_each(leipzig: Leipzig) -> None:
    read_shuffled(leipzig, 500)


@pytest.mark.long
def test_a_hundred_thousand_shuffled_deliveries_are_one_item_each(leipzig: Leipzig) -> None:
    read_shuffled(leipzig, 100_000)
