"""Accounts for the pages, from the console: `regional-hub account …`."""

import getpass
import sys
from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _run, cli

Person = Annotated[str, typer.Argument(metavar="ID", help="The person's id, for example anna.")]
Called = Annotated[str, typer.Option("--name", help="The name that others see; the id when it is not given.")]
Administrates = Annotated[bool, typer.Option("--administrates", help="May manage accounts as well.")]
account = typer.Typer(help="With what people sign in to the pages.", no_args_is_help=True)
cli.add_typer(account, name="account")


@account.command("add")
def account_add(
    person: Person,
    role: Annotated[str, typer.Option(help="operator, auditor or analyst.")],
    name: Called = "",
    administrates: Administrates = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make an account; `account set` gives it a password, or `account invite` a link for one."""
    params = {"id": person, "role": role, "name": name, "administrates": administrates}
    _run(data, "account.add", params, as_json)


@account.command("set")
def account_set(person: Person, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Give an account another password, which is asked for or read from standard input."""
    password = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    _run(data, "account.set", {"id": person, "password": password}, as_json)


@account.command("list")
def account_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Who works with this hub, and whether they can sign in."""
    _run(data, "account.list", {}, as_json)


@account.command("invite")
def account_invite(
    person: Person,
    role: Annotated[str | None, typer.Option(help="For somebody new: operator, auditor or analyst.")] = None,
    name: Called = "",
    administrates: Administrates = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """A link that works once, for seven days; with it the person chooses a password."""
    params = {"id": person, "role": role, "name": name, "administrates": administrates}
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
