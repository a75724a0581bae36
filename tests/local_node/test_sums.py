"""The index of the sums: what is accepted is in it, what is taken back is not shown, and an old inbox is caught up."""

from sqlalchemy import delete

from local_node import sum_index, sums, verbs
from local_node.app import Node
from local_node.orm import SumRow
from shared_schema.envelope import Envelope
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import HubSimulator
from tests.local_node.test_trends import aggregate, cell

TABLE = "bias_incidents.by_offence"


def publish(hub: HubSimulator, period: str, estimate: int, *, revision: int = 1, complete: bool = False) -> Envelope:
    body = aggregate(period, cell("assault", estimate), revision=revision, complete=complete)
    envelope = hub.author.sign(Kind.AGGREGATE, body, Audience.REGION)
    hub.log(envelope)
    return envelope


def estimates(node: Node) -> list[int]:
    with node.database.read() as session:
        digests = sum_index.newest(session, TABLE, ("month",), "2026-01-01", "2026-12-31")
        return sorted(body.cells[0].estimate or 0 for _, body in sums.read_sums(session, digests))


def test_of_several_revisions_only_the_newest_is_read(member: Node, hub: HubSimulator) -> None:
    for revision, estimate in ((1, 30), (3, 50), (2, 40)):
        publish(hub, "2026-01", estimate, revision=revision)
    publish(hub, "2026-02", 70)
    publish(hub, "2025-12", 90)
    verbs.run(member, "sync", {})
    assert estimates(member) == [50, 70]


def test_a_sum_for_the_hub_above_is_in_no_index(member: Node, hub: HubSimulator) -> None:
    publish(hub, "2026-01", 30, complete=True)
    verbs.run(member, "sync", {})
    assert estimates(member) == []


def test_a_sum_that_is_taken_back_is_shown_no_more(member: Node, hub: HubSimulator) -> None:
    envelope = publish(hub, "2026-01", 30)
    verbs.run(member, "sync", {})
    assert estimates(member) == [30]
    hub.withdraw(hub.author, envelope.digest)
    verbs.run(member, "sync", {})
    assert estimates(member) == []


def test_a_node_of_an_older_release_is_caught_up_once(member: Node, hub: HubSimulator) -> None:
    publish(hub, "2026-01", 30)
    verbs.run(member, "sync", {})
    with member.database.write() as session:
        session.execute(delete(SumRow))
    assert estimates(member) == []
    with member.database.write() as session:
        assert sums.catch_up(session) == 1
        assert sums.catch_up(session) == 0
    assert estimates(member) == [30]
