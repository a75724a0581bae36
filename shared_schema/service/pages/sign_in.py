"""Signing in and out, and the language of the pages."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from shared_schema.service.accounts.sessions import SignInError
from shared_schema.service.pages.access import OUTSIDE
from shared_schema.service.pages.entering import drop_cookie, enter, hash_of_cookie, password_of
from shared_schema.service.pages.forms import Form, choice_of, text_of
from shared_schema.service.pages.site import LANGUAGE_COOKIE, SESSION_COOKIE, Site, local_path
from shared_schema.service.translations import N_, OWN_NAMES

MAX_NAME: Final = 100
A_YEAR: Final = 365 * 24 * 3600


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = SignIn(site)
    site.notices["signed-out"] = N_("You are signed out.")
    site.get("/sign-in", pages.ask, OUTSIDE)
    site.post("/sign-in", pages.sign_in, OUTSIDE)
    site.post("/sign-out", pages.sign_out, OUTSIDE)
    site.post("/language", pages.choose_language, OUTSIDE)


class SignIn:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def ask(self, request: Request, next: str = "/", ended: bool = False) -> Response:
        """The form. Whoever is signed in already goes on."""
        if request.state.visitor is not None:
            return self._site.go(local_path(next))
        return self._form(request, next, ended=ended)

    def sign_in(self, request: Request, form: Form) -> Response:
        """Begin a session, or say that name and password do not fit, whichever of them it is."""
        name, password = text_of(form, "person", most=MAX_NAME), password_of(form, "password")
        back, now = local_path(str(form.get("next", "/"))), self._site.clock()
        try:
            with self._site.database.read() as session:
                self._site.door.sessions.check_may_try(session, name, now)
                account = self._site.door.accounts.check_credentials(session, name, password)
                mark = self._site.door.accounts.password_mark(session, name)
            with self._site.database.write() as session:
                self._site.door.sessions.check_may_try(session, name, now)  # others have tried in the meantime
                if account is None:
                    self._site.door.sessions.note_failure(session, name, now)
        except SignInError as error:
            return self._form(request, back, name=name, code=error.code, status=429)
        if account is None:
            return self._form(request, back, name=name, code="sign-in", status=403)
        try:
            answer = enter(self._site, request, account, back, mark=mark)
        except SignInError as error:
            return self._form(request, back, name=name, code=error.code, status=403)
        with self._site.database.write() as session:
            self._site.door.accounts.renew_hash(session, account.person_id, password)
        return answer

    def sign_out(self, request: Request) -> Response:
        """End the session here and in the browser."""
        with self._site.database.write() as session:
            self._site.door.sessions.end(session, hash_of_cookie(request), self._site.clock())
        answer = self._site.go("/sign-in", done="signed-out")
        drop_cookie(answer, SESSION_COOKIE)
        return answer

    def choose_language(self, request: Request, form: Form) -> Response:
        """Keep the language, in the account of whoever is signed in and in a cookie, and go back to the same page."""
        code = choice_of(form, "language", OWN_NAMES)
        visitor = request.state.visitor
        if visitor is not None:
            with self._site.database.write() as session:
                self._site.door.accounts.choose_language(session, visitor.person_id, code)
        answer = self._site.go(local_path(str(form.get("next", "/"))))
        answer.set_cookie(LANGUAGE_COOKIE, code, path="/", max_age=A_YEAR, httponly=True, samesite="lax")
        return answer

    def _form(
        self, request: Request, back: str, *, name: str = "", code: str = "", status: int = 200, ended: bool = False
    ) -> Response:
        error = {"code": code, "detail": "", "field": "person"} if code else None
        page = self._site.page(
            request,
            "sign_in.html",
            status=status,
            back=local_path(back),
            name=name,
            error=error,
            ended=ended,
            has_single_sign_on=self._site.has_single_sign_on,
        )
        if status == 429:
            page.headers["Retry-After"] = str(15 * 60)
        return page
