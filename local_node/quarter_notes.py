"""The coordinator's own words in the report of a quarter. They stay in this node: no release ever reads them.

Saving compares versions, so that two tabs, or two people, never overwrite each other unseen.

    note = find_note(session, "2026-Q3")
    save_note(session, "2026-Q3", "What the council should know …", seen=note.version, person="anna", now=now)
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import QuarterNoteRow
from shared_schema.errors import ContractError
from shared_schema.period import Period, parse_period

MAX_CHARACTERS: Final = 4_000
"""A page of text: the rest of the report is figures."""
FIRST: Final = 0
"""The version of words that nobody has saved yet."""


class ReportError(NodeError):
    """The words of a report cannot be saved, or no report is for such a period."""

    code = "report"


@dataclass(frozen=True, slots=True)
class QuarterNote:
    """The words of a quarter, and which saving they are from."""

    quarter: str
    text: str = ""
    version: int = FIRST
    saved_by: str | None = None
    saved_at: datetime | None = None


def check_quarter(label: str) -> Period:
    """The quarter with this label. Raises ReportError for anything else."""
    try:
        period = parse_period(label)
    except ContractError:
        raise ReportError("expected a quarter such as 2026-Q3", code="quarter") from None
    if period.granularity != "quarter":
        raise ReportError("expected a quarter such as 2026-Q3", code="quarter")
    return period


def find_note(session: Session, quarter: str) -> QuarterNote:
    """The words as they stand; empty ones where nobody has saved any."""
    row = session.get(QuarterNoteRow, quarter)
    if row is None:
        return QuarterNote(quarter)
    return QuarterNote(quarter, row.text, row.version, row.saved_by, row.saved_at)


def save_note(session: Session, quarter: str, text: str, *, seen: int, person: str, now: datetime) -> QuarterNote:
    """Save the words of a quarter over the version that was `seen`; the very same words again change nothing.

    Raises ReportError and changes nothing: no quarter, too long, or somebody has saved other words meanwhile
    (`report-changed`).
    """
    check_quarter(quarter)
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).strip()
    if len(text) > MAX_CHARACTERS:
        raise ReportError(f"expected at most {MAX_CHARACTERS} characters, got {len(text)}", code="report-length")
    if any(not (each.isprintable() or each in "\n\t") for each in text):
        raise ReportError("expected printable characters", code="report-text")
    before = find_note(session, quarter)
    if before.text == text:
        return before
    if not _swap(session, quarter, text, seen, person, now):
        raise ReportError(
            f"expected the words that are saved now, version {before.version}, got version {seen}",
            code="report-changed",
        )
    audit.append(session, person, "report.saved", f"{quarter}/{seen + 1}", now)
    return QuarterNote(quarter, text, seen + 1, person, now)


def _swap(session: Session, quarter: str, text: str, seen: int, person: str, now: datetime) -> bool:
    values = {"text": text, "version": seen + 1, "saved_by": person, "saved_at": now}
    if seen == FIRST:
        statement = insert_or_ignore(QuarterNoteRow).values(quarter=quarter, **values).on_conflict_do_nothing()
        return session.execute(statement).rowcount == 1  # type: ignore[attr-defined,no-any-return]
    swapped = session.execute(
        update(QuarterNoteRow)
        .where(QuarterNoteRow.quarter == quarter, QuarterNoteRow.version == seen)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return swapped.rowcount == 1  # type: ignore[attr-defined,no-any-return]
