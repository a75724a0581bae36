"""That the utility study's arrays are what the program publishes: the same figures by way of the program's own code.

Some cities' incidents go through `tabulation` (events, returns, table), `disclosure` (noise, protected table,
statement) and the hub's `rollup` and `aggregate.add_up`, with the noise that the arrays have. Every month of a
quarter, the quarter itself and the quarter that the hub adds up from the months are compared, cell by cell, for
cities, states and nation.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from local_node.disclosure import StoredDraw, add_noise, protect, to_trend_body
from local_node.noise import LIBRARY
from local_node.tabulation import Collected, EventCount, count_events, tabulate
from regional_hub.aggregate import add_up
from regional_hub.rollup import Contribution, shares_of
from shared_schema.laplace import variance_milli
from shared_schema.period import Area, Period, parse_period
from shared_schema.trend import ReviewNote, TableDefinition, TrendBody
from shared_schema.vocabulary import SourceKind
from tests.bench.figures import Figure, exactly
from tests.bench.real_data import Counts, Incident, RealData
from tests.bench.utility_draws import SCALE, add_to_level, draw_noise, to_periods

LARGEST, BY_LOT = 12, 36
"""Cities that are compared: the ones with the most incidents, and others."""
QUARTERS: Final = {"fbi": "2020-Q2", "arvig": "2016-Q1"}
"""Those with the known peaks."""
AREA: Final = Area(scheme="ISO3166", version="2020", code="DE")
REVIEW: Final = ReviewNote(role="reviewer", detector="narrative 1", findings=0)
AGENCY: Final = "city"
SOURCE: Final = SourceKind("police_recorded")


def check_arrays(data: RealData) -> Iterator[Figure]:
    """Cells in which the program's figures differ from the arrays'; none may."""
    quarter = parse_period(QUARTERS[data.name])
    first = data.months.index(quarter.start[:7])
    places = _choose(data)
    counts = data.counts[places, first : first + 3]
    arrays = {"month": (counts, draw_noise(counts.shape))}
    quarterly = to_periods(counts, 3)
    arrays["quarter"] = (quarterly, draw_noise(quarterly.shape))
    program = _Program(data, places)
    for name, (truth, noise) in arrays.items():
        labels = data.months[first : first + 3] if name == "month" else (quarter.label,)
        statements = [program.release(parse_period(label), noise[:, at]) for at, label in enumerate(labels)]
        differences = compared = 0
        for at, label in enumerate(labels):
            found = program.count_differences(statements[at], truth[:, at] + noise[:, at], parse_period(label), 1)
            differences, compared = differences + found[0], compared + found[1]
        yield exactly(f"utility_{data.name}_{name}_cells_unlike_the_program", differences, bar=0, sample_size=compared)
        if name == "month":
            months = [each for group in statements for each in group]
            sums = to_periods(truth + noise, 3)[:, 0]
            differences, compared = program.count_differences(months, sums, quarter, 3)
            figure = f"utility_{data.name}_rolled_up_cells_unlike_the_program"
            yield exactly(figure, differences, bar=0, sample_size=compared)


class _Program:
    """The chosen cities as nodes, and a hub for every state and the nation."""

    def __init__(self, data: RealData, places: Sequence[int]) -> None:
        self.names = [data.cities[place] for place in places]
        self.states = [data.states[place] for place in places]
        self.table = _make_table(data)
        self.incidents: defaultdict[str, list[Incident]] = defaultdict(list)
        for each in data.incidents:
            self.incidents[each.city].append(each)

    def release(self, period: Period, noise: Counts) -> list[Contribution]:
        """Every city's statement of a period; `noise` has (cities, cells)."""
        pairs = zip(self.names, noise, strict=True)
        return [
            Contribution(f"city{at}.de", f"{period.label}-{at}", self._state(name, period, own))
            for at, (name, own) in enumerate(pairs)
        ]

    def count_differences(
        self, statements: Sequence[Contribution], expected: Counts, period: Period, draws: int
    ) -> tuple[int, int]:
        """(different, compared) cells at every level: estimate and variance of the hub's sum against the arrays."""
        members = [f"city{at}.de" for at in range(len(self.names))]
        nation = {"nation": members}
        cities = {member: [member] for member in members}
        states: defaultdict[str, list[str]] = defaultdict(list)
        for member, state in zip(members, self.states, strict=True):
            states[state].append(member)
        different = compared = 0
        for level, groups in (("city", cities), ("state", states), ("nation", nation)):
            sums = add_to_level(expected, self.states, level)
            for inside, row in zip(groups.values(), sums, strict=True):
                wanted = set(inside)
                shares = shares_of([each for each in statements if each.member in wanted], period)
                body = add_up(shares, self.table, AREA, period, expected=len(inside), revision=1)
                spread = draws * len(inside) * variance_milli(SCALE)
                pairs = zip(body.cells, row, strict=True)
                different += sum((cell.estimate, cell.variance_milli) != (int(own), spread) for cell, own in pairs)
                compared += len(body.cells)
        return different, compared

    def _state(self, city: str, period: Period, noise: Counts) -> TrendBody:
        events = [
            EventCount(AGENCY, f"{each.day:%Y-%m}", each.cell, 1, SOURCE)
            for each in self.incidents[city]
            if period.first_day <= each.day <= period.last_day
        ]
        returns = count_events(events, [Collected(AGENCY, period.label, SOURCE)], self.table)
        frequencies = tabulate(returns, self.table, period, 1)
        draw = StoredDraw(
            seq=1,
            entry_hash=64 * "0",
            table=self.table.reference,
            measure=self.table.measure,
            unit=self.table.unit,
            period=period,
            source_kind=SOURCE,
            epsilon_milli=self.table.epsilon_milli,
            scale=SCALE,
            library=LIBRARY,
            coverage=frequencies.coverage,
            cells=add_noise(frequencies, [int(each) for each in noise]),
        )
        return to_trend_body(protect(frequencies, draw), area=AREA, review=REVIEW)


def _choose(data: RealData) -> list[int]:
    """Places of the cities, in the order of the data, so that those of a state stay beside each other."""
    order = np.argsort(data.total_per_city)[::-1]
    others = np.random.default_rng().choice(order[LARGEST:], min(BY_LOT, max(0, len(order) - LARGEST)), replace=False)
    return sorted(int(place) for place in (*order[:LARGEST], *others))


def _make_table(data: RealData) -> TableDefinition:
    return TableDefinition(
        id=f"{data.name}.by_cell",
        version=1,
        measure=data.name,
        title="Incidents by cell",
        unit="record",
        dimension="cell",
        cells=data.cells,
        source_kinds=(SOURCE,),
        granularities=("month", "quarter", "year"),
        epsilon_milli=1000,
    )
