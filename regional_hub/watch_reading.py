"""What the trend watch looks at: the figures of direct cities, and what hubs below and this hub show themselves.

Nothing of a city leaves here but numbers of cities. A period is judged again only when what it was judged on has
changed (`Look.inputs`).

    looks = find_looks(session, trust, watcher)      newest periods first
    for judged in judge(session, trust, watcher, looks): ...
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub.figure_index import next_index
from regional_hub.figure_store import read_figures
from regional_hub.figures import MONTHS, SEALED, Figure, FigureQuery, label_of, month_of
from regional_hub.holdings import Library, Subject, direct_members, find_subjects, shares_in
from regional_hub.members import Trust
from regional_hub.orm import SeriesRow, ShownSumRow, TrendLookRow
from regional_hub.rollup import Share, Term
from regional_hub.trend_watch import (
    COUNTED_AS,
    PERIODS,
    TESTED_AT,
    AlertKind,
    FalseAlarms,
    Finding,
    History,
    Point,
    count_tests,
    draws_of,
    judge_places,
    judge_sum,
    sealed_draws,
    watched_tables,
)
from shared_schema.change import Measured
from shared_schema.keys import MemberRole
from shared_schema.period import Granularity, parse_period
from shared_schema.trend import TableDefinition


@dataclass(frozen=True, slots=True)
class Watcher:
    """The hub that watches: its name and area, the policy's least number of contributors, and what it promises."""

    name: str
    area: str
    least: int
    kinds: tuple[AlertKind, ...]
    alarms: FalseAlarms


class Series(NamedTuple):
    """A table in one wording, at its shortest period."""

    table: TableDefinition
    by: Granularity

    @property
    def prefix(self) -> str:
        return f"{self.table.id}@{self.table.version}"


class Look(NamedTuple):
    """A table and period to be judged; `inputs` names what it is judged on."""

    series: Series
    start: int
    inputs: str

    @property
    def label(self) -> str:
        return label_of(self.start, self.series.by)

    @property
    def subject(self) -> str:
        return f"{self.series.prefix}/{self.label}"


class Verdict(NamedTuple):
    """What one kind of alert says of one cell.

    `is_current`: the sum that everybody sees has just the cities that were judged. What is said of fewer or more of
    them could be told apart from what was said before.
    """

    kind: AlertKind
    cell: str
    rises: bool
    finding: Finding | None = None
    entry: int = 0
    is_current: bool = True


class Judged(NamedTuple):
    """A look, and all that was found."""

    look: Look
    verdicts: tuple[Verdict, ...]


def make_watcher(trust: Trust, name: str, area: str, years: int) -> Watcher:
    """Which kinds of alerts there are depends on whether cities, hubs or both are direct members."""
    roles = {member.role for member in direct_members(trust)}
    kinds: list[AlertKind] = ["cities"] * (MemberRole.NODE in roles)
    kinds += ["regions"] * (MemberRole.HUB in roles)
    kinds.append("sum")
    alarms = FalseAlarms(years, count_tests(trust.policy, len(kinds)))
    return Watcher(name, area, trust.policy.least_contributors, tuple(kinds), alarms)


# --- what has changed ------------------------------------------------------------------------------------------------


def find_looks(session: Session, trust: Trust, watcher: Watcher) -> list[Look]:
    """Every table and period that was never judged on what there is now, the newest periods first."""
    subjects = {subject.name: subject for subject in find_subjects(session, trust)}
    done = {row.subject: row.inputs for row in session.execute(select(TrendLookRow.subject, TrendLookRow.inputs))}
    looks = [
        look
        for table, by in watched_tables(trust.policy)
        for look in _looks_of(session, Series(table, by), watcher, subjects, done)
        if done.get(look.subject) != look.inputs
    ]
    return sorted(looks, key=lambda look: (-look.start, look.subject))


def _looks_of(
    session: Session, series: Series, watcher: Watcher, subjects: Mapping[str, Subject], done: Iterable[str]
) -> Iterator[Look]:
    entries = _shown_entries(session, series)
    names = {name for name in (*subjects, *done) if name.startswith(f"{series.prefix}/")}
    starts = {month_of(name.split("/")[1]) for name in names if _length_of(name) == series.by}
    rule = f"{watcher.alarms.level!r} {watcher.least} {' '.join(watcher.kinds)} {TESTED_AT} {COUNTED_AS}"
    for start in starts:
        parts = [rule]
        for each in _months(series, start):
            subject = subjects.get(f"{series.prefix}/{label_of(each, series.by)}")
            parts += [",".join(subject.inputs) if subject else "", repr(sorted(entries.get(each, ())))]
        yield Look(series, start, hashlib.sha256("\n".join(parts).encode()).hexdigest())


def _length_of(name: str) -> str:
    return parse_period(name.split("/")[1]).granularity


def _months(series: Series, start: int) -> list[int]:
    """With which months the period and the twelve before it begin, oldest first."""
    months = MONTHS[series.by]
    return [start - months * back for back in reversed(range(PERIODS))]


def _shown_entries(session: Session, series: Series) -> dict[int, list[int]]:
    """Which log entries show the table's sums now, by the month with which their period begins."""
    rows = session.execute(
        select(ShownSumRow.start, ShownSumRow.entry_index)
        .join(SeriesRow, SeriesRow.id == ShownSumRow.series_id)
        .where(
            SeriesRow.table_id == series.table.id,
            SeriesRow.table_version == series.table.version,
            SeriesRow.granularity == series.by,
            ShownSumRow.until.is_(None),
        )
    )
    found: defaultdict[int, list[int]] = defaultdict(list)
    for start, entry in rows:
        found[start].append(entry)
    return found


