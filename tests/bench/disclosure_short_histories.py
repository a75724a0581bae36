"""Random histories on the functions that the verbs call: each is one transaction that is undone at its end.

What a verb adds to them (settings, hubs, restores) is in the long histories of `disclosure_histories`. Whatever
somebody asked for counts as published here, also what was refused or never sent.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from local_node import record_store, release, request_store
from local_node.protection import Protection
from local_node.records import parse_csv, parse_mapping
from shared_schema.errors import ContractError, ProgramError
from shared_schema.governance import PolicyBody
from shared_schema.period import Area, parse_period
from shared_schema.trend import TrendBody
from tests.bench.disclosure_city import (
    AGENCY,
    COORDINATOR,
    EPSILONS,
    NOW,
    REVIEWER,
    cell_codes,
    events_file,
    events_mapping,
    make_policy,
    make_template,
    months_from,
    workshop,
)
from tests.bench.disclosure_inspection import CELLS, Findings, TaggedDraws, inspect

STEPS = 8
MEASURES = ("first_contacts", "follow_ups", "panel_discussions")
YEAR, MONTHS = 2024, 3
LATE_AGENCY = "school"
LEIPZIG = Area(scheme="LAU", version="2024", code="14713000")


def play_short_histories_here(count: int, make_draws: Callable[[random.Random], TaggedDraws] = TaggedDraws) -> Findings:
    """So many histories in this process, one after the other; a test hands in draws that are broken."""
    chance = random.SystemRandom()
    policy = make_policy(CELLS, granularities=("month", "quarter"), measures=MEASURES)
    found = Findings()
    with workshop() as directory, make_template(directory, policy).open(directory / "city") as city:
        for _ in range(count):
            with city.node.database.write() as session:
                found.add(_play(session, policy, chance, make_draws(chance)))
                session.rollback()
    return found


def _play(session: Session, policy: PolicyBody, chance: random.Random, draws: TaggedDraws) -> Findings:
    history = ShortHistory(session, policy, chance, draws)
    history.play()
    found = inspect(history.published(), draws, policy)
    found.done = history.done
    return found


@dataclass
class ShortHistory:
    """One city's random life within a transaction."""

    session: Session
    policy: PolicyBody
    chance: random.Random
    draws: TaggedDraws
    done: Counter[str] = field(default_factory=Counter)
    _requests: list[str] = field(default_factory=list)
    _measures: list[str] = field(default_factory=list)
    _protection: Protection = field(default_factory=Protection)

    def play(self) -> None:
        """A quarter of records for one measure or three, then random steps."""
        if self.chance.random() < 0.1:
            self._protection = Protection(profile="strict")
        self._measures = self.chance.sample(MEASURES, self.chance.choice((1, 3)))
        for measure in self._measures:
            self._import(measure, months_from(YEAR, MONTHS), AGENCY)
        steps: dict[Callable[[], None], int] = {
            self._release: 8, self._late: 1, self._again: 1, self._correct: 2, self._refuse: 2,
        }  # fmt: skip
        for step in self.chance.choices(list(steps), list(steps.values()), k=STEPS):
            name = f"short_{step.__name__.strip('_')}"
            try:
                with self.session.begin_nested():
                    step()
                self.done[name] += 1
            except (ProgramError, ContractError) as error:
                self.done[f"{name}_refused"] += 1
                self.done[f"refused_for_{getattr(error.code, 'value', error.code)}"] += 1

    def published(self) -> list[TrendBody]:
        """All that was asked for, in every state."""
        return [TrendBody.from_bytes(each.request.body) for each in request_store.list_requests(self.session)]

    def _import(self, measure: str, months: Sequence[str], agency: str, *, correction: bool = False) -> None:
        codes = cell_codes(CELLS)
        rows = [
            [f"{month}-{self.chance.randint(1, 28):02d}", *(self.chance.choice(codes) for _ in EPSILONS)]
            for month in months
            for _ in range(self.chance.randint(0, 2))
        ]
        data = events_file(rows).encode()
        mapping = parse_mapping(events_mapping(measure=measure).encode())
        record_store.store(
            self.session,
            parse_csv(data, mapping, agency=agency, today=NOW.date(), periods=months),
            mapping,
            agency=agency,
            file_digest=hashlib.sha256(data).hexdigest(),
            person=COORDINATOR,
            correction=correction,
            tables=self.policy.tables,
            unit="record",
            now=NOW,
        )

    def _place(self) -> tuple[str, str]:
        return self.chance.choice(self._measures), self.chance.choice(months_from(YEAR, MONTHS))

    def _late(self) -> None:
        measure, month = self._place()
        self._import(measure, [month], LATE_AGENCY)

    def _again(self) -> None:
        measure, month = self._place()
        self._import(measure, [month], AGENCY)

    def _release(self) -> None:
        measure, month = self._place()
        period = f"{YEAR}-Q1" if self.chance.random() < 0.25 else month
        epsilon = self.chance.choice((100, 250, 2000)) if self.chance.random() < 0.4 else None
        self._ask(f"{measure}.by_{self.chance.choice(list(EPSILONS))}", period, epsilon_milli=epsilon)

    def _correct(self) -> None:
        """A corrected file for something that was released, then the correction's release."""
        released = self.published()
        if released:
            body = self.chance.choice(released)
            measure = body.table.id.split(".")[0]
            if body.period.granularity == "month":
                self._import(measure, [body.period.label], AGENCY, correction=True)
            else:
                self._import(measure, [self._place()[1]], AGENCY, correction=True)
            self._ask(body.table.id, body.period.label, correction=True)

    def _refuse(self) -> None:
        """Refuse what was asked last, and ask again."""
        if self._requests:
            request = self._requests.pop()
            table, _, period, *correction = (request_store.get_request(self.session, request).subject or "").split("/")
            release.refuse(self.session, request, REVIEWER, "not this month", NOW)
            self._ask(table, period, correction=bool(correction))

    def _ask(self, table: str, period: str, *, epsilon_milli: int | None = None, correction: bool = False) -> None:
        request = release.request_numbers(
            self.session,
            table,
            parse_period(period),
            COORDINATOR,
            policy=self.policy,
            area=LEIPZIG,
            expected_agencies=1,
            draw=self.draws,
            now=NOW,
            epsilon_milli=epsilon_milli,
            correction=correction,
            protection=self._protection,
        )
        self._requests.append(request.id)
        self.done["short_corrections_drawn"] += correction
