"""The commands for other places and evidence."""

import json
from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, NEEDS_A_LOOK, AsJson, DataDir, _ask, _print, _run, cli, hub
from shared_schema.errors import ContractError
from shared_schema.service.control import VerbError

cross_check = typer.Typer(help="Another place that knows a hub's log.", no_args_is_help=True)
evidence = typer.Typer(help="What proves that a hub or a member has contradicted itself.", no_args_is_help=True)
hub.add_typer(cross_check, name="cross-check")
cli.add_typer(evidence, name="evidence")

HubName = Annotated[str, typer.Argument(metavar="HUB", help="The hub's name, for example sachsen.de.")]


@cross_check.command("add")
def cross_check_add(
    name: HubName,
    url: Annotated[str, typer.Option(help="The address of another hub, best one that follows or witnesses it.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """With every sync, ask there which head of the hub is known, and compare."""
    _run(data, "hub.cross-check", {"hub": name, "url": url}, as_json)


@cross_check.command("remove")
def cross_check_remove(name: HubName, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Ask nowhere else about this hub."""
    _run(data, "hub.cross-check", {"hub": name}, as_json)


@evidence.command("list")
def evidence_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What was kept."""
    _run(data, "evidence.list", {}, as_json)


@evidence.command("export")
def evidence_export(
    id: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Write one piece of evidence to a file that others can check with the public key alone."""
    result = _ask(data, "evidence.export", {"id": id})
    try:
        with file.open("x", encoding="utf-8") as stream:
            json.dump(result["file"], stream, ensure_ascii=False, sort_keys=True, indent=1)
    except FileExistsError:
        raise VerbError("exists", f"expected no file at {file}") from None
    _print({"id": result["id"], "file": str(file)}, as_json)


@evidence.command("verify")
def evidence_verify(
    file: Annotated[Path, typer.Argument(help="A file that `evidence export` has written.")],
    vkey: Annotated[str | None, typer.Option(help="The log's key as you know it; else the file's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a piece of evidence proves, without a node. Exit code 1 when it proves nothing."""
    from shared_schema.head_evidence import MAX_EVIDENCE_BYTES, judge, parse_evidence

    with file.open("rb") as stream:
        data = stream.read(MAX_EVIDENCE_BYTES + 1)
    try:
        verdict = judge(parse_evidence(data), vkey)
    except ContractError as error:
        raise VerbError(error.code.value, f"expected evidence that holds: {error.message}") from None
    result = {
        "proven": verdict.proven,
        "about": verdict.origin,
        "fingerprint": verdict.fingerprint,
        "proves": verdict.sentence,
    }
    _print(result, as_json)
    if not verdict.proven:
        raise typer.Exit(NEEDS_A_LOOK)
