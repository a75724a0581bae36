"""A node as a witness: it vouches for what it has verified, its hub shows that, and others count it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_node import head_cosigning, sync, verbs
from local_node.app import Node
from local_node.settings import load_settings
from shared_schema.checkpoint import MAX_NOTE_SIGNATURES, Checkpoint, split_note
from shared_schema.cosignature import announce_cosigner, cosign, cosigned_at, cosigner, parse_cosigner
from shared_schema.keys import SigningKey
from shared_schema.member_cosignature import MAX_COSIGNED_BYTES, write_cosigned
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import HubApi
from shared_schema.service.key_file import COSIGNER_FILE
from tests.federation.test_recovery import node_alarms, node_of, share
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, check_problem, key_of


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    with EventLoop() as running:
        yield running


@pytest.fixture
def hub(loop: EventLoop, tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub.start(Network(loop), loop, tmp_path / "hub") as running:
        yield running


@pytest.fixture
def leipzig(hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node that is a witness."""
    monkeypatch.setenv("LOCAL_NODE_COSIGN_HEADS", "true")
    with node_of(tmp_path / "leipzig", "leipzig.sn.de", hub) as node:
        monkeypatch.delenv("LOCAL_NODE_COSIGN_HEADS")
        yield node


def round_of(node: Node) -> None:
    assert verbs.run(node, "sync", {})["problems"] == []


def served(hub: RunningHub) -> str:
    return hub.client.get("/checkpoint").text


def signers(hub: RunningHub) -> list[str]:
    return [name for name, _ in split_note(served(hub))[1]]


# --- what a hub refuses ---------------------------------------------------------------------------------------------


def post(hub: RunningHub, body: bytes) -> int:
    return hub.client.post("/v1/cosignatures", content=body).status_code


def refuse(hub: RunningHub, body: bytes, code: ProblemCode) -> None:
    check_problem(hub.client.post("/v1/cosignatures", content=body), code)
    assert "leipzig.sn.de" not in signers(hub)


def test_a_hub_refuses_a_cosignature_of_a_stranger_with_another_key_or_of_another_head(hub: RunningHub) -> None:
    city = hub.enrol("leipzig.sn.de")
    text, now, cosigner_key = split_note(served(hub))[0], int(hub.clock().timestamp()), key_of("cosigner")
    good = write_cosigned(city.name, city.key, cosigner_key, text, now)
    refuse(hub, write_cosigned("nobody.de", key_of("nobody.de"), cosigner_key, text, now), ProblemCode.UNKNOWN_KEY)
    stolen = write_cosigned(city.name, key_of("thief"), cosigner_key, text, now)
    refuse(hub, stolen, ProblemCode.FEED_CHECKPOINT)  # the announcement is not signed with the member's key
    announcement = announce_cosigner(city.name, city.key, cosigner_key)
    line = cosign(text, city.name, key_of("another"), now)
    refuse(hub, f"{announcement}\n{text}\n{line}".encode(), ProblemCode.FEED_CHECKPOINT)
    changed = bytearray(good)
    changed[-20] = ord("A") if changed[-20] != ord("A") else ord("B")
    assert post(hub, bytes(changed)) in (400, 401)
    other = Checkpoint(hub.hub.name, hub.log_size() + 1, b"x" * 32).to_text()
    refuse(hub, write_cosigned(city.name, city.key, cosigner_key, other, now), ProblemCode.WITNESS_SIZE)
    forked = Checkpoint(hub.hub.name, hub.log_size(), b"x" * 32).to_text()
    refuse(hub, write_cosigned(city.name, city.key, cosigner_key, forked, now), ProblemCode.WITNESS_SIZE)
    for hours in (-1, 1):
        late = write_cosigned(city.name, city.key, cosigner_key, text, now + hours * 3600)
        refuse(hub, late, ProblemCode.CLOCK_SKEW)
    same_key = write_cosigned(city.name, city.key, city.key, text, now)
    assert post(hub, same_key) >= 400  # a cosigner has a key of its own
    for bad in (b"", b"\xff", b"\n" * 9, good[:200], good + line.encode(), good * 2):
        assert post(hub, bad) in (400, 401)
    assert signers(hub) == ["sachsen.de", "sachsen.de"]
    refuse(hub, b"x" * (MAX_COSIGNED_BYTES + 1), ProblemCode.TOO_LARGE)
    hub.verb("members.set", name=city.name, status="suspended")
    newer = write_cosigned(city.name, city.key, cosigner_key, split_note(served(hub))[0], now)
    refuse(hub, newer, ProblemCode.MEMBER_NOT_ACTIVE)


