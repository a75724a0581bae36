"""The screens of the picture: how the city stands beside its region and nation, as charts, tables and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import hub_client, inbox
from local_node.hub_client import PinnedHub
from local_node.web.access import Right
from local_node.web.picture_charts import draw_bars, draw_lines
from local_node.web.picture_files import file_name, make_csv, make_xlsx
from local_node.web.picture_query import EVERY, Query, newest_tables, read_query
from local_node.web.picture_view import Memory, Picture, PolicyOf, read_picture, tables_with_figures
from local_node.web.picture_words import PictureWords
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.governance import PolicyBody
from shared_schema.service.exports import CSV_TYPE, XLSX_TYPE
from shared_schema.service.pages.figure_words import LENGTHS
from shared_schema.service.pages.forms import FormError

ASKED: Final = ("table", "cell", "by", "from", "to", "view")


def install(site: Site) -> None:
    """Add the screens; `/trends` is an old address of theirs."""
    screens = PictureScreens(site)
    site.get("/picture", screens.show, Right.SEE_PICTURE)
    site.get("/picture.csv", screens.as_csv, Right.SEE_PICTURE)
    site.get("/picture.xlsx", screens.as_xlsx, Right.SEE_PICTURE)
    site.get("/trends", lambda: site.go("/picture", view="table"), Right.SEE_PICTURE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, read as far as it could be."""

    picture: Picture
    policy: PolicyBody
    error: FormError | None
    words: PictureWords


class PictureScreens:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._memory = Memory()

    def show(self, request: Request) -> Response:
        """Charts or a table, with the filters that are in the address."""
        try:
            asked = self._ask(request)
        except KeyError:
            return self._site.missing(request)
        if asked is None:
            return self._site.page(request, "picture_none.html")
        picture, words = asked.picture, asked.words
        is_chart = picture.query.view == "chart"
        return self._site.page(
            request,
            "picture_show.html",
            status=422 if asked.error else 200,
            picture=picture,
            query=picture.query,
            said=words,
            tables=_choices(asked.policy, words),
            cells=_cells(picture.query, words),
            lengths={each: words.say(LENGTHS[each]) for each in picture.query.table.granularities},
            lines=list(draw_lines(picture, words)) if is_chart else [],
            bars=list(draw_bars(picture, words)) if is_chart and not picture.query.cell else [],
            error=asked.error and {"code": asked.error.code, "detail": asked.error.message, "field": asked.error.field},
        )

    def as_csv(self, request: Request) -> Response:
        """What the page shows, for a spreadsheet or a statistics program."""
        return self._file(request, "csv")

    def as_xlsx(self, request: Request) -> Response:
        """The same for Excel."""
        return self._file(request, "xlsx")

    def _file(self, request: Request, ending: str) -> Response:
        try:
            asked = self._ask(request)
        except KeyError:
            asked = None
        if asked is None:
            return self._site.missing(request)
        if asked.error is not None:
            raise asked.error
        make, kind = (make_csv, CSV_TYPE) if ending == "csv" else (make_xlsx, XLSX_TYPE)
        content = make(asked.picture, asked.words, self._site.clock())
        name = file_name(asked.picture, ending)
        return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    def _ask(self, request: Request) -> Asked | None:
        """None as long as no hub has told its tables. Raises KeyError for a table that there is not."""
        with_counts = visitor_of(request).may(Right.SEE_OWN_FIGURES)
        today = self._site.clock().astimezone(self._site.city.zone).date()
        values = {name: request.query_params.get(name, "")[:100] for name in ASKED}
        with self._site.database.read() as session:
            hubs = hub_client.nearest_first(hub_client.list_hubs(session))
            policies = remembered(session)
            policy = home_policy(hubs, policies)
            if policy is None or not policy.tables:
                return None
            known = set() if values["table"] else tables_with_figures(
                session, newest_tables(policy), with_counts=with_counts
            )  # fmt: skip
            query, error = read_query(policy, values, known, today)
            picture = read_picture(session, query, policies, hubs, self._memory, with_counts=with_counts)
        return Asked(picture, policy, error, PictureWords(words_of(request, self._site), self._site.city.display_name))


def remembered(session: Session) -> PolicyOf:
    """The newest policy of a hub, read once for a page."""
    known: dict[str, PolicyBody | None] = {}

    def find(origin: str) -> PolicyBody | None:
        if origin not in known:
            known[origin] = inbox.current_policy(session, origin)
        return known[origin]

    return find


def home_policy(hubs: Sequence[PinnedHub], policies: PolicyOf) -> PolicyBody | None:
    """The policy of the nearest hub that has one."""
    return next((policy for hub in hubs if (policy := policies(hub.name)) is not None), None)


def _choices(policy: PolicyBody, words: PictureWords) -> dict[str, dict[str, str]]:
    """Measure → its tables, for the list to choose from."""
    found: dict[str, dict[str, str]] = {}
    for table in newest_tables(policy):
        measure = policy.find_measure(table.measure)
        heading = words.words.gettext(measure.title) if measure else words.words.gettext("Tables")
        found.setdefault(heading, {})[table.id] = words.table(table)
    return found


def _cells(query: Query, words: PictureWords) -> dict[str, str]:
    codes = {code: words.cell(query.table, code) for code in ("", *query.table.cells)}
    return codes | {EVERY: words.words.gettext("Every one, side by side")}
