"""The words of a report: nobody overwrites anybody unseen, and nothing is lost."""

import pytest

from local_node import audit
from local_node.quarter_notes import MAX_CHARACTERS, QuarterNote, ReportError, find_note, save_note
from shared_schema.service.database import Database
from tests.factories import COORDINATOR, NOW, REVIEWER, add_people

QUARTER = "2026-Q3"


@pytest.fixture
def database(node_database: Database) -> Database:
    with node_database.write() as session:
        add_people(session)
    return node_database


def save(database: Database, text: str, seen: int, person: str = COORDINATOR, quarter: str = QUARTER) -> QuarterNote:
    with database.write() as session:
        return save_note(session, quarter, text, seen=seen, person=person, now=NOW)


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return [event.action for event in audit.list_events(session)]


@pytest.mark.parametrize(
    ("text", "quarter", "code"),
    [
        ("x" * (MAX_CHARACTERS + 1), QUARTER, "report-length"),
        ("a\x00b", QUARTER, "report-text"),
        ("a\u202eb", QUARTER, "report-text"),
        ("words", "2026", "quarter"),
        ("words", "2026-07", "quarter"),
        ("words", "../etc", "quarter"),
    ],
)
def test_what_cannot_be_saved_changes_nothing(database: Database, text: str, quarter: str, code: str) -> None:
    with pytest.raises(ReportError) as caught:
        save(database, text, 0, quarter=quarter)
    assert caught.value.code == code
    assert actions(database) == []


@pytest.mark.parametrize("seen", [0, 2, -1])
def test_a_stale_tab_does_not_overwrite_what_somebody_saved_meanwhile(database: Database, seen: int) -> None:
    save(database, "what stands", 0)
    with pytest.raises(ReportError) as caught:
        save(database, "other words", seen, REVIEWER)
    assert caught.value.code == "report-changed"
    with database.read() as session:
        assert find_note(session, QUARTER).text == "what stands"


def test_a_double_click_saves_once(database: Database) -> None:
    first = save(database, "words\r\n of two lines  ", 0)
    again = save(database, "words\r\n of two lines  ", 0)
    assert first.version == again.version == 1
    assert again.text == "words\n of two lines"
    assert actions(database) == ["report.saved"]


def test_every_saving_is_a_version_and_an_event_without_the_words(database: Database) -> None:
    save(database, "one", 0)
    assert save(database, "two", 1).version == 2
    with database.read() as session:
        assert [event.subject for event in audit.list_events(session)] == ["2026-Q3/2", "2026-Q3/1"]
        assert find_note(session, "2026-Q2") == QuarterNote("2026-Q2")
