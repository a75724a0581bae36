"""How the node stands, and what a person can do next: the page Today and `local-node status` say the same."""

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
from local_node.web.today import Need, Pressing
from shared_schema.service.translations import N_


@dataclass(frozen=True, slots=True)
class Overview:
    """The node in numbers."""

    hubs: tuple[PinnedHub, ...]
    alarms: tuple[Alarm, ...]
    requests: Mapping[RequestState, int]
    outbox: Mapping[OutboxState, int]
    inbox: Mapping[InboxState, int]

    @property
    def next_steps(self) -> tuple[Need, ...]:
        """What to do next, the most pressing first; there is always something."""
        return tuple(_next_steps(self))


def read_overview(session: Session) -> Overview:
    """Read all the numbers."""
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


def _next_steps(overview: Overview) -> Iterator[Need]:
    steps = [
        *about_hubs(overview.hubs, overview.alarms),
        *about_requests(overview.requests),
        *about_outbox(overview.outbox),
        *about_inbox(overview.inbox),
    ]
    yield from steps
    if not steps:
        yield Need(
            N_("Nothing waits for you. When an agency's figures arrive, read them in."), command="local-node import"
        )
        yield Need(
            N_("Did you try something lately? Write it down for other cities, also when it did not work."),
            command="local-node practice add",
        )


def about_hubs(hubs: tuple[PinnedHub, ...], alarms: tuple[Alarm, ...]) -> Iterator[Need]:
    """Alarms, a hub that is missing, a membership that is."""
    for alarm in alarms:
        values, phrases = {"hub": alarm.hub}, {"what": alarm.sentence}
        if alarm.code == sync.LEDGER_RESTORED:
            yield Need(
                N_(
                    "Call the operator of %(hub)s: %(what)s. Then put a newer backup in its place, or fetch your own "
                    "releases back. Until then no figures are drawn. What you hold is safe, the rest goes on."
                ),
                "/hubs",
                Pressing.ALARM,
                values,
                command="local-node ledger resume",
                phrases=phrases,
            )
            continue
        yield Need(
            N_(
                "Call the operator of %(hub)s: %(what)s. What you hold is safe, and the node goes on by itself when "
                "the hub is in order again."
            ),
            "/hubs",
            Pressing.ALARM,
            values,
            phrases=phrases,
        )
    if not hubs:
        yield Need(
            N_("Add your hub. Its operator tells you its address and reads its fingerprint out to you."),
            "/hubs",
            Pressing.DUE,
            command="local-node hub add",
        )
    for hub in hubs:
        if not hub.enrolled:
            yield Need(
                N_(
                    "Become a member of %(hub)s: ask its operator for a one-time code, send it, read your own "
                    "fingerprint out on the telephone, and exchange once when the operator has approved you."
                ),
                "/hubs",
                Pressing.DUE,
                {"hub": hub.name},
                command="local-node hub enrol",
            )


def about_requests(requests: Mapping[RequestState, int]) -> Iterator[Need]:
    """Releases on their way, by their state."""
    lists = {
        RequestState.REQUESTED: (
            N_("1 release waits for a second person."),
            N_("%(num)s releases wait for a second person."),
            "local-node release list",
        ),
        RequestState.HELD: (
            N_("1 release is held back by a rule; the list says which."),
            N_("%(num)s releases are held back by a rule; the list says which."),
            "local-node release list",
        ),
        RequestState.APPROVED: (
            N_("1 approved release is signed with the next exchange."),
            N_("%(num)s approved releases are signed with the next exchange."),
            "local-node sync",
        ),
    }
    for state, (one, many, command) in lists.items():
        if count := requests.get(state, 0):
            pressing = Pressing.KNOWN if state is RequestState.APPROVED else Pressing.WAITING
            yield Need(one, "/reviews", pressing, many=many, count=count, command=command)


def about_outbox(rows: Mapping[OutboxState, int]) -> Iterator[Need]:
    """What a hub refused, and what waits."""
    if count := rows.get(OutboxState.REFUSED, 0):
        yield Need(
            N_("1 statement was refused by a hub; the list says why."),
            "/outbox",
            Pressing.DUE,
            many=N_("%(num)s statements were refused by a hub; the list says why."),
            count=count,
            command="local-node outbox list",
        )
    if count := rows.get(OutboxState.WAITING, 0) + rows.get(OutboxState.SENDING, 0):
        yield Need(
            N_("1 statement waits to be sent."),
            "/outbox",
            Pressing.KNOWN,
            many=N_("%(num)s statements wait to be sent."),
            count=count,
            command="local-node sync",
        )


def about_inbox(items: Mapping[InboxState, int]) -> Iterator[Need]:
    """What could not be verified."""
    if count := items.get(InboxState.QUARANTINED, 0):
        yield Need(
            N_(
                "1 item could not be verified and is kept apart. Nothing to do: it is tried again with every new "
                "member. Ask your hub if it lasts."
            ),
            "/inbox?show=quarantined",
            Pressing.KNOWN,
            many=N_(
                "%(num)s items could not be verified and are kept apart. Nothing to do: they are tried again with "
                "every new member. Ask your hub if it lasts."
            ),
            count=count,
            command="local-node inbox list --state quarantined",
        )
