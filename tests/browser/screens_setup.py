"""Setting up, settings and hubs, what left, and everything for the data protection officer."""

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from local_node import outside_messages, verbs
from local_node.app import Node
from local_node.audit_chain import FIRST_PREV_HASH, hash_event
from local_node.orm import AuditRow, OutboxRow
from local_node.outside_messages import Topic
from local_node.verbs.exchange import home_policy
from shared_schema.service.control import VerbError
from tests.browser.screens import Furnished, Screen
from tests.factories import OFFENCES, make_policy, make_table
from tests.hub_simulator import Author

TABLE = make_table()

LESSON = {
    "title": "Open evenings that nobody wanted",
    "summary": "We opened the youth club on two more evenings. Few came after the first weeks.",
    "phenomenon": ["RWE", "POL"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}],
    "outcome": "no_effect",
    "lessons": "Ask the young people first which evenings they want.",
}


MONTHS = ("2024-01", "2024-02", "2024-03", "2026-09")


def furnish(furnished: Furnished) -> None:
    """A lesson and figures that left, old records that may be erased, and a message from outside."""
    node = furnished.node
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "lesson.json"
        draft.write_text(json.dumps(LESSON))
        ask(node, "release.practice", file=str(draft))
        if publish_policy(furnished):
            add_figures(node, Path(folder))
    verbs.run(node, "sync", {})
    with node.database.write() as session:
        outside_messages.take(session, Topic.ACCESSIBILITY, "The table has no headings.", "", node.clock())


def publish_policy(furnished: Furnished) -> bool:
    """Give the hub rules, unless another part has; whether it was this one."""
    with furnished.node.database.read() as session:
        try:
            home_policy(session)
        except VerbError:
            furnished.hub.publish_policy(make_policy())
        else:
            return False
    verbs.run(furnished.node, "sync", {})
    return True


def add_figures(node: Node, folder: Path) -> None:
    """Figures of four months, of which two are released; those of 2024 are older than their rule."""
    columns = ", ".join(f'{offence} = "{offence}"' for offence in OFFENCES)
    mapping = f'kind = "returns"\nmeasure = "{TABLE.measure}"\ntable = "{TABLE.id}"\ncolumns = {{ {columns} }}\n'
    (folder / "mapping.toml").write_text(mapping)
    rows = [",".join([month, *(str(3 * each) for each in range(len(OFFENCES)))]) for month in MONTHS]
    (folder / "figures.csv").write_text("\n".join([",".join(["month", *OFFENCES]), *rows, ""]))
    files = {"file": str(folder / "figures.csv"), "mapping": str(folder / "mapping.toml")}
    verbs.run(node, "import", files | {"agency": "youth-office", "by": "anna"})
    for month in (MONTHS[0], MONTHS[-1]):
        ask(node, "release.numbers", table=TABLE.id, period=month)
    rule = {"kind": "records", "measure": TABLE.measure, "months": 24}
    verbs.run(node, "retention.set", {"rules": [rule], "by": "ben"})


def ask(node: Node, verb: str, **params: str) -> None:
    """Ask for a release and approve it as the second person."""
    shown = verbs.run(node, verb, params | {"by": "anna"})
    accept = {str(finding["number"]): "no person" for finding in shown["findings"]}
    verbs.run(node, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})


STATEMENTS, EVENTS, PERSONS = 10_000, 100_000, 20


def fill(furnished: Furnished) -> None:
    """For the measurement: ten thousand statements that left, a hundred thousand entries of the audit log."""
    node = furnished.node
    author = Author(node.name, node.key, node.clock, last_seq=1_000)
    with node.database.write() as session:
        for number in range(STATEMENTS):
            envelope = author.practice(f"Lesson {number}")
            session.add(
                OutboxRow(
                    digest=envelope.digest, seq=author.last_seq, envelope=envelope.stored_bytes,
                    hub=furnished.hub.verifier.name, state="delivered", attempts=1, created_at=node.clock(),
                )
            )  # fmt: skip
        fill_audit(session, node.clock(), EVENTS)


def fill_audit(session: Session, now: datetime, count: int) -> None:
    """Continue the audit log by so many events, one a minute, chained as it is."""
    last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).first()
    seq, prev = (0, FIRST_PREV_HASH) if last is None else (last.seq, last.entry_hash)
    rows = []
    for number in range(1, count + 1):
        at = now + timedelta(minutes=number - count)
        event = (seq + number, at, f"person-{number % PERSONS}", "records.imported", f"batch/{number}")
        entry_hash = hash_event(*event, prev)
        rows.append(dict(zip(COLUMNS, (*event, prev, entry_hash), strict=True)))
        prev = entry_hash
    session.execute(insert(AuditRow), rows)


COLUMNS = ("seq", "at", "actor", "action", "subject", "prev_hash", "entry_hash")
SCREENS = [
    Screen("/set-up", as_="olga", shot="set-up"),
    Screen("/settings", as_="olga", shot="settings"),
    Screen("/hubs", as_="olga", shot="hubs"),
    Screen("/outside", as_="ben", shot="outside"),
    Screen("/accessibility", as_=None, shot="accessibility"),
    Screen("/privacy", as_=None),
    Screen("/messages", as_="anna"),
    Screen("/oversight", as_="ben", shot="oversight"),
    Screen("/oversight/audit", as_="ben", shot="audit"),
    Screen("/oversight/outgoing", as_="ben", shot="outgoing"),
    Screen("/oversight/budget", as_="ben", shot="budget"),
    Screen("/oversight/retention", as_="ben", shot="retention"),
    Screen("/oversight/processing", as_="ben", shot="processing"),
]
