"""Two hubs with their batch in a database each, that stop at any moment and start again from their files.

    run = Run(folder, chance=random.Random(1), faults=Faults(chance, odds=0.1))
    seen = run.live()

Each hub does what it does in `go_on`, a step for each state: it reads where it is, makes what comes next, stores it,
and only then sends it. A fault comes before a transaction, in it or after it. What has left a hub is written down
outside (`Wire`), where no crash reaches.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, func, insert, select
from sqlalchemy.orm import Session

from regional_hub import sealed_arrivals as arrivals
from regional_hub import sealed_store as store
from regional_hub.orm import SealedBatchRow
from regional_hub.sealed_rows import Step
from regional_hub.sealed_shares import read_late, read_shares
from shared_schema.envelope import VerifiedEnvelope, parse_envelope, verify_envelope
from shared_schema.errors import BatchError
from shared_schema.names import parse_time
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster
from shared_schema.sealed.bodies import AggregateShareBody, RosterBody, VoidBody
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hub import committed, dropped, opened, publish, voided
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.messages import PrepareAnswer, ProposalAnswer
from shared_schema.sealed.states import HAS_SECRETS, BatchState
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from shared_schema.sealed.terms import Role, VoidTerms
from shared_schema.service.database import Database
from shared_schema.statement import (
    Audience,
    Kind,
    StatementBody,
    VerifiedStatement,
    make_statement,
    read_statement,
    sign_statement,
)
from tests.shared_schema.sealed_world import HELPER, LEADER, NOW, World, key_of

MIGRATIONS = "regional_hub.migrations"
NAMES: dict[Role, str] = {"leader": LEADER, "helper": HELPER}
PATIENCE = 3
"""How often a leader asks for what it is refused before it gives the batch up."""
SAID = Table("said", MetaData(), Column("number", Integer, primary_key=True), Column("envelope", LargeBinary))
"""A hub's log, as far as these tests need one: in its database, so that a statement and a step are one transaction."""


class Crash(Exception):
    """This hub has stopped."""

    def __init__(self, role: Role) -> None:
        self.role = role


@dataclass
class Faults:
    """When a hub stops: at random, or at one place, counted from the beginning."""

    chance: random.Random
    odds: float = 0.0
    at: int | None = None
    passed: int = 0
    happened: int = 0

    def come(self, role: Role) -> None:
        self.passed += 1
        if self.passed == self.at or self.chance.random() < self.odds:
            self.happened += 1
            raise Crash(role)


@dataclass
class Wire:
    """What has left a hub."""

    answers: dict[tuple[str, bytes], set[bytes]] = field(default_factory=dict)
    said: dict[Role, list[bytes]] = field(default_factory=lambda: {"leader": [], "helper": []})

    def note(self, path: str, question: bytes, answer: bytes) -> bytes:
        self.answers.setdefault((path, question), set()).add(answer)
        return answer

    def questions(self, path: str) -> list[bytes]:
        return [question for asked, question in self.answers if asked == path]


