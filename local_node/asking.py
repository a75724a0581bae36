"""From a draft to a release request: look through it, choose other words, ask.

    looked = look_through(draft, lists)                  what is missing, what could point to a person
    reword(session, draft, version, writer, 0, Resolution.COARSEN, looked.seen, lists, now)
    request = ask(session, draft, version, writer, ...)

What the author sees here is what the second person will see: the same rules look at the same text.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import draft_store, inbox, release
from local_node.coarser import mask_for, put_in_place
from local_node.drafting import Draft, DraftStaleError, Writer, check_may_ask, check_may_change
from local_node.errors import NodeError
from local_node.inbox import InboxState
from local_node.narrative import Finding, LocalLists, free_texts, screen
from local_node.orm import AccountRow
from local_node.people import get_person
from local_node.review import ReleaseRequest, Resolution
from local_node.writing import POINTERS, Gap, body_of, find_gaps, store_fields
from shared_schema.content import Surroundings
from shared_schema.period import Area
from shared_schema.statement import Audience, Kind

UNREADABLY_LONG = "too-long"
"""The gap of a text that is so long that looking through it would hold everybody up."""


class AskError(NodeError):
    """A draft cannot be asked for, or its words cannot be changed like this."""

    code = "draft-incomplete"


@dataclass(frozen=True, slots=True)
class Looked:
    """A draft that was looked through. `seen` is the digest of what was looked at, with what was found."""

    gaps: tuple[Gap, ...]
    texts: Mapping[str, str]
    findings: tuple[Finding, ...]
    seen: str


def texts_of(draft: Draft) -> dict[str, str]:
    """What somebody typed, by the dotted names of the fields."""
    return free_texts(body_of(draft.kind, draft.fields))


def writer_of(session: Session, person_id: str) -> Writer:
    """Who somebody is who writes. Raises PersonError for nobody."""
    person = get_person(session, person_id)
    account = session.get(AccountRow, person_id)
    return Writer(person.id, person.role, None if account is None else account.agency_id)


def look_through(draft: Draft, lists: LocalLists) -> Looked:
    """What is missing, and what would be found; a text that is far too long is only said to be so."""
    gaps = find_gaps(draft.kind, draft.fields)
    too_long = {gap.field for gap in gaps if gap.code == UNREADABLY_LONG}
    texts = {name: text for name, text in free_texts(body_of(draft.kind, draft.fields)).items() if name not in too_long}
    found = screen(texts, language=str(draft.fields.get("language", "und")), lists=lists).findings
    places = ";".join(f"{each.field}/{each.start}/{each.end}/{each.coarser or ''}" for each in found)
    seen = hashlib.sha256(f"{store_fields(draft.fields)}\n{places}".encode()).hexdigest()
    return Looked(gaps, texts, found, seen)


def reword(
    session: Session,
    draft: Draft,
    version: int,
    writer: Writer,
    number: int,
    resolution: Resolution,
    seen: str,
    lists: LocalLists,
    now: datetime,
) -> Draft:
    """Put the wording that was offered, or a mask, in the place of one passage that was found.

    Raises DraftStaleError when the text or what is found in it is not what was shown, AskError for no such passage.
    """
    check_may_change(draft, writer)
    looked = look_through(draft, lists)
    if looked.seen != seen:
        raise DraftStaleError("expected the text as it was shown; it has been changed since")
    if not 0 <= number < len(looked.findings):
        raise AskError("expected the number of a passage that was found", code="findings")
    finding = looked.findings[number]
    if resolution is Resolution.COARSEN and finding.coarser is None:
        raise AskError("expected a mask: there is no coarser wording for this passage", code="findings")
    wording = finding.coarser if resolution is Resolution.COARSEN else None
    fields = dict(draft.fields)
    text = str(fields[finding.field])
    fields[finding.field] = put_in_place(text, finding.start, finding.end, wording or mask_for(finding.kind))
    return draft_store.save(session, draft, version, fields, draft.audience, writer, now)


def ask(
    session: Session,
    draft: Draft,
    version: int,
    writer: Writer,
    *,
    area: Area,
    lists: LocalLists,
    city_names: Sequence[str],
    surroundings: Surroundings | None,
    now: datetime,
) -> ReleaseRequest:
    """Ask for the release of a draft, in the caller's transaction.

    Raises DraftStaleError, AskError (incomplete; what it is about was taken back), and what `request_words` raises.
    """
    check_may_ask(draft, writer)  # 1. by somebody who may,
    if draft.version != version:
        raise DraftStaleError("expected the draft as it was shown; it has been changed since")
    if gaps := find_gaps(draft.kind, draft.fields):  # 2. of a text that is complete,
        raise AskError(f"expected a complete text; look at {', '.join(gap.field for gap in gaps)}")
    check_is_there(session, draft)  # 3. about something that is still there
    request = release.request_words(
        session,
        draft.kind,
        body_of(draft.kind, draft.fields),
        writer.id,
        area,
        audience_of(session, draft),
        now,
        lists,
        city_names=city_names,
        surroundings=surroundings,
        writers=draft.writers,
    )
    draft_store.mark_asked(session, draft, version, request.id, now)
    return request


def check_is_there(session: Session, draft: Draft) -> None:
    """Raise AskError when what the text is about was taken back, or was never read here."""
    pointer = POINTERS.get(draft.kind)
    digest = None if pointer is None else draft.fields.get(pointer)
    if digest is None:
        return
    item = inbox.find_item(session, str(digest))
    if item is None or item.state is not InboxState.ACCEPTED:
        raise AskError(
            "expected something to speak about that is still here; its author has taken it back", code="about-gone"
        )


def audience_of(session: Session, draft: Draft) -> Audience:
    """How far a text may travel: as its author wants, and an answer as far as its question at most."""
    if draft.kind is not Kind.ANSWER:
        return draft.audience
    question = inbox.find_item(session, str(draft.fields.get("question", "")))
    return draft.audience if question is None else min(draft.audience, question.audience, key=lambda each: each.reach)
