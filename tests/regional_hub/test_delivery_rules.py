"""Nobody is flooded, and no alarm waits for another that flaps."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from regional_hub.delivery_rules import (
    FIRST_RETRY,
    GATHERED_FOR,
    GIVEN_UP_AFTER,
    LAST_RETRY,
    MOST_AN_HOUR,
    MOST_OF_ONE,
    TRANSITIONS,
    DeliveryState,
    Plan,
    Waiting,
    is_over,
    next_try,
    plan,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def waiting(*subjects: str, minutes: int = 0) -> list[Waiting]:
    made = NOW - timedelta(minutes=minutes)
    return [Waiting(number, subject, made) for number, subject in enumerate(subjects, start=1)]


def test_beyond_what_an_hour_may_have_nothing_goes_out() -> None:
    assert plan(waiting("a"), {}, MOST_AN_HOUR, NOW) == Plan()
    assert plan(waiting("a"), {}, MOST_AN_HOUR + 3, NOW) == Plan()


def test_a_storm_goes_out_as_one() -> None:
    storm = waiting(*(f"hub-{number}" for number in range(MOST_AN_HOUR + 1)))
    assert plan(storm, {}, 0, NOW) == Plan((), tuple(each.id for each in storm))
    assert plan(storm[:-1], {}, 0, NOW) == Plan(tuple(each.id for each in storm[:-1]), ())


def test_what_flaps_is_gathered_for_an_hour_and_others_do_not_wait_for_it() -> None:
    told = {"flaps": MOST_OF_ONE}
    assert plan(waiting("flaps", "fork", "flaps"), told, 3, NOW) == Plan((2,), ())
    minutes = int(GATHERED_FOR.total_seconds() // 60)
    assert plan(waiting("flaps", "fork", "flaps", minutes=minutes), told, 3, NOW) == Plan((2,), (1, 3))


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.integers(0, 20), st.integers(0, 90))
def test_no_message_is_planned_twice_and_never_more_than_an_hour_may_have(
    subjects: list[str], used: int, minutes: int
) -> None:
    planned = plan(waiting(*subjects, minutes=minutes), {"a": MOST_OF_ONE}, used, NOW)
    ids = [*planned.alone, *planned.together]
    assert len(set(ids)) == len(ids) and set(ids) <= set(range(1, len(subjects) + 1))
    assert used + len(planned.alone) + bool(planned.together) <= max(MOST_AN_HOUR, used)
    if used < MOST_AN_HOUR and minutes >= 60:
        assert len(ids) == len(subjects), "what is ripe goes out"


def test_tries_come_later_and_later_and_at_a_random_moment() -> None:
    assert next_try(1, NOW, 0.0) == NOW
    assert next_try(1, NOW, 1.0) == NOW + FIRST_RETRY
    assert next_try(3, NOW, 0.5) == NOW + 2 * FIRST_RETRY
    assert next_try(10_000, NOW, 1.0) == NOW + LAST_RETRY


def test_after_three_days_it_is_over() -> None:
    assert is_over(NOW - GIVEN_UP_AFTER, NOW)
    assert not is_over(NOW - GIVEN_UP_AFTER + timedelta(seconds=1), NOW)


def test_every_state_is_reached_and_left_as_the_table_says() -> None:
    reached = {to for _, to in TRANSITIONS} | {DeliveryState.WAITING}
    assert reached == set(DeliveryState)
    ends = set(DeliveryState) - {origin for origin, _ in TRANSITIONS}
    assert ends == {DeliveryState.SENT, DeliveryState.FOLDED, DeliveryState.DROPPED}
