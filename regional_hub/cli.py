"""The command line of the hub. Every command has `--json`; what is wrong is one line on standard error and exit 2.

Most commands are answered by the hub that serves. The program itself is loaded by those alone that need it here.
"""

import json
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from regional_hub import cli_log
from regional_hub.paths import SETTINGS_FILE
from shared_schema.errors import ContractError
from shared_schema.service.command_line import run_command_line
from shared_schema.service.control import VerbError, own_directory, run_verb

cli = typer.Typer(
    help="A hub of Prevention Exchange: checks, logs, adds up and hands on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
enrol = typer.Typer(help="Admit new members.", no_args_is_help=True)
member = typer.Typer(help="See and change members.", no_args_is_help=True)
parent = typer.Typer(help="The hub above this one.", no_args_is_help=True)
policy = typer.Typer(help="The rules of this hub.", no_args_is_help=True)
relay = typer.Typer(help="What is published without its city's name: for the operator alone.", no_args_is_help=True)
cli.add_typer(enrol, name="enrol")
cli.add_typer(member, name="members")
cli.add_typer(parent, name="parent")
cli.add_typer(policy, name="policy")
cli.add_typer(relay, name="relay")

DataDir = Annotated[
    Path, typer.Option("--data", envvar="REGIONAL_HUB_DATA", help="The hub's data directory.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Argument(help="The member's name, for example leipzig.sn.de.")]
HERE = Path("hub-data")
NOT_STARTED = 3
"""As uvicorn itself has it: the address is taken, say."""


def main() -> None:
    """The entry point."""
    run_command_line(cli, "regional-hub")


def _run(data: Path, verb: str, params: dict[str, Any], as_json: bool) -> dict[str, Any]:
    result = _ask(data, verb, params)
    _print(result, as_json)
    return result


def _ask(data: Path, verb: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a verb in the serving process or here."""

    def here() -> dict[str, Any]:
        from regional_hub import verbs
        from regional_hub.app import open_hub

        hub = open_hub(data)
        try:
            return verbs.run(hub, verb, params)
        finally:
            hub.close()

    if not (data / SETTINGS_FILE).exists():
        raise VerbError("no-settings", f"expected {data / SETTINGS_FILE}; make it with: regional-hub init")
    return run_verb(data, verb, params, here)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, sort_keys=True))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            table = Table(*value[0], title=name.replace("_", " "))
            for row in value:
                table.add_row(*(str(row.get(column, "")) for column in value[0]))
            console.print(table)
        else:
            console.print(f"{name.replace('_', ' ')}: {value}")


@cli.command()
def init(
    name: Annotated[str, typer.Option(help="The hub's name, for example sachsen.de.")],
    level: Annotated[str, typer.Option(help="region, nation or europe.")],
    area: Annotated[str, typer.Option(help="scheme:version:code, for example NUTS:2024:DED.")],
    public_url: Annotated[str, typer.Option(help="The address that members use.")],
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8700,
    work_interval: Annotated[int, typer.Option(help="Seconds between following and adding up; 0: when told.")] = 300,
    database_url: Annotated[str | None, typer.Option(help="postgresql+psycopg://…; else SQLite.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who runs this hub: the body that is answerable.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a hub: its key, its settings, an empty log and the starter policy."""
    from regional_hub import verbs
    from regional_hub.app import Hub
    from regional_hub.settings import load_settings, write_settings
    from shared_schema.governance import PolicyBody
    from shared_schema.keys import SigningKey
    from shared_schema.service.key_file import COSIGNER_FILE, KEY_FILE, load_key, write_key

    parts = area.split(":")
    if len(parts) != 3:
        raise VerbError("bad-parameter", "expected an area such as NUTS:2024:DED")
    with own_directory(data):
        if (data / SETTINGS_FILE).exists() or (data / KEY_FILE).exists():
            raise VerbError("exists", f"expected a data directory without {SETTINGS_FILE} and {KEY_FILE}")
        values: dict[str, str | int] = {
            "name": name,
            "level": level,
            "area_scheme": parts[0],
            "area_version": parts[1],
            "area_code": parts[2],
            "public_url": public_url,
            "port": port,
            "work_interval_seconds": work_interval,
        }
        if database_url is not None:
            values["database_url"] = database_url
        if operator is not None:
            values["operator"] = operator
        write_settings(data, values)
        try:
            settings = load_settings(data)
            write_key(data, SigningKey.from_seed(secrets.token_bytes(32)))
            write_key(data, SigningKey.from_seed(secrets.token_bytes(32)), COSIGNER_FILE)
            hub = Hub(data, settings, load_key(data))
        except (VerbError, ContractError, ValueError) as error:
            for name_of_file in (SETTINGS_FILE, KEY_FILE, COSIGNER_FILE):  # so that the next try begins anew
                (data / name_of_file).unlink(missing_ok=True)
            raise VerbError("bad-settings", str(error)) from None
        starter = files("regional_hub").joinpath("starter_policy.json").read_bytes()
        verbs.publish_policy(hub, PolicyBody.from_object(json.loads(starter)))
        verbs.run(hub, "operator.say", {})
        result = {"name": name, "level": level, "fingerprint": hub.key.public.fingerprint, "url": public_url}
        hub.close()
    _print(result, as_json)


@cli.command()
def serve(data: DataDir = HERE, verbose: Annotated[bool, typer.Option(help="Log more.")] = False) -> None:
    """Serve the hub until Ctrl-C."""
    import uvicorn

    from regional_hub import verbs
    from regional_hub.app import open_hub
    from regional_hub.serving import create_app
    from shared_schema.service.logging import configure_logging
    from shared_schema.service.server import GuardedProtocol

    configure_logging(verbose=verbose)
    with own_directory(data):
        hub = open_hub(data)
        app = create_app(hub, lambda verb, params: verbs.run(hub, verb, params))
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=hub.settings.host,
                port=hub.settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=GuardedProtocol,
                ws="none",
                timeout_keep_alive=20,
                lifespan="on",
            )
        )
        failures: list[str] = []

        def end() -> None:
            failures.append("expected the disk to confirm what was written; look at it before the hub serves again")
            server.should_exit = True

        hub.end_process = end
        server.run()
        hub.close()
    if failures:
        raise VerbError("log-damaged", failures[0])
    if not server.started:
        raise SystemExit(NOT_STARTED)


@cli.command()
def status(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """How the hub is."""
    _run(data, "status", {}, as_json)


@enrol.command("code")
def enrol_code(name: Name, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Make a one-time code for a new member."""
    _run(data, "enrol.code", {"name": name}, as_json)


@enrol.command("list")
def enrol_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Who waits to be admitted."""
    _run(data, "enrol.list", {}, as_json)


@enrol.command("approve")
def enrol_approve(
    name: Name,
    fingerprint: Annotated[str, typer.Option(help="What the member reads out, typed in.")],
    operator: Annotated[
        str | None, typer.Option(help="Who runs a hub; without it, what it says itself, and empty for nobody.")
    ] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Admit a member after comparing the fingerprint by telephone."""
    said = {} if operator is None else {"operator": operator}
    _run(data, "enrol.approve", {"name": name, "fingerprint": fingerprint} | said, as_json)


@member.command("list")
def members_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Members, their keys, and how far each one is."""
    _run(data, "members.list", {}, as_json)


@member.command("show")
def members_show(name: Name, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """One member: how it is doing, and what came in from it."""
    _run(data, "members.show", {"name": name}, as_json)


@member.command("items")
def members_items(name: Name, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """The last ten things that a member has handed in, newest first, without contents."""
    _run(data, "members.items", {"name": name}, as_json)


@member.command("set")
def members_set(
    name: Name,
    state: Annotated[str, typer.Option("--status", help="active, suspended, revoked or left.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Suspend, revoke or reactivate a member, or let it leave."""
    _run(data, "members.set", {"name": name, "status": state}, as_json)


@member.command("operator")
def members_operator(
    name: Annotated[str, typer.Argument(help="The name of a hub below or above, or of this hub.")],
    operator: Annotated[
        str | None, typer.Option(help="Who runs it. For this hub itself the setting says it: leave it out.")
    ] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Say in the log who runs a hub."""
    _run(data, "members.operator", {"name": name, "operator": operator}, as_json)


@parent.command("add")
def parent_add(
    url: Annotated[str, typer.Option(help="Address of the hub above.")],
    fingerprint: Annotated[str, typer.Option(help="Its fingerprint, as its operator reads it out.")],
    code: Annotated[str, typer.Option(help="The one-time code from its operator.")],
    operator: Annotated[str | None, typer.Option(help="Who runs the hub above.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the hub above to be a member, and follow it."""
    params = {"url": url, "fingerprint": fingerprint, "code": code, "operator": operator}
    _run(data, "parent.add", params, as_json)


@cli.command()
def overview(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """How the federation stands, as the first page of the console says it. Exit code 1 when something is not well."""
    if not _run(data, "overview", {}, as_json)["well"]:
        raise SystemExit(1)


@cli.command()
def follow(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Read the feeds of the hub above and the hubs below, once. Exit code 1 when one of them raised an alarm."""
    result = _run(data, "follow", {}, as_json)
    if any("alarm" in source for source in result["sources"]):
        raise SystemExit(1)


@cli.command()
def aggregate(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Publish every sum whose inputs have changed."""
    _run(data, "aggregate", {}, as_json)


@cli.command()
def sums(data: DataDir = HERE) -> None:
    """Print every complete sum as JSON."""
    _run(data, "sums", {}, as_json=True)


@relay.command("list")
def relay_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What members asked to relay, who they are, and where it stands. For the operator alone."""
    _run(data, "relay.list", {}, as_json)


@relay.command("questions")
def relay_questions(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Questions about relayed items, and whether they were handed on."""
    _run(data, "relay.questions", {}, as_json)


@relay.command("forward")
def relay_forward(
    question: Annotated[str, typer.Argument(help="The question's digest, or its first digits.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Hand a question on to the author of the item that it is about."""
    _run(data, "relay.forward", {"question": question}, as_json)


@relay.command("publish")
def relay_publish(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Publish what is due, and hand up what the hub above publishes. Exit code 1 when that hub did not take it."""
    result = _run(data, "relay.publish", {}, as_json)
    if result["problem"]:
        raise SystemExit(1)


@relay.command("withdraw")
def relay_withdraw(
    relayed: Annotated[str, typer.Argument(help="The relayed item's digest, or its first digits.")],
    reason: Annotated[str, typer.Option(help="error, consent, outdated or other.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Take a relayed item back at once, without waiting for the window."""
    _run(data, "relay.withdraw", {"relayed": relayed, "reason": reason}, as_json)


@policy.command("show")
def policy_show(data: DataDir = HERE) -> None:
    """Print the policy in force as JSON."""
    _run(data, "policy.show", {}, as_json=True)


@policy.command("set")
def policy_set(
    file: Annotated[Path, typer.Argument(help="A JSON file in the form that `policy show` prints.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which members would be refused.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Put another policy in force; its version must rise."""
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise VerbError("bad-parameter", f"expected a JSON file at {file}") from None
    result = _run(data, "policy.set", {"policy": body, "dry_run": dry_run}, as_json)
    if dry_run and (result["looser"] or result["refused"]):
        raise SystemExit(1)


cli_log.register(cli, _run, _print)

from regional_hub import cli_accounts as _cli_accounts  # noqa: E402, F401 - they add their commands to those above
from regional_hub import cli_alarms as _cli_alarms  # noqa: E402, F401
from regional_hub import cli_keys as _cli_keys  # noqa: E402, F401
from regional_hub import cli_recall as _cli_recall  # noqa: E402, F401
from regional_hub import cli_recovery as _cli_recovery  # noqa: E402, F401
from regional_hub import cli_sealed as _cli_sealed  # noqa: E402, F401
from regional_hub import cli_watch as _cli_watch  # noqa: E402, F401
from regional_hub import cli_witness as _cli_witness  # noqa: E402, F401
