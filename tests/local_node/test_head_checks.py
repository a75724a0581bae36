"""What a node says about heads: too old, too few witnesses, receipts that the log does not keep, other places."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from local_node import cli_witness, outbox, verbs, watch
from local_node.app import Node
from local_node.head_checks import Checks
from local_node.orm import HubRow, InboxRow, OutboxRow
from local_node.settings import load_settings
from local_node.sync import pull
from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.cosignature import add_lines, cosign, cosigner
from shared_schema.entry import Receipt
from shared_schema.errors import SchemaError
from shared_schema.head_evidence import pair_heads
from shared_schema.head_times import HeadPolicy, HeadTimes, make_policy
from shared_schema.keys import MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi
from tests.hub_simulator import HubSimulator, Lie, MovableClock, seeded_key
from tests.local_node.conftest import Leipzig
from tests.shared_schema import builders
from tests.shared_schema.builders import NOW
from tests.shared_schema.test_witness import HONEST
from tests.shared_schema.test_witness import KEY as LOG_KEY

WITNESS_KEY = seeded_key("witness")
WITNESS = cosigner("zeuge.de", WITNESS_KEY)


def codes(leipzig: Leipzig) -> list[str]:
    return sorted(alarm.code for alarm in leipzig.alarms())


# --- freshness -----------------------------------------------------------------------------------------------------


def test_a_hub_that_vouches_every_hour_is_fresh(leipzig: Leipzig) -> None:
    for _ in range(30):
        leipzig.clock.advance(hours=1)
        assert leipzig.pull().problem is None
    assert codes(leipzig) == []


def test_an_old_time_is_an_alarm_after_a_day_and_what_is_new_is_read_all_the_same(leipzig: Leipzig) -> None:
    leipzig.pull()
    leipzig.hub.frozen_at = leipzig.clock()
    leipzig.clock.advance(hours=24)
    leipzig.pull()
    assert codes(leipzig) == []
    leipzig.clock.advance(seconds=1)
    leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice())
    report = leipzig.pull()
    assert (report.problem, report.pulled) == (None, 2)
    assert codes(leipzig) == [ProblemCode.STALE_HEAD]
    leipzig.hub.frozen_at = None
    leipzig.pull()
    assert codes(leipzig) == []


def test_a_hub_of_an_earlier_release_vouches_for_nothing_and_is_read(leipzig: Leipzig) -> None:
    leipzig.hub.knows_no_cosigner = True
    assert leipzig.pull().problem is None
    assert codes(leipzig) == [ProblemCode.STALE_HEAD]
    leipzig.hub.knows_no_cosigner = False  # it was updated
    leipzig.pull()
    assert codes(leipzig) == []


def test_the_cosigner_is_asked_for_once_and_again_when_it_has_another_key(leipzig: Leipzig) -> None:
    for _ in range(3):
        leipzig.pull()
    assert leipzig.hub.requests.count("GET /v1/cosigner") == 1
    leipzig.hub.cosigner_key = seeded_key("another cosigner")
    leipzig.pull()
    assert codes(leipzig) == []
    assert leipzig.hub.requests.count("GET /v1/cosigner") == 2


def test_a_time_signed_by_anybody_but_the_announced_key_counts_for_nothing(leipzig: Leipzig) -> None:
    leipzig.pull()
    stranger = seeded_key("stranger")
    honest = leipzig.hub.note

    def note(size: int | None = None) -> str:
        checkpoint = leipzig.hub.checkpoint(size)
        time = int(leipzig.clock().timestamp())
        return add_lines(honest(size), [cosign(checkpoint.to_text(), leipzig.hub.name, stranger, time)])

    leipzig.hub.note = note  # type: ignore[method-assign]
    leipzig.hub.frozen_at = leipzig.clock()
    leipzig.clock.advance(hours=25)
    leipzig.pull()
    assert codes(leipzig) == [ProblemCode.STALE_HEAD]


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1), -timedelta(days=365)])
def test_a_clock_that_jumps_orders_nothing_and_loses_nothing(leipzig: Leipzig, jump: timedelta) -> None:
    """CHECKS 69: here the node's clock and the hub's are one; then the hub's stands while the node's has jumped."""
    city = leipzig.hub.city("dresden.sn.de")
    envelopes = [city.practice("Before"), city.practice("After"), city.practice("And later")]
    leipzig.hub.log(envelopes[0])
    leipzig.pull()
    leipzig.clock.now += jump
    leipzig.hub.log(envelopes[1])
    assert leipzig.pull().problem is None
    leipzig.clock.now -= jump
    leipzig.hub.log(envelopes[2])
    assert leipzig.pull().problem is None
    assert {envelope.digest for envelope in envelopes} <= set(leipzig.items())
    times = [entry.time for entry in leipzig.hub.entries]
    assert times == sorted(times)
    expected = [ProblemCode.STALE_HEAD] if jump == timedelta(days=365) else []
    assert codes(leipzig) == expected  # the hub's time cannot go back: that one of two clocks is wrong is said


def test_a_time_that_has_not_come_is_said_to_be_one() -> None:
    now = MovableClock().now
    times = HeadTimes(hub=int(now.timestamp()) + 90_000)
    ((code, message),) = times.find_faults(HeadPolicy(), now)
    assert code is ProblemCode.STALE_HEAD and "has come" in message


# --- witnesses -----------------------------------------------------------------------------------------------------


def witness_head(leipzig: Leipzig) -> None:
    """The witness cosigns the newest head of the simulated hub."""
    head = leipzig.hub.checkpoint()
    line = cosign(head.to_text(), WITNESS.name, WITNESS_KEY, int(leipzig.clock().timestamp()))
    leipzig.hub.witness_lines[head.size] = [line]


def pull_with(leipzig: Leipzig, **policy: Any) -> str | None:
    checks = Checks(HeadPolicy(witnesses=(WITNESS,), needed=1, **policy))
    return pull(leipzig.database, leipzig.pinned, leipzig.api, leipzig.clock, checks).problem


def test_too_few_witnesses_are_an_alarm_that_ends_with_the_first_cosignature(leipzig: Leipzig) -> None:
    assert pull_with(leipzig) is None
    assert codes(leipzig) == [ProblemCode.TOO_FEW_WITNESSES]
    witness_head(leipzig)
    assert pull_with(leipzig) is None
    assert codes(leipzig) == []
    leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice())  # not witnessed yet, as heads are at first
    assert pull_with(leipzig) is None
    assert codes(leipzig) == []
    leipzig.clock.advance(hours=25)
    pull_with(leipzig)
    assert codes(leipzig) == [ProblemCode.TOO_FEW_WITNESSES]


def test_a_strict_node_reads_nothing_that_too_few_have_vouched_for(leipzig: Leipzig) -> None:
    assert pull_with(leipzig, strict=True) == ProblemCode.TOO_FEW_WITNESSES
    assert leipzig.items() == {}
    witness_head(leipzig)
    assert pull_with(leipzig, strict=True) is None
    assert len(leipzig.items()) == 1
    assert codes(leipzig) == []


def test_a_false_line_of_a_witness_counts_for_nothing_and_stops_nobody(leipzig: Leipzig) -> None:
    other = cosign("another text\n", WITNESS.name, WITNESS_KEY, int(leipzig.clock().timestamp()))
    leipzig.hub.witness_lines[len(leipzig.hub.entries)] = [other]
    assert pull_with(leipzig) is None
    assert codes(leipzig) == [ProblemCode.TOO_FEW_WITNESSES]


@pytest.mark.parametrize(
    ("witnesses", "needed"),
    [
        ((WITNESS.vkey,), 2),
        ((WITNESS.vkey, WITNESS.vkey), 1),
        ((WITNESS.vkey, cosigner("other.de", WITNESS_KEY).vkey), 2),
        ((NoteVerifier("zeuge.de", WITNESS_KEY.public).vkey,), 1),
        (("nonsense",), 0),
    ],
    ids=["never reached", "twice the same", "one key, two names", "the key of a log", "no key"],
)
def test_a_policy_that_says_less_than_it_seems_is_refused(witnesses: tuple[str, ...], needed: int) -> None:
    with pytest.raises(SchemaError):
        make_policy(hours=24, witnesses=witnesses, needed=needed, strict=False)


def test_a_wrong_policy_stops_the_start_and_names_the_setting(
    data_dir: Path, hub: HubSimulator, clock: MovableClock
) -> None:
    with pytest.raises(VerbError, match="witnesses"):
        Node(data_dir, load_settings(data_dir, witnesses_needed=3), seeded_key("leipzig.sn.de"), clock, hub)


# --- receipts ------------------------------------------------------------------------------------------------------


def deliver(leipzig: Leipzig, title: str) -> Receipt:
    with leipzig.database.write() as session:
        envelope = leipzig.author.practice(title)
        outbox.enqueue(session, envelope, leipzig.author.last_seq, [leipzig.hub.name], leipzig.clock())
    assert leipzig.push().pushed == 1
    with leipzig.database.read() as session:
        return watch.open_receipts(session, leipzig.hub.name, 50)[-1].receipt


def open_receipts(leipzig: Leipzig) -> int:
    with leipzig.database.read() as session:
        return len(watch.open_receipts(session, leipzig.hub.name, 50))


def test_a_receipt_is_confirmed_when_its_entry_was_read(leipzig: Leipzig) -> None:
    deliver(leipzig, "Evenings")
    assert open_receipts(leipzig) == 1
    leipzig.pull()
    assert open_receipts(leipzig) == 0


def test_a_receipt_for_what_was_read_from_another_hub_is_proven_by_the_hub(leipzig: Leipzig) -> None:
    receipt = deliver(leipzig, "Evenings")
    leipzig.pull()
    with leipzig.database.write() as session:  # as if it had come by another hub first, and never been looked at
        row = session.get_one(OutboxRow, 1)
        row.confirmed_at = None
        session.get_one(InboxRow, receipt.entry.digest).log_index = 999
    assert leipzig.pull().problem is None
    assert open_receipts(leipzig) == 0


@pytest.mark.parametrize("before", range(1, 5))
def test_a_statement_that_is_dropped_after_its_receipt_is_a_fork_with_evidence(leipzig: Leipzig, before: int) -> None:
    """The receipt's log has 4, 6, 8 or 10 entries: a power of two needs another proof."""
    for number in range(before):
        leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice(f"Practice {number}"))
    receipt = deliver(leipzig, "Evenings")
    other = leipzig.hub.other_log([index for index in range(len(leipzig.hub.entries)) if index != receipt.index])
    for number in range(3):
        other.log(leipzig.hub.city("dresden.sn.de").practice(f"Later {number}"))
    api = HubApi(other.url, leipzig.author.key, leipzig.clock, other)
    for _ in range(2):
        report = pull(leipzig.database, leipzig.pinned, api, leipzig.clock)
        assert report.problem == ProblemCode.FEED_FORK
    assert codes(leipzig) == [ProblemCode.FEED_FORK]
    with leipzig.database.read() as session:
        (kept,) = watch.list_evidence(session)
    assert kept.proven
    api.close()


