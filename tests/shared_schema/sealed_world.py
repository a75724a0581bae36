"""A federation in memory for sealed totals: cities, two hubs, one log's directory. No database, no network, no clock.

    world = World(cities=6, chance=random.Random(1))
    world.agree()
    for name in world.cities: world.send(name, counts)
    world.decide()                     # closes, asks the helper, signs the roster or the void
    total = world.open()

Each step can be taken by hand as well, and what was sent can be changed before it is decided about.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared_schema.directory import Directory
from shared_schema.envelope import verify_envelope
from shared_schema.errors import ContractError
from shared_schema.keys import Member, MemberRole, MemberStatus, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster, read_void
from shared_schema.sealed.bodies import AggregateShareBody, BatchBody, RosterBody, ShareBody, VoidBody
from shared_schema.sealed.checks import Facts
from shared_schema.sealed.city import CheckedBatch, ShareFrame, check_batch, make_share
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.halves import ReceivedShare, half_info, receive_share
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hpke import seal
from shared_schema.sealed.hub import committed, destroyed, opened, publish, voided
from shared_schema.sealed.leader import LeaderBatch, Prepared
from shared_schema.sealed.messages import PrepareAnswer, ProposalAnswer
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from shared_schema.sealed.terms import ROLES, BatchPlan, Refusal, Role, RosterTerms, VoidTerms
from shared_schema.sealed.total import SealedTotal, read_total
from shared_schema.statement import (
    Audience,
    Kind,
    StatementBody,
    VerifiedStatement,
    make_statement,
    read_statement,
    sign_statement,
)
from shared_schema.trend import Coverage, LedgerReference, ReviewNote, TableDefinition
from shared_schema.vdaf.field128 import Vector
from shared_schema.vocabulary import SourceKind
from tests.shared_schema import builders

LEADER, HELPER = "sachsen.de", "bund.de"
OPERATORS = {LEADER: "Freistaat Sachsen", HELPER: "Bund"}
NOW = builders.NOW
FRAME = ShareFrame(
    source_kind=SourceKind.POLICE_RECORDED,
    coverage=Coverage(reporting=3, expected=4),
    review=ReviewNote.from_object(builders.REVIEW),
    ledger=LedgerReference(seq=1, head=builders.DIGEST, prev=64 * "0"),
)


def key_of(name: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(f"key of {name}".encode()).digest())


class World:
    """Cities that send to a batch of two hubs."""

    def __init__(
        self,
        *,
        cities: int = 6,
        cells: int = 3,
        chance: random.Random | None = None,
        operators: Mapping[str, str] = OPERATORS,
        **plan: object,
    ) -> None:
        self.chance = chance or random.Random(1)
        self.cities = tuple(f"city-{number:04d}.sn.de" for number in range(cities))
        self.operators = dict(operators)
        self.table = TableDefinition.from_object(
            builders.TABLE.to_object() | {"cells": [f"cell_{number}" for number in range(cells)]}
        )
        given: dict[str, Any] = {
            "table": self.table.reference.to_object(),
            "cells": list(self.table.cells),
            "members": list(self.cities),
        }
        self.plan = BatchPlan.from_object(builders.batch_plan(**(given | plan)))
        self.directory = self._make_directory()
        self._seqs: dict[str, int] = {}
        self.shares: list[ReceivedShare] = []
        self.late: dict[str, str] = {}
        self.sent: dict[str, Sequence[int]] = {}
        self.leader: LeaderBatch
        self.helper: HelperBatch
        self.batch: AgreedBatch
        self.roster: AgreedRoster
        self.prepared: Prepared
        self.void: VoidTerms | None = None

    def _make_directory(self) -> Directory:
        directory = Directory(LEADER, key_of(LEADER).public)
        hubs = [(LEADER, MemberRole.HUB), (HELPER, MemberRole.PARENT)]
        members = [*hubs, *((name, MemberRole.NODE) for name in self.cities)]
        for position, (name, role) in enumerate(members):
            member = Member(
                name,
                role,
                key_of(name).public,
                MemberStatus.ACTIVE,
                vouched_by=LEADER,
                operator=self.operators.get(name),
                area=f"DE_{position:08d}",
            )
            directory.apply(signer=LEADER, member=member, position=position)
        return directory

    # --- what everybody does ---------------------------------------------------------------------------------------

    def say(self, name: str, kind: Kind, body: StatementBody) -> VerifiedStatement:
        """A statement of a member, read back as everybody reads it."""
        self._seqs[name] = self._seqs.get(name, 0) + 1
        statement = make_statement(
            body,
            kind=kind,
            origin=name,
            seq=self._seqs[name],
            issued_at=NOW,
            nonce="A" * 22,
            audience=Audience.HUB if kind is Kind.SHARE else Audience.NATION,
        )
        envelope = sign_statement(statement, key_of(name))
        return read_statement(verify_envelope(envelope, key_of(name).public))

    def facts(self, **changes: Any) -> Facts:
        """What an honest city or second hub knows."""
        facts = Facts(
            now=NOW,
            table=self.table,
            municipalities={name: f"DE_{number:08d}" for number, name in enumerate(self.cities)},
            operators=self.operators,
            most_epsilon_milli=1_000,
        )
        return replace(facts, **changes)

    # --- the batch -------------------------------------------------------------------------------------------------

    def propose(self) -> bytes:
        secrets = HubSecrets.from_randomness(self.chance.randbytes(SECRETS_SIZE))
        self.leader = leader_steps.propose(
            self.plan, name=LEADER, operator=self.operators[LEADER], helper=HELPER, secrets=secrets
        )
        return self.leader.proposal.to_bytes()

    def agree(self) -> AgreedBatch:
        """From the proposal to the batch statement in the log."""
        self.helper, answer = helper_steps.agree_to(
            self.propose(),
            name=HELPER,
            operator=self.operators[HELPER],
            randomness=self.chance.randbytes(helper_steps.RANDOMNESS_SIZE),
            key=key_of(HELPER),
        )
        self.leader, body = leader_steps.agree(self.leader, ProposalAnswer.from_bytes(answer))
        self.batch = self.announce(body)
        self.leader, self.helper = opened(self.leader, self.batch), opened(self.helper, self.batch)
        return self.batch

    def announce(self, body: BatchBody) -> AgreedBatch:
        return read_batch(self.say(LEADER, Kind.BATCH, body), self.directory, at=NOW)

    def announce_roster(self, body: RosterBody) -> AgreedRoster:
        return read_roster(self.say(LEADER, Kind.ROSTER, body), self.batch, self.directory, at=NOW)

    # --- the cities ------------------------------------------------------------------------------------------------

    def checked(self, name: str, **changes: Any) -> CheckedBatch:
        return check_batch(self.batch, name=name, facts=self.facts(**changes), is_sent=False)

    def body(self, name: str, counts: Sequence[int]) -> ShareBody:
        return make_share(self.checked(name), counts, FRAME, randomness=self.chance.randbytes(32))

    def send(self, name: str, counts: Sequence[int]) -> ReceivedShare:
        """An honest city sends in time, and its share reaches both hubs."""
        self.sent[name] = counts
        return self.deliver(name, self.body(name, counts))

    def deliver(self, name: str, body: ShareBody) -> ReceivedShare:
        """Whatever a member signs as its share."""
        share = receive_share(self.say(name, Kind.SHARE, body))
        self.shares.append(share)
        return share

    def send_late(self, name: str, counts: Sequence[int]) -> None:
        share = receive_share(self.say(name, Kind.SHARE, self.body(name, counts)))
        self.late[name] = share.digest

    def cheat(self, name: str, measurement: Vector) -> ReceivedShare:
        """A member that runs the program on an encoding of its own choice, and seals and signs it as it should."""
        batch, nonce = self.batch, self.chance.randbytes(16)
        rand = self.chance.randbytes(batch.vdaf.rand_size)
        public, halves = batch.vdaf.shard_encoded(batch.context, measurement, nonce, rand)
        return self.deliver(name, self.sealed(name, nonce, public.encode(), [half.encode() for half in halves]))

    def sealed(self, name: str, nonce: bytes, public_share: bytes, halves: Sequence[bytes]) -> ShareBody:
        """Any halves, sealed by a member of the batch."""
        texts = [
            base64.b64encode(
                seal(
                    self.batch.terms.part_of(role).public_key,
                    half_info(self.batch.digest, name, role, nonce, public_share),
                    half,
                    ephemeral_seed=self.chance.randbytes(32),
                )
            ).decode()
            for role, half in zip(ROLES, halves, strict=True)
        ]
        return self.body(name, [0] * len(self.plan.cells)).model_copy(
            update={
                "nonce": base64.b64encode(nonce).decode(),
                "public_share": base64.b64encode(public_share).decode(),
                "leader_half": texts[0],
                "helper_half": texts[1],
            }
        )

    def counts(self) -> list[int]:
        """Small ones mostly, as in a small city."""
        return [min(self.plan.maximum, int(self.chance.expovariate(0.2))) for _ in self.plan.cells]

    # --- the hubs --------------------------------------------------------------------------------------------------

    def close(self) -> bytes:
        """The leader's request to the helper."""
        self.leader = leader_steps.closed(self.leader)
        self.prepared = leader_steps.prepare(self.leader, self.shares, late=self.late)
        return self.prepared.request.to_bytes()

    def answer(self, request: bytes) -> RosterTerms | VoidTerms:
        """The helper's answer, and what the leader makes of it."""
        self.helper, answer = helper_steps.answer_once(self.helper, self.shares, request)
        self.leader, terms = leader_steps.take_answer(self.leader, self.prepared, PrepareAnswer.from_bytes(answer))
        return terms

    def decide(self) -> RosterTerms | VoidTerms:
        """From the close to the roster, or the void, in the log."""
        terms = self.answer(self.close())
        if isinstance(terms, VoidTerms):
            self.end_void(terms)
            return terms
        self.helper, signed = helper_steps.sign_roster_once(self.helper, terms.to_bytes(), key_of(HELPER))
        body = RosterBody(terms=terms, helper=Countersignature.from_bytes(signed))
        self.roster = self.announce_roster(body)
        self.leader, self.helper = committed(self.leader, self.roster), committed(self.helper, self.roster)
        return terms

    def end_void(self, terms: VoidTerms) -> None:
        self.helper, signed = helper_steps.sign_void_once(self.helper, terms.to_bytes(), key_of(HELPER))
        body = VoidBody(terms=terms, helper=Countersignature.from_bytes(signed))
        self.void = read_void(self.say(LEADER, Kind.VOID, body), self.batch, self.directory, at=NOW)
        self.leader = voided(self.leader)

    def sums(self) -> dict[Role, AggregateShareBody]:
        self.leader, own = publish(self.leader)
        self.helper, other = publish(self.helper)
        return {"leader": own, "helper": other}

    def open(self) -> SealedTotal:
        """Both sums in the logs, added up by anybody; then the keys are gone."""
        total = read_total(self.batch, self.roster, self.sums())
        self.leader, self.helper = destroyed(self.leader), destroyed(self.helper)
        return total

    # --- what a test knows and nobody else -------------------------------------------------------------------------

    def true_sums(self) -> list[int]:
        """Of the cities that are accepted."""
        accepted = set(self.roster.terms.attendance.accepted)
        names = [share.origin for share in self.shares if share.digest in accepted]
        return [sum(column) for column in zip(*(self.sent[name] for name in names), strict=True)]


def refused(call: Callable[[], object], code: ProblemCode) -> str:
    """The message with which a call is refused."""
    with pytest.raises(ContractError) as caught:
        call()
    assert caught.value.code is code
    return caught.value.message


def flip(text: str, bit: int) -> str:
    """One bit of a base64 text's bytes, counted around."""
    data = bytearray(base64.b64decode(text))
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return base64.b64encode(bytes(data)).decode()


def reasons(world: World) -> dict[str, Refusal]:
    return {each.origin: each.reason for each in world.roster.terms.attendance.refused}


def sent_world() -> World:
    """A batch to which every city has sent."""
    world = World()
    world.agree()
    for city in world.cities:
        world.send(city, world.counts())
    return world
