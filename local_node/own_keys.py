"""Changing this node's own key: what was asked for, whether the hubs' logs show it, and what waits in the outbox.

1. `begin`: the new key is on the disk; what is asked for is stored with it, and only then sent.
2. The hub puts the new key into its log. Until it has been read back from there, the old key stays in use.
3. `finish`: stored first, then the new file takes the place of the old one; `finish_after_crash` does the second part.

A rotated key is still taken, so what it has signed stays as it is. A key that was lost or revoked is taken no more:
`sign_again` signs what nobody has yet with the new key, so that nothing is lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from local_node import audit, hub_client, hub_place, inbox, outbox
from local_node.errors import NodeError
from local_node.key_ring import KeyRing
from local_node.orm import (
    SINGLE_ROW,
    InboxRow,
    KeyChangeRow,
    OutboxRow,
    ReleaseRequestRow,
    StatementSeqRow,
    WithdrawalRow,
)
from local_node.outbox import UNSETTLED, OutboxState
from shared_schema import canonical
from shared_schema.directory import Directory, KnownKey, verify_with
from shared_schema.envelope import Envelope, parse_envelope, sign_payload
from shared_schema.governance import MembershipBody
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.names import format_time
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.rotation import SignedRotation
from shared_schema.statement import Kind

PROGRAM = "local-node"


class OwnKeyError(NodeError):
    """The key cannot be changed like this now."""

    code = "key-change"


class HowChanged(StrEnum):
    ROTATE = "rotate"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A new key that is not in use yet. `request` is the rotation that both keys have signed."""

    keyid: str
    how: HowChanged
    request: bytes | None


def find_change(session: Session) -> KeyChange | None:
    """The change that is under way; None when there is none."""
    row = session.scalars(select(KeyChangeRow).where(KeyChangeRow.done_at.is_(None))).first()
    return None if row is None else KeyChange(row.keyid, HowChanged(row.how), row.request)


def begin_rotation(session: Session, signed: SignedRotation, keyid: str, now: datetime) -> None:
    """Remember a rotation before it is sent. Raises OwnKeyError when another change is under way."""
    _begin(session, KeyChangeRow(keyid=keyid, how=HowChanged.ROTATE.value, request=signed.to_bytes(), made_at=now))


def begin_replacement(session: Session, keyid: str, now: datetime) -> None:
    """Remember the key that a hub is asked to put in the place of one that is lost; the same one again is fine.

    A rotation that was under way ends here: the old key, which has signed it, is not to be believed any more.
    """
    known = find_change(session)
    if known is not None and known.keyid == keyid:
        session.execute(
            update(KeyChangeRow).where(KeyChangeRow.keyid == keyid).values(how=HowChanged.REPLACE.value, request=None)
        )
        return
    _begin(session, KeyChangeRow(keyid=keyid, how=HowChanged.REPLACE.value, request=None, made_at=now))


def _begin(session: Session, row: KeyChangeRow) -> None:
    if find_change(session) is not None:
        raise OwnKeyError("expected no other change of the key to be under way; see: local-node keys status")
    session.add(row)
    audit.append(session, PROGRAM, f"key.{row.how}-begun", row.keyid, row.made_at)