def test_a_log_that_is_shorter_than_a_receipt_says_is_a_rollback_at_once(leipzig: Leipzig) -> None:
    leipzig.pull()
    leipzig.hub.shown_size = len(leipzig.hub.entries)
    deliver(leipzig, "Evenings")
    assert leipzig.pull().problem == ProblemCode.FEED_ROLLBACK


def test_a_statement_of_an_earlier_release_is_missed_after_an_hour_and_found_again(leipzig: Leipzig) -> None:
    """A node of an earlier release has kept the receipt, and did not count it as seen."""
    leipzig.pull()
    leipzig.hub.shown_size = len(leipzig.hub.entries)
    with leipzig.database.read() as session:
        before = session.get_one(HubRow, leipzig.hub.name)
        seen = before.seen_size, before.seen_root, before.seen_note
    deliver(leipzig, "Evenings")
    with leipzig.database.write() as session:
        row = session.get_one(HubRow, leipzig.hub.name)
        row.seen_size, row.seen_root, row.seen_note = seen
    leipzig.pull()
    leipzig.clock.advance(minutes=59)
    leipzig.pull()
    assert codes(leipzig) == []
    leipzig.clock.advance(minutes=1)
    assert leipzig.pull().problem is None
    assert codes(leipzig) == [ProblemCode.RECEIPT_NOT_IN_LOG]
    leipzig.hub.shown_size = None
    leipzig.pull()
    assert codes(leipzig) == [] and open_receipts(leipzig) == 0


