"""The second step of signing in: the code of the telephone, or a recovery code. Only then there is a session."""

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import Account
from shared_schema.service.accounts.second_factor import SecondFactorError
from shared_schema.service.accounts.sessions import SignInError
from shared_schema.service.pages.access import OUTSIDE
from shared_schema.service.pages.entering import STEP_COOKIE, let_in, open_session
from shared_schema.service.pages.forms import Form
from shared_schema.service.pages.site import Site, local_path
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_

MAX_CODE_CHARACTERS = 60


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = SignInCode(site)
    site.notices["recovery-code-used"] = N_(
        "You used a recovery code. It works once; look under My account how many are left."
    )
    site.get("/sign-in/code", pages.ask, OUTSIDE)
    site.post("/sign-in/code", pages.check, OUTSIDE)


class SignInCode:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def ask(self, request: Request, next: str = "/") -> Response:
        """The form for the code; whoever has not given a password yet does that first."""
        with self._site.database.read() as session:
            if self._find_owner(session, request) is None:
                return self._site.go("/sign-in", next=local_path(next))
        return self._form(request, next)

    def check(self, request: Request, form: Form) -> Response:
        """Open the session, or count one more failure: together with those of the password."""
        typed, back = str(form.get("code", ""))[:MAX_CODE_CHARACTERS], str(form.get("next", "/"))
        now, error, token, used_recovery = self._site.clock(), None, "", False
        with self._site.database.write() as session:
            owner = self._find_owner(session, request)
            if owner is None:
                return self._site.go("/sign-in", next=local_path(back))
            try:
                self._site.door.sessions.check_may_try(session, owner.person_id, now)
                used_recovery = self._site.door.second_factor.spend_code(session, owner.person_id, typed, now)
            except (SignInError, SecondFactorError) as refusal:
                error = refusal
                if isinstance(refusal, SecondFactorError):
                    self._site.door.sessions.note_failure(session, owner.person_id, now)
            else:
                self._site.door.second_steps.end(session, request.cookies[STEP_COOKIE])
                token = open_session(self._site, session, request, owner)
        if error is not None:
            return self._form(request, back, error)
        return let_in(self._site, token, back, done="recovery-code-used" if used_recovery else "")

    def _find_owner(self, session: Session, request: Request) -> Account | None:
        person = self._site.door.second_steps.find(session, request.cookies.get(STEP_COOKIE, ""), self._site.clock())
        account = None if person is None else self._site.door.accounts.find_account(session, person)
        return None if account is None or account.is_disabled else account

    def _form(self, request: Request, back: str, error: ProgramError | None = None) -> Response:
        status = 200 if error is None else 429 if error.code == "too-many" else 403
        shown = None if error is None else describe(error) | {"field": "code", "detail": ""}
        page = self._site.page(request, "sign_in_code.html", status=status, back=local_path(back), error=shown)
        if status == 429:
            page.headers["Retry-After"] = str(15 * 60)
        return page
