"""Eight processes race for the same and for different releases near the budget: one draw each, and no overspending."""

import json
import multiprocessing
import random
from itertools import product
from pathlib import Path

from sqlalchemy.exc import OperationalError

from local_node import noise
from local_node.disclosure import protect, to_trend_body
from local_node.ledger import charge_and_draw, list_draws, verify_chain
from shared_schema.errors import ReleaseRuleError
from shared_schema.period import parse_period
from shared_schema.service.database import Database, is_busy
from shared_schema.spending import Charge, audit_spending, check_charge
from shared_schema.trend import ReviewNote, TableDefinition
from tests.factories import LEIPZIG, NOW, make_frequency_table, make_policy, make_table

PROCESSES = 8
NOTE = ReviewNote(role="reviewer", detector="narrative/0.1", findings=0)
TABLES = tuple(
    make_table(id=f"{measure}.by_{name}", measure=measure, epsilon_milli=1000)
    for measure in ("bias_incidents", "first_contacts")
    for name in ("offence", "place")
)
POLICY = make_policy(TABLES, epsilon_milli_per_measure=2000, epsilon_milli_total=3000)
MONTHS = ("2026-01", "2026-Q1", "2026-03")
SUBJECTS = tuple(product(range(len(TABLES)), MONTHS))
"""12 subjects; at most 3 of 4 tables at epsilon 1 fit into the 3000 thousandths of all measures."""


def draw_all(path: str, seed: int, answer: str) -> None:
    """One process: ask for every subject in an order of its own, and tell what came out."""
    database, subjects = Database(f"sqlite:///{path}"), list(SUBJECTS)
    random.Random(seed).shuffle(subjects)
    found = {f"{number} {label}": draw_until_free(database, TABLES[number], label) for number, label in subjects}
    database.close()
    Path(answer).write_text(json.dumps(found))


def draw_until_free(database: Database, table: TableDefinition, label: str) -> list[int | None] | None:
    """The cells that were drawn, by this process or another one; None when the budget does not allow it."""
    counted = make_frequency_table(table=table, period=parse_period(label))
    while True:
        try:
            with database.write() as session:
                stored = charge_and_draw(session, counted, epsilon_milli=1000, policy=POLICY, draw=noise.draw, now=NOW)
                return [cell.value for cell in stored.cells]
        except ReleaseRuleError:
            return None
        except OperationalError as error:
            if not is_busy(error):
                raise


def test_eight_processes_draw_once_and_never_overspend(node_database: Database, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    path, answers = str(tmp_path / "node.db"), [tmp_path / f"{seed}.json" for seed in range(PROCESSES)]
    processes = [spawn.Process(target=draw_all, args=(path, seed, str(file))) for seed, file in enumerate(answers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    found = [json.loads(file.read_text()) for file in answers]
    with node_database.read() as session:
        entries = list(list_draws(session))
        assert verify_chain(session) == len(entries)
    drawn = {(entry.table.id, entry.period.label): [cell.value for cell in entry.cells] for entry in entries}
    assert len(drawn) == len(entries) > 0
    for number, label in SUBJECTS:  # everybody who got figures got the same ones
        values = [answer[f"{number} {label}"] for answer in found]
        stored = drawn.get((TABLES[number].id, label))
        assert all(value in (None, stored) for value in values)
        assert stored is None or stored in values
    bodies = [
        to_trend_body(
            protect(make_frequency_table(table=POLICY.find_table(entry.table.id), period=entry.period), entry),
            area=LEIPZIG,
            review=NOTE,
        )
        for entry in entries
    ]
    audit = audit_spending(bodies, POLICY)
    assert (audit.findings, audit.unseen) == ((), 0)
    assert audit.total_milli == 3000, "the race went up to the very end of the budget"


def test_the_race_would_overspend_without_the_rule() -> None:
    """That the budget above is too small for what is asked: else nothing would have been tested."""
    charges: list[Charge] = []
    refused = 0
    for number, label in SUBJECTS:
        body_period = parse_period(label)
        first = body_period.first_day.year * 12 + body_period.first_day.month - 1
        last = body_period.last_day.year * 12 + body_period.last_day.month - 1
        charge = Charge(TABLES[number].measure, TABLES[number].id, first, last, 1000)
        try:
            check_charge(charge, charges, POLICY)
            charges.append(charge)
        except ReleaseRuleError:
            refused += 1
    assert refused >= len(SUBJECTS) / 2
