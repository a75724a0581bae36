"""The audit log as a file, and looked up: what was cut, changed or moved is found, and a page comes at once."""

import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text

from local_node import audit, verbs
from local_node.app import Node
from local_node.audit_chain import FIRST_PREV_HASH, AuditEvent, AuditExportError, check_export, event_line, hash_event
from local_node.audit_search import EVENTS_A_PAGE, AuditFilter, export_lines, find_events, list_actions
from local_node.orm import AuditRow
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from tests.factories import NOW
from tests.local_node.test_cli import run

NODE = "leipzig.sn.de"


def append(database: Database, count: int, actor: str = "anna", action: str = "release.approved") -> None:
    with database.write() as session:
        for number in range(count):
            audit.append(session, actor, action, f"r{number}", NOW)


def exported(database: Database) -> list[bytes]:
    return list(export_lines(database, NODE))


def changed(line: bytes, **fields: object) -> bytes:
    """A line in which somebody changed something, as carefully as they could."""
    return json.dumps(json.loads(line) | fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


# --- a file that is not the log ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda lines: [], 1),
        (lambda lines: lines[:-1], 6),
        (lambda lines: lines[:1], 2),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], 6),
        (lambda lines: [*lines[:-1], lines[-1][:40]], 6),
        (lambda lines: [*lines[:3], *lines[4:]], 4),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lambda lines: [*lines[:3], changed(lines[3], actor="ben"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], changed(lines[3], at="2020-01-01T00:00:00Z"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], changed(lines[3], at="yesterday"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], changed(lines[3], seq=True), *lines[4:]], 4),
        (lambda lines: [*lines[:3], changed(lines[3], seq="3"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], changed(lines[3], why="x"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], b" " + lines[3], *lines[4:]], 4),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4),
        (lambda lines: [*lines[:3], b"\xff\xfe\n", *lines[4:]], 4),
        (lambda lines: [*lines[:3], b"[" * 5000 + b"\n", *lines[4:]], 4),
        (lambda lines: [*lines[:3], b"{" + b" " * 9000 + b"}\n", *lines[4:]], 4),
        (lambda lines: [*lines[:3], b'{"seq":NaN}\n', *lines[4:]], 4),
        (lambda lines: [*lines, lines[-1]], 7),
        (lambda lines: [changed(lines[0], events=4), *lines[1:5]], 1),
        (lambda lines: [changed(lines[0], events=4), *lines[1:]], 6),
        (lambda lines: [changed(lines[0], events=True), *lines[1:]], 1),
        (lambda lines: [changed(lines[0], head="0" * 64), *lines[1:]], 1),
        (lambda lines: [changed(lines[0], audit=2), *lines[1:]], 1),
        (lambda lines: lines[1:], 1),
    ],
)
def test_the_first_wrong_line_is_named(
    node_database: Database, spoil: Callable[[list[bytes]], list[bytes]], line: int
) -> None:
    append(node_database, 5)
    with pytest.raises(AuditExportError, match=rf"^line {line}: expected"):
        check_export(spoil(exported(node_database)))


def test_an_event_that_was_rewritten_with_its_own_hash_breaks_the_next_one(node_database: Database) -> None:
    append(node_database, 3)
    lines = exported(node_database)
    event = json.loads(lines[1])
    forged = hash_event(1, NOW, "ben", event["action"], event["subject"], FIRST_PREV_HASH)
    with pytest.raises(AuditExportError, match="line 3: expected the hash of the event before it"):
        check_export([lines[0], changed(lines[1], actor="ben", entry_hash=forged), *lines[2:]])


def test_control_characters_that_came_beneath_the_database_are_escaped_and_found(node_database: Database) -> None:
    append(node_database, 2)
    with node_database.write() as session:
        session.execute(text("DROP TRIGGER audit_no_update"))
        session.execute(text("UPDATE audit SET subject = :text WHERE seq = 2"), {"text": "r1\x1b[2J\u202e\r\n=cmd"})
    lines = exported(node_database)
    assert len(lines) == 3
    assert all(line.isascii() and line[:-1].decode().isprintable() for line in lines)
    with pytest.raises(AuditExportError, match="line 3"):
        check_export(lines)


def test_an_empty_log_is_a_good_log(node_database: Database) -> None:
    checked = check_export(exported(node_database))
    assert (checked.node, checked.events, checked.head) == (NODE, 0, FIRST_PREV_HASH)


def test_what_is_appended_while_the_file_is_read_is_left_out(node_database: Database) -> None:
    append(node_database, 3)
    lines = export_lines(node_database, NODE)
    first = [next(lines), next(lines)]
    append(node_database, 3)
    assert check_export([*first, *lines]).events == 3


# --- the commands --------------------------------------------------------------------------------------------------


