"""For the data protection officer: who did what, what left, what it cost, how long what is kept."""

from datetime import date
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import func, select

from local_node import audit_search, counted_units, departed, hub_client, outgoing, outside_messages
from local_node.audit_search import AuditFilter
from local_node.orm import AccountRow, AgencyContactRow, AgencyRow, AuditRow, InboxRow, PersonRow
from local_node.retention_rules import LEAST_MONTHS, MOST_MONTHS, Kind
from local_node.web.access import Right
from local_node.web.audit_words import action_name
from local_node.web.failures import status_of
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, number_of, text_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_

LARGEST: Final = 2**53
MAX_FILTER: Final = 300


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = OversightPages(site)
    site.notices |= {
        "retention-saved": N_("Saved. It stands in the audit log. Nothing was erased yet."),
        "records-erased": N_("The raw records are erased. The audit log says how many; the ledger stays."),
    }
    site.get("/oversight", pages.show, Right.SEE_OVERSIGHT)
    site.get("/oversight/audit", pages.show_audit, Right.SEE_OVERSIGHT)
    site.get("/oversight/audit.jsonl", pages.export_audit, Right.SEE_OVERSIGHT)
    site.get("/oversight/outgoing", pages.show_outgoing, Right.SEE_OVERSIGHT)
    site.get("/oversight/budget", pages.show_budget, Right.SEE_OVERSIGHT)
    site.get("/oversight/retention", pages.show_retention, Right.SEE_OVERSIGHT)
    site.post("/oversight/retention", pages.save_retention, Right.MANAGE_RETENTION)
    site.post("/oversight/erase", pages.erase, Right.MANAGE_RETENTION)
    site.get("/oversight/processing", pages.show_processing, Right.SEE_OVERSIGHT)


class OversightPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """What there is to look at, each with its number of today."""
        with self._site.database.read() as session:
            events = session.scalar(select(func.max(AuditRow.seq))) or 0
            left, waiting = departed.count_departed(session)
            messages = outside_messages.count_waiting(session)
        return self._site.page(
            request,
            "oversight.html",
            events=events,
            left=left,
            waiting=waiting,
            messages=messages,
            due=self._site.run("retention.due", {})["records"],
            budget=self._budget(),
        )

    def _budget(self) -> dict[str, Any] | None:
        """The budget; None while there are no rules of a hub."""
        try:
            return self._site.run("budget.show", {})
        except VerbError as error:
            if error.code == "no-policy":
                return None
            raise

    # --- the audit log ---------------------------------------------------------------------------------------------

    def show_audit(
        self,
        request: Request,
        since: str = "",
        until: str = "",
        actor: str = "",
        action: str = "",
        subject: str = "",
        before: int = 0,
    ) -> Response:
        """The log, filtered by what stands in the address, newest first."""
        if not 0 <= before <= LARGEST or any(len(each) > MAX_FILTER for each in (actor, action, subject)):
            return self._site.missing(request)
        error: dict[str, Any] | None = None
        days: dict[str, date | None] = {}
        for name, text in (("since", since), ("until", until)):
            try:
                days[name] = date.fromisoformat(text) if text else None
            except ValueError:
                error, days[name] = {"code": "day", "detail": "", "field": name}, None
        wanted = AuditFilter(
            days["since"], days["until"], actor.strip(), action.strip(), subject.strip(), self._site.city.zone
        )
        with self._site.database.read() as session:
            page = audit_search.find_events(session, wanted, before=before or None)
            actions = audit_search.list_actions(session)
            people = session.scalars(select(PersonRow.id).order_by(PersonRow.id)).all()
        language = words_of(request, self._site)
        typed = {"since": since, "until": until, "actor": actor, "action": action, "subject": subject}
        return self._site.page(
            request,
            "oversight_audit.html",
            status=422 if error else 200,
            page=page,
            typed=typed,
            query={name: text for name, text in typed.items() if text},
            actions=sorted(actions, key=lambda each: language.gettext(action_name(each))),
            action_name=action_name,
            people=people,
            is_first=not before,
            error=error,
        )

    def export_audit(self) -> Response:
        """The whole log as a file, the same bytes as `local-node audit export` writes."""
        lines = audit_search.export_lines(self._site.database, self._site.city.name)
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(lines, media_type="application/jsonl", headers=headers)

    # --- what left, and what it cost -------------------------------------------------------------------------------

    def show_outgoing(self, request: Request, hub: str = "", before: int = 0) -> Response:
        """Every envelope that was signed: when, to which hub, with which receipt."""
        if not 0 <= before <= LARGEST:
            return self._site.missing(request)
        with self._site.database.read() as session:
            hubs = [each.name for each in hub_client.list_hubs(session)]
            page = outgoing.list_outgoing(session, hub=hub, before=before or None)
        return self._site.page(request, "oversight_outgoing.html", page=page, hubs=hubs, hub=hub, is_first=not before)

    def show_budget(self, request: Request) -> Response:
        """The budget for privacy, in words and as bars."""
        return self._site.page(request, "oversight_budget.html", budget=self._budget())

    # --- how long what is kept -------------------------------------------------------------------------------------

    def show_retention(self, request: Request) -> Response:
        """Every kind of thing that is kept, for how long, and what an erasure would take."""
        return self._retention(request)

    def save_retention(self, request: Request, form: Form) -> Response:
        """Set the rules that the form says, each with its audit event; all of them or none.

        A rule that the form does not have stays; with rules that somebody has changed since, all stay as they are.
        """
        shown = self._site.run("retention.show", {})
        person = visitor_of(request).person_id
        try:
            wanted: list[dict[str, Any]] = [
                {"kind": Kind.RECORDS.value, "measure": each["measure"], "months": _months(form, field)}
                for each in shown["records"]
                if (field := f"records-{each['measure']}") in form  # one that came since was not on the page
            ]
            if "messages" in form:
                wanted.append({"kind": Kind.MESSAGES.value, "months": _months(form, "messages", Kind.MESSAGES)})
            if "drafts" in form:
                wanted.append({"kind": Kind.DRAFTS.value, "months": _months(form, "drafts", Kind.DRAFTS)})
            self._site.run("retention.set", {"rules": wanted, "seen": str(form.get("seen", "")), "by": person})
        except (ProgramError, VerbError, ContractError) as error:
            return self._retention(request, typed={name: str(value) for name, value in form.items()}, error=error)
        return self._site.go("/oversight/retention", done="retention-saved")

    def erase(self, request: Request, form: Form) -> Response:
        """Erase what the page has shown, if it is still the same."""
        try:
            self._site.run(
                "retention.purge",
                {
                    "measure": text_of(form, "measure", least=1, most=MAX_FILTER),
                    "before": text_of(form, "before", least=7, most=7),
                    "total": number_of(form, "total", least=1, most=10**12),
                    "by": visitor_of(request).person_id,
                },
            )
        except (ProgramError, VerbError, ContractError) as error:
            return self._retention(request, error=error)
        return self._site.go("/oversight/retention", done="records-erased")

    def _retention(
        self,
        request: Request,
        *,
        typed: dict[str, str] | None = None,
        error: ProgramError | VerbError | ContractError | None = None,
    ) -> Response:
        return self._site.page(
            request,
            "oversight_retention.html",
            status=200 if error is None else status_of(error),
            shown=self._site.run("retention.show", {}),
            typed=typed or {},
            least=LEAST_MONTHS[Kind.RECORDS],
            error=None if error is None else describe(error),
        )

    # --- the record of processing ----------------------------------------------------------------------------------

    def show_processing(self, request: Request) -> Response:
        """What Article 30 of the GDPR asks for, from the settings and from what is really stored."""
        with self._site.database.read() as session:
            stored = {
                "accounts": session.scalar(select(func.count()).select_from(AccountRow)) or 0,
                "agencies": session.scalar(select(func.count()).select_from(AgencyRow)) or 0,
                "contacts": session.scalar(select(func.count()).select_from(AgencyContactRow)) or 0,
                "contents": session.scalar(
                    select(func.count()).select_from(InboxRow).where(InboxRow.envelope.is_not(None))
                )
                or 0,
                "hashes": counted_units.has_units(session),
                "events": session.scalar(select(func.max(AuditRow.seq))) or 0,
                "left": departed.count_departed(session)[0],
            }
            hubs = hub_client.nearest_first(hub_client.list_hubs(session))
        return self._site.page(
            request,
            "oversight_processing.html",
            stored=stored,
            hubs=hubs,
            retention=self._site.run("retention.show", {}),
            settings=self._site.run("settings.show", {})["changeable"],
        )


def _months(form: Form, field: str, kind: Kind = Kind.RECORDS) -> int | None:
    """A number of months; None for an empty field."""
    if not form.get(field):
        return None
    return number_of(form, field, least=LEAST_MONTHS[kind], most=MOST_MONTHS)
