"""Push delivers once and in order; pull believes nothing, stops at a lie, and goes on when the hub is honest again."""

import itertools
import sqlite3
from pathlib import Path

import pytest

from local_node import hub_place, item_store, outbox, sync
from local_node.inbox import InboxError, InboxState
from local_node.outbox import OutboxItem, OutboxState
from shared_schema.envelope import Envelope
from shared_schema.feed import parse_page, verify_page
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience
from tests.hub_simulator import Lie
from tests.local_node.conftest import Leipzig


def enqueue(leipzig: Leipzig, *titles: str) -> list[Envelope]:
    envelopes = []
    with leipzig.database.write() as session:
        for title in titles:
            envelope = leipzig.author.practice(title)
            outbox.enqueue(session, envelope, leipzig.author.last_seq, [leipzig.hub.name], leipzig.clock())
            envelopes.append(envelope)
    return envelopes


def rows(leipzig: Leipzig) -> list[OutboxItem]:
    with leipzig.database.read() as session:
        return sorted(outbox.list_rows(session), key=lambda row: row.seq)


def states(leipzig: Leipzig) -> list[OutboxState]:
    return [row.state for row in rows(leipzig)]


# --- pull: an honest hub -------------------------------------------------------------------------------------------


def test_a_practice_of_another_city_arrives_verified_with_its_origin_s_key(leipzig: Leipzig) -> None:
    envelope = leipzig.hub.city("dresden.sn.de").practice("Evenings for everybody")
    leipzig.hub.log(envelope)
    report = leipzig.pull()
    item = leipzig.items()[envelope.digest]
    assert (report.problem, item.state, item.origin) == (None, InboxState.ACCEPTED, "dresden.sn.de")


def test_a_long_feed_arrives_page_by_page_and_the_next_pull_brings_only_what_is_new(leipzig: Leipzig) -> None:
    leipzig.hub.page_entries = 3
    city = leipzig.hub.city("dresden.sn.de")
    for number in range(20):
        leipzig.hub.log(city.practice(f"Practice {number}"))
    assert leipzig.pull().pulled == 22
    assert leipzig.pull().pulled == 0
    leipzig.hub.log(city.practice("One more"))
    assert leipzig.pull().pulled == 1
    assert len(leipzig.items()) == 23


def test_figures_meant_for_the_hub_alone_are_no_lie(leipzig: Leipzig) -> None:
    city = leipzig.hub.city("dresden.sn.de")
    leipzig.hub.log(city.practice("For the hub"), audience=Audience.HUB)
    assert leipzig.pull().problem is None
    assert leipzig.alarms() == ()


def test_the_database_is_not_locked_while_the_network_is_waited_for(leipzig: Leipzig, tmp_path: Path) -> None:
    leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice())
    enqueue(leipzig, "One")
    answer = leipzig.hub.handle_request
    answered = []

    def write_meanwhile(request: object) -> object:
        with sqlite3.connect(tmp_path / "node.db", timeout=0) as other:
            other.execute("UPDATE hubs SET level = level")
        answered.append(request)
        return answer(request)  # type: ignore[arg-type]

    leipzig.hub.handle_request = write_meanwhile  # type: ignore[method-assign, assignment]
    assert leipzig.push().pushed == 1
    assert leipzig.pull().problem is None
    assert len(answered) >= 2


def test_two_pulls_at_once_do_not_store_a_page_twice(leipzig: Leipzig) -> None:
    leipzig.hub.log(leipzig.hub.city("dresden.sn.de").practice())
    with leipzig.database.read() as session:
        before = hub_place.load_state(session, leipzig.pinned.verifier)
        trust = hub_place.load_trust(session, leipzig.pinned.pin)
    after, items = verify_page(before, parse_page(leipzig.api.feed(0, 0)))
    leipzig.pull()
    with pytest.raises(InboxError, match="nobody else"), leipzig.database.write() as session:
        item_store.store_page(session, before, after, items, trust=trust, now=leipzig.clock())


# --- pull: a hub that lies -----------------------------------------------------------------------------------------


