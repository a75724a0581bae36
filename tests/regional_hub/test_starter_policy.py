"""The starter policy: the twelve measures on fixed grids, within the budget, in plain words; and its document.

After a change of the policy, `python -m tests.regional_hub.test_starter_policy` writes the tables of docs/measures.md.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_schema.governance import PolicyBody
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import VOCABULARIES, VOCABULARY_VERSION

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "measures.md"
POLICY = PolicyBody.from_object(json.loads((ROOT / "regional_hub" / "starter_policy.json").read_text(encoding="utf-8")))
MOST_BYTES = 200 * 1024  # of the 256 KiB of an envelope, in base64
STARTER_SET = [
    *("first_contacts", "follow_ups", "panel_discussions", "adopted", "information_requests", "professionals_trained"),
    *("outreach_events", "active_practices", "bias_incidents", "bias_incidents_police", "tension", "online_reports"),
    "agencies_at_table",
]
PERSONS = {"first_contacts", "follow_ups", "panel_discussions", "adopted"}
FROM_THE_VOCABULARY = {
    "phenomenon": "phenomenon",
    "agency": "agency_type",
    "setting": "setting",
    "bias": "bias",
    "prevention_level": "prevention_level",
    "tension_level": "tension_level",
    "tension_basis": "tension_basis",
}
OWN_LISTS = {"age_band", "offence", "weekday"}
RELEASED = {  # a version's wording stays for ever
    ("bias_incidents.by_offence", 1): "14c126e7a250adbeafa4b6114d97b5e6755481464e5dae67d9e648a7a1c2b340",
    ("bias_incidents.by_weekday", 1): "cce17af0596235e830b267039604c4d979dc548c3a1112007cd6e66552f427ed",
    ("information_requests.by_agency", 1): "ece20cbf201ccfb4f0d122ef7d99ec8448ae77fed4d04d9df6e835fd04372116",
}
NEVER_SAID = re.compile(r"suspect|\btargets?\b|intelligence|threat|hot ?spot|\bcases?\b", re.IGNORECASE)


def newest_tables() -> list[TableDefinition]:
    return [table for table in POLICY.tables if POLICY.find_table(table.id) == table]


# --- the registry --------------------------------------------------------------------------------------------------


def test_it_holds_the_twelve_with_the_two_sources_of_bias_incidents_apart() -> None:
    assert [measure.id for measure in POLICY.measures or ()] == STARTER_SET
    police, civil = POLICY.find_measure("bias_incidents_police"), POLICY.find_measure("bias_incidents")
    assert police is not None
    assert civil is not None
    assert not set(police.source_kinds) & set(civil.source_kinds)


def test_people_are_protected_as_people_and_what_is_in_stock_is_never_added_up() -> None:
    measures = POLICY.measures or ()
    assert {measure.id for measure in measures if measure.unit == "person"} == PERSONS
    stocks = {measure.id for measure in measures if measure.stock}
    assert stocks == {"active_practices", "agencies_at_table"}
    assert {table.granularities for table in POLICY.tables if table.measure in stocks} == {("quarter",)}


@pytest.mark.parametrize("measure", STARTER_SET)
def test_a_measure_has_a_table_and_its_tables_share_its_budget(measure: str) -> None:
    assert 0 < POLICY.epsilon_milli_of(measure) <= POLICY.epsilon_milli_per_measure == 2000


def test_a_full_measure_fits_into_a_year_with_four_of_the_organisation() -> None:
    beside = ("information_requests", "professionals_trained", "outreach_events", "agencies_at_table")
    spent = POLICY.epsilon_milli_of("first_contacts") + sum(map(POLICY.epsilon_milli_of, beside))
    assert spent <= POLICY.epsilon_milli_total == 4000


@pytest.mark.parametrize("table", newest_tables(), ids=lambda table: table.id)
def test_a_grid_comes_from_the_vocabulary_and_leaves_nothing_out(table: TableDefinition) -> None:
    name = FROM_THE_VOCABULARY.get(table.dimension)
    if name is None:
        assert table.dimension in OWN_LISTS
        return
    codes = [term.value for term in VOCABULARIES[name]]
    summaries = {code for code in codes if any(other.startswith(code + ".") for other in codes)}
    assert list(table.cells) == [code for code in codes if code not in summaries]


def test_a_table_is_named_after_its_measure() -> None:
    for table in POLICY.tables:
        assert table.id.startswith(f"{table.measure}.by_")


def test_what_was_released_before_keeps_its_wording() -> None:
    found = {key: table.fingerprint for key in RELEASED if (table := POLICY.find_table(*key)) is not None}
    assert found == RELEASED
    assert POLICY.find_table("first_contacts.by_phenomenon", 1) is None  # it counted records: another promise


def test_a_year_of_panel_discussions_may_be_released_beside_its_months() -> None:
    table = POLICY.find_table("panel_discussions.by_phenomenon")
    assert table is not None
    assert (table.epsilon_milli_for("month"), table.epsilon_milli_for("year")) == (500, 500)


def test_the_rules_are_those_of_the_design() -> None:
    assert (POLICY.version, POLICY.vocabulary_version) == (2, VOCABULARY_VERSION)
    assert (POLICY.p_rule_percent, POLICY.least_number_shown, POLICY.least_threshold) == (15, 11, 5)
    assert POLICY.min_contributors == 3
    advice = POLICY.advice or ()
    assert [each.granularity for each in advice] == ["year", "quarter", "month"]
    units = [each.from_units for each in advice]
    assert units == sorted(units)
    assert units[0] == 0


def test_it_fits_into_a_statement() -> None:
    assert len(POLICY.to_bytes()) <= MOST_BYTES


def test_its_titles_are_plain_words() -> None:
    titles = [measure.title for measure in POLICY.measures or ()] + [table.title for table in POLICY.tables]
    assert [title for title in titles if NEVER_SAID.search(title)] == []


# --- its document --------------------------------------------------------------------------------------------------


def make_measures() -> str:
    """The table of measures."""
    lines = ["| measure | what is counted | protected is | from | epsilon |", "| --- | --- | --- | --- | --- |"]
    for measure in POLICY.measures or ():
        kind = measure.unit + (", how many there are" if measure.stock else "")
        sources = ", ".join(measure.source_kinds)
        epsilon = f"{POLICY.epsilon_milli_of(measure.id) / 1000:.1f}"
        lines.append(f"| `{measure.id}` | {measure.title} | {kind} | {sources} | {epsilon} |")
    return "\n".join(lines) + "\n"


def make_tables() -> str:
    """The table of tables, in the newest version of each."""
    lines = ["| table | version | cells | periods | epsilon |", "| --- | --- | --- | --- | --- |"]
    for table in newest_tables():
        epsilon = f"{table.epsilon_milli / 1000:.1f}"
        if table.year_epsilon_milli is not None:
            epsilon += f", of it {table.year_epsilon_milli / 1000:.1f} for a year"
        cells = f"{len(table.cells)} of {table.dimension}"
        lines.append(f"| `{table.id}` | {table.version} | {cells} | {', '.join(table.granularities)} | {epsilon} |")
    return "\n".join(lines) + "\n"


def made(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- policy: {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize(("name", "make"), [("measures", make_measures), ("tables", make_tables)])
def test_the_document_says_what_the_policy_says(name: str, make: Callable[[], str]) -> None:
    match = made(name).search(DOCUMENT.read_text(encoding="utf-8"))
    assert match is not None
    assert match[0] == make()


def test_the_document_explains_the_own_lists() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for table in newest_tables():
        if table.dimension in OWN_LISTS:
            assert ", ".join(f"`{code}`" for code in table.cells) in text, table.id


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in (("measures", make_measures()), ("tables", make_tables())):
        text = made(name).sub(lambda _match, table=table: table, text)  # type: ignore[misc]
    DOCUMENT.write_text(text, encoding="utf-8")
