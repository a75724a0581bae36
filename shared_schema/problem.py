"""The stable codes of everything that can be refused.

A code is part of the contract: it names the rule, never the content. Programs choose what to do by the code, people
read the sentence beside it. HTTP status codes are given in `service/problems.py`, because the rules below know nothing
of HTTP.
"""

from enum import StrEnum


class ProblemCode(StrEnum):
    """Why something was refused; the last part of a problem document's `type` (RFC 9457 section 3.1.1)."""

    # the bytes
    MALFORMED_JSON = "malformed-json"
    NOT_CANONICAL = "not-canonical"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    TIMEOUT = "timeout"
    # the form
    SCHEMA = "schema"
    TEXT = "text"
    # who signed
    NO_SIGNATURE = "no-signature"
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_KEY = "unknown-key"
    KEY_NOT_VALID = "key-not-valid"
    KIND_MISMATCH = "kind-mismatch"
    WEAK_KEY = "weak-key"
    CLOCK_SKEW = "clock-skew"
    REPLAY = "replay"
    WRONG_ORIGIN = "wrong-origin"
    KIND_NOT_ALLOWED = "kind-not-allowed"
    MEMBER_NOT_ACTIVE = "member-not-active"
    # order
    SEQ_CONFLICT = "seq-conflict"
    SEQ_TOO_LOW = "seq-too-low"
    # release rules
    RELEASE_RULE = "release-rule"
    UNKNOWN_TABLE = "unknown-table"
    GRID_MISMATCH = "grid-mismatch"
    PRIVACY_FLOOR = "privacy-floor"
    PRIVACY_BUDGET = "privacy-budget"
    # sealed totals
    BAD_SHARE = "bad-share"
    SAME_OPERATOR = "same-operator"
    BATCH_TERMS = "batch-terms"
    BATCH_STATE = "batch-state"
    ALREADY_ANSWERED = "already-answered"
    # enrolment
    ENROLMENT_CODE = "enrolment-code"
    FINGERPRINT_MISMATCH = "fingerprint-mismatch"
    NAME_TAKEN = "name-taken"
    # reading
    BAD_CURSOR = "bad-cursor"
    NOT_A_MEMBER = "not-a-member"
    BAD_PARAMETER = "bad-parameter"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    BAD_HOST = "bad-host"
    # pages and accounts
    NOT_SIGNED_IN = "not-signed-in"
    NOT_ALLOWED = "not-allowed"
    ADDRESS_CONFLICT = "address-conflict"
    STALE = "stale"
    CROSS_SITE = "cross-site"
    # the log and the feed
    FEED_ROLLBACK = "feed-rollback"
    FEED_FORK = "feed-fork"
    FEED_ENTRY = "feed-entry"
    FEED_CHECKPOINT = "feed-checkpoint"
    RECEIPT = "receipt"
    LOG_DAMAGED = "log-damaged"
    LOG_BEHIND = "log-behind"
    RECOVERY_PROOF = "recovery-proof"
    RECEIPT_NOT_IN_LOG = "receipt-not-in-log"
    STALE_HEAD = "stale-head"
    TOO_FEW_WITNESSES = "too-few-witnesses"
    # witnesses
    WITNESS_REQUEST = "witness-request"
    WITNESS_SIGNATURE = "witness-signature"
    WITNESS_SIZE = "witness-size"
    WITNESS_PROOF = "witness-proof"
    # the service
    SOFTWARE_TOO_OLD = "software-too-old"
    POLICY_LOOSER_THAN_PARENT = "policy-looser-than-parent"
    RATE_LIMIT = "rate-limit"
    BUSY = "busy"
    STORAGE_FULL = "storage-full"
    CERTIFICATE = "certificate"
    INTERNAL = "internal"


PROBLEM_TYPE_PREFIX = "https://prevention-exchange.example/problems/"
"""RFC 9457 `type` is a URI; this one is only a name. `docs/protocol.md` lists what each code means."""


def problem_type(code: ProblemCode) -> str:
    """The `type` URI of a problem document for `code`."""
    return PROBLEM_TYPE_PREFIX + code.value
