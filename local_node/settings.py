"""Settings of a node: `node.toml` in its data directory, overridden by environment variables `LOCAL_NODE_…`.

Read once by `app` and `cli`; everything below receives values. `init` writes the file.
"""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from local_node.paths import SETTINGS_FILE
from shared_schema.content import CitySize, Urbanisation
from shared_schema.names import Origin
from shared_schema.service.control import VerbError
from shared_schema.service.mail import MailError, mail_server_of
from shared_schema.service.setting_values import check_printable, check_zone, is_this_machine

ENVIRONMENT_PREFIX = "LOCAL_NODE_"
SAMPLE = "deploy/node.example.toml shows the form"


def _check_public_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme != "https" or not parts.hostname or not is_plain:
        raise ValueError("expected https:// and a host, without a path: passwords and cookies need TLS")
    return url.rstrip("/")


class NodeSettings(BaseSettings):
    """One node. Docs: docs/operations.md lists every setting; a test keeps the two in step."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    name: Annotated[Origin, Field(description="The node's name in every statement, for example leipzig.sn.de")]
    display_name: Annotated[
        str,
        AfterValidator(check_printable),
        Field(min_length=1, max_length=80, description="The city's name as people read it, for example Leipzig"),
    ]
    area_code: Annotated[
        str, Field(pattern=r"^[A-Z0-9]{2,16}$", description="LAU code of the municipality, for example 14713000")
    ]
    area_version: Annotated[
        str, Field(pattern=r"^\d{4}$", description="Year of the LAU code's edition, for example 2024")
    ] = "2024"
    city_size: Annotated[
        CitySize | None,
        Field(description="Size class, so that similar cities find each other: XS, S, M, L, XL or XXL; see the docs"),
    ] = None
    urbanisation: Annotated[
        Urbanisation | None,
        Field(description="Eurostat's degree of urbanisation: 1 city, 2 town or suburb, 3 rural area"),
    ] = None
    agencies_expected: Annotated[
        int, Field(ge=1, le=500, description="How many partner agencies are expected to report")
    ] = 1
    protection: Annotated[
        Literal["noise", "threshold"],
        Field(description="How figures are protected: noise, or threshold for a city that refuses noise"),
    ] = "noise"
    threshold: Annotated[
        int, Field(ge=5, le=1_000, description="Without noise: figures below this are suppressed; at least 5")
    ] = 10
    privacy_profile: Annotated[
        Literal["default", "strict"],
        Field(description="How much privacy is spent: default as the policy allows, strict half of it"),
    ] = "default"
    sealed_least_cities: Annotated[
        int, Field(ge=5, le=2_000, description="The least number of cities in a sealed total that this city is part of")
    ] = 5
    sealed_most_epsilon_milli: Annotated[
        int,
        Field(ge=1, le=10_000, description="The most that one table of a sealed total may spend, in thousandths"),
    ] = 10_000
    sealed_declined: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,100}$")]],
        Field(description="Ids of tables that this city does not send sealed, whatever the policy says"),
    ] = []
    retention_months: Annotated[
        int | None,
        Field(ge=1, le=1_200, description="Erase contents of others after so many months; else as the policy says"),
    ] = None
    host: Annotated[
        str, Field(description="Address to listen on; another one than loopback only together with public_url")
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port to listen on")] = 8600
    public_url: Annotated[
        str | None,
        AfterValidator(_check_public_url),
        Field(description="How browsers reach the pages through a proxy with TLS, for example https://node.leipzig.de"),
    ] = None
    time_zone: Annotated[
        str,
        AfterValidator(check_zone),
        Field(description="In which the pages show times, for example Europe/Berlin"),
    ] = "UTC"
    sync_interval_seconds: Annotated[
        int, Field(ge=0, le=86_400, description="How often to sync by itself; 0 for only when told")
    ] = 900
    allow_private_hubs: Annotated[
        bool, Field(description="Whether a hub may have an address inside a private network")
    ] = False
    freshness_hours: Annotated[
        int, Field(ge=1, le=744, description="After how long a hub's newest head counts as old")
    ] = 24
    witnesses: Annotated[list[str], Field(description="Keys of witnesses that should vouch for the hubs' logs")] = []
    witnesses_needed: Annotated[
        int, Field(ge=0, le=14, description="How many of them must have done so within that time")
    ] = 0
    witnesses_strict: Annotated[bool, Field(description="Whether a head with too few witnesses is not read at all")] = (
        False
    )

    outside_open: Annotated[
        bool,
        Field(description="Whether the page about what left this node is open to everybody, without signing in"),
    ] = False
    cosign_heads: Annotated[
        bool, Field(description="Whether this node vouches for its hubs' logs, which everybody can see")
    ] = False

    oidc_issuer: Annotated[
        str | None,
        Field(
            description="Issuer of the city's own sign-on service (OpenID Connect), for example https://login.leipzig.de"
        ),
    ] = None
    oidc_client_id: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Under which id this node is known there")
    ] = None
    oidc_secret_file: Annotated[
        str | None, Field(min_length=1, description="File with the secret for it, readable by the node alone")
    ] = None

    @model_validator(mode="after")
    def _check_sign_on(self) -> Self:
        """All three or none; a half-made sign-on would only show when somebody needs it."""
        given = [value is not None for value in (self.oidc_issuer, self.oidc_client_id, self.oidc_secret_file)]
        if any(given) and not all(given):
            raise ValueError("expected oidc_issuer, oidc_client_id and oidc_secret_file together")
        return self

    smtp_host: Annotated[
        str | None, Field(description="The mail server that sends e-mails of what is new, for example smtp.leipzig.de")
    ] = None
    smtp_port: Annotated[int, Field(ge=1, le=65535, description="Port of the mail server")] = 587
    smtp_encryption: Annotated[
        Literal["starttls", "tls", "none"],
        Field(description="How the way to it is encrypted; none only for a mail server on this machine"),
    ] = "starttls"
    smtp_sender: Annotated[
        str | None, Field(description="The address that e-mails come from, for example prevention@leipzig.de")
    ] = None
    smtp_user: Annotated[str | None, Field(description="The name to sign in with at the mail server")] = None
    smtp_password_file: Annotated[
        Path | None, Field(description="A file with the password for it, readable for the node alone")
    ] = None

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        """E-mails carry contents: what is half set up, or not encrypted, stops the start."""
        try:
            mail_server_of(
                self.smtp_host,
                self.smtp_port,
                self.smtp_sender,
                self.smtp_encryption,
                self.smtp_user,
                self.smtp_password_file,
            )
        except MailError as error:
            raise ValueError(error.message) from None
        return self

    @model_validator(mode="after")
    def _check_host(self) -> Self:
        """Passwords never travel without TLS: away from loopback there is a proxy in front."""
        if not is_this_machine(self.host) and self.public_url is None:
            raise ValueError("expected public_url, the address of a proxy with TLS, for a host other than loopback")
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
        """The environment first, then the file."""
        return env_settings, init_settings


def load_settings(data_dir: Path, **changes: Any) -> NodeSettings:
    """Read the settings of a data directory; `changes` are options of the command line.

    Raises VerbError that names each wrong or missing setting, its form and the sample file.
    """
    path = data_dir / SETTINGS_FILE
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerbError("no-settings", f"expected {path}; make it with: local-node init") from None
    except ValueError:  # no TOML, no UTF-8, or a number of thousands of digits
        raise VerbError("bad-settings", f"expected TOML in {path}; {SAMPLE}") from None
    return check_settings(values | changes)


def check_settings(values: dict[str, Any]) -> NodeSettings:
    """The settings that `values` and the environment give. Raises VerbError as `load_settings` does."""
    try:
        return NodeSettings(**values)
    except ValidationError as error:
        raise VerbError("bad-settings", _explain(error)) from None


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in item["loc"])
        field = NodeSettings.model_fields.get(name)
        form = f" ({field.description})" if field is not None else ""
        message = item["msg"].removeprefix("Value error, ")
        parts.append(f"{name} or {ENVIRONMENT_PREFIX}{name.upper()}{form}: {message}")
    return "; ".join(parts) + f"; {SAMPLE}"


def write_settings(data_dir: Path, values: dict[str, str | int]) -> None:
    """Write `node.toml`, whole or not at all; the values are texts and whole numbers."""
    # A JSON text is a TOML text as well: both escape the same characters in the same way.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    draft = data_dir / f"{SETTINGS_FILE}.new"
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(data_dir / SETTINGS_FILE)


def change_settings(data_dir: Path, changes: dict[str, str | int | bool | None]) -> None:
    """Change `node.toml`, whole or not at all; every other line stays as it is, comments too. None takes a line out.

    Raises VerbError when the file would not say afterwards what it should, for example because of a value over
    several lines.
    """
    path = data_dir / SETTINGS_FILE
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines()
    for name, value in changes.items():
        places = [number for number, line in enumerate(lines) if re.match(rf"\s*{name}\s*=", line)]
        fresh = [] if value is None else [f"{name} = {json.dumps(value, ensure_ascii=False)}"]
        if places:
            lines[places[0] : places[0] + 1] = fresh
        else:
            lines += fresh
    text = "\n".join(lines) + "\n"
    wanted = {name: value for name, value in (tomllib.loads(before) | changes).items() if value is not None}
    try:
        is_as_wanted = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        is_as_wanted = False
    if not is_as_wanted:
        raise VerbError("bad-settings", f"expected every setting on a line of its own in {path}; change it by hand")
    draft = data_dir / f"{SETTINGS_FILE}.new"
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
