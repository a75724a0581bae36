"""Agencies, accounts and one's own account."""

from local_node.account_changes import AccountForm, account_changes
from local_node.agencies import AgencyForm, Contact, add_agency, end_agency, find_agency
from local_node.door import script_tokens, second_factor
from tests.browser.screens import Furnished, Screen

AGENCIES = {
    "youth-office": ("Youth Office", ["youth", "social"], ["coordinate", "deliver"]),
    "school-authority": ("School Authority", ["edu_sec"], ["refer"]),
    "counselling": ("Counselling Centre «Kompass»", ["ngo_counselling"], ["counsel", "advise"]),
}


def furnish(furnished: Furnished) -> None:
    """Three agencies and one that ended, an open link, a second factor that waits for its code, a token."""
    node = furnished.node
    now = node.clock()
    with node.database.write() as session:
        for agency_id, (name, kinds, roles) in AGENCIES.items():
            if find_agency(session, agency_id) is None:
                contacts = (Contact(f"{name}, front desk", f"{agency_id}@city.example", "+49 341 123 456"),)
                add_agency(session, agency_id, AgencyForm(name, kinds, roles, contacts), by="anna", now=now)
        old = add_agency(
            session, "old-club", AgencyForm("Old Club", ["community_org"], ["deliver"]), by="anna", now=now
        )
        end_agency(session, old.id, old.seen, by="anna", now=now)
        new = AccountForm("Nora New", "partner", agency="counselling", email="nora@city.example")
        furnished.known["link"], _ = account_changes.invite_new(session, "nora", new, by="olga", now=now)
        second_factor.begin(session, "ben", now)  # waits for its first code
        script_tokens.make_token(session, "anna", "Nightly upload of the youth office", ["returns:write"], 90, now)


SCREENS = [
    Screen("/agencies", as_="anna", shot="agencies"),
    Screen("/agencies/youth-office", as_="anna", shot="agency"),
    Screen("/agencies/old-club", as_="ben"),
    Screen("/agencies/new", as_="anna", shot="agency-new"),
    Screen("/agencies/counselling/edit", as_="anna"),
    Screen("/accounts", as_="olga", shot="accounts"),
    Screen("/accounts/nora", as_="olga", shot="account-of-somebody"),
    Screen("/accounts/olga", as_="olga"),
    Screen("/invite", as_="olga", shot="invite"),
    Screen("/welcome/{link}", as_=None, shot="welcome"),
    Screen("/account", as_="rita", shot="account"),
    Screen("/account/password", as_="rita"),
    Screen("/account/second-factor", as_="rita"),
    Screen("/account/second-factor", as_="ben", shot="second-factor"),
    Screen("/account/tokens", as_="anna", shot="tokens"),
]
