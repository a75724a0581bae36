"""This hub's own key, and the next one: announced ahead, so that nobody has to compare a fingerprint again.

    announced   the log says the next key, signed with both; from that entry on both sign every checkpoint
    activated   statements are signed with the new key; checkpoints still with both
    retired     the new key alone; the old one is erased

Readers move their pin when they find the announcement in the log, or later along the chain that `GET /v1/hub` shows.
`HeadRow.signers` says who signs: whoever appends compares it with the keys at hand while holding the head, so no
process of this hub goes on with the keys of yesterday.
"""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from regional_hub import audit, log, members
from regional_hub.errors import HubError, LogError
from regional_hub.orm import HeadRow
from regional_hub.publication import NONCE_BYTES, publish
from shared_schema.checkpoint import NoteVerifier
from shared_schema.governance import Level, MembershipBody
from shared_schema.keys import MemberRole, MemberStatus, PublicKey, SigningKey
from shared_schema.names import format_time, parse_time
from shared_schema.period import Area
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.rotation import KeyRotation, SignedRotation, read_rotation, sign_rotation
from shared_schema.statement import Audience, Kind

LEAST_NOTICE: Final = timedelta(days=7)
"""A node syncs several times a day, but a hub in the middle may be away over a long week-end."""
OVERLAP: Final = timedelta(days=30)
"""How long after the change both keys sign checkpoints, for readers that were away when it was announced."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The keys that sign now (`key` signs statements, it and those beside it checkpoints), and how they came."""

    key: SigningKey
    rotations: tuple[SignedRotation, ...]
    announced_at: tuple[int, ...] = ()
    """Where in the log each rotation stands."""

    def pin(self, name: str) -> Pin:
        """All keys that this log has had, each with the place of the announcement that ended it."""
        links = [read_rotation(signed) for signed in self.rotations]
        pin = Pin(NoteVerifier(name, links[0].old if links else self.key.public))
        for link, index in zip(links, self.announced_at, strict=False):
            pin = pin.announced(link, index)
        return pin

    @property
    def newest(self) -> PublicKey:
        """The one that a new reader pins."""
        return read_rotation(self.rotations[-1]).new if self.rotations else self.key.public

    @property
    def announced(self) -> KeyRotation | None:
        """The rotation that is under way; None when one key signs alone."""
        return read_rotation(self.rotations[-1]) if self.key.beside else None

    @property
    def state(self) -> str:
        rotation = self.announced
        if rotation is None:
            return "settled"
        return "activated" if rotation.new == self.key.public else "announced"


def load_own_keys(session: Session, name: str, at_hand: Mapping[str, SigningKey], only: SigningKey) -> OwnKeys:
    """The keys that have to sign this log, out of those at hand; `only` when the log never had another.

    Raises LogError when one of them is missing.
    """
    signers = (log.get_head(session).signers or "").split()
    words = [word for word in members.list_words(session, name) if word.body.member == name]
    found = [(signed, word.index) for word in words if (signed := word.body.signed_rotation) is not None]
    rotations, places = tuple(signed for signed, _ in found), tuple(index for _, index in found)
    if not signers:
        return OwnKeys(only, rotations, places)
    try:
        first, *beside = (at_hand[keyid] for keyid in signers)
    except KeyError:
        raise LogError("expected the key that this log announces beside signing.key; copy signing.next.key") from None
    return OwnKeys(SigningKey(first.private, tuple(beside)), rotations, places)


def announce(
    session: Session, keys: OwnKeys, next_key: SigningKey, *, name: str, level: Level, area: Area, notice: timedelta,
    actor: str, now: datetime,
) -> KeyRotation:  # fmt: skip
    """Say the next key in the log, signed with both. Raises HubError when one is announced, or it is too soon."""
    if keys.state != "settled":
        raise HubError("expected no other key to be announced still; see: regional-hub keys show")
    if notice < LEAST_NOTICE:
        raise HubError(f"expected at least {LEAST_NOTICE.days} days, so that everybody has read it by then")
    _hold_head(session, keys)
    rotation = KeyRotation(
        name=name,
        old_key=_encode(keys.key.public),
        new_key=_encode(next_key.public),
        made_at=format_time(now),
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        not_before=format_time(now + notice),
    )
    body = MembershipBody(
        member=name,
        role=MemberRole.HUB,
        key=rotation.new_key,
        status=MemberStatus.ACTIVE,
        area=area,
        level=level,
        rotation=sign_rotation(rotation, old=keys.key, new=next_key).to_object(),
    )
    both = SigningKey(keys.key.private, (next_key,))
    _set_signers(session, both)
    publish(session, Kind.MEMBERSHIP, body, Audience.EUROPE, name=name, key=both, now=now)
    audit.record(session, actor, "key-announced", name, now)
    return rotation


def activate(session: Session, keys: OwnKeys, *, name: str, actor: str, now: datetime) -> None:
    """Sign statements with the announced key from now on. Raises HubError when there is none, or before its day."""
    rotation = keys.announced
    if rotation is None or keys.state != "announced":
        raise HubError("expected a key that is announced; see: regional-hub keys announce")
    day = rotation.not_before or rotation.made_at
    if now < parse_time(day):
        raise HubError(f"expected to be asked from {day} on, as it was announced", code=ProblemCode.KEY_NOT_VALID)
    _hold_head(session, keys)
    new = keys.key.beside[0]
    _set_signers(session, SigningKey(new.private, (SigningKey(keys.key.private),)))
    audit.record(session, actor, "key-activated", name, now)


def retire(session: Session, keys: OwnKeys, *, name: str, actor: str, now: datetime) -> None:
    """Let the new key sign alone. Raises HubError before both have signed for the whole overlap."""
    rotation = keys.announced
    if rotation is None or keys.state != "activated":
        raise HubError("expected a new key that is activated; see: regional-hub keys activate")
    day = parse_time(rotation.not_before or rotation.made_at) + OVERLAP
    if now < day:
        raise HubError(f"expected to be asked from {format_time(day)} on", code=ProblemCode.KEY_NOT_VALID)
    _hold_head(session, keys)
    _set_signers(session, SigningKey(keys.key.private))
    audit.record(session, actor, "former-key-retired", name, now)


def due(keys: OwnKeys, now: datetime) -> str | None:
    """What the time has come for: `activate`, `retire` or nothing."""
    rotation = keys.announced
    if rotation is None:
        return None
    day = parse_time(rotation.not_before or rotation.made_at)
    if keys.state == "announced":
        return "activate" if now >= day else None
    return "retire" if now >= day + OVERLAP else None


def shown(rotations: Sequence[SignedRotation]) -> list[dict[str, Any]]:
    """The chain as `GET /v1/hub` shows it."""
    return [signed.to_object() for signed in rotations]


def _hold_head(session: Session, keys: OwnKeys) -> None:
    """Nobody else appends until the commit. Raises HubError (`busy`) when another process has taken a step meanwhile.

    Two announcements at once would leave the log with a next key of which one process has overwritten the only copy.
    """
    signers = log.get_head(session, for_append=True).signers
    if signers and signers != log.signers_of(keys.key):
        raise HubError("expected the keys that sign this log now; see: regional-hub keys show", code=ProblemCode.BUSY)


def _set_signers(session: Session, key: SigningKey) -> None:
    session.execute(
        update(HeadRow)
        .where(HeadRow.id == log.HEAD_ID)
        .values(signers=log.signers_of(key))
        .execution_options(synchronize_session=False)
    )


def _encode(key: PublicKey) -> str:
    return b64encode(key.raw).decode()
