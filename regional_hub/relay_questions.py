"""Questions to authors whom nobody may know: the operator hands one on, and the answer comes back as the hub's own.

A hub never writes to a node. What is handed on waits here until the author's node asks (`standing_of`, served at
`GET /v1/relay`); the question itself the author reads in the feed, as everybody does.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import audit, log
from regional_hub.errors import HubError
from regional_hub.orm import ContentRow, EntryRow, RelayItemRow, RelayQuestionRow
from regional_hub.relay import RelayState, list_items
from shared_schema.canonical import parse_strict
from shared_schema.content import QuestionBody
from shared_schema.envelope import envelope_from_object
from shared_schema.problem import ProblemCode
from shared_schema.relay import MAX_LISTED, ForwardedQuestion, RelayedItem, RelayStanding
from shared_schema.statement import Audience, Kind


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a relayed item, for the operator. `item` is the author's request."""

    digest: str
    title: str
    asked_by: str
    relayed: str
    item: str
    forwarded: bool


def find_questions(session: Session) -> list[Question]:
    """The questions in the log about what this hub has relayed, oldest first."""
    published = select(RelayItemRow).where(RelayItemRow.state == RelayState.PUBLISHED.value)
    relayed = {row.relayed: row.digest for row in session.scalars(published)}
    rows = session.execute(select(RelayQuestionRow.question, RelayQuestionRow.item))
    known = {(row.question, row.item) for row in rows}
    found = []
    for entry, body in _read_questions(session):
        item = relayed.get(body.about)
        if item is not None and body.about is not None:
            is_known = (entry.digest, item) in known
            found.append(Question(entry.digest, body.title, entry.origin, body.about, item, is_known))
    return found


def _read_questions(session: Session) -> list[tuple[EntryRow, QuestionBody]]:
    rows = session.execute(
        select(EntryRow, ContentRow.envelope)
        .join(ContentRow, ContentRow.digest == EntryRow.digest)
        .where(EntryRow.kind == Kind.QUESTION.value)
        .order_by(EntryRow.index)
    )
    payloads = ((entry, parse_strict(envelope_from_object(parse_strict(stored)).payload)) for entry, stored in rows)
    return [(entry, QuestionBody.from_object(payload["body"])) for entry, payload in payloads]


def forward(session: Session, digest: str, *, actor: str, now: datetime) -> Question:
    """Hand a question on to the author of the item that it is about; again has the effect of once.

    The author reads the question itself in the feed, so one that is for a hub alone cannot be handed on. Raises
    HubError (`not-found`, `release-rule`).
    """
    question = next((each for each in find_questions(session) if each.digest == digest), None)
    if question is None:
        raise HubError("expected the digest of a question about a relayed item", code=ProblemCode.NOT_FOUND)
    entry = log.find_entry(session, digest)
    if entry is None or Audience(entry.audience) is Audience.HUB:
        raise HubError("expected a question that its author can read in the feed", code=ProblemCode.RELEASE_RULE)
    if not question.forwarded:
        add_question(session, digest, question.item, now)
        audit.record(session, actor, "relay-question-forwarded", digest, now)
    return question


def add_question(session: Session, question: str, item: str, now: datetime) -> None:
    """Note that a question is for the author of an item; does nothing when it is noted."""
    if session.get(RelayQuestionRow, (question, item)) is None:
        session.add(RelayQuestionRow(question=question, item=item, since=now))
        session.flush()


def standing_of(session: Session, member: str, hub: str) -> RelayStanding:
    """What `member` may know: its own requests, and the questions for it."""
    rows = [row for row in list_items(session) if row.origin == member][-MAX_LISTED:]
    own = {row.digest: row for row in rows}
    questions = session.scalars(select(RelayQuestionRow).order_by(RelayQuestionRow.since, RelayQuestionRow.question))
    return RelayStanding(
        hub=hub,
        items=tuple(
            RelayedItem(request=row.digest, kind=Kind(row.kind), state=row.state, relayed=row.relayed) for row in rows
        ),
        questions=tuple(
            ForwardedQuestion(question=each.question, request=each.item, relayed=own[each.item].relayed)
            for each in questions
            if each.item in own and own[each.item].state != RelayState.WITHDRAWN.value
        )[-MAX_LISTED:],
    )
