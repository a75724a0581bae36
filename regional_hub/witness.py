"""This hub as a witness of other logs (C2SP tlog-witness), and the witnesses of its own.

A witness remembers of each log the largest head it has cosigned and cosigns only what continues it
(`shared_schema.witness`). The state moves by compare-and-swap in the transaction that the cosignature waits for. The
logs of the hubs that this hub follows are witnessed without being told; others are added by the operator.
"""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from regional_hub.alarms import raise_alarm
from regional_hub.errors import HubError
from regional_hub.orm import HeadEvidenceRow, SourceRow, WitnessedRow, WitnessRow
from shared_schema.checkpoint import NoteVerifier, split_note, verify_checkpoint
from shared_schema.cosignature import add_lines, cosign, without_others
from shared_schema.entry import digest_of
from shared_schema.errors import ContractError
from shared_schema.head_evidence import TwoHeads, is_proven, judge, pair_heads
from shared_schema.head_times import MAX_WITNESSES
from shared_schema.keys import SigningKey
from shared_schema.merkle import EMPTY_ROOT
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.witness import Contradiction, NotTheSizeKnown, Seen, WitnessRefusal, advance, parse_request

MAX_EVIDENCE = 100
"""Of one log: so many that prove something, and so many that are open. Whoever has its key could fill the disk
otherwise, and one is enough; what is open leaves room for what proves something."""


# --- the logs that are witnessed -----------------------------------------------------------------------------------


def add_log(session: Session, log: NoteVerifier) -> None:
    """Witness a log from now on. Raises HubError when its origin is known with another key."""
    row = session.get(WitnessedRow, log.name)
    if row is None:
        session.add(WitnessedRow(origin=log.name, vkey=log.vkey, size=0, root=EMPTY_ROOT, cosigned_at=0))
        session.flush()
    elif row.vkey != log.vkey:
        raise HubError("expected the key that is known for this log", code=ProblemCode.NAME_TAKEN)


def move_log(session: Session, log: NoteVerifier) -> None:
    """Witness a log with the key that its former key has handed over to; how far it is known stays."""
    row = session.get(WitnessedRow, log.name)
    if row is not None:
        row.vkey = log.vkey
        if row.note is not None and not _is_signed(row.note, log):
            row.note = None  # the next one is signed with this key; size and root say what it must continue
        session.flush()


def _is_signed(note: str, log: NoteVerifier) -> bool:
    try:
        verify_checkpoint(note, log)
    except ContractError:
        return False
    return True


def add_followed(session: Session) -> None:
    """Witness every hub that is followed, also those of a database from before there were witnesses."""
    known = select(WitnessedRow.origin)
    for vkey in session.scalars(select(SourceRow.vkey).where(SourceRow.name.not_in(known))).all():
        add_log(session, NoteVerifier.from_vkey(vkey))


def remove_log(session: Session, origin: str) -> None:
    """Witness a log no longer. Raises HubError for one that is unknown or followed."""
    if session.get(SourceRow, origin) is not None:
        raise HubError("expected a log that this hub does not follow; those it follows it witnesses")
    if session.get(WitnessedRow, origin) is None:
        raise HubError("expected the origin of a log that is witnessed", code=ProblemCode.NOT_FOUND)
    session.execute(delete(WitnessedRow).where(WitnessedRow.origin == origin))


