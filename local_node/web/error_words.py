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
        "same-person": N_("A second person has to do this: whoever asks for a release cannot approve it."),
        "role": N_("Your role does not allow this. Ask somebody whose role does."),
        "wait": N_("It is too early. Where one person decides alone, a day lies between asking and approving."),
        "changed": N_("Somebody has changed this in the meantime. Look at it again as it stands now, then decide."),
        "state": N_("Somebody was faster: this has moved on in the meantime. Look at it again."),
        "reason": N_("Please write a short reason."),
        "findings": N_("Every marked place needs a decision first."),
        "no-reviewer": N_("There is nobody who could review this. Add a second person first."),
        "no-policy": N_("The rules of a hub are needed first. Add a hub, become its member, and sync."),
        "no-hub": N_("Add a hub first."),
        "unreachable": N_("The hub does not answer. Everything stays here and is sent later by itself."),
        "database": N_("The database cannot be written at the moment. Nothing was changed; try again in a minute."),
        "not-found": N_("It is not here, or it is not for you."),
        "too-large": N_("This is too large."),
        "person-unknown": N_("Nobody of this id works with this node."),
        "account-unknown": N_("Nobody of this id has an account."),
        "account-known": N_("This person has an account already."),
        "name": N_("Please give a name that others can read."),
        "form": N_("Something in the form is not as expected."),
    }
)
"""Code of an error → what to do. A code that is not here gets UNKNOWN."""


def sentence_for(code: str) -> str:
    """What to do about an error of this code."""
    return SENTENCES.get(code, UNKNOWN)
