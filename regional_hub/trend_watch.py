"""Trend watch: what rises in several places at once, and is unlikely to be chance. Plain functions of their arguments.

    alarms = FalseAlarms(years=2, tests_a_year=count_tests(policy, kinds=2))
    judge_places(histories, least=3, level=alarms.level)      cities, or the regions below by what they show
    judge_sum(history, level=alarms.level)                    the hub's own sum, by what it shows

**One place.** A figure rises when it is above the mean of the twelve before it beyond chance (`shared_schema.change`):
noise, a count that is itself random, and the jumps that the place's own twelve periods show. It is tested at
`TESTED_AT` and counted as `COUNTED_AS`, twice as much: counts that cluster have a longer tail than the rule takes for
granted, and at this level reach up to 0.9 in 100 (`test_trend_watch` measures it).

**Several places.** Where nothing has changed, each of n places rises with at most that probability, and their noise
and their chance are independent. So the number that rises is at most binomial, and k of them or more are as unlikely as
its tail says (Clopper and Pearson 1934 use the same tail; for tests: Wilkinson 1951, "A statistical consideration in
psychological research", Psychological Bulletin 48). n is the number of places that have the twelve periods before,
also while some of them have not reported yet: so the many looks at one period, one after each release, together have
the chance of a single one.

**How often in error.** Every table, cell and period is a test for each kind of alert. With a level of
1 / (years * tests a year) for each, the expected number of false alarms in those years is at most one, whatever the
tests have to do with each other (Bonferroni 1936). Whole numbers of places leave most of that unused.

**Never which.** An alert says "at least so many of so many". What it says is kept `UNTOLD` below the number of places
that were judged: otherwise everybody would know that all of them rise, and a city that does not would know it of all
the others.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Literal, get_args

from regional_hub.figures import MONTHS
from shared_schema.change import PERIODS_BEFORE, Measured, last_stands_out
from shared_schema.governance import LEAST_CONTRIBUTORS, PolicyBody
from shared_schema.laplace import variance
from shared_schema.messages import N_
from shared_schema.period import Granularity
from shared_schema.trend import CellStatus, TableDefinition

TESTED_AT: Final = 0.005
COUNTED_AS: Final = 0.01
UNTOLD: Final = 2
"""An alert never says of more places than all but two that they rise."""
PERIODS: Final = PERIODS_BEFORE + 1
"""A history: the period in question and those before it."""
DEFAULT_YEARS: Final = 2

AlertKind = Literal["cities", "regions", "sum"]
ALERT_KINDS: Final[tuple[AlertKind, ...]] = get_args(AlertKind)
ALERT_WORDS: Final[Mapping[AlertKind, str]] = MappingProxyType(
    {
        "cities": N_("Rising in at least %(stated)s of %(judged)s cities, unlikely to be chance"),
        "regions": N_("Rising in at least %(stated)s of %(judged)s regions, unlikely to be chance"),
        "sum": N_("The sum stands out from the twelve periods before, unlikely to be chance"),
    }
)
"""For people; to be translated where it is shown."""

AlertState = Literal["new", "seen", "dismissed"]
ALERT_STATES: Final[tuple[AlertState, ...]] = get_args(AlertState)
OPEN: Final[tuple[AlertState, ...]] = ("new", "seen")
"""What still needs somebody."""
TRANSITIONS: Final[Mapping[tuple[AlertState, AlertState], str]] = MappingProxyType(
    {
        ("new", "seen"): "somebody has looked at it",
        ("new", "dismissed"): "somebody has decided that it needs nothing",
        ("seen", "dismissed"): "the same after a second look",
        ("dismissed", "seen"): "the decision is taken back",
    }
)
"""(from, to) → what happens. Every other change of state is refused; one that is raised again is new again."""


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of one place: the number with its noise, its status, the source kind, and how many cities are in it."""

    measured: Measured
    status: CellStatus = "A"
    source: str = ""
    cities: int = 1


History = Sequence[Point | None]
"""`PERIODS` figures of one place, oldest first; the last is in question. None where there is none."""


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """The promise: where nothing changes, at most one false alarm is to be expected in `years`, over all tests."""

    years: int
    tests_a_year: int

    @property
    def level(self) -> float:
        """The probability of a false alarm that each single test is allowed."""
        return 1 / (self.years * max(1, self.tests_a_year))


@dataclass(frozen=True, slots=True)
class Finding:
    """At least `stated` of `judged` places rise; so many or more would by chance, with this probability at most."""

    stated: int
    judged: int
    chance: float


