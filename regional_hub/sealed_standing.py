"""How the batches of sealed totals stand, for the people who look after a hub: who has sent, never what.

Only reads. What is asked for many batches at once is counted by the database, and a list is bounded; the names of a
batch's cities are read for one batch alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub.orm import EntryRow, SealedBatchRow, SealedShareRow, SealedWordRow
from regional_hub.sealed_rows import Step
from shared_schema.names import parse_time
from shared_schema.period import Period
from shared_schema.sealed.states import HAS_SECRETS, BatchState
from shared_schema.sealed.terms import Attendance, Role

WaitsFor = Literal["cities", "other", "self", "nobody"]
MOST_PATIENCE: Final = timedelta(days=1)
"""The other hub works every few minutes: after a day somebody has to call."""
CLOSING_GRACE: Final = timedelta(hours=1)
"""After its deadline a batch is closed in the next round; a hub works once a day at the rarest, and then is told so."""
_FIXED: Final = frozenset({BatchState.COMMITTED, BatchState.PUBLISHED, BatchState.SIGNED})
"""A hub whose sum is fixed and signed needs its keys no more."""
_WAITS: Final[Mapping[Role, Mapping[BatchState, WaitsFor]]] = {
    "leader": {
        BatchState.PROPOSED: "other",
        BatchState.OPEN: "cities",
        BatchState.CLOSED: "other",
        BatchState.ANSWERED: "other",
        BatchState.COMMITTED: "self",
        BatchState.PUBLISHED: "other",
    },
    "helper": {
        BatchState.AGREED: "other",
        BatchState.OPEN: "cities",
        BatchState.ANSWERED: "other",
        BatchState.SIGNED: "other",
        BatchState.COMMITTED: "self",
        BatchState.PUBLISHED: "other",
    },
}
_ATTENDED: Final = (Step.ROSTER, Step.TOO_FEW, Step.ATTENDANCE)
"""Where it stands who is in a batch: the first one that is there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One batch. `sent` are shares that came in time, `late` those after the end; `since` is when its wait began."""

    id: int
    role: Role
    other: str
    state: BatchState
    digest: str | None
    table: str
    version: int
    period: str
    members: tuple[str, ...]
    min_batch: int
    opens: datetime
    closes: datetime
    late_of: str | None
    sent: int
    late: int
    has_keys: bool
    waits_for: WaitsFor
    since: datetime

    @property
    def is_lost(self) -> bool:
        """Its keys were erased before its sum was fixed: it can only be given up."""
        return self.state in HAS_SECRETS - _FIXED and not self.has_keys

    def is_past_deadline(self, now: datetime) -> bool:
        """Its time is over, and nobody has closed it."""
        return self.state is BatchState.OPEN and now > self.closes + CLOSING_GRACE

    def has_waited_long(self, now: datetime) -> bool:
        """It has waited for the other hub for more than a day."""
        return self.waits_for == "other" and now > self.since + MOST_PATIENCE


@dataclass(frozen=True, slots=True)
class Attended:
    """One batch with its cities by name. `refused` are a city and why; `missing` are those that nobody has heard of."""

    standing: Standing
    sent: Mapping[str, datetime]
    late: tuple[str, ...]
    missing: tuple[str, ...]
    accepted: tuple[str, ...] | None
    refused: tuple[tuple[str, str], ...]
    void_reason: str | None


def list_under_way(session: Session, now: datetime, most: int) -> list[Standing]:
    """The batches that have not ended, oldest first."""
    return _standings(session, now, SealedBatchRow.state.in_(_living()), order=SealedBatchRow.id, limit=most)


def list_ended(session: Session, now: datetime, most: int, offset: int = 0) -> list[Standing]:
    """The batches that have, newest first."""
    newest = SealedBatchRow.id.desc()
    return _standings(session, now, SealedBatchRow.state.not_in(_living()), order=newest, limit=most, offset=offset)


def count_batches(session: Session) -> int:
    """How many there ever were."""
    return session.scalar(select(func.count()).select_from(SealedBatchRow)) or 0


def find_standing(session: Session, batch_id: int, now: datetime) -> Attended | None:
    """One batch with its cities; None when there is none."""
    found = _standings(session, now, SealedBatchRow.id == batch_id, order=SealedBatchRow.id, limit=1)
    return _attended(session, found[0]) if found else None


def _living() -> list[str]:
    return sorted(state.value for state in HAS_SECRETS)


# --- many ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Came:
    sent: int = 0
    late: int = 0
    last: datetime | None = None


def _standings(
    session: Session, now: datetime, condition: Any, *, order: Any, limit: int, offset: int = 0
) -> list[Standing]:
    rows = session.scalars(select(SealedBatchRow).where(condition).order_by(order).limit(limit).offset(offset)).all()
    ids = [row.id for row in rows]
    came, plans, logged = _count_shares(session, ids), _read_plans(session, rows), _roster_times(session, rows)
    return [_standing(row, plans[row.id], came.get(row.id, _Came()), logged.get(row.roster), now) for row in rows]


def _count_shares(session: Session, ids: Sequence[int]) -> dict[int, _Came]:
    late = SealedShareRow.late
    rows = session.execute(
        select(SealedShareRow.batch_id, late, func.count(), func.max(SealedShareRow.received_at))
        .where(SealedShareRow.batch_id.in_(ids))
        .group_by(SealedShareRow.batch_id, late)
    )
    found: dict[int, _Came] = {}
    for batch_id, is_late, count, last in rows:
        known = found.get(batch_id, _Came())
        found[batch_id] = _Came(known.sent, count, known.last) if is_late else _Came(count, known.late, last)
    return found


def _read_plans(session: Session, rows: Sequence[SealedBatchRow]) -> dict[int, dict[str, Any]]:
    """What is collected. It was verified when it was stored: here only some of its words are read."""
    bare = [row.id for row in rows if row.terms is None]
    proposals = session.execute(
        select(SealedWordRow.batch_id, SealedWordRow.content).where(
            SealedWordRow.batch_id.in_(bare), SealedWordRow.step == Step.PROPOSAL.value
        )
    )
    texts = {row.id: row.terms for row in rows if row.terms is not None} | dict(proposals.all())
    return {batch_id: json.loads(text or b"{}")["plan"] for batch_id, text in texts.items()}


def _roster_times(session: Session, rows: Sequence[SealedBatchRow]) -> dict[str | None, datetime]:
    rosters = [row.roster for row in rows if row.roster is not None]
    found = session.execute(select(EntryRow.digest, EntryRow.time).where(EntryRow.digest.in_(rosters)))
    return {digest: parse_time(time) for digest, time in found}


def _standing(
    row: SealedBatchRow, plan: Mapping[str, Any], came: _Came, roster_at: datetime | None, now: datetime
) -> Standing:
    role: Role = "leader" if row.role == "leader" else "helper"
    state, opens, closes = BatchState(row.state), parse_time(plan["opens"]), parse_time(plan["closes"])
    waits_for = _WAITS[role].get(state, "nobody")
    if waits_for == "cities" and now > closes:
        waits_for = "self" if role == "leader" else "other"  # to be closed here, or to be asked by the leader
    members = tuple(plan["members"])
    closed_at = closes if came.last is None or came.sent < len(members) else min(closes, came.last)
    is_early = state in (BatchState.PROPOSED, BatchState.AGREED)
    return Standing(
        id=row.id, role=role, other=row.other, state=state, digest=row.batch, table=plan["table"]["id"],
        version=plan["table"]["version"], period=Period.from_object(plan["period"]).label, members=members,
        min_batch=plan["min_batch"], opens=opens, closes=closes, late_of=plan.get("late_of"), sent=came.sent,
        late=came.late, has_keys=row.hpke_key is not None, waits_for=waits_for,
        since=row.made_at if is_early else roster_at or closed_at,
    )  # fmt: skip


# --- one ----------------------------------------------------------------------------------------------------------


def _attended(session: Session, standing: Standing) -> Attended:
    shares = session.execute(
        select(SealedShareRow.city, SealedShareRow.digest, SealedShareRow.late, SealedShareRow.received_at)
        .where(SealedShareRow.batch_id == standing.id)
        .order_by(SealedShareRow.city)
    ).all()
    sent = {share.city: share.received_at for share in shares if not share.late}
    attendance, void_reason = _read_end(session, standing)
    heard = {share.city for share in shares}
    accepted: tuple[str, ...] | None = None
    refused: tuple[tuple[str, str], ...] = ()
    missing = tuple(name for name in standing.members if name not in heard)
    if attendance is not None:
        refused = tuple((each.origin, each.reason.value) for each in attendance.refused)
        out = {*attendance.absent, *(each.origin for each in attendance.refused)}
        accepted = tuple(name for name in standing.members if name not in out)
        missing = attendance.absent
    return Attended(
        standing=standing,
        sent=sent,
        late=tuple(share.city for share in shares if share.late),
        missing=missing,
        accepted=accepted,
        refused=refused,
        void_reason=void_reason,
    )


def _read_end(session: Session, standing: Standing) -> tuple[Attendance | None, str | None]:
    """Who is in it, when that is fixed, and why it ends void."""
    words = {
        row.step: row.content
        for row in session.scalars(
            select(SealedWordRow).where(
                SealedWordRow.batch_id == standing.id,
                SealedWordRow.step.in_([*_ATTENDED, Step.GIVEN_UP.value]),
            )
        )
    }
    texts = [text for step in _ATTENDED if (text := words.get(step.value)) is not None]
    found = None if not texts else json.loads(texts[0])
    attendance = None if found is None else Attendance.from_object(found.get("attendance", found))
    if standing.state is not BatchState.VOID:
        return attendance, None
    came_too_few = attendance is not None and len(attendance.accepted) < standing.min_batch
    return attendance, "too-few" if came_too_few and Step.GIVEN_UP.value not in words else "given-up"
