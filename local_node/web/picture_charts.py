"""The picture as charts: a small one for each source, on its own scale, with its sentence, and bars for the newest."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from local_node.web.picture_view import ALL, Picture, Shown, Source
from local_node.web.picture_words import PictureWords
from shared_schema.service.charts import Chart, Point, bar_chart, line_chart
from shared_schema.service.translations import N_

MOST_BARS = 24


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with what stands below it."""

    svg: Markup
    caption: str
    note: str


def draw_lines(picture: Picture, words: PictureWords) -> Iterator[Drawing]:
    """Over time: one chart for each source that has any figure."""
    code = picture.query.cell if picture.query.cell in picture.query.table.cells else ALL
    for number, source in enumerate(picture.sources, start=1):
        if not source.has_figures:
            continue
        points = [_point(words.period(label), source.at(label, code)) for label in picture.query.labels]
        chart = _chart(
            f"line-{number}", words.source(source), words.chart_sentence(picture, source, code), source, words
        )
        yield Drawing(
            Markup(line_chart(chart, points, source.look)),  # noqa: S704 - every text in it is escaped (svg.text)
            words.source(source),
            words.explanation(source),
        )


def draw_bars(picture: Picture, words: PictureWords) -> Iterator[Drawing]:
    """By cell: the newest period of each source in which there is any figure."""
    table = picture.query.table
    for number, source in enumerate(picture.sources, start=1):
        period = _newest(picture, source)
        if period is None or len(table.cells) > MOST_BARS:
            continue
        bars = [_point(words.cell(table, code), source.at(period, code)) for code in table.cells]
        title = words.say(N_("%(source)s, %(period)s"), source=words.source(source), period=words.period(period))
        told = "; ".join(f"{words.cell(table, code)}: {words.figure(source.at(period, code))}" for code in table.cells)
        chart = _chart(f"bars-{number}", title, told, source, words)
        yield Drawing(
            Markup(bar_chart(chart, bars)),  # noqa: S704 - every text in it is escaped (svg.text)
            title,
            words.coverage(source, period),
        )


def _newest(picture: Picture, source: Source) -> str | None:
    codes = picture.query.table.cells
    known = (
        label for label in reversed(picture.query.labels) if any((label, code) in source.figures for code in codes)
    )
    return next(known, None)


def _point(label: str, shown: Shown) -> Point:
    return Point(label, shown.value, shown.low, shown.high, shown.marks)


def _chart(key: str, title: str, description: str, source: Source, words: PictureWords) -> Chart:
    said = words.words
    return Chart(
        key=key,
        title=title,
        description=description,
        words=words.marks(source),
        empty=said.gettext("No figures in these periods"),
        number=said.number,
    )
