"""Evidence against a hub or a member that a third person can check with a public key and nothing else.

Two heads: a log has signed two checkpoints that cannot both be true.

- Same size, two roots: that alone proves it.
- Two sizes, and a proof out of the larger tree in which its first entries have another root than the smaller head.
- The smaller one is the later one: the hub's own cosigner said at a later time that its log is shorter.

Two statements: a member has signed two contents under one number. `judge` says in one sentence what a file proves;
where it proves nothing yet, it says what is missing. Pure.
"""

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import MAX_NOTE_BYTES, Checkpoint, NoteVerifier, verify_checkpoint
from shared_schema.cosignature import cosigned_at, verify_announcement
from shared_schema.envelope import envelope_from_object, verify_envelope
from shared_schema.errors import ContractError, SchemaError, VerificationError
from shared_schema.keys import PublicKey
from shared_schema.merkle import prefix_root, verify_consistency
from shared_schema.names import Base64Of32, LogName, Origin, Timestamp, Version
from shared_schema.statement import StatementBody, read_statement
from shared_schema.trend import TrendBody
from shared_schema.wire import WireModel

MAX_EVIDENCE_BYTES = 1024 * 1024
Note = Annotated[str, Field(max_length=MAX_NOTE_BYTES)]


class TwoHeads(WireModel):
    """Two checkpoints of one log, the smaller one first, with what else is known."""

    v: Version = 1
    kind: Literal["two-heads"] = "two-heads"
    origin: LogName
    vkey: Annotated[str, Field(max_length=300)]
    first: Note
    second: Note
    prefix: Base64Of32 | None = None
    """The root that the first entries of the second tree have, as many as the first tree has."""
    proof: tuple[Base64Of32, ...] = ()
    """Leads from `prefix` to the second root."""
    cosigner: Note | None = None
    """The log's announcement of its cosigner, so that the times of the heads count."""
    found_at: Timestamp


class TwoStatements(WireModel):
    """Two envelopes of one member with one number, or in one place of its ledger."""

    v: Version = 1
    kind: Literal["two-statements"] = "two-statements"
    origin: Origin
    key: Base64Of32
    envelopes: Annotated[tuple[dict[str, Any], ...], Field(min_length=2, max_length=2)]
    found_at: Timestamp


Evidence = TwoHeads | TwoStatements


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a piece of evidence proves that `origin`, whose key has this fingerprint, has contradicted itself."""

    proven: bool
    origin: str
    fingerprint: str
    sentence: str


def parse_evidence(data: bytes) -> Evidence:
    """Read a file. Raises SchemaError or MalformedError."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise SchemaError(f"expected at most {MAX_EVIDENCE_BYTES} bytes of evidence")
    kind = parse_strict(data).get("kind")
    if kind == "two-heads":
        return TwoHeads.from_checked_bytes(data)
    if kind == "two-statements":
        return TwoStatements.from_checked_bytes(data)
    raise SchemaError("expected evidence of the kind two-heads or two-statements")


def pair_heads(
    log: NoteVerifier,
    one: str,
    other: str,
    *,
    proof: tuple[bytes, ...] = (),
    more: tuple[bytes, ...] = (),
    cosigner: str | None = None,
    found_at: str,
) -> TwoHeads:
    """Evidence of two notes that `log` has signed. `proof` was given as the one between the two sizes.

    `more` are further hashes out of the larger tree, among which the root of its beginning may be.

    Raises ContractError when one of them is not signed by `log`.
    """
    first, second = sorted((one, other), key=lambda note: verify_checkpoint(note, log).size)
    small, large = verify_checkpoint(first, log), verify_checkpoint(second, log)
    prefix = prefix_root(small.size, large.size, large.root, proof) or _find_prefix(small, large, proof, more)
    return TwoHeads(
        origin=log.name,
        vkey=log.vkey,
        first=first,
        second=second,
        prefix=None if prefix is None else _text(prefix),
        proof=() if prefix is None else tuple(map(_text, proof)),
        cosigner=cosigner,
        found_at=found_at,
    )


