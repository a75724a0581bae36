"""A city that refuses noise: quarters and years, kept and replayed like a draw, and never beside noise."""

from typing import Any

import pytest
from sqlalchemy import text

from local_node import figures, ledger, release
from local_node.figures import Ask
from local_node.protection import Protection
from local_node.review import ReleaseRequest
from shared_schema.errors import ContractError, ProgramError
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from shared_schema.spending import audit_spending, entry_hash
from shared_schema.trend import ThresholdMechanism, TrendBody
from tests.factories import (
    COORDINATOR,
    LEIPZIG,
    NOW,
    REVIEWER,
    CountingDraw,
    add_people,
    add_returns,
    make_policy,
    make_returns_file,
    no_noise,
)

POLICY = make_policy()
WITHOUT_NOISE = Protection(engine="threshold")
TABLE = "bias_incidents.by_offence"


@pytest.fixture(autouse=True)
def city(node_database: Database) -> None:
    """People, and a quarter of returns."""
    with node_database.write() as session:
        add_people(session)
        month = [14, 0, 3, 8, 1, 21]
        add_returns(session, make_returns_file(m2026_01=month, m2026_02=month, m2026_03=month, m2026_04=month))


def ask_for(database: Database, label: str = "2026-Q1", **changes: Any) -> ReleaseRequest:
    given: dict[str, Any] = {"protection": WITHOUT_NOISE, "draw": CountingDraw(), "policy": POLICY}
    with database.write() as session:
        return release.request_numbers(
            session,
            TABLE,
            parse_period(label),
            COORDINATOR,
            area=LEIPZIG,
            expected_agencies=1,
            now=NOW,
            **(given | changes),
        )


def entries(database: Database) -> int:
    with database.read() as session:
        return ledger.verify_chain(session)


@pytest.mark.parametrize(
    ("label", "changes", "code"),
    [
        ("2026-01", {}, "threshold-month"),
        ("2026-Q1", {"correction": True}, "threshold-correction"),
        ("2026-Q1", {"protection": Protection(engine="threshold", threshold=5)}, "threshold-floor"),
    ],
)
def test_what_cannot_be_done_without_noise_is_refused_and_nothing_is_stored(
    node_database: Database, label: str, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(ProgramError) as caught:
        ask_for(node_database, label, policy=make_policy(threshold_floor=6), **changes)
    assert caught.value.code == code
    assert entries(node_database) == 0


def test_noise_and_threshold_never_meet_in_a_measure(node_database: Database) -> None:
    ask_for(node_database)
    with pytest.raises(ContractError, match="one way of protection"):
        ask_for(node_database, "2026-04", protection=Protection(), draw=no_noise)
    assert entries(node_database) == 1


def test_the_previewed_cells_are_the_very_ones_that_leave_and_stay_for_ever(node_database: Database) -> None:
    ask = Ask(TABLE, parse_period("2026-Q1"), POLICY, 1, NOW, WITHOUT_NOISE)
    with node_database.read() as session:
        seen = figures.look_ahead(session, ask)
    assert (seen.held_back, entries(node_database)) == ((), 0)
    assert seen.cost is not None
    assert seen.cost.epsilon_milli == 0
    draw = CountingDraw()
    first = ask_for(node_database, draw=draw)
    body = TrendBody.from_bytes(first.body)
    assert [(cell.status, cell.value) for cell in seen.cells] == [(cell.status, cell.value) for cell in body.cells]
    assert {cell.leaves for cell in seen.cells if cell.status == "Q"} >= {"suppressed: between 0 and 9"}
    assert isinstance(body.mechanism, ThresholdMechanism)
    assert (body.privacy, body.mechanism.library.split()[0], draw.scales) == (None, "scipy", [])
    assert entry_hash(body) == body.ledger.head
    assert audit_spending([body], POLICY).findings == ()
    with node_database.write() as session:
        release.refuse(session, first.id, REVIEWER, "once more", NOW)
        session.execute(text("UPDATE return_records SET value = value + 5"))
    assert ask_for(node_database).body == first.body
    assert entries(node_database) == 1
