"""The analyst's workbench: ask for figures in an address, see them with their uncertainty, take them along.

No place is ranked: areas stand in the order of their codes, each chart on its own scale.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from markupsafe import Markup

from regional_hub.figure_answer import Answer, find_answer, find_offer, permanent_address
from regional_hub.figures import MONTHS, SEALED, TOTAL, FigureQuery, FigureQueryError, Offer, label_of
from regional_hub.region_map import Outlines, Place, draw_maps
from regional_hub.web.access import Right
from regional_hub.web.analyst_api import file_response, format_of, parameters_of
from regional_hub.web.figure_view import MOST_CHARTS, Line, Shown, arrange, coverage_of
from regional_hub.web.site import Site, words_of
from regional_hub.web.snippets import snippets_for
from regional_hub.web.words import Words
from shared_schema.service.charts import Chart, Mark, Point, line_chart
from shared_schema.service.pages import terms
from shared_schema.service.pages.figure_words import FEW, HIDDEN, LENGTHS, MARKS, NOT_COLLECTED
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind, label

MOST_LINES: Final = 400
"""Of a table on a page: beyond it a file is the better form."""
VIEWS: Final[Mapping[str, str]] = {"chart": N_("Charts"), "table": N_("A table")}
MOST_MAPS: Final = 12
"""Of a page, as many as somebody can compare."""
MAP: Final[Mapping[str, str]] = {"map": N_("A map")}
"""A view where the operator has set up a map."""
FILE_NAMES: Final[Mapping[str, str]] = {
    "csv": "CSV",
    "xlsx": "Excel",
    "parquet": "Parquet",
    "json": "JSON",
    "sdmx-csv": "SDMX-CSV",
    "sdmx-json": "SDMX-JSON",
}
WITHOUT: Final[Mapping[str, str]] = {
    "few": FEW,
    "hidden": HIDDEN,
    "missing": NOT_COLLECTED,
    "absent": N_("nothing was shared"),
}
WITHHELD: Final[Mapping[str, str]] = {
    "few-cities": N_("from fewer cities than the policy asks for"),
    "dominance": N_("one city could be estimated from it"),
    "differencing": N_("a city could be worked out from the difference to what is shown already"),
}
HINTS: Final[Mapping[str, str]] = {
    "table": N_("There is no such table here. Choose one of the list."),
    "area": N_("Of an area in this question there are no figures, at this time at least. Choose from the list."),
    "level": N_("There are no figures of this level. Choose regions, the nation or Europe."),
    "cell": N_("The table has no such category. Choose from the list."),
    "by": N_("The table has no figures for periods of this length."),
    "from": N_("The beginning is not a month, a quarter or a year, or it lies after the end or too far before it."),
    "to": N_("The end is not a month, a quarter or a year."),
    "source": N_("There is no such source of figures. Choose from the list."),
    "as_of": N_("The state of the log is not one that there is or was."),
}
"""Parameter of an address → what is wrong with it, in words."""
NO_TABLES: Final = N_("This hub has published no policy with tables yet. When its operator does, figures can come in.")
ALL_CELLS: Final = N_("All together")


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Workbench(site)
    site.get("/figures", pages.show, Right.SEE_FIGURES)
    site.get("/figures/file", pages.file, Right.SEE_FIGURES)
    site.get("/figures/use", pages.use, Right.SEE_FIGURES)


class Workbench:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The form with its answer. A question that makes no sense is shown again with what was expected."""
        parameters = parameters_of(request)
        view = parameters.pop("view", ["chart"])[0]
        try:
            with self._site.database.read() as session:
                offer = find_offer(session, parameters, self._site.publisher)
                answer = find_answer(session, parameters, self._site.publisher)
                lines = arrange(answer.query, answer.figures, answer.citation.least_shown)
        except FigureQueryError as error:
            return self._refused(request, parameters, error)
        words = words_of(request, self._site)
        said = FigureWords(words, answer)
        views = {**VIEWS, **(MAP if self._site.outlines.rings else {})}
        view = view if view in views else "chart"
        return self._site.page(
            request,
            "figures.html",
            answer=answer,
            query=answer.query,
            said=said,
            offer=offer,
            lines=lines[:MOST_LINES],
            left_out=max(len(lines) - MOST_LINES, 0),
            drawings=said.draw(lines) if view == "chart" else [],
            too_many_charts=len(lines) > MOST_CHARTS
            if view == "chart"
            else len({line.cell for line in lines}) > MOST_MAPS,
            maps=said.draw_maps(lines, offer, self._site.outlines) if view == "map" else [],
            view=view,
            views=views,
            files=FILE_NAMES,
            coverage=coverage_of(lines),
            lengths={each: words.gettext(LENGTHS[each]) for each in MONTHS},
            sources={kind.value: words.gettext(label(kind)) for kind in SourceKind},
            address=self._address,
            site_url=self._site.public_url,
            total=TOTAL,
            error=None,
        )

    def file(self, request: Request) -> Response:
        """The same answer as a file."""
        parameters = parameters_of(request)
        parameters.pop("view", None)
        chosen = format_of(parameters.pop("format", []))
        return file_response(self._site.database, parameters, self._site.publisher, chosen, download=True)

    def use(self, request: Request) -> Response:
        """How to have the figures in Excel, R and Python; the question of the address is in every snippet."""
        parameters = parameters_of(request)
        parameters.pop("view", None)
        with self._site.database.read() as session:
            answer = find_answer(session, parameters, self._site.publisher)
        return self._site.page(
            request, "figures_use.html", snippets=snippets_for(answer.citation.link), link=answer.citation.link
        )

    def _address(self, query: FigureQuery, path: str, **more: str) -> str:
        """The address of a page or file with the same question."""
        extra = "".join(f"&{name}={value}" for name, value in more.items())
        return permanent_address(query, "", path) + extra

    def _refused(self, request: Request, parameters: Mapping[str, Sequence[str]], error: FigureQueryError) -> Response:
        shown = describe(error) | {"field": error.parameter}
        is_empty = error.parameter == "table" and not any(parameters.get("table", ()))
        hint = NO_TABLES if is_empty else HINTS.get(error.parameter)
        return self._site.page(request, "figures_refused.html", status=422, error=shown, hint=hint, is_empty=is_empty)


