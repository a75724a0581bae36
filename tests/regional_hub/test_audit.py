"""The audit log is a chain: what was changed in it is found, and it holds no free text."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from regional_hub import audit
from regional_hub.errors import LogError
from shared_schema.service.database import Database
from tests.regional_hub.running import RollBackError, RunningHub


def test_events_are_numbered_and_chained(standing_hub: RunningHub) -> None:
    with standing_hub.hub.database.write() as session:
        before = audit.verify(session)
        for number in range(5):
            audit.record(session, "operator", "tested", f"subject-{number}", standing_hub.clock())
        assert audit.verify(session) == before + 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'x' WHERE seq = 2",
        "UPDATE audit SET action = 'x' WHERE seq = 2",
        "UPDATE audit SET subject = 'x' WHERE seq = 2",
        "UPDATE audit SET at = '2020-01-01T00:00:00Z' WHERE seq = 2",
        "UPDATE audit SET previous_hash = entry_hash WHERE seq = 2",
        "UPDATE audit SET entry_hash = previous_hash WHERE seq = 3",
        "UPDATE audit SET seq = 999 WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
    ],
)
def test_a_changed_event_breaks_the_chain(standing_hub: RunningHub, change: str) -> None:
    with contextlib.suppress(RollBackError), standing_hub.hub.database.write() as session:
        for number in range(3):
            audit.record(session, "operator", "tested", f"subject-{number}", standing_hub.clock())
        session.flush()
        session.execute(text(change))
        session.expire_all()
        with pytest.raises(LogError):
            audit.verify(session)
        raise RollBackError
    with standing_hub.hub.database.read() as session:
        audit.verify(session)


def test_two_processes_write_one_chain(hub: RunningHub) -> None:
    """On PostgreSQL several processes write to it: each has a connection of its own, as these two databases have."""
    other = Database(hub.hub.database.url)

    def write(database: Database, actor: str) -> None:
        for number in range(15):
            with database.write() as session:
                audit.record(session, actor, "tested", f"subject-{number}", hub.clock())

    with hub.hub.database.read() as session:
        before = audit.verify(session)
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(write, hub.hub.database, "olga"), threads.submit(write, other, "aldo")]:
            done.result()
    other.close()
    with hub.hub.database.read() as session:
        assert audit.verify(session) == before + 30
