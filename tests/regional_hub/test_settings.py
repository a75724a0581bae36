"""Settings fail early: what is missing or wrong stops the start and is named, with its form."""

from pathlib import Path

import pytest

from regional_hub.settings import load_settings, write_settings
from shared_schema.service.control import VerbError

GOOD: dict[str, str | int] = {
    "name": "sachsen.de",
    "level": "region",
    "area_scheme": "NUTS",
    "area_version": "2024",
    "area_code": "DED",
    "public_url": "https://hub.example",
    "port": 8700,
}


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    write_settings(tmp_path, GOOD | {"database_url": 'postgresql+psycopg://a:b"\\c@host/db'})
    settings = load_settings(tmp_path)
    assert (settings.name, settings.port, settings.host) == ("sachsen.de", 8700, "127.0.0.1")
    assert settings.database_url == 'postgresql+psycopg://a:b"\\c@host/db'


@pytest.mark.parametrize("missing", GOOD)
def test_a_missing_setting_is_named_with_its_form_and_the_sample(tmp_path: Path, missing: str) -> None:
    write_settings(tmp_path, {name: value for name, value in GOOD.items() if name != missing})
    with pytest.raises(VerbError) as refused:
        load_settings(tmp_path)
    for word in (missing, f"REGIONAL_HUB_{missing.upper()}", "deploy/hub.example.toml"):
        assert word in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"), [("name", "Sachsen"), ("level", "city"), ("port", 0), ("port", 70_000), ("unknown", 1)]
)
def test_a_wrong_setting_is_named_and_never_repeated(tmp_path: Path, name: str, value: str | int) -> None:
    write_settings(tmp_path, GOOD | {name: value})
    with pytest.raises(VerbError) as refused:
        load_settings(tmp_path)
    assert name in refused.value.message and "Sachsen" not in refused.value.message


@pytest.mark.parametrize(
    "address",
    ["hub.example", "ftp://hub.example", "https://", "https://hub.example:99999", "https://[::1", "https://h:0"],
)
def test_an_address_that_nobody_can_call_stops_the_start(tmp_path: Path, address: str) -> None:
    write_settings(tmp_path, GOOD | {"public_url": address})
    with pytest.raises(VerbError, match="public_url") as refused:
        load_settings(tmp_path)
    assert "expected an address such as" in refused.value.message


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path, GOOD)
    monkeypatch.setenv("REGIONAL_HUB_PORT", "9000")
    assert load_settings(tmp_path).port == 9000


@pytest.mark.parametrize("content", [None, b"x = ", b"\xff"])
def test_a_file_that_is_missing_or_no_toml_is_said_to_be(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "hub.toml").write_bytes(content)
    with pytest.raises(VerbError, match=r"hub\.toml"):
        load_settings(tmp_path)