class FigureWords:
    """An answer in one language."""

    def __init__(self, words: Words, answer: Answer) -> None:
        self.words, self.query = words, answer.query

    @property
    def title(self) -> str:
        return self.words.gettext(self.query.table.title)

    @property
    def periods(self) -> str:
        first, last = self.query.labels[0], self.query.labels[-1]
        return self.words.span(first) if first == last else f"{self.words.span(first)} – {self.words.span(last)}"

    def translated(self, messages: Mapping[str, str]) -> dict[str, str]:
        return {key: self.words.gettext(message) for key, message in messages.items()}

    def table(self, table: TableDefinition) -> str:
        return self.words.gettext(table.title)

    def cell(self, code: str) -> str:
        if code == TOTAL:
            return self.words.gettext(ALL_CELLS)
        return self.words.gettext(terms.cell_label(self.query.table.dimension, code))

    def area(self, code: str, offer: Offer) -> str:
        """The code of an area, and whose figures they are."""
        found = offer.areas.get(code)
        return code if found is None else f"{code} · {found.origin}"

    def line(self, line: Line) -> str:
        """What a chart or a line is of: only what differs between them is said."""
        parts = [line.area] if len(self.query.areas) > 1 else []
        return " · ".join([*parts, self.cell(line.cell)])

    def shown(self, shown: Shown) -> str:
        """A figure with its interval, or the words in its place."""
        number = self.words.number
        if shown.value is not None:
            return number(shown.value)
        return self.words.gettext(WITHOUT[shown.kind])

    def interval(self, shown: Shown) -> str:
        if shown.low is None or shown.high is None:
            return ""
        return f"{self.words.number(shown.low)}–{self.words.number(shown.high)}"

    def reason(self, shown: Shown) -> str:
        """Why a figure is not shown."""
        withheld = "" if shown.figure is None else shown.figure.withheld or ""
        return self.words.gettext(WITHHELD[withheld]) if withheld in WITHHELD else ""

    def sealed(self, shown: Shown) -> str:
        """That a figure is a sealed total, and of how many cities."""
        figure = shown.figure
        if figure is None or figure.estimate is None or figure.mechanism is None:
            return ""
        if figure.mechanism != SEALED:
            return " " + self.words.gettext(N_("partly from sealed totals"))
        said = self.words.ngettext(
            "sealed total of %(count)s city: the noise is that of two hubs alone",
            "sealed total of %(count)s cities: the noise is that of two hubs alone",
            figure.contributors,
        )
        return " " + said % {"count": figure.contributors}

    def is_without(self, shown: Shown) -> bool:
        return shown.value is None

    def draw(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """A small chart for each area and cell, on its own scale."""
        return [self._drawing(number, line) for number, line in enumerate(lines[:MOST_CHARTS])]

    def _drawing(self, number: int, line: Line) -> dict[str, Any]:
        title = self.line(line)
        points = [
            Point(self.words.span(label), shown.value, shown.low, shown.high, shown.marks)
            for label, shown in zip(self.query.labels, line.shown, strict=True)
        ]
        told = "; ".join(
            f"{self.words.span(label)}: {self.shown(shown)}"
            for label, shown in zip(self.query.labels, line.shown, strict=True)
        )
        chart = self._chart(f"figure-{number}", title, told)
        return {"title": title, "svg": Markup(line_chart(chart, points))}  # noqa: S704 - its texts are escaped

    def draw_maps(self, lines: Sequence[Line], offer: Offer, outlines: Outlines) -> list[dict[str, Any]]:
        """A map for each cell, of the newest period with a figure of a region; the page's table has all the others."""
        regions = [line for line in lines if offer.areas[line.area].level == "region" and line.area in outlines]
        newest = max((at for line in regions for at, shown in enumerate(line.shown) if shown.figure), default=None)
        if newest is None:
            return []
        by_cell: dict[str, list[Place]] = {}
        for line in regions:
            by_cell.setdefault(line.cell, []).append(self._place(line.area, line.shown[newest]))
        period = self.words.span(self.query.labels[newest])
        maps = [
            (
                self._chart(f"map-{number}", f"{self.cell(cell)} · {period}", "; ".join(each.told for each in places)),
                places,
            )
            for number, (cell, places) in enumerate(list(by_cell.items())[:MOST_MAPS])
        ]
        return [
            {"title": chart.title, "svg": Markup(svg)}  # noqa: S704 - its texts are escaped
            for (chart, _), svg in zip(maps, draw_maps(outlines, maps), strict=True)
        ]

    def _place(self, code: str, shown: Shown) -> Place:
        told = f"{code}: {self.shown(shown)} {self.interval(shown)}".rstrip()
        return Place(code, shown.value, told, next(iter(shown.marks), Mark.ABSENT))

    def _chart(self, key: str, title: str, told: str) -> Chart:
        return Chart(
            key=key,
            title=title,
            description=told,
            words={mark: self.words.gettext(text) for mark, text in MARKS.items()},
            empty=self.words.gettext(N_("No figures in these periods")),
            number=self.words.number,
        )

    def month(self, start: int) -> str:
        """A month as a form writes it."""
        return label_of(start, "month")

    @property
    def last_month(self) -> str:
        """The last month of the last period."""
        return label_of(self.query.last + MONTHS[self.query.by] - 1, "month")
