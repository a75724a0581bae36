"""The practices in the log and what cities say that tried them, for the table of evidence.

What was taken back has no content any more, so it does not count. What is signed never changes: of each content the
codes are remembered, and never its words.

    shelf = EvidenceShelf()                            one for the life of the program
    practices, reports = shelf.read(session)
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.evidence_table import PracticeItem, ReportItem
from regional_hub.orm import ContentRow, EntryRow
from shared_schema.canonical import parse_strict
from shared_schema.content import ExperienceBody, PracticeBody
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import SchemaError
from shared_schema.governance import RelayedBody
from shared_schema.statement import Kind
from shared_schema.versions import Version

KINDS = (Kind.PRACTICE.value, Kind.EXPERIENCE.value, Kind.RELAYED.value)
DIGESTS_A_QUERY = 500
_Item = PracticeItem | ReportItem


@dataclass(slots=True)
class EvidenceShelf:
    """What was read before: digest → its codes; None for what is neither a practice nor a report."""

    known: dict[str, _Item | None] = field(default_factory=dict)

    def read(self, session: Session) -> tuple[list[PracticeItem], list[ReportItem]]:
        """Every version of a practice or report that the hub has a content of."""
        here = session.scalars(
            select(EntryRow.digest)
            .join(ContentRow, ContentRow.digest == EntryRow.digest)
            .where(EntryRow.kind.in_(KINDS), EntryRow.withdrawn_by.is_(None))
            .order_by(EntryRow.index)
        ).all()
        self.known = {digest: self.known[digest] for digest in here if digest in self.known}  # and forget the others
        missing = [digest for digest in here if digest not in self.known]
        for first in range(0, len(missing), DIGESTS_A_QUERY):
            self._load(session, missing[first : first + DIGESTS_A_QUERY])
        items = [self.known[digest] for digest in here]
        practices = [item for item in items if isinstance(item, PracticeItem)]
        return practices, [item for item in items if isinstance(item, ReportItem)]

    def _load(self, session: Session, digests: list[str]) -> None:
        rows = session.execute(
            select(EntryRow.digest, EntryRow.origin, EntryRow.seq, EntryRow.kind, ContentRow.envelope)
            .join(ContentRow, ContentRow.digest == EntryRow.digest)
            .where(EntryRow.digest.in_(digests))
        )
        for row in rows:
            payload = parse_strict(envelope_from_object(parse_strict(row.envelope)).payload)
            self.known[row.digest] = _read(row.digest, row.origin, row.seq, Kind(row.kind), payload["body"])


def _read(digest: str, origin: str, seq: int, kind: Kind, body: dict[str, Any]) -> _Item | None:
    """None for a relayed answer, and for what a later version of the contract has allowed."""
    try:
        if kind is Kind.RELAYED:
            content = RelayedBody.from_object(body).content
        else:
            content = (PracticeBody if kind is Kind.PRACTICE else ExperienceBody).from_object(body)
    except SchemaError:
        return None
    is_relayed = kind is Kind.RELAYED
    if isinstance(content, PracticeBody):
        version = Version(digest, origin, seq, Kind.PRACTICE, is_relayed, content.replaces)
        return PracticeItem(
            version,
            content.phenomenon,
            content.prevention_level,
            content.outcome,
            content.evidence_level,
            content.setting,
            content.intervention,
        )
    if isinstance(content, ExperienceBody):
        version = Version(digest, origin, seq, Kind.EXPERIENCE, is_relayed, content.replaces)
        return ReportItem(version, content.practice, content.outcome, content.evidence_level)
    return None
