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
from local_node.folding import fold
from local_node.narrative import free_texts
from local_node.orm import InboxRow, OutboxRow, ReleaseRequestRow
from local_node.review import ApprovedRelease, ReleaseRequest, RequestState
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.governance import WithdrawalBody
from shared_schema.keys import SigningKey
from shared_schema.relay import RelayContent, RelayRequest, check_relayable, make_request, sign_request
from shared_schema.statement import STATEMENT_BODIES, Audience, Kind

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
LONG_NAME: Final = 6
"""Letters; a shorter name stands within other words by chance."""
_WORDS: Final = re.compile(r"\w+")
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


def check_keeps_quiet(session: Session, draft: Mapping[str, Any]) -> None:
    """Raise ReleaseError for a draft in the city's name about something that it has said without it.

    An answer to a question about it, a new version, or an experience with it would say whose it is.
    """
    if is_unnamed(draft):
        return
    rows = session.scalars(select(ReleaseRequestRow).where(ReleaseRequestRow.state != RequestState.REFUSED.value))
    unnamed = [body for row in rows if is_unnamed(body := parse_strict(row.body.encode()))]
    own = {passage for body in unnamed for passage in _passages(body)}
    for name in (*POINTERS, "question", "about"):
        content = _relayed_content(session, str(draft.get(name, ""))) if own else None
        if content is not None and own & _passages(content):
            raise ReleaseError(
                f"expected the attribution region or country: {name} leads to what this city has said without its name",
                code="names-city",
            )


def _relayed_content(session: Session, digest: str) -> dict[str, Any] | None:
    """The content of a relayed item, or of the one that a question is about; None for anything else."""
    row = session.get(InboxRow, digest)
    if row is None or row.envelope is None:
        return None
    body = parse_strict(parse_envelope(row.envelope).payload)["body"]
    if row.kind == Kind.QUESTION.value and "about" in body:
        return _relayed_content(session, str(body["about"])) if body["about"] != digest else None
    if row.kind != Kind.RELAYED.value:
        return None
    found = next((body[part] for part in ("practice", "experience", "answer") if part in body), None)
    return found if isinstance(found, dict) else None


def _passages(body: Mapping[str, Any]) -> set[str]:
    """The texts of a body without what changes nothing for a reader: capitals, spaces, punctuation."""
    texts = (" ".join(_WORDS.findall(fold(text, small=True).text)) for text in free_texts(body).values())
    return {text for text in texts if len(text) >= PASSAGE_CHARACTERS}


def _mentions(text: str, name: str) -> bool:
    """Whether a word of the text begins with the name, or has it within: `Leipziger` and `Großleipzig` name Leipzig."""
    wanted, folded = fold(name, small=True).text, fold(text, small=True).text
    if len(wanted) >= LONG_NAME:
        return wanted in folded
    return re.search(rf"(?<![^\W_]){re.escape(wanted)}", folded) is not None


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
