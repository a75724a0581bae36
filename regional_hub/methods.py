"""The methods note of a hub: how its figures are made, from the policy in force. A plain function of its arguments.

The note is data: sections with paragraphs and tables. Every text is English with named places for numbers
(`Text.pattern % Text.values`), so that it can be translated before the numbers are put in. Every number comes from the
policy, or from the constant that the program itself uses.

    note = make_note(policy, Publisher("sachsen.de", "https://…", 2))
    note.sections[0].paragraphs[0].english
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from regional_hub.figures import MONTHS
from shared_schema.governance import PolicyBody
from shared_schema.laplace import CONFIDENCE, EXACT_BELOW, variance_milli
from shared_schema.messages import N_
from shared_schema.period import Granularity
from shared_schema.sum_rules import DRAWS_OF_A_BATCH
from shared_schema.trend import TableDefinition

Value = str | int | float
UNIT_WORDS: Final = {"record": N_("record"), "person": N_("person")}
LENGTH_WORDS: Final[Mapping[Granularity, str]] = {"month": N_("month"), "quarter": N_("quarter"), "year": N_("year")}
CELL_WORDS: Final = frozenset({*UNIT_WORDS.values(), *LENGTH_WORDS.values()})
"""Words in cells of tables that are to be translated; all other cells are names, codes and numbers."""


@dataclass(frozen=True, slots=True)
class Text:
    """A pattern to be translated, and the numbers and names in it."""

    pattern: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def english(self) -> str:
        return self.pattern % self.values


@dataclass(frozen=True, slots=True)
class Table:
    """Headings to be translated, and rows."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """`name` is for links and never changes; the heading is to be translated."""

    name: str
    heading: str
    paragraphs: tuple[Text, ...]
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose figures they are, and how many years may pass with one false alarm of the trend watch."""

    name: str
    url: str
    false_alarm_years: int


@dataclass(frozen=True, slots=True)
class MethodsNote:
    """The note, and which policy it is about."""

    policy_version: int
    policy_fingerprint: str
    sections: tuple[Section, ...]

    def find(self, name: str) -> Section:
        """A section by its name. Raises KeyError."""
        return {section.name: section for section in self.sections}[name]


def make_note(policy: PolicyBody, publisher: Publisher) -> MethodsNote:
    """The note for everything that this policy governs."""
    sections = (
        _counted(policy),
        _unit(policy),
        _noise(policy),
        _sums(),
        *([_sealed(policy)] if policy.sealed else []),
        _shown(policy),
        _intervals(),
        _not_alike(),
        _corrections(policy),
        _missing(policy),
        _coverage(),
        _alerts(policy, publisher),
        _citing(policy, publisher),
    )
    return MethodsNote(policy.version, policy.fingerprint, sections)


def newest_tables(policy: PolicyBody) -> list[TableDefinition]:
    """Every table in its newest wording, in the order of the policy."""
    newest = {table.id: table for table in sorted(policy.tables, key=lambda table: table.version)}
    return [newest[name] for name in dict.fromkeys(table.id for table in policy.tables)]


def describe(table: TableDefinition, policy: PolicyBody) -> tuple[Text, ...]:
    """One table in three sentences, as in a catalogue."""
    measure = policy.find_measure(table.measure)
    sealed = policy.find_sealed(table.id, table.version)
    scale = _scale(table, _shortest(table) if sealed is None else sealed.granularity)
    draws = 1 if sealed is None else DRAWS_OF_A_BATCH
    return (
        Text(
            N_("%(title)s: sums of what cities release for %(cells)s cells of %(dimension)s."),
            {"title": table.title, "cells": len(table.cells), "dimension": table.dimension},
        ),
        Text(
            N_("What is counted: %(measure)s. Unit of privacy: %(unit)s. Noise of variance %(variance)s in each cell."),
            {
                "measure": table.measure if measure is None else measure.title,
                "unit": table.unit,
                "variance": _thousandths(draws * variance_milli(scale)),
            },
        ),
        Text(
            N_("A sum is shown from %(least)s cities on, with a %(percent)s %% interval."),
            {
                "least": policy.least_contributors if sealed is None else sealed.min_batch,
                "percent": round(100 * CONFIDENCE),
            },
        ),
    )


# --- sections --------------------------------------------------------------------------------------------------------


def _counted(policy: PolicyBody) -> Section:
    rows = []
    for table in newest_tables(policy):
        measure = policy.find_measure(table.measure)
        title = table.measure if measure is None else measure.title
        sources = ", ".join(source.value for source in table.source_kinds)
        rows.append((table.id, table.version, table.title, title, len(table.cells), table.unit, sources))
    return Section(
        "counted",
        N_("What is counted"),
        (
            Text(
                N_(
                    "Cities count units of a measure in one-way tables on a fixed public grid. "
                    "Policy: version %(version)s."
                ),
                {"version": policy.version},
            ),
            Text(N_("A unit counts in the period in which it was recorded. Late ones count in the next release.")),
        ),
        Table(
            (N_("Table"), N_("Version"), N_("Title"), N_("Measure"), N_("Cells"), N_("Unit"), N_("Sources")),
            tuple(rows),
        ),
    )


