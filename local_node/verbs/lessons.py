"""Finding and reading lessons: `search`, `digest`, and one item with its evidence, its lineage and its versions."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar, get_args

from sqlalchemy.orm import Session

from local_node import hub_client, inbox, library, lineage, reading
from local_node.app import Node
from local_node.freshness import Freshness, in_words
from local_node.lesson import LESSON_KINDS
from local_node.library import MAX_LISTED, Entry
from local_node.reading import Reading, VersionNote
from local_node.search_index import Hit
from local_node.search_query import Filters, SearchError, parse_words
from local_node.verbs.parameters import Params, Result, choose
from shared_schema.content import CitySize, Surroundings, Urbanisation
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from shared_schema.vocabulary import AgencyType, EvidenceLevel, Outcome, Phenomenon, PreventionLevel, Setting

LISTED = 20
DIGEST_LISTED = 10
DIGEST_DAYS = 30
MAX_DAYS = 3650
MAX_CODE_LETTERS = 40
Choice = TypeVar("Choice", bound=StrEnum)


def search(node: Node, params: Params) -> Result:
    """The best items for some words and filters."""
    words = params.get("words", "")
    if not isinstance(words, str):
        raise VerbError("bad-parameter", "expected words as one text")
    terms = parse_words(words)
    limit = _number(params, "limit", LISTED, MAX_LISTED)
    with node.database.read() as session:
        filters = _filters(node, session, params)
        if not terms and filters == Filters():
            raise SearchError("expected words to search for, or a filter")
        found = library.search(session, terms, filters, limit=limit, now=node.clock())
    return {"every_word": found.every_word, "items": [_entry(entry) for entry in found.entries]}


def digest(node: Node, params: Params) -> Result:
    """The newest lessons, some of them successes and some failures."""
    days = _number(params, "days", DIGEST_DAYS, MAX_DAYS)
    limit = _number(params, "limit", DIGEST_LISTED, MAX_LISTED)
    with node.database.read() as session:
        found = library.digest(session, days=days, limit=limit, now=node.clock())
    items = [_entry(entry) | {"older": entry.hit.digest in found.older} for entry in found.entries]
    return {"days": days, "items": items}


def show(node: Node, params: Params) -> Result:
    """One item: what it says, its evidence, its lineage, its versions and what they changed."""
    beginning = params["digest"]
    if not isinstance(beginning, str):
        raise VerbError("bad-parameter", "expected the digest of one item")
    with node.database.read() as session:
        found = inbox.find_by_beginning(session, beginning)
        item = reading.read(session, found[0].digest, node.clock()) if len(found) == 1 else None
    if item is None:
        raise VerbError("not-found", "expected the digest of one lesson, or its first digits; see: local-node search")
    return _reading(item)


# --- what was asked for --------------------------------------------------------------------------------------------


def _filters(node: Node, session: Session, params: Params) -> Filters:
    kinds = _choices(params, "kind", Kind)
    if set(kinds) - set(LESSON_KINDS) or Kind.RELAYED in kinds:
        raise VerbError("bad-parameter", "expected one of practice, experience, bulletin, question, answer")
    evidence = params.get("evidence")
    similar = _own_surroundings(node) if params.get("similar") else None
    return Filters(
        kinds=kinds,
        phenomena=_choices(params, "phenomenon", Phenomenon),
        outcomes=_choices(params, "outcome", Outcome),
        levels=_choices(params, "level", PreventionLevel),
        settings=_choices(params, "setting", Setting),
        agencies=_choices(params, "agency", AgencyType),
        least_evidence=None if evidence is None else int(choose(EvidenceLevel, str(evidence)).value),
        language=_code(params, "language"),
        area=_code(params, "area"),
        sizes=_terms(params, "size", get_args(CitySize), similar.size if similar else None),
        urbanisations=_terms(params, "urbanisation", get_args(Urbanisation), similar.urbanisation if similar else None),
        authors=_own_region(session) if params.get("near") else None,
    )


def _choices(params: Params, name: str, kinds: type[Choice]) -> tuple[Choice, ...]:
    values = params.get(name) or ()
    if isinstance(values, str):
        values = (values,)
    if not isinstance(values, (list, tuple)):
        raise VerbError("bad-parameter", f"expected {name} as a list")
    return tuple(choose(kinds, str(value)) for value in values)


def _terms(params: Params, name: str, known: Sequence[str], own: str | None) -> tuple[str, ...]:
    """The codes that were asked for; without any, this city's own where similar ones are wanted."""
    values = params.get(name) or ([own] if own else [])
    values = [values] if isinstance(values, str) else values
    if not isinstance(values, (list, tuple)) or not set(values) <= set(known):
        raise VerbError("bad-parameter", f"expected {name} as {', '.join(known)}")
    return tuple(values)


