"""The engine without noise, attacked: can a suppressed count be worked out from all that a city has released?

Three tables of one measure, four quarters, then the year: fifteen releases a city and year, each made by
`local_node.suppression` with threshold 10 and knowing those before it. Afterwards the attacker of `local_node.attack`
looks for the tightest interval of every suppressed cell, in each release alone, together with the three before it, and
in all releases of the year. Real cities come from the FBI's hate crime incidents (by group of the bias, by offence, by
place), made-up ones from SystemRandom.

The same attacker is then set on the naive way, small counts suppressed and everything else published: if it found
nothing there, it would be no attacker.
"""

import csv
import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from typing import Final

from local_node.attack import PublishedTable, audit
from local_node.disclosure import StoredDraw
from local_node.errors import DisclosureError
from local_node.suppression import as_published, suppress
from local_node.tabulation import FrequencyCell, FrequencyTable
from shared_schema.period import parse_period
from shared_schema.trend import Coverage, ReleasedCell, TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.bench.figures import Figure, above, at_least, exactly, measured
from tests.bench.real_data import BIAS_CELL_OF, BIAS_CELLS, FBI_FILE

THRESHOLD: Final = 10
REAL_CITY_YEARS: Final = 24
RANDOM_CITY_YEARS: Final = 24
LEAST_A_YEAR: Final = 40
"""Incidents: smaller cities have nothing to show, and so nothing that could give anything away."""
OFFENCES: Final = {
    "Intimidation": "intimidation",
    "Simple Assault": "assault",
    "Aggravated Assault": "assault_bad",
    "Destruction/Damage/Vandalism of Property": "damage",
    "Robbery": "theft",
    "Larceny": "theft",
    "Burglary/Breaking & Entering": "theft",
}
PLACES: Final = {
    "Residence/Home": "home",
    "Highway/Road/Alley/Street/Sidewalk": "street",
    "School/College": "school",
    "School-Elementary/Secondary": "school",
    "School-College/University": "school",
    "Church/Synagogue/Temple/Mosque": "worship",
    "Parking/Drop Lot/Garage": "parking",
}
GRIDS: Final = {
    "bias": BIAS_CELLS,
    "offence": (*dict.fromkeys(OFFENCES.values()), "other"),
    "place": (*dict.fromkeys(PLACES.values()), "other"),
}
Records = Mapping[str, Sequence[tuple[str, str, str]]]
"""Quarter → records with their cell in each of the three tables."""


