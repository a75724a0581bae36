"""Group commit: what gathers while a commit runs, who is answered when, and what happens when it fails."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from regional_hub import sequencer
from regional_hub.intake import Accepted, Submission, check_submission
from regional_hub.sequencer import Sequencer
from shared_schema.problem import ProblemCode
from tests.regional_hub.raw_asgi import batch_of
from tests.regional_hub.running import City, RunningHub, check_problem


@pytest.fixture
def gate(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Commits wait until the gate is opened, so that a test decides what gathers behind them."""
    opened = threading.Event()
    commit = hub.hub.sequencer._commit

    def wait_and_commit(submissions: list[Submission]) -> list[Accepted | Exception]:
        assert opened.wait(30)
        return commit(submissions)  # type: ignore[return-value]

    monkeypatch.setattr(hub.hub.sequencer, "_commit", wait_and_commit)
    yield opened
    opened.set()


def submissions(hub: RunningHub, city: City, count: int) -> list[Submission]:
    return [check_submission(city.sign(), hub.hub.trust, hub.clock()) for _ in range(count)]


def test_nobody_is_answered_before_the_commit_and_what_waits_is_one_group(
    hub: RunningHub, city: City, gate: threading.Event
) -> None:
    one, *others = submissions(hub, city, 6)
    size = hub.log_size()

    async def push() -> list[int]:
        first = asyncio.create_task(hub.hub.sequencer.submit([one]))
        for _ in range(20):
            await asyncio.sleep(0)
        rest = [asyncio.create_task(hub.hub.sequencer.submit([item])) for item in others]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(task.done() for task in (first, *rest))
        gate.set()
        await asyncio.gather(first, *rest)
        return [hub.log_size()]

    assert hub.loop.run(push()) == [size + 6]
    report = hub.verb("verify")
    assert report["ok"] and report["checkpoints"] == size + 1 + 2  # the first alone, the five behind it together


def test_a_sender_that_has_gone_away_has_its_entry_all_the_same(
    hub: RunningHub, city: City, gate: threading.Event
) -> None:
    gone, stays = submissions(hub, city, 2)
    size = hub.log_size()

    async def push() -> None:
        leaving = asyncio.create_task(hub.hub.sequencer.submit([gone]))
        waiting = asyncio.create_task(hub.hub.sequencer.submit([stays]))
        for _ in range(20):
            await asyncio.sleep(0)
        leaving.cancel()
        gate.set()
        (result,) = await waiting
        assert isinstance(result, Accepted) and result.new

    hub.loop.run(push())
    assert hub.log_size() == size + 2
    assert hub.post(gone.verified.envelope.stored_bytes).status_code == 200


def test_too_many_that_wait_are_told_to_come_back(
    hub: RunningHub, city: City, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "MAX_WAITING", 3)
    bodies = [city.sign() for _ in range(4)]
    response = hub.post(batch_of(bodies), "/v1/submissions/batch")
    check_problem(response, ProblemCode.BUSY, 503)
    assert response.headers["retry-after"] == "1"
    gate.set()
    assert hub.post(bodies[0]).status_code == 201  # and the place is free again


def test_a_database_that_is_locked_is_busy_and_the_next_one_goes_through(
    hub: RunningHub, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_submissions: list[Submission]) -> list[Accepted]:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    body = city.sign()
    monkeypatch.setattr(hub.hub.sequencer, "_commit", fail)
    response = hub.post(body)
    check_problem(response, ProblemCode.BUSY, 503)
    assert response.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert hub.post(body).status_code == 201


@pytest.mark.parametrize("words", ["database or disk is full", "could not extend file: No space left on device"])
def test_a_full_disk_is_said_to_be_one(
    hub: RunningHub, city: City, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def fail(_submissions: list[Submission]) -> list[Accepted]:
        raise OperationalError("INSERT", {}, Exception(words))

    monkeypatch.setattr(hub.hub.sequencer, "_commit", fail)
    check_problem(hub.post(city.sign()), ProblemCode.STORAGE_FULL, 507)


def test_a_group_is_bounded(hub: RunningHub, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "MAX_GROUP", 4)
    before = hub.verb("verify")["checkpoints"]
    items = submissions(hub, city, 10)

    async def push() -> None:
        await asyncio.gather(*(hub.hub.sequencer.submit([item]) for item in items))

    hub.loop.run(push())
    assert hub.verb("verify")["checkpoints"] == before + 3


def test_a_stop_commits_what_waits(hub: RunningHub, city: City) -> None:
    items = submissions(hub, city, 5)
    size = hub.log_size()

    async def push_and_stop() -> None:
        ending = Sequencer(hub.hub.database, hub.hub.name, lambda: hub.hub.key, hub.clock)
        tasks = [asyncio.create_task(ending.submit([item])) for item in items]
        await asyncio.sleep(0)
        await ending.stop()
        assert all(task.done() or not task.cancelled() for task in tasks)
        await asyncio.gather(*tasks)

    hub.loop.run(push_and_stop())
    assert hub.log_size() == size + 5
