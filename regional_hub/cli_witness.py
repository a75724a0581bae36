"""The commands for witnesses and evidence."""

import json
from pathlib import Path
from typing import Annotated

import typer

from regional_hub.cli import HERE, AsJson, DataDir, _ask, _print, _run, cli
from shared_schema.errors import ContractError
from shared_schema.service.control import VerbError

witness = typer.Typer(help="Who vouches for this hub's log, and for whose logs this hub vouches.", no_args_is_help=True)
evidence = typer.Typer(help="What proves that a log or a member has contradicted itself.", no_args_is_help=True)
cli.add_typer(witness, name="witness")
cli.add_typer(evidence, name="evidence")


@witness.command("add")
def witness_add(
    url: Annotated[str, typer.Option(help="The witness's address.")],
    vkey: Annotated[str, typer.Option(help="Its key, as its operator's `witness list` prints it.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask a witness for its cosignature of every new head. Hubs that this hub follows are asked without it."""
    _run(data, "witness.add", {"url": url, "vkey": vkey}, as_json)


@witness.command("add-log")
def witness_add_log(
    vkey: Annotated[str, typer.Option(help="The log's key, as its operator publishes it.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Be a witness of another log. Hubs that this hub follows are witnessed without it."""
    _run(data, "witness.add-log", {"vkey": vkey}, as_json)


@witness.command("remove")
def witness_remove(
    name: Annotated[str, typer.Argument(help="The name of the witness, or the origin of the log.")],
    log: Annotated[bool, typer.Option("--log", help="It is a log that this hub witnesses.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask a witness no longer, or witness a log no longer."""
    _run(data, "witness.remove", {"name": name, "log": log}, as_json)


@witness.command("list")
def witness_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """This hub's keys, its witnesses and how far each one is, and the logs that it witnesses."""
    _run(data, "witness.list", {}, as_json)


@witness.command("collect")
def witness_collect(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Ask all witnesses now. Exit code 1 when one of them did not cosign."""
    if _run(data, "witness.collect", {}, as_json)["problems"]:
        raise SystemExit(1)


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
    except OSError as error:
        raise VerbError("bad-parameter", f"expected to write {file}: {error.strerror or 'cannot'}") from None
    _print({"id": result["id"], "file": str(file)}, as_json)


@evidence.command("verify")
def evidence_verify(
    file: Annotated[Path, typer.Argument(help="A file that `evidence export` has written.")],
    vkey: Annotated[str | None, typer.Option(help="The log's key as you know it; else the file's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a piece of evidence proves, without a hub. Exit code 1 when it proves nothing."""
    from shared_schema.head_evidence import MAX_EVIDENCE_BYTES, judge, parse_evidence

    try:
        with file.open("rb") as stream:
            verdict = judge(parse_evidence(stream.read(MAX_EVIDENCE_BYTES + 1)), vkey)
    except OSError as error:
        raise VerbError("bad-parameter", f"expected to read {file}: {error.strerror or 'cannot'}") from None
    except ContractError as error:
        raise VerbError(error.code.value, f"expected evidence that holds: {error.message}") from None
    _print(
        {
            "proven": verdict.proven,
            "about": verdict.origin,
            "fingerprint": verdict.fingerprint,
            "proves": verdict.sentence,
        },
        as_json,
    )
    if not verdict.proven:
        raise SystemExit(1)
