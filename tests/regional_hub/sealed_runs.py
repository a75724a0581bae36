"""The life of a batch at two hubs that stop at any moment, from the proposal to its end, and what must hold then."""

import base64
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from regional_hub.orm import SealedBatchRow, SealedShareRow
from shared_schema.envelope import VerifiedEnvelope
from shared_schema.errors import BatchError
from shared_schema.sealed.states import HAS_SECRETS, BatchState
from shared_schema.sealed.total import read_total, redo_noise
from shared_schema.service.database import Database
from shared_schema.statement import Kind
from tests.federation.searching import spellings
from tests.regional_hub.sealed_hubs import (
    MIGRATIONS,
    Crash,
    Faults,
    HelperHub,
    KeptWorld,
    LeaderHub,
    Wire,
    roster_and_sums,
)

MOST_STEPS = 2_000
EXPECTED = ("crashes", "opened", "void", "dropped")


@dataclass
class Seen:
    """What came of one run. Everything but the first four must be 0."""

    crashes: int = 0
    opened: int = 0
    void: int = 0
    dropped: int = 0
    unfinished: int = 0
    second_rosters: int = 0
    second_sums: int = 0
    second_shares: int = 0
    second_answers: int = 0
    wrong_totals: int = 0
    secrets_left: int = 0

    def add(self, other: "Seen") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def broken(self) -> dict[str, int]:
        return {name: n for name, n in vars(self).items() if n and name not in EXPECTED}


def make_template(path: Path) -> Path:
    """A hub's empty database, to be copied."""
    prepare(Database(f"sqlite:///{path}")).close()
    return path


def prepare(database: Database) -> Database:
    database.migrate(MIGRATIONS)
    return database


def copy_template(template: Path, folder: Path) -> tuple[str, str]:
    """The addresses of two databases for a run."""
    folder.mkdir()
    for name in ("leader", "helper"):
        shutil.copyfile(template, folder / f"{name}.db")
    return f"sqlite:///{folder / 'leader.db'}", f"sqlite:///{folder / 'helper.db'}"


