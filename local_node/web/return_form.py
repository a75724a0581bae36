"""Enter an agency's figures of one period: all its tables on one page, one field for each cell, one button.

`0` is zero, `n` is not collected, an empty field is neither and is asked for. A table that is left wholly empty is left
for later. What was typed is never lost: whatever is refused, the form comes back as it was, with what was expected.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from local_node import return_entry
from local_node.duties import is_expected
from local_node.duty_store import list_duties
from local_node.errors import RecordError
from local_node.imports import ImportReport
from local_node.layouts import read_cell
from local_node.return_entry import ConfirmationNeeded, Entering, Entry, How, StaleFormError
from local_node.sheets import NOT_COLLECTED, NOT_COLLECTED_SIGNS
from local_node.web.access import Right, Visitor
from local_node.web.reporting import (
    Rules,
    cell_title,
    find_table,
    period_title,
    read_rules,
    table_title,
    today_in,
    visible_agencies,
)
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.errors import SchemaError
from shared_schema.period import Period, parse_period
from shared_schema.service.pages import statuses
from shared_schema.service.pages.forms import Form, is_sent
from shared_schema.service.translations import N_
from shared_schema.trend import TableDefinition

MOST_TYPED: Final = 30
EMPTY: Final = N_("Please type a number, 0 for zero, or n for not collected.")
INCOMPLETE: Final = {"code": "return-incomplete", "detail": "", "field": None}
BOTH: Final = {"code": "none-and-some", "detail": ""}
NOT_ASKED: Final = {"code": "not-asked", "detail": "", "field": "asked"}
NOT_A_NUMBER: Final = N_("Please type a whole number without a point, comma or space.")


@dataclass(frozen=True, slots=True)
class Cell:
    """One field: what stands in it, and the sentence about it when it is wrong. `was` is what is stored."""

    code: str
    label: str
    field: str
    text: str = ""
    was: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class FormTable:
    """One table of the form. `token` says over which figures it was filled in."""

    table: TableDefinition
    title: str
    cells: tuple[Cell, ...]
    token: str
    is_stored: bool

    @property
    def id(self) -> str:
        return self.table.id

    @property
    def is_empty(self) -> bool:
        return not any(cell.text for cell in self.cells)

    @property
    def wrong(self) -> list[Cell]:
        """The fields that need another look."""
        return [cell for cell in self.cells if cell.wrong]


@dataclass(frozen=True, slots=True)
class Place:
    """Which return a page is about."""

    agency: str
    name: str
    period: Period
    rules: Rules
    tables: tuple[TableDefinition, ...]


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ReturnForm(site)
    site.notices |= {
        "return-saved": N_("Saved. Thank you."),
        "return-same": N_("These figures were stored already; nothing was changed."),
        "return-for-them": N_("Saved. The agency sees what you entered, and confirms it or objects."),
    }
    site.get("/returns/{agency}/{period}", pages.show, Right.SEE_RETURNS)
    site.post("/returns/{agency}/{period}", pages.save, Right.ENTER_RETURNS)


class ReturnForm:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request, agency: str, period: str) -> Response:
        """The figures that are there, in a form for whoever may enter them."""
        visitor, words = visitor_of(request), words_of(request, self._site)
        with self._site.database.read() as session:
            place = self._place(session, visitor, agency, period, request.query_params.get("table"))
            if place is None:
                return self._site.missing(request)
            tables = [_stored_table(session, place, table, words) for table in place.tables]
        return self._page(request, place, tables)

    def save(self, request: Request, agency: str, period: str, form: Form) -> Response:
        """Store what was typed, or show it again with what was expected."""
        visitor, words = visitor_of(request), words_of(request, self._site)
        with self._site.database.read() as session:
            place = self._place(session, visitor, agency, period, _text(form, "table") or None)
            if place is None:
                return self._site.missing(request)
            stored = [_stored_table(session, place, table, words) for table in place.tables]
        tables = [_typed_table(table, form, words) for table in stored]
        if is_sent(form, "zero"):
            filled = [_with_zeros(table) if table.id == _text(form, "zero") else table for table in tables]
            return self._page(request, place, [_without_errors(table) for table in filled], form)
        for_them = visitor.agency != agency
        if both := [table for table in stored if _says_both(table, form)]:
            field = {"field": f"none.{both[0].id}"}
            return self._page(request, place, _without_ticks(tables, stored, form), form, error=BOTH | field)
        if any(table.wrong for table in tables) or all(table.is_empty for table in tables):
            return self._page(request, place, tables, form, error=INCOMPLETE)
        if for_them and not is_sent(form, "asked"):
            return self._page(request, place, tables, form, error=NOT_ASKED)
        return self._store(request, place, tables, form, for_them=for_them)

    def _store(
        self, request: Request, place: Place, tables: list[FormTable], form: FormData, *, for_them: bool
    ) -> Response:
        visitor = visitor_of(request)
        entries = [
            Entry(table.table, place.period.label, _values(table), _text(form, f"seen.{table.id}"))
            for table in tables
            if not table.is_empty
        ]
        who = Entering(visitor.person_id, place.agency, How.FORM, for_them, said_yes=is_sent(form, "yes"))
        try:
            with self._site.database.write() as session:
                report = return_entry.enter(
                    session,
                    entries,
                    place.rules.policy,
                    who=who,
                    now=self._site.clock(),
                    today=today_in(self._site),
                )
        except ConfirmationNeeded as needed:
            return self._page(request, place, tables, form, confirm=needed.report)
        except StaleFormError as error:
            with self._site.database.read() as session:
                fresh = [_stored_table(session, place, each.table, words_of(request, self._site)) for each in tables]
            shown = [_over(now, typed) for now, typed in zip(fresh, tables, strict=True)]
            return self._page(request, place, shown, error=statuses.describe(error), status=409)
        except RecordError as error:
            return self._page(request, place, tables, form, error=statuses.describe(error))
        done = "return-same" if report.batch is None else "return-for-them" if for_them else "return-saved"
        return self._site.go("/returns", done=done)

    def _place(self, session: Session, visitor: Visitor, agency: str, label: str, table: str | None) -> Place | None:
        """The return of an address; None for what is not there and what is not this visitor's."""
        names = visible_agencies(session, visitor)
        try:
            period = parse_period(label)
        except SchemaError:
            return None
        if agency not in names or period.first_day > today_in(self._site):
            return None
        rules = read_rules(session)
        wanted = {
            duty.table: rules.tables[duty.table]
            for duty in list_duties(session, agency)
            if duty.table in rules.tables and is_expected(duty, period)
        }
        asked = find_table(rules, table)
        if asked is not None and period.granularity in asked.granularities:
            wanted[asked.id] = asked
        return Place(agency, names[agency], period, rules, tuple(wanted.values()))

    def _page(
        self,
        request: Request,
        place: Place,
        tables: list[FormTable],
        form: FormData | None = None,
        *,
        error: Mapping[str, object] | None = None,
        confirm: ImportReport | None = None,
        status: int = 422,
    ) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        wrong = next((cell.field for table in tables for cell in table.wrong), None)
        others = {
            table.id: table_title(words, table)
            for table in place.rules.tables.values()
            if place.period.granularity in table.granularities and table not in place.tables
        }
        return self._site.page(
            request,
            "returns_form.html",
            status=status if error is not None or confirm is not None else 200,
            place=place,
            period=period_title(words, place.period),
            tables=tables,
            others=others,
            is_running=place.period.last_day >= today_in(self._site),
            can_enter=visitor.may(Right.ENTER_RETURNS),
            for_them=visitor.agency != place.agency,
            asked=form is not None and is_sent(form, "asked"),
            chosen_table=(_text(form, "table") if form is not None else request.query_params.get("table", "")),
            error=None if error is None else {**error, "field": wrong or error["field"]},
            confirm=confirm,
            late_in=[] if confirm is None else [period_title(words, label) for label in confirm.late_in],
        )


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip()[: MOST_TYPED * 4] if isinstance(value, str) else ""


