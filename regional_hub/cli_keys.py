"""The commands for keys: those of members, and this hub's own."""

from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, Name, _run, cli, member

keys = typer.Typer(help="This hub's own key, and the next one.", no_args_is_help=True)
cli.add_typer(keys, name="keys")


@member.command("history")
def members_history(name: Name, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Every key that a member ever had, and what was said of it."""
    _run(data, "members.history", {"name": name}, as_json)


@member.command("revoke")
def members_revoke(
    name: Name,
    key: Annotated[str | None, typer.Option(help="Only this key, which was rotated away: its first digits.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """End the keys of a member: they were stolen. From here on nothing that they sign is taken anywhere."""
    _run(data, "members.revoke", {"name": name} | ({} if key is None else {"key": key}), as_json)


@member.command("replace-key")
def members_replace_key(name: Name, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Make a one-time code for a new key of a city whose key is lost or was revoked. `enrol approve` follows."""
    _run(data, "members.replace-key", {"name": name}, as_json)


@keys.command("show")
def keys_show(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Which keys sign, and what happens when."""
    _run(data, "keys.show", {}, as_json)


@keys.command("announce")
def keys_announce(
    days: Annotated[int, typer.Option(help="From how many days ahead the new key signs; at least 7.")] = 30,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the next key and say it in the log."""
    _run(data, "keys.announce", {"days": days}, as_json)


@keys.command("activate")
def keys_activate(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Sign statements with the announced key, from its day on. The background work does it by itself."""
    _run(data, "keys.activate", {}, as_json)


@keys.command("retire")
def keys_retire(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Let the new key sign alone and erase the old one, 30 days later. The background work does it by itself."""
    _run(data, "keys.retire", {}, as_json)
