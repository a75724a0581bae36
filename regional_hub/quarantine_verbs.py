"""What this hub could not take, for its operator: list, look, try again, drop. Beside it: two contents for one seq."""

from typing import Any

from sqlalchemy import delete, select

from regional_hub import alarms, audit, follow
from regional_hub.app import Hub
from regional_hub.erasure import TABLES
from regional_hub.orm import EvidenceRow, QuarantineReportRow, QuarantineRow
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import ContractError
from shared_schema.explain import to_do_about
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.database import forget

SHORT_DIGEST = 8


def list_items(hub: Hub, _params: Params) -> Result:
    """What was set aside here, what linked hubs have set aside of this log, and two contents for one number."""
    with hub.database.read() as session:
        rows = session.scalars(select(QuarantineRow).order_by(QuarantineRow.since, QuarantineRow.digest)).all()
        reports = session.scalars(
            select(QuarantineReportRow).order_by(QuarantineReportRow.reporter, QuarantineReportRow.digest)
        ).all()
        evidence = session.scalars(select(EvidenceRow).order_by(EvidenceRow.since, EvidenceRow.digest)).all()
        return {
            "items": [_line(row) for row in rows],
            "elsewhere": [
                {
                    "hub": row.reporter,
                    "code": row.code,
                    "since": format_time(row.since),
                    "digest": row.digest,
                    "to_do": to_do_about(row.code),
                }
                for row in reports
            ],
            "evidence": [
                {
                    "origin": row.origin,
                    "seq": row.seq,
                    "first": row.known_digest,
                    "second": row.digest,
                    "since": format_time(row.since),
                    "content": "kept" if row.envelope else "erased",
                }
                for row in evidence
            ],
        }


def _line(row: QuarantineRow) -> Result:
    return {
        "source": row.source,
        "entry": row.source_index,
        "code": row.code,
        "since": format_time(row.since),
        "digest": row.digest,
        "to_do": to_do_about(row.code),
    }


def show(hub: Hub, params: Params) -> Result:
    """One item that was set aside, with what it says. Nobody has verified that."""
    with hub.database.read() as session:
        row = _find(session, str(params["digest"]))
        try:
            said = parse_strict(envelope_from_object(parse_strict(row.envelope)).payload)
        except ContractError:
            said = {}
        return _line(row) | {"says": {name: said.get(name) for name in ("kind", "origin", "seq", "audience")}}


def retry(hub: Hub, params: Params) -> Result:
    """Try one item, or all of them, once more: the directory may have grown, or this program be newer."""
    beginning = params.get("digest")
    with hub.database.read() as session:
        digest = None if beginning is None else _find(session, str(beginning)).digest
    released = 0
    while True:  # a membership among them lets others in
        trust = hub.reload_trust()
        with hub.database.write() as session:
            more = follow.try_again(session, digest, trust=trust, follower=hub.follower, now=hub.clock())
        released += more
        if not more:
            break
    with hub.database.read() as session:
        left = session.scalars(select(QuarantineRow.digest)).all()
    return {"released": released, "left": len(left)}


def drop(hub: Hub, params: Params) -> Result:
    """Delete one item that was set aside, or evidence that is settled. The digest stays in the audit log."""
    beginning = str(params["digest"])
    with hub.database.write() as session:
        found = [row for row in session.scalars(select(EvidenceRow)) if _is(row.digest, beginning)]
        row: Any = found[0] if len(found) == 1 else _find(session, beginning)
        table = EvidenceRow if isinstance(row, EvidenceRow) else QuarantineRow
        digest, origin = row.digest, getattr(row, "origin", None)
        session.execute(delete(table).where(table.digest == digest))
        if (
            origin is not None
            and session.scalars(select(EvidenceRow).where(EvidenceRow.origin == origin)).first() is None
        ):
            alarms.settle(session, origin, ProblemCode.SEQ_CONFLICT, hub.clock())
        audit.record(session, actor_of(params), "quarantine-dropped", digest, hub.clock())
        forget(session, *TABLES)
    return {"digest": digest, "state": "dropped"}


def _find(session: Any, beginning: str) -> QuarantineRow:
    """The one item that begins so. Raises VerbError."""
    found = [row for row in session.scalars(select(QuarantineRow)) if _is(row.digest, beginning)]
    if len(found) != 1:
        message = f"expected the digest of one item that was set aside, or its first {SHORT_DIGEST} digits"
        raise VerbError("not-found", f"{message}; see: regional-hub quarantine list")
    row: QuarantineRow = found[0]
    return row


def _is(digest: str, beginning: str) -> bool:
    return len(beginning) >= SHORT_DIGEST and digest.startswith(beginning.lower())