def finish(session: Session, keyid: str, now: datetime) -> None:
    """The hubs' logs show the new key. After the commit, `KeyRing.promote` puts it into use."""
    changed = session.execute(
        update(KeyChangeRow).where(KeyChangeRow.keyid == keyid, KeyChangeRow.done_at.is_(None)).values(done_at=now)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise OwnKeyError("expected a change of the key that is under way")
    audit.append(session, PROGRAM, "key.changed", keyid, now)


def finish_after_crash(session: Session, ring: KeyRing) -> None:
    """Put a key into use whose change was finished, when a crash came before its file was in its place."""
    key = ring.find_next()
    if key is None:
        return
    row = session.get(KeyChangeRow, key.public.keyid)
    if row is not None and row.done_at is not None:
        ring.promote()


def load_directory(session: Session, pin: Pin) -> Directory:
    """The directory of a hub, as far as its log has been read."""
    return hub_place.load_trust(session, pin).directory


def list_keys(session: Session, name: str, key: PublicKey) -> list[PublicKey]:
    """Every key that a hub's log has ever named as this node's, and `key`, which is in use, at the end."""
    pins = [hub.pin for hub in hub_client.list_hubs(session)]
    found = {known.key.keyid: known.key for pin in pins for known in load_directory(session, pin).keys_of(name)}
    found.pop(key.keyid, None)
    return [*found.values(), key]


def list_rotations(session: Session, name: str) -> list[SignedRotation]:
    """How this node's key was handed on, oldest first, as it stands in the hubs' logs."""
    rows = session.scalars(
        select(InboxRow.envelope)
        .where(InboxRow.kind == Kind.MEMBERSHIP.value, InboxRow.state == inbox.InboxState.ACCEPTED.value)
        .order_by(InboxRow.log_index)
    )
    bodies = [
        MembershipBody.from_object(canonical.parse_strict(parse_envelope(stored).payload)["body"])
        for stored in rows
        if stored is not None
    ]
    return [body.signed_rotation for body in bodies if body.member == name and body.signed_rotation is not None]


def shows_key(directory: Directory, name: str, keyid: str) -> bool:
    """Whether a hub's log says that this key is the one of this node."""
    member = directory.find(name)
    return member is not None and member.key.keyid == keyid


def sign_again(
    session: Session,
    directory: Directory,
    *,
    name: str,
    key: SigningKey,
    highest_seq: int,
    nonces: Iterator[str],
    now: datetime,
) -> int:
    """Sign what waits and was signed with a key that has ended, with `key`; in the caller's transaction.

    Only what this node had signed before, and nobody has: bodies stay, but for the digest of another item that is
    signed again. What a hub has taken already goes no further by this way; that hub hands it on. Returns how many.
    """
    if not shows_key(directory, name, key.public.keyid):
        return 0
    ended = {known.key.keyid: known for known in directory.keys_of(name) if known.ended_at is not None}
    rows = session.scalars(
        select(OutboxRow)
        .where(OutboxRow.state.in_(UNSETTLED), OutboxRow.envelope != outbox.ERASED)  # taken back on its way
        .order_by(OutboxRow.seq, OutboxRow.id)
    ).all()
    done: dict[str, str] = {}
    for row in rows:
        envelope = parse_envelope(row.envelope)
        known = ended.get(envelope.keyid)
        if known is None or row.digest in done:
            continue
        if _is_delivered(session, row.digest):
            row.state, row.reason, row.next_try_at = OutboxState.REFUSED.value, ProblemCode.KEY_NOT_VALID.value, None
            continue
        seq = 0 if row.seq == 0 else _use_next_seq(session, highest_seq)
        fresh = _signed_again(envelope, known, key, seq=seq, nonce=next(nonces), now=now, digests=done)
        _replace(session, row.digest, fresh, seq, now)
        done[row.digest] = fresh.digest
    if done:
        audit.append(session, PROGRAM, "outbox.signed-again", f"{len(done)}/{key.public.keyid}", now)
    return len(done)


def _is_delivered(session: Session, digest: str) -> bool:
    delivered = OutboxState.DELIVERED.value
    query = select(OutboxRow.id).where(OutboxRow.digest == digest, OutboxRow.state == delivered)
    return session.scalars(query).first() is not None


def _use_next_seq(session: Session, highest_seq: int) -> int:
    row = session.get(StatementSeqRow, SINGLE_ROW)
    seq = max(highest_seq, 0 if row is None else row.last_seq) + 1
    session.merge(StatementSeqRow(id=SINGLE_ROW, last_seq=seq))
    session.flush()
    return seq


def _signed_again(
    envelope: Envelope, known: KnownKey, key: SigningKey, *, seq: int, nonce: str, now: datetime,
    digests: Mapping[str, str],
) -> Envelope:  # fmt: skip
    """The same content in a new frame. The old signature is checked first: nothing is signed that never was."""
    verified, _ = verify_with(envelope, (known,))
    value = _with_new_digests(canonical.parse_canonical(verified.envelope.payload), digests)
    value |= {"nonce": nonce, "issued_at": format_time(now)} | ({"seq": seq} if "seq" in value else {})
    return sign_payload(envelope.kind, canonical.encode(value), key)


def _with_new_digests(value: Any, digests: Mapping[str, str]) -> Any:
    """An item that is signed again has another digest; what points to it must point there."""
    if isinstance(value, dict):
        return {name: _with_new_digests(part, digests) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_new_digests(part, digests) for part in value]
    return digests.get(value, value) if isinstance(value, str) else value


def _replace(session: Session, digest: str, fresh: Envelope, seq: int, now: datetime) -> None:
    hubs: Sequence[str] = session.scalars(select(OutboxRow.hub).where(OutboxRow.digest == digest)).all()
    session.execute(delete(OutboxRow).where(OutboxRow.digest == digest))
    outbox.enqueue(session, fresh, seq, hubs, now)
    session.execute(update(ReleaseRequestRow).where(ReleaseRequestRow.digest == digest).values(digest=fresh.digest))
    for column in (WithdrawalRow.item, WithdrawalRow.digest):
        session.execute(update(WithdrawalRow).where(column == digest).values({column: fresh.digest}))


def give_up_waiting(session: Session, hub: str) -> int:
    """What waits for a hub that this node has left goes there no more."""
    given_up = session.execute(
        update(OutboxRow)
        .where(OutboxRow.hub == hub, OutboxRow.state.in_(UNSETTLED))
        .values(state=OutboxState.REFUSED.value, reason="left", next_try_at=None)
    )
    return int(given_up.rowcount)  # type: ignore[attr-defined]
