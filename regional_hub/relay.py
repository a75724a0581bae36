"""The relay: what members say in confidence, kept outside the log until the window closes (`relay_window`).

Nobody but this hub may see who asked for what. So a request has no entry in the log, no `seq`, no event with a
member's name in the audit log, and nothing about it stands in a file that others read.

    waiting -> published | handed-up | withdrawn;  published, handed-up -> withdrawn
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.errors import HubError
from regional_hub.members import Trust
from regional_hub.orm import RelayItemRow
from shared_schema.canonical import parse_strict
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody
from shared_schema.entry import digest_of
from shared_schema.envelope import envelope_from_object
from shared_schema.governance import Level, WithdrawalBody
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayRequest
from shared_schema.service.database import forget
from shared_schema.statement import Kind


class RelayState(StrEnum):
    """Where a request stands. A withdrawal that is done is `withdrawn`, as what it took back."""

    WAITING = "waiting"
    HANDED_UP = "handed-up"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


TRANSITIONS: Final[Mapping[tuple[RelayState, RelayState], str]] = MappingProxyType(
    {
        (RelayState.WAITING, RelayState.PUBLISHED): "the window closes, and this hub publishes it",
        (RelayState.WAITING, RelayState.HANDED_UP): "the window closes, and the hub above is to publish it",
        (RelayState.WAITING, RelayState.WITHDRAWN): "the author takes it back before anybody has seen it",
        (RelayState.PUBLISHED, RelayState.WITHDRAWN): "the author or the operator takes it back",
        (RelayState.HANDED_UP, RelayState.WITHDRAWN): "the author takes it back at the hub above",
    }
)
"""(from, to) → what happens. Every other change of state is refused."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The hub that relays: its name, key, level and area, and how long it gathers before it publishes."""

    name: str
    key: SigningKey
    level: Level
    area: Area
    window: timedelta

    def publishes(self, attribution: str | None) -> bool:
        """A region's signature would name the region, so what names only the country is published further up."""
        return attribution != "country" or self.level != "region"


def find_parent(trust: Trust) -> str | None:
    """The name of the hub above; None when there is none."""
    return next(
        (name for name in sorted(trust.direct) if _role(trust, name) is MemberRole.PARENT),
        None,
    )


def _role(trust: Trust, name: str) -> MemberRole | None:
    member = trust.directory.find(name)
    return None if member is None else member.role


# --- states --------------------------------------------------------------------------------------------------------


def move(session: Session, row: RelayItemRow, state: RelayState, **values: object) -> None:
    """Compare and swap. Raises HubError for a change that TRANSITIONS does not know, or that came too late."""
    before = RelayState(row.state)
    if (before, state) not in TRANSITIONS:
        raise HubError(f"expected a request that can become {state.value}, this one is {before.value}")
    moved = session.execute(
        update(RelayItemRow)
        .where(RelayItemRow.digest == row.digest, RelayItemRow.state == before.value)
        .values(state=state.value, **values)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise HubError(f"expected a request that is {before.value} still", code=ProblemCode.BUSY)
    session.refresh(row)
    if "envelope" in values:
        forget(session, "relay_items")


def close_withdrawal(session: Session, withdrawal: RelayItemRow, target: RelayItemRow) -> None:
    """Mark both as withdrawn and erase what they said; the digests stay."""
    if target.state != RelayState.WITHDRAWN.value:
        move(session, target, RelayState.WITHDRAWN, envelope=None)
    move(session, withdrawal, RelayState.WITHDRAWN, envelope=None)


# --- looking -------------------------------------------------------------------------------------------------------


def list_items(session: Session) -> list[RelayItemRow]:
    """Everything, oldest first. For the operator alone."""
    query = select(RelayItemRow).order_by(RelayItemRow.received_at, RelayItemRow.digest)
    return list(session.scalars(query))


def find_faults(session: Session, name: str) -> list[str]:
    """What does not hold about the rows: contents against digests, links against the log. Names no member."""
    faults = []
    for row in list_items(session):
        if row.envelope is not None and digest_of(row.envelope) != row.digest:
            faults.append(f"relay {row.digest}: expected the content that the digest names")
        if row.state == RelayState.PUBLISHED.value:
            entry = log.find_entry(session, row.relayed or "")
            if entry is None or (entry.origin, entry.kind) != (name, Kind.RELAYED.value):
                faults.append(f"relay {row.digest}: expected its relayed item in the log")
    return faults


def read_content(row: RelayItemRow) -> PracticeBody | ExperienceBody | AnswerBody | WithdrawalBody:
    """What a request says; it was verified when it came in. Raises HubError when it has been erased."""
    if row.envelope is None:
        raise HubError("expected a request whose content is still here")
    return RelayRequest.from_bytes(envelope_from_object(parse_strict(row.envelope)).payload).content
