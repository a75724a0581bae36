"""The index of everything received in words: adding, leaving, finding. Nobody else knows that it is SQLite's FTS5.

An item is in the index exactly as long as its row in the inbox is accepted. It enters with the step that accepts it
(`add`) and leaves with the step that ends that, by trigger (migration 0003). FTS5 only marks what leaves; `compact`
then writes the index anew, so that no word of a withdrawn text stays behind in its pages.

Words are compared without capitals and accents (`unicode61 remove_diacritics 2` after `search_query.fold`). The order
is BM25 (Robertson and Zaragoza 2009), a word in the title counting most; ties go to the newest.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session, aliased

from local_node.lesson import LESSON_KINDS, Lesson, texts_of
from local_node.likeness import Likeness, pack, sketch_text, title_key, unpack
from local_node.orm import InboxRow, SearchItemRow
from local_node.search_query import Filters, fold
from shared_schema.content import BulletinBody, PracticeBody, QuestionBody
from shared_schema.statement import Kind
from shared_schema.versions import Version
from shared_schema.vocabulary import Outcome

ACCEPTED = "accepted"
TEXTS = table("search_texts", column("rowid"), column("title"), column("gist"), column("details"))
RANK: ColumnElement[Any] = column("rank")
"""The smallest is the best. Migration 0003 sets it: a word in the title counts 10, in the gist 2, elsewhere 1."""
_ENTER = insert(SearchItemRow).on_conflict_do_nothing().returning(SearchItemRow.id, SearchItemRow.digest)
_ENTER_TEXTS = insert(TEXTS)
NUMBER: ColumnElement[int] = SearchItemRow.__table__.c.id
"""Counts the items as they arrive, for conditions of others."""
ORIGIN: ColumnElement[str] = SearchItemRow.__table__.c.origin
"""Who signed an item, for conditions of others."""
TALLIED = ("kind", "outcome", "phenomena", "level", "settings", "language")
"""The columns whose codes are counted beside the filters."""
MAX_REPORTS = 2_000
"""Items that speak about one practice; more of them make no other picture."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One item that was found, with all that a list shows; `likeness` is for grouping.

    `number` counts the items as they arrive.
    """

    number: int
    digest: str
    kind: Kind
    origin: str
    relayed: bool
    author: str
    headline: str
    outcome: Outcome | None
    evidence: int | None
    language: str
    area: str | None
    issued_at: str
    review_by: str | None
    archived: bool
    likeness: Likeness

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset() if self.outcome is None else frozenset({self.outcome})


def _replaced_by(joined: Callable[[type[SearchItemRow], type[SearchItemRow]], ColumnElement[bool]]) -> Select[int]:
    older, newer = aliased(SearchItemRow), aliased(SearchItemRow)
    same = (newer.origin == older.origin, newer.kind == older.kind, newer.seq > older.seq)
    named = (newer.relayed.is_(False), older.relayed.is_(False))
    some = newer.replaces > ""  # a range of its index; few items replace another
    return select(older.id).select_from(newer).join(older, joined(older, newer)).where(some, *same, *named)


REPLACED = union_all(
    _replaced_by(lambda older, newer: older.digest == newer.replaces),
    _replaced_by(lambda older, newer: older.replaces == newer.replaces),
)
"""The ids of items whose place a newer one of the same author takes: `versions.can_replace`, in SQL.

Of two that take the same one's place, the older one is replaced as well.
"""


# --- in and out ----------------------------------------------------------------------------------------------------


def add(session: Session, lessons: Sequence[Lesson]) -> None:
    """Put accepted items into the index, in the caller's transaction; one that is there already stays."""
    if not lessons:
        return
    texts = {lesson.digest: texts_of(lesson.content) for lesson in lessons}
    connection = session.connection()
    columns = [_columns(lesson, texts[lesson.digest]) for lesson in lessons]
    entered = connection.execute(_ENTER, columns).all()
    if entered:
        connection.execute(_ENTER_TEXTS, [_folded(row.id, texts[row.digest]) for row in entered])


def _folded(item: int, texts: tuple[str, str, str]) -> dict[str, object]:
    title, gist, details = map(fold, texts)
    return {"rowid": item, "title": title, "gist": gist, "details": details}


