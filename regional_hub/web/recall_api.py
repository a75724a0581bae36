"""What members ask about their items: who has confirmed a withdrawal, and where an item is."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import explain, recall
from regional_hub.feed import Publisher
from regional_hub.members import Trust
from shared_schema.keys import Member
from shared_schema.service.database import Database

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}


class AskedHub(Protocol):
    """What the handlers need of a hub."""

    database: Database
    clock: Callable[[], datetime]

    @property
    def publisher(self) -> Publisher: ...
    def refresh_trust(self) -> Trust: ...


class Identify(Protocol):
    """Find the member that signed a read with these parameters and no others. Raises ContractError."""

    def __call__(self, request: Request, *names: str) -> Member: ...


def add_routes(
    router: APIRouter, hub: AskedHub, identify: Identify, read_cursor: Callable[[Request, str], int]
) -> None:
    """Add them to the router of the API."""

    @router.get("/v1/recalls")
    def read_recalls(request: Request) -> Response:
        reader = identify(request, "since")
        since = read_cursor(request, "since")
        with hub.database.read() as session:
            page = recall.page_for(session, reader, hub.publisher, since=since, now=hub.clock())
        return Response(page.to_bytes(), media_type=JSON, headers=NO_STORE)

    @router.get("/v1/explain/{digest}")
    def read_explanation(request: Request, digest: str) -> Response:
        reader = identify(request, "member")
        member = request.query_params.get("member")
        with hub.database.read() as session:
            found = explain.explain_to(session, reader, digest, hub.publisher, member=member, now=hub.clock())
        return Response(found.to_bytes(), media_type=JSON, headers=NO_STORE)
