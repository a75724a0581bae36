"""The answer with a feed, for a reader that asks again with what it knows (RFC 9110, section 13)."""

import hashlib
from datetime import UTC
from email.utils import format_datetime

from fastapi import Request
from fastapi.responses import Response

from shared_schema.names import parse_time
from shared_schema.service.atom import MEDIA_TYPE


def feed_response(request: Request, body: bytes, updated_at: str) -> Response:
    """A feed that changed last at `updated_at`; 304 for a reader that has these very bytes.

    The time alone is not asked: what is taken back leaves a feed, and nothing is newer.
    """
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(parse_time(updated_at).astimezone(UTC), usegmt=True),
        "Cache-Control": "private, no-cache",
        "X-Robots-Tag": "noindex",
    }
    if _is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=f"{MEDIA_TYPE}; charset=utf-8", headers=headers)


def _is_known(request: Request, etag: str) -> bool:
    tags = request.headers.get("if-none-match", "")
    return tags.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