def _find_prefix(
    small: Checkpoint, large: Checkpoint, proof: tuple[bytes, ...], candidates: tuple[bytes, ...]
) -> bytes | None:
    """The one of `candidates` from which `proof` leads to the larger tree; a wrong one leads nowhere."""
    for candidate in candidates:
        try:
            verify_consistency(small.size, candidate, large.size, large.root, proof)
        except VerificationError:
            continue
        return candidate
    return None


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def judge(evidence: Evidence, vkey: str | None = None) -> Verdict:
    """What a piece of evidence proves; `vkey` is the log's key as somebody else knows it.

    Raises ContractError when something in it is not signed as it says.
    """
    if isinstance(evidence, TwoStatements):
        return _judge_statements(evidence)
    log = NoteVerifier.from_vkey(vkey or evidence.vkey)
    if log.name != evidence.origin:  # a note's name may hold anything, and it is printed
        raise SchemaError("expected the key of the log that the evidence names")
    small, large = verify_checkpoint(evidence.first, log), verify_checkpoint(evidence.second, log)
    if small.size > large.size:
        raise SchemaError("expected the smaller head first")
    proven, sentence = _judge_heads(evidence, log, small, large)
    return Verdict(proven, log.name, log.key.fingerprint, sentence)


def _judge_heads(evidence: TwoHeads, log: NoteVerifier, small: Checkpoint, large: Checkpoint) -> tuple[bool, str]:
    if small == large:
        return False, f"{log.name} has signed the same head twice, which proves nothing against it"
    if small.size == large.size:
        return True, f"{log.name} has signed two different logs of {small.size} entries"
    if _is_proven_fork(evidence, small, large):
        return True, (
            f"{log.name} has signed a log of {large.size} entries that does not begin with the log of {small.size} "
            "entries which it has signed as well"
        )
    if _shrank(evidence, log):
        return (
            True,
            f"{log.name} has said that its log has {small.size} entries after it had signed one of {large.size}",
        )
    return False, (
        f"{log.name} has signed heads of {small.size} and of {large.size} entries; whether they contradict each other "
        "is open until it shows a proof between the two"
    )


def _is_proven_fork(evidence: TwoHeads, small: Checkpoint, large: Checkpoint) -> bool:
    """The larger tree does hold `prefix` as the root of its first entries, and the smaller head is not that."""
    if evidence.prefix is None:
        return False
    prefix = base64.b64decode(evidence.prefix)
    verify_consistency(small.size, prefix, large.size, large.root, [base64.b64decode(text) for text in evidence.proof])
    return prefix != small.root


def _shrank(evidence: TwoHeads, log: NoteVerifier) -> bool:
    if evidence.cosigner is None:
        return False
    cosigner = verify_announcement(evidence.cosigner, log)
    small, large = (cosigned_at(note, cosigner) for note in (evidence.first, evidence.second))
    return small is not None and large is not None and small > large


def _judge_statements(evidence: TwoStatements) -> Verdict:
    key = PublicKey(base64.b64decode(evidence.key))
    envelopes = [envelope_from_object(value) for value in evidence.envelopes]
    one, other = (read_statement(verify_envelope(envelope, key)).statement for envelope in envelopes)
    if (one.origin, other.origin) != (evidence.origin, evidence.origin):
        raise SchemaError("expected two statements of the origin that the evidence names")
    differ = envelopes[0].payload != envelopes[1].payload
    if differ and one.seq == other.seq:
        return Verdict(
            True, one.origin, key.fingerprint, f"{one.origin} has signed two contents under the number {one.seq}"
        )
    if (place := _find_ledger_conflict(one.body, other.body)) is not None:
        return Verdict(
            True,
            one.origin,
            key.fingerprint,
            f"{one.origin} has signed figures that contradict each other about entry {place} of its ledger",
        )
    return Verdict(
        False,
        one.origin,
        key.fingerprint,
        f"{one.origin} has signed both statements, under the numbers {one.seq} and {other.seq}; that alone is no "
        "contradiction",
    )


def _find_ledger_conflict(one: StatementBody, other: StatementBody) -> int | None:
    """The place of a city's ledger about which two releases do not agree; None when they do."""
    if not isinstance(one, TrendBody) or not isinstance(other, TrendBody):
        return None
    before, after = sorted((one.ledger, other.ledger), key=lambda ledger: ledger.seq)
    if before.seq == after.seq:
        return None if before.head == after.head else before.seq
    follows = before.seq + 1 != after.seq or after.prev in (None, before.head)
    return None if follows else before.seq


def is_proven(evidence: TwoHeads) -> bool:
    """Whether `judge` finds a contradiction in it; False where something in it does not hold."""
    try:
        return judge(evidence).proven
    except ContractError:
        return False
