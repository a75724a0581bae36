"""The directory: who may sign, with which key, from where in the log to where.

It is nothing but the fold of the `membership` statements in the order of one log, so everybody who has read the same
log has the same directory. A key has a history: it is current; or it was *rotated*, when its member has itself put
another in its place; or it has ended at a position of the log. What was logged before that position stays what it was;
what comes after it is refused. Positions are those of the reader's own log, never anybody's clock.

    directory = Directory(root_name, root_key)
    directory.learn(body, signer=origin, seq=seq, position=index)       -> True when it changed something
    known = directory.find_key(envelope.keyid)
    directory.check_may_sign(known, logged_at, position=index)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared_schema.envelope import Envelope, VerifiedEnvelope, verify_envelope
from shared_schema.errors import VerificationError
from shared_schema.governance import MembershipBody
from shared_schema.keys import FINAL_STATUSES, Member, MemberRole, MemberStatus, PublicKey
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.rotation import SignedRotation, verify_rotation


class KeyState(StrEnum):
    """How a key stands. All but the first two have ended."""

    CURRENT = "current"
    ROTATED = "rotated"
    """Its member has put another in its place. Its home hub takes it for a time, and what that hub took counts."""
    REPLACED = "replaced"
    """It was lost: the hub has vouched for a new key of the same name after a new ceremony."""
    REVOKED = "revoked"
    LEFT = "left"
    CUT_OFF = "cut-off"
    """The hub that had vouched for it was revoked or has left."""


_STATE_OF_STATUS = {MemberStatus.REVOKED: KeyState.REVOKED, MemberStatus.LEFT: KeyState.LEFT}
MAX_LEVELS = 16
"""Hubs above each other; a chain that is longer is none."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key of the directory: whose it is, since which position, and how and where it ended.

    `until` is how long the home hub takes what a rotated key has signed. `ended_at` is None while the key counts.
    """

    name: str
    key: PublicKey
    state: KeyState
    since: int
    until: datetime | None = None
    ended_at: int | None = None


class Directory:
    """Members and their keys.

    The root is the one hub whose fingerprint a person compared. Authority goes outwards from it: a member with the
    role hub or parent may vouch for its own members; nobody can speak about a name that another hub has vouched for,
    nor about itself, nor about the root. Only the root announces its own next key, signed with both, and says
    who runs it.
    """

    def __init__(self, root_name: str, root_key: PublicKey) -> None:
        self._members: dict[str, Member] = {}
        self._keys: dict[str, KnownKey] = {}
        self._histories: dict[str, tuple[str, ...]] = {}  # name -> key ids, oldest first
        self._last_word: dict[tuple[str, str], int] = {}  # (who says it, about whom) -> seq
        self.root = root_name
        self._put(Member(root_name, MemberRole.HUB, root_key, MemberStatus.ACTIVE, vouched_by=root_name), -1)

    def copy(self) -> "Directory":
        """Another directory that knows the same; what one of them learns, the other does not."""
        other = Directory(self.root, self._members[self.root].key)
        other._members, other._keys = dict(self._members), dict(self._keys)
        other._histories, other._last_word = dict(self._histories), dict(self._last_word)
        return other

    # --- learning ---------------------------------------------------------------------------------------------------

    def learn(self, body: MembershipBody, *, signer: str, seq: int, position: int) -> bool:
        """Fold one verified statement of `signer` that stands at `position` of the log; False for nothing new.

        Raises VerificationError when the signer may not speak about that name, or a rotation does not hold.
        """
        topic = (signer, body.member)
        if seq <= self._last_word.get(topic, 0):
            return False  # a hub that hands on an older word later cannot undo a revocation
        changed = self.apply(
            signer=signer,
            member=member_of(body, signer),
            position=position,
            rotation=body.signed_rotation,
            former_until=None if body.former_until is None else parse_time(body.former_until),
            revoked_keys=body.revoked_keys or (),
        )
        self._last_word[topic] = seq
        return changed

    def apply(
        self,
        *,
        signer: str,
        member: Member,
        position: int,
        rotation: SignedRotation | None = None,
        former_until: datetime | None = None,
        revoked_keys: Sequence[str] = (),
    ) -> bool:
        """Take what `signer` says about `member.name` at `position`; False when it says nothing new.

        The statement's own signature must have been verified before. Raises VerificationError: `name-taken`,
        `key-not-valid`, or when the signer has no authority over that name or a rotation does not hold.
        """
        self._check_voucher(signer)
        if member.name in (signer, self.root):
            # Every region vouches for the same nation; a hub's own word about the root of this reader adds nothing.
            return member.name == signer == self.root and self._hear_root(member, position, rotation)
        known = self._members.get(member.name)
        if known is not None and known.vouched_by != signer and not self.is_free(member.name):
            if known.key == member.key:
                return False
            raise VerificationError("expected a name that no other hub has vouched for", code=ProblemCode.NAME_TAKEN)
        fresh = replace(member, vouched_by=signer, operator=_operator_of(member, known, signer))
        if known is not None and known.key == member.key:
            return self._change_status(known, fresh, position, revoked_keys)
        self._check_new_key(fresh)
        if known is not None:
            self._leave_key(known, fresh, position, rotation, former_until)
        self._put(fresh, position)
        self._revoke(fresh.name, revoked_keys, position)
        self._end_if_final(fresh, position)
        return True

    def is_free(self, name: str) -> bool:
        """Whether any hub may vouch for a name that had a member: it has left, or its own hub is gone.

        A hub is gone as well when the hub above it is: its status is what that one said last, its keys are cut off.
        """
        known = self._members.get(name)
        if known is None or known.status is MemberStatus.LEFT:
            return True
        voucher = self._members.get(known.vouched_by)
        return name != self.root and (voucher is None or self._keys[voucher.key.keyid].ended_at is not None)

    def _check_voucher(self, signer: str) -> None:
        voucher = self._members.get(signer)
        if voucher is None or voucher.role is MemberRole.NODE or voucher.status is not MemberStatus.ACTIVE:
            raise VerificationError("expected a membership signed by an active hub of the directory")

    def _check_new_key(self, member: Member) -> None:
        other = self._keys.get(member.key.keyid)
        if other is not None and other.name != member.name:
            raise VerificationError("expected a key that no other member uses", code=ProblemCode.NAME_TAKEN)
        if other is not None:
            raise VerificationError(
                "expected a key that was never revoked, lost or given up", code=ProblemCode.KEY_NOT_VALID
            )

    def _hear_root(self, member: Member, position: int, rotation: SignedRotation | None) -> bool:
        """What the root says about itself: its next key, and who runs it."""
        known = self._members[self.root]
        told = replace(known, operator=known.operator if member.operator is None else member.operator)
        if member.key == known.key:
            self._members[self.root] = told
            return told != known
        if rotation is None:
            return False
        self._check_new_key(member)
        self._leave_key(known, member, position, rotation, None)
        self._put(replace(told, key=member.key), position)
        return True

    def _change_status(self, known: Member, fresh: Member, position: int, revoked_keys: Sequence[str]) -> bool:
        ended = self._keys[fresh.key.keyid].ended_at is not None
        if ended and fresh.status not in FINAL_STATUSES:
            raise VerificationError(
                "expected a key that was never revoked, lost or given up", code=ProblemCode.KEY_NOT_VALID
            )
        revoked = self._revoke(fresh.name, revoked_keys, position)
        if known == fresh:
            return revoked
        self._members[fresh.name] = fresh
        self._end_if_final(fresh, position)
        return True

    def _leave_key(
        self, known: Member, fresh: Member, position: int, rotation: SignedRotation | None, until: datetime | None
    ) -> None:
        """What becomes of the key before: rotated when the member itself says so, else lost, with those before it."""
        old = self._keys[known.key.keyid]
        if rotation is None:
            self._end_keys(known.name, KeyState.REPLACED, position)
            return
        if old.ended_at is not None:
            raise VerificationError("expected a rotation away from a key that counts", code=ProblemCode.KEY_NOT_VALID)
        if verify_rotation(rotation, name=known.name, old_key=known.key).new != fresh.key:
            raise VerificationError("expected the new key that the rotation names")
        self._keys[old.key.keyid] = replace(old, state=KeyState.ROTATED, until=until)

    def _revoke(self, name: str, keyids: Sequence[str], position: int) -> bool:
        """End former keys of a member one by one; the current one ends with the member's status."""
        current = self._members[name].key.keyid
        mine = [self._keys[keyid] for keyid in keyids if keyid in self._histories[name] and keyid != current]
        counting = [known for known in mine if known.ended_at is None]
        for known in counting:
            self._keys[known.key.keyid] = replace(known, state=KeyState.REVOKED, ended_at=position)
        return bool(counting)

    def _end_if_final(self, member: Member, position: int) -> None:
        if member.status in FINAL_STATUSES:
            self._end_keys(member.name, _STATE_OF_STATUS[member.status], position)
            self._cut_off(member.name, position)

    def _cut_off(self, hub: str, position: int) -> None:
        """Whom a hub has vouched for counts no longer than the hub itself; what stands before that stays."""
        for member in [each for each in self._members.values() if each.vouched_by == hub and each.name != hub]:
            self._end_keys(member.name, KeyState.CUT_OFF, position)
            if member.role is not MemberRole.NODE:
                self._cut_off(member.name, position)

    def _end_keys(self, name: str, state: KeyState, position: int) -> None:
        for keyid in self._histories[name]:
            known = self._keys[keyid]
            if known.ended_at is None:
                self._keys[keyid] = replace(known, state=state, ended_at=position)

    def _put(self, member: Member, position: int) -> None:
        keyid = member.key.keyid
        self._members[member.name] = member
        self._keys[keyid] = KnownKey(member.name, member.key, KeyState.CURRENT, position)
        self._histories[member.name] = (*self._histories.get(member.name, ()), keyid)

    # --- asking -----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Member | None:
        return self._members.get(name)

    def find_key(self, keyid: str) -> KnownKey | None:
        """The key with this id, whether it counts still or has ended."""
        return self._keys.get(keyid)

    def keys_of(self, name: str) -> tuple[KnownKey, ...]:
        """Every key that a member ever had, oldest first."""
        return tuple(self._keys[keyid] for keyid in self._histories.get(name, ()))

    def members(self) -> Iterable[Member]:
        return tuple(self._members.values())

    def check_may_sign(
        self, known: KnownKey, at: datetime, *, position: int | None = None, at_home: bool = False
    ) -> None:
        """Raise VerificationError (`key-not-valid`, `member-not-active`) unless the key may sign.

        `position` is where the statement stands in the log; None is its end. `at_home` is how a hub asks about what
        its own member hands in: there, and only there, the time until which a rotated key is taken counts, by the
        hub's own clock.
        """
        if known.ended_at is not None:
            if position is not None and position < known.ended_at:
                return
            raise VerificationError("expected a key that is in force", code=ProblemCode.KEY_NOT_VALID)
        member = self._members[known.name]
        self._check_nobody_suspended(member)
        if known.state is KeyState.ROTATED:
            if at_home and (known.until is None or at >= known.until):
                raise VerificationError("expected a key that is in force", code=ProblemCode.KEY_NOT_VALID)
            return
        member.check_may_sign(at)

    def _check_nobody_suspended(self, member: Member) -> None:
        """The member, and everybody who stands between it and the root."""
        for _ in range(MAX_LEVELS):
            if member.status is MemberStatus.SUSPENDED:
                raise VerificationError("expected an active member", code=ProblemCode.MEMBER_NOT_ACTIVE)
            if member.name == self.root:
                return
            member = self._members[member.vouched_by]
        raise VerificationError(f"expected at most {MAX_LEVELS} levels of hubs", code=ProblemCode.KEY_NOT_VALID)


