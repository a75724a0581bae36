"""The first page always says what to do next, the most pressing first."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local_node.hub_client import PinnedHub
from local_node.inbox import InboxState
from local_node.outbox import OutboxState
from local_node.review import RequestState
from local_node.sync import SENTENCES, Alarm
from local_node.web.overview import Overview
from shared_schema.checkpoint import NoteVerifier
from shared_schema.pins import Pin
from tests.hub_simulator import seeded_key

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def hub(*, enrolled: bool = True) -> PinnedHub:
    verifier = NoteVerifier("sachsen.de", seeded_key("sachsen.de").public)
    return PinnedHub("sachsen.de", "https://hub.example", Pin(verifier), "region", enrolled, 0, 0, None)


def overview(**changes: Any) -> Overview:
    values: dict[str, Any] = {"hubs": (hub(),), "alarms": (), "requests": {}, "outbox": {}, "inbox": {}}
    return Overview(**(values | changes))


def sentences(shown: Overview) -> str:
    return "\n".join(step.sentence for step in shown.next_steps)


def test_when_nothing_waits_the_page_still_says_what_one_could_do() -> None:
    assert sentences(overview()).startswith("Nothing waits for you.")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hubs": ()}, "Add your hub."),
        ({"hubs": (hub(enrolled=False),)}, "Become a member of sachsen.de"),
        ({"requests": {RequestState.REQUESTED: 1}}, "1 release waits for a second person."),
        ({"requests": {RequestState.REQUESTED: 2}}, "2 releases wait for a second person."),
        ({"requests": {RequestState.HELD: 1}}, "1 release is held back by a rule"),
        ({"requests": {RequestState.APPROVED: 1}}, "1 approved release is signed with the next exchange"),
        ({"outbox": {OutboxState.REFUSED: 3}}, "3 statements were refused by a hub"),
        ({"outbox": {OutboxState.WAITING: 1, OutboxState.SENDING: 1}}, "2 statements wait to be sent"),
        ({"inbox": {InboxState.QUARANTINED: 1}}, "1 item could not be verified and is kept apart"),
        ({"inbox": {InboxState.QUARANTINED: 2}}, "2 items could not be verified and are kept apart"),
    ],
)
def test_everything_that_waits_is_named(changes: dict[str, Any], expected: str) -> None:
    assert expected in sentences(overview(**changes))
    assert "Nothing waits" not in sentences(overview(**changes))


def test_what_is_settled_asks_for_nothing() -> None:
    settled = overview(
        requests={RequestState.SIGNED: 4, RequestState.REFUSED: 1},
        outbox={OutboxState.DELIVERED: 4},
        inbox={InboxState.ACCEPTED: 9, InboxState.WITHDRAWN: 1},
    )
    assert sentences(settled).startswith("Nothing waits for you.")


@pytest.mark.parametrize("code", SENTENCES)
def test_an_alarm_comes_first_and_in_plain_words(code: str) -> None:
    alarm = Alarm("sachsen.de", code, "expected a longer consistency proof", NOW, None)
    shown = overview(alarms=(alarm,), requests={RequestState.REQUESTED: 1})
    first = shown.next_steps[0].sentence
    assert first.startswith(f"Call the operator of sachsen.de: {SENTENCES[code]}")
    assert "What you hold is safe" in first