def check_stops_and_heals(leipzig: Leipzig, lie: Lie, code: ProblemCode) -> None:
    """The one story of every lie: held items stay, an alarm says so, honesty heals, nothing is missing."""
    city = leipzig.hub.city("dresden.sn.de")
    held = city.practice("Held before")
    leipzig.hub.log(held)
    leipzig.pull()
    later = [city.practice(f"Later {number}") for number in range(4)]
    for envelope in later:
        leipzig.hub.log(envelope)

    leipzig.hub.lie = lie
    for _ in range(2):  # a second round changes nothing and raises no second alarm
        assert leipzig.pull().problem == code.value
    assert [alarm.code for alarm in leipzig.alarms()] == [code.value]
    shown = [item.digest for item in leipzig.items().values() if item.body is not None]
    assert held.digest in shown
    assert not set(shown) & {envelope.digest for envelope in later}

    leipzig.hub.lie = None
    assert leipzig.pull().problem is None
    assert leipzig.alarms() == ()
    assert [alarm.code for alarm in leipzig.alarms(only_open=False)] == [code.value]
    items = leipzig.items()
    assert all(items[envelope.digest].state is InboxState.ACCEPTED for envelope in (held, *later))


def test_a_flipped_bit_stops_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.FLIP_BIT, ProblemCode.FEED_ENTRY)


def test_a_dropped_entry_stops_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.DROP_ENTRY, ProblemCode.FEED_FORK)


def test_swapped_entries_stop_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.SWAP_ENTRIES, ProblemCode.FEED_FORK)


def test_an_older_checkpoint_stops_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.OLDER_CHECKPOINT, ProblemCode.FEED_ROLLBACK)


def test_a_wrong_key_stops_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.WRONG_KEY, ProblemCode.FEED_CHECKPOINT)


def test_a_hidden_content_stops_the_pull_until_the_hub_is_honest_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.HIDE_CONTENT, ProblemCode.FEED_ENTRY)


def test_a_content_called_withdrawn_without_a_withdrawal_is_asked_for_again(leipzig: Leipzig) -> None:
    check_stops_and_heals(leipzig, Lie.FALSE_WITHDRAWAL, ProblemCode.FEED_ENTRY)


def test_a_hub_whose_log_became_shorter_is_noticed_although_it_only_refuses_the_cursor(leipzig: Leipzig) -> None:
    leipzig.pull()
    leipzig.hub.cursor_limit = 0
    assert leipzig.pull().problem == "feed-rollback"
    assert [alarm.code for alarm in leipzig.alarms()] == ["feed-rollback"]
    leipzig.hub.cursor_limit = None
    assert leipzig.pull().problem is None
    assert leipzig.alarms() == ()


def test_a_hub_that_cannot_be_reached_is_no_alarm(leipzig: Leipzig) -> None:
    leipzig.hub.lie = Lie.UNREACHABLE
    assert leipzig.pull().problem == "unreachable"
    assert leipzig.alarms() == ()


def test_a_hub_that_no_longer_serves_this_member_is_an_alarm(leipzig: Leipzig) -> None:
    key = leipzig.hub.keys.pop(leipzig.author.key.public.keyid)
    assert leipzig.pull().problem == "unknown-key"
    assert [alarm.code for alarm in leipzig.alarms()] == ["not-served"]
    leipzig.hub.keys[key.keyid] = key
    assert leipzig.pull().problem is None
    assert leipzig.alarms() == ()


# --- push ----------------------------------------------------------------------------------------------------------


def test_what_waits_is_delivered_in_order(leipzig: Leipzig) -> None:
    envelopes = enqueue(leipzig, "One", "Two", "Three")
    assert leipzig.push().pushed == 3
    assert states(leipzig) == [OutboxState.DELIVERED] * 3
    assert [entry.digest for entry in leipzig.hub.entries[-3:]] == [envelope.digest for envelope in envelopes]


