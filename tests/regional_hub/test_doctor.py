"""`doctor` of a hub names what is wrong and what to do, and finds nothing where all is well."""

from pathlib import Path
from typing import Any

import pytest

from regional_hub import alarms, recovery
from shared_schema.problem import ProblemCode
from shared_schema.service import doctor
from shared_schema.service.key_file import write_key
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, join
from tests.shared_schema import builders

NOW = builders.NOW


@pytest.fixture
def well(hub: RunningHub, tmp_path: Path) -> RunningHub:
    """A hub with which nothing is wrong."""
    hub.hub.data_dir.chmod(0o700)
    write_key(hub.hub.data_dir, hub.hub.key)
    hub.verb("backup", target=str(tmp_path / "backups"))
    return hub


def findings(hub: RunningHub) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.verb("doctor")["findings"]
    return found


def test_nothing_is_found_where_all_is_well(well: RunningHub) -> None:
    assert findings(well) == []
    assert well.verb("doctor")["ok"]


def test_an_old_backup_is_found_and_so_is_a_hub_that_never_made_one(hub: RunningHub, well: RunningHub) -> None:
    well.clock.advance(days=9)
    (found,) = findings(well)
    assert found["found"] == "the newest is 9 days old" and "regional-hub backup" in found["do"]
    assert doctor.look_at_backup(None, NOW, "regional-hub")[0].found == "none was ever made"


def test_files_that_others_can_read_are_found(well: RunningHub) -> None:
    well.hub.data_dir.chmod(0o755)
    (well.hub.data_dir / "signing.key").chmod(0o640)
    assert [found["about"] for found in findings(well)] == ["data directory", "signing.key"]


def test_a_held_log_an_open_alarm_and_a_member_that_is_too_old_are_found(well: RunningHub) -> None:
    well.enrol("leipzig.sn.de")
    well.verb("policy.set", policy=builders.POLICY.to_object() | {"version": 2, "least_software": "0.1.0"})
    with well.hub.database.write() as session:
        alarms.raise_alarm(session, "bund.de", ProblemCode.FEED_FORK, "two histories", well.clock())
        recovery.hold(session, recovery.RESTORED, well.clock())
    found = {item["about"]: item["do"] for item in findings(well)}
    assert list(found) == ["log", "members", "alarm feed-fork", "alarm log-behind"]
    assert found["log"] == "run: regional-hub recover"


def test_a_hub_that_does_not_answer_is_found(start_hub: HubStarter) -> None:
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    del region.network.apps[nation.url]
    assert "bund.de" in [found["about"] for found in findings(region)]
    region.network.apps[nation.url] = nation.app


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    assert doctor.look_at_disk(tmp_path, least=1) == []
    assert doctor.look_at_disk(tmp_path, least=2**62)[0].about == "disk"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        (None, 0),
        ("yesterday", 0),
        ("Sun, 22 Nov 2026 09:02:00 GMT", 0),
        ("Sun, 22 Nov 2026 08:57:00 GMT", 1),
        ("Sun, 22 Nov 2026 09:03:00 GMT", 1),
    ],
)
def test_a_clock_that_is_off_is_found(header: str | None, found: int) -> None:
    now = NOW.replace(year=2026, month=11, day=22, hour=9, minute=0, second=0)
    assert len(doctor.look_at_clock("bund.de", header, now)) == found
