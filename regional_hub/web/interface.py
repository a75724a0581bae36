"""The hub's interface for programs, described."""

from typing import Any, Final

from regional_hub.figures import PARAMETERS
from regional_hub.formats import FORMATS
from regional_hub.web.access import Right
from regional_hub.web.site import Site
from shared_schema.service.interface import BYTES, JSON, TEXT, Operation, Parameter
from shared_schema.service.pages.interface import add_interface

SENT: Final = (JSON,)
_CURSOR: Final = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MEANING: Final = {
    "table": "The table's id; without it the first one of the policy",
    "area": "Code of an area; several are several parameters; without it the hub's own",
    "level": "region, nation or europe: the areas of this level",
    "cell": "Code of a cell, or _T for the total; several are several parameters; without it all of them",
    "by": "month, quarter or year",
    "from": "First period, such as 2024-01, 2024-Q1 or 2024",
    "to": "Last period",
    "source": "Only sums of this source kind",
    "as_of": "A size of the log: the answer as it was then, for ever the same",
}
FIGURE_PARAMETERS: Final = (
    *(Parameter(name, _MEANING[name]) for name in PARAMETERS),
    Parameter("format", "How the answer is written", {"type": "string", "enum": list(FORMATS)}),
)


def _path(name: str, description: str, schema: dict[str, Any] | None = None) -> Parameter:
    return Parameter(name, description, schema or {"type": "string", "minLength": 1}, "path", required=True)


