"""An agency's file in: records stored, or a list of what is wrong."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.orm import Session

from local_node.app import Node
from local_node.counted_units import has_units
from local_node.imports import Unit
from local_node.records import (
    MAX_FILE_BYTES,
    EventsMapping,
    ReturnsMapping,
    RowError,
    parse_csv,
    parse_mapping,
)
from local_node.units import hash_unit, load_unit_key
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result, read_file
from shared_schema.governance import PolicyBody
from shared_schema.service.control import VerbError

MAX_ROW_ERRORS = 10
MAX_ERRORS_LISTED = 1_000
"""So that the answer about any file fits through the control socket."""


def import_records(node: Node, params: Params) -> Result:
    """Read an agency's file.

    What the measure counts, records or persons, is the policy's word. Before the first sync there is none: then with a
    `unit_column` each person counts once, which is never too often.

    A script says `for_them` when its owner is not of the agency, which then sees what was handed in for it and answers.
    """
    from local_node import record_store
    from local_node.return_entry import Entering, How, note_how

    data = _read_data(params)
    mapping = _read_mapping(node, params)
    accept_good_rows = bool(params.get("accept_good_rows", False))
    parsed = parse_csv(
        data,
        mapping,
        agency=params["agency"],
        today=node.clock().date(),
        periods=tuple(params.get("periods") or ()),
        hash_unit=_hasher(node, mapping, params["agency"]),
    )
    if parsed.errors and not accept_good_rows:
        raise VerbError("bad-rows", _explain_rows(parsed.errors))
    with node.database.write() as session:
        policy = _find_policy(session)
        _check_grid(policy, mapping)
        report = record_store.store(
            session,
            parsed,
            mapping,
            agency=params["agency"],
            file_digest=hashlib.sha256(data).hexdigest(),
            person=params["by"],
            accept_good_rows=accept_good_rows,
            correction=bool(params.get("correction", False)),
            tables=() if policy is None else policy.tables,
            unit=_unit_of(policy, mapping.measure),
            now=node.clock(),
        )
        if "for_them" in params and report.batch is not None:
            who = Entering(params["by"], params["agency"], How.FILE, for_them=params["for_them"])
            note_how(session, report.batch, who, node.clock())
    return {
        "batch": report.batch,
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "late": report.late,
        "late_in": list(report.late_in),
        "corrected": report.corrected,
        "as_released": report.as_released,
        "wrong": len(parsed.errors),
        "errors": [
            {"line": error.line, "column": error.column, "message": error.message}
            for error in parsed.errors[:MAX_ERRORS_LISTED]
        ],
    }


def _read_data(params: Params) -> bytes:
    """The file, or its `content` where a script hands it in."""
    if "content" not in params:
        return read_file(params["file"], MAX_FILE_BYTES)
    data = str(params["content"]).encode("utf-8", "replace")
    if len(data) > MAX_FILE_BYTES:
        raise VerbError("too-large", f"expected a file of at most {MAX_FILE_BYTES // 1024} KiB")
    return data


def _read_mapping(node: Node, params: Params) -> ReturnsMapping | EventsMapping:
    """The mapping's file or text. With a `table` alone the columns are that table's own cells, beside `month`."""
    if "mapping_text" in params:
        return parse_mapping(str(params["mapping_text"]).encode("utf-8", "replace"))
    if "table" not in params:
        return parse_mapping(read_file(params["mapping"], MAX_FILE_BYTES))
    with node.database.read() as session:
        table = home_policy(session)[1].find_table(str(params["table"]))
    if table is None:
        raise VerbError("mapping", "expected a table of the hub's policy; see: local-node table list")
    return ReturnsMapping(
        kind="returns", measure=table.measure, table=table.id, columns={cell: cell for cell in table.cells}
    )


def _find_policy(session: Session) -> PolicyBody | None:
    try:
        return home_policy(session)[1]
    except VerbError:
        return None


def _unit_of(policy: PolicyBody | None, measure: str) -> Unit:
    """What a measure counts. Policies from before version 0.2 say it with their tables alone."""
    if policy is None:
        return "person"
    if definition := policy.find_measure(measure):
        return definition.unit
    units = {table.unit for table in policy.tables if table.measure == measure}
    return "record" if units == {"record"} else "person"


def _hasher(node: Node, mapping: ReturnsMapping | EventsMapping, agency: str) -> Callable[[str], str] | None:
    """What makes a keyed hash of a file reference; the key is made when the first person is to be counted."""
    if not isinstance(mapping, EventsMapping) or mapping.unit_column is None:
        return None
    with node.database.read() as session:
        may_make = not has_units(session)
    key = load_unit_key(node.data_dir, may_make=may_make)
    return partial(hash_unit, key, mapping.measure, agency)


def _check_grid(policy: PolicyBody | None, mapping: ReturnsMapping | EventsMapping) -> None:
    """Stop a return under a table or cell that the hub's rules do not know; nobody could take it out again.

    Before the first sync there are no rules to compare with.
    """
    if policy is None:
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
