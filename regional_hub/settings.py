"""Settings of a hub: `hub.toml` in its data directory, overridden by environment variables `REGIONAL_HUB_…`.

Read once by `app` and `cli`; everything below receives values. `init` writes the file.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from regional_hub.paths import SETTINGS_FILE, WEBHOOK_SECRET_FILE
from regional_hub.webhook import WebhookError, check_webhook_url
from shared_schema.canonical import check_text
from shared_schema.errors import ContractError
from shared_schema.governance import Level
from shared_schema.names import Operator, Origin
from shared_schema.service.control import VerbError
from shared_schema.service.mail import Encryption, MailError, check_address, mail_server_of
from shared_schema.service.setting_values import check_printable, check_web_address, check_zone
from shared_schema.service.translations import OWN_NAMES, SOURCE_LANGUAGE

ENVIRONMENT_PREFIX = "REGIONAL_HUB_"


def _check_signable(text: str) -> str:
    """A text that will stand in a statement. Raises ValueError."""
    try:
        check_text(text)
    except ContractError as error:
        raise ValueError(error.message) from None
    return check_printable(text)


class HubSettings(BaseSettings):
    """One hub. Docs: docs/operations.md lists every setting; a test keeps the two in step."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    name: Annotated[Origin, Field(description="The hub's name in every checkpoint, for example sachsen.de")]
    level: Annotated[Level, Field(description="region, nation or europe")]
    area_scheme: Annotated[str, Field(description="LAU, NUTS or ISO3166")]
    area_version: Annotated[str, Field(description="Year of the area code's edition, for example 2024")]
    area_code: Annotated[str, Field(description="Code of the hub's area, for example DED")]
    public_url: Annotated[
        str,
        AfterValidator(check_web_address),
        Field(description="Address that members use; signed reads are bound to it"),
    ]
    display_name: Annotated[
        Annotated[str, AfterValidator(check_printable)] | None,
        Field(min_length=1, max_length=80, description="What people call the hub; without it, its name"),
    ] = None
    operator: Annotated[
        Annotated[Operator, AfterValidator(_check_signable)] | None,
        Field(description="The body that runs this hub, in words, signed into its log; without it, nobody knows"),
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

    alarm_webhook: Annotated[
        str | None, Field(description="Address that is told of alarms, for example https://pager.example/hub")
    ] = None
    alarm_webhook_secret_file: Annotated[
        Path, Field(description="File with the secret that signs it, in the data directory unless it begins with /")
    ] = Path(WEBHOOK_SECRET_FILE)
    alarm_email: Annotated[
        str | None, Field(description="Address that gets an e-mail of alarms; smtp_host must be set for it")
    ] = None
    alarm_language: Annotated[str, Field(description=f"Language of these e-mails: {', '.join(OWN_NAMES)}")] = (
        SOURCE_LANGUAGE
    )
    smtp_host: Annotated[
        str | None, Field(description="The mail server that sends e-mails, for example smtp.sachsen.example")
    ] = None
    smtp_port: Annotated[int, Field(ge=1, le=65535, description="Port of the mail server")] = 587
    smtp_encryption: Annotated[
        Encryption, Field(description="How the way to it is encrypted; none only for a mail server on this machine")
    ] = "starttls"
    smtp_sender: Annotated[
        str | None, Field(description="The address that e-mails come from, for example hub@sachsen.example")
    ] = None
    smtp_user: Annotated[str | None, Field(description="The name to sign in with at the mail server")] = None
    smtp_password_file: Annotated[
        Path | None, Field(description="File with the password for it, in the data directory unless it begins with /")
    ] = None

    @model_validator(mode="after")
    def _check_messages(self) -> Self:
        """An alarm that cannot be told would only show when it is needed: what is half set up stops the start."""
        try:
            if self.alarm_webhook is not None:
                check_webhook_url(self.alarm_webhook)
            server = mail_server_of(
                self.smtp_host,
                self.smtp_port,
                self.smtp_sender,
                self.smtp_encryption,
                self.smtp_user,
                self.smtp_password_file,
            )
            if self.alarm_email is not None:
                check_address(self.alarm_email)
                if server is None:
                    raise MailError("expected smtp_host and smtp_sender beside alarm_email", code="mail-unset")
        except (MailError, WebhookError) as error:
            raise ValueError(error.message) from None
        if self.alarm_language not in OWN_NAMES:
            raise ValueError(f"expected alarm_language to be one of {', '.join(OWN_NAMES)}")
        return self

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
        place = f"{name} or {ENVIRONMENT_PREFIX}{name.upper()}{form}: " if name else ""  # of several together: none
        parts.append(f"{place}{item['msg']}")
    return "; ".join(parts) + "; deploy/hub.example.toml shows the form"


def write_settings(data_dir: Path, values: dict[str, str | int]) -> None:
    """Write `hub.toml`; the values are texts and whole numbers."""
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    (data_dir / SETTINGS_FILE).write_text("\n".join(lines) + "\n")


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
