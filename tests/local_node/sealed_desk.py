"""Two hubs that collect from a node and five other cities, as the node's hub shows it: real statements in a real log.

desk = SealedDesk(hub)                     before the node reads: vouches for cities and the second hub
batch = desk.open()                        the digest of a collection that stands in the log
desk.take(body)                            what the node has sent
desk.decide()                              roster or void in the log
desk.publish()                             both sums
"""

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared_schema.directory import Directory
from shared_schema.envelope import Envelope, verify_envelope
from shared_schema.governance import MembershipBody, PolicyBody
from shared_schema.keys import Member, MemberRole, MemberStatus
from shared_schema.names import format_time
from shared_schema.period import Period, parse_period
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster, read_batch, read_roster
from shared_schema.sealed.bodies import RosterBody, ShareBody, VoidBody
from shared_schema.sealed.checks import Facts
from shared_schema.sealed.city import ShareFrame, check_batch, make_share
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.halves import ReceivedShare, receive_share
from shared_schema.sealed.helper import HelperBatch
from shared_schema.sealed.hub import committed, opened, publish
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.messages import PrepareAnswer, ProposalAnswer
from shared_schema.sealed.sums import SECRETS_SIZE, HubSecrets
from shared_schema.sealed.terms import BatchPlan, VoidTerms
from shared_schema.statement import Audience, Kind, StatementBody, read_statement
from shared_schema.trend import Coverage, LedgerReference, ReviewNote, TableDefinition
from shared_schema.vdaf.sum_vec import best_chunk_length
from shared_schema.vocabulary import SourceKind
from tests.factories import make_policy, make_table
from tests.hub_simulator import Author, HubSimulator, seeded_key
from tests.shared_schema import builders

CITY, HELPER = "leipzig.sn.de", "bund.de"
OTHERS = ("bautzen.sn.de", "dresden.sn.de", "plauen.sn.de", "torgau.sn.de", "zwickau.sn.de")
OPERATORS = {"sachsen.de": "Freistaat Sachsen", HELPER: "Bund"}
SEPTEMBER = parse_period("2026-09")
MAXIMUM = 500
COUNTS = (3, 0, 12, 1, 0, 2)


def sealed_policy(table: TableDefinition | None = None, **changes: Any) -> PolicyBody:
    """A policy that has the table by offence collected by sachsen.de and bund.de."""
    collected = {
        "table": "bias_incidents.by_offence",
        "version": 1,
        "granularity": "month",
        "helper": HELPER,
        "maximum": MAXIMUM,
        "min_batch": 5,
        "open_days": 14,
    }
    return make_policy(sealed=[collected | changes])


