"""Accounts for the pages, from the console: `local-node account …`."""

import getpass
import sys
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _run, cli

account = typer.Typer(help="With what people sign in to the pages.", no_args_is_help=True)
cli.add_typer(account, name="account")


@account.command("set")
def account_set(
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id, for example anna.")],
    name: Annotated[str, typer.Option(help="The name that others see; the id when it is not given.")] = "",
    administrates: Annotated[
        bool, typer.Option("--administrates", help="This account may manage accounts and settings as well.")
    ] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a person an account, or its account another password, which is asked for or read from standard input."""
    password = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    params = {"id": person, "name": name, "password": password, "administrates": administrates}
    _run(data, "account.set", params, as_json)
