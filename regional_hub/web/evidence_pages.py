"""What is known about what works, by outcome, evidence and phenomenon, and where nothing is known."""

from enum import StrEnum
from threading import Lock
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.responses import Response

from regional_hub.evidence_store import EvidenceShelf
from regional_hub.evidence_table import REASON_WORDS, EvidenceTable, Filters, Place, make_table
from regional_hub.figures import FigureQueryError
from regional_hub.web.access import Right
from regional_hub.web.analyst_api import parameters_of
from regional_hub.web.site import Site
from shared_schema.service.pages import terms
from shared_schema.vocabulary import EvidenceLevel, InterventionType, Outcome, Phenomenon, PreventionLevel, Setting

Term = TypeVar("Term", bound=StrEnum)
MOST_GAPS: Final = 60
"""On a page; the first ones are about the broadest phenomena."""


def install(site: Site) -> None:
    """Add the page of this module."""
    site.get("/evidence", EvidencePages(site).show, Right.SEE_FIGURES)


class EvidencePages:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site, self._shelf = site, EvidenceShelf()
        self._lock = Lock()  # the shelf is read by one at a time

    def show(self, request: Request) -> Response:
        """One row for each phenomenon and evidence level, one column for each outcome."""
        parameters = parameters_of(request)
        filters = Filters(
            _terms(parameters, "phenomenon", Phenomenon),
            _terms(parameters, "setting", Setting),
            _terms(parameters, "level", PreventionLevel),
            _terms(parameters, "intervention", InterventionType),
        )
        with self._lock, self._site.database.read() as session:
            table = make_table(*self._shelf.read(session), filters)
        return self._site.page(
            request,
            "evidence.html",
            table=table,
            rows=_rows(table),
            outcomes=list(Outcome),
            gaps=table.gaps[:MOST_GAPS],
            more_gaps=max(len(table.gaps) - MOST_GAPS, 0),
            reasons=REASON_WORDS,
            term=terms.term,
            choices={
                "phenomenon": (list(Phenomenon), filters.phenomenon),
                "setting": (list(Setting), filters.setting),
                "level": (list(PreventionLevel), filters.prevention_level),
                "intervention": (list(InterventionType), filters.intervention),
            },
        )


def _terms(parameters: dict[str, list[str]], name: str, kind: type[Term]) -> frozenset[Term]:
    """Raises FigureQueryError for what is no term."""
    values = [value for value in parameters.get(name, ()) if value]
    if any(value not in list(kind) for value in values):
        raise FigureQueryError(f"expected {name} to be some of {', '.join(kind)}", name)
    return frozenset(kind(value) for value in values)


def _rows(table: EvidenceTable) -> list[tuple[Phenomenon, EvidenceLevel, list[Any]]]:
    """(phenomenon, level, a cell or None for each outcome) where there is anything."""
    places = dict.fromkeys((place.phenomenon, place.level) for place in table.cells)
    return [
        (phenomenon, level, [table.cells.get(Place(phenomenon, outcome, level)) for outcome in Outcome])
        for phenomenon, level in places
    ]
