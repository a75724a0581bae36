"""Verifying a log as a whole: of another hub from its public files, and the hub itself by itself, once a day."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from regional_hub import background, log_verbs
from regional_hub.errors import LogError
from regional_hub.orm import ContentRow, TileRow
from regional_hub.static_files import StaticFiles
from regional_hub.verify_log import verify_everything
from shared_schema.checkpoint import NoteVerifier
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubUnreachable
from shared_schema.tiles import CHECKPOINT_PATH, files_of
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, key_of
from tests.regional_hub.test_cli import run


class LyingServer(httpx.BaseTransport):
    """Serves a folder as nginx does, with one bit of one file flipped."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.wrong: str | None = None
        self.status: int | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/")
        if self.status is not None:
            return httpx.Response(self.status, stream=httpx.ByteStream(b""))
        if path not in self.files:
            return httpx.Response(404, stream=httpx.ByteStream(b"no"))
        data = self.files[path]
        if path == self.wrong:
            data = bytes([*data[:-2], data[-2] ^ 4, data[-1]])
        return httpx.Response(200, stream=httpx.ByteStream(data))


@pytest.fixture(scope="module")
def published(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHub, Path]]:
    """A hub of 300 entries, and its files in a folder."""
    folder = tmp_path_factory.mktemp("public")
    with RunningHub.start(Network(loop), loop, tmp_path_factory.mktemp("hub") / "hub") as hub:
        city = hub.enrol("leipzig.sn.de")
        hub.accept_many([city.sign() for _ in range(298)])
        StaticFiles(hub.hub.database, hub.hub.name, folder).publish()
        yield hub, folder


@pytest.fixture
def server(published: tuple[RunningHub, Path]) -> LyingServer:
    paths = [CHECKPOINT_PATH, *(file.path for file in files_of(300))]
    return LyingServer({path: (published[1] / path).read_bytes() for path in paths})


def vkey_of(hub: RunningHub) -> str:
    return hub.hub.verifier.vkey


# --- the log of another hub ----------------------------------------------------------------------------------------


def test_the_log_of_any_hub_is_verified_over_http_and_from_a_folder(published: tuple[RunningHub, Path]) -> None:
    hub, folder = published
    seen: list[int] = []
    for place in ({"url": hub.url, "files": None}, {"url": None, "files": folder}):
        result = log_verbs.verify_foreign(vkey_of(hub), **place, transport=hub.network, progress=seen.append)
        assert (result["ok"], result["entries"], result["tiles"], result["bundles"]) == (True, 300, 3, 2)
    assert seen == [256, 300] * 2


def test_the_first_wrong_file_is_named(published: tuple[RunningHub, Path], server: LyingServer) -> None:
    hub, _ = published
    for path in list(server.files):
        server.wrong = path
        result = log_verbs.verify_foreign(vkey_of(hub), url=hub.url, files=None, transport=server)
        assert not result["ok"] and result["wrong_file"] == path
        data = server.files.pop(path)
        result = log_verbs.verify_foreign(vkey_of(hub), url=hub.url, files=None, transport=server)
        assert not result["ok"] and result["wrong_file"] == path
        server.files[path] = data


def test_a_log_that_another_key_signed_is_refused(published: tuple[RunningHub, Path]) -> None:
    other = NoteVerifier("sachsen.de", key_of("bayern.de").public).vkey
    result = log_verbs.verify_foreign(other, url=None, files=published[1])
    assert (result["ok"], result["wrong_file"]) == (False, CHECKPOINT_PATH)


@pytest.mark.parametrize("status", [301, 302, 403, 500, 503])
def test_a_server_that_does_not_answer_is_no_finding(
    published: tuple[RunningHub, Path], server: LyingServer, status: int
) -> None:
    server.status = status
    with pytest.raises(HubUnreachable):
        log_verbs.verify_foreign(vkey_of(published[0]), url=published[0].url, files=None, transport=server)


@pytest.mark.parametrize(
    ("vkey", "place"),
    [
        ("no key", {"files": Path()}),
        ("sachsen.de+00000000+AAAA", {"files": Path()}),
        (None, {}),
        (None, {"url": "https://hub.example", "files": Path()}),
        (None, {"url": "ftp://hub.example"}),
        (None, {"url": "http://hub.example"}),
        (None, {"url": "https://user:word@hub.example"}),
    ],
)
def test_what_is_no_log_at_all_is_one_sentence(
    published: tuple[RunningHub, Path], vkey: str | None, place: dict[str, Any]
) -> None:
    with pytest.raises(VerbError, match=r"^expected "):
        log_verbs.verify_foreign(vkey or vkey_of(published[0]), url=place.get("url"), files=place.get("files"))


