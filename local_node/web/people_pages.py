"""Accounts, for the administrator: who has one, what it may do, a link for a new password, and who is kept out."""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import account_changes, accounts, agencies, invitations, people, second_factor, sign_in_steps
from local_node import sign_on_links as links
from local_node.account_changes import AccountForm
from local_node.accounts import Account
from local_node.errors import NodeError
from local_node.review import Role
from local_node.sign_in_steps import RequiredFor
from local_node.web.access import Right
from local_node.web.account import explain
from local_node.web.failures import status_of
from local_node.web.forms import Form, choice_of, is_sent
from local_node.web.link_made import show_link
from local_node.web.site import Site, visitor_of
from shared_schema.service.translations import N_

ROLES: Final = {
    Role.COORDINATOR: N_("Coordinator: does the city's work with its partners and asks for releases"),
    Role.REVIEWER: N_("Reviewer: second person for everything that leaves, often the data protection officer"),
    Role.PARTNER: N_("Partner agency: enters its own figures, activities and lessons"),
    Role.READER: N_("Reader: reads what others have shared"),
    Role.ADMINISTRATOR: N_("Administrator: accounts and settings only"),
}
ROLE_NAMES: Final = {
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
    "person": "id",
    "person-known": "id",
    "name": "name",
    "account-email": "email",
    "account-agency": "agency",
    "role-unknown": "role",
    "sign-on-link": "known_as",
    "sign-on-link-taken": "known_as",
}
MAX_ID: Final = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One person in the list; `account` is None for somebody of the console who never had one."""

    person_id: str
    role: Role
    account: Account | None
    link_until: Any
    has_second_factor: bool


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = PeoplePages(site)
    site.notices["account-saved"] = N_("Saved. Where the role has changed, this person signs in again.")
    site.notices["account-disabled"] = N_("Nobody gets in with this account any more. What it has done stays.")
    site.notices["account-enabled"] = N_("This account may sign in again, with the password it had.")
    site.notices["rule-changed"] = N_("Saved. Whoever needs a second factor now sets it up at the next page they open.")
    site.notices["linked"] = N_("Saved. This person can use the city's own sign-in from now on.")
    site.get("/accounts", pages.list_all, Right.MANAGE_ACCOUNTS)
    site.post("/invite", pages.invite_new, Right.MANAGE_ACCOUNTS)
    site.get("/invite", pages.ask_new, Right.MANAGE_ACCOUNTS)
    site.post("/sign-in-rule", pages.change_rule, Right.MANAGE_ACCOUNTS)
    site.get("/accounts/{person_id}", pages.show, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}", pages.change, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}/link", pages.make_link, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}/reset", pages.reset, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}/state", pages.change_state, Right.MANAGE_ACCOUNTS)
    site.post("/accounts/{person_id}/sign-on", pages.change_sign_on, Right.MANAGE_ACCOUNTS)


class PeoplePages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def list_all(self, request: Request) -> Response:
        """Everybody who works with this node, with or without an account."""
        with self._site.database.read() as session:
            lines = _read_lines(session, self._site.clock())
            rule = sign_in_steps.required_for(session)
            names = {agency.id: agency.name for agency in agencies.list_agencies(session)}
        return self._site.page(
            request, "accounts.html", lines=lines, rule=rule, rules=RULES, agency_names=names, role_names=ROLE_NAMES
        )

    def ask_new(self, request: Request) -> Response:
        """The form for a new person."""
        return self._form(request, "", AccountForm("", Role.COORDINATOR.value))

    def invite_new(self, request: Request, form: Form) -> Response:
        """Add a person and show the link for the first password."""
        typed, person = _read(form), str(form.get("id", ""))[:MAX_ID].strip().lower()
        try:
            with self._site.database.write() as session:
                token, invitation = account_changes.invite_new(session, person, typed, **self._by(request))
        except NodeError as error:
            return self._form(request, person, typed, error)
        return show_link(self._site, request, token, invitation)

    def show(self, request: Request, person_id: str) -> Response:
        """One account with everything that can be done about it."""
        return self._edit(request, person_id)

    def change(self, request: Request, person_id: str, form: Form) -> Response:
        """Keep what was changed, unless somebody else was faster."""
        typed = _read(form)
        try:
            with self._site.database.write() as session:
                account_changes.change(session, person_id, typed, str(form.get("seen", "")), **self._by(request))
        except NodeError as error:
            return self._edit(request, person_id, error, typed)
        return self._site.go(f"/accounts/{person_id}", done="account-saved")

    def make_link(self, request: Request, person_id: str, form: Form) -> Response:
        """A link for somebody who has no password yet."""
        agency = str(form.get("agency", "")) or None
        try:
            with self._site.database.write() as session:
                token, invitation = account_changes.invite(session, person_id, agency=agency, **self._by(request))
        except NodeError as error:
            return self._edit(request, person_id, error)
        return show_link(self._site, request, token, invitation)

    def reset(self, request: Request, person_id: str) -> Response:
        """Take password and second factor away and show the link for a new password."""
        try:
            with self._site.database.write() as session:
                token, invitation = account_changes.reset(session, person_id, **self._by(request))
        except NodeError as error:
            return self._edit(request, person_id, error)
        return show_link(self._site, request, token, invitation)

    def change_state(self, request: Request, person_id: str, form: Form) -> Response:
        """Keep an account out, or let it in again."""
        state = choice_of(form, "state", ("disabled", "enabled"))
        try:
            with self._site.database.write() as session:
                act = account_changes.disable if state == "disabled" else account_changes.enable
                act(session, person_id, **self._by(request))
        except NodeError as error:
            return self._edit(request, person_id, error)
        return self._site.go(f"/accounts/{person_id}", done=f"account-{state}")

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
        except NodeError as error:
            return self._edit(request, person_id, error)
        return self._site.go(f"/accounts/{person_id}", done="linked" if known_as else "saved")

    def change_rule(self, request: Request, form: Form) -> Response:
        """Say who needs a second factor."""
        rule = RequiredFor(choice_of(form, "rule", [rule.value for rule in RequiredFor]))
        with self._site.database.write() as session:
            sign_in_steps.change_required_for(session, rule, **self._by(request))
        return self._site.go("/accounts", done="rule-changed")

    def _by(self, request: Request) -> dict[str, Any]:
        return {"by": visitor_of(request).person_id, "now": self._site.clock()}

    def _form(self, request: Request, person: str, typed: AccountForm, error: NodeError | None = None) -> Response:
        return self._site.page(
            request,
            "account_new.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else explain(error, FIELDS),
            person_id=person,
            typed=typed,
            roles=ROLES,
            agencies=self._agencies(),
        )

    def _edit(
        self, request: Request, person_id: str, error: NodeError | None = None, typed: AccountForm | None = None
    ) -> Response:
        now = self._site.clock()
        with self._site.database.read() as session:
            line = next((line for line in _read_lines(session, now) if line.person_id == person_id), None)
            link = links.find_link(session, person_id)
        if line is None:
            return self._site.missing(request)
        account = line.account
        return self._site.page(
            request,
            "account_edit.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else explain(error, FIELDS),
            line=line,
            account=account,
            typed=typed or (account_changes.form_of(account) if account else None),
            seen=account_changes.seen(account) if account else "",
            roles=ROLES,
            role_names=ROLE_NAMES,
            agencies=self._agencies(),
            link=link,
            has_sign_on=self._site.sign_on is not None,
        )

    def _agencies(self) -> dict[str, str]:
        with self._site.database.read() as session:
            return {agency.id: agency.name for agency in agencies.list_agencies(session, with_ended=False)}


def _read_lines(session: Session, now: Any) -> list[Line]:
    known = {account.person_id: account for account in accounts.list_accounts(session)}
    open_links, with_factor = invitations.open_invitations(session, now), second_factor.list_owners(session)
    return [
        Line(
            person.id,
            person.role,
            known.get(person.id),
            open_links[person.id].ends_at if person.id in open_links else None,
            person.id in with_factor,
        )
        for person in people.list_people(session)
    ]


def _read(form: Form) -> AccountForm:
    """What was typed, as it is; the rules are those of `account_changes`."""
    return AccountForm(
        name=str(form.get("name", ""))[: accounts.MAX_NAME_CHARACTERS + 1],
        role=str(form.get("role", ""))[:MAX_ID],
        agency=str(form.get("agency", ""))[:MAX_ID] or None,
        administrates=is_sent(form, "administrates"),
        email=str(form.get("email", ""))[: account_changes.MAX_EMAIL_CHARACTERS + 1] or None,
    )
