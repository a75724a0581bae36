"""The verb `import`: the policy says whether persons or records count, and no reference stays anywhere."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from local_node import verbs
from local_node.app import Node
from local_node.orm import EventRecordRow
from local_node.units import UNIT_KEY_FILE
from shared_schema.service.control import VerbError
from tests.factories import make_policy, make_table
from tests.hub_simulator import HubSimulator

TABLE = "bias_incidents.by_offence"
EVENTS = """kind = "events"
measure = "bias_incidents"
unit_column = "file"
dimensions = { offence = { column = "offence" } }
"""
RETURNS = f'kind = "returns"\nmeasure = "bias_incidents"\ntable = "{TABLE}"\ncolumns = {{ assault = "assault" }}\n'
TWICE = "date,offence,file\n2026-09-01,arson,KEVIN-17\n2026-09-02,assault,KEVIN-17\n"


def read_in(node: Node, folder: Path, csv: str, mapping: str = EVENTS, **more: Any) -> dict[str, Any]:
    (folder / "m.toml").write_text(mapping)
    (folder / "r.csv").write_text(csv)
    files = {"file": str(folder / "r.csv"), "mapping": str(folder / "m.toml")}
    periods = ["2026-09"] if mapping is EVENTS else []
    return verbs.run(node, "import", {**files, "agency": "police", "by": "anna", "periods": periods, **more})


def released(node: Node) -> dict[str, Any]:
    return verbs.run(node, "release.numbers", {"table": TABLE, "period": "2026-09", "by": "anna"})


def counted(node: Node) -> list[bool]:
    with node.database.read() as session:
        return list(session.scalars(select(EventRecordRow.counts).order_by(EventRecordRow.recorded_on)))


def test_a_lost_key_stops_the_import_and_a_present_one_does_not(node: Node, tmp_path: Path) -> None:
    read_in(node, tmp_path, TWICE)
    (node.data_dir / UNIT_KEY_FILE).rename(tmp_path / "away")
    with pytest.raises(VerbError, match="would count again"):
        read_in(node, tmp_path, TWICE)
    (tmp_path / "away").rename(node.data_dir / UNIT_KEY_FILE)
    assert read_in(node, tmp_path, TWICE)["unchanged"] == 2


def test_figures_that_are_released_change_only_as_a_correction(member: Node, tmp_path: Path) -> None:
    read_in(member, tmp_path, "month,assault\n2026-09,3\n", RETURNS)
    released(member)
    with pytest.raises(VerbError, match="--correction"):
        read_in(member, tmp_path, "month,assault\n2026-09,4\n", RETURNS)
    assert read_in(member, tmp_path, "month,assault\n2026-09,4\n", RETURNS, correction=True)["corrected"] == 1


@pytest.mark.parametrize(("period", "value"), [("2026-09", -1), ("2027-01", 1)])
def test_a_negative_count_and_a_month_in_the_future_are_refused_with_their_place(
    member: Node, tmp_path: Path, period: str, value: int
) -> None:
    with pytest.raises(VerbError, match=r"nothing was stored, 1 place is wrong: line 3, column (assault|month)"):
        read_in(member, tmp_path, f"month,assault\n2026-08,1\n{period},{value}\n", RETURNS)
    assert read_in(member, tmp_path, "month,assault\n2026-08,1\n", RETURNS)["added"] == 1


def test_before_the_first_sync_a_person_counts_once(node: Node, tmp_path: Path) -> None:
    read_in(node, tmp_path, TWICE)
    assert counted(node) == [True, False]
    assert (node.data_dir / UNIT_KEY_FILE).exists()


def test_where_the_policy_counts_records_every_record_counts(member: Node, tmp_path: Path) -> None:
    read_in(member, tmp_path, TWICE)
    assert counted(member) == [True, True]


def test_where_the_policy_counts_persons_a_person_counts_once(node: Node, hub: HubSimulator, tmp_path: Path) -> None:
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    hub.enrol(node.name, node.key.public)
    hub.publish_policy(make_policy([make_table(unit="person")]))
    verbs.run(node, "sync", {})
    read_in(node, tmp_path, TWICE)
    assert counted(node) == [True, False]


def test_the_reference_is_in_no_file_of_the_node(node: Node, tmp_path: Path) -> None:
    read_in(node, tmp_path, TWICE)
    for path in node.data_dir.rglob("*"):
        assert path.is_dir() or b"KEVIN" not in path.read_bytes()
