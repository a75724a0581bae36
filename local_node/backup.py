"""Backups of a node, and what can be checked of one. They hold the raw records: treat them as you treat those."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from local_node import audit, ledger
from local_node.errors import NodeError
from local_node.orm import SINGLE_ROW, AuditRow, HubRow, LedgerRow, StatementSeqRow
from shared_schema.errors import ContractError
from shared_schema.service.backup import (
    DATABASE,
    Archive,
    Facts,
    Plan,
    check_empty,
    compare_facts,
    copy_sqlite,
    find_changed_files,
    opened_copy,
    put_files,
)
from shared_schema.service.control import VerbError

PROGRAM: Final = "local-node"
DATABASE_FILE: Final = "node.db"
MIGRATIONS: Final = "local_node.migrations"
FILES: Final = ("node.toml", "words.toml")


def make_plan(name: str, data_dir: Path) -> Plan:
    """What belongs into a backup of this node."""

    def copy(target: Path) -> None:
        copy_sqlite(data_dir / DATABASE_FILE, target)

    keys = sorted(path.name for path in data_dir.glob("*.key"))
    return Plan(PROGRAM, name, data_dir, FILES, keys, copy, _facts_of)


def _facts_of(copied: Path) -> Facts:
    with opened_copy(copied, MIGRATIONS) as database, database.read() as session:
        return read_facts(session)


def read_facts(session: Session) -> Facts:
    """What a database holds, in a few lines that a person can compare."""
    last_seq = session.scalar(select(StatementSeqRow.last_seq).where(StatementSeqRow.id == SINGLE_ROW))
    charge = session.execute(
        select(LedgerRow.seq, LedgerRow.entry_hash).order_by(LedgerRow.seq.desc()).limit(1)
    ).first()
    event = session.execute(select(AuditRow.seq, AuditRow.entry_hash).order_by(AuditRow.seq.desc()).limit(1)).first()
    hubs: Mapping[str, Any] = dict(session.execute(select(HubRow.name, HubRow.frontier_size)).all())
    return {
        "last_seq": last_seq or 0,
        "ledger_seq": 0 if charge is None else charge.seq,
        "ledger_head": "" if charge is None else charge.entry_hash,
        "audit_seq": 0 if event is None else event.seq,
        "audit_head": "" if event is None else event.entry_hash,
        "read": dict(hubs),
    }


def check_archive(archive: Archive) -> list[str]:
    """Everything that does not hold in a backup; changes nothing."""
    findings = find_changed_files(archive)
    if findings:
        return findings
    try:
        with opened_copy(archive.folder / DATABASE, MIGRATIONS) as database, database.read() as session:
            findings += compare_facts(archive, read_facts(session))
            findings += _walk(session)
    except VerbError as error:
        findings.append(error.message)
    except (SQLAlchemyError, ValueError, TypeError) as error:
        findings.append(f"database: expected rows that can be read ({type(error).__name__})")
    return findings


def _walk(session: Session) -> list[str]:
    findings = []
    for walk in (audit.verify, ledger.verify_chain):
        try:
            walk(session)
        except (NodeError, ContractError) as error:
            findings.append(error.message)
    return findings


def restore(archive: Archive, data_dir: Path) -> None:
    """Put a backup into an empty directory. Raises VerbError and leaves what was there.

    Nothing more is needed: after every start a node asks its hubs before it signs and before it draws.
    """
    check_empty(data_dir)
    put_files(archive, data_dir, DATABASE_FILE)
