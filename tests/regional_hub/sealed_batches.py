"""Batches of sealed totals that were played through in memory, and their statements put into the logs of running hubs.

region, nation = start_hubs(start_hub, enrolled=6)
played = play(label="2026-10")
put(region, nation, played)          each hub says what is its own; both follow the other
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from regional_hub import log
from regional_hub import sealed_store as store
from regional_hub.sealed_rows import add_row
from regional_hub.sealed_shares import add_share
from shared_schema.envelope import verify_envelope
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.halves import receive_share
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.terms import BatchPlan, Role
from shared_schema.statement import (
    Audience,
    Kind,
    StatementBody,
    VerifiedStatement,
    make_statement,
    read_statement,
    sign_statement,
)
from shared_schema.trend import TableDefinition
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, join
from tests.shared_schema import builders
from tests.shared_schema.sealed_world import HELPER, LEADER, NOW, World, key_of

TABLE = TableDefinition.from_object(builders.TABLE.to_object() | {"source_kinds": ["police_recorded"]})
"""With one source kind: which of several a city has is sealed with its counts."""
POLICY = PolicyBody.from_object(builders.POLICY.to_object() | {"tables": [TABLE.to_object()]})
SEALED_POLICY = PolicyBody.from_object(
    builders.POLICY.to_object() | {"tables": [TABLE.to_object()], "sealed": [builders.SEALED_TABLE]}
)
FIRST_SEQ = 1_000
"""Of what the hubs say here: far above what a hub of a test has said itself."""


class KeptWorld(World):
    """Keeps what everybody says, with numbers that no other batch has."""

    def __init__(self, first_seq: int, **given: Any) -> None:
        super().__init__(**given)
        self.table = TABLE
        self.plan = BatchPlan.from_object(self.plan.to_object() | {"cells": list(TABLE.cells)})
        self._seqs = {LEADER: first_seq, HELPER: first_seq}
        self.said: dict[Kind, list[VerifiedStatement]] = {}

    def say(self, name: str, kind: Kind, body: StatementBody) -> VerifiedStatement:
        verified = super().say(name, kind, body)
        self.said.setdefault(kind, []).append(verified)
        return verified


@dataclass(frozen=True)
class Played:
    """What both hubs have said about one batch, and what a test alone knows."""

    batch: VerifiedStatement
    roster: VerifiedStatement
    sums: Mapping[Role, VerifiedStatement]
    values: tuple[int, ...]
    variance_milli: int
    accepted: tuple[str, ...]
    absent: tuple[str, ...]
    world: KeptWorld = field(repr=False)
    leader: LeaderBatch = field(repr=False)
    """As the leader has it before it destroys its keys."""

    @property
    def digest(self) -> str:
        return self.batch.digest


@cache
def play(
    label: str = "2026-10", *, cities: int = 6, absent: int = 0, members: tuple[str, ...] = (),
    late_of: str | None = None, number: int = 1, **plan: Any,
) -> Played:  # fmt: skip
    """A batch from its terms to both sums; the same for the same arguments. The last `absent` members do not send.

    `members` are all cities of the world, unless they are named; `number` tells batches with equal terms apart.
    """
    chance = random.Random(f"{label} {number} {late_of} {members} {cities} {absent}")
    given: dict[str, Any] = {"table": TABLE.reference.to_object()} | plan
    given["period"] = parse_period(label).to_object()
    given |= {"members": list(members)} if members else {}
    given |= {"late_of": late_of} if late_of else {}
    first = FIRST_SEQ * (1 + chance.getrandbits(30))
    world = KeptWorld(first, cities=cities, chance=chance, **given)
    world.agree()
    named = members or world.cities
    senders = named[: len(named) - absent]
    for name in senders:
        world.send(name, world.counts())
    world.decide()
    bodies = world.sums()
    sums: dict[Role, VerifiedStatement] = {
        "leader": world.say(LEADER, Kind.AGGREGATE_SHARE, bodies["leader"]),
        "helper": world.say(HELPER, Kind.AGGREGATE_SHARE, bodies["helper"]),
    }
    kept, total = world.leader, world.open()
    batch, roster = world.said[Kind.BATCH][0], world.said[Kind.ROSTER][0]
    return Played(
        batch, roster, sums, total.values, total.variance_milli, senders, named[len(named) - absent :], world, kept
    )


def resay(verified: VerifiedStatement, **changes: Any) -> VerifiedStatement:
    """The same hub says the same with something changed, signed as it should be."""
    statement = verified.statement
    body = type(statement.body).from_object(statement.body.to_object() | changes)
    return restate(statement.origin, statement.kind, body, statement.seq + 500)


def restate(name: str, kind: Kind, body: StatementBody, seq: int) -> VerifiedStatement:
    statement = make_statement(
        body, kind=kind, origin=name, seq=seq, issued_at=NOW, nonce="B" * 22, audience=Audience.NATION
    )
    return read_statement(verify_envelope(sign_statement(statement, key_of(name)), key_of(name).public))


def changed_sum(played: Played, role: Role) -> VerifiedStatement:
    """A hub's sum with one digit another, signed by that hub."""
    body = played.sums[role].statement.body
    assert isinstance(body, AggregateShareBody)
    letter = "B" if body.vector[0] == "A" else "A"
    return resay(played.sums[role], vector=letter + body.vector[1:])


