"""Figures for programs: `GET /v1/aggregates` in every format, and what can be asked for.

The parameters are those of the page (`regional_hub.figures`), and `format`. What is wrong with a question is said
before anything is sent. Each token has so many questions a minute.

    /v1/aggregates?table=bias_incidents.by_bias&by=month&from=2024-01&format=csv&as_of=812
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from regional_hub.door import Scope
from regional_hub.figure_answer import API_PATH, FigurePublisher, Parameters, find_answer, find_offer
from regional_hub.figures import FigureQueryError
from regional_hub.formats import FORMATS, Format
from regional_hub.web.access import Right
from regional_hub.web.site import Site
from regional_hub.web.spooled import pieces_of, spool
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.service.exports import download_headers
from shared_schema.service.problems import problem_response

REQUESTS_A_MINUTE: Final = 120
"""Of one token: a notebook that asks in a loop is welcome, one that asks without a pause waits."""
MINUTE: Final = 60.0


def install(site: Site) -> None:
    """Add the addresses of this module."""
    api = AnalystApi(site, site.publisher)
    site.api("GET", API_PATH, api.aggregates, Right.SEE_FIGURES, Scope.FIGURES_READ)
    site.api("GET", "/v1/tables", api.tables, Right.SEE_FIGURES, Scope.FIGURES_READ)


class Pace:
    """So many requests a minute of each; the next one may come in so many seconds. In the memory of one process."""

    def __init__(self, most: int = REQUESTS_A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._seen: dict[int, deque[float]] = {}
        self._lock = Lock()

    def wait(self, who: int) -> int:
        """0 when the request may go on and is counted, else the whole seconds until one may."""
        now = self._clock()
        with self._lock:
            seen = self._seen.setdefault(who, deque())
            while seen and seen[0] <= now - MINUTE:
                seen.popleft()
            if len(seen) >= self._most:
                return int(seen[0] + MINUTE - now) + 1
            seen.append(now)
            return 0


class AnalystApi:
    """The handlers."""

    def __init__(self, site: Site, publisher: FigurePublisher) -> None:
        self._site, self._publisher = site, publisher
        self._pace = Pace()

    def aggregates(self, request: Request) -> Response:
        """Figures, in the format that is named."""
        if (seconds := self._pace.wait(request.state.token.id)) > 0:
            return _too_many(seconds)
        parameters = parameters_of(request)
        chosen = format_of(parameters.pop("format", ["json"]))
        return file_response(self._site.database, parameters, self._publisher, chosen)

    def tables(self, request: Request) -> Response:
        """The tables and areas that can be asked for, in one state of the log."""
        if (seconds := self._pace.wait(request.state.token.id)) > 0:
            return _too_many(seconds)
        parameters = parameters_of(request)
        if set(parameters) - {"as_of"}:
            raise FigureQueryError("expected only the parameter as_of", "as_of")
        with self._site.database.read() as session:
            offer = find_offer(session, parameters, self._publisher)
        return JSONResponse(
            {
                "as_of": offer.as_of,
                "newest": offer.newest,
                "tables": [_table(table.to_object()) for table in offer.tables.values()],
                "areas": [
                    {"code": area.code, "hub": area.origin, "level": area.level, "relation": area.relation}
                    for area in offer.areas.values()
                ],
            }
        )


def parameters_of(request: Request) -> dict[str, list[str]]:
    """The parameters of an address, each with all its values."""
    return {name: request.query_params.getlist(name) for name in request.query_params}


def format_of(names: list[str]) -> Format:
    """Raises FigureQueryError for a format that there is not."""
    if len(names) != 1 or names[0] not in FORMATS:
        raise FigureQueryError(f"expected format to be one of {', '.join(FORMATS)}", "format")
    return FORMATS[names[0]]


def file_response(
    database: Database, parameters: Parameters, publisher: FigurePublisher, chosen: Format, *, download: bool = False
) -> Response:
    """An answer in a format. Raises FigureQueryError before anything is sent.

    It is written whole before the first piece is sent, into memory or a file without a name: a reader that takes its
    time must not keep a connection to the database, nor what is erased meanwhile in its files.
    """
    with database.read() as session:
        answer = find_answer(session, parameters, publisher)
        written = spool(chosen.write(answer))
    name = f"{answer.query.table.id}-{answer.query.as_of}.{chosen.ending}"
    headers = {
        "Content-Location": answer.citation.link + f"&format={chosen.name}",
        "Cache-Control": "no-store",
        **(download_headers(name) if download else {}),
    }
    return StreamingResponse(pieces_of(written), media_type=chosen.media_type, headers=headers)


def _too_many(seconds: int) -> Response:
    detail = f"expected at most {REQUESTS_A_MINUTE} requests a minute with one token"
    return problem_response(ProblemCode.RATE_LIMIT, detail, {"Retry-After": str(seconds)})


def _table(definition: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "version", "title", "measure", "dimension", "cells", "unit", "source_kinds", "granularities")
    return {name: definition[name] for name in names}
