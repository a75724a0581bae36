"""Sealed totals: what two hubs collect together, how it stands for this city, and the request to take part."""

from datetime import datetime
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from local_node.preview import odds_factor
from local_node.sealed_standing import Standing
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.governance import LEAST_BATCH
from shared_schema.names import parse_time
from shared_schema.sealed.terms import Refusal
from shared_schema.service.control import VerbError
from shared_schema.service.pages.sealed_words import FOR_COORDINATORS, FOR_PROTECTION_OFFICERS
from shared_schema.service.pages.statuses import describe
from shared_schema.service.pages.terms import cell_label
from shared_schema.service.pages.terms import words as table_in_words
from shared_schema.service.translations import N_

STANDINGS: Final = {
    Standing.UNREADABLE: ("bad", N_("does not hold")),
    Standing.NOT_YET: ("plain", N_("not open yet")),
    Standing.OPEN: ("wait", N_("open, not answered")),
    Standing.ASKED: ("wait", N_("waits for a second person")),
    Standing.APPROVED: ("wait", N_("approved")),
    Standing.HELD: ("bad", N_("held back")),
    Standing.ON_ITS_WAY: ("wait", N_("on its way")),
    Standing.SENT: ("good", N_("sent")),
    Standing.NOT_TAKEN: ("bad", N_("not taken by the hub")),
    Standing.MISSED: ("plain", N_("closed without this city")),
    Standing.ACCEPTED: ("good", N_("accepted")),
    Standing.REFUSED: ("bad", N_("refused")),
    Standing.ABSENT: ("plain", N_("absent")),
    Standing.OPENED: ("good", N_("in the total")),
    Standing.VOID: ("plain", N_("void")),
}
"""How a collection stands -> the kind of sign, and what it is called."""
NEXT: Final = {
    Standing.UNREADABLE: N_("Nothing is sent. Tell the operator of your hub what stands below."),
    Standing.NOT_YET: N_("Nothing to do before it opens."),
    Standing.OPEN: N_("Look at what is collected, then ask for your city's share to be sent."),
    Standing.ASKED: N_("A second person looks at your city's counts and decides."),
    Standing.APPROVED: N_("It is signed and leaves with the next exchange."),
    Standing.HELD: N_("A rule holds the request back. The request says which."),
    Standing.ON_ITS_WAY: N_("It is signed and leaves with the next exchange."),
    Standing.SENT: N_("Nothing to do. The hub has it; when the collection closes, both hubs say who is in the total."),
    Standing.NOT_TAKEN: N_(
        "The hub did not take it. When the collection has ended without your city, the figures may be sent again in "
        "another one."
    ),
    Standing.MISSED: N_("Nothing was sent. Both hubs say soon who is in the total."),
    Standing.ACCEPTED: N_(
        "Nothing to do. Both hubs count your city; the total comes when both have published their sum."
    ),
    Standing.REFUSED: N_(
        "Your city is in no total. These figures may be sent again in another collection, at no cost."
    ),
    Standing.ABSENT: N_("Your city is in no total. These figures may be sent in another collection."),
    Standing.OPENED: N_("Nothing to do. The total is out, and your city is in it."),
    Standing.VOID: N_(
        "Nothing of this collection is ever opened. These figures may be sent again in another one, at no cost."
    ),
}
"""The one next step, or why there is none."""
REFUSALS: Final = {
    Refusal.WRONG_BATCH: N_("What was sent was made for another collection."),
    Refusal.TWICE: N_("More than one share came; nobody chooses between them."),
    Refusal.LATE: N_("It came after the collection had closed."),
    Refusal.BAD_SEAL: N_("One of the hubs could not open its half."),
    Refusal.FORM: N_("A half was not what the collection asks for."),
    Refusal.RANGE: N_("A count is out of the range that the collection takes."),
    Refusal.HALVES: N_("The two halves do not belong together."),
}
"""Why a share is in neither sum."""
VOID_WHY: Final = {
    "too-few": N_("Too few cities took part. With fewer, somebody could work out the figures of one of them."),
    "given-up": N_("One of the two hubs could not go on."),
}
WARNINGS: Final = {
    "far-above": N_("is more than three times as large as any earlier count of your city. Is it right?"),
    "large-part": N_(
        "Your city makes up more than half of the last total. Whoever knows the others well could estimate it."
    ),
}
ASKABLE: Final = (Standing.OPEN,)


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Sealed(site)
    site.notices["share-asked"] = N_("A second person will look at your city's counts now. Nothing leaves before that.")
    site.get("/sealed", pages.show_all, Right.DECIDE_RELEASE)
    site.get("/sealed/{digest}", pages.show, Right.DECIDE_RELEASE)
    site.post("/sealed/{digest}", pages.ask, Right.ASK_RELEASE)


