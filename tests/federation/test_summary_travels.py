"""The whole path as one test: a coordinator's record in one region becomes a figure on a screen in another.

It walks the table of docs/data_flow.md station by station and looks at what each one gives. The author's stations run
here, so that every value between them can be seen; hubs and the reader are processes of their own.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from deploy.demo.federation import Program, enrol_hub, enrol_node
from local_node import (
    disclosure,
    hub_client,
    inbox,
    ledger,
    noise,
    outbox,
    record_store,
    records,
    release,
    request_store,
    sync,
    tabulation,
)
from local_node.app import Node
from local_node.outbox import OutboxState
from local_node.people import add_person
from local_node.review import RequestState
from local_node.settings import NodeSettings
from local_node.verbs import run as run_verb
from shared_schema.governance import PolicyBody
from shared_schema.keys import SigningKey
from shared_schema.period import parse_period
from shared_schema.service.hub_api import HubApi
from shared_schema.service.key_file import write_key
from shared_schema.trend import ReviewNote, TrendBody
from tests.federation.conftest import Processes
from tests.federation.reader import read_page

TABLE = "bias_incidents.by_offence"
CELLS = ("assault", "arson", "demonstration", "attack", "unconfirmed", "other")
MAPPING = (
    'kind = "returns"\nmeasure = "bias_incidents"\ntable = "bias_incidents.by_offence"\n'
    "columns = { " + ", ".join(f'{cell} = "{cell}"' for cell in CELLS) + " }\n"
).encode()
CSV = b"month,assault,arson,demonstration,attack,unconfirmed,other\n2024-01,3,0,,12,1,2\n"
PRACTICE = """{"title": "Open evenings in the library", "summary": "Young people and librarians talked in the evening.",
"phenomenon": ["RWE"], "prevention_level": "primary", "agencies": [{"type": "youth", "role": "deliver"}],
"outcome": "no_effect", "lessons": "Begin with fewer and longer evenings.", "language": "en"}"""
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def federation(processes: Processes) -> tuple[Program, Program, Program]:
    """A nation with two regions."""
    nation, saxony, rhine = processes.make_all(
        lambda made: made.make_hub("bund.de", level="nation"),
        lambda made: made.make_hub("sachsen.de"),
        lambda made: made.make_hub("nrw.de"),
    )
    for region in (saxony, rhine):
        enrol_hub(region, nation)
    return nation, saxony, rhine


@contextmanager
def author_of(directory: Path, hub: Program) -> Iterator[Node]:
    """A city's node in this process, enrolled at `hub`, with a coordinator and a reviewer."""
    directory.mkdir()
    settings = NodeSettings(name="leipzig.sn.de", display_name="Leipzig", area_code="14713000", sync_interval_seconds=0)
    key = SigningKey.from_seed(secrets.token_bytes(32))
    write_key(directory, key)
    node = Node(directory, settings, key)
    try:
        with node.database.write() as session:
            add_person(session, "anna", "coordinator", by="test", now=NOW)
            add_person(session, "ben", "reviewer", by="test", now=NOW)
        code = hub.ask("enrol.code", name=node.name)["code"]
        run_verb(node, "hub.add", {"url": hub.url, "fingerprint": hub.ask("status")["fingerprint"]})
        run_verb(node, "hub.enrol", {"hub": hub.name, "code": code})
        hub.ask("enrol.approve", name=node.name, fingerprint=key.public.fingerprint)
        run_verb(node, "sync", {})
        yield node
    finally:
        node.close()


def import_records(session: Session) -> None:
    mapping = records.parse_mapping(MAPPING)
    parsed = records.parse_csv(CSV, mapping, agency="police", today=date(2026, 11, 22))
    values = [record.value for record in parsed.records if isinstance(record, records.ReturnRecord)]
    assert values == [3, 0, None, 12, 1, 2]
    record_store.store(
        session, parsed, mapping, agency="police", file_digest=sha256(CSV).hexdigest(), person="anna", now=NOW
    )


