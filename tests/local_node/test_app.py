"""The node put together: its key, its start after a crash, its control socket beside the pages."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from local_node import outbox, verbs
from local_node.app import Node, create_app, open_node, sync_forever
from local_node.outbox import OutboxState
from shared_schema.service.control import SOCKET_NAME, VerbError
from shared_schema.service.key_file import KEY_FILE, load_key, write_key
from tests.hub_simulator import Author, HubSimulator, MovableClock, seeded_key
from tests.local_node.conftest import LEIPZIG


def test_the_key_can_be_read_by_its_owner_only_and_is_never_overwritten(tmp_path: Path) -> None:
    key = seeded_key("a")
    write_key(tmp_path, key)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert load_key(tmp_path).public == key.public
    with pytest.raises(VerbError, match="never overwritten"):
        write_key(tmp_path, seeded_key("b"))
    assert load_key(tmp_path).public == key.public


def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    write_key(tmp_path, seeded_key("a"))
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(VerbError, match="chmod 600"):
        load_key(tmp_path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "00" * 31])
def test_a_broken_key_is_named_and_not_repeated(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_text(content)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(VerbError, match="64 hexadecimal digits"):
        load_key(tmp_path)


def test_a_missing_key_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(VerbError, match="command init"):
        load_key(tmp_path)


def test_a_start_takes_up_what_a_crash_left_in_sending(member: Node, hub: HubSimulator, clock: MovableClock) -> None:
    author = Author(LEIPZIG, member.key, clock)
    with member.database.write() as session:
        outbox.enqueue(session, author.practice(), 1, [hub.name], clock())
        outbox.claim_next(session, hub.name, clock())
    member.close()
    reopened = open_node(member.data_dir, clock)
    with reopened.database.read() as session:
        assert [row.state for row in outbox.list_rows(session)] == [OutboxState.WAITING]
    reopened.close()


async def ask(data_dir: Path, verb: str) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(str(data_dir / SOCKET_NAME))
    writer.write(json.dumps({"verb": verb, "params": {}}).encode() + b"\n")
    answer: dict[str, object] = json.loads(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


def test_the_served_node_takes_verbs_on_its_socket_and_cleans_up(node: Node) -> None:
    app = create_app(node, lambda verb, params: verbs.run(node, verb, params))

    async def serve_and_ask() -> list[dict[str, object]]:
        async with app.router.lifespan_context(app):
            mode = (node.data_dir / SOCKET_NAME).stat().st_mode
            assert stat.S_IMODE(mode) & 0o077 == 0
            return [await ask(node.data_dir, "status"), await ask(node.data_dir, "nonsense")]

    good, bad = asyncio.run(serve_and_ask())
    assert good["result"]["name"] == LEIPZIG  # type: ignore[index]
    assert bad["error"]["code"] == "unknown-verb"  # type: ignore[index]
    assert not (node.data_dir / SOCKET_NAME).exists()


def test_the_background_sync_is_patient_and_survives_failures(node: Node) -> None:
    calls: list[tuple[str, dict[str, object]]] = []

    def handle(verb: str, params: dict[str, object]) -> dict[str, object]:
        calls.append((verb, params))
        raise VerbError("busy", "later") if len(calls) == 1 else RuntimeError("unexpected")

    async def run_for_a_moment() -> None:
        enough = asyncio.Event()

        async def answer(verb: str, params: dict[str, object]) -> dict[str, object]:
            if len(calls) == 2:
                enough.set()
            return handle(verb, params)

        task = asyncio.create_task(sync_forever(0.01, answer))
        await asyncio.wait_for(enough.wait(), 10)
        task.cancel()

    asyncio.run(run_for_a_moment())
    assert set(map(str, calls)) == {str(("sync", {"patient": True}))}
