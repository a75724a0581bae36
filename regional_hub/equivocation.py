"""Two contents for one number of an origin: both are kept as evidence, and the operator is alarmed.

The content that came first stays where it is, in the log; the other is kept beside it, once however often it is sent.
What is taken back is erased here as well (`erasure`), and does not come back when it is sent once more.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from regional_hub.alarms import raise_alarm
from regional_hub.orm import EvidenceRow
from shared_schema.problem import ProblemCode


def keep_evidence(
    session: Session, origin: str, seq: int, *,
    digest: str, known_digest: str, envelope: bytes, about: str, now: datetime,
) -> None:  # fmt: skip
    """Keep the second content, and raise one alarm about whoever handed it in, in the caller's transaction."""
    if session.get(EvidenceRow, digest) is None:
        session.add(
            EvidenceRow(digest=digest, origin=origin, seq=seq, known_digest=known_digest, envelope=envelope, since=now)
        )
        session.flush()
        message = f"two contents for seq {seq} of {origin}; both are kept, see: regional-hub quarantine list"
        raise_alarm(session, about, ProblemCode.SEQ_CONFLICT, message, now)