class KeptWorld(World):
    """Keeps what each city has signed, because it sends the same bytes until they are acknowledged."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.verified: list[VerifiedEnvelope] = []

    def say(self, name: str, kind: Kind, body: StatementBody) -> VerifiedStatement:
        said = super().say(name, kind, body)
        if kind is Kind.SHARE:
            self.verified.append(verify_envelope(said.envelope, key_of(name).public))
        return said


class Hub:
    """One hub: its database, and what it stores and says in one transaction."""

    role: Role

    def __init__(self, url: str, world: KeptWorld, faults: Faults, wire: Wire) -> None:
        self.database, self.url = Database(url), url
        self.world, self.faults, self.wire = world, faults, wire

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction, with the moments at which a machine stops."""
        self.faults.come(self.role)
        with self.database.write() as session:
            yield session
            self.faults.come(self.role)
        self.wire.said[self.role] = self.log()
        self.faults.come(self.role)

    def restart(self) -> None:
        """From what a machine that stops leaves on its disk: nothing is closed, and the files are taken as they are."""
        if self.database.dialect == "sqlite":
            here = Path(self.url.removeprefix("sqlite:///"))
            there = here.with_name(f"x{here.name}")
            for ending in ("", "-wal"):
                if (left := here.with_name(here.name + ending)).exists():
                    shutil.copyfile(left, there.with_name(there.name + ending))
            self.database.close()
            for ending in ("", "-wal", "-shm"):
                here.with_name(here.name + ending).unlink(missing_ok=True)
            self.url = f"sqlite:///{there}"
        else:
            self.database.close()
        self.database = Database(self.url)
        self.database.migrate(MIGRATIONS)

    def state(self) -> BatchState | None:
        with self.database.read() as session:
            found = session.scalar(select(SealedBatchRow.state).where(SealedBatchRow.role == self.role))
            return None if found is None else BatchState(found)

    # --- its log ------------------------------------------------------------------------------------------------

    def say(self, session: Session, kind: Kind, body: StatementBody) -> VerifiedStatement:
        number = (session.scalar(select(func.count()).select_from(SAID)) or 0) + 1
        name = NAMES[self.role]
        statement = make_statement(
            body, kind=kind, origin=name, seq=number, issued_at=NOW, audience=Audience.NATION,
            nonce=f"{self.world.chance.getrandbits(126):022d}"[:21] + "A",
        )  # fmt: skip
        envelope = sign_statement(statement, key_of(name))
        session.execute(insert(SAID).values(number=number, envelope=envelope.to_bytes()))
        return read_statement(verify_envelope(envelope, key_of(name).public))

    def log(self) -> list[bytes]:
        with self.database.read() as session:
            return list(session.scalars(select(SAID.c.envelope).order_by(SAID.c.number)))

    def find_said(self, kind: Kind) -> list[VerifiedStatement]:
        key = key_of(NAMES[self.role]).public
        all_said = [read_statement(verify_envelope(parse_envelope(each), key)) for each in self.log()]
        return [each for each in all_said if each.statement.kind is kind]

    def forget_keys(self) -> None:
        """It was put back from a backup, in which no keys are."""
        with self.database.write() as session:
            store.erase_secrets(session)


class HelperHub(Hub):
    role: Role = "helper"

    def hear_proposal(self, question: bytes) -> bytes:
        def agree() -> tuple[HelperBatch, bytes]:
            return helper_steps.agree_to(
                question, name=HELPER, operator=self.world.operators[HELPER], key=key_of(HELPER),
                randomness=self.world.chance.randbytes(helper_steps.RANDOMNESS_SIZE),
            )  # fmt: skip

        with self.write() as session:
            answer = store.agree_once(session, LEADER, question, agree, now=NOW)
        return self.wire.note("proposal", question, answer)

    def hear_share(self, verified: VerifiedEnvelope) -> None:
        with self.write() as session:
            arrivals.take_relayed(session, self.batch_id(session), verified, at=NOW)

    def hear_prepare(self, question: bytes) -> bytes:
        with self.database.read() as session:
            before = store.read_helper(session, self.batch_id(session))
            after, answer = helper_steps.answer_once(before.batch, read_shares(session, before.id), question)
        if after != before.batch:
            with self.write() as session:
                store.change(session, before, after)
        return self.wire.note("prepare", question, answer)

    def hear_end(self, question: bytes, *, is_void: bool) -> bytes:
        sign = helper_steps.sign_void_once if is_void else helper_steps.sign_roster_once
        with self.write() as session:
            before = store.read_helper(session, self.batch_id(session), lock=True)
            after, answer = sign(before.batch, question, key_of(HELPER))
            if after != before.batch:
                store.change(session, before, after)
        return self.wire.note("end", question, answer)

    def batch_id(self, session: Session) -> int:
        found = store.list_batches(session, "helper", all_of_them=True)
        if not found:
            raise BatchError("expected a batch of this hub")
        return found[0]

    def stored(self) -> store.Stored[HelperBatch] | None:
        with self.database.read() as session:
            found = store.list_batches(session, "helper", all_of_them=True)
            return store.read_helper(session, found[0]) if found else None

    def go_on(self, leader: "LeaderHub") -> None:
        """Follow the leader's log, and say one's own sum."""
        stored = self.stored()
        if stored is None or stored.batch.state not in HAS_SECRETS:
            return
        before, after = stored.batch, stored.batch
        for said in leader.find_said(Kind.BATCH) if before.state is BatchState.AGREED else []:
            after = opened(before, read_batch(said, self.world.directory, at=NOW))
        if before.state is BatchState.SIGNED and before.agreed is not None:
            for said in leader.find_said(Kind.ROSTER):
                after = committed(before, read_roster(said, before.agreed, self.world.directory, at=NOW))
        if after != before:
            with self.write() as session:
                store.change(session, stored, after)
        elif before.state is BatchState.COMMITTED:
            _publish(self, stored)
        elif before.state is BatchState.PUBLISHED and leader.find_said(Kind.AGGREGATE_SHARE):
            with self.write() as session:
                store.destroy(session, stored)


