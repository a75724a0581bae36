"""A nation of real cities: the FBI's incidents as a federation, handed in as cities hand them in.

Every city with at least ten incidents in eleven years is a member of its state's hub, every state's hub one of the
nation's. Each month of each city is protected with noise from OpenDP, put into a ledger's chain, signed with the
city's key, and sent to the hub's API; hubs verify, log, add up, and follow each other. All of it runs in this process;
signatures, databases (SQLite), HTTP messages and rules are the real ones. Nodes are reduced to what leaves them.

    with nation_of(read_fbi(), folder) as nation:
        nation.load(range(132))
        nation.hub.verb("sums")
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from local_node import noise
from shared_schema.governance import PolicyBody
from shared_schema.laplace import variance_milli
from shared_schema.period import Area, parse_period
from shared_schema.spending import FIRST_PREV, entry_hash
from shared_schema.statement import Audience, Kind, make_statement, sign_statement
from shared_schema.trend import TableDefinition, TrendBody
from tests.bench.real_data import RealData
from tests.regional_hub.running import City, Clock, EventLoop, Network, RunningHub, enrolment, join, key_of

LEAST_INCIDENTS: Final = 10
BATCH: Final = 500
EPSILON_MILLI: Final = 1000
NATION: Final = "nation.example"
NATION_AREA: Final = Area(scheme="ISO3166", version="2020", code="US")
MEASURE: Final = "bias_incidents"
FIRST_PORT: Final = 9000


def make_policy(data: RealData) -> PolicyBody:
    """One table: incidents by bias, by month."""
    table = TableDefinition.from_object(
        {
            "id": f"{MEASURE}.by_bias",
            "version": 1,
            "measure": MEASURE,
            "title": "Bias incidents by bias",
            "unit": "record",
            "dimension": "bias",
            "cells": list(data.cells),
            "source_kinds": ["police_recorded"],
            "granularities": ["month"],
            "epsilon_milli": EPSILON_MILLI,
        }
    )
    measure = {
        "id": MEASURE,
        "title": "Bias incidents known to the police",
        "unit": "record",
        "source_kinds": ["police_recorded"],
    }
    return PolicyBody.from_object(
        {
            "version": 1,
            "vocabulary_version": 1,
            "tables": [table.to_object()],
            "measures": [measure],
            "epsilon_milli_per_measure": EPSILON_MILLI,
            "epsilon_milli_total": 4000,
            "min_contributors": 3,
        }
    )


@dataclass
class Ledger:
    """Where a city's chain ends."""

    seq: int = 0
    head: str = FIRST_PREV


@dataclass
class Nation:
    """The federation: hubs by state, cities by their row in the data, and what was truly counted."""

    data: RealData
    policy: PolicyBody
    hub: RunningHub
    states: dict[str, RunningHub]
    cities: dict[int, City]
    ledgers: dict[int, Ledger] = field(default_factory=dict)

    @property
    def rows(self) -> list[int]:
        """The rows of the cities that take part, by state."""
        return sorted(self.cities)

    def truth(self, state: str | None = None) -> Any:
        """What the cities that take part have truly counted: months x cells, of a state or of the nation."""
        rows = [row for row in self.rows if state is None or self.data.states[row] == state]
        return self.data.counts[rows].sum(axis=0)

    def load(self, months: Sequence[int]) -> int:
        """Every city hands in these months, in batches; every hub adds up and is followed. Returns the releases."""
        sent = 0
        for state, hub in self.states.items():
            bodies = [
                self._release(row, month) for row in self.rows if self.data.states[row] == state for month in months
            ]
            for first in range(0, len(bodies), BATCH):
                hub.accept_many(bodies[first : first + BATCH])
            sent += len(bodies)
            hub.verb("aggregate")
            self.hub.verb("follow")
        self.hub.verb("aggregate")
        return sent

    def _release(self, row: int, month: int) -> bytes:
        city, ledger = self.cities[row], self.ledgers.setdefault(row, Ledger())
        table = self.policy.tables[0]
        scale = noise.scale_for(EPSILON_MILLI)
        drawn = noise.draw(scale, len(table.cells))
        values = [int(count) + error for count, error in zip(self.data.counts[row, month], drawn, strict=True)]
        ledger.seq += 1
        body = _body(table, self.data.months[month], scale, values, area_of(self.data.states[row], row), ledger)
        ledger.head = entry_hash(body)
        body = body.model_copy(update={"ledger": body.ledger.model_copy(update={"head": ledger.head})})
        city.seq += 1
        statement = make_statement(
            body,
            kind=Kind.TREND,
            origin=city.name,
            seq=city.seq,
            issued_at=city.hub.clock(),
            nonce=secrets.token_urlsafe(18),
            audience=Audience.HUB,
        )
        return sign_statement(statement, city.key).to_bytes()


