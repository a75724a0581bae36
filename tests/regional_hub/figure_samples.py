"""Figures by hand, and the files that are made of them; another process makes them as well."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from regional_hub.figure_answer import Answer, Citation
from regional_hub.figures import TOTAL, Figure, FigureQuery
from regional_hub.formats import FORMATS
from tests.shared_schema import builders

LINK: Final = "https://hub.example/v1/aggregates?table=bias_incidents.by_offence&area=DED&area=DE&as_of=7"
CITATION: Final = Citation(
    "sachsen.de", "region", None, 2, "2026-11-22T09:00:00Z", LINK, f'Sachsen, "Bias", as of log entry 7, {LINK}'
)
QUERY: Final = FigureQuery(builders.TABLE, ("DED", "DE"), (), "month", 2026 * 12 + 8, 2026 * 12 + 9, 7)
GOOD: Final = Figure(
    "DED", "sachsen.de", "verbal", "2026-09", "A", 3, 3, 4, "police_recorded", 1, 1, 5, 12, 3000, 9, 15, 1, 4
)
HIDDEN: Final = replace(
    GOOD, period="2026-10", status="Q", contributors=2, reporting=2, estimate=None, low=None, high=None,
    variance_milli=None, suppressed=None, suppressed_high=None, withheld="few-cities", entry=6,
)  # fmt: skip
FIGURES: Final = (
    GOOD,
    HIDDEN,
    replace(GOOD, cell="property", estimate=0, low=-3, high=3),
    replace(HIDDEN, cell="property", status="L", withheld=None, contributors=0),
    replace(GOOD, cell="assault", status="B", estimate=-4, low=-9, high=1, revision=3, table_version=2),
    replace(GOOD, cell=TOTAL, status="D", estimate=4 * 10**15, suppressed=None, suppressed_high=None),
    replace(GOOD, area="DE", origin="bund.de", source="agency_return"),
)
"""Every status, a true zero, a value below zero, and the largest that a sum may have."""


def answer_of(figures: Iterable[Figure], query: FigureQuery = QUERY, citation: Citation = CITATION) -> Answer:
    return Answer(query, citation, iter(figures))


def write(name: str, figures: Iterable[Figure] = FIGURES, **parts: Any) -> bytes:
    return b"".join(FORMATS[name].write(answer_of(figures, **parts)))


def digests() -> dict[str, str]:
    return {name: hashlib.sha256(write(name)).hexdigest() for name in FORMATS}
