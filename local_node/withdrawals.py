"""Taking back what this city has said, or narrowing who may have it. One person suffices: nothing leaves by it.

    ask    the text is erased here at once, and the wish is stored; no hub is needed for that
    sign   with the next round, when the hubs have said which seq they know, the withdrawal is signed and sent
    done   the hub's receipt is in the outbox; who has confirmed is in `recalls`

An item that never left is simply removed. What left once is never sent again, not even to a hub that may not have it:
the withdrawal goes there, and a hub that never had the item says so (`not-found`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit, confidence, erasure, exports, inbox, outbox, request_store, search_index
from local_node.errors import NodeError
from local_node.numbering import next_seq, use_seq
from local_node.orm import InboxRow, OutboxRow, WithdrawalRow
from local_node.outbox import OutboxState
from local_node.people import get_person
from local_node.request_store import StoredRequest
from local_node.review import MAY_REVIEW
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayRequest, is_request
from shared_schema.service.database import Database
from shared_schema.statement import Audience, Kind, make_statement, sign_statement

REASONS: Final = ("error", "consent", "outdated", "other")
NARROWER: Final = ("region", "nation")
WHERE: Final = "see: local-node outbox list"
PROGRAM: Final = "local-node"
NO_DRAFT: Final = frozenset({"area", "review", "surroundings"})
"""What the node fills in again when the draft is asked for."""


class WithdrawalError(NodeError):
    """Something cannot be taken back like this."""

    code = "withdrawal"


@dataclass(frozen=True, slots=True)
class OwnItem:
    """Something of this node that was signed, and where it went. `envelope` is None when it is erased already."""

    digest: str
    kind: Kind
    audience: Audience
    in_confidence: bool
    rows: tuple[OutboxRow, ...]
    envelope: Envelope | None

    @property
    def was_sent(self) -> bool:
        """Whether a hub may have it. A row that was never tried cannot have left."""
        return any(row.state != OutboxState.WAITING.value or row.attempts > 0 for row in self.rows)

    @property
    def receivers(self) -> list[str]:
        """The hubs that have it or may have it. One that refused it has nothing, unless as evidence of a conflict."""
        return [
            row.hub
            for row in self.rows
            if row.state != OutboxState.REFUSED.value or row.reason == ProblemCode.SEQ_CONFLICT.value
        ]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was done at once: `removed` it never left, `erased` its text is gone here, `asked` the hubs will be told."""

    item: OwnItem
    removed: bool
    erased: bool
    asked: bool


# --- asking --------------------------------------------------------------------------------------------------------


def find_own(session: Session, beginning: str) -> OwnItem:
    """The one item of this node whose digest begins so. Raises WithdrawalError, which says which command to use."""
    wanted = OutboxRow.digest.startswith(beginning.lower(), autoescape=True)
    rows = session.scalars(select(OutboxRow).where(wanted).order_by(OutboxRow.hub)).all()
    digests = {row.digest for row in rows}
    if len(beginning) < inbox.SHORT_DIGEST or not beginning.isalnum() or len(digests) != 1:
        found = inbox.find_by_beginning(session, beginning)
        if len(digests) == 0 and len(found) == 1 and found[0].kind is not Kind.RELAYED:
            raise WithdrawalError("expected an item of this city: only its author takes an item back", code="not-own")
        raise WithdrawalError(f"expected the digest of one item of this city, or its first digits; {WHERE}")
    return _own(session, tuple(rows))


def _own(session: Session, rows: tuple[OutboxRow, ...]) -> OwnItem:
    digest = rows[0].digest
    stored = next((row.envelope for row in rows if row.envelope), None)
    if stored is None:
        last = _last(session, digest)
        if last is None:
            raise WithdrawalError(f"expected an item whose text is still here; {WHERE}")
        return OwnItem(digest, Kind(last.kind), Audience(last.audience), last.in_confidence, rows, None)
    envelope = parse_envelope(stored)
    if is_request(envelope):
        request = RelayRequest.from_bytes(envelope.payload)
        return OwnItem(digest, request.kind, request.audience, True, rows, envelope)
    payload = parse_strict(envelope.payload)
    return OwnItem(digest, Kind(payload["kind"]), Audience(payload["audience"]), False, rows, envelope)


def _last(session: Session, digest: str) -> WithdrawalRow | None:
    query = select(WithdrawalRow).where(WithdrawalRow.item == digest).order_by(WithdrawalRow.id.desc()).limit(1)
    return session.scalars(query).first()


def list_withdrawable(session: Session, hub: str) -> list[OwnItem]:
    """What this city has said at a hub, or is about to, and has not taken back from everybody."""
    open_states = (*outbox.UNSETTLED, OutboxState.DELIVERED.value)
    digests = session.scalars(
        select(OutboxRow.digest)
        .where(OutboxRow.hub == hub, OutboxRow.state.in_(open_states), OutboxRow.envelope != outbox.ERASED)
        .order_by(OutboxRow.seq, OutboxRow.id)
    ).all()
    items = [
        _own(session, tuple(session.scalars(select(OutboxRow).where(OutboxRow.digest == digest)).all()))
        for digest in digests
        if not _takes_back(session, digest)
    ]
    return [item for item in items if item.kind is not Kind.WITHDRAWAL and not _is_out_as_share(item)]


