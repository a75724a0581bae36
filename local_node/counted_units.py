"""Who is counted: a person once per measure in a rolling year.

A trigger of the database guarantees it (migration 0002); this module looks first, so the trigger has nothing to refuse.

Months are year * 12 + month - 1.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from local_node.orm import CountedUnitRow, EventRecordRow
from shared_schema.spending import WINDOW_MONTHS

CHUNK = 10_000
"""Values of one statement; SQLite takes 32,766."""
UNCOUNTED = "record:"
"""Before the hash of an event whose measure counts records: its person was not looked for."""
Unit = tuple[str, int]
"""A person's hash and the month it counts in."""


def count_units(session: Session, measure: str, units: Sequence[Unit], kept: AbstractSet[Unit]) -> list[bool]:
    """Whether each counts, in this order, and write down those that do.

    `kept` are counted already, by the very records that these take the place of.
    """
    months = _find_months(session, measure, {unit for unit, _ in units})
    unused = set(kept)
    fresh: list[dict[str, object]] = []
    answers = []
    for unit, month in units:
        is_kept = (unit, month) in unused
        counts = is_kept or all(abs(month - other) >= WINDOW_MONTHS for other in months[unit])
        if is_kept:
            unused.discard((unit, month))
        elif counts:
            months[unit].append(month)
            fresh.append({"measure": measure, "unit_hash": unit, "month": month})
        answers.append(counts)
    if fresh:
        fresh.sort(key=lambda row: str(row["unit_hash"]))  # in the order of the index: each of its pages is read once
        session.execute(insert(CountedUnitRow), fresh)
    return answers


def free_units(session: Session, measure: str, units: Collection[Unit]) -> None:
    """Forget that these were counted: the records that did it are being replaced."""
    by_month: defaultdict[int, list[str]] = defaultdict(list)
    for unit, month in units:
        by_month[month].append(unit)
    for month, hashes in by_month.items():
        for chunk in _chunks(hashes):
            session.execute(
                delete(CountedUnitRow).where(
                    CountedUnitRow.measure == measure,
                    CountedUnitRow.month == month,
                    CountedUnitRow.unit_hash.in_(chunk),
                )
            )


def find_waiting(session: Session, measure: str, hashes: Collection[str]) -> list[tuple[int, str, str]]:
    """(id, hash, month label) of the records of these persons that do not count, the earliest first."""
    return _find_records(session, measure, hashes, counts=False)


def find_counting(session: Session, measure: str, hashes: Collection[str]) -> list[tuple[int, str, str]]:
    """The same of the records that do."""
    return _find_records(session, measure, hashes, counts=True)


def _find_records(
    session: Session, measure: str, hashes: Collection[str], *, counts: bool
) -> list[tuple[int, str, str]]:
    place = counted_month()
    found: list[tuple[int, str, str]] = []
    for chunk in _chunks(sorted(hashes)):
        rows = session.execute(
            select(EventRecordRow.id, EventRecordRow.unit_hash, place, EventRecordRow.recorded_on)
            .where(
                EventRecordRow.measure == measure,
                EventRecordRow.counts.is_(counts),
                EventRecordRow.unit_hash.in_(chunk),
            )
            .order_by(place, EventRecordRow.recorded_on, EventRecordRow.dims)
        )
        found += [(number, unit or "", month) for number, unit, month, _ in rows]
    return found


def let_count(session: Session, ids: Sequence[int], *, counts: bool = True) -> None:
    """These records count from now on, or no more."""
    for chunk in _chunks(ids):
        session.execute(update(EventRecordRow).where(EventRecordRow.id.in_(chunk)).values(counts=counts))


def has_uncounted(session: Session, measure: str, which: ColumnElement[bool]) -> bool:
    """Whether some event among `which` does not say which person it is about, or came while records were counted."""
    unit = EventRecordRow.unit_hash
    query = select(EventRecordRow.id).where(
        EventRecordRow.measure == measure, which, unit.is_(None) | (func.substr(unit, 1, len(UNCOUNTED)) == UNCOUNTED)
    )
    return session.execute(query.limit(1)).first() is not None


def has_units(session: Session) -> bool:
    """Whether any record here was hashed with the key of this node."""
    return (
        session.execute(select(EventRecordRow.id).where(EventRecordRow.unit_hash.is_not(None)).limit(1)).first()
        is not None
    )


def counted_month() -> ColumnElement[str]:
    """The month (`2026-01`) that an event counts in: the one it was recorded in, or a later one when it came late."""
    return func.coalesce(EventRecordRow.counted_in, func.strftime("%Y-%m", EventRecordRow.recorded_on))


def _find_months(session: Session, measure: str, hashes: Collection[str]) -> defaultdict[str, list[int]]:
    months: defaultdict[str, list[int]] = defaultdict(list)
    for chunk in _chunks(sorted(hashes)):
        for unit, month in session.execute(
            select(CountedUnitRow.unit_hash, CountedUnitRow.month).where(
                CountedUnitRow.measure == measure, CountedUnitRow.unit_hash.in_(chunk)
            )
        ):
            months[unit].append(month)
    return months


Value = TypeVar("Value")


def _chunks(values: Collection[Value]) -> Iterator[list[Value]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