def _columns(lesson: Lesson, texts: tuple[str, str, str]) -> dict[str, object]:
    content = lesson.content
    practice = content if isinstance(content, PracticeBody) else None
    phenomena = content.phenomenon if isinstance(content, (PracticeBody, BulletinBody, QuestionBody)) else ()
    level = lesson.evidence_level
    return {
        "digest": lesson.digest,
        "kind": lesson.kind.value,
        "origin": lesson.origin,
        "seq": lesson.seq,
        "issued_at": lesson.issued_at,
        "relayed": lesson.relayed,
        "author": lesson.author,
        "headline": lesson.headline,
        "phenomena": _codes(phenomena),
        "settings": _codes(practice.setting if practice else ()),
        "agencies": _codes([agency.type for agency in practice.agencies] if practice else ()),
        "outcome": None if lesson.outcome is None else lesson.outcome.value,
        "evidence": None if level is None else int(level.value),
        "level": practice.prevention_level.value if practice else None,
        "language": content.language,
        "area": None if lesson.area is None else lesson.area.code,
        "size": None if lesson.surroundings is None else lesson.surroundings.size,
        "urbanisation": None if lesson.surroundings is None else lesson.surroundings.urbanisation,
        "review_by": practice.review_by if practice else None,
        "archived": practice is not None and practice.archived is True,
        "replaces": content.replaces,
        "about": lesson.about,
        "adapted_from": practice.adapted_from if practice else None,
        "title_key": title_key(texts[0]),
        "sketch": pack(sketch_text("\n".join(texts[1:]))),
    }


def _codes(codes: Sequence[str]) -> str:
    return f" {' '.join(codes)} " if codes else ""


def compact(session: Session) -> None:
    """Write the texts anew, without what has left (sqlite.org/fts5.html, section 6.9)."""
    session.execute(text("INSERT INTO search_texts(search_texts) VALUES ('optimize')"))


def drop_strangers(session: Session) -> int:
    """Take out what is not accepted in the inbox, which only a foreign hand can have left; returns how many."""
    accepted = exists().where(InboxRow.digest == SearchItemRow.digest, InboxRow.state == ACCEPTED)
    strangers = session.scalars(select(SearchItemRow.id).where(~accepted)).all()
    if strangers:
        session.execute(delete(SearchItemRow).where(SearchItemRow.id.in_(strangers)))
        compact(session)
    return len(strangers)


def list_missing(session: Session) -> tuple[str, ...]:
    """The digests of accepted items in words that are not in the index."""
    indexed = exists().where(SearchItemRow.digest == InboxRow.digest)
    wanted = select(InboxRow.digest).where(
        InboxRow.kind.in_([kind.value for kind in LESSON_KINDS]),
        InboxRow.state == ACCEPTED,
        InboxRow.envelope.is_not(None),
        ~indexed,
    )
    return tuple(session.scalars(wanted.order_by(InboxRow.hub, InboxRow.log_index)))


# --- finding -------------------------------------------------------------------------------------------------------


def find(
    session: Session,
    match: str | None,
    filters: Filters,
    limit: int,
    *,
    also: Sequence[ColumnElement[bool]] = (),
    newest: bool = False,
    offset: int = 0,
) -> tuple[Hit, ...]:
    """The best items for an FTS5 expression of `search_query`; the newest without one, or where `newest` says so.

    Replaced items are left out; `also` are further conditions on `SearchItemRow`. FTS5 ranks every text that matches
    and hands them out in that order; filters look at no more of them than it takes.
    """
    item = SearchItemRow
    wanted = and_(*_conditions(filters), item.id.not_in(REPLACED), *also)
    newest_first = (item.issued_at.desc(), item.id.desc())
    if match is None or newest:
        in_order = _hits().where(wanted, *_matching(match)).order_by(*newest_first)
        return tuple(_read_hits(session, in_order.limit(limit).offset(offset)))
    best = (
        select(TEXTS.c.rowid, RANK)
        .where(
            text("search_texts MATCH :match").bindparams(match=match),
            exists().where(item.id == TEXTS.c.rowid, wanted),
        )
        .order_by(RANK)
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    query = _hits().join(best, best.c.rowid == item.id).order_by(best.c.rank, *newest_first)
    return tuple(_read_hits(session, query))


def older_than(hit: Hit) -> ColumnElement[bool]:
    """What comes behind this one, the newest first."""
    item = SearchItemRow
    return or_(item.issued_at < hit.issued_at, and_(item.issued_at == hit.issued_at, item.id < hit.number))


def count(
    session: Session,
    match: str | None,
    filters: Filters,
    most: int,
    *,
    also: Sequence[ColumnElement[bool]] = (),
    after: int = 0,
) -> int:
    """How many items `find` would find, of those numbered above `after`; no further than `most` is counted.

    With words FTS5 leads, in the order of the numbers, and stops as soon as there are enough.
    """
    item = SearchItemRow
    wanted = and_(*_conditions(filters), item.id.not_in(REPLACED), *also)
    if match is None:
        counted = select(item.id).where(item.id > after, wanted).limit(most).subquery()
    else:
        fits = exists().where(item.id == TEXTS.c.rowid, wanted)
        found = text("search_texts MATCH :match").bindparams(match=match)
        counted = select(TEXTS.c.rowid).where(found, TEXTS.c.rowid > after, fits).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(counted)) or 0