def _stored_table(session: Session, place: Place, table: TableDefinition, words: Words) -> FormTable:
    """A table as it is stored."""
    values = return_entry.current_values(session, place.agency, table.id, place.period.label)
    cells = tuple(
        Cell(
            code,
            cell_title(words, table, code),
            f"v.{table.id}.{code}",
            text=_as_text(values, code),
            was=_as_text(values, code),
        )
        for code in table.cells
    )
    return FormTable(table, table_title(words, table), cells, return_entry.token_of(values), bool(values))


def _as_text(values: Mapping[str, int | None], code: str) -> str:
    if code not in values:
        return ""
    value = values[code]
    return NOT_COLLECTED if value is None else str(value)


def _typed_table(stored: FormTable, form: FormData, words: Words) -> FormTable:
    """What was typed into a table, each wrong field with its sentence; a table without any word is left alone."""
    nothing_at_all = is_sent(form, f"none.{stored.id}")
    typed = [_typed(cell, stored, form, nothing_at_all) for cell in stored.cells]
    table = replace(stored, cells=tuple(typed), token=_text(form, f"seen.{stored.id}"))
    if table.is_empty and not stored.is_stored:
        return table
    return replace(table, cells=tuple(_checked(cell, words) for cell in typed))


def _says_both(stored: FormTable, form: FormData) -> bool:
    """Whether "nothing was collected" is ticked, and beside it stands a number that is not the one stored before."""
    typed = [(_text(form, cell.field)[:MOST_TYPED], cell.was) for cell in stored.cells]
    is_new = any(text and text != was and text.casefold() not in NOT_COLLECTED_SIGNS for text, was in typed)
    return is_sent(form, f"none.{stored.id}") and is_new


