"""Today, the picture and the report: three years of figures, with a break, a gap, a few and a hidden one among them."""

import json
import math
from fractions import Fraction
from importlib.resources import files

from sqlalchemy.orm import Session

from local_node import inbox, ledger, verbs
from local_node.orm import ImportBatchRow, ReleaseRequestRow, ReturnRecordRow
from local_node.tabulation import FrequencyCell, FrequencyTable
from shared_schema.governance import PolicyBody
from shared_schema.keys import MemberRole
from shared_schema.laplace import Noise, interval_of, variance_milli
from shared_schema.period import parse_period
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody, Coverage, TableDefinition
from shared_schema.vocabulary import SourceKind
from tests import factories
from tests.browser.screens import Furnished, Screen

TABLE = "first_contacts.by_age"
MONTHS = [f"{2023 + number // 12}-{number % 12 + 1:02d}" for number in range(10, 46)]
"""November 2023 to October 2026: the last one has ended when the tests begin."""
RELEASED = MONTHS[-14:-1]
SCALE = Fraction(2)


def count_of(month: int, cell: int, size: float) -> int:
    """A made-up figure with seasons and a slow rise; the same every time."""
    wave = math.sin(month / 12 * 2 * math.pi) + (month * 7 + cell * 3) % 5 / 4
    return max(0, round(size * (1 + month / 60) * (1 + wave / 4) / (1 + cell)))


def furnish(furnished: Furnished) -> None:
    """Returns of three agencies, thirteen releases, and the sums of a region and a nation."""
    node, hub = furnished.node, furnished.hub
    with node.database.read() as session:
        policy = inbox.current_policy(session, hub.name)
    if policy is None or policy.find_table(TABLE) is None:
        policy = starter_policy()
        hub.publish_policy(policy)
    table = policy.find_table(TABLE)
    assert table is not None
    nation = hub.city("bund.de", enrolled=False)
    hub.enrol(nation.name, nation.key.public, role=MemberRole.PARENT)
    for number, month in enumerate(MONTHS):
        if number != 20:
            hub.log(hub.author.sign(Kind.AGGREGATE, sum_of(table, month, number, 8, 12), Audience.REGION))
        if number > 5:
            hub.log(nation.sign(Kind.AGGREGATE, sum_of(table, month, number, 140, 180), Audience.NATION))
    verbs.run(node, "sync", {})
    with node.database.write() as session:
        add_returns(session, table, furnished)
        for number, month in enumerate(RELEASED):
            add_release(session, table, policy, month, number, furnished)


def starter_policy() -> PolicyBody:
    """The measures and tables that a new hub begins with."""
    return PolicyBody.from_object(json.loads((files("regional_hub") / "starter_policy.json").read_text()))


def add_returns(session: Session, table: TableDefinition, furnished: Furnished) -> None:
    now = furnished.node.clock()
    for agency, size in (("jugendamt", 14.0), ("beratung", 9.0), ("schulamt", 5.0)):
        batch = ImportBatchRow(
            file_digest="0" * 64, measure=table.measure, agency=agency, source_kind="agency_return", imported_at=now,
            imported_by="anna", rows=len(MONTHS),
        )  # fmt: skip
        session.add(batch)
        session.flush()
        for number, month in enumerate(MONTHS):
            if (agency == "schulamt" and number in (3, 4)) or number == 9:
                continue  # one agency is late, and of one month nobody has anything
            status = "B" if agency == "beratung" and number == 24 else "A"
            for place, cell in enumerate(table.cells):
                session.add(
                    ReturnRecordRow(
                        batch_id=batch.id, table_id=table.id, agency=agency, period=month, cell=cell, status=status,
                        value=count_of(number, place, size),
                    )
                )  # fmt: skip


def add_release(
    session: Session, table: TableDefinition, policy: PolicyBody, month: str, number: int, furnished: Furnished
) -> None:
    now, period = furnished.node.clock(), parse_period(month)
    cells = tuple(FrequencyCell(code, "A", count_of(number + 22, at, 28)) for at, code in enumerate(table.cells))
    counted = FrequencyTable(table, period, SourceKind.AGENCY_RETURN, cells, Coverage(reporting=3, expected=3))
    ledger.charge_and_draw(
        session, counted, epsilon_milli=500, policy=policy, now=now,
        draw=lambda _scale, count: tuple((number + at) % 5 - 2 for at in range(count)),
    )  # fmt: skip
    body = factories.make_trend([cell.count for cell in cells], table=table, period=period).to_bytes().decode()
    session.add(
        ReleaseRequestRow(
            id=f"picture-{number}", number=900 + number, kind="trend", state="signed", body=body, audience="hub",
            subject=f"{table.id}/{table.version}/{month}", requested_by="anna", requested_at=now,
            findings='{"items":[]}',
        )
    )  # fmt: skip


def sum_of(table: TableDefinition, month: str, number: int, reporting: int, expected: int) -> AggregateBody:
    """A hub's sum for a month; one group is small, one is hidden now and then, and the last month jumps."""
    cells = []
    for place, code in enumerate(table.cells):
        estimate = count_of(number, place, reporting * 9.0)
        if number == len(MONTHS) - 1 and place == 0:
            estimate *= 3
        if place == len(table.cells) - 1:
            estimate = 4 - number % 3
        spread = variance_milli(SCALE) * reporting
        ends = interval_of(estimate, [Noise(SCALE, reporting)], variance_milli=spread)
        shown = {"estimate": estimate, "variance_milli": spread, "low": ends.low, "high": ends.high}
        is_hidden = place == 1 and number == 12 and reporting < 20
        cells.append(
            {"dims": {table.dimension: code}, "contributors": reporting, "status": "Q" if is_hidden else "A"}
            | ({"withheld": "dominance"} if is_hidden else shown)
        )
    return AggregateBody.from_object(
        {
            "table": table.reference.to_object(),
            "area": {"scheme": "NUTS", "version": "2024", "code": "DED"}
            if reporting < 20
            else {"scheme": "ISO3166", "version": "2020", "code": "DE"},
            "period": parse_period(month).to_object(),
            "source_kind": "agency_return",
            "complete": False,
            "revision": 1,
            "scale": {"numerator": SCALE.numerator, "denominator": SCALE.denominator},
            "coverage": {"reporting": reporting, "expected": expected},
            "agencies": {"reporting": reporting * 4, "expected": expected * 5},
            "cells": cells,
        }
    )


SCREENS = [
    Screen("/report?quarter=2026-Q3", as_="anna", shot="report"),
    Screen("/report?quarter=2026-Q3&internal=yes", as_="ben"),
    Screen("/", as_="ben"),
    Screen("/", as_="olga"),
    Screen("/", as_="paul"),
    Screen(f"/picture?table={TABLE}", as_="anna", shot="picture"),
    Screen(f"/picture?table={TABLE}&view=table", as_="anna", shot="picture-table"),
    Screen(f"/picture?table={TABLE}&cell=every&by=quarter", as_="ben"),
    Screen(f"/picture?table={TABLE}", as_="rita"),
    Screen("/picture?table=tension.by_level", as_="paul"),
]
