"""A map of regions: outlines from a file of the operator's, and on each region a circle as large as its figure.

The program brings no borders along: whose they are, and how they run, is for the operator to choose (GISCO has those of
NUTS). A figure stands as a circle and never as the colour of an area: counts on areas would show where many people
live. What may not be shown has the mark of the charts in place of a circle.

    outlines = read_outlines(path.read_bytes(), "NUTS_ID")
    draw_map(outlines, [Place("DED", 412, "412 (401–423)"), …], Chart(…))
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import pairwise
from typing import Any, Final

from regional_hub.errors import HubError
from shared_schema.service.charts import SHAPES, WIDTH, Chart, Mark, document, wrapped
from shared_schema.service.svg import element, nice_ticks, shape, text, visible

_LARGEST: Final = 26.0
"""Radius of the largest circle; its area, not its radius, stands for the figure."""
_MARK: Final = 4.0
_MARGIN: Final = _LARGEST
"""A circle on a region at the edge is as large as its figure too."""
_LINE: Final = 18.0
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_REGIONS: Final = 5_000
MOST_POINTS: Final = 100_000
"""More than a drawing of 320 units can show, and a page of a megabyte."""
LEAST_POINTS: Final = 3
"""A ring has more than these, the first of them twice (RFC 7946 section 3.1.6)."""
_FARTHEST_NORTH: Final = 85.0
"""Beyond it the projection has no room for anything."""

Ring = tuple[tuple[float, float], ...]
"""Longitude and latitude in degrees, the first point again at the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Code of an area → its outer rings and holes. Two are never equal, so that what is laid out once is kept."""

    rings: Mapping[str, tuple[Ring, ...]]

    def __contains__(self, code: str) -> bool:
        return bool(self.rings.get(code))


NO_OUTLINES: Final = Outlines({})


class MapError(HubError):
    """A file that no map can be drawn from; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Place:
    """One region: its figure, or none and why; `told` is what a screen reader or a pointer hears of it."""

    code: str
    value: int | None
    told: str
    mark: Mark = Mark.ABSENT


# --- reading ---------------------------------------------------------------------------------------------------------


def read_outlines(data: bytes, name: str) -> Outlines:
    """The outlines in a GeoJSON file (RFC 7946), by the property `name` of each feature.

    Raises MapError for what is too large, no collection of features, no polygons, or has places that are nowhere.
    """
    if len(data) > MOST_BYTES:
        raise MapError(f"expected a map of at most {MOST_BYTES // 2**20} MB")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise MapError("expected GeoJSON") from None
    features = value.get("features") if isinstance(value, dict) else None
    if not isinstance(features, list) or not 1 <= len(features) <= MOST_REGIONS:
        raise MapError(f"expected a FeatureCollection of GeoJSON with 1 to {MOST_REGIONS} features")
    found: dict[str, tuple[Ring, ...]] = {}
    points = 0
    for feature in features:
        code = _code(feature, name)
        if code is None or feature.get("geometry") is None:  # a feature may be somewhere unknown (section 3.2)
            continue
        rings = tuple(_rings(feature["geometry"], code))
        points += sum(map(len, rings))
        if points > MOST_POINTS:
            raise MapError(f"expected at most {MOST_POINTS} points; take a coarser edition of the borders")
        found[code] = found.get(code, ()) + rings
    if not any(found.values()):
        raise MapError(f"expected features with the property {name} that has the code of an area, and outlines")
    return Outlines(found)


def _code(feature: object, name: str) -> str | None:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    code = properties.get(name) if isinstance(properties, dict) else None
    return code if isinstance(code, str) and code else None


def _rings(geometry: Any, code: str) -> Iterator[Ring]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise MapError(f"expected a Polygon or MultiPolygon for {code[:40]!r}")
    try:
        polygons = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
        rings = [tuple(_point(point) for point in ring) for polygon in polygons for ring in polygon]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):  # a whole number may be beyond any float
        raise MapError(f"expected rings of longitudes and latitudes for {code[:40]!r}") from None
    yield from (ring for ring in rings if len(ring) > LEAST_POINTS)


def _point(point: Any) -> tuple[float, float]:
    """Raises ValueError for what is nowhere on the earth."""
    east, north = float(point[0]), float(point[1])
    if not (-180 <= east <= 180 and -90 <= north <= 90):
        raise ValueError
    return east, max(-_FARTHEST_NORTH, min(north, _FARTHEST_NORTH))


# --- drawing ---------------------------------------------------------------------------------------------------------


def draw_map(outlines: Outlines, places: Sequence[Place], chart: Chart) -> str:
    """The map of `places` as one SVG element; nothing where none of them has an outline."""
    return next(iter(draw_maps(outlines, [(chart, places)])), "")


def draw_maps(outlines: Outlines, maps: Sequence[tuple[Chart, Sequence[Place]]]) -> list[str]:
    """An SVG element for each map, all on one ground: the regions that any of them has and that have an outline.

    The first has the borders in it and the others point there, so a page carries them once. The projection is
    equirectangular about the middle latitude: true enough for a country, and needs no library.
    """
    codes = sorted({place.code for _, places in maps for place in places if place.code in outlines})
    if not codes:
        return []
    ground, key = _lay_out(outlines, tuple(codes)), f"{maps[0][0].key}-ground"
    borders = [element("g", ground.drawn, id=key), *[element("use", href=f"#{key}")] * (len(maps) - 1)]
    return [
        _draw_on(ground, drawn, [place for place in places if place.code in ground.middles], chart)
        for drawn, (chart, places) in zip(borders, maps, strict=True)
    ]


