"""How long a node keeps the contents of others: as the policy says, or shorter when the city's settings say so.

What is too old is erased as if it had been withdrawn: the digest stays, the search forgets it. What a city has said
itself, and what says whom and what this node believes, stays.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node import search_index
from local_node.inbox import InboxState
from local_node.orm import InboxRow
from shared_schema.names import format_time
from shared_schema.statement import NEVER_WITHDRAWN

EXPIRED = "expired"
"""The reason of what was erased because it was too old."""
AT_ONCE = 5_000


def purge(session: Session, own_name: str, months: int | None, now: datetime) -> int:
    """Erase what is older than `months`; returns how many contents."""
    if months is None:
        return 0
    digests = session.scalars(
        select(InboxRow.digest)
        .where(
            InboxRow.envelope.is_not(None),
            InboxRow.issued_at < format_time(months_before(now, months)),
            InboxRow.kind.not_in([kind.value for kind in NEVER_WITHDRAWN]),
            InboxRow.origin.is_distinct_from(own_name),
        )
        .limit(AT_ONCE)
    ).all()
    if not digests:
        return 0
    session.execute(
        update(InboxRow)
        .where(InboxRow.digest.in_(digests))
        .values(envelope=None, state=InboxState.WITHDRAWN.value, reason=EXPIRED)
        .execution_options(synchronize_session=False)
    )
    search_index.compact(session)
    return len(digests)


def months_before(now: datetime, months: int) -> datetime:
    """The same moment so many months earlier; the last day of a month that has no such day."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    for day in range(now.day, 27, -1):
        try:
            return now.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return now.replace(year=year, month=month + 1)
