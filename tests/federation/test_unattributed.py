"""A failure travels without its city's name: from one city to three others, and a question about it comes back.

Everything is searched for whatever could name the author: the databases of the others, what the hub serves to them, the
logs of every process. Only memberships may, because every member is in the directory. One of the members is hostile and
reads everything that it can; it learns no more than that the author is one of the others.

The hubs are processes with clocks of their own, so a day goes by in their databases: they are stopped, what waits is
made a day older, and they go on.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.demo.federation import DemoError, Program, enrol_hub, enrol_node
from shared_schema.content import PracticeBody
from shared_schema.envelope import sign_payload
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest
from shared_schema.keys import MemberRole, PublicKey, SigningKey
from shared_schema.period import Area
from shared_schema.relay import make_request, sign_request
from shared_schema.service.hub_api import HubApi
from shared_schema.statement import Audience
from tests.federation.conftest import Processes
from tests.federation.reader import read_page
from tests.shared_schema import builders

AUTHOR, LAU = "leipzig.sn.de", "14713000"
HARM: dict[str, Any] = {
    "title": "Talks in the prison that made it worse",
    "summary": "A project brought together those who should have been kept apart. It was ended.",
    "phenomenon": ["RWE"],
    "prevention_level": "tertiary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "harm",
    "lessons": "We would speak with each of them alone.",
    "review_by": "2027-03",
    "language": "en-GB",
    "attribution": "region",
}
QUESTION = {"title": "Who brought them together?", "text": "We plan the same. What was first?", "phenomenon": ["RWE"]}
ANSWER_TEXT = "Nobody had asked the staff who knew them."


@dataclass
class Region:
    """One region with a nation above and another region beside it."""

    nation: Program
    saxony: Program
    rhine: Program
    author: Program
    readers: list[Program]
    eve: "Eve"

    def pass_on(self) -> None:
        """Hubs follow each other, and the cities sync."""
        self.nation.ask("follow")
        for hub in (self.saxony, self.rhine):
            hub.ask("follow")
        for reader in self.readers:
            report = reader.ask("sync")
            assert (report["quarantined"], report["alarms"], report["refused"]) == (0, [], 0)


@dataclass
class Eve:
    """A member that reads and keeps everything; it has an item of its own to hand in."""

    name: str
    key: SigningKey
    hub: Program

    def api(self) -> HubApi:
        return HubApi(self.hub.url, self.key, lambda: datetime.now(UTC))

    def enrol(self) -> None:
        code = self.hub.ask("enrol.code", name=self.name)["code"]
        request = EnrolmentRequest(
            name=self.name, role=MemberRole.NODE, key=base64.b64encode(self.key.public.raw).decode(),
            area=Area(scheme="LAU", version="2024", code="14524330"), code=code,
        )  # fmt: skip
        with self.api() as api:
            api.request_enrolment(sign_payload(ENROLMENT_KIND, request.to_bytes(), self.key).to_bytes())
        self.hub.ask("enrol.approve", name=self.name, fingerprint=self.key.public.fingerprint)

    def confide(self, nonce: str) -> None:
        """An item of another author in the same window."""
        body = PracticeBody.from_object(
            builders.practice_body(attribution="region", title=f"A project of somebody else {nonce[:3]}")
        )
        request = make_request(
            body,
            hub=self.hub.name,
            origin=self.name,
            issued_at=datetime.now(UTC),
            nonce=nonce,
            audience=Audience.EUROPE,
        )
        with self.api() as api:
            api.relay(sign_request(request, self.key).to_bytes())

    def read_all(self) -> dict[str, bytes]:
        """Every byte that the hub serves to a member or to anybody."""
        with self.api() as api, httpx.Client(base_url=self.hub.url) as client:
            size = int(client.get("/checkpoint").text.split("\n")[1])
            paths = ("/checkpoint", f"/tile/0/000.p/{size}", f"/tile/entries/000.p/{size}", "/v1/hub")
            public = {path: client.get(path).raise_for_status().content for path in paths}
            return public | {"feed": api.feed(0, 0), "relay": api.relay_standing().to_bytes()}

    def statements(self) -> list[dict[str, Any]]:
        return list(statements_in(self.read_all()["feed"]))


@pytest.fixture
def region(processes: Processes) -> Region:
    nation, saxony, rhine, author, *readers = processes.make_all(
        lambda made: made.make_hub("bund.de", level="nation"),
        lambda made: made.make_hub("sachsen.de"),
        lambda made: made.make_hub("nrw.de"),
        lambda made: made.make_node(AUTHOR, lau=LAU),
        lambda made: made.make_node("dresden.sn.de", lau="14612000"),
        lambda made: made.make_node("chemnitz.sn.de", lau="14511000"),
        lambda made: made.make_node("koeln.nw.de", lau="05315000"),
    )
    for hub in (saxony, rhine):
        enrol_hub(hub, nation)
    for node, hub in zip((author, *readers), (saxony, saxony, saxony, rhine), strict=True):
        enrol_node(node, hub)
    eve = Eve("zwickau.sn.de", SigningKey.from_seed(b"eve!" * 8), saxony)
    eve.enrol()
    made = Region(nation, saxony, rhine, author, readers, eve)
    author.ask("sync")
    made.pass_on()
    return made


def statements_in(page: bytes) -> Iterator[dict[str, Any]]:
    """The statements of a feed page."""
    for entry in json.loads(page)["entries"]:
        if "envelope" in entry:
            yield json.loads(base64.b64decode(entry["envelope"]["payload"]))


def release(node: Program, kind: str, draft: dict[str, Any]) -> dict[str, Any]:
    """Ask, approve as the second person, and send; returns what the second person saw."""
    file = node.data / "draft.json"
    file.write_text(json.dumps(draft))
    shown = node.ask("release.words", kind=kind, file=str(file), by="anna")
    file.unlink()
    node.ask("release.approve", request=shown["request"], by="ben", accept={})
    report = node.ask("sync")
    assert (report["signed"], report["pushed"], report["refused"], report["held"]) == (1, 1, 0, 0)
    return shown


def named(title: str) -> dict[str, Any]:
    """Something else that a city says in its own name."""
    texts = {"title": title, "summary": f"{title}: half came.", "lessons": f"{title}: we would do it again."}
    return HARM | texts | {"attribution": "city", "outcome": "worked"}


def let_a_day_pass(hub: Program, processes: Processes) -> None:
    """Make what waits a day older while the hub is stopped."""
    hub.stop()
    with sqlite3.connect(hub.data / "hub.db") as database:
        for digest, text in database.execute("SELECT digest, received_at FROM relay_items").fetchall():
            older = datetime.fromisoformat(text) - timedelta(days=1)
            database.execute("UPDATE relay_items SET received_at = ? WHERE digest = ?", (older.isoformat(" "), digest))
    database.close()
    processes.start(hub)


def publish(region: Region, processes: Processes, nonce: str) -> dict[str, Any]:
    """Another author confides something as well, a day goes by, and the window closes."""
    region.eve.confide(nonce)
    let_a_day_pass(region.saxony, processes)
    result = region.saxony.ask("relay.publish")
    region.pass_on()
    return result


def everything_but_memberships(database: Path) -> str:
    """All rows of a database as text, signed payloads decoded, without memberships and the hub's list of members."""
    parts = []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                values = dict(zip(row.keys(), row, strict=True))
                parts += [str(value) for value in _readable(table, values)]
    connection.close()
    return "\n".join(parts)


