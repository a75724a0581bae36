"""The commands for the audit log: write it to a file, and check such a file, for which no node is needed."""

from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _print, _run, cli
from shared_schema.service.control import VerbError

audit = typer.Typer(help="Who did what: the audit log as a file.", no_args_is_help=True)
cli.add_typer(audit, name="audit")


@audit.command("export")
def audit_export(
    file: Annotated[Path, typer.Argument(help="A new file.")], data: DataDir = HERE, as_json: AsJson = False
) -> None:
    """Write the whole audit log to a file, one event a line, the same bytes as the page gives."""
    _run(data, "audit.export", {"file": str(file.resolve())}, as_json)


@audit.command("verify")
def audit_verify(
    file: Annotated[Path, typer.Argument(help="What `audit export` wrote.")],
    head: Annotated[str | None, typer.Option(help="The hash of the last event, noted down elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an exported audit log. It names the first line that is wrong; no node is needed."""
    from local_node.audit_chain import AuditExportError, check_export
    from shared_schema.names import format_time

    try:
        with file.open("rb") as lines:
            checked = check_export(iter(lambda: lines.readline(MAX_LINE), b""))
    except OSError:
        raise VerbError("no-file", f"expected a file that can be read at {file}") from None
    except AuditExportError as error:
        raise VerbError(error.code, error.message) from None
    if head is not None and head != checked.head:
        raise VerbError("audit-export", "line 1: expected the hash of the last event that was noted down")
    result = {"ok": True, "node": checked.node, "events": checked.events, "head": checked.head}
    for name, moment in (("from", checked.first_at), ("to", checked.last_at)):
        if moment is not None:
            result[name] = format_time(moment)
    _print(result, as_json)


MAX_LINE = 8_192
"""Bytes read at once: an endless line costs no memory."""
