"""Group commit: one thread takes all submissions that wait and commits them in one transaction.

Requests verify at once and side by side; only the append is in line. While one group is being committed (one fsync),
the next one gathers, so that the rate grows with the number of senders while nobody gets an answer before the commit.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from regional_hub.intake import Accepted, Submission, commit_submissions
from regional_hub.tiles import NodeCache
from shared_schema.errors import ContractError
from shared_schema.keys import SigningKey
from shared_schema.service.database import Database

MAX_GROUP = 256
"""Statements in one transaction: enough to spread one fsync thin, few enough to answer soon."""
MAX_WAITING = 4_096
"""Beyond this a sender is told to come back: waiting in memory would only hide that the hub is too slow."""


class SequencerFull(Exception):
    """Too many submissions wait."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    submissions: list[Submission]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[list[Accepted | ContractError]]"


class Sequencer:
    """Start it with the application, stop it at its end; `submit` waits for the commit."""

    def __init__(self, database: Database, name: str, key: SigningKey, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._name = name
        self._key = key
        self._clock = clock
        self._nodes = NodeCache()
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    async def submit(self, submissions: list[Submission]) -> list[Accepted | ContractError]:
        """Return a result for each submission, after the commit.

        Raises SequencerFull, or what the database raised; then nothing of these submissions was committed.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(submissions, loop, loop.create_future())
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            raise SequencerFull from None
        return await waiting.future

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group:
                self._commit(group)

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        first = self._queue.get()
        if first is None:
            return [], True
        group, size = [first], len(first.submissions)
        while size < MAX_GROUP:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
            size += len(item.submissions)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            flat = [submission for waiting in group for submission in waiting.submissions]
            with self._database.write() as session:
                results = commit_submissions(
                    session, flat, name=self._name, key=self._key, now=self._clock(), nodes=self._nodes
                )
        except Exception as error:
            self._answer(group, [error] * len(group))
            return
        answers: list[Any] = []
        start = 0
        for waiting in group:
            answers.append(results[start : start + len(waiting.submissions)])
            start += len(waiting.submissions)
        self._answer(group, answers)

    def _answer(self, group: list[_Waiting], answers: list[Any]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Any]]] = {}
        for waiting, answer in zip(group, answers, strict=True):
            by_loop.setdefault(waiting.loop, []).append((waiting, answer))
        for loop, items in by_loop.items():
            loop.call_soon_threadsafe(_resolve, items)


def _resolve(items: list[tuple[_Waiting, Any]]) -> None:
    for waiting, answer in items:
        if waiting.future.done():  # the sender has gone away; its entry is in the log all the same
            continue
        if isinstance(answer, Exception):
            waiting.future.set_exception(answer)
        else:
            waiting.future.set_result(answer)
