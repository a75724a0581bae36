"""The commands for sealed totals: what two hubs collect together, and this city's share of it."""

from typing import Annotated, Any

import typer

from local_node.cli import HERE, AsJson, DataDir, _run, cli

sealed = typer.Typer(
    help="Sealed totals: figures that two hubs collect in halves, so that only the sum can be read.",
    invoke_without_command=True,
)
cli.add_typer(sealed, name="sealed")

Batch = Annotated[str, typer.Argument(help="The collection's digest, or its first digits; see: local-node sealed.")]
As = Annotated[str, typer.Option("--by", "--as", help="Your id, for example anna.")]


@sealed.callback()
def sealed_list(context: typer.Context, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What is collected, until when, and how each collection stands for this city."""
    if context.invoked_subcommand is None:
        columns = ("batch", "table", "period", "closes", "cities", "standing", "request", "reason")
        _run(data, "sealed.list", {}, as_json, columns=columns)


@sealed.command("show")
def sealed_show(batch: Batch, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """One collection: who takes part, who collects it, and what keeps this city from asking."""
    _run(data, "sealed.show", {"batch": batch}, as_json)


@sealed.command("look")
def sealed_look(
    request: Annotated[str, typer.Argument(help="The request's id, for example r1.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """What is in a request for a share: this city's own counts, and what looks odd about them."""
    _run(data, "sealed.look", {"request": request}, as_json, columns=("cell", "count", "warning"))


@sealed.command("request")
def sealed_request(batch: Batch, by: As, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Ask for this city's share of one collection; a second person decides: local-node release approve."""
    params: dict[str, Any] = {"batch": batch, "by": by}
    _run(data, "sealed.request", params, as_json)
