"""What becomes of an error: for a person a page with what to do and a way back, for a program a problem document."""

from collections.abc import Awaitable
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from shared_schema.errors import ContractError, ProgramError
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.pages.access import OUTSIDE
from shared_schema.service.pages.site import (
    NotAllowedError,
    NoTokenError,
    NotSignedInError,
    OutOfScopeError,
    SecondFactorOwedError,
    Site,
    words_of,
)
from shared_schema.service.pages.statuses import CODE_OF_STATUS, STALE, Failure, describe, status_of
from shared_schema.service.problems import STATUS, problem_response

RETRY: Final = {"Retry-After": "5"}
SIGN_OUT: Final = "/sign-out"


def install(app: FastAPI, site: Site) -> None:
    """Answer every error of a page."""
    for_programs = app.exception_handlers[HTTPException]
    wrong_parameter = app.exception_handlers[RequestValidationError]

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if error.status_code == 404 and site.is_browser(request):
            return site.missing(request)
        answer = for_programs(request, error)
        return await answer if isinstance(answer, Awaitable) else answer

    async def not_signed_in(request: Request, _error: Exception) -> Response:
        if not site.is_browser(request):
            return problem_response(ProblemCode.NOT_SIGNED_IN, "expected somebody who is signed in")
        if request.method == "POST" and not _is_only_a_button(site, request):
            return site.page(request, "signed_out.html", status=401)
        back = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        query = urlencode({"next": back} if request.method == "GET" else {"ended": 1})
        return RedirectResponse(f"/sign-in?{query}" if back != "/" else "/sign-in", status_code=303)

    async def not_allowed(request: Request, _error: Exception) -> Response:
        if not site.is_browser(request):
            return problem_response(ProblemCode.NOT_ALLOWED, "expected a role that may do this")
        gettext = words_of(request, site).gettext
        return site.message(
            request,
            403,
            gettext("This is not for your role"),
            gettext("Somebody else here can do it. If it should be you, ask your administrator."),
        )

    async def second_factor_owed(request: Request, _error: Exception) -> Response:
        if not site.is_browser(request):
            return problem_response(ProblemCode.NOT_ALLOWED, "expected an account with a second factor")
        return site.go("/account/second-factor", done="second-factor-owed")

    async def no_token(_request: Request, _error: Exception) -> Response:
        headers = {"WWW-Authenticate": 'Bearer realm="prevention-exchange"'}
        return problem_response(ProblemCode.NOT_SIGNED_IN, "expected a token that is in force", headers)

    async def out_of_scope(_request: Request, _error: Exception) -> Response:
        headers = {"WWW-Authenticate": 'Bearer realm="prevention-exchange", error="insufficient_scope"'}
        return problem_response(ProblemCode.NOT_ALLOWED, "expected a token that may do this", headers)

    async def own_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProgramError | VerbError | ContractError)  # noqa: S101
        return show_error(site, request, error)

    async def wrong_address(request: Request, error: Exception) -> Response:
        if site.is_browser(request):
            return site.missing(request)
        answer = wrong_parameter(request, error)
        return await answer if isinstance(answer, Awaitable) else answer

    for kind in (ProgramError, VerbError, ContractError):
        app.add_exception_handler(kind, own_error)
    app.add_exception_handler(RequestValidationError, wrong_address)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(NotSignedInError, not_signed_in)
    app.add_exception_handler(NotAllowedError, not_allowed)
    app.add_exception_handler(SecondFactorOwedError, second_factor_owed)
    app.add_exception_handler(NoTokenError, no_token)
    app.add_exception_handler(OutOfScopeError, out_of_scope)


def _is_only_a_button(site: Site, request: Request) -> bool:
    """Whether nothing is lost by going to the door; whoever is outside anyway was not signed out either.

    What another form sent stays in its window, to be sent again: a redirection would lose it.
    """
    path = getattr(request.scope.get("route"), "path", "")
    is_button = path == SIGN_OUT or path in site.program.buttons
    return is_button or site.rights.get(("POST", path)) == OUTSIDE


def show_error(site: Site, request: Request, error: Failure) -> Response:
    """An error as a page of its own, or as a problem document."""
    program = site.program
    status = status_of(error, program.statuses)
    if not site.is_browser(request):
        if isinstance(error, ContractError):
            return problem_response(error.code, error.message)
        code = (
            ProblemCode.STALE
            if error.code in STALE | program.stale
            else CODE_OF_STATUS.get(status, ProblemCode.BAD_PARAMETER)
        )
        return problem_response(code, error.message, RETRY if code is ProblemCode.BUSY else None)
    gettext = words_of(request, site).gettext
    page = site.message(request, status, gettext("That did not go through"), "", error=describe(error))
    if status == STATUS[ProblemCode.BUSY]:
        page.headers.update(RETRY)
    return page
