"""The commands about what was taken back, where an item is, and what could not be taken."""

from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _run, cli

quarantine = typer.Typer(help="What this hub could not take, and why.", no_args_is_help=True)
cli.add_typer(quarantine, name="quarantine")

Digest = Annotated[str, typer.Argument(help="The item's digest, or its first digits.")]


@cli.command("recalls")
def recalls(
    digest: Annotated[str | None, typer.Argument(help="Of one item: its digest, or its first digits.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Who has confirmed what was taken back, here and beyond the hubs beside this one."""
    _run(data, "recalls", {"digest": digest}, as_json)


@cli.command("explain")
def explain(
    digest: Digest,
    member: Annotated[str | None, typer.Option(help="About this receiver alone.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Where an item is, which step stopped it, since when, and what to do."""
    _run(data, "explain", {"digest": digest, "member": member}, as_json)


@quarantine.command("list")
def quarantine_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What was set aside here, and by linked hubs of this log; and two contents for one number."""
    _run(data, "quarantine.list", {}, as_json)


@quarantine.command("show")
def quarantine_show(digest: Digest, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """One item that was set aside, and what it says of itself."""
    _run(data, "quarantine.show", {"digest": digest}, as_json)


@quarantine.command("retry")
def quarantine_retry(
    digest: Annotated[str | None, typer.Argument(help="One item; without it all are tried.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Try once more what was set aside, for example after an update of this program."""
    _run(data, "quarantine.retry", {"digest": digest}, as_json)


@quarantine.command("drop")
def quarantine_drop(digest: Digest, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Delete one item that was set aside, or evidence that is settled."""
    _run(data, "quarantine.drop", {"digest": digest}, as_json)
