"""What leaves without the city's name: a request to the home hub in place of an open statement.

The body says so itself: `attribution` is `region` or `country`. It passes the same review, and a second person reads
before approving who will know (`KNOWN_TO`). It goes to the home hub alone, has no `seq`, and is in no log; see
`shared_schema/relay.py`. Two things are refused before anybody is asked: a pointer to something that this city has said
in its own name, and the city's own name in the text. And nothing is said both ways.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.errors import ReleaseError
from local_node.narrative import free_texts
from local_node.orm import OutboxRow, ReleaseRequestRow
from local_node.review import ApprovedRelease, ReleaseRequest, RequestState
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import SigningKey
from shared_schema.relay import RelayContent, RelayRequest, check_relayable, make_request, sign_request
from shared_schema.statement import STATEMENT_BODIES, Audience

NO_SEQ: Final = 0
"""In the outbox: what is said in confidence takes no number, because a number that is missing would tell."""
UNNAMED: Final = ("region", "country")
POINTERS: Final = ("adapted_from", "practice", "replaces")
PASSAGE_CHARACTERS: Final = 20
"""Shorter ones, such as a title of one word, are said by many."""
KNOWN_TO: Final = (
    "the operator of your home hub will know that this is yours; nobody else is told. The hub publishes the text in "
    "its own name, with the area {area}, together with others, within days. Read it as a neighbour would: could only "
    "one city have written it?"
)
_AREAS: Final = {"region": "of the hub in place of the city's", "country": "of the country alone"}
_SOMEBODY: Final = "somebody.example"
_NONCE: Final = "A" * 22


def is_unnamed(body: Mapping[str, Any]) -> bool:
    """Whether a body, as plain values, is to be relayed without its city's name."""
    return body.get("attribution") in UNNAMED


def known_to(request: ReleaseRequest) -> str | None:
    """Who will know whose this is, for the second person; None for what carries the city's name."""
    body = parse_strict(request.body)
    return KNOWN_TO.format(area=_AREAS[body["attribution"]]) if is_unnamed(body) else None


def check_draft(session: Session, draft: Mapping[str, Any], city_names: Sequence[str]) -> None:
    """Raise ReleaseError for a draft that would name the city after all."""
    pointed = {str(draft[name]) for name in POINTERS if name in draft}
    own = session.scalars(select(OutboxRow.digest).where(OutboxRow.digest.in_(pointed))).first()
    if own is not None:
        raise ReleaseError("expected nothing that points to what this city has said in its own name", code="names-city")
    for field, text in free_texts(draft).items():
        if any(_mentions(text, name) for name in city_names):
            raise ReleaseError(f"expected a text without the city's own name in {field}", code="names-city")


def check_said_once(session: Session, draft: Mapping[str, Any]) -> None:
    """Raise ReleaseError for a passage that this city has released, or is about to, the other way: with its name when
    this draft has none, and the reverse. Whoever reads both knows."""
    passages = _passages(draft)
    rows = session.scalars(select(ReleaseRequestRow).where(ReleaseRequestRow.state != RequestState.REFUSED.value))
    for row in rows:
        other = parse_strict(row.body.encode())
        if is_unnamed(other) != is_unnamed(draft) and passages & _passages(other):
            raise ReleaseError(
                f"expected no passage that stands in {row.id} as well, which is released the other way: "
                "whoever reads both knows whose it is",
                code="names-city",
            )


def _passages(body: Mapping[str, Any]) -> set[str]:
    texts = (" ".join(text.casefold().split()) for text in free_texts(body).values())
    return {text for text in texts if len(text) >= PASSAGE_CHARACTERS}


def _mentions(text: str, name: str) -> bool:
    """Whether a word of the text begins with the name: `Leipziger` names Leipzig."""
    return re.search(rf"\b{re.escape(name.casefold())}", text.casefold()) is not None


def check_body(body: RelayContent, audience: Audience, now: datetime) -> None:
    """The hub's own rules, before anybody is asked. Raises ReleaseRuleError."""
    check_relayable(make_request(body, hub=_SOMEBODY, origin=_SOMEBODY, issued_at=now, nonce=_NONCE, audience=audience))


def sign_in_confidence(
    release: ApprovedRelease, *, hub: str, origin: str, nonce: str, key: SigningKey, now: datetime
) -> Envelope:
    """Sign an approved body as a request to `hub`. Raises ReleaseRuleError, SchemaError; then nothing is signed."""
    request = release.request
    body: RelayContent = STATEMENT_BODIES[request.kind].from_bytes(request.body)  # type: ignore[assignment]
    sealed = make_request(body, hub=hub, origin=origin, issued_at=now, nonce=nonce, audience=request.audience)
    check_relayable(sealed)
    return sign_request(sealed, key)


def sign_withdrawal(item: Envelope, reason: str, *, nonce: str, key: SigningKey, now: datetime) -> Envelope:
    """Sign, for the same hub, that the request in `item` is taken back. Raises SchemaError for an unknown reason."""
    taken = RelayRequest.from_bytes(item.payload)
    body = WithdrawalBody.from_object({"digest": item.digest, "reason": reason})
    return sign_request(
        make_request(body, hub=taken.hub, origin=taken.origin, issued_at=now, nonce=nonce, audience=taken.audience), key
    )
