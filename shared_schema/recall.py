"""How far a withdrawal has come: what a hub tells its members and the hubs beside it.

Every hub knows of its direct members how far they have read, because reads are signed: whoever asks for entries behind
a withdrawal has erased what it takes back. What lies beyond a linked hub that hub reports itself, and a report to a hub
never counts what lies beyond that very hub. The federation is a tree, so nobody is counted twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from shared_schema.names import Digest, Origin, Timestamp, Version
from shared_schema.wire import WireModel

MAX_RECALLS = 200
"""In one answer; the next one begins at `next`."""
MAX_LATE_NAMES = 50
MAX_SET_ASIDE = 1_000

Count = Annotated[int, Field(ge=0, le=10**9)]


class Recall(WireModel):
    """One withdrawal: `confirmed` of `holders` have erased what it takes back.

    `unreachable` are those among the holders that have left or were suspended or revoked: they cannot be asked any
    more. `unheard` are hubs whose word about those beyond them is not here yet. `late` names holders that should have
    confirmed long ago, some of them when there are many.
    """

    index: Count
    withdrawal: Digest
    item: Digest
    holders: Count
    confirmed: Count
    unreachable: Count
    unheard: Count
    late: Annotated[tuple[Origin, ...], Field(max_length=MAX_LATE_NAMES)]


class Counted(Protocol):
    """The numbers of a recall, wherever they are kept."""

    @property
    def holders(self) -> int: ...
    @property
    def confirmed(self) -> int: ...
    @property
    def unreachable(self) -> int: ...
    @property
    def unheard(self) -> int: ...


def is_settled(recall: Counted) -> bool:
    """Whether nothing more will change: every holder has confirmed or cannot be reached any more."""
    return recall.unheard == 0 and recall.confirmed + recall.unreachable >= recall.holders


class SetAside(WireModel):
    """An item that a hub could not take, and why."""

    digest: Digest
    code: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,39}$")]
    since: Timestamp


class RecallPage(WireModel):
    """Withdrawals in the order of the hub's log; with `next` there are more from that index on.

    `set_aside` is for linked hubs: what this hub could not take of what it read at the hub that asks.
    """

    v: Version = 1
    hub: Origin
    recalls: Annotated[tuple[Recall, ...], Field(max_length=MAX_RECALLS)]
    set_aside: Annotated[tuple[SetAside, ...], Field(max_length=MAX_SET_ASIDE)] = ()
    next: Count | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers that are added up."""

    holders: int = 0
    confirmed: int = 0
    unreachable: int = 0
    unheard: int = 0
    late: tuple[str, ...] = ()

    def plus(self, other: "Tally") -> "Tally":
        """The sum of both; names in order, at most `MAX_LATE_NAMES`."""
        return Tally(
            self.holders + other.holders,
            self.confirmed + other.confirmed,
            self.unreachable + other.unreachable,
            self.unheard + other.unheard,
            tuple(sorted({*self.late, *other.late})[:MAX_LATE_NAMES]),
        )


def add_up(tallies: Iterable[Tally]) -> Tally:
    """The sum of all."""
    total = Tally()
    for tally in tallies:
        total = total.plus(tally)
    return total


def in_words(recall: Recall | Tally) -> str:
    """`9 of 12 confirmed; late: …`, for people."""
    parts = [f"{recall.confirmed} of {recall.holders} confirmed"]
    if recall.late:
        parts.append(f"late: {', '.join(recall.late)}")
    if recall.unreachable:
        parts.append(f"{recall.unreachable} cannot be reached any more")
    if recall.unheard:
        parts.append(f"no word yet from {recall.unheard} hub{'s' if recall.unheard > 1 else ''}")
    return "; ".join(parts)
