"""My tokens for scripts: make one, see when it was last used, end it."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from local_node import script_tokens
from local_node.errors import NodeError
from local_node.script_tokens import Scope
from local_node.web.access import Right, Visitor
from local_node.web.account import explain
from local_node.web.entering import check_is_owner
from local_node.web.failures import status_of
from local_node.web.forms import Form, choices_of, number_of, text_of
from local_node.web.site import Site, visitor_of
from shared_schema.service.translations import N_

SCOPES: Final = {
    Scope.RETURNS_WRITE: (N_("hand in returns"), Right.ENTER_RETURNS),
    Scope.INBOX_READ: (N_("read lessons in the inbox"), Right.READ_INBOX),
    Scope.FIGURES_READ: (N_("read published figures"), Right.SEE_PICTURE),
    Scope.SYNC: (N_("exchange with the hubs now"), Right.SYNC_NOW),
}
"""Scope → what it lets a script do, and the right that its owner needs for it."""
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
    site.get("/account/tokens", pages.show, Right.OWN_ACCOUNT)
    site.post("/account/tokens", pages.make, Right.OWN_ACCOUNT)
    site.post("/account/tokens/{token_id}/revoke", pages.revoke, Right.OWN_ACCOUNT)


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
            label = text_of(form, "label", most=script_tokens.MAX_LABEL_CHARACTERS)
            scopes = choices_of(form, "scopes", [scope.value for scope in _offered(visitor)])
            days = number_of(form, "days", least=1, most=script_tokens.MAX_DAYS)
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                if str(form.get("newest", "")) != _newest(script_tokens.list_tokens(session, visitor.person_id)):
                    raise script_tokens.TokenError(
                        "expected a form that was not sent before; look whether the token is there", code="token-made"
                    )
                shown, token = script_tokens.make_token(session, visitor.person_id, label, scopes, days, now)
        except NodeError as error:
            return self._page(request, error, form)
        return self._site.page(request, "token_made.html", shown=shown, token=token, scopes=SCOPES)

    def revoke(self, request: Request, token_id: int) -> Response:
        """End a token at once."""
        with self._site.database.write() as session:
            person = visitor_of(request).person_id
            if all(token.id != token_id for token in script_tokens.list_tokens(session, person)):
                return self._site.missing(request)
            script_tokens.revoke_token(session, person, token_id, self._site.clock())
        return self._site.go("/account/tokens", done="token-revoked")

    def _page(self, request: Request, error: NodeError | None = None, form: Form | None = None) -> Response:
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            tokens = script_tokens.list_tokens(session, visitor.person_id)
        typed = {name: str(form.get(name, "")) for name in ("label", "days")} if form else {}
        return self._site.page(
            request,
            "account_tokens.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else explain(error, FIELDS),
            tokens=tokens,
            newest=_newest(tokens),
            scopes=SCOPES,
            offered=_offered(visitor),
            chosen=form.getlist("scopes") if form else (),
            typed={"label": "", "days": str(script_tokens.DEFAULT_DAYS)} | typed,
        )


def _offered(visitor: Visitor) -> list[Scope]:
    """What this person may do themselves; a token opens no more."""
    return [scope for scope, (_, right) in SCOPES.items() if visitor.may(right)]


def _newest(tokens: tuple[script_tokens.ScriptToken, ...]) -> str:
    return str(tokens[0].id) if tokens else ""
