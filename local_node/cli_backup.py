"""The commands for backups, and for what is wrong."""

from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, NEEDS_A_LOOK, AsJson, DataDir, _print, _run, cli


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The folder for backups; on another disk, and encrypted.")],
    keep: Annotated[int | None, typer.Option(min=1, help="Delete older backups there beyond this number.")] = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Leave the private keys out.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a backup, while serving or not. It holds the records; with its keys it is as secret as the keys."""
    _run(data, "backup", {"target": str(target.resolve()), "keep": keep, "keys": not without_keys}, as_json)


@cli.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="The folder of one backup.")],
    check: Annotated[bool, typer.Option("--check", help="Only verify it; change nothing.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty directory. It asks its hubs before it signs or draws anything."""
    from local_node import backup as backups
    from shared_schema.service.backup import read_archive

    found = read_archive(archive, backups.PROGRAM)
    findings = backups.check_archive(found)
    result = {"made_at": found.manifest["made_at"], "last_seq": found.facts.get("last_seq"), "findings": findings}
    if findings or check:
        _print(result | {"ok": not findings}, as_json)
        raise typer.Exit(NEEDS_A_LOOK if findings else 0)
    backups.restore(found, data)
    then = found.next_step("local-node sync; then, if it says so: local-node ledger resume")
    _print(result | {"data": str(data), "next": then}, as_json)


@cli.command()
def doctor(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Say what is wrong, and what to do. Exit code 1 when there is something."""
    if not _run(data, "doctor", {}, as_json)["ok"]:
        raise typer.Exit(NEEDS_A_LOOK)
