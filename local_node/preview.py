"""What a release would tell and cost, cell by cell and in words, before anybody asks for it. It draws nothing.

Where a draw is stored, or where figures leave without noise, the very value is shown; else that a number with noise
will leave. The margin is the one that every reader of the figure will see (`laplace.interval`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from local_node.tabulation import lies_within
from shared_schema.governance import PeriodAdvice, PolicyBody
from shared_schema.laplace import interval, variance_milli
from shared_schema.period import Granularity, Period
from shared_schema.spending import Spend
from shared_schema.trend import ReleasedCell

ROUNDING_MARGIN: Final = 2
"""A figure rounded to 5 is at most this far from the true one."""
NOTES: Final = {"B": "a break in the series", "D": "a definition of its own"}
FINEST_FIRST: Final[tuple[Granularity, ...]] = ("month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class CellPreview:
    """One cell: what leaves, and how far from the truth it may be, both in words and as numbers.

    `within` is how far the true number may be from `value`; `low` and `high` are the bounds of a suppressed one.
    """

    cell: str
    status: str
    leaves: str
    margin: str
    value: int | None = None
    within: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that holds the release back: its code, and what was expected."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the release spends now, and what it leaves, in thousandths of epsilon for a year."""

    epsilon_milli: int
    charged_milli: int
    words: str
    left_of_measure_milli: int
    left_of_all_milli: int
    left: str


def preview_stored(cells: Sequence[ReleasedCell], scale: Fraction | None) -> tuple[CellPreview, ...]:
    """The cells as they leave; `scale` is that of their noise, or None where there is none."""
    return tuple(_preview_cell(cell, scale) for cell in cells)


def preview_drawn(statuses: Sequence[tuple[str, str]], scale: Fraction) -> tuple[CellPreview, ...]:
    """The cells that still have to be drawn: (cell code, status) of each."""
    return tuple(
        CellPreview(code, status, "not collected", "")
        if status == "L"
        else CellPreview(
            code,
            status,
            _with_note("a number with noise", status),
            margin_in_words(scale),
            within=margin_of(scale),
        )
        for code, status in statuses
    )


def margin_of(scale: Fraction | None) -> int:
    """How far the true number may be from the one that leaves; in 95 of 100 cases where there is noise."""
    if scale is None:
        return ROUNDING_MARGIN
    width = interval(0, variance_milli=variance_milli(scale), scale=scale, terms=1)
    return max(width.high, -width.low)


def margin_in_words(scale: Fraction | None) -> str:
    """The same as a sentence."""
    sentence = f"the true number is within {margin_of(scale)} of this"
    return sentence if scale is None else f"{sentence} in 95 of 100 cases"


def _preview_cell(cell: ReleasedCell, scale: Fraction | None) -> CellPreview:
    (code,) = cell.dims.values()
    if cell.status == "L":
        return CellPreview(code, cell.status, "not collected", "")
    if cell.status == "Q":
        told = f"suppressed: between {cell.low} and {cell.high}"
        return CellPreview(code, cell.status, told, "", low=cell.low, high=cell.high)
    told = _with_note(str(cell.value), cell.status)
    return CellPreview(code, cell.status, told, margin_in_words(scale), cell.value, margin_of(scale))


def _with_note(text: str, status: str) -> str:
    return f"{text} ({NOTES[status]})" if status in NOTES else text


@dataclass(frozen=True, slots=True)
class Preview:
    """All that is known before a release: `held_back` says every rule that would refuse it, () when none does.

    `cells` and `cost` are absent where a rule leaves nothing to show. `left_out` are reports of this period that count
    in no release of it, each with what to do; they stay here, as every name of an agency does.
    """

    table: str
    title: str
    period: str
    correction: int
    protection: str
    cells: tuple[CellPreview, ...] = ()
    cost: Cost | None = None
    held_back: tuple[Reason, ...] = ()
    advice: str | None = None
    left_out: tuple[str, ...] = ()


def left_out_in_words(agency: str, label: str, period: Period, *, stock: bool = False) -> str:
    """Why a report is in no release of `period`, and what to do before it is made."""
    whole = f"{agency}: what was reported for {label} is left out of {period.label}"
    if stock:
        return f"{whole}, as how many there are is never added up over time; report it for {period.label} itself"
    if lies_within(label, period):
        return f"{whole}, as the rest of the period is missing; import that first, or it will count nowhere"
    return f"{whole}, as it covers more; ask for figures by {period.granularity}, or release {label} instead"


# --- the cost ------------------------------------------------------------------------------------------------------


def cost_of(epsilon_milli: int, charged_milli: int, unit: str, spend: Spend, policy: PolicyBody) -> Cost:
    """`charged_milli` is 0 for what is paid already; `spend` is what will have been spent, all of it included."""
    of_measure = max(policy.epsilon_milli_per_measure - spend.of_measure, 0)
    of_all = max(policy.epsilon_milli_total - spend.of_all, 0)
    left = (
        f"after it the table's measure has {of_measure} of {policy.epsilon_milli_per_measure} thousandths left for "
        f"twelve months, all measures together {of_all} of {policy.epsilon_milli_total}"
    )
    return Cost(
        epsilon_milli, charged_milli, epsilon_in_words(epsilon_milli, charged_milli, unit), of_measure, of_all, left
    )


def odds_factor(epsilon_milli: int) -> float:
    """By how much the odds change at most that one unit is in the figures; rounded up, so that it promises no more."""
    return math.ceil(10 * math.exp(epsilon_milli / 1000)) / 10


def epsilon_in_words(epsilon_milli: int, charged_milli: int, unit: str) -> str:
    """What an epsilon promises, for somebody who has to sign for it (Dwork and Roth 2014, section 2.3.1).

    The odds are those of anybody who already knows everything else.
    """
    if not epsilon_milli:
        return "nothing of the budget: these figures are rounded and suppressed, there is no noise"
    factor = odds_factor(epsilon_milli)
    meaning = (
        f"whoever sees these figures, and knows everything else, can raise or lower the odds that one {unit} is in "
        f"them by a factor of at most {factor:g} (epsilon {epsilon_milli / 1000:g}, {epsilon_milli} thousandths)"
    )
    return meaning if charged_milli else f"nothing more, it is paid already: {meaning}"


# --- advice --------------------------------------------------------------------------------------------------------


def find_advice(
    units: int, period: Period, granularities: Sequence[Granularity], advice: Sequence[PeriodAdvice] | None
) -> str | None:
    """What the policy recommends for a city that counts so many units a year; None when this period is long enough."""
    fitting = [each for each in advice or () if units >= each.from_units]
    if not fitting:
        return None
    finest = max(fitting, key=lambda each: each.from_units).granularity
    if FINEST_FIRST.index(period.granularity) >= FINEST_FIRST.index(finest):
        return None
    told = f"with figures this small a {finest} tells more than a {period.granularity}"
    if finest in granularities:
        return f"{told}; what is released by {period.granularity} cannot be drawn again by {finest}"
    return f"{told}; add up what was released"
