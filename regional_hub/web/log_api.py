"""The public side of the log: checkpoint, tiles, entry bundles, and a proof for each entry.

Anybody may read it, because it holds only digests. Every file has one address; every other spelling is not found.
"""

import json
import re
from typing import Protocol

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from regional_hub import log, log_files
from shared_schema.errors import SchemaError
from shared_schema.service.database import Database
from shared_schema.tiles import parse_path
from shared_schema.tlog_proof import FILE_ENDING

IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
SHORT = {"Cache-Control": "public, max-age=5"}
"""C2SP tlog-tiles: nobody may cache a checkpoint for more than a few seconds."""
BYTES = "application/octet-stream"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class LoggedHub(Protocol):
    """What these handlers need of a hub."""

    database: Database

    @property
    def name(self) -> str: ...


def add_log(router: APIRouter, hub: LoggedHub) -> None:
    """Add the routes of the log."""

    @router.get("/health")
    def health() -> Response:
        hub.database.check_reachable()
        return Response(json.dumps({"status": "ok", "name": hub.name}), media_type="application/json")

    @router.get("/checkpoint")
    def checkpoint() -> Response:
        with hub.database.read() as session:
            log.get_head(session).check_not_held()
            note = log.latest_checkpoint(session)
        return PlainTextResponse(note, headers=SHORT)

    @router.get("/tile/entries/{path:path}")
    def entry_bundle(path: str) -> Response:
        return _file(hub, f"tile/entries/{path}")

    @router.get("/tile/{level}/{path:path}")
    def hash_tile(level: str, path: str) -> Response:
        return _file(hub, f"tile/{level}/{path}")

    @router.get("/receipt/{name}")
    def proof(name: str) -> Response:
        digest = name.removesuffix(FILE_ENDING)
        if name == digest or not _DIGEST.fullmatch(digest):
            raise HTTPException(404)
        with hub.database.read() as session:
            text = log_files.find_proof(session, digest)
        if text is None:
            raise HTTPException(404)
        return PlainTextResponse(text, headers=IMMUTABLE)


def _file(hub: LoggedHub, path: str) -> Response:
    try:
        file = parse_path(path)
    except SchemaError:
        raise HTTPException(404) from None
    with hub.database.read() as session:
        data = log_files.find_file(session, file)
    if data is None:
        raise HTTPException(404)
    return Response(data, media_type=BYTES, headers=IMMUTABLE)
