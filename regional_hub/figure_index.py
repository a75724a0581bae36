"""The sums that may be shown, taken out of the log cell by cell.

What is here follows from the log alone, so it can be made anew at any time. Of the sums of hubs below, which only this
hub reads, it holds what those hubs show to their own members: a cell of which they show something else than the sum
has now counts as suppressed.

    while is_behind(session): catch_up(session, name, level)
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.figures import MIXED, month_of
from regional_hub.holdings import read_body
from regional_hub.orm import (
    ContentRow,
    EntryRow,
    FiguresHeadRow,
    MemberRow,
    SeriesRow,
    ShownCellRow,
    ShownSumRow,
    table_of,
)
from shared_schema.governance import Level
from shared_schema.period import Area, parse_period
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, AggregateCell

ENTRIES_A_TIME: Final = 200
"""In one transaction: 80,000 cells of the largest tables, a second or two."""
HEAD: Final = 1
NOTHING: Final = ("estimate", "variance_milli", "low", "high", "suppressed", "suppressed_high", "withheld")


class _Published(NamedTuple):
    """A sum as it stands in the log."""

    entry: int
    origin: str
    audience: str
    subject: str | None
    envelope: bytes | None
    """None where it was withdrawn."""


def next_index(session: Session) -> int:
    """The size of the log up to which every sum is here."""
    return session.scalar(select(FiguresHeadRow.next_index).where(FiguresHeadRow.id == HEAD)) or 0


def is_behind(session: Session) -> bool:
    """Whether the log has entries that were not read yet."""
    newest = session.scalar(select(func.max(EntryRow.index)))
    return newest is not None and newest >= next_index(session)


def lacks_sums(session: Session) -> bool:
    """Whether the log has sums that were not read yet."""
    waiting = select(EntryRow.index).where(EntryRow.kind == Kind.AGGREGATE.value, EntryRow.index >= next_index(session))
    return session.scalar(waiting.limit(1)) is not None


def catch_up(session: Session, name: str, level: Level) -> int:
    """Read the next entries of the log, in the caller's transaction; return how many sums they brought.

    Whoever calls goes on while `is_behind`.
    """
    log.lock_head(session)  # two processes of one hub must not take the same sums
    first = next_index(session)
    last = session.scalar(select(func.max(EntryRow.index)))
    if last is None or last < first:
        return 0
    rows = session.execute(
        select(EntryRow.index, EntryRow.origin, EntryRow.audience, EntryRow.subject, ContentRow.envelope)
        .outerjoin(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.kind == Kind.AGGREGATE.value, EntryRow.index >= first)
        .order_by(EntryRow.index)
        .limit(ENTRIES_A_TIME)
    )
    found = [_Published(*row) for row in rows]
    stored = sum(_store(session, each, name, level) for each in found)
    reached = found[-1].entry + 1 if len(found) == ENTRIES_A_TIME else last + 1
    session.merge(FiguresHeadRow(id=HEAD, next_index=reached))
    session.flush()
    return stored


def start_again(session: Session) -> None:
    """Forget everything here, so that the whole log is read again: contents have come back to earlier entries."""
    for row in (ShownCellRow, ShownSumRow, SeriesRow, FiguresHeadRow):
        session.execute(delete(row))


def _store(session: Session, row: _Published, name: str, level: Level) -> bool:
    relation = _relation_of(row.origin, row.audience, name)
    if relation is None:
        return False
    if row.envelope is None:
        _close_before(session, row)
        return False
    body = read_body(Kind.AGGREGATE.value, row.envelope)
    if not isinstance(body, AggregateBody) or (relation == "below" and not _is_own_area(session, row, body)):
        return False
    series = _series_of(session, body, row, relation, level)
    start = month_of(body.period.label)
    _close(session, [series.id], start, row.entry)
    session.add(
        ShownSumRow(
            entry_index=row.entry,
            series_id=series.id,
            start=start,
            revision=body.revision,
            source_kind=body.source_kind.value,
            reporting=body.coverage.reporting,
            expected=body.coverage.expected,
            rolled_up=body.rolled_up or 0,
            mechanism=_mechanism_of(body),
        )
    )
    session.flush()
    at = {"series_id": series.id, "start": start, "entry_index": row.entry, "until": None}
    cells = [at | {"place": place} | _shown(cell, relation) for place, cell in enumerate(body.cells)]
    session.execute(insert(table_of(ShownCellRow)), cells)
    return True


def _mechanism_of(body: AggregateBody) -> str | None:
    if body.mechanism is not None:
        return body.mechanism
    return MIXED if any(cell.sealed is not None for cell in body.cells) else None


def _close(session: Session, series: Sequence[int], start: int, entry: int) -> None:
    """From this entry on another sum counts for the period, or none."""
    open_sums = session.scalars(
        select(ShownSumRow).where(
            ShownSumRow.series_id.in_(series), ShownSumRow.start == start, ShownSumRow.until.is_(None)
        )
    ).all()
    for each in open_sums:
        each.until = entry
        session.execute(
            update(ShownCellRow)
            .where(
                ShownCellRow.series_id == each.series_id,
                ShownCellRow.start == start,
                ShownCellRow.entry_index == each.entry_index,
            )
            .values(until=entry)
            .execution_options(synchronize_session=False)
        )


def _close_before(session: Session, row: _Published) -> None:
    """A sum that was withdrawn has still taken the place of the one before, which does not come back."""
    if row.subject is None:
        return
    table, label = row.subject.split("/")[:2]
    name, _, version = table.partition("@")
    series = session.scalars(
        select(SeriesRow.id).where(
            SeriesRow.origin == row.origin,
            SeriesRow.table_id == name,
            SeriesRow.table_version == int(version),
            SeriesRow.granularity == parse_period(label).granularity,
        )
    ).all()
    _close(session, series, month_of(label), row.entry)


def _is_own_area(session: Session, row: _Published, body: AggregateBody) -> bool:
    """Whether a hub below speaks of the area that it was admitted with."""
    admitted = session.scalar(select(MemberRow.area).where(MemberRow.name == row.origin))
    return admitted is not None and Area.from_bytes(admitted.encode()).code == body.area.code


def _relation_of(origin: str, audience: str, name: str) -> str | None:
    """None for this hub's own complete sums, which are for the hub above alone."""
    if origin == name:
        return None if audience == Audience.HUB.value else "own"
    return "below" if audience == Audience.HUB.value else "above"


