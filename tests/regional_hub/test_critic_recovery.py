"""A hub that goes back to a copy, seen by whoever wants to harm it: nobody needs to be a member for these routes."""

import pytest
from sqlalchemy import insert

from regional_hub import heads, log, recovery
from regional_hub.orm import RecoveryLeafRow, table_of
from shared_schema.checkpoint import Checkpoint
from shared_schema.entry import LogEntry
from shared_schema.problem import ProblemCode
from shared_schema.recovery import MAX_MISSING, BroughtEntries, ShownHead
from shared_schema.statement import Audience, Kind
from tests.regional_hub.running import City, RunningHub, check_problem

pytestmark = pytest.mark.sqlite_is_enough


@pytest.mark.parametrize(
    "path",
    [
        "/v1/seen/%00",
        "/v1/seen/a%00b",
        "/v1/witnessed/%00",
        "/tile/0/x999/x999/x999/x999/x999/x999/999",
        "/tile/63/x999/x999/x999/x999/x999/999.p/1",
        "/tile/entries/x999/x999/x999/x999/x999/x999/999",
        "/tile/entries/x099/x999/x999/x999/x999/x999/999",
        "/tile/0/000.p/255",
        "/tile/%00/000",
        "/receipt/%00.tlog-proof",
        f"/receipt/{'0' * 64}.tlog-proof",
    ],
)
def test_what_is_nowhere_is_not_found_whatever_its_name(hub: RunningHub, path: str) -> None:
    assert hub.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "query", ["seen=-1", "seen=1e5", "seen=9999999999999999", "seen=1&seen=2", "more=1", "done=yes"]
)
def test_a_state_is_asked_for_in_one_way(hub: RunningHub, query: str) -> None:
    assert hub.client.get(f"/v1/recovery?{query}").status_code in (400, 422)


def test_whoever_shows_a_checkpoint_that_says_nothing_new_keeps_nobody_from_writing(
    hub: RunningHub, city: City
) -> None:
    old = hub.client.get("/checkpoint").text
    hub.accept(city.sign())
    new = hub.client.get("/checkpoint").text
    with hub.hub.database.write():  # somebody else is writing, for as long as this block lasts
        for note in (old, new):
            answer = hub.post(ShownHead(note=note).to_bytes(), "/v1/heads")
            assert (answer.status_code, answer.json()["state"]) == (200, "serving")
        foreign = ShownHead(note=old.replace("sachsen.de", "bayern.de")).to_bytes()
        check_problem(hub.post(foreign, "/v1/heads"), ProblemCode.RECOVERY_PROOF)


def leaf(number: int) -> LogEntry:
    return LogEntry(kind=Kind.PRACTICE, digest=f"{number:064x}", audience=Audience.EUROPE, time="2026-11-01T00:00:00Z")


class EndlessFollower:
    """A hub that answers every page with more leaves, whatever the log is."""

    def __init__(self, note: str) -> None:
        self.note, self.asked = note, 0

    def mirrored(self, _origin: str, first: int) -> BroughtEntries:
        self.asked += 1
        leaves = tuple(leaf(first + place) for place in range(100))
        return BroughtEntries(first=first, leaves=leaves, note=self.note)


def test_a_follower_that_never_ends_is_heard_as_far_as_this_hub_has_signed(hub: RunningHub, city: City) -> None:
    for _ in range(3):
        hub.accept(city.sign())
    with hub.hub.database.read() as session:
        note, size = log.latest_checkpoint(session), log.get_head(session).size
    liar = EndlessFollower(note)
    leaves, found = heads._fetch_leaves(hub.hub, liar, 1)  # type: ignore[arg-type]
    assert (len(leaves), found, liar.asked) == (size - 1, note, 1)
    liar.note = note.replace("sachsen.de", "bayern.de")
    assert heads._fetch_leaves(hub.hub, liar, 1) == ([], None)  # type: ignore[arg-type]


def test_what_stands_behind_the_first_missing_contents_can_be_asked_for(hub: RunningHub) -> None:
    count = MAX_MISSING + 7
    rows = [{"index": 100 + each, "digest": leaf(each).digest, "leaf": leaf(each).to_bytes()} for each in range(count)]
    with hub.hub.database.write() as session:
        session.connection().execute(insert(table_of(RecoveryLeafRow)), rows)
        assert recovery.state_of(session).missing == tuple(leaf(each).digest for each in range(MAX_MISSING))
    for after, first in ((MAX_MISSING - 1, MAX_MISSING), (count - 1, count), (count, 0)):
        answer = hub.client.get(f"/v1/recovery?seen=0&after={leaf(after).digest}").json()
        assert answer["missing"] == [leaf(each).digest for each in range(first, min(count, first + MAX_MISSING))]


def test_an_own_checkpoint_that_the_brought_leaves_do_not_lead_to_holds_the_log_for_good(hub: RunningHub) -> None:
    with hub.hub.database.read() as session:
        head = log.get_head(session)
    lost = (leaf(1), leaf(2))
    whole = head.frontier.extend(each.leaf for each in lost)
    note = Checkpoint("sachsen.de", whole.size, whole.root()).sign(hub.hub.key)
    other = Checkpoint("sachsen.de", head.size + 1, bytes(32)).sign(hub.hub.key)
    brought = BroughtEntries(first=head.size, leaves=lost, note=note).to_bytes()
    for path, body in (("heads", ShownHead(note=other).to_bytes()), ("recovery/entries", brought)):
        assert hub.post(body, f"/v1/{path}").json()["state"] == "behind"
    assert hub.verb("recover", alone=True, confirm="sachsen.de")["state"] == "forked"
    assert hub.log_size() == head.size
