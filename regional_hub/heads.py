"""What others know of this hub's log: asked after every start, and whenever the operator says `recover`.

A hub that does not answer holds up nobody who was not restored: the one that knows more shows it by itself sooner or
later. What is asked for is a signed note, so it does not matter whether the one that answers is honest. A witness that
is no hub of ours answers with a size alone, which is an alarm and holds nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import select

from regional_hub import log, recovery
from regional_hub.alarms import raise_alarm
from regional_hub.orm import SourceRow, WitnessRow
from shared_schema.checkpoint import claimed_checkpoint
from shared_schema.entry import LogEntry
from shared_schema.errors import ContractError
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.recovery import BroughtEntries, ShownHead, read_own_checkpoint
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable, WitnessKnows
from shared_schema.service.logging import get_logger
from shared_schema.witness import write_request

MAX_PAGES = 10_000


class AskingHub(Protocol):
    """What is needed of a hub to ask the others."""

    database: Database
    clock: Callable[[], datetime]

    @property
    def name(self) -> str: ...
    @property
    def own_pin(self) -> Pin: ...
    def api(self, url: str) -> HubApi: ...


class KnowsHeads(Protocol):
    """Whoever can be asked for the newest checkpoint of a log: a follower, a witness."""

    @property
    def name(self) -> str: ...

    def ask_known_head(self, origin: str) -> ShownHead | None:
        """The head, or None when it knows no such log. Raises HubUnreachable."""


@dataclass(frozen=True, slots=True)
class FollowerThatKnows:
    """A hub that follows this one, over its public route."""

    name: str
    api: HubApi

    def ask_known_head(self, origin: str) -> ShownHead | None:
        try:
            return self.api.seen_head(origin)
        except HubRefused as error:
            if error.status == 404:  # it follows no such hub, or is of a release that keeps no heads
                return None
            raise HubUnreachable(error.message) from None


class UnprovenClaimError(Exception):
    """A witness says that it has cosigned a log of `size` entries, and shows nothing that this hub has signed."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} entries")
        self.size = size


@dataclass(frozen=True, slots=True)
class WitnessThatKnows:
    """A witness of this log; `size` and `note` are the newest head here, which it is asked to cosign once more.

    Raises UnprovenClaimError for a witness that speaks only C2SP tlog-witness and knows more.
    """

    name: str
    api: HubApi
    size: int
    note: str

    def ask_known_head(self, origin: str) -> ShownHead | None:
        with contextlib.suppress(HubRefused, ContractError):
            note = self.api.witnessed(origin)  # a hub shows the note, which proves itself
            if claimed_checkpoint(note).size > self.size:
                return ShownHead(note=note)
        try:
            self.api.add_checkpoint(write_request(self.size, (), self.note))
        except WitnessKnows as known:
            if known.size > self.size:
                raise UnprovenClaimError(known.size) from None
        except HubRefused as error:
            raise HubUnreachable(error.message) from None
        return None


def followers_of(hub: AskingHub) -> list[tuple[str, str]]:
    """(name, address) of the hub above and the hubs below: those that this hub follows, and that follow it."""
    with hub.database.read() as session:
        rows = session.execute(select(SourceRow.name, SourceRow.url).order_by(SourceRow.name)).all()
    return [(row.name, row.url) for row in rows]


def ask_followers(hub: AskingHub) -> dict[str, str]:
    """Ask every follower; what each said: `knows-no-more`, `knows-more`, `unreachable`."""
    answers = {}
    for name, url in followers_of(hub):
        with hub.api(url) as api:
            answers[name] = ask(hub, FollowerThatKnows(name, api))
    return answers


def ask_witnesses(hub: AskingHub) -> dict[str, str]:
    """Ask every witness of this log, as `ask_followers`; also `says-more`, when it proves nothing."""
    with hub.database.read() as session:
        rows = session.execute(select(WitnessRow.name, WitnessRow.url).order_by(WitnessRow.name)).all()
    return {row.name: ask_witness(hub, row.name, row.url) for row in rows}


def ask_witness(hub: AskingHub, name: str, url: str) -> str:
    """Ask one witness what it has cosigned of this log."""
    with hub.database.read() as session:
        size, note = log.get_head(session).size, log.latest_checkpoint(session)
    with hub.api(url) as api:
        return ask(hub, WitnessThatKnows(name, api, size, note))


def doubt_own_log(hub: AskingHub, name: str, size: int) -> None:
    """Raise the alarm that a witness says it has cosigned more than there is here, and has proved nothing."""
    message = f"expected a log of {size} entries, which this witness says that it has cosigned; see: restore"
    with hub.database.write() as session:
        raise_alarm(session, own_log_at(name), ProblemCode.FEED_ROLLBACK, message, hub.clock())


