"""The second person's desk: what waits, exactly what would leave, who would receive it, and the decision.

Every decision names the digest of the text that was shown, so a text that changed meanwhile is not approved unseen.
"""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import confidence, hub_client, inbox, receivers, request_store, whole_periods
from local_node.marks import cut_all
from local_node.narrative import free_texts
from local_node.receivers import Receivers
from local_node.request_store import StoredRequest
from local_node.review import MAX_REASON_CHARACTERS, Person, RequestState, Resolution, Role
from local_node.web import lesson_forms
from local_node.web.access import Right, Visitor
from local_node.web.body_words import in_words
from local_node.web.deciders import deciders_of, names_of, opens_at, why_not
from local_node.web.failures import status_of
from local_node.web.figure_lines import lines_of_body, promise_of
from local_node.web.lesson_sources import writer_of
from local_node.web.presentation import KIND_NAMES
from local_node.web.sealed_pages import share_in_words
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.canonical import parse_strict
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, text_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.pages.terms import words as table_in_words
from shared_schema.service.translations import N_
from shared_schema.statement import Kind
from shared_schema.trend import TrendBody

OPEN: Final = (RequestState.REQUESTED, RequestState.APPROVED, RequestState.HELD)
DECIDED_LISTED: Final = 20
KEEP: Final = "keep"
STATES: Final = {
    RequestState.REQUESTED: ("wait", N_("Waits for a decision")),
    RequestState.APPROVED: ("wait", N_("Approved, leaves with the next exchange")),
    RequestState.REFUSED: ("plain", N_("Not released")),
    RequestState.HELD: ("bad", N_("Held back by a rule")),
    RequestState.SIGNED: ("good", N_("Signed")),
    RequestState.WITHDRAWN: ("plain", N_("Taken back")),
}
"""State of a request -> the kind of sign, and what it is called."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Reviews(site)
    site.notices |= {
        "request-approved": N_("Approved. It is signed and leaves with the next exchange."),
        "request-changed": N_(
            "The passages were changed. This is the text as it stands now: please read it once more."
        ),
        "request-refused": N_("It does not leave. Whoever wrote it sees your reason and can change the text."),
        "request-again": N_("It waits for a decision again."),
    }
    site.get("/reviews", pages.show_all, Right.DECIDE_RELEASE)
    site.get("/reviews/{request_id}", pages.show, Right.DECIDE_RELEASE)
    site.post("/reviews/{request_id}/decide", pages.decide, Right.DECIDE_RELEASE)
    site.post("/reviews/{request_id}/again", pages.ask_again, Right.ASK_RELEASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One request in a list. `mine` when this visitor can decide it now."""

    stored: StoredRequest
    title: str
    mine: bool


