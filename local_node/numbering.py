"""The running number of what this node signs. Every number is used once, also after a restore from an old copy."""

from sqlalchemy.orm import Session

from local_node.orm import SINGLE_ROW, StatementSeqRow


def next_seq(session: Session, highest_seq: int) -> int:
    """The number after every one that this node or its hubs know of."""
    row = session.get(StatementSeqRow, SINGLE_ROW)
    return max(highest_seq, 0 if row is None else row.last_seq) + 1


def use_seq(session: Session, seq: int) -> None:
    """Remember, in the transaction that signs, that the number is used."""
    session.merge(StatementSeqRow(id=SINGLE_ROW, last_seq=seq))
    session.flush()
