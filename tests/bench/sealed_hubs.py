"""Two real hubs, each a process with its database, that collect a sealed total of 40 cells over HTTP on this machine.

A hub's seconds are the processor time of its process from the close of the batch until its total is opened and the keys
are gone: other work on the machine does not count. What is left afterwards is looked for in all files of both hubs, and
in a backup of each from before the close and from afterwards.
"""

import base64
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.demo.federation import Program, enrol_hub, free_ports
from deploy.demo.sealed import HubPair, add_up, open_batch
from deploy.demo.secrets_left import PIECE, Noted, pieces_of_share, spellings_of_key, take_keys
from regional_hub import sealed_store
from regional_hub.app import open_hub
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.period import Area
from shared_schema.sealed.checks import Facts, cities_of, operators_of
from shared_schema.sealed.city import CheckedBatch, ShareFrame, check_batch, make_share
from shared_schema.spending import FIRST_PREV, hash_entry
from shared_schema.statement import Audience, Kind, make_statement, sign_statement
from shared_schema.trend import Coverage, LedgerReference, ReviewNote, TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.bench.figures import Figure, at_most, exactly, measured
from tests.regional_hub.running import enrolment, key_of
from tests.shared_schema import builders

LEADER, HELPER = "sachsen.de", "bund.de"
OPERATORS: Final = {LEADER: "Freistaat Sachsen", HELPER: "Bund"}
ROLES: Final = {LEADER: "leader", HELPER: "helper"}
CITIES: Final = (30, 200)
MANY: Final = 1_000
CELLS: Final = 40
MAXIMUM: Final = 1_000
MOST_SECONDS: Final = 120.0
MOST_GROWTH: Final = 1.3
"""Times what a city costs in the smaller batch: linear, with room for a busy machine."""
KEYS: Final = 3
"""One of each hub, and the one with which both verify."""
PERIOD: Final = "2026-09"
TICK: Final = os.sysconf("SC_CLK_TCK")
TABLE: Final = TableDefinition.from_object(
    builders.TABLE.to_object()
    | {
        "id": "bias_incidents_police.by_offence",
        "measure": "bias_incidents_police",
        "source_kinds": ["police_recorded"],
        "cells": [f"c{number:02d}" for number in range(CELLS)],
        "granularities": ["month"],
    }
)


@dataclass(frozen=True)
class Cost:
    """Of one batch."""

    cities: int
    seconds: Mapping[str, float]
    bytes_of_share: int
    bytes_of_receipt: int
    found_while_open: int
    left: int


def measure_hubs() -> Iterator[Figure]:
    """A small batch and a larger one, and how a hub's cost grows between them."""
    yield from _measure(CITIES)


def measure_many_hubs() -> Iterator[Figure]:
    """As `measure_hubs`, up to the largest batch; it takes some minutes."""
    yield from _measure((CITIES[-1], MANY))


def _measure(sizes: Sequence[int]) -> Iterator[Figure]:
    costs = []
    for cities in sizes:
        with tempfile.TemporaryDirectory(prefix="sealed-") as folder, ExitStack() as stack:
            costs.append(Hubs(Path(folder), stack).collect(cities))
        yield from _figures_of(costs[-1])
    small, large = costs[0], costs[-1]
    for name in (LEADER, HELPER):
        growth = (large.seconds[name] / large.cities) / (small.seconds[name] / small.cities)
        yield at_most(f"sealed_hubs_{ROLES[name]}_growth_per_city", growth, bar=MOST_GROWTH, sample_size=large.cities)


