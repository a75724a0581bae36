"""An old copy of a data directory is noticed before anything is drawn, and what was released is fetched back."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from local_node import audit, verbs
from local_node.app import DATABASE_FILE, Node
from local_node.orm import LedgerRow
from local_node.settings import load_settings
from shared_schema.canonical import parse_strict
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from shared_schema.statement import Kind
from tests.hub_simulator import HubSimulator, Lie, MovableClock

TABLE = "bias_incidents.by_offence"
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""
Opener = Callable[[Path], Node]


@pytest.fixture
def open_copy(hub: HubSimulator, clock: MovableClock) -> Iterator[Opener]:
    """Starts a node on a data directory, as after a restart."""
    opened: list[Node] = []

    def start(place: Path) -> Node:
        opened.append(Node(place, load_settings(place), load_key(place), clock, hub))
        return opened[-1]

    yield start
    for node in opened:
        node.close()


@pytest.fixture
def city(member: Node, tmp_path: Path) -> Node:
    """A member with figures of five months."""
    (tmp_path / "mapping.toml").write_text(MAPPING)
    rows = "".join(f"2026-0{month},{month},{9 - month}\n" for month in range(1, 6))
    (tmp_path / "figures.csv").write_text(f"month,assault,arson\n{rows}")
    params = {"file": str(tmp_path / "figures.csv"), "mapping": str(tmp_path / "mapping.toml")}
    verbs.run(member, "import", params | {"agency": "youth-office", "by": "anna"})
    return member


def draw(node: Node, period: str) -> dict[str, Any]:
    return verbs.run(node, "release.numbers", {"table": TABLE, "period": period, "by": "anna"})


def release(node: Node, *periods: str) -> list[dict[str, Any]]:
    """Release figures all the way to the hub; returns what was shown before."""
    shown = [draw(node, period) for period in periods]
    for each in shown:
        verbs.run(node, "release.approve", {"request": each["request"], "by": "ben", "accept": {}})
    assert verbs.run(node, "sync", {})["pushed"] == len(periods)
    return shown


def refusal(node: Node, period: str) -> VerbError:
    """Expect a draw to be refused with the ledger untouched."""
    before = entries(node)
    with pytest.raises(VerbError) as caught:
        draw(node, period)
    assert entries(node) == before
    return caught.value


def entries(node: Node) -> list[tuple[int, str]]:
    with node.database.read() as session:
        return [(row.seq, row.entry_hash) for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq))]


@pytest.fixture
def restored(city: Node, open_copy: Opener, tmp_path: Path) -> Node:
    """A node whose data directory is a copy from before its second and third release."""
    release(city, "2026-01")
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    release(later, "2026-02", "2026-03")
    later.close()
    return open_copy(tmp_path / "copy")


# --- before a draw -------------------------------------------------------------------------------------------------


def test_an_old_copy_draws_nothing_and_says_what_to_do(restored: Node) -> None:
    error = refusal(restored, "2026-02")
    assert error.code == "ledger-restored"
    assert "entry 3" in error.message and "local-node ledger resume" in error.message
    assert refusal(restored, "2026-04").code == "ledger-restored"


def test_an_old_copy_raises_an_alarm_that_the_overview_shows_until_it_is_newer(restored: Node) -> None:
    result = verbs.run(restored, "sync", {})
    assert [alarm["code"] for alarm in result["alarms"]] == ["ledger-restored"]
    status = verbs.run(restored, "status", {})
    assert any("put a newer backup in its place" in step for step in status["next"])
    assert verbs.run(restored, "sync", {})["alarms"]  # an honest feed does not settle it


def test_an_old_copy_can_still_do_everything_else(restored: Node, hub: HubSimulator) -> None:
    practice = Path(__file__).parents[2] / "deploy/demo/practices/leipzig_2_faith_round_table_on_call.json"
    shown = verbs.run(restored, "release.practice", {"file": str(practice), "by": "anna"})
    accept = {str(finding["number"]): "a public office" for finding in shown["findings"]}
    verbs.run(restored, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})
    assert verbs.run(restored, "sync", {})["pushed"] == 1


def test_a_ledger_with_another_entry_in_that_place_draws_nothing(city: Node, hub: HubSimulator) -> None:
    release(city, "2026-01")
    with city.database.write() as session:
        session.execute(text("DROP TRIGGER ledger_no_update"))
        session.execute(text("UPDATE ledger SET entry_hash = :hash"), {"hash": "ab" * 32})
    verbs.run(city, "sync", {})
    assert refusal(city, "2026-02").code == "ledger-restored"


def test_a_hub_that_is_down_right_after_the_start_leaves_the_ledger_unconfirmed(
    city: Node, open_copy: Opener, hub: HubSimulator
) -> None:
    city.close()
    restarted = open_copy(city.data_dir)
    hub.lie = Lie.UNREACHABLE
    assert refusal(restarted, "2026-01").code == "ledger-unconfirmed"
    hub.lie = None
    assert draw(restarted, "2026-01")["state"] == "requested"


def test_a_hub_that_turns_its_member_away_leaves_the_ledger_unconfirmed(
    city: Node, open_copy: Opener, hub: HubSimulator
) -> None:
    city.close()
    restarted = open_copy(city.data_dir)
    key = hub.keys.pop(city.key.public.keyid)
    assert refusal(restarted, "2026-01").code == "ledger-unconfirmed"
    hub.keys[key.keyid] = key


def test_a_hub_that_dies_later_holds_up_no_draw(city: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.UNREACHABLE
    assert draw(city, "2026-01")["state"] == "requested"


def test_the_replay_of_a_stored_draw_needs_no_hub(city: Node, open_copy: Opener, hub: HubSimulator) -> None:
    first = draw(city, "2026-01")
    verbs.run(city, "release.refuse", {"request": first["request"], "by": "ben", "reason": "not yet"})
    city.close()
    hub.lie = Lie.UNREACHABLE
    again = draw(open_copy(city.data_dir), "2026-01")
    assert again["cells"] == first["cells"]


def test_a_node_that_never_released_draws(city: Node) -> None:
    assert draw(city, "2026-01")["state"] == "requested"


def test_an_honest_node_goes_on_after_a_restart(city: Node, open_copy: Opener) -> None:
    release(city, "2026-01")
    city.close()
    restarted = open_copy(city.data_dir)
    assert draw(restarted, "2026-02")["state"] == "requested"
    assert verbs.run(restarted, "sync", {})["alarms"] == []


def test_a_hub_of_release_0_1_does_not_hold_up_a_draw(restored: Node, hub: HubSimulator) -> None:
    hub.knows_no_ledgers = True
    assert draw(restored, "2026-04")["state"] == "requested"


def test_a_refusal_for_the_budget_is_final_and_holds_up_nothing(city: Node, hub: HubSimulator) -> None:
    shown = [draw(city, period) for period in ("2026-01", "2026-02")]
    for each in shown:
        verbs.run(city, "release.approve", {"request": each["request"], "by": "ben", "accept": {}})
    hub.refuse_next, hub.refusal = 1, ProblemCode.PRIVACY_BUDGET
    result = verbs.run(city, "sync", {})
    assert (result["refused"], result["pushed"]) == (1, 1)


# --- and back again ------------------------------------------------------------------------------------------------


def cells_at(hub: HubSimulator) -> dict[str, Any]:
    """Period → the cells that the hub has."""
    bodies = [
        parse_strict(hub.envelopes[entry.digest].payload)["body"] for entry in hub.entries if entry.kind is Kind.TREND
    ]
    return {body["period"]["start"][:7]: body["cells"] for body in bodies}


def resume(node: Node) -> dict[str, Any]:
    return verbs.run(node, "ledger.resume", {})


def test_after_a_resume_the_same_values_are_replayed_and_new_ones_drawn(restored: Node, hub: HubSimulator) -> None:
    done = resume(restored)
    assert (done["restored"], done["lost"]) == (2, 0)
    assert draw(restored, "2026-02")["body"]["cells"] == cells_at(hub)["2026-02"]
    assert [seq for seq, _ in entries(restored)] == [1, 2, 3]
    assert draw(restored, "2026-04")["body"]["ledger"]["seq"] == 4
    assert verbs.run(restored, "sync", {})["alarms"] == []
    assert verbs.run(restored, "ledger.verify", {})["entries"] == 4
    assert (resume(restored)["restored"], resume(restored)["lost"]) == (0, 0)


def test_what_was_drawn_after_a_resume_is_taken_by_the_hub(restored: Node, hub: HubSimulator) -> None:
    resume(restored)
    release(restored, "2026-04")
    assert set(cells_at(hub)) == {"2026-01", "2026-02", "2026-03", "2026-04"}


def test_an_empty_data_directory_with_the_old_key_gets_its_whole_ledger_back(
    city: Node, open_copy: Opener, hub: HubSimulator, tmp_path: Path
) -> None:
    release(city, "2026-01", "2026-02")
    place = tmp_path / "empty"
    place.mkdir()
    for path in city.data_dir.iterdir():
        if path.is_file() and not path.name.startswith(DATABASE_FILE):
            shutil.copy(path, place)
    fresh = open_copy(place)
    verbs.run(fresh, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    verbs.run(fresh, "sync", {})
    assert resume(fresh)["restored"] == 2
    assert [seq for seq, _ in entries(fresh)] == [1, 2]


def test_an_entry_that_was_drawn_and_never_handed_in_keeps_its_place(
    city: Node, open_copy: Opener, hub: HubSimulator, tmp_path: Path
) -> None:
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    draw(later, "2026-01")  # seen by the reviewer alone
    release(later, "2026-02")
    kept = entries(later)
    later.close()
    copy = open_copy(tmp_path / "copy")
    done = resume(copy)
    assert (done["restored"], done["lost"]) == (1, 1)
    assert entries(copy)[1] == kept[1]
    assert verbs.run(copy, "ledger.verify", {})["entries"] == 2
    assert draw(copy, "2026-01")["body"]["ledger"]["seq"] == 3
    with copy.database.read() as session:
        assert any(event.action == "ledger.resumed" for event in audit.list_events(session))


def test_a_ledger_that_went_on_by_itself_is_not_resumed(restored: Node, hub: HubSimulator) -> None:
    hub.knows_no_ledgers = True
    draw(restored, "2026-05")
    hub.knows_no_ledgers = False
    before = entries(restored)
    with pytest.raises(VerbError) as caught:
        resume(restored)
    assert caught.value.code == "ledger-forked"
    assert entries(restored) == before


def test_a_hub_that_is_away_resumes_nothing(restored: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.UNREACHABLE
    before = entries(restored)
    with pytest.raises(VerbError) as caught:
        resume(restored)
    assert (caught.value.code, entries(restored)) == ("unreachable", before)


def test_a_lying_feed_resumes_nothing(restored: Node, hub: HubSimulator) -> None:
    hub.log(hub.city("dresden.sn.de").practice())
    hub.lie = Lie.FLIP_BIT
    before = entries(restored)
    with pytest.raises(VerbError):
        resume(restored)
    assert entries(restored) == before


# --- and the records, from the agencies' files -----------------------------------------------------------------------


def bring(node: Node, tmp_path: Path, name: str, rows: str, **params: object) -> dict[str, Any]:
    """Import a file with more rows."""
    (tmp_path / name).write_text(f"month,assault,arson\n{rows}")
    files = {"file": str(tmp_path / name), "mapping": str(tmp_path / "mapping.toml")}
    return verbs.run(node, "import", files | {"agency": "youth-office", "by": "anna"} | params)


def test_figures_that_are_read_in_again_after_a_resume_are_in_no_second_release(
    city: Node, open_copy: Opener, tmp_path: Path
) -> None:
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    bring(later, tmp_path, "june.csv", "2026-06,6,3\n2026-07,7,2\n")
    release(later, "2026-06")
    later.close()
    copy = open_copy(tmp_path / "copy")
    resume(copy)
    again = bring(copy, tmp_path, "june.csv", "2026-06,6,3\n2026-07,7,2\n")
    assert (again["added"], again["late"], again["as_released"]) == (4, 0, 2)
    with pytest.raises(VerbError) as caught:  # from now on it is like any other released figure
        bring(copy, tmp_path, "june.csv", "2026-06,5,3\n")
    assert caught.value.code == "already-released"


def test_a_late_figure_that_is_read_in_again_stays_in_the_release_that_may_hold_it(
    city: Node, open_copy: Opener, tmp_path: Path
) -> None:
    bring(city, tmp_path, "figures.csv", "2026-06,6,3\n2026-07,2,\n")
    release(city, "2026-06", "2026-07")
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    assert bring(later, tmp_path, "late.csv", "2026-07,2,4\n")["late_in"] == ["2026-08"]
    bring(later, tmp_path, "august.csv", "2026-08,1,1\n")
    release(later, "2026-08")
    later.close()
    copy = open_copy(tmp_path / "copy")
    resume(copy)
    again = bring(copy, tmp_path, "late.csv", "2026-07,2,4\n")
    assert (again["late"], again["as_released"]) == (0, 1)


def test_a_correction_that_was_brought_back_is_not_released_once_more(
    city: Node, open_copy: Opener, tmp_path: Path
) -> None:
    release(city, "2026-01")
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    bring(later, tmp_path, "right.csv", "2026-01,3,8\n", correction=True)
    params = {"table": TABLE, "period": "2026-01", "correction": True, "by": "anna"}
    shown = verbs.run(later, "release.numbers", params)
    verbs.run(later, "release.approve", {"request": shown["request"], "by": "ben", "accept": {}})
    assert verbs.run(later, "sync", {})["pushed"] == 1
    later.close()
    copy = open_copy(tmp_path / "copy")
    resume(copy)
    assert bring(copy, tmp_path, "right.csv", "2026-01,3,8\n", correction=True)["corrected"] == 0
    again = verbs.run(copy, "release.numbers", params)
    assert (again["body"]["cells"], len(entries(copy))) == (shown["body"]["cells"], 2)  # the one draw, replayed


def test_an_entry_that_only_says_that_it_was_brought_back_breaks_the_ledger(city: Node) -> None:
    release(city, "2026-01")
    with city.database.write() as session:
        session.execute(text("DROP TRIGGER ledger_no_update"))
        session.execute(text("UPDATE ledger SET format = 0, epsilon_milli = 1"))
    with pytest.raises(VerbError) as caught:
        verbs.run(city, "ledger.verify", {})
    assert caught.value.code == "ledger-broken"


def test_an_older_figure_in_the_copy_is_no_base_for_a_correction(city: Node, open_copy: Opener, tmp_path: Path) -> None:
    city.close()
    shutil.copytree(city.data_dir, tmp_path / "copy")
    later = open_copy(city.data_dir)
    bring(later, tmp_path, "newer.csv", "2026-01,40,8\n")  # not released yet, so it may be changed
    release(later, "2026-01")
    later.close()
    copy = open_copy(tmp_path / "copy")
    resume(copy)
    again = bring(copy, tmp_path, "newer.csv", "2026-01,40,8\n")
    assert (again["as_released"], again["corrected"], again["late"]) == (1, 0, 0)
    right = bring(copy, tmp_path, "right.csv", "2026-01,41,8\n", correction=True)
    assert (right["as_released"], right["corrected"]) == (0, 1)  # and from now on there is one
