"""What is said in confidence: only to one hub, in one length, and nothing that points to the author is handed on."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared_schema import canonical
from shared_schema.content import PracticeBody
from shared_schema.envelope import Envelope, parse_envelope, verify_envelope
from shared_schema.errors import ContractError, ReleaseRuleError, SchemaError, VerificationError
from shared_schema.governance import WithdrawalBody
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.relay import (
    PAD_BYTES,
    REQUEST_TYPE,
    RelayRequest,
    UnnamedBody,
    check_relayable,
    country_of,
    generalise,
    make_request,
    read_request,
    sign_receipt,
    sign_request,
    verify_relay_receipt,
)
from shared_schema.statement import STATEMENT_BODIES, Audience, Kind, read_statement
from tests.shared_schema.builders import (
    CITY,
    CITY_KEY,
    DIGEST,
    GERMANY,
    HUB,
    HUB_KEY,
    LEIPZIG,
    NOW,
    OTHER_KEY,
    RELAYED_REVIEW,
    REVIEW,
    SAXONY,
    experience_body,
    practice_body,
    relay_request,
    signed,
    signed_statement,
)

UNNAMED = practice_body(attribution="region")
ANSWER = {"question": DIGEST, "text": "Ask them first.", "review": REVIEW, "attribution": "region"}
DED = Area.from_object(SAXONY)


def content(kind: Kind, body: Mapping[str, Any]) -> UnnamedBody:
    return STATEMENT_BODIES[kind].from_object(dict(body))  # type: ignore[return-value]


def read(body: bytes) -> RelayRequest:
    return read_request(verify_envelope(parse_envelope(body), CITY_KEY.public))


# --- the form ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"practice": None},
        {"experience": experience_body(attribution="region")},
        {"seq": 17},
        {"hub": "Sachsen"},
        {"nonce": "short"},
        {"audience": "world"},
        {"pad": "x"},
        {"pad": "0" * (PAD_BYTES + 1)},
        {"v": 2},
        {"note": "x"},
    ],
)
def test_a_request_of_another_form_is_refused(change: dict[str, Any]) -> None:
    value = {name: part for name, part in (relay_request().to_object() | change).items() if part is not None}
    with pytest.raises(SchemaError):
        RelayRequest.from_object(value)


def test_a_request_that_is_not_filled_up_is_refused() -> None:
    value = relay_request().to_object()
    for pad in ("", value["pad"] + "0", value["pad"][1:]):
        with pytest.raises(SchemaError, match="filled up"):
            read(signed(canonical.encode(value | {"pad": pad}), REQUEST_TYPE))


def test_a_request_is_never_read_as_a_statement_nor_a_statement_as_a_request() -> None:
    envelope = sign_request(relay_request(), CITY_KEY)
    with pytest.raises(SchemaError):
        read_statement(verify_envelope(envelope, CITY_KEY.public))
    with pytest.raises(VerificationError) as caught:
        read(signed_statement())
    assert caught.value.code is ProblemCode.KIND_MISMATCH
    with pytest.raises(ContractError):
        read(signed(relay_request().to_bytes(), Kind.PRACTICE))


def test_all_requests_are_equally_long() -> None:
    bodies = [
        (Kind.PRACTICE, practice_body(attribution="region", emmie={"effect": "word " * 200, "mechanism": "w " * 200})),
        (Kind.PRACTICE, UNNAMED),
        (Kind.EXPERIENCE, experience_body(attribution="country")),
        (Kind.ANSWER, ANSWER),
        (Kind.WITHDRAWAL, {"digest": DIGEST, "reason": "consent"}),
    ]
    lengths = {len(sign_request(relay_request(content(*each)), CITY_KEY).payload) for each in bodies}
    assert lengths == {PAD_BYTES}


def test_a_request_is_read_back() -> None:
    request = relay_request()
    assert read(sign_request(request, CITY_KEY).to_bytes()) == request
    assert (request.kind, request.attribution) == (Kind.PRACTICE, "region")


# --- the rules of both sides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "audience"),
    [
        (Kind.PRACTICE, practice_body(), Audience.EUROPE),
        (Kind.EXPERIENCE, experience_body(), Audience.EUROPE),
        (Kind.ANSWER, {name: part for name, part in ANSWER.items() if name != "attribution"}, Audience.EUROPE),
        (Kind.PRACTICE, UNNAMED, Audience.HUB),
        (Kind.PRACTICE, practice_body(attribution="country"), Audience.REGION),
        (Kind.PRACTICE, UNNAMED | {"review": REVIEW | {"role": "single_person"}}, Audience.EUROPE),
    ],
)
def test_what_cannot_be_relayed_is_refused(kind: Kind, body: dict[str, Any], audience: Audience) -> None:
    with pytest.raises(ReleaseRuleError):
        check_relayable(relay_request(content(kind, body), audience=audience))


def test_what_can_be_relayed_passes() -> None:
    check_relayable(relay_request(audience=Audience.REGION))
    check_relayable(relay_request(content(Kind.PRACTICE, practice_body(attribution="country"))))
    check_relayable(relay_request(content(Kind.WITHDRAWAL, {"digest": DIGEST, "reason": "error"})))


# --- what everybody reads ------------------------------------------------------------------------------------------


def test_a_hub_that_is_a_municipality_itself_relays_nothing_for_a_region() -> None:
    with pytest.raises(SchemaError):
        generalise(content(Kind.PRACTICE, UNNAMED), Area.from_object(LEIPZIG))


def test_all_that_could_point_to_the_author_is_made_general() -> None:
    """Two nodes that differ in place, program, role, findings, dialect and month give the very same text."""
    one = practice_body(
        attribution="region", language="de-AT", review_by="2027-03",
        review={"role": "coordinator", "detector": "narrative 7", "findings": 4},
    )  # fmt: skip
    other = practice_body(
        attribution="region", language="de", review_by="2027-11", area=LEIPZIG | {"code": "DE_14612000"}
    )
    relayed = [generalise(content(Kind.PRACTICE, each), DED).to_bytes() for each in (one, other)]
    assert relayed[0] == relayed[1]
    body = generalise(content(Kind.PRACTICE, one), DED).content
    assert isinstance(body, PracticeBody)
    assert body.area == DED
    assert body.review.to_object() == RELAYED_REVIEW
    assert (body.language, body.review_by, body.outcome.value) == ("de", "2027-12", "no_effect")


def test_a_country_is_named_by_its_two_letters_whatever_the_hub_is_called() -> None:
    relayed = generalise(content(Kind.PRACTICE, practice_body(attribution="country")), DED)
    assert relayed.to_object()["practice"]["area"] == GERMANY
    codes = {"EL30": "GR", "UKC1": "GB", "AT1": "AT"}
    assert {code: country_of(DED.model_copy(update={"code": code})).code for code in codes} == codes
    assert country_of(Area(scheme="ISO3166", version="2020", code="DE-SN")).to_object() == GERMANY


# --- receipts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "receipt",
    [
        sign_receipt(HUB, DIGEST, NOW, OTHER_KEY),
        sign_receipt(HUB, "cd" * 32, NOW, HUB_KEY),
        sign_receipt("nrw.de", DIGEST, NOW, HUB_KEY),
        sign_request(relay_request(), HUB_KEY),
    ],
)
def test_a_receipt_that_proves_nothing_is_refused(receipt: Envelope) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_relay_receipt(receipt, hub=HUB, keys=[HUB_KEY.public], digest=DIGEST)
    assert caught.value.code is ProblemCode.RECEIPT


def test_a_receipt_is_the_same_whenever_it_is_asked_for() -> None:
    receipt = sign_receipt(HUB, DIGEST, NOW, HUB_KEY)
    assert receipt.to_bytes() == sign_receipt(HUB, DIGEST, NOW, HUB_KEY).to_bytes()
    assert verify_relay_receipt(receipt, hub=HUB, keys=[HUB_KEY.public], digest=DIGEST).digest == DIGEST


def test_a_withdrawal_has_no_attribution() -> None:
    body = WithdrawalBody(digest=DIGEST, reason="error")
    request = make_request(
        body, hub=HUB, origin=CITY, issued_at=NOW, nonce="A" * 22, audience=Audience.EUROPE
    )  # fmt: skip
    assert (request.kind, request.attribution) == (Kind.WITHDRAWAL, None)
