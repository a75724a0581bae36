"""Admitting members: a one-time code, and the fingerprint that is read out by telephone and typed here.

The page never shows the fingerprint of who waits: whoever could copy it would not telephone.
"""

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.console_members import MAX_NAME_CHARACTERS, MAX_OPERATOR_CHARACTERS, ROLES
from regional_hub.web.site import Site
from shared_schema.keys import MemberRole
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, FormError, text_of
from shared_schema.service.pages.statuses import Failure, describe
from shared_schema.service.translations import N_

MAX_TYPED = 200
"""A fingerprint has 49 characters; people type spaces and dashes as they like."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleEnrolments(site)
    site.get("/enrolments", pages.show, Right.SEE_CONSOLE)
    site.post("/enrolments", pages.make_code, Right.OPERATE)
    site.post("/enrolments/{name}/approve", pages.approve, Right.OPERATE)
    site.notices["member-admitted"] = N_("The member is admitted. Everybody who reads the log knows it from here on.")


class ConsoleEnrolments:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Who waits, and the form for a new code."""
        return self._show(request)

    def make_code(self, request: Request, form: Form) -> Response:
        """A code for a new member, shown once."""
        name = ""
        try:
            name = text_of(form, "member", least=1, most=MAX_NAME_CHARACTERS)
            made = self._site.act(request, "enrol.code", {"name": name})
        except (FormError, VerbError) as error:
            return self._show(request, error, typed=name)
        return self._site.page(request, "console_code.html", made=made, is_for_key=False)

    def approve(self, request: Request, name: str, form: Form) -> Response:
        """Admit who waits, when the typed fingerprint is that of the waiting key."""
        operator: str | None = None
        try:
            fingerprint = text_of(form, "fingerprint", least=1, most=MAX_TYPED)
            said: dict[str, str] = {}
            if "operator" in form:  # not in that of a city; in that of a hub an empty one says that nobody knows
                operator = said["operator"] = text_of(form, "operator", most=MAX_OPERATOR_CHARACTERS)
            self._site.act(request, "enrol.approve", {"name": name, "fingerprint": fingerprint} | said)
        except (FormError, VerbError) as error:
            return self._show(request, error, about=name, operator=operator)
        return self._site.go(f"/members/{name}", done="member-admitted")

    def _show(
        self,
        request: Request,
        error: Failure | None = None,
        *,
        typed: str = "",
        about: str = "",
        operator: str | None = None,
    ) -> Response:
        return self._site.page(
            request,
            "console_enrolments.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else describe(error),
            waiting=self._site.run("enrol.list", {})["waiting"],
            roles=ROLES,
            typed=typed,
            about=about,
            operator=operator,
            hub_role=MemberRole.HUB.value,
        )
