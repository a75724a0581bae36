"""What a person is told about an error, by its code: what to do now. The precise one stands below it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared_schema.service.translations import N_

UNKNOWN: Final = N_("That did not go through, and nothing was changed. The line below says what was expected.")
SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sign-in": N_("Name and password do not fit together. Please try again."),
        "too-many": N_("Too many tries. Please wait a quarter of an hour."),
        "changed": N_("Somebody has changed this in the meantime. Look at it again as it stands now, then decide."),
        "state": N_("Somebody was faster: this has moved on in the meantime. Look at it again."),
        "database": N_("The database cannot be written at the moment. Nothing was changed; try again in a minute."),
        "busy": N_("There is too much to do here at the moment. Nothing was changed; try again in a minute."),
        "not-found": N_("It is not here, or it is not for you."),
        "too-large": N_("This is too large."),
        "account-unknown": N_("Nobody of this id has an account."),
        "account-known": N_("This person has an account already."),
        "name": N_("Please give a name that others can read."),
        "second-factor-code": N_("That is not the code of this moment. Each code works once; wait for the next one."),
        "second-factor-state": N_("This has moved on in the meantime. Look at the page as it stands now."),
        "second-factor-on": N_("The second factor is on already."),
        "sign-in-again": N_("That took too long. Please sign in again from the beginning."),
        "sign-in-fresh": N_("Please sign out and in again, then try this once more within ten minutes."),
        "password": N_("This password would be easy to guess. Please choose another one."),
        "password-twice": N_("The two passwords are not the same. Please type both again."),
        "password-wrong": N_("That is not your password."),
        "invitation": N_("This link is not open any more. Each link works once, for seven days. Ask for a new one."),
        "person": N_("An id has small letters and digits, without spaces, for example anna."),
        "person-known": N_("Somebody here has this id already. Please choose another one."),
        "role-unknown": N_("Please choose what this person does."),
        "account-changed": N_("Somebody has changed this account in the meantime. Nothing was saved yet."),
        "account-email": N_("Please give an e-mail address such as anna@city.example, or leave it empty."),
        "account-disabled": N_("This account is kept out. Let it in again first."),
        "account-in-use": N_("This person has a password already. Reset the account if it is lost."),
        "last-administrator": N_(
            "Nobody could manage accounts here after that. Give somebody else the right to administrate first."
        ),
        "token-label": N_("Please say in a few words what the token is for."),
        "token-scopes": N_("Please tick what the token may do."),
        "token-days": N_("Please give a number of days from 1 to 365."),
        "token-many": N_("Twenty tokens are enough. Revoke one first."),
        "token-made": N_("This form was sent before. Look whether the token is there, and make another one if not."),
        "address-conflict": N_("The form was about something else than its address. Open the page again."),
        "form": N_("Something in the form is not as expected."),
        "stale": N_("It was changed in another window meanwhile. Compare with what is there now, then save again."),
    }
)
"""Code of an error → what to do. A program has more; a code that is nowhere gets UNKNOWN."""