def tally(
    session: Session, match: str | None, filters: Filters, *, also: Sequence[ColumnElement[bool]] = ()
) -> dict[str, Counter[str]]:
    """How often every code of TALLIED is among what `find` would find: name of the column → code → items."""
    item = SearchItemRow
    wanted = and_(*_conditions(filters), item.id.not_in(REPLACED), *also, *_matching(match))
    found = select(*(getattr(item, name) for name in TALLIED)).where(wanted).cte("found")
    parts = [select(literal(name), found.c[name], func.count()).group_by(found.c[name]) for name in TALLIED]
    counts: dict[str, Counter[str]] = {name: Counter() for name in TALLIED}
    for name, codes, items in session.execute(union_all(*parts)):
        for code in () if codes is None else str(codes).split():
            counts[name][code] += items
    return counts


def last_number(session: Session) -> int:
    """The number of the item that arrived last; 0 when there is none."""
    return session.scalar(select(func.max(SearchItemRow.id))) or 0


def read_state(session: Session) -> tuple[int, str]:
    """Another one whenever items have come or gone: how many there are, and which arrived last."""
    newest = select(SearchItemRow.digest).order_by(SearchItemRow.id.desc()).limit(1)
    count_all = select(func.count()).select_from(SearchItemRow)
    return session.scalar(count_all) or 0, session.scalar(newest) or ""


def list_rows(session: Session, digests: Sequence[str]) -> tuple[SearchItemRow, ...]:
    """What the index knows of these items, in any order."""
    return tuple(session.scalars(select(SearchItemRow).where(SearchItemRow.digest.in_(digests))))


def _matching(match: str | None) -> Iterator[ColumnElement[bool]]:
    if match is not None:
        matching = select(TEXTS.c.rowid).where(text("search_texts MATCH :match").bindparams(match=match))
        yield SearchItemRow.id.in_(matching)


def replaced_digests() -> Select[str]:
    """For a query of the inbox: the digests of items whose place a newer one takes."""
    return select(SearchItemRow.digest).where(SearchItemRow.id.in_(REPLACED))


def list_about(session: Session, digests: Sequence[str]) -> tuple[SearchItemRow, ...]:
    """The newest versions of the experiences with one of these items, the latest first."""
    query = (
        select(SearchItemRow)
        .where(SearchItemRow.about.in_(digests), SearchItemRow.kind == Kind.EXPERIENCE.value)
        .where(SearchItemRow.id.not_in(REPLACED))
        .order_by(SearchItemRow.issued_at.desc(), SearchItemRow.digest)
        .limit(MAX_REPORTS)
    )
    return tuple(session.scalars(query))


def find_about(session: Session, digests: Sequence[str], limit: int) -> tuple[Hit, ...]:
    """The newest versions of all that speaks about one of these items, the latest first."""
    query = _hits().where(SearchItemRow.about.in_(digests), SearchItemRow.id.not_in(REPLACED))
    return tuple(
        _read_hits(session, query.order_by(SearchItemRow.issued_at.desc(), SearchItemRow.id.desc()).limit(limit))
    )


def find_kind(session: Session, kind: Kind, limit: int, *, not_from: str) -> tuple[Hit, ...]:
    """The newest of a kind that others than `not_from` have signed."""
    item = SearchItemRow
    query = _hits().where(item.kind == kind.value, item.origin != not_from, item.id.not_in(REPLACED))
    return tuple(_read_hits(session, query.order_by(item.issued_at.desc(), item.id.desc()).limit(limit)))


