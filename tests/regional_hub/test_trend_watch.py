"""The trend watch: what is no alert, how often chance alone raises one, and what a real rise needs."""

import math
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from regional_hub.trend_watch import (
    ALERT_STATES,
    COUNTED_AS,
    PERIODS,
    TESTED_AT,
    TRANSITIONS,
    UNTOLD,
    FalseAlarms,
    Finding,
    History,
    Point,
    alert_id,
    binomial_tail,
    can_be_judged,
    count_tests,
    draws_of,
    judge_places,
    judge_sum,
    watched_tables,
)
from shared_schema.change import Measured, last_stands_out
from shared_schema.laplace import variance
from tests.factories import make_policy, make_table, make_weekday_table

SCALE = Fraction(1)
NOISE = variance(SCALE)
LEVEL = 1 / 144


def history(*counts: float, **changes: object) -> list[Point | None]:
    return [Point(Measured(count, NOISE), **changes) for count in counts]  # type: ignore[arg-type]


def flat(place: int = 0) -> list[Point | None]:
    """Thirteen figures that go nowhere."""
    return history(*[20 + (place + period) % 3 for period in range(PERIODS)])


def risen(place: int = 0) -> list[Point | None]:
    return [*flat(place)[:-1], Point(Measured(70, NOISE))]


def judge(*histories: History, least: int = 3, level: float = LEVEL) -> Finding | None:
    return judge_places(histories, least=least, level=level)


# --- what is no alert ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rising", [0, 1, 2])
def test_fewer_than_three_places_are_never_an_alert_whatever_rate_was_set(rising: int) -> None:
    places = [risen(place) for place in range(rising)] + [flat(place) for place in range(20 - rising)]
    assert judge(*places, level=1.0, least=1) is None


def test_one_city_alone_is_none_however_far_it_rises() -> None:
    peak = [*flat()[:-1], Point(Measured(10**6, NOISE))]
    assert judge(peak, *[flat(place) for place in range(100)], level=1.0) is None


def test_the_policys_least_number_counts_where_it_is_larger() -> None:
    places = [risen(place) for place in range(4)] + [flat(place) for place in range(10)]
    assert judge(*places, least=4) is not None
    assert judge(*places, least=5) is None


def test_places_that_chance_alone_would_reach_are_none() -> None:
    places = [risen(place) for place in range(3)] + [flat(place) for place in range(97)]
    assert judge(*places) is None  # 3 of 100 at one in a hundred: 8 %
    assert judge(*places[:20]) is not None


@pytest.mark.parametrize(
    "change",
    [{"status": "B"}, {"status": "D"}, {"status": "Q"}, {"source": "open_media"}, {"cities": 2}],
    ids=str,
)
def test_a_figure_that_is_not_counted_alike_is_not_judged(change: dict[str, object]) -> None:
    risen_otherwise = [*flat()[:-1], *history(70, **change)]
    assert not can_be_judged(risen_otherwise)
    assert judge(*[risen_otherwise] * 10) is None
    assert not judge_sum(risen_otherwise, level=0.01)


@pytest.mark.parametrize("gap", [0, 6, 11, 12])
def test_nor_is_one_with_a_gap(gap: int) -> None:
    places: list[Point | None] = [*risen()]
    places[gap] = None
    assert not can_be_judged(places) and not judge_sum(places, level=0.01)


def test_a_sum_of_fewer_cities_than_before_may_rise() -> None:
    before: list[Point | None] = history(*[20] * 12, cities=5)
    assert judge_sum([*before, *history(70, cities=4)], level=0.001)


@given(st.integers(0, 40), st.integers(0, 40))
def test_an_alert_never_says_that_all_of_them_rise_nor_all_but_one(rising: int, calm: int) -> None:
    found = judge(*[risen()] * rising, *[flat()] * calm, level=1.0)
    if found is not None:
        assert 3 <= found.stated <= min(rising, rising + calm - UNTOLD)
        assert found.judged == rising + calm


