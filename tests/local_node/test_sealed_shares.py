"""A city's share of a sealed total, from the announcement to the end of the collection: the node's whole way."""

from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from shared_schema.governance import PolicyBody
from shared_schema.service.control import VerbError
from tests.factories import add_returns, make_returns_file
from tests.hub_simulator import HubSimulator
from tests.local_node.sealed_desk import COUNTS, SealedDesk, sealed_policy


@pytest.fixture
def policy() -> PolicyBody:
    return sealed_policy()


@pytest.fixture
def desk(member: Node, hub: HubSimulator) -> SealedDesk:
    with member.database.write() as session:
        add_returns(session, make_returns_file(m2026_09=COUNTS, m2026_08=[1] * 6))
    return SealedDesk(hub)


def standing(node: Node, digest: str) -> str:
    found = {line["batch"]: line["standing"] for line in verbs.run(node, "sealed.list", {})["collections"]}
    return str(found[digest])


def ask(node: Node, digest: str, by: str = "anna") -> dict[str, Any]:
    return verbs.run(node, "sealed.request", {"batch": digest, "by": by})


def refused(node: Node, verb: str, **params: Any) -> VerbError:
    with pytest.raises(VerbError) as caught:
        verbs.run(node, verb, params)
    assert "\n" not in caught.value.message
    return caught.value


def test_a_share_goes_from_the_announcement_into_the_total(member: Node, desk: SealedDesk) -> None:
    digest = desk.open()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "open"
    request = ask(member, digest)
    assert standing(member, digest) == "asked"
    verbs.run(member, "release.approve", {"request": request["request"], "by": "ben", "seen": request["seen"]})
    assert standing(member, digest) == "approved"
    assert verbs.run(member, "sync", {})["pushed"] == 1
    assert standing(member, digest) == "sent"
    share = desk.take_what_came()
    desk.send_others()
    desk.decide()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "accepted"
    desk.publish()
    verbs.run(member, "sync", {})
    assert standing(member, digest) == "opened"
    assert share.digest in desk.roster.terms.attendance.accepted
