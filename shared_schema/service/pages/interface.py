"""The description of an interface: as OpenAPI for programs, and as a page that needs nothing from elsewhere."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from shared_schema import SOFTWARE_VERSION
from shared_schema.service.interface import Operation, describe
from shared_schema.service.pages.site import Site
from shared_schema.service.translations import N_

ACCESS: Final = {
    "public": N_("for everybody"),
    "signature": N_("for members, signed"),
    "token": N_("with a token"),
}


def add_interface(site: Site, title: str, operations: Sequence[Operation], right: str) -> None:
    """Add `/openapi.json` and `/interface` for whoever has the right."""
    pages = Interface(site, title, operations)
    site.get("/openapi.json", pages.document, right)
    site.get("/interface", pages.show, right)


class Interface:
    """The handlers."""

    def __init__(self, site: Site, title: str, operations: Sequence[Operation]) -> None:
        self._site, self._title, self._operations = site, title, operations

    @cached_property
    def _document(self) -> dict[str, Any]:
        return describe(self._title, SOFTWARE_VERSION, self._operations)

    def document(self) -> Response:
        """For programs."""
        return JSONResponse(self._document)

    def show(self, request: Request) -> Response:
        """For people who write programs."""
        return self._site.page(request, "interface.html", operations=self._operations, access=ACCESS)
