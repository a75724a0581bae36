"""`verify` finds one flipped bit anywhere in the log, and finds nothing in an honest one."""

import contextlib
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, IntegrityError

from regional_hub.orm import Base, ChargeRow, CheckpointRow, ContentRow, EntryRow, HeadRow, TileRow
from regional_hub.verify_log import VerifyReport, verify_everything
from shared_schema.envelope import parse_envelope
from shared_schema.statement import Kind
from tests import postgres
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, EventLoop, Network, RollBackError, RunningHub, join
from tests.regional_hub.test_charges import chained

pytestmark = pytest.mark.sqlite_is_enough

LOG_TABLES = (EntryRow, ContentRow, TileRow, CheckpointRow, HeadRow, ChargeRow)
NO_LOG = ("held", "place")
"""They say where the database lies and whether it may sign: another value holds the log, and `recover` ends that."""
COLUMNS = [
    (row.__tablename__, column.name)
    for row in LOG_TABLES
    for column in row.__table__.columns
    if column.name not in NO_LOG
]
FLIPS = 3
"""Bits a column and database; the long test flips hundreds."""


@dataclass(frozen=True)
class Value:
    """One stored value, found by the values of its row's primary key."""

    table: str
    column: str
    keys: dict[str, Any]
    value: Any


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def full_hub(
    request: pytest.FixtureRequest, loop: EventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    """A small log with everything in it: groups, figures, withdrawn items, and items that came from another hub."""
    with ExitStack() as stack:
        url: str | None = None
        if request.param == "postgres":
            server = make_url(request.getfixturevalue("postgres_url"))
            url = stack.enter_context(
                postgres.fresh_database(server, request.getfixturevalue("hub_template"))
            ).render_as_string(hide_password=False)
        network, folder = Network(loop), tmp_path_factory.mktemp("full")
        hub = stack.enter_context(RunningHub.start(network, loop, folder / "hub", url))
        nation = stack.enter_context(
            RunningHub.start(network, loop, folder / "nation", name="bund.de", level="nation", port=8800)
        )
        join(hub, nation)
        city, other, far = hub.enrol("leipzig.sn.de"), hub.enrol("dresden.sn.de"), nation.enrol("berlin.de")
        bodies = [city.sign() for _ in range(3)]
        for body in bodies:
            hub.accept(body)
        chain = city.sign(Kind.TREND, chained(1, "0" * 64))
        hub.accept_many([other.sign(), chain, other.trend(3, 4, 5), other.sign(Kind.QUESTION), city.sign()])
        hub.accept(city.withdrawal(bodies[1]))
        hub.accept(city.withdrawal(bodies[2], to="nation"))
        hub.accept(city.withdrawal(bodies[2], to="region"))
        nation.accept(far.sign())
        nation.accept(far.sign(Kind.QUESTION))
        hub.verb("aggregate")
        hub.verb("follow")
        hub.accept(other.sign())
        hub.verb("keys.announce")
        hub.accept(other.sign())
        assert hub.verb("verify")["ok"]
        yield hub


def values_of(hub: RunningHub, table: str, column: str) -> list[Value]:
    """Every value of a column that is not NULL."""
    columns = Base.metadata.tables[table].columns
    keys = [key.name for key in Base.metadata.tables[table].primary_key]
    with hub.hub.database.read() as session:
        rows = session.execute(
            select(*columns).where(columns[column].is_not(None)).order_by(*(columns[key] for key in keys))
        )
        return [Value(table, column, {key: row._mapping[key] for key in keys}, row._mapping[column]) for row in rows]


def flipped(value: Any, chance: random.Random) -> Any:
    """The value with one bit changed; texts come back as the bytes that the disk would hold."""
    if isinstance(value, int):
        bit = chance.randrange(64)
        return value ^ (1 << bit) if bit < 63 else value - (1 << 63)
    data = bytearray(value.encode() if isinstance(value, str) else value)
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    return bytes(data)


def verify_after(hub: RunningHub, statement: str, values: dict[str, Any] | None = None) -> VerifyReport:
    """What `verify` finds after one change to the database, which is then undone."""
    reports: list[VerifyReport] = []
    with contextlib.suppress(RollBackError), hub.hub.database.write() as session:
        session.execute(text(statement), values or {})
        reports.append(verify_everything(session, hub.hub.verifier))
        raise RollBackError
    return reports[0]


def check_flip(hub: RunningHub, value: Value, chance: random.Random) -> bool:
    """Flip one bit and expect `verify` to find it; False when the database cannot hold such a value."""
    new = flipped(value.value, chance)
    is_text = isinstance(value.value, str)
    on_sqlite = hub.hub.database.dialect == "sqlite"
    where = " AND ".join(f'"{key}" = :key_{key}' for key in value.keys)
    shown = "CAST(:new AS TEXT)" if is_text and on_sqlite else ":new"  # SQLite takes any bytes for a text, as a disk
    try:
        given = new.decode() if is_text and not on_sqlite else new
        report = verify_after(
            hub,
            f'UPDATE {value.table} SET "{value.column}" = {shown} WHERE {where}',
            {"new": given} | {f"key_{key}": item for key, item in value.keys.items()},
        )
    except (IntegrityError, DataError, UnicodeDecodeError):
        return False
    assert report.findings, (value.table, value.column, value.keys)
    return True


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_one_flipped_bit_is_found(full_hub: RunningHub, table: str, column: str) -> None:
    values = values_of(full_hub, table, column)
    assert values, "a column without values would prove nothing"
    chance = random.Random(f"{table}.{column}")
    done = attempts = 0
    while done < FLIPS:
        attempts += 1
        assert attempts < 40 * FLIPS, "the database refuses nearly everything"
        done += check_flip(full_hub, chance.choice(values), chance)
    assert full_hub.verb("verify")["ok"]


def test_a_content_that_lost_the_name_of_its_body_is_found(full_hub: RunningHub) -> None:
    """A flip that leaves base64 and JSON whole: only the name `body` is gone."""
    for value in values_of(full_hub, "contents", "envelope"):
        envelope = parse_envelope(value.value)
        renamed = replace(envelope, payload=envelope.payload.replace(b'"body":', b'"bodx":', 1)).to_bytes()
        report = verify_after(
            full_hub,
            "UPDATE contents SET envelope = :new WHERE digest = :digest",
            {"new": renamed, "digest": value.keys["digest"]},
        )
        assert report.findings


@pytest.mark.long
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_value_is_watched(full_hub: RunningHub, table: str, column: str) -> None:
    chance = random.Random(f"every {table}.{column}")
    for value in values_of(full_hub, table, column):
        for _ in range(20):
            check_flip(full_hub, value, chance)
    assert full_hub.verb("verify")["ok"]


@pytest.mark.sqlite_is_enough(False)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET via = NULL WHERE via = 'bund.de'",
        'DELETE FROM entries WHERE "index" = 3',
        'DELETE FROM entries WHERE "index" = (SELECT max("index") FROM entries)',
        "DELETE FROM contents WHERE digest = (SELECT max(digest) FROM contents)",
        "DELETE FROM checkpoints WHERE size = 0",
        "DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)",
        "DELETE FROM checkpoints WHERE size = 2",
        "DELETE FROM tiles",
        "DELETE FROM log_head",
        "UPDATE entries SET withdrawn_by = NULL",
        "UPDATE entries SET narrowed_by = NULL, narrowed_to = NULL",
        "UPDATE entries SET narrowed_by = narrowed_by - 1",
        'UPDATE entries SET withdrawn_by = 1 WHERE "index" = 5',
        "UPDATE entries SET receipt_size = (SELECT max(size) FROM checkpoints)",
        "INSERT INTO contents (digest, envelope) SELECT '00', envelope FROM contents LIMIT 1",
        "INSERT INTO tiles (level, number, hashes) SELECT 3, 7, hashes FROM tiles LIMIT 1",
        "INSERT INTO checkpoints (size, note) SELECT 1000, note FROM checkpoints LIMIT 1",
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET time = '2027-01-01T00:00:00Z'",
        "UPDATE audit SET actor = 'somebody'",
        "UPDATE audit SET subject = subject || 'x' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM charges WHERE entry_index = (SELECT min(entry_index) FROM charges)",
        (
            "INSERT INTO charges SELECT entry_index + 1000, origin, measure, table_id, first_month, last_month, "
            "epsilon_milli, correction, ledger_seq, ledger_head, ledger_prev FROM charges LIMIT 1"
        ),
        (
            "INSERT INTO charges SELECT 0, origin, measure, table_id, first_month, last_month, "
            "epsilon_milli, correction, ledger_seq, ledger_head, ledger_prev FROM charges LIMIT 1"
        ),
        "UPDATE charges SET epsilon_milli = epsilon_milli - 1",
    ],
)
def test_a_change_with_sql_is_found(full_hub: RunningHub, statement: str) -> None:
    assert verify_after(full_hub, statement).findings
    assert full_hub.verb("verify")["ok"]


