"""The commands for sealed totals: batches that two hubs collect together."""

from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _ask, _print, _run, cli

Days = Annotated[int | None, typer.Option("--days", help="How long it is open; as the policy says without it.")]
sealed = typer.Typer(help="Sealed totals: what this hub and a second one collect together.", no_args_is_help=True)
cli.add_typer(sealed, name="sealed")


@sealed.command("list")
def sealed_list(
    data: DataDir = HERE,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """The batches that are on their way: their state, and how many have sent. Never what."""
    result = _ask(data, "sealed.list", {"all": every})
    if as_json:
        _print(result, as_json)
        return
    for each in result["batches"]:
        sent = f"{each['sent']} of {each['members']} have sent, closes {each['closes']}"
        print(f"{each['subject']}: {each['state']} ({each['role']}), {sent}, {each['batch'] or 'not announced'}")
    if not result["batches"]:
        print("no batch is on its way" if not every else "there was no batch yet")


@sealed.command("open")
def sealed_open(
    table: Annotated[str, typer.Argument(help="The id of a table that the policy seals.")],
    period: Annotated[str, typer.Argument(help="Such as 2026-10, 2026-Q3 or 2025.")],
    data: DataDir = HERE,
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Open a batch beside the schedule: of an earlier period, or again after one that ended void."""
    _run(data, "sealed.open", {"table": table, "period": period} | ({} if days is None else {"days": days}), as_json)


@sealed.command("late")
def sealed_late(
    batch: Annotated[str, typer.Argument(help="The digest of an opened batch.")],
    data: DataDir = HERE,
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Collect the cities that are in no sum of a batch, absent or refused, in a batch of their own."""
    _run(data, "sealed.late", {"batch": batch} | ({} if days is None else {"days": days}), as_json)


@sealed.command("give-up")
def sealed_give_up(
    batch: Annotated[str, typer.Argument(help="The digest of a batch.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """End a batch as void, together with the second hub: nothing of it is opened, and its cities may send again."""
    _run(data, "sealed.give-up", {"batch": batch}, as_json)


@sealed.command("work")
def sealed_work(
    data: DataDir = HERE,
    open_nothing: Annotated[bool, typer.Option("--open-nothing", help="Only go on with what is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open what is due and take every batch as far as it goes. A hub that serves does it by itself."""
    _run(data, "sealed.work", {"open_nothing": open_nothing}, as_json)
