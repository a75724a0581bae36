"""Settings and hubs in the browser: who may, what is refused, and what counts from the moment it is saved."""

import re
from pathlib import Path

import pytest

from local_node import audit, verbs
from local_node.app import Node
from local_node.paths import SETTINGS_FILE
from local_node.settings import change_settings, load_settings
from shared_schema.service.control import VerbError
from tests.hub_simulator import HubSimulator, Lie
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG

GOOD = {
    "display_name": "Leipzig",
    "time_zone": "UTC",
    "agencies_expected": "1",
    "protection": "noise",
    "threshold": "10",
    "privacy_profile": "default",
    "retention_months": "",
}


@pytest.fixture
def administrator(node: Node) -> Browser:
    return Browser(node).sign_in("anna", administrates=True)


def revision(browser: Browser) -> str:
    found = re.search(r'name="revision" value="([0-9a-f]{64})"', browser.page("/settings"))
    assert found is not None
    return found[1]


def events(node: Node) -> list[tuple[str, str, str]]:
    with node.database.read() as session:
        return [(event.actor, event.action, event.subject) for event in audit.list_events(session)]


# --- refused -------------------------------------------------------------------------------------------------------


def test_only_an_administrator_sees_and_changes_settings(node: Node) -> None:
    before = (node.data_dir / SETTINGS_FILE).read_bytes()
    for person in ("anna", "ben"):
        browser = Browser(node).sign_in(person)
        assert browser.get("/settings").status_code == 403
        assert browser.post("/settings", GOOD | {"display_name": "Mine"}).status_code == 403
        assert browser.post("/hubs/add", {"url": "https://a.example", "fingerprint": "x"}).status_code == 403
        assert browser.get("/set-up").status_code == 403
    assert (node.data_dir / SETTINGS_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("display_name", "", "1 to 80"),
        ("display_name", "a\x00b", "printable"),
        ("display_name", "x" * 81, "1 to 80"),
        ("time_zone", "Europe/Atlantis", "choices"),
        ("time_zone", "../../../etc/passwd", "choices"),
        ("agencies_expected", "0", "1 to 500"),
        ("agencies_expected", "٣", "whole number"),
        ("protection", "none", "choices"),
        ("threshold", "4", "5 to 1000"),
        ("privacy_profile", "loose", "choices"),
        ("retention_months", "-1", "whole number"),
        ("retention_months", "1201", "1 to 1200"),
    ],
)
def test_a_setting_that_cannot_be_changes_nothing_and_is_shown_again(
    administrator: Browser, node: Node, field: str, value: str, said: str
) -> None:
    before, known = (node.data_dir / SETTINGS_FILE).read_bytes(), events(node)
    answer = administrator.post(
        "/settings", GOOD | {"agencies_expected": "7", field: value, "revision": revision(administrator)}
    )
    assert answer.status_code == 422
    assert said in answer.text
    if field != "agencies_expected":
        assert 'value="7"' in answer.text
    assert (node.data_dir / SETTINGS_FILE).read_bytes() == before
    assert events(node) == known


def test_a_form_that_another_window_has_overtaken_changes_nothing(administrator: Browser, node: Node) -> None:
    seen = revision(administrator)
    administrator.post("/settings", GOOD | {"agencies_expected": "7", "revision": seen})
    answer = administrator.post("/settings", GOOD | {"agencies_expected": "9", "revision": seen})
    assert answer.status_code == 409
    assert 'value="9"' in answer.text
    assert node.settings.agencies_expected == 7


def test_what_needs_the_console_cannot_be_smuggled_in(administrator: Browser, node: Node) -> None:
    administrator.post("/settings", GOOD | {"host": "0.0.0.0", "name": "evil.de", "revision": revision(administrator)})
    assert (node.settings.host, node.name) == ("127.0.0.1", LEIPZIG)
    with pytest.raises(VerbError, match="may be changed here"):
        verbs.run(node, "settings.change", {"changes": {"host": "0.0.0.0"}, "by": "anna"})


