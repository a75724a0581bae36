"""A hub's batches through crashes: one word of each kind for ever, on both databases, and nothing left at the end."""

import base64
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from regional_hub import sealed_arrivals as arrivals
from regional_hub import sealed_store as store
from regional_hub.orm import Base, SealedBatchRow, SealedShareRow, SealedWordRow, table_of
from regional_hub.sealed_rows import Step
from regional_hub.sealed_shares import read_late, read_shares
from shared_schema.errors import BatchError
from shared_schema.problem import ProblemCode
from shared_schema.sealed import helper as helper_steps
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.hub import dropped
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.terms import Refusal
from shared_schema.service.database import Database
from tests import postgres
from tests.regional_hub.sealed_hubs import Faults
from tests.regional_hub.sealed_runs import Run, Seen, copy_template, find_secrets, make_template, prepare
from tests.shared_schema.sealed_world import NOW, refused

Urls = tuple[str, str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("sealed") / "template.db")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def urls(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Iterator[Urls]:
    """The addresses of two hubs' databases."""
    if request.param == "sqlite":
        yield copy_template(template, tmp_path / "hubs")
        return
    with ExitStack() as stack:
        yield postgres_pair(request, stack)


def postgres_pair(request: pytest.FixtureRequest, stack: ExitStack) -> Urls:
    server, copied = make_url(request.getfixturevalue("postgres_url")), request.getfixturevalue("hub_template")
    made = [stack.enter_context(postgres.fresh_database(server, copied)) for _ in range(2)]
    leader, helper = (each.render_as_string(hide_password=False) for each in made)
    for url in (leader, helper):
        prepare(Database(url)).close()
    return leader, helper


@pytest.fixture
def run(urls: Urls) -> Iterator[Run]:
    """Two hubs in which nothing stops by itself, and seven cities."""
    chance = random.Random(7)
    made = Run(urls, chance, Faults(chance), cities=7)
    yield made
    made.close()


# --- nothing a second time --------------------------------------------------------------------------------------------


def crash_often(template: Path, folder: Path, runs: int, *, restored: float = 0.0) -> Seen:
    seen, chance = Seen(), random.Random(f"sealed crashes {runs} {restored}")
    for number in range(runs):
        faults = Faults(chance, odds=chance.choice((0.02, 0.05, 0.1)))
        one = Run(copy_template(template, folder / f"run-{number}"), chance, faults, restored=restored).live()
        assert one.broken == {}, (number, one)
        seen.add(one)
    return seen


def test_nothing_happens_twice_however_often_a_hub_stops(template: Path, tmp_path: Path) -> None:
    seen = crash_often(template, tmp_path, 6)
    assert seen.opened > 1 and seen.opened + seen.void == 6 and seen.crashes > 15


@pytest.mark.postgres
def test_nothing_happens_twice_on_postgresql_either(request: pytest.FixtureRequest) -> None:
    chance = random.Random("sealed crashes on postgresql")
    for _ in range(2):
        with ExitStack() as stack:
            seen = Run(postgres_pair(request, stack), chance, Faults(chance, odds=0.06)).live()
            assert seen.broken == {} and seen.opened + seen.void == 1


@pytest.mark.long
def test_nothing_happens_twice_in_a_thousand_runs(template: Path, tmp_path: Path) -> None:
    seen = crash_often(template, tmp_path, 1_000)
    assert seen.opened > 500 and seen.void > 50 and seen.opened + seen.void == 1_000


def stop_everywhere(template: Path, folder: Path, every: int) -> None:
    """One life after the other, each with one stop, at every place there is."""
    for at in range(1, 400, every):
        chance = random.Random("the same life")
        faults = Faults(chance, at=at)
        seen = Run(copy_template(template, folder / f"at-{at}"), chance, faults).live()
        assert seen.broken == {} and seen.opened + seen.void == 1, (at, seen)
        if not faults.happened:
            return
    raise AssertionError("expected a life of fewer than 400 steps")


def test_a_stop_at_any_one_place_changes_nothing(template: Path, tmp_path: Path) -> None:
    stop_everywhere(template, tmp_path, 17)


@pytest.mark.long
def test_a_stop_at_every_single_place_changes_nothing(template: Path, tmp_path: Path) -> None:
    stop_everywhere(template, tmp_path, 1)


def test_a_hub_that_comes_back_without_its_keys_ends_the_batch_and_answers_nothing_twice(
    template: Path, tmp_path: Path
) -> None:
    seen = crash_often(template, tmp_path, 6, restored=0.3)
    assert seen.void + seen.dropped > 2


def test_there_is_one_batch_for_a_table_a_period_and_a_set_of_cities(run: Run) -> None:
    run.until(BatchState.PROPOSED)
    first = run.leader.stored()
    assert first is not None
    refused(run.leader.propose, ProblemCode.ALREADY_ANSWERED)
    refused(
        lambda: run.helper.hear_proposal(run.world.propose()) and run.helper.hear_proposal(run.world.propose()),
        ProblemCode.ALREADY_ANSWERED,
    )
    with run.leader.database.write() as session:
        store.change(session, first, dropped(first.batch))
    run.leader.propose()
    with run.leader.database.read() as session:
        assert len(store.list_batches(session, "leader", all_of_them=True)) == 2
        assert len(store.list_batches(session, "leader")) == 1


def test_the_answer_to_a_proposal_is_the_same_for_its_leader_and_nobody_elses(run: Run) -> None:
    question = run.world.propose()
    assert run.helper.hear_proposal(question) == run.helper.hear_proposal(question)
    with run.helper.database.write() as session:
        refused(
            lambda: store.agree_once(session, "nrw.de", question, lambda: pytest.fail("asked"), now=NOW),
            ProblemCode.ALREADY_ANSWERED,
        )


def test_a_city_has_one_share_in_a_batch_and_its_first_one_counts(run: Run) -> None:
    run.until(BatchState.OPEN)
    city = run.world.cities[0]
    stored = run.leader.stored()
    assert stored is not None
    for _ in range(2):
        run.world.send(city, run.world.counts())
    first, second = run.world.verified
    for _ in range(2):
        run.leader.take(first, late=False)
    refused(lambda: run.leader.take(second, late=False), ProblemCode.ALREADY_ANSWERED)
    run.leader.take(second, late=True)
    with run.leader.database.read() as session:
        assert read_late(session, stored.id) == {}  # the one that came in time is the one that counts
    run.helper.hear_share(first)
    refused(lambda: run.helper.hear_share(second), ProblemCode.ALREADY_ANSWERED)
    for hub in (run.leader, run.helper):
        with hub.database.read() as session:
            assert [share.digest for share in read_shares(session, stored.id)] == [first.envelope.digest]


def test_a_share_is_late_only_after_the_end(run: Run) -> None:
    run.until(BatchState.OPEN)
    run.world.send(run.world.cities[0], run.world.counts())
    with run.leader.database.write() as session:
        assert not arrivals.note_if_late(session, 1, run.world.verified[0], at=NOW)
        assert read_late(session, 1) == {}
    run.leader.take(run.world.verified[0], late=True)
    with run.leader.database.read() as session:
        assert read_shares(session, 1) == []


def test_of_two_processes_of_a_helper_one_answers(run: Run) -> None:
    """Both read, both make an answer, to two different questions; and the second to store its own is refused."""
    run.until(BatchState.CLOSED)
    stored, helper = run.leader.stored(), run.helper
    assert stored is not None
    for share in run.world.verified:
        helper.hear_share(share)
    with run.leader.database.read() as session:
        shares = read_shares(session, stored.id)
    question = leader_steps.prepare(stored.batch, shares).request
    other = question.model_copy(
        update={"shares": (question.shares[0].model_copy(update={"verifier_share": None, "refused": Refusal.LATE}),
                           *question.shares[1:])}
    )  # fmt: skip
    before = helper.stored()
    assert before is not None
    made = [helper_steps.answer_once(before.batch, shares, each.to_bytes())[0] for each in (question, other)]
    second = Database(helper.url)

    def keep(database: Database, after: helper_steps.HelperBatch) -> bool:
        try:
            with database.write() as session:
                store.change(session, before, after)
        except BatchError:
            return False
        return True

    with ThreadPoolExecutor() as pool:
        kept = list(pool.map(keep, (helper.database, second), made))
    second.close()
    assert sorted(kept) == [False, True]
    after = helper.stored()
    assert after is not None and after.batch == made[kept.index(True)]


def test_an_answer_that_was_made_before_another_share_came_is_not_kept(run: Run) -> None:
    run.until(BatchState.CLOSED)
    before, helper = run.helper.stored(), run.helper
    assert before is not None
    helper.hear_share(run.world.verified[0])
    with helper.database.write() as session:
        refused(
            lambda: store.change(session, before, replace(before.batch, state=BatchState.ANSWERED)),
            ProblemCode.BATCH_STATE,
        )


def test_a_step_that_the_table_does_not_have_is_not_stored(run: Run) -> None:
    run.until(BatchState.OPEN)
    stored = run.leader.stored()
    assert stored is not None
    for state in (BatchState.PROPOSED, BatchState.COMMITTED, BatchState.DONE):
        with run.leader.database.write() as session:
            refused(
                lambda to=state: store.change(session, stored, replace(stored.batch, state=to)),  # type: ignore[misc]
                ProblemCode.BATCH_STATE,
            )
    assert run.leader.stored() == stored


def test_a_question_is_asked_in_one_way(run: Run) -> None:
    run.until(BatchState.OPEN)
    stored = run.leader.stored()
    assert stored is not None
    with run.leader.database.write() as session:
        refused(lambda: store.ask_once(session, stored, Step.GIVEN_UP), ProblemCode.BATCH_STATE)
        assert store.ask_once(session, stored, Step.GIVEN_UP, b"{}") == b"{}"
        assert store.ask_once(session, stored, Step.GIVEN_UP) == b"{}"
        refused(lambda: store.ask_once(session, stored, Step.GIVEN_UP, b"[]"), ProblemCode.ALREADY_ANSWERED)


def test_the_database_itself_refuses_a_second_word_share_or_batch(run: Run) -> None:
    run.until(BatchState.DONE)
    database = run.leader.database
    rows: list[type[Base]] = [SealedBatchRow, SealedShareRow, SealedWordRow]
    for row in rows:
        table = table_of(row)
        with database.read() as session:
            first = dict(session.execute(select(table)).mappings().first() or {})
        others = [first]
        if row is SealedBatchRow:  # the slot alone, then each digest alone
            new = {"id": 99, "slot": "b", "proposal": "b", "batch": "b", "roster": "b"}
            others = [first | new | {name: first[name]} for name in ("slot", "proposal", "batch", "roster")]
        for other in others:
            with pytest.raises(IntegrityError), database.write() as session:
                session.execute(insert(table).values(other))


# --- nothing is left --------------------------------------------------------------------------------------------------


def secrets_of_run(run: Run) -> list[bytes]:
    """Everything that opens a share, and every half, of both hubs."""
    found: list[bytes] = []
    for hub in (run.leader, run.helper):
        stored = hub.stored()
        assert stored is not None and stored.batch.secrets is not None and stored.batch.verify_key is not None
        found += [stored.batch.secrets.key.raw, stored.batch.verify_key]
    for share in run.world.shares:
        found += [base64.b64decode(half) for half in (share.body.leader_half, share.body.helper_half)]
    return found


@pytest.mark.parametrize("end", [BatchState.DONE, BatchState.VOID])
def test_no_key_and_no_half_is_left_in_the_files_of_a_batch_that_has_ended(
    template: Path, tmp_path: Path, end: BatchState
) -> None:
    chance = random.Random(3)
    run = Run(copy_template(template, tmp_path / "hubs"), chance, Faults(chance), cities=7)
    run.until(BatchState.CLOSED, sending=7 if end is BatchState.DONE else 4)
    for share in run.world.verified:
        run.helper.hear_share(share)
    secrets = secrets_of_run(run)
    assert find_secrets(tmp_path, secrets) == set(range(len(secrets)))
    seeds = [stored.batch.secrets.noise_seed for stored in (run.leader.stored(), run.helper.stored())
             if stored is not None and stored.batch.secrets is not None]  # fmt: skip
    run.until(end)
    assert run.leader.database.is_wiped and run.helper.database.is_wiped
    assert find_secrets(tmp_path, secrets) == set()
    for hub, seed in zip((run.leader, run.helper), seeds, strict=True):
        with hub.database.read() as session:
            assert session.scalars(select(SealedBatchRow.noise_seed)).all() == [seed]
            assert len(session.scalars(select(SealedShareRow.digest)).all()) == len(run.world.shares)
            words = {row.step: row.content for row in session.scalars(select(SealedWordRow))}
            assert ("sum" in words) == (end is BatchState.DONE)
            assert words["prepare"] is None or hub is run.helper
    run.close()
