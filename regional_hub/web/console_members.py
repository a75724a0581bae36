"""The members of the federation: how each one is doing, what it has handed in, and what an operator can do about it."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.keys import MemberStatus
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, FormError, choice_of, text_of
from shared_schema.service.pages.statuses import Failure, describe
from shared_schema.service.translations import N_

READING: Final[Mapping[str, tuple[str, str]]] = {
    "in-time": ("good", N_("in time")),
    "late": ("wait", N_("late")),
    "silent": ("bad", N_("silent")),
}
STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    MemberStatus.ACTIVE.value: ("good", N_("active")),
    MemberStatus.SUSPENDED.value: ("wait", N_("suspended")),
    MemberStatus.REVOKED.value: ("bad", N_("revoked")),
    MemberStatus.LEFT.value: ("plain", N_("has left")),
}
ROLES: Final[Mapping[str, str]] = {"node": N_("city"), "hub": N_("hub below"), "parent": N_("hub above")}
ITEM_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "in-force": ("good", N_("in force")),
    "narrowed": ("wait", N_("taken back in part")),
    "withdrawn": ("plain", N_("withdrawn")),
    "missing": ("bad", N_("content missing")),
}
CHANGES: Final[Mapping[str, MemberStatus]] = {
    "suspend": MemberStatus.SUSPENDED,
    "activate": MemberStatus.ACTIVE,
    "revoke": MemberStatus.REVOKED,
    "leave": MemberStatus.LEFT,
}
MAX_NAME_CHARACTERS: Final = 100
MAX_OPERATOR_CHARACTERS: Final = 120
"""As `names.Operator`."""
FOR_EVER: Final = ("revoke", "leave")
"""Nobody does these by a slip: the name of the member is typed."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleMembers(site)
    site.get("/members", pages.list_all, Right.SEE_CONSOLE)
    site.get("/members/{name}", pages.show, Right.SEE_CONSOLE)
    site.get("/members/{name}/items", pages.items, Right.SEE_CONSOLE)
    site.post("/members/{name}/state", pages.change_state, Right.OPERATE)
    site.post("/members/{name}/code", pages.make_code, Right.OPERATE)
    site.post("/members/{name}/operator", pages.say_operator, Right.OPERATE)
    site.notices.update(
        {
            "member-suspend": N_("The member is suspended. What it hands in is refused; it still reads."),
            "member-activate": N_("The member is active again."),
            "member-revoke": N_("The member's keys have ended. Everybody who reads the log knows it from here on."),
            "member-leave": N_("The member has left."),
            "operator-said": N_("The log says who runs this hub."),
        }
    )


class ConsoleMembers:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def list_all(self, request: Request) -> Response:
        """Everybody, with how far each one is."""
        return self._site.page(
            request,
            "console_members.html",
            members=self._site.run("members.list", {})["members"],
            size=self._site.run("status", {})["log_size"],
            **_words(),
        )

    def show(self, request: Request, name: str) -> Response:
        """One member."""
        return self._show(request, name)

    def items(self, request: Request, name: str) -> Response:
        """The last things that it has handed in."""
        found = self._find("members.items", name)
        if found is None:
            return self._site.missing(request)
        member = self._site.run("members.show", {"name": name})
        return self._site.page(
            request, "console_member_items.html", member=member, items=found["items"], item_states=ITEM_STATES
        )

    def change_state(self, request: Request, name: str, form: Form) -> Response:
        """Suspend, activate again, revoke or let leave; only what the page showed is changed."""
        try:
            change = choice_of(form, "change", CHANGES)
            if change in FOR_EVER and text_of(form, "typed", most=MAX_NAME_CHARACTERS) != name:
                raise FormError("expected the name of the member", "typed", code="name-typed")
            status = self._site.run("members.show", {"name": name})["status"]
            if form.get("seen") != status or status == CHANGES[change]:
                raise FormError("expected the state that the page showed", "change", code="changed")
            self._site.act(request, "members.set", {"name": name, "status": CHANGES[change].value})
        except (FormError, VerbError) as error:
            return self._show(request, name, error)
        return self._site.go(f"/members/{name}", done=f"member-{change}")

    def make_code(self, request: Request, name: str) -> Response:
        """A code for a new key, shown once."""
        try:
            made = self._site.act(request, "members.replace-key", {"name": name})
        except VerbError as error:
            return self._show(request, name, error)
        return self._site.page(request, "console_code.html", made=made, is_for_key=True)

    def say_operator(self, request: Request, name: str, form: Form) -> Response:
        """Who runs a hub below or above."""
        try:
            operator = text_of(form, "operator", least=1, most=MAX_OPERATOR_CHARACTERS)
            self._site.act(request, "members.operator", {"name": name, "operator": operator})
        except (FormError, VerbError) as error:
            return self._show(request, name, error)
        return self._site.go(f"/members/{name}", done="operator-said")

    def _show(self, request: Request, name: str, error: Failure | None = None) -> Response:
        member = self._find("members.show", name)
        if member is None:
            return self._site.missing(request)
        return self._site.page(
            request,
            "console_member.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else describe(error),
            member=member,
            history=self._site.run("members.history", {"name": name}),
            **_words(),
        )

    def _find(self, verb: str, name: str) -> dict[str, Any] | None:
        try:
            return self._site.run(verb, {"name": name})
        except VerbError as error:
            if error.code == "not-found":
                return None
            raise


def _words() -> dict[str, Any]:
    return {"reading": READING, "statuses": STATUSES, "roles": ROLES}
