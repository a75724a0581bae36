"""Partner agencies: the list, one agency with its contacts and accounts, and the form that changes it."""

from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import agencies
from local_node.account_changes import account_changes
from local_node.agencies import MAX_CONTACTS, Agency, AgencyError, AgencyForm, Contact
from local_node.door import Account, accounts
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.site import Site, visitor_of
from shared_schema.errors import ProgramError
from shared_schema.service.pages.account import explain
from shared_schema.service.pages.forms import Form, choice_of
from shared_schema.service.translations import N_
from shared_schema.vocabulary import AgencyRole, AgencyType

SPARE_CONTACTS: Final = 2
"""Empty lines below those that are filled in."""
MAX_TYPED: Final = 200
FIELDS: Final = {
    "agency-name": "name",
    "agency-kinds": "kinds",
    "agency-roles": "roles",
    "agency-contact": "contacts",
    "agency-id": "id",
    "agency-known": "id",
}
ROLE_NAMES: Final = {
    AgencyRole.COORDINATE: N_("coordinates"),
    AgencyRole.DELIVER: N_("does the work with people"),
    AgencyRole.REFER: N_("refers people to others"),
    AgencyRole.COUNSEL: N_("counsels"),
    AgencyRole.ADVISE: N_("advises the city"),
    AgencyRole.FUND: N_("pays for it"),
    AgencyRole.ADDRESSEE: N_("is reached, informed or encouraged by us"),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = AgencyPages(site)
    site.notices["agency-saved"] = N_("Saved.")
    site.notices["agency-ended"] = N_(
        "This agency takes part no more, and nobody of it can sign in. Its records, contacts and history stay."
    )
    site.notices["agency-resumed"] = N_(
        "This agency takes part again. An administrator lets its people in again, under Accounts."
    )
    site.get("/agencies", pages.list_all, Right.SEE_AGENCIES)
    site.post("/agencies", pages.add, Right.MANAGE_AGENCIES)
    site.get("/agencies/new", pages.ask_new, Right.MANAGE_AGENCIES)
    site.get("/agencies/{agency_id}", pages.show, Right.SEE_AGENCIES)
    site.get("/agencies/{agency_id}/edit", pages.ask_change, Right.MANAGE_AGENCIES)
    site.post("/agencies/{agency_id}/edit", pages.change, Right.MANAGE_AGENCIES)
    site.post("/agencies/{agency_id}/state", pages.change_state, Right.MANAGE_AGENCIES)


class AgencyPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def list_all(self, request: Request) -> Response:
        """All partners, those that take part first, with how many people can sign in for each."""
        with self._site.database.read() as session:
            found = agencies.list_agencies(session)
            staff, unlisted = _staff(session), agencies.unlisted(session)
        return self._site.page(
            request, "agencies.html", agencies=found, staff=staff, unlisted=unlisted, role_names=ROLE_NAMES
        )

    def show(self, request: Request, agency_id: str) -> Response:
        """One partner: what it does, whom to call, whose accounts belong to it."""
        with self._site.database.read() as session:
            agency = agencies.find_agency(session, agency_id)
            staff = _staff(session).get(agency_id, [])
        if agency is None:
            return self._site.missing(request)
        return self._site.page(request, "agency.html", agency=agency, staff=staff, role_names=ROLE_NAMES)

    def ask_new(self, request: Request, id: str = "") -> Response:
        """The form for a new partner; `id` where its figures are here already."""
        return self._form(request, AgencyForm("", (), ()), agency_id=id[: agencies.MAX_ID_CHARACTERS])

    def add(self, request: Request, form: Form) -> Response:
        """Add a partner under the id that was typed, or the one that its name suggests."""
        typed = _read(form)
        agency_id = str(form.get("id", ""))[:MAX_TYPED].strip() or agencies.propose_id(typed.name)
        try:
            with self._site.database.write() as session:
                agencies.add_agency(session, agency_id, typed, **self._by(request))
        except AgencyError as error:
            return self._form(request, typed, error, agency_id=agency_id)
        return self._site.go(f"/agencies/{agency_id}", done="agency-saved")

    def ask_change(self, request: Request, agency_id: str) -> Response:
        """The form with what the agency is now."""
        with self._site.database.read() as session:
            agency = agencies.find_agency(session, agency_id)
        if agency is None:
            return self._site.missing(request)
        typed = AgencyForm(agency.name, agency.kinds, agency.roles, agency.contacts)
        return self._form(request, typed, agency=agency)

    def change(self, request: Request, agency_id: str, form: Form) -> Response:
        """Keep what was changed, unless somebody was faster: then both are shown, and nothing is lost."""
        typed = _read(form)
        try:
            with self._site.database.write() as session:
                agencies.change_agency(session, agency_id, typed, str(form.get("seen", "")), **self._by(request))
        except AgencyError as error:
            with self._site.database.read() as session:
                agency = agencies.find_agency(session, agency_id)
            return self._form(request, typed, error, agency=agency) if agency else self._site.missing(request)
        return self._site.go(f"/agencies/{agency_id}", done="agency-saved")

    def change_state(self, request: Request, agency_id: str, form: Form) -> Response:
        """The agency takes part no more, or again."""
        state, seen = choice_of(form, "state", ("ended", "resumed")), str(form.get("seen", ""))
        with self._site.database.write() as session:
            if agencies.find_agency(session, agency_id) is None:
                return self._site.missing(request)
            act = account_changes.end_agency if state == "ended" else agencies.resume_agency
            act(session, agency_id, seen, **self._by(request))
        return self._site.go(f"/agencies/{agency_id}", done=f"agency-{state}")

    def _by(self, request: Request) -> dict[str, Any]:
        return {"by": visitor_of(request).person_id, "now": self._site.clock()}

    def _form(
        self,
        request: Request,
        typed: AgencyForm,
        error: ProgramError | None = None,
        *,
        agency: Agency | None = None,
        agency_id: str = "",
    ) -> Response:
        is_stale = error is not None and error.code == "agency-changed"
        lines = min(len(typed.contacts) + SPARE_CONTACTS, MAX_CONTACTS)
        return self._site.page(
            request,
            "agency_form.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else explain(error, FIELDS),
            typed=typed,
            contacts=[*typed.contacts, *[Contact("")] * SPARE_CONTACTS][:lines],
            agency=agency,
            now_it_is=agency if is_stale else None,
            agency_id=agency_id,
            kinds=AgencyType,
            roles=ROLE_NAMES,
        )


def _staff(session: Session) -> dict[str, list[Account]]:
    """Agency → the accounts that belong to it."""
    staff: dict[str, list[Account]] = {}
    for account in accounts.list_accounts(session):
        if account.agency is not None:
            staff.setdefault(account.agency, []).append(account)
    return staff


def _read(form: Form) -> AgencyForm:
    """What was typed, as it is; the rules are those of `agencies`."""
    contacts = [
        Contact(*(str(form.get(f"contact-{number}-{part}", ""))[:MAX_TYPED] for part in ("name", "email", "phone")))
        for number in range(MAX_CONTACTS)
    ]
    return AgencyForm(
        str(form.get("name", ""))[:MAX_TYPED],
        [str(code)[:MAX_TYPED] for code in form.getlist("kinds")],
        [str(code)[:MAX_TYPED] for code in form.getlist("roles")],
        [contact for contact in contacts if contact != Contact("", "", "")],
    )
