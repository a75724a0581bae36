"""What a city says in confidence: its home hub relays it without naming the city.

A relay request is no statement. It has no `seq` and stands in no log, because both would tell: a number that is missing
between two statements of a city, or an entry that appears while one city is sending. It is a sealed letter to one hub,
which answers with a signed receipt and later publishes a statement of its own, of kind `relayed`.

    envelope = sign_request(make_request(body, hub="sachsen.de", origin="leipzig.sn.de", ...), key)
    request = read_request(verify_envelope(envelope, city.key))
    body = generalise(request, area)                         what everybody reads

Every request is filled up to a multiple of 16 KiB, so that its length does not tell a practice from an answer or a
withdrawal to somebody who watches the line.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shared_schema import canonical
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody, UnnamedAttribution
from shared_schema.envelope import Envelope, VerifiedEnvelope, kind_of, sign_payload, verify_envelope
from shared_schema.errors import ContractError, ReleaseRuleError, SchemaError, VerificationError
from shared_schema.governance import COUNTRY_DIGITS, RELAYED_REVIEW, RelayedBody, WithdrawalBody
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.names import Digest, Origin, Timestamp, Version, format_time
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from shared_schema.wire import WireModel

REQUEST_TYPE = "relay-request"
RECEIPT_TYPE = "relay-receipt"
"""Payload types that are no statements: nothing signed as one of them can be read as a statement, nor the reverse."""
PAD_BYTES = 16 * 1024
"""The largest practice that people write has about 12 KiB; whatever is longer is filled up to the next multiple."""
MAX_LISTED = 10_000
_ISO_OF_NUTS = {"EL": "GR", "UK": "GB"}
"""Where the statistical code of a country is not its ISO 3166 code."""
_ISO_EDITION = "2020"

UnnamedBody = PracticeBody | ExperienceBody | AnswerBody
RelayContent = UnnamedBody | WithdrawalBody
_FIELDS: dict[type[WireModel], Kind] = {
    PracticeBody: Kind.PRACTICE,
    ExperienceBody: Kind.EXPERIENCE,
    AnswerBody: Kind.ANSWER,
    WithdrawalBody: Kind.WITHDRAWAL,
}


class RelayRequest(WireModel):
    """One thing that `origin` asks `hub` to relay, or to take back. `audience` says how far the relayed one may go.

    The digest in a withdrawal is that of the request which it takes back, never of a statement.
    """

    v: Version = 1
    hub: Origin
    origin: Origin
    issued_at: Timestamp
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
    audience: Audience
    practice: PracticeBody | None = None
    experience: ExperienceBody | None = None
    answer: AnswerBody | None = None
    withdrawal: WithdrawalBody | None = None
    pad: Annotated[str, Field(pattern=r"^0*$", max_length=PAD_BYTES)]

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(part is not None for part in (self.practice, self.experience, self.answer, self.withdrawal)) != 1:
            raise ValueError("expected either a practice, an experience, an answer or a withdrawal")
        return self

    @property
    def content(self) -> RelayContent:
        """The one that is there."""
        found = self.practice or self.experience or self.answer or self.withdrawal
        if found is None:
            raise SchemaError("expected a content")
        return found

    @property
    def kind(self) -> Kind:
        return _FIELDS[type(self.content)]

    @property
    def attribution(self) -> str | None:
        """What the author chose; None for a withdrawal."""
        return None if self.withdrawal is not None else getattr(self.content, "attribution", None)


class RelayReceipt(WireModel):
    """The hub's word, signed with its key, that it holds the request with this digest."""

    v: Version = 1
    hub: Origin
    digest: Digest
    taken_at: Timestamp


class RelayedItem(WireModel):
    """One of the reader's own requests: where it stands, and as what it was published."""

    request: Digest
    kind: Kind
    state: Annotated[str, Field(pattern=r"^[a-z-]{1,20}$")]
    relayed: Digest | None = None


class ForwardedQuestion(WireModel):
    """A question that the hub hands on to the author of a relayed item; `question` is its digest in the feed."""

    question: Digest
    request: Digest
    relayed: Digest | None = None


class RelayStanding(WireModel):
    """What a hub knows in confidence of the member that asks."""

    v: Version = 1
    hub: Origin
    items: Annotated[tuple[RelayedItem, ...], Field(max_length=MAX_LISTED)]
    questions: Annotated[tuple[ForwardedQuestion, ...], Field(max_length=MAX_LISTED)]


# --- requests ------------------------------------------------------------------------------------------------------


def make_request(
    content: RelayContent, *, hub: str, origin: str, issued_at: datetime, nonce: str, audience: Audience
) -> RelayRequest:
    """A request of the right length. Raises SchemaError when the parts do not fit."""
    value = {
        "v": 1,
        "hub": hub,
        "origin": origin,
        "issued_at": format_time(issued_at),
        "nonce": nonce,
        "audience": audience.value,
        _FIELDS[type(content)].value: content.to_object(),
        "pad": "",
    }
    return RelayRequest.from_object(value | {"pad": "0" * (-len(canonical.encode(value)) % PAD_BYTES)})


