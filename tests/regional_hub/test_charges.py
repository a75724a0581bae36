"""The hub refuses what overspends, keeps what was spent, and notices a ledger that was rewritten."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, func, insert, select

from regional_hub import charges
from regional_hub.app import Hub
from regional_hub.intake import Accepted, check_submission, commit_submissions
from regional_hub.orm import Base, ChargeRow
from shared_schema import spending
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, check_problem, key_of
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


def make_table(name: str, measure: str = "bias_incidents") -> dict[str, Any]:
    return builders.TABLE.to_object() | {"id": f"{measure}.by_{name}", "measure": measure}


TABLES = [
    builders.TABLE.to_object(),
    *(make_table(name) for name in ("weekday", "place")),
    *(make_table(name, measure) for measure in ("talks", "calls") for name in ("weekday", "place")),
]
WIDE = PolicyBody.from_object(builders.POLICY.to_object() | {"tables": TABLES})


def release(city: City, label: str = "2026-10", table: str = "bias_incidents.by_offence", **changes: Any) -> bytes:
    """A signed release of a table of WIDE; `changes` go into its body."""
    (definition,) = [each for each in TABLES if each["id"] == table]
    return city.trend(
        **{
            "table": TableDefinition.from_object(definition).reference.to_object(),
            "period": parse_period(label).to_object(),
        }
        | changes
    )


def correction(number: int, epsilon_milli: int = 400) -> dict[str, Any]:
    return {
        "correction": number,
        "mechanism": builders.mechanism(Fraction(2000, epsilon_milli)),
        "privacy": builders.trend_body()["privacy"] | {"epsilon_milli": epsilon_milli},
    }


def chained(seq: int, prev: str, **changes: Any) -> dict[str, Any]:
    """A body whose ledger entry can be checked from outside; the head is its hash."""
    body = builders.trend_body(**changes)
    head = spending.hash_entry(seq, prev, body)
    return body | {"ledger": {"seq": seq, "head": head, "prev": prev}}


@pytest.fixture
def wide(hub: RunningHub) -> RunningHub:
    """A hub with three tables of one measure and two of two others, late enough for every period that is released."""
    hub.clock.advance(days=365)
    hub.verb("policy.set", policy=WIDE.to_object() | {"version": 2})
    return hub


@pytest.fixture
def member(wide: RunningHub) -> City:
    return wide.enrol("leipzig.sn.de")


def refuse(hub: RunningHub, body: bytes, code: ProblemCode = ProblemCode.PRIVACY_BUDGET) -> str:
    """Expect a refusal that leaves everything as it is, and return its sentence."""
    size, before = hub.log_size(), count_charges(hub)
    document = check_problem(hub.post(body), code)
    assert (hub.log_size(), count_charges(hub)) == (size, before)
    return str(document["detail"])


def count_charges(hub: RunningHub) -> int:
    with hub.hub.database.read() as session:
        return session.scalar(select(func.count()).select_from(ChargeRow)) or 0


# --- what overspends -----------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_a_third_table_of_a_measure_in_one_month_is_refused(wide: RunningHub, member: City) -> None:
    wide.accept(release(member))
    wide.accept(release(member, table="bias_incidents.by_weekday"))
    sentence = refuse(wide, release(member, table="bias_incidents.by_place"))
    assert "at most 2000 thousandths of epsilon for bias_incidents" in sentence


def test_another_month_of_the_year_does_not_get_round_the_measure(wide: RunningHub, member: City) -> None:
    wide.accept(release(member, "2026-01"))
    wide.accept(release(member, "2026-02", table="bias_incidents.by_weekday"))
    refuse(wide, release(member, "2025-12", table="bias_incidents.by_place"))
    wide.accept(release(member, "2027-02", table="bias_incidents.by_place"))


def test_a_third_measure_within_twelve_months_is_refused(wide: RunningHub, member: City) -> None:
    for measure in ("bias_incidents", "talks"):
        for name in ("offence" if measure == "bias_incidents" else "place", "weekday"):
            wide.accept(release(member, table=f"{measure}.by_{name}"))
    assert "over all measures" in refuse(wide, release(member, "2027-09", table="calls.by_place"))


def test_a_quarter_after_its_months_is_refused(wide: RunningHub, member: City) -> None:
    wide.accept(release(member, "2026-05"))
    refuse(wide, release(member, "2026-Q2"))


def test_within_one_request_the_earlier_ones_count(wide: RunningHub, member: City) -> None:
    names = ("offence", "weekday", "place")
    bodies = [release(member, table=f"bias_incidents.by_{name}") for name in names]
    response = wide.post(b'{"submissions":[' + b",".join(bodies) + b"]}", "/v1/submissions/batch")
    assert [result["status"] for result in response.json()["results"]] == [201, 201, 422]
    assert count_charges(wide) == 2


def test_what_another_city_has_spent_does_not_count(wide: RunningHub, member: City) -> None:
    other = wide.enrol("dresden.sn.de")
    for city in (member, other):
        for name in ("offence", "weekday"):
            wide.accept(release(city, table=f"bias_incidents.by_{name}"))


def test_a_withdrawn_release_has_spent_what_it_has_spent(wide: RunningHub, member: City) -> None:
    first = release(member)
    wide.accept(first)
    wide.accept(release(member, table="bias_incidents.by_weekday"))
    wide.accept(member.withdrawal(first))
    refuse(wide, release(member, table="bias_incidents.by_place"))


def test_a_retry_costs_nothing(wide: RunningHub, member: City) -> None:
    body = release(member)
    wide.accept(body)
    assert wide.post(body).status_code == 200
    assert count_charges(wide) == 1


def test_a_policy_that_another_process_has_tightened_counts_at_once(wide: RunningHub, member: City) -> None:
    wide.accept(release(member))
    stale = wide.hub.trust
    tighter = WIDE.to_object() | {"version": 3, "epsilon_milli_per_measure": 1500}
    wide.verb("policy.set", policy=tighter)
    wide.hub._trust = stale
    refuse(wide, release(member, table="bias_incidents.by_weekday"))


@pytest.mark.sqlite_is_enough(False)
def test_two_processes_on_one_database_never_let_a_city_overspend(
    wide: RunningHub, network: Network, tmp_path: Path
) -> None:
    cities = [wide.enrol(f"city{place}.sn.de") for place in range(6)]
    place = tmp_path / "other"
    place.mkdir()
    url = wide.hub.database.url
    settings = wide.hub.settings.model_copy(update={"database_url": url})
    names = ("offence", "weekday", "place")
    offers = [release(city, table=f"bias_incidents.by_{name}") for city in cities for name in names]
    with closing(Hub(place, settings, key_of("sachsen.de"), wide.clock, network)) as other:
        together = Barrier(2)

        def offer(hub: Hub) -> int:
            together.wait()
            return sum(commit_one(hub, body) for body in offers)

        with ThreadPoolExecutor(2) as threads:
            accepted = sum(threads.map(offer, (wide.hub, other)))
    with wide.hub.database.read() as session:
        spent = session.execute(select(ChargeRow.origin, func.sum(ChargeRow.epsilon_milli)).group_by(ChargeRow.origin))
        assert dict(spent.all()) == {city.name: 2000 for city in cities}
    assert (accepted, count_charges(wide)) == (12, 12)
    assert wide.verb("verify")["ok"]


def commit_one(hub: Hub, body: bytes) -> bool:
    """Hand one release to a process; whether it was taken as new."""
    checked = check_submission(body, hub.trust, hub.clock())
    with hub.database.write() as session:
        (result,) = commit_submissions(session, [checked], name=hub.name, key=hub.key, now=hub.clock())
    return isinstance(result, Accepted) and result.new


# --- corrections ---------------------------------------------------------------------------------------------------


def test_a_correction_of_a_release_that_is_not_here_is_refused(wide: RunningHub, member: City) -> None:
    refuse(wide, release(member, **correction(1)), ProblemCode.RELEASE_RULE)


@pytest.mark.parametrize("number", [2, 3])
def test_a_correction_out_of_its_turn_is_refused(wide: RunningHub, member: City, number: int) -> None:
    wide.accept(release(member))
    refuse(wide, release(member, **correction(number)), ProblemCode.RELEASE_RULE)


def test_a_correction_of_a_withdrawn_release_is_refused(wide: RunningHub, member: City) -> None:
    body = release(member)
    wide.accept(body)
    wide.accept(member.withdrawal(body))
    refuse(wide, release(member, **correction(1)), ProblemCode.RELEASE_RULE)


def test_corrections_in_their_turn_are_taken_until_the_measure_has_nothing_left(wide: RunningHub, member: City) -> None:
    wide.accept_many([release(member), release(member, **correction(1)), release(member, **correction(2))])
    refuse(wide, release(member, **correction(3)))
    assert wide.verb("verify")["ok"]


# --- a ledger that was rewritten -----------------------------------------------------------------------------------


def evidence(hub: RunningHub) -> int:
    count: int = hub.verb("status")["evidence"]
    return count


def test_two_releases_in_one_place_of_a_ledger_are_evidence(wide: RunningHub, member: City) -> None:
    wide.accept(release(member, ledger={"seq": 4, "head": "aa" * 32}))
    other = release(member, "2026-09", ledger={"seq": 4, "head": "bb" * 32})
    assert "one entry in place 4" in refuse(wide, other, ProblemCode.SEQ_CONFLICT)
    assert evidence(wide) == 1


@pytest.mark.sqlite_is_enough(False)
def test_also_within_one_request_and_also_years_apart(wide: RunningHub, member: City) -> None:
    places = [("2026-01", "aa"), ("2016-01", "bb")]
    bodies = [release(member, label, ledger={"seq": 4, "head": head * 32}) for label, head in places]
    response = wide.post(b'{"submissions":[' + b",".join(bodies) + b"]}", "/v1/submissions/batch")
    assert [result["status"] for result in response.json()["results"]] == [201, 409]
    refuse(wide, release(member, "2006-01", ledger={"seq": 4, "head": "cc" * 32}), ProblemCode.SEQ_CONFLICT)
    assert evidence(wide) == 2


def test_an_entry_that_does_not_follow_the_one_before_is_evidence(wide: RunningHub, member: City) -> None:
    wide.accept(member.sign(Kind.TREND, chained(1, "0" * 64)))
    body = chained(2, "ab" * 32, period=parse_period("2026-09").to_object())
    refuse(wide, member.sign(Kind.TREND, body), ProblemCode.SEQ_CONFLICT)
    assert evidence(wide) == 1


def test_an_entry_that_the_next_one_does_not_follow_is_evidence(wide: RunningHub, member: City) -> None:
    """The second came first, and names another one before it."""
    wide.accept(member.sign(Kind.TREND, chained(2, "ab" * 32, period=parse_period("2026-09").to_object())))
    first = member.sign(Kind.TREND, chained(1, "0" * 64))
    assert "that entry 2 follows" in refuse(wide, first, ProblemCode.SEQ_CONFLICT)
    assert evidence(wide) == 1


def test_that_too_within_one_request(wide: RunningHub, member: City) -> None:
    bodies = [
        member.sign(Kind.TREND, chained(seq, prev, period=parse_period(label).to_object()))
        for seq, prev, label in ((3, "ab" * 32, "2026-09"), (2, "cd" * 32, "2026-08"))
    ]
    response = wide.post(b'{"submissions":[' + b",".join(bodies) + b"]}", "/v1/submissions/batch")
    assert [result["status"] for result in response.json()["results"]] == [201, 409]


@pytest.mark.parametrize(("seq", "prev"), [(1, "cd" * 32), (2, "0" * 64)])
def test_only_the_first_entry_follows_none(wide: RunningHub, member: City, seq: int, prev: str) -> None:
    refuse(wide, member.sign(Kind.TREND, chained(seq, prev)), ProblemCode.RELEASE_RULE)


def test_a_ledger_that_was_a_chain_stays_one(wide: RunningHub, member: City) -> None:
    """Leaving `prev` out again would get round the chain; what an older node had released before may still come."""
    wide.accept(member.sign(Kind.TREND, chained(5, "ab" * 32)))
    later = {"seq": 6, "head": "cd" * 32}
    refuse(wide, release(member, "2026-09", ledger=later), ProblemCode.RELEASE_RULE)
    wide.accept(release(member, "2026-09", ledger={"seq": 3, "head": "cd" * 32}))
    other = wide.enrol("dresden.sn.de")
    wide.accept(release(other, "2026-09", ledger=later))
    assert wide.verb("verify")["ok"]


def test_a_head_that_is_not_the_hash_of_the_release_is_refused(wide: RunningHub, member: City) -> None:
    body = chained(1, "0" * 64)
    cells = [cell | {"value": 5} for cell in body["cells"]]
    refuse(wide, member.sign(Kind.TREND, body | {"cells": cells}), ProblemCode.RELEASE_RULE)


def test_an_honest_chain_is_taken_in_any_order_and_the_member_learns_its_end(wide: RunningHub, member: City) -> None:
    bodies: list[Mapping[str, Any]] = []
    prev = "0" * 64
    for seq in range(1, 5):
        bodies.append(chained(seq, prev, period=parse_period(f"2026-0{seq}").to_object()))
        prev = bodies[-1]["ledger"]["head"]
    for place in (0, 3, 1, 2):
        wide.accept(member.sign(Kind.TREND, bodies[place]))
    state = member.read("/v1/members/me").json()
    assert (state["ledger_seq"], state["ledger_head"]) == (4, prev)
    assert wide.verb("verify")["ok"]


def test_a_member_without_releases_is_told_of_no_ledger(wide: RunningHub, member: City) -> None:
    state = member.read("/v1/members/me").json()
    assert not {"ledger_seq", "ledger_head"} & set(state)


# --- logs from before there were charges ---------------------------------------------------------------------------


def migrate_to_first(url: str) -> Database:
    """A database as release 0.1 made it."""
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", "regional_hub/migrations")
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
    return database


LATER_COLUMNS = ("atoms", "held", "place", "software", "seen_note", "read_note")


def copy_into_first(hub: RunningHub, url: str) -> None:
    """Put a hub's log into a database of release 0.1."""
    with closing(migrate_to_first(url)) as old, hub.hub.database.read() as source, old.write() as target:
        then = MetaData()
        then.reflect(target.connection())
        for table in Base.metadata.sorted_tables:
            if table.name not in then.tables:
                continue
            columns = [table.columns[column.name] for column in then.tables[table.name].columns]
            rows = [dict(row._mapping) for row in source.execute(select(*columns))]
            if rows:
                target.connection().execute(insert(then.tables[table.name]), rows)