def _readable(table: str, values: dict[str, Any]) -> Iterator[object]:
    if table in ("members", "enrolments", "enrolment_codes", "audit") or values.get("kind") == "membership":
        return
    for value in values.values():
        if isinstance(value, bytes) and value.startswith(b"{"):
            try:
                text = value.decode()
                payload = json.loads(text).get("payload")
            except ValueError:  # a hash that begins with the byte of a brace
                yield value.hex()
                continue
            text += base64.b64decode(payload).decode() if payload else ""
            if '"kind":"membership"' not in text and "membership.v1+json" not in text:
                yield text
        elif isinstance(value, bytes):
            yield value.hex()
        else:
            yield value


@pytest.mark.long
def test_a_failure_travels_without_its_citys_name(region: Region, processes: Processes) -> None:
    author, saxony, eve = region.author, region.saxony, region.eve
    before = eve.read_all()
    with pytest.raises(DemoError, match="without the city's own name"):
        release(author, "practice", HARM | {"lessons": "We Leipziger would ask first."})

    # 1. The second person reads who will know; the request leaves no trace that others could see.
    shown = release(author, "practice", HARM)
    assert "operator of your home hub will know" in shown["known_to"]
    assert eve.read_all() == before
    assert publish(region, processes, "eve-" * 8)["published"] == 2

    # 2. It has reached three other cities, one of them through the nation, and each has verified it.
    items = author.ask("relay.list")["items"]
    assert [(item["kind"], item["state"]) for item in items] == [("practice", "published")]
    relayed, request = items[0]["relayed"], items[0]["request"]
    for reader in region.readers:
        item = reader.ask("inbox.show", digest=relayed)
        assert (item["origin"], item["state"], item["kind"]) == ("sachsen.de", "accepted", "relayed")
        assert (item["body"]["practice"]["outcome"], item["body"]["practice"]["title"]) == ("harm", HARM["title"])
        page = read_page(reader, f"/inbox/{relayed}")
        assert "does not want to be named" in page
        assert HARM["lessons"] in page

    # 3. A question of a city of another region comes to the author, and the answer goes back.
    asker = region.readers[2]
    release(asker, "question", QUESTION | {"about": relayed})
    for hub in (region.nation, saxony):
        hub.ask("follow")
    author.ask("sync")
    assert author.ask("relay.list")["questions"] == []
    (question,) = saxony.ask("relay.questions")["questions"]
    assert (question["asked_by"], question["forwarded"]) == ("koeln.nw.de", False)
    saxony.ask("relay.forward", question=question["question"])
    (asked,) = author.ask("relay.list")["questions"]
    assert (asked["title"], asked["about"]) == (QUESTION["title"], relayed)
    release(author, "answer", {"question": asked["question"], "text": ANSWER_TEXT, "attribution": "region"})
    assert publish(region, processes, "Eve-" * 8)["published"] == 2
    answers = [item for item in asker.ask("inbox.list", kind="relayed")["items"] if item["title"].startswith("Answer")]
    assert [answer["origin"] for answer in answers] == ["sachsen.de"]
    assert ANSWER_TEXT in read_page(asker, f"/inbox/{answers[0]['digest']}")

    # 4. Nothing that anybody else holds names the author.
    requests = [item["request"] for item in author.ask("relay.list")["items"]]
    check_nobody_is_named(region, [*requests, request])

    # 5. The author takes it back, and the hub takes it back everywhere.
    author.ask("relay.withdraw", request=request, by="anna", reason="consent")
    author.ask("sync")
    let_a_day_pass(saxony, processes)
    assert saxony.ask("relay.publish")["withdrawn"] == 1
    region.pass_on()
    for reader in region.readers:
        assert reader.ask("inbox.show", digest=relayed)["state"] == "withdrawn"
        assert HARM["lessons"] not in everything_but_memberships(reader.data / "node.db")
    check_nobody_is_named(region, requests)
    for hub in (region.nation, saxony, region.rhine):
        assert hub.ask("verify")["ok"]


