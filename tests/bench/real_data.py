"""Two public series of incidents as true counts by city, month and cell. The files stay where they are.

    if (data := read_arvig()) is not None:
        data.counts.shape          (1869 cities, 42 months, 6 cells)

- FBI, Uniform Crime Reporting, hate crime incidents 2010-2020 (United States, public domain): police agencies of the
  type *City*; cells are groups of the bias. An incident with several biases counts once, in the one named first.
- arvig, a chronicle of events against refugees in Germany (davben/arvig, CC0; Amadeu Antonio Stiftung / PRO ASYL),
  January 2014 to June 2017: municipalities; cells are categories. Rows that are equal in every column count once, and
  a combined category "a & b" as "a". The source has more months, which are not complete
  (deploy/demo/figures/README.md).

A city is in the data when it has at least one incident in all the months together. A month without one is a zero.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROOT: Final = Path(__file__).parent.parent.parent
FOLDER: Final = ROOT.parent / "shared" / "data"
FBI_FILE: Final = FOLDER / "fbi_hate_crime_2010_2020.csv.gz"
ARVIG_FILE: Final = FOLDER / "arvig_events_2014_2017.csv.gz"
Counts = NDArray[np.int64]

BIAS_CELLS: Final = ("black", "white", "race_other", "jewish", "muslim", "religion_other", "lgbt", "other")
_RACE: Final = (
    "Hispanic or Latino", "Other Race/Ethnicity/Ancestry", "Asian", "Multiple Races, Group",
    "American Indian or Alaska Native", "Arab", "Native Hawaiian or Other Pacific Islander",
)  # fmt: skip
_RELIGION: Final = (
    "Other Religion", "Catholic", "Multiple Religions, Group", "Protestant", "Sikh",
    "Eastern Orthodox (Russian, Greek, Other)", "Other Christian", "Atheism/Agnosticism", "Hindu", "Buddhist",
    "Mormon", "Jehovah's Witness",
)  # fmt: skip
_LGBT: Final = (
    "Gay (Male)", "Lesbian, Gay, Bisexual, or Transgender (Mixed Group)", "Lesbian (Female)", "Transgender", "Bisexual",
    "Gender Non-Conforming",
)  # fmt: skip
BIAS_CELL_OF: Final = {
    "Anti-Black or African American": "black",
    "Anti-White": "white",
    "Anti-Jewish": "jewish",
    "Anti-Islamic (Muslim)": "muslim",
    **{f"Anti-{name}": "race_other" for name in _RACE},
    **{f"Anti-{name}": "religion_other" for name in _RELIGION},
    **{f"Anti-{name}": "lgbt" for name in _LGBT},
}
"""The FBI's 35 biases on 8 cells; disability, gender, heterosexual and unknown are `other`."""
OFFENCE_CELLS: Final = {
    "assault": "assault",
    "arson": "arson",
    "demonstration": "demonstration",
    "miscellaneous attack": "attack",
    "suspicion": "unconfirmed",
    "other": "other",
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One row: where (a city and its state), when, and in which cell."""

    city: str
    state: str
    day: date
    cell: str


@dataclass(frozen=True)
class RealData:
    """True counts. `counts[city, month, cell]`; cities are in the order of their states; months follow each other."""

    name: str
    cells: tuple[str, ...]
    months: tuple[str, ...]
    cities: tuple[str, ...]
    states: tuple[str, ...]
    counts: Counts
    incidents: tuple[Incident, ...]

    @property
    def total_per_city(self) -> Counts:
        """Incidents of each city in all months together."""
        return np.asarray(self.counts.sum(axis=(1, 2)), dtype=np.int64)

    @property
    def units_a_year(self) -> NDArray[np.float64]:
        """Incidents of each city in a mean year."""
        return self.total_per_city * 12 / len(self.months)


def read_all() -> tuple[RealData, ...]:
    """Whichever of the two series is there."""
    return tuple(data for data in (read_fbi(), read_arvig()) if data is not None)


def read_fbi() -> RealData | None:
    """The FBI's incidents of city agencies; None when the file is not there."""
    if not FBI_FILE.is_file():
        return None
    incidents = (
        Incident(row["ORI"], row["STATE_ABBR"], date.fromisoformat(row["INCIDENT_DATE"]), _bias_cell(row["BIAS_DESC"]))
        for row in _read_rows(FBI_FILE)
        if row["AGENCY_TYPE_NAME"] == "City"
    )
    return count_by_city("fbi", BIAS_CELLS, months_between("2010-01", "2020-12"), incidents)


def read_arvig() -> RealData | None:
    """The chronicle's events by municipality; None when the file is not there."""
    if not ARVIG_FILE.is_file():
        return None
    rows = dict.fromkeys(tuple(row.items()) for row in _read_rows(ARVIG_FILE))
    incidents = (_arvig_incident(dict(row)) for row in rows)
    return count_by_city("arvig", tuple(OFFENCE_CELLS.values()), months_between("2014-01", "2017-06"), incidents)


def months_between(first: str, last: str) -> tuple[str, ...]:
    """The labels of the months from `first` to `last`, both included."""
    years = range(int(first[:4]), int(last[:4]) + 1)
    every = (f"{year}-{month:02}" for year in years for month in range(1, 13))
    return tuple(label for label in every if first <= label <= last)


def count_by_city(
    name: str, cells: tuple[str, ...], months: tuple[str, ...], incidents: Iterable[Incident]
) -> RealData:
    """Count the incidents of the given months. Raises KeyError for a cell that is not in the grid.

    A city that the file puts into two states (5 of arvig's keys) is one city, in the state of most of its incidents.
    """
    within = tuple(incident for incident in incidents if months[0] <= f"{incident.day:%Y-%m}" <= months[-1])
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in within:
        found[each.city][each.state] += 1
    cities = sorted((max(sorted(states), key=states.__getitem__), city) for city, states in found.items())
    city_place = {city: place for place, (_, city) in enumerate(cities)}
    month_place = {month: place for place, month in enumerate(months)}
    cell_place = {cell: place for place, cell in enumerate(cells)}
    counts = np.zeros((len(cities), len(months), len(cells)), dtype=np.int64)
    for each in within:
        counts[city_place[each.city], month_place[f"{each.day:%Y-%m}"], cell_place[each.cell]] += 1
    names, states = tuple(city for _, city in cities), tuple(state for state, _ in cities)
    return RealData(name, cells, months, names, states, counts, within)


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _bias_cell(description: str) -> str:
    return BIAS_CELL_OF.get(description.split(";")[0], "other")


def _arvig_incident(row: dict[str, str]) -> Incident:
    """The municipality is the 12-digit key without the digits of the association of municipalities."""
    key, category = row["community_id"], row["category_en"].split(" & ")[0]
    return Incident(key[:5] + key[9:], row["state"], date.fromisoformat(row["date"]), OFFENCE_CELLS[category])
