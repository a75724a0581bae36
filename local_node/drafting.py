"""Whose a draft is, who may read and change it, and where it stands. Plain rules; `draft_store` keeps what they decide.

A draft that a partner agency begins belongs to the agency, everybody else's to its author; for all others it does not
exist. An agency hands a draft to the coordinators, who can finish it, ask for its release or give it back. Whoever
changes it is one of its writers from then on, and a writer never approves it (`review.check_may_decide`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from local_node.errors import NodeError
from local_node.review import Role
from local_node.writing import Fields
from shared_schema.statement import Audience, Kind


class DraftState(StrEnum):
    """Where a draft stands."""

    WRITING = "writing"
    HANDED = "handed"
    ASKED = "asked"


TRANSITIONS: Final[Mapping[tuple[DraftState, DraftState], str]] = MappingProxyType(
    {
        (DraftState.WRITING, DraftState.WRITING): "somebody saves it",
        (DraftState.WRITING, DraftState.HANDED): "a partner agency hands it to the coordinators",
        (DraftState.HANDED, DraftState.HANDED): "a coordinator saves it",
        (DraftState.HANDED, DraftState.WRITING): "it goes back to the agency",
        (DraftState.WRITING, DraftState.ASKED): "a coordinator asks for its release",
        (DraftState.HANDED, DraftState.ASKED): "a coordinator asks for its release",
        (DraftState.ASKED, DraftState.WRITING): "its release was refused, and somebody goes on writing",
        (DraftState.ASKED, DraftState.HANDED): "its release was refused, and a coordinator goes on writing",
    }
)
"""(from, to) -> what happens. Every other change of state is refused. Signing a release ends its draft."""
MAY_ASK: Final = frozenset({Role.COORDINATOR})
MAY_WRITE: Final = frozenset({Role.COORDINATOR, Role.PARTNER})


class DraftUnknownError(NodeError):
    """There is no such draft for this person. Somebody else's and one that never was are told alike."""

    code = "draft-unknown"


class DraftStaleError(NodeError):
    """Somebody, perhaps the same person in another window, has changed the draft since the form was shown."""

    code = "draft-stale"


class DraftStateError(NodeError):
    """A draft cannot be changed, handed over or asked for where it stands, or by this person."""

    code = "draft-state"


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who writes in the node: who, as what, and for which partner agency (None for the city itself)."""

    id: str
    role: Role
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that somebody writes. `state` is WRITING or HANDED again when the release was refused."""

    id: str
    kind: Kind
    state: DraftState
    fields: Fields
    audience: Audience
    version: int
    author: str
    agency: str | None
    writers: tuple[str, ...]
    saved_at: datetime
    saved_by: str
    request_id: str | None = None
    refused_because: str | None = None
    """The reason of whoever refused the last request that was made of it."""


def can_see(draft: Draft, reader: Writer) -> bool:
    """Whether this draft exists for this person."""
    if reader.role not in MAY_WRITE:
        return False
    if draft.agency is None:
        return draft.author == reader.id
    return draft.agency == reader.agency or (reader.role is Role.COORDINATOR and draft.state is not DraftState.WRITING)


def check_may_change(draft: Draft, writer: Writer) -> None:
    """Raise DraftUnknownError or DraftStateError unless this person may change the text now."""
    if not can_see(draft, writer):
        raise DraftUnknownError("expected the id of a draft of your own")
    if draft.state is DraftState.ASKED:
        raise DraftStateError("expected a draft that nobody has asked to release; take the request back first")
    if draft.state is DraftState.HANDED and writer.role is not Role.COORDINATOR:
        raise DraftStateError("expected a draft that is with the agency; take it back from the coordinators first")


def check_may_discard(draft: Draft, writer: Writer) -> None:
    """Raise DraftUnknownError or DraftStateError unless this person may throw the text away.

    What an agency has handed over stays the agency's: a coordinator gives it back.
    """
    check_may_change(draft, writer)
    if draft.agency is not None and draft.agency != writer.agency:
        raise DraftStateError("expected a draft of one's own; give the one of an agency back to it")


def check_may_hand_over(draft: Draft, writer: Writer) -> None:
    """Raise DraftStateError unless this is an agency's draft in the hands of this very agency."""
    check_may_change(draft, writer)
    if draft.agency is None or writer.role is not Role.PARTNER:
        raise DraftStateError("expected the draft of a partner agency: only those are handed to the coordinators")


def check_may_give_back(draft: Draft, writer: Writer) -> None:
    """Raise DraftUnknownError or DraftStateError unless this person may put the draft into the agency's hands again."""
    if not can_see(draft, writer):
        raise DraftUnknownError("expected the id of a draft of your own")
    if draft.state is not DraftState.HANDED:
        raise DraftStateError("expected a draft that is with the coordinators")


def check_may_ask(draft: Draft, writer: Writer) -> None:
    """Raise DraftUnknownError or DraftStateError unless this person may ask for its release."""
    check_may_change(draft, writer)
    if writer.role not in MAY_ASK:
        raise DraftStateError("expected a coordinator to ask for a release; hand the draft over")


def state_after_refusal(agency: str | None) -> DraftState:
    """Where the text of a request is that was refused: with whoever had asked for it."""
    return DraftState.WRITING if agency is None else DraftState.HANDED
