"""Two hubs with their batch and their log in a database each, that stop at any moment and start again from their files.

    run = Run(folder, chance=random.Random(1), faults=Faults(chance, odds=0.1))
    seen = run.live()

Each hub runs its own code (`sealed_leading`, `sealed_helping`) on a database in which a fault comes before a
transaction, in it or after it. What has left a hub is written down outside (`Wire`), where no crash reaches; the hubs
read each other's logs without HTTP.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub import sealed_arrivals as arrivals
from regional_hub import sealed_store as store
from regional_hub.members import Trust
from regional_hub.orm import ContentRow, EntryRow, SealedBatchRow
from regional_hub.sealed_helping import Helping
from regional_hub.sealed_leading import Leading
from shared_schema.envelope import VerifiedEnvelope, parse_envelope, verify_envelope
from shared_schema.errors import BatchError, ContractError
from shared_schema.governance import PolicyBody
from shared_schema.keys import SigningKey
from shared_schema.names import parse_time
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_roster
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.terms import Role
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubRefused
from shared_schema.service.problems import STATUS
from shared_schema.statement import SEALED_BY_HUBS, Kind, StatementBody, VerifiedStatement, read_statement
from tests.shared_schema import builders
from tests.shared_schema.sealed_world import HELPER, LEADER, NOW, World, key_of

MIGRATIONS = "regional_hub.migrations"
NAMES: dict[Role, str] = {"leader": LEADER, "helper": HELPER}
REFUSALS = 3
"""So often a leader is refused before days go by, after which it gives up."""


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


class FaultyDatabase:
    """A hub's database, with the moments at which its machine stops."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def read(self) -> AbstractContextManager[Session]:
        return self._hub.database.read()

    def write(self) -> AbstractContextManager[Session]:
        return self._hub.write()


class Hub:
    """One hub: its database, its log in it, and what it does at a moment."""

    role: Role

    def __init__(self, url: str, world: KeptWorld, faults: Faults, wire: Wire) -> None:
        self.database, self.url = Database(url), url
        self.world, self.faults, self.wire = world, faults, wire
        self.now = NOW
        with self.database.write() as session:
            log.start_log(session, self.name, self.key)

    @property
    def name(self) -> str:
        return NAMES[self.role]

    @property
    def key(self) -> SigningKey:
        return key_of(self.name)

    @property
    def faulty(self) -> Database:
        return cast(Database, FaultyDatabase(self))

    @property
    def trust(self) -> Trust:
        policy = PolicyBody.from_object(builders.POLICY.to_object() | {"tables": [self.world.table.to_object()]})
        return Trust(self.name, self.world.directory, frozenset(), policy, 0)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction, with the moments at which a machine stops."""
        self.faults.come(self.role)
        with self.database.write() as session:
            yield session
            self.faults.come(self.role)
        self.wire.said[self.role] = [each.envelope.stored_bytes for each in self.said()]
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

    def said(self) -> list[VerifiedStatement]:
        """What this hub has logged itself about sealed totals, in order."""
        with self.database.read() as session:
            stored = session.scalars(
                select(ContentRow.envelope)
                .join(EntryRow, EntryRow.digest == ContentRow.digest)
                .where(EntryRow.origin == self.name, EntryRow.kind.in_([kind.value for kind in SEALED_BY_HUBS]))
                .order_by(EntryRow.index)
            ).all()
        return [read_statement(verify_envelope(parse_envelope(each), self.key.public)) for each in stored]

    def find_said(self, kind: Kind) -> list[VerifiedStatement]:
        return [each for each in self.said() if each.statement.kind is kind]

    def follow(self, other: "Hub") -> None:
        """Take over what is new in the other hub's log."""
        with self.database.read() as session:
            known = set(session.scalars(select(EntryRow.digest)))
        fresh = [each for each in other.said() if each.digest not in known]
        if not fresh:
            return
        with self.write() as session:
            head = log.get_head(session, for_append=True)
            arrivals = [log.Arrival(each, via=other.name) for each in fresh]
            log.append(session, arrivals, name=self.name, key=self.key, head=head, now=self.now)

    def forget_keys(self) -> None:
        """It was put back from a backup, in which no keys are."""
        with self.database.write() as session:
            store.erase_secrets(session)


class HelperHub(Hub):
    role: Role = "helper"

    @property
    def helping(self) -> Helping:
        return Helping(
            self.faulty, self.name, "nation", self.world.operators[HELPER], self.key, self.trust, self.now,
            self.world.chance.randbytes,
        )  # fmt: skip

    def hear_proposal(self, question: bytes) -> bytes:
        return self.wire.note("proposal", question, self.helping.hear_proposal(LEADER, question))

    def hear_share(self, verified: VerifiedEnvelope) -> None:
        self.helping.hear_share(LEADER, self.batch(), verified.envelope.stored_bytes)

    def hear_prepare(self, question: bytes) -> bytes:
        return self.wire.note("prepare", question, self.helping.hear_prepare(LEADER, self.batch(), question))

    def hear_end(self, question: bytes, *, is_void: bool) -> bytes:
        hear = self.helping.hear_void if is_void else self.helping.hear_roster
        return self.wire.note("end", question, hear(LEADER, self.batch(), question))

    def batch(self) -> str:
        stored = self.stored()
        return "" if stored is None or stored.batch.agreed is None else stored.batch.agreed.digest

    def stored(self) -> store.Stored[HelperBatch] | None:
        with self.database.read() as session:
            found = store.list_batches(session, "helper", all_of_them=True)
            return store.read_helper(session, found[0]) if found else None

    def go_on(self, leader: "LeaderHub") -> None:
        """Follow the leader's log, and one step."""
        self.follow(leader)
        stored = self.stored()
        if stored is not None:
            self.helping.go_on(stored.id)


class LeaderHub(Hub):
    role: Role = "leader"
    refused: int = 0
    """How often the helper has refused."""
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

    def leading(self, helper: HelperHub | None = None) -> Leading:
        return Leading(
            self.faulty, self.name, "region", self.world.operators[LEADER], self.key, self.trust, self.now,
            Asked(helper), self.world.chance.randbytes,
        )  # fmt: skip

    def propose(self) -> None:
        """Without asking anybody: another process may do so in the same moment."""
        self.leading().propose(self.world.plan, HELPER)

    def go_on(self, helper: HelperHub) -> None:
        """Follow the helper's log, and one step; what is refused is asked again, and given up after days."""
        self.follow(helper)
        stored = self.stored()
        if stored is None:
            self.leading(helper).propose(self.world.plan, HELPER)
            return
        if self.is_over:
            days = 4 if self.refused >= REFUSALS else 0
            self.now = parse_time(self.world.plan.closes) + timedelta(days=days, hours=1)
        try:
            self.leading(helper).go_on(stored.id)
        except (HubRefused, BatchError):
            self.refused += 1


@dataclass(frozen=True)
class Asked:
    """The wire between both hubs: what the second one refuses comes as over HTTP."""

    helper: HelperHub | None

    def __call__(self, helper: str, step: str, batch: str | None, body: bytes) -> bytes:
        assert helper == HELPER and self.helper is not None
        try:
            if step == "shares":
                self.helper.helping.hear_share(LEADER, batch or "", body)
                return b"{}"
            if step == "proposals":
                return self.helper.hear_proposal(body)
            if step == "prepare":
                return self.helper.hear_prepare(body)
            return self.helper.hear_end(body, is_void=step == "void")
        except ContractError as error:
            raise HubRefused(error.code.value, STATUS[error.code], error.message) from None


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
