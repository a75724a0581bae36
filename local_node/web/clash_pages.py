"""Clash notices, and what the calendar goes by: the city's districts, and how near is near."""

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import activity_store, clash_store
from local_node.activities import ActivityError, as_seen_by
from local_node.clash_store import Notice
from local_node.clashes import MAX_GAP_DAYS, ClashState, choices_from
from local_node.web import report_sections
from local_node.web.access import Right, Visitor
from local_node.web.activity_form import contacts_of
from local_node.web.calendar import agency_of, names_for
from local_node.web.planning_report import activities_of
from local_node.web.reporting import today_in
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.service.pages import statuses
from shared_schema.service.pages.forms import Form, FormError, choice_of, number_of, text_of
from shared_schema.service.translations import N_

STATE_NAMES = {
    ClashState.OPEN.value: ("bad", N_("please talk first")),
    ClashState.TALKED.value: ("wait", N_("they have talked")),
    ClashState.ACCEPTED.value: ("good", N_("both go ahead")),
    ClashState.SOLVED.value: ("good", N_("solved")),
}
SAY = {
    ClashState.OPEN.value: N_("Talk again"),
    ClashState.TALKED.value: N_("We have talked"),
    ClashState.ACCEPTED.value: N_("Both go ahead"),
    ClashState.SOLVED.value: N_("One of us has moved"),
}
MAX_DISTRICTS_TEXT = 20_000
LESSON_TITLE = N_("Two activities that came too close")
LESSON_SUMMARY = N_(
    "Two agencies had planned activities for the same people at nearly the same time. What happened, what it did to "
    "the well-prepared one, and what we would agree on earlier:"
)


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ClashPages(site)
    report_sections.register("did", activities_of)
    site.notices |= {
        "clash-said": N_("Saved. Both agencies see it."),
        "calendar-rules": N_("Saved. Notices follow the new rule."),
    }
    site.get("/calendar/clashes", pages.show, Right.SEE_CALENDAR)
    site.post("/calendar/clashes", pages.say, Right.ENTER_ACTIVITIES)
    site.get("/calendar/places", pages.places, Right.SEE_AGENCIES)
    site.post("/calendar/places", pages.set_places, Right.MANAGE_AGENCIES)


class ClashPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request, all: bool = False) -> Response:
        """The notices of one's own agency; whoever sees all agencies sees all notices."""
        return self._show(request, everything=all)

    def _show(self, request: Request, *, everything: bool = False, error: ActivityError | None = None) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        states = list(ClashState) if everything else clash_store.UNSOLVED
        with self._site.database.read() as session:
            only = None if sees_all(visitor) else agency_of(visitor) or ""
            notices = clash_store.list_clashes(session, only, states)
            names = names_for(session, words)
            gap = activity_store.read_gap_days(session)
            contacts = {
                agency: contacts_of(session, agency)
                for agency in {each for notice in notices for each in (notice.one.agency, notice.other.agency)}
            }
        seen = [
            (notice, as_seen_by(notice.one, agency_of(visitor)), as_seen_by(notice.other, agency_of(visitor)))
            for notice in notices
        ]
        return self._site.page(
            request,
            "calendar_clashes.html",
            status=200 if error is None else 409,
            notices=seen,
            everything=everything,
            names=names,
            contacts=contacts,
            gap=gap,
            states=STATE_NAMES,
            say=SAY,
            choices_from=choices_from,
            may_say=lambda notice: may_say(visitor, notice),
            lesson_address=_lesson(words),
            error=None if error is None else statuses.describe(error),
        )

    def say(self, request: Request, form: Form) -> Response:
        """Say what has become of a clash."""
        visitor = visitor_of(request)
        number = number_of(form, "clash", least=1, most=10**12)
        was = ClashState(choice_of(form, "was", list(ClashState)))
        state = ClashState(choice_of(form, "state", list(ClashState)))
        try:
            with self._site.database.write() as session:
                if not may_say(visitor, clash_store.get_clash(session, number)):
                    return self._site.missing(request)
                clash_store.change_clash(
                    session, number, was=was, state=state, person=visitor.person_id, now=self._site.clock()
                )
        except ActivityError as error:
            if error.code == "clash-unknown":
                return self._site.missing(request)
            return self._show(request, error=error)
        everything = "" if state in clash_store.UNSOLVED else "1"
        return self._site.go("/calendar/clashes", done="clash-said", all=everything)

    # --- districts, and how near is near ----------------------------------------------------------------------------

    def places(self, request: Request) -> Response:
        """The city's districts, and the rule."""
        with self._site.database.read() as session:
            typed = self._typed(session)
        return self._show_places(request, typed)

    def set_places(self, request: Request, form: Form) -> Response:
        """Keep the list of districts and the number of days; notices follow at once."""
        visitor, now = visitor_of(request), self._site.clock()
        typed = {"districts": str(form.get("districts", "")), "gap_days": str(form.get("gap_days", ""))}
        try:
            names = text_of(form, "districts", most=MAX_DISTRICTS_TEXT, lines=True).splitlines()
            days = number_of(form, "gap_days", least=0, most=MAX_GAP_DAYS)
            with self._site.database.write() as session:
                activity_store.set_districts(session, names, person=visitor.person_id, now=now)
                if days != activity_store.read_gap_days(session):
                    activity_store.set_gap_days(session, days, person=visitor.person_id, now=now)
                    clash_store.note_all_clashes(session, today=today_in(self._site), now=now)
        except (ActivityError, FormError) as error:
            return self._show_places(request, typed, error)
        return self._site.go("/calendar/places", done="calendar-rules")

    def _typed(self, session: Session) -> dict[str, str]:
        districts = [each.name for each in activity_store.list_districts(session) if not each.ended]
        return {"districts": "\n".join(districts), "gap_days": str(activity_store.read_gap_days(session))}

    def _show_places(
        self, request: Request, typed: dict[str, str], error: ActivityError | FormError | None = None
    ) -> Response:
        return self._site.page(
            request,
            "calendar_places.html",
            status=200 if error is None else 422,
            typed=typed,
            most=MAX_GAP_DAYS,
            may_change=visitor_of(request).may(Right.MANAGE_AGENCIES),
            error=None if error is None else statuses.describe(error),
        )


def sees_all(visitor: Visitor) -> bool:
    """Whoever looks after the agencies sees all notices; a partner those of its own agency."""
    return visitor.may(Right.SEE_AGENCIES)


def may_say(visitor: Visitor, notice: Notice) -> bool:
    """The two agencies, and the coordinator, who helps them to talk."""
    if not visitor.may(Right.ENTER_ACTIVITIES):
        return False
    return sees_all(visitor) or agency_of(visitor) in (notice.one.agency, notice.other.agency)


def _lesson(words: Words) -> str:
    """Where an accepted clash becomes a lesson: without names, places or days, which the author adds or leaves out."""
    query = {
        "kind": "practice",
        "from": "clash",
        "title": words.gettext(LESSON_TITLE),
        "summary": words.gettext(LESSON_SUMMARY),
    }
    return f"/lessons/new?{urlencode(query)}"
