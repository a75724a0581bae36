"""Members: enrolment with a one-time code and a typed fingerprint, and the directory that follows from the log.

1. The operator makes a one-time code for a name and hands it over.
2. The node makes its key and sends a request signed with it, with the code.
3. Both compare the fingerprint by telephone; the operator types what was read out.
4. The hub signs a membership statement; from that place in its log on, the key counts.

A member whose key is lost or stolen gets a new one by the same four steps, with a code made for that
(`member_keys.make_replacement_code`).
"""

import contextlib
import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.errors import EnrolmentError, HubError, LogError
from regional_hub.orm import ContentRow, EnrolmentCodeRow, EnrolmentRow, EntryRow, MemberRow, SourceRow
from shared_schema.canonical import parse_strict
from shared_schema.directory import Directory, KnownKey
from shared_schema.envelope import envelope_from_object, parse_envelope, verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest, Level, MembershipBody, PolicyBody
from shared_schema.keys import FINAL_STATUSES, Member, MemberRole, MemberStatus, PublicKey, same_fingerprint
from shared_schema.period import Area
from shared_schema.policy_order import stricter_of
from shared_schema.problem import ProblemCode
from shared_schema.rotation import read_rotation
from shared_schema.service.hub_api import check_hub_url
from shared_schema.statement import Audience, Kind
from shared_schema.wire import WireModel

Model = TypeVar("Model", bound=WireModel)
CODE_LIFETIME = timedelta(days=7)
CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
CODE_GROUPS = 4
"""16 letters of 32: 80 bits, far beyond guessing within a week, short enough to read out."""


def make_code(session: Session, name: str, *, actor: str, now: datetime, replaces: bool = False) -> str:
    """Make a one-time code for a name; only its hash is stored. `replaces`: for a new key of a member."""
    groups = ["".join(secrets.choice(CODE_ALPHABET) for _ in range(4)) for _ in range(CODE_GROUPS)]
    code = "-".join(groups)
    expires_at = now + CODE_LIFETIME
    session.add(EnrolmentCodeRow(code_hash=_hash_code(code), name=name, expires_at=expires_at, replaces=replaces))
    audit.record(session, actor, "replacement-code-made" if replaces else "enrolment-code-made", name, now)
    return code


def request_enrolment(session: Session, body: bytes, *, now: datetime) -> EnrolmentRequest:
    """Take a request and use up its code.

    Raises ContractError for what is wrong with the envelope, EnrolmentError (`enrolment-code`, `name-taken`).
    """
    envelope = parse_envelope(body)
    if envelope.kind != ENROLMENT_KIND:
        raise EnrolmentError("expected an enrolment request", code=ProblemCode.KIND_MISMATCH)
    request = EnrolmentRequest.from_bytes(envelope.payload)  # the key that it names must have signed it
    verify_envelope(envelope, request.public_key)
    if request.url is not None:
        check_hub_url(request.url)  # it will be followed
    claimed = session.execute(
        update(EnrolmentCodeRow)
        .where(
            EnrolmentCodeRow.code_hash == _hash_code(request.code),
            EnrolmentCodeRow.name == request.name,
            EnrolmentCodeRow.used_at.is_(None),
            EnrolmentCodeRow.expires_at > now,
        )
        .values(used_at=now)
    )
    if claimed.rowcount != 1:  # type: ignore[attr-defined]
        raise EnrolmentError("expected a code that is valid for this name and has not been used")
    code = session.get_one(EnrolmentCodeRow, _hash_code(request.code))
    if code.replaces:
        check_replaceable(session, request)
    else:
        _check_free(session, request)
    row = EnrolmentRow(name=request.name, request=request.to_bytes(), received_at=now, state="waiting")
    row.replaces = code.replaces
    session.merge(row)
    audit.record(
        session, request.name, "replacement-requested" if code.replaces else "enrolment-requested", request.name, now
    )
    return request


