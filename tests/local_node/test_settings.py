"""Settings fail early and say what is missing, in which form, and where the sample is."""

from pathlib import Path

import pytest

from local_node.paths import SETTINGS_FILE
from local_node.settings import NodeSettings, check_settings, load_settings, write_settings
from shared_schema.service.control import VerbError
from tests.local_node.conftest import SETTINGS


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    values = SETTINGS | {"display_name": 'Köln "am Rhein" \\ Dom'}
    write_settings(tmp_path, values)
    assert load_settings(tmp_path).display_name == values["display_name"]


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(VerbError, match="local-node init"):
        load_settings(tmp_path)


def test_a_broken_file_names_the_sample(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_text("name = ")
    with pytest.raises(VerbError, match=r"node\.example\.toml"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Leipzig"),
        ("area_code", "14 713"),
        ("port", 0),
        ("display_name", "a\x00b"),
        ("display_name", " "),
        ("agencies_expected", 0),
        ("unknown", 1),
    ],
)
def test_a_wrong_setting_is_named_with_its_variable(name: str, value: str | int) -> None:
    with pytest.raises(VerbError, match=f"{name} or LOCAL_NODE_{name.upper()}"):
        check_settings(SETTINGS | {name: value})


def test_a_wrong_value_is_not_repeated() -> None:
    with pytest.raises(VerbError) as caught:
        check_settings(SETTINGS | {"name": "S3cret value"})
    assert "S3cret" not in caught.value.message


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_NODE_PORT", "9999")
    assert check_settings(dict(SETTINGS)).port == 9999


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "leipzig.example", ""])
def test_an_address_that_others_can_reach_is_refused_with_the_reason(host: str) -> None:
    with pytest.raises(VerbError, match="public_url"):
        check_settings(SETTINGS | {"host": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_may_be_served(host: str) -> None:
    assert check_settings(SETTINGS | {"host": host}).host == host


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in NodeSettings.model_fields.values())
