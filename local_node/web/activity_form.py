"""One activity: what others see of it, and the form for its agency.

Before anything is stored the form says what it would clash with, and what in its texts could point to a person. Both
can be answered with a yes; a person who has typed much loses nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from local_node import activity_store, clash_store
from local_node.activities import (
    KINDS,
    MAX_CONTACT,
    MAX_NOTE,
    MAX_TITLE,
    SENSITIVE,
    Activity,
    ActivityError,
    Draft,
    as_seen_by,
    check_draft,
    plan_of,
)
from local_node.activity_store import StaleActivityError
from local_node.clash_store import Near
from local_node.clashes import AUDIENCE, ActivityState
from local_node.orm import AgencyContactRow
from local_node.web import failures
from local_node.web.access import Right, Visitor
from local_node.web.calendar import STATE_NAMES, Names, agency_of, names_for
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.errors import ProgramError
from shared_schema.service.pages.forms import Form, FormError, choice_of, choices_of, is_sent, text_of
from shared_schema.service.pages.site import text_in
from shared_schema.service.translations import N_

CITY: Final = "*"
"""In the form: the whole city."""
FIELDS: Final = (
    *("title", "kind", "area", "starts_on", "ends_on", "from_time", "to_time"),
    *("state", "contact_role", "note", "quiet", "version", "key", "audience"),
)
LABELS: Final[Mapping[str, str]] = {
    "title": N_("Title"),
    "kind": N_("Kind"),
    "area": N_("Where"),
    "starts_on": N_("First day"),
    "ends_on": N_("Last day"),
    "from_time": N_("From"),
    "to_time": N_("To"),
    "audience": N_("For whom"),
    "state": N_("State"),
    "contact_role": N_("Whom others may call, by role"),
    "note": N_("Note"),
    "quiet": N_("Quiet window"),
}
YES: Final = N_("yes")
NO: Final = N_("no")
FIELD_OF: Final[Mapping[str, str]] = {
    "activity-title": "title",
    "activity-contact": "contact_role",
    "activity-note": "note",
    "activity-kind": "kind",
    "activity-area": "area",
    "activity-audience": "audience",
    "activity-window": "ends_on",
    "activity-time": "to_time",
}
"""Code of an error → the field it is about."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ActivityPages(site)
    site.notices |= {
        "activity-saved": N_("Saved. Other agencies see it in the calendar."),
        "activity-quiet": N_("Saved. Other agencies see only where and when, and whom to talk to."),
        "activity-clash": N_("Saved. It comes close to another one; both agencies find a notice. Please talk first."),
    }
    site.get("/calendar/new", pages.ask, Right.ENTER_ACTIVITIES)
    site.post("/calendar/new", pages.add, Right.ENTER_ACTIVITIES)
    site.get("/calendar/{number}", pages.show, Right.SEE_CALENDAR)
    site.post("/calendar/{number}", pages.change, Right.ENTER_ACTIVITIES)


class ActivityPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def ask(self, request: Request, day: str = "") -> Response:
        """An empty form."""
        return self._form(request, {"starts_on": day[:10], "ends_on": "", "state": "planned", "area": CITY})

    def add(self, request: Request, form: Form) -> Response:
        """Plan an activity."""
        return self._save(request, form, None)

    def show(self, request: Request, number: str) -> Response:
        """An activity, as far as the visitor's agency may see it."""
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            try:
                activity = as_seen_by(activity_store.get_activity(session, number), agency_of(visitor))
            except ActivityError:
                return self._site.missing(request)
            contacts = contacts_of(session, activity.agency)
            names = names_for(session, words_of(request, self._site))
        if activity.agency == agency_of(visitor) and visitor.may(Right.ENTER_ACTIVITIES):
            return self._form(request, _typed_of(activity), activity=activity)
        return self._site.page(
            request, "calendar_activity.html", activity=activity, names=names, contacts=contacts, states=STATE_NAMES
        )

    def change(self, request: Request, number: str, form: Form) -> Response:
        """Change an activity of one's own agency."""
        with self._site.database.read() as session:
            try:
                activity = activity_store.get_activity(session, number)
            except ActivityError:
                return self._site.missing(request)
        if activity.agency != agency_of(visitor_of(request)):
            return self._site.missing(request)
        return self._save(request, form, activity)

    def _save(self, request: Request, form: FormData, activity: Activity | None) -> Response:
        visitor, typed = visitor_of(request), _typed_in(form)
        agency = agency_of(visitor)
        if agency is None:
            error = ActivityError("expected an account that belongs to an agency", code="no-agency")
            return self._form(request, typed, activity=activity, error=error, status=422)
        try:
            draft = _draft_of(form)
            with self._site.database.read() as session:
                areas = frozenset(each.id for each in activity_store.list_districts(session))
                check_draft(draft, areas)
                near = clash_store.would_clash(
                    session, draft, agency=agency, activity_id=activity.id if activity else ""
                )
            found = self._look_through(request, draft)
            if self._has_to_ask(form, draft, activity, near, found):
                return self._form(request, typed, activity=activity, near=near, findings=found, status=422)
            clashing = self._store(agency, visitor, draft, activity, form)
        except StaleActivityError as error:
            return self._compare(request, typed, error)
        except ProgramError as error:
            return self._form(request, typed, activity=activity, error=error, status=failures.status_of(error))
        done = "activity-clash" if clashing else "activity-quiet" if draft.quiet else "activity-saved"
        return self._site.go("/calendar", done=done, month=f"{draft.starts_on:%Y-%m}")

    def _compare(self, request: Request, typed: dict[str, Any], error: StaleActivityError) -> Response:
        """What was typed, over what somebody has stored since: to be compared, and saved again."""
        number = str(request.path_params["number"])
        with self._site.database.read() as session:
            newest = activity_store.get_activity(session, number)
            names = names_for(session, words_of(request, self._site))
        stored = _typed_of(newest)
        kept = {
            label: _said(stored, name, names)
            for name, label in LABELS.items()
            if (sorted(stored[name]) if name == "audience" else stored[name])
            != (sorted(typed[name]) if name == "audience" else typed[name])
        }
        typed = typed | {"version": stored["version"]}
        return self._form(request, typed, activity=newest, kept=kept, error=error, status=409)

    def _has_to_ask(
        self,
        form: FormData,
        draft: Draft,
        activity: Activity | None,
        near: tuple[Near, ...],
        found: list[dict[str, str]],
    ) -> bool:
        """Whether something has to be read first: a clash that this page has not shown yet, or a passage found."""
        is_same_text = activity is not None and _texts(activity.draft) == _texts(draft)
        unread = bool(found) and not is_sent(form, "keep") and not is_same_text
        if activity is not None and activity.plan == plan_of(activity.id, activity.agency, draft):
            return unread  # nothing has moved
        unseen = {each.activity.id for each in near} - set(str(form.get("shown", "")).split())
        return unread or bool(unseen) or (bool(near) and not is_sent(form, "anyway"))

    def _store(self, agency: str, visitor: Visitor, draft: Draft, activity: Activity | None, form: FormData) -> int:
        """Store it and keep the notices; how many are open with others."""
        now = self._site.clock()
        with self._site.database.write() as session:
            if activity is None:
                saved = activity_store.add_activity(
                    session,
                    draft,
                    agency=agency,
                    person=visitor.person_id,
                    now=now,
                    activity_id=text_in(form, "key"),
                )
            else:
                version = text_in(form, "version")
                saved = activity_store.change_activity(
                    session,
                    activity.id,
                    draft,
                    agency=agency,
                    version=int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0,
                    person=visitor.person_id,
                    now=now,
                )
            has_moved = activity is None or activity.plan != saved.plan
            return clash_store.note_clashes(session, saved, has_moved=has_moved, now=now)

    def _look_through(self, request: Request, draft: Draft) -> list[dict[str, str]]:
        """What in the texts could point to a person; the city's own lists are read by a verb."""
        texts = {name: text for name, text in _texts(draft).items() if text}
        language = words_of(request, self._site).code
        answer = self._site.run("calendar.look", {"texts": texts, "language": language})
        found: list[dict[str, str]] = answer["findings"]
        return found

    def _form(
        self,
        request: Request,
        typed: Mapping[str, Any],
        *,
        activity: Activity | None = None,
        near: tuple[Near, ...] = (),
        findings: list[dict[str, str]] | None = None,
        kept: Mapping[str, str] | None = None,
        error: ProgramError | None = None,
        status: int = 200,
    ) -> Response:
        visitor = visitor_of(request)
        typed = {**dict.fromkeys(FIELDS, ""), "audience": (), **typed}
        typed["key"] = typed["key"] or activity_store.new_activity_id()
        with self._site.database.read() as session:
            names = names_for(session, words_of(request, self._site))
            contacts = {each.activity.agency: contacts_of(session, each.activity.agency) for each in near}
        near = tuple(replace(each, activity=as_seen_by(each.activity, agency_of(visitor))) for each in near)
        described = None
        if error is not None:
            field = error.field if isinstance(error, FormError) else FIELD_OF.get(error.code)
            described = {"code": error.code, "detail": error.message, "field": field}
        return self._site.page(
            request,
            "calendar_form.html",
            status=status,
            typed=typed,
            kept=kept or {},
            activity=activity,
            near=near,
            shown=" ".join(each.activity.id for each in near),
            findings=findings or [],
            contacts=contacts,
            names=names,
            areas={CITY: names.whole_city, **names.open_areas},
            sensitive=SENSITIVE,
            states=STATE_NAMES,
            limits={"title": MAX_TITLE, "contact": MAX_CONTACT, "note": MAX_NOTE},
            error=described,
        )


