"""Whom this node believes: the members of one hub, folded from the statements it has read, and what they may sign.

The node trusts one key, that of the hub whose fingerprint a person compared. Everybody else is known through
membership statements from there outwards. Every item is verified here with the *origin's* own key, so a hub that
changes or invents an item is found out. Pure: no database, no clock, no network.

    trust = Trust(pin)
    verified = trust.verify(envelope, audience=entry.audience, logged_at=entry.time, position=index)
    trust.learn(verified.statement, position=index)
"""

from collections.abc import Sequence
from datetime import datetime

from shared_schema.directory import Directory, KnownKey, verify_with
from shared_schema.envelope import Envelope, check_size
from shared_schema.errors import VerificationError
from shared_schema.governance import MembershipBody
from shared_schema.pins import Pin
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

    def __init__(self, pin: Pin) -> None:
        self.directory = Directory(pin.name, pin.first_key)

    def verify(
        self, envelope: Envelope, *, audience: Audience, logged_at: datetime, position: int
    ) -> VerifiedStatement:
        """Return the statement of an item whose entry stands at `position` and names `audience` and `logged_at`.

        Raises ContractError with the reason why it cannot be believed.
        """
        check_size(envelope)
        verified_envelope, known = verify_with(envelope, self._find_keys(envelope))  # 1. signed by a key that we know
        verified = read_statement(verified_envelope)
        statement, author = verified.statement, self.directory.find(known.name)
        if author is None or statement.origin != author.name:  # 2. and by nobody else than it says
            raise VerificationError("expected the member that signed as origin", code=ProblemCode.WRONG_ORIGIN)
        self.directory.check_may_sign(known, logged_at, position=position)  # 3. a key in force at this place in the log
        check_may_sign_kind(statement.kind, author.role)  # 4. in the signer's role
        if statement.audience is not audience:  # 5. and the entry says the same
            raise VerificationError("expected the audience that the entry names", code=ProblemCode.FEED_ENTRY)
        return verified

    def learn(self, statement: Statement, *, position: int) -> bool:
        """Take a verified membership statement into the directory; True when it changed something.

        Raises VerificationError when its signer may not speak about that name.
        """
        body = statement.body
        return isinstance(body, MembershipBody) and self.directory.learn(
            body, signer=statement.origin, seq=statement.seq, position=position
        )

    def _find_keys(self, envelope: Envelope) -> Sequence[KnownKey]:
        known = self.directory.find_key(envelope.keyid)
        if known is not None:
            return (known,)
        # The key id is a hint that a signer may leave out.
        return () if envelope.keyid else self.directory.keys_of(claimed_origin(envelope) or "")