class Sealed:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show_all(self, request: Request) -> Response:
        """What is collected, until when, and the one next step of each."""
        lines = [_line(each) for each in self._site.run("sealed.list", {})["collections"]]
        return self._site.page(
            request,
            "sealed.html",
            waiting=[each for each in lines if each["standing"] in ASKABLE],
            others=[each for each in lines if each["standing"] not in ASKABLE],
            title_of=table_in_words,
            standings=STANDINGS,
            next_steps=NEXT,
        )

    def show(self, request: Request, digest: str) -> Response:
        """One collection: who takes part, who collects, what is sent, and the form to ask."""
        return self._show(request, digest)

    def ask(self, request: Request, digest: str) -> Response:
        """Ask for this city's share to be sent: charged now, and never again for these figures."""
        try:
            asked = self._site.run("sealed.request", {"batch": digest, "by": visitor_of(request).person_id})
        except VerbError as error:
            return self._show(request, digest, error=error)
        return self._site.go(f"/reviews/{asked['request']}", done="share-asked")

    def _show(self, request: Request, digest: str, *, error: VerbError | None = None) -> Response:
        try:
            shown = _line(self._site.run("sealed.show", {"batch": digest}))
        except VerbError as missing:
            if missing.code == "batch-unknown":
                return self._site.missing(request)
            raise
        return self._site.page(
            request,
            "sealed_batch.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else describe(error),
            told=shown,
            title_of=table_in_words,
            standings=STANDINGS,
            next_steps=NEXT,
            refusals=REFUSALS,
            void_why=VOID_WHY,
            can_ask=shown["standing"] in ASKABLE and shown.get("obstacle") is None,
            promise=promise_of(shown),
        )


def _line(told: dict[str, Any]) -> dict[str, Any]:
    """With the standing as what it is, and times as times."""
    times = {name: parse_time(told[name]) for name in ("opens", "closes") if name in told}
    return told | {"standing": Standing(told["standing"])} | times


def promise_of(told: dict[str, Any]) -> dict[str, Any] | None:
    """What the page says of a collection's hubs and noise, for the coordinator and the data protection officer."""
    if "leader" not in told:
        return None
    return {
        "one": _hub(told["leader"]),
        "two": _hub(told["helper"]),
        "cities": told["min_batch"],
        "is_least": told["min_batch"] == LEAST_BATCH,
        "for_coordinators": FOR_COORDINATORS,
        "for_officers": FOR_PROTECTION_OFFICERS,
        "epsilon": told["epsilon_milli"] / 1000,
        "odds": odds_factor(told["epsilon_milli"]),
    }


def _hub(part: dict[str, str]) -> str:
    return f"{part['operator']} ({part['name']})"


def share_in_words(site: Site, request: Request, request_id: str, now: datetime) -> dict[str, Any]:
    """What the page of a request shows of a sealed share: the counts that are in it, proved anew, and the promise."""
    told, words = site.run("sealed.look", {"request": request_id}), words_of(request, site)
    labels = [words.gettext(cell_label(told.get("dimension", ""), each["cell"])) for each in told["counts"]]
    return told | {
        "closes": parse_time(told["closes"]) if "closes" in told else now,
        "lines": list(zip(labels, [each["count"] for each in told["counts"]], strict=True)),
        "odd": [
            {"cell": None if each["cell"] is None else labels[each["cell"]], "what": WARNINGS[each["warning"]]}
            for each in told["warnings"]
        ],
        "promise": promise_of(told),
    }
