"""Our own charts: data in, one SVG element out, as text. Drawn on 320 units, so letters stay legible on a telephone.

Nothing is told by colour alone: a mark has a shape, a line its dashes, the last figure stands beside its point, and
what has no figure stands as a mark below the axis and never as 0. Colours, and how they print, come from classes in the
program's style sheet. A reader who does not see it has the title, the description, and the table beside it.

    line_chart(Chart(key="c1", title=…, description=…, words=…, number=str), points, look="dashed")
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final, Literal

from shared_schema.service.svg import element, nice_ticks, points, shape, text, visible

WIDTH: Final = 320.0
_PLOT: Final = 120.0
_TOP: Final = 22.0
_ABOVE_STEP: Final = 11.0
_LETTER: Final = 6.8
"""A letter's width at the size of our texts; rather too much than too little."""
_LINE: Final = 18.0
_MARK: Final = 3.4
_LABEL_GAP: Final = 14.0
_LETTERS: Final = int((WIDTH - 16) / _LETTER)

Look = Literal["solid", "dashed", "dotted"]
_MARKERS: Final[Mapping[Look, str]] = {"solid": "circle", "dashed": "square", "dotted": "triangle"}


class Mark(StrEnum):
    """What a point says besides its figure. The first four stand in place of one: not collected, nothing said, …"""

    MISSING = "missing"
    ABSENT = "absent"
    FEW = "few"
    HIDDEN = "hidden"
    PARTIAL = "partial"
    BREAK = "break"
    DIFFERS = "differs"
    UP = "up"
    DOWN = "down"
    PEAK = "peak"


SHAPES: Final[Mapping[Mark, str]] = {
    Mark.MISSING: "cross",
    Mark.ABSENT: "bar",
    Mark.FEW: "ring",
    Mark.HIDDEN: "square",
    Mark.PARTIAL: "down",
    Mark.DIFFERS: "diamond",
    Mark.UP: "triangle",
    Mark.DOWN: "down",
    Mark.PEAK: "diamond",
}
_BELOW: Final = (Mark.MISSING, Mark.ABSENT, Mark.FEW, Mark.HIDDEN, Mark.PARTIAL, Mark.DIFFERS)
_ABOVE: Final = (Mark.UP, Mark.DOWN, Mark.PEAK)


@dataclass(frozen=True, slots=True)
class Point:
    """One period, or one bar: its label, its figure with its interval, and its marks. No value is a gap."""

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def ends(self) -> tuple[float, ...]:
        """Everything that has to lie inside the plot."""
        return () if self.value is None else tuple(e for e in (self.low, self.value, self.high) if e is not None)


@dataclass(frozen=True, slots=True)
class Chart:
    """What every chart has. `key` makes ids unique on a page; `words` says each mark in the reader's language, `empty`
    what stands where there is no figure at all, `number` writes a figure."""

    key: str
    title: str
    description: str
    words: Mapping[Mark, str]
    empty: str
    number: Callable[[float], str]


def line_chart(chart: Chart, series: Sequence[Point], look: Look = "solid") -> str:
    """A series over time with its 95 % band. A gap parts the line, a break is a dashed line across."""
    frame = _Frame.around(chart, series)
    bottom = frame.top + _PLOT
    marks = [mark for mark in Mark if any(mark in point.marks for point in series)]
    strip = 16.0 if any(mark in _BELOW for mark in marks) else 0.0
    body = [*_grid(chart, frame), *_band(frame, series), *_breaks(frame, series), *_line(frame, series, look)]
    body += [*_marks(frame, series, bottom), *_last_figure(chart, frame, series)]
    body += _period_labels(frame, series, bottom + strip + 16)
    if not any(point.ends for point in series):
        body.append(text(chart.empty, frame.middle, frame.top + _PLOT / 2, class_="chart-soft", text_anchor="middle"))
    legend, end = _legend(chart, marks, bottom + strip + 22)
    return document(chart, "".join([*body, *legend]), end)


