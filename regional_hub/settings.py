"""Settings of a hub: `hub.toml` in its data directory, overridden by environment variables `REGIONAL_HUB_…`.

Read once by `app` and `cli`; everything below receives values. `init` writes the file.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from regional_hub.paths import SETTINGS_FILE
from shared_schema.governance import Level
from shared_schema.names import Origin
from shared_schema.service.control import VerbError
from shared_schema.service.setting_values import check_printable, check_zone

ENVIRONMENT_PREFIX = "REGIONAL_HUB_"


class HubSettings(BaseSettings):
    """One hub. Docs: docs/operations.md lists every setting; a test keeps the two in step."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    name: Annotated[Origin, Field(description="The hub's name in every checkpoint, for example sachsen.de")]
    level: Annotated[Level, Field(description="region, nation or europe")]
    area_scheme: Annotated[str, Field(description="LAU, NUTS or ISO3166")]
    area_version: Annotated[str, Field(description="Year of the area code's edition, for example 2024")]
    area_code: Annotated[str, Field(description="Code of the hub's area, for example DED")]
    public_url: Annotated[str, Field(description="Address that members use; signed reads are bound to it")]
    display_name: Annotated[
        Annotated[str, AfterValidator(check_printable)] | None,
        Field(min_length=1, max_length=80, description="What people call the hub; without it, its name"),
    ] = None
    time_zone: Annotated[
        str, AfterValidator(check_zone), Field(description="Zone of the times on the pages, for example Europe/Berlin")
    ] = "UTC"
    host: Annotated[str, Field(description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port to listen on")]
    database_url: Annotated[
        str | None,
        Field(description="postgresql+psycopg://… for several processes; without it, SQLite in the data directory"),
    ] = None
    static_dir: Annotated[
        str | None,
        Field(description="Folder for the log's public files, for a web server; without it, the hub alone serves them"),
    ] = None
    verify_interval_hours: Annotated[
        int, Field(ge=0, le=24, description="How often the hub verifies its own log by itself; 0 for only when told")
    ] = 24
    work_interval_seconds: Annotated[
        int, Field(ge=0, le=86_400, description="How often to follow and add up by itself; 0 for only when told")
    ] = 300
    false_alarm_years: Annotated[
        int, Field(ge=1, le=100, description="The trend watch raises at most one false alarm in so many years")
    ] = 2
    map_file: Annotated[
        str | None,
        Field(description="GeoJSON file with the outlines of the regions, for maps; without it there are none"),
    ] = None
    map_code: Annotated[
        str, Field(min_length=1, max_length=60, description="Property of its features that has the code of the area")
    ] = "NUTS_ID"
    relay_window_hours: Annotated[
        int, Field(ge=1, le=744, description="How long to gather what is relayed without its city's name")
    ] = 24
    freshness_hours: Annotated[
        int, Field(ge=1, le=744, description="After how long a followed hub's newest head counts as old")
    ] = 24
    witnesses: Annotated[
        list[str], Field(description="Keys of witnesses that should vouch for the hubs that are followed")
    ] = []
    witnesses_needed: Annotated[
        int, Field(ge=0, le=14, description="How many of them must have done so within that time")
    ] = 0
    witnesses_strict: Annotated[bool, Field(description="Whether a head with too few witnesses is not read at all")] = (
        False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load_settings(data_dir: Path) -> HubSettings:
    """Read the settings of a data directory.

    Raises VerbError that names each wrong or missing setting, its form and the sample file.
    """
    path = data_dir / SETTINGS_FILE
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise VerbError("no-settings", f"expected {path}; make it with: regional-hub init") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise VerbError("bad-settings", f"expected TOML in {path}; deploy/hub.example.toml shows the form") from None
    try:
        return HubSettings(**values)
    except ValidationError as error:
        raise VerbError("bad-settings", _explain(error)) from None


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in item["loc"])
        field = HubSettings.model_fields.get(name)
        form = f" ({field.description})" if field is not None else ""
        parts.append(f"{name} or {ENVIRONMENT_PREFIX}{name.upper()}{form}: {item['msg']}")
    return "; ".join(parts) + "; deploy/hub.example.toml shows the form"


def write_settings(data_dir: Path, values: dict[str, str | int]) -> None:
    """Write `hub.toml`; the values are texts and whole numbers."""
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    (data_dir / SETTINGS_FILE).write_text("\n".join(lines) + "\n")


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
