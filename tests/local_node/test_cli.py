"""The command line: one line on standard error and exit code 2 for what is wrong, JSON for programs, a quick start."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import structlog

from local_node import verbs
from local_node.app import Node
from local_node.cli import main
from local_node.paths import SETTINGS_FILE
from shared_schema.service.control import SOCKET_NAME, ask
from tests.hub_simulator import HubSimulator

ROOT = Path(__file__).parents[2]
INIT = (
    *("init", "--name", "leipzig.sn.de", "--display-name", "Leipzig", "--lau", "14713000"),
    *("--coordinator", "anna", "--reviewer", "ben"),
)
HEAVY = ("opendp", "fastapi", "sqlalchemy", "jinja2", "uvicorn")


@dataclass
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, data: Path | None = None) -> Done:
    """Run the command line as a person does, in this process, because a hundred starts take a minute."""
    environment = {} if data is None else {"LOCAL_NODE_DATA": str(data)}
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["local-node", *arguments]),
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        try:
            main()
        finally:
            structlog.reset_defaults()  # or the log of the next test would go to this one's standard error
    code = ended.value.code
    return Done(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def run_json(*arguments: str, data: Path) -> dict[str, Any]:
    result = run(*arguments, "--json", data=data)
    assert result.returncode == 0, result.stderr
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def refusal(*arguments: str, data: Path | None = None) -> str:
    """The one line on standard error of a command that cannot be done."""
    result = run(*arguments, data=data)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a node made by `init`."""
    data = tmp_path_factory.mktemp("cli") / "node"
    assert run_json(*INIT, "--port", str(_free_port()), "--sync-interval", "0", data=data)["name"] == "leipzig.sn.de"
    return data


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_init_makes_a_node_that_says_what_to_do_next(made: Path) -> None:
    status = run_json("status", data=made)
    assert [person["id"] for person in status["people"]] == ["anna", "ben"]
    assert status["next"][0].startswith("Add your hub")


def test_init_never_overwrites_a_node(made: Path) -> None:
    assert "never overwritten" in refusal(*INIT, data=made)


def test_an_interrupted_init_can_be_run_again_and_keeps_its_key(tmp_path: Path) -> None:
    first = run_json(*INIT, data=tmp_path / "node")
    (tmp_path / "node" / SETTINGS_FILE).unlink()  # what a crash before the last step leaves
    again = run_json(*INIT, data=tmp_path / "node")
    assert again["fingerprint"] == first["fingerprint"]


def test_init_wants_two_people_and_a_valid_name(tmp_path: Path) -> None:
    alone = [*INIT[:-1], "anna"]
    assert "two people" in refusal(*alone, data=tmp_path / "a")
    assert "name or LOCAL_NODE_NAME" in refusal(*INIT[:2], "Leipzig", *INIT[3:], data=tmp_path / "b")
    assert not (tmp_path / "b" / "signing.key").exists()


def test_a_directory_without_a_node_names_the_command_that_makes_one(tmp_path: Path) -> None:
    assert "local-node init" in refusal("status", data=tmp_path)
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("hub", "add", "http://hub.example", "--fingerprint", "x"),
        ("enrol", "nrw.de", "--code", "x"),
        ("release", "show", "r9"),
        ("release", "approve", "r9", "--by", "ben", "--accept", "because"),
        ("import", "/nonexistent.csv", "--mapping", "/nonexistent.toml", "--agency", "youth", "--by", "anna"),
        ("inbox", "list", "--kind", "rumour"),
        ("inbox", "list", "--limit", "ten"),
        ("hub", "add"),
        ("no-such-command",),
        ("table", "list"),
        ("serve", "--host", "0.0.0.0"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_two(made: Path, arguments: tuple[str, ...]) -> None:
    assert refusal(*arguments, data=made).startswith("local-node: ")


def test_serving_to_others_is_refused_with_the_reason(made: Path) -> None:
    assert "public_url" in refusal("serve", "--host", "0.0.0.0", data=made)


def test_people_are_added_and_both_chains_hold(made: Path) -> None:
    assert run_json("people", "add", "carla", "--role", "partner", data=made) == {"id": "carla", "role": "partner"}
    assert run_json("check", "audit", data=made)["ok"] is True
    assert run_json("check", "ledger", data=made) == {"entries": 0, "ok": True}


def test_a_person_gets_words_and_tables(made: Path) -> None:
    result = run("status", data=made)
    assert "next: Add your hub" in result.stdout
    assert "anna" in result.stdout


def test_an_alarm_is_exit_code_one(node: Node, member: Node, hub: HubSimulator) -> None:
    hub.keys.clear()
    verbs.run(member, "sync", {})
    node.close()
    result = run("status", data=node.data_dir)
    assert result.returncode == 1
    assert "does not show us its log" in result.stdout


def test_the_command_line_starts_without_what_it_does_not_need() -> None:
    script = f"import sys, local_node.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.fixture
def serving(made: Path) -> Iterator[Path]:
    """The node as a process of its own."""
    command = [sys.executable, "-m", "local_node", "serve", "--data", str(made)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (made / SOCKET_NAME).exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield made
    process.terminate()
    assert process.wait(10) is not None


def test_a_served_node_answers_pages_commands_and_its_socket(serving: Path) -> None:
    assert run_json("status", data=serving)["name"] == "leipzig.sn.de"
    port = _port(serving)
    response = httpx.get(f"http://127.0.0.1:{port}/sign-in", trust_env=False)
    assert response.status_code == 200
    assert "Leipzig" in response.text
    assert ask(serving, "status", {})["name"] == "leipzig.sn.de"
    assert "no other process" in refusal("serve", data=serving)


def _port(data: Path) -> int:
    (line,) = [line for line in (data / SETTINGS_FILE).read_text().splitlines() if line.startswith("port")]
    return int(line.partition("=")[2])


def test_paths_are_those_of_the_person_and_not_of_the_server(serving: Path, tmp_path: Path) -> None:
    (tmp_path / "draft.json").write_text("[]")
    environment = os.environ | {"LOCAL_NODE_DATA": str(serving), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "local_node", "practice", "add", "draft.json", "--by", "anna"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, "one JSON object" in result.stderr) == (2, True)


# --- one person alone ----------------------------------------------------------------------------------------------


def test_a_node_has_a_second_person_or_says_that_there_is_none(tmp_path: Path) -> None:
    city = (
        "init",
        "--name",
        "leipzig.sn.de",
        "--display-name",
        "Leipzig",
        "--lau",
        "14713000",
        "--coordinator",
        "anna",
    )
    assert "--alone" in refusal(*city, data=tmp_path)
    assert "--alone" in refusal(*city, "--reviewer", "ben", "--alone", data=tmp_path)
    assert run(*city, "--alone", data=tmp_path).returncode == 0
    draft = tmp_path / "question.json"
    draft.write_text('{"title": "A question", "text": "Who knows?", "phenomenon": ["_U"], "language": "en"}')
    shown = run_json("ask", str(draft), "--by", "anna", data=tmp_path)
    assert shown["body"]["review"]["role"] == "single_person"
    assert "24 hours" in refusal("release", "approve", shown["request"], "--by", "anna", data=tmp_path)
