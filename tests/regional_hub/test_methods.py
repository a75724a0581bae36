"""The methods note says what the policy says: every number of it, and no number of another policy."""

import re
from fractions import Fraction
from typing import Any

import pytest

from regional_hub.methods import MethodsNote, Publisher, describe, make_note, newest_tables, texts_of
from shared_schema.governance import PolicyBody
from shared_schema.laplace import variance_milli
from tests.factories import make_policy, make_table, make_weekday_table

PUBLISHER = Publisher("sachsen.de", "https://hub.sachsen.example", 2)
SECTIONS = "counted unit noise sums shown intervals not-alike corrections missing coverage alerts citing".split()


def note_of(policy: PolicyBody, publisher: Publisher = PUBLISHER) -> MethodsNote:
    return make_note(policy, publisher)


def words_of(note: MethodsNote) -> str:
    """Everything that a reader sees of it."""
    rows = [str(cell) for section in note.sections if section.table for row in section.table.rows for cell in row]
    return "\n".join([*(text.english for text in texts_of(note)), *rows])


def numbers_of(note: MethodsNote, section: str) -> set[str]:
    found = note.find(section)
    rows = [str(cell) for row in (found.table.rows if found.table else ()) for cell in row]
    return set(re.findall(r"\d+(?:\.\d+)?", "\n".join([*(text.english for text in found.paragraphs), *rows])))


def test_the_note_has_every_section_once_with_something_in_it() -> None:
    note = note_of(make_policy())
    assert [section.name for section in note.sections] == SECTIONS
    assert all(section.heading and section.paragraphs for section in note.sections)
    with pytest.raises(KeyError):
        note.find("no such section")


@pytest.mark.parametrize(
    ("changes", "section", "before", "after"),
    [
        ({"version": 77}, "counted", "1", "77"),
        ({"version": 77}, "citing", "1", "77"),
        ({"vocabulary_version": 88}, "citing", "1", "88"),
        ({"epsilon_milli_per_measure": 3210}, "unit", "2.0", "3.21"),
        ({"epsilon_milli_total": 6540}, "unit", "4.0", "6.54"),
        ({"threshold_floor": 17}, "noise", "5", "17"),
        ({"min_contributors": 8}, "shown", "3", "8"),
        ({"min_contributors": 8}, "missing", "3", "8"),
        ({"min_contributors": 8}, "corrections", "3", "8"),
        ({"min_contributors": 8}, "alerts", "3", "8"),
        ({"p_percent": 33}, "shown", "15", "33"),
        ({"least_shown": 29}, "shown", "11", "29"),
    ],
)
def test_a_number_of_another_policy_is_another_number_in_the_note(
    changes: dict[str, Any], section: str, before: str, after: str
) -> None:
    old, new = (numbers_of(note_of(make_policy(**each)), section) for each in ({}, changes))
    assert before in old and after not in old
    assert after in new


def test_the_rate_of_false_alarms_is_that_of_the_setting() -> None:
    other = Publisher(PUBLISHER.name, PUBLISHER.url, 9)
    assert "9" in numbers_of(note_of(make_policy(), other), "alerts") - numbers_of(note_of(make_policy()), "alerts")


def test_noise_has_a_row_for_each_table_and_length_of_period() -> None:
    tree = make_table(granularities=["month", "year"], year_epsilon_milli=400)
    table = note_of(make_policy([tree, make_weekday_table()])).find("noise").table
    assert table is not None
    variances = {(row[0], row[1]): row[4] for row in table.rows}
    assert variances == {
        (tree.id, "month"): variance_milli(Fraction(1000, 600)) / 1000,
        (tree.id, "year"): variance_milli(Fraction(1000, 400)) / 1000,
        ("bias_incidents.by_weekday", "month"): variance_milli(Fraction(2)) / 1000,
        ("bias_incidents.by_weekday", "quarter"): variance_milli(Fraction(2)) / 1000,
    }


def test_of_a_table_the_newest_wording_is_described() -> None:
    newer = make_table(version=2, title="Another title")
    policy = make_policy([make_table(), newer, make_weekday_table()])
    assert [(table.id, table.version) for table in newest_tables(policy)] == [
        (newer.id, 2),
        ("bias_incidents.by_weekday", 1),
    ]
    assert "Another title" in words_of(note_of(policy))
    assert "Bias incidents by offence" not in words_of(note_of(policy))
    assert describe(newer, policy)[0].english.startswith("Another title: sums of what cities release for 6 cells")


def test_every_text_is_complete_once_its_numbers_are_in_it() -> None:
    for text in [*texts_of(note_of(make_policy())), *describe(make_table(), make_policy())]:
        assert text.english.endswith(".") and "%(" not in text.english
        assert set(re.findall(r"%\((\w+)\)s", text.pattern)) == set(text.values)