# --- what is for everybody -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", [Lie.HIDE_REVOCATION, Lie.WITHDRAW_REVOCATION])
def test_a_revocation_that_is_kept_back_stops_the_reading(leipzig: Leipzig, lie: Lie) -> None:
    city = leipzig.hub.city("gera.th.de")
    leipzig.hub.enrol(city.name, city.key.public, status=MemberStatus.REVOKED)
    leipzig.hub.lie = lie
    assert leipzig.pull().problem == ProblemCode.FEED_ENTRY
    assert codes(leipzig) == [ProblemCode.FEED_ENTRY]
    leipzig.hub.lie = None
    assert leipzig.pull().problem is None


# --- another place -------------------------------------------------------------------------------------------------


class OtherPlace(httpx.BaseTransport):
    """Answers every question about a log with the same text."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.answer is None:
            raise httpx.ConnectError("expected a hub, got silence")
        return httpx.Response(200, stream=httpx.ByteStream(self.answer))


def pull_beside(leipzig: Leipzig, answer: bytes | None) -> str | None:
    with leipzig.database.write() as session:
        session.get_one(HubRow, leipzig.hub.name).elsewhere = "https://bund.example"

    def connect(url: str) -> HubApi:
        return HubApi(url, leipzig.author.key, leipzig.clock, OtherPlace(answer))

    return pull(leipzig.database, leipzig.pinned, leipzig.api, leipzig.clock, Checks(connect=connect)).problem


def test_another_place_with_the_same_log_an_older_head_or_none_is_no_alarm(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    for number in range(6):
        leipzig.hub.log(city.practice(f"Practice {number}"))
    for size in (0, 1, 3, 4, len(leipzig.hub.entries)):
        assert pull_beside(leipzig, leipzig.hub.note(size).encode()) is None
    assert pull_beside(leipzig, None) is None
    assert codes(leipzig) == []


@pytest.mark.parametrize("answer", [b"", b"\xff", b"nonsense\n\n", b"x" * 100_000])
def test_another_place_that_talks_nonsense_says_nothing_about_the_hub(leipzig: Leipzig, answer: bytes) -> None:
    assert pull_beside(leipzig, answer) is None
    assert codes(leipzig) == []


def test_a_head_that_the_hub_has_not_signed_says_nothing_about_the_hub(leipzig: Leipzig) -> None:
    note = leipzig.hub.checkpoint().sign(seeded_key("stranger"))
    assert pull_beside(leipzig, note.encode()) is None
    assert codes(leipzig) == []


def test_a_longer_log_elsewhere_is_an_alarm_and_ends_when_it_is_shown_here(leipzig: Leipzig) -> None:
    size = len(leipzig.hub.entries)
    leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice())
    note = leipzig.hub.note().encode()
    leipzig.hub.shown_size = size
    assert pull_beside(leipzig, note) is None
    assert codes(leipzig) == [ProblemCode.STALE_HEAD]
    leipzig.hub.shown_size = None
    assert pull_beside(leipzig, note) is None
    assert codes(leipzig) == []


# --- the commands --------------------------------------------------------------------------------------------------


def test_another_place_is_checked_as_a_hub_s_address_is(member: Node) -> None:
    hub = {"hub": "sachsen.de"}
    for url in ("ftp://x", "http://10.0.0.1", "https://user@x.de", "https://127.0.0.1:9"):
        with pytest.raises(VerbError):
            verbs.run(member, "hub.cross-check", hub | {"url": url})
    with pytest.raises(VerbError, match="name of a hub"):
        verbs.run(member, "hub.cross-check", {"hub": "nobody.de"})
    assert (
        verbs.run(member, "hub.cross-check", hub | {"url": "http://127.0.0.1:8700"})["elsewhere"]
        == "http://127.0.0.1:8700"
    )
    (shown,) = verbs.run(member, "status", {})["hubs"]
    assert (shown["late"], shown["elsewhere"]) == (False, "http://127.0.0.1:8700") and shown["vouched_at"]
    assert verbs.run(member, "hub.cross-check", hub)["elsewhere"] is None


def test_evidence_that_is_not_there_is_a_sentence(member: Node) -> None:
    assert verbs.run(member, "evidence.list", {}) == {"evidence": []}
    with pytest.raises(VerbError, match="evidence list"):
        verbs.run(member, "evidence.export", {"id": "0123456789"})


def test_a_file_that_is_no_evidence_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    for text in ("", "{}", '{"kind":"two-heads"}', "[]"):
        file.write_text(text)
        with pytest.raises(VerbError, match="expected evidence that holds"):
            cli_witness.evidence_verify(file, None)


def test_heads_that_are_open_keep_no_proof_out(member: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_EVIDENCE", 2)
    root = HONEST.checkpoint(21).root
    with member.database.write() as session:
        log = NoteVerifier(session.scalars(select(HubRow.name)).one(), LOG_KEY.public)
        for size in range(22, 26):  # heads of two sizes without a proof between them
            notes = [Checkpoint(log.name, each, root).sign(LOG_KEY) for each in (21, size)]
            watch.keep_evidence(session, pair_heads(log, *notes, found_at=builders.NOW_TEXT), "feed-rollback", NOW)
        for seed in range(4):
            notes = [Checkpoint(log.name, 21, each).sign(LOG_KEY) for each in (root, bytes([seed]) * 32)]
            watch.keep_evidence(session, pair_heads(log, *notes, found_at=builders.NOW_TEXT), "feed-fork", NOW)
    with member.database.read() as session:
        assert [kept.proven for kept in watch.list_evidence(session)].count(True) == 2
        assert len(watch.list_evidence(session)) == 4