def bar_chart(chart: Chart, bars: Sequence[Point]) -> str:
    """One bar for each figure, with its interval as a line across its end; a mark's words where there is no figure."""
    ends = [end for bar in bars for end in bar.ends]
    low, high = min([0.0, *ends]), max([1.0, *ends])
    room = max((len(chart.number(bar.value)) for bar in bars if bar.value is not None), default=0) * _LETTER + 8
    scale = max(WIDTH - 8 - room, 40.0) / (high - low)
    body: list[str] = []
    y = 6.0
    for bar in bars:
        for line in wrapped(bar.label):
            y += _LABEL_GAP
            body.append(text(line, 9, y, class_="chart-text"))
        body += _bar(chart, bar, y + 4, lambda value: 4 + (value - low) * scale)
        y += 22
    body.append(element("path", class_="axis", d=f"M{4 - low * scale:.1f} 6V{y:.1f}"))
    if not bars:
        y += _LINE
        body.append(text(chart.empty, WIDTH / 2, y, class_="chart-soft", text_anchor="middle"))
    return document(chart, "".join(body), y + 8)


def wrapped(label: str) -> Iterator[str]:
    """A label in lines that fit the chart's width; words without a gap are cut."""
    words = [word[at : at + _LETTERS] for word in label.split() for at in range(0, len(word), _LETTERS)]
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > _LETTERS:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


# --- the frame -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Frame:
    """From periods and figures to places."""

    left: float
    top: float
    ticks: Sequence[float]
    count: int

    @classmethod
    def around(cls, chart: Chart, series: Sequence[Point]) -> "_Frame":
        ends = [end for point in series for end in point.ends]
        ticks = nice_ticks(min([0.0, *ends]), max([1.0, *ends]))
        longest = max(len(chart.number(tick)) for tick in ticks)
        above = max((sum(mark in _ABOVE for mark in point.marks) for point in series), default=0)
        return cls(min(longest * _LETTER + 8, WIDTH / 2), _TOP + above * _ABOVE_STEP, ticks, len(series))

    @property
    def middle(self) -> float:
        return (self.left + WIDTH - 8) / 2

    def x(self, place: int) -> float:
        return self.middle if self.count < 2 else self.left + 6 + place * (WIDTH - self.left - 20) / (self.count - 1)

    def y(self, value: float) -> float:
        first, last = self.ticks[0], self.ticks[-1]
        return self.top + _PLOT * (last - value) / (last - first)


