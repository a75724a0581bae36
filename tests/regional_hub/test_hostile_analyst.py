"""An analyst who asks ten thousand questions learns no figure that is not published (CHECKS D; DESIGN 4).

Three regions and their nation live through half a year: cities release months, late and early, and take some back. The
analyst may ask both levels for every area, cell, period and earlier state of the log, and knows more than anybody can:
of which releases each published figure is made. Everything that was published is a linear equation of those releases;
what follows from all of them together is found by exact elimination. Nothing else may: not the release of a city, not
its quarter, and no sum that was withheld at any time.

Every release is a different large number, so a published figure tells by itself of which releases it is made.
"""

import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from regional_hub.figure_answer import FigurePublisher, find_answer
from regional_hub.figure_index import next_index
from regional_hub.figures import TOTAL, Figure, FigureQueryError
from regional_hub.rollup import longer_than, parts_of
from shared_schema.period import Area, parse_period
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join
from tests.shared_schema import builders

MONTHS = tuple(f"2026-{month:02d}" for month in range(1, 7))
REGIONS = {"sachsen.de": ("DED", 5), "hessen.de": ("DE7", 4), "saarland.de": ("DEC", 3)}
PRIME = 2**61 - 1
"""Elimination modulo a large prime: what holds over the rationals holds here, and an error has no chance."""
Release = tuple[str, str]
"""(city, month): a hub takes one release of a table and period, also when it was taken back."""
Parts = frozenset[Release]


@dataclass
class World:
    """A nation with its regions and cities, and of which releases every sum was made, at every time."""

    nation: RunningHub
    regions: Mapping[str, RunningHub]
    cities: Mapping[str, City]
    chance: random.Random
    values: dict[Release, tuple[int, ...]] = field(default_factory=dict)
    sent: dict[Release, bytes] = field(default_factory=dict)
    active: dict[tuple[str, str], Release] = field(default_factory=dict)
    sums: dict[tuple[str, str, str, int], Parts] = field(default_factory=dict)
    """(hub, cell, period, value) → the releases in it, for every sum that there ever was."""
    hidden: dict[tuple[str, str, str], set[Parts]] = field(default_factory=dict)

    def release(self, city: str, month: str) -> None:
        release = (city, month)
        self.values[release] = tuple(100_000 + self.chance.randrange(50_000) for _ in builders.GRID)
        period = parse_period(month).to_object()
        self.sent[release] = self.cities[city].trend(*self.values[release], period=period)
        self.cities[city].hub.accept(self.sent[release])
        self.active[city, month] = release

    def withdraw(self, city: str, month: str) -> None:
        release = self.active.pop((city, month))
        self.cities[city].hub.accept(self.cities[city].withdrawal(self.sent[release]))

    def add_up(self) -> None:
        for hub in self.regions.values():
            hub.verb("aggregate")
        self.nation.verb("follow")
        self.nation.verb("aggregate")
        self.remember()

    def remember(self) -> None:
        """What every sum is made of now, and which of them are not shown."""
        for name, hub in (*self.regions.items(), ("bund.de", self.nation)):
            labels = (*MONTHS, *dict.fromkeys(longer for month in MONTHS for longer in longer_than(month)))
            shown = {(each.cell, each.period): each.estimate for each in every_figure(hub)}
            for label in labels:
                parts = self.parts(name, label)
                for place, code in enumerate(builders.GRID):
                    value = sum(self.values[release][place] for release in parts)
                    self.sums[name, code, label, value] = parts
                    if parts and shown.get((code, label)) != value:
                        self.hidden.setdefault((name, code, label), set()).add(parts)

    def parts(self, name: str, label: str) -> Parts:
        """The releases in a sum: of a quarter those cities that have all its months."""
        months = months_in(label)
        found: set[Release] = set()
        for city, member in self.cities.items():
            releases = [self.active.get((city, month)) for month in months]
            if name in ("bund.de", member.hub.hub.name) and all(releases):
                found |= {release for release in releases if release is not None}
        return frozenset(found)


def months_in(label: str) -> list[str]:
    """Also those of the second half of the year, which nobody has released: so there is no sum of the year."""
    parts = parts_of(label)
    return [month for part in parts for month in months_in(part)] if parts else [label]


def publisher_of(hub: RunningHub) -> FigurePublisher:
    settings = hub.hub.settings
    return FigurePublisher(settings.name, settings.level, settings.area_code, settings.public_url)


def every_figure(hub: RunningHub) -> list[Figure]:
    """All figures of this hub's own sums, as they are now."""
    found: list[Figure] = []
    with hub.hub.database.read() as session:
        for by in ("month", "quarter", "year"):
            asked = {"by": [by], "from": ["2026"], "to": ["2026"], "cell": list(builders.GRID)}
            found += find_answer(session, asked, publisher_of(hub)).figures
    return found


def live(world: World, steps: int) -> None:
    """Half a year at random: mostly releases, some late, some taken back; added up after each step."""
    for _ in range(steps):
        month = world.chance.choice(MONTHS)
        for city in world.cities:
            if (city, month) not in world.values and world.chance.random() < 0.7:
                world.release(city, month)
            elif (city, month) in world.active and world.chance.random() < 0.05:
                world.withdraw(city, month)
        world.add_up()


@pytest.fixture
def world(start_hub: HubStarter) -> World:
    nation = start_hub("bund.de", "nation", area=Area(scheme="ISO3166", version="2020", code="DE"))
    regions, cities = {}, {}
    for name, (code, count) in REGIONS.items():
        regions[name] = start_hub(name, area=Area(scheme="NUTS", version="2024", code=code))
        join(regions[name], nation)
        for number in range(count):
            city = f"c{number}.{name}"
            cities[city] = regions[name].enrol(city)
    return World(nation, regions, cities, random.Random(26))