def _unit(policy: PolicyBody) -> Section:
    values: dict[str, Value] = {
        "measure": _thousandths(policy.epsilon_milli_per_measure),
        "total": _thousandths(policy.epsilon_milli_total),
    }
    return Section(
        "unit",
        N_("Whom the promise is about"),
        (
            Text(
                N_(
                    "Where the unit is the person, somebody counts once for a measure in twelve months; otherwise"
                    " every record is protected by itself."
                )
            ),
            Text(
                N_(
                    "In twelve months one unit spends at most an epsilon of %(measure)s on one measure, and of "
                    "%(total)s on all of them."
                ),
                values,
            ),
        ),
    )


def _noise(policy: PolicyBody) -> Section:
    rows = [
        (table.id, by, _thousandths(table.epsilon_milli_for(by)), _number(scale), _thousandths(variance_milli(scale)))
        for table in newest_tables(policy)
        if policy.find_sealed(table.id, table.version) is None
        for by in sorted(table.granularities, key=MONTHS.__getitem__)
        for scale in [_scale(table, by)]
    ]
    return Section(
        "noise",
        N_("Noise"),
        (
            Text(
                N_(
                    "Before a figure leaves a city, discrete Laplace noise is added to every cell, also to zeros."
                    " It is drawn once and never again. A city may add more noise than this, never less."
                )
            ),
            Text(
                N_(
                    "A city that refuses noise releases quarters and years instead: figures below a threshold of "
                    "at least %(threshold)s are suppressed, the others rounded to fives."
                ),
                {"threshold": policy.least_threshold},
            ),
        ),
        Table((N_("Table"), N_("Period"), N_("Epsilon"), N_("Scale"), N_("Variance")), tuple(rows)),
    )


def _sums() -> Section:
    return Section(
        "sums",
        N_("How sums are made"),
        (
            Text(
                N_(
                    "An estimate is the sum of the figures that cities have released; its variance is the sum of "
                    "theirs. A hub adds up its direct members alone, so nothing is counted twice."
                )
            ),
            Text(
                N_(
                    "A quarter or a year that a city has not released is the sum of the shorter periods in it, "
                    "when all of them are there. Where it has both, the two are weighed by their variances. What "
                    "is in stock is never added up over time."
                )
            ),
            Text(N_("A total over all cells is there only where every cell is.")),
        ),
    )


def _sealed(policy: PolicyBody) -> Section:
    rows = []
    for each in policy.sealed or ():
        table = policy.find_table(each.table, each.version)
        if table is None:
            continue
        scale = _scale(table, each.granularity)
        epsilon = _thousandths(table.epsilon_milli_for(each.granularity))
        variance = _thousandths(DRAWS_OF_A_BATCH * variance_milli(scale))
        rows.append((each.table, each.version, each.granularity, each.helper, each.min_batch, epsilon, variance))
    return Section(
        "sealed",
        N_("Sealed totals"),
        (
            Text(
                N_(
                    "Of these tables no city releases figures. Each splits its counts into two halves, one for this "
                    "hub and one for a second hub of another operator; either half alone is random digits. Both hubs "
                    "add up the halves, each adds noise of its own, and only both sums together are a figure."
                )
            ),
            Text(
                N_(
                    "So the noise of a total is that of two draws, however many cities are in it. A total is shown "
                    "whole; its mechanism is two-hub. A longer period is the sum of its totals, with two draws for "
                    "each, and counts the cities that are in all of them."
                )
            ),
            Text(
                N_(
                    "The range of counts is checked, their truth is not. A city that comes too late lowers coverage, "
                    "or is in a later batch of at least five cities, whose total is added. What a figure was cannot "
                    "be corrected: it is sealed."
                )
            ),
        ),
        Table(
            (
                N_("Table"),
                N_("Version"),
                N_("Period"),
                N_("Second hub"),
                N_("Least number of cities"),
                N_("Epsilon"),
                N_("Variance"),
            ),
            tuple(rows),
        ),
    )


def _shown(policy: PolicyBody) -> Section:
    return Section(
        "shown",
        N_("What is shown, and what is not"),
        (
            Text(
                N_(
                    "A sum is shown when at least %(least)s cities are in it, and when nobody can estimate one of"
                    " them to within %(percent)s percent of its figure (the p%%-rule)."
                ),
                {"least": policy.least_contributors, "percent": policy.p_rule_percent},
            ),
            Text(
                N_(
                    "The same holds for every difference to what was shown before: to earlier revisions, to "
                    "shorter and longer periods, to what hubs below show."
                )
            ),
            Text(
                N_("A figure below %(number)s, or with an interval wider than itself, is read as too few to tell."),
                {"number": policy.least_number_shown},
            ),
        ),
    )


