"""The hub's own cosignature: when it last said that this head is its newest.

The newest checkpoint gets it when somebody asks for it and there is none yet, or when the last one is an hour old. So
it costs nothing while nobody reads, and it needs no background work. Its time never goes back, whatever the clock does.
What witnesses have cosigned of the same head stands beside it.
"""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from regional_hub import log
from regional_hub.orm import CosignatureRow, WitnessRow
from shared_schema.checkpoint import NoteVerifier, parse_checkpoint, split_note
from shared_schema.cosignature import add_lines, cosign, cosigner
from shared_schema.keys import SigningKey

RENEW_SECONDS = 3600


def is_due(session: Session, own: NoteVerifier, now: datetime) -> bool:
    """Whether the newest checkpoint has no cosignature of `own`, or one that is an hour old."""
    size = log.get_head(session).size
    row = session.get(CosignatureRow, (size, own.name, own.key_hash.hex()))
    return row is None or now.timestamp() - row.time >= RENEW_SECONDS


def renew(session: Session, name: str, key: SigningKey, now: datetime) -> None:
    """Cosign the newest checkpoint now, and forget what was cosigned of older ones: nobody is served those."""
    size = log.get_head(session, for_append=True).size  # no other process cosigns or appends meanwhile
    own = cosigner(name, key)
    is_own = (CosignatureRow.name == name) & (CosignatureRow.key_hash == own.key_hash.hex())
    last = session.scalar(select(func.max(CosignatureRow.time)).where(is_own)) or 0
    text, _ = split_note(log.latest_checkpoint(session))
    keep_line(session, size, own, cosign(text, name, key, time := max(int(now.timestamp()), last)), time)
    is_old = (CosignatureRow.size < size) | ((CosignatureRow.name == name) & ~is_own)
    session.execute(delete(CosignatureRow).where(is_old).execution_options(synchronize_session=False))


def keep_line(session: Session, size: int, signer: NoteVerifier, line: str, time: int) -> None:
    """Keep a verified cosignature of the checkpoint of `size`, in place of an earlier one of the same key."""
    key = (size, signer.name, signer.key_hash.hex())
    row = session.get(CosignatureRow, key)
    if row is None:
        session.add(CosignatureRow(size=size, name=signer.name, key_hash=key[2], time=time, line=line))
    elif time >= row.time:
        row.time, row.line = time, line
    session.flush()


def served_note(session: Session, name: str) -> str:
    """The newest checkpoint with its cosignatures: the hub's own, those of its witnesses, those of members."""
    note = log.latest_checkpoint(session)
    size = parse_checkpoint(split_note(note)[0]).size
    lines = session.scalars(
        select(CosignatureRow.line)
        .where(CosignatureRow.size == size)
        .order_by(
            CosignatureRow.name != name,
            CosignatureRow.name.not_in(select(WitnessRow.name)),  # members come last: there may be no room for all
            CosignatureRow.time.desc(),
            CosignatureRow.name,
        )
    )
    return add_lines(note, lines)
