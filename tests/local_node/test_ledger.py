"""The ledger: charged once, drawn once, never rewritten, never more than the policy allows."""

import multiprocessing
import os
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from local_node import noise
from local_node.disclosure import StoredDraw
from local_node.errors import LedgerError
from local_node.ledger import charge_and_draw, find_draw, list_draws, verify_chain
from local_node.tabulation import FrequencyTable
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from tests.factories import (
    JANUARY,
    NOW,
    CountingDraw,
    make_frequency_table,
    make_policy,
    make_table,
    make_weekday_table,
    no_noise,
)

POLICY = make_policy()
TABLE = make_frequency_table()
WEEKDAYS = make_frequency_table((0,) * 7, table=make_weekday_table())


def charge(
    database: Database,
    table: FrequencyTable = TABLE,
    *,
    epsilon_milli: int | None = None,
    policy: PolicyBody = POLICY,
    draw: noise.Draw = no_noise,
) -> StoredDraw:
    with database.write() as session:
        return charge_and_draw(
            session,
            table,
            epsilon_milli=table.table.epsilon_milli if epsilon_milli is None else epsilon_milli,
            policy=policy,
            draw=draw,
            now=NOW,
        )


def entries(database: Database) -> int:
    with database.read() as session:
        return verify_chain(session)


def never(scale: Fraction, count: int) -> tuple[int, ...]:
    raise AssertionError("nothing may be drawn here")


# --- what is refused, before anything is drawn ---------------------------------------------------------------------


@pytest.mark.parametrize("epsilon_milli", [-1, 0, 1001])
def test_an_epsilon_outside_the_tables_own_is_refused(node_database: Database, epsilon_milli: int) -> None:
    with pytest.raises(LedgerError) as caught:
        charge(node_database, epsilon_milli=epsilon_milli, draw=never)
    assert caught.value.code == "epsilon"
    assert entries(node_database) == 0


@pytest.mark.parametrize(
    "table", [make_table(id="bias_incidents.by_month"), make_table(title="Other"), make_table(epsilon_milli=1500)]
)
def test_a_table_that_is_not_the_policys_is_refused(node_database: Database, table: object) -> None:
    assert isinstance(table, type(TABLE.table))
    with pytest.raises(ReleaseRuleError):
        charge(node_database, make_frequency_table(table=table), draw=never)


def test_the_budget_of_a_measure_holds_over_its_tables(node_database: Database) -> None:
    policy = make_policy(epsilon_milli_per_measure=1499)
    charge(node_database, policy=policy)
    with pytest.raises(ReleaseRuleError, match=r"at most 1499 .* would make it 1500") as caught:
        charge(node_database, WEEKDAYS, policy=policy, draw=never)
    assert caught.value.code is ProblemCode.PRIVACY_BUDGET
    assert entries(node_database) == 1
    charge(node_database, WEEKDAYS, epsilon_milli=499, policy=policy)


def test_another_month_has_a_budget_of_its_own(node_database: Database) -> None:
    policy = make_policy([make_table()], epsilon_milli_per_measure=1000, epsilon_milli_total=1000)
    for month in range(1, 13):
        charge(node_database, make_frequency_table(period=parse_period(f"2025-{month:02d}")), policy=policy)
    assert entries(node_database) == 12


def test_a_quarter_cannot_follow_its_months(node_database: Database) -> None:
    charge(node_database)
    with pytest.raises(ReleaseRuleError, match=r"at most 1000 .* in a month"):
        charge(node_database, make_frequency_table(period=parse_period("2026-Q1")), draw=never)
    charge(node_database, make_frequency_table(period=parse_period("2026-Q2")))


def test_a_new_version_of_a_table_is_charged_on_top(node_database: Database) -> None:
    second = make_table(version=2)
    policy = make_policy([make_table(), second], epsilon_milli_per_measure=1999)
    charge(node_database, policy=policy)
    with pytest.raises(ReleaseRuleError, match="in a month"):
        charge(node_database, make_frequency_table(table=second), policy=policy, draw=never)


def test_all_measures_together_have_a_budget_in_twelve_months(node_database: Database) -> None:
    other = make_table(id="first_contacts.by_offence", measure="first_contacts")
    policy = make_policy([make_table(), other], epsilon_milli_total=1500)
    charge(node_database, policy=policy)
    for label in ("2025-02", "2026-01", "2026-12"):
        with pytest.raises(ReleaseRuleError, match="over all measures"):
            charge(
                node_database, make_frequency_table(table=other, period=parse_period(label)), policy=policy, draw=never
            )
    for label in ("2025-01", "2027-01"):
        charge(node_database, make_frequency_table(table=other, period=parse_period(label)), policy=policy)


def test_a_version_that_was_released_in_another_wording_is_refused(node_database: Database) -> None:
    charge(node_database)
    reworded = make_table(title="Other words")
    with pytest.raises(LedgerError) as caught:
        charge(node_database, make_frequency_table(table=reworded), policy=make_policy([reworded]), draw=never)
    assert caught.value.code == "wording"


# --- once and for all ----------------------------------------------------------------------------------------------