@dataclass
class Tally:
    """What was released, and what the attacker found."""

    releases: int = 0
    held_back: int = 0
    primary: int = 0
    secondary: int = 0
    shown: int = 0
    units: int = 0
    units_hidden: int = 0
    exact: int = 0
    wrong: int = 0
    narrowest: Counter[str] = field(default_factory=Counter)
    naive_exact: int = 0
    naive_primary: int = 0

    def note_width(self, name: str, width: int) -> None:
        self.narrowest[name] = min(self.narrowest.get(name, width), width)

    def add(self, other: "Tally") -> None:
        for name in (
            "releases",
            "held_back",
            "primary",
            "secondary",
            "shown",
            "units",
            "units_hidden",
            "exact",
            "wrong",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.naive_exact += other.naive_exact
        self.naive_primary += other.naive_primary
        for name, width in other.narrowest.items():
            self.note_width(name, width)


def measure_threshold() -> Iterator[Figure]:
    """The attack on made-up cities, and on real ones where the data is there."""
    chance = random.SystemRandom()
    yield from _measure("random", [random_city(chance) for _ in range(RANDOM_CITY_YEARS)])
    real = read_city_years()
    if not real:
        yield measured("threshold_real_skipped_data_not_there", 0, sample_size=0)
        return
    yield from _measure("fbi", chance.sample(real, min(REAL_CITY_YEARS, len(real))))


def _measure(name: str, cities: Sequence[Records]) -> Iterator[Figure]:
    total = Tally()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for tally in pool.map(release_year, cities):
            total.add(tally)
    hidden = total.primary + total.secondary
    figure = partial(measured, sample_size=total.releases)
    yield figure(f"threshold_{name}_releases", total.releases)
    yield figure(f"threshold_{name}_releases_held_back", total.held_back)
    yield figure(f"threshold_{name}_cells_suppressed_small_percent", 100 * total.primary / (hidden + total.shown))
    yield figure(f"threshold_{name}_cells_suppressed_beside_percent", 100 * total.secondary / (hidden + total.shown))
    yield figure(f"threshold_{name}_units_suppressed_percent", 100 * total.units_hidden / total.units)
    yield exactly(f"threshold_{name}_suppressed_cells_recovered_exactly", total.exact, bar=0, sample_size=hidden)
    yield exactly(f"threshold_{name}_true_counts_outside_their_interval", total.wrong, bar=0, sample_size=hidden)
    for scope in ("alone", "with_three_before", "whole_year"):
        width = total.narrowest[scope]
        yield at_least(
            f"threshold_{name}_narrowest_small_cell_{scope}", width, bar=THRESHOLD - 1, sample_size=total.primary
        )
    yield above(
        f"threshold_{name}_recovered_exactly_from_naive_suppression",
        total.naive_exact,
        bar=0,
        sample_size=total.naive_primary,
    )


# --- one city, one year --------------------------------------------------------------------------------------------


def release_year(records: Records) -> Tally:
    """Release three tables of four quarters and of the year, and attack what is out."""
    tally, stored, naive = Tally(), list[StoredDraw](), list[PublishedTable]()
    truths: dict[tuple[str, str], list[int]] = {}
    year = sorted(records)[0][:4]
    periods = {**dict(sorted(records.items())), year: [each for part in records.values() for each in part]}
    for label, found in periods.items():
        for number, (name, grid) in enumerate(GRIDS.items()):
            counts = _count(found, number, grid)
            table = _table(name, grid, label, counts)
            naive.append(_naive(name, grid, label, counts))
            try:
                cells = suppress(table, stored, threshold=THRESHOLD)
            except DisclosureError:
                tally.held_back += 1
                continue
            stored.append(_stored(table, cells, len(stored) + 1))
            truths[as_published(stored[-1]).table, label] = counts
            _note_release(tally, cells, counts)
            _note_attack(tally, stored)
    for deduced in audit([as_published(each) for each in stored]):
        truth = truths[deduced.place.table, deduced.place.period][deduced.place.cell]
        tally.exact += deduced.width == 0
        tally.wrong += not deduced.low <= truth <= deduced.high
        if deduced.is_primary:
            tally.note_width("whole_year", deduced.width)
    found_naively = [each for each in audit(naive) if each.is_primary]
    tally.naive_primary += len(found_naively)
    tally.naive_exact += sum(each.width == 0 for each in found_naively)
    return tally


def _note_release(tally: Tally, cells: Sequence[ReleasedCell], counts: Sequence[int]) -> None:
    tally.releases += 1
    for cell, count in zip(cells, counts, strict=True):
        tally.units += count
        if cell.status == "Q":
            tally.units_hidden += count
            tally.primary += count < THRESHOLD
            tally.secondary += count >= THRESHOLD
        else:
            tally.shown += 1


def _note_attack(tally: Tally, stored: Sequence[StoredDraw]) -> None:
    for name, known in (("alone", stored[-1:]), ("with_three_before", stored[-4:])):
        for deduced in audit([as_published(each) for each in known]):
            if deduced.is_primary:
                tally.note_width(name, deduced.width)


def _naive(name: str, grid: Sequence[str], label: str, counts: Sequence[int]) -> PublishedTable:
    """Small counts suppressed, the others as they are."""
    bounds = ((0, THRESHOLD - 1) if count < THRESHOLD else (count, count) for count in counts)
    cells = tuple(
        ReleasedCell(dims={name: code}, status="Q", low=low, high=high)
        for code, (low, high) in zip(grid, bounds, strict=True)
    )
    return PublishedTable(name, parse_period(label), THRESHOLD, cells)


def _count(records: Iterable[tuple[str, str, str]], number: int, grid: Sequence[str]) -> list[int]:
    counts = Counter(record[number] for record in records)
    return [counts[code] for code in grid]


def _table(name: str, grid: Sequence[str], label: str, counts: Sequence[int]) -> FrequencyTable:
    definition = TableDefinition(
        id=f"bias_incidents.by_{name}",
        version=1,
        measure="bias_incidents",
        title=name,
        unit="record",
        dimension=name,
        cells=tuple(grid),
        source_kinds=(SourceKind.POLICE_RECORDED,),
        granularities=("quarter", "year"),
        epsilon_milli=500,
    )
    cells = tuple(FrequencyCell(code, "A", count) for code, count in zip(grid, counts, strict=True))
    whole = Coverage(reporting=1, expected=1)
    return FrequencyTable(definition, parse_period(label), SourceKind.POLICE_RECORDED, cells, whole)


def _stored(table: FrequencyTable, cells: tuple[ReleasedCell, ...], seq: int) -> StoredDraw:
    """As the ledger would keep it."""
    return StoredDraw(
        seq=seq,
        entry_hash=64 * "0",
        table=table.table.reference,
        measure=table.table.measure,
        unit=table.table.unit,
        period=table.period,
        source_kind=table.source_kind,
        epsilon_milli=0,
        scale=Fraction(0),
        library="-",
        coverage=table.coverage,
        cells=cells,
        threshold=THRESHOLD,
    )


# --- cities --------------------------------------------------------------------------------------------------------


def random_city(chance: random.Random) -> Records:
    """A made-up year: between a few and some hundred records a quarter, few cells large and many small."""
    size = chance.choice((20, 60, 200, 400))
    return {
        f"2025-Q{quarter}": [
            (_pick(chance, "bias"), _pick(chance, "offence"), _pick(chance, "place"))
            for _ in range(chance.randint(size // 2, size))
        ]
        for quarter in range(1, 5)
    }


def _pick(chance: random.Random, name: str) -> str:
    grid = GRIDS[name]
    return grid[min(int(chance.expovariate(0.6)), len(grid) - 1)]


def read_city_years() -> list[Records]:
    """Cities and years with at least LEAST_A_YEAR incidents; none when the file is not there."""
    if not FBI_FILE.is_file():
        return []
    years: defaultdict[tuple[str, str], defaultdict[str, list[tuple[str, str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with gzip.open(FBI_FILE, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            year, month = row["INCIDENT_DATE"][:4], int(row["INCIDENT_DATE"][5:7])
            cells = (
                BIAS_CELL_OF.get(row["BIAS_DESC"].split(";")[0], "other"),
                OFFENCES.get(row["OFFENSE_NAME"].split(";")[0], "other"),
                PLACES.get(row["LOCATION_NAME"].split(";")[0], "other"),
            )
            years[row["ORI"], year][f"{year}-Q{(month + 2) // 3}"].append(cells)
    return [
        dict(quarters)
        for quarters in years.values()
        if len(quarters) == 4 and sum(map(len, quarters.values())) >= LEAST_A_YEAR
    ]