def append(hub: RunningHub, *said: VerifiedStatement, via: str | None = None) -> None:
    """Put statements into a hub's log as if they had come the usual way."""
    with hub.hub.database.write() as session:
        head = log.get_head(session, for_append=True)
        arrivals = [log.Arrival(each, via=via) for each in said]
        log.append(session, arrivals, name=hub.hub.name, key=hub.hub.key, head=head, now=hub.clock())


def put(leader: RunningHub, played: Played, *, without: Sequence[Role] = ()) -> None:
    """All of a batch into the leader's log; the helper's sum as if it had been followed."""
    append(leader, played.batch, played.roster)
    if "leader" not in without:
        append(leader, played.sums["leader"])
    if "helper" not in without:
        append(leader, played.sums["helper"], via=HELPER)


def say_both(leader: RunningHub, helper: RunningHub, played: Played) -> None:
    """Each hub logs what is its own; the other hears of it by following."""
    append(leader, played.batch, played.roster, played.sums["leader"])
    append(helper, played.sums["helper"])


def keep_rows(leader: RunningHub, played: Played, *, destroyed: bool) -> None:
    """What the leader itself keeps of a batch: its keys and shares until they are destroyed, and the seed for ever."""
    with leader.hub.database.write() as session:
        number = add_row(session, played.leader, other=HELPER, now=NOW).id
        for said in played.world.said[Kind.SHARE]:
            verified = verify_envelope(said.envelope, key_of(said.statement.origin).public)
            add_share(session, number, receive_share(said), verified, late=False, at=NOW)
    if destroyed:
        with leader.hub.database.write() as session:
            store.destroy(session, store.read_leader(session, number))


def start_hubs(start: HubStarter, *, enrolled: int = 6, policy: PolicyBody = POLICY) -> tuple[RunningHub, RunningHub]:
    """The leader with its cities, and above it the helper."""
    region = start_region(start, enrolled=enrolled, policy=policy)
    return region, start_nation(start, region, policy=policy)


def start_region(start: HubStarter, *, enrolled: int = 6, policy: PolicyBody = POLICY) -> RunningHub:
    return enrol(start(LEADER, seed=key_of(LEADER).seed, policy=policy), enrolled)


def start_nation(start: HubStarter, region: RunningHub, *, policy: PolicyBody = POLICY) -> RunningHub:
    nation = start(HELPER, level="nation", seed=key_of(HELPER).seed, policy=policy)
    join(region, nation)
    return nation


def enrol(region: RunningHub, count: int) -> RunningHub:
    """Admit the cities of a world by their names; what they have said of a batch is signed with other keys."""
    for number in range(count):
        region.enrol(f"city-{number:04d}.sn.de")
    return region
