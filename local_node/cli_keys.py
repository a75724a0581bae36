"""The commands for this node's own key, and for leaving a hub."""

import secrets
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _run, cli
from local_node.paths import has_settings
from shared_schema.service.control import VerbError, own_directory

keys = typer.Typer(help="This node's own key.", no_args_is_help=True)
cli.add_typer(keys, name="keys")
Hub = Annotated[str, typer.Argument(help="The hub's name, for example sachsen.de.")]


@keys.command("status")
def keys_status(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """The key in use, and how far a change of it is."""
    _run(data, "keys.status", {}, as_json)


@keys.command("rotate")
def keys_rotate(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Put a new key in the place of the one in use. Exit code 1 while a hub has not confirmed it: sync goes on."""
    result = _run(data, "keys.rotate", {}, as_json)
    if result["state"] != "changed":
        raise SystemExit(1)


@keys.command("replace")
def keys_replace(
    hub: Hub,
    code: Annotated[str, typer.Option(help="The code that its operator made with: regional-hub members replace-key")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask a hub for a new key under the same name, because the old one is lost or was stolen."""
    from shared_schema.keys import SigningKey
    from shared_schema.service.key_file import KEY_FILE, write_key

    if has_settings(data) and not (data / KEY_FILE).exists():
        with own_directory(data):  # the key itself is lost: nothing opens here without one
            write_key(data, SigningKey.from_seed(secrets.token_bytes(32)))
    _run(data, "keys.replace", {"hub": hub, "code": code}, as_json)


@cli.command("leave")
def leave(
    hub: Hub,
    yes: Annotated[bool, typer.Option("--yes", help="Leave; without it you are told what that means.")] = False,
    withdraw_all: Annotated[
        bool, typer.Option("--withdraw-all", help="First take back, from everybody, all that was said there.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="With --withdraw-all: the person who does it.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="With --withdraw-all: error, consent, outdated or other.")] = "other",
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Stop being a member of a hub: what stays, what is erased."""
    if withdraw_all and yes and by is None:
        raise VerbError("bad-parameter", "expected --by, the person who takes everything back")
    params = {"hub": hub, "yes": yes, "withdraw_all": withdraw_all, "reason": reason}
    _run(data, "leave", params if by is None else params | {"by": by}, as_json)
