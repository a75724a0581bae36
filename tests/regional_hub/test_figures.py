"""Figures for analysts: what a question may say, what may be shown, and that an answer of then stays what it was."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from regional_hub import figure_index
from regional_hub.erasure import erase
from regional_hub.figure_answer import Answer, FigurePublisher, find_answer, find_offer
from regional_hub.figures import TOTAL, AreaOffer, Figure, FigureQueryError, label_of, month_of, total_of
from regional_hub.orm import EntryRow, MemberRow, ShownCellRow, ShownSumRow
from shared_schema.period import Area
from shared_schema.service.database import Database
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NAMES = ("leipzig.sn.de", "dresden.sn.de", "chemnitz.sn.de")
TABLE = builders.TABLE.id
GERMANY = Area.from_object(builders.GERMANY)
SEPTEMBER = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}


def publisher_of(hub: RunningHub) -> FigurePublisher:
    settings = hub.hub.settings
    return FigurePublisher(settings.name, settings.level, settings.area_code, settings.public_url)


def ask(hub: RunningHub, **parameters: str | Sequence[str]) -> tuple[Answer, list[Figure]]:
    """The answer with its figures; `first`, `last` and `state` are the parameters from, to and as_of."""
    names = {"first": "from", "last": "to", "state": "as_of"}
    asked = {names.get(name, name): [value] if isinstance(value, str) else value for name, value in parameters.items()}
    with hub.hub.database.read() as session:
        answer = find_answer(session, asked, publisher_of(hub))
        return answer, list(answer.figures)


def figures(hub: RunningHub, **parameters: str | Sequence[str]) -> dict[tuple[str, str], tuple[str, int | None]]:
    """(cell, period) → status and estimate."""
    return {(each.cell, each.period): (each.status, each.estimate) for each in ask(hub, **parameters)[1]}


def release(hub: RunningHub, cities: Sequence[City], period: Mapping[str, str], *values: int) -> None:
    for city in cities:
        hub.accept(city.trend(*values, period=period))
    hub.verb("aggregate")


@pytest.fixture
def cities(hub: RunningHub) -> list[City]:
    return [hub.enrol(name) for name in NAMES]


# --- what cannot be asked ------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"table": "no.such"}, "table to be one of bias_incidents.by_offence"),
        ({"table": ["a", "b"]}, "table once"),
        ({"area": "XX"}, "code of an area"),
        ({"cell": "arson"}, "cell to be some of verbal, property, assault, _T"),
        ({"by": "week"}, "by to be month or quarter or year"),
        ({"first": "2026-13"}, "from to be a period"),
        ({"last": "last month"}, "to to be a period"),
        ({"first": "2026-10", "last": "2026-09"}, "from not to be after to"),
        ({"first": "1900", "last": "9999"}, "at most 1200 periods"),
        ({"source": "rumour"}, "source to be one of"),
        ({"level": "village"}, "level to be region, nation or europe"),
        ({"level": "nation"}, "areas of this level"),
        ({"state": "0"}, "as_of to be a size of the log"),
        ({"state": "99999"}, "as_of to be a size of the log"),
        ({"state": "１"}, "as_of to be a size of the log"),
        ({"order": "rank"}, "only the parameters table, area"),
        ({"cell": ["verbal"] * 501}, "at most 500 values"),
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_refused_by_its_part(
    region: RunningHub, parameters: dict[str, str | list[str]], expected: str
) -> None:
    region.verb("figures.index")
    with pytest.raises(FigureQueryError, match=expected):
        ask(region, **parameters)


@pytest.mark.sqlite_is_enough
def test_a_permanent_link_never_begins_before_the_years_that_can_be_read(region: RunningHub) -> None:
    region.verb("figures.index")
    answer, _ = ask(region, last="1900-02")
    assert answer.query.labels == ("1900-01", "1900-02")
    assert ask(region, first=answer.query.labels[0], last="1900-02")[0].citation == answer.citation


# --- what may be shown ---------------------------------------------------------------------------------------------


def test_two_cities_are_too_few_and_no_zero(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities[:2], builders.MONTH, 5, 7, 9)
    found = ask(hub, first="2026-10", last="2026-10")[1]
    assert {each.cell for each in found} == {*builders.GRID, TOTAL}
    for each in found:
        assert (each.status, each.estimate, each.low, each.high, each.variance_milli) == ("Q", None, None, None, None)
        assert (each.reporting, each.expected) == (2, 3)
    assert {each.withheld for each in found if each.cell != TOTAL} == {"few-cities"}


def test_a_month_that_nobody_released_is_no_figure_at_all(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 5, 7, 9)
    assert figures(hub, first="2026-09", last="2026-09") == {}


@pytest.mark.sqlite_is_enough(False)
def test_a_sum_of_three_has_its_interval_and_the_total_that_of_all_cells(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 5, 7, 9)
    found = {each.cell: each for each in ask(hub, first="2026-10", last="2026-10")[1]}
    assert [found[code].estimate for code in builders.GRID] == [15, 21, 27]
    total = found[TOTAL]
    assert (total.estimate, total.contributors, total.status) == (63, 3, "A")
    assert total.variance_milli == sum(found[code].variance_milli or 0 for code in builders.GRID)
    assert total.low is not None and total.high is not None and total.low < 63 < total.high


@pytest.mark.sqlite_is_enough(False)
def test_an_answer_of_then_is_the_same_after_new_figures_came(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities[:2], builders.MONTH, 5, 7, 9)
    early, then = ask(hub, first="2026-10", last="2026-10")
    release(hub, cities[2:], builders.MONTH, 6, 6, 6)
    release(hub, cities, SEPTEMBER, 1, 1, 1)
    assert figures(hub, first="2026-10", last="2026-10")["verbal", "2026-10"] == ("A", 16)
    assert ask(hub, first="2026-10", last="2026-10", state=str(early.query.as_of))[1] == then
    assert figures(hub, first="2026-09", last="2026-09", state=str(early.query.as_of)) == {}


def test_its_citation_says_the_same_for_ever(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 5, 7, 9)
    answer, _ = ask(hub, cell="verbal")
    size = answer.query.as_of
    hub.clock.advance(days=400)
    release(hub, cities, SEPTEMBER, 5, 7, 9)
    again, _ = ask(hub, cell="verbal", first=answer.query.labels[0], last=answer.query.labels[-1], state=str(size))
    assert again.citation == answer.citation
    assert f"as_of={size}" in answer.citation.link and answer.citation.link in answer.citation.line


def test_a_policy_of_later_does_not_change_how_an_answer_of_then_is_titled(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 5, 7, 9)
    answer, _ = ask(hub)
    titled = builders.TABLE.model_copy(update={"title": "Another title", "version": 2})
    policy = builders.POLICY.model_copy(update={"version": 2, "tables": (builders.TABLE, titled)})
    hub.verb("policy.set", policy=policy.to_object())
    hub.verb("figures.index")
    assert ask(hub)[0].query.table.title == "Another title"
    assert ask(hub, state=str(answer.query.as_of))[0].citation.policy_version == 1


def test_a_quarter_is_the_one_that_the_hub_has_published(hub: RunningHub, cities: list[City]) -> None:
    for month in ("07", "08", "09"):
        last = "30" if month == "09" else "31"
        period = builders.MONTH | {"start": f"2026-{month}-01", "end": f"2026-{month}-{last}"}
        release(hub, cities, period, 5, 7, 9)
    assert figures(hub, by="quarter", first="2026-Q3", last="2026-Q3", cell="verbal") == {
        ("verbal", "2026-Q3"): ("A", 45)
    }


def test_cells_and_periods_are_those_that_were_asked_for(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 5, 7, 9)
    release(hub, cities, SEPTEMBER, 1, 2, 3)
    assert set(figures(hub, cell=["assault", TOTAL], first="2026-09", last="2026-10")) == {
        (code, label) for code in ("assault", TOTAL) for label in ("2026-09", "2026-10")
    }
    assert figures(hub, source="agency_return") == {}


# --- hubs below ----------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough
def test_of_a_hub_below_only_what_it_shows_itself_is_shown(start_hub: HubStarter) -> None:
    nation = start_hub("bund.de", "nation", area=GERMANY)
    region = start_hub("sachsen.de")
    join(region, nation)
    cities = [region.enrol(name) for name in NAMES]
    release(region, cities[:2], SEPTEMBER, 5, 7, 9)
    release(region, cities, builders.MONTH, 5, 7, 9)
    nation.verb("follow")
    nation.verb("aggregate")
    with nation.hub.database.read() as session:
        offer = find_offer(session, {}, publisher_of(nation))
    assert list(offer.areas.values()) == [
        AreaOffer("DE", "bund.de", "nation", "own"),
        AreaOffer("DED", "sachsen.de", "region", "below"),
    ]
    assert figures(nation)["verbal", "2026-10"] == ("A", 15)
    found = figures(nation, level="region", first="2026-09", last="2026-10", cell="verbal")
    assert found == {("verbal", "2026-09"): ("Q", None), ("verbal", "2026-10"): ("A", 15)}


@pytest.mark.sqlite_is_enough
def test_an_answer_of_then_names_no_area_that_came_later(start_hub: HubStarter) -> None:
    nation = start_hub("bund.de", "nation", area=GERMANY)
    asked = {}
    for name, code in (("sachsen.de", "DED"), ("hessen.de", "DE7")):
        region = start_hub(name, area=Area(scheme="NUTS", version="2024", code=code))
        join(region, nation)
        release(region, [region.enrol(f"c{number}.{name}") for number in range(3)], builders.MONTH, 5, 7, 9)
        nation.verb("follow")
        asked[code] = ask(nation, level="region")
    answer, then = asked["DED"]
    again, now = ask(nation, level="region", state=str(answer.query.as_of))
    assert (again.citation, now) == (answer.citation, then)
    assert {each.area for each in asked["DE7"][1]} == {"DED", "DE7"}


@pytest.mark.sqlite_is_enough
def test_a_hub_below_speaks_of_its_own_area_alone(start_hub: HubStarter) -> None:
    nation = start_hub("bund.de", "nation", area=GERMANY)
    region = start_hub("sachsen.de")
    join(region, nation)
    with nation.hub.database.write() as session:  # as if it had been admitted for another one
        session.get_one(MemberRow, "sachsen.de").area = (
            Area(scheme="NUTS", version="2024", code="DE7").to_bytes().decode()
        )
    release(region, [region.enrol(name) for name in NAMES], builders.MONTH, 5, 7, 9)
    nation.verb("follow")
    with nation.hub.database.read() as session:
        assert list(find_offer(session, {}, publisher_of(nation)).areas) == ["DE"]


def test_a_sum_of_a_larger_grid_is_no_total_of_a_smaller_one(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities, builders.MONTH, 50, 70, 90)
    assert figures(hub)[TOTAL, "2026-10"] == ("A", 630)
    smaller = builders.TABLE.model_copy(update={"version": 2, "cells": builders.TABLE.cells[:2]})
    policy = builders.POLICY.model_copy(update={"version": 2, "tables": (builders.TABLE, smaller)})
    hub.verb("policy.set", policy=policy.to_object())
    hub.verb("figures.index")
    found = figures(hub)
    assert found["verbal", "2026-10"] == ("A", 150)
    assert (TOTAL, "2026-10") not in found


# --- erasing -------------------------------------------------------------------------------------------------------


def rows(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return session.query(ShownSumRow).count(), session.query(ShownCellRow).count()


def test_figures_of_a_city_that_took_its_release_back_are_replaced(hub: RunningHub, cities: list[City]) -> None:
    envelopes = [city.trend(5, 7, 9) for city in cities]
    for envelope in envelopes:
        hub.accept(envelope)
    hub.verb("aggregate")
    assert figures(hub)["verbal", "2026-10"] == ("A", 15)
    hub.accept(cities[0].withdrawal(envelopes[0]))
    hub.verb("aggregate")
    assert figures(hub)["verbal", "2026-10"] == ("Q", None)


@pytest.mark.sqlite_is_enough(False)
def test_an_earlier_revision_does_not_come_back_when_its_successor_is_erased(
    hub: RunningHub, cities: list[City]
) -> None:
    release(hub, cities[:2], builders.MONTH, 50, 70, 90)
    release(hub, cities[2:], builders.MONTH, 50, 70, 90)
    with hub.hub.database.write() as session:
        newest = session.scalars(select(EntryRow).where(EntryRow.kind == "aggregate").order_by(EntryRow.index.desc()))
        row = newest.first()
        assert row is not None
        row.withdrawn_by = row.index
        erase(session, row.digest, row.origin)
    assert figures(hub) == {}
    with hub.hub.database.write() as session:
        figure_index.start_again(session)
    hub.verb("figures.index")
    assert figures(hub) == {}


def test_all_of_it_follows_from_the_log(hub: RunningHub, cities: list[City]) -> None:
    release(hub, cities[:2], builders.MONTH, 5, 7, 9)
    release(hub, cities[2:], builders.MONTH, 6, 6, 6)
    before, shown = rows(hub.hub.database), ask(hub)[1]
    with hub.hub.database.write() as session:
        figure_index.start_again(session)
    assert rows(hub.hub.database) == (0, 0)
    hub.verb("figures.index")
    assert (rows(hub.hub.database), ask(hub)[1]) == (before, shown)
    assert hub.verb("figures.index") == {"sums": 0}


@pytest.mark.sqlite_is_enough(False)
def test_two_processes_take_every_sum_once(
    hub: RunningHub, cities: list[City], monkeypatch: pytest.MonkeyPatch
) -> None:
    for city in cities:
        for month in range(1, 10):
            day = monthrange(2026, month)[1]
            period = builders.MONTH | {"start": f"2026-{month:02d}-01", "end": f"2026-{month:02d}-{day}"}
            hub.accept(city.trend(5, 7, 9, period=period))
    hub.verb("aggregate")
    before = rows(hub.hub.database)
    with hub.hub.database.write() as session:
        figure_index.start_again(session)
    monkeypatch.setattr(figure_index, "ENTRIES_A_TIME", 1)  # so that they meet again and again
    with ThreadPoolExecutor(2) as pool:
        other = Database(hub.hub.database.url)  # as another process would open it
        meeting = Barrier(2)
        taken = list(pool.map(lambda database: take_all(database, meeting), (hub.hub.database, other)))
        other.close()
    assert sum(taken) == before[0] > 9
    assert rows(hub.hub.database) == before


def take_all(database: Database, meeting: Barrier) -> int:
    taken = 0
    meeting.wait()
    while True:
        with database.read() as session:
            if not figure_index.is_behind(session):
                return taken
        with database.write() as session:
            taken += figure_index.catch_up(session, "sachsen.de", "region")


# --- arithmetic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "by"), [("2014-01", "month"), ("2014-Q4", "quarter"), ("1999", "year")])
def test_a_label_is_read_and_written(label: str, by: str) -> None:
    assert label_of(month_of(label), by) == label


def test_one_cell_that_is_not_there_takes_the_total_away() -> None:
    one = Figure("DED", "sachsen.de", "a", "2026-10", "A", 3, 3, 3, "police_recorded", 1, 1, 7, 5, 1000, 3, 7)
    for status in ("Q", "L"):
        other = Figure("DED", "sachsen.de", "b", "2026-10", status, 0, 3, 3, "police_recorded", 1, 1, 7)
        total = total_of([one, other])
        assert (total.cell, total.status, total.estimate, total.low) == (TOTAL, status, None, None)
