"""The command line as an operator uses it: exit codes, `--json`, one line on standard error for what is wrong."""

import contextlib
import io
import json
import re
import sqlite3
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regional_hub.cli import main
from shared_schema.keys import SigningKey
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import KEY_FILE, load_key, write_key
from tests.browsing import PASSWORD
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub, join
from tests.regional_hub.test_webhook import SECRET
from tests.webhook_receiver import receiving

ROOT = Path(__file__).resolve().parents[2]
INIT = ("--name", "sachsen.de", "--level", "region", "--area", "NUTS:2024:DED", "--public-url", "http://127.0.0.1:8700")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str, data: Path | None) -> Done:
    """Run one command in this process, as `python -m regional_hub` would; some need no data directory."""
    place = [] if data is None else ["--data", str(data)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["regional-hub", *arguments, *place])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as ended:
            return Done(int(ended.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("expected the command to end with an exit code")


def answer(*arguments: str, data: Path) -> dict[str, Any]:
    done = run(*arguments, "--json", data=data)
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a hub that was just made."""
    folder = tmp_path_factory.mktemp("cli") / "hub"
    assert re.fullmatch(r"([0-9a-f]{4} ?){10}", answer("init", *INIT, data=folder)["fingerprint"])
    return folder


def test_a_new_hub_has_its_policy_in_its_log_and_verifies(data: Path) -> None:
    status = answer("status", data=data)
    assert (status["name"], status["log_size"], status["kinds"]) == ("sachsen.de", 1, {"policy": 1})
    assert answer("verify", data=data)["ok"]


def test_the_package_is_the_program(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regional_hub", "status", "--json", "--data", str(data)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == answer("status", data=data)


def test_only_the_owner_can_read_the_key(data: Path) -> None:
    assert stat.S_IMODE((data / KEY_FILE).stat().st_mode) == 0o600


def test_a_second_init_changes_nothing(data: Path) -> None:
    key = (data / KEY_FILE).read_bytes()
    done = run("init", *INIT, data=data)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "regional-hub: expected" in done.stderr
    assert (data / KEY_FILE).read_bytes() == key


def test_what_is_wrong_is_one_line_and_exit_code_2(data: Path, tmp_path: Path) -> None:
    for arguments, where in (
        (("status",), tmp_path / "nowhere"),
        (("enrol", "approve", "x.de", "--fingerprint", "0"), data),
        (("members", "set", "x.de", "--status", "active"), data),
        (("members", "show", "x.de"), data),
        (("members", "items", "x.de"), data),
        (("policy", "set", str(tmp_path / "missing.json")), data),
    ):
        done = run(*arguments, data=where)
        assert done.returncode == 2, arguments
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr


def test_verify_says_no_with_exit_code_1(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    answer("init", *INIT, data=folder)
    with contextlib.closing(sqlite3.connect(folder / "hub.db")) as database:
        database.execute("UPDATE entries SET time = '2020-01-01T00:00:00Z'")
        database.commit()
    done = run("verify", "--json", data=folder)
    assert done.returncode == 1 and not json.loads(done.stdout)["ok"]


def test_a_person_gets_words_and_a_program_gets_json(data: Path) -> None:
    shown = run("status", data=data)
    assert shown.returncode == 0 and "log size: 1" in shown.stdout and "{" not in shown.stdout.splitlines()[0]


def test_the_overview_says_with_its_exit_code_whether_all_is_well(data: Path) -> None:
    done = run("overview", "--json", data=data)
    assert (done.returncode, json.loads(done.stdout)["well"]) == (1, False), "nobody has made a backup yet"


@pytest.mark.parametrize("level", ["city", "", "Region"])
def test_a_hub_of_another_level_is_not_made(tmp_path: Path, level: str) -> None:
    folder = tmp_path / "hub"
    arguments = [level if item == "region" else item for item in INIT]
    assert run("init", *arguments, data=folder).returncode == 2
    assert not (folder / "hub.toml").exists()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = SigningKey.from_seed(b"1" * 32)
    write_key(tmp_path, first)
    with pytest.raises(VerbError, match="never overwritten"):
        write_key(tmp_path, SigningKey.from_seed(b"2" * 32))
    assert load_key(tmp_path).public == first.public


@pytest.mark.parametrize("content", [None, b"", b"AAAA", b"\xff" * 44])
def test_a_key_that_is_missing_or_none_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(VerbError, match=KEY_FILE):
        load_key(tmp_path)


# --- verbs ----------------------------------------------------------------------------------------------------------


def test_the_relay_is_worked_from_the_command_line(data: Path) -> None:
    for wrong in (
        ("forward", "abcdefgh"),
        ("withdraw", "abcdefgh", "--reason", "error"),
        ("withdraw", "a", "--reason", "x"),
    ):
        done = run("relay", *wrong, data=data)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert answer("relay", "list", data=data) == {"items": []}
    assert answer("relay", "questions", data=data) == {"questions": []}
    assert answer("relay", "publish", data=data)["published"] == 0


def test_an_unknown_verb_or_a_missing_parameter_is_refused(hub: RunningHub) -> None:
    cases: tuple[tuple[str, dict[str, object], str], ...] = (
        ("destroy", {}, "unknown-verb"),
        ("enrol.code", {}, "bad-parameter"),
        ("policy.set", {}, "bad-parameter"),
        ("policy.set", {"policy": []}, "schema"),
    )
    for verb, params, code in cases:
        with pytest.raises(VerbError) as refused:
            hub.verb(verb, **params)
        assert refused.value.code == code, verb


def test_a_policy_replaces_one_of_a_lower_version_only(hub: RunningHub) -> None:
    policy = hub.verb("policy.show")
    with pytest.raises(VerbError):
        hub.verb("policy.set", policy=policy)
    assert hub.verb("policy.set", policy=policy | {"version": 2, "min_contributors": 5}) == {"version": 2}
    assert hub.verb("policy.show")["min_contributors"] == 5
    with pytest.raises(VerbError):
        hub.verb("policy.set", policy=policy)


def test_members_and_sources_are_listed(start_hub: HubStarter) -> None:
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    region.verb("follow")
    assert [(row["name"], row["role"]) for row in region.verb("members.list")["members"]] == [("bund.de", "parent")]
    assert [(row["name"], row["role"]) for row in nation.verb("members.list")["members"]] == [("sachsen.de", "hub")]
    (source,) = region.verb("status")["sources"]
    assert (source["name"], source["direction"], source["read"]) == ("bund.de", "parent", source["of"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("keys", "no-such-command"),
        ("keys", "announce", "--days", "soon"),
        ("backup", "place", "--keep", "0"),
        ("members", "set", "leipzig.sn.de"),
        ("status", "--no-such-option"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_two(data: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, data=data)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("regional-hub: ") and done.stderr.count("\n") == 1


def test_the_trend_watch_says_how_often_it_errs_and_refuses_an_alert_that_is_not_there(data: Path) -> None:
    listed = answer("watch", "list", data=data)
    assert listed["alerts"] == [] and listed["false_alarms"] == "at most 1 expected in 2 years"
    assert answer("watch", "run", data=data)["judged"] == 0
    done = run("watch", "dismiss", "0" * 20, data=data)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1


def test_a_hub_that_tells_nobody_says_so_and_its_alarms_can_be_worked_from_the_command_line(data: Path) -> None:
    done = run("alarms", "test", data=data)
    assert (done.returncode, done.stdout) == (2, "")
    assert "alarm_webhook or alarm_email" in done.stderr and done.stderr.count("\n") == 1
    assert answer("alarms", "show", data=data)["channels"] == []
    assert answer("alarms", "deliver", data=data) == {"sent": 0, "failed": 0}
    assert answer("alarms", "retry", data=data) == answer("alarms", "drop", data=data) == {"messages": 0}


def test_the_test_of_an_alarm_says_in_one_line_what_came_back(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "webhook.secret"
    secret.write_text(SECRET)
    with receiving() as receiver:
        monkeypatch.setenv("REGIONAL_HUB_ALARM_WEBHOOK", receiver.url)
        monkeypatch.setenv("REGIONAL_HUB_ALARM_WEBHOOK_SECRET_FILE", str(secret))
        done = run("alarms", "test", data=data)
        assert (done.returncode, done.stdout) == (0, "webhook: taken: status 204\n")
        receiver.status = 403
        done = run("alarms", "test", data=data)
        assert done.returncode == 1 and done.stdout.startswith("webhook: not taken: ") and "403" in done.stdout


def test_the_first_operator_is_made_on_the_command_line(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = answer("account", "add", "olga", "--role", "operator", "--administrates", data=data)
    assert (added["roles"], added["state"]) == (["administrator", "operator"], "no password")
    for role in ("queen", ""):
        refused = run("account", "add", "eve", "--role", role, data=data)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    refused = run("account", "set", "olga", data=data)
    assert (refused.returncode, refused.stderr.count("\n"), "short" in refused.stderr) == (2, 1, False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert answer("account", "set", "olga", data=data)["state"] == "in use"
    link = answer("account", "invite", "nils", "--role", "analyst", "--name", "Nils Berg", data=data)["link"]
    assert link.startswith("http://127.0.0.1:8700/welcome/")
    assert answer("account", "disable", "nils", data=data)["state"] == "disabled"
    assert answer("account", "enable", "nils", data=data)["state"] == "no password"
    assert "/welcome/" in answer("account", "reset", "olga", data=data)["link"]
    listed = answer("account", "list", data=data)["accounts"]
    assert [(line["id"], line["state"]) for line in listed] == [("nils", "no password"), ("olga", "no password")]
