"""Tables from Excel: pasted or as a file, looked at before anything is stored, and empty ones to fill in.

What was sent waits under a number (`sheet_store`). Its page shows which column is taken for what, what would change,
and what is wrong by line; one wrong row and nothing is stored. A correction of the columns is remembered.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import return_entry, sheet_store
from local_node.duties import last_periods
from local_node.errors import RecordError
from local_node.imports import ImportReport
from local_node.layouts import LEFT_OUT, PERIOD, Figures, read_figures, upright
from local_node.return_entry import ConfirmationNeeded, Entering, Entry, How, StaleFormError
from local_node.sheet_store import WaitingSheet
from local_node.sheets import NOT_COLLECTED, Sheet, read_pasted, read_sheet
from local_node.web import failures
from local_node.web.access import Right
from local_node.web.reporting import (
    Rules,
    cell_title,
    find_table,
    known_names,
    period_title,
    read_rules,
    table_title,
    today_in,
    visible_agencies,
)
from local_node.web.return_form import NOT_ASKED
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.errors import ContractError, ProgramError
from shared_schema.period import Granularity, Period
from shared_schema.service.exports import CSV_TYPE, XLSX_TYPE, csv_bytes, download_headers, xlsx_bytes
from shared_schema.service.pages import statuses
from shared_schema.service.pages.forms import MAX_FILE_BYTES, Form, FormError, choice_of, file_of, is_sent
from shared_schema.service.translations import N_
from shared_schema.trend import TableDefinition

ERRORS_SHOWN: Final = 20
CHANGES_SHOWN: Final = 60
PERIODS_OFFERED: Final = 13
LOOK_AGAIN: Final = {"code": "look-again", "detail": "", "field": None}
PERIOD_HEADER: Final = N_("Period")


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that would be another one: what is there now, and what it would be."""

    period: str
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class View:
    """A waiting table as its page shows it."""

    waiting: WaitingSheet
    table: TableDefinition
    columns: tuple[str, ...]
    is_remembered: bool
    period: str | None
    figures: Figures
    entries: tuple[Entry, ...]
    changes: tuple[Change, ...]
    unchanged: int
    seen: str


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ReturnSheets(site)
    site.notices |= {
        "sheet-gone": N_("This table is not waiting any more: it was stored, put away, or sent more than a day ago."),
        "sheet-dropped": N_("The table is put away. Nothing was stored."),
        "columns-kept": N_("The columns are remembered for the next time."),
    }
    site.get("/returns/paste", pages.ask_paste, Right.ENTER_RETURNS)
    site.post("/returns/paste", pages.paste, Right.ENTER_RETURNS)
    site.get("/returns/upload", pages.ask_upload, Right.ENTER_RETURNS)
    site.post("/returns/upload", pages.upload, Right.ENTER_RETURNS)
    site.get("/returns/template", pages.template, Right.ENTER_RETURNS)
    site.get("/returns/sheets/{number}", pages.show, Right.ENTER_RETURNS)
    site.post("/returns/sheets/{number}", pages.store, Right.ENTER_RETURNS)


