"""What must hold in every federation at every moment: the invariants of the design, looked up in all databases.

assert broken(federation, revoked) == []
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import select

from local_node import inbox
from local_node.inbox import InboxState
from local_node.orm import HubRow
from regional_hub import log
from regional_hub.orm import CheckpointRow, EntryRow, SourceRow
from shared_schema.checkpoint import parse_checkpoint
from shared_schema.entry import Receipt
from shared_schema.keys import MemberStatus
from shared_schema.merkle import Frontier
from shared_schema.statement import Kind
from tests.federation.topology import FederatedCity, Federation
from tests.regional_hub.running import RunningHub

ALLOWED_FAILURES = (503, 507)


def broken(federation: Federation, revoked: Mapping[str, str]) -> list[str]:
    """What does not hold, one sentence each; `revoked` has the home hub of every city whose key was revoked."""
    found = [f"status {status} was answered" for status in federation.wires.statuses if is_failure(status)]
    roots = {name: roots_of(hub) for name, hub in federation.hubs.items()}
    for name, hub in federation.hubs.items():
        found += [f"{name}: {finding}" for finding in hub.verb("verify")["findings"]]
        found += [f"{name}: {finding}" for finding in _bad_checkpoints(hub, roots)]
        found += [f"{name}: {finding}" for finding in _after_revocation_in_log(hub, revoked)]
    for name, city in federation.cities.items():
        found += [f"{name}: {finding}" for finding in _lost(city, federation.hubs[city.hub])]
        found += [f"{name}: {finding}" for finding in _bad_heads(city, roots)]
        found += [f"{name}: {finding}" for finding in _after_revocation_in_inbox(city, federation, revoked)]
    return found


def is_failure(status: int) -> bool:
    return status >= 500 and status not in ALLOWED_FAILURES


def roots_of(hub: RunningHub) -> list[bytes]:
    """The root of every size of a hub's log, from its leaves."""
    frontier = Frontier()
    roots = [frontier.root()]
    with hub.hub.database.read() as session:
        for row in session.scalars(select(EntryRow).order_by(EntryRow.index)):
            frontier = frontier.append(log.to_log_entry(row).leaf)
            roots.append(frontier.root())
    return roots


def _bad_checkpoints(hub: RunningHub, roots: Mapping[str, list[bytes]]) -> Iterator[str]:
    """Two checkpoints that are not consistent: what was signed, and what followers have seen."""
    with hub.hub.database.read() as session:
        for note in session.scalars(select(CheckpointRow.note)):
            signed = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
            if roots[hub.hub.name][signed.size] != signed.root:
                yield f"checkpoint {signed.size} is not that of its log"
        for row in session.scalars(select(SourceRow)):
            if row.seen_size and roots[row.name][row.seen_size] != row.seen_root:
                yield f"has seen another tree of {row.name} at {row.seen_size}"


def _bad_heads(city: FederatedCity, roots: Mapping[str, list[bytes]]) -> Iterator[str]:
    with city.node.database.read() as session:
        for row in session.scalars(select(HubRow)):
            if row.seen_size and roots[row.name][row.seen_size].hex() != row.seen_root:
                yield f"has seen another tree of {row.name} at {row.seen_size}"


def _lost(city: FederatedCity, hub: RunningHub) -> Iterator[str]:
    """An acknowledged statement that is not where its receipt says."""
    with hub.hub.database.read() as session:
        places = dict(session.execute(select(EntryRow.digest, EntryRow.index)).all())
    for digest, stored in city.receipts().items():
        receipt = Receipt.from_bytes(stored)
        if places.get(digest) != receipt.index:
            yield f"lost {digest[:8]}, acknowledged at {receipt.index}"


def _after_revocation_in_log(hub: RunningHub, revoked: Mapping[str, str]) -> Iterator[str]:
    with hub.hub.database.read() as session:
        ends = ends_in(hub, revoked)
        for origin, end in ends.items():
            late = session.scalars(select(EntryRow.index).where(EntryRow.origin == origin, EntryRow.index > end))
            yield from (f"took entry {index} of the revoked {origin}" for index in late)


def _after_revocation_in_inbox(
    city: FederatedCity, federation: Federation, revoked: Mapping[str, str]
) -> Iterator[str]:
    ends = ends_in(federation.hubs[city.hub], revoked)
    with city.node.database.read() as session:
        for item in inbox.list_items(session, state=InboxState.ACCEPTED, limit=1_000_000):
            if item.origin in ends and item.log_index > ends[item.origin]:
                yield f"accepted item {item.log_index} of the revoked {item.origin}"


def ends_in(hub: RunningHub, revoked: Mapping[str, str]) -> dict[str, int]:
    """city → the place in this hub's log from which its key counts no more."""
    from regional_hub.members import _read_body  # the one reader of stored bodies
    from regional_hub.orm import ContentRow
    from shared_schema.governance import MembershipBody

    ends: dict[str, int] = {}
    with hub.hub.database.read() as session:
        rows = session.execute(
            select(EntryRow.index, ContentRow.envelope)
            .join(ContentRow, ContentRow.digest == EntryRow.digest)
            .where(EntryRow.kind == Kind.MEMBERSHIP.value)
            .order_by(EntryRow.index)
        )
        for index, stored in rows:
            body = _read_body(stored, MembershipBody)
            if body is not None and body.status is MemberStatus.REVOKED and body.member in revoked:
                ends.setdefault(body.member, index)
    return ends
