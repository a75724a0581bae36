"""Can somebody who knows everything else tell from a whole release whether one person is in it?

The audit plays that attacker many times against the real command path: a node's data directory, the verbs `import` and
`release.numbers`, OpenDP's unseeded noise, SQLite; the figures are read from the bodies that would be signed. All three
tables of a measure are released, at 1.0 + 0.5 + 0.5 = 2.0. One release plays one game per cell of the grid: person i
stands in cell i of every table, or does not, and the attacker knows what else is in these cells. The games of a release
are independent, as no two share a cell and every cell has noise of its own.

For pure differential privacy every event E has P(E | in) <= e^epsilon P(E | out). The attacker's best event is chosen
beforehand, not after looking: *all three cells are above what the others make up*. There the log likelihood ratio of
three independent discrete Laplace draws is at its largest, 1.0 + 0.5 + 0.5. Both probabilities are bounded by
Clopper-Pearson at 97.5 % each, jointly 95 % (Bonferroni), and

    epsilon >= ln(lower bound of P(E | in) / upper bound of P(E | out))          with 95 % confidence.

So an honest release passes this audit in at least 95 of 100 runs (in about 99 of 100 with 50,000 games a world).

Sources: Jagielski, Ullman, Oprea 2020, "Auditing Differentially Private Machine Learning", section 4; Nasr et al. 2021,
"Adversary Instantiation", section 3; Clopper and Pearson 1934.
"""

import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from unittest.mock import patch

from scipy.stats import beta

from local_node import noise
from tests.bench.disclosure_city import (
    EPSILONS,
    MEASURE,
    PROCESSES,
    City,
    Unit,
    cell_codes,
    make_policy,
    make_template,
    workshop,
)
from tests.bench.figures import Figure, above, measured, within

