"""Returns at a glance: who has reported, who has not, what was agreed, and every version of a figure.

On the overview stands how many cells are filled, and not what is in them. A partner sees its own agency's returns; the
figures themselves, and their history, only the agency, the coordinator and the reviewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, cast

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import entered_for, return_history
from local_node.duties import DEFAULT_DUE_DAYS, MAX_DUE_DAYS, Duty, DutyError, Expected, ReturnState, last_periods
from local_node.duty_store import count_waiting, drop_duty, list_duties, set_duty
from local_node.entered_for import OBJECTED, EnteredFor, Objection
from local_node.errors import RecordError
from local_node.orm import AccountRow
from local_node.return_entry import TO_CONFIRM
from local_node.sheets import read_period
from local_node.web import today
from local_node.web.access import Right, Visitor
from local_node.web.planning_needs import about_clashes, about_entries, about_returns
from local_node.web.reporting import (
    Rules,
    agency_names,
    cell_title,
    find_table,
    known_returns,
    period_title,
    read_rules,
    sees_all_agencies,
    table_title,
    today_in,
    visible_agencies,
)
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.period import Granularity
from shared_schema.service.pages import statuses
from shared_schema.service.pages.forms import Form, FormError, choice_of, is_sent, number_of, text_of
from shared_schema.service.translations import N_

SHOWN: Final = 6
"""Periods beside each other on the overview; what is older is a page back."""
MOST_BACK: Final = 20
VERSIONS_SHOWN: Final = 300
STATE_WORDS: Final[Mapping[ReturnState, tuple[str, str]]] = {
    ReturnState.RUNNING: ("plain", N_("running")),
    ReturnState.DUE: ("wait", N_("due")),
    ReturnState.MISSING: ("bad", N_("missing")),
    ReturnState.COMPLETE: ("good", N_("complete")),
    ReturnState.LATE: ("good", N_("came late")),
    ReturnState.NOT_COLLECTED: ("plain", N_("not collected")),
}
"""How a return stands → the kind of mark, and the word."""
HOW_WORDS: Final[Mapping[str, str]] = {
    "form": N_("form"),
    "paste": N_("pasted table"),
    "file": N_("file"),
    return_history.CONSOLE: N_("file at the console, or a program"),
}
OBJECTIONS: Final[Mapping[str, str]] = {
    Objection.FIGURES.value: N_("The figures are not ours"),
    Objection.NOT_ASKED.value: N_("We did not ask for this"),
    Objection.LATER.value: N_("We will send other figures"),
}
GRANULARITIES: Final[Mapping[str, str]] = {
    "month": N_("every month"),
    "quarter": N_("every quarter"),
    "year": N_("every year"),
}
NOTHING_TYPED: Final[Mapping[str, str]] = {
    "agency": "",
    "table": "",
    "granularity": "month",
    "first": "",
    "due_days": str(DEFAULT_DUE_DAYS),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One agency and table on the overview: a return for each period of the head, None where none is expected."""

    agency: str
    name: str
    table: str
    title: str
    returns: tuple[Expected | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The lines of one length of period, under the names of its periods."""

    granularity: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Returns(site)
    today.register(about_returns, about_entries, about_clashes)
    site.notices |= {
        "agreed": N_("Saved. The agency finds its next return on this page."),
        "agreement-dropped": N_("The agreement has ended. What was reported stays."),
        "return-answered": N_("Thank you. The coordinator sees your answer."),
    }
    site.get("/returns", pages.overview, Right.SEE_RETURNS)
    site.get("/returns/history", pages.history, Right.SEE_RETURNS)
    site.get("/returns/agreements", pages.agreements, Right.SEE_AGENCIES)
    site.post("/returns/agreements", pages.agree, Right.MANAGE_AGENCIES)
    site.post("/returns/answer", pages.answer, Right.ENTER_RETURNS)


class Returns:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def overview(self, request: Request, back: int = 0) -> Response:
        """Agencies and their last periods: how each return stands, and what to do next."""
        visitor, words = visitor_of(request), words_of(request, self._site)
        back = min(max(back, 0), MOST_BACK)
        today, only = today_in(self._site), None if sees_all_agencies(visitor) else visitor.agency or ""
        with self._site.database.read() as session:
            rules = read_rules(session)
            names = visible_agencies(session, visitor)
            expected = known_returns(session, rules, today, count=SHOWN * (back + 1), agency=only)
            waiting = self._waiting(session, visitor)
        lengths: tuple[Granularity, ...] = ("month", "quarter", "year")
        shown = {
            granularity: [period.label for period in last_periods(granularity, today, SHOWN * (back + 1))][-SHOWN:]
            for granularity in lengths
        }
        titles = {table.id: table_title(words, table) for table in rules.tables.values()}
        return self._site.page(
            request,
            "returns_overview.html",
            grids=_grids(expected, shown, names, titles, words),
            filled=cache(partial(_filled, words)),
            waiting=count_waiting(expected),
            to_confirm=waiting,
            people=self._people(),
            names=names,
            titles=titles,
            back=back,
            most_back=MOST_BACK,
            has_rules=bool(rules.tables),
            is_own=not sees_all_agencies(visitor),
            state_words=STATE_WORDS,
            objections=OBJECTIONS,
            period_title=cache(partial(period_title, words)),
        )

    def _waiting(self, session: Session, visitor: Visitor) -> tuple[EnteredFor, ...]:
        """What was entered for the visitor's agency; for whoever sees all, what agencies have objected to as well."""
        if sees_all_agencies(visitor):
            return entered_for.list_entered_for(session, states=(TO_CONFIRM, OBJECTED))
        return () if visitor.agency is None else entered_for.list_entered_for(session, visitor.agency)

    def _people(self) -> dict[str, str]:
        """Person → name; whoever works with this node is known to everybody who does."""
        with self._site.database.read() as session:
            return dict(session.execute(select(AccountRow.person_id, AccountRow.name)).all())

    # --- what was agreed ---------------------------------------------------------------------------------------------

    def agreements(self, request: Request, agency: str = "") -> Response:
        """Who reports what, and a form for one more."""
        return self._show_agreements(request, {**NOTHING_TYPED, "agency": agency})

    def agree(self, request: Request, form: Form) -> Response:
        """Agree on a return, or end an agreement."""
        try:
            with self._site.database.write() as session:
                rules = read_rules(session)
                if is_sent(form, "drop"):
                    self._drop(session, request, form)
                else:
                    self._set(session, request, form, rules)
        except (DutyError, FormError) as error:
            typed = {name: str(form.get(name, usual)) for name, usual in NOTHING_TYPED.items()}
            return self._show_agreements(request, typed, error)
        return self._site.go("/returns/agreements", done="agreement-dropped" if is_sent(form, "drop") else "agreed")

    def _set(self, session: Session, request: Request, form: Form, rules: Rules) -> None:
        visitor = visitor_of(request)
        agency = choice_of(form, "agency", agency_names(session))
        table = rules.tables[choice_of(form, "table", rules.tables)]
        duty = Duty(
            agency,
            table.id,
            cast(Granularity, choice_of(form, "granularity", GRANULARITIES)),
            text_of(form, "first", most=7, least=4),
            None,
            number_of(form, "due_days", least=1, most=MAX_DUE_DAYS),
        )
        set_duty(session, duty, table, person=visitor.person_id, now=self._site.clock())

    def _drop(self, session: Session, request: Request, form: Form) -> None:
        agency, _, rest = text_of(form, "drop", most=300).partition("|")
        table, _, granularity = rest.partition("|")
        drop_duty(
            session,
            agency,
            table,
            cast(Granularity, granularity),
            person=visitor_of(request).person_id,
            now=self._site.clock(),
        )

    def _show_agreements(
        self, request: Request, typed: Mapping[str, str], error: DutyError | FormError | None = None
    ) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        with self._site.database.read() as session:
            rules, names, duties = read_rules(session), agency_names(session), list_duties(session)
        return self._site.page(
            request,
            "returns_agreements.html",
            status=200 if error is None else 422,
            duties=duties,
            names=names,
            titles={table.id: table_title(words, table) for table in rules.tables.values()},
            granularities={code: words.gettext(text) for code, text in GRANULARITIES.items()},
            typed=typed,
            error=None if error is None else statuses.describe(error),
            this_month=f"{today_in(self._site):%Y-%m}",
            may_change=visitor.may(Right.MANAGE_AGENCIES),
        )

    # --- figures that somebody else has entered ----------------------------------------------------------------------

    def answer(self, request: Request, form: Form) -> Response:
        """The agency's word: these figures are right, or not."""
        visitor = visitor_of(request)
        batch = number_of(form, "batch", least=1, most=10**12)
        said = choice_of(form, "answer", ("right", *OBJECTIONS))
        if visitor.agency is None:
            return self._site.missing(request)
        try:
            with self._site.database.write() as session:
                entered_for.answer(
                    session,
                    batch,
                    agency=visitor.agency,
                    person=visitor.person_id,
                    objection=None if said == "right" else Objection(said),
                    now=self._site.clock(),
                )
        except RecordError:
            return self._site.missing(request)
        return self._site.go("/returns", done="return-answered")

    # --- history -----------------------------------------------------------------------------------------------------

    def history(self, request: Request, agency: str = "", table: str = "", period: str = "") -> Response:
        """Every version of an agency's figures, newest first."""
        visitor, words = visitor_of(request), words_of(request, self._site)
        period = read_period(" ".join(period.split())[:40]) or period[:40]  # as people write it, "10/2026" too
        with self._site.database.read() as session:
            rules, names = read_rules(session), visible_agencies(session, visitor)
            agency = agency or next(iter(names), "")
            if agency and agency not in names:
                return self._site.missing(request)
            versions = return_history.list_versions(
                session, agency=agency, table_id=table or None, period=period or None, limit=VERSIONS_SHOWN
            )
        return self._site.page(
            request,
            "returns_history.html",
            versions=versions,
            names=names,
            agency=agency,
            table=table,
            period=period,
            titles={each.id: table_title(words, each) for each in rules.tables.values()},
            cell_title=lambda version: _cell_of(words, rules, version.table, version.cell),
            period_title=cache(partial(period_title, words)),
            people=self._people(),
            how_words=HOW_WORDS,
            is_cut=len(versions) == VERSIONS_SHOWN,
        )


def _cell_of(words: Words, rules: Rules, table_id: str, cell: str) -> str:
    table = find_table(rules, table_id)
    return cell if table is None else cell_title(words, table, cell)


def _grids(
    expected: Sequence[Expected],
    shown: Mapping[Granularity, Sequence[str]],
    names: Mapping[str, str],
    titles: Mapping[str, str],
    words: Words,
) -> list[Grid]:
    """Months, quarters and years apart: their heads differ. Agencies by name."""
    found = {(each.duty.agency, each.duty.table, each.period): each for each in expected}
    grids = []
    for granularity, labels in shown.items():
        pairs = {(each.duty.agency, each.duty.table) for each in expected if each.duty.granularity == granularity}
        lines = [
            Line(agency, name, table, title, tuple(found.get((agency, table, label)) for label in labels))
            for name, title, agency, table in sorted(
                (names.get(agency, agency), titles[table], agency, table) for agency, table in pairs
            )
        ]
        if lines:
            grids.append(Grid(granularity, tuple(period_title(words, label) for label in labels), tuple(lines)))
    return grids


def _filled(words: Words, here: int, cells: int) -> str:
    return words.gettext(N_("%(here)s of %(cells)s")) % {"here": here, "cells": cells}
