"""The measurements of disclosure control can fail: each one is shown a program that breaks its promise."""

import math

import pytest

from tests.bench import __main__ as command
from tests.bench import bench_disclosure
from tests.bench.disclosure_audit import AuditPlan, Tally, clopper_pearson, epsilon_lower_bound, play_here

FEW_RELEASES = 15
MANY_CELLS = 200


def test_the_audit_catches_noise_of_half_the_scale_through_the_real_verbs() -> None:
    weak = play_here(AuditPlan(FEW_RELEASES, MANY_CELLS, divisor=2))
    assert (weak.inside, weak.outside) == (1500, 1500)
    assert epsilon_lower_bound(weak) > 2


def test_the_audit_of_the_program_as_it_is_stays_below_what_it_claims_and_sees_most_of_it() -> None:
    honest = play_here(AuditPlan(FEW_RELEASES, MANY_CELLS))
    assert 1 < epsilon_lower_bound(honest) < 2.3  # 1.72 in the middle, 0.13 the standard deviation


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
