"""The commands for a hub that was restored from an old copy."""

from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _run, cli


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
