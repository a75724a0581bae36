"""The sums that hubs publish, read for one table at a time."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from local_node import inbox, sum_index
from shared_schema.errors import ContractError
from shared_schema.trend import AggregateBody


def catch_up(session: Session) -> int:
    """Bring the index in line with the inbox, for a node from an older release; returns how many sums came in.

    What the contract of this release cannot read is left out.
    """
    count = 0
    for digest in sum_index.list_missing(session):
        try:
            bodies = inbox.find_bodies(session, [digest])
        except ContractError:
            continue
        for origin, body in bodies:
            if isinstance(body, AggregateBody) and not body.complete:
                sum_index.add(session, digest, origin, body)
                count += 1
    return count


def read_sums(session: Session, digests: Sequence[str]) -> list[tuple[str, AggregateBody]]:
    """(origin, sum) of these items (`sum_index.newest`)."""
    return [(origin, body) for origin, body in inbox.find_bodies(session, digests) if isinstance(body, AggregateBody)]