def _check_free(session: Session, request: EnrolmentRequest) -> None:
    taken = session.scalars(
        select(MemberRow.name).where((MemberRow.name == request.name) | (MemberRow.keyid == request.public_key.keyid))
    ).first()
    if taken is not None:
        raise EnrolmentError("expected a name and a key that no member has", code=ProblemCode.NAME_TAKEN)


def check_replaceable(session: Session, request: EnrolmentRequest) -> MemberRow:
    """The city whose key the request is to replace.

    Raises EnrolmentError (`not-found`, `name-taken`, `kind-not-allowed`).
    """
    row = session.get(MemberRow, request.name)
    if row is None:
        raise EnrolmentError("expected the name of a member", code=ProblemCode.NOT_FOUND)
    if (row.role, request.role) != (MemberRole.NODE.value, MemberRole.NODE):
        raise EnrolmentError(
            "expected a city: the log of a hub cannot go on with a key that its old one did not announce",
            code=ProblemCode.KIND_NOT_ALLOWED,
        )
    keyid = request.public_key.keyid
    if session.scalars(select(MemberRow.name).where(MemberRow.keyid == keyid)).first() is not None:
        raise EnrolmentError("expected a key that no member has", code=ProblemCode.NAME_TAKEN)
    return row


def waiting_requests(session: Session) -> list[EnrolmentRequest]:
    """Who waits for the operator."""
    rows = session.scalars(select(EnrolmentRow).where(EnrolmentRow.state == "waiting").order_by(EnrolmentRow.name))
    return [EnrolmentRequest.from_bytes(row.request) for row in rows]


def check_fingerprint(session: Session, name: str, typed: str) -> EnrolmentRequest:
    """Return the waiting request of `name` when `typed` is the fingerprint of its key.

    Raises EnrolmentError: `not-found`, `fingerprint-mismatch`.
    """
    row = session.get(EnrolmentRow, name)
    if row is None or row.state != "waiting":
        raise EnrolmentError("expected the name of a waiting enrolment request", code=ProblemCode.NOT_FOUND)
    request = EnrolmentRequest.from_bytes(row.request)
    if not same_fingerprint(typed, request.public_key):
        raise EnrolmentError(
            "expected the fingerprint that the member reads out; nobody was enrolled",
            code=ProblemCode.FINGERPRINT_MISMATCH,
        )
    return request


def is_replacement(session: Session, name: str) -> bool:
    """Whether the waiting request of `name` is about a new key of a member."""
    row = session.get(EnrolmentRow, name)
    return row is not None and row.replaces


def check_unclaimed(directory: Directory, request: EnrolmentRequest) -> None:
    """Nobody else may have vouched for the name, nor for the key at any time: readers believe the first word.

    Raises EnrolmentError (`name-taken`).
    """
    if not directory.is_free(request.name) or directory.find_key(request.public_key.keyid) is not None:
        raise EnrolmentError(
            "expected a name and a key that no other hub has vouched for; settle it with the hub above",
            code=ProblemCode.NAME_TAKEN,
        )


def admit(session: Session, request: EnrolmentRequest, *, actor: str, now: datetime) -> MembershipBody:
    """Make a checked request a member; the caller publishes the membership statement in the same transaction."""
    _check_free(session, request)
    session.add(
        MemberRow(
            name=request.name,
            role=request.role.value,
            public_key=request.public_key.raw,
            keyid=request.public_key.keyid,
            status=MemberStatus.ACTIVE.value,
            area=request.area.to_bytes().decode(),
            level=request.level,
            url=request.url,
        )
    )
    session.execute(update(EnrolmentRow).where(EnrolmentRow.name == request.name).values(state="approved"))
    audit.record(session, actor, "member-admitted", request.name, now)
    return MembershipBody(
        member=request.name,
        role=request.role,
        key=request.key,
        status=MemberStatus.ACTIVE,
        area=request.area,
        level=request.level,
    )


def add_parent(session: Session, name: str, key: PublicKey, level: str, area: Area, url: str) -> MembershipBody:
    """Vouch for the hub above, whose fingerprint the operator has typed."""
    row = session.get(MemberRow, name) or MemberRow(name=name, highest_seq=0, read_up_to=0)
    row.role, row.public_key, row.keyid = MemberRole.PARENT.value, key.raw, key.keyid
    row.status, row.area, row.level, row.url = MemberStatus.ACTIVE.value, area.to_bytes().decode(), level, url
    session.add(row)
    return membership_of(row)