def own_log_at(name: str) -> str:
    """What an alarm about this hub's own log is about: another one than what that witness's own feed ends."""
    return f"own log, by {name}"


def ask(hub: AskingHub, knower: KnowsHeads) -> str:
    """Ask one, and hold the log when it knows more.

    A size alone holds nothing: whoever lies could stop a hub with it for ever. It is an alarm.
    """
    try:
        head = knower.ask_known_head(hub.name)
    except HubUnreachable:
        return "unreachable"
    except UnprovenClaimError as claim:
        doubt_own_log(hub, knower.name, claim.size)
        return "says-more"
    if head is None:
        return "knows-no-more"
    try:
        with hub.database.write() as session:
            news = recovery.take_head(session, head, hub.own_pin, hub.clock())
    except ContractError:  # another hub's word without this hub's signature is nothing
        get_logger().warning("false-head", hub=knower.name)
        return "knows-no-more"
    return "knows-more" if news else "knows-no-more"


def fetch_from_followers(hub: AskingHub) -> dict[str, str]:
    """Ask everybody, and get what followers keep; a follower that was asked and gave all counts as heard."""
    answers = ask_witnesses(hub) | ask_followers(hub)
    for name, url in followers_of(hub):
        if answers.get(name) == "unreachable":
            continue
        try:
            with hub.api(url) as api:
                answers[name] = _fetch(hub, name, api)
        except (HubUnreachable, HubRefused) as error:
            answers[name] = error.message
        except ContractError as error:
            answers[name] = error.message
            get_logger().warning("false-mirror", hub=name, code=error.code.value)
    return answers


def _fetch(hub: AskingHub, name: str, api: HubApi) -> str:
    with hub.database.read() as session:
        start = log.get_head(session).size
    leaves, note = _fetch_leaves(hub, api, start)
    checkpoint = None if note is None else read_own_checkpoint(note, _known_pin(hub))
    seen = 0 if checkpoint is None else checkpoint.size
    if seen > start:
        with hub.database.write() as session:  # limits of a message do not hold for what was read page by page
            brought = BroughtEntries.model_construct(first=start, leaves=tuple(leaves), note=note)
            recovery.take_entries(session, brought, hub.own_pin, hub.clock())
        _fetch_contents(hub, api, start, seen)
    with hub.database.write() as session:
        recovery.hear(session, name, seen, hub.clock())
    return f"{len(leaves)} entries"


def _pages(hub: AskingHub, api: HubApi, first: int) -> Iterator[BroughtEntries]:
    """What a follower keeps from `first` on, until it has no more leaves; nothing when it follows no such hub."""
    for _ in range(MAX_PAGES):
        try:
            page = api.mirrored(hub.name, first)
        except HubRefused as error:
            if error.code != ProblemCode.NOT_FOUND and error.status != 404:
                raise
            return
        yield page
        first += len(page.leaves)
        if not page.leaves:
            return


def _known_pin(hub: AskingHub) -> Pin:
    with hub.database.read() as session:
        return recovery.known_pin(session, hub.own_pin)


def _fetch_leaves(hub: AskingHub, api: HubApi, start: int) -> tuple[list[LogEntry], str | None]:
    """Leaves from `start` on, as many as a checkpoint of this hub is for: a liar cannot fill the memory."""
    leaves: list[LogEntry] = []
    note, pin = None, _known_pin(hub)
    for page in _pages(hub, api, start):
        checkpoint = None if page.note is None else read_own_checkpoint(page.note, pin)
        if checkpoint is None or start + len(leaves) >= checkpoint.size:
            break
        note = page.note
        leaves += page.leaves[: checkpoint.size - start - len(leaves)]
        if start + len(leaves) == checkpoint.size:
            break
    return leaves, note


def _fetch_contents(hub: AskingHub, api: HubApi, start: int, seen: int) -> None:
    """Contents of leaves that are proven by now, each page by itself; others are passed over."""
    first = start
    for page in _pages(hub, api, start):
        with hub.database.write() as session:
            recovery.take_contents(session, page.contents)
        first += len(page.leaves)
        if first >= seen:
            return


def show_head(api: HubApi, head: ShownHead, seen: int) -> bool:
    """Show the hub of `api` what it has signed; True when it says that it is being restored, and is no liar then."""
    try:
        api.show_head(head)
        return api.recovery_state(seen, done=False).state != "serving"
    except (HubRefused, HubUnreachable):
        return False