def list_adapted(session: Session, digests: Sequence[str], limit: int) -> tuple[SearchItemRow, ...]:
    """Items that say they were adapted from one of these, the oldest first."""
    query = select(SearchItemRow).where(SearchItemRow.adapted_from.in_(digests))
    return tuple(session.scalars(query.order_by(SearchItemRow.issued_at, SearchItemRow.digest).limit(limit)))


def find_row(session: Session, digest: str) -> SearchItemRow | None:
    """What the index knows of an item."""
    return session.scalars(select(SearchItemRow).where(SearchItemRow.digest == digest)).first()


def list_related_versions(session: Session, digests: Sequence[str], limit: int) -> tuple[Version, ...]:
    """The items and everything of their origins that is joined to them by `replaces`, in any order; `limit` an item."""
    edge = _read_versions(session, SearchItemRow.digest.in_(digests), len(digests))
    found = {version.digest: version for version in edge}
    most = limit * len(digests)
    while edge and len(found) < most:
        newer = SearchItemRow.replaces.in_([version.digest for version in edge])
        older = SearchItemRow.digest.in_([version.replaces for version in edge if version.replaces])
        origins = SearchItemRow.origin.in_({version.origin for version in edge})
        joined = _read_versions(session, and_(or_(newer, older), origins), most)
        edge = [version for version in joined if version.digest not in found]
        found |= {version.digest: version for version in edge}
    return tuple(found.values())


def _read_versions(session: Session, condition: ColumnElement[bool], limit: int) -> list[Version]:
    item = SearchItemRow
    query = select(item.digest, item.origin, item.seq, item.kind, item.relayed, item.replaces)
    rows = session.execute(query.where(condition).limit(limit))
    return [Version(row.digest, row.origin, row.seq, Kind(row.kind), row.relayed, row.replaces) for row in rows]


def _hits() -> Select[*tuple[Any, ...]]:
    item = SearchItemRow
    return select(
        item.id, item.digest, item.kind, item.origin, item.relayed, item.author, item.headline, item.outcome,
        item.evidence, item.language, item.area, item.issued_at, item.review_by, item.archived, item.title_key,
        item.sketch,
    )  # fmt: skip


def _read_hits(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[Hit]:
    for row in session.execute(query):
        source = None if row.relayed else f"{row.kind} {row.origin}"
        yield Hit(
            number=row.id,
            digest=row.digest,
            kind=Kind(row.kind),
            origin=row.origin,
            relayed=row.relayed,
            author=row.author,
            headline=row.headline,
            outcome=None if row.outcome is None else Outcome(row.outcome),
            evidence=row.evidence,
            language=row.language,
            area=row.area,
            issued_at=row.issued_at,
            review_by=row.review_by,
            archived=row.archived,
            likeness=Likeness(source, row.title_key, unpack(row.sketch)),
        )


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    item = SearchItemRow
    for one, chosen in ((item.kind, filters.kinds), (item.outcome, filters.outcomes), (item.level, filters.levels)):
        if chosen:
            yield one.in_([term.value for term in chosen])
    for many, codes in (
        (item.phenomena, filters.phenomena),
        (item.settings, filters.settings),
        (item.agencies, filters.agencies),
    ):
        if codes:  # REL also finds REL.ISL
            ends = [f" {code.value}{end}" for code in codes for end in (" ", ".")]
            yield or_(*(func.instr(many, end) > 0 for end in ends))
    if filters.least_evidence is not None:
        yield item.evidence >= filters.least_evidence
    if filters.language:  # de also finds de-AT
        yield or_(item.language == filters.language, item.language.startswith(f"{filters.language}-", autoescape=True))
    for one_of, wanted in ((item.size, filters.sizes), (item.urbanisation, filters.urbanisations)):
        if wanted:
            yield one_of.in_(wanted)
    if filters.area:
        yield item.area.startswith(filters.area, autoescape=True)
    if filters.authors is not None:
        yield item.origin.in_(filters.authors)
    if filters.since:
        yield item.issued_at >= filters.since
    if filters.until:  # a moment is its day and more, and `T` comes before `~`
        yield item.issued_at <= f"{filters.until}~"
