"""Accounts from the console: for scripts, and for whoever is locked out."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from local_node.cli import cli
from shared_schema.service.control import VerbError

runner = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A node that was made a moment ago, with a coordinator and a reviewer."""
    folder = tmp_path / "data"
    made = ["--name", "leipzig.sn.de", "--display-name", "Leipzig", "--lau", "14713000", "--coordinator", "anna"]
    assert runner.invoke(cli, ["init", *made, "--reviewer", "ben", "--data", str(folder)]).exit_code == 0
    return folder


def account(data: Path, *words: str, typed: str = "") -> dict[str, Any]:
    answer = runner.invoke(cli, ["account", *words, "--json", "--data", str(data)], input=typed)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def states(data: Path) -> dict[str, str]:
    return {line["id"]: line["state"] for line in account(data, "list")["accounts"]}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["invite", "nobody"], "person-unknown"),
        (["invite", "x", "--role", "boss"], "role-unknown"),
        (["invite", "paul", "--role", "partner"], "account-agency"),
        (["invite", "paul", "--role", "partner", "--agency", "nobody"], "account-agency"),
        (["invite", "Anna B", "--role", "reader"], "person"),
        (["disable", "ben"], "account-unknown"),
        (["enable", "nobody"], "account-unknown"),
        (["reset", "nobody"], "account-unknown"),
    ],
)
def test_what_cannot_be_is_one_error_and_changes_nothing(data: Path, words: list[str], code: str) -> None:
    with pytest.raises(VerbError) as caught:
        account(data, *words)
    assert caught.value.code == code
    assert states(data) == {"anna": "no account", "ben": "no account"}


def test_the_only_administrator_gets_in_again_from_the_console(data: Path) -> None:
    account(data, "set", "anna", "--administrates", typed="late trains sing softly\n")
    with pytest.raises(VerbError) as caught:
        account(data, "disable", "anna")
    assert caught.value.code == "last-administrator"
    link = account(data, "reset", "anna")
    assert link["link"].startswith("http://127.0.0.1:8600/welcome/")
    assert states(data)["anna"] == "no password"


def test_people_are_invited_kept_out_and_let_in(data: Path) -> None:
    first = account(data, "invite", "ben")
    assert account(data, "invite", "ben")["link"] != first["link"]
    account(data, "invite", "carla", "--role", "coordinator", "--name", "Carla", "--administrates")
    account(data, "disable", "ben")
    assert states(data) == {"anna": "no account", "ben": "disabled", "carla": "no password"}
    assert account(data, "enable", "ben")["state"] == "no password"
    (carla,) = [line for line in account(data, "list")["accounts"] if line["id"] == "carla"]
    assert (carla["name"], carla["roles"]) == ("Carla", ["administrator", "coordinator"])
    assert carla["link_until"] is not None


def test_the_words_for_people_show_the_link_and_what_to_do_with_it(data: Path) -> None:
    shown = runner.invoke(cli, ["account", "invite", "ben", "--data", str(data)]).stdout
    assert "/welcome/" in shown
    assert "hand the link over" in shown
    assert "no password" in runner.invoke(cli, ["account", "list", "--data", str(data)]).stdout
