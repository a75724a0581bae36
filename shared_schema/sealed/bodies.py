"""The bodies of the five statements of a sealed total. `statement.STATEMENT_BODIES` lists them beside all others.

A city signs `share`, and its audience is its own hub, which hands it on whole to the second one; nobody else ever gets
it. The leader signs `batch`, `roster` and `void`, each with the helper's signature in it. Each hub signs its own
`aggregate-share`.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from shared_schema.names import Digest
from shared_schema.period import Period
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.hpke import OVERHEAD
from shared_schema.sealed.terms import MAX_PAYLOAD_BYTES, SHARES, BatchTerms, RosterTerms, VoidTerms
from shared_schema.trend import MAX_CELLS, Coverage, LedgerReference, Privacy, ReviewNote, TableReference
from shared_schema.vdaf.field128 import ENCODED_SIZE
from shared_schema.vdaf.prio3 import NONCE_SIZE
from shared_schema.vdaf.xof import SEED_SIZE
from shared_schema.vocabulary import SourceKind
from shared_schema.wire import WireModel

HELPER_HALF_SIZE = 2 * SEED_SIZE
PUBLIC_SHARE_SIZE = SHARES * SEED_SIZE


def _of_bytes(least: int, most: int) -> AfterValidator:
    """So many bytes in base64, the standard alphabet, in their one spelling."""

    def check(text: str) -> str:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("expected base64") from None
        if base64.b64encode(data).decode() != text:
            raise ValueError("expected base64 whose spare bits are 0")
        if not least <= len(data) <= most:
            raise ValueError(f"expected {least} bytes" if least == most else f"expected {least} to {most} bytes")
        return text

    return AfterValidator(check)


LeaderHalf = Annotated[
    str, StringConstraints(max_length=MAX_PAYLOAD_BYTES), _of_bytes(OVERHEAD + SEED_SIZE, MAX_PAYLOAD_BYTES)
]
HelperHalf = Annotated[
    str, StringConstraints(max_length=200), _of_bytes(OVERHEAD + HELPER_HALF_SIZE, OVERHEAD + HELPER_HALF_SIZE)
]
Nonce = Annotated[str, StringConstraints(max_length=100), _of_bytes(NONCE_SIZE, NONCE_SIZE)]
PublicShareText = Annotated[str, StringConstraints(max_length=100), _of_bytes(PUBLIC_SHARE_SIZE, PUBLIC_SHARE_SIZE)]
SumText = Annotated[str, StringConstraints(max_length=10_000), _of_bytes(ENCODED_SIZE, MAX_CELLS * ENCODED_SIZE)]


class BatchBody(WireModel):
    """Both hubs' word that they collect this table. The digest of this statement is the context of every share."""

    terms: BatchTerms
    helper: Countersignature


class ShareBody(WireModel):
    """A city's counts in two halves, each sealed to one hub; either half alone is random digits.

    `nonce` and `public_share` are those of the VDAF. What else it says is what a release in the clear says as well.
    """

    batch: Digest
    table: TableReference
    period: Period
    source_kind: SourceKind
    coverage: Coverage
    review: ReviewNote
    privacy: Privacy
    ledger: LedgerReference
    nonce: Nonce
    public_share: PublicShareText
    leader_half: LeaderHalf
    helper_half: HelperHalf


class RosterBody(WireModel):
    """Both hubs' word about whose shares are in their sums. One for a batch, for ever."""

    terms: RosterTerms
    helper: Countersignature


class AggregateShareBody(WireModel):
    """One hub's sum of its shares, with its noise: field elements of 16 bytes, one for each cell.

    Alone it is random digits; both together, added up, are the counts with both noises.
    """

    batch: Digest
    roster: Digest
    role: Literal["leader", "helper"]
    vector: SumText


class VoidBody(WireModel):
    """Both hubs' word that nothing of a batch is ever opened."""

    terms: VoidTerms
    helper: Countersignature
