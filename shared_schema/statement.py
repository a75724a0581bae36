"""The signed statement and its kinds: what node and hub say to each other.

    {"v":1, "kind":"trend", "origin":"bremen.hb.de", "seq":17, "issued_at":"2026-11-22T09:00:00Z",
     "nonce":"...", "audience":"hub", "body":{...}}

`seq` rises with every statement of an origin, and (origin, seq) is unique for ever. `audience` says how far the content
may travel. The bodies are in `trend.py`, `content.py`, `governance.py` and `sealed/bodies.py`;
`STATEMENT_BODIES` is the list of kinds.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field

from shared_schema import canonical
from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.envelope import Envelope, VerifiedEnvelope, kind_of, sign_payload
from shared_schema.errors import SchemaError, VerificationError
from shared_schema.governance import MembershipBody, PolicyBody, RelayedBody, WithdrawalBody
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.names import Origin, Timestamp, Version
from shared_schema.names import format_time as format_time
from shared_schema.names import parse_time as parse_time
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import AggregateShareBody, BatchBody, RosterBody, ShareBody, VoidBody
from shared_schema.trend import AggregateBody, TrendBody
from shared_schema.wire import WireModel


class Kind(StrEnum):
    """What a statement is; each has a payload type of its own."""

    TREND = "trend"
    AGGREGATE = "aggregate"
    PRACTICE = "practice"
    EXPERIENCE = "experience"
    BULLETIN = "bulletin"
    QUESTION = "question"
    ANSWER = "answer"
    WITHDRAWAL = "withdrawal"
    MEMBERSHIP = "membership"
    POLICY = "policy"
    RELAYED = "relayed"
    BATCH = "batch"
    SHARE = "share"
    ROSTER = "roster"
    AGGREGATE_SHARE = "aggregate-share"
    VOID = "void"


SEALED_BY_HUBS = frozenset({Kind.BATCH, Kind.ROSTER, Kind.AGGREGATE_SHARE, Kind.VOID})
"""What two hubs say about a sealed total: for everybody who adds it up or takes part in it."""
NEVER_WITHDRAWN = (Kind.MEMBERSHIP, Kind.POLICY, Kind.WITHDRAWAL, *sorted(SEALED_BY_HUBS))
"""Without one of the first three a reader would believe somebody whom the log no longer vouches for, so none may be
missing. What was said about a sealed total once is said for ever, or there could be a second roster."""


class Audience(StrEnum):
    """How far the content may travel, narrowest first."""

    HUB = "hub"
    REGION = "region"
    NATION = "nation"
    EUROPE = "europe"

    @property
    def reach(self) -> int:
        """0 for the home hub alone, 1 for its region, 2 for the nation, 3 for Europe."""
        return _REACH[self]


_REACH: Final = {audience: place for place, audience in enumerate(Audience)}


StatementBody = (
    TrendBody
    | AggregateBody
    | PracticeBody
    | ExperienceBody
    | BulletinBody
    | QuestionBody
    | AnswerBody
    | WithdrawalBody
    | MembershipBody
    | PolicyBody
    | RelayedBody
    | BatchBody
    | ShareBody
    | RosterBody
    | AggregateShareBody
    | VoidBody
)
STATEMENT_BODIES: dict[Kind, type[WireModel]] = {
    Kind.TREND: TrendBody,
    Kind.AGGREGATE: AggregateBody,
    Kind.PRACTICE: PracticeBody,
    Kind.EXPERIENCE: ExperienceBody,
    Kind.BULLETIN: BulletinBody,
    Kind.QUESTION: QuestionBody,
    Kind.ANSWER: AnswerBody,
    Kind.WITHDRAWAL: WithdrawalBody,
    Kind.MEMBERSHIP: MembershipBody,
    Kind.POLICY: PolicyBody,
    Kind.RELAYED: RelayedBody,
    Kind.BATCH: BatchBody,
    Kind.SHARE: ShareBody,
    Kind.ROSTER: RosterBody,
    Kind.AGGREGATE_SHARE: AggregateShareBody,
    Kind.VOID: VoidBody,
}
HUB_KINDS = frozenset({Kind.AGGREGATE, Kind.MEMBERSHIP, Kind.POLICY, Kind.RELAYED}) | SEALED_BY_HUBS
"""Kinds that only a hub may sign."""
KINDS_OF_BOTH = frozenset({Kind.WITHDRAWAL})
"""Kinds that node and hub may sign: a hub takes back what it has relayed. All others only a node."""


class Statement(WireModel):
    """What is signed. `body` is the type that STATEMENT_BODIES names for `kind`."""

    v: Version = 1
    kind: Kind
    origin: Origin
    seq: Annotated[int, Field(ge=1)]
    issued_at: Timestamp
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
    audience: Audience
    body: StatementBody


def _statement_model(kind: Kind, body: type[WireModel]) -> type[Statement]:
    """`Statement` with the one body type of its kind, so that a body is never guessed from its fields."""
    namespace: dict[str, Any] = {
        "__annotations__": {"kind": Literal[kind], "body": body},
        "__module__": __name__,
        "__doc__": f"A statement of kind {kind.value}.",
    }
    return type(f"{body.__name__.removesuffix('Body')}Statement", (Statement,), namespace)


_MODELS = {kind: _statement_model(kind, body) for kind, body in STATEMENT_BODIES.items()}


class VerifiedStatement(NamedTuple):
    """A statement whose signature holds and whose bytes are canonical. Only `read_statement` makes one."""

    statement: Statement
    envelope: Envelope

    @property
    def digest(self) -> str:
        return self.envelope.digest


def read_statement(verified: VerifiedEnvelope) -> VerifiedStatement:
    """Parse what was verified.

    Raises MalformedError (not canonical JSON), SchemaError (not a statement), VerificationError `kind-mismatch`
    (signed as another kind than it says).
    """
    payload = verified.envelope.payload
    value = canonical.parse_canonical(payload)
    kind = kind_of(verified.envelope.payload_type)
    if kind not in _MODELS:
        raise SchemaError("expected a payload type of a kind that this protocol knows")
    if isinstance(value.get("kind"), str) and value["kind"] != kind:
        raise VerificationError("expected the kind that the payload type names", code=ProblemCode.KIND_MISMATCH)
    return VerifiedStatement(_MODELS[Kind(kind)].from_checked_bytes(payload), verified.envelope)


def check_may_sign_kind(kind: Kind, role: MemberRole) -> None:
    """Raise VerificationError (`kind-not-allowed`) unless a member in this role may sign this kind."""
    if kind not in KINDS_OF_BOTH and (kind in HUB_KINDS) != (role is not MemberRole.NODE):
        raise VerificationError("expected a kind that the signer's role may sign", code=ProblemCode.KIND_NOT_ALLOWED)


def claimed_origin(envelope: Envelope) -> str | None:
    """What an unverified payload says its origin is: a hint for finding keys, nothing more."""
    try:
        origin = canonical.parse_strict(envelope.payload).get("origin")
    except SchemaError:
        return None
    return origin if isinstance(origin, str) else None


def make_statement(
    body: StatementBody, *, kind: Kind, origin: str, seq: int, issued_at: datetime, nonce: str, audience: Audience
) -> Statement:
    """A statement of `kind`. Raises SchemaError (through pydantic's checks) when the parts do not fit."""
    return _MODELS[kind].from_object(
        {
            "v": 1,
            "kind": kind.value,
            "origin": origin,
            "seq": seq,
            "issued_at": format_time(issued_at),
            "nonce": nonce,
            "audience": audience.value,
            "body": body.to_object(),
        }
    )


def sign_statement(statement: Statement, key: SigningKey) -> Envelope:
    """Sign the canonical bytes of a statement."""
    return sign_payload(statement.kind.value, statement.to_bytes(), key)
