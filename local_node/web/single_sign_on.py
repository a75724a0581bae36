"""Signing in through the city's own sign-on service, where one is configured.

The browser carries the three random values of its attempt in a cookie of its own, so nothing is written before
somebody has come back with an answer that fits. Who comes back is signed in only where an administrator has linked an
account; and where that account has a second factor here, the code is asked for as ever.
"""

import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from local_node import sign_on_links
from local_node.door import accounts
from local_node.web.access import Right
from local_node.web.site import Site
from shared_schema.errors import ProgramError
from shared_schema.service.pages.entering import drop_cookie, enter, set_cookie
from shared_schema.service.pages.site import local_path
from shared_schema.service.pages.statuses import describe

if TYPE_CHECKING:  # its library is an optional extra
    from local_node.sign_on_client import SignOnService

ATTEMPT_COOKIE: Final = "__Host-sign-on"
ATTEMPT_SECONDS: Final = 600
MAX_WANTED: Final = 2_000
MAX_COOKIE: Final = MAX_WANTED + 300
MAX_CODE: Final = 4_000
BACK_PATH: Final = "/sign-in/single/back"


def install(site: Site) -> None:
    """Add the pages of this module; without a service they are not there."""
    pages = SingleSignOn(site)
    site.get("/sign-in/single", pages.begin, Right.OUTSIDE)
    site.get(BACK_PATH, pages.come_back, Right.OUTSIDE)


class SingleSignOn:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def begin(self, request: Request, next: str = "/") -> Response:
        """Send the browser to the service, with an attempt of its own."""
        service = self._site.sign_on
        if service is None:
            return self._site.missing(request)
        from local_node.sign_on import Attempt

        attempt = Attempt(*(secrets.token_urlsafe(32) for _ in range(3)))
        try:
            address = service.begin(attempt)
        except ProgramError as error:
            return self._refused(request, error)
        answer = RedirectResponse(address, status_code=303)
        wanted = quote(local_path(next), safe="/?&=%")  # a cookie has no letters beyond Latin
        kept = f"{attempt.to_cookie()}|{wanted if len(wanted) <= MAX_WANTED else '/'}"
        set_cookie(answer, ATTEMPT_COOKIE, kept, seconds=ATTEMPT_SECONDS)
        return answer

    def come_back(
        self, request: Request, state: str = "", code: str = "", iss: str | None = None, error: str = ""
    ) -> Response:
        """Check the answer of the service, and let in whoever an administrator has linked."""
        service = self._site.sign_on
        if service is None:
            return self._site.missing(request)
        try:
            return self._let_in(request, service, state, code, iss, refused=bool(error))
        except ProgramError as problem:
            return self._refused(request, problem)

    def _let_in(
        self, request: Request, service: "SignOnService", state: str, code: str, who: str | None, *, refused: bool
    ) -> Response:
        from local_node.sign_on import SignOnError, parse_attempt

        kept, _, back = request.cookies.get(ATTEMPT_COOKIE, "")[:MAX_COOKIE].partition("|")
        attempt = parse_attempt(kept)
        if refused or not 1 <= len(code) <= MAX_CODE:
            raise SignOnError("expected a code of the sign-on service, got a refusal", code="sign-on-refused")
        identity = service.finish(attempt, state=state, code=code, who=who)
        with self._site.database.write() as session:
            person = sign_on_links.find_linked(
                session, identity.issuer, identity.subject, identity.email, self._site.clock()
            )
            account = None if person is None else accounts.find_account(session, person)
        if account is None or account.is_disabled:
            raise SignOnError("expected somebody whom an administrator has linked", code="sign-on-nobody")
        answer = enter(self._site, request, account, local_path(back))
        drop_cookie(answer, ATTEMPT_COOKIE)
        return answer

    def _refused(self, request: Request, error: ProgramError) -> Response:
        shown = describe(error) | {"detail": "" if error.code == "sign-on-nobody" else error.message}
        page = self._site.page(
            request,
            "sign_in.html",
            status=503 if error.code == "sign-on-unreachable" else 403,
            back="/",
            name="",
            error=shown,
            ended=False,
            has_single_sign_on=True,
        )
        drop_cookie(page, ATTEMPT_COOKIE)
        return page
