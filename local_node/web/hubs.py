"""The hubs of this node, and the list of what is left to do until it works with one."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from local_node import hub_client, sync
from local_node.door import accounts
from local_node.hub_client import PinnedHub
from local_node.orm import AgencyRow, AuditRow
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.site import Site, visitor_of
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, choice_of, text_of
from shared_schema.service.pages.site import text_in
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_

ASKED: Final = "hub.asked"
MAX_URL: Final = 300
MAX_TYPED: Final = 200


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = HubPages(site)
    site.notices |= {
        "hub-added": N_("The hub is added. Now ask to become its member: its operator gives you a one-time code."),
        "hub-asked": N_(
            "Asked. Read your fingerprint out to the operator on the telephone. When you are approved, exchange once."
        ),
        "synced": N_("Exchanged: everything was read and checked, and what was ready is sent."),
        "synced-partly": N_("Exchanged, but something did not go through. The page says what; nothing is lost."),
    }
    site.get("/hubs", pages.show, Right.SYNC_NOW)
    site.post("/hubs/sync", pages.sync, Right.SYNC_NOW)
    site.post("/hubs/add", pages.add, Right.MANAGE_SETTINGS)
    site.post("/hubs/enrol", pages.enrol, Right.MANAGE_SETTINGS)
    site.get("/set-up", pages.show_list, Right.MANAGE_SETTINGS)


@dataclass(frozen=True, slots=True)
class HubView:
    """A hub as the page shows it: how far it is, in one word, and whether membership was asked for."""

    hub: PinnedHub
    state: str
    asked: bool

    @property
    def fingerprint(self) -> str:
        return self.hub.verifier.key.fingerprint


class HubPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Every hub with its state, and the forms to add one, to become its member, and to sync."""
        return self._page(request)

    def add(self, request: Request, form: Form) -> Response:
        """Pin a hub whose fingerprint was typed in."""
        try:
            url, fingerprint = (
                text_of(form, "url", least=1, most=MAX_URL),
                text_of(form, "fingerprint", least=1, most=MAX_TYPED),
            )
            person = visitor_of(request).person_id
            self._site.run("hub.add", {"url": url, "fingerprint": fingerprint, "by": person})
        except (ProgramError, VerbError, ContractError) as error:
            field = {"fingerprint-mismatch": "fingerprint"}.get(str(describe(error)["code"]), "url")
            return self._page(request, form=form, error=error, field=field)
        return self._site.go(_back(form), done="hub-added")

    def enrol(self, request: Request, form: Form) -> Response:
        """Ask a hub to become its member."""
        with self._site.database.read() as session:
            known = [hub.name for hub in hub_client.list_hubs(session)]
        try:
            name = choice_of(form, "hub", known)
            code = text_of(form, "code", least=1, most=MAX_TYPED)
            self._site.run("hub.enrol", {"hub": name, "code": code, "by": visitor_of(request).person_id})
        except (ProgramError, VerbError, ContractError) as error:
            return self._page(request, form=form, error=error, field="code")
        return self._site.go(_back(form), done="hub-asked")

    def sync(self, request: Request, form: Form) -> Response:
        """One round with every hub, now."""
        result = self._site.run("sync", {"patient": False})
        is_partly = any(result[what] for what in ("alarms", "problems", "refused"))
        return self._site.go(_back(form), done="synced-partly" if is_partly else "synced")

    def show_list(self, request: Request) -> Response:
        """What is left until this node works with others, in order, each with its state."""
        with self._site.database.read() as session:
            hubs = _views(session)
            people = accounts.list_accounts(session)
            agencies = session.scalar(select(func.count()).select_from(AgencyRow).where(AgencyRow.ended_at.is_(None)))
        return self._site.page(
            request,
            "set_up.html",
            hubs=hubs,
            is_member=any(view.hub.enrolled for view in hubs),
            waiting=next((view for view in hubs if view.asked and not view.hub.enrolled), None),
            to_invite=[each for each in people if not each.has_password and not each.is_disabled],
            agencies=agencies or 0,
        )

    def _page(
        self,
        request: Request,
        *,
        form: Form | None = None,
        error: ProgramError | VerbError | ContractError | None = None,
        field: str = "",
    ) -> Response:
        with self._site.database.read() as session:
            hubs, alarms = _views(session), sync.list_alarms(session)
        shown = None if error is None else describe(error)
        if shown is not None:
            shown["field"] = shown["field"] or field
        typed = {name: text_in(form, name) for name in ("url", "fingerprint", "code", "hub")} if form else {}
        return self._site.page(
            request,
            "hubs.html",
            status=200 if error is None else status_of(error),
            hubs=hubs,
            alarms=alarms,
            typed=typed,
            error=shown,
        )


def _views(session: Session) -> list[HubView]:
    asked = set(session.scalars(select(AuditRow.subject).where(AuditRow.action == ASKED)))
    return [
        HubView(hub, _state_of(hub), hub.name in asked)
        for hub in hub_client.nearest_first(hub_client.list_hubs(session))
    ]


def _state_of(hub: PinnedHub) -> str:
    """`member`, `behind` while something is unread, `new` before the first honest answer, else `waits`."""
    if hub.last_success_at is None:
        return "new"
    if not hub.enrolled:
        return "waits"
    return "behind" if hub.read < hub.size else "member"


def _back(form: Form) -> str:
    return "/set-up" if form.get("back") == "set-up" else "/hubs"
