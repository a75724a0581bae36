"""What must not be in anything that a city has published: judged from the published bodies alone.

In place of the noise stands a draw of *tags*: every draw is another multiple of `TAG`, which is larger than any count,
so that a published figure says by itself which draw is in it. A program that drew nothing, used a draw twice, drew a
figure anew, or drew with a smaller scale than it states, is seen in what it has published.

    draws = TaggedDraws(random.SystemRandom())
    ...                                             the program draws with it and publishes bodies
    inspect(bodies, draws, policy).deductions       0

Source for the attack: `disclosure_deduction`. The hubs' sums are combinations of what was signed, so they add nothing
to what somebody who sees all of that can combine.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.spending import audit_spending, months_of
from shared_schema.trend import LaplaceMechanism, ThresholdMechanism, TrendBody
from tests.bench.disclosure_city import cell_codes
from tests.bench.disclosure_deduction import Combination, deducible_counts
from tests.bench.disclosure_spending import Spent, count_overspends

TAG = 1000
MOST_TAGS = 900_000
"""TAG * MOST_TAGS is as much as a statement has a place for."""
CELLS = 2


@dataclass
class Findings:
    """Counts of what must not be, and of what was done (`done`)."""

    histories: int = 0
    deductions: int = 0
    shared_draws: int = 0
    two_values: int = 0
    weak_draws: int = 0
    overspends: int = 0
    draws_after_restore: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Findings") -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class TaggedDraws:
    """In place of the noise: each draw is a multiple of TAG that no other draw is. Remembers each draw's scale."""

    def __init__(self, chance: random.Random) -> None:
        self.scales: dict[int, Fraction] = {}
        self._chance = chance

    def __call__(self, scale: Fraction, count: int) -> tuple[int, ...]:
        return tuple(self._one(scale) for _ in range(count))

    def _one(self, scale: Fraction) -> int:
        while (tag := self._chance.randint(1, MOST_TAGS)) in self.scales:
            continue
        self.scales[tag] = scale
        return tag * TAG


def inspect(bodies: Sequence[TrendBody], draws: TaggedDraws, policy: PolicyBody) -> Findings:
    """Judge what one city has signed, all of it."""
    found = Findings(histories=1)
    values: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    rounded: defaultdict[tuple[str, ...], set[object]] = defaultdict(set)
    for body in bodies:
        for cell in body.cells:
            if cell.value is not None and isinstance(body.mechanism, LaplaceMechanism):
                values[_name_of(body, *cell.dims.values())].add(cell.value)
                scale = draws.scales.get(round(cell.value / TAG))
                found.weak_draws += scale is None or scale < body.mechanism.scale.to_fraction()
            elif isinstance(body.mechanism, ThresholdMechanism):  # attacked by `disclosure_threshold`
                rounded[_name_of(body, *cell.dims.values())].add((cell.value, cell.low, cell.high))
                found.weak_draws += (cell.value or 0) % body.mechanism.base != 0
    figures = {(name, value) for name, several in values.items() for value in several}
    found.two_values = sum(len(several) > 1 for several in values.values())
    found.two_values += sum(len(several) > 1 for several in rounded.values())
    uses = Counter(round(value / TAG) for _, value in figures)
    found.shared_draws = sum(times > 1 for times in uses.values())
    found.deductions = len(deducible_counts([*(_combination(*figure) for figure in figures), *_known_sums(figures)]))
    spent = [Spent(body.table.id, body.period, _epsilon_of(body), bool(body.correction)) for body in _once(bodies)]
    found.overspends = count_overspends(spent, policy) + len(audit_spending(_once(bodies), policy).findings)
    return found


def _epsilon_of(body: TrendBody) -> int:
    return 0 if body.privacy is None else body.privacy.epsilon_milli


def _once(bodies: Sequence[TrendBody]) -> list[TrendBody]:
    """Every release once, although two hubs have it."""
    return list({body.to_bytes(): body for body in bodies}.values())


def _name_of(body: TrendBody, cell: str) -> tuple[str, ...]:
    return (body.table.id, body.period.label, str(body.correction or 0), cell)


def _combination(name: tuple[str, ...], value: int) -> Combination:
    """A figure as true counts of months (a longer period is their sum) and the draw that it shows."""
    table, label, correction, cell = name
    tag = round(value / TAG)
    first, last = months_of(parse_period(label))
    months = [f"{table} {month} {cell}" for month in range(first, last + 1)]
    counts = dict.fromkeys(months if correction == "0" else [f"{table} {label} {cell} change {correction}"], 1)
    return Combination(counts, {tag: 1} if tag else {})


def _known_sums(figures: set[tuple[tuple[str, ...], int]]) -> Iterator[Combination]:
    """What everybody knows: a record is in every table of its measure, so their totals of a month are one."""
    months: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for (table, label, _, _), _ in figures:
        first, last = months_of(parse_period(label))
        for month in range(first, last + 1):
            months[table.split(".")[0], month].add(table)
    for (_, month), tables in months.items():
        one, *others = sorted(tables)
        for other in others:
            here = {f"{one} {month} {cell}": 1 for cell in cell_codes(CELLS)}
            there = {f"{other} {month} {cell}": -1 for cell in cell_codes(CELLS)}
            yield Combination(here | there, {})
