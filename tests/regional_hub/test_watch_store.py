"""The trend watch on a running hub: what it reads, what it never tells, when an alert comes and when it goes."""

import base64
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub import figure_index, log, watch_store
from regional_hub.orm import AuditRow, TrendAlertRow
from regional_hub.publication import sign_own
from shared_schema.governance import MembershipBody
from shared_schema.keys import MemberRole
from shared_schema.period import Area, Period, parse_period
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind, VerifiedStatement
from shared_schema.trend import AggregateBody
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import SAXONY, City, RunningHub, enrolment, key_of
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NAMES = ("leipzig.sn.de", "dresden.sn.de", "chemnitz.sn.de", "zwickau.sn.de", "plauen.sn.de", "meissen.sn.de")
MONTHS = tuple(parse_period(f"{year}-{month:02d}") for year in (2025, 2026) for month in range(1, 13))[9:22]
"""October 2025 to October 2026: the month in question and the twelve before it."""
CALM, HIGH = 20, 70


def trend(city: City, value: int, month: Period, **changes: Any) -> bytes:
    """`value` in the first cell; the others never move."""
    return city.trend(value, 4, 3, period=month.to_object(), **changes)


def fill(hub: RunningHub, cities: Sequence[City], months: Sequence[Period] = MONTHS[:-1]) -> None:
    """Months in which nothing changes."""
    hub.accept_many(
        [
            trend(city, CALM + (place + at) % 3, month)
            for at, month in enumerate(months)
            for place, city in enumerate(cities)
        ]
    )


def report(hub: RunningHub, cities: Sequence[City], rising: int, month: Period = MONTHS[-1]) -> dict[str, Any]:
    """The newest month, in which the first ones rise; what the watch says of it."""
    hub.accept_many([trend(city, HIGH if place < rising else CALM, month) for place, city in enumerate(cities)])
    return watch(hub)


def watch(hub: RunningHub) -> dict[str, Any]:
    hub.verb("aggregate")
    return hub.verb("watch.run")


def alerts(hub: RunningHub, kind: str = "cities", **parameters: object) -> list[dict[str, Any]]:
    return [alert for alert in hub.verb("watch.list", **parameters)["alerts"] if alert["kind"] == kind]


@pytest.fixture
def cities(hub: RunningHub) -> list[City]:
    """Six cities with twelve calm months."""
    found = [hub.enrol(name) for name in NAMES]
    fill(hub, found)
    return found


# --- what is no alert ----------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("rising", [0, 1, 2])
def test_a_rise_in_fewer_than_three_cities_is_no_alert_about_cities(
    hub: RunningHub, cities: list[City], rising: int
) -> None:
    report(hub, cities, rising)
    assert alerts(hub) == []


@pytest.mark.sqlite_is_enough
def test_of_four_cities_it_is_not_said_that_three_of_them_rise(hub: RunningHub, cities: list[City]) -> None:
    """The fourth would know it of each of the others."""
    report(hub, cities[:4], 3)
    assert alerts(hub) == []


@pytest.mark.sqlite_is_enough
def test_where_the_sum_may_not_be_shown_there_is_no_alert(hub: RunningHub, cities: list[City]) -> None:
    policy = builders.POLICY.model_copy(update={"version": 2, "min_contributors": 7})
    hub.verb("policy.set", policy=policy.to_object())
    assert report(hub, cities, 4)["raised"] == 0
    assert alerts(hub, "sum") == []


@pytest.mark.sqlite_is_enough
def test_a_hub_without_a_history_has_no_alerts(hub: RunningHub) -> None:
    found = [hub.enrol(name) for name in NAMES]
    report(hub, found, 5)
    assert hub.verb("watch.list", all=True)["alerts"] == []


# --- what is one ---------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_four_of_six_cities_are_an_alert_that_names_none_of_them(hub: RunningHub, cities: list[City]) -> None:
    told = report(hub, cities, 4)
    assert told["raised"] == 2  # the cities, and the sum
    (alert,) = alerts(hub)
    assert (alert["table"], alert["cell"], alert["period"]) == (builders.TABLE.id, "verbal", "2026-10")
    assert (alert["rising"], alert["of"], alert["state"]) == (4, 6, "new")
    assert alert["estimate"] == 4 * HIGH + 2 * CALM and alert["low"] < alert["estimate"] < alert["high"]
    assert 0 < alert["chance"] <= told["level"] == 1 / (2 * 2 * 3 * 12)
    assert told["false_alarms"] == "at most 1 expected in 2 years"
    with hub.hub.database.read() as session:
        rows = [vars(row) for row in session.scalars(select(TrendAlertRow))]
    everything = repr(rows) + json.dumps(hub.verb("watch.list", all=True))
    assert not any(name in everything or name.split(".")[0] in everything for name in NAMES)


