"""The competitors in the utility study: cities without noise that suppress below 5 or 10.

A reader puts 0, or the mid-point, in the place of a suppressed cell. Zeros are suppressed too (`zeros_protected`, as
our own engine without noise does), or shown (`zeros_shown`), which is better for the reader and tells more about a
city.
With 0 in the place of every suppressed cell the two are the same.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.bench.real_data import Counts
from tests.bench.utility_draws import Values


@dataclass(frozen=True, slots=True)
class Imputation:
    """What a reader puts in the place of a cell below the threshold."""

    name: str
    threshold: int
    value: float
    zeros_shown: bool = False

    def apply(self, counts: Counts) -> Values:
        """What the reader takes for the counts."""
        hidden = (counts < self.threshold) & ((counts > 0) | (not self.zeros_shown))
        return np.where(hidden, self.value, counts)


IMPUTATIONS: Final = tuple(
    each
    for k in (5, 10)
    for each in (
        Imputation(f"threshold_{k}_zeros", k, 0),
        Imputation(f"threshold_{k}_midpoints_zeros_protected", k, (k - 1) / 2),
        Imputation(f"threshold_{k}_midpoints_zeros_shown", k, k / 2, zeros_shown=True),
    )
)
READINGS: Final = {
    "every_variant": tuple(each.name for each in IMPUTATIONS),
    "zeros_protected": tuple(each.name for each in IMPUTATIONS if not each.zeros_shown),
    "zeros_shown": tuple(each.name for each in IMPUTATIONS if not each.name.endswith("protected")),
    "zeros_imputed": tuple(each.name for each in IMPUTATIONS if each.value == 0),
}
"""Reading of the issue's "every threshold variant" → the competitors that it means."""
