"""The keys of a member: rotated by itself, replaced when they are lost or stolen, revoked one by one.

Whatever changes is one `membership` statement in this hub's log, so everybody who reads the log knows it from there on.
`MemberRow` is changed in the same transaction and says no more than the log does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from regional_hub import audit, log, members
from regional_hub.errors import EnrolmentError, HubError
from regional_hub.members import Trust
from regional_hub.orm import EnrolmentRow, EntryRow, MemberRow
from regional_hub.publication import publish
from shared_schema.directory import KeyState, KnownKey
from shared_schema.errors import VerificationError
from shared_schema.governance import EnrolmentRequest, MembershipBody
from shared_schema.keys import MemberRole, MemberStatus, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.rotation import SignedRotation, find_links, read_rotation
from shared_schema.statement import Audience, Kind, format_time

OVERLAP: Final = timedelta(days=30)
"""How long this hub takes what a rotated key has signed: a node that is away for a month loses nothing."""
SHORT_KEYID: Final = 8
MOST_REVOKED: Final = 50
"""Keys that one membership may end; the rest follows the next time."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who writes into the log: the hub's name and key, and the time of the operation."""

    name: str
    key: SigningKey
    now: datetime

    def publish(self, session: Session, body: MembershipBody, audience: Audience = Audience.EUROPE) -> log.Entry:
        return publish(session, Kind.MEMBERSHIP, body, audience, name=self.name, key=self.key, now=self.now)

    def vouch(self, session: Session, body: MembershipBody, chain: Sequence[object], audience: Audience) -> log.Entry:
        """Publish a new member; a hub that has changed its key before, with every key that its log was signed with.

        Returns the first entry. Raises ContractError when a rotation in `chain` does not verify.
        """
        links = find_links(chain, name=body.member, key=body.public_key)
        first = read_rotation(links[0]).old_key if links else body.key
        entry = self.publish(session, body.model_copy(update={"key": first}), audience)
        for signed in links:
            word = {"key": read_rotation(signed).new_key, "rotation": signed.to_object()}
            self.publish(session, body.model_copy(update=word), audience)
        return entry


def accept_rotation(session: Session, signed: SignedRotation, *, trust: Trust, hand: Hand) -> bool:
    """Put a member's new key in the place of its old one; False when that was done before.

    Raises ContractError and changes nothing unless every step passes.
    """
    rotation = read_rotation(signed)  # 1. signed with the old key and with the new one
    log.get_head(session, for_append=True)  # 2. nobody else changes the directory until the commit
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    known = trust.find_direct_key(rotation.old.keyid)
    member = None if known is None else trust.directory.find(known.name)
    if known is None or member is None:  # 3. the old key is that of a member, which is the one that asks
        raise VerificationError("expected the key of a member", code=ProblemCode.UNKNOWN_KEY)
    if rotation.name != member.name:
        raise VerificationError("expected a rotation of the member itself", code=ProblemCode.WRONG_ORIGIN)
    if known.state is KeyState.ROTATED and member.key == rotation.new:  # 4. a retry has the effect of once
        return False
    trust.check_may_submit(rotation.old.keyid, hand.now)  # 5. it counts, and is the newest one
    if known.state is not KeyState.CURRENT:
        raise VerificationError("expected the member's newest key", code=ProblemCode.KEY_NOT_VALID)
    if member.role is not MemberRole.NODE:
        raise EnrolmentError("expected a city; a hub announces its next key", code=ProblemCode.KIND_NOT_ALLOWED)
    if trust.directory.find_key(rotation.new.keyid) is not None:  # 6. nobody has or had the new one
        raise EnrolmentError("expected a key that no member has or had", code=ProblemCode.NAME_TAKEN)
    row = session.get_one(MemberRow, member.name)
    row.public_key, row.keyid = rotation.new.raw, rotation.new.keyid
    until = format_time(hand.now + OVERLAP)
    word = {"rotation": signed.to_object(), "former_until": until}
    hand.publish(session, members.membership_of(row).model_copy(update=word))  # 7. and everybody can see both
    audit.record(session, member.name, "key-rotated", member.name, hand.now)
    return True