@pytest.mark.sqlite_is_enough
def test_judging_once_more_changes_nothing(hub: RunningHub, cities: list[City]) -> None:
    report(hub, cities, 4)
    before = alerts(hub)
    hub.clock.advance(hours=1)
    assert watch(hub)["judged"] == 0
    assert alerts(hub) == before


@pytest.mark.sqlite_is_enough
def test_one_city_more_changes_no_number_that_was_said(hub: RunningHub, cities: list[City]) -> None:
    """Its sum waits for more of them, and so does the alert: the difference would be that one city."""
    report(hub, cities[:5], 3)
    assert [(alert["rising"], alert["of"]) for alert in alerts(hub)] == [(3, 5)]
    hub.accept(trend(cities[5], HIGH, MONTHS[-1]))
    assert watch(hub)["judged"] > 0
    assert [(alert["rising"], alert["of"]) for alert in alerts(hub)] == [(3, 5)]


@pytest.mark.sqlite_is_enough
def test_one_city_more_raises_nothing_either(hub: RunningHub, cities: list[City]) -> None:
    hub.accept_many([trend(city, HIGH if place < 2 else CALM, MONTHS[-1]) for place, city in enumerate(cities[:5])])
    watch(hub)
    hub.accept(trend(cities[5], HIGH, MONTHS[-1]))
    watch(hub)
    assert alerts(hub) == []


def correct(hub: RunningHub, cities: Sequence[City], value: int, number: int) -> dict[str, Any]:
    for city in cities:
        hub.accept(city.trend(value, 0, 0, period=MONTHS[-1].to_object(), correction=number,
                              mechanism=builders.mechanism(Fraction(2))))  # fmt: skip
    return watch(hub)


def test_a_correction_that_takes_the_rise_away_withdraws_the_alert(hub: RunningHub, cities: list[City]) -> None:
    report(hub, cities, 3)
    (alert,) = alerts(hub)
    hub.verb("watch.dismiss", alert=alert["id"])
    correct(hub, cities[:1], CALM - HIGH, 1)  # at once, though the sum that is shown waits for more corrections
    assert alerts(hub) == []
    (gone,) = alerts(hub, all=True)
    assert (gone["id"], gone["estimate"]) == (alert["id"], None) and gone["withdrawn_at"]
    correct(hub, cities[3:], HIGH - CALM, 1)
    (again,) = alerts(hub)
    assert (again["id"], again["state"], again["withdrawn_at"]) == (alert["id"], "new", None)


@pytest.mark.sqlite_is_enough
def test_an_alert_goes_when_what_it_was_about_is_taken_back(hub: RunningHub, cities: list[City]) -> None:
    newest = [trend(city, HIGH if place < 4 else CALM, MONTHS[-1]) for place, city in enumerate(cities)]
    hub.accept_many(newest)
    watch(hub)
    for city, envelope in zip(cities, newest, strict=True):
        hub.accept(city.withdrawal(envelope))
    watch(hub)
    assert alerts(hub) == alerts(hub, "sum") == []


@pytest.mark.sqlite_is_enough
def test_a_rarer_false_alarm_is_a_stricter_test(start_hub: HubStarter) -> None:
    region = start_hub("sachsen.de")
    settings = region.hub.settings.model_copy(update={"false_alarm_years": 100})
    before = region.verb("watch.run")
    region.hub.settings = settings
    after = region.verb("watch.run")
    assert after["level"] == pytest.approx(before["level"] / 50)
    assert after["false_alarms"] == "at most 1 expected in 100 years"


# --- what people decide --------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
@pytest.mark.sqlite_is_enough
def test_what_people_decide_has_who_and_when_and_an_event_and_stays(hub: RunningHub, cities: list[City]) -> None:
    report(hub, cities, 4)
    (alert,) = alerts(hub)
    assert hub.verb("watch.see", alert=alert["id"])["changed"]
    assert not hub.verb("watch.see", alert=alert["id"])["changed"]
    assert hub.verb("watch.dismiss", alert=alert["id"])["changed"]
    assert alerts(hub) == [] and watch(hub)["raised"] == 0
    assert [each["state"] for each in alerts(hub, all=True)] == ["dismissed"]
    with hub.hub.database.read() as session:
        found = watch_store.find_alert(session, hub.hub.trust, hub.hub.name, hub.hub.area.code, alert["id"])
        events = session.execute(
            select(AuditRow.actor, AuditRow.action).where(AuditRow.subject == alert["id"]).order_by(AuditRow.seq)
        ).all()
    assert found is not None and (found.changed_by, found.changed_at) == ("operator", hub.clock())
    assert [tuple(event) for event in events] == [("operator", "alert-seen"), ("operator", "alert-dismissed")]


