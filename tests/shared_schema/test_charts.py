"""Charts say nothing by colour alone, make no 0 of what is not known, and stay well-formed whatever labels say."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.service.charts import Chart, Mark, Point, bar_chart, line_chart, wrapped
from shared_schema.service.svg import nice_ticks

SVG = "{http://www.w3.org/2000/svg}"
WORDS = {mark: f"words for {mark.value}" for mark in Mark}
HOSTILE = '</svg><script>alert(1)</script>"\' onload="x" \x00\x1b\u202e\ud800'
MONTHS = [f"{2024 + number // 12}-{number % 12 + 1:02d}" for number in range(36)]


def chart(**changes: object) -> Chart:
    values: dict[str, object] = {
        "key": "own", "title": "First contacts", "description": "36 months", "words": WORDS, "empty": "No figures yet",
        "number": lambda value: f"{value:,.0f}",
    }  # fmt: skip
    return Chart(**(values | changes))  # type: ignore[arg-type]


def figures(values: Sequence[float | None]) -> list[Point]:
    return [
        Point(month, value, value - 3, value + 3) if value is not None else Point(month, marks=(Mark.MISSING,))
        for month, value in zip(MONTHS, values, strict=False)
    ]


def parse(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)  # noqa: S314 - our own drawing


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if name in each.get("class", "").split()]


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("draw", [line_chart, bar_chart])
def test_hostile_labels_stay_text(draw: object) -> None:
    markup = draw(  # type: ignore[operator]
        chart(title=HOSTILE, description=HOSTILE, key='x" onload="y', empty=HOSTILE,
              words=dict.fromkeys(Mark, HOSTILE)),
        [Point(HOSTILE, 4, 2, 6), Point(HOSTILE, marks=(Mark.FEW,))],
    )  # fmt: skip
    root = parse(markup)
    markup.encode()
    assert not list(root.iter(f"{SVG}script"))
    assert all(not name.startswith("on") for each in root.iter() for name in each.attrib)
    assert not any(sign in markup for sign in ("\x00", "\x1b", "\u202e"))


@pytest.mark.parametrize("draw", [line_chart, bar_chart])
def test_nothing_in_it_needs_a_style_or_a_script(draw: object) -> None:
    markup = draw(chart(), figures([4, None, 7]))  # type: ignore[operator]
    assert "style" not in markup
    assert "href" not in markup


def test_it_has_a_title_and_a_description_for_those_who_do_not_see_it() -> None:
    root = parse(line_chart(chart(), figures([1, 2])))
    assert root.get("role") == "img"
    ids = (root.get("aria-labelledby") or "").split()
    assert [each.text for each in root.iter() if each.get("id") in ids] == ["First contacts", "36 months"]


def test_without_any_figure_it_says_so_in_words() -> None:
    for values in ([], [None, None]):
        root = parse(line_chart(chart(), figures(values)))
        assert "No figures yet" in texts(root)
        assert not of_class(root, "dot")
    assert "No figures yet" in texts(parse(bar_chart(chart(), [])))


def test_a_gap_parts_line_and_band_and_is_marked_below_the_axis() -> None:
    root = parse(line_chart(chart(), figures([4, 5, None, 6, 7])))
    assert len(of_class(root, "line")) == 2
    assert len(of_class(root, "band")) == 2
    assert len(of_class(root, "dot")) == 4
    assert len(of_class(root, "missing")) == 2  # below the axis, and in the legend
    assert "words for missing" in texts(root)


@pytest.mark.parametrize("mark", [Mark.MISSING, Mark.ABSENT, Mark.FEW, Mark.HIDDEN, Mark.PARTIAL])
def test_what_has_no_figure_never_stands_at_zero(mark: Mark) -> None:
    root = parse(line_chart(chart(), [Point("a", 9, 8, 10), Point("b", marks=(mark,))]))
    (axis,) = of_class(root, "axis")
    zero = float((axis.get("d") or "").split()[1].split("H")[0])
    (below, _legend) = of_class(root, mark.value)
    tops = (
        [float(number) for number in (below.get("cy") or "").split()]
        or [float(each.split(",")[1]) for each in (below.get("points") or "").split()]
        or [float((below.get("d") or "M0 999").split()[1].split("L")[0])]
    )
    assert min(tops) > zero
    assert f"words for {mark.value}" in texts(root)


def test_a_break_is_a_line_across_and_parts_the_series() -> None:
    series = [Point("a", 4, 3, 5), Point("b", 5, 4, 6), Point("c", 9, 8, 10, (Mark.BREAK,)), Point("d", 9, 8, 10)]
    root = parse(line_chart(chart(), series))
    assert len(of_class(root, "line")) == 2
    assert len(of_class(root, "break")) == 2
    assert "words for break" in texts(root)


def test_one_point_is_a_dot_with_its_interval_and_its_figure() -> None:
    root = parse(line_chart(chart(), figures([1234])))
    assert len(of_class(root, "dot")) == len(of_class(root, "whisker")) == 1
    assert "1,234" in texts(root)


def test_series_differ_in_dashes_and_in_the_shape_of_their_points() -> None:
    drawn = {look: parse(line_chart(chart(), figures([1, 2]), look)) for look in ("solid", "dashed", "dotted")}
    assert len({of_class(root, "line")[0].get("class") for root in drawn.values()}) == 3
    kinds = {(of_class(root, "dot")[0].tag, len(of_class(root, "dot")[0].get("points", "").split()))
             for root in drawn.values()}  # fmt: skip
    assert len(kinds) == 3


def test_an_arrow_stands_above_its_point_with_words() -> None:
    root = parse(line_chart(chart(), [Point("a", 4, 3, 5), Point("b", 9, 8, 10, (Mark.UP,))]))
    assert len(of_class(root, "change")) == 2
    assert "words for up" in texts(root)


@pytest.mark.parametrize("values", [[-5, 3], [-9, -7], [10**12, 2], [0, 0], [1], [10**15]])
def test_everything_lies_inside_the_picture(values: list[float]) -> None:
    for markup in (line_chart(chart(), figures(values)), bar_chart(chart(), figures(values))):
        root = parse(markup)
        width, height = (float(each) for each in (root.get("viewBox") or "").split()[2:])
        for each in root.iter():
            for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height), ("width", width)):
                assert -0.1 <= float(each.get(name, "0")) <= most + 0.1
            for pair in (each.get("points") or "").split():
                x, y = (float(number) for number in pair.split(","))
                assert -0.1 <= x <= width + 0.1
                assert -0.1 <= y <= height + 0.1


def test_a_figure_does_not_stand_on_the_marks_above_its_point() -> None:
    (figure,) = of_class(
        root := parse(line_chart(chart(), [Point("a", 9, 8, 10, (Mark.UP, Mark.PEAK))])), "chart-figure"
    )
    tops = [min(float(pair.split(",")[1]) for pair in (each.get("points") or "").split())
            for each in of_class(root, "change")[:2]]  # fmt: skip
    assert float(figure.get("y", "0")) < min(tops)


def test_bars_say_in_words_what_has_no_figure() -> None:
    root = parse(bar_chart(chart(), [Point("Schools", 40, 35, 45), Point("Police", marks=(Mark.FEW,))]))
    assert {"Schools", "40", "Police", "words for few"} <= set(texts(root))
    assert len(of_class(root, "bar")) == 1


def test_labels_of_36_months_do_not_run_into_each_other() -> None:
    root = parse(line_chart(chart(), figures([5] * 36)))
    places = sorted(float(each.get("x", "0")) for each in root.iter(f"{SVG}text") if each.text in MONTHS)
    assert len(places) >= 3
    assert all(after - before >= 7 * 6.8 * 0.75 for before, after in pairwise(places))
    assert MONTHS[-1] in texts(root)


@given(st.floats(-1e15, 1e15), st.floats(0, 1e15))
def test_ticks_enclose_the_figures_in_at_most_six_steps(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 6
    assert all(after > before for before, after in pairwise(ticks))


@given(st.text(max_size=300))
def test_no_line_of_a_label_is_wider_than_the_picture(label: str) -> None:
    lines = list(wrapped(label))
    assert all(len(line) * 6.8 <= 320 for line in lines)
    assert "".join("".join(lines).split()) == "".join(label.split())
