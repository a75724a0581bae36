"""The node's interface for scripts, described."""

from typing import Final

from local_node.lesson import LESSON_KINDS
from local_node.web.access import Right
from local_node.web.site import Site
from shared_schema.service.interface import JSON, Operation, Parameter
from shared_schema.service.pages.interface import add_interface
from shared_schema.statement import Kind

TITLE: Final = "Prevention Exchange node"
_PAGES: Final = (
    Parameter("page", "Which page, from 1 on", {"type": "integer", "minimum": 1}),
    Parameter("limit", "How many items a page has", {"type": "integer", "minimum": 1, "maximum": 200}),
)
_KINDS: Final = [kind.value for kind in LESSON_KINDS]
OPERATIONS: Final = (
    Operation("GET", "/health", "Whether the node can read its database", "public", {200: [JSON]}),
    Operation(
        "GET",
        "/api/v1/inbox",
        "Lessons that were verified here, the newest first",
        "token",
        {200: [JSON]},
        (
            Parameter(
                "kind", "Only this kind", {"type": "string", "enum": [Kind(kind).value for kind in LESSON_KINDS]}
            ),
            *_PAGES,
        ),
    ),
    Operation("GET", "/api/v1/figures", "Sums that hubs have published", "token", {200: [JSON]}, _PAGES),
    Operation(
        "POST",
        "/api/v1/returns",
        "Hand in an agency's figures",
        "token",
        {200: [JSON], 201: [JSON]},
        (Parameter("agency", "The agency's id"), Parameter("table", "The table's id, with CSV")),
        ("text/csv", JSON),
    ),
    Operation("POST", "/api/v1/sync", "Exchange with the hubs", "token", {200: [JSON]}),
)
"""Everything that a script can ask a node; the pages for people are not in it."""


def install(site: Site) -> None:
    """Add the addresses of this module."""
    add_interface(site, TITLE, OPERATIONS, Right.OUTSIDE)