def _is_out_as_share(item: OwnItem) -> bool:
    """A sealed share that left: it is in a sum, or will be, and nobody can take it out of that again."""
    return item.kind is Kind.SHARE and item.was_sent


def _takes_back(session: Session, digest: str) -> bool:
    """Whether this is what takes something else back, also in confidence."""
    return session.scalars(select(WithdrawalRow.id).where(WithdrawalRow.digest == digest)).first() is not None


def count_unconfirmed(session: Session, hub: str) -> int:
    """Withdrawals of items that a hub has or may have, of which it has given no receipt."""
    at_hub = select(OutboxRow.digest).where(OutboxRow.hub == hub)
    settled = at_hub.where(
        (OutboxRow.state == OutboxState.DELIVERED.value)
        | ((OutboxRow.state == OutboxState.REFUSED.value) & (OutboxRow.reason == ProblemCode.NOT_FOUND.value))
    )
    waiting = select(WithdrawalRow.id).where(
        WithdrawalRow.is_open,
        WithdrawalRow.item.in_(at_hub),
        WithdrawalRow.digest.is_(None) | WithdrawalRow.digest.not_in(settled),
    )
    return len(session.scalars(waiting).all())


def take_back(
    session: Session, item: OwnItem, *, by: str, reason: str, to: str | None, key: SigningKey, nonce: str, now: datetime
) -> TakenBack:
    """Take an item back from everybody, or from those beyond `to`, in the caller's transaction.

    `nonce` is for what was said in confidence, which has no number and is signed at once. Raises NodeError and changes
    nothing: not a reason, a withdrawal of a withdrawal, an audience that is not smaller, a person without that role.
    """
    _check(session, item, by, reason, to)
    if not item.was_sent:  # 1. nobody has it
        outbox.remove(session, item.digest)
        request_store.mark_removed(session, item.digest, by, now)
        audit.append(session, by, "item.removed", item.digest, now)
        return TakenBack(item, removed=True, erased=True, asked=False)
    envelope = None
    if item.in_confidence and item.envelope is not None:
        envelope = confidence.sign_withdrawal(item.envelope, reason, nonce=nonce, key=key, now=now)
    if to is None:  # 2. the text goes here at once, whoever can be reached
        erase_here(session, item.digest, by, now)
    asked = bool(item.receivers)
    row = WithdrawalRow(
        item=item.digest,
        kind=item.kind.value,
        audience=item.audience.value,
        in_confidence=item.in_confidence,
        reason=reason,
        narrow_to=to,
        asked_by=by,
        asked_at=now,
        digest=None if envelope is None else envelope.digest,
        is_open=asked,
    )
    session.add(row)
    if envelope is not None:  # 3. what was said in confidence is taken back in confidence
        outbox.enqueue(session, envelope, confidence.NO_SEQ, item.receivers, now)
    audit.append(session, by, "item.withdrawn" if to is None else "item.narrowed", item.digest, now)
    return TakenBack(item, removed=False, erased=to is None, asked=asked)


def _check(session: Session, item: OwnItem, by: str, reason: str, to: str | None) -> None:
    if reason not in REASONS:
        raise WithdrawalError(f"expected a reason: {', '.join(REASONS)}")
    person = get_person(session, by)
    stored = request_store.find_by_digest(session, item.digest)
    if person.role not in MAY_REVIEW and (stored is None or stored.request.requested_by != by):
        raise WithdrawalError("expected a reviewer, a coordinator, or whoever asked for the release", code="role")
    if item.kind is Kind.WITHDRAWAL:
        raise WithdrawalError("expected an item: what was taken back cannot be given back; release it anew")
    if _is_out_as_share(item):
        raise WithdrawalError(
            "expected something that can be taken back: a sealed share that was sent cannot, nobody can take it out of "
            "a sum again. Mark the period as a break in the series (B)",
            code="sealed-share",
        )
    before = _last(session, item.digest)
    if before is not None and before.narrow_to is None:
        raise WithdrawalError("expected an item that is not taken back yet; see: local-node recall status")
    if to is not None:
        _check_narrower(item, to, before)


def _check_narrower(item: OwnItem, to: str, before: WithdrawalRow | None) -> None:
    if to not in NARROWER:
        raise WithdrawalError(f"expected to narrow to one of: {', '.join(NARROWER)}")
    if item.in_confidence:
        raise WithdrawalError("expected no --narrow-to: what a hub says in its own name is taken back altogether")
    if not item.was_sent:
        raise WithdrawalError("expected an item that was sent: take this one out, and release it anew")
    now = Audience(before.narrow_to) if before is not None and before.narrow_to else item.audience
    if Audience(to).reach >= now.reach:
        raise WithdrawalError(f"expected an audience below {now.value}, which is how far the item may travel now")


