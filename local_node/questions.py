"""Questions of other cities that wait for an answer, and what nobody has written about yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from local_node import search_index
from local_node.orm import OutboxRow, SearchItemRow
from local_node.search_index import Hit
from shared_schema.statement import Kind
from shared_schema.versions import family_of
from shared_schema.vocabulary import Outcome, Phenomenon, Setting

MAX_QUESTIONS = 100
MAX_VERSIONS = 100
MAX_MISSING = 8
MISSING_SETTINGS = (Setting.SCHOOL, Setting.YOUTH_CENTRE, Setting.ONLINE, Setting.WORSHIP, Setting.SPORT_EVENT)
"""Where most of the work takes place (vocabulary: the settings that practices name most)."""
NOT_MISSED = (Phenomenon.UNKNOWN, Phenomenon.MIX, Phenomenon.NOI)
"""Nobody looks for lessons on what is not known."""
FAILED = (Outcome.NO_EFFECT, Outcome.HARM, Outcome.NOT_DELIVERED, Outcome.STOPPED)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of another city. `by_us` is true when this city has answered, `by_others` counts the others."""

    hit: Hit
    by_us: bool
    by_others: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing is here on a phenomenon: at all (`setting` and `side` are None), for a setting, or on what failed."""

    phenomenon: Phenomenon
    setting: Setting | None = None
    no_failure: bool = False


def list_open(session: Session, own_name: str) -> tuple[Question, ...]:
    """Questions of others, those without our answer first, then the newest; only the newest version of each."""
    hits = search_index.find_kind(session, Kind.QUESTION, MAX_QUESTIONS, not_from=own_name)
    answers = _answers(session, [hit.digest for hit in hits])
    questions = [
        Question(hit, own_name in answers.get(hit.digest, ()), len(set(answers.get(hit.digest, ())) - {own_name}))
        for hit in hits
    ]
    return tuple(sorted(questions, key=lambda question: question.by_us))  # stable: the newest stay first


def count_unanswered(session: Session, since: str) -> int:
    """How many questions of others, asked from `since` on, nobody has answered; an answer is to any version of one."""
    question, answer = SearchItemRow, aliased(SearchItemRow)
    rows = session.execute(
        select(question.digest, question.replaces).where(
            question.kind == Kind.QUESTION.value,
            question.issued_at >= since,
            question.id.not_in(search_index.REPLACED),
            ~exists().where(OutboxRow.digest == question.digest),
            ~exists().where(answer.about == question.digest, answer.kind == Kind.ANSWER.value),
        )
    ).all()
    renewed = [digest for digest, replaces in rows if replaces]
    return len(rows) - len(_answers(session, renewed)) if renewed else len(rows)


def _answers(session: Session, digests: Sequence[str]) -> dict[str, list[str]]:
    """Question → who has answered it; answers that a hub relays for cities that are not named count once each."""
    row = SearchItemRow
    newest = _newest_by_version(session, digests)
    query = select(row.about, row.origin, row.relayed, row.digest).where(
        row.about.in_(newest), row.kind == Kind.ANSWER.value, row.id.not_in(search_index.REPLACED)
    )
    found: dict[str, list[str]] = {}
    for about, origin, relayed, digest in session.execute(query):
        found.setdefault(newest[str(about)], []).append(digest if relayed else origin)
    return found


def _newest_by_version(session: Session, digests: Sequence[str]) -> dict[str, str]:
    """Every version of these questions → the question; few have more than one."""
    row = SearchItemRow
    renewed = session.scalars(select(row.digest).where(row.digest.in_(digests), row.replaces.is_not(None))).all()
    related = search_index.list_related_versions(session, renewed, MAX_VERSIONS) if renewed else ()
    older = {version.digest: digest for digest in renewed for version in family_of(related, digest)}
    return older | {digest: digest for digest in digests}


def list_missing(session: Session) -> tuple[Missing, ...]:
    """What nobody has written about, as far as this node knows: from the outside in, the same for all phenomena."""
    row = SearchItemRow
    kinds = row.kind.in_([Kind.PRACTICE.value, Kind.EXPERIENCE.value])
    grouped = select(row.phenomena, row.settings, row.outcome).where(kinds, row.id.not_in(search_index.REPLACED))
    known = [
        (set(phenomena.split()), set(settings.split()), outcome)
        for phenomena, settings, outcome in session.execute(grouped.distinct())
    ]
    return tuple(_missing(known))[:MAX_MISSING]


def _missing(known: Sequence[tuple[set[str], set[str], str | None]]) -> Iterator[Missing]:
    phenomena = [each for each in Phenomenon if each not in NOT_MISSED and "." not in each.value]
    about = {each: [item for item in known if _speaks_of(item[0], each)] for each in phenomena}
    yield from (Missing(each) for each in phenomena if not about[each])
    yield from (
        Missing(each, no_failure=True)
        for each in phenomena
        if about[each] and not any(outcome in FAILED for _, _, outcome in about[each])
    )
    for setting in MISSING_SETTINGS:
        for each in phenomena:
            if about[each] and not any(setting.value in settings for _, settings, _ in about[each]):
                yield Missing(each, setting)


def _speaks_of(codes: set[str], phenomenon: Phenomenon) -> bool:
    return any(code == phenomenon.value or code.startswith(f"{phenomenon.value}.") for code in codes)
