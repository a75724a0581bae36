"""The commands for taking back, and for asking where an item is."""

from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, By, DataDir, _run, cli

recall = typer.Typer(help="What this city took back, and who has confirmed it.", no_args_is_help=True)
cli.add_typer(recall, name="recall")

Digest = Annotated[str, typer.Argument(help="The item's digest, or its first digits.")]


@cli.command("withdraw")
def withdraw(
    digest: Digest,
    by: By,
    reason: Annotated[str, typer.Option(help="error, consent, outdated or other.")],
    narrow_to: Annotated[
        str | None, typer.Option("--narrow-to", help="region or nation: those within keep it.", show_default=False)
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Write the text to this new file first, as a draft.")
    ] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Take back what this city has said. One person suffices; the text is erased here at once."""
    params = {
        "digest": digest,
        "by": by,
        "reason": reason,
        "to": narrow_to,
        "keep": None if keep is None else str(keep.absolute()),
    }
    _run(data, "withdraw", params, as_json)


@recall.command("status")
def recall_status(
    digest: Annotated[str | None, typer.Argument(help="Of one item: its digest, or its first digits.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Who has confirmed what this city took back, as the hubs said with the last sync."""
    columns = ("item", "kind", "narrowed_to", "since", "status")
    _run(data, "recall.status", {"digest": digest}, as_json, columns=columns)


@cli.command("explain")
def explain(
    digest: Annotated[str, typer.Argument(help="The item's digest, its first digits, or a request such as r1.")],
    member: Annotated[str | None, typer.Option(help="Of an own item: about this receiver alone.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Where an item is, which step stopped it, since when, and what to do."""
    _run(data, "explain", {"digest": digest, "member": member}, as_json)


quarantine = typer.Typer(help="What came from the hubs and could not be verified.", no_args_is_help=True)
cli.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def quarantine_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What was set aside, why, and what to do; and two contents for one number of an author."""
    _run(data, "quarantine.list", {}, as_json)


@quarantine.command("retry")
def quarantine_retry(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Try once more what was set aside, for example after an update of this program."""
    _run(data, "quarantine.retry", {}, as_json)
