"""Which figures are ready, on their way, out, late or to be corrected; and never how many."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_node import release_grid, verbs
from local_node.app import Node
from local_node.release_grid import GridState, latest_periods
from shared_schema.governance import PolicyBody

TABLE = "bias_incidents.by_offence"
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""


@pytest.fixture
def reported(member: Node, tmp_path: Path) -> Node:
    """August is late, October ready, September not reported; it is November."""
    read_in(member, tmp_path, "month,assault,arson\n2026-08,4,1\n2026-10,3,0\n", "youth-office")
    read_in(member, tmp_path, "month,assault,arson\n2026-10,1,\n", "school-board")
    return member


def read_in(node: Node, folder: Path, rows: str, agency: str, **params: Any) -> None:
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "rows.csv").write_text(rows)
    given = {"file": str(folder / "rows.csv"), "mapping": str(folder / "mapping.toml"), "agency": agency, "by": "anna"}
    verbs.run(node, "import", given | params)


def states(node: Node, policy: PolicyBody) -> dict[str, tuple[GridState, int]]:
    with node.database.read() as session:
        (grid,) = release_grid.read_grid(session, policy.tables, node.clock())
    return {cell.period: (cell.state, cell.reporting) for cell in grid.rows[0].cells}


def test_the_grid_says_what_is_ready_late_and_missing(reported: Node, policy: PolicyBody) -> None:
    found = states(reported, policy)
    assert list(found) == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
    assert found["2026-08"] == (GridState.LATE, 1)
    assert found["2026-09"] == (GridState.MISSING, 0)
    assert found["2026-10"] == (GridState.READY, 2)
    assert found["2026-11"] == (GridState.RUNNING, 0)


def test_a_request_moves_through_the_grid(reported: Node, policy: PolicyBody, tmp_path: Path) -> None:
    ask = {"table": TABLE, "period": "2026-10", "by": "anna"}
    request = verbs.run(reported, "release.numbers", ask)["request"]
    assert states(reported, policy)["2026-10"][0] is GridState.REQUESTED
    verbs.run(reported, "release.refuse", {"request": request, "by": "ben", "reason": "look again"})
    assert states(reported, policy)["2026-10"][0] is GridState.READY
    request = verbs.run(reported, "release.numbers", ask)["request"]
    verbs.run(reported, "release.approve", {"request": request, "by": "ben", "accept": {}})
    assert states(reported, policy)["2026-10"][0] is GridState.APPROVED
    verbs.run(reported, "sync", {})
    assert states(reported, policy)["2026-10"][0] is GridState.RELEASED
    read_in(reported, tmp_path, "month,assault,arson\n2026-10,5,0\n", "youth-office", correction=True)
    assert states(reported, policy)["2026-10"][0] is GridState.CORRECTION
    verbs.run(reported, "release.numbers", ask | {"correction": True})
    assert states(reported, policy)["2026-10"][0] is GridState.REQUESTED


def test_what_waits_for_somebody_comes_with_the_most_urgent_first(reported: Node, policy: PolicyBody) -> None:
    with reported.database.read() as session:
        grids = release_grid.read_grid(session, policy.tables, reported.clock())
    found = [(cell.state, cell.period) for cell in release_grid.needing_somebody(grids)]
    assert found == [(GridState.LATE, "2026-08"), (GridState.READY, "2026-10")]


def test_the_months_of_a_quarter_fill_the_quarter(reported: Node, policy: PolicyBody) -> None:
    quarterly = policy.tables[0].model_copy(update={"granularities": ("quarter",)})
    with reported.database.read() as session:
        (grid,) = release_grid.read_grid(session, [quarterly], reported.clock())
    found = {cell.period: (cell.state, cell.reporting) for cell in grid.rows[0].cells}
    assert found["2026-Q3"] == (GridState.LATE, 1)
    assert found["2026-Q4"] == (GridState.RUNNING, 2)


@pytest.mark.parametrize(
    ("granularity", "back", "first", "last"),
    [
        ("month", 0, "2025-09", "2026-02"),
        ("month", 1, "2025-03", "2025-08"),
        ("quarter", 0, "2025-Q1", "2026-Q1"),
        ("year", 0, "2024", "2026"),
    ],
)
def test_the_newest_periods_are_shown(granularity: Any, back: int, first: str, last: str) -> None:
    labels = [period.label for period in latest_periods(granularity, datetime(2026, 2, 3, tzinfo=UTC), back=back)]
    assert (labels[0], labels[-1]) == (first, last)