def _without_ticks(tables: list[FormTable], stored: list[FormTable], form: FormData) -> list[FormTable]:
    """The tables with the numbers that were typed, where the tick would have written over them."""
    return [
        replace(
            table,
            cells=tuple(replace(cell, text=_text(form, cell.field)[:MOST_TYPED], wrong="") for cell in table.cells),
        )
        if _says_both(before, form)
        else table
        for table, before in zip(tables, stored, strict=True)
    ]


def _typed(cell: Cell, stored: FormTable, form: FormData, nothing_at_all: bool) -> Cell:
    ticked = nothing_at_all or is_sent(form, f"n.{stored.id}.{cell.code}")
    text = _text(form, cell.field)[:MOST_TYPED]
    is_sign = text.casefold() in NOT_COLLECTED_SIGNS
    return replace(cell, text=NOT_COLLECTED if (ticked and (nothing_at_all or not text)) or is_sign else text)


def _checked(cell: Cell, words: Words) -> Cell:
    value = read_cell(cell.text)
    if not isinstance(value, str):
        return cell
    return replace(cell, wrong=words.gettext(NOT_A_NUMBER if cell.text else EMPTY))


def _with_zeros(table: FormTable) -> FormTable:
    return replace(table, cells=tuple(cell if cell.text else replace(cell, text="0") for cell in table.cells))


def _without_errors(table: FormTable) -> FormTable:
    return replace(table, cells=tuple(replace(cell, wrong="") for cell in table.cells))


def _over(stored: FormTable, typed: FormTable) -> FormTable:
    """What was typed, over the figures that are there now."""
    texts = {cell.code: cell.text for cell in typed.cells}
    return replace(stored, cells=tuple(replace(cell, text=texts[cell.code]) for cell in stored.cells))


def _values(table: FormTable) -> dict[str, int | None]:
    return dict(_pairs(table))


def _pairs(table: FormTable) -> Iterator[tuple[str, int | None]]:
    for cell in table.cells:
        value = read_cell(cell.text)
        if not isinstance(value, str):  # the others have kept the form from being stored
            yield cell.code, value
