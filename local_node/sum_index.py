"""Which accepted sum is about which table and period. `inbox` writes it in the transaction that accepts the sum.

add(session, digest, "sachsen.de", body)
newest(session, "first_contacts.by_age", "month", "2024-01-01", "2026-12-31")      the digests to read
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.orm import InboxRow, SumRow
from shared_schema.period import Granularity
from shared_schema.statement import Kind
from shared_schema.trend import AggregateBody

ACCEPTED = "accepted"


def add(session: Session, digest: str, origin: str, body: AggregateBody) -> None:
    """Note a sum; the same one twice has the effect of once. One for the hub above alone is nothing for pages."""
    if body.complete:
        return
    session.merge(
        SumRow(
            digest=digest,
            origin=origin,
            table_id=body.table.id,
            table_version=body.table.version,
            granularity=body.period.granularity,
            period=body.period.label,
            first_day=body.period.start,
            revision=body.revision,
        )
    )


def list_tables(session: Session) -> frozenset[str]:
    """The ids of all tables of which there is a sum."""
    return frozenset(session.scalars(select(SumRow.table_id).distinct()))


def newest(
    session: Session, table_id: str, granularities: Sequence[Granularity], first_day: str, last_day: str
) -> list[str]:
    """The digest of the newest revision of every sum of a table that begins within these days, that is still accepted.

    Of several versions of a table all are named: whoever shows them says so.
    """
    rows = session.execute(
        select(SumRow.digest, SumRow.origin, SumRow.table_version, SumRow.period)
        .join(InboxRow, InboxRow.digest == SumRow.digest)
        .where(
            SumRow.table_id == table_id,
            SumRow.granularity.in_(granularities),
            SumRow.first_day.between(first_day, last_day),
            InboxRow.state == ACCEPTED,
        )
        .order_by(SumRow.revision)
    )
    latest = {(origin, version, period): digest for digest, origin, version, period in rows}
    return sorted(latest.values())


def list_missing(session: Session) -> Sequence[str]:
    """The digests of accepted sums that the index does not know: a node of an older release has some."""
    return session.scalars(
        select(InboxRow.digest)
        .outerjoin(SumRow, SumRow.digest == InboxRow.digest)
        .where(InboxRow.kind == Kind.AGGREGATE.value, InboxRow.state == ACCEPTED, SumRow.digest.is_(None))
    ).all()
