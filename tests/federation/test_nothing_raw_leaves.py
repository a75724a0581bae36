"""Nothing raw leaves: words and counts of the raw records are sought in everything that is outside the node.

The records are full of canaries: words in columns that are not mapped, in an agency's name, in a draft that is never
approved, counts of single agencies, and an agency's file references, with their keyed hashes and the key. They are
sought in every byte between node and hub, in everything the hub has on disk (database, write-ahead log, logs), in a
copy of its database as a backup makes it, and in the node's own logs.
The sum of two agencies is not a canary: noise may be zero, and that is as it should be.
"""

import base64
import json
import re
import socket
import sqlite3
from pathlib import Path

import pytest

from deploy.demo.federation import Program
from local_node.units import UNIT_KEY_FILE
from tests.federation.conftest import Processes
from tests.federation.recording_proxy import RecordingProxy

WORDS = ("Kanarienvogel", "Quittenbaum", "Zwetschgenhain", "Mirabellenhof")
COUNTS = (48291377, 51377203, 60442911)
REFERENCES = ("Holunderstrauch-4711", "Holunderstrauch-4712")
TABLE = "bias_incidents.by_offence"
RETURNS = (
    'kind = "returns"\nmeasure = "bias_incidents"\ntable = "bias_incidents.by_offence"\n'
    'columns = { assault = "assault", arson = "arson", demonstration = "demonstration", attack = "attack", '
    'unconfirmed = "unconfirmed", other = "other" }\nignore = ["remarks"]\n'
)
EVENTS = """kind = "events"
measure = "first_contacts"
unit_column = "file"
[dimensions.phenomenon]
column = "phenomenon"
"""


def everything_written(directory: Path, names: str = "*") -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(directory.rglob(names)) if path.is_file())


def traces_of(canary: str, haystack: bytes) -> list[str]:
    """In which spelling a canary is there: as it is, in hexadecimal, or in base64 at any of its three offsets."""
    needle = canary.encode()
    spellings = {"plain": needle, "hex": needle.hex().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + needle)
        spellings[f"base64+{shift}"] = encoded[(0, 2, 3)[shift] : -4]
    found = [name for name, spelling in spellings.items() if spelling in haystack]
    payloads = (base64.b64decode(match) for match in re.findall(rb'"payload":\s*"([A-Za-z0-9+/=]+)"', haystack))
    return found + ["payload" for payload in payloads if needle in payload]


def release_and_sync(node: Program, directory: Path) -> None:
    """Import two agencies' returns and one list of events, ask for releases, approve some, send."""
    (directory / "returns.toml").write_text(RETURNS)
    (directory / "events.toml").write_text(EVENTS)
    for place, agency in enumerate(("police", WORDS[3].lower())):
        file = directory / f"{place}.csv"
        file.write_text(
            "month,assault,arson,demonstration,attack,unconfirmed,other,remarks\n"
            f"2024-01,{COUNTS[place]},0,,{COUNTS[2]},1,2,{WORDS[0]}\n"
        )
        node.ask("import", file=str(file), mapping=str(directory / "returns.toml"), agency=agency, by="anna")
    events = directory / "events.csv"
    first, second = REFERENCES
    events.write_text(
        f"date,phenomenon,file,name\n2024-01-05,RWE,{first},{WORDS[1]}\n2024-01-09,MIX,{second},{WORDS[1]}\n"
        f"2024-01-23,RWE,{first},{WORDS[1]}\n"
    )
    node.ask(
        "import", file=str(events), mapping=str(directory / "events.toml"), agency="youth", by="anna",
        periods=["2024-01"],
    )  # fmt: skip
    for table in (TABLE, "first_contacts.by_phenomenon"):
        request = node.ask("release.numbers", table=table, period="2024-01", by="anna")["request"]
        node.ask("release.approve", request=request, by="ben", accept={})
    draft = directory / "draft.json"
    draft.write_text(
        json.dumps(
            {
                "title": "A draft that stays here",
                "summary": f"We met at {WORDS[2]}.",
                "phenomenon": ["RWE"],
                "prevention_level": "primary",
                "agencies": [{"type": "youth", "role": "deliver"}],
                "outcome": "mixed",
                "lessons": "Ask earlier.",
            }
        )
    )
    node.ask("release.practice", file=str(draft), by="anna", audience="europe")
    report = node.ask("sync")
    assert (report["pushed"], report["refused"]) == (2, 0)