class Reviews:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show_all(self, request: Request) -> Response:
        """What waits, with what waits for the visitor first; then what was decided last."""
        person, now, words = _person(visitor_of(request)), self._site.clock(), words_of(request, self._site)
        with self._site.database.read() as session:
            waiting = request_store.list_requests(session, RequestState.REQUESTED)
            held = request_store.list_requests(session, RequestState.HELD)
            decided = request_store.list_decided(session, limit=DECIDED_LISTED)
            names = names_of(session)

        def line(stored: StoredRequest) -> Line:
            return Line(stored, title_of_request(stored, words), why_not(stored.request, person, now) is None)

        lines = sorted((line(stored) for stored in waiting), key=lambda each: not each.mine)
        return self._site.page(
            request,
            "reviews.html",
            mine=[each for each in lines if each.mine],
            others=[each for each in lines if not each.mine],
            held=[line(stored) for stored in held],
            decided=[line(stored) for stored in decided],
            names=names,
            states=STATES,
            kinds=KIND_NAMES,
        )

    def show(self, request: Request, request_id: str) -> Response:
        """One request: everything that a decision needs."""
        return self._show(request, request_id)

    def decide(self, request: Request, request_id: str, form: Form) -> Response:
        """Approve, change passages, or refuse, about the text whose digest the form names."""
        decision = str(form.get("decision", ""))
        steps = {"approve": self._approve, "change": self._change, "refuse": self._refuse}
        if decision not in steps:
            return self._site.missing(request)
        try:
            steps[decision](visitor_of(request).person_id, request_id, form)
        except (VerbError, ProgramError, ContractError) as error:
            return self._show(request, request_id, typed=form, error=error)
        done = {"approve": "request-approved", "change": "request-changed", "refuse": "request-refused"}[decision]
        return self._site.go(f"/reviews/{request_id}", done=done)

    def ask_again(self, request: Request, request_id: str) -> Response:
        """Let a request that a rule held back be decided anew."""
        self._site.run("release.again", {"request": request_id, "by": visitor_of(request).person_id})
        return self._site.go(f"/reviews/{request_id}", done="request-again")

    # --- the three decisions ---------------------------------------------------------------------------------------

    def _approve(self, person: str, request_id: str, form: Form) -> None:
        chosen = _chosen(form)
        if any(choice != KEEP for choice in chosen.values()):
            raise VerbError(
                "change-first", "expected only passages that stay: change the others first, then look again"
            )
        accept = {str(number): _reason(form, f"reason-{number}") for number in chosen}
        self._site.run("release.approve", {"request": request_id, "by": person, "accept": accept, "seen": _seen(form)})

    def _change(self, person: str, request_id: str, form: Form) -> None:
        changes: dict[str, list[int]] = {each.value: [] for each in Resolution}
        for number, choice in _chosen(form).items():
            if choice != KEEP:
                changes[choice].append(number)
        self._site.run("release.resolve", {"request": request_id, "by": person, "seen": _seen(form)} | changes)

    def _refuse(self, person: str, request_id: str, form: Form) -> None:
        self._site.run("release.refuse", {"request": request_id, "by": person, "reason": _reason(form, "reason")})

    # --- the page --------------------------------------------------------------------------------------------------

    def _show(self, request: Request, request_id: str, *, typed: Any = None, error: Any = None) -> Response:
        visitor, now, words = visitor_of(request), self._site.clock(), words_of(request, self._site)
        with self._site.database.read() as session:
            try:
                stored = request_store.get_request(session, request_id)
            except ProgramError:
                return self._site.missing(request)
            asked, body = stored.request, parse_strict(stored.request.body)
            values: dict[str, Any] = {
                "names": names_of(session),
                "deciders": deciders_of(session, asked),
                "reach": self._reach(session, stored),
                "figures": None,
                "body": None,
                "share": None,
            }
            if asked.kind is Kind.TREND and "cells" in body:
                values["figures"] = self._figures(session, stored, request)
        if asked.kind is Kind.SHARE:
            if asked.state in OPEN:
                values["share"] = share_in_words(self._site, request, request_id, now)
        elif asked.kind is not Kind.TREND:
            pieces = cut_all(free_texts(body), asked.findings)
            values["body"] = in_words(body, pieces, words)
        return self._site.page(
            request,
            "review.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else describe(error),
            typed=typed or {},
            stored=stored,
            asked=asked,
            findings=_findings(stored, body),
            title=title_of_request(stored, words),
            states=STATES,
            labels=lesson_forms.LABELS,
            is_unnamed=confidence.is_unnamed(body),
            attribution=body.get("attribution", "city"),
            why_not=why_not(asked, _person(visitor), now),
            opens_at=opens_at(asked),
            is_author=visitor.person_id in asked.authors,
            most_reason=MAX_REASON_CHARACTERS,
            **values,
        )

    def _reach(self, session: Session, stored: StoredRequest) -> Receivers:
        home = next(iter(hub_client.nearest_first(hub_client.list_hubs(session))), None)
        if home is None:
            return Receivers((), ())
        return receivers.find_receivers(session, home.name, stored.request.audience, self._site.city.name)

    def _figures(self, session: Session, stored: StoredRequest, request: Request) -> dict[str, Any]:
        """The table that leaves, what its noise promises, and which reports it leaves out."""
        body, words = TrendBody.from_bytes(stored.request.body), words_of(request, self._site)
        home = next(iter(hub_client.nearest_first(hub_client.list_hubs(session))), None)
        policy = None if home is None else inbox.current_policy(session, home.name)
        table = None if policy is None else policy.find_table(body.table.id)
        return {
            "title": body.table.id if table is None else table.title,
            "period": body.period.label,
            "correction": body.correction,
            "lines": lines_of_body(body, words),
            "promise": promise_of(body),
            "coverage": body.coverage,
            "left_out": []
            if policy is None or table is None
            else whole_periods.left_out(session, table, body.period, policy),
        }


def title_of_request(stored: StoredRequest, words: Words) -> str:
    """What a request is called: the title or the first words of a text, the table and period of figures."""
    if stored.request.kind in (Kind.TREND, Kind.SHARE) and stored.subject is not None:
        table, _, period, *correction = stored.subject.split("/")
        name = f"{table_in_words(table)}, {words.span(period)}"
        if stored.request.kind is Kind.SHARE:
            return f"{name} ({words.gettext(N_('sealed'))})"
        return f"{name} ({words.gettext(N_('correction'))})" if correction else name
    body = parse_strict(stored.request.body)
    text = str(body.get("title") or body.get("text") or body.get("lessons") or "")
    return text.split("\n")[0][:120] or words.gettext(N_("Text erased"))


def _person(visitor: Visitor) -> Person:
    return Person(visitor.person_id, Role(writer_of(visitor).role))


def _findings(stored: StoredRequest, body: dict[str, Any]) -> list[dict[str, Any]]:
    texts = free_texts(body)
    return [
        {
            "number": number,
            "field": each.field,
            "passage": texts.get(each.field, "")[each.start : each.end],
            "why": each.why,
            "coarser": each.coarser,
            "accepted": stored.accepted.get(number),
        }
        for number, each in enumerate(stored.request.findings)
    ]


def _chosen(form: Form) -> dict[int, str]:
    """Number of a finding -> keep, coarsen or mask. Raises VerbError for what no form of ours sends."""
    chosen = {}
    for name in form:
        prefix, _, number = name.partition("-")
        if prefix != "finding":
            continue
        choice = str(form.get(name))
        if not (number.isascii() and number.isdecimal() and len(number) < 6) or choice not in (KEEP, *Resolution):
            raise VerbError("findings", "expected keep, coarsen or mask for the number of a finding")
        chosen[int(number)] = choice
    return chosen


def _seen(form: Form) -> str:
    return str(form.get("seen", ""))


def _reason(form: Form, field: str) -> str:
    return text_of(form, field, most=MAX_REASON_CHARACTERS)
