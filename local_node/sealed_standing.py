"""How a collection stands for this city: one word, out of what both hubs have said and what this city has done.

    standing_of(reading, "leipzig.sn.de", own, now)      Standing.OPEN

Everything here was verified before (`sealed_batches`). Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from local_node.review import RequestState
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.agreed import AgreedBatch, AgreedRoster
from shared_schema.sealed.terms import ROLES, Refusal, Role, VoidTerms
from shared_schema.sealed.total import SealedTotal

SOON: Final = timedelta(days=3)
"""Before a collection closes: a weekend, and a day for the second person."""


class Standing(StrEnum):
    """Where this city stands in a collection."""

    UNREADABLE = "unreadable"
    """Its announcement does not hold: the reason says what is wrong with it."""
    NOT_YET = "not-yet"
    OPEN = "open"
    """Open, and this city has not asked yet."""
    ASKED = "asked"
    APPROVED = "approved"
    HELD = "held"
    ON_ITS_WAY = "on-its-way"
    SENT = "sent"
    """Signed, and the hub has given a receipt."""
    NOT_TAKEN = "not-taken"
    """The hub would not take the share."""
    MISSED = "missed"
    """Closed without a share of this city; the hubs have not said yet who is in it."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ABSENT = "absent"
    OPENED = "opened"
    """The total is out, and this city is in it."""
    VOID = "void"


FREE: Final = frozenset({Standing.VOID, Standing.REFUSED, Standing.ABSENT})
"""Nobody has learned anything of this city: it may send these figures again, in another collection."""
COUNTED: Final = frozenset({Standing.ACCEPTED, Standing.OPENED})
ENDED: Final = FREE | COUNTED
WAITING_FOR_US: Final = frozenset({Standing.OPEN})
_BY_REQUEST: Final = {
    RequestState.REQUESTED: Standing.ASKED,
    RequestState.APPROVED: Standing.APPROVED,
    RequestState.HELD: Standing.HELD,
}


@dataclass(frozen=True, slots=True)
class OwnShare:
    """What this city has done about a collection. `hub_code` is why its hub would not take the share."""

    request: str
    state: RequestState
    statement: str | None = None
    delivered: bool = False
    hub_code: str | None = None


@dataclass(frozen=True)
class Reading:
    """A collection as its hubs have announced it, with all that was said about it afterwards.

    `batch` is None, and `fault` says why, when the announcement does not hold; `broken_rule` is there when both hubs
    have signed it and it breaks a rule all the same. `faults` are of what came later.
    """

    digest: str
    hub: str
    log_index: int
    announced_at: str
    batch: AgreedBatch | None
    fault: str | None = None
    broken_rule: ProblemCode | None = None
    roster: AgreedRoster | None = None
    void: VoidTerms | None = None
    sums: frozenset[Role] = frozenset()
    total: SealedTotal | None = None
    faults: tuple[str, ...] = ()

    @property
    def is_opened(self) -> bool:
        return len(self.sums) == len(ROLES)

    @property
    def has_ended(self) -> bool:
        """Whether both hubs have said what came of it."""
        return self.roster is not None or self.void is not None

    def refusal_of(self, name: str) -> Refusal | None:
        """Why a city's share is in neither sum; None when it is not refused."""
        refused = () if self.roster is None else self.roster.terms.attendance.refused
        return next((each.reason for each in refused if each.origin == name), None)


def standing_of(reading: Reading, name: str, own: OwnShare | None, now: datetime) -> Standing:
    """Where the city `name`, a member, stands. What both hubs have said last counts, then what this city has done."""
    if reading.batch is None:
        return Standing.UNREADABLE
    if reading.roster is not None:
        return _in_roster(reading, reading.roster, name)
    if reading.void is not None:
        return Standing.VOID
    if own is not None and own.state is RequestState.SIGNED:
        if own.hub_code is not None:
            return Standing.NOT_TAKEN
        return Standing.SENT if own.delivered else Standing.ON_ITS_WAY
    if now > parse_time(reading.batch.plan.closes):
        return Standing.MISSED
    if own is not None:
        return _BY_REQUEST.get(own.state, Standing.OPEN)
    return Standing.OPEN if now >= parse_time(reading.batch.plan.opens) else Standing.NOT_YET


def _in_roster(reading: Reading, roster: AgreedRoster, name: str) -> Standing:
    """Each member is accepted, refused or absent, and the last two by name: who is neither is in the sums."""
    if name in roster.terms.attendance.absent:
        return Standing.ABSENT
    if reading.refusal_of(name) is not None:
        return Standing.REFUSED
    return Standing.OPENED if reading.is_opened else Standing.ACCEPTED


def closes_soon(batch: AgreedBatch, now: datetime) -> bool:
    """Whether little time is left for a person and a second one."""
    return parse_time(batch.plan.closes) - now <= SOON
