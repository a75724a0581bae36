"""Addresses for scripts, below `/api/v1/`: a token and never a cookie, JSON, problem documents (RFC 9457).

They do what the command line does, with the same verbs and so with the same rules. What is somebody else's is not
there: a partner's token hands in its own agency's returns alone.
"""

import json
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from local_node import inbox
from local_node.door import Scope
from local_node.inbox import InboxItem, InboxState
from local_node.lesson import LESSON_KINDS
from local_node.records import MAX_FILE_BYTES
from local_node.review import Role
from local_node.web.access import Right
from local_node.web.presentation import title_of
from local_node.web.site import Site, visitor_of
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.service.limits import RequestError, read_body
from shared_schema.service.problems import problem_response
from shared_schema.statement import Kind

MOST_ITEMS: Final = 200
LAST_PAGE: Final = 1_000_000
MAX_RETURN_BYTES: Final = MAX_FILE_BYTES + 256 * 1024
"""A file as large as the command line takes one, and its mapping."""
Page = Annotated[int, Query(ge=1, le=LAST_PAGE)]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]


async def read_return(request: Request) -> bytes:
    """The body of a return. Raises RequestError as `limits.read_body` does."""
    return await read_body(request, MAX_RETURN_BYTES)


Body = Annotated[bytes, Depends(read_return)]


def install(site: Site) -> None:
    """Add the addresses of this module."""
    api = Api(site)
    site.api("GET", "/api/v1/inbox", api.inbox, Right.READ_INBOX, Scope.INBOX_READ)
    site.api("GET", "/api/v1/figures", api.figures, Right.SEE_PICTURE, Scope.FIGURES_READ)
    site.api("POST", "/api/v1/returns", api.hand_in, Right.ENTER_RETURNS, Scope.RETURNS_WRITE)
    site.api("POST", "/api/v1/sync", api.sync, Right.SYNC_NOW, Scope.SYNC)


class Api:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def inbox(self, kind: str = "", page: Page = 1, limit: Limit = 50) -> Response:
        """The lessons that were verified here, the newest first, a page at a time."""
        if kind and kind not in LESSON_KINDS:
            return problem_response(ProblemCode.BAD_PARAMETER, f"expected kind as one of {', '.join(LESSON_KINDS)}")
        kinds = (Kind(kind),) if kind else tuple(LESSON_KINDS)
        return self._items(kinds, page, limit)

    def figures(self, page: Page = 1, limit: Limit = 50) -> Response:
        """The sums that hubs have published, the newest first, a page at a time."""
        return self._items((Kind.AGGREGATE,), page, limit)

    def hand_in(self, request: Request, body: Body, agency: str = "", table: str = "") -> Response:
        """Store an agency's figures: CSV for a table (`?agency=…&table=…`), or JSON with the file and its mapping.

        What a coordinator hands in for an agency, the agency sees and answers, as when it is typed into a page.
        """
        visitor = visitor_of(request)
        params = _read_return(request, body, agency, table)
        if Role.COORDINATOR not in visitor.roles and params["agency"] != visitor.agency:
            return self._site.missing(request)
        for_them = params["agency"] != visitor.agency
        stored = self._site.run("import", params | {"by": visitor.person_id, "for_them": for_them})
        return JSONResponse(stored, status_code=201 if stored["added"] or stored["replaced"] else 200)

    def sync(self) -> Response:
        """Exchange with the hubs, as `local-node sync --when-due` does."""
        return JSONResponse(self._site.run("sync", {"patient": True}))

    def _items(self, kinds: tuple[Kind, ...], page: int, limit: int) -> Response:
        with self._site.database.read() as session:
            found = inbox.list_items(
                session, kinds=kinds, state=InboxState.ACCEPTED, limit=limit + 1, offset=(page - 1) * limit
            )
        return JSONResponse(
            {
                "items": [_item(item) for item in found[:limit]],
                "page": page,
                "next_page": page + 1 if len(found) > limit else None,
            }
        )


def _read_return(request: Request, body: bytes, agency: str, table: str) -> dict[str, Any]:
    """The parameters of the verb. Raises RequestError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if set(request.query_params) - {"agency", "table"}:  # CHECKS 47: nobody sets a status, a time or an author
        raise RequestError("expected nothing but agency and table in the address", code=ProblemCode.SCHEMA)
    if kind == "text/csv":
        if not agency or not table:
            raise RequestError("expected agency and table in the address", code=ProblemCode.BAD_PARAMETER)
        return {"agency": agency, "table": table, "content": _text(body)}
    if kind == "application/json":
        params = _read_json(body)
        if agency not in ("", params["agency"]):
            raise RequestError("expected the same agency as in the address", code=ProblemCode.ADDRESS_CONFLICT)
        return params
    raise RequestError("expected text/csv or application/json", code=ProblemCode.UNSUPPORTED_MEDIA_TYPE)


def _read_json(body: bytes) -> dict[str, Any]:
    """`agency`, `csv`, `mapping` (the TOML that the command line takes), and its other options."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("expected JSON", code=ProblemCode.MALFORMED_JSON) from None
    known = {"agency": str, "csv": str, "mapping": str, "periods": list, "correction": bool}
    if not isinstance(value, dict) or not {"agency", "csv", "mapping"} <= set(value) <= set(known):
        raise RequestError(f"expected an object with {', '.join(known)}", code=ProblemCode.SCHEMA)
    if any(type(value[name]) is not kind for name, kind in known.items() if name in value):
        raise RequestError("expected texts, a list of texts and true or false", code=ProblemCode.SCHEMA)
    if any(not isinstance(period, str) for period in value.get("periods", ())):
        raise RequestError("expected periods as a list of texts", code=ProblemCode.SCHEMA)
    return {
        "agency": value["agency"],
        "content": value["csv"],
        "mapping_text": value["mapping"],
        "periods": value.get("periods", []),
        "correction": value.get("correction", False),
    }


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError("expected UTF-8", code=ProblemCode.MALFORMED_JSON) from None


def _item(item: InboxItem) -> dict[str, Any]:
    body = item.body
    return {
        "digest": item.digest,
        "kind": item.kind.value,
        "title": title_of(item),
        "origin": item.origin,
        "hub": item.hub,
        "audience": item.audience.value,
        "issued_at": item.issued_at,
        "received_at": format_time(item.received_at),
        "body": None if body is None else body.to_object(),
    }
