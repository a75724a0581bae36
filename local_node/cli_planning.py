"""The commands about what is expected and what is planned: `returns status`, `calendar list`, `calendar export`."""

from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _ask, _print, _run, cli
from shared_schema.service.control import VerbError

returns = typer.Typer(help="Which returns of the agencies are here, and which are missing.", no_args_is_help=True)
calendar = typer.Typer(help="What the agencies plan.", no_args_is_help=True)
cli.add_typer(returns, name="returns")
cli.add_typer(calendar, name="calendar")

Since = Annotated[str | None, typer.Option(help="First day, such as 2026-11-22. Without: today.")]
Until = Annotated[str | None, typer.Option(help="Last day. Without: three months later.")]
OfAgency = Annotated[str | None, typer.Option(help="Of one agency only, by its id.")]


@returns.command("status")
def returns_status(
    agency: OfAgency = None,
    periods: Annotated[int, typer.Option(help="How many periods back from today.", min=1, max=36)] = 6,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Show how every expected return stands: how many cells are filled, never what is in them."""
    _run(data, "returns.status", {"agency": agency, "periods": periods}, as_json)


@calendar.command("list")
def calendar_list(
    since: Since = None, until: Until = None, agency: OfAgency = None, data: DataDir = HERE, as_json: AsJson = False
) -> None:
    """List planned activities; of quiet windows only where, when and whom to talk to."""
    _run(data, "calendar.list", {"since": since, "until": until, "agency": agency}, as_json)


@calendar.command("export")
def calendar_export(
    file: Annotated[Path, typer.Argument(help="A new file, such as city.ics.")],
    since: Since = None,
    until: Until = None,
    agency: OfAgency = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Write planned activities to an iCalendar file for other calendar programs."""
    result = _ask(data, "calendar.export", {"since": since, "until": until, "agency": agency})
    try:
        with file.open("x", encoding="utf-8", newline="") as out:
            out.write(result.pop("icalendar"))
    except OSError:
        raise VerbError("file", f"expected a new file that can be written at {file}") from None
    _print({**result, "file": str(file)}, as_json)