@pytest.fixture
def former(start_hub: HubStarter) -> tuple[RunningHub, City]:
    """A hub with releases, one of them withdrawn, and one of a table that the policy no longer has."""
    hub = start_hub("sachsen.de", policy=WIDE)
    city = hub.enrol("leipzig.sn.de")
    bodies = [release(city), release(city, **correction(1)), release(city, "2026-03")]
    hub.accept_many(bodies)
    hub.accept(release(city, "2026-04", table="talks.by_place"))
    hub.accept(city.withdrawal(bodies[-1]))
    hub.verb("policy.set", policy=WIDE.to_object() | {"version": 2, "tables": TABLES[:3]})
    return hub, city


def start_again(former: RunningHub, url: str, network: Network, place: Path) -> Hub:
    place.mkdir(exist_ok=True)
    settings = former.hub.settings.model_copy(update={"database_url": url})
    return Hub(place, settings, key_of("sachsen.de"), former.clock, network)


def charges_of(database: Database) -> list[tuple[Any, ...]]:
    with database.read() as session:
        return [tuple(row) for row in session.execute(select(*ChargeRow.__table__.columns).order_by("entry_index"))]


def test_a_hub_of_release_0_1_learns_what_was_spent_at_its_first_start(
    former: tuple[RunningHub, City], database_url: str, network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    hub, _ = former
    copy_into_first(hub, database_url)
    kept = charges_of(hub.hub.database)
    with closing(start_again(hub, database_url, network, tmp_path / "new")) as newer:
        filled = charges_of(newer.database)
        erased = [row for row in filled if row[-2] == 0]
        assert len(filled) == len(kept) == 4 and len(erased) == 1
        assert [row for row in filled if row not in erased] == [row for row in kept if row[0] != erased[0][0]]
        assert erased[0][:-2] == next(row[:-2] for row in kept if row[0] == erased[0][0])
        with closing(start_again(hub, database_url, network, tmp_path / "second")):  # another process, or a restart
            assert charges_of(newer.database) == filled


@pytest.mark.sqlite_is_enough(False)
def test_filling_reads_many_in_parts(former: tuple[RunningHub, City], monkeypatch: pytest.MonkeyPatch) -> None:
    hub, _ = former
    monkeypatch.setattr(charges, "FILLED_AT_ONCE", 1)
    before = charges_of(hub.hub.database)
    with hub.hub.database.write() as session:
        session.query(ChargeRow).filter(ChargeRow.ledger_seq > 0).delete()
        assert charges.fill_missing(session, hub.hub.name) == len(before)
    assert hub.verb("verify")["ok"]
