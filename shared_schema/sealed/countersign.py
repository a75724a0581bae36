"""What two hubs sign together: one statement of the leader, in it terms that the helper has signed as well.

A statement has one signature (DSSE as used here, `envelope.py`). So the helper signs the canonical bytes of the terms,
under a payload type of their own, which no statement has; the leader's statement carries the terms and that signature.
Neither can be read as the other, and neither hub can say alone what both have to say.

    signature = countersign(ROSTER_TERMS, terms, helper_key)
    verify_countersignature(ROSTER_TERMS, terms, signature, helper="bund.de", directory=directory, at=now)
"""

import base64
from datetime import datetime
from typing import Annotated, Final

from pydantic import StringConstraints

from shared_schema.directory import Directory
from shared_schema.envelope import pae, payload_type
from shared_schema.errors import VerificationError
from shared_schema.keys import SigningKey
from shared_schema.names import Digest
from shared_schema.problem import ProblemCode
from shared_schema.wire import WireModel

BATCH_TERMS: Final = "batch-terms"
ROSTER_TERMS: Final = "roster-terms"
VOID_TERMS: Final = "void-terms"
Signature64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{85}[AQgw]==$")]
"""64 bytes in base64. The last digit carries two bits, so that there is one spelling."""


class Countersignature(WireModel):
    """The helper's signature of the terms; the key id says which of its keys."""

    keyid: Digest
    sig: Signature64


def countersign(kind: str, terms: WireModel, key: SigningKey) -> Countersignature:
    """Sign the canonical bytes of terms as what they are. Raises SchemaError when a text in them may not be signed."""
    signature = key.sign(pae(payload_type(kind), terms.to_bytes()))
    return Countersignature(keyid=key.public.keyid, sig=base64.b64encode(signature).decode())


def verify_countersignature(
    kind: str,
    terms: WireModel,
    signature: Countersignature,
    *,
    helper: str,
    directory: Directory,
    at: datetime,
    position: int | None = None,
) -> None:
    """Raise VerificationError unless `helper` has signed these terms with a key in force.

    Codes: `unknown-key`, `wrong-origin`, `key-not-valid`, `member-not-active`, `bad-signature`. `position` is where the
    statement stands in the reader's log, as for the statement itself (`Directory.check_may_sign`).
    """
    known = directory.find_key(signature.keyid)
    if known is None:
        raise VerificationError("expected a key of the directory below the terms", code=ProblemCode.UNKNOWN_KEY)
    if known.name != helper:
        raise VerificationError("expected the second hub's signature below the terms", code=ProblemCode.WRONG_ORIGIN)
    directory.check_may_sign(known, at, position=position)
    known.key.verify(base64.b64decode(signature.sig), pae(payload_type(kind), terms.to_bytes()))