def sign_request(request: RelayRequest, key: SigningKey) -> Envelope:
    """Sign the canonical bytes of a request."""
    return sign_payload(REQUEST_TYPE, request.to_bytes(), key)


def is_request(envelope: Envelope) -> bool:
    """Whether an envelope says that it holds a request. Raises SchemaError for a payload type that is none of ours."""
    return kind_of(envelope.payload_type) == REQUEST_TYPE


def read_request(verified: VerifiedEnvelope) -> RelayRequest:
    """Parse what was verified.

    Raises MalformedError, SchemaError (not a request, or not filled up), VerificationError `kind-mismatch`.
    """
    envelope = verified.envelope
    if not is_request(envelope):
        raise VerificationError("expected a relay request", code=ProblemCode.KIND_MISMATCH)
    if len(envelope.payload) % PAD_BYTES:
        raise SchemaError(f"expected a request that is filled up to a multiple of {PAD_BYTES} bytes")
    return RelayRequest.from_bytes(envelope.payload)


def check_relayable(request: RelayRequest) -> None:
    """The rules that node and hub both apply to a request. Raises ReleaseRuleError (`release-rule`)."""
    if request.withdrawal is not None:
        if request.withdrawal.to is not None:
            raise ReleaseRuleError("expected a withdrawal from everybody: what a hub has relayed is not narrowed")
        return
    if request.attribution not in ("region", "country"):
        raise ReleaseRuleError("expected the attribution region or country: what names its city is an open statement")
    least = Audience.NATION if request.attribution == "country" else Audience.REGION
    if request.audience.reach < least.reach:
        raise ReleaseRuleError(f"expected an audience of {least.value} or beyond for this attribution")
    review = getattr(request.content, "review", None)
    if review is None or review.role == "single_person":
        raise ReleaseRuleError("expected a second person's review of what a hub will vouch for")


# --- what everybody reads ------------------------------------------------------------------------------------------


def country_of(area: Area) -> Area:
    """The country of an area. All three schemes begin with a country's two letters."""
    letters = area.code[:COUNTRY_DIGITS]
    code = letters if area.scheme == "ISO3166" else _ISO_OF_NUTS.get(letters, letters)
    return Area(scheme="ISO3166", version=_ISO_EDITION, code=code)


def generalise(content: UnnamedBody, area: Area) -> RelayedBody:
    """What a hub whose area is `area` publishes in place of `content`.

    Raises SchemaError for what cannot be made general, such as a hub that is a municipality itself.
    """
    value = general_content(content, area)
    return RelayedBody.from_object(
        {"attribution": value["attribution"], _FIELDS[type(content)].value: value},
    )


def general_content(content: UnnamedBody, area: Area) -> dict[str, Any]:
    """The content with all that could point to its author made general, as plain values."""
    attribution: UnnamedAttribution = "country" if content.attribution == "country" else "region"
    role, detector, findings = RELAYED_REVIEW
    value = content.to_object() | {
        "attribution": attribution,
        "review": {"role": role, "detector": detector, "findings": findings},
        "language": content.language.partition("-")[0],
    }
    if "area" in value:
        value["area"] = (country_of(area) if attribution == "country" else area).to_object()
    value.pop("surroundings", None)
    if "review_by" in value:
        value["review_by"] = value["review_by"][:4] + "-12"
    return value


# --- receipts ------------------------------------------------------------------------------------------------------


def sign_receipt(hub: str, digest: str, taken_at: datetime, key: SigningKey) -> Envelope:
    """The same bytes whenever it is asked for: Ed25519 draws nothing."""
    receipt = RelayReceipt(hub=hub, digest=digest, taken_at=format_time(taken_at))
    return sign_payload(RECEIPT_TYPE, receipt.to_bytes(), key)


def verify_relay_receipt(envelope: Envelope, *, hub: str, keys: Sequence[PublicKey], digest: str) -> RelayReceipt:
    """Return the receipt with which `hub` says that it holds `digest`, signed with one of its keys.

    There is more than one key while the hub hands over to its next one. Raises VerificationError (`receipt`).
    """
    try:
        if not keys:
            raise VerificationError("no key of the hub")
        key = next((key for key in keys if key.keyid == envelope.keyid), keys[-1])
        payload = verify_envelope(envelope, key).envelope.payload
        if kind_of(envelope.payload_type) != RECEIPT_TYPE:
            raise SchemaError("another kind")
        receipt = RelayReceipt.from_bytes(payload)
    except ContractError as error:
        raise VerificationError(f"expected a valid receipt: {error.message}", code=ProblemCode.RECEIPT) from None
    if (receipt.hub, receipt.digest) != (hub, digest):
        raise VerificationError("expected a receipt of the hub for what was sent", code=ProblemCode.RECEIPT)
    return receipt