def test_cities_that_have_not_reported_yet_make_an_alert_no_more_likely() -> None:
    waiting: list[list[Point | None]] = [[*flat(place)[:-1], None] for place in range(95)]
    places = [risen(place) for place in range(3)] + [flat(place) for place in range(2)]
    assert judge(*places) is not None
    assert judge(*places, *waiting) is None


# --- what is promised ----------------------------------------------------------------------------------------------


@given(st.integers(0, 3000), st.floats(0.001, 0.2), st.integers(0, 40))
def test_the_tail_is_the_binomial_one(places: int, probability: float, least: int) -> None:
    expected = float(binom.sf(least - 1, places, probability))
    assert math.isclose(binomial_tail(places, probability, least), expected, rel_tol=1e-6, abs_tol=1e-300)


def test_the_tail_is_known_for_as_many_cities_as_europe_has() -> None:
    assert 0.4 < binomial_tail(98_000, COUNTED_AS, 980) < 0.6


def test_the_rate_is_spread_over_tables_cells_and_periods() -> None:
    policy = make_policy([make_table(), make_weekday_table(granularities=["quarter", "year"])])
    assert count_tests(policy, kinds=2) == 2 * (6 * 12 + 7 * 4)
    alarms = FalseAlarms(5, count_tests(policy, kinds=2))
    assert alarms.level * 5 * alarms.tests_a_year == pytest.approx(1)
    assert FalseAlarms(1, 0).level == 1.0


def test_of_a_table_its_newest_wording_is_watched_and_nothing_that_is_in_stock() -> None:
    newer = make_table(version=2, title="Another wording")
    stock = make_table(id="tables.in_stock", measure="in_stock")
    measures = [
        {"id": table.measure, "title": "x", "unit": "record", "source_kinds": list(table.source_kinds)}
        | ({"stock": True} if table is stock else {})
        for table in (newer, stock)
    ]
    policy = make_policy([newer, make_table(), stock], measures=measures)
    assert watched_tables(policy) == [(newer, "month")]


def test_an_id_is_that_of_a_kind_a_table_a_cell_and_a_period() -> None:
    table = make_table()
    ids = {
        alert_id("cities", table, "arson", "2026-01"),
        alert_id("sum", table, "arson", "2026-01"),
        alert_id("cities", make_table(version=2), "arson", "2026-01"),
        alert_id("cities", table, "attack", "2026-01"),
        alert_id("cities", table, "arson", "2026-02"),
    }
    assert len(ids) == 5 and alert_id("cities", table, "arson", "2026-01") in ids


def test_states_that_people_set_are_known_ones() -> None:
    assert {state for change in TRANSITIONS for state in change} == set(ALERT_STATES)


@given(st.integers(1, 200), st.integers(1, 30))
def test_a_sum_of_equal_noise_has_as_many_draws_as_cities_and_one_loud_city_hides_the_others(
    cities: int, loudness: int
) -> None:
    table = make_table()
    assert draws_of(cities * NOISE, cities, table) in (cities - 1, cities)  # rounding of the least digit
    loud = variance(Fraction(loudness))
    draws = draws_of((cities - 1) * NOISE + loud, cities, table)
    exact = ((cities - 1) * NOISE + loud) ** 2 / ((cities - 1) * NOISE**2 + loud**2)
    assert 1 <= draws <= exact + 1e-6


# --- how often chance alone raises one ----------------------------------------------------------------------------


def poisson(chance: random.Random, mean: float) -> int:
    """Knuth's product of uniform numbers, in pieces so that none of them is too small to be held."""
    count = 0
    while mean > 0:
        bound, product = math.exp(-min(mean, 500.0)), chance.random()
        while product > bound:
            count, product = count + 1, product * chance.random()
        mean -= 500.0
    return count


def noise(chance: random.Random, scale: float) -> int:
    """Discrete Laplace: the difference of two geometric numbers."""
    a = math.exp(-1 / scale)
    first, second = (int(math.log(1 - chance.random()) / math.log(a)) for _ in range(2))
    return first - second


