"""From a file that somebody wrote to a request, for every kind of words; and a check before anybody asks."""

from typing import Any

from sqlalchemy.orm import Session

from local_node import inbox, request_store
from local_node.app import Node
from local_node.drafts import MAX_DRAFT_BYTES, SECTIONS, parse_draft
from local_node.narrative import DETECTOR, free_texts, screen
from local_node.request_store import StoredRequest
from local_node.verbs.parameters import Params, Result, choose, read_file
from local_node.verbs.releases import shown_findings, shown_request
from shared_schema.canonical import parse_strict
from shared_schema.service.control import VerbError
from shared_schema.statement import STATEMENT_BODIES, Audience, Kind

POINTERS = {Kind.EXPERIENCE: "practice", Kind.ANSWER: "question", Kind.QUESTION: "about"}
"""The field that says which item another city's words are about."""
PLACEHOLDER = {"role": "reviewer", "detector": DETECTOR, "findings": 0}
"""In place of the note that the node makes when somebody asks for the release."""
FILLED_IN = ("area", "review", "surroundings")


def release_practice(node: Node, params: Params) -> Result:
    """Ask for the release of a practice that somebody wrote down, as JSON or as Markdown."""
    return release_words(node, {**params, "kind": Kind.PRACTICE.value})


def release_words(node: Node, params: Params) -> Result:
    """Ask for the release of something that somebody wrote; `about` names the item that it is about."""
    from local_node import release

    kind, draft = _read(node, params)
    with node.database.write() as session:
        audience = choose(Audience, params["audience"]) if params.get("audience") else _audience(session, draft)
        request = release.request_words(
            session,
            kind,
            draft,
            params["by"],
            node.area,
            audience,
            node.clock(),
            node.local_lists(),
            city_names=names_of(node),
            surroundings=node.surroundings,
        )
        return shown_request(request_store.get_request(session, request.id))


def release_renewed(node: Node, params: Params) -> Result:
    """Ask for a practice anew that was released: confirmed until another month, or archived."""
    from local_node import release

    with node.database.write() as session:
        old = _own(session, str(params["digest"]))
        if old.request.kind is not Kind.PRACTICE:
            raise VerbError("bad-parameter", "expected a practice: only those have a month to look again")
        draft = {
            name: value for name, value in parse_strict(old.request.body).items() if name not in ("area", "review")
        }
        draft.pop("archived", None)
        draft |= {"replaces": _first_version(old)} | _renewal(params)
        request = release.request_words(
            session,
            Kind.PRACTICE,
            draft,
            params["by"],
            node.area,
            old.request.audience,
            node.clock(),
            node.local_lists(),
            city_names=names_of(node),
            surroundings=node.surroundings,
        )
        return shown_request(request_store.get_request(session, request.id))


def names_of(node: Node) -> tuple[str, ...]:
    """What the city is called, which a text without its name must not say."""
    return node.settings.display_name, node.name.partition(".")[0]


def _audience(session: Session, draft: dict[str, Any]) -> Audience:
    """An answer goes as far as its question, everything else to Europe."""
    question = inbox.find_item(session, str(draft.get("question", "")))
    return Audience.EUROPE if question is None else question.audience


def _renewal(params: Params) -> dict[str, Any]:
    review_by, archive = params.get("review_by"), bool(params.get("archive", False))
    if (review_by is None) is not archive:
        raise VerbError("bad-parameter", "expected either a month to look again or archive")
    return {"archived": True} if archive else {"review_by": str(review_by)}


def _own(session: Session, beginning: str) -> StoredRequest:
    found = request_store.find_signed(session, beginning)
    if found is None or found.statement_digest is None:
        raise VerbError("unknown-item", "expected the digest of something that this city released, or its first eight")
    return found


def _first_version(old: StoredRequest) -> str | None:
    """What all versions of an item replace: so one between may be withdrawn, and none before it comes back."""
    replaces = parse_strict(old.request.body).get("replaces")
    return old.statement_digest if replaces is None else str(replaces)


def check_words(node: Node, params: Params) -> Result:
    """Whether a draft is complete, and what would be found in it; nothing is stored."""
    kind, draft = _read(node, params)
    model = STATEMENT_BODIES[kind]
    place = {"area": node.area.to_object()} if "area" in model.model_fields else {}
    model.from_object({**draft, **place, "review": PLACEHOLDER})
    texts = free_texts(draft)
    findings = screen(texts, language=str(draft.get("language", "und")), lists=node.local_lists()).findings
    return {"kind": kind.value, "detector": DETECTOR, "findings": shown_findings(texts, findings)}


def _read(node: Node, params: Params) -> tuple[Kind, dict[str, Any]]:
    """Raises VerbError, DraftError."""
    kind = choose(Kind, params["kind"])
    if kind not in SECTIONS:
        raise VerbError("bad-parameter", f"expected one of {', '.join(SECTIONS)}")
    draft = parse_draft(read_file(params["file"], MAX_DRAFT_BYTES), kind)
    if params.get("replaces"):
        with node.database.read() as session:
            old = _own(session, str(params["replaces"]))
        if old.request.kind is not kind:
            raise VerbError("bad-parameter", f"expected to replace a {kind.value}, got a {old.request.kind.value}")
        draft["replaces"] = _first_version(old)
    if params.get("about"):
        if kind not in POINTERS:
            raise VerbError("bad-parameter", f"expected an item for {', '.join(POINTERS)} only")
        draft[POINTERS[kind]] = _digest_of(node, str(params["about"]))
    return kind, draft


def _digest_of(node: Node, beginning: str) -> str:
    with node.database.read() as session:
        found = inbox.find_by_beginning(session, beginning)
    if len(found) != 1:
        raise VerbError("unknown-item", "expected the digest of one item that was received, or its first eight digits")
    return found[0].digest
