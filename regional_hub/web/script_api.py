"""Addresses for scripts of people: a token and never a cookie, JSON, problem documents (RFC 9457)."""

from fastapi.responses import JSONResponse, Response

from regional_hub.door import Scope
from regional_hub.web.access import Right
from regional_hub.web.site import Site


def install(site: Site) -> None:
    """Add the addresses of this module."""
    site.api("GET", "/v1/status", Scripts(site).status, Right.SEE_CONSOLE, Scope.CONSOLE_READ)


class Scripts:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def status(self) -> Response:
        """How the hub stands, as `regional-hub status --json` says it."""
        return JSONResponse(self._site.run("status", {}))
