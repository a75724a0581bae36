"""The commands for backups, and for a hub that was restored from an old one."""

from pathlib import Path
from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, Name, _print, _run, cli, member


@cli.command()
def recover(
    status: Annotated[bool, typer.Option("--status", help="Only say how far it is.")] = False,
    alone: Annotated[bool, typer.Option("--alone", help="Do not wait for members that were not heard.")] = False,
    confirm: Annotated[str | None, typer.Option(help="With --alone: the hub's name, typed.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Get back from followers and members what an old copy does not have. Exit code 1 while something is missing."""
    if status:
        result = _run(data, "recover.status", {}, as_json)
    else:
        result = _run(data, "recover", {"alone": alone, "confirm": confirm}, as_json)
    if result["state"] != "serving" or result["contents_missing"]:
        raise SystemExit(1)


@member.command("address")
def members_address(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where the hub is.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Say where a member hub is, after a restore or a move; it is followed there."""
    _run(data, "members.address", {"name": name, "url": url}, as_json)


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The folder for backups; on another disk, and encrypted.")],
    keep: Annotated[int | None, typer.Option(min=1, help="Delete older backups there beyond this number.")] = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Leave the private keys out.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a backup, while serving or not. With its keys it is as secret as the key itself."""
    _run(data, "backup", {"target": str(target.resolve()), "keep": keep, "keys": not without_keys}, as_json)


@cli.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="The folder of one backup.")],
    check: Annotated[bool, typer.Option("--check", help="Only verify it; change nothing.")] = False,
    database_url: Annotated[
        str | None, typer.Option(help="An empty PostgreSQL database, or sqlite; else as the settings say.")
    ] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty directory. It signs nothing until it has asked: see recover."""
    from regional_hub import backup as backups
    from regional_hub.app import utc_now
    from shared_schema.service.backup import read_archive

    found = read_archive(archive, backups.PROGRAM)
    findings = backups.check_archive(found)
    result = {"made_at": found.manifest["made_at"], "log_size": found.facts.get("log_size"), "findings": findings}
    if findings or check:
        _print(result | {"ok": not findings}, as_json)
        raise SystemExit(1 if findings else 0)
    backups.restore(found, data, database_url, utc_now())
    then = found.next_step("regional-hub serve; then: regional-hub recover")
    _print(result | {"data": str(data), "next": then}, as_json)


@cli.command()
def doctor(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Say what is wrong, and what to do. Exit code 1 when there is something."""
    if not _run(data, "doctor", {}, as_json)["ok"]:
        raise SystemExit(1)