@pytest.fixture
def outside(processes: Processes, tmp_path: Path) -> dict[str, bytes]:
    """Everything that is outside the node after a release, by place."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    hub, node = processes.make_all(
        lambda made: made.make_hub("sachsen.de", public_url=address),
        lambda made: made.make_node("leipzig.sn.de", agencies=2),
    )
    with RecordingProxy(listening, hub.port) as proxy:
        code = hub.ask("enrol.code", name=node.name)["code"]
        node.ask("hub.add", url=address, fingerprint=hub.ask("status")["fingerprint"])
        node.ask("hub.enrol", hub=hub.name, code=code)
        hub.ask("enrol.approve", name=node.name, fingerprint=node.ask("status")["fingerprint"])
        node.ask("sync")
        files = tmp_path / "files"
        files.mkdir()
        release_and_sync(node, files)
        hub.ask("aggregate")
        node.ask("sync")
        recorded = proxy.recorded
        on_disk = everything_written(hub.data)
        backup = tmp_path / "backup.db"
        with sqlite3.connect(hub.data / "hub.db") as source, sqlite3.connect(backup) as copy:
            source.backup(copy)
        source.close()
        copy.close()
        node.stop()
        hub.stop()
    with sqlite3.connect(node.data / "node.db") as database:
        hashes = [row[0] for row in database.execute("SELECT DISTINCT unit_hash FROM event_records")]
    database.close()
    return {
        "bytes between node and hub": recorded,
        "the hub's directory": on_disk + everything_written(hub.data),
        "a backup of the hub": backup.read_bytes(),
        "the node's log": everything_written(node.data, "*.log"),
        "(inside the node)": everything_written(node.data, "node.db*"),
        "(its hashes)": "\n".join(hashes).encode(),
        "(its key)": (node.data / UNIT_KEY_FILE).read_bytes(),
    }


def test_nothing_raw_leaves(outside: dict[str, bytes]) -> None:
    inside, hashes = outside.pop("(inside the node)"), outside.pop("(its hashes)").decode().splitlines()
    key = outside.pop("(its key)").decode().strip()
    assert traces_of(str(COUNTS[0]), inside) or COUNTS[0].to_bytes(4, "big") in inside, "the canary must be in the node"
    assert traces_of(WORDS[2], inside), "the draft must be in the node"
    assert not traces_of(WORDS[0], inside), "a column that is not mapped does not even enter the node"
    assert not traces_of(WORDS[1], inside), "a column that is not mapped does not even enter the node"
    assert len(hashes) == len(REFERENCES), "two persons must be in the node"
    assert not any(traces_of(reference, inside) for reference in REFERENCES), "a file reference becomes a hash"
    found = {
        (place, canary): traces
        for place, haystack in outside.items()
        for canary in (*WORDS, WORDS[3].lower(), *map(str, COUNTS), *REFERENCES, *hashes, key)
        if (traces := traces_of(canary, haystack))
    }
    assert found == {}
    assert not any(bytes.fromhex(secret) in haystack for haystack in outside.values() for secret in (key, *hashes))
    assert b"bias_incidents.by_offence" in outside["a backup of the hub"], "something must have arrived"


def test_the_search_finds_a_canary_in_every_spelling() -> None:
    for canary in (*WORDS, *map(str, COUNTS)):
        for before in (b"", b"a", b"ab"):
            hidden = base64.b64encode(b'{"body":"' + before + canary.encode() + b' and more"}')
            assert traces_of(canary, b'{"payload": "' + hidden + b'"}')
        assert traces_of(canary, b"x" + canary.encode().hex().encode())