# --- what is watched -------------------------------------------------------------------------------------------------


def watched_tables(policy: PolicyBody) -> list[tuple[TableDefinition, Granularity]]:
    """The newest wording of every table, with its shortest period.

    Not of what is in stock: such numbers stay from period to period, so that neighbours say nothing about chance.
    """
    newest = {table.id: table for table in sorted(policy.tables, key=lambda table: table.version)}
    return [
        (table, min(table.granularities, key=MONTHS.__getitem__))
        for table in newest.values()
        if not policy.counts_stock(table.measure)
    ]


def count_tests(policy: PolicyBody, kinds: int) -> int:
    """How many tests a year there are: tables x cells x periods, for so many kinds of alerts."""
    return kinds * sum(len(table.cells) * (12 // MONTHS[by]) for table, by in watched_tables(policy))


def alert_id(kind: AlertKind, table: TableDefinition, cell: str, period: str) -> str:
    """The same for ever for one kind, table, cell and period."""
    return hashlib.sha256(f"{kind} {table.id}@{table.version} {cell} {period}".encode()).hexdigest()[:20]


# --- judging ---------------------------------------------------------------------------------------------------------


def judge_places(histories: Iterable[History], *, least: int, level: float) -> Finding | None:
    """Whether so many places rise that chance alone would hardly do it; None when not.

    `least` is the policy's number of contributors, three at any rate.
    """
    alike = [history for history in histories if has_past(history)]
    judged = [history for history in alike if can_be_judged(history)]
    rising = sum(_rises(history, TESTED_AT) for history in judged)
    stated = min(rising, len(judged) - UNTOLD)
    if stated < max(LEAST_CONTRIBUTORS, least):
        return None
    chance = binomial_tail(len(alike), COUNTED_AS, stated)
    return Finding(stated, len(judged), chance) if chance <= level else None


def judge_sum(history: History, *, level: float) -> bool:
    """Whether a sum is above the twelve before it, beyond chance at this level."""
    return can_be_judged(history) and _rises(history, level)


def has_past(history: History) -> bool:
    """Whether the twelve before are there and counted alike."""
    return _are_alike(history[:-1])


def can_be_judged(history: History) -> bool:
    """Whether all thirteen are there and counted alike.

    A break, another definition or another source is not alike; nor is a figure of more cities than any before it.
    """
    if not has_past(history) or not _are_alike(history):
        return False
    *before, last = (point.cities for point in history if point is not None)
    return last <= min(before)


def _are_alike(points: Sequence[Point | None]) -> bool:
    sources = {point.source if point is not None and point.status == "A" else None for point in points}
    return len(sources) == 1 and None not in sources


def _rises(history: History, level: float) -> bool:
    measured = [None if point is None else point.measured for point in history]
    return last_stands_out(measured, confidence=1 - 2 * level)


def binomial_tail(places: int, probability: float, least: int) -> float:
    """The probability that `least` or more of so many places do what each does with this probability."""
    if least > places:
        return 0.0
    ways = math.lgamma(places + 1) - math.lgamma(least + 1) - math.lgamma(places - least + 1)
    term = math.exp(ways + least * math.log(probability) + (places - least) * math.log1p(-probability))
    total = term
    for count in range(least, places):
        term *= (places - count) / (count + 1) * probability / (1 - probability)
        total += term
    return min(1.0, total)


def sealed_draws(noise_variance: float, table: TableDefinition, by: Granularity) -> int:
    """The same for a sealed total, whose noise two hubs have drawn for each batch, at the table's epsilon mostly.

    Where its variance is no whole number of such pairs, it may be that of one pair alone.
    """
    one = variance(Fraction(1000, table.epsilon_milli_for(by)))
    draws = round(noise_variance / one)
    fits = draws % 2 == 0 and abs(draws * one - noise_variance) <= max(1, draws) / 1000
    return max(2, draws) if fits else 2


def draws_of(noise_variance: float, contributors: int, table: TableDefinition) -> int:
    """How many equal draws of noise have tails as long as those of a sum that only says its variance.

    Nobody draws with less than the policy's noise. So the longest tails are those of a sum in which one city has all
    the variance that the others, at the least noise, leave over.
    """
    least = variance(Fraction(1000, table.epsilon_milli))
    cities = min(contributors, int(noise_variance / least + 0.001))
    if cities <= 1:
        return 1
    largest = noise_variance - (cities - 1) * least
    return max(1, int(noise_variance**2 / (largest**2 + (cities - 1) * least**2)))
