"""Whom this node believes: the members of one hub, folded from the statements it has read, and what they may sign.

The node trusts one key, that of the hub whose fingerprint a person compared. Everybody else is known through
membership statements from there outwards. Every item is verified here with the *origin's* own key, so a hub that
changes or invents an item is found out. Pure: no database, no clock, no network.

    trust = Trust(hub.verifier)
    verified = trust.verify(envelope, audience=entry.audience, logged_at=entry.time)
    trust.learn(verified.statement)
"""

from datetime import datetime

from shared_schema.checkpoint import NoteVerifier
from shared_schema.envelope import Envelope, check_size, verify_envelope
from shared_schema.errors import VerificationError
from shared_schema.governance import MembershipBody
from shared_schema.keys import Directory, Member
from shared_schema.names import parse_time
from shared_schema.problem import ProblemCode
from shared_schema.statement import (
    Audience,
    Statement,
    VerifiedStatement,
    check_may_sign_kind,
    claimed_origin,
    read_statement,
)


class Trust:
    """One hub's directory, as far as its log has been read."""

    def __init__(self, hub: NoteVerifier) -> None:
        self.directory = Directory(hub.name, hub.key)
        self._last_word: dict[tuple[str, str], int] = {}  # (who says it, about whom) -> seq

    def verify(self, envelope: Envelope, *, audience: Audience, logged_at: datetime) -> VerifiedStatement:
        """Return the statement of an item whose entry names `audience` and `logged_at`.

        Raises ContractError with the reason why it cannot be believed.
        """
        check_size(envelope)
        author = self._find_author(envelope)
        verified = read_statement(verify_envelope(envelope, author.key))  # 1. signed by a key that we know
        statement = verified.statement
        if statement.origin != author.name:  # 2. and by nobody else than it says
            raise VerificationError("expected the member that signed as origin", code=ProblemCode.WRONG_ORIGIN)
        author.check_may_sign(logged_at)  # 3. a key in force at this place in the log
        check_may_sign_kind(statement.kind, author.role)  # 4. in the signer's role
        if statement.audience is not audience:  # 5. and the entry says the same
            raise VerificationError("expected the audience that the entry names", code=ProblemCode.FEED_ENTRY)
        return verified

    def learn(self, statement: Statement) -> bool:
        """Take a verified membership statement into the directory; True when it changed something.

        Raises VerificationError when its signer may not speak about that name.
        """
        body = statement.body
        if not isinstance(body, MembershipBody):
            return False
        topic = (statement.origin, body.member)
        if statement.seq <= self._last_word.get(topic, 0):
            return False  # a hub that hands on an older word later cannot undo a revocation
        changed = self.directory.apply(signer=statement.origin, member=_member(body, statement.origin))
        self._last_word[topic] = statement.seq
        return changed

    def _find_author(self, envelope: Envelope) -> Member:
        author = self.directory.find_by_keyid(envelope.keyid)
        if author is None and not envelope.keyid:  # the key id is a hint that a signer may leave out
            author = self.directory.find(claimed_origin(envelope) or "")
        if author is None:
            raise VerificationError("expected a key of the directory", code=ProblemCode.UNKNOWN_KEY)
        return author


def _member(body: MembershipBody, voucher: str) -> Member:
    return Member(
        name=body.member,
        role=body.role,
        key=body.public_key,
        status=body.status,
        vouched_by=voucher,
        not_before=parse_time(body.not_before) if body.not_before else None,
        not_after=parse_time(body.not_after) if body.not_after else None,
        level=body.level,
    )