@dataclass
class SealedDesk:
    """The two hubs, and the other cities."""

    hub: HubSimulator
    operators: Mapping[str, str] = field(default_factory=lambda: dict(OPERATORS))
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    others: tuple[str, ...] = OTHERS

    def __post_init__(self) -> None:
        self.helper_author = Author(HELPER, seeded_key(HELPER), self.hub.clock)
        self.table = make_table()
        self.leader: LeaderBatch
        self.helper: HelperBatch
        self.batch: AgreedBatch
        self.roster: AgreedRoster
        self.shares: list[ReceivedShare] = []
        self._seqs: dict[str, int] = {}
        self.hub.log(self.member(HELPER, MemberRole.PARENT, "ISO3166", "DE"))
        for number, name in enumerate(self.others):
            self.hub.log(self.member(name, MemberRole.NODE, "LAU", f"1462{number:04d}"))

    def member(self, name: str, role: MemberRole, scheme: str, code: str, **changes: Any) -> Envelope:
        """The hub's word about a member."""
        body = MembershipBody.from_object(
            {
                "member": name,
                "role": role.value,
                "key": base64.b64encode(seeded_key(name).public.raw).decode(),
                "status": "active",
                "area": {"scheme": scheme, "version": "2024", "code": code},
            }
            | ({} if role is MemberRole.NODE else {"operator": self.operators[name]})
            | changes
        )
        return self.hub.author.sign(Kind.MEMBERSHIP, body, Audience.EUROPE)

    @property
    def directory(self) -> Directory:
        """As somebody reads it who trusts the hub's log."""
        directory = Directory(self.hub.name, self.hub.author.key.public)
        for position, (name, role) in enumerate(
            [(HELPER, MemberRole.PARENT), *((name, MemberRole.NODE) for name in (*self.others, CITY))]
        ):
            key = seeded_key(name).public
            member = Member(name, role, key, MemberStatus.ACTIVE, self.hub.name, operator=self.operators.get(name))
            directory.apply(signer=self.hub.name, member=member, position=position)
        return directory

    # --- what the hubs say -----------------------------------------------------------------------------------------

    def say(self, kind: Kind, body: StatementBody, author: Author | None = None) -> Envelope:
        """Into the hub's log, for the whole nation."""
        envelope = (author or self.hub.author).sign(kind, body, Audience.NATION)
        self.hub.log(envelope)
        return envelope

    def plan(self, period: Period = SEPTEMBER, days: int = 14, **changes: Any) -> BatchPlan:
        now = self.hub.clock()
        given = {
            "table": self.table.reference.to_object(),
            "period": period.to_object(),
            "dimension": self.table.dimension,
            "cells": list(self.table.cells),
            "maximum": MAXIMUM,
            "chunk_length": best_chunk_length(len(self.table.cells), changes.get("maximum", MAXIMUM)),
            "min_batch": 5,
            "epsilon_milli": 1000,
            "members": sorted([*self.others, CITY]),
            "log_size": len(self.hub.entries),
            "opens": format_time(now),
            "closes": format_time(now + timedelta(days=days)),
        }
        return BatchPlan.from_object(given | changes)

    def open(self, **changes: Any) -> str:
        """From the proposal to the announcement in the log; the batch's digest."""
        operator = self.operators[self.hub.name]
        self.shares = []
        self.leader = leader_steps.propose(
            self.plan(**changes), name=self.hub.name, operator=operator, helper=HELPER, secrets=self._secrets()
        )
        self.helper, answer = helper_steps.agree_to(
            self.leader.proposal.to_bytes(),
            name=HELPER,
            operator=self.operators[HELPER],
            randomness=self.chance.randbytes(helper_steps.RANDOMNESS_SIZE),
            key=self.helper_author.key,
        )
        self.leader, body = leader_steps.agree(self.leader, ProposalAnswer.from_bytes(answer))
        envelope = self.say(Kind.BATCH, body)
        said = read_statement(verify_envelope(envelope, self.hub.author.key.public))
        self.batch = read_batch(said, self.directory, at=self.hub.clock())
        self.leader, self.helper = opened(self.leader, self.batch), opened(self.helper, self.batch)
        return self.batch.digest

    def _secrets(self) -> HubSecrets:
        return HubSecrets.from_randomness(self.chance.randbytes(SECRETS_SIZE))

    # --- the cities ------------------------------------------------------------------------------------------------

    def take(self, envelope: Envelope) -> ReceivedShare:
        """What a member has signed."""
        key = self.hub.keys.get(envelope.keyid) or seeded_key(CITY).public
        share = receive_share(read_statement(verify_envelope(envelope, key)))
        self.shares.append(share)
        return share

    def take_what_came(self) -> ReceivedShare:
        """The newest share that the node has handed in."""
        entry = [each for each in self.hub.entries if each.kind is Kind.SHARE][-1]
        return self.take(self.hub.envelopes[entry.digest])

    def send_others(self, *names: str) -> None:
        """Other cities send one in each cell."""
        for name in names or self.others:
            author = Author(name, seeded_key(name), self.hub.clock, self._seqs.get(name, 0))
            envelope = author.sign(Kind.SHARE, self._share_of(name), Audience.HUB)
            self._seqs[name] = author.last_seq
            self.shares.append(receive_share(read_statement(verify_envelope(envelope, author.key.public))))

    def _share_of(self, name: str) -> ShareBody:
        members = {each: f"LAU {number}" for number, each in enumerate(self.batch.plan.members)}
        facts = Facts(self.hub.clock(), self.table, members, self.operators, 4_000)
        checked = check_batch(self.batch, name=name, facts=facts, is_sent=False)
        frame = ShareFrame(
            SourceKind.AGENCY_RETURN,
            Coverage(reporting=1, expected=1),
            ReviewNote.from_object(builders.REVIEW),
            LedgerReference(seq=1, head=builders.DIGEST, prev=64 * "0"),
        )
        return make_share(checked, [1] * len(self.table.cells), frame, randomness=self.chance.randbytes(32))

    # --- how it ends -----------------------------------------------------------------------------------------------

    def decide(self, late: Mapping[str, str] | None = None) -> None:
        """Roster, or void when too few have come, into the log."""
        self.leader = leader_steps.closed(self.leader)
        prepared = leader_steps.prepare(self.leader, self.shares, late=late or {})
        self.helper, answer = helper_steps.answer_once(self.helper, self.shares, prepared.request.to_bytes())
        self.leader, terms = leader_steps.take_answer(self.leader, prepared, PrepareAnswer.from_bytes(answer))
        if isinstance(terms, VoidTerms):
            self._end_void(terms)
            return
        self.helper, signed = helper_steps.sign_roster_once(self.helper, terms.to_bytes(), self.helper_author.key)
        envelope = self.say(Kind.ROSTER, RosterBody(terms=terms, helper=Countersignature.from_bytes(signed)))
        said = read_statement(verify_envelope(envelope, self.hub.author.key.public))
        self.roster = read_roster(said, self.batch, self.directory, at=self.hub.clock())
        self.leader, self.helper = committed(self.leader, self.roster), committed(self.helper, self.roster)

    def give_up(self) -> None:
        """Both hubs say that nothing of it is ever opened."""
        self._end_void(VoidTerms(batch=self.batch.digest, reason="given-up"))

    def _end_void(self, terms: VoidTerms) -> None:
        self.helper, signed = helper_steps.sign_void_once(self.helper, terms.to_bytes(), self.helper_author.key)
        self.say(Kind.VOID, VoidBody(terms=terms, helper=Countersignature.from_bytes(signed)))

    def publish(self) -> None:
        """Both sums into the log."""
        self.leader, own = publish(self.leader)
        self.helper, other = publish(self.helper)
        self.say(Kind.AGGREGATE_SHARE, own)
        self.say(Kind.AGGREGATE_SHARE, other, self.helper_author)
