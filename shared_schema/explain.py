"""Where an item is, which step stopped it, since when, and what to do: the answer that node and hub give.

Every item has an answer for every receiver. `TO_DO` has a sentence for every code that can stop an item.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from shared_schema.names import Digest, Origin, Timestamp, Version
from shared_schema.problem import ProblemCode
from shared_schema.wire import WireModel

MAX_RECEIVERS = 2_000


class Place(StrEnum):
    """Where an item is, as seen by one party."""

    UNKNOWN = "unknown"
    REVIEW = "review"
    APPROVED = "approved"
    HELD = "held"
    REFUSED = "refused"
    OUTBOX = "outbox"
    AT_HUB = "at-hub"
    IN_LOG = "in-log"
    WAITING = "waiting"
    DELIVERED = "delivered"
    SHOWN = "shown"
    REPLACED = "replaced"
    QUARANTINED = "quarantined"
    NOT_FOR_IT = "not-for-it"
    UNREACHABLE = "unreachable"
    GAP = "gap"
    NARROWED = "narrowed"
    WITHDRAWN = "withdrawn"


class Receiver(WireModel):
    """One direct member of the hub that answers: how far the item came with it."""

    name: Origin
    place: Place
    since: Timestamp | None = None
    reason: Annotated[str, Field(max_length=40)] | None = None
    sentence: Annotated[str, Field(max_length=600)]
    to_do: Annotated[str, Field(max_length=600)]


class Explanation(WireModel):
    """What one party says of an item. `by` is who says it."""

    v: Version = 1
    by: Origin
    digest: Digest
    place: Place
    since: Timestamp | None = None
    reason: Annotated[str, Field(max_length=40)] | None = None
    sentence: Annotated[str, Field(max_length=600)]
    to_do: Annotated[str, Field(max_length=600)]
    receivers: Annotated[tuple[Receiver, ...], Field(max_length=MAX_RECEIVERS)] = ()


NOTHING_TO_DO: Final = "nothing: it goes on by itself"
ASK_AUTHOR: Final = "tell the author, who releases it anew; this one will not be taken"
RELEASE_ANEW: Final = "correct it and release it anew; the refused one can be taken back here: local-node withdraw"
_SEEN_BY_OPERATOR: Final = "call the operator of the hub; what is held is safe, and it goes on when the hub is in order"

TO_DO: Final[Mapping[ProblemCode, str]] = MappingProxyType(
    {
        ProblemCode.MALFORMED_JSON: ASK_AUTHOR,
        ProblemCode.NOT_CANONICAL: ASK_AUTHOR,
        ProblemCode.TOO_LARGE: "release it anew in fewer words; or bring this program up to date, if it is older",
        ProblemCode.SCHEMA: "bring this program up to date: the item may be of a newer release; then quarantine retry",
        ProblemCode.TEXT: "release it anew without characters that nobody sees",
        ProblemCode.NO_SIGNATURE: ASK_AUTHOR,
        ProblemCode.BAD_SIGNATURE: "ask the author's hub for the author's fingerprint; the item is not what it signed",
        ProblemCode.UNKNOWN_KEY: "nothing: it is tried again with every new member; if it lasts, ask the author's hub",
        ProblemCode.KEY_NOT_VALID: "ask the author's hub: the key was revoked or the member has left",
        ProblemCode.KIND_MISMATCH: ASK_AUTHOR,
        ProblemCode.WEAK_KEY: "ask the author to enrol with a new key",
        ProblemCode.CLOCK_SKEW: "set the clock right: it is more than five minutes off",
        ProblemCode.REPLAY: "set the clock right and sync again",
        ProblemCode.WRONG_ORIGIN: "tell the operator of the hub that it came from: somebody speaks in another's name",
        ProblemCode.KIND_NOT_ALLOWED: "tell the author: its role may not say this",
        ProblemCode.MEMBER_NOT_ACTIVE: "ask the hub why the member is suspended; everything waits until it is active",
        ProblemCode.SEQ_CONFLICT: "ask the author which of the two is right; both are kept as evidence",
        ProblemCode.SEQ_TOO_LOW: "release it anew: this number was used before, perhaps after a restore",
        ProblemCode.RELEASE_RULE: RELEASE_ANEW,
        ProblemCode.UNKNOWN_TABLE: "read the hub's policy (local-node sync) and release with its wording",
        ProblemCode.GRID_MISMATCH: "read the hub's policy (local-node sync) and release all of its cells",
        ProblemCode.PRIVACY_FLOOR: "release it anew with at least the protection that the policy demands",
        ProblemCode.PRIVACY_BUDGET: "wait until the budget has room again; see: local-node release preview",
        ProblemCode.BAD_SHARE: "bring both programs up to date; then ask the city to look at its counts and its node",
        ProblemCode.SAME_OPERATOR: "find a second hub that somebody else runs, or stay with noise in each city",
        ProblemCode.BATCH_TERMS: "let the two hubs agree on another batch, with terms that the message asks for",
        ProblemCode.BATCH_STATE: "look at how far the batch is; nothing is lost, and this step is not taken again",
        ProblemCode.ALREADY_ANSWERED: "look for a second copy of the hub, or one restored from an old backup: "
        "it asked again, and for something else",
        ProblemCode.ENROLMENT_CODE: "ask the hub's operator for a new one-time code",
        ProblemCode.FINGERPRINT_MISMATCH: "compare the fingerprint once more by telephone",
        ProblemCode.NAME_TAKEN: "let the two hubs settle whose name it is",
        ProblemCode.BAD_CURSOR: _SEEN_BY_OPERATOR,
        ProblemCode.NOT_A_MEMBER: "become a member: local-node hub enrol",
        ProblemCode.BAD_PARAMETER: "bring both programs up to date",
        ProblemCode.NOT_FOUND: "nothing: what it speaks about is not here",
        ProblemCode.METHOD_NOT_ALLOWED: "bring both programs up to date",
        ProblemCode.BAD_HOST: "correct the hub's address: local-node hub add",
        ProblemCode.NOT_SIGNED_IN: "sign in, or give the script a token that is still valid",
        ProblemCode.NOT_ALLOWED: "ask an administrator for the role that may do this",
        ProblemCode.ADDRESS_CONFLICT: "send it to the address of the thing that it is about",
        ProblemCode.STALE: "take what is stored now, and make your change again",
        ProblemCode.CROSS_SITE: "open the page again, and send the form from there",
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: "look at the proxy between: it changes what is sent",
        ProblemCode.UNSUPPORTED_ENCODING: "look at the proxy between: it changes what is sent",
        ProblemCode.TIMEOUT: NOTHING_TO_DO,
        ProblemCode.FEED_ROLLBACK: _SEEN_BY_OPERATOR,
        ProblemCode.FEED_FORK: _SEEN_BY_OPERATOR,
        ProblemCode.FEED_ENTRY: _SEEN_BY_OPERATOR,
        ProblemCode.FEED_CHECKPOINT: _SEEN_BY_OPERATOR,
        ProblemCode.RECEIPT: _SEEN_BY_OPERATOR,
        ProblemCode.RECEIPT_NOT_IN_LOG: _SEEN_BY_OPERATOR,
        ProblemCode.STALE_HEAD: _SEEN_BY_OPERATOR,
        ProblemCode.TOO_FEW_WITNESSES: _SEEN_BY_OPERATOR,
        ProblemCode.WITNESS_REQUEST: "bring both programs up to date",
        ProblemCode.WITNESS_SIGNATURE: "tell the operator of the witness: it does not know this log's key",
        ProblemCode.WITNESS_SIZE: NOTHING_TO_DO,
        ProblemCode.WITNESS_PROOF: _SEEN_BY_OPERATOR,
        ProblemCode.LOG_DAMAGED: _SEEN_BY_OPERATOR,
        ProblemCode.LOG_BEHIND: _SEEN_BY_OPERATOR,
        ProblemCode.RECOVERY_PROOF: _SEEN_BY_OPERATOR,
        ProblemCode.SOFTWARE_TOO_OLD: "bring this program up to date: the hub's rules ask for a newer one",
        ProblemCode.POLICY_LOOSER_THAN_PARENT: (
            "tell the operator of the hub: its rules are looser than those of the hub above"
        ),
        ProblemCode.RATE_LIMIT: NOTHING_TO_DO,
        ProblemCode.BUSY: NOTHING_TO_DO,
        ProblemCode.STORAGE_FULL: "tell the operator of the hub: it has no space left",
        ProblemCode.CERTIFICATE: "tell the operator of the hub: its certificate ends, or nobody believes it",
        ProblemCode.INTERNAL: "tell the operator of the hub: its own log says what went wrong",
    }
)
"""What a person can do about each code, in one sentence."""
OTHERWISE: Final = "ask the operator of the hub"


def to_do_about(code: str) -> str:
    """The sentence for a code; also for one of a newer release, or of a proxy, that this program does not know."""
    return TO_DO.get(ProblemCode(code), OTHERWISE) if code in list(ProblemCode) else OTHERWISE