@pytest.mark.sqlite_is_enough
def test_an_alert_that_is_not_there_cannot_be_dismissed_and_none_becomes_new(region: RunningHub) -> None:
    with pytest.raises(VerbError, match="id of an alert") as refused:
        region.verb("watch.dismiss", alert="0" * 20)
    assert refused.value.code == "not-found"
    with region.hub.database.read() as session:
        assert watch_store.find_alert(session, region.hub.trust, region.hub.name, "DED", "0" * 20) is None


# --- hubs below ----------------------------------------------------------------------------------------------------


def sum_by(area: Area, value: int, month: Period, *, is_shown: bool) -> AggregateBody:
    """A region's complete sum of three cities, as it hands it up; with what it shows itself."""
    known: dict[str, Any] = {"noise": [{"draws": 3, "scale": {"numerator": 1, "denominator": 1}}]}
    known |= {"shown": {"contributors": 3, "estimate": value}} if is_shown else {}
    figures: dict[str, Any] = {"estimate": value, "variance_milli": 5524, "low": value - 5, "high": value + 5}
    cells = [builders.aggregate_cell(code, contributors=3, **figures) | known for code in builders.GRID]
    changes = {"complete": True, "area": area.to_object(), "period": month.to_object(), "cells": cells}
    return AggregateBody.from_object(builders.aggregate_body(**changes))


def enrol_region(nation: RunningHub, number: int) -> tuple[str, Area]:
    name, area = f"region{number}.de", SAXONY.model_copy(update={"code": f"DE{number}"})
    code = nation.verb("enrol.code", name=name)["code"]
    url = f"http://127.0.0.1:{9000 + number}"
    request = enrolment(name, key_of(name), code, role=MemberRole.HUB, level="region", area=area, url=url)
    assert nation.post(request, "/v1/enrolments").status_code == 202
    nation.verb("enrol.approve", name=name, fingerprint=key_of(name).public.fingerprint)
    return name, area


def city_of(region: str, number: int) -> MembershipBody:
    """What a region says of one of its cities."""
    name = f"city{number}.{region}"
    key = base64.b64encode(key_of(name).public.raw).decode()
    return MembershipBody.from_object(builders.membership_body(member=name, key=key))


def signed_by(
    nation: RunningHub, name: str, kind: Kind, body: AggregateBody | MembershipBody, seq: int
) -> VerifiedStatement:
    audience = Audience.HUB if kind is Kind.AGGREGATE else Audience.EUROPE
    return sign_own(kind, body, audience, name=name, key=key_of(name), seq=seq, now=nation.clock())


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize("is_shown", [False, True])
def test_of_regions_only_what_they_show_themselves_is_judged(start_hub: HubStarter, is_shown: bool) -> None:
    nation = start_hub("bund.de", "nation", area=Area.from_object(builders.GERMANY))
    regions = [enrol_region(nation, number) for number in range(6)]
    arrivals = [
        log.Arrival(signed_by(nation, name, Kind.MEMBERSHIP, city_of(name, number), number + 1), name)
        for name, _ in regions
        for number in range(3)
    ]
    for at, month in enumerate(MONTHS):
        for place, (name, area) in enumerate(regions):
            body = sum_by(area, 160 if place < 4 and month is MONTHS[-1] else 60, month, is_shown=is_shown)
            arrivals.append(log.Arrival(signed_by(nation, name, Kind.AGGREGATE, body, at + 4), name))
    with nation.hub.database.write() as session:  # as if it had followed their logs
        head = log.get_head(session, for_append=True)
        log.append(session, arrivals, name=nation.hub.name, key=nation.hub.key, head=head, now=nation.clock())
    nation.hub.reload_trust()
    watch(nation)
    found = [(alert["rising"], alert["of"]) for alert in alerts(nation, "regions") if alert["cell"] == "verbal"]
    assert found == [(4, 6)] * is_shown
    assert alerts(nation) == []


@pytest.mark.sqlite_is_enough
def test_while_figures_are_taken_in_anew_nothing_is_withdrawn(hub: RunningHub, cities: list[City]) -> None:
    report(hub, cities, 5)
    (alert,) = alerts(hub)
    hub.verb("watch.dismiss", alert=alert["id"])
    with hub.hub.database.write() as session:
        figure_index.start_again(session)
    assert hub.verb("watch.run")["withdrawn"] == 0
    hub.verb("figures.index")
    assert hub.verb("watch.run")["raised"] == 0
    assert alerts(hub) == [], "what somebody put aside stays aside"
