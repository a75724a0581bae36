"""Two real hubs that collect a sealed total over HTTP, and cities that send their shares by hand."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regional_hub import sealed_log, sealed_store
from regional_hub.sealed_shares import find_city
from shared_schema.governance import Level, PolicyBody
from shared_schema.period import Area
from shared_schema.sealed.agreed import AgreedBatch
from shared_schema.sealed.bodies import AggregateShareBody
from shared_schema.sealed.checks import Facts, cities_of, operators_of
from shared_schema.sealed.city import CheckedBatch, ShareFrame, check_batch, make_share
from shared_schema.sealed.sums import noise_of
from shared_schema.sealed.terms import ROLES, Role
from shared_schema.sealed.total import SealedTotal, read_total
from shared_schema.spending import FIRST_PREV, hash_entry
from shared_schema.statement import Kind
from shared_schema.trend import Coverage, LedgerReference, ReviewNote
from shared_schema.vocabulary import SourceKind
from tests.regional_hub.running import City, Clock, EventLoop, Network, RunningHub, join
from tests.shared_schema import builders

LEADER, HELPER = "sachsen.de", "bund.de"
OPERATORS = {LEADER: "Freistaat Sachsen", HELPER: "Bund"}
SUBJECT = "bias_incidents.by_offence@1/2026-10"
EPSILON = 1_000


def policy(**changes: Any) -> PolicyBody:
    """The builders' policy with its one table sealed."""
    return PolicyBody.from_object(builders.POLICY.to_object() | {"sealed": [builders.SEALED_TABLE | changes]})