def parent_audience(level: Level) -> Audience:
    """How far this hub's word about the hub above travels: as far down as its members reach.

    A smaller region below a region takes what is for the nation at least.
    """
    return Audience.EUROPE if level == "europe" else Audience.NATION


def set_status(session: Session, name: str, status: MemberStatus, *, actor: str, now: datetime) -> MembershipBody:
    """Suspend, revoke or reactivate a member. A key that was revoked never comes back.

    Raises HubError: `not-found`, `key-not-valid`.
    """
    row = session.get(MemberRow, name)
    if row is None:
        raise HubError("expected the name of a member", code=ProblemCode.NOT_FOUND)
    if row.status in FINAL_STATUSES:
        raise HubError(
            "expected a member whose key counts: this one has ended for ever; "
            f"for a new key run: regional-hub members replace-key {name}",
            code=ProblemCode.KEY_NOT_VALID,
        )
    row.status = status.value
    audit.record(session, actor, f"member-{status.value}", name, now)
    return membership_of(row)


def membership_of(row: MemberRow) -> MembershipBody:
    """What the hub says of a member, as a statement body."""
    level = row.level
    return MembershipBody.from_object(
        {
            "member": row.name,
            "role": row.role,
            "key": b64encode(row.public_key).decode(),
            "status": row.status,
            "area": json.loads(row.area),
            **({"level": level} if level else {}),
        }
    )


def to_member(row: MemberRow, vouched_by: str) -> Member:
    """A row as the directory's member, at the end of the log."""
    return Member(
        name=row.name,
        role=MemberRole(row.role),
        key=PublicKey(row.public_key),
        status=MemberStatus(row.status),
        vouched_by=vouched_by,
        level=row.level,
        area=json.loads(row.area)["code"],
    )


@dataclass(frozen=True)
class Trust:
    """Whom a hub believes: its direct members, the directory with everybody behind them, and its policy.

    `as_of` is the index of the last membership or policy in it: a log without a later one says nothing new.
    """

    name: str
    directory: Directory
    direct: frozenset[str]
    policy: PolicyBody
    as_of: int

    def find_direct(self, name: str) -> Member | None:
        return self.directory.find(name) if name in self.direct else None

    def find_direct_key(self, keyid: str) -> KnownKey | None:
        """A key that a direct member has or had."""
        known = self.directory.find_key(keyid)
        return known if known is not None and known.name in self.direct else None

    def check_may_submit(self, keyid: str, now: datetime) -> None:
        """Raise VerificationError (`key-not-valid`, `member-not-active`) unless the key of a direct member counts now.

        A key that its member has rotated counts for the time that the membership says.
        """
        known = self.find_direct_key(keyid)
        if known is None:
            raise VerificationError("expected a key of a member", code=ProblemCode.UNKNOWN_KEY)
        self.directory.check_may_sign(known, now, at_home=True)

    def check_may_read(self, keyid: str, now: datetime) -> None:
        """As `check_may_submit`, but who is suspended goes on reading: it must hear of what is taken back meanwhile."""
        try:
            self.check_may_submit(keyid, now)
        except VerificationError as error:
            if error.code is not ProblemCode.MEMBER_NOT_ACTIVE:
                raise


def load_trust(session: Session, name: str, key: PublicKey, base: Trust | None = None) -> Trust:
    """Fold the directory out of the log, in its order, and find the policy; `base` is what was folded before.

    `key` is the hub's own, unless its log says with which one it began. Raises HubError when the hub has no policy yet.
    """
    as_of = last_governance(session)
    words = list(_memberships(session, -1 if base is None else base.as_of))
    directory = Directory(name, _first_key(words, name, key)) if base is None else base.directory.copy()
    for index, origin, seq, body in words:
        with contextlib.suppress(VerificationError):  # it has no authority over that name, for nobody who reads the log
            directory.learn(body, signer=origin, seq=seq, position=index)
    direct = frozenset(member.name for member in directory.members() if name == member.vouched_by != member.name)
    return Trust(name, directory, direct, policy_in_force(session, name), as_of)


