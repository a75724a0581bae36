"""A policy may only be stricter than the one above it: every limit has its direction, and each is said in words."""

from typing import Any

import pytest

from shared_schema.errors import ReleaseRuleError, SchemaError
from shared_schema.governance import PolicyBody
from shared_schema.policy_order import (
    NodeLimits,
    check_software,
    check_stricter,
    find_looser,
    is_too_old,
    parse_version,
    retention_of,
    stricter_of,
)
from shared_schema.problem import ProblemCode
from tests.shared_schema import builders

LIMITS: dict[str, Any] = {
    "epsilon_milli_per_measure": 2000,
    "epsilon_milli_total": 4000,
    "min_contributors": 5,
    "p_percent": 15,
    "least_shown": 11,
    "threshold_floor": 8,
    "vocabulary_version": 2,
    "retention_months": 60,
    "least_software": "0.2.0",
}
LOOSER: dict[str, Any] = {
    "epsilon_milli_per_measure": 2001,
    "epsilon_milli_total": 4001,
    "min_contributors": 4,
    "p_percent": 14,
    "least_shown": 10,
    "threshold_floor": 7,
    "vocabulary_version": 1,
    "retention_months": 61,
    "least_software": "0.1.9",
}
STRICTER: dict[str, Any] = {
    "epsilon_milli_per_measure": 1999,
    "epsilon_milli_total": 3999,
    "min_contributors": 6,
    "p_percent": 16,
    "least_shown": 12,
    "threshold_floor": 9,
    "vocabulary_version": 3,
    "retention_months": 59,
    "least_software": "0.2.1",
}


def policy(**changes: Any) -> PolicyBody:
    values = {name: value for name, value in (LIMITS | changes).items() if value is not None}
    return builders.POLICY.model_copy(update=dict.fromkeys(LIMITS)).model_copy(update=values)


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_that_allows_more_is_named_with_both_values(name: str) -> None:
    (words,) = find_looser(policy(**{name: LOOSER[name]}), policy())
    assert str(LIMITS[name]) in words and str(LOOSER[name]) in words


@pytest.mark.parametrize("name", LIMITS)
def test_a_stricter_limit_is_fine(name: str) -> None:
    assert find_looser(policy(**{name: STRICTER[name]}), policy()) == ()
    assert find_looser(policy(), policy()) == ()


def test_no_limit_is_looser_than_any_limit() -> None:
    without = policy(retention_months=None, least_software=None)
    assert [words.partition(":")[0] for words in find_looser(without, policy())] == [
        "retention_months",
        "least_software",
    ]
    assert find_looser(policy(), without) == ()


def test_what_is_absent_has_its_default_and_two_contributors_are_none() -> None:
    assert find_looser(policy(p_percent=None), policy(p_percent=15)) == ()
    assert find_looser(policy(p_percent=None), policy(p_percent=20)) == (
        "p_rule_percent: expected at least 20, got 15",
    )
    assert find_looser(policy(min_contributors=1), policy(min_contributors=3)) == ()


def test_a_table_of_both_may_not_spend_more() -> None:
    table = builders.POLICY.tables[0]
    parent = policy().model_copy(update={"tables": (table.model_copy(update={"epsilon_milli": 1}),)})
    (words,) = find_looser(policy(), parent)
    assert table.id in words


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "vocabulary_version"])
def test_of_two_policies_the_stricter_limit_counts_wherever_it_stands(name: str) -> None:
    for own, parent in ((LOOSER, LIMITS), (LIMITS, LOOSER)):
        assert getattr(stricter_of(policy(**{name: own[name]}), policy(**{name: parent[name]})), name) == LIMITS[name]
    merged = stricter_of(policy(**LOOSER), policy())
    assert find_looser(merged, policy(vocabulary_version=1)) == ()


@pytest.mark.parametrize(
    ("version", "too_old"),
    [("0.1.9", True), ("0.2.0", False), ("0.10.0", False), ("1.0.0", False), ("0.2.0-rc1", False), (None, True),
     ("", True), ("0.2", True), ("two", True), ("00.2.0", True)],
)  # fmt: skip
def test_versions_are_compared_as_numbers_and_what_is_none_is_the_oldest(version: str | None, too_old: bool) -> None:
    assert is_too_old(version, policy()) is too_old
    assert not is_too_old(version, policy(least_software=None))


def test_a_program_that_is_too_old_is_told_what_to_do() -> None:
    with pytest.raises(ReleaseRuleError, match=r"version 0\.2\.0 or newer, got 0\.1\.0; update") as caught:
        check_software("0.1.0", policy())
    assert caught.value.code is ProblemCode.SOFTWARE_TOO_OLD
    with pytest.raises(ReleaseRuleError, match="does not say its version"):
        check_software(None, policy())


@pytest.mark.parametrize("text", ["1.0", "1.0.0-rc1", "v1.0.0", "1.0.0\n", "01.0.0", "1.0.100000"])
def test_a_policy_names_a_version_of_three_numbers(text: str) -> None:
    with pytest.raises(SchemaError):
        PolicyBody.from_object(builders.POLICY.to_object() | {"least_software": text})
    assert parse_version("12.0.7") == (12, 0, 7)


def test_a_node_may_be_stricter_only() -> None:
    assert check_stricter(NodeLimits(threshold=8, retention_months=60), policy()) == ()
    assert len(check_stricter(NodeLimits(threshold=7, retention_months=61), policy())) == 2
    assert check_stricter(NodeLimits(), policy()) == ()
    assert retention_of(NodeLimits(retention_months=12), policy()) == 12
    assert retention_of(NodeLimits(retention_months=90), policy()) == 60
    assert (retention_of(NodeLimits(), None), retention_of(NodeLimits(), policy(retention_months=None))) == (None, None)
