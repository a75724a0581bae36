"""Erasing a content wherever this hub has it: beside the log, set aside, as evidence, at the relay.

The digest stays everywhere, and so does the entry of the log. Of evidence the content goes as well, on both sides of
the conflict: that a member signed two contents for one number stays known by their digests, but promise 5 (taking back
works) counts more than being able to show the second text. What was erased leaves the database's files after the
commit (`forget`).
"""

from collections.abc import Iterable

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from regional_hub.orm import (
    ContentRow,
    EntryRow,
    EvidenceRow,
    QuarantineRow,
    RecoveryContentRow,
    RelayItemRow,
    ShownCellRow,
    ShownSumRow,
)
from shared_schema.canonical import parse_strict
from shared_schema.envelope import envelope_from_object
from shared_schema.errors import ContractError
from shared_schema.service.database import forget
from shared_schema.statement import claimed_origin

ERASED = b""
"""What stands in place of an envelope where a column cannot be empty."""
TABLES = ("contents", "evidence", "quarantine", "recovery_contents", "relay_items", "shown_cells", "shown_sums")


def erase(session: Session, digest: str, origin: str) -> None:
    """Erase what `origin` takes back, in the caller's transaction. That it may, the caller has checked."""
    session.flush()
    session.execute(delete(ContentRow).where(ContentRow.digest == digest).execution_options(synchronize_session=False))
    session.execute(
        delete(RecoveryContentRow)
        .where(RecoveryContentRow.digest == digest)
        .execution_options(synchronize_session=False)
    )
    erase_set_aside(session, digest, origin)
    _erase_figures(session, digest)
    session.execute(
        update(RelayItemRow)
        .where(RelayItemRow.relayed == digest)
        .values(envelope=None, up_envelope=None)
        .execution_options(synchronize_session="fetch")
    )
    forget(session, *TABLES)


def _erase_figures(session: Session, digest: str) -> None:
    """Of a sum the figures go as well. An earlier revision does not come back in their place."""
    shown = session.scalars(
        select(ShownSumRow).join(EntryRow, EntryRow.index == ShownSumRow.entry_index).where(EntryRow.digest == digest)
    ).one_or_none()
    if shown is None:
        return
    cells = (ShownCellRow.series_id == shown.series_id, ShownCellRow.start == shown.start)
    session.execute(
        delete(ShownCellRow)
        .where(*cells, ShownCellRow.entry_index == shown.entry_index)
        .execution_options(synchronize_session=False)
    )
    session.delete(shown)
    session.flush()


def erase_set_aside(session: Session, digest: str, origin: str) -> bool:
    """Erase what `origin` takes back from quarantine and evidence; True when it was there.

    Nobody has verified what is set aside, so a withdrawal erases it only where it says itself that it is by `origin`.
    """
    session.flush()
    found = [row for row in _quarantined(session, digest) if _claims(row.envelope, origin)]
    for row in found:
        session.delete(row)
    query = select(EvidenceRow).where(
        or_(EvidenceRow.digest == digest, EvidenceRow.known_digest == digest), EvidenceRow.origin == origin
    )
    evidence = session.scalars(query).all()
    for each in evidence:
        each.envelope = ERASED
    session.flush()
    if found or evidence:
        forget(session, *TABLES)
    return bool(found or evidence)


def _quarantined(session: Session, digest: str) -> Iterable[QuarantineRow]:
    return session.scalars(select(QuarantineRow).where(QuarantineRow.digest == digest)).all()


def _claims(stored: bytes, origin: str) -> bool:
    try:
        return claimed_origin(envelope_from_object(parse_strict(stored))) == origin
    except ContractError:
        return False
