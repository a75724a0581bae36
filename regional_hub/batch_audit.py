"""The audit of one batch of a sealed total: every step that this log, and this hub's own secrets, let somebody redo.

Each finding holds, is broken, or cannot be redone any more, with the reason. Signatures are verified with the keys of
their places in the log. Of this hub's part its noise can be drawn again for ever, because the seed stays; its sum only
while its key and the shares are here. The other hub's part only the other hub can redo.

    for finding in audit_batch(session, trust, digest): ...
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.holdings import read_body
from regional_hub.members import Trust
from regional_hub.orm import ContentRow, EntryRow, SealedBatchRow
from regional_hub.sealed_claims import check_said, has_hubs_below
from regional_hub.sealed_shares import read_shares
from regional_hub.sealed_totals import Reader, Said, Told, find_told
from shared_schema.errors import ContractError
from shared_schema.names import is_same_operator, parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_void
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.hpke import PrivateKey
from shared_schema.sealed.sums import HubSecrets
from shared_schema.sealed.terms import ROLES, Role
from shared_schema.sealed.total import read_total, redo_noise, redo_sum
from shared_schema.statement import Kind
from shared_schema.trend import AggregateBody

HOLDS: Final = "yes"
BROKEN: Final = "no"
GONE: Final = "cannot be redone"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was redone, whether it holds, and one sentence."""

    check: str
    outcome: str
    words: str


def audit_batch(session: Session, trust: Trust, digest: str) -> list[Finding]:
    """Everything about the batch of this statement, in the order in which it happened."""
    return list(_Audit(session, trust, digest).run())