class ReturnSheets:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- sending a table ---------------------------------------------------------------------------------------------

    def ask_paste(self, request: Request) -> Response:
        """A text area for cells that were copied in Excel."""
        return self._ask(request, "returns_paste.html", dict(request.query_params))

    def paste(self, request: Request, form: Form) -> Response:
        """Read what was pasted, and look at it."""
        value = form.get("cells", "")
        text = value if isinstance(value, str) else ""
        typed = {name: str(form.get(name, "")) for name in ("agency", "table")} | {"cells": text}
        try:
            if len(text.encode("utf-8", "replace")) > MAX_FILE_BYTES:
                raise FormError("expected at most 5 MB", "cells", code="too-large")
            return self._keep(request, form, How.PASTE, lambda: read_pasted(text))
        except ProgramError as error:
            return self._ask(request, "returns_paste.html", typed, error)

    def ask_upload(self, request: Request) -> Response:
        """A field for a file, and empty files to fill in."""
        return self._ask(request, "returns_upload.html", dict(request.query_params))

    def upload(self, request: Request, form: Form) -> Response:
        """Read a file, and look at it."""
        typed = {name: str(form.get(name, "")) for name in ("agency", "table")}
        try:
            name, data = file_of(form, "file")
            return self._keep(request, form, How.FILE, lambda: read_sheet(name, data))
        except (ProgramError, ContractError) as error:
            return self._ask(request, "returns_upload.html", typed, error)

    def _keep(self, request: Request, form: Form, how: How, read: Callable[[], Sheet]) -> Response:
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            rules, names = read_rules(session), visible_agencies(session, visitor)
        agency = choice_of(form, "agency", names)
        table = rules.tables[choice_of(form, "table", rules.tables)]
        sheet = upright(read(), known_names(table))
        with self._site.database.write() as session:
            number = sheet_store.keep_sheet(
                session,
                sheet,
                agency=agency,
                table=table,
                how=how,
                person=visitor.person_id,
                now=self._site.clock(),
            )
        return self._site.go(f"/returns/sheets/{number}")

    def _ask(
        self,
        request: Request,
        template: str,
        typed: Mapping[str, str],
        error: ProgramError | ContractError | None = None,
    ) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        with self._site.database.read() as session:
            rules, names = read_rules(session), visible_agencies(session, visitor)
        own = visitor.agency if visitor.agency in names else ""
        return self._site.page(
            request,
            template,
            status=200 if error is None else failures.status_of(error),
            names=names,
            titles={table.id: table_title(words, table) for table in rules.tables.values()},
            typed={"agency": own, "table": "", "cells": "", **typed},
            error=None if error is None else statuses.describe(error),
        )

    # --- looking at it -----------------------------------------------------------------------------------------------

    def show(self, request: Request, number: str) -> Response:
        """What the columns are taken for, what would change, and what is wrong."""
        with self._site.database.read() as session:
            view = self._view(session, request, number, request.query_params.get("period"))
        return self._site.go("/returns", done="sheet-gone") if view is None else self._page(request, view)

    def store(self, request: Request, number: str, form: Form) -> Response:
        """Store the table, correct its columns, or put it away."""
        visitor = visitor_of(request)
        period = str(form.get("period", "")) or None
        with self._site.database.read() as session:
            view = self._view(session, request, number, period)
        if view is None:
            return self._site.go("/returns", done="sheet-gone")
        if is_sent(form, "drop"):
            with self._site.database.write() as session:
                sheet_store.claim_sheet(session, number)
            return self._site.go("/returns", done="sheet-dropped")
        if is_sent(form, "columns") or _has_other_columns(form, view):
            return self._correct(request, view, form, period)
        if view.figures.errors:
            return self._page(request, view, error={"code": "bad-rows", "detail": "", "field": None})
        if _shown_part(_text(form, "seen")) != _shown_part(view.seen):
            return self._page(request, view, error=LOOK_AGAIN)
        for_them = visitor.agency != view.waiting.agency
        if for_them and not is_sent(form, "asked"):
            return self._page(request, view, error=NOT_ASKED)
        return self._store(request, view, form, for_them=for_them)

    def _correct(self, request: Request, view: View, form: Form, period: str | None) -> Response:
        known = {LEFT_OUT, PERIOD, *view.table.cells}
        try:
            columns = [choice_of(form, f"column-{index}", known) for index in range(len(view.columns))]
            with self._site.database.write() as session:
                sheet_store.remember_columns(
                    session,
                    view.waiting.sheet,
                    columns,
                    view.table,
                    agency=view.waiting.agency,
                    person=visitor_of(request).person_id,
                    now=self._site.clock(),
                )
        except (FormError, RecordError) as error:
            return self._page(request, view, error=statuses.describe(error))
        return self._site.go(f"/returns/sheets/{view.waiting.id}", done="columns-kept", period=period or "")

    def _store(self, request: Request, view: View, form: Form, *, for_them: bool) -> Response:
        visitor = visitor_of(request)
        who = Entering(
            visitor.person_id, view.waiting.agency, view.waiting.how, for_them, said_yes=is_sent(form, "yes")
        )
        policy = self._rules().policy
        try:
            with self._site.database.write() as session:
                if _seen_token(session, view.waiting.agency, view.entries) != form.get("seen"):
                    raise StaleFormError("expected the figures that were there when the page was opened")
                if not sheet_store.claim_sheet(session, view.waiting.id):
                    return self._site.go("/returns", done="sheet-gone")
                report = return_entry.enter(
                    session, view.entries, policy, who=who, now=self._site.clock(), today=today_in(self._site)
                )
        except ConfirmationNeeded as needed:
            return self._page(request, view, confirm=needed.report, asked=for_them)
        except RecordError as error:
            return self._page(request, view, error=statuses.describe(error), status=failures.status_of(error))
        done = "return-same" if report.batch is None else "return-for-them" if for_them else "return-saved"
        return self._site.go("/returns", done=done)

    def _rules(self) -> Rules:
        with self._site.database.read() as session:
            return read_rules(session)

    def _view(self, session: Session, request: Request, number: str, period: str | None) -> View | None:
        """A waiting table of somebody who may see it."""
        words = words_of(request, self._site)
        waiting = sheet_store.find_sheet(session, number, now=self._site.clock())
        if waiting is None or waiting.made_by != visitor_of(request).person_id:
            return None
        table = find_table(read_rules(session), waiting.table)
        if table is None or waiting.agency not in visible_agencies(session, visitor_of(request)):
            return None
        names = known_names(table)
        columns, remembered = sheet_store.find_columns(session, waiting.sheet, table, waiting.agency, names)
        figures = read_figures(waiting.sheet, columns, table, period=period, today=today_in(self._site))
        good = {} if figures.errors else figures.values
        entries = tuple(Entry(table, label, values) for label, values in good.items())
        changes, unchanged = _changes(session, waiting.agency, entries, words)
        seen = _seen_token(session, waiting.agency, entries)
        return View(waiting, table, columns, remembered, period, figures, entries, changes, unchanged, seen)

    def _page(
        self,
        request: Request,
        view: View,
        *,
        error: Mapping[str, object] | None = None,
        confirm: ImportReport | None = None,
        asked: bool = False,
        status: int = 422,
    ) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        choices = {LEFT_OUT: words.gettext(N_("leave out")), PERIOD: words.gettext(PERIOD_HEADER)}
        choices |= {code: cell_title(words, view.table, code) for code in view.table.cells}
        with self._site.database.read() as session:
            name = visible_agencies(session, visitor).get(view.waiting.agency, view.waiting.agency)
        return self._site.page(
            request,
            "returns_sheet.html",
            status=200 if error is None and confirm is None else status,
            view=view,
            title=table_title(words, view.table),
            agency=name,
            choices=choices,
            needs_period=PERIOD not in view.columns and len(view.waiting.sheet.rows) == 1,
            periods=_recent(view.table, self._site, words),
            missing=[choices[code] for code in view.table.cells if code not in view.columns],
            errors=view.figures.errors[:ERRORS_SHOWN],
            more_errors=max(0, len(view.figures.errors) - ERRORS_SHOWN),
            changes=view.changes[:CHANGES_SHOWN],
            more_changes=max(0, len(view.changes) - CHANGES_SHOWN),
            for_them=visitor.agency != view.waiting.agency,
            asked=asked,
            error=error,
            confirm=confirm,
            late_in=[] if confirm is None else [period_title(words, label) for label in confirm.late_in],
        )

    # --- empty tables to fill in -------------------------------------------------------------------------------------

    def template(self, request: Request, table: str = "", kind: str = "xlsx") -> Response:
        """An empty table with the last periods, as a file for Excel; what it has as headers is understood again."""
        words = words_of(request, self._site)
        found = find_table(self._rules(), table)
        if found is None or kind not in ("xlsx", "csv"):
            return self._site.missing(request)
        header = [words.gettext(PERIOD_HEADER), *(cell_title(words, found, code) for code in found.cells)]
        labels = [period.label for period in reversed(_last(found, self._site))]
        rows = [[label, *([None] * len(found.cells))] for label in labels]
        data = xlsx_bytes(found.id, header, rows) if kind == "xlsx" else csv_bytes(header, rows)
        return Response(
            data,
            media_type=XLSX_TYPE if kind == "xlsx" else CSV_TYPE,
            headers=download_headers(f"{found.id}.{kind}"),
        )