def test_the_command_writes_what_the_command_verifies_and_nobody_else_reads(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    result = verbs.run(node, "audit.export", {"file": str(file)})
    assert file.read_bytes() == b"".join(exported(node.database))
    assert file.stat().st_mode & 0o777 == 0o600
    done = run("audit", "verify", str(file), "--json")
    assert done.returncode == 0, done.stderr
    checked = json.loads(done.stdout)
    assert (checked["ok"], checked["events"], checked["node"]) == (True, result["events"], NODE)
    assert run("audit", "verify", str(file), "--head", checked["head"]).returncode == 0
    assert run("audit", "verify", str(file), "--head", "0" * 64).returncode == 2


def test_the_command_says_which_line_is_wrong_and_nothing_of_what_it_holds(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    verbs.run(node, "audit.export", {"file": str(file)})
    file.write_bytes(file.read_bytes().replace(b'"ben/reviewer"', b'"eva/reviewer"'))
    done = run("audit", "verify", str(file))
    assert done.returncode == 2
    assert "line 3" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "eva" not in done.stderr + done.stdout


def test_an_export_overwrites_no_file(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text("mine")
    with pytest.raises(VerbError, match="expected a new file"):
        verbs.run(node, "audit.export", {"file": str(file)})
    assert file.read_text() == "mine"
    assert run("audit", "verify", str(tmp_path / "none")).returncode == 2


# --- looking something up ------------------------------------------------------------------------------------------


def test_filters_find_what_they_say_and_pages_are_cut_by_number(node_database: Database) -> None:
    append(node_database, EVENTS_A_PAGE + 5)
    append(node_database, 2, actor="ben", action="retention.set")
    with node_database.read() as session:
        first = find_events(session, AuditFilter(actor="anna"))
        assert (len(first.events), first.events[0].seq, first.older) == (EVENTS_A_PAGE, 55, 6)
        second = find_events(session, AuditFilter(actor="anna"), before=first.older)
        assert ([event.seq for event in second.events], second.older) == ([5, 4, 3, 2, 1], None)
        assert len(find_events(session, AuditFilter(action="retention.set")).events) == 2
        assert len(find_events(session, AuditFilter(subject="r1")).events) == 2
        assert find_events(session, AuditFilter(actor="anna' OR 1=1 --")).events == ()
        assert find_events(session, AuditFilter(subject="r%")).events == ()
        assert list_actions(session) == ("release.approved", "retention.set")


def test_days_are_whole_days_of_the_reader(node_database: Database) -> None:
    append(node_database, 1)
    late = NOW.replace(hour=23, minute=30)
    with node_database.write() as session:
        audit.append(session, "anna", "release.approved", "late", late)
    berlin = ZoneInfo("Europe/Berlin")
    tomorrow = (late + timedelta(days=1)).date()
    with node_database.read() as session:
        found = find_events(session, AuditFilter(since=tomorrow, until=tomorrow, zone=berlin)).events
        assert [event.subject for event in found] == ["late"]
        assert len(find_events(session, AuditFilter(since=NOW.date(), until=NOW.date())).events) == 2
        assert len(find_events(session, AuditFilter(since=date.min, until=date.max, zone=berlin)).events) == 2
        assert find_events(session, AuditFilter(since=date.max, zone=berlin)).events == ()
        assert find_events(session, AuditFilter(until=date.min, zone=berlin)).events == ()


FILTERS = (
    AuditFilter(),
    AuditFilter(actor="person-7"),
    AuditFilter(actor="nobody"),
    AuditFilter(actor="person-0", action="rare.event"),
    AuditFilter(action="rare.event"),
    AuditFilter(subject="s77"),
    AuditFilter(since=date(2025, 1, 2), until=date(2025, 1, 3)),
    AuditFilter(actor="person-7", since=date(2025, 1, 2), until=date(2025, 1, 3)),
)


def fill(database: Database, count: int) -> None:
    """A log of so many events, chained only as far as the trigger asks, which is what makes it quick."""
    rows = []
    for seq in range(1, count + 1):
        at = NOW.replace(year=2025, month=1, day=1, hour=0) + timedelta(seconds=30 * seq)
        action = "rare.event" if seq % 50_000 == 0 else f"kind.number-{'abcde'[seq % 5]}"
        rows.append(
            {
                "seq": seq, "at": at, "actor": f"person-{seq % 10}", "action": action, "subject": f"s{seq % 5000}",
                "prev_hash": FIRST_PREV_HASH if seq == 1 else f"{seq - 1:064x}", "entry_hash": f"{seq:064x}",
            }
        )  # fmt: skip
    with database.write() as session:
        session.execute(insert(AuditRow), rows)


@pytest.mark.parametrize("count", [2_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_no_filter_reads_the_whole_log(node_database: Database, count: int) -> None:
    """What a filter reads is counted in steps of the database's machine, which no busy machine changes."""
    fill(node_database, count)
    most = 0
    for wanted in FILTERS:
        steps = 0

        def count_step() -> int:
            nonlocal steps
            steps += 1
            return 0

        with node_database.read() as session:
            connection = session.connection().connection.driver_connection
            assert connection is not None
            connection.set_progress_handler(count_step, 1_000)
            find_events(session, wanted)
            list_actions(session)
            connection.set_progress_handler(None, 0)
        most = max(most, steps)
    assert most < max(100, count // 500), f"{most} thousand steps, at {os.cpu_count()} cores"


def test_an_event_as_a_line_has_every_field_once() -> None:
    event = AuditEvent(1, NOW, "anna", "a.b", "x", "e" * 64, "0" * 64)
    assert json.loads(event_line(event)) == {
        "seq": 1, "at": "2026-11-22T09:00:00Z", "actor": "anna", "action": "a.b", "subject": "x",
        "entry_hash": "e" * 64, "prev_hash": "0" * 64,
    }  # fmt: skip
