"""My second factor: set it up with a telephone, keep the recovery codes, turn it off."""

from typing import Any

import segno
from fastapi import Request
from fastapi.responses import Response
from markupsafe import Markup

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.one_time_codes import address_for_telephone
from shared_schema.service.pages.access import OWN_ACCOUNT
from shared_schema.service.pages.account import explain
from shared_schema.service.pages.entering import check_is_owner
from shared_schema.service.pages.forms import Form
from shared_schema.service.pages.sign_in_code import MAX_CODE_CHARACTERS
from shared_schema.service.pages.site import Site, visitor_of
from shared_schema.service.translations import N_

FIELDS = {
    "second-factor-code": "code",
    "password-wrong": "current",
    "sign-in-fresh": "current",
    "too-many": "current",
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = SecondFactor(site)
    site.notices["second-factor-owed"] = N_(
        "Here your role needs a second factor. Please set it up now; it takes two minutes."
    )
    site.notices["second-factor-off"] = N_("The second factor is off. Remove the entry from your telephone, too.")
    site.get("/account/second-factor", pages.show, OWN_ACCOUNT)
    site.post("/account/second-factor/begin", pages.begin, OWN_ACCOUNT)
    site.post("/account/second-factor/confirm", pages.confirm, OWN_ACCOUNT)
    site.post("/account/second-factor/codes", pages.renew_codes, OWN_ACCOUNT)
    site.post("/account/second-factor/off", pages.turn_off, OWN_ACCOUNT)


class SecondFactor:
    """The handlers. Whatever weakens an account asks for the password once more."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """How it stands: off, waiting for the first code, or on."""
        return self._page(request)

    def begin(self, request: Request, form: Form) -> Response:
        """Make a secret for the telephone."""
        visitor = visitor_of(request)
        try:
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                self._site.door.second_factor.begin(session, visitor.person_id, self._site.clock())
        except ProgramError as error:
            return self._page(request, error)
        return self._site.go("/account/second-factor")

    def confirm(self, request: Request, form: Form) -> Response:
        """Turn it on with the first code, and show the recovery codes, this once."""
        person, typed = visitor_of(request).person_id, str(form.get("code", ""))[:MAX_CODE_CHARACTERS]
        try:
            with self._site.database.write() as session:
                codes = self._site.door.second_factor.confirm(session, person, typed, self._site.clock())
        except ProgramError as error:
            return self._page(request, error)
        return self._site.page(request, "account_codes.html", codes=codes, is_new=True)

    def renew_codes(self, request: Request, form: Form) -> Response:
        """Ten new recovery codes in the place of the old ones."""
        visitor = visitor_of(request)
        try:
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                codes = self._site.door.second_factor.renew_recovery_codes(
                    session, visitor.person_id, self._site.clock()
                )
        except ProgramError as error:
            return self._page(request, error)
        return self._site.page(request, "account_codes.html", codes=codes, is_new=False)

    def turn_off(self, request: Request, form: Form) -> Response:
        """Take it away."""
        visitor = visitor_of(request)
        try:
            check_is_owner(self._site, visitor, form)
            with self._site.database.write() as session:
                self._site.door.second_factor.remove(
                    session, visitor.person_id, by=visitor.person_id, now=self._site.clock()
                )
        except ProgramError as error:
            return self._page(request, error)
        return self._site.go("/account/second-factor", done="second-factor-off")

    def _page(self, request: Request, error: ProgramError | None = None) -> Response:
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            standing = self._site.door.second_factor.standing(session, visitor.person_id)
            secret = self._site.door.second_factor.waiting_secret(session, visitor.person_id, self._site.clock())
            is_required = self._site.program.needs_second_factor(session, visitor.roles)
        return self._site.page(
            request,
            "account_factor.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else explain(error, FIELDS),
            standing=standing,
            secret=None if secret is None else _in_groups(secret),
            square=None if secret is None else self._square(secret, visitor.person_id),
            is_required=is_required,
        )

    def _square(self, secret: str, person: str) -> Markup:
        """The square that a telephone reads: dark on light in every colour scheme, without a style of its own."""
        address = address_for_telephone(secret, person, self._site.place.display_name)
        drawn: Any = segno.make(address, error="m", micro=False)
        svg = drawn.svg_inline(scale=5, border=4, dark="#000", light="#fff", svgclass="square", lineclass=None)
        return Markup(svg)  # noqa: S704 - made here; the address is drawn and stands in it nowhere as text


def _in_groups(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