def _figures_of(cost: Cost) -> Iterator[Figure]:
    for name, seconds in cost.seconds.items():
        label = f"sealed_hubs_{ROLES[name]}_processor_seconds_{cost.cities}_cities"
        yield at_most(label, seconds, bar=MOST_SECONDS, sample_size=cost.cities)
    yield measured("sealed_hubs_bytes_a_city_sends", cost.bytes_of_share, sample_size=cost.cities)
    yield measured("sealed_hubs_bytes_of_the_receipt", cost.bytes_of_receipt, sample_size=cost.cities)
    yield exactly("sealed_hubs_shares_and_keys_found_while_open", cost.found_while_open, bar=cost.cities + KEYS,
                  sample_size=cost.cities)  # fmt: skip
    yield exactly("sealed_hubs_shares_and_keys_left", cost.left, bar=0, sample_size=cost.cities)


class Hubs:
    """Both processes, and the cities that send by hand."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.chance = folder, random.Random("sealed hubs")
        ports = free_ports(2)
        self.programs = {
            name: Program("regional_hub", name, folder / name, port)
            for name, port in zip((HELPER, LEADER), ports, strict=True)
        }
        for name, level, area in ((HELPER, "nation", "ISO3166:2020:DE"), (LEADER, "region", "NUTS:2024:DED")):
            program = self.programs[name]
            program.data.mkdir()
            program.command(
                "init", "--name", name, "--level", level, "--area", area, "--public-url", program.url,
                "--port", str(program.port), "--work-interval", "0", "--operator", OPERATORS[name],
            )  # fmt: skip
            program.start()
            stack.callback(program.stop)
            program.wait_until_ready()
        self.leader, self.helper = self.programs[LEADER], self.programs[HELPER]
        enrol_hub(self.leader, self.helper)
        for program in self.programs.values():
            program.ask("policy.set", policy=_policy(program.ask("policy.show"), is_sealed=program is self.leader))

    def collect(self, cities: int) -> Cost:
        """A whole batch."""
        names = [f"city-{number:04d}.sn.de" for number in range(cities)]
        self._enrol(names)
        self._follow()
        checked = self._open(names)
        shares, receipts = self._send(checked)
        noted = Noted(
            {name: (share,) for name, share in zip(names, shares, strict=True)},
            take_keys(program.data for program in self.programs.values()),
        )
        self._back_up("before")
        found = len(_found(self.folder, noted))
        before = self._processor_seconds()
        add_up(self.programs, HubPair(LEADER, HELPER))
        after = self._processor_seconds()
        self._back_up("after")
        return Cost(
            cities=cities,
            seconds={name: after[name] - before[name] for name in (LEADER, HELPER)},
            bytes_of_share=max(len(share.to_bytes()) for share in shares),
            bytes_of_receipt=receipts,
            found_while_open=found,
            left=len(_found(self.folder, noted)),
        )

    def _enrol(self, names: Sequence[str]) -> None:
        with httpx.Client(base_url=self.leader.url) as client:
            for number, name in enumerate(names):
                key, code = key_of(name), self.leader.ask("enrol.code", name=name)["code"]
                area = Area(scheme="LAU", version="2024", code=f"DE_{number:08d}")
                _post(client, "/v1/enrolments", enrolment(name, key, code, area=area))
                self.leader.ask("enrol.approve", name=name, fingerprint=key.public.fingerprint)

    def _follow(self) -> None:
        for program in (self.helper, self.leader, self.helper):
            program.ask("follow")

    def _open(self, names: Sequence[str]) -> list[CheckedBatch]:
        """Open a batch, and let each city read and check it as it stands in the leader's log."""
        open_batch(self.leader, TABLE.id, PERIOD)
        self.helper.ask("follow")
        self.helper.ask("sealed.work", open_nothing=True)
        hub = open_hub(self.leader.data)
        try:
            with hub.database.read() as session:
                (batch_id,) = sealed_store.list_batches(session, "leader")
                batch = sealed_store.read_leader(session, batch_id).batch.agreed
            directory, now = hub.refresh_trust().directory, hub.clock()
        finally:
            hub.close()
        if batch is None:
            raise RuntimeError("expected a batch that both hubs have signed")
        facts = Facts(
            now=now,
            table=TABLE,
            municipalities=cities_of(directory, LEADER),
            operators=operators_of(directory),
            most_epsilon_milli=TABLE.epsilon_milli,
        )
        return [check_batch(batch, name=name, facts=facts, is_sent=False) for name in names]

    def _send(self, checked: Sequence[CheckedBatch]) -> tuple[list[Envelope], int]:
        """Each city's share, and the size of the longest receipt."""
        shares, longest = [], 0
        with httpx.Client(base_url=self.leader.url) as client:
            for each in checked:
                body = _share(each, [self.chance.randint(0, MAXIMUM) for _ in range(CELLS)])
                longest = max(longest, len(_post(client, "/v1/submissions", body)))
                shares.append(parse_envelope(body))
        return shares, longest

    def _processor_seconds(self) -> dict[str, float]:
        return {name: _seconds_of(program) for name, program in self.programs.items()}

    def _back_up(self, name: str) -> None:
        """Of both hubs, beside their data; so the search looks there as well."""
        target = self.folder / f"backup-{name}"
        for program in self.programs.values():
            program.ask("backup", target=str(target / program.name))


