"""Who reads what: new or read, useful to us, notes to oneself. All of it belongs to one person and stays here.

What somebody reads is kept so that they see what is new, and for nothing else: it is in no audit event and on nobody
else's page. How many people here find an item useful is shown, never who.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from local_node import audit, search_index
from local_node.errors import NodeError
from local_node.orm import InboxRow, NoteRow, ReaderRow, ReadItemRow, SearchItemRow, UsefulMarkRow

MAX_NOTE_LETTERS = 4_000
"""Two pages; what is longer wants to be a document of its own."""


class ReaderError(NodeError):
    """This mark or note cannot be kept."""

    code = "reader"


@dataclass(frozen=True, slots=True)
class Note:
    """`edition` is 0 for a note that nobody has written yet."""

    text: str = ""
    edition: int = 0
    changed_at: datetime | None = None


# --- new and read --------------------------------------------------------------------------------------------------


def is_unread(person: str) -> ColumnElement[bool]:
    """The condition on an item of the index. What was here before somebody had an account is read (migration 0013)."""
    up_to = select(ReaderRow.read_up_to).where(ReaderRow.person_id == person).scalar_subquery()
    opened = exists().where(ReadItemRow.person_id == person, ReadItemRow.digest == SearchItemRow.digest)
    return and_(SearchItemRow.id > func.coalesce(up_to, 0), ~opened)


def unread_among(session: Session, person: str, digests: Sequence[str]) -> frozenset[str]:
    """Which of these items somebody has not opened."""
    return frozenset(
        session.scalars(select(SearchItemRow.digest).where(SearchItemRow.digest.in_(digests), is_unread(person)))
    )


def mark_read(session: Session, person: str, digest: str) -> None:
    """Somebody has opened an item. What is not here, or is read anyway, leaves no trace."""
    if unread_among(session, person, [digest]):
        session.execute(insert(ReadItemRow).values(person_id=person, digest=digest).on_conflict_do_nothing())


def mark_unread(session: Session, person: str, digest: str) -> bool:
    """Take the mark back; False for what stays read, because everything up to it counts as read (`can_be_unread`)."""
    session.execute(delete(ReadItemRow).where(ReadItemRow.person_id == person, ReadItemRow.digest == digest))
    return bool(unread_among(session, person, [digest]))


def can_be_unread(session: Session, person: str, digest: str) -> bool:
    """Whether an item came after everything that somebody has marked as read at once, or found here."""
    number = session.scalar(select(SearchItemRow.id).where(SearchItemRow.digest == digest))
    return number is not None and number > read_up_to(session, person)


def mark_all_read(session: Session, person: str, up_to: int) -> None:
    """Everything up to the number `up_to`, which is what the person saw; what came since stays new."""
    up_to = min(up_to, search_index.last_number(session))
    statement = insert(ReaderRow).values(person_id=person, read_up_to=up_to)
    higher = {"read_up_to": func.max(ReaderRow.read_up_to, up_to)}
    session.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=higher))
    covered = select(SearchItemRow.digest).where(SearchItemRow.id <= up_to)
    session.execute(delete(ReadItemRow).where(ReadItemRow.person_id == person, ReadItemRow.digest.in_(covered)))


def read_up_to(session: Session, person: str) -> int:
    """The number up to which everything counts as read."""
    return session.scalar(select(ReaderRow.read_up_to).where(ReaderRow.person_id == person)) or 0


# --- useful to us --------------------------------------------------------------------------------------------------


def is_useful(person: str) -> ColumnElement[bool]:
    """The condition on an item of the index."""
    return exists().where(UsefulMarkRow.digest == SearchItemRow.digest, UsefulMarkRow.person_id == person)


def set_useful(session: Session, person: str, digest: str, useful: bool, now: datetime) -> None:
    """Set or take back the mark; twice is once. Raises ReaderError for an item that cannot be read here."""
    if useful:
        _check_here(session, digest)
        values = {"digest": digest, "person_id": person, "marked_at": now}
        changed = session.execute(insert(UsefulMarkRow).values(**values).on_conflict_do_nothing())
    else:
        mine = (UsefulMarkRow.digest == digest, UsefulMarkRow.person_id == person)
        changed = session.execute(delete(UsefulMarkRow).where(*mine))
    if changed.rowcount:  # type: ignore[attr-defined]
        audit.append(session, person, "item.useful" if useful else "item.not-useful", digest, now)


def count_useful(session: Session, digests: Sequence[str]) -> dict[str, int]:
    """How many people here find each of these useful; what nobody does is left out."""
    query = select(UsefulMarkRow.digest, func.count()).where(UsefulMarkRow.digest.in_(digests))
    return dict(session.execute(query.group_by(UsefulMarkRow.digest)).all())


def useful_among(session: Session, person: str, digests: Sequence[str]) -> frozenset[str]:
    """Which of these items somebody finds useful."""
    query = select(UsefulMarkRow.digest).where(UsefulMarkRow.digest.in_(digests), UsefulMarkRow.person_id == person)
    return frozenset(session.scalars(query))


# --- notes ---------------------------------------------------------------------------------------------------------


def find_note(session: Session, person: str, digest: str) -> Note:
    """Somebody's own note about an item; an empty one when there is none."""
    row = session.get(NoteRow, (person, digest))
    return Note() if row is None else Note(row.text, row.edition, row.changed_at)


def write_note(session: Session, person: str, digest: str, text: str, edition: int, now: datetime) -> None:
    """Write, change or (with an empty text) remove one's own note, starting from its `edition`.

    The number outlives the text, so that a form that was opened before cannot bring an old text back. Raises
    ReaderError: too long, an item that cannot be read here, or a note that was changed in the meantime.
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MAX_NOTE_LETTERS:
        raise ReaderError(f"expected a note of at most {MAX_NOTE_LETTERS} letters, got {len(text)}", code="note-long")
    _check_here(session, digest)
    values = {"text": text, "edition": edition + 1, "changed_at": now}
    if edition:
        mine = (NoteRow.person_id == person, NoteRow.digest == digest, NoteRow.edition == edition)
        changed = session.execute(update(NoteRow).where(*mine).values(**values))
    else:
        row = insert(NoteRow).values(person_id=person, digest=digest, **values)
        changed = session.execute(row.on_conflict_do_nothing())
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise ReaderError("expected the note as it is now; it was changed in another window", code="stale")
    audit.append(session, person, "note.written" if text else "note.removed", digest, now)


def _check_here(session: Session, digest: str) -> None:
    state = session.scalar(select(InboxRow.state).where(InboxRow.digest == digest))
    if state != search_index.ACCEPTED:
        raise ReaderError("expected an item that can be read here", code="not-found")