def test_the_command_says_by_its_exit_code_what_it_found(published: tuple[RunningHub, Path], tmp_path: Path) -> None:
    hub, folder = published
    key = ["--vkey", vkey_of(hub)]
    good = verify_log(*key, "--files", str(folder), "--json")
    assert good[0] == 0 and json.loads(good[1])["entries"] == 300
    bad = verify_log(*key, "--files", str(tmp_path), "--json")
    assert bad[0] == 1 and json.loads(bad[1])["wrong_file"] == CHECKPOINT_PATH
    for wrong in ([*key], [*key, "--url", "gopher://x"], ["--vkey", "x", "--files", str(folder)]):
        code, out, err = verify_log(*wrong)
        assert code == 2 and out == "" and err.count("\n") == 1 and err.startswith("regional-hub: expected ")


def verify_log(*arguments: str) -> tuple[int, str, str]:
    done = run("verify-log", *arguments, data=None)
    return done.returncode, done.stdout, done.stderr


# --- the hub itself ------------------------------------------------------------------------------------------------


def flip_a_bit(hub: RunningHub, row: type[TileRow] | type[ContentRow]) -> tuple[Any, bytes]:
    """Flip one bit of the first row as a disk would, and return how to undo it."""
    column = TileRow.hashes if row is TileRow else ContentRow.envelope
    with hub.hub.database.write() as session:
        good: bytes = session.scalars(select(column).order_by(column).limit(1)).one()
        session.execute(update(row).where(column == good).values({column: bytes([good[0] ^ 1, *good[1:]])}))
    return column, good


@pytest.mark.parametrize("row", [TileRow, ContentRow])
def test_the_hub_finds_one_flipped_bit_by_itself_within_a_day(
    hub: RunningHub, city: City, row: type[TileRow] | type[ContentRow]
) -> None:
    hub.accept(city.sign())
    assert hub.verb("log.check") == {"due": True, "ok": True, "findings": []}
    column, good = flip_a_bit(hub, row)
    hub.clock.advance(hours=23)
    assert hub.verb("log.check") == {"due": False}
    assert not hub.verb("status")["alarms"]
    hub.clock.advance(hours=1)
    found = hub.verb("log.check")
    assert found["due"] and not found["ok"]
    (alarm,) = hub.verb("status")["alarms"]
    assert (alarm["about"], alarm["code"]) == ("log", ProblemCode.LOG_DAMAGED)
    assert found["findings"][0] in alarm["message"]
    with hub.hub.database.write() as session:
        session.execute(update(row).where(column == bytes([good[0] ^ 1, *good[1:]])).values({column: good}))
    hub.clock.advance(hours=24)
    assert hub.verb("log.check")["ok"] and not hub.verb("status")["alarms"]
    assert hub.verb("verify")["ok"]


def test_a_flipped_bit_in_a_static_file_is_found_by_the_hub_itself(
    network: Network, loop: EventLoop, tmp_path: Path
) -> None:
    folder = tmp_path / "public"
    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        hub.enrol("leipzig.sn.de")
        path = folder / next(files_of(2)).path
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1, *path.read_bytes()[1:]]))
        assert not hub.verb("log.check")["ok"]
        assert hub.verb("status")["alarms"][0]["message"].startswith("1 things do not hold: static file ")


def test_when_it_was_last_verified_outlives_a_restart(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    with RunningHub.start(network, loop, tmp_path / "hub") as hub:
        assert hub.verb("log.check")["due"]
        clock = hub.clock
    with RunningHub.start(network, loop, tmp_path / "hub", clock=clock) as hub:
        assert not hub.verb("log.check")["due"]
        assert hub.verb("log.check", now=True)["due"]


def test_the_program_does_not_wait_for_it_when_it_ends(hub: RunningHub) -> None:
    hub.hub.is_ending.set()
    with hub.hub.database.read() as session, pytest.raises(LogError, match="time to verify"):
        verify_everything(session, hub.hub.verifier, hub.hub.is_ending.is_set)
    with pytest.raises(VerbError):
        hub.verb("log.check")
    assert not hub.verb("status")["alarms"]


def test_the_serving_hub_looks_again_and_again_whether_it_is_due(
    hub: RunningHub, loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "VERIFY_LOOK_SECONDS", 0)
    settings = hub.hub.settings.model_copy(update={"work_interval_seconds": 300})
    monkeypatch.setattr(hub.hub, "settings", settings)
    asked: list[str] = []

    async def serve_for_a_while() -> None:
        thrice = asyncio.Event()

        async def handle(verb: str, _params: dict[str, Any]) -> None:
            asked.append(verb)
            if len(asked) == 3:
                thrice.set()
            raise VerbError("busy", "expected more luck")  # a failure ends nothing

        worker = asyncio.create_task(background.verify_forever(hub.hub, handle))
        await thrice.wait()
        worker.cancel()

    loop.run(serve_for_a_while())
    assert asked[:3] == ["log.check"] * 3