def _policy(starter: dict[str, Any], *, is_sealed: bool) -> dict[str, Any]:
    """The starter policy with one table of so many cells, which the leader seals."""
    sealed = {
        "table": TABLE.id, "version": TABLE.version, "granularity": "month", "helper": HELPER, "maximum": MAXIMUM,
        "min_batch": 5, "open_days": 14,
    }  # fmt: skip
    policy = starter | {"version": starter["version"] + 1, "tables": [TABLE.to_object()]}
    return policy | {"sealed": [sealed]} if is_sealed else policy


def _share(checked: CheckedBatch, counts: Sequence[int]) -> bytes:
    """A city's signed share, with the one ledger entry that pays for it."""
    plan = checked.batch.plan
    charged = {
        "table": plan.table.to_object(),
        "period": plan.period.to_object(),
        "source_kind": SourceKind.POLICE_RECORDED.value,
        "privacy": checked.privacy.to_object(),
    }
    head = hash_entry(1, FIRST_PREV, charged)
    frame = ShareFrame(
        source_kind=SourceKind.POLICE_RECORDED,
        coverage=Coverage(reporting=1, expected=1),
        review=ReviewNote.from_object(builders.REVIEW),
        ledger=LedgerReference(seq=1, head=head, prev=FIRST_PREV),
    )
    body = make_share(checked, counts, frame, randomness=os.urandom(32))
    statement = make_statement(
        body, kind=Kind.SHARE, origin=checked.name, seq=1, issued_at=datetime.now(UTC), audience=Audience.HUB,
        nonce=base64.urlsafe_b64encode(os.urandom(18)).decode(),
    )  # fmt: skip
    return sign_statement(statement, key_of(checked.name)).to_bytes()


def _post(client: httpx.Client, path: str, body: bytes) -> bytes:
    response = client.post(path, content=body, headers={"Content-Type": "application/json"}, timeout=60)
    if not response.is_success:
        raise RuntimeError(f"expected the hub to take it, got {response.status_code}: {response.text}")
    return response.content


def _seconds_of(program: Program) -> float:
    """Processor time of a process so far, of the program and of the system for it."""
    if program.process is None:
        raise RuntimeError("expected a hub that runs")
    fields = Path(f"/proc/{program.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _found(folder: Path, noted: Noted) -> set[tuple[str, int]]:
    """Which shares and keys are anywhere in the files below: each place of each file is looked at once."""
    of_piece = {
        piece: ("share", number)
        for number, (share,) in enumerate(noted.shares.values())
        for piece in pieces_of_share(share)
    }
    found = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        windows = (content[at : at + PIECE] for at in range(len(content) - PIECE + 1))
        found |= {of_piece[window] for window in windows if window in of_piece}
        found |= {
            ("key", number)
            for number, key in enumerate(noted.keys)
            if any(each in content for each in spellings_of_key(key))
        }
    return found
