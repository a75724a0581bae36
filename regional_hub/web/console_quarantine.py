"""What this hub could not take: why, from whom, and the two things that can be done about it."""

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.service.translations import N_


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsoleQuarantine(site)
    site.get("/quarantine", pages.show, Right.SEE_CONSOLE)
    site.post("/quarantine/retry", pages.retry_all, Right.OPERATE)
    site.post("/quarantine/{digest}/retry", pages.retry, Right.OPERATE)
    site.post("/quarantine/{digest}/drop", pages.drop, Right.OPERATE)
    site.notices.update(
        {
            "quarantine-released": N_("It was taken now, and is in the log."),
            "quarantine-kept": N_("It still cannot be taken, for the reason that stands here."),
            "quarantine-dropped": N_("It was deleted here. Its digest stays in the audit log."),
        }
    )


class ConsoleQuarantine:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """Everything that was set aside, here and by linked hubs."""
        return self._site.page(request, "console_quarantine.html", found=self._site.run("quarantine.list", {}))

    def retry_all(self, request: Request) -> Response:
        """Try everything once more."""
        return self._tell(self._site.act(request, "quarantine.retry", {})["released"])

    def retry(self, request: Request, digest: str) -> Response:
        """Try one item once more."""
        return self._tell(self._site.act(request, "quarantine.retry", {"digest": digest})["released"])

    def drop(self, request: Request, digest: str) -> Response:
        """Delete one item, or evidence that is settled."""
        self._site.act(request, "quarantine.drop", {"digest": digest})
        return self._site.go("/quarantine", done="quarantine-dropped")

    def _tell(self, released: int) -> Response:
        return self._site.go("/quarantine", done="quarantine-released" if released else "quarantine-kept")