def count(chance: random.Random, mean: float, cluster: float | None) -> int:
    """Poisson, or clustered: a gamma number in place of the mean makes it negative binomial."""
    return poisson(chance, mean if cluster is None else chance.gammavariate(cluster, mean / cluster))


def unchanged(
    chance: random.Random, *, cities: int, periods: int, cluster: float | None, scale: float = 1.0
) -> list[list[Point]]:
    """Histories of cities of all sizes in which nothing changes."""
    spread, found = variance(Fraction(scale)), []
    for city in range(cities):
        mean = (0.3, 1.0, 4.0, 12.0, 40.0)[city % 5]
        values = (count(chance, mean, cluster) + noise(chance, scale) for _ in range(periods))
        found.append([Point(Measured(value, spread)) for value in values])
    return found


def windows(series: Sequence[Sequence[Point]]) -> Iterator[list[Sequence[Point]]]:
    """The thirteen figures of every city, month by month."""
    for last in range(PERIODS, len(series[0]) + 1):
        yield [city[last - PERIODS : last] for city in series]


def sum_of(cities: Sequence[Sequence[Point]]) -> list[Point]:
    return [
        Point(
            Measured(
                sum(point.measured.value for point in column),
                sum(point.measured.variance for point in column),
                len(column),
            ),
            cities=len(column),
        )
        for column in zip(*cities, strict=True)
    ]


CLUSTERS = pytest.mark.parametrize("cluster", [None, 3.0, 1.0], ids=["poisson", "clustered", "very-clustered"])


@CLUSTERS
@pytest.mark.parametrize(
    ("years", "cells"), [(4, 3), pytest.param(60, 12, marks=pytest.mark.long)], ids=["small", "large"]
)
def test_where_nothing_changes_there_are_no_more_alarms_than_promised(
    cluster: float | None, years: int, cells: int
) -> None:
    """Twenty cities, two kinds of alerts, and a promise of one false alarm a year: a lax one, to be measured."""
    chance = random.Random(20)
    alarms = FalseAlarms(1, 2 * cells * 12)
    raised = 0
    for _ in range(cells):
        series = unchanged(chance, cities=20, periods=12 * (years + 1), cluster=cluster)
        for cities in windows(series):
            raised += judge_places(cities, least=3, level=alarms.level) is not None
            raised += judge_sum(sum_of(cities), level=alarms.level)
    assert raised <= years


@CLUSTERS
@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("windows_of_each", [40, pytest.param(1500, marks=pytest.mark.long)], ids=["small", "large"])
def test_a_place_where_nothing_changes_rises_in_at_most_one_of_a_hundred_periods(
    cluster: float | None, scale: float, windows_of_each: int
) -> None:
    """What the binomial takes for granted. With cities of all sizes, and independent histories."""
    chance = random.Random(21)
    rises = places = 0
    for _ in range(windows_of_each):
        for city in unchanged(chance, cities=20, periods=PERIODS, cluster=cluster, scale=scale):
            rises += last_stands_out([point.measured for point in city], confidence=1 - 2 * TESTED_AT)
            places += 1
    most = float(binom.isf(0.001, places, COUNTED_AS))  # what a rate of just one in a hundred would exceed once in 1000
    assert rises <= most


# --- what a real rise needs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cluster", "times", "power"), [(None, 3, 0.9), (10.0, 5, 0.7), (3.0, 8, 0.5)], ids=["poisson", "mild", "clustered"]
)
def test_a_rise_in_five_of_twenty_cities_is_raised(cluster: float | None, times: int, power: float) -> None:
    """Cities of 20 a month, five of which go to so many times of it; the more counts cluster, the more it takes."""
    chance = random.Random(22)
    level, found, rounds = 1 / (2 * 2 * 12 * 12), 0, 25
    for _ in range(rounds):
        cities: list[list[Point]] = []
        for place in range(20):
            means = [20.0] * 12 + [20.0 * (times if place < 5 else 1)]
            values = (count(chance, mean, cluster) + noise(chance, 1.0) for mean in means)
            cities.append([Point(Measured(value, NOISE)) for value in values])
        found += judge_places(cities, least=3, level=level) is not None
    assert found >= rounds * power
