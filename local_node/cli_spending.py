"""The commands about what was spent: `verify-spend`, which a third party can run, `outbox export`, `ledger resume`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from local_node.cli import HERE, NEEDS_A_LOOK, AsJson, DataDir, _ask, _print, _run, cli, outbox
from shared_schema.service.control import VerbError

ledger = typer.Typer(help="What releases have cost.", no_args_is_help=True)
cli.add_typer(ledger, name="ledger")


@cli.command("verify-spend")
def verify_spend(
    file: Annotated[
        Path | None, typer.Argument(help="Signed releases of a city, one a line. Without: this node's own.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="What the hub's `policy show` prints, or its envelope.")] = None,
    key: Annotated[str | None, typer.Option(help="The city's public key in base64, or its fingerprint.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Check from signed messages alone what a city has spent of its budget. With a file it needs no node."""
    if file is None and policy is None and key is None:
        result = _ask(data, "spend.verify", {})
    elif file is None or policy is None or key is None:
        raise VerbError("bad-parameter", "expected FILE, --policy and --key together, or none of them")
    else:
        result = _verify_file(file, policy, key)
    _print(result, as_json)
    if not result["ok"]:
        raise SystemExit(NEEDS_A_LOOK)


def _verify_file(file: Path, policy_file: Path, key: str) -> dict[str, Any]:
    from local_node import spend_file
    from local_node.verbs.parameters import read_file
    from local_node.verbs.spending import spend_result

    try:
        policy = spend_file.read_policy(read_file(str(policy_file), spend_file.MAX_FILE_BYTES))
        releases = spend_file.read_releases(read_file(str(file), spend_file.MAX_FILE_BYTES), key)
        return spend_result(releases.origin, spend_file.check_releases(releases, policy), policy)
    except spend_file.SpendFileError as error:
        raise VerbError(error.code, error.message) from None


@outbox.command("export")
def outbox_export(
    file: Annotated[Path, typer.Argument(help="A new file.")], data: DataDir = HERE, as_json: AsJson = False
) -> None:
    """Write this node's signed releases of figures to a file, for whoever checks them with verify-spend."""
    _run(data, "outbox.export", {"file": str(file.resolve())}, as_json)


@ledger.command("resume")
def ledger_resume(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """After the restore of an old copy: fetch this city's own releases back, so that nothing is drawn twice."""
    _run(data, "ledger.resume", {}, as_json)
