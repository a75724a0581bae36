"""Accounts for the pages, from the console: `local-node account …`."""

import getpass
import sys
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _run, cli

COLUMNS = ("id", "name", "roles", "agency", "state", "second_factor", "link_until")
Person = Annotated[str, typer.Argument(metavar="ID", help="The person's id, for example anna.")]
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


@account.command("list")
def account_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Who works with this node, and whether they can sign in."""
    _run(data, "account.list", {}, as_json, columns=COLUMNS)


@account.command("invite")
def account_invite(
    person: Person,
    role: Annotated[
        str | None, typer.Option(help="For somebody new: coordinator, reviewer, partner, reader or administrator.")
    ] = None,
    name: Annotated[str, typer.Option(help="For somebody new: the name that others see.")] = "",
    agency: Annotated[str | None, typer.Option(help="The agency that a partner belongs to.")] = None,
    administrates: Annotated[
        bool, typer.Option("--administrates", help="For somebody new: may manage accounts and settings as well.")
    ] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """A link that works once, for seven days; with it the person chooses a password."""
    params = {"id": person, "role": role, "name": name, "agency": agency, "administrates": administrates}
    _run(data, "account.invite", params, as_json)


@account.command("disable")
def account_disable(person: Person, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Keep an account out, at once, in every browser and for every script."""
    _run(data, "account.disable", {"id": person}, as_json)


@account.command("enable")
def account_enable(person: Person, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Let an account in again, with the password it had."""
    _run(data, "account.enable", {"id": person}, as_json)


@account.command("reset")
def account_reset(person: Person, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Take password and second factor away and print a link for a new password, also for the only administrator."""
    _run(data, "account.reset", {"id": person}, as_json)
