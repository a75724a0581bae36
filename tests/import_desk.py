"""Import files into a node's database and release what they say: the steps that tests of both start from."""

from local_node.corrections import pending_corrections
from local_node.imports import ImportReport
from local_node.ledger import charge_and_draw
from local_node.record_store import reports_for, store
from local_node.records import EventsMapping, ReturnsMapping, parse_csv
from local_node.tabulation import FrequencyTable, tabulate
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from tests.factories import (
    COORDINATOR,
    NOW,
    TODAY,
    make_frequency_table,
    make_policy,
    make_returns_mapping,
    make_table,
    no_noise,
)

TABLE = make_table()
POLICY = make_policy()
RETURNS = make_returns_mapping()


def put(
    database: Database,
    data: bytes,
    mapping: ReturnsMapping | EventsMapping = RETURNS,
    *periods: str,
    agency: str = "police",
    correction: bool = False,
) -> ImportReport:
    """Import a file, counting records."""
    parsed = parse_csv(data, mapping, agency=agency, today=TODAY, periods=periods)
    with database.write() as session:
        return store(
            session,
            parsed,
            mapping,
            agency=agency,
            file_digest="ab" * 32,
            person=COORDINATOR,
            correction=correction,
            tables=POLICY.tables,
            unit="record",
            now=NOW,
        )


def counted(database: Database, label: str, expected: int = 1) -> FrequencyTable:
    """What a release of the period would protect."""
    period = parse_period(label)
    with database.read() as session:
        return tabulate(reports_for(session, TABLE, period), TABLE, period, expected)


def values(database: Database, label: str) -> list[int | None]:
    """Its counts in the order of the grid."""
    return [cell.count for cell in counted(database, label).cells]


def release(database: Database, label: str, counts: list[int] | None = None) -> None:
    """Charge the ledger for a period without noise: what was imported, or `counts`."""
    table = counted(database, label) if counts is None else make_frequency_table(counts, period=parse_period(label))
    with database.write() as session:
        charge_and_draw(session, table, epsilon_milli=1000, policy=POLICY, draw=no_noise, now=NOW)


def pending(database: Database, label: str = "2026-01") -> dict[str, int]:
    """The corrections that wait for a period."""
    with database.read() as session:
        return pending_corrections(session, TABLE, parse_period(label))
