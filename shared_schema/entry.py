"""The log entry: what a leaf of a hub's log is made of. Content can be erased; the entry, and so the log, stays."""

import hashlib
from typing import Annotated

from pydantic import Field

from shared_schema.merkle import leaf_hash
from shared_schema.names import Base64Of32, Digest, Timestamp, Version
from shared_schema.statement import Audience, Kind
from shared_schema.wire import WireModel


class LogEntry(WireModel):
    """One leaf: which statement (by digest), of which kind, for whom, and when the hub took it.

    A kind of a later release is a plain text here: the log is checked all the same, and the item itself is set aside.
    """

    v: Version = 1
    kind: Annotated[Kind | Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,19}$")], Field(union_mode="left_to_right")]
    digest: Digest
    audience: Audience
    time: Timestamp

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return entry_bytes(str(self.kind), self.digest, self.audience.value, self.time)

    @property
    def leaf(self) -> bytes:
        """The leaf hash (RFC 6962) of the canonical entry."""
        return leaf_hash(self.to_bytes())


def entry_bytes(kind: str, digest: str, audience: str, time: str) -> bytes:
    """The canonical bytes of an entry from values that have been checked; none of them can need an escape.

    A hub writes and a reader hashes one for every statement there is, so this is written out.
    """
    return f'{{"audience":"{audience}","digest":"{digest}","kind":"{kind}","time":"{time}","v":1}}'.encode()


class Receipt(WireModel):
    """A hub's promise, with proof, that an entry is in its log: the same for ever for the same statement."""

    v: Version = 1
    index: Annotated[int, Field(ge=0)]
    entry: LogEntry
    proof: tuple[Base64Of32, ...]
    checkpoint: str


def digest_of(stored: bytes) -> str:
    """SHA-256 of stored envelope bytes, 64 hexadecimal digits."""
    return hashlib.sha256(stored).hexdigest()