# --- reading and judging ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """What direct members have handed in for one period: cities one by one, and all of them added up, cell by cell."""

    cities: Mapping[str, Sequence[Point | None]] = field(default_factory=dict)
    totals: Sequence[tuple[int, int]] = ()
    """(cities, estimate)"""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What everybody may see, by (cell, month): of this hub, and by area of the hubs below."""

    own: Mapping[tuple[str, int], Figure]
    below: Mapping[str, Mapping[tuple[str, int], Figure]]


def judge(session: Session, trust: Trust, watcher: Watcher, looks: Sequence[Look]) -> Iterator[Judged]:
    """Judge each look. What members have handed in is read once for every period, and only the numbers are kept."""
    by_series: defaultdict[str, list[Look]] = defaultdict(list)
    for look in looks:
        by_series[look.series.prefix].append(look)
    subjects = {subject.name: subject for subject in find_subjects(session, trust)} if looks else {}
    for several in by_series.values():
        series = several[0].series
        months = sorted({month for look in several for month in _months(series, look.start)})
        held = {month: _read_held(session, trust, series, month, subjects) for month in months}
        shown = _read_shown(session, trust, watcher, series, months)
        for look in several:
            yield Judged(look, tuple(_judge_look(look, watcher, held, shown)))


def _judge_look(look: Look, watcher: Watcher, held: Mapping[int, _Held], shown: _Shown) -> Iterator[Verdict]:
    table, months = look.series.table, _months(look.series, look.start)
    members = sorted({member for month in months for member in held[month].cities})
    for place, cell in enumerate(table.cells):
        figure = shown.own.get((cell, look.start))
        for kind in watcher.kinds:
            if figure is None or figure.estimate is None:  # an alert stands beside the sum that it is about
                yield Verdict(kind, cell, rises=False)
            elif kind == "sum":
                history = [_point_of(shown.own.get((cell, month)), table) for month in months]
                rises = judge_sum(history, level=watcher.alarms.level)
                yield Verdict(kind, cell, rises, entry=figure.entry)
            else:
                histories: list[History] = (
                    [[_point_at(held[month], member, place) for month in months] for member in members]
                    if kind == "cities"
                    else [
                        [_point_of(found.get((cell, month)), table) for month in months]
                        for found in shown.below.values()
                    ]
                )
                finding = judge_places(histories, least=watcher.least, level=watcher.alarms.level)
                totals = held[look.start].totals
                is_current = bool(totals) and totals[place] == (figure.contributors, figure.estimate)
                yield Verdict(kind, cell, finding is not None, finding, figure.entry, is_current)


def _point_at(held: _Held, member: str, place: int) -> Point | None:
    points = held.cities.get(member)
    return None if points is None else points[place]


def _read_held(session: Session, trust: Trust, series: Series, month: int, subjects: Mapping[str, Subject]) -> _Held:
    subject = subjects.get(f"{series.prefix}/{label_of(month, series.by)}")
    if subject is None:
        return _Held()
    shares = shares_in(session, Library(trust), subject, trust)  # read and let go: a large hub has gigabytes of them
    if not shares:
        return _Held()
    cities = {share.member: [_point(share, term) for term in share.terms] for share in shares if share.is_of_city}
    terms = zip(*(share.terms for share in shares), strict=True)
    return _Held(cities, [(sum(each.cities for each in cell), sum(each.estimate for each in cell)) for cell in terms])


def _point(share: Share, term: Term) -> Point | None:
    if not term.cities:
        return None
    status = "D" if share.mixed else term.status
    return Point(Measured(term.estimate, term.variance_milli / 1000), status, share.source_kind.value)


def _point_of(figure: Figure | None, table: TableDefinition) -> Point | None:
    if figure is None or figure.estimate is None or figure.variance_milli is None:
        return None
    noise = figure.variance_milli / 1000
    draws = (
        sealed_draws(noise, table, parse_period(figure.period).granularity)
        if figure.mechanism == SEALED
        else draws_of(noise, figure.contributors, table)
    )
    measured = Measured(figure.estimate, noise, draws)
    return Point(measured, figure.status, figure.source, figure.contributors)


def _read_shown(session: Session, trust: Trust, watcher: Watcher, series: Series, months: Sequence[int]) -> _Shown:
    hubs = {member.name for member in direct_members(trust) if member.role is MemberRole.HUB}
    below = session.scalars(select(SeriesRow.area).where(SeriesRow.origin.in_(hubs)).distinct()).all()
    query = FigureQuery(
        series.table,
        tuple(dict.fromkeys((watcher.area, *below))),
        series.table.cells,
        series.by,
        months[0],
        months[-1],
        next_index(session),
    )
    own: dict[tuple[str, int], Figure] = {}
    areas: defaultdict[str, dict[tuple[str, int], Figure]] = defaultdict(dict)
    for figure in read_figures(session, query):
        if figure.table_version != series.table.version:
            continue
        place = (figure.cell, month_of(figure.period))
        if figure.origin == watcher.name:
            own[place] = figure
        elif figure.origin in hubs:
            areas[figure.area][place] = figure
    return _Shown(own, areas)
