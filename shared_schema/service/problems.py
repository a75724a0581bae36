"""Problem documents (RFC 9457): the one place that knows which HTTP status a problem code has."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode, problem_type
from shared_schema.service.database import is_busy

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 600
"""Characters; a problem document stays below 2 KB."""

STATUS: dict[ProblemCode, int] = {
    ProblemCode.MALFORMED_JSON: 400,
    ProblemCode.NOT_CANONICAL: 400,
    ProblemCode.TOO_LARGE: 413,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ProblemCode.UNSUPPORTED_ENCODING: 415,
    ProblemCode.TIMEOUT: 408,
    ProblemCode.SCHEMA: 422,
    ProblemCode.TEXT: 422,
    ProblemCode.NO_SIGNATURE: 401,
    ProblemCode.BAD_SIGNATURE: 401,
    ProblemCode.UNKNOWN_KEY: 401,
    ProblemCode.KEY_NOT_VALID: 401,
    ProblemCode.KIND_MISMATCH: 401,
    ProblemCode.WEAK_KEY: 422,
    ProblemCode.CLOCK_SKEW: 401,
    ProblemCode.REPLAY: 401,
    ProblemCode.WRONG_ORIGIN: 403,
    ProblemCode.KIND_NOT_ALLOWED: 403,
    ProblemCode.MEMBER_NOT_ACTIVE: 403,
    ProblemCode.SEQ_CONFLICT: 409,
    ProblemCode.SEQ_TOO_LOW: 409,
    ProblemCode.RELEASE_RULE: 422,
    ProblemCode.UNKNOWN_TABLE: 422,
    ProblemCode.GRID_MISMATCH: 422,
    ProblemCode.PRIVACY_FLOOR: 422,
    ProblemCode.PRIVACY_BUDGET: 422,
    ProblemCode.BAD_SHARE: 422,
    ProblemCode.SAME_OPERATOR: 422,
    ProblemCode.BATCH_TERMS: 422,
    ProblemCode.BATCH_STATE: 409,
    ProblemCode.ALREADY_ANSWERED: 409,
    ProblemCode.ENROLMENT_CODE: 403,
    ProblemCode.FINGERPRINT_MISMATCH: 422,
    ProblemCode.NAME_TAKEN: 409,
    ProblemCode.BAD_CURSOR: 400,
    ProblemCode.NOT_A_MEMBER: 403,
    ProblemCode.BAD_PARAMETER: 422,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.BAD_HOST: 400,
    ProblemCode.NOT_SIGNED_IN: 401,
    ProblemCode.NOT_ALLOWED: 403,
    ProblemCode.ADDRESS_CONFLICT: 409,
    ProblemCode.STALE: 409,
    ProblemCode.CROSS_SITE: 403,
    ProblemCode.FEED_ROLLBACK: 409,
    ProblemCode.FEED_FORK: 409,
    ProblemCode.FEED_ENTRY: 409,
    ProblemCode.FEED_CHECKPOINT: 409,
    ProblemCode.RECEIPT: 409,
    ProblemCode.LOG_DAMAGED: 503,
    ProblemCode.LOG_BEHIND: 503,
    ProblemCode.RECOVERY_PROOF: 422,
    ProblemCode.SOFTWARE_TOO_OLD: 426,
    ProblemCode.POLICY_LOOSER_THAN_PARENT: 422,
    ProblemCode.RECEIPT_NOT_IN_LOG: 409,
    ProblemCode.STALE_HEAD: 409,
    ProblemCode.TOO_FEW_WITNESSES: 409,
    ProblemCode.WITNESS_REQUEST: 400,
    ProblemCode.WITNESS_SIGNATURE: 403,
    ProblemCode.WITNESS_SIZE: 409,
    ProblemCode.WITNESS_PROOF: 422,
    ProblemCode.RATE_LIMIT: 429,
    ProblemCode.BUSY: 503,
    ProblemCode.STORAGE_FULL: 507,
    ProblemCode.CERTIFICATE: 503,
    ProblemCode.INTERNAL: 500,
}
"""Every code has a status; `tests/repository` checks that none is missing and that docs/protocol.md lists each."""

_CODE_OF_STATUS = {
    400: ProblemCode.MALFORMED_JSON,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
}
_SENTENCES = {
    ProblemCode.NOT_FOUND: "expected an address that exists here",
    ProblemCode.METHOD_NOT_ALLOWED: "expected one of the methods in Allow",
    ProblemCode.BUSY: "expected to be asked again in a moment",
    ProblemCode.STORAGE_FULL: "expected free space for what was sent; nothing was taken",
    ProblemCode.INTERNAL: "something went wrong here; nothing was taken",
}


def problem_object(code: ProblemCode, detail: str) -> dict[str, Any]:
    """The members of a problem document."""
    return {
        "type": problem_type(code),
        "title": code.value.replace("-", " "),
        "status": STATUS[code],
        "code": code.value,
        "detail": detail[:MAX_DETAIL],
    }


def problem_response(code: ProblemCode, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem document as a response."""
    body = json.dumps(problem_object(code, detail)).encode()
    return Response(body, status_code=STATUS[code], media_type=MEDIA_TYPE, headers=headers)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error with a problem document that says what was expected and echoes nothing."""

    async def contract_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ContractError)  # noqa: S101 - the type that FastAPI registered
        return problem_response(error.code, error.message)

    async def validation_error(_request: Request, error: Exception) -> Response:
        # FastAPI's own handler answers with the input, and with 500 to what it cannot encode.
        return problem_response(ProblemCode.BAD_PARAMETER, "expected the parameters that docs/protocol.md names")

    async def http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        code = _CODE_OF_STATUS.get(error.status_code, ProblemCode.INTERNAL)
        sentence = _SENTENCES.get(code, "expected a request that docs/protocol.md describes")
        return problem_response(code, sentence, dict(error.headers or {}))

    async def database_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, OperationalError)  # noqa: S101
        if is_busy(error):
            return problem_response(ProblemCode.BUSY, _SENTENCES[ProblemCode.BUSY], {"Retry-After": "1"})
        if "full" in str(error.orig).lower() or "no space" in str(error.orig).lower():
            return problem_response(ProblemCode.STORAGE_FULL, _SENTENCES[ProblemCode.STORAGE_FULL])
        raise error

    async def no_connection(_request: Request, _error: Exception) -> Response:
        return problem_response(ProblemCode.BUSY, _SENTENCES[ProblemCode.BUSY], {"Retry-After": "1"})

    async def unexpected_error(_request: Request, _error: Exception) -> Response:
        return problem_response(ProblemCode.INTERNAL, _SENTENCES[ProblemCode.INTERNAL])

    app.add_exception_handler(ContractError, contract_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(OperationalError, database_error)
    app.add_exception_handler(PoolTimeout, no_connection)
    app.add_exception_handler(Exception, unexpected_error)
