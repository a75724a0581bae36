"""What this city has said, item by item, wherever each of its hubs stands with it."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from local_node import sent_items, verbs
from local_node.app import Node
from local_node.outbox import OutboxState
from local_node.sent_items import SentItem, Shelf
from shared_schema.service.database import Database
from shared_schema.statement import Kind
from tests.hub_simulator import HubSimulator, Lie

DRAFT = {
    "summary": "We opened the club on more evenings. Nobody came.",
    "phenomenon": ["RWE"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "no_effect",
    "lessons": "Ask first.",
}


def release(node: Node, folder: Path, title: str) -> None:
    file = folder / "practice.json"
    file.write_text(json.dumps(DRAFT | {"title": title}))
    request = verbs.run(node, "release.practice", {"file": str(file), "by": "anna"})["request"]
    verbs.run(node, "release.approve", {"request": request, "by": "ben", "accept": {}})


def listed(node: Node, shelf: Shelf = Shelf.ALL) -> tuple[SentItem, ...]:
    with node.database.read() as session:
        return sent_items.list_sent(session, shelf, limit=10)


@pytest.fixture
def sent(member: Node, tmp_path: Path) -> Node:
    release(member, tmp_path, "Evenings for everybody")
    verbs.run(member, "sync", {})
    return member


def test_what_was_received_has_its_place_in_the_hubs_log(sent: Node, hub: HubSimulator) -> None:
    (item,) = listed(sent, Shelf.SENT)
    assert (item.kind, item.title, item.request) == (Kind.PRACTICE, "Evenings for everybody", "r1")
    (row,) = item.rows
    assert (row.hub, row.state, row.index) == (hub.name, OutboxState.DELIVERED, len(hub.entries) - 1)
    assert item.was_sent


def test_what_waits_and_what_was_refused_lie_on_shelves_of_their_own(
    sent: Node, hub: HubSimulator, tmp_path: Path
) -> None:
    hub.lie = Lie.REFUSE
    release(sent, tmp_path, "Refused by the hub")
    verbs.run(sent, "sync", {})
    hub.lie = Lie.UNREACHABLE
    release(sent, tmp_path, "On its way")
    verbs.run(sent, "sync", {})
    hub.lie = None
    assert [item.title for item in listed(sent, Shelf.REFUSED)] == ["Refused by the hub"]
    assert listed(sent, Shelf.REFUSED)[0].rows[0].reason == "release-rule"
    with sent.database.read() as session:
        counts = sent_items.count_sent(session)
    assert counts[Shelf.ALL] == 1 + counts[Shelf.REFUSED] + counts[Shelf.WAITING]


def test_what_was_taken_back_says_who_has_confirmed_and_has_no_text(sent: Node, hub: HubSimulator) -> None:
    digest = listed(sent)[0].digest
    verbs.run(sent, "withdraw", {"digest": digest, "by": "anna", "reason": "error"})
    (item,) = listed(sent, Shelf.BACK)
    assert (item.digest, item.title, item.kind) == (digest, None, Kind.PRACTICE)
    assert item.taken_back is not None and item.taken_back.tally is None
    verbs.run(sent, "sync", {})
    (item,) = listed(sent)
    assert item.taken_back is not None and item.taken_back.asked_by == "anna"
    with sent.database.read() as session:
        assert sent_items.find_bytes(session, digest) is None
        assert sent_items.find_sent(session, "0" * 64) is None


def test_every_number_beside_a_shelf_is_that_of_its_list(sent: Node, hub: HubSimulator, tmp_path: Path) -> None:
    """Items are narrowed, erased, refused, on their way; then all of them have a row for a second hub as well."""
    for title in ("Narrowed", "Erased"):
        release(sent, tmp_path, title)
    verbs.run(sent, "sync", {})
    digests = {item.title: item.digest for item in listed(sent)}
    verbs.run(sent, "withdraw", {"digest": digests["Narrowed"], "by": "anna", "reason": "other", "to": "nation"})
    verbs.run(sent, "withdraw", {"digest": digests["Erased"], "by": "anna", "reason": "error"})
    hub.lie = Lie.REFUSE
    release(sent, tmp_path, "Refused by the hub")
    verbs.run(sent, "sync", {})
    hub.lie = Lie.UNREACHABLE
    release(sent, tmp_path, "On its way")
    verbs.run(sent, "sync", {})
    for hubs in (1, 2):
        if hubs == 2:
            copy_for_another_hub(sent.database)
        with sent.database.read() as session:
            counts = sent_items.count_sent(session)
        found = {shelf: [item.digest for item in listed(sent, shelf)] for shelf in Shelf}
        assert {shelf: len(each) for shelf, each in found.items()} == counts
        assert all(len(set(each)) == len(each) for each in found.values())
        assert (counts[Shelf.ALL], counts[Shelf.SENT], counts[Shelf.BACK]) == (5, 2, 2)
        assert digests["Erased"] in found[Shelf.BACK] and digests["Erased"] not in found[Shelf.SENT]


def copy_for_another_hub(database: Database) -> None:
    """Every row of the outbox once more, for a second hub."""
    with database.write() as session:
        for table, named in (("hubs", "name"), ("outbox", "hub")):
            columns = [row[1] for row in session.execute(text(f"PRAGMA table_info({table})"))]
            kept = [column for column in columns if column not in ("id", named, "url")]
            other = [f"'bund.de', {'url || 2, ' if 'url' in columns else ''}{', '.join(kept)}"]
            names = [named, *(["url"] if "url" in columns else []), *kept]
            session.execute(text(f"INSERT INTO {table} ({', '.join(names)}) SELECT {other[0]} FROM {table}"))