def cosign_checkpoint(session: Session, body: bytes, *, name: str, key: SigningKey, now: datetime) -> str:
    """The cosignature line for a request to `add-checkpoint`; commit before it is handed out.

    Raises WitnessRefusal, with `not-found` for a log that is not witnessed; nothing has changed then.
    """
    request = parse_request(body)
    row = session.get(WitnessedRow, request.origin)
    if row is None:
        raise WitnessRefusal("expected the checkpoint of a log that is witnessed here", code=ProblemCode.NOT_FOUND)
    log = NoteVerifier.from_vkey(row.vkey)
    checkpoint = advance(Seen(row.size, row.root), request, log)
    time = max(int(now.timestamp()), row.cosigned_at)
    line = cosign(split_note(request.note)[0], name, key, time)
    note = add_lines(without_others(request.note, log), [line])
    moved = session.execute(
        update(WitnessedRow)
        .where(WitnessedRow.origin == row.origin, WitnessedRow.size == row.size, WitnessedRow.root == row.root)
        .values(size=checkpoint.size, root=checkpoint.root, note=note, cosigned_at=time)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        session.expire(row)
        raise NotTheSizeKnown(row.size)
    return line


def witnessed_note(session: Session, origin: str) -> str | None:
    """The newest checkpoint of a log that this hub has verified: what it has cosigned, or read when it followed."""
    row, source = session.get(WitnessedRow, origin), session.get(SourceRow, origin)
    if source is not None and source.seen_note is not None and (row is None or source.seen_size > row.size):
        log = NoteVerifier.from_vkey(source.vkey)
        if _is_signed(source.seen_note, log):  # not while it is still the last one of the former key
            return without_others(source.seen_note, log)
    return None if row is None else row.note


def cosigned_note(session: Session, origin: str) -> str | None:
    """The newest checkpoint of a log that this hub has cosigned."""
    row = session.get(WitnessedRow, origin)
    return None if row is None else row.note


# --- evidence ------------------------------------------------------------------------------------------------------


def keep_contradiction(session: Session, found: Contradiction, now: datetime) -> bool:
    """Keep a head that does not continue what was cosigned; True when it proves that the log has contradicted itself.

    A head that comes with a wrong proof proves nothing: anybody can send one with a checkpoint that is public.
    """
    row = session.get(WitnessedRow, found.request.origin)
    if row is None or row.note is None:
        return False
    evidence = pair_heads(
        NoteVerifier.from_vkey(row.vkey),
        row.note,
        found.request.note,
        proof=found.request.proof,
        found_at=format_time(now),
    )
    return keep_evidence(session, evidence, ProblemCode.WITNESS_PROOF, now)


def keep_evidence(session: Session, evidence: TwoHeads, code: ProblemCode, now: datetime) -> bool:
    """Keep two heads once, and raise an alarm when they prove something; whether they do."""
    proven = is_proven(evidence)
    log = NoteVerifier.from_vkey(evidence.vkey)
    heads = [verify_checkpoint(note, log).to_text() for note in (evidence.first, evidence.second)]
    digest = digest_of("".join(heads).encode())
    alike = (HeadEvidenceRow.origin == log.name) & (HeadEvidenceRow.proven == proven)
    count = session.scalar(select(func.count()).where(alike)) or 0
    known = session.get(HeadEvidenceRow, digest)
    if known is None and count < MAX_EVIDENCE:
        body = evidence.to_bytes().decode()
        session.add(
            HeadEvidenceRow(digest=digest, origin=log.name, code=code.value, proven=proven, body=body, since=now)
        )
    elif known is not None and proven and not known.proven:
        known.body, known.proven = evidence.to_bytes().decode(), True
    if proven:
        raise_alarm(session, log.name, ProblemCode.FEED_FORK, judge(evidence).sentence, now)
    return proven


# --- the witnesses of this hub's own log ---------------------------------------------------------------------------


def add_witness(session: Session, name: str, url: str, vkey: str) -> None:
    """Ask this witness for its cosignature from now on; another key or address takes the place of the old one.

    Raises HubError when there are as many as a note has room for.
    """
    row = session.get(WitnessRow, name)
    if row is None:
        if (session.scalar(select(func.count(WitnessRow.name))) or 0) >= MAX_WITNESSES:
            raise HubError(f"expected at most {MAX_WITNESSES} witnesses: a checkpoint has room for no more")
        session.add(WitnessRow(name=name, url=url, vkey=vkey, known_size=0))
    else:
        row.url, row.vkey = url, vkey
    session.flush()


def remove_witness(session: Session, name: str) -> None:
    """Ask a witness no longer. Raises HubError (`not-found`)."""
    if session.get(WitnessRow, name) is None:
        raise HubError("expected the name of a witness", code=ProblemCode.NOT_FOUND)
    session.execute(delete(WitnessRow).where(WitnessRow.name == name))
