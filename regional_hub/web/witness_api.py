"""What this hub does as a witness, over HTTP: C2SP tlog-witness to the letter, and what it has seen of other logs.

All of it is public, as logs are: a request authenticates itself with the log's signature.
"""

import asyncio
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from regional_hub import witness
from regional_hub.errors import HubError
from shared_schema.cosignature import announce_cosigner
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.service.limits import read_body
from shared_schema.witness import MAX_REQUEST_BYTES, SIZE_MEDIA_TYPE, Contradiction, NotTheSizeKnown

MAX_ORIGIN = 300
SHORT = {"Cache-Control": "public, max-age=5"}


class WitnessingHub(Protocol):
    """What these handlers need of a hub."""

    database: Database
    cosigner_key: SigningKey
    clock: Any
    body_seconds: float

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> SigningKey: ...


def add_routes(router: APIRouter, hub: WitnessingHub) -> None:
    """The routes of a witness."""

    @router.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = await read_body(request, MAX_REQUEST_BYTES, seconds=hub.body_seconds)
        return await asyncio.to_thread(_answer, hub, body)

    @router.get("/v1/cosigner")
    def cosigner() -> Response:
        return PlainTextResponse(announce_cosigner(hub.name, hub.key, hub.cosigner_key), headers=SHORT)

    @router.get("/v1/witnessed/{origin:path}")
    def witnessed(origin: str) -> Response:
        note = None
        if len(origin) <= MAX_ORIGIN and origin.isprintable():
            with hub.database.read() as session:
                note = witness.witnessed_note(session, origin)
        if note is None:
            raise HubError("expected the origin of a log of which a head was verified here", code=ProblemCode.NOT_FOUND)
        return PlainTextResponse(note, headers=SHORT)


def _answer(hub: WitnessingHub, body: bytes) -> Response:
    """200 with the cosignature, 409 with the size that is known; every other refusal is raised."""
    now = hub.clock()
    try:
        with hub.database.write() as session:
            line = witness.cosign_checkpoint(session, body, name=hub.name, key=hub.cosigner_key, now=now)
    except NotTheSizeKnown as error:
        return _size(error.known)
    except Contradiction as error:
        with hub.database.write() as session:
            witness.keep_contradiction(session, error, now)
        if error.same_size:
            return _size(error.seen.size)
        raise
    return PlainTextResponse(line)


def _size(known: int) -> Response:
    # Named here in full: a media type of `text` would get a charset, and the specification has none.
    return Response(f"{known}\n", status_code=409, headers={"Content-Type": SIZE_MEDIA_TYPE})