# --- asking ----------------------------------------------------------------------------------------------------------


def ask_at_random(world: World, questions: int) -> set[tuple[str, str, str, int]]:
    """(hub, cell, period, figure) of everything that was ever answered."""
    heard: set[tuple[str, str, str, int]] = set()
    hubs = [world.nation, *world.regions.values()]
    for _ in range(questions):
        found: list[Figure] = []
        hub = world.chance.choice(hubs)
        asked = question(world, hub)
        with hub.hub.database.read() as session, suppress(FigureQueryError):  # an area that there was not yet
            found = list(find_answer(session, asked, publisher_of(hub)).figures)
        by_sum: dict[tuple[int, str], dict[str, Figure]] = {}
        for figure in found:
            by_sum.setdefault((figure.entry, figure.period), {})[figure.cell] = figure
            if figure.estimate is not None and figure.cell != TOTAL:
                heard.add((figure.origin, figure.cell, figure.period, figure.estimate))
        for cells in by_sum.values():
            check_total(cells)
    return heard


def check_total(cells: Mapping[str, Figure]) -> None:
    """A total is the sum of cells that are all shown, so that it says nothing beside them."""
    total = cells.get(TOTAL)
    if total is not None and total.estimate is not None and set(builders.GRID) <= set(cells):
        assert total.estimate == sum(cells[code].estimate or 0 for code in builders.GRID)
        assert all(cells[code].estimate is not None for code in builders.GRID)


def question(world: World, hub: RunningHub) -> dict[str, list[str]]:
    chance = world.chance
    areas = ["DE", *(code for code, _ in REGIONS.values())] if hub is world.nation else [hub.hub.settings.area_code]
    first, last = sorted(chance.choices(MONTHS, k=2))
    with hub.hub.database.read() as session:
        newest = next_index(session)
    asked = {
        "by": [chance.choice(["month", "quarter", "year"])],
        "from": [first],
        "to": [last],
        "area": chance.sample(areas, chance.randint(1, len(areas))),
        "cell": chance.sample([*builders.GRID, TOTAL], chance.randint(0, 4)),
    }
    if chance.random() < 0.3:
        asked["level"] = [chance.choice(["region", "nation"])]
        del asked["area"]
    if chance.random() < 0.3:
        asked["source"] = [chance.choice(["police_recorded", "police_recorded", "agency_return"])]
    return asked | ({"as_of": [str(chance.randint(5, newest))]} if chance.random() < 0.7 else {})


# --- deducing --------------------------------------------------------------------------------------------------------


class Span:
    """Everything that is a linear combination of what was heard."""

    def __init__(self, rows: Iterable[Parts]) -> None:
        self._basis: dict[Release, dict[Release, int]] = {}
        for parts in rows:
            row = self._rest(dict.fromkeys(parts, 1))
            if row:
                pivot = min(row)
                scale = pow(row[pivot], -1, PRIME)
                self._basis[pivot] = {key: value * scale % PRIME for key, value in row.items()}

    def __contains__(self, parts: Parts) -> bool:
        return not self._rest(dict.fromkeys(parts, 1))

    def _rest(self, row: dict[Release, int]) -> dict[Release, int]:
        while (pivot := next((key for key in sorted(row) if key in self._basis), None)) is not None:
            factor = row[pivot]
            for key, value in self._basis[pivot].items():
                row[key] = (row.get(key, 0) - factor * value) % PRIME
            row = {key: value for key, value in row.items() if value}
        return row


def deduced(world: World, heard: Iterable[tuple[str, str, str, int]]) -> list[str]:
    """What follows from the answers and was never published, in words."""
    known = set(heard)
    found = []
    for code in builders.GRID:
        rows = {world.sums[each] for each in known if each[1] == code}
        span = Span(rows)
        for release in world.values:
            if frozenset([release]) in span:
                found.append(f"{code}: the release of {release}")
        for pair in combinations(sorted({release[0] for release in world.values}), 2):
            for label in (*MONTHS, "2026-Q1", "2026-Q2"):
                months = months_in(label)
                two = frozenset(r for r in world.active.values() if r[0] in pair and r[1] in months)
                if two and len({r[0] for r in two}) == 2 and two in span:
                    found.append(f"{code}: two cities together, {pair} in {label}")
        for (name, cell, label), compositions in world.hidden.items():
            if cell == code:
                found += [f"{code}: a withheld sum of {name} in {label}" for each in compositions if each in span]
    return found


def test_elimination_finds_what_two_published_sums_give_away() -> None:
    a, b, c, d = ((name, "2026-01") for name in "abcd")
    span = Span([frozenset([a, b, c]), frozenset([a, b, c, d]), frozenset([b, c])])
    assert frozenset([d]) in span and frozenset([a]) in span
    assert frozenset([b]) not in span and frozenset([a, b]) not in span


def test_a_hub_that_shows_what_it_should_withhold_would_be_seen(world: World) -> None:
    live(world, 2)
    heard = ask_at_random(world, 40)
    (name, code, label), compositions = next(iter(world.hidden.items()))
    parts = next(iter(compositions))
    value = sum(world.values[release][builders.GRID.index(code)] for release in parts)
    assert deduced(world, [*heard, (name, code, label, value)]) != []


@pytest.mark.parametrize(
    ("steps", "questions"), [(6, 200), pytest.param(40, 10_000, marks=pytest.mark.long)], ids=["few", "ten-thousand"]
)
def test_ten_thousand_questions_deduce_no_figure_that_was_not_published(
    world: World, steps: int, questions: int
) -> None:
    live(world, steps)
    heard = ask_at_random(world, questions)
    assert len(heard) > 20 and world.hidden, "nothing was shown, or nothing withheld"
    assert deduced(world, heard) == []