@dataclass
class Pair:
    """A region and a nation, and the region's cities."""

    leader: RunningHub
    helper: RunningHub
    clock: Clock
    cities: list[City] = field(default_factory=list)
    heads: dict[str, LedgerReference] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def start(
        cls, network: Network, loop: EventLoop, folder: Path, *, cities: int = 5,
        urls: Sequence[str | None] = (None, None), operators: dict[str, str] = OPERATORS, **sealed: Any,
    ) -> Iterator["Pair"]:  # fmt: skip
        clock = Clock()

        def start(
            name: str, level: Level, port: int, url: str | None, **more: Any
        ) -> AbstractContextManager[RunningHub]:
            said = {"operator": operators[name]} if name in operators else {}
            return RunningHub.start(
                network, loop, folder / name, url, name=name, level=level, port=port, clock=clock, more=said, **more
            )

        nation_area = Area(scheme="ISO3166", version="2020", code="DE")
        with (
            start(HELPER, "nation", 8801, urls[1], area=nation_area) as helper,
            start(LEADER, "region", 8802, urls[0], policy=policy(**sealed)) as leader,
        ):
            join(leader, helper)
            pair = cls(leader, helper, clock)
            for number in range(cities):
                area = Area(scheme="LAU", version="2024", code=f"DE_{number:08d}")
                pair.cities.append(leader.enrol(f"city-{number}.sn.de", area=area))
            pair.speak()
            yield pair

    def speak(self) -> None:
        """Both hubs say who runs them, and read each other."""
        for hub in (self.leader, self.helper):
            hub.verb("operator.say")
        self.follow()

    def follow(self) -> None:
        for hub in (self.helper, self.leader):
            hub.verb("follow")

    def work(self) -> list[str]:
        """One round: the leader goes on, the helper reads that and goes on, and the leader reads it."""
        steps = [f"leader {step}" for step in self.leader.verb("sealed.work")["steps"]]
        self.helper.verb("follow")
        steps += [f"helper {step}" for step in self.helper.verb("sealed.work")["steps"]]
        self.leader.verb("follow")
        return steps

    def until(self, state: str, rounds: int = 6) -> None:
        """Rounds until the leader's newest batch is in this state."""
        for _ in range(rounds):
            if self.states()[0] == state:
                return
            self.work()
        assert self.states()[0] == state, self.states()

    def states(self) -> tuple[str, str]:
        """Of the newest batch at both hubs."""
        found = []
        roles: Sequence[tuple[RunningHub, Role]] = ((self.leader, "leader"), (self.helper, "helper"))
        for hub, role in roles:
            with hub.hub.database.read() as session:
                rows = sealed_store.list_of(session, role, SUBJECT)
                found.append(rows[0].state if rows else "")
        return found[0], found[1]

    # --- the cities -------------------------------------------------------------------------------------------------

    def batch(self) -> AgreedBatch:
        """The newest batch, as a city reads it in the log."""
        with self.leader.hub.database.read() as session:
            row = next(row for row in sealed_store.list_of(session, "leader", SUBJECT) if row.batch is not None)
            agreed = sealed_store.read_leader(session, row.id).batch.agreed
        assert agreed is not None
        return agreed

    def checked(self, city: City) -> CheckedBatch:
        directory = self.leader.hub.refresh_trust().directory
        facts = Facts(
            now=self.clock(),
            table=builders.TABLE,
            municipalities=cities_of(directory, LEADER),
            operators=operators_of(directory),
            most_epsilon_milli=EPSILON,
        )
        return check_batch(self.batch(), name=city.name, facts=facts, is_sent=False)

    def share(self, city: City, counts: Sequence[int], *, randomness: bytes = b"r" * 32) -> bytes:
        """A city's signed share, with the one ledger entry that pays for it."""
        return city.sign(Kind.SHARE, self.share_body(city, counts, randomness=randomness), audience="hub")

    def share_body(
        self, city: City, counts: Sequence[int], *,
        randomness: bytes = b"r" * 32, kind: SourceKind = SourceKind.POLICE_RECORDED,
    ) -> dict[str, Any]:  # fmt: skip
        """What is signed. Of `city` only its name counts."""
        return self.body_for(self.checked(city), counts, randomness, kind)

    def share_of_first(self, city: City) -> bytes:
        """The share of a city that is no member of the newest batch: it takes another one's place."""
        member = City(self.batch().plan.members[0], city.key, self.leader)
        return city.sign(Kind.SHARE, self.share_body(member, (0, 0, 0)), audience="hub")

    def body_for(
        self, checked: CheckedBatch, counts: Sequence[int], randomness: bytes, kind: SourceKind
    ) -> dict[str, Any]:
        plan = checked.batch.plan
        charged = {
            "table": plan.table.to_object(),
            "period": plan.period.to_object(),
            "source_kind": kind.value,
            "privacy": checked.privacy.to_object(),
        }
        frame = ShareFrame(
            source_kind=kind,
            coverage=Coverage(reporting=3, expected=4),
            review=ReviewNote.from_object(builders.REVIEW),
            ledger=LedgerReference(seq=1, head=hash_entry(1, FIRST_PREV, charged), prev=FIRST_PREV),
        )
        return make_share(checked, counts, frame, randomness=randomness).to_object()

    def charged(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same body with the ledger's hash for what it says now."""
        return body | {"ledger": {"seq": 1, "prev": FIRST_PREV, "head": hash_entry(1, FIRST_PREV, body)}}

    def send_all(self, counts: Sequence[Sequence[int]]) -> list[bytes]:
        envelopes = [self.share(city, own) for city, own in zip(self.cities, counts, strict=False)]
        for envelope in envelopes:
            self.leader.accept(envelope)
        return envelopes

    # --- what came of it --------------------------------------------------------------------------------------------

    def total(self, hub: RunningHub) -> SealedTotal:
        """What a hub reads in its own log."""
        directory, batch = hub.hub.refresh_trust().directory, self.batch()
        sums: dict[Role, AggregateShareBody] = {}
        with hub.hub.database.read() as session:
            roster = sealed_log.find_roster(session, directory, batch)
            assert roster is not None
            for role in ROLES:
                if (found := sealed_log.find_sum(session, directory, batch, roster, role)) is not None:
                    sums[role] = found
        return read_total(batch, roster, sums)

    def noise(self) -> list[int]:
        """Of both hubs together, from their seeds: what nobody but a test has."""
        batch, drawn = self.batch(), []
        roles: Sequence[tuple[RunningHub, Role]] = ((self.leader, "leader"), (self.helper, "helper"))
        for hub, role in roles:
            with hub.hub.database.read() as session:
                row = next(row for row in sealed_store.list_of(session, role, SUBJECT) if row.batch == batch.digest)
                drawn.append(noise_of(batch, row.noise_seed))
        return [sum(cell) for cell in zip(*drawn, strict=True)]

    def has_sent(self, city: City) -> bool:
        with self.leader.hub.database.read() as session:
            row = sealed_store.list_of(session, "leader", SUBJECT)[0]
            return find_city(session, row.id, city.name) is not None
