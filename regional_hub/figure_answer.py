"""An answer to a question for figures: the figures, and what makes them quotable.

Everything in it follows from the log up to `as_of`, so the same address gives the same answer whenever it is asked.

    answer = find_answer(session, parameters, publisher)     raises FigureQueryError
    for figure in answer.figures: ...                        read while the session is open
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from regional_hub.errors import HubError
from regional_hub.figure_index import next_index
from regional_hub.figure_store import has_sealed_totals, published_at, read_figures, read_offer
from regional_hub.figures import Figure, FigureQuery, Offer, choose_state, parse_query
from regional_hub.members import get_policy
from shared_schema.governance import DEFAULT_LEAST_SHOWN, Level, PolicyBody
from shared_schema.trend import MeasureDefinition

API_PATH = "/v1/aggregates"
Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class FigurePublisher:
    """Whose figures they are: name, level, area and public address of the hub."""

    name: str
    level: Level
    area: str
    url: str


@dataclass(frozen=True, slots=True)
class Citation:
    """Who published an answer, in which wording, and where it will always be found."""

    hub: str
    level: Level
    measure: MeasureDefinition | None
    policy_version: int
    published_at: str
    """Time of the last log entry that could be in the answer (RFC 3339)."""
    link: str
    line: str
    """One line for a footnote."""
    least_shown: int = DEFAULT_LEAST_SHOWN
    """From which number on a page shows one; files have all that is published."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`figures` are read one after the other, by area, cell and period, while the session is open."""

    query: FigureQuery
    citation: Citation
    figures: Iterator[Figure]
    tells_mechanism: bool = False
    """Whether files have the column `mechanism`: from the log entry on with which the table has its first sealed total.
    An answer about an earlier state stays what it was, byte for byte."""


def find_offer(session: Session, parameters: Parameters, publisher: FigurePublisher) -> Offer:
    """What can be asked for, in the state of the log that the parameters name. Raises FigureQueryError (`as_of`)."""
    as_of = choose_state(parameters, next_index(session))
    policy = _policy_of(session, publisher.name, as_of)
    return read_offer(session, policy, as_of, publisher.name, publisher.level, publisher.area)


def find_answer(session: Session, parameters: Parameters, publisher: FigurePublisher) -> Answer:
    """The answer to the question in an address. Raises FigureQueryError; what is wrong is said before any figure."""
    query = parse_query(parameters, find_offer(session, parameters, publisher))
    tells = has_sealed_totals(session, query.table.id, query.as_of)
    return Answer(query, _cite(session, query, publisher), read_figures(session, query), tells)


def permanent_address(query: FigureQuery, url: str, path: str = API_PATH) -> str:
    """Where this very answer will always be found."""
    return f"{url.rstrip('/')}{path}?{urlencode(query.parameters)}"


def _cite(session: Session, query: FigureQuery, publisher: FigurePublisher) -> Citation:
    policy = _policy_of(session, publisher.name, query.as_of)
    published, link = published_at(session, query.as_of), permanent_address(query, publisher.url)
    areas = ", ".join(query.areas) if len(query.areas) <= 3 else f"{len(query.areas)} areas"
    line = (
        f"{publisher.name} ({publisher.level}): {query.table.title} ({query.table.id}), {areas}, "
        f"{query.labels[0]} to {query.labels[-1]}, as of log entry {query.as_of} ({published[:10]}), {link}"
    )
    return Citation(
        publisher.name,
        publisher.level,
        policy.find_measure(query.table.measure) if policy else None,
        policy.version if policy else 0,
        published,
        link,
        line,
        policy.least_number_shown if policy else DEFAULT_LEAST_SHOWN,
    )


def _policy_of(session: Session, name: str, as_of: int) -> PolicyBody | None:
    try:
        return get_policy(session, name, as_of)
    except HubError:
        return None
