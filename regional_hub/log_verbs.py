"""Verbs about the log as a whole: hash it again, publish its files, and verify a log of any hub from its files."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import select

from regional_hub import alarms, audit, relay, static_files
from regional_hub.app import Hub
from regional_hub.orm import AuditRow
from regional_hub.verb_parameters import Params, Result
from regional_hub.verify_log import verify_everything
from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.log_source import open_folder, open_url
from shared_schema.service.logging import get_logger
from shared_schema.statement import parse_time
from shared_schema.tiles import CHECKPOINT_PATH, Fetch, FilesReport, LogFileError, verify_files

ITSELF = "hub"
LOG_ALARM = "log"
VERIFIED, DAMAGED = "log-verified", "log-damaged"
SHOWN_IN_ALARM = 3


def verify(hub: Hub, _params: Params) -> Result:
    """Hash everything again, the static files as well."""
    files = 0
    with hub.database.read() as session:
        report = verify_everything(session, hub.verifier, hub.is_ending.is_set)
        findings = [*report.findings, *relay.find_faults(session, hub.name)]
    if hub.files is not None:
        files, faults = static_files.find_faults(hub.database, hub.files.folder, hub.verifier)
        findings += faults
    return {
        "ok": not findings,
        "entries": report.entries,
        "contents": report.contents,
        "checkpoints": report.checkpoints,
        "tiles": report.tiles,
        "static_files": files,
        "findings": findings,
    }


def check(hub: Hub, params: Params) -> Result:
    """Verify when the last time is long enough ago, and raise an alarm for what does not hold (CHECKS 74)."""
    if not params.get("now") and not _is_due(hub):
        return {"due": False}
    result = verify(hub, {})
    size, findings, now = str(result["entries"]), result["findings"], hub.clock()
    with hub.database.write() as session:
        audit.record(session, ITSELF, VERIFIED if result["ok"] else DAMAGED, size, now)
        if result["ok"]:
            alarms.resolve_alarms(session, LOG_ALARM, now)
        else:
            message = f"{len(findings)} things do not hold: {'; '.join(findings[:SHOWN_IN_ALARM])}"
            alarms.raise_alarm(session, LOG_ALARM, ProblemCode.LOG_DAMAGED, message, now)
    if findings:  # places and what was expected there, never contents
        get_logger().error("log-damaged", findings=len(findings), first=findings[0])
    return {"due": True, "ok": result["ok"], "findings": findings}


def _is_due(hub: Hub) -> bool:
    with hub.database.read() as session:
        last = session.scalars(
            select(AuditRow.at).where(AuditRow.action.in_((VERIFIED, DAMAGED))).order_by(AuditRow.seq.desc()).limit(1)
        ).first()
    hours = hub.settings.verify_interval_hours
    return last is None or hub.clock() - parse_time(last) >= timedelta(hours=hours)


def publish(hub: Hub, params: Params) -> Result:
    """Bring the static files to the head of the log; with `thorough`, every file is compared and put right."""
    published = hub.publish_files(thorough=bool(params.get("thorough")))
    if published is None:
        return {"static_files": False}
    return {"static_files": True, "size": published.size, "written": published.written, "removed": published.removed}


def verify_foreign(
    vkey: str,
    *,
    url: str | None,
    files: Path | None,
    progress: Callable[[int], None] = lambda _: None,
    transport: httpx.BaseTransport | None = None,
) -> Result:
    """Read every public file of a log and verify it with the log's key; names the first that is wrong.

    Raises VerbError when the log cannot be read at all.
    """
    if (url is None) == (files is None):
        raise VerbError("bad-parameter", "expected either --url or --files")
    try:
        verifier = NoteVerifier.from_vkey(vkey)
        with open_url(url, transport) if url is not None else open_folder(files or Path()) as fetch:
            return _verify_foreign(fetch, verifier, progress)
    except ContractError as error:
        raise VerbError(error.code.value, error.message) from None


def _verify_foreign(fetch: Fetch, verifier: NoteVerifier, progress: Callable[[int], None]) -> Result:
    size = 0
    try:
        try:
            checkpoint = verify_checkpoint(fetch(CHECKPOINT_PATH).decode(), verifier)
        except (UnicodeDecodeError, ContractError) as error:
            expected = error.message if isinstance(error, ContractError) else "expected a text"
            raise LogFileError(CHECKPOINT_PATH, expected.removeprefix("expected ")) from None
        size = checkpoint.size
        report = verify_files(fetch, checkpoint, progress)
    except LogFileError as error:
        return {"ok": False, "name": verifier.name, "entries": size, "wrong_file": error.path, "finding": error.message}
    return _result(verifier.name, report)


def _result(name: str, report: FilesReport) -> Result:
    return {
        "ok": True,
        "name": name,
        "entries": report.entries,
        "tiles": report.tiles,
        "bundles": report.bundles,
        "bytes": report.bytes,
    }
