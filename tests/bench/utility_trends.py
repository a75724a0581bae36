"""Known peaks and false arrows at national level by month: what the trends page marks, on real counts with real noise.

The trends page marks a figure in two ways (`shared_schema.change`): an **arrow** (`changes_of`), when it differs from
the month before beyond chance, and a **peak** (`stands_out`), when it is above the twelve months before. The *trend
test* is both: a rise is found when the arrow points up or the month stands out. What finds peaks is held to the same
bar on shuffled data as the arrows are.

*Shuffled*: every incident keeps its city and cell and gets a month by lot. *Permuted*: whole months change places, with
all that happened in them, so that what clusters still does; the differences are then real ones, and there is no bar.
The noise of a shuffle is taken by lot from the national errors that the study drew.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared_schema.change import PERIODS_BEFORE, Measured, changes_of, stands_out
from tests.bench.figures import Figure, at_least, at_most, measured
from tests.bench.real_data import Counts
from tests.bench.utility_draws import SIZES, VARIANCE, Study, Values

PEAKS: Final = {"fbi": ("2020-06", "black"), "arvig": ("2016-01", "attack")}
SHUFFLES: Final = {"fbi": 40, "arvig": 120}
"""A series of arvig is shorter."""
FOUND_BAR: Final = 0.95
FALSE_BAR: Final = 0.05


@dataclass
class Marks:
    """Of how many comparisons, in one shuffle: arrows, months that stand out, and rises by either."""

    arrows: int = 0
    compared: int = 0
    peaks: int = 0
    rises: int = 0
    looked_at: int = 0

    def add(self, series: Sequence[Measured]) -> None:
        """Count the marks of one cell's series; the first months, which cannot have a mark, are not compared."""
        changes, peaks = changes_of(series), stands_out(series)
        self.arrows += sum(change.direction != "none" for change in changes[1:])
        self.compared += len(series) - 1
        late = range(PERIODS_BEFORE, len(series))
        self.peaks += sum(peaks[place] for place in late)
        self.rises += sum(peaks[place] or changes[place].direction == "up" for place in late)
        self.looked_at += len(late)


def show_peaks(study: Study) -> Iterator[Figure]:
    """How often the known peak is found, every time with other noise of all cities."""
    month, cell = PEAKS[study.data.name]
    last = study.data.months.index(month)
    window = slice(last - PERIODS_BEFORE, last + 1)
    generator = np.random.default_rng()
    for size in SIZES:
        truth = study.counts(size, "month")[:, window, study.data.cells.index(cell)].sum(axis=0)
        errors = generator.permutation(study.bank(size))
        draws = len(errors) // len(truth)
        noisy = truth + errors[: draws * len(truth)].reshape(draws, len(truth))
        arrows, peaks = zip(*(_find_rise(to_series(each, study.cities(size))) for each in noisy), strict=True)
        either = sum(arrow or peak for arrow, peak in zip(arrows, peaks, strict=True))
        name = f"utility_{study.data.name}_{size}_share_of_draws"
        yield measured(f"{name}_with_an_arrow_at_the_peak", sum(arrows) / draws, sample_size=draws)
        yield measured(f"{name}_where_the_peak_stands_out", sum(peaks) / draws, sample_size=draws)
        yield at_least(f"{name}_that_find_the_peak", either / draws, bar=FOUND_BAR, sample_size=draws)


def show_false_marks(studies: Sequence[Study]) -> Iterator[Figure]:
    """Shares of false marks on shuffled data, by part and pooled; and of all marks on permuted months."""
    pooled: list[Marks] = []
    for study in studies:
        for size in SIZES:
            name = f"utility_{study.data.name}_{size}"
            marks = [_mark(study, size, _shuffle(study, size)) for _ in range(SHUFFLES[study.data.name])]
            pooled += marks
            yield from _show_shares(f"{name}_shuffled", marks)
            permuted = [_mark(study, size, _permute(study, size)) for _ in range(SHUFFLES[study.data.name] // 4)]
            share, error = share_of([each.arrows for each in permuted], [each.compared for each in permuted])
            total = sum(each.compared for each in permuted)
            yield measured(f"{name}_permuted_share_of_arrows", share, sample_size=total)
            yield measured(f"{name}_permuted_share_of_arrows_standard_error", error, sample_size=total)
    yield from _show_shares("utility_pooled_shuffled", pooled)


def share_of(marked: Sequence[int], compared: Sequence[int]) -> tuple[float, float]:
    """The share over all shuffles and its standard error; a shuffle is the unit that is drawn (ratio estimator)."""
    count, total = len(marked), sum(compared)
    share = sum(marked) / total
    residuals = [m - share * n for m, n in zip(marked, compared, strict=True)]
    return share, math.sqrt(sum(each**2 for each in residuals) * count / (count - 1)) / total


def to_series(values: Values | Counts, cities: int) -> list[Measured]:
    """National figures of one cell as the trends page sees them."""
    return [Measured(float(value), cities * VARIANCE, cities) for value in values]


def _show_shares(name: str, marks: Sequence[Marks]) -> Iterator[Figure]:
    compared, looked_at = [each.compared for each in marks], [each.looked_at for each in marks]
    for kind, counted, of in (
        ("arrows", [each.arrows for each in marks], compared),
        ("rises_found", [each.rises for each in marks], looked_at),
    ):
        share, error = share_of(counted, of)
        yield at_most(f"{name}_share_of_false_{kind}", share, bar=FALSE_BAR, sample_size=sum(of))
        yield measured(f"{name}_share_of_false_{kind}_standard_error", error, sample_size=sum(of))
    share, _ = share_of([each.peaks for each in marks], looked_at)
    yield measured(f"{name}_share_of_false_peaks", share, sample_size=sum(looked_at))


def _find_rise(series: Sequence[Measured]) -> tuple[bool, bool]:
    return changes_of(series)[-1].direction == "up", stands_out(series)[-1]


def _mark(study: Study, size: str, national: Counts) -> Marks:
    """`national` has (months, cells); its noise comes by lot from what was drawn."""
    noisy = national + np.random.default_rng().choice(study.bank(size), national.shape)
    marks = Marks()
    for cell in noisy.T:
        marks.add(to_series(cell, study.cities(size)))
    return marks


def _shuffle(study: Study, size: str) -> Counts:
    """A month by lot for every incident: over all cities of a cell, the sum of what each city gets."""
    months = len(study.data.months)
    totals = study.counts(size, "month").sum(axis=(0, 1))
    lots = np.random.default_rng().multinomial(totals, np.full(months, 1 / months))
    return np.asarray(lots.T, dtype=np.int64)


def _permute(study: Study, size: str) -> Counts:
    return np.random.default_rng().permutation(study.counts(size, "month").sum(axis=0))
