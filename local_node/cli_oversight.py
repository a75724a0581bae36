"""The commands for oversight: the audit log as a file and its check, the privacy budget, how long what is kept."""

from pathlib import Path
from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, By, DataDir, _ask, _print, _run, cli
from local_node.cli_spending import ledger
from shared_schema.service.control import VerbError

audit = typer.Typer(help="Who did what: the audit log as a file.", no_args_is_help=True)
cli.add_typer(audit, name="audit")
retention = typer.Typer(help="How long what is kept.", no_args_is_help=True)
cli.add_typer(retention, name="retention")


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


# --- the budget, and what is kept ------------------------------------------------------------------------------------


@ledger.command("budget")
def ledger_budget(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What twelve months have spent of the budget for privacy, and what the next releases would cost."""
    result = _ask(data, "budget.show", {})
    if not as_json:
        result = {
            "window": f"{result['since']} to {result['until']}",
            "all measures": f"{result['spent_milli'] / 1000:g} of {result['most_milli'] / 1000:g}",
            "measures": [
                {
                    "measure": measure["measure"],
                    "spent": f"{measure['spent_milli'] / 1000:g}",
                    "left": f"{measure['left_milli'] / 1000:g}",
                    "next": ", ".join(f"{each['table']} {each['period']}" for each in measure["following"]),
                }
                for measure in result["measures"]
            ],
        }
    _print(result, as_json)


@retention.command("show")
def retention_show(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """How long what is kept, and what an erasure would take."""
    columns = ("measure", "records", "first_month", "months", "closed_before")
    _run(data, "retention.show", {}, as_json, columns=columns)


@retention.command("set")
def retention_set(
    kind: Annotated[str, typer.Argument(help="records, messages or drafts.")],
    by: By,
    measure: Annotated[str | None, typer.Option(help="For records: their measure.")] = None,
    months: Annotated[int | None, typer.Option(help="Without it: keep, or the default again.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Say after how many months something may be erased. Ledger and audit log are kept for good."""
    rule = {"kind": kind, "measure": measure, "months": months}
    _run(data, "retention.set", {"rules": [rule], "by": by}, as_json)


@retention.command("purge")
def retention_purge(
    measure: Annotated[str, typer.Argument(help="The measure, for example bias_incidents.")],
    by: By,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Erase raw records that are old and were released. Nothing from before is read in any more; no way back."""
    _run(data, "retention.purge", {"measure": measure, "by": by, "dry_run": dry_run}, as_json)