def release_figures(node: Node) -> str:
    """From the raw record to the outbox; returns the digest of the statement."""
    period = parse_period("2024-01")
    with node.database.read() as session:
        policy = policy_of(session, "sachsen.de")
    with node.database.write() as session:
        import_records(session)  # raw record
        table = policy.find_table(TABLE)
        assert table is not None
        counted = tabulation.tabulate(  # frequency table
            record_store.reports_for(session, table, period), table, period, 1
        )
        assert [cell.status for cell in counted.cells] == ["A", "A", "L", "A", "A", "A"]
        request = release.request_numbers(  # disclosure control
            session, TABLE, period, "anna", policy=policy, area=node.area,
            expected_agencies=1, draw=noise.draw, now=NOW,
        )  # fmt: skip
        stored = ledger.find_draw(session, table, period)
        assert stored is not None
        protected = disclosure.protect(counted, stored)
        body = disclosure.to_trend_body(protected, area=node.area, review=_review_of(request.body))
        assert body.to_bytes() == request.body, "what the reviewer sees is what is signed"
        approved = release.approve(session, request.id, "ben", {}, NOW)  # two-person review
        assert approved.request.requested_by != "ben"
    return sign_and_push(node)


def sign_and_push(node: Node) -> str:
    """Signed statement, outbox, push and its receipt."""
    with node.database.read() as session:
        hub = hub_client.list_hubs(session)[0]
        approved = request_store.list_requests(session, RequestState.APPROVED)
        assert len(approved) == 1
    with HubApi(hub.url, node.key, node.clock) as api, node.database.write() as session:
        policy = policy_of(session, hub.name)
        signed = release.sign_approved(
            session, key=node.key, origin=node.name, hubs=[hub.name], highest_seq=api.highest_seq(), policy=policy,
            nonces=iter([secrets.token_urlsafe(18)]), now=NOW,
        )  # fmt: skip
        assert (len(signed.signed), signed.held) == (1, ())
        assert [row.state for row in outbox.list_rows(session, state=OutboxState.WAITING)] == [OutboxState.WAITING]
    with HubApi(hub.url, node.key, node.clock) as api:
        report = sync.push(node.database, hub, api, node.clock)
    assert (report.pushed, report.refused, report.problem) == (1, 0, None)
    with node.database.read() as session:
        delivered = outbox.list_rows(session, state=OutboxState.DELIVERED)
    return max(delivered, key=lambda row: row.seq).digest


def policy_of(session: Session, hub: str) -> PolicyBody:
    policy = inbox.current_policy(session, hub)
    assert policy is not None
    return policy


def _review_of(body: bytes) -> ReviewNote:
    return TrendBody.from_bytes(body).review


def test_summary_travels(federation: tuple[Program, Program, Program], processes: Processes, tmp_path: Path) -> None:
    nation, saxony, rhine = federation
    reader = processes.make_node("koeln.nw.de")
    enrol_node(reader, rhine)
    with author_of(tmp_path / "leipzig", saxony) as author:
        figures = release_figures(author)
        file = tmp_path / "practice.json"
        file.write_text(PRACTICE)
        request = run_verb(author, "release.practice", {"file": str(file), "by": "anna", "audience": "europe"})
        run_verb(author, "release.approve", {"request": request["request"], "by": "ben", "accept": {}})
        practice = sign_and_push(author)
    assert saxony.ask("status")["kinds"]["trend"] == 1  # hub intake and log
    assert saxony.ask("aggregate")["published"] == 2  # aggregate: complete for the nation, shown for the region
    nation.ask("follow")  # feed, upwards
    nation.ask("aggregate")
    rhine.ask("follow")  # feed, downwards
    report = reader.ask("sync")  # the other node's inbox
    assert (report["quarantined"], report["alarms"]) == (0, [])
    items = {item["digest"]: item for item in reader.ask("inbox.list")["items"]}
    assert figures not in items, "a city's own figures stay at its hub"
    assert (items[practice]["origin"], items[practice]["state"]) == ("leipzig.sn.de", "accepted")
    sums = [item for item in items.values() if item["kind"] == "aggregate"]
    assert {item["origin"] for item in sums} == {"bund.de"}
    for path, word in (("/inbox", "Open evenings in the library"), (f"/inbox/{practice}", "fewer and longer evenings")):
        assert word in read_page(reader, path)  # the screen
    assert re.search(r"2024-01|January 2024|Jan 2024", read_page(reader, "/picture?view=table"))
    complete = nation.ask("sums")["sums"][0]
    assert complete["coverage"] == {"reporting": 1, "expected": 2}
    assert [cell["status"] for cell in complete["cells"]] == ["A", "A", "L", "A", "A", "A"]
    for hub in federation:
        assert hub.ask("verify")["ok"]