class _Audit:
    """One walk; a step that does not hold ends what stands on it."""

    def __init__(self, session: Session, trust: Trust, digest: str) -> None:
        self._session, self._trust = session, trust
        self._told: Told = find_told(session, [digest])[digest]
        self._reader = Reader(session, trust, [self._told])

    def run(self) -> Iterator[Finding]:
        try:
            batch = self._reader.batch(self._told)
        except ContractError as error:
            code = ProblemCode.SAME_OPERATOR
            check = "operators" if error.code is code else "batch"
            yield Finding(check, BROKEN, error.message)
            return
        hubs = batch.terms.leader, batch.terms.helper
        yield Finding("batch", HOLDS, f"{hubs[0].name} has signed the statement and {hubs[1].name} the terms in it")
        yield self._operators(batch)
        yield from self._void(batch)
        if not self._told.rosters:
            yield Finding("roster", GONE, "nobody has signed a roster: nothing of this batch is open")
            return
        try:
            roster = self._reader.roster(self._told, batch)
        except ContractError as error:
            yield Finding("roster", BROKEN, error.message)
            return
        attendance, members = roster.terms.attendance, len(batch.plan.members)
        lists = {"accepted": attendance.accepted, "refused": attendance.refused, "absent": attendance.absent}
        counted = ", ".join(f"{len(named)} {name}" for name, named in lists.items())
        yield Finding("roster", HOLDS, f"both hubs have signed the first roster of this batch, {roster.digest}")
        yield Finding("attendance", HOLDS, f"every one of {members} members once: {counted}")
        yield from self._redo_own(batch, roster)
        yield from self._total(batch, roster)

    def _operators(self, batch: AgreedBatch) -> Finding:
        """Two operators in the terms (`read_batch`), and nobody whose word counts here says otherwise."""
        for part in (batch.terms.leader, batch.terms.helper):
            member = self._trust.directory.find(part.name)
            known = None if member is None else member.operator
            if known is not None and not is_same_operator(known, part.operator):
                return Finding("operators", BROKEN, f"expected of {part.name} the operator that the directory names")
        return Finding("operators", HOLDS, "the terms name two operators, and the directory names no others")

    def _void(self, batch: AgreedBatch) -> Iterator[Finding]:
        rows = self._session.execute(
            select(EntryRow.index, EntryRow.time, EntryRow.digest, EntryRow.origin).where(
                EntryRow.kind == Kind.VOID.value, EntryRow.subject == batch.digest
            )
        ).all()
        for index, time, digest, origin in rows:
            try:
                verified, directory = self._reader.verify(Said(index, digest, Kind.VOID.value, origin, time))
                terms = read_void(verified, batch, directory, at=parse_time(time), position=index)
            except ContractError as error:
                yield Finding("void", BROKEN, error.message)
            else:
                ended = Finding("void", HOLDS, f"both hubs have signed that this batch is never opened: {terms.reason}")
                yield Finding("void", BROKEN, "expected either a roster or a void") if self._told.rosters else ended

    # --- the sums ---------------------------------------------------------------------------------------------------

    def _total(self, batch: AgreedBatch, roster: AgreedRoster) -> Iterator[Finding]:
        sums: dict[Role, AggregateShareBody] = {}
        for role in ROLES:
            hub, check = batch.terms.part_of(role).name, f"sum of the {role}"
            try:
                body = self._reader.sum_of(self._told, batch, roster, role)
            except ContractError as error:
                yield Finding(check, BROKEN, f"{error.message} ({hub})")
                continue
            if body is None:
                yield Finding(check, GONE, f"{hub} has not said its sum in this log")
            else:
                sums[role] = body
                yield Finding(check, HOLDS, f"{hub} has signed it, and it has the hash to which the roster binds it")
        if len(sums) < len(ROLES):
            return
        try:
            total = read_total(batch, roster, sums)
        except ContractError as error:
            yield Finding("total", BROKEN, error.message)
            return
        variance = total.variance_milli / 1000
        words = f"both sums add up to figures that {total.contributors} cities can have, of variance {variance}"
        yield Finding("total", HOLDS, words)
        yield self._published(batch)

    def _published(self, batch: AgreedBatch) -> Finding:
        """The newest sum of the leader's hub for this table and period says what its batches make."""
        check, subject = "published", f"{batch.plan.table.id}@{batch.plan.table.version}/{batch.plan.period.label}"
        rows = self._session.execute(
            select(EntryRow.index, ContentRow.envelope)
            .join(ContentRow, ContentRow.digest == EntryRow.digest)
            .where(
                EntryRow.kind == Kind.AGGREGATE.value,
                EntryRow.subject == subject,
                EntryRow.origin == batch.terms.leader.name,
                EntryRow.withdrawn_by.is_(None),
            )
            .order_by(EntryRow.index.desc())
        )
        for index, stored in rows:
            body = read_body(Kind.AGGREGATE.value, stored)
            if isinstance(body, AggregateBody) and batch.digest in (body.batches or ()):
                if self._says_the_same(body, batch.terms.leader.name):
                    return Finding(check, HOLDS, f"entry {index} says the total that its batches make")
                return Finding(check, BROKEN, f"expected entry {index} to say the total that its batches make")
        return Finding(check, GONE, f"{batch.terms.leader.name} has published no sum with this batch in this log yet")

    def _says_the_same(self, body: AggregateBody, leader: str) -> bool:
        told = find_told(self._session, body.batches or ())
        reader = Reader(self._session, self._trust, told.values())
        opened = [found for each in told.values() if (found := reader.read(each)[0]) is not None]
        try:
            check_said(leader, body, opened, self._trust, exact=not has_hubs_below(leader, self._trust))
        except ContractError:
            return False
        return True

    # --- this hub's own part ----------------------------------------------------------------------------------------

    def _redo_own(self, batch: AgreedBatch, roster: AgreedRoster) -> Iterator[Finding]:
        row = self._session.scalars(select(SealedBatchRow).where(SealedBatchRow.batch == batch.digest)).first()
        if row is None:
            words = "this hub is neither leader nor helper of this batch, or has lost what it kept of it"
            yield Finding("own noise", GONE, words)
            yield Finding("own sum", GONE, words)
            return
        role: Role = "leader" if row.role == "leader" else "helper"
        try:
            redo_noise(batch, role, row.noise_seed)
        except ContractError as error:
            yield Finding("own noise", BROKEN, f"{error.message} ({role})")
        else:
            yield Finding("own noise", HOLDS, f"the seed here is the one to which the terms bind this hub ({role})")
        yield self._redo_sum(batch, roster, role, row)

    def _redo_sum(self, batch: AgreedBatch, roster: AgreedRoster, role: Role, row: SealedBatchRow) -> Finding:
        if row.hpke_key is None or row.verify_key is None:
            return Finding("own sum", GONE, "the keys and shares of this batch are destroyed, as they have to be")
        secrets = HubSecrets(PrivateKey(row.hpke_key), row.noise_seed)
        try:
            redo_sum(batch, roster, role, secrets, row.verify_key, read_shares(self._session, row.id))
        except ContractError as error:
            return Finding("own sum", BROKEN, error.message)
        count = len(roster.terms.attendance.accepted)
        return Finding("own sum", HOLDS, f"the halves of {count} cities give this hub's sum again")