def _series_of(session: Session, body: AggregateBody, row: _Published, relation: str, level: Level) -> SeriesRow:
    known = session.scalars(
        select(SeriesRow).where(
            SeriesRow.origin == row.origin,
            SeriesRow.area == body.area.code,
            SeriesRow.table_id == body.table.id,
            SeriesRow.table_version == body.table.version,
            SeriesRow.fingerprint == body.table.fingerprint,
            SeriesRow.granularity == body.period.granularity,
        )
    ).one_or_none()
    if known is None:
        codes = [code for cell in body.cells for code in cell.dims.values()]
        known = SeriesRow(
            origin=row.origin,
            relation=relation,
            level=_level_of(session, row, relation, level),
            area=body.area.code,
            area_scheme=body.area.scheme,
            area_version=body.area.version,
            table_id=body.table.id,
            table_version=body.table.version,
            fingerprint=body.table.fingerprint,
            granularity=body.period.granularity,
            dimension=next(iter(body.cells[0].dims)),
            first_entry=row.entry,
            cells=" ".join(codes),
        )
        session.add(known)
        session.flush()
    return known


def _level_of(session: Session, row: _Published, relation: str, level: Level) -> str:
    """A hub above publishes for its own level; of one below the directory says it."""
    if relation == "own":
        return level
    if relation == "above":
        return str(row.audience)
    return session.scalar(select(MemberRow.level).where(MemberRow.name == row.origin)) or "region"


def _shown(cell: AggregateCell, relation: str) -> dict[str, Any]:
    """What may be shown of a cell. Of a hub below: what it shows itself, as long as that is what it has now."""
    is_hidden = relation == "below" and (
        cell.shown is None or (cell.shown.contributors, cell.shown.estimate) != (cell.contributors, cell.estimate)
    )
    if is_hidden:
        return dict.fromkeys(NOTHING) | {"status": "L" if cell.status == "L" else "Q", "contributors": 0}
    return {
        "status": cell.status,
        "contributors": cell.contributors,
        "estimate": cell.estimate,
        "variance_milli": cell.variance_milli,
        "low": cell.low,
        "high": cell.high,
        "suppressed": None if relation == "below" else cell.suppressed,
        "suppressed_high": None if relation == "below" else cell.suppressed_high,
        "withheld": cell.withheld,
    }
