"""When a log's head was last vouched for, and whether that is good enough for a reader.

A reader remembers of each hub the last time at which the hub's own cosigner vouched for a head, and of each witness the
same. Nothing is ordered by these times; they only say that what is shown is not an old state. Pure: `now` is handed in.

    times = times.hear(note, cosigner, policy)
    for code, message in times.find_faults(policy, now): ...
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared_schema.checkpoint import NoteVerifier
from shared_schema.cosignature import cosigned_at, parse_cosigner
from shared_schema.errors import ContractError, SchemaError
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode

DEFAULT_LIMIT = timedelta(hours=24)
MAX_WITNESSES = 14
"""A note has room for the log's signature, its own cosignature and so many others."""


@dataclass(frozen=True, slots=True)
class HeadPolicy:
    """What a reader asks of a head: not older than `limit`, and vouched for by `needed` of `witnesses`.

    `strict`: a page whose head has too few witnesses is not taken at all.
    """

    limit: timedelta = DEFAULT_LIMIT
    witnesses: tuple[NoteVerifier, ...] = ()
    needed: int = 0
    strict: bool = False


def make_policy(*, hours: int, witnesses: tuple[str, ...], needed: int, strict: bool) -> HeadPolicy:
    """The policy of the settings. Raises ContractError for a wrong key or a number that can never be reached."""
    keys = tuple(parse_cosigner(vkey) for vkey in witnesses)
    if len(keys) > MAX_WITNESSES or len({key.key.raw for key in keys}) != len(keys):
        raise SchemaError(f"expected at most {MAX_WITNESSES} witnesses, each with a key of its own")
    if needed > len(keys):
        raise SchemaError(f"expected witnesses_needed of at most {len(keys)}, the number of witnesses")
    return HeadPolicy(timedelta(hours=hours), keys, needed, strict)


@dataclass(frozen=True, slots=True)
class HeadTimes:
    """Unix seconds: when the hub itself, and each witness by its vkey, last vouched for a head that was verified."""

    hub: int | None = None
    witnesses: Mapping[str, int] = field(default_factory=dict)

    def hear(self, note: str, cosigner: NoteVerifier | None, policy: HeadPolicy) -> "HeadTimes":
        """The times after a note whose checkpoint was verified; what it does not say stays as it was."""
        hub = None if cosigner is None else find_time(note, cosigner)
        heard = {witness.vkey: find_time(note, witness) for witness in policy.witnesses}
        known = {vkey: time for vkey, time in heard.items() if time is not None}
        return replace(self, hub=self.hub if hub is None else hub, witnesses={**self.witnesses, **known})

    def find_faults(self, policy: HeadPolicy, now: datetime) -> list[tuple[ProblemCode, str]]:
        """What a person has to know: the code of an alarm and what was expected."""
        faults = []
        if (message := self._find_age(policy, now)) is not None:
            faults.append((ProblemCode.STALE_HEAD, message))
        recent = sum(_is_recent(self.witnesses.get(witness.vkey), policy.limit, now) for witness in policy.witnesses)
        if recent < policy.needed:
            message = f"expected {policy.needed} witnesses within {_hours(policy)} hours, got {recent}"
            faults.append((ProblemCode.TOO_FEW_WITNESSES, message))
        return faults

    def _find_age(self, policy: HeadPolicy, now: datetime) -> str | None:
        if self.hub is None:
            return "expected a cosignature of the hub that says when its head was the newest, got none"
        if _is_recent(self.hub, policy.limit, now):
            return None
        said = format_time(datetime.fromtimestamp(self.hub, UTC))
        if self.hub > now.timestamp():
            return f"expected a time that has come, the hub vouches for {said}: its clock or this one is wrong"
        return f"expected a head that the hub vouched for within {_hours(policy)} hours, the last time was {said}"

    def to_text(self) -> str:
        return json.dumps({"hub": self.hub, "witnesses": dict(self.witnesses)}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str | None) -> "HeadTimes":
        """What `to_text` wrote; nothing for None."""
        return cls() if text is None else cls(**json.loads(text))


def find_time(note: str, cosigner: NoteVerifier) -> int | None:
    """As `cosigned_at`; a false line in that name counts for nothing, because anybody on the way can add one."""
    try:
        return cosigned_at(note, cosigner)
    except ContractError:
        return None


def count_witnesses(note: str, policy: HeadPolicy, now: datetime) -> int:
    """How many of the policy's witnesses have vouched for this very note within the limit."""
    return sum(_is_recent(find_time(note, witness), policy.limit, now) for witness in policy.witnesses)


def _is_recent(time: int | None, limit: timedelta, now: datetime) -> bool:
    """Within the limit, on both sides: a time of next year says nothing about today."""
    return time is not None and abs(now.timestamp() - time) <= limit.total_seconds()


def _hours(policy: HeadPolicy) -> int:
    return int(policy.limit.total_seconds() // 3600)
