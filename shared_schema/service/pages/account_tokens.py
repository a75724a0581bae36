"""My tokens for scripts: make one, see when it was last used, end it."""

from fastapi import Request
from fastapi.responses import Response

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.script_tokens import (
    DEFAULT_DAYS,
    MAX_DAYS,
    MAX_LABEL_CHARACTERS,
    ScriptToken,
    TokenError,
)
from shared_schema.service.pages.access import OWN_ACCOUNT, Visitor
from shared_schema.service.pages.account import explain
from shared_schema.service.pages.entering import check_is_owner
from shared_schema.service.pages.forms import Form, choices_of, number_of, text_of
from shared_schema.service.pages.site import Site, visitor_of
from shared_schema.service.translations import N_

FIELDS = {
    "token-label": "label",
    "token-scopes": "scopes",
    "token-days": "days",
    "password-wrong": "current",
    "sign-in-fresh": "current",
    "too-many": "current",
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Tokens(site)
    site.notices["token-revoked"] = N_("That token opens nothing any more.")
    site.get("/account/tokens", pages.show, OWN_ACCOUNT)
    site.post("/account/tokens", pages.make, OWN_ACCOUNT)
    site.post("/account/tokens/{token_id}/revoke", pages.revoke, OWN_ACCOUNT)


class Tokens:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The tokens, and the form for another one."""
        return self._page(request)

    def make(self, request: Request, form: Form) -> Response:
        """Make a token and show it, this once. A form that is sent twice makes one."""
        visitor, now = visitor_of(request), self._site.clock()
        try:
            label = text_of(form, "label", most=MAX_LABEL_CHARACTERS)
            scopes = choices_of(form, "scopes", self._offered(visitor))
            days = number_of(form, "days", least=1, most=MAX_DAYS)
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                if str(form.get("newest", "")) != _newest(
                    self._site.door.script_tokens.list_tokens(session, visitor.person_id)
                ):
                    raise TokenError(
                        "expected a form that was not sent before; look whether the token is there", code="token-made"
                    )
                shown, token = self._site.door.script_tokens.make_token(
                    session, visitor.person_id, label, scopes, days, now
                )
        except ProgramError as error:
            return self._page(request, error, form)
        return self._site.page(request, "token_made.html", shown=shown, token=token, scopes=self._site.program.scopes)

    def revoke(self, request: Request, token_id: int) -> Response:
        """End a token at once."""
        with self._site.database.write() as session:
            person = visitor_of(request).person_id
            if all(token.id != token_id for token in self._site.door.script_tokens.list_tokens(session, person)):
                return self._site.missing(request)
            self._site.door.script_tokens.revoke_token(session, person, token_id, self._site.clock())
        return self._site.go("/account/tokens", done="token-revoked")

    def _page(self, request: Request, error: ProgramError | None = None, form: Form | None = None) -> Response:
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            tokens = self._site.door.script_tokens.list_tokens(session, visitor.person_id)
        typed = {name: str(form.get(name, "")) for name in ("label", "days")} if form else {}
        return self._site.page(
            request,
            "account_tokens.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else explain(error, FIELDS),
            tokens=tokens,
            newest=_newest(tokens),
            scopes=self._site.program.scopes,
            offered=self._offered(visitor),
            chosen=form.getlist("scopes") if form else (),
            typed={"label": "", "days": str(DEFAULT_DAYS)} | typed,
        )

    def _offered(self, visitor: Visitor) -> list[str]:
        """What this person may do themselves; a token opens no more."""
        return [str(scope) for scope, (_, right) in self._site.program.scopes.items() if visitor.may(right)]


def _newest(tokens: tuple[ScriptToken, ...]) -> str:
    return str(tokens[0].id) if tokens else ""
