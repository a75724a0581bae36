"""An agency's file in: records stored, or a list of what is wrong."""

import hashlib
from collections.abc import Sequence

from sqlalchemy.orm import Session

from local_node.app import Node
from local_node.records import (
    MAX_FILE_BYTES,
    EventsMapping,
    ReturnsMapping,
    RowError,
    parse_csv,
    parse_mapping,
)
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result, read_file
from shared_schema.service.control import VerbError

MAX_ROW_ERRORS = 10
MAX_ERRORS_LISTED = 1_000
"""So that the answer about any file fits through the control socket."""


def import_records(node: Node, params: Params) -> Result:
    """Read an agency's file."""
    from local_node import record_store

    data = read_file(params["file"], MAX_FILE_BYTES)
    mapping = parse_mapping(read_file(params["mapping"], MAX_FILE_BYTES))
    accept_good_rows = bool(params.get("accept_good_rows", False))
    parsed = parse_csv(
        data,
        mapping,
        agency=params["agency"],
        today=node.clock().date(),
        periods=tuple(params.get("periods") or ()),
    )
    if parsed.errors and not accept_good_rows:
        raise VerbError("bad-rows", _explain_rows(parsed.errors))
    with node.database.write() as session:
        _check_grid(session, mapping)
        report = record_store.store(
            session,
            parsed,
            mapping,
            agency=params["agency"],
            file_digest=hashlib.sha256(data).hexdigest(),
            person=params["by"],
            accept_good_rows=accept_good_rows,
            now=node.clock(),
        )
    return {
        "batch": report.batch,
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "late": report.late,
        "wrong": len(parsed.errors),
        "errors": [
            {"line": error.line, "column": error.column, "message": error.message}
            for error in parsed.errors[:MAX_ERRORS_LISTED]
        ],
    }


def _check_grid(session: Session, mapping: ReturnsMapping | EventsMapping) -> None:
    """Stop a return under a table or cell that the hub's rules do not know; nobody could take it out again.

    Before the first sync there are no rules to compare with.
    """
    try:
        _, policy = home_policy(session)
    except VerbError:
        return
    if not isinstance(mapping, ReturnsMapping):
        return
    table = policy.find_table(mapping.table)
    if table is None or table.measure != mapping.measure:
        known = ", ".join(sorted({f"{table.id} of {table.measure}" for table in policy.tables}))
        raise VerbError("mapping", f"expected a table and measure of the hub's policy in the mapping: {known}")
    if set(mapping.columns.values()) - set(table.cells):
        raise VerbError("mapping", f"expected cells of {table.id} in the mapping: {', '.join(table.cells)}")


def _explain_rows(errors: Sequence[RowError]) -> str:
    shown = [f"line {error.line}, column {error.column}: {error.message}" for error in errors[:MAX_ROW_ERRORS]]
    more = len(errors) - len(shown)
    return (
        f"nothing was stored, {len(errors)} {'place is' if len(errors) == 1 else 'places are'} wrong: "
        + "; ".join(shown)
        + (f"; and {more} more" if more else "")
        + "; --accept-good-rows stores the others"
    )