def check_nobody_is_named(region: Region, requests: list[str]) -> None:
    """Search what others hold, in every table and file, for the author and for the digests of what it confided."""
    memberships = [each["body"] for each in region.eve.statements() if each["kind"] == "membership"]
    (key,) = {each["key"] for each in memberships if each["member"] == AUTHOR}
    keyid = PublicKey(base64.b64decode(key)).keyid
    assert keyid.startswith(region.author.ask("status")["fingerprint"].replace(" ", ""))
    names = [AUTHOR, "Leipzig", "leipzig", LAU, key, keyid]
    needles = [*names, *requests]
    link = everything_but_memberships(region.saxony.data / "hub.db")
    assert all(needle in link for needle in (AUTHOR, *requests)), "the hub has the link, or this search finds nothing"

    databases = [reader.data / "node.db" for reader in region.readers]
    databases += [hub.data / "hub.db" for hub in (region.nation, region.rhine)]
    for database in databases:
        text = everything_but_memberships(database)
        assert "relayed" in text
        assert [needle for needle in needles if needle in text] == [], database
    for program in (region.saxony, region.nation, region.rhine, *region.readers):
        log = (program.data / "server.log").read_text()
        assert [needle for needle in needles if needle in log] == [], program.name
    for program in (region.nation, region.rhine, *region.readers):
        raw = b"".join(path.read_bytes() for path in program.data.rglob("*") if path.is_file())
        assert [digest for digest in requests if digest.encode() in raw] == [], program.name

    served = region.eve.read_all()
    for name, content in served.items():
        found = [needle for needle in requests if needle.encode() in content]
        assert found == [], name
        if name != "feed":
            assert [needle for needle in names if needle.encode() in content] == [], name
    for statement in region.eve.statements():
        if statement["kind"] != "membership":
            assert [needle for needle in names if needle in json.dumps(statement)] == [], statement["kind"]


@pytest.mark.long
def test_a_hostile_member_sees_no_number_missing_and_no_two_times(region: Region, processes: Processes) -> None:
    """Two cities confide something, one of them among open statements: the log tells nothing of either."""
    for node in (region.author, region.readers[0]):
        release(node, "practice", named("Meetings in the park"))
    release(region.author, "practice", HARM)
    release(region.readers[0], "practice", HARM)
    for node in (region.author, region.readers[0]):
        release(node, "practice", named("Evenings in the library"))
    open_kinds = [statement["kind"] for statement in region.eve.statements()]
    assert open_kinds.count("practice") == 4
    let_a_day_pass(region.saxony, processes)
    assert region.saxony.ask("relay.publish")["published"] == 2
    statements = region.eve.statements()
    for origin in (AUTHOR, "dresden.sn.de", "sachsen.de"):
        numbers = [each["seq"] for each in statements if each["origin"] == origin]
        assert numbers == list(range(1, len(numbers) + 1)), origin
    relayed = [each for each in statements if each["kind"] == "relayed"]
    assert len({each["issued_at"] for each in relayed}) == 1
    assert relayed[0]["body"] == relayed[1]["body"], "the same words give the same bytes, whoever wrote them"
    entries = [entry["entry"] for entry in json.loads(region.eve.read_all()["feed"])["entries"]]
    assert [entry for entry in entries if entry["audience"] == "hub"] == []
    assert len({entry["time"] for entry in entries if entry["kind"] == "relayed"}) == 1
