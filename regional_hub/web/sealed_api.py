"""What the leader of a sealed total asks this hub as the second one. Handlers only translate to HTTP.

The leader signs each request with its body (RFC 9421, RFC 9530); it must be a hub that is a member here.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import log
from regional_hub.errors import HubError
from regional_hub.sealed_helping import Helping
from shared_schema.envelope import MAX_ENVELOPE_BYTES
from shared_schema.keys import Member, MemberRole
from shared_schema.problem import ProblemCode
from shared_schema.sealed.messages import MAX_PREPARE_BYTES
from shared_schema.service.database import Database
from shared_schema.service.limits import read_json_body

JSON: Final = "application/json"
TAKEN: Final = b'{"taken":true}'
PREPARE_SECONDS: Final = 120
"""8 MB on a slow line; a hub sends it, once for a batch."""


class HelpingHub(Protocol):
    """What the handlers need of a hub."""

    database: Database
    body_seconds: float

    @property
    def helping(self) -> Helping: ...


Identify = Callable[[Request, bytes], Member]
"""Find the member that signed a request with this body. Raises ContractError."""


def add_routes(router: APIRouter, hub: HelpingHub, identify: Identify) -> None:
    """Add them to the router of the API."""

    async def read(request: Request, limit: int, seconds: float) -> tuple[str, bytes]:
        body = await read_json_body(request, limit, seconds=seconds)
        return await asyncio.to_thread(_leader, hub, identify, request, body), body

    @router.post("/v1/sealed/proposals")
    async def hear_proposal(request: Request) -> Response:
        leader, body = await read(request, MAX_ENVELOPE_BYTES, hub.body_seconds)
        return _answer(await asyncio.to_thread(hub.helping.hear_proposal, leader, body))

    @router.post("/v1/sealed/{batch}/shares")
    async def hear_share(request: Request, batch: str) -> Response:
        leader, body = await read(request, MAX_ENVELOPE_BYTES, hub.body_seconds)
        await asyncio.to_thread(hub.helping.hear_share, leader, batch, body)
        return _answer(TAKEN)

    @router.post("/v1/sealed/{batch}/prepare")
    async def hear_prepare(request: Request, batch: str) -> Response:
        leader, body = await read(request, MAX_PREPARE_BYTES, max(PREPARE_SECONDS, hub.body_seconds))
        return _answer(await asyncio.to_thread(hub.helping.hear_prepare, leader, batch, body))

    @router.post("/v1/sealed/{batch}/roster")
    async def hear_roster(request: Request, batch: str) -> Response:
        leader, body = await read(request, MAX_ENVELOPE_BYTES, hub.body_seconds)
        return _answer(await asyncio.to_thread(hub.helping.hear_roster, leader, batch, body))

    @router.post("/v1/sealed/{batch}/void")
    async def hear_void(request: Request, batch: str) -> Response:
        leader, body = await read(request, MAX_ENVELOPE_BYTES, hub.body_seconds)
        return _answer(await asyncio.to_thread(hub.helping.hear_void, leader, batch, body))


def _leader(hub: HelpingHub, identify: Identify, request: Request, body: bytes) -> str:
    """The hub that asks. Nothing is answered by a log that waits for what it has lost."""
    with hub.database.read() as session:
        log.get_head(session).check_not_held()
    member = identify(request, body)
    if member.role is not MemberRole.HUB:
        raise HubError("expected a hub that is a member here", code=ProblemCode.KIND_NOT_ALLOWED)
    return member.name


def _answer(content: bytes) -> Response:
    return Response(content, media_type=JSON, headers={"Cache-Control": "no-store"})
