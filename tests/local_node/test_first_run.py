"""From an empty directory to a node in the browser: locked, resumable at every step, and never over a node."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_node import places
from local_node.app import Node, open_node
from local_node.door import accounts
from local_node.first_run import (
    FILE_NAME,
    Answers,
    City,
    CityKind,
    Manner,
    SetupError,
    Someone,
    Team,
    You,
    load_answers,
    save_answers,
)
from local_node.first_run_server import FirstRun
from local_node.people import list_people
from local_node.places import PlaceError
from local_node.settings import load_settings
from local_node.setup_code import ALPHABET, CodeError, SetupDoor, make_code
from shared_schema.service.control import SOCKET_NAME, VerbError, own_directory
from shared_schema.service.passwords import hash_password
from tests.factories import NOW
from tests.hub_simulator import MovableClock
from tests.local_node.browsing import BASE, Browser
from tests.local_node.test_cli import ROOT, run

PASSWORD = "late trains sing softly"
CODE = "K7QF-9M2T-XW4R-8HPC-3NVD"
YOU = {"id": "anna", "name": "Anna Weber", "role": "coordinator", "password": PASSWORD, "password-again": PASSWORD}
ALONE = {"alone": "one", "name-1": "Ben Roth", "id-1": "ben", "role-1": "reviewer"}
CITY = {"name": "Leipzig", "country": "DE", "municipality": "14 713 000", "version": "2024"}
STEPS = {
    "you": YOU,
    "team": ALONE,
    "city": CITY,
    "region": {"region": "DED"},
    "name": {"name": "leipzig.sachsen.de"},
    "kind": {"size": "XL", "urbanisation": "1"},
    "language": {"pages": "de", "time_zone": "Europe/Berlin"},
}


ANSWERED: dict[str, Any] = {
    "you": You(id="anna", name="Anna Weber", role="coordinator", password_hash=hash_password(PASSWORD)),
    "team": Team(alone=True, people=(Someone(id="ben", name="Ben Roth", role="reviewer"),)),
    "city": City(name="Leipzig", country="DE", municipality="14713000", version="2024"),
    "region": "DED",
    "name": "leipzig.sachsen.de",
    "kind": CityKind(size="XL", urbanisation="1"),
    "language": Manner(language="de", time_zone="Europe/Berlin"),
}
"""What the forms of STEPS say, as it is kept: one test holds the two together."""


@dataclass
class Start:
    """A started program without a node, and a browser at it."""

    data: Path
    clock: MovableClock
    opened: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As if the program had ended, at whatever moment, and was started again."""
        self.app = FirstRun(self.data, BASE, 8600, self._open, self.clock)
        self.browser = Browser(None, app=self.app)  # type: ignore[arg-type]

    def _open(self) -> Node:
        self.opened.append(open_node(self.data, self.clock))
        return self.opened[-1]

    def enter(self) -> "Start":
        answer = self.browser.post("/set-up/code", {"code": self.app.code.lower().replace("-", " ")})
        assert answer.headers["location"] == "/set-up", answer.text
        return self

    def answer(self, step: str, fields: dict[str, str] | None = None, revision: int | None = None) -> httpx.Response:
        seen = load_answers(self.data).revision if revision is None else revision
        return self.browser.post(f"/set-up/{step}", STEPS[step] | (fields or {}) | {"revision": str(seen)})

    def answer_all(self, *, until: str = "") -> None:
        """As if every step before `until` had been answered in the browser."""
        for step in STEPS:
            if step == until:
                return
            before = load_answers(self.data)
            save_answers(self.data, before.model_copy(update={step: ANSWERED[step]}), seen=before.revision)

    def make(self) -> httpx.Response:
        return self.browser.post("/set-up/make", {"revision": str(load_answers(self.data).revision)})


@pytest.fixture
def start(tmp_path: Path, clock: MovableClock) -> Iterator[Start]:
    data = tmp_path / "new"
    with own_directory(data):
        started = Start(data, clock)
        yield started
        for node in started.opened:
            node.close()


# --- locked --------------------------------------------------------------------------------------------------------

PATHS = ("/", "/set-up", *(f"/set-up/{step}" for step in STEPS), "/set-up/nothing")


@pytest.mark.parametrize("path", PATHS)
def test_without_the_code_every_page_leads_to_the_form_that_asks_for_it(start: Start, path: str) -> None:
    for cookie in ("", "x" * 43):
        start.browser.cookies = {"__Host-set-up": cookie} if cookie else {}
        answer = start.browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/set-up/code")


