"""What moves through the hub: withdrawals, relayed items and the questions about them, sums, witnesses and hubs."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.service.translations import N_

MOST_LINES: Final = 200
"""Of a list on a page, the newest first; the command line has all."""
SOURCES: Final = {"parent": N_("hub above"), "member": N_("hub below")}
ITEM_STATES: Final = {
    "waiting": ("wait", N_("waits for the window")),
    "handed-up": ("wait", N_("handed to the hub above")),
    "published": ("good", N_("published")),
    "withdrawn": ("plain", N_("withdrawn")),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleFlow(site)
    site.get("/withdrawals", pages.withdrawals, Right.SEE_CONSOLE)
    site.get("/questions", pages.questions, Right.SEE_CONSOLE)
    site.post("/questions/publish", pages.publish, Right.OPERATE)
    site.post("/questions/{question}/forward", pages.forward, Right.OPERATE)
    site.get("/sums", pages.sums, Right.SEE_CONSOLE)
    site.post("/sums", pages.aggregate, Right.OPERATE)
    site.get("/witnesses", pages.witnesses, Right.SEE_CONSOLE)
    site.notices.update(
        {
            "question-forwarded": N_("Handed on. The author's program finds the question when it next asks."),
            "window-closed": N_(
                "What is due was published. What came in after the window began waits for the next one."
            ),
            "window-empty": N_("Nothing is due yet: it waits for its window, or for company from other cities."),
            "sums-published": N_("The sums are published, as far as the policy lets them."),
            "sums-same": N_("There was nothing to publish: the sums are as their figures are."),
        }
    )


class ConsoleFlow:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def withdrawals(self, request: Request) -> Response:
        """Who has confirmed what was taken back, and who is late; those that are late come first."""
        found = self._site.run("recalls", {})
        recalls = sorted(found["recalls"], key=lambda each: (not each["late"], -each["entry"]))
        return self._site.page(
            request,
            "console_withdrawals.html",
            recalls=recalls[:MOST_LINES],
            left_out=max(len(recalls) - MOST_LINES, 0),
        )

    def questions(self, request: Request) -> Response:
        """Questions about items without a city's name, and what waits to be published like that."""
        items = self._site.run("relay.list", {})["items"]
        return self._site.page(
            request,
            "console_questions.html",
            questions=self._site.run("relay.questions", {})["questions"],
            items=items[-MOST_LINES:][::-1],
            item_states=ITEM_STATES,
        )

    def forward(self, request: Request, question: str) -> Response:
        """Hand a question on to the author whom nobody may know."""
        self._site.act(request, "relay.forward", {"question": question})
        return self._site.go("/questions", done="question-forwarded")

    def publish(self, request: Request) -> Response:
        """Publish what the window has gathered."""
        report = self._site.act(request, "relay.publish", {})
        has_done = report["published"] or report["withdrawn"] or report["handed_up"]
        return self._site.go("/questions", done="window-closed" if has_done else "window-empty")

    def sums(self, request: Request) -> Response:
        """Which sums have changed inputs."""
        sums = self._site.run("sums.changed", {})["sums"]
        return self._site.page(request, "console_sums.html", sums=sums[:MOST_LINES], count=len(sums))

    def aggregate(self, request: Request) -> Response:
        """Publish them now and not in the next round."""
        published = self._site.act(request, "aggregate", {})["published"]
        return self._site.go("/sums", done="sums-published" if published else "sums-same")

    def witnesses(self, request: Request) -> Response:
        """Who vouches for this log, how fresh the followed hubs are, and what was kept against anybody."""
        found = self._site.run("sources", {})
        return self._site.page(
            request,
            "console_witnesses.html",
            found=self._site.run("witness.list", {}),
            sources=found["sources"],
            hours=found["freshness_hours"],
            evidence=self._site.run("evidence.list", {})["evidence"],
            directions=SOURCES,
        )
