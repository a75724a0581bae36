"""The ledger's chain as others see it, and ledgers from before: format 1 stays, format 2 is what the statement says."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from local_node import ledger
from local_node.disclosure import StoredDraw, protect, to_trend_body
from local_node.errors import LedgerError
from local_node.ledger import charge_and_draw, find_draw, verify_chain
from local_node.protection import Protection
from shared_schema import canonical
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.release_rules import check_trend
from shared_schema.service.database import Database
from shared_schema.spending import audit_spending, entry_hash
from shared_schema.trend import ReviewNote, TrendBody
from tests.factories import (
    LEIPZIG,
    NOW,
    CountingDraw,
    make_frequency_table,
    make_policy,
    make_table,
    make_weekday_table,
    no_noise,
)

NOTE = ReviewNote(role="reviewer", detector="narrative/0.1", findings=0)
POLICY = make_policy()
STRICT = Protection(profile="strict")
OLD_CELLS = (
    '{"items":['
    + ",".join(
        f'{{"dims":{{"offence":"{code}"}},"status":"A","value":{value}}}'
        for value, code in enumerate(("assault", "arson", "demonstration", "attack", "unconfirmed", "other"))
    )
    + "]}"
)


@pytest.fixture
def old_database(tmp_path: Path) -> Iterator[Database]:
    """A database of version 0.1 with one drawn entry, made by the rule of then."""
    opened = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with as_file(files("local_node.migrations")) as location, opened._writer.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(location))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    table = make_table()
    row: dict[str, Any] = {
        "seq": 1,
        "table_id": table.id,
        "table_version": 1,
        "fingerprint": table.fingerprint,
        "measure": table.measure,
        "unit": "record",
        "period": "2026-01",
        "source_kind": "agency_return",
        "epsilon_milli": 1000,
        "scale_numerator": 1,
        "scale_denominator": 1,
        "library": "opendp 0.16.0",
        "coverage_reporting": 1,
        "coverage_expected": 2,
        "cells": OLD_CELLS,
        "charged_at": "2026-02-03T09:00:00Z",
        "prev_hash": "0" * 64,
    }
    row["entry_hash"] = hashlib.sha256(canonical.encode(row)).hexdigest()
    with opened.write() as session:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        session.execute(text(f"INSERT INTO ledger ({names}) VALUES ({values})"), row)
    opened.migrate("local_node.migrations")
    yield opened
    opened.close()


def draw_one(database: Database, label: str = "2026-01", **changes: Any) -> StoredDraw:
    table = make_frequency_table(table=changes.pop("table", None), period=parse_period(label), **changes)
    with database.write() as session:
        return charge_and_draw(session, table, epsilon_milli=500, policy=POLICY, draw=no_noise, now=NOW)


def body_of(stored: StoredDraw, label: str) -> TrendBody:
    table = make_frequency_table(period=parse_period(label))
    return to_trend_body(protect(table, stored), area=LEIPZIG, review=NOTE)


def test_a_changed_entry_of_before_is_found_after_the_upgrade(old_database: Database) -> None:
    with old_database.write() as session:
        session.execute(text("DROP TRIGGER ledger_no_update"))
        session.execute(text("UPDATE ledger SET epsilon_milli = 999"))
    with old_database.read() as session, pytest.raises(LedgerError, match="break at entry 1"):
        verify_chain(session)


def test_an_entry_of_before_verifies_after_the_upgrade_and_is_replayed(old_database: Database) -> None:
    with old_database.read() as session:
        assert verify_chain(session) == 1
        stored = find_draw(session, make_table(), parse_period("2026-01"))
    assert stored is not None
    assert [cell.value for cell in stored.cells] == [0, 1, 2, 3, 4, 5]
    assert draw_one(old_database) == stored
    body = body_of(stored, "2026-01")
    check_trend(body, POLICY)
    assert body.ledger.prev is None


def test_the_chain_goes_on_from_an_entry_of_before(old_database: Database) -> None:
    draw_one(old_database, "2026-02")
    with old_database.read() as session:
        first, second = ledger.list_draws(session)
        assert verify_chain(session) == 2
    assert (first.format, second.format, second.prev_hash) == (1, 2, first.entry_hash)
    audit = audit_spending([body_of(first, "2026-01"), body_of(second, "2026-02")], POLICY)
    assert audit.findings == ()


def test_everybody_can_compute_the_hash_from_the_statement(node_database: Database) -> None:
    bodies = [body_of(draw_one(node_database, f"2026-{month:02d}"), f"2026-{month:02d}") for month in range(1, 7)]
    for body, before in zip(bodies, [None, *bodies], strict=False):
        assert entry_hash(body) == body.ledger.head
        assert body.ledger.prev == ("0" * 64 if before is None else before.ledger.head)
        assert TrendBody.from_bytes(body.to_bytes()) == body
    audit = audit_spending(bodies, POLICY)
    assert (audit.releases, audit.unseen, audit.findings) == (6, 0, ())


def test_a_correction_draws_with_twice_the_scale_and_costs_its_own(node_database: Database) -> None:
    draw = CountingDraw()
    correction = replace(make_frequency_table((0, -1, 0, 1, 0, 0)), correction=1)
    draw_one(node_database)
    with node_database.write() as session:
        stored = charge_and_draw(session, correction, epsilon_milli=500, policy=POLICY, draw=draw, now=NOW)
    assert (stored.correction, stored.scale, draw.scales) == (1, Fraction(4), [Fraction(4)])
    body = to_trend_body(protect(correction, stored), area=LEIPZIG, review=NOTE)
    check_trend(body, POLICY)
    assert (body.correction, entry_hash(body)) == (1, body.ledger.head)
    with node_database.read() as session:
        assert verify_chain(session) == 2


# --- the strict profile, and trees ---------------------------------------------------------------------------------


def charge_all(database: Database, policy: PolicyBody, epsilon_milli: int, **changes: Any) -> None:
    table = make_frequency_table((1,) * 6, table=policy.tables[0], period=parse_period(changes.pop("label", "2026-01")))
    with database.write() as session:
        charge_and_draw(session, table, epsilon_milli=epsilon_milli, policy=policy, draw=no_noise, now=NOW, **changes)


def test_the_strict_profile_allows_half_of_every_table_and_measure(node_database: Database) -> None:
    with pytest.raises(LedgerError, match="from 1 to 500"):
        charge_all(node_database, POLICY, 501, protection=STRICT)
    charge_all(node_database, POLICY, 500, protection=STRICT)
    with pytest.raises(ReleaseRuleError, match=r"at most 500 .* in a month"):
        charge_all(node_database, POLICY, 1, protection=STRICT, label="2026-Q1")
    weekdays = make_frequency_table((0,) * 7, table=make_weekday_table())
    tight = make_policy(epsilon_milli_per_measure=1400)
    with node_database.write() as session, pytest.raises(ReleaseRuleError, match=r"at most 700 .* for bias_incidents"):
        charge_and_draw(session, weekdays, epsilon_milli=250, policy=tight, draw=no_noise, now=NOW, protection=STRICT)
    with node_database.read() as session:
        assert verify_chain(session) == 1


def test_a_tree_shares_its_epsilon_between_months_and_the_year(node_database: Database) -> None:
    tree = make_policy([make_table(granularities=["month", "year"], year_epsilon_milli=200)])
    for label, most in (("2026-01", 800), ("2026", 200)):
        with pytest.raises(LedgerError, match=f"from 1 to {most}"):
            charge_all(node_database, tree, most + 1, label=label)
        charge_all(node_database, tree, most, label=label)


def test_ten_thousand_entries_are_not_read_for_one_charge(node_database: Database) -> None:
    """Only the entries within twelve months of a period matter; a ledger of many years stays as fast as a young one."""
    policy = make_policy([make_table(epsilon_milli=1000), make_weekday_table()])
    with node_database.write() as session:
        for year in range(1990, 2026):
            for month in range(1, 13):
                period = parse_period(f"{year}-{month:02d}")
                table = make_frequency_table((1,) * 6, period=period)
                charge_and_draw(session, table, epsilon_milli=1000, policy=policy, draw=no_noise, now=NOW)
    with node_database.read() as session:
        assert len(ledger.charges_near(session, parse_period("2010-06"))) == 23
        assert len(ledger.charges_near(session, parse_period("2010"))) == 34
        assert verify_chain(session) == 36 * 12
