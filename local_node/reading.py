"""One item with all that belongs to it: its versions, what cities say that tried it, where it came from.

An item has a family: the versions that its author signed one after the other. What others say about any version counts
for the newest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import inbox, lineage, search_index
from local_node.freshness import Freshness, freshness_of
from local_node.lesson import Lesson
from local_node.orm import SearchItemRow
from local_node.versions import FieldChange, compare
from shared_schema.evidence import Evidence, Trial, merge
from shared_schema.statement import Kind
from shared_schema.versions import Version, family_of
from shared_schema.vocabulary import Outcome

MAX_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class VersionNote:
    """One version of an item and what it changed of the one before it."""

    version: Version
    lesson: Lesson
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One item as readers see it. `newest` is the digest of the version that counts; `evidence` is for practices.

    `tree` is None for an item that stands alone.
    """

    lesson: Lesson
    freshness: Freshness
    newest: str
    versions: tuple[VersionNote, ...]
    evidence: Evidence | None
    tree: lineage.Branch | None

    @property
    def is_replaced(self) -> bool:
        return self.newest != self.lesson.digest


def read(session: Session, digest: str, now: datetime) -> Reading | None:
    """One item by its whole digest; None when it is no accepted item in words."""
    lesson = inbox.find_lesson(session, digest)
    row = search_index.find_row(session, digest)
    if lesson is None or row is None:
        return None
    family = _family(session, digest)
    notes = _notes(session, family)
    is_practice = lesson.kind is Kind.PRACTICE
    return Reading(
        lesson=lesson,
        freshness=freshness_of(row.review_by, archived=row.archived, now=now),
        newest=family[0].digest,
        versions=notes,
        evidence=_evidence(session, notes[0].lesson, family) if is_practice else None,
        tree=Kinship(session).tree_of(family[0].digest) if is_practice else None,
    )


def _family(session: Session, digest: str) -> tuple[Version, ...]:
    return family_of(search_index.list_related_versions(session, [digest], MAX_VERSIONS), digest)


def _notes(session: Session, family: Sequence[Version]) -> tuple[VersionNote, ...]:
    found = ((version, inbox.find_lesson(session, version.digest)) for version in family)
    readable = [(version, lesson) for version, lesson in found if lesson is not None]
    lessons = {lesson.digest: lesson for _, lesson in readable}
    notes = []
    for version, lesson in readable:
        before = lessons.get(version.replaces or "")
        notes.append(VersionNote(version, lesson, compare(before.content, lesson.content) if before else ()))
    return tuple(notes)


def _evidence(session: Session, practice: Lesson, family: Sequence[Version]) -> Evidence:
    """The author's own outcome and the experiences with any version."""
    return merge(_trials(practice, search_index.list_about(session, [version.digest for version in family])))


def evidence_of(session: Session, practices: Sequence[Lesson]) -> dict[str, Evidence]:
    """The same for a list of practices, which are the newest versions: digest → evidence."""
    digests = [practice.digest for practice in practices]
    related = search_index.list_related_versions(session, digests, MAX_VERSIONS)
    families = {digest: {version.digest for version in family_of(related, digest)} for digest in digests}
    reports = search_index.list_about(session, [version for family in families.values() for version in family])
    return {
        practice.digest: merge(
            _trials(practice, [report for report in reports if report.about in families[practice.digest]])
        )
        for practice in practices
    }


def _trials(practice: Lesson, reports: Sequence[SearchItemRow]) -> list[Trial]:
    trials = [
        Trial(None if row.relayed else row.origin, Outcome(row.outcome), row.seq) for row in reports if row.outcome
    ]
    if practice.outcome is not None:
        own_city = None if practice.relayed else practice.origin
        trials.append(Trial(own_city, practice.outcome, practice.seq))
    return trials


class Kinship:
    """Gathers the relatives of one practice: up to the oldest forebear, then down. Versions count as one relative."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._relatives: dict[str, lineage.Relative] = {}
        self._newest: dict[str, str] = {}
        """Every digest that was met → that of its newest version; itself when it is not here."""

    def tree_of(self, digest: str) -> lineage.Branch | None:
        """The tree that an item is in; None when it has neither forebears nor descendants."""
        self._climb(digest)
        self._descend()
        branch = lineage.grow(tuple(self._relatives.values()), digest)
        return branch if branch.children else None

    def _climb(self, digest: str) -> None:
        for _generation in range(lineage.MAX_DEPTH):
            relative = self._enter(digest)
            if relative is None or relative.parent is None or relative.parent in self._newest:
                return
            digest = relative.parent

    def _descend(self) -> None:
        done: set[str] = set()
        for _generation in range(2 * lineage.MAX_DEPTH):
            edge = set(self._newest.values()) - done
            room = lineage.MAX_MEMBERS - len(self._relatives)
            if not edge or room <= 0:
                return
            done |= edge
            met = [old for old, new in self._newest.items() if new in edge]
            for row in search_index.list_adapted(self._session, met, room):
                self._enter(row.digest)

    def _enter(self, digest: str) -> lineage.Relative | None:
        """Put the newest version of an item among the relatives; None for an item that is not here."""
        if digest in self._newest:
            return self._relatives.get(self._newest[digest])
        family = _family(self._session, digest)
        row = search_index.find_row(self._session, family[0].digest) if family else None
        relative = None if row is None else self._relative(row)
        if relative is None:
            self._newest[digest] = digest
            return None
        self._newest.update({version.digest: relative.digest for version in family})
        self._relatives[relative.digest] = relative
        return relative

    def _relative(self, row: SearchItemRow) -> lineage.Relative | None:
        if row.outcome is None:
            return None
        parent = row.adapted_from
        family = _family(self._session, parent) if parent else ()
        newest_parent = family[0].digest if family else parent
        return lineage.Relative(
            row.digest, newest_parent, row.headline, row.author, Outcome(row.outcome), row.issued_at
        )
