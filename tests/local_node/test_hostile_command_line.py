"""A data directory that is broken, and arguments that are no text: one line, exit code 2, and never a trace."""

import socket
from pathlib import Path

import pytest

from local_node import cli
from tests.local_node.test_cli import INIT, refusal, run_json


@pytest.fixture
def made(tmp_path: Path) -> Path:
    run_json(*INIT, data=tmp_path / "node")
    return tmp_path / "node"


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "expected to read and write" in refusal(*INIT, data=tmp_path / "file")


def test_a_data_directory_with_too_long_a_name(tmp_path: Path) -> None:
    assert "too long" in refusal("status", data=tmp_path / ("n" * 300))


@pytest.mark.parametrize("name", ["node.toml", "signing.key", "node.db"])
def test_a_folder_in_place_of_a_file(made: Path, name: str) -> None:
    (made / name).unlink()
    (made / name).mkdir(mode=0o700)
    assert refusal("status", data=made).startswith("local-node: expected")


def test_a_database_that_is_none(made: Path) -> None:
    (made / "node.db").write_bytes(b"no database at all" * 400)
    for command in (("status",), ("serve",)):
        assert "expected a database that can be read and written" in refusal(*command, data=made)


def test_settings_with_a_number_of_thousands_of_digits(made: Path) -> None:
    (made / "node.toml").write_text(f"port = {'9' * 5000}\n")
    assert "expected TOML" in refusal("status", data=made)


def test_arguments_that_are_no_text(made: Path) -> None:
    assert "expected arguments in UTF-8" in refusal(
        "release", "refuse", "r1", "--by", "anna", "--reason", "\udc9b", data=made
    )


def test_a_mistake_in_the_program_shows_where_and_not_what(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise LookupError("Mr Smith, 3 assaults")

    monkeypatch.setattr(cli, "run_verb", fail)
    line = refusal("status", data=made)
    assert "LookupError in test_hostile_command_line.py line" in line
    assert "Smith" not in line


def test_a_wrong_id_stops_init_before_anybody_is_registered(tmp_path: Path) -> None:
    arguments = [*INIT[:-1], "R B"]
    assert "expected an id" in refusal(*arguments, data=tmp_path / "node")
    assert not list((tmp_path / "node").glob("node.*"))


def test_a_port_that_somebody_else_has(made: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        assert f"expected port {port} to be free" in refusal("serve", "--port", port, data=made)
