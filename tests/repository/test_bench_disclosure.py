"""The measurements of disclosure control can fail: each one is shown a program that breaks its promise."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction

import pytest

from shared_schema.period import parse_period
from tests.bench import __main__ as command
from tests.bench import bench_disclosure
from tests.bench.disclosure_audit import AuditPlan, Tally, clopper_pearson, epsilon_lower_bound, play_here
from tests.bench.disclosure_city import make_policy
from tests.bench.disclosure_deduction import Combination, deducible_counts
from tests.bench.disclosure_inspection import TAG, Findings, TaggedDraws, inspect
from tests.bench.disclosure_messages import neighbouring_forms
from tests.bench.disclosure_short_histories import play_short_histories_here
from tests.bench.disclosure_spending import Spent, count_overspends
from tests.factories import make_policy as make_factory_policy
from tests.factories import make_trend

FEW_RELEASES = 10
MANY_CELLS = 200


@pytest.mark.long
def test_the_audit_catches_noise_of_half_the_scale_through_the_real_verbs() -> None:
    weak = play_here(AuditPlan(FEW_RELEASES, MANY_CELLS, divisor=2))
    assert (weak.inside, weak.outside) == (1000, 1000)
    assert epsilon_lower_bound(weak) > 2


@pytest.mark.long
def test_the_audit_of_the_program_as_it_is_stays_below_what_it_claims_and_sees_most_of_it() -> None:
    honest = play_here(AuditPlan(FEW_RELEASES, MANY_CELLS))
    assert 0.8 < epsilon_lower_bound(honest) < 2.4  # 1.59 in the middle, 0.17 the standard deviation


def test_the_bound_of_the_audit_is_that_of_clopper_and_pearson() -> None:
    # scipy.stats.binomtest(7, 50).proportion_ci(0.95, "exact") and the rule of three
    assert clopper_pearson(7, 50, 0.025) == pytest.approx((0.0581917, 0.2673960), abs=1e-6)
    assert clopper_pearson(0, 100, 0.05)[1] == pytest.approx(1 - 0.05 ** (1 / 100))
    assert clopper_pearson(100, 100, 0.05) == pytest.approx((0.05 ** (1 / 100), 1.0))


def test_an_event_that_tells_nothing_bounds_epsilon_by_nothing() -> None:
    assert epsilon_lower_bound(Tally(1000, 300, 1000, 300)) < 0
    assert epsilon_lower_bound(Tally(1000, 0, 1000, 0)) == -math.inf


def test_a_part_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["disclosure", "--only", "no-such-part"]) == 2
    assert set(bench_disclosure.PARTS) <= set(capsys.readouterr().err.replace(",", "").replace(";", "").split())


# --- histories -----------------------------------------------------------------------------------------------------


class NoNoise(TaggedDraws):
    """A program that forgets to draw."""

    def _one(self, scale: Fraction) -> int:
        return 0


class OneDraw(TaggedDraws):
    """A program that draws once and uses it everywhere."""

    def _one(self, scale: Fraction) -> int:
        self.scales[7] = scale
        return 7 * TAG


class WeakDraws(TaggedDraws):
    """A program that draws with half the scale that it states."""

    def __call__(self, scale: Fraction, count: int) -> tuple[int, ...]:
        return super().__call__(scale / 2, count)


def wrong_in(found: Findings) -> set[str]:
    return {name for name, value in vars(found).items() if name not in ("histories", "done") and value}


def test_a_history_of_the_program_as_it_is_shows_nothing() -> None:
    found = play_short_histories_here(10)
    assert found.histories == 10
    assert found.done["short_release"] > 0
    assert wrong_in(found) == set()


def test_figures_without_noise_are_deduced() -> None:
    assert wrong_in(play_short_histories_here(3, NoNoise)) >= {"deductions", "weak_draws"}


def test_a_draw_in_two_figures_is_seen_and_cancels() -> None:
    found = play_short_histories_here(3, OneDraw)
    assert found.shared_draws > 0


def test_noise_weaker_than_stated_is_seen() -> None:
    assert wrong_in(play_short_histories_here(3, WeakDraws)) == {"weak_draws"}


@pytest.fixture
def draws() -> Iterator[TaggedDraws]:
    yield TaggedDraws(random.Random(1))


def test_a_second_draw_of_one_figure_is_seen(draws: TaggedDraws) -> None:
    bodies = [make_trend(draws(Fraction(1), 6)) for _ in range(2)]
    assert inspect(bodies, draws, make_factory_policy()).two_values == 6


def test_the_same_release_at_two_hubs_is_one(draws: TaggedDraws) -> None:
    body = make_trend(draws(Fraction(1), 6))
    found = inspect([body, body], draws, make_factory_policy())
    assert wrong_in(found) == set()


def test_what_cancels_is_found_by_elimination_and_noise_of_its_own_is_not() -> None:
    shared = [Combination({"a": 1}, {7: 1}), Combination({"b": 1}, {7: 1})]
    total = Combination({"a": 1, "b": 1}, {})
    assert deducible_counts(shared) == frozenset()
    assert deducible_counts([*shared, total]) == {"a", "b"}
    assert deducible_counts(
        [Combination({"a": 1}, {1: 1, 2: 1}), Combination({}, {1: 1}), Combination({}, {2: 1})]
    ) == {"a"}
    assert deducible_counts([Combination({"a": 1}, {1: 1}), Combination({"a": 1}, {2: 1}), total]) == frozenset()


def test_a_quarter_after_its_month_and_a_third_measure_overspend() -> None:
    policy = make_policy(2, measures=("first_contacts", "follow_ups", "panels"))
    month, quarter = parse_period("2024-01"), parse_period("2024-Q1")
    twice = [Spent("first_contacts.by_age", month, 500), Spent("first_contacts.by_age", quarter, 100)]
    assert count_overspends(twice[:1], policy) == 0
    assert count_overspends(twice, policy) == 1
    everything = [Spent(table.id, month, table.epsilon_milli) for table in policy.tables]
    assert count_overspends(everything[:6], policy) == 0
    assert count_overspends(everything, policy) == 1
    later = [Spent(spent.table, parse_period("2025-01"), spent.epsilon_milli) for spent in everything[6:]]
    assert count_overspends([*everything[:6], *later], policy) == 0


def test_neighbouring_messages_are_compared_as_they_leave() -> None:
    forms = neighbouring_forms(3)
    assert len(forms) == 3
    assert all(one == other and one.length > 500 for one, other in forms)
