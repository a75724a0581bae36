"""The command line of the node. Every command has `--json`; what is wrong is one line on standard error and exit 2.

A command runs in the serving process when there is one, else here, under the lock of the data directory. What is heavy
to load (web, database, OpenDP) is loaded only by the commands that need it.
"""

import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from local_node.paths import SETTINGS_FILE, has_settings
from shared_schema.service.command_line import run_command_line
from shared_schema.service.control import VerbError, own_directory, run_verb

if TYPE_CHECKING:
    from local_node.settings import NodeSettings

cli = typer.Typer(
    help="A city's own node of Prevention Exchange: keeps its records, and releases what two people agreed to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
people = typer.Typer(help="Who works with this node.", no_args_is_help=True)
hub = typer.Typer(help="The hubs of this node.", no_args_is_help=True)
table = typer.Typer(help="The tables on which cities count.", no_args_is_help=True)
release = typer.Typer(help="Ask for a release, and decide about it.", no_args_is_help=True)
practice = typer.Typer(help="What this city tried.", no_args_is_help=True)
outbox = typer.Typer(help="What was signed.", no_args_is_help=True)
inbox = typer.Typer(help="What came from other cities and hubs.", no_args_is_help=True)
check = typer.Typer(help="Walk the chains that nobody may rewrite.", no_args_is_help=True)
for group, name in (
    (people, "people"),
    (hub, "hub"),
    (table, "table"),
    (release, "release"),
    (practice, "practice"),
    (outbox, "outbox"),
    (inbox, "inbox"),
    (check, "check"),
):
    cli.add_typer(group, name=name)

NEEDS_A_LOOK = 1
"""Exit code of a command that did its work and found something that a person should look at."""
DATA_VARIABLE = "LOCAL_NODE_DATA"
HERE = Path("node-data")
DIGEST = re.compile(r"[0-9a-f]{64}")
SHORT_DIGEST = 12

DataDir = Annotated[Path, typer.Option("--data", envvar=DATA_VARIABLE, help="The node's data directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str, typer.Option("--by", help="Your id, for example anna.")]


def main() -> None:
    """The entry point."""
    run_command_line(cli, "local-node")


def _run(
    data: Path, verb: str, params: dict[str, Any], as_json: bool, *, columns: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a verb and print what it gives; `columns` are those of its lists that a person needs."""
    result = _ask(data, verb, params)
    _print(result, as_json, columns)
    return result


def _ask(data: Path, verb: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a verb in the serving process or here."""

    def here() -> dict[str, Any]:
        from local_node import verbs
        from local_node.app import open_node
        from shared_schema.service.logging import configure_logging

        configure_logging()
        node = open_node(data)
        try:
            return verbs.run(node, verb, params)
        finally:
            node.close()

    if not has_settings(data):
        raise VerbError(
            "no-settings", f"expected {data / SETTINGS_FILE}; make it with: local-node init, or give --data"
        )
    return run_verb(data, verb, params, here)


def _print(result: dict[str, Any], as_json: bool, columns: Sequence[str] = ()) -> None:
    if as_json:
        print(json.dumps(result, sort_keys=True, ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, value in result.items():
        heading = name.replace("_", " ")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _print_rows(console, heading, value, columns or tuple(value[0]))
        elif isinstance(value, list):
            console.print(f"{heading}: {'; '.join(map(str, value)) or 'none'}")
        elif isinstance(value, dict):
            console.print(f"{heading}: {_in_words(value)}")
        elif value is not None:
            console.print(f"{heading}: {value}")


def _in_words(value: dict[str, Any]) -> str:
    if any(isinstance(item, (dict, list)) for item in value.values()):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"


def _print_rows(console: Console, title: str, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
    lines = Table(title=title, title_justify="left")
    for column in columns:
        lines.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        lines.add_row(*(_short(row.get(column)) for column in columns))
    console.print(lines)


def _short(value: object) -> str:
    """A value for a table; of a digest its beginning, which every command accepts."""
    text = "" if value is None else str(value)
    return text[:SHORT_DIGEST] if DIGEST.fullmatch(text) else text


# --- a new node, and serving it ------------------------------------------------------------------------------------


@cli.command()
def init(
    name: Annotated[str, typer.Option(help="The node's name, for example leipzig.sn.de.")],
    display_name: Annotated[str, typer.Option(help="The city's name, for example Leipzig.")],
    lau: Annotated[str, typer.Option(help="LAU code of the municipality, for example 14713000.")],
    coordinator: Annotated[str, typer.Option(help="Id of the coordinator, for example anna.")],
    reviewer: Annotated[str | None, typer.Option(help="Id of the second person, for example ben.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="There is no second person: every release waits 24 hours.")
    ] = False,
    agencies: Annotated[int, typer.Option(help="How many partner agencies are expected to report.")] = 1,
    port: Annotated[int, typer.Option(help="The port for the pages.")] = 8600,
    time_zone: Annotated[str, typer.Option(help="In which the pages show times, for example Europe/Berlin.")] = "UTC",
    sync_interval: Annotated[int, typer.Option(help="Seconds between syncs while serving; 0: when told.")] = 900,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a node: its key, its settings, its database, its people."""
    from local_node.settings import check_settings
    from local_node.verbs.founding import Founder, found

    values: dict[str, str | int] = {
        "name": name,
        "display_name": display_name,
        "area_code": lau,
        "agencies_expected": agencies,
        "port": port,
        "time_zone": time_zone,
        "sync_interval_seconds": sync_interval,
    }
    check_settings(dict(values))
    if (reviewer is None) is not alone:
        raise VerbError("bad-parameter", "expected --reviewer ID, or --alone where there is nobody else")
    if coordinator == reviewer:
        raise VerbError("same-person", "expected two people: nobody releases anything alone")
    people = {coordinator: "coordinator"} | ({} if reviewer is None else {reviewer: "reviewer"})
    with own_directory(data):
        key = found(data, values, [Founder(person, role) for person, role in people.items()])
    _print(
        {
            "name": name,
            "fingerprint": key.public.fingerprint,
            "data": str(data),
            "next": "add your hub: local-node hub add URL --fingerprint …",
        },
        as_json,
    )


@cli.command()
def serve(
    data: DataDir = HERE,
    host: Annotated[str | None, typer.Option(help="Address to listen on; this machine only for now.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, instead of the one in the settings.")] = None,
    verbose: Annotated[bool, typer.Option(help="Log more.")] = False,
) -> None:
    """Serve the pages and sync by itself until Ctrl-C. Where there is no node yet, the set-up pages come first."""
    from local_node.settings import check_settings, load_settings
    from shared_schema.service.logging import configure_logging

    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if is_new(data):
        configure_logging(verbose=verbose)
        _serve_first_run(data, check_settings(STAND_IN | changes), changes)
        return
    settings = load_settings(data, **changes)
    from local_node import verbs
    from local_node.app import Node, create_app
    from local_node.first_run import drop_answers
    from shared_schema.service.key_file import load_key

    configure_logging(verbose=verbose)
    with own_directory(data):
        _check_port(settings.host, settings.port)
        drop_answers(data)  # a crash may have left them beside the node that was made of them
        node = Node(data, settings, load_key(data))
        app = create_app(node, lambda verb, params: verbs.run(node, verb, params))
        _say(f"http://{_in_url(settings.host)}:{settings.port}/")
        try:
            _listen(app, settings.host, settings.port)
        finally:
            node.close()


STAND_IN: dict[str, Any] = {"name": "new.node", "display_name": "new", "area_code": "00"}
"""Before there are settings, only the address to listen on is taken from them, and from the environment."""


def is_new(data: Path) -> bool:
    """Whether a node can be set up here: nothing is there, or what an interrupted set-up has left."""
    from local_node.first_run import has_answers

    return not has_settings(data) and (has_answers(data) or not (data / "node.db").exists())


def _serve_first_run(data: Path, settings: "NodeSettings", changes: dict[str, Any]) -> None:
    from local_node.app import open_node
    from local_node.first_run_server import FirstRun

    with own_directory(data):
        _check_port(settings.host, settings.port)
        here = f"http://{_in_url(settings.host)}:{settings.port}"
        app = FirstRun(data, settings.public_url or here, settings.port, lambda: open_node(data, **changes))
        _say(f"{settings.public_url or here}/")
        _say(f"There is no node in {data} yet. Open this address and type in the code:\n\n    {app.code}\n")
        _say("It can be used once, within an hour. Ctrl-C ends the program; what was answered is kept.")
        _listen(app, settings.host, settings.port)


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def _listen(app: Any, host: str, port: int) -> None:
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16 * 1024,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )


def _check_port(host: str, port: int) -> None:
    """Raise VerbError when nobody can listen there, which uvicorn would say in words and with a code of its own."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise VerbError(
            "port",
            f"expected port {port} to be free ({error.strerror}); choose another one with --port or in {SETTINGS_FILE}",
        ) from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@cli.command()
def status(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """How the node is, and what to do next. Exit code 1 when there is an alarm."""
    if _run(data, "status", {}, as_json)["alarms"]:
        raise SystemExit(NEEDS_A_LOOK)


@cli.command()
def sync(
    data: DataDir = HERE,
    when_due: Annotated[
        bool, typer.Option("--when-due", help="For cron: leave a hub alone that did not answer lately.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read what is new, sign what was approved, send what waits. Exit code 1 when something did not go through."""
    result = _run(data, "sync", {"patient": when_due}, as_json)
    if any(result[what] for what in ("alarms", "problems", "refused", "held", "rechecked")):
        raise SystemExit(NEEDS_A_LOOK)


# --- people and hubs -----------------------------------------------------------------------------------------------


@people.command("add")
def people_add(
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id, for example carla.")],
    role: Annotated[str, typer.Option(help="coordinator, reviewer, partner, reader or administrator.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Register somebody who works with this node."""
    _run(data, "people.add", {"id": person, "role": role}, as_json)


@hub.command("add")
def hub_add(
    url: Annotated[str, typer.Argument(help="The hub's address.")],
    fingerprint: Annotated[str, typer.Option(help="What the hub's operator reads out, typed in.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Add a hub, after comparing its fingerprint by telephone."""
    _run(data, "hub.add", {"url": url, "fingerprint": fingerprint}, as_json)


@hub.command("enrol")
@cli.command("enrol")
def hub_enrol(
    name: Annotated[str, typer.Argument(metavar="HUB", help="The hub's name, for example sachsen.de.")],
    code: Annotated[str, typer.Option(help="The one-time code from its operator.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask a hub to become its member."""
    _run(data, "hub.enrol", {"hub": name, "code": code}, as_json)


@table.command("list")
def table_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """The tables of the hub's policy."""
    result = _ask(data, "policy.show", {})
    _print(result if as_json else {"hub": result["hub"], "tables": result["tables"]}, as_json)


# --- records and releases ------------------------------------------------------------------------------------------


@cli.command("import")
def import_records(
    file: Annotated[Path, typer.Argument(help="The agency's CSV file.")],
    mapping: Annotated[Path, typer.Option(help="A TOML file that says what the columns mean.")],
    agency: Annotated[str, typer.Option(help="Id of the agency, for example youth-office.")],
    by: By,
    period: Annotated[
        list[str] | None, typer.Option(help="For a list of events: a period it covers, e.g. 2014-01; repeatable.")
    ] = None,
    accept_good_rows: Annotated[bool, typer.Option(help="Store the good rows of a file with wrong ones.")] = False,
    correction: Annotated[
        bool, typer.Option("--correction", help="Change figures that are released; the difference waits for a release.")
    ] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Read an agency's figures. Blank is not collected, 0 is zero; with one wrong row nothing is stored."""
    params = {
        "file": str(file.resolve()),
        "mapping": str(mapping.resolve()),
        "agency": agency,
        "by": by,
        "periods": period or [],
        "accept_good_rows": accept_good_rows,
        "correction": correction,
    }
    if _run(data, "import", params, as_json)["errors"]:
        raise SystemExit(NEEDS_A_LOOK)


# --- looking -------------------------------------------------------------------------------------------------------


@outbox.command("list")
def outbox_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What was signed, and how far it got."""
    columns = ("seq", "hub", "state", "attempts", "reason", "next_try_at", "digest")
    _run(data, "outbox.list", {}, as_json, columns=columns)


@inbox.command("list")
def inbox_list(
    kind: Annotated[str | None, typer.Option(help="practice, question, aggregate, …")] = None,
    state: Annotated[str | None, typer.Option(help="accepted, quarantined or withdrawn.")] = None,
    limit: Annotated[int | None, typer.Option(help="So many at most.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """What came, the newest first."""
    columns = ("digest", "kind", "title", "origin", "state", "reason", "note")
    _run(data, "inbox.list", {"kind": kind, "state": state, "limit": limit}, as_json, columns=columns)


@inbox.command("show")
def inbox_show(
    digest: Annotated[str, typer.Argument(help="The item's digest, or its first digits.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """One item with its content."""
    _run(data, "inbox.show", {"digest": digest}, as_json)


@check.command("audit")
def check_audit(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Walk the audit log."""
    _run(data, "audit.verify", {}, as_json)


@check.command("ledger")
def check_ledger(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Walk the privacy ledger."""
    _run(data, "ledger.verify", {}, as_json)


from local_node import cli_accounts as _cli_accounts  # noqa: E402, F401 - they add their commands to those above
from local_node import cli_backup as _cli_backup  # noqa: E402, F401
from local_node import cli_keys as _cli_keys  # noqa: E402, F401
from local_node import cli_oversight as _cli_oversight  # noqa: E402, F401
from local_node import cli_planning as _cli_planning  # noqa: E402, F401
from local_node import cli_recall as _cli_recall  # noqa: E402, F401
from local_node import cli_relay as _cli_relay  # noqa: E402, F401
from local_node import cli_releases as _cli_releases  # noqa: E402, F401
from local_node import cli_sealed as _cli_sealed  # noqa: E402, F401
from local_node import cli_search as _cli_search  # noqa: E402, F401
from local_node import cli_spending as _cli_spending  # noqa: E402, F401
from local_node import cli_witness as _cli_witness  # noqa: E402, F401
from local_node import cli_words as _cli_words  # noqa: E402, F401
from local_node import cli_writing as _cli_writing  # noqa: E402, F401
