"""Eight processes charge and draw on one node's database and are killed at random moments, 1,000 times in all.

They use the node's own functions on the node's own schema. What a process was answered, it writes down after its
transaction has ended. At the end the ledger has to be one unbroken chain with one draw per release, everything that was
answered has to stand in it as it was answered, and nothing may be overspent. The processes are forked from one that has
loaded everything, because a start takes longer than the life that a process has here; each is ended by its own id.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from local_node import ledger, noise
from local_node.app import DATABASE_FILE
from local_node.disclosure import StoredDraw
from local_node.tabulation import FrequencyCell, FrequencyTable
from shared_schema.errors import ContractError, ProgramError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.database import Database
from shared_schema.trend import Coverage, TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.bench.disclosure_city import NOW, cell_codes, make_policy, make_template, workshop
from tests.bench.disclosure_spending import Spent, count_overspends
from tests.bench.figures import Figure, at_least, exactly, measured

PROCESSES = 8
KILLS = 1_000
MOST_SECONDS = 180
LONGEST_LIFE = 0.12
"""Seconds between two kills are drawn from 0 to this, so that they fall into every part of a transaction."""
CELLS = 3
MEASURES = ("first_contacts", "follow_ups", "panel_discussions")
YEARS = range(1950, 2020)
PERIODS = [
    label
    for year in YEARS
    for label in (str(year), *(f"{year}-Q{n}" for n in range(1, 5)), *(f"{year}-{n:02d}" for n in range(1, 13)))
]
EPSILONS = (250, 500, 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process was answered."""

    subject: tuple[str, str]
    seq: int
    entry_hash: str
    values: tuple[int | None, ...]

    @classmethod
    def of(cls, stored: StoredDraw) -> "Answer":
        values = tuple(cell.value for cell in stored.cells)
        return cls((stored.table.id, stored.period.label), stored.seq, stored.entry_hash, values)


def measure_kills(kills: int = KILLS) -> Iterator[Figure]:
    """What is wrong after so many kills; each of it has to be 0."""
    policy = make_policy(CELLS, granularities=("month", "quarter", "year"), measures=MEASURES)
    with workshop() as directory:
        place = make_template(directory, policy).directory
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tests.bench.disclosure_kills", str(place), str(kills)]
        done = int(subprocess.run(command, check=True, capture_output=True, timeout=2 * MOST_SECONDS).stdout)
        seconds = time.perf_counter() - begun
        answers = read_answers(place)
        database = Database(f"sqlite:///{place / DATABASE_FILE}")
        with database.read() as session:
            is_whole = session.scalar(text("PRAGMA integrity_check")) == "ok"
            entries = ledger.verify_chain(session)
            draws = list(ledger.list_draws(session))
        database.close()
    stored = {Answer.of(draw) for draw in draws}
    again = Counter(answer.subject for answer in stored)
    spent = [Spent(draw.table.id, draw.period, draw.epsilon_milli) for draw in draws]
    yield at_least("kills_of_eight_processes", done, bar=kills, sample_size=PROCESSES)
    yield exactly("kills_broken_databases", 0 if is_whole and entries == len(draws) else 1, bar=0, sample_size=done)
    yield exactly("kills_releases_drawn_twice", sum(times > 1 for times in again.values()), bar=0, sample_size=entries)
    yield exactly(
        "kills_answers_not_in_the_ledger", sum(a not in stored for a in answers), bar=0, sample_size=len(answers)
    )
    yield exactly("kills_overspends", count_overspends(spent, policy), bar=0, sample_size=entries)
    yield measured("kills_seconds", seconds, sample_size=done)


def read_answers(place: Path) -> list[Answer]:
    """What the processes wrote down; a line that a kill cut off was no answer."""
    answers = []
    for file in place.glob("answers-*"):
        for line in file.read_text(encoding="ascii").splitlines(keepends=True):
            if line.endswith("\n"):
                subject, seq, entry_hash, values = json.loads(line)
                answers.append(Answer(tuple(subject), seq, entry_hash, tuple(values)))
    return answers


# --- the processes -------------------------------------------------------------------------------------------------


def kill_again_and_again(place: Path, kills: int) -> int:
    """Keep eight processes running, kill one of them after the other; returns how many were killed."""
    policy = make_policy(CELLS, granularities=("month", "quarter", "year"), measures=MEASURES)
    noise.draw(noise.scale_for(1000), 1)  # loaded once, before the first fork
    chance, done, begun = random.SystemRandom(), 0, time.monotonic()
    running = [_start(place, policy, number) for number in range(PROCESSES)]
    while done < kills and time.monotonic() - begun < MOST_SECONDS:
        time.sleep(chance.uniform(0, LONGEST_LIFE))
        place_of = chance.randrange(PROCESSES)
        _end(running[place_of])
        done += 1
        running[place_of] = _start(place, policy, PROCESSES + done)
    for process in running:
        _end(process)
    return done


def _start(place: Path, policy: PolicyBody, number: int) -> int:
    process = os.fork()
    if process == 0:
        _draw_for_ever(place, policy, number)
    return process


def _end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def _draw_for_ever(place: Path, policy: PolicyBody, number: int) -> NoReturn:
    """Charge and draw for random releases, and write down every answer once its transaction has ended."""
    chance = random.SystemRandom()
    database = Database(f"sqlite:///{place / DATABASE_FILE}")
    answers = os.open(place / f"answers-{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        counted = _count(chance.choice(policy.tables), chance.choice(PERIODS))
        epsilon = min(chance.choice(EPSILONS), counted.table.epsilon_milli)
        try:
            with database.write() as session:
                stored = ledger.charge_and_draw(
                    session, counted, epsilon_milli=epsilon, policy=policy, draw=noise.draw, now=NOW
                )
        except (ProgramError, ContractError, OperationalError):
            continue  # refused, or somebody else holds the database
        answer = Answer.of(stored)
        line = json.dumps([answer.subject, answer.seq, answer.entry_hash, answer.values]) + "\n"
        os.write(answers, line.encode("ascii"))


def _count(table: TableDefinition, label: str) -> FrequencyTable:
    cells = tuple(FrequencyCell(code, "A", place) for place, code in enumerate(cell_codes(CELLS)))
    return FrequencyTable(
        table, parse_period(label), SourceKind.AGENCY_RETURN, cells, Coverage(reporting=1, expected=1)
    )


if __name__ == "__main__":
    print(kill_again_and_again(Path(sys.argv[1]), int(sys.argv[2])))
