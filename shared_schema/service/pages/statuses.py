"""Errors as pages see them: the HTTP status of each, and what is told of it beside what was typed."""

from collections.abc import Mapping
from typing import Any, Final

from shared_schema.errors import ContractError, ProgramError
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import FormError
from shared_schema.service.problems import STATUS

Failure = ProgramError | VerbError | ContractError
STATUS_OF_CODE: Final = {
    "not-found": 404,
    "changed": 409,
    "stale": 409,
    "state": 409,
    "too-many": 429,
    "account-changed": 409,
    "last-administrator": 409,
    "invitation": 410,
    "sign-in-again": 409,
    "token-made": 409,
    "database": 503,
    "unreachable": 503,
}
"""Codes of errors that both programs have; all others are 422, but for those that a program names."""
CODE_OF_STATUS: Final = {
    403: ProblemCode.NOT_ALLOWED,
    404: ProblemCode.NOT_FOUND,
    410: ProblemCode.NOT_FOUND,
    413: ProblemCode.TOO_LARGE,
    429: ProblemCode.RATE_LIMIT,
    503: ProblemCode.BUSY,
}
"""What a program is told of such errors; of all others that a parameter is wrong."""
STALE: Final = frozenset({"changed", "stale", "account-changed"})
"""Codes of those that came too late, and can try again with what is stored now."""


def status_of(error: Failure, own: Mapping[str, int]) -> int:
    """The HTTP status of an error; `own` are the codes that a program adds."""
    if isinstance(error, ContractError):
        return STATUS[error.code]
    return own.get(error.code) or STATUS_OF_CODE.get(error.code, 422)


def code_of(error: Failure) -> str:
    """The code of an error, as a text."""
    return error.code.value if isinstance(error, ContractError) else error.code


def describe(error: Failure) -> dict[str, Any]:
    """What the macro `error_summary` shows: the code, the precise sentence, and the field where there is one."""
    field = error.field if isinstance(error, FormError) else None
    return {"code": code_of(error), "detail": error.message, "field": field}
