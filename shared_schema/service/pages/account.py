"""My account: name, e-mail and language, the password, and where I am signed in."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.accounts.account import MAX_NAME_CHARACTERS
from shared_schema.service.accounts.changes import MAX_EMAIL_CHARACTERS
from shared_schema.service.accounts.sessions import LONGEST_QUIET, OpenSession, SignInError
from shared_schema.service.pages.access import OWN_ACCOUNT, Visitor
from shared_schema.service.pages.entering import check_is_owner, let_in, open_session, password_of
from shared_schema.service.pages.forms import Form, FormError, choice_of, text_of
from shared_schema.service.pages.site import SESSION_COOKIE, NotSignedInError, Site, visitor_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.pages.welcome import check_typed_twice, explain_password
from shared_schema.service.passwords import PasswordError
from shared_schema.service.translations import N_, OWN_NAMES

ID_CHARACTERS = 16
"""Of a session's hash in a form: enough to tell one's own sessions apart; a hash signs nobody in."""
FIELDS = {"name": "name", "account-email": "email", "password-wrong": "current", "sign-in-fresh": "current"}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Account(site)
    site.notices["saved"] = N_("Saved.")
    site.notices["password-changed"] = N_("Your password is changed. Everywhere else you are signed out.")
    site.notices["session-ended"] = N_("Signed out there.")
    site.get("/account", pages.show, OWN_ACCOUNT)
    site.post("/account", pages.save, OWN_ACCOUNT)
    site.get("/account/password", pages.ask_password, OWN_ACCOUNT)
    site.post("/account/password", pages.change_password, OWN_ACCOUNT)
    site.post("/account/sessions", pages.end_sessions, OWN_ACCOUNT)


class Account:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Everything about this account, and what can be changed."""
        account = visitor_of(request).account
        return self._page(request, {"name": account.name, "email": account.email or "", "language": account.language})

    def save(self, request: Request, form: Form) -> Response:
        """Keep name, e-mail and language."""
        visitor = visitor_of(request)
        typed: dict[str, Any] = {name: str(form.get(name, "")) for name in ("name", "email", "language")}
        try:
            language = choice_of(form, "language", ("", *OWN_NAMES))
            with self._site.database.write() as session:
                self._site.program.changes.change_own(
                    session,
                    visitor.person_id,
                    name=text_of(form, "name", most=MAX_NAME_CHARACTERS),
                    email=text_of(form, "email", most=MAX_EMAIL_CHARACTERS),
                    language=language or None,
                    now=self._site.clock(),
                )
        except ProgramError as error:
            return self._page(request, typed, error)
        return self._site.go("/account", done="saved")

    def ask_password(self, request: Request) -> Response:
        """The form for another password."""
        return self._password_form(request)

    def change_password(self, request: Request, form: Form) -> Response:
        """Set another password, after the old one was asked. Every session ends; this browser gets a new one."""
        visitor, password = visitor_of(request), password_of(form, "password")
        try:
            check_typed_twice(password, password_of(form, "again"))
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                if (
                    self._site.door.sessions.find_session(
                        session, request.cookies.get(SESSION_COOKIE, ""), self._site.clock()
                    )
                    is None
                ):
                    raise NotSignedInError  # ended while the old password was checked: perhaps by a reset
                self._site.door.accounts.set_password(
                    session, visitor.person_id, password, by=visitor.person_id, now=self._site.clock()
                )
                token = open_session(self._site, session, request, visitor.account)
        except (PasswordError, FormError, SignInError) as error:
            return self._password_form(request, error)
        return let_in(self._site, token, "/account", done="password-changed")

    def end_sessions(self, request: Request, form: Form) -> Response:
        """Sign out one other session of this account, or all others."""
        visitor, which = visitor_of(request), str(form.get("session", ""))
        now = self._site.clock()
        with self._site.database.write() as session:
            if which == "others":
                if self._site.door.accounts.end_sessions(session, visitor.person_id, keep=visitor.session_hash):
                    self._site.door.record(session, visitor.person_id, "session.others-ended", visitor.person_id, now)
            else:
                for known in self._site.door.sessions.list_sessions(session, visitor.person_id, now):
                    if known.token_hash[:ID_CHARACTERS] == which and known.token_hash != visitor.session_hash:
                        self._site.door.sessions.end(session, known.token_hash, now)
        return self._site.go("/account", done="session-ended")

    def _page(self, request: Request, typed: dict[str, Any], error: ProgramError | None = None) -> Response:
        visitor, now = visitor_of(request), self._site.clock()
        with self._site.database.read() as session:
            signed_in = [
                known
                for known in self._site.door.sessions.list_sessions(session, visitor.person_id, now)
                if now - self._site.last_seen(known.token_hash, known.seen_at) <= LONGEST_QUIET
            ]
            factor = self._site.door.second_factor.standing(session, visitor.person_id)
            tokens = self._site.door.script_tokens.list_tokens(session, visitor.person_id)
        return self._site.page(
            request,
            "account.html",
            status=200 if error is None else self._site.status_of(error),
            typed=typed,
            error=None if error is None else explain(error, FIELDS),
            factor=factor,
            sessions=[self._session(known, visitor) for known in signed_in],
            tokens_in_force=sum(token.is_in_force(now) for token in tokens),
        )

    def _session(self, known: OpenSession, visitor: Visitor) -> dict[str, Any]:
        return {
            "id": known.token_hash[:ID_CHARACTERS],
            "client": known.client,
            "began_at": known.began_at,
            "seen_at": self._site.last_seen(known.token_hash, known.seen_at),
            "is_this": known.token_hash == visitor.session_hash,
        }

    def _password_form(self, request: Request, error: ProgramError | ContractError | None = None) -> Response:
        shown = None if error is None else explain_password(error)
        if isinstance(error, SignInError):
            shown = explain(error, FIELDS)
        status = 200 if error is None else self._site.status_of(error)
        return self._site.page(request, "account_password.html", status=status, error=shown)


def explain(error: ProgramError, fields: Mapping[str, str]) -> dict[str, Any]:
    """An error for `error_summary`, at the field that its code is about."""
    shown = describe(error)
    return shown | {"field": shown["field"] or fields.get(error.code)}
