"""Members: enrolment with a one-time code and a typed fingerprint, and the directory that follows from the log.

1. The operator makes a one-time code for a name and hands it over.
2. The node makes its key and sends a request signed with it, with the code.
3. Both compare the fingerprint by telephone; the operator types what was read out.
4. The hub signs a membership statement; from that place in its log on, the key counts.
"""

import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from regional_hub import audit
from regional_hub.errors import EnrolmentError, HubError
from regional_hub.orm import ContentRow, EnrolmentCodeRow, EnrolmentRow, EntryRow, MemberRow, SourceRow
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object, parse_envelope, verify_envelope
from shared_schema.errors import ContractError, VerificationError
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest, MembershipBody, PolicyBody
from shared_schema.keys import Directory, Member, MemberRole, MemberStatus, PublicKey, same_fingerprint
from shared_schema.period import Area
from shared_schema.policy_order import stricter_of
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import check_hub_url
from shared_schema.statement import Kind, parse_time
from shared_schema.wire import WireModel

Model = TypeVar("Model", bound=WireModel)
CODE_LIFETIME = timedelta(days=7)
CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
CODE_GROUPS = 4
"""16 letters of 32: 80 bits, far beyond guessing within a week, short enough to read out."""


def make_code(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """Make a one-time code for a member's name; only its hash is stored."""
    groups = ["".join(secrets.choice(CODE_ALPHABET) for _ in range(4)) for _ in range(CODE_GROUPS)]
    code = "-".join(groups)
    session.add(EnrolmentCodeRow(code_hash=_hash_code(code), name=name, expires_at=now + CODE_LIFETIME))
    audit.record(session, actor, "enrolment-code-made", name, now)
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
    _check_free(session, request)
    session.merge(EnrolmentRow(name=request.name, request=request.to_bytes(), received_at=now, state="waiting"))
    audit.record(session, request.name, "enrolment-requested", request.name, now)
    return request


def _check_free(session: Session, request: EnrolmentRequest) -> None:
    taken = session.scalars(
        select(MemberRow.name).where((MemberRow.name == request.name) | (MemberRow.keyid == request.public_key.keyid))
    ).first()
    if taken is not None:
        raise EnrolmentError("expected a name and a key that no member has", code=ProblemCode.NAME_TAKEN)


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


def check_unclaimed(directory: Directory, request: EnrolmentRequest) -> None:
    """Nobody else may have vouched for the name or the key: readers of the log would go on believing the first word.

    Raises EnrolmentError (`name-taken`).
    """
    if directory.find(request.name) is not None or directory.find_by_keyid(request.public_key.keyid) is not None:
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


def set_status(session: Session, name: str, status: MemberStatus, *, actor: str, now: datetime) -> MembershipBody:
    """Suspend, revoke or reactivate a member. Revoking is for ever. Raises HubError (`not-found`)."""
    row = session.get(MemberRow, name)
    if row is None:
        raise HubError("expected the name of a member", code=ProblemCode.NOT_FOUND)
    if row.status in (MemberStatus.REVOKED, MemberStatus.LEFT):
        raise HubError("expected a member that is not revoked: that is for ever, the city enrols under another name")
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
    """A row as the directory's member."""
    return Member(
        name=row.name,
        role=MemberRole(row.role),
        key=PublicKey(row.public_key),
        status=MemberStatus(row.status),
        vouched_by=vouched_by,
        not_before=row.not_before,
        not_after=row.not_after,
        level=row.level,
    )


def member_of(body: MembershipBody, vouched_by: str) -> Member:
    """A membership statement as the directory's member."""
    return Member(
        name=body.member,
        role=body.role,
        key=body.public_key,
        status=body.status,
        vouched_by=vouched_by,
        not_before=_time(body.not_before),
        not_after=_time(body.not_after),
        level=body.level,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


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

    def find_direct_by_keyid(self, keyid: str) -> Member | None:
        member = self.directory.find_by_keyid(keyid)
        return member if member is not None and member.name in self.direct else None


def load_trust(session: Session, name: str, key: PublicKey) -> Trust:
    """Fold the directory and the policy out of the database.

    Raises HubError when the hub has no policy yet.
    """
    directory, as_of = Directory(name, key), last_governance(session)
    rows = session.scalars(select(MemberRow)).all()
    for row in rows:
        directory.apply(signer=name, member=to_member(row, name))
    for body, origin in _relayed_memberships(session):
        apply_membership(directory, body, origin)
    return Trust(name, directory, frozenset(row.name for row in rows), policy_in_force(session, name), as_of)


def last_governance(session: Session) -> int:
    """The index of the last membership or policy in the log; -1 when there is none."""
    kinds = (Kind.MEMBERSHIP.value, Kind.POLICY.value)
    last = [session.scalar(select(func.max(EntryRow.index)).where(EntryRow.kind == kind)) for kind in kinds]
    return max((index for index in last if index is not None), default=-1)


def apply_membership(directory: Directory, body: MembershipBody, signer: str) -> bool:
    """Fold one verified membership statement; False when it says nothing new or has no authority."""
    try:
        return directory.apply(signer=signer, member=member_of(body, signer))
    except VerificationError:
        return False


def _relayed_memberships(session: Session) -> Iterable[tuple[MembershipBody, str]]:
    rows = session.execute(
        select(ContentRow.envelope, EntryRow.origin)
        .join(EntryRow, EntryRow.digest == ContentRow.digest)
        .where(EntryRow.kind == Kind.MEMBERSHIP.value, EntryRow.via.is_not(None))
        .order_by(EntryRow.index)
    )
    for stored, origin in rows:
        body = _read_body(stored, MembershipBody)
        if body is not None:
            yield body, origin


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


def get_policy(session: Session, name: str) -> PolicyBody:
    """The hub's own policy. Raises HubError when there is none."""
    stored = session.scalars(
        select(ContentRow.envelope)
        .join(EntryRow, EntryRow.digest == ContentRow.digest)
        .where(EntryRow.kind == Kind.POLICY.value, EntryRow.origin == name)
        .order_by(EntryRow.index.desc())
        .limit(1)
    ).first()
    policy = None if stored is None else _read_body(stored, PolicyBody)
    if policy is None:
        raise HubError("expected a policy; run init first")
    return policy


def _read_body(stored: bytes, model: type[Model]) -> Model | None:
    # What is stored was verified when it came in; `verify` checks it again.
    payload = parse_strict(envelope_from_object(parse_strict(stored)).payload)
    try:
        return model.from_object(payload["body"])
    except ContractError:
        return None


def _hash_code(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
