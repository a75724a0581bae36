"""Returns and the calendar: agencies that have reported most months, and two plans that come close."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import insert
from sqlalchemy.orm import Session

from local_node import activity_store, clash_store
from local_node.activities import Draft
from local_node.clashes import ActivityState
from local_node.duties import Duty, last_periods
from local_node.duty_store import set_duty
from local_node.orm import (
    AccountRow,
    ActivityRow,
    AgencyContactRow,
    AgencyRow,
    ImportBatchRow,
    ReturnDutyRow,
    ReturnRecordRow,
    ReturnVersionRow,
)
from local_node.return_entry import Entering, Entry, How, enter
from local_node.sheet_store import keep_sheet
from local_node.sheets import read_pasted
from local_node.web.reporting import read_rules
from shared_schema.governance import PolicyBody
from shared_schema.trend import TableDefinition
from tests.browser.screens import Furnished, Screen
from tests.local_node.browsing import give_account

AGENCIES: Final = {
    "youth": "Youth service",
    "city-police": "City police",
    "counselling": "Counselling centre",
    "school-board": "School board",
}
FIRST: Final = "first_contacts.by_phenomenon"
EVENTS: Final = "professionals_trained.by_agency"
STARTER: Final = Path(__file__).parents[2] / "regional_hub" / "starter_policy.json"
DAY: Final = date(2026, 11, 24)
MANY_AGENCIES, MANY_MONTHS, MANY_ACTIVITIES = 60, 36, 500


def furnish(furnished: Furnished) -> None:
    """Four agencies with what they report and plan; paul works at one of them."""
    node = furnished.node
    with node.database.read() as session:
        has_rules = FIRST in read_rules(session).tables
    if not has_rules:
        furnished.hub.publish_policy(PolicyBody.from_object(json.loads(STARTER.read_text(encoding="utf-8"))))
        node.rounds.run(patient=False)
    give_account(node, "paul")
    with node.database.write() as session:
        for agency, name in AGENCIES.items():
            if session.get(AgencyRow, agency) is None:
                codes = '{"codes":[]}'
                session.add(AgencyRow(id=agency, name=name, kinds=codes, roles=codes, added_at=node.clock()))
                session.flush()
                session.add(AgencyContactRow(agency_id=agency, name="Chris Example", phone="0341 123 0", email=""))
        session.flush()
        paul = session.get_one(AccountRow, "paul")
        paul.agency_id = paul.agency_id or "youth"
        furnished.known["own"] = paul.agency_id
        _report(session, furnished, read_rules(session).policy)
        _plan(session, furnished)


def _report(session: Session, furnished: Furnished, policy: PolicyBody | None) -> None:
    now, tables = furnished.node.clock(), read_rules(session).tables
    own = furnished.known["own"]
    other = next(agency for agency in ("counselling", "youth") if agency != own)
    for agency, table in ((own, FIRST), (own, EVENTS), ("city-police", FIRST), (other, FIRST)):
        set_duty(session, Duty(agency, table, "month", "2026-06"), tables[table], person="anna", now=now)
    for agency, table, months in (
        ("youth", FIRST, (6, 7, 8, 9)),
        ("youth", EVENTS, (7, 9)),
        ("counselling", FIRST, (8, 9)),
    ):
        who = Entering("paul" if agency == own else "anna", agency, How.FORM, for_them=agency != own)
        for month in months:
            cells = tables[table].cells
            values = {cell: None if month == 7 else (month + index) % 5 for index, cell in enumerate(cells)}
            enter(session, [Entry(tables[table], f"2026-{month:02d}", values)], policy, who=who, now=now)
    sheet = read_pasted("Month\tRight-wing extremism\tLeft-wing\tRemarks\n2026-10\t3\t1.000\tx")
    for person in ("paul", "anna"):
        furnished.known[f"sheet_{person}"] = keep_sheet(
            session, sheet, agency=own, table=tables[FIRST], how=How.PASTE, person=person, now=now
        )


def _plan(session: Session, furnished: Furnished) -> None:
    now = furnished.node.clock()
    activity_store.set_districts(session, ["North", "South", "Old town"], person="anna", now=now)
    talks = Draft(
        "Evenings of talks at the community centre",
        "community",
        "north",
        frozenset({"setting.worship", "setting.youth_centre"}),
        DAY,
        DAY + timedelta(days=2),
        state=ActivityState.CONFIRMED,
        contact_role="Head of youth work",
        note="Three evenings, prepared for half a year.",
    )
    operation = Draft(
        "Inspection", "operation", "north", frozenset(), DAY - timedelta(days=1), DAY - timedelta(days=1),
        quiet=True, contact_role="Prevention officer",
    )  # fmt: skip
    training = Draft(
        "Training for teachers", "training_flp", None, frozenset({"setting.school"}), DAY + timedelta(days=4),
        DAY + timedelta(days=4), contact_role="School contact",
    )  # fmt: skip
    for name, agency, draft in (
        ("talks", furnished.known["own"], talks),
        ("operation", "city-police", operation),
        ("training", "school-board", training),
    ):
        activity = activity_store.add_activity(session, draft, agency=agency, person="anna", now=now)
        clash_store.note_clashes(session, activity, now=now)
        furnished.known[name] = activity.id


# --- the size of a large city ----------------------------------------------------------------------------------------


def fill(furnished: Furnished) -> None:
    """Sixty agencies with three years of months, and five hundred activities within a year."""
    node = furnished.node
    with node.database.write() as session:
        table = read_rules(session).tables[FIRST]
        labels = [period.label for period in last_periods("month", node.clock().date(), MANY_MONTHS)]
        names = [f"agency-{number:02d}" for number in range(MANY_AGENCIES)]
        codes = '{"codes":[]}'
        session.add_all(
            AgencyRow(id=name, name=name.title(), kinds=codes, roles=codes, added_at=node.clock()) for name in names
        )
        _fill_figures(session, furnished, table, names, labels)
        _fill_activities(session, furnished, names)


def _fill_figures(
    session: Session, furnished: Furnished, table: TableDefinition, names: list[str], labels: list[str]
) -> None:
    now = furnished.node.clock()
    batch = ImportBatchRow(
        file_digest="ab" * 32, measure=table.measure, agency="all", source_kind="agency_return", imported_at=now,
        imported_by="anna", rows=0,
    )  # fmt: skip
    session.add(batch)
    session.flush()
    cells = [
        {"batch_id": batch.id, "table_id": table.id, "agency": name, "period": label, "cell": cell, "value": 2}
        for name in names
        for label in labels
        for cell in table.cells
    ]
    session.execute(insert(ReturnRecordRow), cells)
    session.execute(insert(ReturnVersionRow), [each | {"status": "A", "at": now} for each in cells])
    duty = {"table_id": table.id, "granularity": "month", "due_days": 15, "set_by": "anna", "set_at": now}
    session.execute(insert(ReturnDutyRow), [duty | {"agency": name, "first_period": labels[-1]} for name in names])


def _fill_activities(session: Session, furnished: Furnished, names: list[str]) -> None:
    now = furnished.node.clock()
    usual = {
        "title": "Open evening", "kind": "event", "audience": " setting.school ", "state": "planned",
        "contact_role": "head", "note": "", "version": 1, "made_by": "anna", "made_at": now, "changed_by": "anna",
        "changed_at": now,
    }  # fmt: skip
    rows = []
    for number in range(MANY_ACTIVITIES):
        day = DAY + timedelta(days=number * 5 % 365 - 180)
        place = {"agency": names[number % len(names)], "starts_on": day, "ends_on": day}
        rows.append(usual | place | {"id": f"bench-{number:010d}"})
    session.execute(insert(ActivityRow), rows)


SCREENS = [
    Screen("/returns", as_="anna", shot="returns"),
    Screen("/returns", as_="paul"),
    Screen("/returns", as_="ben"),
    Screen("/returns/{own}/2026-10", as_="paul", shot="return-form"),
    Screen("/returns/{own}/2026-09", as_="anna"),
    Screen("/returns/{own}/2026-09", as_="ben"),
    Screen("/returns/paste", as_="paul"),
    Screen("/returns/paste", as_="anna"),
    Screen("/returns/upload", as_="paul"),
    Screen("/returns/sheets/{sheet_paul}", as_="paul", shot="return-sheet"),
    Screen("/returns/history", as_="paul"),
    Screen("/returns/agreements", as_="anna"),
    Screen("/calendar", as_="paul", shot="calendar"),
    Screen("/calendar?view=list", as_="rita"),
    Screen("/calendar/new", as_="paul"),
    Screen("/calendar/{talks}", as_="paul"),
    Screen("/calendar/{operation}", as_="anna"),
    Screen("/calendar/clashes", as_="paul", shot="clashes"),
    Screen("/calendar/places", as_="anna"),
]