OPERATIONS: Final = (
    # the log, for anybody
    Operation("GET", "/health", "Whether the hub can read its database", "public", {200: [JSON]}),
    Operation("GET", "/checkpoint", "The newest checkpoint (C2SP tlog-checkpoint)", "public", {200: [TEXT]}),
    Operation(
        "GET",
        "/tile/entries/{path}",
        "An entry bundle (C2SP tlog-tiles)",
        "public",
        {200: [BYTES]},
        (_path("path", "Its number, such as 000 or 000.p/12"),),
    ),
    Operation(
        "GET",
        "/tile/{level}/{path}",
        "A hash tile (C2SP tlog-tiles)",
        "public",
        {200: [BYTES]},
        (_path("level", "Its level"), _path("path", "Its number")),
    ),
    Operation(
        "GET",
        "/receipt/{name}",
        "The proof of an entry (C2SP tlog-proof)",
        "public",
        {200: [TEXT]},
        (_path("name", "The digest of its content, and .tlog-proof"),),
    ),
    Operation("GET", "/v1/hub", "Who this hub is: name, level, keys", "public", {200: [JSON]}),
    Operation("GET", "/v1/cosigner", "With which key this hub cosigns", "public", {200: [TEXT]}),
    Operation(
        "GET",
        "/v1/witnessed/{origin}",
        "The largest head of a log that this hub has cosigned",
        "public",
        {200: [TEXT]},
        (_path("origin", "The log's name"),),
    ),
    # members
    Operation("POST", "/v1/submissions", "Hand in one statement", "signature", {200: [JSON], 201: [JSON]}, bodies=SENT),
    Operation("POST", "/v1/submissions/batch", "Hand in several statements", "signature", {200: [JSON]}, bodies=SENT),
    Operation(
        "GET",
        "/v1/feed",
        "Entries of the log with their contents",
        "signature",
        {200: [JSON]},
        (Parameter("from", "The first index", _CURSOR), Parameter("seen", "The size seen before", _CURSOR)),
    ),
    Operation("GET", "/v1/members/me", "How this hub knows the member that asks", "signature", {200: [JSON]}),
    Operation(
        "POST", "/v1/relay", "Confide an item to be relayed", "signature", {200: [JSON], 202: [JSON]}, bodies=SENT
    ),
    Operation("GET", "/v1/relay", "How one's own confided items stand", "signature", {200: [JSON]}),
    Operation(
        "GET",
        "/v1/recalls",
        "How far withdrawals have come",
        "signature",
        {200: [JSON]},
        (Parameter("since", "From this entry of the log on", _CURSOR),),
    ),
    Operation(
        "GET",
        "/v1/explain/{digest}",
        "Who holds one's own item",
        "signature",
        {200: [JSON]},
        (_path("digest", "The digest of the item", _DIGEST), Parameter("member", "For this receiver alone")),
    ),
    Operation(
        "POST", "/v1/enrolments", "Ask to be a member, with a one-time code", "signature", {202: [JSON]}, bodies=SENT
    ),
    Operation("POST", "/v1/rotations", "Hand one's key on", "signature", {200: [JSON], 201: [JSON]}, bodies=SENT),
    Operation("POST", "/v1/leave", "Leave", "signature", {200: [JSON]}, bodies=SENT),
    # hubs among each other, and witnesses
    Operation("POST", "/add-checkpoint", "Cosign a head (C2SP tlog-witness)", "public", {200: [TEXT]}, bodies=(TEXT,)),
    Operation("POST", "/v1/cosignatures", "Bring a cosignature", "public", {200: [JSON]}, bodies=(TEXT,)),
    Operation(
        "GET",
        "/v1/seen/{origin}",
        "What this hub has seen of the log of the one that asks",
        "signature",
        {200: [JSON]},
        (_path("origin", "The log's name"),),
    ),
    Operation("POST", "/v1/heads", "Show a hub a head of its own log", "signature", {200: [JSON]}, bodies=SENT),
    Operation(
        "GET",
        "/v1/mirror/{origin}",
        "Leaves of the log of the one that asks",
        "signature",
        {200: [JSON]},
        (_path("origin", "The log's name"), Parameter("from", "The first index", _CURSOR)),
    ),
    Operation(
        "POST", "/v1/recovery/entries", "Bring back what a hub has lost", "signature", {200: [JSON]}, bodies=SENT
    ),
    Operation(
        "GET",
        "/v1/recovery",
        "Whether this hub gathers what an old copy has lost, and what it misses",
        "signature",
        {200: [JSON]},
        (
            Parameter("seen", "The largest size of its log that the one who asks has seen", _CURSOR),
            Parameter("after", "The last digest of the list before", _DIGEST),
            Parameter("done", "1 when everything was brought", {"type": "integer", "enum": [0, 1]}),
        ),
    ),
    Operation(
        "POST", "/v1/sealed/proposals", "Collect a sealed total together", "signature", {200: [JSON]}, bodies=SENT
    ),
    *(
        Operation(
            "POST",
            f"/v1/sealed/{{batch}}/{step}",
            description,
            "signature",
            {200: [JSON]},
            (_path("batch", "The digest of the batch", _DIGEST),),
            bodies=SENT,
        )
        for step, description in (
            ("shares", "A city's share, handed on to the second hub"),
            ("prepare", "What the leader makes of every share, and what both make of it"),
            ("roster", "The second hub's signature of whose shares are in both sums"),
            ("void", "The second hub's signature that nothing is opened"),
        )
    ),
    # analysts and operators
    Operation(
        "GET",
        "/v1/aggregates",
        "Figures, in every format",
        "token",
        {200: [each.media_type for each in FORMATS.values()]},
        FIGURE_PARAMETERS,
    ),
    Operation(
        "GET",
        "/v1/tables",
        "Which tables and areas can be asked for",
        "token",
        {200: [JSON]},
        (Parameter("as_of", _MEANING["as_of"]),),
    ),
    Operation("GET", "/v1/status", "How the hub stands", "token", {200: [JSON]}),
)
"""Everything that a program can ask a hub; the pages for people are not in it."""
TITLE: Final = "Prevention Exchange hub"


def install(site: Site) -> None:
    """Add the addresses of this module."""
    add_interface(site, TITLE, OPERATIONS, Right.OUTSIDE)
