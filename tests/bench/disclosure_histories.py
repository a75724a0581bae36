"""Random histories of a city's releases: can anything be deduced, is anything drawn twice, is anything overspent?

A long history runs through the node's verbs, on a database of its own, with two hubs: files that come in time, late or
wrong, corrections, months and quarters, requests that are refused and made again, previews, rounds of sync, a
hub that is away, restarts, and old copies of the data directory put back. What was signed is read from the hubs' logs.
A short history has the same life without hubs, on the functions that the verbs call (`disclosure_short_histories`);
there everything that somebody asked for counts as published, so the attacker sees more.

Nothing here looks into the ledger's code. In place of the noise stands a draw of *tags*: every draw is another multiple
of `TAG`, which is larger than any count, so that what was published says by itself which draws are in it. A program
that drew nothing, used a draw twice, or drew a figure anew is seen in its signed messages.

Source for the attack: `disclosure_deduction`. The hubs' sums are combinations of what was signed, so they add nothing
to what somebody who sees all of that can combine.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import get_context
from unittest.mock import patch

from local_node import noise
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope
from shared_schema.service.control import VerbError
from shared_schema.trend import TrendBody
from tests.bench.disclosure_city import (
    EPSILONS,
    PROCESSES,
    REVIEWER,
    City,
    cell_codes,
    make_policy,
    make_template,
    months_from,
    workshop,
)
from tests.bench.disclosure_inspection import CELLS, Findings, TaggedDraws, inspect
from tests.bench.disclosure_short_histories import play_short_histories_here
from tests.bench.figures import Figure, exactly, measured
from tests.hub_simulator import HubSimulator, Lie

LONG_HISTORIES = 600
SHORT_HISTORIES = 9_400
STEPS = 12
MEASURES = ("first_contacts", "follow_ups", "panel_discussions")
"""Three measures of 2.0 each under a cap of 4.0, so that the cap is met."""
YEAR, MONTHS = 2024, 6
LATE_AGENCY = "school"
SHARE_RESTORED = 0.3
MOST_OF_THRESHOLD_CITIES = 30
HAS_THRESHOLDS = find_spec("local_node.suppression") is not None


def measure_histories() -> Iterator[Figure]:
    """Long histories through the verbs, then short ones on the functions below them."""
    found = _in_parallel(play_histories_here, LONG_HISTORIES)
    found.done["long_ones_through_the_verbs"] = found.histories
    found.add(_in_parallel(play_short_histories_here, SHORT_HISTORIES))
    yield from figures_of(found)


def figures_of(found: "Findings") -> Iterator[Figure]:
    """The figures of the histories, each held to 0, and what happened in them."""
    count = found.histories
    yield exactly("histories_exact_deductions_of_a_true_count", found.deductions, bar=0, sample_size=count)
    yield exactly("histories_draws_in_two_figures", found.shared_draws, bar=0, sample_size=count)
    yield exactly("histories_figures_with_two_values", found.two_values, bar=0, sample_size=count)
    yield exactly("histories_noise_below_what_is_stated", found.weak_draws, bar=0, sample_size=count)
    yield exactly("histories_overspends", found.overspends, bar=0, sample_size=count)
    yield exactly("histories_draws_on_an_old_copy", found.draws_after_restore, bar=0, sample_size=count)
    for name, times in sorted(found.done.items()):
        yield measured(f"histories_{name}", times, sample_size=count)


# --- histories -----------------------------------------------------------------------------------------------------


def _in_parallel(play: Callable[[int], Findings], count: int) -> Findings:
    """So many histories, in as many processes as there are cores."""
    shares = [count // PROCESSES + (place < count % PROCESSES) for place in range(PROCESSES)]
    found = Findings()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for part in pool.map(play, shares):
            found.add(part)
    return found


def play_histories_here(count: int) -> Findings:
    """So many histories in this process, one after the other."""
    chance = random.SystemRandom()
    policy = make_policy(CELLS, granularities=("month", "quarter"), measures=MEASURES)
    found = Findings()
    with workshop() as directory:
        template = make_template(directory, policy, hubs=2)
        with template.open(directory / "city") as city:
            for _ in range(count):
                template.reset(city)
                draws = TaggedDraws(chance)
                with patch.object(noise, "draw", draws):
                    history = History(city, chance, draws)
                    history.play()
                one = inspect(list(signed_bodies(city.hubs)), draws, policy)
                one.draws_after_restore = history.draws_after_restore
                one.done = history.done
                found.add(one)
    return found


def signed_bodies(hubs: Sequence[HubSimulator]) -> Iterator[TrendBody]:
    """What the hubs have of the city."""
    for hub in hubs:
        for envelope in hub.envelopes.values():
            if envelope.kind == "trend":
                yield _body_of(envelope)


def _body_of(envelope: Envelope) -> TrendBody:
    return TrendBody.from_object(parse_strict(envelope.payload)["body"])


@dataclass
class History:
    """One city's random life. `_old` is a copy of its database and the number of entries in that copy's ledger."""

    city: City
    chance: random.Random
    draws: TaggedDraws
    done: Counter[str] = field(default_factory=Counter)
    draws_after_restore: int = 0
    _requests: list[str] = field(default_factory=list)
    _released: list[tuple[str, str]] = field(default_factory=list)
    _old: tuple[bytes, int] | None = None
    _outdated: bool = False
    _most: int = 2

    def play(self) -> None:
        """Some months of records, then random steps, then a last round of sync."""
        self._choose_settings()
        self._import_months()
        steps: dict[Callable[[], object], int] = {
            self._release: 12, self._import_again: 2, self._import_late: 2, self._correct: 3, self._preview: 1,
            self._refuse: 2, self._approve_and_sync: 4, self._back_up: 1, self._restore: 1, self._resume: 1,
            self._hub_away: 1, self._choose_settings: 1,
        }  # fmt: skip
        chosen = self.chance.choices(list(steps), list(steps.values()), k=STEPS)
        if self.chance.random() < SHARE_RESTORED:  # a copy that will be older than what the hubs have
            chosen[2:2] = [self._back_up]
            chosen[-2:-2] = [self._release, self._approve_and_sync, self._restore, self._release]
        for step in chosen:
            self._do(step)
        self._do(self._approve_and_sync)

    def _do(self, step: Callable[[], object]) -> None:
        """A step may be refused; on an old copy of the data directory no step may draw."""
        before = len(self.draws.scales)
        name = step.__name__.strip("_")
        try:
            step()
            self.done[name] += 1
        except VerbError as error:
            self.done[f"{name}_refused"] += 1
            self.done[f"refused_for_{error.code}"] += 1
        if self._outdated:
            self.draws_after_restore += len(self.draws.scales) - before

    def _choose_settings(self) -> None:
        """A strict city spends half; a city without noise keeps to thresholds, and has figures that reach them."""
        engine = self.chance.choices(("noise", "strict", "threshold"), (8, 1, 2 if HAS_THRESHOLDS else 0))[0]
        self._most = MOST_OF_THRESHOLD_CITIES if engine == "threshold" else 2
        self.city.restart(
            protection="threshold" if engine == "threshold" else "noise",
            privacy_profile="strict" if engine == "strict" else "default",
        )
        self.done[f"{engine}_chosen"] += 1

    def _rows(self, months: Sequence[str]) -> list[list[str]]:
        codes = cell_codes(CELLS)
        return [
            [f"{month}-{self.chance.randint(1, 28):02d}", *(self.chance.choice(codes) for _ in EPSILONS)]
            for month in months
            for _ in range(self.chance.randint(0, self._most))
        ]

    def _import_months(self) -> None:
        months = months_from(YEAR, MONTHS)
        for measure in MEASURES:
            self.city.import_events(self._rows(months), months, measure=measure)

    def _some(self) -> tuple[str, list[str]]:
        months = months_from(YEAR, MONTHS)
        return self.chance.choice(MEASURES), [self.chance.choice(months)]

    def _import_again(self) -> None:
        """A file that says something else about a month; refused once that is released."""
        measure, months = self._some()
        self.city.import_events(self._rows(months), months, measure=measure)

    def _import_late(self) -> None:
        """Another agency's file for a month that may be released."""
        measure, months = self._some()
        self.city.import_events(self._rows(months), months, measure=measure, agency=LATE_AGENCY)

    def _correct(self) -> None:
        """A file that corrects something that was released, and the release of the correction."""
        if self._released:
            table, period = self.chance.choice(self._released)
            _, months = self._some()
            months = [period] if period in months_from(YEAR, MONTHS) else months
            self.city.import_events(self._rows(months), months, measure=table.split(".")[0], correction=True)
            answer = self.city.run("release.numbers", table=table, period=period, correction=True)
            self._requests.append(answer["request"])
            self.done["corrections_drawn"] += 1

    def _release(self) -> None:
        """A month, or a quarter: after its months this is refused, before them it may be the one draw."""
        measure, months = self._some()
        longer = (f"{YEAR}-Q1", f"{YEAR}-Q2")
        share_longer = 0.9 if self.city.node.settings.protection == "threshold" else 0.3
        period = self.chance.choice(longer) if self.chance.random() < share_longer else months[0]
        table = f"{measure}.by_{self.chance.choice(list(EPSILONS))}"
        epsilon = {"epsilon_milli": self.chance.choice((100, 250, 2000))} if self.chance.random() < 0.3 else {}
        answer = self.city.run("release.numbers", table=table, period=period, **epsilon)
        self._requests.append(answer["request"])
        self._released.append((table, period))

    def _preview(self) -> None:
        measure, months = self._some()
        self.city.run("release.preview", table=f"{measure}.by_phenomenon", period=months[0])

    def _refuse(self) -> None:
        """Refuse what was asked last, and let somebody ask again."""
        if self._requests:
            request = self._requests.pop()
            subject = self.city.run("release.show", request=request)["subject"]
            self.city.run("release.refuse", by=REVIEWER, request=request, reason="not this month")
            table, _, period, *correction = subject.split("/")
            again = self.city.run("release.numbers", table=table, period=period, correction=bool(correction))
            self._requests.append(again["request"])

    def _approve_and_sync(self) -> None:
        waiting, self._requests = self._requests, []
        for request in waiting:
            self.city.run("release.approve", by=REVIEWER, request=request)
        self.city.run("sync")

    def _back_up(self) -> None:
        if not self._outdated:
            self._old = self.city.copy_database(), self.city.run("ledger.verify")["entries"]

    def _restore(self) -> None:
        """Put the old copy back. Once the hubs have a release that it does not know, nothing may be drawn any more."""
        if self._old is not None:
            content, entries = self._old
            self.city.restart(content)
            self._requests = []
            self._outdated = self._newest_at_hub() > entries
            self.done["restore_of_an_outdated_copy"] += self._outdated

    def _resume(self) -> None:
        """Fetch back what an old copy does not know; then releases may go on."""
        self.city.run("ledger.resume")
        self._outdated = False

    def _hub_away(self) -> None:
        """After a start with the home hub away nothing new can be confirmed, so nothing is drawn."""
        self.city.restart()
        before = len(self.draws.scales)
        home = self.city.hubs[0]
        home.lie = Lie.UNREACHABLE
        try:
            self._release()
        finally:
            home.lie = None
            self.draws_after_restore += len(self.draws.scales) - before

    def _newest_at_hub(self) -> int:
        return max((body.ledger.seq for body in signed_bodies(self.city.hubs[:1])), default=0)
