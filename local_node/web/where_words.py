"""Where an item is, in one sentence for each place, and what to do there: what the page says in every language.

The sentences of `shared_schema.explain` are for the console and for programs: English, with the commands.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared_schema.explain import Place
from shared_schema.service.translations import N_

PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Place.UNKNOWN: N_("Not known here. If it was sent a moment ago, ask again after the next exchange."),
        Place.REVIEW: N_("It waits for a second person of its own city."),
        Place.APPROVED: N_("Approved. It is signed and leaves with the next exchange."),
        Place.HELD: N_("A rule of the hub holds it back. Ask again when that has changed."),
        Place.REFUSED: N_("It was refused. Correct it in a new draft, or take it out."),
        Place.OUTBOX: N_("It waits in its city to be sent. Nothing to do: it is tried again by itself."),
        Place.AT_HUB: N_("The hub has it. Nothing to do."),
        Place.IN_LOG: N_("It stands in the log of the hub, where all who may read it find it. Nothing to do."),
        Place.WAITING: N_("It has not been fetched yet. If that lasts, call and ask for an exchange with the hub."),
        Place.DELIVERED: N_("It has been fetched. Nothing to do."),
        Place.SHOWN: N_("It has been read and verified, and is shown. Nothing to do."),
        Place.REPLACED: N_("A newer version has taken its place. Nothing to do."),
        Place.QUARANTINED: N_("It could not be verified and is set aside. It is tried again; if it lasts, call."),
        Place.NOT_FOR_IT: N_("It was not meant to go there. Nothing to do."),
        Place.UNREACHABLE: N_("Nobody fetches anything there at present: suspended, or no member any more."),
        Place.GAP: N_(
            "The hub says that it was taken back, and has not shown the author's word. This node asks again."
        ),
        Place.NARROWED: N_("Its author lets fewer read it now; all others are asked to erase it."),
        Place.WITHDRAWN: N_("It was taken back, and its text is erased there."),
    }
)
NO_ANSWER: Final = N_("No answer at the moment. Nothing to do: ask again later.")


def where_in_words(place: str) -> str:
    """The sentence for a place that a node or a hub names; a hub that did not answer has none."""
    return PLACES.get(place, NO_ANSWER)
