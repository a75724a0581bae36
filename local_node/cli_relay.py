"""The commands for what leaves without the city's name."""

from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, By, DataDir, _run, cli

relay = typer.Typer(help="What the home hub publishes without this city's name.", no_args_is_help=True)
cli.add_typer(relay, name="relay")


@relay.command("list")
def relay_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Ask the home hub where this city's requests stand, and which questions it hands on."""
    _run(data, "relay.list", {}, as_json)


@relay.command("withdraw")
def relay_withdraw(
    request: Annotated[str, typer.Argument(help="The request's digest, or its first digits.")],
    by: By,
    reason: Annotated[str, typer.Option(help="error, consent, outdated or other.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Take back what the hub was asked to publish; the hub withdraws it in its own name."""
    _run(data, "relay.withdraw", {"request": request, "by": by, "reason": reason}, as_json)
