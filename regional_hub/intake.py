"""Intake: bytes in, a log entry and its receipt out, or a clear no and nothing changed.

Read `accept` first: it tells the whole story. Steps 1 to 5 need no database and run for many requests at once;
steps 6 to 9 run inside one transaction for all submissions that wait at that moment (`sequencer.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from regional_hub import charges, log, sealed_arrivals
from regional_hub.charges import Charges, LedgerConflictError
from regional_hub.equivocation import keep_evidence
from regional_hub.errors import IntakeError
from regional_hub.intake_rules import Target, check_correction, narrow, subjects_behind, target_of
from regional_hub.members import Trust, last_governance, load_trust, policy_in_force
from regional_hub.orm import ContentRow, EntryRow, EvidenceRow, MemberRow, table_of
from regional_hub.tiles import NodeCache, TileReader
from shared_schema.directory import verify_with
from shared_schema.envelope import Envelope, VerifiedEnvelope, parse_envelope
from shared_schema.errors import BatchError, ContractError, VerificationError
from shared_schema.governance import PolicyBody, WithdrawalBody
from shared_schema.keys import Member, MemberRole, MemberStatus, PublicKey, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import check_ended, check_releasable
from shared_schema.sealed.bodies import ShareBody
from shared_schema.spending import Charge, Charged
from shared_schema.statement import (
    HUB_KINDS,
    Audience,
    Kind,
    Statement,
    VerifiedStatement,
    claimed_origin,
    read_statement,
)
from shared_schema.trend import (
    AggregateBody,
    TrendBody,
)

KINDS_BY_SUBMISSION = frozenset(Kind) - HUB_KINDS
"""What a city hands in. A hub's own statements are followed, except the sums for the hub above."""


PAIRS_IN_ONE_QUERY = 64
CLOCK_TOLERANCE = timedelta(minutes=5)
"""As for signed reads: a city whose clock is ahead may release a month in its first minutes after it."""


@lru_cache(maxsize=2)
def _select_by_seq(pairs: int) -> Select[Any]:
    """Entries by `pairs` of (origin, seq). Written as OR: for a list of row values SQLite reads the whole table."""
    each = (
        and_(EntryRow.origin == bindparam(f"origin{place}"), EntryRow.seq == bindparam(f"seq{place}"))
        for place in range(pairs)
    )
    return select(*table_of(EntryRow).columns).where(or_(*each))


_SELECT_FIGURES = select(
    EntryRow.origin, EntryRow.subject, EntryRow.withdrawn_by, EntryRow.kind, EntryRow.digest
).where(
    EntryRow.subject.in_(bindparam("subjects", expanding=True)), EntryRow.kind.in_((Kind.TREND.value, Kind.SHARE.value))
)
_SELECT_MEMBERS = select(
    MemberRow.name, MemberRow.keyid, MemberRow.status, MemberRow.highest_seq, MemberRow.area
).where(MemberRow.name.in_(bindparam("names", expanding=True)))
_RAISE_HIGHEST = (
    update(table_of(MemberRow)).where(MemberRow.name == bindparam("member")).values(highest_seq=bindparam("highest"))
)


