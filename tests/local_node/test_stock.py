"""How many there are is counted at one time: no months of it make a quarter, in no release."""

from pathlib import Path

import pytest

from local_node import verbs
from local_node.app import Node
from local_node.records import ReturnRecord
from local_node.tabulation import only_whole
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.trend import MeasureDefinition
from shared_schema.vocabulary import SourceKind
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.test_spending import MAPPING, TABLE

MONTHS = "month,assault,arson\n2026-07,10,1\n2026-08,10,1\n2026-09,10,1\n"


def report(period: str, counted_in: str | None = None) -> ReturnRecord:
    return ReturnRecord(TABLE, "police", period, "arson", 10, SourceKind.AGENCY_RETURN, "A", counted_in)


def test_only_what_was_reported_for_the_period_itself_counts() -> None:
    whole = report("2026-Q3")
    others = (report("2026-07"), report("2026-08"), report("2026-09"), report("2026-Q2", counted_in="2026-Q3"))
    assert only_whole((*others, whole), parse_period("2026-Q3")) == (whole,)


@pytest.fixture
def city(node: Node, hub: HubSimulator, policy: PolicyBody, clock: MovableClock) -> Node:
    """A member whose only measure is in stock, and is released by month or quarter."""
    del clock
    measure = MeasureDefinition(
        id="bias_incidents",
        title="As if they were in stock",
        unit="record",
        source_kinds=(SourceKind.AGENCY_RETURN,),
        stock=True,
    )
    table = policy.tables[0].model_copy(update={"granularities": ("month", "quarter")})
    verbs.run(node, "hub.add", {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint})
    hub.enrol(node.name, node.key.public)
    hub.publish_policy(policy.model_copy(update={"measures": (measure,), "tables": (table,)}))
    verbs.run(node, "sync", {})
    return node


def bring(city: Node, folder: Path, lines: str) -> None:
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "figures.csv").write_text(lines)
    files = {"file": str(folder / "figures.csv"), "mapping": str(folder / "mapping.toml")}
    verbs.run(city, "import", files | {"agency": "police", "by": "anna", "periods": []})


def test_three_months_are_released_as_no_quarter_and_the_preview_says_why(city: Node, tmp_path: Path) -> None:
    bring(city, tmp_path, MONTHS)
    told = verbs.run(city, "release.preview", {"table": TABLE, "period": "2026-Q3"})
    assert [each["code"] for each in told["held_back"]] == ["empty"]
    assert len(told["left_out"]) == 3
    assert "never added up over time" in told["left_out"][0]
    with pytest.raises(VerbError) as caught:
        verbs.run(city, "release.numbers", {"table": TABLE, "period": "2026-Q3", "by": "anna"})
    assert caught.value.code == "empty"
    month = verbs.run(city, "release.preview", {"table": TABLE, "period": "2026-09"})
    assert (month["held_back"], month["left_out"]) == ((), ())


def test_a_quarter_that_was_reported_as_one_is_released(city: Node, tmp_path: Path) -> None:
    bring(city, tmp_path, "month,assault,arson\n2026-Q3,10,1\n")
    told = verbs.run(city, "release.preview", {"table": TABLE, "period": "2026-Q3"})
    assert (told["held_back"], told["left_out"]) == ((), ())
