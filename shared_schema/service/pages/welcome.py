"""The page of a one-time link: somebody sets their password, the first or a new one."""

from fastapi import Request
from fastapi.responses import Response

from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.accounts.account import Account
from shared_schema.service.pages.access import OUTSIDE
from shared_schema.service.pages.entering import password_of
from shared_schema.service.pages.forms import Form, FormError
from shared_schema.service.pages.site import Site
from shared_schema.service.pages.statuses import describe
from shared_schema.service.passwords import PasswordError
from shared_schema.service.tokens import MAX_TOKEN_CHARACTERS
from shared_schema.service.translations import N_


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Welcome(site)
    site.notices["password-set"] = N_("Your password is set. Please sign in with it.")
    site.get("/welcome/{token}", pages.ask, OUTSIDE)
    site.post("/welcome/{token}", pages.set_password, OUTSIDE)


class Welcome:
    """The handlers. Looking spends nothing: programs that read mail look at links too."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def ask(self, request: Request, token: str) -> Response:
        """The form, while the link is open."""
        with self._site.database.read() as session:
            person = self._site.door.invitations.find_invited(session, token[:MAX_TOKEN_CHARACTERS], self._site.clock())
            account = self._site.door.accounts.get_account(session, person)
        return self._form(request, account)

    def set_password(self, request: Request, token: str, form: Form) -> Response:
        """Spend the link and set the password, both or neither."""
        token, now = token[:MAX_TOKEN_CHARACTERS], self._site.clock()
        with self._site.database.read() as session:
            account = self._site.door.accounts.get_account(
                session, self._site.door.invitations.find_invited(session, token, now)
            )
        password = password_of(form, "password")
        try:
            check_typed_twice(password, password_of(form, "again"))
            with self._site.database.write() as session:
                person = self._site.door.invitations.use_invitation(session, token, now)
                self._site.door.accounts.set_password(session, person, password, by=person, now=now)
        except (PasswordError, FormError) as error:
            return self._form(request, account, error)
        return self._site.go("/sign-in", done="password-set")

    def _form(self, request: Request, account: Account, error: ProgramError | ContractError | None = None) -> Response:
        return self._site.page(
            request,
            "welcome.html",
            status=200 if error is None else self._site.status_of(error),
            account=account,
            error=None if error is None else explain_password(error),
        )


def check_typed_twice(password: str, again: str) -> None:
    """Raise FormError when the two are not the same: nobody sees what they type."""
    if password != again:
        raise FormError("expected the same password twice", "again", code="password-twice")


def explain_password(error: ProgramError | ContractError) -> dict[str, object]:
    """An error about a password, at its field."""
    shown = describe(error)
    return shown | {"code": "password", "field": "password"} if isinstance(error, PasswordError) else shown
