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
