"""Where a member hands in its cosignature of this hub's newest head."""

import asyncio
import json
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import member_cosigning
from regional_hub.members import Trust
from shared_schema.member_cosignature import MAX_COSIGNED_BYTES
from shared_schema.service.database import Database
from shared_schema.service.limits import read_body


class CosignedHub(Protocol):
    """What this handler needs of a hub."""

    database: Database
    clock: Any
    body_seconds: float

    @property
    def name(self) -> str: ...
    def refresh_trust(self) -> Trust: ...


def add_cosignatures(router: APIRouter, hub: CosignedHub) -> None:
    """The one route."""

    @router.post("/v1/cosignatures")
    async def take_cosignature(request: Request) -> Response:
        body = await read_body(request, MAX_COSIGNED_BYTES, seconds=hub.body_seconds)
        kept = await asyncio.to_thread(_take, hub, body)
        return Response(json.dumps({"kept": kept}), media_type="application/json")


def _take(hub: CosignedHub, body: bytes) -> bool:
    trust = hub.refresh_trust()
    with hub.database.write() as session:
        return member_cosigning.take_cosignature(session, body, trust=trust, name=hub.name, now=hub.clock())
