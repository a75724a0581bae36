"""What `ledger resume` has brought back after a restore: the entries of the ledger that were not made here.

The audit log says which they are, so a row of the ledger cannot claim it of itself. Two others have to know: `ledger`,
because the hash of such an entry may be one that was taken over; and `imports`, because a file that is read in again
was in those releases already.

    note_resumed(session, 4, 9, restored=5, lost=1, now=now)
    resumed_entries(session)                                    {4, 5, 6, 7, 8, 9}
"""

import re
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.orm import AuditRow, ImportBatchRow

ACTION: Final = "ledger.resumed"
PROGRAM: Final = "local-node"
LOST: Final = "lost"
"""The table and the measure of an entry that is known by its place alone."""
_SUBJECT: Final = re.compile(r"entries-([0-9]{1,9})-([0-9]{1,9})/restored-[0-9]+/lost-[0-9]+/batch-([0-9]+)", re.ASCII)


def note_resumed(session: Session, first: int, last: int, *, restored: int, lost: int, now: datetime) -> None:
    """Tell the audit log which entries were brought back, and what had been imported until then."""
    batch = session.scalar(select(func.max(ImportBatchRow.id))) or 0
    subject = f"entries-{first}-{last}/restored-{restored}/lost-{lost}/batch-{batch}"
    audit.append(session, PROGRAM, ACTION, subject, now)


def resumed_entries(session: Session) -> frozenset[int]:
    """The numbers of all entries that were ever brought back."""
    return frozenset(seq for match in _find_notes(session) for seq in range(int(match[1]), int(match[2]) + 1))


def last_batch_before(session: Session) -> int:
    """The newest import that the last old copy brought along; 0 when there was none.

    What it says about a period that was brought back may be older than what was released.
    """
    return max((int(match[3]) for match in _find_notes(session)), default=0)


def _find_notes(session: Session) -> list[re.Match[str]]:
    subjects = session.scalars(select(AuditRow.subject).where(AuditRow.action == ACTION))
    return [match for subject in subjects if (match := _SUBJECT.fullmatch(subject))]
