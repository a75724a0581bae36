"""How useful the protected figures of real cities are, beside thresholds without noise (`docs/utility.md`).

Every city of `real_data` is a node that releases every period with fresh noise from OpenDP at epsilon 1.0. The parts:

    utility_check       the arrays below are what the program publishes
    utility_draws       the noise of every city, drawn once for all parts
    utility_rows        the table of 36 rows, and the bias
    utility_periods     the recommended period by size of city, and the ways that are left where months drown in noise
    utility_trends      known peaks and false arrows
"""

from collections.abc import Iterator
from typing import Final

from tests.bench.figures import Figure, measured
from tests.bench.real_data import read_all
from tests.bench.utility_check import check_arrays
from tests.bench.utility_draws import draw_study
from tests.bench.utility_periods import (
    read_advice,
    show_advised,
    show_classes,
    show_rolled_up,
    show_sealed,
    show_totals,
)
from tests.bench.utility_rows import count_misses, make_rows, show_bias, show_rows
from tests.bench.utility_trends import show_false_marks, show_peaks

PASSES: Final = {
    "fbi": {"month": 1, "quarter": 2, "year": 6},
    "arvig": {"month": 6, "quarter": 12, "year": 24},
}
"""Draws for every city, period and cell: about 1,000 national errors a row, and more where draws are cheap."""


def measure_utility() -> Iterator[Figure]:
    """All of it, two to four minutes; one figure that says so where the data are not there."""
    found = read_all()
    if len(found) < len(PASSES):
        yield measured("utility_skipped_real_data_not_there", len(found), sample_size=0)
    if not found:
        return
    for data in found:
        yield from check_arrays(data)
    studies = [draw_study(data, PASSES[data.name], read_advice()) for data in found]
    rows = [row for study in studies for row in make_rows(study)]
    yield from show_rows(rows)
    yield from count_misses(rows)
    yield from show_bias(studies)
    yield from show_classes(studies)
    for study in studies:
        yield from show_advised(study)
        yield from show_totals(study)
        yield from show_rolled_up(study)
    yield from show_sealed(rows)
    for study in studies:
        yield from show_peaks(study)
    yield from show_false_marks(studies)
