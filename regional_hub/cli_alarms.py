"""The commands for being told of alarms."""

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _ask, _print, _run, cli

alarms = typer.Typer(help="Being told of alarms by e-mail or webhook.", no_args_is_help=True)
cli.add_typer(alarms, name="alarms")


@alarms.command("show")
def alarms_show(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """How each channel is doing, and the newest messages."""
    _run(data, "alarms.show", {}, as_json)


@alarms.command("test")
def alarms_test(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Send a test message through each channel. Exit code 1 when one was not taken."""
    result = _ask(data, "alarms.test", {})
    if as_json:
        _print(result, as_json)
    else:
        for each in result["tested"]:
            print(f"{each['channel']}: {'taken' if each['taken'] else 'not taken'}: {each['said']}")
    if not all(each["taken"] for each in result["tested"]):
        raise SystemExit(1)


@alarms.command("deliver")
def alarms_deliver(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Send what is due now. A hub that serves does it by itself. Exit code 1 when something was not taken."""
    if _run(data, "alarms.deliver", {}, as_json)["failed"]:
        raise SystemExit(1)


@alarms.command("retry")
def alarms_retry(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Let everything that was given up wait again."""
    _run(data, "alarms.retry", {}, as_json)


@alarms.command("drop")
def alarms_drop(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Forget the messages that were given up; the alarms themselves stay."""
    _run(data, "alarms.drop", {}, as_json)