def test_a_refused_statement_does_not_hold_up_those_behind_it(leipzig: Leipzig) -> None:
    enqueue(leipzig, "One", "Two", "Three")
    leipzig.hub.refuse_next = 1
    report = leipzig.push()
    assert (report.pushed, report.refused, report.problem) == (2, 1, None)
    assert states(leipzig) == [OutboxState.REFUSED, OutboxState.DELIVERED, OutboxState.DELIVERED]
    assert rows(leipzig)[0].reason == "release-rule"


@pytest.mark.parametrize("code", sorted(sync.FINAL_REFUSALS))
def test_every_word_about_the_statement_itself_is_final(leipzig: Leipzig, code: ProblemCode) -> None:
    enqueue(leipzig, "One")
    leipzig.hub.lie, leipzig.hub.refusal = Lie.REFUSE, code
    assert leipzig.push().refused == 1
    assert rows(leipzig)[0].reason == code.value


@pytest.mark.parametrize(
    "code", [ProblemCode.MEMBER_NOT_ACTIVE, ProblemCode.UNKNOWN_KEY, ProblemCode.BAD_HOST, ProblemCode.NOT_FOUND]
)
def test_a_refusal_of_the_member_loses_nothing(leipzig: Leipzig, code: ProblemCode) -> None:
    enqueue(leipzig, "One", "Two")
    leipzig.hub.lie, leipzig.hub.refusal = Lie.REFUSE, code
    assert leipzig.push().problem == "not-accepted"
    assert states(leipzig) == [OutboxState.WAITING] * 2
    assert [alarm.code for alarm in leipzig.alarms()] == ["not-accepted"]
    leipzig.hub.lie = None
    assert leipzig.push(patient=False).pushed == 2
    assert leipzig.alarms() == ()


def test_a_lost_answer_leads_to_one_delivery(leipzig: Leipzig) -> None:
    enqueue(leipzig, "One")
    leipzig.hub.lie = Lie.DROP_RESPONSE
    assert leipzig.push().problem == "unreachable"
    size = len(leipzig.hub.entries)
    assert leipzig.push(patient=False).pushed == 1
    assert len(leipzig.hub.entries) == size


def test_a_forged_receipt_does_not_count_as_delivered(leipzig: Leipzig) -> None:
    enqueue(leipzig, "One")
    leipzig.hub.lie = Lie.FORGED_RECEIPT
    assert leipzig.push().problem == "receipt"
    assert states(leipzig) == [OutboxState.WAITING]
    assert [alarm.code for alarm in leipzig.alarms()] == ["receipt"]
    assert leipzig.pull().problem is None
    assert leipzig.alarms() != ()  # an honest feed says nothing about the receipt
    leipzig.hub.lie = None
    assert leipzig.push(patient=False).pushed == 1
    assert leipzig.alarms() == ()


def test_a_hub_that_is_away_for_a_day_is_asked_at_most_once_an_hour_later_on(leipzig: Leipzig) -> None:
    enqueue(leipzig, "One", "Two")
    leipzig.hub.lie = Lie.UNREACHABLE
    tries = []
    for minute in range(24 * 60):
        before = len(leipzig.hub.requests)
        leipzig.push()
        if len(leipzig.hub.requests) > before:
            tries.append(minute)
        leipzig.clock.advance(minutes=1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries[7:])]
    assert len(gaps) >= 20
    assert min(gaps) >= 60
    leipzig.hub.lie = None
    leipzig.clock.advance(hours=1)
    assert leipzig.push().pushed == 2


def test_a_row_left_by_a_crash_is_delivered_once_after_the_next_start(leipzig: Leipzig) -> None:
    envelope = enqueue(leipzig, "One")[0]
    with leipzig.database.write() as session:
        outbox.claim_next(session, leipzig.hub.name, leipzig.clock())
    leipzig.hub.log(envelope)  # the hub had it, and then the node was killed
    size = len(leipzig.hub.entries)
    assert leipzig.push().pushed == 0
    with leipzig.database.write() as session:
        outbox.take_up_again(session)
    assert leipzig.push().pushed == 1
    assert len(leipzig.hub.entries) == size