@dataclass(frozen=True, slots=True)
class Submission:
    """A statement that has passed every check that needs no database. Only `check_submission` makes one."""

    verified: VerifiedStatement
    envelope: VerifiedEnvelope
    keyid: str
    trust_as_of: int
    """Which state of the directory and the policy it was checked against (`Trust.as_of`)."""
    policy: PolicyBody


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receipt (canonical JSON), and whether the entry is new (201) or was there before (200)."""

    receipt: bytes
    new: bool


def check_submission(body: bytes, trust: Trust, now: datetime) -> Submission:
    """Steps 1 to 5. Raises ContractError; nothing has changed."""
    envelope = parse_envelope(body)  # 1. well-formed and not too large
    verified, member = verify_sender(envelope, trust)  # 2. signed by a key of a member
    statement = read_statement(verified)  # 3. canonical, and of the kind it was signed as
    check_sender(statement, member, trust, now)  # 4. the member speaks for itself, and may
    check_releasable(statement.statement, trust.policy)  # 5. nothing below the floor
    if isinstance(statement.statement.body, TrendBody | ShareBody):
        check_ended(statement.statement.body.period, now + CLOCK_TOLERANCE)
        charges.check_head(statement.statement.body)
    return Submission(statement, verified, verified.envelope.keyid, trust.as_of, trust.policy)


def commit_submissions(
    session: Session,
    submissions: Sequence[Submission],
    *,
    name: str,
    key: SigningKey,
    now: datetime,
    nodes: NodeCache | None = None,
) -> list[Accepted | ContractError]:
    """Steps 6 to 9, for many submissions in the caller's one transaction; a result for each, in order."""
    head = log.get_head(session, for_append=True)  # 6. nobody else appends until the commit
    known = _Known.load(session, submissions, name, key.public)
    reader = TileReader(session, nodes, head.frontier)
    results: list[Accepted | ContractError | None] = [None] * len(submissions)
    fresh: list[Submission] = []
    found: list[tuple[int, log.Entry | int, bool]] = []
    for place, submission in enumerate(submissions):
        try:
            # 7. a retry gets its old receipt; no seq twice; nobody spends more than the policy allows
            entry = known.check_order(session, submission, now)
        except ContractError as error:
            results[place] = error
            continue
        if entry is None:
            found.append((place, len(fresh), True))
            fresh.append(submission)
        else:
            found.append((place, entry, False))
    rows: list[log.Entry] = []
    notes: dict[int, str] = {}
    if fresh:  # 8. entries, contents, tiles, head and checkpoint
        arrivals = [log.Arrival(item.verified) for item in fresh]
        rows, note = log.append(session, arrivals, name=name, key=key, head=head, now=now, reader=reader)
        notes[head.size + len(rows)] = note
        known.store_highest(session)
        known.store_charges(session, rows)
    entries = [rows[entry] if isinstance(entry, int) else entry for _, entry, _ in found]
    receipts = log.make_receipts(session, entries, reader, notes)  # 9. proof for each
    for (place, _, new), receipt in zip(found, receipts, strict=True):
        results[place] = Accepted(receipt, new)
    return [result for result in results if result is not None]


def verify_sender(envelope: Envelope, trust: Trust) -> tuple[VerifiedEnvelope, Member]:
    """Find the sender's key by the hints and verify with it.

    Raises VerificationError: `unknown-key`, `bad-signature`. The hints (key id, claimed origin) only choose which key
    is tried; what counts is that the signature holds.
    """
    known = trust.find_direct_key(envelope.keyid)
    origin = claimed_origin(envelope) if known is None else known.name
    member = None if origin is None else trust.find_direct(origin)
    if member is None:
        raise VerificationError("expected a signature with the key of a member", code=ProblemCode.UNKNOWN_KEY)
    keys = trust.directory.keys_of(member.name) if known is None else (known,)
    return verify_with(envelope, keys)[0], member


def check_sender(verified: VerifiedStatement, member: Member, trust: Trust, now: datetime) -> None:
    """The member may sign now, speaks for itself, and says what its role may say.

    Raises VerificationError (`key-not-valid`, `member-not-active`) or IntakeError (`wrong-origin`,
    `kind-not-allowed`).
    """
    trust.check_may_submit(verified.envelope.keyid, now)
    statement = verified.statement
    if statement.origin != member.name:
        raise IntakeError("expected a statement of the member that signed it", code=ProblemCode.WRONG_ORIGIN)
    if member.role is not MemberRole.NODE or statement.kind not in KINDS_BY_SUBMISSION:
        raise IntakeError("expected a kind of statement that a city hands in", code=ProblemCode.KIND_NOT_ALLOWED)
    if isinstance(statement.body, AggregateBody):
        raise IntakeError("expected figures of a city, not a sum", code=ProblemCode.KIND_NOT_ALLOWED)


def _find_by_seq(connection: Connection, pairs: Collection[tuple[str, int]]) -> list[log.Entry]:
    """The entries with these (origin, seq), in as few kinds of query as can be."""
    entries: list[log.Entry] = []
    rest = list(pairs)
    size = 1 if len(rest) == 1 else PAIRS_IN_ONE_QUERY
    while rest:
        part, rest = rest[:size], rest[size:]
        part += part[-1:] * (size - len(part))
        values = {
            f"{name}{place}": pair[way] for place, pair in enumerate(part) for way, name in enumerate(("origin", "seq"))
        }
        entries += [log.Entry(*row) for row in connection.execute(_select_by_seq(size), values)]
    return entries


