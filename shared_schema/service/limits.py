"""Reading a request body without trusting its sender: bounded in size and in time, and never unpacked."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode

BODY_SECONDS = 15
"""A statement of 256 KiB needs half a second on a slow line; whoever is slower than this holds a place for nothing."""

MAX_LENGTH_DIGITS = 15
"""Python refuses to read a number of thousands of digits; nothing that long is a size."""


class RequestError(ContractError):
    """A request that is refused before anything in it is read."""

    code = ProblemCode.BAD_PARAMETER


async def read_json_body(request: Request, limit: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body of a request that says it is JSON.

    Raises RequestError: `unsupported-media-type`, `unsupported-encoding`, `too-large` (unread when Content-Length says
    so, else at the limit), `timeout`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError("expected the content type application/json", code=ProblemCode.UNSUPPORTED_MEDIA_TYPE)
    return await read_body(request, limit, seconds=seconds)


async def read_body(request: Request, limit: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body of a request, whatever it says it is. Raises RequestError as `read_json_body` does."""
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("expected a body without content encoding", code=ProblemCode.UNSUPPORTED_ENCODING)
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > MAX_LENGTH_DIGITS or int(length) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit)
    except TimeoutError:
        raise RequestError(f"expected the body within {seconds} seconds", code=ProblemCode.TIMEOUT) from None
    except ClientDisconnect:
        raise RequestError("expected the whole body", code=ProblemCode.TIMEOUT) from None


async def _read(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> RequestError:
    return RequestError(f"expected a body of at most {limit} bytes", code=ProblemCode.TOO_LARGE)
