"""How far a batch is, at each of its two hubs: one table for each, and nothing happens that is not in it.

The order is what protects the cities. Who is in the sums is fixed and signed by both before a sum is shown; a batch
that was given up is never opened, and one whose roster is signed is never given up.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared_schema.errors import BatchError
from shared_schema.sealed.terms import Role


class BatchState(StrEnum):
    PROPOSED = "proposed"
    """The leader has asked; the helper's answer is not here yet."""
    AGREED = "agreed"
    """The helper has signed the terms; the leader's log does not have them yet."""
    OPEN = "open"
    CLOSED = "closed"
    ANSWERED = "answered"
    """The helper has said whose shares it accepts, and fixed its sum."""
    SIGNED = "signed"
    """The helper has signed the roster; the leader's log does not have it yet. From here on nothing is given up."""
    COMMITTED = "committed"
    """The roster, signed by both, stands in the leader's log."""
    PUBLISHED = "published"
    DONE = "done"
    """Opened, and all keys and shares are destroyed."""
    VOID = "void"
    """Never to be opened, and all keys and shares are destroyed."""
    DROPPED = "dropped"
    """The helper did not agree, or the leader never announced what it had agreed to."""


class BatchEvent(StrEnum):
    OPEN = "open"
    """The batch statement stands in the leader's log."""
    DROP = "drop"
    TAKE = "take"
    """A share comes."""
    CLOSE = "close"
    """The leader looks at all shares and asks the helper."""
    ANSWER = "answer"
    SIGN = "sign"
    COMMIT = "commit"
    PUBLISH = "publish"
    DESTROY = "destroy"
    """Both sums are in the logs."""
    VOID = "void"


_S, _E = BatchState, BatchEvent
Transitions = Mapping[tuple[BatchState, BatchEvent], BatchState]
_FROM_COMMITTED: Final = {
    (_S.COMMITTED, _E.PUBLISH): _S.PUBLISHED,
    (_S.PUBLISHED, _E.DESTROY): _S.DONE,
}
TRANSITIONS: Final[Mapping[Role, Transitions]] = MappingProxyType(
    {
        "leader": MappingProxyType(
            {
                (_S.PROPOSED, _E.OPEN): _S.OPEN,
                (_S.PROPOSED, _E.DROP): _S.DROPPED,
                (_S.OPEN, _E.TAKE): _S.OPEN,
                (_S.OPEN, _E.CLOSE): _S.CLOSED,
                (_S.OPEN, _E.VOID): _S.VOID,
                (_S.CLOSED, _E.ANSWER): _S.ANSWERED,
                (_S.CLOSED, _E.VOID): _S.VOID,
                (_S.ANSWERED, _E.COMMIT): _S.COMMITTED,
                (_S.ANSWERED, _E.VOID): _S.VOID,
            }
            | _FROM_COMMITTED
        ),
        "helper": MappingProxyType(
            {
                (_S.AGREED, _E.OPEN): _S.OPEN,
                (_S.AGREED, _E.DROP): _S.DROPPED,
                (_S.OPEN, _E.TAKE): _S.OPEN,
                (_S.OPEN, _E.ANSWER): _S.ANSWERED,
                (_S.OPEN, _E.VOID): _S.VOID,
                (_S.ANSWERED, _E.SIGN): _S.SIGNED,
                (_S.ANSWERED, _E.VOID): _S.VOID,
                (_S.SIGNED, _E.COMMIT): _S.COMMITTED,
            }
            | _FROM_COMMITTED
        ),
    }
)
FIRST: Final[Mapping[Role, BatchState]] = MappingProxyType({"leader": _S.PROPOSED, "helper": _S.AGREED})
HAS_SECRETS: Final = frozenset(BatchState) - {_S.DONE, _S.VOID, _S.DROPPED}
"""In every other state a hub keeps nothing that opens a share."""


def next_state(role: Role, state: BatchState, event: BatchEvent) -> BatchState:
    """The state after an event. Raises BatchError (`batch-state`) for one that the table does not have there."""
    found = TRANSITIONS[role].get((state, event))
    if found is None:
        allowed = ", ".join(sorted(each.value for at, each in TRANSITIONS[role] if at is state)) or "nothing"
        raise BatchError(f"expected {allowed} from a batch that is {state.value}, got {event.value}")
    return found