def test_what_the_environment_sets_is_named_and_stays(
    administrator: Browser, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_NODE_AGENCIES_EXPECTED", "12")
    assert "agencies_expected" in administrator.page("/settings")
    answer = administrator.post("/settings", GOOD | {"agencies_expected": "9", "revision": revision(administrator)})
    assert answer.status_code == 303
    assert "agencies_expected" not in (node.data_dir / SETTINGS_FILE).read_text()
    with pytest.raises(VerbError) as caught:
        verbs.run(node, "settings.change", {"changes": {"agencies_expected": 9}, "by": "anna"})
    assert caught.value.code == "fixed"


# --- changed -------------------------------------------------------------------------------------------------------


def test_a_change_counts_at_once_stands_in_the_file_and_in_the_audit_log(administrator: Browser, node: Node) -> None:
    fields = GOOD | {"display_name": "Leipzig am See", "time_zone": "Europe/Berlin", "outside_open": "1"}
    answer = administrator.post("/settings", fields | {"revision": revision(administrator)})
    page = administrator.follow(answer)
    assert "It counts from now on" in page
    assert ">Leipzig am See</a>" in page
    assert "CET" in page or "GMT+1" in page
    settings = load_settings(node.data_dir)
    assert (settings.display_name, settings.time_zone, settings.outside_open) == (
        "Leipzig am See", "Europe/Berlin", True,
    )  # fmt: skip
    assert events(node)[:3] == [
        ("anna", "settings.changed", "outside_open"),
        ("anna", "settings.changed", "time_zone"),
        ("anna", "settings.changed", "display_name"),
    ]


def test_saving_what_is_there_changes_nothing(administrator: Browser, node: Node) -> None:
    before, known = (node.data_dir / SETTINGS_FILE).read_bytes(), events(node)
    answer = administrator.post("/settings", GOOD | {"revision": revision(administrator)})
    assert "Nothing was changed" in administrator.follow(answer)
    assert ((node.data_dir / SETTINGS_FILE).read_bytes(), events(node)) == (before, known)


def test_comments_and_other_lines_of_the_file_stay(tmp_path: Path) -> None:
    path = tmp_path / SETTINGS_FILE
    path.write_text('# ours\nname = "a.b"\nport = 1 # free\nretention_months = 6\nwitnesses = [\n  "x",\n]\n')
    change_settings(tmp_path, {"port": 2, "outside_open": True, "retention_months": None, "display_name": 'A "b" \\'})
    lines = path.read_text().splitlines()
    assert lines[:3] == ["# ours", 'name = "a.b"', "port = 2"]
    assert "retention_months = 6" not in lines
    assert lines[-2:] == ["outside_open = true", 'display_name = "A \\"b\\" \\\\"']


def test_a_file_whose_form_cannot_be_kept_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / SETTINGS_FILE
    for text in ('witnesses = [\n"x",\n]\n', '"port" = 1\n', "[table]\na = 1\n"):
        path.write_text(text)
        with pytest.raises(VerbError):
            change_settings(tmp_path, {"witnesses": "y"} if "witnesses" in text else {"port": 2})
        assert path.read_text() == text


# --- hubs ----------------------------------------------------------------------------------------------------------


def test_a_hub_is_added_and_joined_in_the_browser_and_the_way_there_and_back_is_tested(
    administrator: Browser, node: Node, hub: HubSimulator
) -> None:
    page = administrator.page("/set-up")
    assert "Add your hub" in page
    fields = {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint, "back": "set-up"}
    page = administrator.follow(administrator.post("/hubs/add", fields))
    assert "One-time code" in page
    with node.database.write() as session:  # the simulated hub takes no requests to enrol
        audit.append(session, "anna", "hub.asked", hub.name, node.clock())
    page = administrator.follow(administrator.post("/hubs/sync", {"back": "set-up"}))
    assert "waits for the operator" in page
    assert node.key.public.fingerprint in page
    hub.enrol(LEIPZIG, node.key.public)
    page = administrator.follow(administrator.post("/hubs/sync", {"back": "set-up"}))
    assert "our membership stands in it" in page
    assert ("anna", "hub.added", hub.name) in events(node)
    page = administrator.page("/hubs")
    assert hub.verifier.key.fingerprint in page
    assert "member, all read" in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fingerprint": "0000 0000"}, "not the hub&#39;s fingerprint"),
        ({"url": "http://hub.example"}, "cannot be the address"),
        ({"url": "file:///etc/passwd"}, "cannot be the address"),
        ({"url": ""}, "1 to 300"),
        ({"fingerprint": ""}, "1 to 200"),
    ],
)
def test_a_hub_that_cannot_be_is_shown_again_as_it_was_typed(
    administrator: Browser, hub: HubSimulator, fields: dict[str, str], said: str
) -> None:
    typed = {"url": hub.url, "fingerprint": hub.verifier.key.fingerprint} | fields
    answer = administrator.post("/hubs/add", typed)
    assert answer.status_code == 422
    assert said in answer.text
    if typed["url"]:
        assert f'value="{typed["url"]}"' in answer.text


def test_a_hub_that_does_not_answer_stops_nothing(administrator: Browser, member: Node, hub: HubSimulator) -> None:
    hub.lie = Lie.UNREACHABLE
    page = administrator.follow(administrator.post("/hubs/sync"))
    assert "something did not go through" in page
    assert administrator.get("/").status_code == 200


def test_a_code_for_a_hub_that_is_not_known_is_refused(administrator: Browser) -> None:
    assert administrator.post("/hubs/enrol", {"hub": "evil.de", "code": "X"}).status_code == 422
