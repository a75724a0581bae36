"""What stands in the report of a quarter besides its figures. Parts of the node add what they know of a quarter.

A section tells in sentences what may be public: counts and titles, no person, no agency's single figure.

    def activities(session: Session, quarter: Period, words: Words) -> Section | None: ...

    report_sections.register("did", activities)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal, Protocol

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from local_node import balance, search_index
from local_node.confidence import is_unnamed
from local_node.orm import InboxRow, OutboxRow, ReleaseRequestRow, SearchItemRow
from local_node.review import RequestState
from local_node.web.words import Words
from shared_schema.canonical import parse_strict
from shared_schema.names import format_time
from shared_schema.period import Period
from shared_schema.service.translations import N_
from shared_schema.statement import Audience, Kind
from shared_schema.vocabulary import Outcome

Chapter = Literal["did", "failed", "learned", "waits"]
MOST_LEARNED: Final = 8
TOLD: Final = (Kind.PRACTICE.value, Kind.EXPERIENCE.value, Kind.BULLETIN.value)


@dataclass(frozen=True, slots=True)
class Section:
    """A sentence, and the lines below it."""

    sentence: str
    lines: tuple[str, ...] = ()


class SectionOf(Protocol):
    """What a part tells of a quarter; None for nothing."""

    def __call__(self, session: Session, quarter: Period, words: Words, /) -> Section | None: ...


SECTIONS: Final[list[tuple[Chapter, SectionOf]]] = []


def register(chapter: Chapter, section: SectionOf) -> None:
    """Add what a part knows to a chapter; the same function again changes nothing."""
    if (chapter, section) not in SECTIONS:
        SECTIONS.append((chapter, section))


def sections_of(session: Session, quarter: Period, words: Words) -> dict[Chapter, list[Section]]:
    """Everything that is told of a quarter, by chapter."""
    told: dict[Chapter, list[Section]] = {"did": [], "failed": [], "learned": [], "waits": []}
    for chapter, tell in SECTIONS:
        if (section := tell(session, quarter, words)) is not None:
            told[chapter].append(section)
    return told


# --- what the exchange itself knows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lesson:
    title: str
    outcome: Outcome | None


def lessons_sent(session: Session, quarter: Period, words: Words) -> Section | None:
    """What this city has told other cities, with its outcome."""
    lessons = list(_sent(session, quarter, words.zone))
    if not lessons:
        return None
    sentence = words.ngettext(
        "1 lesson was shared with other cities:", "%(num)s lessons were shared with other cities:", len(lessons)
    )
    return Section(sentence % {"num": len(lessons)}, tuple(_line(each, words) for each in lessons))


def lessons_of_failure(session: Session, quarter: Period, words: Words) -> Section | None:
    """What did not work, as this city has told it itself."""
    lessons = [each for each in _sent(session, quarter, words.zone) if each.outcome in balance.FAILURES]
    if not lessons:
        return None
    return Section(
        words.gettext(N_("We said openly what did not work:")), tuple(_line(each, words) for each in lessons)
    )


def lessons_of_others(session: Session, quarter: Period, words: Words) -> Section | None:
    """The newest lessons of other cities in the quarter, in their newest version.

    What its author keeps within a region or nation is not told: a report for the council goes anywhere.
    """
    item, (first, last) = SearchItemRow, _moments(quarter, words.zone)
    rows = session.execute(
        select(item.headline, item.kind, item.outcome)
        .join(InboxRow, InboxRow.digest == item.digest)
        .where(
            item.kind.in_((Kind.PRACTICE.value, Kind.EXPERIENCE.value)),
            item.issued_at.between(format_time(first), format_time(last)),
            item.id.not_in(search_index.REPLACED),
            InboxRow.audience == Audience.EUROPE.value,
            ~exists().where(OutboxRow.digest == item.digest),
        )
        .order_by(item.issued_at.desc())
        .limit(MOST_LEARNED)
    ).all()
    if not rows:
        return None
    found = [_Lesson(words.headline(title, Kind(kind)), _outcome(outcome)) for title, kind, outcome in rows]
    return Section(words.gettext(N_("New from other cities:")), tuple(_line(each, words) for each in found))


def releases_waiting(session: Session, quarter: Period, words: Words) -> Section | None:
    """What has been asked for and is not out yet."""
    states = (RequestState.REQUESTED.value, RequestState.APPROVED.value, RequestState.HELD.value)
    count = len(session.scalars(select(ReleaseRequestRow.id).where(ReleaseRequestRow.state.in_(states))).all())
    if not count:
        return None
    sentence = words.ngettext(
        "1 release is on its way: it waits for a second person, or for its turn.",
        "%(num)s releases are on their way: they wait for a second person, or for their turn.",
        count,
    )
    return Section(sentence % {"num": count})


def _sent(session: Session, quarter: Period, zone: tzinfo) -> Iterator[_Lesson]:
    """Lessons that were approved in the quarter, and are signed and not taken back; of several versions the newest.

    What left without the city's name is not here, not even as a number: the report would say whose it is (ADR 11).
    """
    row, (first, last) = ReleaseRequestRow, _moments(quarter, zone)
    found = session.execute(
        select(row.digest, row.body)
        .where(row.state == RequestState.SIGNED.value, row.kind.in_(TOLD), row.decided_at.between(first, last))
        .order_by(row.decided_at, row.number)
    )
    bodies = {digest: body for digest, text in found if not is_unnamed(body := parse_strict(text.encode()))}
    replaced = {body.get("replaces") for body in bodies.values()}
    for digest, body in bodies.items():
        if digest not in replaced and isinstance(body.get("title"), str):
            yield _Lesson(body["title"], _outcome(body.get("outcome")))


def _outcome(code: object) -> Outcome | None:
    return Outcome(code) if isinstance(code, str) and code in list(Outcome) else None


def _line(lesson: _Lesson, words: Words) -> str:
    if lesson.outcome is None:
        return lesson.title
    return words.gettext(N_("%(title)s (%(outcome)s)")) % {"title": lesson.title, "outcome": words.term(lesson.outcome)}


def _moments(quarter: Period, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first and the last second of a quarter in the city's time."""
    first = datetime.combine(quarter.first_day, datetime.min.time(), zone)
    after = datetime.combine(quarter.last_day + timedelta(days=1), datetime.min.time(), zone)
    return first, after - timedelta(seconds=1)


register("did", lessons_sent)
register("failed", lessons_of_failure)
register("learned", lessons_of_others)
register("waits", releases_waiting)