def _own_surroundings(node: Node) -> Surroundings:
    if node.surroundings is None:
        raise VerbError("no-surroundings", "expected city_size or urbanisation in the settings: similar to what?")
    return node.surroundings


def _code(params: Params, name: str) -> str | None:
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CODE_LETTERS or not value.isascii():
        raise VerbError("bad-parameter", f"expected {name} as a code")
    return value.lower() if name == "language" else value.upper()


def _number(params: Params, name: str, default: int, most: int) -> int:
    value = default if params.get(name) is None else params[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise VerbError("bad-parameter", f"expected {name} from 1 to {most}")
    return value


def _own_region(session: Session) -> tuple[str, ...]:
    """The authors of our own region: what the nearest hub vouches for."""
    hubs = hub_client.nearest_first(hub_client.list_hubs(session))
    if not hubs:
        raise VerbError("no-hub", "expected a hub, which says who is near; add one with: local-node hub add")
    return library.vouched_by(session, [hubs[0].name])


# --- what is answered ----------------------------------------------------------------------------------------------


def _entry(entry: Entry) -> Result:
    hit = entry.hit
    alike = [
        {"digest": other.digest, "title": other.headline, "author": other.author, "outcome": other.outcome}
        for other in entry.alike
    ]
    return _hit(hit) | _freshness(entry.freshness, hit.review_by) | {"alike": alike}


def _hit(hit: Hit) -> Result:
    return {
        "digest": hit.digest,
        "kind": hit.kind.value,
        "title": hit.headline,
        "outcome": hit.outcome,
        "author": hit.author,
        "signed_by": hit.origin,
        "evidence_level": hit.evidence,
        "language": hit.language,
        "area": hit.area,
        "issued_at": hit.issued_at,
    }


def _freshness(freshness: Freshness, review_by: str | None) -> Result:
    return {"freshness": freshness.value, "note": in_words(freshness, review_by)}


def _reading(item: Reading) -> Result:
    lesson = item.lesson
    review_by = getattr(lesson.content, "review_by", None)
    tree = None if item.tree is None else list(lineage.in_lines(item.tree, item.newest))
    return {
        "digest": lesson.digest,
        "kind": lesson.kind.value,
        "title": lesson.headline,
        "author": lesson.author,
        "signed_by": lesson.origin,
        "issued_at": lesson.issued_at,
        **_freshness(item.freshness, review_by),
        "replaced_by": item.newest if item.is_replaced else None,
        "evidence": _evidence(item),
        "lineage": tree,
        "versions": _versions(item.versions),
        "body": lesson.content.to_object(),
    }


def _evidence(item: Reading) -> Result | None:
    evidence = item.evidence
    if evidence is None:
        return None
    counts = {outcome.value: count for outcome, count in evidence.outcomes}
    return {"line": evidence.line, "cities": evidence.cities, "unnamed": evidence.unnamed, "outcomes": counts}


def _versions(notes: Sequence[VersionNote]) -> list[Result]:
    return [
        {
            "digest": note.version.digest,
            "issued_at": note.lesson.issued_at,
            "title": note.lesson.headline,
            "changes": [
                {
                    "field": change.field,
                    "marked": change.marked,
                    "pieces": [{"change": piece.change, "text": piece.text} for piece in change.pieces],
                }
                for change in note.changes
            ],
        }
        for note in notes
    ]
