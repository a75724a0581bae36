"""The few pieces of SVG that our charts are drawn with: escaped elements, round axis steps, and the shapes of marks.

Everything comes out as attributes and classes, never as a style, so that it passes `style-src 'self'`.

    element("rect", "", x=1.5, height=3, class_="bar")      <rect x="1.5" height="3" class="bar"/>
"""

import math
import re
from html import escape
from typing import Final

MAX_TICKS: Final = 4
_STEPS: Final = (1, 2, 5, 10)
_NO_XML: Final = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\u2027\u2030-\u2065\u2070-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""Control characters and lone surrogates break a document, bidi overrides what stands beside them."""


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """An element with escaped attributes; `content` is markup already. `class_` is class, `text_anchor` text-anchor."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(content: str, x: float, y: float, *, class_: str, text_anchor: str = "start") -> str:
    """A line of text; what it says is escaped."""
    return element("text", escape(visible(content)), x=x, y=y, class_=class_, text_anchor=text_anchor)


def points(places: list[tuple[float, float]]) -> str:
    """For polylines and polygons."""
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in places)


def nice_ticks(low: float, high: float) -> list[float]:
    """Round values that enclose `low` and `high`: at most five, whole numbers, 1, 2 or 5 times a power of ten apart."""
    span = max(high - low, 1.0)
    power = 10.0 ** math.floor(math.log10(span / MAX_TICKS))
    step = max(1.0, next(power * each for each in _STEPS if power * each * MAX_TICKS >= span * 0.999))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def shape(kind: str, x: float, y: float, size: float, *, class_: str) -> str:
    """A mark: circle, square, triangle, down, diamond, cross, bar or ring. Shapes differ without colour."""
    s = size
    corners = {
        "square": [(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)],
        "triangle": [(x, y - 1.2 * s), (x + 1.1 * s, y + 0.8 * s), (x - 1.1 * s, y + 0.8 * s)],
        "down": [(x, y + 1.2 * s), (x + 1.1 * s, y - 0.8 * s), (x - 1.1 * s, y - 0.8 * s)],
        "bar": [(x - s, y - 0.6), (x + s, y - 0.6), (x + s, y + 0.6), (x - s, y + 0.6)],
        "diamond": [(x, y - 1.3 * s), (x + 1.3 * s, y), (x, y + 1.3 * s), (x - 1.3 * s, y)],
    }
    if kind in corners:
        return element("polygon", points=points(corners[kind]), class_=class_)
    if kind == "cross":
        line = f"M{_number(x - s)} {_number(y - s)}L{_number(x + s)} {_number(y + s)}"
        return element(
            "path", d=f"{line}M{_number(x - s)} {_number(y + s)}L{_number(x + s)} {_number(y - s)}", class_=class_
        )
    return element("circle", cx=x, cy=y, r=s, class_=class_)


def _value(value: str | float) -> str:
    return escape(visible(value)) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def visible(words: str) -> str:
    """The text with a replacement character for what no document may hold."""
    return _NO_XML.sub("\ufffd", words)