def contacts_of(session: Session, agency: str) -> list[tuple[str, str, str]]:
    """Whom to call at an agency; only for pages, which somebody who is signed in reads."""
    row = AgencyContactRow
    found = session.execute(select(row.name, row.phone, row.email).where(row.agency_id == agency).order_by(row.name))
    return [(name, phone, email) for name, phone, email in found]


def _said(stored: Mapping[str, Any], name: str, names: Names) -> str:
    """A field of what is stored, as people read it; the page translates the words for a state and a tick."""
    value = stored[name]
    if name == "audience":
        return names.people(frozenset(value))
    if name == "area":
        return names.area(None if value == CITY else value)
    if name == "kind":
        return names.kinds[value]
    if name == "state":
        return STATE_NAMES[value][1]
    return (YES if value else NO) if name == "quiet" else str(value)


def _texts(draft: Draft) -> dict[str, str]:
    return {"title": draft.title, "contact_role": draft.contact_role, "note": draft.note}


def _typed_in(form: FormData) -> dict[str, Any]:
    typed: dict[str, Any] = {name: text_in(form, name)[:1_000] for name in FIELDS}
    return typed | {"audience": [str(each)[:60] for each in form.getlist("audience")[:40]]}


def _typed_of(activity: Activity) -> dict[str, Any]:
    draft = activity.draft
    return {
        "title": draft.title,
        "kind": draft.kind,
        "area": draft.area or CITY,
        "starts_on": draft.starts_on.isoformat(),
        "ends_on": draft.ends_on.isoformat(),
        "from_time": f"{draft.from_time:%H:%M}" if draft.from_time else "",
        "to_time": f"{draft.to_time:%H:%M}" if draft.to_time else "",
        "state": draft.state.value,
        "contact_role": draft.contact_role,
        "note": draft.note,
        "quiet": "1" if draft.quiet else "",
        "version": str(activity.version),
        "audience": sorted(draft.audience),
    }


def _draft_of(form: FormData) -> Draft:
    """What was typed. Raises FormError."""
    starts_on = _day(form, "starts_on")
    area = text_of(form, "area", most=80)
    return Draft(
        title=text_of(form, "title", least=3, most=MAX_TITLE),
        kind=choice_of(form, "kind", KINDS),
        area=None if area in (CITY, "") else area,
        audience=frozenset(choices_of(form, "audience", AUDIENCE)),
        starts_on=starts_on,
        ends_on=_day(form, "ends_on") if text_in(form, "ends_on").strip() else starts_on,
        from_time=_time(form, "from_time"),
        to_time=_time(form, "to_time"),
        state=ActivityState(choice_of(form, "state", list(ActivityState))),
        quiet=is_sent(form, "quiet"),
        contact_role=text_of(form, "contact_role", least=2, most=MAX_CONTACT),
        note=text_of(form, "note", most=MAX_NOTE, lines=True),
    )


def _day(form: FormData, field: str) -> date:
    text = text_of(form, field, most=10)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FormError(f"expected a day such as 2026-11-22 in {field}", field, code="activity-day") from None


def _time(form: FormData, field: str) -> time | None:
    text = text_of(form, field, most=5)
    try:
        return time.fromisoformat(text) if text else None
    except ValueError:
        raise FormError(f"expected a time such as 09:30 in {field}", field, code="activity-clock") from None