def _intervals() -> Section:
    percent = round(100 * CONFIDENCE)
    return Section(
        "intervals",
        N_("Intervals"),
        (
            Text(
                N_(
                    "The interval holds the count that cities have made in %(percent)s of 100 cases. It is about "
                    "the noise alone: not about what was never reported, nor about how a count varies from period"
                    " to period."
                ),
                {"percent": percent},
            ),
            Text(
                N_(
                    "With fewer than %(terms)s cities it is computed exactly, otherwise from the normal "
                    "distribution, corrected for heavier tails."
                ),
                {"terms": EXACT_BELOW},
            ),
        ),
    )


def _not_alike() -> Section:
    return Section(
        "not-alike",
        N_("Breaks and differing definitions"),
        (
            Text(
                N_(
                    "Status B is a break: from this period on something is counted in another way. Status D is a "
                    "definition that differs, also where sources of several kinds are in one sum. Figures on both"
                    " sides of either should not be compared."
                )
            ),
        ),
    )


def _corrections(policy: PolicyBody) -> Section:
    return Section(
        "corrections",
        N_("Corrections"),
        (
            Text(
                N_(
                    "A released figure never changes. A correction is a difference with noise of its own, of "
                    "twice the scale, and makes a new revision of the sum. So does a city that comes late; a "
                    "revision waits where it would tell of one city."
                )
            ),
            Text(
                N_(
                    "A revision waits for at least %(least)s cities. What an author withdraws is erased, and its "
                    "sum is made anew."
                ),
                {"least": policy.least_contributors},
            ),
        ),
    )


def _missing(policy: PolicyBody) -> Section:
    return Section(
        "missing",
        N_("Suppressed and not collected"),
        (
            Text(
                N_(
                    "Status Q is suppressed: there is a figure, and it is not shown. Status L is not collected. "
                    "Neither is ever a zero, in no format; a zero with status A is one."
                )
            ),
            Text(
                N_(
                    "Why a figure is suppressed: few-cities (fewer than %(least)s), dominance (the p%%-rule), "
                    "differencing (it could be worked out from what is shown)."
                ),
                {"least": policy.least_contributors},
            ),
        ),
    )


def _coverage() -> Section:
    return Section(
        "coverage",
        N_("Coverage"),
        (
            Text(
                N_(
                    "Reporting of expected: how many cities have released this table and period, of those that "
                    "were active members. Contributors: how many have a figure in this very cell. A city that is "
                    "missing lowers coverage; nothing is put in its place."
                )
            ),
        ),
    )


def _alerts(policy: PolicyBody, publisher: Publisher) -> Section:
    return Section(
        "alerts",
        N_("Trend watch"),
        (
            Text(
                N_(
                    "A period is held against the twelve before it. An alert needs at least %(least)s cities that"
                    " rise, and that so many would hardly rise by chance; or a sum that stands out. Where nothing"
                    " changes, at most one false alarm is to be expected in %(years)s years."
                ),
                {"least": policy.least_contributors, "years": publisher.false_alarm_years},
            ),
            Text(N_("An alert says that figures have risen. It does not say why, and it never says in which cities.")),
        ),
    )


def _citing(policy: PolicyBody, publisher: Publisher) -> Section:
    return Section(
        "citing",
        N_("Versions and how to cite"),
        (
            Text(
                N_(
                    "An address with as_of is asked of the log as it was when it had so many entries, and has the"
                    " same answer for ever."
                )
            ),
            Text(
                N_(
                    "Cite the hub, the table, the areas and periods, as_of and the address: the line below every "
                    "answer has them. Published by %(name)s, %(url)s, policy version %(version)s, vocabulary "
                    "version %(vocabulary)s."
                ),
                {
                    "name": publisher.name,
                    "url": publisher.url,
                    "version": policy.version,
                    "vocabulary": policy.vocabulary_version,
                },
            ),
        ),
    )


# --- numbers ---------------------------------------------------------------------------------------------------------


def _shortest(table: TableDefinition) -> Granularity:
    return min(table.granularities, key=MONTHS.__getitem__)


def _scale(table: TableDefinition, by: Granularity) -> Fraction:
    return Fraction(1000, table.epsilon_milli_for(by))


def _thousandths(number: int) -> float:
    return number / 1000


def _number(fraction: Fraction) -> float:
    return round(float(fraction), 3)


def texts_of(note: MethodsNote) -> Iterator[Text]:
    """Every paragraph of a note, in its order."""
    for section in note.sections:
        yield from section.paragraphs
