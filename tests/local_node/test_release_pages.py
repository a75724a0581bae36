"""Figures to share: what would leave and what it costs is told before anybody asks, and no true count is anywhere."""

from pathlib import Path

import pytest

from local_node import verbs
from local_node.app import Node
from tests.local_node.browsing import Browser
from tests.local_node.lesson_desk import seat

TABLE = "bias_incidents.by_offence"
TRUE_COUNT = 7_919
"""No draw comes near a count that nobody else has."""
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""


@pytest.fixture
def anna(member: Node, tmp_path: Path) -> Browser:
    (tmp_path / "mapping.toml").write_text(MAPPING)
    read_in(member, tmp_path, f"2026-08,4,1\n2026-10,{TRUE_COUNT},0\n")
    return seat(member, "anna")


def read_in(node: Node, folder: Path, rows: str, *, correction: bool = False) -> None:
    (folder / "rows.csv").write_text(f"month,assault,arson\n{rows}")
    given = {"file": str(folder / "rows.csv"), "mapping": str(folder / "mapping.toml"), "agency": "youth", "by": "anna"}
    verbs.run(node, "import", given | {"correction": correction})


def test_the_grid_leads_to_what_a_release_would_be(member: Node, anna: Browser) -> None:
    grid = anna.page("/releases")
    assert f'href="/releases/{TABLE}/2026-08"' in grid
    assert f'href="/releases/{TABLE}/2026-09"' not in grid
    page = anna.page(f"/releases/{TABLE}/2026-10")
    assert "a number with noise" in page
    assert "1 of 2 are left" in page
    assert str(TRUE_COUNT) not in page.replace(",", "")
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_asking_draws_once_and_leads_to_the_review(member: Node, anna: Browser) -> None:
    asked = anna.post(f"/releases/{TABLE}/2026-10")
    page = anna.follow(asked)
    assert "It is paid already" in page
    assert "Approve: it may leave" not in page
    again = anna.post(f"/releases/{TABLE}/2026-10")
    assert again.status_code == 422
    assert "Somebody has asked for these figures already." in again.text
    assert "/reviews/r1" in anna.page(f"/releases/{TABLE}/2026-10")
    ben = seat(member, "ben", anna.app)
    assert "Approve: it may leave" in ben.page("/reviews/r1")
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben", "accept": {}})
    verbs.run(member, "sync", {})
    assert "released" in anna.page("/releases")


def test_a_correction_is_offered_where_a_released_figure_has_changed(
    member: Node, anna: Browser, tmp_path: Path
) -> None:
    anna.post(f"/releases/{TABLE}/2026-10")
    verbs.run(member, "release.approve", {"request": "r1", "by": "ben", "accept": {}})
    verbs.run(member, "sync", {})
    read_in(member, tmp_path, f"2026-10,{TRUE_COUNT + 1},0\n", correction=True)
    assert f"/releases/{TABLE}/2026-10?correction=1" in anna.page("/releases")
    page = anna.page(f"/releases/{TABLE}/2026-10?correction=1")
    assert "only what has changed" in page
    asked = anna.post(f"/releases/{TABLE}/2026-10", {"correction": "1"})
    assert "correction" in anna.follow(asked)


def test_what_holds_a_release_back_is_told_and_asking_changes_nothing(member: Node, anna: Browser) -> None:
    running = anna.page(f"/releases/{TABLE}/2026-11")
    assert "cannot be released yet" in running
    assert "Ask for a review</button>" not in running
    assert anna.post(f"/releases/{TABLE}/2026-11").status_code == 422
    assert verbs.run(member, "release.list", {})["requests"] == []


def test_addresses_that_lead_nowhere(member: Node, anna: Browser) -> None:
    for path in ("nothing.by_nobody/2026-10", f"{TABLE}/2026-13", f"{TABLE}/yesterday", f"{TABLE}/%00"):
        assert anna.get(f"/releases/{path}").status_code == 404, path
        assert anna.post(f"/releases/{path}").status_code == 404, path
    for back in ("-1", "61", "x", "1e9"):
        assert anna.get(f"/releases?back={back}").status_code == 404, back
    ben = seat(member, "ben", anna.app)
    assert "Ask for a review</button>" not in ben.page(f"/releases/{TABLE}/2026-10")
    assert ben.post(f"/releases/{TABLE}/2026-10").status_code == 403