class Word(NamedTuple):
    """A membership statement in the log."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    origin: str
    seq: int
    body: MembershipBody


def _first_key(words: Sequence[Word], name: str, key: PublicKey) -> PublicKey:
    """The key with which this hub's log began: the one that its first announcement leads away from."""
    for word in words:
        if word.origin == word.body.member == name and (rotation := word.body.signed_rotation) is not None:
            return read_rotation(rotation).old
    return key


def list_words(session: Session, by: str | None = None) -> list[Word]:
    """Every membership in the log, in its order; with `by` only what that hub says."""
    return list(_memberships(session, -1, by))


def find_first_key(session: Session, name: str, key: PublicKey) -> PublicKey:
    """The key with which this hub's log began; `key` when it never announced another."""
    return _first_key(list_words(session, name), name, key)


def last_governance(session: Session) -> int:
    """The index of the last membership or policy in the log; -1 when there is none."""
    kinds = (Kind.MEMBERSHIP.value, Kind.POLICY.value)
    last = [session.scalar(select(func.max(EntryRow.index)).where(EntryRow.kind == kind)) for kind in kinds]
    return max((index for index in last if index is not None), default=-1)


def _memberships(session: Session, after: int, by: str | None = None) -> Iterable[Word]:
    query = (
        select(EntryRow.index, EntryRow.origin, EntryRow.seq, ContentRow.envelope)
        .join(ContentRow, EntryRow.digest == ContentRow.digest)
        .where(EntryRow.kind == Kind.MEMBERSHIP.value, EntryRow.index > after)
        .order_by(EntryRow.index)
    )
    rows = session.execute(query if by is None else query.where(EntryRow.origin == by))
    for index, origin, seq, stored in rows:
        body = _read_body(stored, MembershipBody)
        if body is not None:
            yield Word(index, origin, seq, body)


def policy_in_force(session: Session, name: str) -> PolicyBody:
    """The hub's own policy, with every limit in which that of a hub above is stricter."""
    policy = get_policy(session, name)
    for parent in parent_policies(session):
        policy = stricter_of(policy, parent)
    return policy


def parent_policies(session: Session) -> list[PolicyBody]:
    """What the hubs above have signed last."""
    stored = session.scalars(
        select(SourceRow.policy).where(SourceRow.direction == "parent", SourceRow.policy.is_not(None))
    )
    return [PolicyBody.from_bytes(policy) for policy in stored if policy is not None]


def get_policy(session: Session, name: str, log_size: int | None = None) -> PolicyBody:
    """The hub's own policy, now or when its log had that size. Raises HubError when there is none."""
    query = (
        select(ContentRow.envelope)
        .join(EntryRow, EntryRow.digest == ContentRow.digest)
        .where(EntryRow.kind == Kind.POLICY.value, EntryRow.origin == name)
        .order_by(EntryRow.index.desc())
        .limit(1)
    )
    stored = session.scalars(query if log_size is None else query.where(EntryRow.index < log_size)).first()
    policy = None if stored is None else _read_policy(stored)
    if policy is None:
        raise HubError("expected a policy; run init first")
    return policy


@lru_cache(maxsize=16)
def _read_policy(stored: bytes) -> PolicyBody | None:
    """The same bytes are the same policy: every question for figures asks for one."""
    return _read_body(stored, PolicyBody)


def _read_body(stored: bytes, model: type[Model]) -> Model | None:
    # What is stored was verified when it came in; `verify` checks it again.
    try:
        payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
        body = payload["body"]
    except (ContractError, KeyError, TypeError):  # a bit has changed; going on without it could forget a revocation
        raise LogError("expected memberships and policies that can be read; run: regional-hub verify") from None
    try:
        return model.from_object(body)
    except ContractError:
        return None


def _hash_code(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
