"""Commands about the log as a whole (`verify`, `publish-files`, `verify-log`), and about a sealed total in it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from shared_schema.service.control import VerbError

Run = Callable[[Path, str, dict[str, Any], bool], dict[str, Any]]
Print = Callable[[dict[str, Any], bool], None]
DataDir = Annotated[
    Path, typer.Option("--data", envvar="REGIONAL_HUB_DATA", help="The hub's data directory.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
HERE = Path("hub-data")


def register(cli: typer.Typer, run: Run, show: Print) -> None:
    """Add the commands; `run` runs a verb of a hub, `show` prints a result."""

    @cli.command()
    def verify(data: DataDir = HERE, as_json: AsJson = False) -> None:
        """Hash everything again, the static files as well. Exit code 1 when something does not hold."""
        result = run(data, "verify", {}, as_json)
        if not result["ok"]:
            raise SystemExit(1)

    @cli.command("publish-files")
    def publish_files(data: DataDir = HERE, as_json: AsJson = False) -> None:
        """Write the log's static files that are missing or wrong; the hub does it by itself after every commit."""
        run(data, "log.publish", {"thorough": True}, as_json)

    @cli.command("audit-batch")
    def audit_batch(
        digest: Annotated[str, typer.Argument(help="The batch: the digest of its statement, or its first digits.")],
        data: DataDir = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Redo what can be redone of a sealed total. Exit code 1 when something does not hold."""
        result = run(data, "batch.audit", {"digest": digest}, as_json)
        if not result["ok"]:
            raise SystemExit(1)

    @cli.command("verify-log")
    def verify_log(
        vkey: Annotated[str, typer.Option(help="The log's verifier key, as GET /v1/hub of that hub shows it.")],
        url: Annotated[str | None, typer.Option(help="The address of the hub or web server.")] = None,
        files: Annotated[Path | None, typer.Option(help="A folder with the files, in place of an address.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Read and verify a whole log of any hub from its public files. Exit code 1, and the file, when one is wrong.

        Needs no data directory and no membership. Compare the fingerprint of the key with its owner before.
        """
        from rich.progress import BarColumn, Progress, TextColumn

        from regional_hub import log_verbs
        from shared_schema.service.hub_api import HubUnreachable

        bar = Progress(TextColumn("entries"), BarColumn(), TextColumn("{task.completed}"), console=Console(stderr=True))
        bar.disable = as_json or not sys.stderr.isatty()
        with bar:
            task = bar.add_task("entries", total=None)
            try:
                result = log_verbs.verify_foreign(
                    vkey, url=url, files=files, progress=lambda count: bar.update(task, completed=count)
                )
            except HubUnreachable as error:
                raise VerbError("unreachable", error.message) from None
        show(result, as_json)
        if not result["ok"]:
            raise SystemExit(1)
