"""Group commit: all submissions that wait are committed in one transaction, one group after the other.

Requests verify at once and side by side; only the append is in line. While one group is being committed (one fsync),
the next one gathers, so that the rate grows with the number of senders while nobody gets an answer before the commit.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from regional_hub.intake import Accepted, Submission, commit_submissions
from regional_hub.tiles import NodeCache
from shared_schema.errors import ContractError
from shared_schema.keys import SigningKey
from shared_schema.service.database import Database

MAX_GROUP = 256
"""Statements in one transaction: enough to spread one fsync thin, few enough to answer soon."""
MAX_WAITING = 8_192
"""Beyond this a sender is told to come back: waiting in memory would only hide that the hub is too slow."""
GATHERING_ROUNDS = 4
"""Rounds of the event loop before a group is closed: requests that have arrived already are read, verified and join.
A commit costs as much as ten statements, so closing at once would make many small groups; no clock is involved."""


class SequencerFull(Exception):
    """Too many submissions wait."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    submissions: list[Submission]
    future: "asyncio.Future[list[Accepted | ContractError]]"


class Sequencer:
    """`submit` waits for the commit; `stop` commits what waits and ends. All on one event loop."""

    def __init__(
        self, database: Database, name: str, key: Callable[[], SigningKey], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._name = name
        self._key = key
        self._clock = clock
        self._nodes = NodeCache()
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sequencer")

    async def stop(self) -> None:
        """Commit what waits, then end."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    async def submit(self, submissions: list[Submission]) -> list[Accepted | ContractError]:
        """Return a result for each submission, after the commit.

        Raises SequencerFull, or what the database raised; then nothing of these submissions was committed.
        """
        if self._count + len(submissions) > MAX_WAITING:
            raise SequencerFull
        waiting = _Waiting(submissions, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._count += len(submissions)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await waiting.future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                for _ in range(GATHERING_ROUNDS):
                    await asyncio.sleep(0)
                group = self._next_group()
                flat = [submission for waiting in group for submission in waiting.submissions]
                try:
                    results = await loop.run_in_executor(self._thread, self._commit, flat)
                except Exception as error:
                    _fail(group, error)
                else:
                    _answer(group, results)
        finally:
            self._running = None

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].submissions) <= MAX_GROUP):
            group.append(self._waiting.popleft())
            size += len(group[-1].submissions)
        self._count -= size
        return group

    def _commit(self, submissions: list[Submission]) -> list[Accepted | ContractError]:
        with self._database.write() as session:
            return commit_submissions(
                session, submissions, name=self._name, key=self._key(), now=self._clock(), nodes=self._nodes
            )


def _answer(group: list[_Waiting], results: list[Accepted | ContractError]) -> None:
    start = 0
    for waiting in group:
        end = start + len(waiting.submissions)
        if not waiting.future.done():  # a sender that has gone away has its entry in the log all the same
            waiting.future.set_result(results[start:end])
        start = end


def _fail(group: list[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.future.done():
            waiting.future.set_exception(error)