class LeaderHub(Hub):
    role: Role = "leader"
    refused: int = 0
    """In memory: how often the helper has refused the question of this state."""
    is_over: bool = False
    """Whether the time of the batch is over."""

    def stored(self) -> store.Stored[LeaderBatch] | None:
        with self.database.read() as session:
            found = store.list_batches(session, "leader", all_of_them=True)
            return store.read_leader(session, found[0]) if found else None

    def take(self, verified: VerifiedEnvelope, *, late: bool) -> None:
        """A city hands in its share."""
        stored = self.stored()
        assert stored is not None
        take = arrivals.note_if_late if late else arrivals.take_share
        with self.write() as session:
            take(session, stored.id, verified, at=parse_time(self.world.plan.closes) + timedelta(1) if late else NOW)

    def go_on(self, helper: HelperHub) -> None:
        stored = self.stored()
        if stored is None:
            return self.propose()
        state, has_keys = stored.batch.state, stored.batch.secrets is not None
        if state is BatchState.PROPOSED and has_keys:
            self.agree(stored, helper)
        elif state is BatchState.PROPOSED:
            with self.write() as session:
                store.change(session, stored, dropped(stored.batch))
        elif state is BatchState.OPEN and self.is_over:
            with self.write() as session:
                store.change(session, stored, leader_steps.closed(stored.batch))
        elif state is BatchState.CLOSED:
            self.decide(stored, helper) if has_keys and self.refused < PATIENCE else self.give_up(stored, helper)
        elif state is BatchState.ANSWERED:
            self.end(stored, helper) if self.refused < PATIENCE else self.give_up(stored, helper)
        elif state is BatchState.COMMITTED:
            _publish(self, stored)
        elif state is BatchState.PUBLISHED and helper.find_said(Kind.AGGREGATE_SHARE):
            with self.write() as session:
                store.destroy(session, stored)
        return None

    def propose(self) -> None:
        secrets = HubSecrets.from_randomness(self.world.chance.randbytes(SECRETS_SIZE))
        operator = self.world.operators[LEADER]
        batch = leader_steps.propose(self.world.plan, name=LEADER, operator=operator, helper=HELPER, secrets=secrets)
        with self.write() as session:
            store.propose(session, batch, now=NOW)

    def agree(self, stored: store.Stored[LeaderBatch], helper: HelperHub) -> None:
        with self.database.write() as session:
            question = store.ask_once(session, stored, Step.PROPOSAL)
        answer = ProposalAnswer.from_bytes(helper.hear_proposal(question))
        with self.write() as session:
            after, body = leader_steps.agree(stored.batch, answer)
            said = self.say(session, Kind.BATCH, body)
            store.change(session, stored, opened(after, read_batch(said, self.world.directory, at=NOW)))

    def decide(self, stored: store.Stored[LeaderBatch], helper: HelperHub) -> None:
        """Hand on every share, ask about all of them, and add up."""
        with self.database.read() as session:
            shares, late = read_shares(session, stored.id), read_late(session, stored.id)
        prepared = leader_steps.prepare(stored.batch, shares, late=late)
        with self.write() as session:
            question = store.ask_once(session, stored, Step.PREPARE, prepared.request.to_bytes())
        try:
            for share in self.world.verified:
                if share.envelope.digest in {each.digest for each in shares}:
                    helper.hear_share(share)
            answer = helper.hear_prepare(question)
        except BatchError:
            self.refused += 1
            return
        after, terms = leader_steps.take_answer(stored.batch, prepared, PrepareAnswer.from_bytes(answer))
        with self.write() as session:
            store.change(session, stored, after)
            if isinstance(terms, VoidTerms):
                again = store.read_leader(session, stored.id)
                store.ask_once(session, again, Step.TOO_FEW, terms.to_bytes())
        self.refused = 0

    def end(self, stored: store.Stored[LeaderBatch], helper: HelperHub) -> None:
        """Ask for the signature of what came of it, and log it."""
        terms = stored.batch.roster_terms
        with self.write() as session:
            question = store.ask_once(session, stored, Step.TOO_FEW if terms is None else Step.ROSTER)
        try:
            answer = helper.hear_end(question, is_void=terms is None)
        except BatchError:
            self.refused += 1
            return
        signature = Countersignature.from_bytes(answer)
        if terms is None:
            return self.log_void(stored, VoidTerms.from_bytes(question), signature)
        with self.write() as session:
            said = self.say(session, Kind.ROSTER, RosterBody(terms=terms, helper=signature))
            assert stored.batch.agreed is not None
            roster = read_roster(said, stored.batch.agreed, self.world.directory, at=NOW)
            store.change(session, stored, committed(stored.batch, roster))
        return None

    def give_up(self, stored: store.Stored[LeaderBatch], helper: HelperHub) -> None:
        terms = leader_steps.give_up(stored.batch)
        with self.write() as session:
            question = store.ask_once(session, stored, Step.GIVEN_UP, terms.to_bytes())
        try:
            answer = helper.hear_end(question, is_void=True)
        except BatchError:
            self.refused = 0  # something else is signed: ask for that again
            return
        self.log_void(stored, terms, Countersignature.from_bytes(answer))

    def log_void(self, stored: store.Stored[LeaderBatch], terms: VoidTerms, signature: Countersignature) -> None:
        with self.write() as session:
            self.say(session, Kind.VOID, VoidBody(terms=terms, helper=signature))
            store.change(session, stored, voided(stored.batch))


def _publish(hub: Hub, stored: store.Stored[LeaderBatch] | store.Stored[HelperBatch]) -> None:
    with hub.write() as session:
        if isinstance(stored.batch, LeaderBatch):
            leader = store.read_leader(session, stored.id, lock=True)
            led, body = publish(leader.batch)
            store.change(session, leader, led)
        else:
            helper = store.read_helper(session, stored.id, lock=True)
            helped, body = publish(helper.batch)
            store.change(session, helper, helped)
        hub.say(session, Kind.AGGREGATE_SHARE, body)


def roster_and_sums(
    leader: LeaderHub, helper: HelperHub, agreed: AgreedBatch
) -> tuple[AgreedRoster, dict[Role, AggregateShareBody]]:
    """What stands in both logs at the end: exactly one of each."""
    (said,) = leader.find_said(Kind.ROSTER)
    hubs: Sequence[Hub] = (leader, helper)
    sums: dict[Role, AggregateShareBody] = {}
    for hub in hubs:
        (body,) = [each.statement.body for each in hub.find_said(Kind.AGGREGATE_SHARE)]
        assert isinstance(body, AggregateShareBody)
        sums[hub.role] = body
    return read_roster(said, agreed, leader.world.directory, at=NOW), sums
