"""Two people decide: who may, from which state, and with which reasons."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.errors import ReviewError
from local_node.narrative import WHY, Finding
from local_node.patterns import FindingKind
from local_node.review import (
    MAX_REASON_CHARACTERS,
    SINGLE_PERSON_WAIT,
    TRANSITIONS,
    Person,
    ReleaseRequest,
    RequestState,
    Resolution,
    ReviewedAs,
    Role,
    approve,
    check_may_refuse,
    check_may_resolve,
    check_transition,
    reviewer_role_for,
    transition_diagram,
)
from shared_schema.statement import Audience, Kind
from tests.factories import COORDINATOR, NOW, REVIEWER

BERT = Person(REVIEWER, Role.REVIEWER)
FINDINGS = tuple(
    Finding("summary", start, start + 3, kind, WHY[kind])
    for start, kind in ((0, FindingKind.DATE), (9, FindingKind.NAME))
)
REASONS = {0: "the day is in the newspaper", 1: "a street, not a person"}
REQUEST = ReleaseRequest(
    id="r1",
    kind=Kind.PRACTICE,
    audience=Audience.EUROPE,
    body=b"{}",
    state=RequestState.REQUESTED,
    requested_by=COORDINATOR,
    requested_at=NOW,
    reviewer_role=ReviewedAs.REVIEWER,
    findings=FINDINGS,
)


@pytest.mark.parametrize(
    ("reviewer", "code"),
    [
        (Person(COORDINATOR, Role.COORDINATOR), "same-person"),
        (Person(COORDINATOR, Role.REVIEWER), "same-person"),
        (Person("paula", Role.PARTNER), "role"),
        (Person("carla", Role.COORDINATOR), "role"),
    ],
    ids=["coordinator-herself", "herself-as-reviewer", "partner", "coordinator-where-a-reviewer-was-named"],
)
def test_only_a_second_person_in_the_right_role_approves(reviewer: Person, code: str) -> None:
    with pytest.raises(ReviewError) as caught:
        approve(REQUEST, reviewer, REASONS, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize("state", [state for state in RequestState if state is not RequestState.REQUESTED])
def test_only_a_waiting_request_is_approved(state: RequestState) -> None:
    with pytest.raises(ReviewError, match=f"this one is {state.value}"):
        approve(replace(REQUEST, state=state), BERT, REASONS, NOW)


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ({}, "reason"),
        ({0: "fine"}, "reason"),
        ({0: "fine", 1: "  "}, "reason"),
        ({0: "fine", 1: "x" * (MAX_REASON_CHARACTERS + 1)}, "reason"),
        (REASONS | {2: "fine"}, "findings"),
        (REASONS | {-1: "fine"}, "findings"),
    ],
)
def test_every_finding_blocks_until_it_has_a_reason(accepted: Mapping[int, str], code: str) -> None:
    with pytest.raises(ReviewError) as caught:
        approve(REQUEST, BERT, accepted, NOW)
    assert caught.value.code == code


def test_a_second_person_who_has_looked_at_everything_approves() -> None:
    release = approve(REQUEST, BERT, REASONS, NOW)
    assert release.request == replace(REQUEST, state=RequestState.APPROVED)
    assert (release.reviewer, release.accepted) == (BERT, REASONS)


def test_without_a_reviewer_another_coordinator_approves() -> None:
    request = replace(REQUEST, reviewer_role=ReviewedAs.COORDINATOR, findings=())
    assert approve(request, Person("carla", Role.COORDINATOR), {}, NOW).reviewer.id == "carla"
    with pytest.raises(ReviewError):
        approve(request, BERT, {}, NOW)


@pytest.mark.parametrize(
    ("people", "role"),
    [
        ({COORDINATOR: Role.COORDINATOR, "bert": Role.REVIEWER, "carla": Role.COORDINATOR}, ReviewedAs.REVIEWER),
        ({COORDINATOR: Role.COORDINATOR, "carla": Role.COORDINATOR}, ReviewedAs.COORDINATOR),
        ({COORDINATOR: Role.COORDINATOR, "paula": Role.PARTNER}, ReviewedAs.SINGLE_PERSON),
    ],
)
def test_a_reviewer_is_asked_before_another_coordinator_and_else_a_day_goes_by(
    people: dict[str, Role], role: ReviewedAs
) -> None:
    assert reviewer_role_for(COORDINATOR, people) is role


@pytest.mark.parametrize(
    "people", [{}, {COORDINATOR: Role.REVIEWER}, {COORDINATOR: Role.PARTNER, "paula": Role.PARTNER}]
)
def test_nobody_asks_for_a_release_where_there_is_no_second_person(people: dict[str, Role]) -> None:
    with pytest.raises(ReviewError, match="second person"):
        reviewer_role_for(COORDINATOR, people)


def test_a_partner_ends_only_her_own_request() -> None:
    with pytest.raises(ReviewError):
        check_may_refuse(REQUEST, Person("paula", Role.PARTNER))
    check_may_refuse(replace(REQUEST, requested_by="paula"), Person("paula", Role.PARTNER))
    check_may_refuse(REQUEST, BERT)


@given(st.sampled_from(RequestState), st.sampled_from(RequestState))
def test_a_state_changes_as_the_table_says_and_in_no_other_way(old: RequestState, new: RequestState) -> None:
    if (old, new) in TRANSITIONS:
        check_transition(old, new)
    else:
        with pytest.raises(ReviewError):
            check_transition(old, new)


@given(st.lists(st.sampled_from(RequestState), max_size=12))
def test_nothing_is_signed_that_was_not_approved_right_before(path: list[RequestState]) -> None:
    state, before = RequestState.REQUESTED, None
    for wanted in path:
        if (state, wanted) in TRANSITIONS:
            state, before = wanted, state
    assert state is not RequestState.SIGNED or before is RequestState.APPROVED


def test_every_state_can_be_reached_and_withdrawn_and_refused_are_the_ends() -> None:
    reached = {RequestState.REQUESTED}
    for _ in RequestState:
        reached |= {new for old, new in TRANSITIONS if old in reached}
    assert reached == set(RequestState)
    assert set(RequestState) - {old for old, _ in TRANSITIONS} == {RequestState.WITHDRAWN, RequestState.REFUSED}


def test_the_diagram_shows_every_transition() -> None:
    lines = transition_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert len(lines) == 2 + len(TRANSITIONS) + 2
    assert "    requested --> approved: a second person approves" in lines
    assert "    withdrawn --> [*]" in lines


# --- one person alone ----------------------------------------------------------------------------------------------

ALONE = replace(REQUEST, reviewer_role=ReviewedAs.SINGLE_PERSON, findings=())


@pytest.mark.parametrize("waited", [timedelta(0), timedelta(hours=23, minutes=59)])
def test_one_person_alone_does_not_approve_within_a_day(waited: timedelta) -> None:
    with pytest.raises(ReviewError, match="24 hours") as caught:
        approve(ALONE, Person(COORDINATOR, Role.COORDINATOR), {}, NOW + waited)
    assert caught.value.code == "wait"


def test_one_person_alone_approves_again_a_day_later() -> None:
    release = approve(ALONE, Person(COORDINATOR, Role.COORDINATOR), {}, NOW + SINGLE_PERSON_WAIT)
    assert release.reviewer.id == COORDINATOR


def test_a_partner_does_not_approve_in_place_of_the_one_person() -> None:
    with pytest.raises(ReviewError, match="reviewer or a coordinator"):
        approve(ALONE, Person("paula", Role.PARTNER), {}, NOW + SINGLE_PERSON_WAIT)


# --- resolving -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "chosen", "code"),
    [
        (Person(COORDINATOR, Role.COORDINATOR), {0: Resolution.MASK}, "same-person"),
        (Person("paula", Role.PARTNER), {0: Resolution.MASK}, "role"),
        (BERT, {}, "findings"),
        (BERT, {2: Resolution.MASK}, "findings"),
        (BERT, {-1: Resolution.MASK}, "findings"),
        (BERT, {0: Resolution.COARSEN}, "findings"),
    ],
)
def test_nobody_else_resolves_and_nothing_else(person: Person, chosen: dict[int, Resolution], code: str) -> None:
    with pytest.raises(ReviewError) as caught:
        check_may_resolve(REQUEST, person, chosen)
    assert caught.value.code == code


def test_a_decided_request_is_not_resolved_any_more() -> None:
    with pytest.raises(ReviewError):
        check_may_resolve(replace(REQUEST, state=RequestState.APPROVED), BERT, {0: Resolution.MASK})