def make_replacement_code(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """A one-time code with which a city asks for a new key of its name.

    Raises HubError (`not-found`, `kind-not-allowed`).
    """
    row = _get_member(session, name)
    if row.role != MemberRole.NODE.value:
        raise HubError(
            "expected a city: the log of a hub cannot go on with a key that its old one did not announce",
            code=ProblemCode.KIND_NOT_ALLOWED,
        )
    return members.make_code(session, name, actor=actor, now=now, replaces=True)


def replace_key(session: Session, request: EnrolmentRequest, *, trust: Trust, actor: str, hand: Hand) -> None:
    """Give a city the key of a request whose fingerprint the operator has typed. Its old keys end here.

    Raises EnrolmentError and changes nothing when the key is or was somebody's.
    """
    log.get_head(session, for_append=True)
    row = members.check_replaceable(session, request)
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    if trust.directory.find_key(request.public_key.keyid) is not None:
        raise EnrolmentError("expected a key that no member has or had", code=ProblemCode.NAME_TAKEN)
    known = trust.directory.find(request.name)
    if known is None or (known.vouched_by != hand.name and not trust.directory.is_free(request.name)):
        # It had left, and another hub has vouched for it since: nobody, and not even this hub, would believe this word.
        raise EnrolmentError("expected a name that no other hub has vouched for", code=ProblemCode.NAME_TAKEN)
    row.public_key, row.keyid = request.public_key.raw, request.public_key.keyid
    row.status, row.area = MemberStatus.ACTIVE.value, request.area.to_bytes().decode()
    session.execute(update(EnrolmentRow).where(EnrolmentRow.name == request.name).values(state="approved"))
    hand.publish(session, members.membership_of(row))
    audit.record(session, actor, "key-replaced", request.name, hand.now)


def revoke_key(session: Session, name: str, beginning: str, *, trust: Trust, actor: str, hand: Hand) -> str:
    """End one rotated key of a member, which goes on with its newest one. Returns the key's id.

    Raises HubError: `not-found`, `key-not-valid`.
    """
    log.get_head(session, for_append=True)
    row = _get_member(session, name)
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    found = [known for known in trust.directory.keys_of(name) if known.key.keyid.startswith(beginning.lower())]
    if len(beginning) < SHORT_KEYID or len(found) != 1:
        raise HubError(
            f"expected the id of one key of this member, or its first {SHORT_KEYID} digits; "
            f"see: regional-hub members history {name}",
            code=ProblemCode.NOT_FOUND,
        )
    if found[0].state is not KeyState.ROTATED:
        raise HubError(
            f"expected a key that was rotated, this one is {found[0].state.value}; without --key the newest one ends",
            code=ProblemCode.KEY_NOT_VALID,
        )
    keyid = found[0].key.keyid
    hand.publish(session, members.membership_of(row).model_copy(update={"revoked_keys": (keyid,)}))
    audit.record(session, actor, "former-key-revoked", name, hand.now)
    return keyid


def end_former_keys(session: Session, *, trust: Trust, hand: Hand) -> int:
    """Say in the log that rotated keys end, whose time is over; returns how many.

    Until the log says so a rotated key counts for everybody but this hub, however old it is: whoever finds it in an old
    backup would need one other hub that logs what it signs. And its owner learns here that what still waits with that
    key has to be signed again.
    """
    log.get_head(session, for_append=True)
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    ended = 0
    for name in sorted(trust.direct):
        row = session.get(MemberRow, name)
        over = tuple(known.key.keyid for known in trust.directory.keys_of(name) if _is_over(known, hand.now))
        if row is not None and over:
            over = over[:MOST_REVOKED]
            hand.publish(session, members.membership_of(row).model_copy(update={"revoked_keys": over}))
            audit.record(session, hand.name, "former-key-ended", name, hand.now)
            ended += len(over)
    return ended


def has_former_keys_to_end(trust: Trust, now: datetime) -> bool:
    """Whether `end_former_keys` has anything to do."""
    return any(_is_over(known, now) for name in trust.direct for known in trust.directory.keys_of(name))


def _is_over(known: KnownKey, now: datetime) -> bool:
    is_rotated = known.state is KeyState.ROTATED and known.ended_at is None
    return is_rotated and known.until is not None and now >= known.until


def _get_member(session: Session, name: str) -> MemberRow:
    row = session.get(MemberRow, name)
    if row is None:
        raise HubError("expected the name of a member", code=ProblemCode.NOT_FOUND)
    return row


@dataclass(frozen=True, slots=True)
class Event:
    """One membership statement about a member in this hub's log."""

    index: int
    time: str
    by: str
    body: MembershipBody


def list_events(session: Session, name: str) -> list[Event]:
    """What was said of a member, in the order of the log."""
    words = [word for word in members.list_words(session) if word.body.member == name]
    indexes = [word.index for word in words]
    times = dict(session.execute(select(EntryRow.index, EntryRow.time).where(EntryRow.index.in_(indexes))).all())
    return [Event(word.index, times[word.index], word.origin, word.body) for word in words]


def describe_key(known: KnownKey, now: datetime) -> str:
    """How a key stands, in a word or two; a rotated one with the day until which this hub takes it."""
    if known.ended_at is None and known.state is KeyState.ROTATED and known.until is not None:
        return (
            f"rotated, taken until {format_time(known.until)}" if now < known.until else "rotated, not taken any more"
        )
    return known.state.value if known.ended_at is None else f"{known.state.value} at entry {known.ended_at}"