def run(hub: RunningHub, statement: str, **values: Any) -> None:
    with hub.hub.database.write() as session:
        session.execute(text(statement), values)


@pytest.mark.sqlite_is_enough(False)
def test_the_report_names_places_and_never_contents(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    run(hub, "UPDATE entries SET origin = 'kanarienvogel.de' WHERE origin = 'leipzig.sn.de'")
    findings = hub.verb("verify")["findings"]
    assert findings and not any("kanarienvogel" in finding for finding in findings)


def test_a_log_of_several_tiles_verifies_and_each_tile_is_watched(hub: RunningHub, city: City) -> None:
    hub.accept_many([city.sign() for _ in range(300)])
    report = hub.verb("verify")
    assert report["ok"] and (report["entries"], report["tiles"]) == (302, 3)
    chance = random.Random(7)
    for value in values_of(hub, "tiles", "hashes"):
        assert check_flip(hub, value, chance)


def test_a_key_that_was_revoked_later_has_signed_what_stands_before(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    hub.verb("members.set", name=city.name, status="revoked")
    assert hub.verb("verify")["ok"]


def test_items_of_a_hub_that_was_revoked_later_still_verify(start_hub: HubStarter) -> None:
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    region.accept(region.enrol("leipzig.sn.de").sign())
    nation.verb("follow")
    before = nation.verb("verify")
    nation.verb("members.set", name="sachsen.de", status="revoked")
    after = nation.verb("verify")
    assert before["ok"] and after["ok"], after["findings"]
    assert after["entries"] == before["entries"] + 1


def test_what_could_not_be_read_at_all_is_a_finding(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    run(hub, "UPDATE contents SET envelope = :bytes", bytes=b"{")
    report = hub.verb("verify")
    assert not report["ok"] and len(report["findings"]) >= report["entries"]


WITHDRAWN_PERIOD = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}


@pytest.mark.parametrize(
    "change",
    ["origin = 'dresden.sn.de'", "table_id = 'x'", "measure = 'x'", "first_month = first_month - 1", "correction = 1"],
)
def test_of_a_withdrawn_release_the_charge_still_names_whose_and_what_it_was(
    standing_hub: RunningHub, resident: City, change: str
) -> None:
    if not values_of(standing_hub, "charges", "origin"):
        release = resident.trend(period=WITHDRAWN_PERIOD)
        standing_hub.accept(release)
        standing_hub.accept(resident.withdrawal(release))
    assert standing_hub.verb("verify")["ok"]
    assert verify_after(standing_hub, f"UPDATE charges SET {change}").findings
    assert verify_after(standing_hub, "DELETE FROM charges").findings