def document(chart: Chart, body: str, height: float) -> str:
    """The SVG element around a drawing of `WIDTH` by `height` units."""
    key = re.sub(r"[^a-z0-9-]", "-", chart.key.lower())
    return element(
        "svg",
        element("title", escape(visible(chart.title)), id=f"{key}-title")
        + element("desc", escape(visible(chart.description)), id=f"{key}-desc")
        + body,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def _grid(chart: Chart, frame: _Frame) -> Iterator[str]:
    for tick in frame.ticks:
        y = frame.y(tick)
        yield element("path", class_="axis" if tick == 0 else "grid", d=f"M{frame.left:.1f} {y:.1f}H{WIDTH - 4:.0f}")
        yield text(chart.number(tick), frame.left - 5, y + 4, class_="chart-text", text_anchor="end")


def _period_labels(frame: _Frame, series: Sequence[Point], y: float) -> Iterator[str]:
    """The last label always, the others from there in equal steps, as many as find room."""
    longest = max((len(point.label) for point in series), default=1)
    room = max(1, int((WIDTH - frame.left) // (longest * _LETTER + 14)))
    step = max(1, -(-(len(series) - 1) // room))
    for place in range(len(series) - 1, -1, -step):
        at, anchor = frame.x(place), "middle"
        half = len(series[place].label) * _LETTER / 2
        if at + half > WIDTH:
            at, anchor = WIDTH - 2, "end"
        elif at - half < 0:
            at, anchor = 2.0, "start"
        yield text(series[place].label, at, y, class_="chart-text", text_anchor=anchor)


# --- a line --------------------------------------------------------------------------------------------------------


def _runs(series: Sequence[Point], *, apart: bool) -> Iterator[list[tuple[int, Point]]]:
    """Neighbours with a figure; `apart` parts them at a break too, because both sides of it are not one series."""
    run: list[tuple[int, Point]] = []
    for place, point in enumerate(series):
        if run and (not point.ends or (apart and Mark.BREAK in point.marks)):
            yield run
            run = []
        if point.ends:
            run.append((place, point))
    if run:
        yield run


def _band(frame: _Frame, series: Sequence[Point]) -> Iterator[str]:
    for run in _runs(series, apart=True):
        known = [(frame.x(at), p.low, p.high) for at, p in run if p.low is not None and p.high is not None]
        if len(known) == 1:
            ((x, low, high),) = known
            yield element("path", class_="whisker", d=_whisker(x, frame.y(low), frame.y(high)))
        elif known:
            edge = [(x, frame.y(high)) for x, _, high in known] + [(x, frame.y(low)) for x, low, _ in reversed(known)]
            yield element("polygon", class_="band", points=points(edge))


def _whisker(x: float, low: float, high: float) -> str:
    return f"M{x - 3:.1f} {high:.1f}h6M{x:.1f} {high:.1f}V{low:.1f}M{x - 3:.1f} {low:.1f}h6"


def _line(frame: _Frame, series: Sequence[Point], look: Look) -> Iterator[str]:
    size = 2.6 if len(series) <= 24 else 1.9
    for run in _runs(series, apart=True):
        places = [(frame.x(at), frame.y(point.value)) for at, point in run if point.value is not None]
        if len(places) > 1:
            yield element("polyline", class_=f"line {look}", points=points(places))
        for x, y in places:
            yield shape(_MARKERS[look], x, y, size, class_="dot")


def _breaks(frame: _Frame, series: Sequence[Point]) -> Iterator[str]:
    for place, point in enumerate(series):
        if Mark.BREAK in point.marks:
            x = (frame.x(place) + frame.x(place - 1)) / 2 if place else frame.x(place) - 4
            yield element("path", class_="break", d=f"M{x:.1f} {frame.top:.0f}v{_PLOT:.0f}")


def _marks(frame: _Frame, series: Sequence[Point], bottom: float) -> Iterator[str]:
    for place, point in enumerate(series):
        for mark in point.marks:
            if mark in _BELOW:
                yield shape(SHAPES[mark], frame.x(place), bottom + 10, 2.6, class_=f"mark {mark.value}")
        for number, mark in enumerate(mark for mark in point.marks if mark in _ABOVE and point.ends):
            y = frame.y(max(point.ends)) - 8 - number * _ABOVE_STEP
            yield shape(SHAPES[mark], frame.x(place), y, _MARK, class_="mark change")


def _last_figure(chart: Chart, frame: _Frame, series: Sequence[Point]) -> Iterator[str]:
    known = [(place, point) for place, point in enumerate(series) if point.value is not None]
    if known:
        place, point = known[-1]
        written, at = chart.number(point.value or 0), frame.x(place)
        half = len(written) * _LETTER / 2
        x, anchor = (WIDTH - 2, "end") if at + half > WIDTH else (at, "middle")
        lift = 6 + _ABOVE_STEP * sum(mark in _ABOVE for mark in point.marks)
        y = max(frame.y(max(point.ends)) - lift, 12)
        yield text(written, x, y, class_="chart-figure", text_anchor=anchor)


def _legend(chart: Chart, marks: Sequence[Mark], y: float) -> tuple[list[str], float]:
    lines: list[str] = []
    for mark in marks:
        first = True
        for line in wrapped(chart.words[mark]):
            y += _LINE if first else _LABEL_GAP
            if first and mark is Mark.BREAK:
                lines.append(element("path", class_="break", d=f"M8 {y - 12:.1f}V{y + 2:.1f}"))
            elif first:
                kind = "change" if mark in _ABOVE else mark.value
                lines.append(shape(SHAPES[mark], 8, y - 4, _MARK, class_=f"mark {kind}"))
            lines.append(text(line, 18, y, class_="chart-text"))
            first = False
    return lines, y + 8


# --- a bar ---------------------------------------------------------------------------------------------------------


def _bar(chart: Chart, bar: Point, y: float, place: Callable[[float], float]) -> Iterator[str]:
    zero = place(0)
    if bar.value is None:
        for mark in bar.marks[:1]:
            yield shape(SHAPES[mark], zero + 8, y + 5, _MARK, class_=f"mark {mark.value}")
            yield text(chart.words[mark], zero + 18, y + 10, class_="chart-soft")
        return
    end = place(bar.value)
    yield element("rect", class_="bar", x=min(zero, end), y=y, width=abs(end - zero), height=10)
    if bar.low is not None and bar.high is not None:
        low, high = place(bar.low), place(bar.high)
        cap = f"M{low:.1f} {y + 2:.1f}v6M{low:.1f} {y + 5:.1f}H{high:.1f}M{high:.1f} {y + 2:.1f}v6"
        yield element("path", class_="whisker", d=cap)
    reach = max(zero, *(place(each) for each in bar.ends))
    yield text(chart.number(bar.value), reach + 5, y + 10, class_="chart-figure")