class Run:
    """One batch. `restored` is how likely a hub that stops comes back without its keys, as from a backup."""

    def __init__(
        self,
        urls: tuple[str, str],
        chance: random.Random,
        faults: Faults,
        *,
        restored: float = 0.0,
        cities: int | None = None,
    ) -> None:
        self.chance, self.faults, self.restored = chance, faults, restored
        self.world = KeptWorld(
            cities=cities or chance.randint(5, 7), cells=chance.randint(1, 2), chance=chance, maximum=15
        )
        self.wire = Wire()
        self.leader = LeaderHub(urls[0], self.world, faults, self.wire)
        self.helper = HelperHub(urls[1], self.world, faults, self.wire)

    def live(self) -> Seen:
        for is_there in (self._is_open, self._has_ended):
            if is_there == self._has_ended and self._is_open():
                self._send_all()
            self.leader.is_over = is_there == self._has_ended
            for _ in range(MOST_STEPS):
                if is_there() or self._has_ended():
                    break
                self._go_on()
        crashes = self.faults.happened
        seen = self._look()
        seen.crashes = crashes
        self.close()
        return seen

    def until(self, state: BatchState, *, sending: int = 7) -> None:
        """Without a fault: go on until the leader, and at the end the helper, is there; so many cities send."""
        here = None
        for _ in range(MOST_STEPS):
            here = self.leader.state()
            self._know_batch()
            if here is state and (state in HAS_SECRETS or self._has_ended()):
                return
            if here is BatchState.OPEN and not self.leader.is_over:
                self._send_some(sending)
                self.leader.is_over = True
            self._go_on()
        raise AssertionError(f"expected to come to {state.value}, got to {here}")

    def _know_batch(self) -> None:
        """What the cities read in the leader's log."""
        stored = self.leader.stored()
        if stored is not None and stored.batch.agreed is not None:
            self.world.batch = stored.batch.agreed

    def _send_some(self, sending: int) -> None:
        for name in self.world.cities[:sending]:
            self.world.send(name, self.world.counts())
            self._send(self.world.verified[-1], late=False)

    def close(self) -> None:
        self.leader.database.close()
        self.helper.database.close()

    def _go_on(self) -> None:
        self.attempt(lambda: self.leader.go_on(self.helper))
        self.attempt(lambda: self.helper.go_on(self.leader))

    def attempt(self, step: Callable[[], None]) -> bool:
        """True when nothing stopped."""
        try:
            step()
        except Crash as crash:
            hub = self.leader if crash.role == "leader" else self.helper
            hub.restart()
            if self.chance.random() < self.restored:
                hub.forget_keys()
            if hub is self.helper:
                self._ask_again()
            return False
        return True

    def _is_open(self) -> bool:
        return self.leader.state() is BatchState.OPEN

    def _has_ended(self) -> bool:
        leader, helper = self.leader.state(), self.helper.state()
        if leader is None or leader in HAS_SECRETS:
            return False
        return leader is BatchState.DROPPED or (helper is not None and helper not in HAS_SECRETS)

    # --- the cities -------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        self._know_batch()
        for name in self.world.cities:
            way = self.chance.choices(("honest", "absent", "late", "cheat"), (20, 1, 1, 1))[0]
            if way == "honest":
                self.world.send(name, self.world.counts())
            elif way == "late":
                self.world.send_late(name, self.world.counts())
            elif way == "cheat":
                self.world.cheat(name, [2] * self.world.batch.vdaf.circuit.meas_len)
            if way != "absent":
                self._send(self.world.verified[-1], late=way == "late")

    def _send(self, verified: VerifiedEnvelope, *, late: bool) -> None:
        while not self.attempt(lambda: self.leader.take(verified, late=late)):
            pass

    # --- what must hold ---------------------------------------------------------------------------------------------

    def _ask_again(self) -> None:
        """The same questions get the same bytes, as the wire will show; and no other question gets any."""
        odds, self.faults.odds, at, self.faults.at = self.faults.odds, 0.0, self.faults.at, None
        for question in self.wire.questions("proposal"):
            self.helper.hear_proposal(question)
        for question in self.wire.questions("prepare"):
            self.helper.hear_prepare(question)
        for question in self.wire.questions("end"):
            self.helper.hear_end(question, is_void=b'"reason"' in question[-60:] or b'"void' in question)
        self.faults.odds, self.faults.at = odds, at

    def _second_answers(self) -> int:
        """Answers beyond one for a question, and questions answered beyond one for a step."""
        self._ask_again()
        more = sum(len(answers) - 1 for answers in self.wire.answers.values())
        for path in ("proposal", "prepare", "end"):
            more += max(0, len(self.wire.questions(path)) - 1)
        for question in self.wire.questions("prepare")[:1]:
            try:
                self.helper.hear_prepare(question.replace(b'"v":1', b'"v":1 '))
            except BatchError:
                continue
            more += 1
        return more

    def _look(self) -> Seen:
        seen = Seen(unfinished=int(not self._has_ended()))
        if seen.unfinished:
            return seen
        leader = self.leader.stored()
        assert leader is not None
        self.faults.odds, self.faults.at = 0.0, None
        seen.second_answers = self._second_answers()
        seen.second_rosters = self._more_than_one(self.leader, Kind.BATCH, Kind.ROSTER)
        seen.second_rosters += int(bool(self._count(self.leader, Kind.ROSTER) and self._count(self.leader, Kind.VOID)))
        seen.second_sums = sum(self._more_than_one(hub, Kind.AGGREGATE_SHARE) for hub in (self.leader, self.helper))
        seen.second_shares = self._shares_twice()
        seen.secrets_left = self._secrets_left() if leader.batch.state is not BatchState.DROPPED else 0
        if leader.batch.state is BatchState.DONE:
            seen.opened = 1
            seen.wrong_totals = int(self._total() != self.world.true_sums())
        elif leader.batch.state is BatchState.VOID:
            seen.void = 1
            seen.second_sums += sum(self._count(hub, Kind.AGGREGATE_SHARE) for hub in (self.leader, self.helper))
        else:
            seen.dropped = 1
        return seen

    def _total(self) -> Sequence[int]:
        """The total without both noises, as an auditor draws them from the seeds that both hubs still have."""
        self.world.roster, sums = roster_and_sums(self.leader, self.helper, self.world.batch)
        total = read_total(self.world.batch, self.world.roster, sums).values
        for hub in (self.leader, self.helper):
            stored = hub.stored()
            assert stored is not None and stored.batch.noise_seed is not None
            noise = redo_noise(self.world.batch, hub.role, stored.batch.noise_seed)
            total = tuple(value - drawn for value, drawn in zip(total, noise, strict=True))
        return list(total)

    def _count(self, hub: LeaderHub | HelperHub, kind: Kind) -> int:
        return len(hub.find_said(kind))

    def _more_than_one(self, hub: LeaderHub | HelperHub, *kinds: Kind) -> int:
        return sum(max(0, self._count(hub, kind) - 1) for kind in kinds)

    def _shares_twice(self) -> int:
        """Cities that either hub has twice, or has another share of than the city has sent."""
        sent = {each.envelope.digest for each in self.world.verified}
        more = 0
        for hub in (self.leader, self.helper):
            with hub.database.read() as session:
                rows = session.execute(select(SealedShareRow.city, SealedShareRow.digest)).all()
            more += len(rows) - len({row.city for row in rows}) + sum(row.digest not in sent for row in rows)
        return more

    def _secrets_left(self) -> int:
        left = 0
        for hub in (self.leader, self.helper):
            with hub.database.read() as session:
                for column in (SealedBatchRow.hpke_key, SealedBatchRow.verify_key, SealedShareRow.envelope):
                    left += sum(value is not None for value in session.scalars(select(column)))
        return left


def find_secrets(folder: Path, secrets: list[bytes]) -> set[int]:
    """Which of them are in a file below, plain, in hexadecimal or in base64, also in base64 twice."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    found = set()
    for number, secret in enumerate(secrets):
        needles = [*spellings(secret), *spellings(base64.b64encode(secret)), secret.hex().encode()]
        if any(needle in content or needle in content.lower() for content in contents for needle in needles):
            found.add(number)
    return found