CLAIMED = sum(EPSILONS.values()) / 1000
GAMES = 50_000
"""In each of the two worlds."""
GAMES_TO_CATCH = 10_000
"""Enough to catch noise of half the scale: its epsilon is 4, and so many games bound it by 3.7."""
CELLS = 100
"""Games a release plays: half with the person in, half without."""
MONTHS_A_NODE = 50
FIRST_YEAR = 1950
"""One month a year, because a preview counts the whole year."""
MOST_OTHERS = 2
RECORDS_OF_A_PERSON = 3
"""So often a person of the person unit is in the file; all but one of these records must count for nothing."""
JOINT_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Tally:
    """In how many games of each world the event was seen."""

    inside: int
    inside_hits: int
    outside: int
    outside_hits: int

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.inside + other.inside,
            self.inside_hits + other.inside_hits,
            self.outside + other.outside,
            self.outside_hits + other.outside_hits,
        )


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What one process plays. `divisor` makes the noise weaker than the ledger says: 1 is honest."""

    releases: int
    cells: int = CELLS
    unit: Unit = "record"
    divisor: int = 1


def measure_audit() -> Iterator[Figure]:
    """The audit for both units of privacy, and the same audit on noise of half the scale, which it has to catch."""
    releases = math.ceil(GAMES / (CELLS // 2))
    units: tuple[Unit, ...] = ("record", "person")
    for unit in units:
        begun = time.perf_counter()
        tally = play(AuditPlan(releases, unit=unit))
        seconds = time.perf_counter() - begun
        bound = epsilon_lower_bound(tally)
        games = min(tally.inside, tally.outside)
        yield within(
            f"membership_audit_epsilon_lower_bound_{unit}", bound, low=0.8 * CLAIMED, high=CLAIMED, sample_size=games
        )
        yield measured(f"membership_audit_epsilon_estimate_{unit}", epsilon_estimate(tally), sample_size=games)
        yield measured(f"membership_audit_seconds_{unit}", seconds, sample_size=games)
    tally = play(AuditPlan(math.ceil(GAMES_TO_CATCH / (CELLS // 2)), divisor=2))
    bound = epsilon_lower_bound(tally)
    games = min(tally.inside, tally.outside)
    yield above("membership_audit_epsilon_lower_bound_halved_noise", bound, bar=CLAIMED, sample_size=games)


def play(plan: AuditPlan) -> Tally:
    """Play the releases of a plan in as many processes as there are cores; fresh nodes all along."""
    shares = [plan.releases // PROCESSES + (place < plan.releases % PROCESSES) for place in range(PROCESSES)]
    plans = [AuditPlan(share, plan.cells, plan.unit, plan.divisor) for share in shares]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(play_here, plans), Tally(0, 0, 0, 0))


def play_here(plan: AuditPlan) -> Tally:
    """Play the releases of a plan in this process."""
    chance = random.SystemRandom()
    tally = Tally(0, 0, 0, 0)
    with workshop() as directory, weakened_noise(plan.divisor):
        template = make_template(directory, make_policy(plan.cells, unit=plan.unit))
        for number, first in enumerate(range(0, plan.releases, MONTHS_A_NODE)):
            months = [f"{FIRST_YEAR + place}-06" for place in range(min(MONTHS_A_NODE, plan.releases - first))]
            with template.open(directory / str(number)) as city:
                tally += _play_on(city, months, plan, chance)
            shutil.rmtree(directory / str(number))
    return tally


@contextmanager
def weakened_noise(divisor: int) -> Iterator[None]:
    """Let the node draw with its scale divided by `divisor` while it charges for the whole: a broken program.

    The one seam is `local_node.noise.draw`, which the verb hands down.
    """
    honest = noise.draw

    def weaker(scale: Fraction, count: int) -> tuple[int, ...]:
        return honest(scale / divisor, count)

    with patch.object(noise, "draw", weaker):
        yield


def _play_on(city: City, months: Sequence[str], plan: AuditPlan, chance: random.Random) -> Tally:
    """One import and three releases a month; `inside` and `others` are what the attacker wants to know and knows."""
    codes = cell_codes(plan.cells)
    inside = {month: set(chance.sample(range(plan.cells), plan.cells // 2)) for month in months}
    others = {month: [chance.randint(0, MOST_OTHERS) for _ in codes] for month in months}
    rows = [row for month in months for row in _rows(month, codes, others[month], inside[month], plan.unit)]
    city.import_events(rows, months, unit=plan.unit)
    tally = Tally(0, 0, 0, 0)
    for month in months:
        seen = [
            [cell["value"] for cell in city.release(f"{MEASURE}.by_{dimension}", month)["body"]["cells"]]
            for dimension in EPSILONS
        ]
        hits = {
            place
            for place, known in enumerate(others[month])
            if all(values[place] > known for values in seen)  # the event
        }
        inside_hits, outside_hits = len(hits & inside[month]), len(hits - inside[month])
        tally += Tally(len(inside[month]), inside_hits, plan.cells - len(inside[month]), outside_hits)
    return tally


def _rows(
    month: str, codes: Sequence[str], others: Sequence[int], inside: set[int], unit: Unit
) -> Iterator[tuple[str, ...]]:
    """The records of a month: `others` in every cell, and the person of every cell in `inside`."""
    for place, code in enumerate(codes):
        for number in range(others[place]):
            yield _row(month, 1 + number, code, f"{month}-{place}-other{number}", unit)
        for day in range(RECORDS_OF_A_PERSON if unit == "person" and place in inside else place in inside):
            yield _row(month, 11 + day, code, f"{month}-{place}-person", unit)


def _row(month: str, day: int, code: str, reference: str, unit: Unit) -> tuple[str, ...]:
    """A record that stands in the same cell of all three tables."""
    cells = (code,) * len(EPSILONS)
    return (f"{month}-{day:02d}", *cells, reference) if unit == "person" else (f"{month}-{day:02d}", *cells)


# --- statistics ----------------------------------------------------------------------------------------------------


def epsilon_lower_bound(tally: Tally) -> float:
    """What epsilon is at least, with 95 % confidence; never more than a finite number of games can show."""
    low, _ = clopper_pearson(tally.inside_hits, tally.inside, JOINT_ERROR / 2)
    _, high = clopper_pearson(tally.outside_hits, tally.outside, JOINT_ERROR / 2)
    return math.log(low / high) if low > 0 else -math.inf


def epsilon_estimate(tally: Tally) -> float:
    """The logarithm of the ratio that was seen."""
    if not tally.inside_hits or not tally.outside_hits:
        return math.nan
    return math.log(tally.inside_hits / tally.inside * tally.outside / tally.outside_hits)


def clopper_pearson(hits: int, games: int, error: float) -> tuple[float, float]:
    """(lower, upper) bound of a probability; each is wrong with a probability of at most `error`."""
    low = 0.0 if hits == 0 else float(beta.ppf(error, hits, games - hits + 1))
    high = 1.0 if hits == games else float(beta.ppf(1 - error, hits + 1, games - hits))
    return low, high