def erase_here(session: Session, digest: str, by: str, now: datetime) -> None:
    """Erase an own item's text on this node: outbox, release request, inbox, index. Digest and receipt stay."""
    outbox.erase(session, digest)
    request_store.mark_withdrawn(session, digest, by, now)
    if erasure.erase_own(session, digest):
        search_index.compact(session)


_CAME_BACK = (
    select(OutboxRow.digest)
    .join(InboxRow, InboxRow.digest == OutboxRow.digest)
    .where(
        OutboxRow.envelope != outbox.ERASED,
        InboxRow.state == inbox.InboxState.WITHDRAWN.value,
        InboxRow.reason.is_(None),
    )
    .distinct()
)
"""Own items whose withdrawal was read from a hub, and whose text is here: a copy from before has brought it back."""


def erase_what_came_back(database: Database, now: datetime) -> int:
    """After a restore: erase again what this city has taken back since the copy was made; returns how many items."""
    with database.read() as session:
        if session.scalars(_CAME_BACK.limit(1)).first() is None:
            return 0
    with database.write() as session:
        digests = session.scalars(_CAME_BACK).all()
        for digest in digests:
            erase_here(session, digest, PROGRAM, now)
            exports.take_out(session, digest)
    return len(digests)


# --- the text as a draft -------------------------------------------------------------------------------------------


def draft_of(stored: StoredRequest | None, item: OwnItem) -> str:
    """The text as a file that `release` reads again. Raises WithdrawalError for figures, and when it is erased."""
    if item.kind in (Kind.TREND, Kind.SHARE):
        raise WithdrawalError("expected a text to keep: figures stay in this node's ledger")
    if item.envelope is None or stored is None:
        raise WithdrawalError("expected an item whose text is still here")
    body = {name: value for name, value in parse_strict(stored.request.body).items() if name not in NO_DRAFT}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, for its owner alone. Raises WithdrawalError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except (OSError, ValueError):
        raise WithdrawalError(f"expected a new file that can be written at {path}", code="no-file") from None


# --- signing -------------------------------------------------------------------------------------------------------


def has_due(session: Session) -> bool:
    """Whether something waits to be signed, for the first time or once more."""
    return any(session.scalars(query.limit(1)).first() is not None for query in (_DUE, _CAME_LATE))


_DUE = (
    select(WithdrawalRow)
    .where(WithdrawalRow.is_open, WithdrawalRow.digest.is_(None), WithdrawalRow.in_confidence.is_(False))
    .order_by(WithdrawalRow.id)
)


_CAME_LATE = (
    select(WithdrawalRow)
    .join(OutboxRow, OutboxRow.digest == WithdrawalRow.digest)
    .join(InboxRow, (InboxRow.digest == WithdrawalRow.item) & (InboxRow.hub == OutboxRow.hub))
    .where(OutboxRow.state == OutboxState.REFUSED.value, OutboxRow.reason == ProblemCode.NOT_FOUND.value)
)
"""The hub said that it had no such item, and has logged it all the same: it was still on its way when we asked."""


def sign_due(
    session: Session, *, key: SigningKey, origin: str, highest_seq: int, nonces: Iterator[str], now: datetime
) -> int:
    """Sign what was asked for and put it in the way of every hub that may have the item, in the caller's transaction.

    It travels as far as its item was meant to, so that every holder learns of it. No policy can forbid it.
    """
    for row in session.scalars(_CAME_LATE).all():
        row.digest = None
    session.flush()
    rows = session.scalars(_DUE).all()
    for row in rows:
        item = _own(session, tuple(session.scalars(select(OutboxRow).where(OutboxRow.digest == row.item)).all()))
        seq = next_seq(session, highest_seq)
        statement = make_statement(
            WithdrawalBody(digest=row.item, reason=_reason(row.reason), to=_to(row.narrow_to)),
            kind=Kind.WITHDRAWAL,
            origin=origin,
            seq=seq,
            issued_at=now,
            nonce=next(nonces),
            audience=Audience(row.audience),
        )
        envelope = sign_statement(statement, key)
        use_seq(session, seq)
        outbox.enqueue(session, envelope, seq, item.receivers, now)
        row.digest = envelope.digest
        audit.append(session, PROGRAM, "withdrawal.signed", envelope.digest, now)
    session.flush()
    return len(rows)


def _reason(text: str) -> Literal["error", "consent", "outdated", "other"]:
    if text in ("error", "consent", "outdated"):
        return text  # type: ignore[return-value]
    return "other"


def _to(text: str | None) -> Literal["region", "nation"] | None:
    return text if text in ("region", "nation") else None  # type: ignore[return-value]


def list_own(session: Session, item: str | None = None) -> tuple[WithdrawalRow, ...]:
    """What this node has asked to take back, the newest first; of one item or of all."""
    query = select(WithdrawalRow).order_by(WithdrawalRow.id.desc())
    if item is not None:
        query = query.where(WithdrawalRow.item == item)
    return tuple(session.scalars(query))
