"""Sealed totals: every batch that this hub leads or helps with, who has sent and who is missing, and what to do.

No page has a figure of a city, because this hub has none: it holds halves, and after the end nothing but digests.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.sealed_readiness import Obstacle
from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.sealed.states import BatchState
from shared_schema.sealed.terms import Refusal
from shared_schema.service.control import VerbError
from shared_schema.service.translations import N_

MOST_DIGITS: Final = 9
ROLES: Final[Mapping[str, str]] = {"leader": N_("leads"), "helper": N_("helps")}
_ENDED: Final[Mapping[str, tuple[str, str]]] = {
    BatchState.COMMITTED.value: ("wait", N_("signed by both; this hub's sum is published next")),
    BatchState.PUBLISHED.value: ("wait", N_("this hub's sum is in the log; the other hub's is missing")),
    BatchState.DONE.value: ("good", N_("opened; keys and shares are destroyed")),
    BatchState.VOID.value: ("plain", N_("void: nothing is ever opened; keys and shares are destroyed")),
}
STATES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "leader": {
        BatchState.PROPOSED.value: ("wait", N_("proposed; the other hub has not agreed yet")),
        BatchState.OPEN.value: ("good", N_("open: cities send")),
        BatchState.CLOSED.value: ("wait", N_("closed; the other hub has not answered yet")),
        BatchState.ANSWERED.value: ("wait", N_("decided; the other hub has not signed yet")),
        BatchState.DROPPED.value: ("plain", N_("the other hub did not agree; the keys are destroyed")),
        **_ENDED,
    },
    "helper": {
        BatchState.AGREED.value: ("wait", N_("agreed; it is not in the leader's log yet")),
        BatchState.OPEN.value: ("good", N_("open: cities send to the leader")),
        BatchState.ANSWERED.value: ("wait", N_("answered; the leader has not asked for the signature yet")),
        BatchState.SIGNED.value: ("wait", N_("signed; it is not in the leader's log yet")),
        BatchState.DROPPED.value: ("plain", N_("the leader never announced it; the keys are destroyed")),
        **_ENDED,
    },
}
REFUSALS: Final[Mapping[str, str]] = {
    Refusal.WRONG_BATCH.value: N_("It was made for another batch."),
    Refusal.TWICE.value: N_("More than one share of it came, or the two hubs hold different ones. Nobody chooses."),
    Refusal.LATE.value: N_("It came after the end."),
    Refusal.BAD_SEAL.value: N_("Its seal does not open with the keys of this batch."),
    Refusal.FORM.value: N_("What was sealed does not have the agreed form."),
    Refusal.RANGE.value: N_("A count is out of range, or the proof that it is not does not hold."),
    Refusal.HALVES.value: N_("The two halves do not belong together."),
}
"""Why a city's share is in neither sum. What it counted stays unknown to everybody."""
VOIDS: Final[Mapping[str, str]] = {
    "too-few": N_("Too few shares could be taken. The cities may send again, in another batch, at no further cost."),
    "given-up": N_("It was given up. The cities may send again, in another batch, at no further cost."),
}
PERIODS: Final[Mapping[str, str]] = {
    "month": N_("every month"),
    "quarter": N_("every quarter"),
    "year": N_("every year"),
}
OBSTACLES: Final[Mapping[str, str]] = {
    Obstacle.OLD_VERSION.value: N_("The policy has a newer version of this table. Seal that one."),
    Obstacle.TOO_FEW_CITIES.value: N_("Too few active cities of different municipalities are members."),
    Obstacle.HELPER_UNKNOWN.value: N_("The second hub is not in the directory. It must be a member, or the hub above."),
    Obstacle.HELPER_NOT_ACTIVE.value: N_("The second hub is suspended, or takes part no more."),
    Obstacle.HELPER_NOT_FOLLOWED.value: N_("This hub does not follow the second hub."),
    Obstacle.OWN_OPERATOR_UNSAID.value: N_("Nobody has said who runs this hub: set operator in hub.toml and restart."),
    Obstacle.HELPER_OPERATOR_UNSAID.value: N_("Nobody has said who runs the second hub. Say it on its page."),
    Obstacle.SAME_OPERATOR.value: N_("Both hubs are run by one operator: they are one hub, and every city refuses."),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleSealed(site)
    site.get("/sealed", pages.list_all, Right.SEE_CONSOLE)
    site.get("/sealed/{batch}", pages.show, Right.SEE_CONSOLE)


class ConsoleSealed:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def list_all(self, request: Request) -> Response:
        """What is under way, what the policy seals, and what has ended."""
        page = max(_number(request.query_params.get("page", "")) or 1, 1)
        found = self._site.run("sealed.batches", {"page": page})
        return self._site.page(
            request,
            "console_sealed.html",
            found=found,
            page=page,
            tables=self._site.run("sealed.tables", {})["tables"],
            obstacles=OBSTACLES,
            periods=PERIODS,
            **_words(),
        )

    def show(self, request: Request, batch: str) -> Response:
        """One batch, with its cities by name."""
        number = _number(batch)
        try:
            found = None if number is None else self._site.run("sealed.batch", {"batch": number})
        except VerbError as error:
            if error.code != "not-found":
                raise
            found = None
        if found is None:
            return self._site.missing(request)
        return self._site.page(
            request, "console_sealed_batch.html", batch=found, refusals=REFUSALS, voids=VOIDS, **_words()
        )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def _words() -> dict[str, Any]:
    return {"batch_states": STATES, "batch_roles": ROLES}
