"""A measured figure, the bar it is held to, and the one form in which both are shown.

A measurement is a module `tests/bench/bench_<name>.py` with a function that yields figures as they are found:

    def measure() -> Iterator[Figure]:
        yield at_least("submissions_per_second", rate, bar=500, sample_size=10_000)
        yield measured("bytes_per_submission", size, sample_size=10_000)
"""

import json
from dataclasses import asdict, dataclass

NO_BAR = "-"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. The name carries the unit; the bar is written as it is read, for example `>= 0.65`."""

    name: str
    value: float
    bar: str
    sample_size: int
    passed: bool

    def as_line(self) -> str:
        """The line a person reads: verdict, name, figure, bar and sample size, separated by tabs."""
        verdict = "pass" if self.passed else "miss"
        return "\t".join((verdict, self.name, write_number(self.value), self.bar, str(self.sample_size)))

    def as_json(self) -> str:
        """The same for a machine, one object on one line."""
        return json.dumps(asdict(self), allow_nan=False)


def measured(name: str, value: float, *, sample_size: int) -> Figure:
    """A figure that is shown and held to nothing."""
    return Figure(name, value, NO_BAR, sample_size, passed=True)


def at_least(name: str, value: float, *, bar: float, sample_size: int) -> Figure:
    """A figure that must reach its bar."""
    return Figure(name, value, f">= {write_number(bar)}", sample_size, passed=value >= bar)


def above(name: str, value: float, *, bar: float, sample_size: int) -> Figure:
    """A figure that must exceed its bar."""
    return Figure(name, value, f"> {write_number(bar)}", sample_size, passed=value > bar)


def at_most(name: str, value: float, *, bar: float, sample_size: int) -> Figure:
    """A figure that must not exceed its bar."""
    return Figure(name, value, f"<= {write_number(bar)}", sample_size, passed=value <= bar)


def exactly(name: str, value: float, *, bar: float, sample_size: int) -> Figure:
    """A figure that must be this and nothing else, such as 0 of a thing that may not happen."""
    return Figure(name, value, f"= {write_number(bar)}", sample_size, passed=value == bar)


def within(name: str, value: float, *, low: float, high: float, sample_size: int) -> Figure:
    """A figure that must lie between two bars, both included."""
    bar = f"{write_number(low)} to {write_number(high)}"
    return Figure(name, value, bar, sample_size, passed=low <= value <= high)


def write_number(value: float) -> str:
    """Whole and large numbers in full, others to four significant digits."""
    return f"{value:.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
