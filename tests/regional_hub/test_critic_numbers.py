"""What a hostile member tries with figures: none of it stops a hub, gets round a rule, or gives a city away."""

import pytest
from sqlalchemy import update

from regional_hub.orm import EntryRow
from shared_schema.problem import ProblemCode
from tests.regional_hub.running import RunningHub, check_problem
from tests.regional_hub.test_trends import SEPTEMBER, cell, enrol, newest, release

pytestmark = pytest.mark.sqlite_is_enough


@pytest.mark.parametrize("year", ["0001", "1899"])
def test_a_release_of_long_ago_is_refused_and_stops_no_sum(hub: RunningHub, year: str) -> None:
    cities = enrol(hub, 3)
    period = {"start": f"{year}-01-01", "end": f"{year}-01-31", "granularity": "month", "basis": "recorded"}
    check_problem(hub.post(cities[0].trend(1, 2, 3, period=period)), ProblemCode.SCHEMA)
    release(cities)
    assert hub.verb("aggregate") == {"published": 1}


def test_one_that_a_hub_of_release_0_1_has_taken_stops_no_sum_either(hub: RunningHub) -> None:
    cities = enrol(hub, 3)
    release(cities)
    release(cities[:1], period=SEPTEMBER)
    with hub.hub.database.write() as session:
        old = EntryRow.subject.like("%/2026-09")
        session.execute(update(EntryRow).where(old).values(subject="bias_incidents.by_offence@1/1800-01"))
    assert hub.verb("aggregate") == {"published": 1}
    assert cell(newest(cities[0])) == ("A", 3, 63)
