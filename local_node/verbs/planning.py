"""Returns and activities for the console and for scripts: how they stand, the calendar, and a look at texts."""

from datetime import date
from typing import Any

from local_node import activity_store, clash_store
from local_node.activities import Activity, as_seen_by
from local_node.activity_store import Filter
from local_node.app import Node
from local_node.calendar_file import CalendarEntry, to_icalendar
from local_node.clashes import ClashState
from local_node.duty_store import count_waiting, read_returns
from local_node.narrative import screen
from local_node.patterns import FindingKind
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result
from shared_schema.service.control import VerbError
from shared_schema.trend import TableDefinition

MOST_PERIODS = 36
MOST_DAYS = 366


def returns_status(node: Node, params: Params) -> Result:
    """How every expected return stands, without a figure."""
    periods = params.get("periods", 6)
    if not isinstance(periods, int) or not 1 <= periods <= MOST_PERIODS:
        raise VerbError("bad-parameter", f"expected 1 to {MOST_PERIODS} periods")
    agency = params.get("agency")
    with node.database.read() as session:
        policy = home_policy(session)[1]
        tables: dict[str, TableDefinition] = {
            table.id: table for table in sorted(policy.tables, key=lambda table: table.version)
        }
        expected = read_returns(session, tables, _today(node), count=periods, agency=agency)
    waiting = count_waiting(expected)
    return {
        "due": waiting.due,
        "missing": waiting.missing,
        "returns": [
            {
                "agency": each.duty.agency,
                "table": each.duty.table,
                "period": each.period,
                "state": each.state.value,
                "filled": each.here,
                "cells": each.cells,
                "due_on": each.due_on.isoformat(),
            }
            for each in expected
        ],
    }


def calendar_list(node: Node, params: Params) -> Result:
    """Activities from one day to another; of quiet windows only where and when."""
    found, areas = _find(node, params)
    with node.database.read() as session:
        notices = clash_store.list_clashes(session, states=[ClashState.OPEN])
    return {
        "activities": [_shown(activity, areas) for activity in found],
        "open_clashes": [{"number": each.id, "between": [each.one.id, each.other.id]} for each in notices],
    }


def calendar_export(node: Node, params: Params) -> Result:
    """The same as an iCalendar file."""
    found, areas = _find(node, params)
    entries = [
        CalendarEntry(
            id=each.id,
            summary="Something is planned here then" if each.hidden else each.draft.title,
            description=f"Talk to: {each.draft.contact_role}, {each.agency}",
            place=areas.get(each.draft.area or "", "The whole city"),
            first_day=each.draft.starts_on,
            last_day=each.draft.ends_on,
            from_time=each.draft.from_time,
            to_time=each.draft.to_time,
            state=each.draft.state.value,
            version=each.version,
            changed_at=each.changed_at,
        )
        for each in found
    ]
    return {"icalendar": to_icalendar(entries, name=node.name, now=node.clock()).decode(), "activities": len(entries)}


def calendar_look(node: Node, params: Params) -> Result:
    """What in the texts of an activity could point to a person, with the city's own lists."""
    texts = {str(name): str(text) for name, text in dict(params["texts"]).items()}
    found = screen(texts, language=str(params.get("language", "und")), lists=node.local_lists()).findings
    return {
        "findings": [
            {
                "field": each.field,
                "passage": texts[each.field][each.start : each.end],
                "why": each.why,
                "coarser": each.coarser or "",
            }
            for each in found
            if each.kind is not FindingKind.DATE  # an activity has a day
        ]
    }


def _find(node: Node, params: Params) -> tuple[list[Activity], dict[str, str]]:
    since = _day(params.get("since"), _today(node), "since")
    until = _day(params.get("until"), date.fromordinal(since.toordinal() + 92), "until")
    if not 0 <= (until - since).days <= MOST_DAYS:
        raise VerbError("bad-parameter", f"expected an end at most {MOST_DAYS} days after the beginning")
    with node.database.read() as session:
        which = Filter(since, until, agency=params.get("agency"), area=params.get("area"))
        found = [as_seen_by(each, None) for each in activity_store.list_activities(session, which)]
        areas = {each.id: each.name for each in activity_store.list_districts(session)}
    return found, areas


def _shown(activity: Activity, areas: dict[str, str]) -> dict[str, Any]:
    draft = activity.draft
    return {
        "id": activity.id,
        "agency": activity.agency,
        "title": draft.title,
        "kind": "" if activity.hidden else draft.kind,
        "area": draft.area,
        "area_name": areas.get(draft.area or "", "The whole city"),
        "audience": sorted(draft.audience),
        "starts_on": draft.starts_on.isoformat(),
        "ends_on": draft.ends_on.isoformat(),
        "state": draft.state.value,
        "quiet": draft.quiet,
        "contact_role": draft.contact_role,
    }


def _day(value: object, usual: date, name: str) -> date:
    if value is None:
        return usual
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise VerbError("bad-parameter", f"expected a day such as 2026-11-22 as {name}") from None


def _today(node: Node) -> date:
    return node.clock().astimezone(node.zone).date()
