"""What two hubs agree on: the batch before anything is sent, and what came of it before anything is opened.

`BatchPlan` is what is collected, from whom and until when; `BatchTerms` adds both hubs with the keys that they made for
this batch alone. `RosterTerms` says whose shares are in both sums, `VoidTerms` that nothing will ever be opened. The
leader is the cities' own hub, the helper the second one.

Sizes are bounded here, so that whatever comes of a batch fits into one statement: a roster that nobody can sign would
leave every city's figures shut in for ever.
"""

import base64
import hashlib
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared_schema.envelope import MAX_ENVELOPE_BYTES
from shared_schema.errors import ContractError, ReleaseRuleError, SchemaError
from shared_schema.governance import LEAST_BATCH, MAX_MEMBERS
from shared_schema.names import (
    Base64Key,
    CellCode,
    Digest,
    Operator,
    Origin,
    TermId,
    Timestamp,
    Version,
    is_same_operator,
    parse_time,
)
from shared_schema.period import Period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.hpke import check_public_key
from shared_schema.trend import MAX_ABSOLUTE_VALUE, MAX_CELLS, TableReference
from shared_schema.vdaf.field128 import ENCODED_SIZE
from shared_schema.vdaf.prio3 import Prio3SumVec
from shared_schema.vdaf.sum_vec import MAX_MEAS_LEN, SumVec
from shared_schema.vdaf.xof import SEED_SIZE
from shared_schema.vocabulary import SourceKind
from shared_schema.wire import WireModel

VDAF: Final = "draft-irtf-cfrg-vdaf-20 Prio3SumVec, version 18"
SHARES: Final = 2
BASE64_GROUP: Final = 3
MAX_PAYLOAD_BYTES: Final = (MAX_ENVELOPE_BYTES - 1024) // 4 * BASE64_GROUP
"""What an envelope holds beside its type and its signature: a payload is written in base64."""
_ROOM_OF_STATEMENT: Final = 4 * 1024
"""For all of a statement that does not grow with the number of its cities or bits."""
_DIGEST_IN_LIST: Final = 67
_NAME_IN_LIST: Final = 50
"""Characters of an accepted digest, and of a refusal beside the city's name, with what JSON puts around them."""
Role = Literal["leader", "helper"]
ROLES: Final[tuple[Role, Role]] = ("leader", "helper")
"""In the order of their ids as aggregators."""


def _is_usable(encoded: str) -> str:
    try:
        check_public_key(base64.b64decode(encoded))
    except ContractError as error:
        raise ValueError(error.message) from None
    return encoded


HpkeKey = Annotated[Base64Key, AfterValidator(_is_usable)]


class HubPart(WireModel):
    """One of the two hubs, with what it made for this batch alone: the key that halves are sealed to, and the hash of
    the seed of its noise."""

    name: Origin
    operator: Operator
    hpke_key: HpkeKey
    noise_seed: Digest

    @property
    def public_key(self) -> bytes:
        return base64.b64decode(self.hpke_key)


class BatchPlan(WireModel):
    """What is collected, from whom, until when, and how much noise each hub adds.

    `members` are the cities that may send, as they were at `log_size` of the leader's log. `late_of` is the batch whose
    late cities this one collects. With `source_kind` every share is of that kind.
    """

    table: TableReference
    period: Period
    dimension: TermId
    cells: Annotated[tuple[CellCode, ...], Field(min_length=1, max_length=MAX_CELLS)]
    maximum: Annotated[int, Field(ge=1, le=MAX_ABSOLUTE_VALUE)]
    chunk_length: Annotated[int, Field(ge=1, le=MAX_MEAS_LEN)]
    """As `best_chunk_length` has it. Named, so that two releases that work it out in two ways still agree."""
    min_batch: Annotated[int, Field(ge=LEAST_BATCH, le=MAX_MEMBERS)]
    epsilon_milli: Annotated[int, Field(ge=1, le=10_000)]
    members: Annotated[tuple[Origin, ...], Field(min_length=LEAST_BATCH, max_length=MAX_MEMBERS)]
    log_size: Annotated[int, Field(ge=0)]
    opens: Timestamp
    closes: Timestamp
    late_of: Digest | None = None
    source_kind: SourceKind | None = None

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        if len(set(self.cells)) != len(self.cells):
            raise ValueError("expected every cell of the grid once")
        if not is_sorted(self.members):
            raise ValueError("expected the members sorted, each once")
        if self.min_batch > len(self.members):
            raise ValueError("expected at least min_batch members")
        if parse_time(self.opens) >= parse_time(self.closes):
            raise ValueError("expected a batch to close after it opens")
        return self

    @model_validator(mode="after")
    def _statements_fit(self) -> Self:
        """The longest roster and the longest share that can come of it."""
        roster = sum(max(_DIGEST_IN_LIST, len(name) + _NAME_IN_LIST) for name in self.members)
        if roster > MAX_PAYLOAD_BYTES - _ROOM_OF_STATEMENT:
            raise ValueError("expected so many members that a roster of them fits into one statement")
        try:
            half = leader_half_size(self.vdaf)
        except SchemaError as error:  # more bits than the proof is made for, or chunks that do not fit
            raise ValueError(error.message) from None
        if half * 4 // BASE64_GROUP > MAX_PAYLOAD_BYTES - _ROOM_OF_STATEMENT:
            raise ValueError("expected so many cells with such a maximum that a share fits into one statement")
        return self

    @property
    def vdaf(self) -> Prio3SumVec:
        """The one instance that all parties have with these numbers."""
        return Prio3SumVec(SHARES, SumVec(len(self.cells), self.maximum, self.chunk_length))


