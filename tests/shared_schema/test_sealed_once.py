"""Whatever a leader asks, in whatever order, and wherever a hub is stopped: one answer, one end, one sum.

A hub that is stopped has stored a step or not. Here every step that is taken may be lost, and is then taken again from
what was stored before.
"""

import contextlib
import random
from dataclasses import dataclass, field
from functools import partial

import pytest

from shared_schema.errors import ContractError
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.bodies import RosterBody
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hub import committed, destroyed, publish
from shared_schema.sealed.messages import PrepareAnswer, PreparedShare, PrepareRequest
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.terms import Attendance, Refusal, RosterTerms, VoidTerms, sum_digest
from tests.shared_schema.sealed_world import HELPER, World, key_of


@dataclass
class Told:
    """All that ever left the helper, whether it remembers it or not."""

    answers: set[bytes] = field(default_factory=set)
    rosters: set[bytes] = field(default_factory=set)
    voids: set[bytes] = field(default_factory=set)
    sums: set[str] = field(default_factory=set)


class HostileLeader:
    """It holds its keys and every share, asks for what it likes, and knows the whole code."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = World(cities=7, cells=1, maximum=1, chance=chance)
        self.world.agree()
        for city in self.world.cities:
            self.world.send(city, self.world.counts())
        self.world.close()
        self.stored: HelperBatch = self.world.helper
        self.told = Told()

    def act(self) -> None:
        """Ask for one thing. A stop loses what the helper has not stored; nothing has left it then either."""
        asks = [self.ask, self.ask, self.sign, self.sign, self.void, self.commit, self.publish, self.end]
        with contextlib.suppress(ContractError):
            self.chance.choice(asks)()

    def _keep(self, batch: HelperBatch) -> bool:
        """False when the helper is stopped before it has stored the step: then it sends nothing."""
        if self.chance.random() < 0.3:
            return False
        self.stored = batch
        return True

    def ask(self) -> None:
        batch, answer = helper_steps.answer_once(self.stored, self.world.shares, self.request().to_bytes())
        if self._keep(batch):
            self.told.answers.add(answer)

    def request(self) -> PrepareRequest:
        honest = self.world.prepared.request
        refused = set(self.chance.sample(self.world.cities, self.chance.choice([0, 0, 1, 2, 3])))
        lines = [self._refusing(line) if line.origin in refused else line for line in honest.shares]
        return honest.model_copy(update={"shares": tuple(lines)})

    @staticmethod
    def _refusing(line: PreparedShare) -> PreparedShare:
        return PreparedShare(origin=line.origin, digest=line.digest, refused=Refusal.RANGE)

    def sign(self) -> None:
        terms = self.roster()
        batch, signature = helper_steps.sign_roster_once(self.stored, terms.to_bytes(), key_of(HELPER))
        if self._keep(batch):
            self.told.rosters.add(terms.to_bytes() + signature)

    def roster(self) -> RosterTerms:
        """What the helper stands by, or some other set, with any commitment of the leader."""
        names = sorted(self.world.cities)
        digests = {share.origin: share.digest for share in self.world.shares}
        left_out = set(self.chance.sample(names, self.chance.choice([0, 1, 2])))
        honest = Attendance(
            accepted=tuple(sorted(digests[name] for name in names if name not in left_out)),
            refused=(),
            absent=tuple(sorted(left_out)),
        )
        own = self.stored.attendance if self.stored.attendance and self.chance.random() < 0.7 else honest
        digest = self.world.batch.digest
        return RosterTerms(
            batch=digest,
            attendance=own,
            leader_sum=self.chance.choice(["ab" * 32, "cd" * 32]),
            helper_sum="ef" * 32 if self.stored.sum is None else sum_digest(digest, "helper", self.stored.sum),
        )

    def void(self) -> None:
        terms: VoidTerms = VoidTerms(batch=self.world.batch.digest, reason="given-up")
        if self.chance.random() < 0.5 and self.stored.attendance is not None:
            terms = VoidTerms(batch=terms.batch, reason="too-few", attendance=self.stored.attendance)
        batch, signature = helper_steps.sign_void_once(self.stored, terms.to_bytes(), key_of(HELPER))
        if self._keep(batch):
            self.told.voids.add(terms.to_bytes() + signature)

    def commit(self) -> None:
        if self.stored.end is None or self.stored.roster_terms is None:
            return
        signature = Countersignature.from_bytes(self.stored.end.answer)
        body = RosterBody(terms=self.stored.roster_terms, helper=signature)
        roster = self.world.announce_roster(body)
        self._keep(committed(self.stored, roster))

    def publish(self) -> None:
        batch, body = publish(self.stored)
        if self._keep(batch):
            self.told.sums.add(body.vector)

    def end(self) -> None:
        self._keep(destroyed(self.stored))


def check_once(told: Told, batch: HelperBatch) -> None:
    assert len(told.answers) <= 1
    assert len(told.rosters) + len(told.voids) <= 1
    assert len(told.sums) <= len(told.rosters)
    if told.voids:
        assert (batch.state, batch.secrets, batch.sum) == (BatchState.VOID, None, None)
    if batch.state is BatchState.DONE:
        assert told.sums and batch.secrets is None


def run(seed: int) -> Told:
    leader = HostileLeader(random.Random(seed))
    for _ in range(40):
        leader.act()
        check_once(leader.told, leader.stored)
    return leader.told


def test_a_hostile_leader_and_stops_at_any_step_get_one_answer_one_end_and_one_sum() -> None:
    told = [run(seed) for seed in range(12)]
    # the test is about nothing if these runs never come so far
    assert any(each.sums for each in told) and any(each.voids for each in told)


@pytest.mark.long
def test_1000_hostile_leaders_get_no_second_answer() -> None:
    for seed in range(5_000, 6_000):
        run(seed)


def run_with_stops(seed: int) -> None:
    """An honest batch in which each step of either hub is lost and repeated, now and then."""
    chance = random.Random(seed)
    world = World(cities=6, cells=2, maximum=7, chance=chance)
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    request = world.close()
    for _ in range(chance.randint(0, 2)):  # lost before it was stored, on either side
        assert leader_steps.prepare(world.leader, world.shares).request.to_bytes() == request
        helper_steps.answer_once(world.helper, world.shares, request)
    world.helper, answer = helper_steps.answer_once(world.helper, world.shares, request)
    for _ in range(chance.randint(0, 2)):  # stored, and the reply was lost
        assert helper_steps.answer_once(world.helper, world.shares, request)[1] == answer
    taken = partial(leader_steps.take_answer, world.leader, world.prepared, PrepareAnswer.from_bytes(answer))
    assert taken() == taken()
    world.leader, terms = taken()
    assert isinstance(terms, RosterTerms)
    world.helper, signed = helper_steps.sign_roster_once(world.helper, terms.to_bytes(), key_of(HELPER))
    for _ in range(chance.randint(0, 2)):
        assert helper_steps.sign_roster_once(world.helper, terms.to_bytes(), key_of(HELPER))[1] == signed
    roster = world.announce_roster(RosterBody(terms=terms, helper=Countersignature.from_bytes(signed)))
    world.roster = roster
    for _ in range(2):
        world.leader, world.helper = committed(world.leader, roster), committed(world.helper, roster)
    assert world.sums() == world.sums()
    assert world.open().contributors == len(world.cities)


@pytest.mark.parametrize("seed", range(4))
def test_a_step_that_was_lost_is_taken_again_with_the_same_bytes(seed: int) -> None:
    run_with_stops(seed)


def test_a_second_roster_statement_with_the_same_terms_changes_nothing() -> None:
    """The leader signs it twice: the first one in the log counts, for both hubs and for every reader of the sums."""
    world = World()
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    world.decide()
    assert world.helper.end is not None
    body = RosterBody(terms=world.roster.terms, helper=Countersignature.from_bytes(world.helper.end.answer))
    second = world.announce_roster(body)
    assert second.digest != world.roster.digest
    with pytest.raises(ContractError):
        committed(world.helper, second)
    assert {sum_.roster for sum_ in world.sums().values()} == {world.roster.digest}