def _last(table: TableDefinition, site: Site) -> tuple[Period, ...]:
    shortest: tuple[Granularity, ...] = ("month", "quarter", "year")
    granularity = next(each for each in shortest if each in table.granularities)
    return last_periods(granularity, today_in(site), PERIODS_OFFERED)


def _recent(table: TableDefinition, site: Site, words: Words) -> dict[str, str]:
    """The periods that a single row may be about, the one that has just ended first."""
    periods = _last(table, site)
    return {period.label: period_title(words, period) for period in (*periods[1:], periods[0])}


def _changes(session: Session, agency: str, entries: tuple[Entry, ...], words: Words) -> tuple[tuple[Change, ...], int]:
    """What would be another figure than now, and how many figures would stay."""
    changes, unchanged = [], 0
    for entry in entries:
        current = return_entry.current_values(session, agency, entry.table.id, entry.period)
        for code, value in entry.values.items():
            if code in current and current[code] == value:
                unchanged += 1
                continue
            before = _said(current[code]) if code in current else ""
            label = cell_title(words, entry.table, code)
            changes.append(Change(period_title(words, entry.period), label, before, _said(value)))
    return tuple(changes), unchanged


def _said(value: int | None) -> str:
    return NOT_COLLECTED if value is None else str(value)


def _has_other_columns(form: Form, view: View) -> bool:
    """Whether a column was corrected beside the button that stores: then what would change is another thing."""
    sent = [form.get(f"column-{index}") for index in range(len(view.columns))]
    return all(isinstance(each, str) for each in sent) and tuple(sent) != view.columns


def _seen_token(session: Session, agency: str, entries: tuple[Entry, ...]) -> str:
    """Which figures a page has shown, for which periods, and over which ones that are stored."""
    stored = [
        return_entry.token_of(return_entry.current_values(session, agency, entry.table.id, entry.period))
        for entry in entries
    ]
    shown = [f"{entry.period}:{return_entry.token_of(entry.values)}" for entry in entries]
    return ".".join(hashlib.sha256(";".join(part).encode()).hexdigest()[:20] for part in (shown, stored))


def _shown_part(seen: str) -> str:
    return seen.partition(".")[0]


def _text(form: Form, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
