"""The hub's way in, one's own account there, and the accounts of the others."""

from regional_hub.account_changes import account_changes
from regional_hub.door import script_tokens, second_factor
from shared_schema.service.accounts.changes import AccountForm
from tests.browser.screens import FurnishedHub, HubScreen


def furnish(furnished: FurnishedHub) -> None:
    """Somebody with an open link, a second factor that waits for its code, a token."""
    hub = furnished.hub
    now = hub.clock()
    with hub.database.write() as session:
        new = AccountForm("Vera Vogt", "auditor", email="vera@hub.example")
        furnished.known["link"], _ = account_changes.invite_new(session, "vera", new, by="ada", now=now)
        second_factor.begin(session, "nils", now)  # waits for its first code
        script_tokens.make_token(session, "olga", "Watch the federation", ["console:read"], 90, now)


SCREENS = [
    HubScreen("/sign-in", as_=None, shot="hub-sign-in"),
    HubScreen("/welcome/{link}", as_=None),
    HubScreen("/", as_="ada", shot="hub-start"),
    HubScreen("/account", as_="olga", shot="hub-account"),
    HubScreen("/account/password", as_="olga"),
    HubScreen("/account/second-factor", as_="nils", shot="hub-second-factor"),
    HubScreen("/account/tokens", as_="olga"),
    HubScreen("/accounts", as_="ada", shot="hub-accounts"),
    HubScreen("/accounts/vera", as_="ada"),
    HubScreen("/invite", as_="ada", shot="hub-invite"),
]
