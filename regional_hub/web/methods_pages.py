"""How the figures are made, and the catalogue of them: for everybody, signed in or not."""

from datetime import date
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from regional_hub import catalogue
from regional_hub.catalogue import Format, Span, make_catalogue
from regional_hub.figure_answer import API_PATH
from regional_hub.figures import label_of
from regional_hub.formats import FORMATS
from regional_hub.members import get_policy
from regional_hub.methods import Publisher, Text, make_note
from regional_hub.orm import EntryRow, SeriesRow, ShownSumRow
from regional_hub.web.access import Right
from regional_hub.web.site import Site, words_of
from shared_schema.names import parse_time
from shared_schema.period import parse_period

FILE_TYPES: Final = {
    "json": "JSON",
    "csv": "CSV",
    "xlsx": "XLSX",
    "parquet": "PARQUET",
    "sdmx-csv": "CSV",
    "sdmx-json": "JSON",
}
"""Format → its code in the EU's list of file types (Publications Office, authority table file-type)."""
JSON_LD: Final = "application/ld+json"


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = MethodsPages(site)
    site.get("/methods", pages.show, Right.OUTSIDE)
    site.get("/catalog", pages.catalogue, Right.OUTSIDE)


class MethodsPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The methods note of the policy in force."""
        publisher = self._site.publisher
        with self._site.database.read() as session:
            policy = get_policy(session, publisher.name)
        note = make_note(policy, Publisher(publisher.name, publisher.url, self._site.false_alarm_years))
        words = words_of(request, self._site)

        def said(text: Text) -> str:
            return words.gettext(text.pattern) % text.values

        return self._site.page(request, "methods.html", note=note, said=said)

    def catalogue(self, request: Request) -> Response:
        """The catalogue of all tables as DCAT-AP, in JSON-LD."""
        publisher = self._site.publisher
        url = publisher.url.rstrip("/")
        with self._site.database.read() as session:
            policy = get_policy(session, publisher.name)
            spans = {table.id: span for table in policy.tables if (span := _span(session, table.id)) is not None}
        site = catalogue.Site(
            name=publisher.name,
            url=url,
            area=self._site.area,
            catalogue=f"{url}/catalog",
            service=url + API_PATH,
            description=f"{url}/openapi.json",
            methods=f"{url}/methods",
        )
        formats = [
            Format(
                each.name, each.media_type.partition(";")[0], FILE_TYPES[each.name], f"{API_PATH}?format={each.name}"
            )
            for each in FORMATS.values()
        ]
        words = words_of(request, self._site)
        language = words.code if words.code in catalogue.LANGUAGES else "en"
        found = make_catalogue(policy, site, spans, formats, language=language, translate=words.gettext)
        return JSONResponse(found, media_type=JSON_LD)


def _span(session: Session, table: str) -> Span | None:
    """From which period to which there are figures of a table, and when the newest came."""
    row = session.execute(
        select(func.min(ShownSumRow.start), func.max(ShownSumRow.start), func.max(ShownSumRow.entry_index))
        .join(SeriesRow, SeriesRow.id == ShownSumRow.series_id)
        .where(SeriesRow.table_id == table)
    ).one()
    first, last, entry = row
    if entry is None:
        return None
    time = session.scalars(select(EntryRow.time).where(EntryRow.index == entry)).one()
    day: date = parse_time(time).date()
    return Span(parse_period(label_of(first, "month")), parse_period(label_of(last, "month")), day)
