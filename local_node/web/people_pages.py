"""The accounts of the node: partners belong to an agency, the city's own sign-on, and who needs a second factor."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import agencies, people, second_factor_rule
from local_node import sign_on_links as links
from local_node.account_changes import AccountForm
from local_node.door import Account, accounts
from local_node.review import Role
from local_node.second_factor_rule import RequiredFor
from local_node.web.access import Right
from local_node.web.site import Site
from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import MAX_NAME_CHARACTERS
from shared_schema.service.accounts.changes import MAX_EMAIL_CHARACTERS
from shared_schema.service.pages import people as pages
from shared_schema.service.pages.forms import Form, choice_of, is_sent
from shared_schema.service.pages.people import MAX_ID
from shared_schema.service.translations import N_

ROLES: Final[Mapping[str, str]] = {
    Role.COORDINATOR: N_("Coordinator: does the city's work with its partners and asks for releases"),
    Role.REVIEWER: N_("Reviewer: second person for everything that leaves, often the data protection officer"),
    Role.PARTNER: N_("Partner agency: enters its own figures, activities and lessons"),
    Role.READER: N_("Reader: reads what others have shared"),
    Role.ADMINISTRATOR: N_("Administrator: accounts and settings only"),
}
ROLE_NAMES: Final[Mapping[str, str]] = {
    Role.COORDINATOR: N_("Coordinator"),
    Role.REVIEWER: N_("Reviewer"),
    Role.PARTNER: N_("Partner agency"),
    Role.READER: N_("Reader"),
    Role.ADMINISTRATOR: N_("Administrator"),
}
RULES: Final = {
    RequiredFor.NOBODY: N_("nobody has to"),
    RequiredFor.DECIDERS: N_("administrators and reviewers"),
    RequiredFor.EVERYBODY: N_("everybody"),
}
FIELDS: Final = {
    **pages.FIELDS,
    "account-agency": "agency",
    "sign-on-link": "known_as",
    "sign-on-link-taken": "known_as",
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = PeoplePages(site)
    pages.install()
    site.notices["rule-changed"] = N_("Saved. Whoever needs a second factor now sets it up at the next page they open.")
    site.notices["linked"] = N_("Saved. This person can use the city's own sign-in from now on.")
    site.post("/sign-in-rule", pages.change_rule, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}/sign-on", pages.change_sign_on, Right.MANAGE_ACCOUNTS)


class PeoplePages(pages.PeoplePages[Account, AccountForm]):
    """The handlers."""

    ROLES: ClassVar[Mapping[str, str]] = ROLES
    ROLE_NAMES: ClassVar[Mapping[str, str]] = ROLE_NAMES
    ADMINISTRATES: ClassVar[str] = N_("May manage accounts and settings as well")
    FIELDS: ClassVar[Mapping[str, str]] = FIELDS
    _site: Site

    def read(self, form: Form) -> AccountForm:
        """What was typed, as it is; the rules are those of `account_changes`."""
        return AccountForm(
            name=str(form.get("name", ""))[: MAX_NAME_CHARACTERS + 1],
            role=str(form.get("role", ""))[:MAX_ID],
            agency=str(form.get("agency", ""))[:MAX_ID] or None,
            administrates=is_sent(form, "administrates"),
            email=str(form.get("email", ""))[: MAX_EMAIL_CHARACTERS + 1] or None,
        )

    def new_form(self) -> AccountForm:
        """Most people of a node coordinate."""
        return AccountForm("", Role.COORDINATOR.value)

    def people(self, session: Session) -> list[tuple[str, str, Account | None]]:
        """Everybody who works with this node; somebody of the console may never have had an account."""
        known = {account.person_id: account for account in accounts.list_accounts(session)}
        return [(person.id, person.role, known.get(person.id)) for person in people.list_people(session)]

    def list_values(self, session: Session) -> dict[str, Any]:
        """The rule for second factors, and what agencies are called."""
        names = {agency.id: agency.name for agency in agencies.list_agencies(session)}
        return {"rule": second_factor_rule.required_for(session), "rules": RULES, "agency_names": names}

    def form_values(self, session: Session) -> dict[str, Any]:
        """The agencies to choose from."""
        return {"agencies": {agency.id: agency.name for agency in agencies.list_agencies(session, with_ended=False)}}

    def edit_values(self, session: Session, person_id: str) -> dict[str, Any]:
        """How somebody is known at the city's own sign-on service."""
        return {"link": links.find_link(session, person_id), "has_sign_on": self._site.sign_on is not None}

    def link_options(self, form: Form) -> dict[str, Any]:
        """The agency of a partner who has no account yet."""
        return {"agency": str(form.get("agency", "")) or None}

    def change_sign_on(self, request: Request, person_id: str, form: Form) -> Response:
        """Say how somebody is known at the city's own sign-on service; an empty field takes the link away."""
        known_as, service = str(form.get("known_as", ""))[:300].strip(), self._site.sign_on
        if service is None:
            return self._site.missing(request)
        try:
            with self._site.database.write() as session:
                accounts.get_account(session, person_id)
                if known_as:
                    links.link(session, person_id, service.issuer, known_as, **self._by(request))
                else:
                    links.unlink(session, person_id, **self._by(request))
        except ProgramError as error:
            return self._edit(request, person_id, error)
        return self._site.go(f"/accounts/{person_id}", done="linked" if known_as else "saved")

    def change_rule(self, request: Request, form: Form) -> Response:
        """Say who needs a second factor."""
        rule = RequiredFor(choice_of(form, "rule", [rule.value for rule in RequiredFor]))
        with self._site.database.write() as session:
            second_factor_rule.change_required_for(session, rule, **self._by(request))
        return self._site.go("/accounts", done="rule-changed")
