"""When two plans come too close: the rule, its symmetry, and that it finds the case it exists for."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.clashes import (
    AUDIENCE,
    MAX_GAP_DAYS,
    TRANSITIONS,
    ActivityState,
    ClashState,
    Plan,
    can_change,
    choices_from,
    clash_of,
    days_apart,
    find_clashes,
)

TALKS = Plan(
    "a1", "youth", date(2026, 6, 10), date(2026, 6, 12), "nord", frozenset({"setting.worship", "setting.youth_centre"})
)
DECISION = Plan("b1", "migration", date(2026, 6, 9), date(2026, 6, 9), None, frozenset({"setting.worship"}))
DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 31))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    first = draw(DAYS)
    return Plan(
        id=f"p{draw(st.integers(0, 10**9))}",
        agency=draw(st.sampled_from(["youth", "police", "school"])),
        first_day=first,
        last_day=first + timedelta(days=draw(st.integers(0, 40))),
        area=draw(st.sampled_from([None, "nord", "sued"])),
        audience=frozenset(draw(st.sets(st.sampled_from(sorted(AUDIENCE)[:4]), max_size=2))),
        state=draw(st.sampled_from(list(ActivityState))),
    )


# --- the case this exists for --------------------------------------------------------------------------------------


def test_an_ill_timed_decision_of_one_agency_is_seen_beside_the_well_designed_activity_of_another() -> None:
    clash = clash_of(TALKS, DECISION, 3)
    assert clash is not None
    assert (clash.days_apart, clash.area, clash.audience) == (1, "nord", frozenset({"setting.worship"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"agency": "youth"},
        {"state": ActivityState.CANCELLED},
        {"state": ActivityState.DONE},
        {"area": "sued"},
        {"audience": frozenset({"setting.school"})},
        {"first_day": date(2026, 6, 1), "last_day": date(2026, 6, 6)},
        {"first_day": date(2026, 6, 16), "last_day": date(2026, 6, 16)},
    ],
    ids=["own", "cancelled", "done", "elsewhere", "other people", "long before", "long after"],
)
def test_what_is_not_near_does_not_clash(changes: dict[str, object]) -> None:
    assert clash_of(TALKS, replace(DECISION, **changes), 3) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": frozenset()},
        {"area": "nord"},
        {"first_day": date(2026, 6, 7), "last_day": date(2026, 6, 7)},
        {"first_day": date(2026, 6, 15), "last_day": date(2026, 6, 15)},
        {"first_day": date(2026, 5, 1), "last_day": date(2026, 7, 31)},
    ],
    ids=["for everybody", "same district", "three days before", "three days after", "around"],
)
def test_what_is_near_clashes(changes: dict[str, object]) -> None:
    assert clash_of(TALKS, replace(DECISION, **changes), 3) is not None  # type: ignore[arg-type]


# --- properties ----------------------------------------------------------------------------------------------------


@given(plans(), plans(), st.integers(0, MAX_GAP_DAYS))
def test_a_clash_is_the_same_from_both_sides(one: Plan, other: Plan, gap: int) -> None:
    assert clash_of(one, other, gap) == clash_of(other, one, gap)


@given(plans(), st.integers(0, MAX_GAP_DAYS))
def test_nothing_clashes_with_itself(plan: Plan, gap: int) -> None:
    assert clash_of(plan, plan, gap) is None


@given(plans(), plans(), st.integers(0, MAX_GAP_DAYS))
def test_what_is_cancelled_or_done_never_clashes(one: Plan, other: Plan, gap: int) -> None:
    for state in (ActivityState.CANCELLED, ActivityState.DONE):
        assert clash_of(replace(one, state=state), other, gap) is None


@given(plans(), plans(), st.integers(0, MAX_GAP_DAYS - 1))
def test_a_wider_gap_never_loses_a_clash(one: Plan, other: Plan, gap: int) -> None:
    if clash_of(one, other, gap) is not None:
        assert clash_of(one, other, gap + 1) is not None


@given(plans(), plans(), st.integers(0, 60))
def test_days_apart_are_counted_as_on_a_calendar(one: Plan, other: Plan, days: int) -> None:
    shares_a_day = one.first_day <= other.last_day and other.first_day <= one.last_day
    assert (days_apart(one, other) == 0) is shares_a_day
    after = replace(other, first_day=one.last_day + timedelta(days=days), last_day=one.last_day + timedelta(days=days))
    assert days_apart(one, after) == days


@given(st.lists(plans(), max_size=25, unique_by=lambda plan: plan.id), st.integers(0, MAX_GAP_DAYS))
def test_the_sweep_finds_what_comparing_everything_finds(every: list[Plan], gap: int) -> None:
    pairs = {
        clash
        for index, one in enumerate(every)
        for other in every[index + 1 :]
        if (clash := clash_of(one, other, gap)) is not None
    }
    found = list(find_clashes(every, gap))
    assert set(found) == pairs
    assert len(found) == len(pairs)


# --- states --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(ClashState))
def test_every_state_can_be_left_and_none_for_itself(state: ClashState) -> None:
    assert any(old is state for old, _ in TRANSITIONS)
    assert not can_change(state, state)


def test_nobody_says_by_hand_that_plans_touch_again() -> None:
    assert choices_from(ClashState.SOLVED) == []
    assert ClashState.TALKED in choices_from(ClashState.OPEN)
