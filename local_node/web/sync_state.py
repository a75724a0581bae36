"""How the exchange with each hub stands: in time, late or down, and what waits to be sent. Words first, colour last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node.hub_client import PinnedHub
from local_node.orm import OutboxRow
from local_node.outbox import UNSETTLED
from local_node.sync import Alarm
from shared_schema.service.translations import N_

Standing = Literal["good", "late", "down", "alarm", "new"]
ROUNDS_MISSED: Final = 3
"""One round may fail by chance, three in a row do not."""
LATE_AT_LEAST: Final = timedelta(hours=1)
DOWN_AFTER: Final = timedelta(days=1)
LATE_BY_HAND, DOWN_BY_HAND = timedelta(days=2), timedelta(days=7)
"""For a node that syncs only when somebody says so."""
TEXTS: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        "good": N_("in time"),
        "late": N_("late: nothing to do, it is tried again by itself"),
        "down": N_("down: the network or the hub does not answer; everything here goes on"),
        "alarm": N_("stopped: something is wrong with the hub"),
        "new": N_("not a member yet"),
    }
)
SIGNS: Final[Mapping[Standing, str]] = MappingProxyType(
    {"good": "good", "late": "wait", "down": "bad", "alarm": "bad", "new": "wait"}
)
"""The shape beside the words (`parts.html`, macro `status`)."""


@dataclass(frozen=True, slots=True)
class HubState:
    """One hub: how it stands, when it last answered honestly, how much waits for it and since when."""

    hub: PinnedHub
    standing: Standing
    waiting: int = 0
    waiting_since: datetime | None = None

    @property
    def text(self) -> str:
        return TEXTS[self.standing]

    @property
    def sign(self) -> str:
        return SIGNS[self.standing]


def standing_of(hub: PinnedHub, alarms: Sequence[Alarm], every: timedelta, now: datetime) -> Standing:
    """How a hub stands when a round is due `every` so often (0 for only by hand)."""
    if any(alarm.hub == hub.name for alarm in alarms):
        return "alarm"
    if not hub.enrolled:
        return "new"
    late, down = (max(ROUNDS_MISSED * every, LATE_AT_LEAST), DOWN_AFTER) if every else (LATE_BY_HAND, DOWN_BY_HAND)
    quiet = now - (hub.last_success_at or datetime.min.replace(tzinfo=now.tzinfo))
    return "good" if quiet <= late else "late" if quiet <= max(down, 2 * late) else "down"


def read_states(
    session: Session, hubs: Sequence[PinnedHub], alarms: Sequence[Alarm], every: timedelta, now: datetime
) -> tuple[HubState, ...]:
    """The state of every hub."""
    row = OutboxRow
    waiting = {
        hub: (count, since)
        for hub, count, since in session.execute(
            select(row.hub, func.count(), func.min(row.created_at)).where(row.state.in_(UNSETTLED)).group_by(row.hub)
        )
    }
    return tuple(HubState(hub, standing_of(hub, alarms, every, now), *waiting.get(hub.name, (0, None))) for hub in hubs)