def area_of(state: str, row: int) -> Area:
    """A code for a city: the data has none that is official."""
    return Area(scheme="LAU", version="2020", code=f"US_{state}{row:05d}")


def _body(
    table: TableDefinition, label: str, scale: Fraction, values: Sequence[int], area: Area, ledger: Ledger
) -> TrendBody:
    return TrendBody.from_object(
        {
            "table": table.reference.to_object(),
            "area": area.to_object(),
            "period": parse_period(label).to_object(),
            "source_kind": "police_recorded",
            "mechanism": {
                "name": "discrete-laplace",
                "scale": {"numerator": scale.numerator, "denominator": scale.denominator},
                "variance_milli": variance_milli(scale),
                "library": noise.LIBRARY,
            },
            "privacy": {
                "unit": "record",
                "window": "period",
                "epsilon_milli": EPSILON_MILLI,
                "composition": "parallel over periods, sum over tables",
            },
            "ledger": {"seq": ledger.seq, "head": FIRST_PREV, "prev": ledger.head},
            "coverage": {"reporting": 1, "expected": 1},
            "review": {"role": "reviewer", "detector": "narrative 1", "findings": 0},
            "cells": [
                {"dims": {table.dimension: code}, "status": "A", "value": value}
                for code, value in zip(table.cells, values, strict=True)
            ],
        }
    )


@contextmanager
def nation_of(data: RealData, folder: Path, *, states: int | None = None) -> Iterator[Nation]:
    """The federation with all members enrolled and nothing handed in; of the largest `states` alone, where given."""
    policy = make_policy(data)
    rows = np.flatnonzero(data.total_per_city >= LEAST_INCIDENTS)
    names = sorted({data.states[row] for row in rows}, key=lambda name: -sum(data.states[row] == name for row in rows))
    chosen = sorted(names[:states])
    with ExitStack() as stack:
        loop = stack.enter_context(EventLoop())
        network, clock = Network(loop), Clock()

        def start(name: str, place: int, area: Area, level: Any) -> RunningHub:
            options = {"name": name, "level": level, "port": FIRST_PORT + place, "area": area}
            return stack.enter_context(
                RunningHub.start(network, loop, folder / name, clock=clock, policy=policy, **options)
            )

        top = start(NATION, 0, NATION_AREA, "nation")
        nation = Nation(data, policy, top, {}, {})
        for place, state in enumerate(chosen, start=1):
            area = Area(scheme="ISO3166", version="2020", code=f"US-{state}")
            hub = nation.states[state] = start(f"{state.lower()}.{NATION}", place, area, "region")
            join(hub, top)
            for row in rows:
                if data.states[row] == state:
                    nation.cities[int(row)] = _enrol(hub, int(row), state)
        yield nation


def _enrol(hub: RunningHub, row: int, state: str) -> City:
    name = f"c{row:05d}.{state.lower()}.{NATION}"
    city = City(name, key_of(name), hub)
    code = hub.verb("enrol.code", name=name)["code"]
    response = hub.post(enrolment(name, city.key, code, area=area_of(state, row)), "/v1/enrolments")
    assert response.status_code == 202, response.text
    hub.verb("enrol.approve", name=name, fingerprint=city.key.public.fingerprint)
    return city
