"""The calendar of activities: by month or as a list, with filters in the address, for printing and for other programs.

Everybody who is signed in sees what is planned; of a quiet window of another agency only where, when and whom to talk
to. An activity that comes close to another one says so before it is stored.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import activity_store, clash_store
from local_node.activities import OTHER_KINDS, Activity, as_seen_by
from local_node.activity_store import Filter
from local_node.calendar_file import CalendarEntry, to_icalendar
from local_node.clashes import AUDIENCE, ActivityState
from local_node.review import Role
from local_node.web.access import Right, Visitor
from local_node.web.reporting import agency_names, today_in
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.service.exports import download_headers
from shared_schema.service.pages import terms
from shared_schema.service.translations import N_
from shared_schema.vocabulary import InterventionType

FIRST_MONTH: Final = date(2000, 1, 1)
LAST_MONTH: Final = date(2099, 12, 1)
LIST_MONTHS: Final = 3
ICALENDAR_TYPE: Final = "text/calendar; charset=utf-8"
WHOLE_CITY: Final = N_("The whole city")
EVERYBODY: Final = N_("Everybody")
HIDDEN_TITLE: Final = N_("Something is planned here then")
COORDINATION: Final = "_coordination"
"""In the place of an agency's id, and none can have it: its members would read what the coordinators keep quiet."""
COORDINATION_NAME: Final = N_("Coordination office")
STATE_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    ActivityState.PLANNED.value: ("wait", N_("planned")),
    ActivityState.CONFIRMED.value: ("good", N_("confirmed")),
    ActivityState.CANCELLED.value: ("plain", N_("cancelled")),
    ActivityState.DONE.value: ("plain", N_("done")),
}
"""How sure an activity is → the kind of mark, and the word."""
FILTERS: Final = ("agency", "area", "audience", "kind", "state")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an address asks for."""

    view: str
    month: date
    filters: Mapping[str, str]

    @property
    def last_day(self) -> date:
        months = LIST_MONTHS if self.view == "list" else 1
        year, month = divmod(self.month.year * 12 + self.month.month - 1 + months, 12)
        return date(year, month + 1, 1) - timedelta(days=1)

    def address(self, *, path: str = "/calendar", **changes: str) -> str:
        """The address of the same view with something else in it."""
        values = {"view": self.view, "month": f"{self.month:%Y-%m}", **self.filters, **changes}
        return f"{path}?{urlencode({name: value for name, value in values.items() if value})}"

    def beside(self, months: int) -> str:
        """The month so many further on, as an address has it."""
        year, month = divmod(self.month.year * 12 + self.month.month - 1 + months, 12)
        return f"{year:04d}-{month + 1:02d}"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the month view."""

    day: date
    is_in_month: bool
    is_today: bool
    activities: tuple[Activity, ...]


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Calendar(site)
    site.get("/calendar", pages.show, Right.SEE_CALENDAR)
    site.get("/calendar.ics", pages.export, Right.SEE_CALENDAR)


class Calendar:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """A month, or the list of the next three."""
        visitor, words = visitor_of(request), words_of(request, self._site)
        chosen = choose(request, today_in(self._site))
        with self._site.database.read() as session:
            found = self._find(session, request, chosen)
            names = names_for(session, words)
            clashes = clash_store.count_clashes(
                session, None if visitor.may(Right.SEE_AGENCIES) else agency_of(visitor) or ""
            )
        weeks = _weeks(chosen.month, found, today_in(self._site)) if chosen.view == "month" else []
        return self._site.page(
            request,
            "calendar_show.html",
            chosen=chosen,
            month_name=words.language.month(chosen.month),
            until_name=words.language.month(chosen.last_day),
            weekdays=_weekdays(words),
            weeks=weeks,
            activities=found,
            names=names,
            states=STATE_NAMES,
            open_clashes=clashes,
        )

    def export(self, request: Request) -> Response:
        """The same view as an iCalendar file."""
        words, chosen = words_of(request, self._site), choose(request, today_in(self._site))
        with self._site.database.read() as session:
            found = self._find(session, request, chosen)
            names = names_for(session, words)
        entries = [entry_of(activity, names, words) for activity in found]
        data = to_icalendar(entries, name=self._site.city.name, now=self._site.clock())
        name = f"calendar-{chosen.month:%Y-%m}.ics"
        return Response(data, media_type=ICALENDAR_TYPE, headers=download_headers(name))

    def _find(self, session: Session, request: Request, chosen: Chosen) -> tuple[Activity, ...]:
        agency = agency_of(visitor_of(request))
        which = _filter(chosen)
        return tuple(as_seen_by(each, agency) for each in activity_store.list_activities(session, which))


