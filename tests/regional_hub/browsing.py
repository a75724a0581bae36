"""A browser at a hub that runs in this process, and people for it."""

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from regional_hub.door import accounts, door, needs_second_factor, second_factor, sessions
from regional_hub.orm import AccountRow
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.browsing import PageBrowser, password_hash
from tests.regional_hub.running import RunningHub

STAFF: Final = {"olga": "operator", "aldo": "auditor", "nils": "analyst", "ada": "analyst"}
"""Who works with the hub of a test; ada manages the accounts as well."""
ADMINISTRATOR: Final = "ada"


@dataclass
class Browser(PageBrowser):
    """One browser at one hub, signed in or not."""

    hub: RunningHub
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self, person: str, *, with_factor: bool = True) -> "Browser":
        """Be signed in as somebody of `STAFF`, who gets the account that is missing.

        The session is made here: the door has tests of its own, and its work costs more than a page.
        """
        give_account(self.hub, person)
        now = self.hub.clock()
        with self.hub.hub.database.write() as session:
            account = accounts.get_account(session, person)
            if with_factor and needs_second_factor(session, account.roles):
                give_second_factor(self.hub, session, person)
            self.cookies[SESSION_COOKIE] = sessions.begin(session, account, "Chromium, Linux", now)
        return self

    def send(self, method: str, path: str, headers: dict[bytes, bytes], **body: Any) -> httpx.Response:
        """Ask the application over the network of the test."""
        with httpx.Client(transport=self.hub.network, base_url=self.hub.url) as client:
            return client.request(method, path, headers=headers, **body)


def give_account(hub: RunningHub, person: str, role: str | None = None, *, administrates: bool | None = None) -> None:
    """An account with the password of `tests.browsing`; whoever has one keeps it."""
    is_administrator = person == ADMINISTRATOR if administrates is None else administrates
    with hub.hub.database.write() as session:
        if session.get(AccountRow, person) is None:
            accounts.make_account(
                session,
                person,
                role or STAFF[person],
                person.title(),
                by="operator",
                now=hub.clock(),
                administrates=is_administrator,
            )
            session.get_one(AccountRow, person).password_hash = password_hash()


def give_second_factor(hub: RunningHub, session: Any, person: str) -> str:
    """A second factor that is on; return its secret, the empty text where it was on already."""
    if second_factor.standing(session, person).is_on:
        return ""
    secret = second_factor.begin(session, person, hub.clock())
    second_factor.confirm(session, person, code_at(secret, hub.clock()), hub.clock())
    return secret


def token_of(hub: RunningHub, person: str, *scopes: str) -> str:
    """A token for a script of somebody."""
    with hub.hub.database.write() as session:
        shown, _ = door.script_tokens.make_token(session, person, "test", scopes, 1, hub.clock())
    return shown