@pytest.mark.parametrize("path", ["/set-up/make", *(f"/set-up/{step}" for step in STEPS)])
def test_without_the_code_nothing_is_kept(start: Start, path: str) -> None:
    answer = start.browser.post(path, {**STEPS.get(path.rpartition("/")[2], {}), "revision": "0"})
    assert answer.headers["location"] == "/set-up/code"
    assert not (start.data / FILE_NAME).exists()


def test_a_form_of_another_site_is_refused(start: Start) -> None:
    start.enter()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": BASE}):
        assert start.browser.post("/set-up/you", YOU | {"revision": "0"}, headers=headers).status_code == 403
    assert start.browser.get("/set-up", headers={"Host": "evil.example"}).status_code == 400
    assert not (start.data / FILE_NAME).exists()


def test_wrong_codes_are_slowed_down_and_then_the_right_one_too(start: Start) -> None:
    for _ in range(10):
        assert start.browser.post("/set-up/code", {"code": "AAAA"}).status_code == 403
    assert start.browser.post("/set-up/code", {"code": start.app.code}).status_code == 429
    start.clock.advance(minutes=16)
    start.enter()


def test_the_code_opens_one_browser_once(start: Start) -> None:
    start.enter()
    other = Browser(None, app=start.app)  # type: ignore[arg-type]
    answer = other.post("/set-up/code", {"code": start.app.code})
    assert answer.status_code == 422
    assert "__Host-set-up" not in other.cookies
    assert start.browser.get("/set-up").status_code == 200


def test_the_code_ends_after_an_hour_and_the_browser_after_two_quiet_ones(start: Start) -> None:
    door = SetupDoor(CODE, NOW)
    with pytest.raises(CodeError) as caught:
        door.open(CODE, NOW + timedelta(minutes=61))
    assert caught.value.code == "setup-code-over"
    door = SetupDoor(CODE, NOW)
    token = door.open(CODE, NOW)
    assert door.lets_in(token, NOW + timedelta(hours=1, minutes=59))
    assert not door.lets_in(token, NOW + timedelta(hours=4))
    assert not door.lets_in(token, NOW + timedelta(hours=4))
    assert not door.lets_in("", NOW)


def test_a_code_has_a_hundred_bits_of_signs_that_nobody_confuses() -> None:
    assert len(ALPHABET) == 32
    assert not set("0O1I") & set(ALPHABET)
    assert make_code(bytes(range(20))) != make_code(bytes(range(1, 21)))
    assert len(make_code(bytes(20)).replace("-", "")) == 20


# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "fields", "said"),
    [
        ("you", {"id": "Anna Weber"}, "small letters"),
        ("you", {"id": "../../etc"}, "small letters"),
        ("you", {"name": "\x1b[2J"}, "printable"),
        ("you", {"name": " "}, "expected a name"),
        ("you", {"role": "boss"}, "choices"),
        ("you", {"password": "short", "password-again": "short"}, "12 to 128"),
        ("you", {"password": "anna weber anna weber", "password-again": "anna weber anna weber"}, "easily guessed"),
        ("you", {"password-again": "something else"}, "same password twice"),
        ("team", {"id-1": "anna"}, "another id"),
        ("team", {"role-1": "reader"}, "one reviewer"),
        ("team", {"name-2": "Cleo", "id-2": "cleo", "role-2": "reviewer"}, "one reviewer"),
        ("team", {"alone": "several", "name-1": "", "id-1": ""}, "at least one other"),
        ("team", {"name-1": ""}, "expected a name"),
        ("team", {"id-1": "B B"}, "small letters"),
        ("city", {"country": "ZZ"}, "choices"),
        ("city", {"municipality": "Leipzig"}, "such as 14713000"),
        ("city", {"municipality": "99713000"}, "such as 14713000"),
        ("city", {"name": ""}, "1 to 80"),
        ("city", {"version": "20x4"}, "whole number"),
        ("region", {"region": "FR1"}, "this country"),
        ("name", {"name": "Leipzig"}, "small letters, digits"),
        ("name", {"name": "leipzig..de"}, "small letters, digits"),
        ("kind", {"size": "huge"}, "choices"),
        ("language", {"pages": "tlh"}, "choices"),
        ("language", {"time_zone": "../../etc/passwd"}, "choices"),
    ],
)
def test_a_wrong_answer_is_shown_again_with_what_was_expected(
    start: Start, step: str, fields: dict[str, str], said: str
) -> None:
    start.enter().answer_all(until=step)
    before = load_answers(start.data)
    answer = start.answer(step, fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert PASSWORD not in answer.text
    assert load_answers(start.data) == before


def test_what_was_typed_is_kept_when_it_is_wrong(start: Start) -> None:
    start.enter().answer_all(until="city")
    page = start.answer("city", {"municipality": "9"}).text
    assert 'value="Leipzig"' in page
    assert '<option value="DE" selected>' in page
    assert 'aria-invalid="true"' in page


def test_a_form_that_another_window_has_overtaken_says_so_and_changes_nothing(start: Start) -> None:
    start.enter().answer_all(until="kind")
    answer = start.answer("city", {"name": "Elsewhere"}, revision=1)
    assert answer.status_code == 409
    assert 'value="Elsewhere"' in answer.text
    city = load_answers(start.data).city
    assert city is not None
    assert city.name == "Leipzig"


def test_the_file_is_for_its_owner_alone_and_has_no_password(start: Start) -> None:
    start.enter().answer("you")
    path = start.data / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()


@pytest.mark.parametrize("content", ["{}x", '{"unknown":1}', '{"revision":true}', "[1]", "", "\udcff"])
def test_a_file_that_somebody_changed_is_an_error_and_is_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(SetupError):
        save_answers(tmp_path, Answers(), seen=0)
    assert path.read_bytes() == content.encode("utf-8", "surrogatepass")


def test_a_step_leads_to_the_one_that_it_builds_on(start: Start) -> None:
    start.enter()
    assert start.browser.get("/set-up/name").headers["location"] == "/set-up/city"
    assert start.browser.get("/set-up/team").headers["location"] == "/set-up/you"
    assert start.answer("region").headers["location"] == "/set-up/city"


def test_another_country_asks_for_the_region_anew(start: Start) -> None:
    start.enter().answer_all()
    start.answer("city", {"country": "NL", "municipality": "gm0344", "name": "Utrecht"})
    answers = load_answers(start.data)
    assert (answers.region, answers.name) == (None, None)
    assert answers.city is not None
    assert answers.city.municipality == "GM0344"


# --- the node ------------------------------------------------------------------------------------------------------


def test_a_restart_at_any_point_goes_on_where_it_was(start: Start) -> None:
    for step in STEPS:
        start.restart()
        start.enter()
        assert start.answer(step).status_code == 303
    start.restart()
    start.enter()
    page = start.browser.page("/set-up")
    assert "Make the node" in page
    assert "Sachsen" in page
    kept = load_answers(start.data)
    assert kept.you is not None
    assert kept.model_copy(update={"revision": 0, "you": ANSWERED["you"]}) == Answers(**ANSWERED)
    assert kept.you.model_dump(exclude={"password_hash"}) == ANSWERED["you"].model_dump(exclude={"password_hash"})
    assert start.make().headers["location"] == "/sign-in?next=%2Fset-up"


def test_after_the_last_step_the_same_program_is_the_node(start: Start) -> None:
    start.enter().answer_all()
    start.make()
    assert not (start.data / FILE_NAME).exists()
    settings = load_settings(start.data)
    assert (settings.name, settings.area_code, settings.city_size) == ("leipzig.sachsen.de", "14713000", "XL")
    assert settings.time_zone == "Europe/Berlin"
    assert start.browser.get("/set-up").headers["location"].startswith("/sign-in")
    answer = start.browser.post("/sign-in", {"person": "anna", "password": PASSWORD})
    assert answer.status_code == 303
    assert start.browser.get("/").status_code == 200
    with start.opened[0].database.read() as session:
        anna = accounts.get_account(session, "anna")
        assert {role.value for role in anna.roles} == {"coordinator", "administrator"}
        assert anna.language == "de"
        assert [(person.id, person.role.value) for person in list_people(session)] == [
            ("anna", "coordinator"),
            ("ben", "reviewer"),
        ]
        assert not accounts.get_account(session, "ben").has_password


def test_a_list_that_is_not_complete_makes_no_node(start: Start) -> None:
    start.enter().answer_all(until="language")
    assert start.make().status_code == 422
    assert sorted(path.name for path in start.data.iterdir()) == ["lock", FILE_NAME]


def test_a_double_click_makes_one_node(start: Start) -> None:
    start.enter().answer_all()
    fields = {"revision": str(load_answers(start.data).revision)}
    assert start.browser.post("/set-up/make", fields).status_code == 303
    again = start.browser.post("/set-up/make", fields)
    assert again.status_code in (303, 404, 405)
    assert len(start.opened) == 1


def test_a_node_is_never_overwritten(start: Start, data_dir: Path) -> None:
    start.enter().answer_all()
    (start.data / "node.toml").write_text("# somebody's\n")
    assert start.make().status_code == 422
    assert (start.data / "node.toml").read_text() == "# somebody's\n"


def test_a_crash_between_database_and_settings_is_taken_up_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start.enter().answer_all()

    def crash(*_arguments: object) -> None:
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr("local_node.verbs.founding.write_settings", crash)
        with pytest.raises(OSError, match="power"):
            start.make()
    key = (start.data / "signing.key").read_bytes()
    start.restart()
    start.enter()
    assert start.make().status_code == 303
    assert (start.data / "signing.key").read_bytes() == key


def test_answers_that_were_changed_after_such_a_crash_overwrite_no_database(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.enter().answer_all()
    with monkeypatch.context() as patch:
        patch.setattr("local_node.verbs.founding.write_settings", lambda *_: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(OSError, match="power"):
            start.make()
    start.answer("you", {"id": "eva"})
    answer = start.make()
    assert answer.status_code == 422
    assert "never overwritten" in answer.text
    assert not (start.data / "node.toml").exists()


def test_a_directory_that_has_lost_its_settings_is_not_set_up_anew(data_dir: Path) -> None:
    open_node(data_dir).close()
    (data_dir / "node.toml").unlink()
    done = run("serve", data=data_dir)
    assert done.returncode == 2
    assert "node.toml" in done.stderr


def test_init_makes_the_same_node(start: Start, tmp_path: Path) -> None:
    start.enter().answer_all()
    start.make()
    made = tmp_path / "by-hand"
    done = run(
        *("init", "--name", "leipzig.sachsen.de", "--display-name", "Leipzig", "--lau", "14713000"),
        *("--coordinator", "anna", "--reviewer", "ben"),
        data=made,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = load_settings(start.data), load_settings(made)
    different = {"time_zone", "city_size", "urbanisation"}
    assert ours.model_dump(exclude=different) == theirs.model_dump(exclude=different)
    assert {path.name for path in made.iterdir()} >= {"node.toml", "node.db", "signing.key"}


# --- places --------------------------------------------------------------------------------------------------------


def test_regions_come_from_the_official_list_and_names_are_proposed() -> None:
    assert places.find_region("DE", "DED").name == "Sachsen"
    assert "Extra-Regio NUTS 1" not in [region.name for region in places.regions_of("DE")]
    assert places.propose_name("Köln", "Nordrhein-Westfalen", "DE") == "koeln.nordrhein-westfalen.de"
    assert places.propose_name("Århus", "Midtjylland", "DK") == "aarhus.midtjylland.dk"
    assert places.propose_name("Αθήνα", "Αττική", "EL") == ""
    assert places.country_names("de")["EL"] == "Griechenland"
    assert places.zones_of("DE")[0] == "Europe/Berlin"
    for text in ("", "a", "leipzig.sn.de.", "-a.de", "a" * 101 + ".de", "leipzig.de/x"):
        with pytest.raises(PlaceError):
            places.check_name(text)


# --- as a program --------------------------------------------------------------------------------------------------


def test_serve_in_an_empty_directory_prints_the_code_and_becomes_the_node(tmp_path: Path) -> None:
    data = tmp_path / "node"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "local_node", "serve", "--data", str(data), "--port", str(port)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            lines = [process.stderr.readline() for _ in range(6)]
            code = next(line.strip() for line in lines if line.count("-") == 4 and line.startswith("    "))
            url = f"http://127.0.0.1:{port}"
            ours = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
            with httpx.Client(base_url=url, headers=ours, trust_env=False) as client:
                _wait_for(client)
                token = client.post("/set-up/code", data={"code": code}).headers["set-cookie"].split(";")[0]
                for number, (step, fields) in enumerate(STEPS.items()):
                    sent = fields | {"revision": str(number)}
                    answer = client.post(f"/set-up/{step}", data=sent, headers={"Cookie": token}, timeout=30)
                    assert answer.status_code == 303, answer.text
                made = client.post("/set-up/make", data={"revision": "7"}, headers={"Cookie": token}, timeout=30)
                assert made.status_code == 303, made.text
                assert client.get("/health").json() == {"status": "ok"}
            assert (data / SOCKET_NAME).exists()
            status = run("status", "--json", data=data)
            assert json.loads(status.stdout)["name"] == "leipzig.sachsen.de"
        finally:
            process.terminate()
            process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)


def _wait_for(client: httpx.Client) -> None:
    for _ in range(300):
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("expected an answer within thirty seconds")


def test_the_code_is_wrong_for_whoever_started_another_time(start: Start) -> None:
    code = start.app.code
    start.restart()
    assert start.browser.post("/set-up/code", {"code": code}).status_code == 403


def test_founding_refuses_two_people_with_one_id(tmp_path: Path) -> None:
    from local_node.verbs.founding import Founder, found

    with own_directory(tmp_path), pytest.raises(VerbError, match="different people"):
        found(
            tmp_path,
            {"name": "a.b", "display_name": "A", "area_code": "00"},
            [Founder("anna", "coordinator"), Founder("anna", "reviewer")],
        )
    assert not (tmp_path / "signing.key").exists()