def leader_half_size(vdaf: Prio3SumVec) -> int:
    """Bytes of the leader's half before it is sealed."""
    return (vdaf.circuit.meas_len + vdaf.circuit.proof_len) * ENCODED_SIZE + SEED_SIZE


class BatchProposal(WireModel):
    """What the leader would like to collect together with `helper`, in whose part only the helper can fill in."""

    v: Version = 1
    plan: BatchPlan
    leader: HubPart
    helper: Origin


class BatchTerms(WireModel):
    """What both hubs have agreed on. `verify_key` is the hash of the key that no city may see."""

    v: Version = 1
    vdaf: Literal["draft-irtf-cfrg-vdaf-20 Prio3SumVec, version 18"]
    plan: BatchPlan
    leader: HubPart
    helper: HubPart
    verify_key: Digest

    @model_validator(mode="after")
    def _hubs_differ(self) -> Self:
        if self.leader.name == self.helper.name or self.leader.hpke_key == self.helper.hpke_key:
            raise ValueError("expected two hubs, each with a key of its own")
        if self.leader.noise_seed == self.helper.noise_seed:
            raise ValueError("expected two seeds: the same noise twice is no second noise")
        return self

    def part_of(self, role: Role) -> HubPart:
        return self.leader if role == "leader" else self.helper


def check_operators(terms: BatchTerms) -> None:
    """Raise ReleaseRuleError (`same-operator`) for two hubs that are one: of one ministry, hoster or administrator."""
    if is_same_operator(terms.leader.operator, terms.helper.operator):
        raise ReleaseRuleError("expected two hubs of different operators", code=ProblemCode.SAME_OPERATOR)


class Refusal(StrEnum):
    """Why a city's share is in neither sum."""

    WRONG_BATCH = "wrong-batch"
    TWICE = "twice"
    """More than one share of the city came; nobody chooses between them."""
    LATE = "late"
    BAD_SEAL = "bad-seal"
    FORM = "form"
    RANGE = "range"
    HALVES = "halves"
    """The proof may hold, but the city did not send both hubs halves of the same."""


class RefusedShare(WireModel):
    origin: Origin
    reason: Refusal


class Attendance(WireModel):
    """Whose share is in both sums, whose is not and why, and from whom none came: each member is in one of the three.

    Accepted ones are named by the digest of their statement, so that a city knows that this very share counts.
    """

    accepted: Annotated[tuple[Digest, ...], Field(max_length=MAX_MEMBERS)]
    refused: Annotated[tuple[RefusedShare, ...], Field(max_length=MAX_MEMBERS)]
    absent: Annotated[tuple[Origin, ...], Field(max_length=MAX_MEMBERS)]

    @model_validator(mode="after")
    def _is_sorted(self) -> Self:
        refused = [each.origin for each in self.refused]
        if not all(map(is_sorted, (self.accepted, refused, self.absent))):
            raise ValueError("expected each list sorted, and everybody in it once")
        return self


def check_attendance(attendance: Attendance, plan: BatchPlan) -> None:
    """Raise SchemaError unless every member of the batch stands in it once, and nobody else."""
    named = [*(each.origin for each in attendance.refused), *attendance.absent]
    is_whole = len(named) + len(attendance.accepted) == len(plan.members)
    if not is_whole or len(set(named)) != len(named) or not set(named) <= set(plan.members):
        raise SchemaError("expected every member of the batch once, as accepted, refused or absent")


class RosterTerms(WireModel):
    """Whose shares are in both sums, and the hash of each sum with its noise: both are fixed before one is seen."""

    v: Version = 1
    batch: Digest
    attendance: Attendance
    leader_sum: Digest
    helper_sum: Digest

    def sum_of(self, role: Role) -> str:
        return self.leader_sum if role == "leader" else self.helper_sum


class VoidTerms(WireModel):
    """Nothing of this batch is ever opened; only then may a city send these figures again.

    `too-few`: fewer than `min_batch` shares were accepted. `given-up`: one of the hubs cannot go on.
    """

    v: Version = 1
    batch: Digest
    reason: Literal["too-few", "given-up"]
    attendance: Attendance | None = None

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if (self.attendance is not None) != (self.reason == "too-few"):
            raise ValueError("expected the attendance exactly when too few came")
        return self


def sum_digest(batch: str, role: Role, vector: bytes) -> str:
    """What a hub commits itself to: SHA-256 of its sum with noise, for this batch and role. The sum alone is as good as
    random, so its hash gives nothing away."""
    return hashlib.sha256(f"prevention-exchange aggregate-share {batch} {role} ".encode() + vector).hexdigest()


def is_sorted(texts: Sequence[str]) -> bool:
    """In the order of code points, each once."""
    return all(one < other for one, other in pairwise(texts))
