"""What two hubs ask each other about a batch. None of it stands in a log; who sends it, signs the request (`hub_api`).

Each of these is asked once. The same bytes again get the same bytes back, for ever; other bytes are refused
(`Answered`), because a second answer about another set of cities would tell the difference between the two.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from shared_schema.errors import BatchError, MalformedError
from shared_schema.governance import MAX_MEMBERS
from shared_schema.names import Digest, Origin, Version
from shared_schema.problem import ProblemCode
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.terms import BatchTerms, Refusal, is_sorted
from shared_schema.wire import WireModel

MAX_PREPARE_BYTES = 8 * 1024 * 1024
"""2,000 lines of at most 2.9 KB: a verifier share for 400 cells has 1.9 KB. Of 40 cells, a line has 1.4 KB."""
Base64Text = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=4_096)]


class ProposalAnswer(WireModel):
    """The helper agrees: the whole terms, its signature, and the verification key sealed to the leader's key."""

    v: Version = 1
    terms: BatchTerms
    signature: Countersignature
    verify_key: Base64Text


class PreparedShare(WireModel):
    """What the leader says of one city's share: its verifier share, or why it refuses it."""

    origin: Origin
    digest: Digest
    verifier_share: Base64Text | None = None
    refused: Refusal | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.verifier_share is None) == (self.refused is None):
            raise ValueError("expected either a verifier share or why it is refused")
        return self


class PrepareRequest(WireModel):
    """Every share that has come to the leader, one line for each city, in the order of their names."""

    v: Version = 1
    batch: Digest
    shares: Annotated[tuple[PreparedShare, ...], Field(max_length=MAX_MEMBERS)]

    @model_validator(mode="after")
    def _each_city_once(self) -> Self:
        if not is_sorted([each.origin for each in self.shares]):
            raise ValueError("expected the cities sorted, each once")
        return self


class AnsweredShare(WireModel):
    """What both hubs make of it: the verifier message of an accepted share, or why it is refused."""

    origin: Origin
    message: Base64Text | None = None
    refused: Refusal | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.message is None) == (self.refused is None):
            raise ValueError("expected either a verifier message or why it is refused")
        return self


class PrepareAnswer(WireModel):
    """The helper's one answer. `helper_sum` is the hash of its sum of exactly the accepted ones; without it too few."""

    v: Version = 1
    batch: Digest
    shares: Annotated[tuple[AnsweredShare, ...], Field(max_length=MAX_MEMBERS)]
    helper_sum: Digest | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """One question, by its hash, and the bytes of its answer."""

    question: str
    answer: bytes

    @classmethod
    def to(cls, question: bytes, answer: bytes) -> "Answered":
        return cls(hashlib.sha256(question).hexdigest(), answer)


def check_question_size(question: bytes) -> None:
    """Raise MalformedError (`too-large`) for more than the largest batch can need."""
    if len(question) > MAX_PREPARE_BYTES:
        raise MalformedError(f"expected at most {MAX_PREPARE_BYTES} bytes", code=ProblemCode.TOO_LARGE)


def find_answer(known: Answered | None, question: bytes) -> bytes | None:
    """The answer that was given to this very question; None when nothing was asked yet.

    Raises BatchError (`already-answered`) when something else was asked.
    """
    if known is None:
        return None
    if known.question != hashlib.sha256(question).hexdigest():
        raise BatchError("expected the question that was answered before", code=ProblemCode.ALREADY_ANSWERED)
    return known.answer
