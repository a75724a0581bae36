"""Accounts, for the administrator: who has one, what it may do, a link for a new password, and who is kept out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Generic

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from shared_schema.errors import ProgramError
from shared_schema.service.accounts.account import AccountT
from shared_schema.service.accounts.changes import FormT
from shared_schema.service.pages.access import MANAGE_ACCOUNTS
from shared_schema.service.pages.account import explain
from shared_schema.service.pages.forms import Form, choice_of
from shared_schema.service.pages.link_made import show_link
from shared_schema.service.pages.site import Site, visitor_of
from shared_schema.service.translations import N_

FIELDS: Final = {
    "person": "id",
    "person-known": "id",
    "name": "name",
    "account-email": "email",
    "role-unknown": "role",
}
MAX_ID: Final = 60


@dataclass(frozen=True, slots=True)
class Line(Generic[AccountT]):
    """One person in the list; `account` is None for somebody who works here and has none yet."""

    person_id: str
    role: str
    account: AccountT | None
    link_until: datetime | None
    has_second_factor: bool


class PeoplePages(ABC, Generic[AccountT, FormT]):
    """The handlers. A program says which roles there are, and what its forms ask beside them."""

    ROLES: ClassVar[Mapping[str, str]]
    """Role → what somebody with it does."""
    ROLE_NAMES: ClassVar[Mapping[str, str]]
    ADMINISTRATES: ClassVar[str]
    """What the box says that adds the administrator's role."""
    FIELDS: ClassVar[Mapping[str, str]] = FIELDS
    """Code of an error → the field that it is about."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def install(self) -> None:
        """Add the pages."""
        site = self._site
        site.notices["account-saved"] = N_("Saved. Where the role has changed, this person signs in again.")
        site.notices["account-disabled"] = N_("Nobody gets in with this account any more. What it has done stays.")
        site.notices["account-enabled"] = N_("This account may sign in again, with the password it had.")
        site.get("/accounts", self.list_all, MANAGE_ACCOUNTS)
        site.post("/invite", self.invite_new, MANAGE_ACCOUNTS)
        site.get("/invite", self.ask_new, MANAGE_ACCOUNTS)
        site.get("/accounts/{person_id}", self.show, MANAGE_ACCOUNTS)
        site.post("/accounts/{person_id}", self.change, MANAGE_ACCOUNTS)
        site.post("/accounts/{person_id}/link", self.make_link, MANAGE_ACCOUNTS)
        site.post("/accounts/{person_id}/reset", self.reset, MANAGE_ACCOUNTS)
        site.post("/accounts/{person_id}/state", self.change_state, MANAGE_ACCOUNTS)

    # --- what the program says -------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, form: Form) -> FormT:
        """What was typed, as it is; the rules are those of the changes."""

    @abstractmethod
    def new_form(self) -> FormT:
        """What the form for somebody new shows first."""

    @abstractmethod
    def people(self, session: Session) -> list[tuple[str, str, AccountT | None]]:
        """Everybody who works here, by id: the id, the role, the account."""

    def list_values(self, session: Session) -> dict[str, Any]:
        """What the list of a program shows beside people and roles."""
        return {}

    def form_values(self, session: Session) -> dict[str, Any]:
        """What the forms of a program show beside people and roles."""
        return {}

    def edit_values(self, session: Session, person_id: str) -> dict[str, Any]:
        """What the page of one account shows beside its form."""
        return {}

    # --- handlers --------------------------------------------------------------------------------------------------

    def list_all(self, request: Request) -> Response:
        """Everybody who works here, with or without an account."""
        with self._site.database.read() as session:
            values = self.list_values(session)
            lines = self._read_lines(session)
        return self._site.page(request, "accounts.html", lines=lines, role_names=self.ROLE_NAMES, **values)

    def ask_new(self, request: Request) -> Response:
        """The form for a new person."""
        return self._form(request, "", self.new_form())

    def invite_new(self, request: Request, form: Form) -> Response:
        """Add a person and show the link for the first password."""
        typed, person = self.read(form), str(form.get("id", ""))[:MAX_ID].strip().lower()
        try:
            with self._site.database.write() as session:
                token, invitation = self._site.program.changes.invite_new(session, person, typed, **self._by(request))
        except ProgramError as error:
            return self._form(request, person, typed, error)
        return show_link(self._site, request, token, invitation)

    def show(self, request: Request, person_id: str) -> Response:
        """One account with everything that can be done about it."""
        return self._edit(request, person_id)

    def change(self, request: Request, person_id: str, form: Form) -> Response:
        """Keep what was changed, unless somebody else was faster."""
        typed, seen = self.read(form), str(form.get("seen", ""))
        try:
            with self._site.database.write() as session:
                self._site.program.changes.change(session, person_id, typed, seen, **self._by(request))
        except ProgramError as error:
            return self._edit(request, person_id, error, typed)
        return self._site.go(f"/accounts/{person_id}", done="account-saved")

    def make_link(self, request: Request, person_id: str, form: Form) -> Response:
        """A link for somebody who has no password yet."""
        more = self.link_options(form)
        try:
            with self._site.database.write() as session:
                token, invitation = self._site.program.changes.invite(session, person_id, **more, **self._by(request))
        except ProgramError as error:
            return self._edit(request, person_id, error)
        return show_link(self._site, request, token, invitation)

    def link_options(self, form: Form) -> dict[str, Any]:
        """What a program asks of a link beside whom it is for."""
        return {}

    def reset(self, request: Request, person_id: str) -> Response:
        """Take password and second factor away and show the link for a new password."""
        try:
            with self._site.database.write() as session:
                token, invitation = self._site.program.changes.reset(session, person_id, **self._by(request))
        except ProgramError as error:
            return self._edit(request, person_id, error)
        return show_link(self._site, request, token, invitation)

    def change_state(self, request: Request, person_id: str, form: Form) -> Response:
        """Keep an account out, or let it in again."""
        state = choice_of(form, "state", ("disabled", "enabled"))
        changes = self._site.program.changes
        try:
            with self._site.database.write() as session:
                act = changes.disable if state == "disabled" else changes.enable
                act(session, person_id, **self._by(request))
        except ProgramError as error:
            return self._edit(request, person_id, error)
        return self._site.go(f"/accounts/{person_id}", done=f"account-{state}")

    def _by(self, request: Request) -> dict[str, Any]:
        return {"by": visitor_of(request).person_id, "now": self._site.clock()}

    def _form(self, request: Request, person: str, typed: FormT, error: ProgramError | None = None) -> Response:
        with self._site.database.read() as session:
            values = self.form_values(session)
        return self._site.page(
            request,
            "account_new.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else explain(error, self.FIELDS),
            person_id=person,
            typed=typed,
            roles=self.ROLES,
            administrates=self.ADMINISTRATES,
            **values,
        )

    def _edit(
        self, request: Request, person_id: str, error: ProgramError | None = None, typed: FormT | None = None
    ) -> Response:
        with self._site.database.read() as session:
            line = next((line for line in self._read_lines(session) if line.person_id == person_id), None)
            values = self.form_values(session) | self.edit_values(session, person_id)
        if line is None:
            return self._site.missing(request)
        account, changes = line.account, self._site.program.changes
        return self._site.page(
            request,
            "account_edit.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else explain(error, self.FIELDS),
            line=line,
            account=account,
            typed=typed or (changes.form_of(account) if account else None),
            seen=changes.seen(account) if account else "",
            roles=self.ROLES,
            administrates=self.ADMINISTRATES,
            role_names=self.ROLE_NAMES,
            **values,
        )

    def _read_lines(self, session: Session) -> list[Line[AccountT]]:
        door = self._site.door
        open_links = door.invitations.open_invitations(session, self._site.clock())
        with_factor = door.second_factor.list_owners(session)
        return [
            Line(
                person,
                role,
                account,
                open_links[person].ends_at if person in open_links else None,
                person in with_factor,
            )
            for person, role, account in self.people(session)
        ]
