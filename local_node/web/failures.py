"""What becomes of an error: for a person a page with what to do and a way back, for a program a problem document."""

from collections.abc import Awaitable
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from local_node.errors import NodeError
from local_node.web.access import Right
from local_node.web.forms import FormError
from local_node.web.site import (
    NotAllowedError,
    NoTokenError,
    NotSignedInError,
    OutOfScopeError,
    SecondFactorOwedError,
    Site,
    is_browser,
    words_of,
)
from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.problems import STATUS, problem_response

STATUS_OF_CODE: Final = {
    "not-found": 404,
    "request-unknown": 404,
    "draft-unknown": 404,
    "draft-stale": 409,
    "draft-state": 409,
    "draft-too-large": 413,
    "changed": 409,
    "stale": 409,
    "clash-stale": 409,
    "state": 409,
    "same-person": 403,
    "role": 403,
    "activity-unknown": 404,
    "stale-activity": 409,
    "stale-form": 409,
    "sheet-too-large": 413,
    "too-many": 429,
    "agency-changed": 409,
    "agency-known": 409,
    "account-changed": 409,
    "last-administrator": 409,
    "invitation": 410,
    "sign-in-again": 409,
    "token-made": 409,
    "database": 503,
    "unreachable": 503,
}
"""Codes of the node's own errors; all others are 422."""
CODE_OF_STATUS: Final = {
    403: ProblemCode.NOT_ALLOWED,
    404: ProblemCode.NOT_FOUND,
    410: ProblemCode.NOT_FOUND,
    413: ProblemCode.TOO_LARGE,
    429: ProblemCode.RATE_LIMIT,
    503: ProblemCode.BUSY,
}
"""What a program is told of the node's own errors; of all others that a parameter is wrong."""
STALE: Final = frozenset(
    {
        "draft-stale",
        "changed",
        "stale",
        "clash-stale",
        "stale-activity",
        "stale-form",
        "agency-changed",
        "account-changed",
    }
)
"""Codes of those that came too late, and can try again with what is stored now."""
RETRY: Final = {"Retry-After": "5"}
NOTHING_TYPED: Final = frozenset({"/sign-out", "/outbox/exchange"})
"""Forms that are a button. What another one sent stays in its window, to be sent again: a redirection would lose it."""


def install(app: FastAPI, site: Site) -> None:
    """Answer every error of a page."""
    for_programs = app.exception_handlers[HTTPException]

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if error.status_code == 404 and is_browser(request):
            return site.missing(request)
        answer = for_programs(request, error)
        return await answer if isinstance(answer, Awaitable) else answer

    async def not_signed_in(request: Request, _error: Exception) -> Response:
        if not is_browser(request):
            return problem_response(ProblemCode.NOT_SIGNED_IN, "expected somebody who is signed in")
        if request.method == "POST" and not _is_only_a_button(site, request):
            return site.page(request, "signed_out.html", status=401)
        back = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        query = urlencode({"next": back} if request.method == "GET" else {"ended": 1})
        return RedirectResponse(f"/sign-in?{query}" if back != "/" else "/sign-in", status_code=303)

    async def not_allowed(request: Request, _error: Exception) -> Response:
        if not is_browser(request):
            return problem_response(ProblemCode.NOT_ALLOWED, "expected a role that may do this")
        gettext = words_of(request, site).gettext
        return site.message(
            request,
            403,
            gettext("This is not for your role"),
            gettext("Somebody else at this node can do it. If it should be you, ask your administrator."),
        )

    async def second_factor_owed(request: Request, _error: Exception) -> Response:
        if not is_browser(request):
            return problem_response(ProblemCode.NOT_ALLOWED, "expected an account with a second factor")
        return site.go("/account/second-factor", done="second-factor-owed")

    async def no_token(_request: Request, _error: Exception) -> Response:
        headers = {"WWW-Authenticate": 'Bearer realm="prevention-exchange"'}
        return problem_response(ProblemCode.NOT_SIGNED_IN, "expected a token that is in force", headers)

    async def out_of_scope(_request: Request, _error: Exception) -> Response:
        headers = {"WWW-Authenticate": 'Bearer realm="prevention-exchange", error="insufficient_scope"'}
        return problem_response(ProblemCode.NOT_ALLOWED, "expected a token that may do this", headers)

    async def own_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, NodeError | VerbError | ContractError)  # noqa: S101
        return show_error(site, request, error)

    async def wrong_address(request: Request, error: Exception) -> Response:
        if is_browser(request):
            return site.missing(request)
        return problem_response(ProblemCode.BAD_PARAMETER, "expected the parameters that this address takes")

    for kind in (NodeError, VerbError, ContractError):
        app.add_exception_handler(kind, own_error)
    app.add_exception_handler(RequestValidationError, wrong_address)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(NotSignedInError, not_signed_in)
    app.add_exception_handler(NotAllowedError, not_allowed)
    app.add_exception_handler(SecondFactorOwedError, second_factor_owed)
    app.add_exception_handler(NoTokenError, no_token)
    app.add_exception_handler(OutOfScopeError, out_of_scope)


def _is_only_a_button(site: Site, request: Request) -> bool:
    """Whether nothing is lost by going to the door; whoever is outside anyway was not signed out either."""
    path = getattr(request.scope.get("route"), "path", "")
    return path in NOTHING_TYPED or site.rights.get(("POST", path)) is Right.OUTSIDE


def status_of(error: NodeError | VerbError | ContractError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, ContractError):
        return STATUS[error.code]
    return STATUS_OF_CODE.get(error.code, 422)


def code_of(error: NodeError | VerbError | ContractError) -> str:
    """The code of an error, as a text."""
    return error.code.value if isinstance(error, ContractError) else error.code


def describe(error: NodeError | VerbError | ContractError) -> dict[str, Any]:
    """What the macro `error_summary` shows: the code, the precise sentence, and the field where there is one."""
    field = error.field if isinstance(error, FormError) else None
    return {"code": code_of(error), "detail": error.message, "field": field}


def show_error(site: Site, request: Request, error: NodeError | VerbError | ContractError) -> Response:
    """An error as a page of its own, or as a problem document."""
    status = status_of(error)
    if not is_browser(request):
        if isinstance(error, ContractError):
            return problem_response(error.code, error.message)
        code = ProblemCode.STALE if error.code in STALE else CODE_OF_STATUS.get(status, ProblemCode.BAD_PARAMETER)
        return problem_response(code, error.message, RETRY if code is ProblemCode.BUSY else None)
    gettext = words_of(request, site).gettext
    page = site.message(request, status, gettext("That did not go through"), "", error=describe(error))
    if status == STATUS[ProblemCode.BUSY]:
        page.headers.update(RETRY)
    return page
