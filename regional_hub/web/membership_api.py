"""What a member asks of its own membership: a new key in the place of its old one, and to leave."""

import asyncio
import json
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from regional_hub import departure, member_keys
from regional_hub.member_keys import Hand
from regional_hub.members import Trust
from shared_schema.envelope import MAX_ENVELOPE_BYTES, parse_envelope
from shared_schema.keys import SigningKey
from shared_schema.rotation import parse_rotation
from shared_schema.service.database import Database
from shared_schema.service.limits import read_json_body

JSON = "application/json"


class MemberHub(Protocol):
    """What these handlers need of a hub."""

    database: Database
    clock: Any
    body_seconds: float

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> SigningKey: ...
    @property
    def trust(self) -> Trust: ...
    def reload_trust(self) -> Trust: ...


def add_membership(router: APIRouter, hub: MemberHub) -> None:
    """The two routes."""

    @router.post("/v1/rotations")
    async def rotate(request: Request) -> Response:
        body = await read_json_body(request, MAX_ENVELOPE_BYTES, seconds=hub.body_seconds)
        new = await asyncio.to_thread(_rotate, hub, body)
        return Response(json.dumps({"state": "rotated"}), status_code=201 if new else 200, media_type=JSON)

    @router.post("/v1/leave")
    async def leave(request: Request) -> Response:
        body = await read_json_body(request, MAX_ENVELOPE_BYTES, seconds=hub.body_seconds)
        erased = await asyncio.to_thread(_leave, hub, body)
        return Response(json.dumps({"state": "left", **erased}), media_type=JSON)


def _rotate(hub: MemberHub, body: bytes) -> bool:
    signed = parse_rotation(body)
    with hub.database.write() as session:
        new = member_keys.accept_rotation(session, signed, trust=hub.trust, hand=Hand(hub.name, hub.key, hub.clock()))
    hub.reload_trust()
    return new


def _leave(hub: MemberHub, body: bytes) -> dict[str, int]:
    envelope = parse_envelope(body)
    with hub.database.write() as session:
        erased = departure.accept_leave(session, envelope, trust=hub.trust, hand=Hand(hub.name, hub.key, hub.clock()))
    hub.reload_trust()
    return erased