def choose(request: Request, today: date) -> Chosen:
    """What an address asks for; what it does not say, or says wrongly, is the usual."""
    query = request.query_params
    view = "list" if query.get("view") == "list" else "month"
    try:
        month = date.fromisoformat(f"{query.get('month', '')}-01")
    except ValueError:
        month = today.replace(day=1)
    month = min(max(month, FIRST_MONTH), LAST_MONTH)
    return Chosen(view, month, {name: query.get(name, "")[:80] for name in FILTERS})


def _filter(chosen: Chosen) -> Filter:
    filters = chosen.filters
    state = filters["state"]
    return Filter(
        since=chosen.month,
        until=chosen.last_day,
        agency=filters["agency"] or None,
        area=filters["area"] or None,
        audience=filters["audience"] or None,
        kind=filters["kind"] or None,
        states=(ActivityState(state),) if state in list(ActivityState) else tuple(ActivityState),
    )


def _weeks(month: date, activities: Sequence[Activity], today: date) -> list[list[Day]]:
    weeks = calendar.Calendar(calendar.MONDAY).monthdatescalendar(month.year, month.month)
    return [
        [
            Day(
                day,
                day.month == month.month,
                day == today,
                tuple(each for each in activities if each.draft.starts_on <= day <= each.draft.ends_on),
            )
            for day in week
        ]
        for week in weeks
    ]


def _weekdays(words: Words) -> list[str]:
    names = words.language.locale.days["stand-alone"]["abbreviated"]
    return [str(names[number]) for number in range(7)]


def agency_of(visitor: Visitor) -> str | None:
    """For which agency a visitor plans; a coordinator without one plans for the coordination itself."""
    if visitor.agency is not None:
        return visitor.agency
    return COORDINATION if Role.COORDINATOR in visitor.roles else None


# --- words -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Names:
    """What codes and ids are called, in the reader's language."""

    agencies: Mapping[str, str]
    areas: Mapping[str, str]
    open_areas: Mapping[str, str]
    kinds: Mapping[str, str]
    audience: Mapping[str, str]
    whole_city: str
    everybody: str
    hidden: str

    def agency(self, agency: str) -> str:
        return self.agencies.get(agency, agency)

    def area(self, area: str | None) -> str:
        return self.whole_city if area is None else self.areas.get(area, area)

    def people(self, audience: frozenset[str]) -> str:
        return ", ".join(sorted(self.audience.get(code, code) for code in audience)) or self.everybody

    def title(self, activity: Activity) -> str:
        return self.hidden if activity.hidden else activity.draft.title


def names_for(session: Session, words: Words) -> Names:
    """The names that the pages of the calendar need."""
    said = words.gettext
    districts = activity_store.list_districts(session)
    return Names(
        agencies={COORDINATION: said(COORDINATION_NAME), **agency_names(session)},
        areas={each.id: each.name for each in districts},
        open_areas={each.id: each.name for each in districts if not each.ended},
        kinds={term.value: words.term(term) for term in InterventionType}
        | {code: said(text) for code, text in OTHER_KINDS.items()},
        audience={code: said(terms.term(term)) for code, term in AUDIENCE.items()},
        whole_city=said(WHOLE_CITY),
        everybody=said(EVERYBODY),
        hidden=said(HIDDEN_TITLE),
    )


def entry_of(activity: Activity, names: Names, words: Words) -> CalendarEntry:
    """An activity as a calendar file has it; contacts by their role alone."""
    draft = activity.draft
    talk_to = words.gettext(N_("Talk to: %(role)s, %(agency)s")) % {
        "role": draft.contact_role,
        "agency": names.agency(activity.agency),
    }
    lines = [talk_to] if activity.hidden else [names.kinds[draft.kind], names.people(draft.audience), talk_to]
    return CalendarEntry(
        id=activity.id,
        summary=f"{names.title(activity)} ({names.agency(activity.agency)})",
        description="\n".join(lines),
        place=names.area(draft.area),
        first_day=draft.starts_on,
        last_day=draft.ends_on,
        from_time=draft.from_time,
        to_time=draft.to_time,
        state=draft.state.value,
        version=activity.version,
        changed_at=activity.changed_at,
    )
