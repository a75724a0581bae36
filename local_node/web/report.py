"""The report of a quarter for the council: made to be printed, or saved as PDF, from any browser.

It holds what may be public: figures as they were shared, never as they were counted. Only when the coordinator asks for
the internal report do the exact figures stand beside them, and then every printed page says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import hub_client
from local_node.quarter_notes import MAX_CHARACTERS, QuarterNote, ReportError, check_quarter, find_note, save_note
from local_node.web.access import Right
from local_node.web.picture import home_policy, remembered
from local_node.web.picture_query import Query, label_of, newest_tables, place_of
from local_node.web.picture_view import ALL, Memory, Shown, Source, read_picture, tables_with_figures
from local_node.web.picture_words import PictureWords
from local_node.web.report_sections import sections_of
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.service.pages.forms import Form, FormError, number_of, text_of
from shared_schema.service.translations import N_

QUARTERS_OFFERED: Final = 12
MOST_VERSION: Final = 10**9


@dataclass(frozen=True, slots=True)
class Line:
    """One source of a measure: this quarter and the one before."""

    source: Source
    now: Shown
    before: Shown


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted, with what everybody says of it."""

    title: str
    lines: tuple[Line, ...]


def install(site: Site) -> None:
    """Add the report and the notice of its form."""
    screens = ReportScreens(site)
    site.notices["report-saved"] = N_("Your words are saved. They stay in this node.")
    site.get("/report", screens.show, Right.SEE_OWN_FIGURES)
    site.post("/report", screens.save, Right.ASK_RELEASE)


class ReportScreens:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._memory = Memory()

    def show(self, request: Request, quarter: str = "", internal: str = "") -> Response:
        """The report of a quarter; without a wish of the last one that is over."""
        try:
            period = check_quarter(quarter) if quarter else self._last_quarter()
        except ReportError:
            return self._site.missing(request)
        return self._page(request, period, is_internal=bool(internal))

    def save(self, request: Request, form: Form) -> Response:
        """Save the coordinator's words over those that were seen."""
        period = check_quarter(text_of(form, "quarter", most=10))
        is_internal = bool(text_of(form, "internal", most=3))
        typed = form.get("text", "")
        try:
            text = text_of(form, "text", most=MAX_CHARACTERS, lines=True)
            seen = number_of(form, "seen", least=0, most=MOST_VERSION)
            with self._site.database.write() as session:
                person = visitor_of(request).person_id
                save_note(session, period.label, text, seen=seen, person=person, now=self._site.clock())
        except (ReportError, FormError) as error:
            shown = {"code": error.code, "detail": error.message, "field": "text"}
            return self._page(request, period, is_internal=is_internal, typed=str(typed), error=shown)
        more = {"internal": "yes"} if is_internal else {}
        return self._site.go("/report", done="report-saved", quarter=period.label, **more)

    def _page(
        self,
        request: Request,
        period: Period,
        *,
        is_internal: bool,
        typed: str | None = None,
        error: dict[str, str] | None = None,
    ) -> Response:
        words = words_of(request, self._site)
        said = PictureWords(words, self._site.city.display_name)
        with self._site.database.read() as session:
            note = find_note(session, period.label)
            told = sections_of(session, period, words)
            measures = self._measures(session, period, said, is_internal=is_internal)
        return self._site.page(
            request,
            "report.html",
            status=422 if error else 200,
            period=period,
            quarters={label: said.period(label) for label in self._offered(period.label)},
            is_internal=is_internal,
            note=note,
            typed=note.text if typed is None else typed,
            paragraphs=_paragraphs(note),
            told=told,
            measures=measures,
            said=said,
            error=error,
        )

    def _measures(self, session: Session, period: Period, said: PictureWords, *, is_internal: bool) -> list[Measure]:
        hubs = hub_client.nearest_first(hub_client.list_hubs(session))
        policies = remembered(session)
        policy = home_policy(hubs, policies)
        if policy is None:
            return []
        before = label_of(place_of(period.label, "quarter") - 1, "quarter")
        first, last = parse_period(before).start[:7], period.end[:7]
        known = tables_with_figures(session, newest_tables(policy), with_counts=is_internal)
        found: dict[str, Measure] = {}
        for name, title, query in _queries(policy, first, last):
            if name in found or query.table.id not in known:
                continue
            picture = read_picture(session, query, policies, hubs, self._memory, with_counts=is_internal)
            if lines := tuple(_lines(picture.sources, period.label, before)):
                found[name] = Measure(said.words.gettext(title), lines)
        return list(found.values())

    def _last_quarter(self) -> Period:
        today = self._site.clock().astimezone(self._site.city.zone).date()
        return parse_period(label_of(_quarter_of(today) - 1, "quarter"))

    def _offered(self, chosen: str) -> Sequence[str]:
        """The newest quarters, that of today too, and the chosen one."""
        today = self._site.clock().astimezone(self._site.city.zone).date()
        labels = [label_of(_quarter_of(today) - ago, "quarter") for ago in range(QUARTERS_OFFERED)]
        return labels if chosen in labels else [chosen, *labels]


def _quarter_of(day: date) -> int:
    return place_of(f"{day:%Y-%m}", "quarter")


def _queries(policy: PolicyBody, first: str, last: str) -> Iterator[tuple[str, str, Query]]:
    """(measure, title, query) of every table that has quarters: all tables of a measure count the same things, so the
    first one with figures will do."""
    for table in newest_tables(policy):
        if "quarter" in table.granularities:
            measure = policy.find_measure(table.measure)
            title = measure.title if measure else table.title
            yield table.measure, title, Query(table, "", "quarter", first, last, "table")


def _lines(sources: Sequence[Source], now: str, before: str) -> Iterator[Line]:
    """What has anything to say of this quarter; a source that only knew the one before is left out."""
    for source in sources:
        if (now, ALL) in source.figures:
            yield Line(source, source.at(now, ALL), source.at(before, ALL))


def _paragraphs(note: QuarterNote) -> list[str]:
    return [part.strip() for part in note.text.split("\n\n") if part.strip()]
