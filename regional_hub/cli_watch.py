"""The commands for the trend watch."""

from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _run, cli

watch = typer.Typer(help="What rises in several places at once, and is unlikely to be chance.", no_args_is_help=True)
cli.add_typer(watch, name="watch")
AlertId = Annotated[str, typer.Argument(help="The alert's id, as `watch list` prints it.")]


@watch.command("list")
def watch_list(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were dismissed, or whose rise is gone.")
    ] = False,
    choice: Annotated[
        str, typer.Option("--filter", help="As in the address of the page, for example kind=cities&table=ID.")
    ] = "",
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Alerts, the newest period first, and how often the watch is wrong at most."""
    _run(data, "watch.list", {"all": everything, "filter": choice}, as_json)


@watch.command("run")
def watch_run(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Judge now what has changed. A hub that serves does it by itself."""
    _run(data, "watch.run", {}, as_json)


@watch.command("mail")
def watch_mail(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Queue the e-mails of views that are due; `alarms deliver` sends them. A hub that serves does both by itself."""
    _run(data, "watch.mail", {}, as_json)


@watch.command("see")
def watch_see(alert: AlertId, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Mark an alert as seen."""
    _run(data, "watch.see", {"alert": alert}, as_json)


@watch.command("dismiss")
def watch_dismiss(alert: AlertId, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Mark an alert as one that needs nothing."""
    _run(data, "watch.dismiss", {"alert": alert}, as_json)
