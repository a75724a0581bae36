"""The accounts of the hub, for the administrator."""

from collections.abc import Mapping
from typing import ClassVar

from sqlalchemy.orm import Session

from regional_hub.door import Account, Role, accounts
from regional_hub.web.site import Site
from shared_schema.service.accounts.account import MAX_NAME_CHARACTERS
from shared_schema.service.accounts.changes import MAX_EMAIL_CHARACTERS, AccountForm
from shared_schema.service.pages import people
from shared_schema.service.pages.forms import Form, is_sent
from shared_schema.service.pages.people import MAX_ID
from shared_schema.service.translations import N_


def install(site: Site) -> None:
    """Add the pages of this module."""
    PeoplePages(site).install()


class PeoplePages(people.PeoplePages[Account, AccountForm]):
    """The handlers."""

    ROLES: ClassVar[Mapping[str, str]] = {
        Role.OPERATOR: N_("Operator: looks after members, rules and the log, and sees everything of the console"),
        Role.AUDITOR: N_("Auditor: sees the console and the audit log, and changes nothing"),
        Role.ANALYST: N_("Analyst: works with published figures, evidence and trends, and sees no member's operations"),
    }
    ROLE_NAMES: ClassVar[Mapping[str, str]] = {
        Role.OPERATOR: N_("Operator"),
        Role.AUDITOR: N_("Auditor"),
        Role.ANALYST: N_("Analyst"),
    }
    ADMINISTRATES: ClassVar[str] = N_("May manage accounts as well")

    def read(self, form: Form) -> AccountForm:
        """What was typed, as it is; the rules are those of `account_changes`."""
        return AccountForm(
            name=str(form.get("name", ""))[: MAX_NAME_CHARACTERS + 1],
            role=str(form.get("role", ""))[:MAX_ID],
            administrates=is_sent(form, "administrates"),
            email=str(form.get("email", ""))[: MAX_EMAIL_CHARACTERS + 1] or None,
        )

    def new_form(self) -> AccountForm:
        """The role that opens least comes first."""
        return AccountForm("", Role.ANALYST.value)

    def people(self, session: Session) -> list[tuple[str, str, Account | None]]:
        """Everybody has an account."""
        return [(account.person_id, account.role, account) for account in accounts.list_accounts(session)]