def _operator_of(member: Member, known: Member | None, signer: str) -> str | None:
    """Who runs a hub, as its hub has said last: a word about its key or its status alone takes nothing back."""
    if member.operator is None and known is not None and known.vouched_by == signer:
        return known.operator
    return member.operator


def verify_with(envelope: Envelope, keys: Sequence[KnownKey]) -> tuple[VerifiedEnvelope, KnownKey]:
    """Verify with the one of `keys` that has signed; the newest is tried first.

    Raises VerificationError: `unknown-key` when there is none to try, `bad-signature` when none holds.
    """
    if not keys:
        raise VerificationError("expected a key of the directory", code=ProblemCode.UNKNOWN_KEY)
    for known in keys[:0:-1]:
        try:
            return verify_envelope(envelope, known.key), known
        except VerificationError:
            continue
    return verify_envelope(envelope, keys[0].key), keys[0]


def member_of(body: MembershipBody, voucher: str) -> Member:
    """What a membership statement of `voucher` says, as a row of the directory."""
    return Member(
        name=body.member,
        role=body.role,
        key=body.public_key,
        status=body.status,
        vouched_by=voucher,
        not_before=None if body.not_before is None else parse_time(body.not_before),
        not_after=None if body.not_after is None else parse_time(body.not_after),
        level=body.level,
        operator=body.operator,
        area=body.area.code,
    )