def _draw_on(ground: "_Ground", borders: str, places: Sequence[Place], chart: Chart) -> str:
    largest = max((place.value or 0 for place in places), default=0)
    above = sorted(places, key=lambda place: -(place.value or 0))  # a small circle is not hidden by a large one
    marks = [_mark(place, ground.middles[place.code], largest) for place in above]
    legend, height = _legend(places, largest, ground.height, chart)
    return document(chart, borders + "".join(marks) + legend, height)


@dataclass(frozen=True, slots=True)
class _Ground:
    """The outlines drawn, and where each region has its middle."""

    drawn: str
    middles: Mapping[str, tuple[float, float]]
    height: float


@lru_cache(maxsize=8)
def _lay_out(outlines: Outlines, codes: tuple[str, ...]) -> _Ground:
    """The same for every map of these regions: borders have many points, and a page has many maps."""
    rings = {code: outlines.rings[code] for code in codes}
    view = _View.of([point for each in rings.values() for ring in each for point in ring])
    paths = [element("path", d=view.path(each), class_="region", fill_rule="evenodd") for each in rings.values()]
    return _Ground("".join(paths), {code: view.middle(each) for code, each in rings.items()}, view.height)


@dataclass(frozen=True, slots=True)
class _View:
    """Degrees to units of the drawing."""

    west: float
    north: float
    across: float
    """Units for a degree of longitude."""
    down: float
    height: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> "_View":
        west, east = min(point[0] for point in points), max(point[0] for point in points)
        south, north = min(point[1] for point in points), max(point[1] for point in points)
        squeeze = math.cos(math.radians((south + north) / 2))
        inside = WIDTH - 2 * _MARGIN
        down = min(inside / max((east - west) * squeeze, 1e-6), inside * 1.5 / max(north - south, 1e-6))
        return cls(west, north, down * squeeze, down, (north - south) * down + 2 * _MARGIN)

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        return _MARGIN + (point[0] - self.west) * self.across, _MARGIN + (self.north - point[1]) * self.down

    def path(self, rings: Sequence[Ring]) -> str:
        """Outlines to half a unit: what is finer nobody sees, and a page would have to carry it."""
        parts = []
        for ring in rings:
            rounded = [tuple(round(2 * value) / 2 for value in self.place(point)) for point in ring]
            kept = [point for point, before in zip(rounded, [None, *rounded], strict=False) if point != before]
            if len(kept) > 2:
                parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in kept) + "Z")
        return "".join(parts)

    def middle(self, rings: Sequence[Ring]) -> tuple[float, float]:
        """The centre of gravity of the largest ring."""
        largest = max(rings, key=lambda ring: abs(_area(ring)))
        return self.place(_centroid(largest))


def _area(ring: Ring) -> float:
    return sum(x * v - u * y for (x, y), (u, v) in pairwise(ring)) / 2


def _centroid(ring: Ring) -> tuple[float, float]:
    """Of a ring that encloses next to nothing, rounding would put it anywhere: then the middle of what it spans."""
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    area = _area(ring)
    if area:
        edges = [(x + u, y + v, x * v - u * y) for (x, y), (u, v) in pairwise(ring)]
        x = sum(across * cross for across, _, cross in edges) / (6 * area)
        y = sum(up * cross for _, up, cross in edges) / (6 * area)
        if west <= x <= east and south <= y <= north:
            return x, y
    return (west + east) / 2, (south + north) / 2


def _mark(place: Place, middle: tuple[float, float], largest: int) -> str:
    """A circle, or the mark that says why there is none."""
    x, y = middle
    if place.value is None:
        drawn = shape(SHAPES[place.mark], x, y, _MARK, class_=f"mark {place.mark.value}")
    else:
        drawn = element("circle", cx=x, cy=y, r=max(_radius(place.value, largest), 1.0), class_="bubble")
    return element("g", element("title", escape(visible(place.told))) + drawn)


def _radius(value: int, largest: int) -> float:
    return _LARGEST * math.sqrt(max(value, 0) / largest) if largest else 0.0


def _legend(places: Sequence[Place], largest: int, top: float, chart: Chart) -> tuple[str, float]:
    """What a circle of a round number looks like, and each mark that there is. With the height of the whole drawing."""
    lines, y = [], top
    if largest > 0:
        value = max((tick for tick in nice_ticks(0, largest) if tick <= largest), default=largest)
        radius = _radius(int(value), largest)
        y += 2 * radius + 4
        lines.append(element("circle", cx=radius + 4, cy=y - radius, r=radius, class_="bubble"))
        lines.append(text(chart.number(value), 2 * radius + 14, y - radius + 4, class_="chart-text"))
    for mark in dict.fromkeys(place.mark for place in places if place.value is None):
        y += _LINE
        lines.append(shape(SHAPES[mark], 10, y - 4, _MARK, class_=f"mark {mark.value}"))
        for at, line in enumerate(wrapped(chart.words[mark])):
            y += _LINE * (at > 0)
            lines.append(text(line, 22, y, class_="chart-text"))
    return "".join(lines), y + _MARGIN
