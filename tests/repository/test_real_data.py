"""The utility study can fail: it is shown data and arrays that are wrong. Small made-up series; no file is read."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.bench.real_data import Incident, RealData, count_by_city, months_between
from tests.bench.utility_check import check_arrays
from tests.bench.utility_draws import (
    VARIANCE,
    Study,
    add_to_level,
    class_of,
    draw_study,
    to_periods,
)
from tests.bench.utility_periods import mean_size, roll_up, units_by_arithmetic, useful_from
from tests.bench.utility_rows import count_misses, make_rows, z_of
from tests.bench.utility_thresholds import IMPUTATIONS, READINGS
from tests.bench.utility_trends import Marks, share_of, to_series

MONTHS = months_between("2015-01", "2016-12")


def make_incidents() -> list[Incident]:
    """Three cities of two states; one of them has 72 incidents."""
    large = [Incident("b1", "B", date(2015 + n // 36, n % 12 + 1, 1 + n % 28), "attack") for n in range(72)]
    return [*large, Incident("a1", "A", date(2016, 1, 5), "arson"), Incident("b2", "B", date(2016, 2, 5), "attack")]


def make_data(incidents: list[Incident] | None = None) -> RealData:
    return count_by_city("arvig", ("attack", "arson"), MONTHS, make_incidents() if incidents is None else incidents)


def make_study() -> Study:
    return draw_study(make_data(), {"month": 2, "quarter": 1, "year": 1}, {"month": 30, "quarter": 10}, least_totals=10)


# --- the data ------------------------------------------------------------------------------------------------------


def test_a_cell_outside_the_grid_is_refused() -> None:
    with pytest.raises(KeyError):
        make_data([Incident("a1", "A", date(2016, 1, 1), "other")])


def test_a_city_that_the_file_puts_into_two_states_is_one_city_in_the_state_of_most_of_its_incidents() -> None:
    twice = [Incident("a1", state, date(2016, 1, 5), "arson") for state in ("Z", "A", "Z")]
    data = make_data([*twice, Incident("b1", "B", date(2016, 1, 5), "arson")])
    assert (data.cities, data.states) == (("b1", "a1"), ("B", "Z"))
    assert data.total_per_city.tolist() == [1, 3]


def test_months_outside_the_series_do_not_count() -> None:
    late = Incident("a1", "A", date(2017, 1, 1), "arson")
    assert make_data([*make_incidents(), late]).total_per_city.tolist() == [1, 72, 1]


def test_an_unfinished_period_is_left_out() -> None:
    assert to_periods(np.ones((1, 14, 1), dtype=np.int64), 12).tolist() == [[[12]]]


# --- the arrays are what the program publishes -----------------------------------------------------------------------


def test_arrays_that_miss_one_incident_are_seen() -> None:
    data = make_data()
    counts = data.counts.copy()
    counts[0, MONTHS.index("2016-01"), 1] += 1
    figures = {figure.name: figure for figure in check_arrays(replace(data, counts=counts))}
    assert not any(figure.passed for figure in figures.values())
    assert figures["utility_arvig_month_cells_unlike_the_program"].value == 3  # its city, its state, the nation


def test_the_program_and_the_arrays_agree() -> None:
    figures = list(check_arrays(make_data()))
    assert [figure.value for figure in figures] == [0, 0, 0]
    assert all(figure.sample_size for figure in figures)


# --- rows ----------------------------------------------------------------------------------------------------------


def test_a_mean_error_of_a_tenth_of_the_noise_is_seen_in_100_000_draws() -> None:
    assert z_of(np.ones(100_000, dtype=np.int64), 100) > 2
    assert z_of(np.zeros(10, dtype=np.int64), 100) == 0


def test_a_row_where_thresholds_lose_nothing_is_counted_as_a_miss() -> None:
    full = [Incident("b1", "B", date(2016, 1, 1), "attack")] * 1000 + [
        Incident("b1", "B", date(2015, 1, 1), "arson")
    ] * 1000
    study = draw_study(
        make_data(full), {"month": 1, "quarter": 1, "year": 1}, {"month": 1, "quarter": 1}, least_totals=10
    )
    misses = {figure.name: figure.value for figure in count_misses(make_rows(study))}
    assert misses["utility_nation_rows_worse_than_every_variant"] == 6
    assert set(misses) == {
        f"utility_{level}_rows_worse_than_{reading}" for level in ("city", "state", "nation") for reading in READINGS
    }


def test_a_data_set_has_18_rows_whose_bias_has_the_same_score_at_every_level() -> None:
    rows = make_rows(make_study())
    assert len(rows) == 18
    for size in ("all", "large"):
        levels = [row for row in rows if f"_{size}_month_" in row.name]
        scores = [row.ours.bias / row.standard_error for row in levels]
        assert scores == pytest.approx([scores[0]] * 3)


def test_readers_impute_what_their_name_says() -> None:
    counts = np.array([0, 1, 4, 5, 9, 10])
    seen = {each.name: each.apply(counts).tolist() for each in IMPUTATIONS}
    assert seen["threshold_5_zeros"] == [0, 0, 0, 5, 9, 10]
    assert seen["threshold_10_midpoints_zeros_protected"] == [4.5, 4.5, 4.5, 4.5, 4.5, 10]
    assert seen["threshold_5_midpoints_zeros_shown"] == [0, 2.5, 2.5, 5, 9, 10]


def test_a_states_sum_is_that_of_its_cities() -> None:
    values = np.array([[[1]], [[2]], [[4]]])
    assert add_to_level(values, ["A", "B", "B"], "state").ravel().tolist() == [1, 6]
    assert add_to_level(values, ["A", "B", "B"], "nation").ravel().tolist() == [7]


# --- periods -------------------------------------------------------------------------------------------------------


def test_a_class_that_is_not_useful_keeps_smaller_ones_from_being_recommended() -> None:
    study = make_study()
    study.by_class = {(60, "month", 2): 0.2, (120, "month", 2): 0.3, (250, "month", 2): 0.1}
    assert useful_from([study], "month", {2}) == 250
    study.by_class[120, "month", 2] = 0.25
    assert useful_from([study], "month", {2}) == 60


def test_the_mean_size_of_the_noise_is_that_of_the_closed_form() -> None:
    a = np.exp(-1)
    assert mean_size(1) == pytest.approx(2 * a / (1 - a * a))
    assert mean_size(400) == pytest.approx(np.sqrt(400 * VARIANCE * 2 / np.pi), rel=1e-3)
    assert units_by_arithmetic(3, 12) == pytest.approx(units_by_arithmetic(1, 12) / 3)


def test_a_quarter_that_is_rolled_up_has_the_errors_of_its_three_months() -> None:
    errors = np.arange(8).reshape(1, 4, 2)
    assert roll_up(errors, 3).tolist() == [[[6, 9]]]


def test_a_city_stands_in_the_class_of_its_units_and_in_one_part_of_the_advice() -> None:
    assert class_of(np.array([0.9, 1, 4.9, 59, 60, 5000])).tolist() == [0, 1, 1, 30, 60, 500]
    study = make_study()
    parts = np.stack([study.sets[part] for part in ("months", "quarters", "years")])
    assert parts.sum(axis=0).tolist() == [1, 1, 1]
    assert [study.cities(part) for part in ("months", "quarters", "years")] == [1, 0, 2]


# --- trends --------------------------------------------------------------------------------------------------------


def test_a_jump_is_marked_as_an_arrow_and_as_a_rise() -> None:
    marks = Marks()
    marks.add(to_series(np.array([0.0] * 15 + [100.0] + [0.0] * 4), 3))
    assert (marks.arrows, marks.rises, marks.peaks) == (2, 1, 1)
    assert (marks.compared, marks.looked_at) == (19, 8)


def test_a_share_of_marks_knows_that_shuffles_differ() -> None:
    assert share_of([1, 1, 1, 1], [10, 10, 10, 10]) == (0.1, 0.0)
    share, error = share_of([0, 4], [10, 10])
    assert share == 0.2
    assert error == pytest.approx(0.2)
