"""A month of a federation whose links fail at random: in the end everybody shows the same, and nothing is broken.

Cities write, take back, go on while their hub cannot be reached; links are cut for hours and days, answers are lost,
and some cities' keys are revoked while they go on sending. Everything happens in a random order, whose seed is printed:

    ./run test --long tests/federation/test_month.py --seed 7 -s
"""

import random
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select

from regional_hub.orm import EntryRow
from shared_schema.service.hub_api import HubApi, HubRefused
from shared_schema.statement import Audience, Kind
from tests.federation.invariants import broken
from tests.federation.topology import FederatedCity, Federation, Shape
from tests.regional_hub.running import EventLoop, RunningHub
from tests.shared_schema import builders

STEPS_A_DAY = 4
OUTAGE_BEGINS, OUTAGE_ENDS, ANSWERS_LOST = 0.06, 0.2, 0.05
"""Chances of a link in each step of six hours: an outage lasts thirty hours on average."""
SYNCS_IN_A_STEP = 0.4
FIRST_STOLEN_SEQ = 1_000_000
AUDIENCES = (Audience.REGION, Audience.NATION, Audience.EUROPE, Audience.EUROPE)


@dataclass
class Month:
    """What is to happen, and what has happened."""

    federation: Federation
    chance: random.Random
    days: int
    statements: int
    withdrawals: int
    revocations: int
    revoked: dict[str, str] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    written: int = 0
    stolen: int = 0

    def run(self) -> None:
        steps = self.days * STEPS_A_DAY
        due = [
            *((self.chance.randrange(steps), self.write) for _ in range(self.statements)),
            *((self.chance.randrange(steps // 4, steps), self.take_back) for _ in range(self.withdrawals)),
            *((self.chance.randrange(steps // 4, steps), self.revoke) for _ in range(self.revocations)),
        ]
        for step in range(steps):
            self.federation.clock.advance(hours=24 / STEPS_A_DAY)
            self.change_links()
            for _, happen in (each for each in due if each[0] == step):
                happen()
            self.pass_on()
        self.federation.mend()
        self.federation.settle()

    def change_links(self) -> None:
        wires = self.federation.wires
        wires.deaf.clear()
        for one, other in self.federation.links():
            if frozenset((one, other)) in wires.cut:
                if self.chance.random() < OUTAGE_ENDS:
                    self.federation.mend(one, other)
            elif self.chance.random() < OUTAGE_BEGINS:
                self.federation.cut(one, other)
            if self.chance.random() < ANSWERS_LOST:
                wires.deaf.add((one, other))

    def pass_on(self) -> None:
        parties: list[FederatedCity | RunningHub] = [*self.federation.cities.values(), *self.federation.hubs.values()]
        self.chance.shuffle(parties)
        for party in parties:
            if isinstance(party, RunningHub):
                party.verb("follow")
            elif self.chance.random() < SYNCS_IN_A_STEP:
                party.sync()
                if party.name in self.revoked:
                    self.steal(party)

    def steal(self, city: FederatedCity) -> None:
        """Whoever has the revoked key goes on signing with it, past the city's own node."""
        self.stolen += 1
        seq = FIRST_STOLEN_SEQ + self.stolen
        stolen = builders.signed_statement(Kind.PRACTICE, key=city.node.key, origin=city.name, seq=seq)
        home = self.federation.hubs[city.hub].url
        thief = HubApi(home, city.node.key, self.federation.clock, self.federation.wires)  # over a line of his own
        with thief, pytest.raises(HubRefused):
            thief.submit(stolen)

    def write(self) -> None:
        self.written += 1
        city = self.chance.choice(list(self.federation.cities.values()))
        city.approve(f"Lesson number {self.written}", self.chance.choice(AUDIENCES))

    def take_back(self) -> None:
        """A city takes back what its hub has acknowledged, or narrows its audience; a revoked one tries to in vain."""
        mine = {city.name: sorted(set(city.practices()) - self.taken_back) for city in self.federation.cities.values()}
        authors = sorted(name for name, digests in mine.items() if digests)
        if authors:
            city = self.federation.city(self.chance.choice(authors))
            digest = self.chance.choice(mine[city.name])
            self.taken_back.add(digest)
            narrower = [None, *(each for each in AUDIENCES[:2] if each.reach < city.practices()[digest].reach)]
            city.withdraw(digest, to=self.chance.choice(narrower))

    def revoke(self) -> None:
        city = self.chance.choice([name for name in self.federation.cities if name not in self.revoked])
        home = self.federation.city(city).hub
        self.revoked[city] = home
        self.federation.hubs[home].verb("members.set", name=city, status="revoked")

    # --- what must be so in the end ----------------------------------------------------------------------------

    def expected(self, reader: FederatedCity) -> set[str]:
        """What is for this reader: everything that its author's home hub has logged and nobody has taken back."""
        return {
            digest
            for author in self.federation.cities.values()
            for digest, audience in self.logged(author).items()
            if self.federation.may_see(reader, author, audience)
        }

    def logged(self, author: FederatedCity) -> dict[str, Audience]:
        with self.federation.hubs[author.hub].hub.database.read() as session:
            rows = session.execute(
                select(EntryRow.digest, func.coalesce(EntryRow.narrowed_to, EntryRow.audience)).where(
                    EntryRow.origin == author.name,
                    EntryRow.kind == Kind.PRACTICE.value,
                    EntryRow.withdrawn_by.is_(None),
                )
            )
            return {digest: Audience(audience) for digest, audience in rows}


def play(month: Month) -> None:
    month.run()
    readers = [city for city in month.federation.cities.values() if city.name not in month.revoked]
    shown = {city.name: city.visible() for city in readers}
    assert {name: shown[name] ^ month.expected(month.federation.city(name)) for name in shown} == {
        name: set() for name in shown
    }
    assert broken(month.federation, month.revoked) == []
    for city in readers:
        waiting = [row for row in city.verb("outbox.list")["items"] if row["state"] != "delivered"]
        assert waiting == [], f"{city.name} could not deliver"


@pytest.mark.long
def test_a_week_with_links_that_fail_ends_with_the_same_items_everywhere(tmp_path: Path, loop: EventLoop) -> None:
    with Federation.start(Shape.tree(hubs=(1, 2), cities=5), tmp_path, loop) as federation:
        month = Month(federation, random.Random(1), days=5, statements=20, withdrawals=4, revocations=1)
        play(month)
        assert month.taken_back and month.revoked and month.stolen


@pytest.mark.long
def test_a_month_of_forty_cities_on_four_levels_ends_with_the_same_items_everywhere(
    tmp_path: Path, loop: EventLoop, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("--seed") or secrets.randbelow(10**6)
    print(f"\nseed {seed}")
    with Federation.start(Shape.tree(hubs=(1, 2, 4), cities=40), tmp_path, loop) as federation:
        month = Month(federation, random.Random(seed), days=30, statements=1_000, withdrawals=50, revocations=5)
        play(month)
        assert (month.written, len(month.taken_back), len(month.revoked)) == (1_000, 50, 5)
        print(f"statements {month.written}, withdrawals {len(month.taken_back)}, revocations {len(month.revoked)}")
        print(f"log sizes {federation.sizes()}")
