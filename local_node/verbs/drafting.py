"""Drafts that people write in the node: list and read them, look through one, change a passage, ask for its release.

The pages call these verbs because asking needs the city's area and its own lists of words, which the settings name.
"""

from typing import Any

from local_node import asking, draft_store, request_store
from local_node.app import Node
from local_node.asking import Looked
from local_node.drafting import Draft
from local_node.review import Resolution
from local_node.verbs.parameters import Params, Result, choose
from local_node.verbs.releases import shown_findings, shown_request
from local_node.verbs.words import names_of
from local_node.writing import body_of, title_of
from shared_schema.names import format_time
from shared_schema.service.control import VerbError


def draft_list(node: Node, _params: Params) -> Result:
    """All drafts that are kept in this node, the last saved first."""
    with node.database.read() as session:
        return {"drafts": [_line(draft) for draft in draft_store.list_all(session)]}


def draft_show(node: Node, params: Params) -> Result:
    """One draft: what was typed, what is missing, what could point to a person."""
    with node.database.read() as session:
        draft = draft_store.find(session, str(params["draft"]))
    if draft is None:
        raise VerbError("draft-unknown", "expected the id of a draft, such as d1; see: local-node draft list")
    looked = asking.look_through(draft, node.local_lists())
    return _line(draft) | {"body": body_of(draft.kind, draft.fields)} | _looked(looked)


def draft_look(node: Node, params: Params) -> Result:
    """What is missing in a person's own draft, and what would be found in it; nothing is stored."""
    with node.database.read() as session:
        draft = draft_store.get(session, str(params["draft"]), asking.writer_of(session, str(params["by"])))
    return {"version": draft.version} | _looked(asking.look_through(draft, node.local_lists()))


def draft_reword(node: Node, params: Params) -> Result:
    """Put coarser words, or a mask, in the place of one passage of a person's own draft."""
    lists = node.local_lists()
    with node.database.write() as session:
        writer = asking.writer_of(session, str(params["by"]))
        draft = draft_store.get(session, str(params["draft"]), writer)
        saved = asking.reword(
            session,
            draft,
            _number(params, "version"),
            writer,
            _number(params, "finding"),
            choose(Resolution, str(params["to"])),
            str(params["seen"]),
            lists,
            node.clock(),
        )
    return {"draft": saved.id, "version": saved.version}


def draft_ask(node: Node, params: Params) -> Result:
    """Ask for the release of a draft as it stands in the version that was shown."""
    lists = node.local_lists()
    with node.database.write() as session:
        writer = asking.writer_of(session, str(params["by"]))
        request = asking.ask(
            session,
            draft_store.get(session, str(params["draft"]), writer),
            _number(params, "version"),
            writer,
            area=node.area,
            lists=lists,
            city_names=names_of(node),
            surroundings=node.surroundings,
            now=node.clock(),
        )
        return shown_request(request_store.get_request(session, request.id))


def _number(params: Params, name: str) -> int:
    value = params[name]
    if type(value) is not int:
        raise VerbError("bad-parameter", f"expected {name} as a whole number")
    return value


def _line(draft: Draft) -> dict[str, Any]:
    return {
        "draft": draft.id,
        "kind": draft.kind.value,
        "title": title_of(draft.kind, draft.fields),
        "state": draft.state.value,
        "author": draft.author,
        "agency": draft.agency,
        "saved_at": format_time(draft.saved_at),
        "version": draft.version,
        "request": draft.request_id,
        "refused_because": draft.refused_because,
    }


def _looked(looked: Looked) -> dict[str, Any]:
    found = shown_findings(looked.texts, looked.findings)
    places = [{"start": each.start, "end": each.end} for each in looked.findings]
    return {
        "gaps": [{"field": gap.field, "code": gap.code, "limit": gap.limit} for gap in looked.gaps],
        "findings": [one | place for one, place in zip(found, places, strict=True)],
        "texts": dict(looked.texts),
        "seen": looked.seen,
    }
