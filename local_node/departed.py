"""What left this node: every statement that a hub has taken or refused, read from the outbox, newest first.

It shows nothing that did not leave: what waits, or may still be on its way, is only counted. What was said in
confidence is not here at all, not even as a number: whoever knows when this page changed would know whose it was
(ADR 11). What was taken back is here without its content.

    page = list_departed(session)
    page.items[0].statement            the signed words as they left, or None when they were erased
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from local_node.confidence import NO_SEQ
from local_node.orm import HubRow, OutboxRow, WithdrawalRow
from local_node.outbox import ERASED, UNSETTLED, OutboxState
from shared_schema.canonical import parse_strict
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope
from shared_schema.names import format_time
from shared_schema.service.database import Database
from shared_schema.statement import Kind

LEFT: Final = (OutboxState.DELIVERED.value, OutboxState.REFUSED.value)
"""A hub has read it: it gave a receipt, or its reason for refusing."""
STATEMENTS_A_PAGE: Final = 20
AT_ONCE: Final = 200
"""Statements that an export reads in one go."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A statement at one hub. `index` is its place in the hub's log; None where it was refused, for `reason`."""

    hub: str
    url: str
    index: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Departed:
    """One statement that left. `statement` is what was signed, as plain values; `envelope` the very bytes.

    Both are None and empty when the content was taken back: then `taken_back_at` says when.
    """

    seq: int
    digest: str
    kind: Kind | None
    statement: dict[str, Any] | None
    envelope: bytes
    arrivals: tuple[Arrival, ...]
    taken_back_at: datetime | None
    narrowed_to: str | None


@dataclass(frozen=True, slots=True)
class DepartedPage:
    """Some statements; `older` is the seq before which the next page begins, None at the end."""

    items: tuple[Departed, ...]
    older: int | None


def list_departed(session: Session, *, before: int | None = None, limit: int = STATEMENTS_A_PAGE) -> DepartedPage:
    """The newest statements that left, from before a seq if one is given."""
    query = (
        select(OutboxRow.seq)
        .where(OutboxRow.seq > NO_SEQ, OutboxRow.state.in_(LEFT))
        .group_by(OutboxRow.seq)
        .order_by(OutboxRow.seq.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(OutboxRow.seq < before)
    seqs = session.scalars(query).all()
    items = _read(session, seqs[:limit])
    return DepartedPage(items, seqs[limit - 1] if len(seqs) > limit else None)


def count_departed(session: Session) -> tuple[int, int]:
    """How many statements left, and how many are on their way: signed, and known to no hub as far as we know."""
    left = select(func.count(OutboxRow.seq.distinct())).where(OutboxRow.seq > NO_SEQ, OutboxRow.state.in_(LEFT))
    other = aliased(OutboxRow)
    is_gone = exists().where(other.digest == OutboxRow.digest, other.state.in_(LEFT))
    waiting = select(func.count(OutboxRow.seq.distinct())).where(
        OutboxRow.seq > NO_SEQ, OutboxRow.state.in_(UNSETTLED), ~is_gone
    )
    return session.scalar(left) or 0, session.scalar(waiting) or 0


def export_parts(database: Database, node: str, now: datetime) -> Iterator[bytes]:
    """All of it as one JSON document, in pieces; each piece is read in a short transaction of its own."""
    head = canonical_text({"v": 1, "node": node, "made_at": format_time(now)})
    yield f'{{"about":{head},"statements":['.encode()
    before, separator = None, b""
    while True:
        with database.read() as session:
            page = list_departed(session, before=before, limit=AT_ONCE)
        for item in page.items:
            yield separator + canonical_text(to_object(item)).encode()
            separator = b",\n"
        before = page.older
        if before is None:
            break
    yield b"]}\n"


def to_object(item: Departed) -> dict[str, Any]:
    """One statement for programs: the envelope exactly as it was sent, where it is still here."""
    shown: dict[str, Any] = {
        "seq": item.seq,
        "digest": item.digest,
        "hubs": [
            {"name": each.hub, "url": each.url}
            | ({} if each.index is None else {"log_index": each.index})
            | ({} if each.reason is None else {"refused": each.reason})
            for each in item.arrivals
        ],
    }
    if item.envelope:
        shown["envelope"] = base64.b64encode(item.envelope).decode()
    if item.taken_back_at is not None:
        shown["taken_back_at"] = format_time(item.taken_back_at)
    if item.narrowed_to is not None:
        shown["narrowed_to"] = item.narrowed_to
    return shown


def canonical_text(value: dict[str, Any]) -> str:
    """JSON with sorted keys, in ASCII: a text that came beneath the database cannot move a cursor."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _read(session: Session, seqs: Sequence[int]) -> tuple[Departed, ...]:
    rows = session.execute(
        select(OutboxRow, HubRow.url)
        .join(HubRow, HubRow.name == OutboxRow.hub)
        .where(OutboxRow.seq.in_(seqs), OutboxRow.state.in_(LEFT))
        .order_by(OutboxRow.hub)
    ).all()
    by_digest: dict[str, list[tuple[OutboxRow, str]]] = {}
    for row, url in rows:
        by_digest.setdefault(row.digest, []).append((row, url))
    taken_back = _find_taken_back(session, list(by_digest))
    items = [_departed(group, taken_back) for group in by_digest.values()]
    return tuple(sorted(items, key=lambda item: item.seq, reverse=True))


def _find_taken_back(session: Session, digests: Sequence[str]) -> dict[str, WithdrawalRow]:
    """The last withdrawal of every item that has one."""
    rows = session.scalars(select(WithdrawalRow).where(WithdrawalRow.item.in_(digests)).order_by(WithdrawalRow.id))
    return {row.item: row for row in rows}


def _departed(group: list[tuple[OutboxRow, str]], taken_back: dict[str, WithdrawalRow]) -> Departed:
    row = group[0][0]
    withdrawal = taken_back.get(row.digest)
    is_gone = row.envelope == ERASED
    statement = None if is_gone else parse_strict(parse_envelope(row.envelope).payload)
    if statement is not None:
        kind: Kind | None = Kind(statement["kind"])
    else:
        kind = Kind(withdrawal.kind) if withdrawal is not None else None
    is_all = withdrawal is not None and withdrawal.narrow_to is None
    return Departed(
        seq=row.seq,
        digest=row.digest,
        kind=kind,
        statement=statement,
        envelope=row.envelope,
        arrivals=tuple(_arrival(each, url) for each, url in group),
        taken_back_at=withdrawal.asked_at if withdrawal is not None and (is_all or is_gone) else None,
        narrowed_to=withdrawal.narrow_to if withdrawal is not None and not is_gone else None,
    )


def _arrival(row: OutboxRow, url: str) -> Arrival:
    index = None if row.receipt is None else Receipt.from_bytes(row.receipt).index
    return Arrival(row.hub, url, index, row.reason if row.state == OutboxState.REFUSED.value else None)
