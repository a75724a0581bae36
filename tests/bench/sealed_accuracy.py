"""Sealed totals beside noise of every city and beside thresholds, on real counts: one table (`docs/sealed_totals.md`).

Every city of `real_data` takes part. A batch is a state and a month; a state with fewer cities than `MIN_BATCH` is
pooled with the other small ones and has no figure of its own. Two hubs add their noise to a batch, drawn as the hubs
draw it (`sealed.noise`). Quarters, years and the nation are sums of whole batches. `pooled` is the other choice of a
policy: one national batch a month, and no regional figures. Beside it: cities that release each period with noise of
their own at the same epsilon, and cities that suppress below 5 or 10, each at its best of three ways to read a hidden
cell (`utility_thresholds`).
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from local_node.noise import draw
from shared_schema.sealed.noise import Coins, draw_one
from tests.bench.figures import Figure, at_most, measured
from tests.bench.real_data import Counts, RealData, read_all
from tests.bench.utility_draws import CHUNK, PERIODS, add_to_level, to_periods
from tests.bench.utility_thresholds import IMPUTATIONS

EPSILON_MILLI: Final = 500
MIN_BATCH: Final = 5
HUBS: Final = 2
BAR: Final = 3.2
"""Mean absolute error of a region's month, as promised."""


def measure_accuracy() -> Iterator[Figure]:
    """Mean absolute error of a cell, by data set, level and period. Nothing where the data are not there."""
    for number, data in enumerate(read_all()):
        yield from _measure(data, number)


def _measure(data: RealData, number: int) -> Iterator[Figure]:
    batches = _batch_of(data.states)
    own = [batch for batch in dict.fromkeys(batches) if batch]
    yield measured(f"sealed_{data.name}_states_with_a_batch_of_their_own", len(own), sample_size=len(set(data.states)))
    periods, cells = data.counts.shape[1:]
    sealed = _noise_of_hubs((len(set(batches)), periods, cells), seed=2 * number)
    pooled = _noise_of_hubs((1, periods, cells), seed=2 * number + 1)
    places = {batch: place for place, batch in enumerate(dict.fromkeys(batches))}
    region = sealed[[places[batch] for batch in own]]
    inside = np.array([bool(batch) for batch in batches])
    states = [state for state, is_own in zip(data.states, inside, strict=True) if is_own]
    for period, months in PERIODS.items():
        name = f"sealed_{data.name}_%s_{period}"
        counts = to_periods(data.counts, months)
        drawn = _noise_of_cities(counts.shape)
        regional = _mean_size(to_periods(region, months))
        if period == "month":
            yield at_most(f"{name % 'region'}_mean_absolute_error", regional, bar=BAR, sample_size=region.size)
        else:
            yield measured(f"{name % 'region'}_mean_absolute_error", regional, sample_size=region.size // months)
        yield from _beside(name % "region", counts[inside], drawn[inside], states, "state")
        whole = to_periods(sealed, months).sum(axis=0, keepdims=True)
        yield measured(f"{name % 'nation'}_mean_absolute_error", _mean_size(whole), sample_size=whole.size)
        yield measured(
            f"{name % 'nation'}_pooled_mean_absolute_error",
            _mean_size(to_periods(pooled, months)),
            sample_size=whole.size,
        )
        yield from _beside(name % "nation", counts, drawn, data.states, "nation")


def _batch_of(states: Sequence[str]) -> list[str]:
    """Each city's batch: its state, or the empty name for the pool of small ones."""
    return [state if states.count(state) >= MIN_BATCH else "" for state in states]


def _beside(name: str, counts: Counts, drawn: Counts, states: Sequence[str], level: str) -> Iterator[Figure]:
    """The same cells with noise of every city, and with thresholds."""
    truth = add_to_level(counts, states, level)
    yield measured(f"{name}_true_mean", float(truth.mean()), sample_size=truth.size)
    noisy = float(np.abs(add_to_level(drawn, states, level)).mean())
    yield measured(f"{name}_per_city_noise_mean_absolute_error", noisy, sample_size=truth.size)
    for threshold in (5, 10):
        errors = [
            float(np.abs(add_to_level(each.apply(counts), states, level) - truth).mean())
            for each in IMPUTATIONS
            if each.threshold == threshold
        ]
        yield measured(f"{name}_threshold_{threshold}_mean_absolute_error", min(errors), sample_size=truth.size)


def _noise_of_hubs(shape: tuple[int, int, int], *, seed: int) -> Counts:
    """The sum of both hubs' draws for each cell of each batch and month."""
    count = int(np.prod(shape))
    total = np.zeros(count, dtype=np.int64)
    for hub in range(HUBS):
        coins = Coins(bytes([seed, hub]) * 16, b"accuracy")
        total += np.array([draw_one(coins, EPSILON_MILLI) for _ in range(count)], dtype=np.int64)
    return total.reshape(shape)


def _noise_of_cities(shape: tuple[int, ...]) -> Counts:
    """Draws of the node's own noise at the same epsilon."""
    scale, count = Fraction(1000, EPSILON_MILLI), int(np.prod(shape))
    parts = [np.array(draw(scale, min(CHUNK, count - at)), dtype=np.int64) for at in range(0, count, CHUNK)]
    return np.concatenate(parts).reshape(shape)


def _mean_size(errors: Counts) -> float:
    return float(np.abs(errors).mean())