def test_members_find_room_behind_the_witnesses_and_a_reader_can_still_read_the_note(hub: RunningHub) -> None:
    cities = [hub.enrol(f"c{number:02}.sn.de") for number in range(16)]
    hub.verb("witness.add", url="https://witness.example", vkey=_vkey("w.example"))
    kept = [_vouch(hub, city) for city in cities]
    assert kept == [True] * 13 + [False] * 3  # of 14 places one is the witness's
    assert len(split_note(served(hub))[1]) <= MAX_NOTE_SIGNATURES
    assert signers(hub)[:2] == ["sachsen.de", "sachsen.de"]
    assert _vouch(hub, cities[0])  # whoever has a place keeps it
    assert signers(hub).count("c00.sn.de") == 1


def _vkey(name: str) -> str:
    return cosigner(name, key_of(name)).vkey


def _vouch(hub: RunningHub, city: City) -> bool:
    text, now = split_note(served(hub))[0], int(hub.clock().timestamp())
    body = write_cosigned(city.name, city.key, SigningKey.from_seed(city.name.encode().ljust(32, b"w")), text, now)
    answer = hub.client.post("/v1/cosignatures", content=body)
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["kept"])


# --- what a node does -----------------------------------------------------------------------------------------------


def test_a_node_vouches_for_what_it_has_read_and_another_counts_it_among_its_witnesses(
    hub: RunningHub, leipzig: Node, tmp_path: Path
) -> None:
    vkey = verbs.run(leipzig, "keys.status", {})["cosigner"]
    round_of(leipzig)
    assert cosigned_at(served(hub), parse_cosigner(vkey)) == int(hub.clock().timestamp())
    with node_of(tmp_path / "dresden", "dresden.sn.de", hub) as dresden:
        assert "dresden.sn.de" not in signers(hub)
        assert not (dresden.data_dir / COSIGNER_FILE).exists()  # off unless it is set
        settings = load_settings(dresden.data_dir, witnesses=[vkey], witnesses_needed=1)
        strict = Node(dresden.data_dir, settings, dresden.key, hub.clock, hub.network)
        verbs.run(strict, "sync", {})
        assert node_alarms(strict) == ["too-few-witnesses"]  # leipzig has not seen dresden's membership yet
        round_of(leipzig)
        round_of(strict)
        assert node_alarms(strict) == []
        hub.clock.advance(hours=30)
        verbs.run(strict, "sync", {})
        assert node_alarms(strict) == ["too-few-witnesses"]
        round_of(leipzig)  # the same head, vouched for again
        round_of(strict)
        assert node_alarms(strict) == []
        strict.close()


def test_a_node_never_vouches_for_a_head_that_it_has_not_read_or_about_which_there_is_an_alarm(
    hub: RunningHub, leipzig: Node
) -> None:
    page = hub.client.get("/checkpoint").text
    round_of(leipzig)
    share(leipzig, "Open evenings")
    round_of(leipzig)  # its receipt shows a longer log than it has read
    with leipzig.database.read() as session:
        assert head_cosigning.find_verified(session, "sachsen.de", []) is None
    assert "leipzig.sn.de" not in signers(hub) and page != served(hub)
    city = hub.enrol("dresden.sn.de")
    old = city.read("/v1/feed?from=0&seen=0").content
    hub.accept(city.sign())
    hub.network.answers[hub.url] = old[:-40] + old[-40:].upper()
    assert verbs.run(leipzig, "sync", {})["problems"] != []
    assert "leipzig.sn.de" not in signers(hub)
    del hub.network.answers[hub.url]
    with leipzig.database.write() as session:
        sync.raise_alarm(session, "sachsen.de", sync.NOT_ACCEPTED, "", hub.clock())
    round_of(leipzig)
    assert "leipzig.sn.de" not in signers(hub)
    with leipzig.database.write() as session:
        sync.resolve_alarms(session, "sachsen.de", hub.clock(), codes=(sync.NOT_ACCEPTED,))
    round_of(leipzig)
    assert "leipzig.sn.de" in signers(hub)


def test_a_hub_that_takes_no_cosignatures_of_members_is_asked_again_and_is_no_reason_for_an_alarm(
    hub: RunningHub, leipzig: Node
) -> None:
    old = httpx.MockTransport(lambda _request: httpx.Response(404, stream=httpx.ByteStream(b"")))
    assert leipzig.head_cosigner is not None
    leipzig.head_cosigner.last.clear()
    text = split_note(served(hub))[0]
    with HubApi("https://old.example", leipzig.key, hub.clock, old) as api:
        leipzig.head_cosigner.vouch(text, "sachsen.de", api, leipzig.key, hub.clock())
    assert leipzig.head_cosigner.last == {}
