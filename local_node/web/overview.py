"""How the node stands, and what a person can do next: the first page and `local-node status` say the same."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import hub_client, inbox, outbox, sync
from local_node.hub_client import PinnedHub
from local_node.inbox import InboxState
from local_node.orm import ReleaseRequestRow
from local_node.outbox import OutboxState
from local_node.review import RequestState
from local_node.sync import Alarm


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do, in plain words, and the command for it where there is one."""

    sentence: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The node in numbers."""

    hubs: tuple[PinnedHub, ...]
    alarms: tuple[Alarm, ...]
    requests: Mapping[RequestState, int]
    outbox: Mapping[OutboxState, int]
    inbox: Mapping[InboxState, int]

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """What to do next, the most pressing first; there is always something."""
        return tuple(_next_steps(self))


def read_overview(session: Session) -> Overview:
    """Read everything the first page shows."""
    by_state: Counter[InboxState] = Counter()
    for (_, state), count in inbox.count_items(session).items():
        by_state[state] += count
    requests = session.execute(select(ReleaseRequestRow.state, func.count()).group_by(ReleaseRequestRow.state))
    return Overview(
        hubs=hub_client.list_hubs(session),
        alarms=sync.list_alarms(session),
        requests={RequestState(state): count for state, count in requests},
        outbox=outbox.count_rows(session),
        inbox=dict(by_state),
    )


def _next_steps(overview: Overview) -> Iterator[NextStep]:
    steps = [
        *_about_hubs(overview),
        *_about_requests(overview.requests),
        *_about_outbox(overview.outbox),
        *_about_inbox(overview.inbox),
    ]
    yield from steps
    if not steps:
        yield NextStep("Nothing waits for you. When an agency's figures arrive, read them in.", "local-node import")
        yield NextStep(
            "Did you try something lately? Write it down for other cities, also when it did not work.",
            "local-node practice add",
        )


def _about_hubs(overview: Overview) -> Iterator[NextStep]:
    for alarm in overview.alarms:
        if alarm.code == sync.LEDGER_RESTORED:
            yield NextStep(
                f"Call the operator of {alarm.hub}: {alarm.sentence}. Then put a newer backup in its place, or fetch "
                f"your own releases back. Until then no figures are drawn. What you hold is safe, the rest goes on.",
                "local-node ledger resume",
            )
            continue
        yield NextStep(
            f"Call the operator of {alarm.hub}: {alarm.sentence}. What you hold is safe, and the node goes on by "
            f"itself when the hub is in order again."
        )
    if not overview.hubs:
        yield NextStep(
            "Add your hub. Its operator tells you its address and reads its fingerprint out to you.",
            "local-node hub add",
        )
    for hub in overview.hubs:
        if not hub.enrolled:
            yield NextStep(
                f"Become a member of {hub.name}: ask its operator for a one-time code, send it, read your own "
                f"fingerprint out on the telephone, and sync when the operator has approved you.",
                "local-node hub enrol",
            )


def _about_requests(requests: Mapping[RequestState, int]) -> Iterator[NextStep]:
    if count := requests.get(RequestState.REQUESTED, 0):
        yield NextStep(
            f"{_many(count, 'release waits', 'releases wait')} for a second person.", "local-node release list"
        )
    if count := requests.get(RequestState.HELD, 0):
        yield NextStep(
            f"{_many(count, 'release is', 'releases are')} held back by a rule; the list says which.",
            "local-node release list",
        )
    if count := requests.get(RequestState.APPROVED, 0):
        yield NextStep(
            f"{_many(count, 'approved release is', 'approved releases are')} signed with the next sync.",
            "local-node sync",
        )


def _about_outbox(rows: Mapping[OutboxState, int]) -> Iterator[NextStep]:
    if count := rows.get(OutboxState.REFUSED, 0):
        yield NextStep(
            f"{_many(count, 'statement was', 'statements were')} refused by a hub; the list says why.",
            "local-node outbox list",
        )
    if count := rows.get(OutboxState.WAITING, 0) + rows.get(OutboxState.SENDING, 0):
        yield NextStep(f"{_many(count, 'statement waits', 'statements wait')} to be sent.", "local-node sync")


def _about_inbox(items: Mapping[InboxState, int]) -> Iterator[NextStep]:
    if count := items.get(InboxState.QUARANTINED, 0):
        yield NextStep(
            f"{_many(count, 'item', 'items')} could not be verified and {'is' if count == 1 else 'are'} kept apart. "
            "Nothing to do: they are tried again with every new member. Ask your hub if it lasts.",
            "local-node inbox list --state quarantined",
        )


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