class _Known:
    """What the log already has that concerns a group of submissions; grows as the group is gone through."""

    def __init__(self, name: str, key: PublicKey) -> None:
        self._hub = (name, key)
        self._newest_trust: Trust | None = None
        self.by_seq: dict[tuple[str, int], log.Entry] = {}
        self.trends: dict[tuple[str, str], bool] = {}
        """(origin, subject) of releases → whether its content is still there."""
        self.shares: dict[tuple[str, str], list[str]] = {}
        """(origin, subject) of figures that went as sealed shares → the digests of these."""
        self.charges = Charges()
        self.highest: dict[str, int] = {}
        self.members: dict[str, tuple[str, str]] = {}
        self.stored: dict[str, int] = {}
        self.newer_policy: PolicyBody | None = None
        self.targets: dict[str, Target] = {}
        self.areas: dict[str, str] = {}
        self._in_group: dict[tuple[str, int], tuple[str, int]] = {}
        self._bodies: dict[tuple[str, str], TrendBody] = {}
        self._spent: dict[int, tuple[Charged, Charge]] = {}  # by the place among the group's new ones

    @classmethod
    def load(cls, session: Session, submissions: Sequence[Submission], name: str, key: PublicKey) -> "_Known":
        known = cls(name, key)
        statements = [item.verified.statement for item in submissions]
        connection = session.connection()
        for entry in _find_by_seq(connection, {(statement.origin, statement.seq) for statement in statements}):
            known.by_seq[entry.origin, entry.seq] = entry
        subjects = {subject for item in statements for subject in subjects_behind(item)}
        if subjects:
            figures = connection.execute(_SELECT_FIGURES, {"subjects": list(subjects)}).all()
            for found in figures:
                if found.kind == Kind.SHARE.value:
                    known.shares.setdefault((found.origin, found.subject or ""), []).append(found.digest)
                else:
                    known.trends[found.origin, found.subject or ""] = found.withdrawn_by is None
            known.charges = Charges.load(connection, statements)
            if last_governance(session) > min(item.trust_as_of for item in submissions):
                known.newer_policy = policy_in_force(session, name)
        origins = list({statement.origin for statement in statements})
        for row in connection.execute(_SELECT_MEMBERS, {"names": origins}):
            known.members[row.name] = (row.keyid, row.status)
            known.areas[row.name] = row.area
            known.highest[row.name] = row.highest_seq
        known.stored = dict(known.highest)
        withdrawn = {item.body.digest for item in statements if isinstance(item.body, WithdrawalBody)}
        if withdrawn:
            items = (EntryRow.digest.in_(withdrawn)) & (EntryRow.kind != Kind.WITHDRAWAL.value)
            aside = session.execute(
                select(EvidenceRow.digest, EvidenceRow.origin).where(EvidenceRow.digest.in_(withdrawn))
            )
            known.targets = {row.digest: Target(row.origin, None, None) for row in aside}
            known.targets |= {row.digest: target_of(row) for row in session.scalars(select(EntryRow).where(items))}
        return known

    def check_order(self, session: Session, submission: Submission, now: datetime) -> log.Entry | int | None:
        """None for a new statement; for a retry its entry, or the place of its twin among the group's new ones.

        Raises IntakeError (`seq-conflict`, `seq-too-low`, `release-rule`, `not-found`), ReleaseRuleError
        (`privacy-budget`) or VerificationError when the member is no longer what it was when the request began.
        """
        statement = submission.verified.statement
        self._check_member(session, submission, now)
        place = (statement.origin, statement.seq)
        entry = self.by_seq.get(place)
        if entry is not None:
            self._check_same(session, submission, entry.digest, now)
            return entry
        if place in self._in_group:
            digest, twin = self._in_group[place]
            self._check_same(session, submission, digest, now)
            return twin
        highest = self.highest[statement.origin]
        if statement.seq <= highest:
            raise IntakeError(f"expected a seq above {highest}", code=ProblemCode.SEQ_TOO_LOW)
        if self.newer_policy is not None:  # another process of this hub has put one in force meanwhile
            check_releasable(statement, self.newer_policy)
        if isinstance(statement.body, TrendBody):
            self._take_release(session, submission, statement.body, now)
        if isinstance(statement.body, ShareBody):
            self._take_share(session, submission, statement.body, now)
        if isinstance(statement.body, WithdrawalBody):
            self._check_withdrawal(statement, statement.body)
        self.highest[statement.origin] = statement.seq
        self._in_group[place] = (submission.verified.digest, len(self._in_group))
        if not isinstance(statement.body, WithdrawalBody):
            subject = next(iter(subjects_behind(statement)), None)
            self.targets[submission.verified.digest] = Target(
                statement.origin, statement.audience, subject, is_share=statement.kind is Kind.SHARE
            )
        return None

    def _take_release(self, session: Session, submission: Submission, body: TrendBody, now: datetime) -> None:
        """Check a release against those before it, and count it. Raises before anything is counted."""
        origin, digest = submission.verified.statement.origin, submission.verified.digest
        subject, *behind = subjects_behind(submission.verified.statement)
        if (origin, subject) in self.trends:
            raise IntakeError("expected one release for a table and period", code=ProblemCode.RELEASE_RULE)
        if not behind:
            self._check_not_sealed(session, origin, subject)
        if behind and not all((origin, each) in self.trends for each in behind):
            raise IntakeError(
                "expected a correction of a release that is here, numbered after the one before it",
                code=ProblemCode.RELEASE_RULE,
            )
        if behind and not self.trends[origin, behind[0]]:
            raise IntakeError("expected a correction of a release that is not withdrawn", code=ProblemCode.RELEASE_RULE)
        if body.area.to_bytes().decode() != self.areas[origin]:
            raise IntakeError("expected the area that the member was admitted with", code=ProblemCode.RELEASE_RULE)
        if behind:
            check_correction(body, self._bodies_of(session, origin, behind[0]))
        charge = self._check_charge(session, submission, body, now)
        self.charges.add(origin, body, charge, digest)
        self.trends[origin, subject] = True
        self._bodies[origin, subject] = body
        self._spent[len(self._in_group)] = (body, charge)

    def _take_share(self, session: Session, submission: Submission, body: ShareBody, now: datetime) -> None:
        """Check a sealed share against all figures before it, keep it for its batch, and count it.

        One that comes too late is noted, so that the roster can say so, and refused. Raises before anything is counted.
        """
        origin, digest = submission.verified.statement.origin, submission.verified.digest
        (subject,) = subjects_behind(submission.verified.statement)
        batch_id = sealed_arrivals.find_led(session, body.batch)
        if sealed_arrivals.note_if_late(session, batch_id, submission.envelope, at=now):
            raise BatchError("expected a share before the batch is closed; it counts as late")
        if (origin, subject) in self.trends:
            raise IntakeError("expected figures that the city has not released itself", code=ProblemCode.RELEASE_RULE)
        self._check_not_sealed(session, origin, subject)
        has_paid = self.charges.has_paid(origin, body) and bool(self.shares.get((origin, subject)))
        charge = None if has_paid else self._check_charge(session, submission, body, now)
        sealed_arrivals.take_share(session, batch_id, submission.envelope, at=now)
        self.shares.setdefault((origin, subject), []).append(digest)
        if charge is not None:
            self.charges.add(origin, body, charge, digest)
            self._spent[len(self._in_group)] = (body, charge)

    def _check_not_sealed(self, session: Session, origin: str, subject: str) -> None:
        """Raise IntakeError when these figures went as a sealed share that is, or may yet be, in a sum."""
        shares = self.shares.get((origin, subject), [])
        if sealed_arrivals.find_counting(session, origin, shares):
            raise IntakeError(
                "expected figures that are in no sealed total, nor on their way into one",
                code=ProblemCode.RELEASE_RULE,
            )

    def _check_charge(self, session: Session, submission: Submission, body: Charged, now: datetime) -> Charge:
        origin = submission.verified.statement.origin
        try:
            return self.charges.check(origin, body, self.newer_policy or submission.policy)
        except LedgerConflictError as conflict:
            known = conflict.known if isinstance(conflict.known, str) else _digest_at(session, conflict.known)
            self._keep_evidence(session, submission, known, now)
            message = f"{conflict.message}; both are kept as evidence"
            raise IntakeError(message, code=ProblemCode.SEQ_CONFLICT) from None

    def _bodies_of(self, session: Session, origin: str, release: str) -> list[TrendBody]:
        """A release and the corrections of it that are not withdrawn, the release first."""
        mine = or_(EntryRow.subject == release, EntryRow.subject.startswith(f"{release}/c", autoescape=True))
        stored = session.scalars(
            select(ContentRow.envelope)
            .join(EntryRow, EntryRow.digest == ContentRow.digest)
            .where(EntryRow.origin == origin, EntryRow.kind == Kind.TREND.value, mine)
        )
        bodies = [TrendBody.from_object(charges.body_of(envelope)) for envelope in stored]
        fresh = ((name, body) for (who, name), body in self._bodies.items() if who == origin)
        bodies += [body for name, body in fresh if name == release or name.startswith(f"{release}/c")]
        return sorted(bodies, key=lambda body: body.correction or 0)

    def _check_withdrawal(self, statement: Statement, body: WithdrawalBody) -> None:
        target = self.targets.get(body.digest)
        if target is not None and target.is_share:
            raise IntakeError(
                "expected something else than a sealed share: nobody can take it out of a sum",
                code=ProblemCode.RELEASE_RULE,
            )
        if target is None or target.origin != statement.origin:
            raise IntakeError("expected the digest of an item of the same origin", code=ProblemCode.NOT_FOUND)
        if target.audience is not None and statement.audience.reach < target.audience.reach:
            raise IntakeError(
                "expected a withdrawal that travels as far as its item, so that every holder erases it",
                code=ProblemCode.RELEASE_RULE,
            )
        if body.to is not None:
            self.targets[body.digest] = narrow(target, Audience(body.to))
            return
        self.targets[body.digest] = target._replace(is_withdrawn=True)
        if target.subject is not None and (target.origin, target.subject) in self.trends:
            self.trends[target.origin, target.subject] = False  # for what comes behind it in the same group

    def _check_member(self, session: Session, submission: Submission, now: datetime) -> None:
        # Between the check of the request and this transaction another process may have revoked the member. A key that
        # is not the member's newest one is either rotated, or not in force any more: the log says which.
        member = self.members.get(submission.verified.statement.origin)
        if member != (submission.keyid, MemberStatus.ACTIVE.value):
            if self._newest_trust is None:
                self._newest_trust = load_trust(session, self._hub[0], self._hub[1])
            self._newest_trust.check_may_submit(submission.keyid, now)

    def _check_same(self, session: Session, submission: Submission, digest: str, now: datetime) -> None:
        if submission.verified.digest == digest:
            return
        self._keep_evidence(session, submission, digest, now)
        seq = submission.verified.statement.seq
        raise IntakeError(
            f"expected one content for seq {seq}; both are kept as evidence", code=ProblemCode.SEQ_CONFLICT
        )

    def _keep_evidence(self, session: Session, submission: Submission, known_digest: str, now: datetime) -> None:
        statement = submission.verified.statement
        if statement.kind is Kind.SHARE:
            return  # what opens it is destroyed one day, and then no copy of it may be left
        keep_evidence(
            session,
            statement.origin,
            statement.seq,
            digest=submission.verified.digest,
            known_digest=known_digest,
            envelope=submission.verified.envelope.stored_bytes,
            about=statement.origin,
            now=now,
        )

    def store_charges(self, session: Session, rows: Sequence[log.Entry]) -> None:
        """Write what the group's new releases have spent; `rows` are its entries in their order."""
        if self._spent:
            charges.store(
                session.connection(), [(rows[place], body, charge) for place, (body, charge) in self._spent.items()]
            )

    def store_highest(self, session: Session) -> None:
        raised = [
            {"member": name, "highest": highest}
            for name, highest in self.highest.items()
            if highest != self.stored[name]
        ]
        session.connection().execute(_RAISE_HIGHEST, raised)


def _digest_at(session: Session, index: int) -> str:
    return session.scalars(select(EntryRow.digest).where(EntryRow.index == index)).one()