def test_the_stored_draw_is_replayed_and_never_repeated(node_database: Database) -> None:
    draw = CountingDraw()
    first = charge(node_database, draw=draw)
    assert [cell.value for cell in first.cells] == [4, 2, 15, 5, None, 5]
    assert all(charge(node_database, draw=never) == first for _ in range(10))
    assert draw.scales == [Fraction(1)]
    assert entries(node_database) == 1


def test_later_records_and_another_epsilon_do_not_change_a_stored_draw(node_database: Database) -> None:
    first = charge(node_database)
    assert charge(node_database, make_frequency_table((99,) * 6), epsilon_milli=1, draw=never) == first


def test_an_entry_tells_everything_about_the_release_and_no_true_count(node_database: Database) -> None:
    stored = charge(node_database, draw=lambda scale, count: (1000,) * count)
    assert (stored.seq, stored.epsilon_milli, stored.scale, stored.library) == (1, 1000, Fraction(1), noise.LIBRARY)
    assert (stored.coverage.reporting, stored.coverage.expected) == (1, 2)
    with node_database.read() as session:
        row = " ".join(str(value) for value in session.execute(text("SELECT * FROM ledger")).one())
        assert '"value":1012' in row
        assert '"value":12}' not in row
        assert find_draw(session, TABLE.table, JANUARY) == stored
        assert list(list_draws(session)) == [stored]


def test_the_real_noise_goes_the_same_way(node_database: Database) -> None:
    stored = charge(node_database, draw=noise.draw)
    assert [cell.status for cell in stored.cells] == ["A", "A", "A", "A", "L", "A"]
    assert charge(node_database, draw=noise.draw) == stored


# --- crashes and rivals --------------------------------------------------------------------------------------------


def test_a_failure_after_the_draw_leaves_neither_charge_nor_draw(node_database: Database) -> None:
    with pytest.raises(RuntimeError, match="power cut"), node_database.write() as session:
        charge_and_draw(session, TABLE, epsilon_milli=1000, policy=POLICY, draw=no_noise, now=NOW)
        raise RuntimeError("power cut")
    assert entries(node_database) == 0
    charge(node_database)


def charge_and_die(path: str, committed: bool) -> None:
    """In a process of its own: killed inside the transaction, or right after it."""
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        charge_and_draw(session, TABLE, epsilon_milli=1000, policy=POLICY, draw=noise.draw, now=NOW)
        if not committed:
            os._exit(9)
    os._exit(9)


@pytest.mark.parametrize("committed", [False, True], ids=["before-commit", "after-commit"])
def test_a_killed_process_leaves_nothing_or_everything(
    node_database: Database, tmp_path: Path, committed: bool
) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=charge_and_die, args=(str(tmp_path / "node.db"), committed)
    )
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert entries(node_database) == int(committed)
    stored = charge(node_database, draw=never if committed else no_noise)
    assert stored.seq == 1


def test_many_at_once_get_one_and_the_same_draw(node_database: Database) -> None:
    draw, found = CountingDraw(), list[StoredDraw]()
    threads = [threading.Thread(target=lambda: found.append(charge(node_database, draw=draw))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(stored == found[0] for stored in found)
    assert len(draw.scales) == 1


# --- the chain -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE ledger SET epsilon_milli = 1", "DELETE FROM ledger"])
def test_the_database_refuses_to_rewrite_the_ledger(node_database: Database, statement: str) -> None:
    charge(node_database)
    with pytest.raises(IntegrityError, match="append-only"), node_database.write() as session:
        session.execute(text(statement))


def test_the_database_refuses_a_second_entry_of_the_same_release(node_database: Database) -> None:
    charge(node_database)
    columns = "table_id, table_version, fingerprint, measure, unit, period, source_kind, epsilon_milli, scale_numerator"
    columns += ", scale_denominator, library, coverage_reporting, coverage_expected, cells, charged_at"
    copy = f"(seq, {columns}, prev_hash, entry_hash) SELECT 2, {columns}, entry_hash, 'x' FROM ledger"
    for verb in ("INSERT", "INSERT OR REPLACE"):
        with pytest.raises(IntegrityError, match="ledger holds a draw"), node_database.write() as session:
            session.execute(text(f"{verb} INTO ledger {copy}"))
    assert entries(node_database) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET cells = replace(cells, '12}', '13}') WHERE seq = 1",
        "UPDATE ledger SET epsilon_milli = 10 WHERE seq = 2",
        "UPDATE ledger SET format = 1 WHERE seq = 2",
        "UPDATE ledger SET correction = 1 WHERE seq = 2",
        "UPDATE ledger SET threshold = 10 WHERE seq = 2",
        "UPDATE ledger SET cells = '[]' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 1",
        "UPDATE ledger SET prev_hash = entry_hash WHERE seq = 2",
    ],
)
def test_a_change_beneath_the_database_is_found(node_database: Database, change: str) -> None:
    charge(node_database)
    charge(node_database, WEEKDAYS)
    assert entries(node_database) == 2
    with node_database.write() as session:
        session.execute(text("DROP TRIGGER ledger_no_update"))
        session.execute(text("DROP TRIGGER ledger_no_delete"))
        session.execute(text(change))
    with pytest.raises(LedgerError, match="got a break at entry"):
        entries(node_database)
