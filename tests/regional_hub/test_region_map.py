"""Maps: a file of borders that is wrong says so, and a figure that is withheld is on no map."""

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from regional_hub.region_map import LEAST_POINTS, MOST_BYTES, MapError, Place, draw_map, read_outlines
from shared_schema.service.charts import Chart, Mark
from shared_schema.service.control import VerbError
from tests.regional_hub.browsing import Browser
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub
from tests.regional_hub.test_figures import NAMES, SEPTEMBER, release
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough
SAXONY = [[[12.0, 50.2], [15.0, 50.2], [15.0, 51.7], [12.0, 51.7], [12.0, 50.2]]]
HESSE = [[[8.0, 49.4], [10.2, 49.4], [10.2, 51.6], [8.0, 51.6], [8.0, 49.4]]]
CHART = Chart("map", "A <map>", "told & so", {mark: mark.value for mark in Mark}, "none", str)


def feature(code: Any, coordinates: Any, kind: str = "Polygon") -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"NUTS_ID": code}, "geometry": geometry}


def collection(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


BORDERS = collection(feature("DED", SAXONY), feature("DE7", [HESSE], "MultiPolygon"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "GeoJSON"),
        (b"\xff\xfe", "GeoJSON"),
        (b"[" * 100_000, "GeoJSON"),
        (b"[]", "FeatureCollection"),
        (collection(), "FeatureCollection"),
        (b'{"features": {}}', "FeatureCollection"),
        (collection("DED", 7, None), "property NUTS_ID"),
        (collection(feature(7, SAXONY)), "property NUTS_ID"),
        (collection(feature("DED", SAXONY, "Point")), "Polygon"),
        (collection(feature("DED", "here")), "longitudes and latitudes"),
        (collection(feature("DED", [[[1], [2], [3], [1]]])), "longitudes and latitudes"),
        (collection(feature("DED", [[[181, 0], [0, 1], [1, 1], [181, 0]]])), "longitudes and latitudes"),
        (collection(feature("DED", [[["east", 0], [0, 1], [1, 1], [0, 0]]])), "longitudes and latitudes"),
        (b'{"features": [{"properties": {"NUTS_ID": "DED"}, "geometry": {"type": "Polygon"}}]}', "longitudes"),
        (collection(feature("DED", [[[math.nan, 1], [1, 1], [2, 2], [0, 1]]])), "longitudes"),
        (collection(feature("DED", [[[10**400, 1], [1, 1], [2, 2], [0, 1]]])), "longitudes"),
        (collection(feature("DED", []), feature("DE7", [[[1, 1], [2, 2], [1, 1]]])), "outlines"),
        (collection(feature("\x1b[31m\nDED\u202e\ud800", None)), r"'\x1b[31m\nDED\u202e\ud800'"),
        (b" " * (MOST_BYTES + 1), "at most"),
    ],
)  # fmt: skip
def test_borders_that_cannot_be_read_say_what_was_expected(data: bytes, expected: str) -> None:
    with pytest.raises(MapError) as caught:
        read_outlines(data, "NUTS_ID")
    assert expected in caught.value.message
    assert len(caught.value.message) < 200


def test_a_ring_that_encloses_nothing_is_left_out() -> None:
    outlines = read_outlines(collection(feature("DED", [[[1, 1]] * LEAST_POINTS, *SAXONY])), "NUTS_ID")
    assert len(outlines.rings["DED"]) == 1


def drawn(*places: Place) -> Element:
    svg = draw_map(read_outlines(BORDERS, "NUTS_ID"), places, CHART)
    root: Element = fromstring(svg)
    return root


def texts(root: Element, name: str) -> list[str]:
    return [each.text or "" for each in root.iter() if each.tag.endswith(name)]


def test_the_area_of_a_circle_stands_for_the_figure() -> None:
    root = drawn(Place("DED", 400, "DED: 400"), Place("DE7", 100, "DE7: 100"))
    radii = [float(each.get("r", 0)) for each in root.iter() if each.get("class") == "bubble"]
    assert radii[0] / radii[1] == pytest.approx(2, rel=0.02)
    assert {"DED: 400", "DE7: 100"} <= set(texts(root, "title"))


THIN = [[[11.1, 50.1], [11.2, 50.2], [11.3, 50.3], [11.7, 50.7], [11.1, 50.1]]]
SPECK = [[[11.123456789, 50], [11.1234567891, 50], [11.1234567891, 50.0000000001], [11.123456789, 50]]]


@pytest.mark.parametrize("outline", [THIN, SPECK])
def test_a_circle_is_whole_and_on_its_region_however_thin_or_far_out_that_is(outline: Any) -> None:
    outlines = read_outlines(collection(feature("DE1", outline), feature("DED", SAXONY)), "NUTS_ID")
    root = fromstring(draw_map(outlines, [Place("DE1", 9, "DE1: 9"), Place("DED", 9, "DED: 9")], CHART))
    width, height = (float(part) for part in root.get("viewBox", "").split()[2:])
    for circle in (each for each in root.iter() if each.get("class") == "bubble"):
        x, y, radius = (float(circle.get(name, "nan")) for name in ("cx", "cy", "r"))
        assert radius <= x <= width - radius
        assert radius <= y <= height - radius


def test_a_figure_that_may_not_be_shown_has_a_mark_and_words_and_no_circle() -> None:
    root = drawn(Place("DED", None, "DED: hidden", Mark.HIDDEN), Place("DE7", None, "DE7: few", Mark.FEW))
    assert not [each for each in root.iter() if each.get("class") == "bubble"]
    assert [each.get("class") for each in root.iter() if "mark" in (each.get("class") or "")].count("mark hidden") == 2
    assert "hidden" in texts(root, "text") and "few" in texts(root, "text")


def test_a_region_without_an_outline_is_on_no_map() -> None:
    assert draw_map(read_outlines(BORDERS, "NUTS_ID"), [Place("XX", 5, "XX: 5")], CHART) == ""
    assert "XX" not in "".join(drawn(Place("XX", 5, "XX: 5"), Place("DED", 9, "DED: 9")).itertext())


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(start_hub: HubStarter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningHub:
    """October is shown, September is withheld: only two cities."""
    (tmp_path / "borders.json").write_bytes(BORDERS)
    monkeypatch.setenv("REGIONAL_HUB_MAP_FILE", str(tmp_path / "borders.json"))
    region = start_hub("sachsen.de")
    cities = [region.enrol(name) for name in NAMES]
    release(region, cities[:2], SEPTEMBER, 50, 70, 90)
    release(region, cities, builders.MONTH, 50, 70, 90)
    return region


def test_what_is_withheld_is_on_no_map(mapped: RunningHub) -> None:
    page = Browser(mapped).sign_in("nils").page("/figures?from=2026-09&to=2026-09&view=map")
    assert page.count('class="region"') == 1, "the borders stand on a page once"
    assert page.count("<use ") == len(builders.GRID), "a map for each cell and one for all together"
    assert 'class="bubble"' not in page
    assert "mark hidden" in page
    assert not re.search(r"DED: [0-9]", page)


def test_what_is_shown_is_on_the_map_with_its_interval(mapped: RunningHub) -> None:
    page = Browser(mapped).sign_in("nils").page("/figures?from=2026-10&to=2026-10&cell=verbal&view=map")
    assert 'class="bubble"' in page
    assert re.search(r"DED: 150 1[0-9]{2}–1[0-9]{2}", page)
    assert "style=" not in page


def test_a_question_without_such_regions_says_what_a_map_needs(mapped: RunningHub) -> None:
    page = Browser(mapped).sign_in("nils").page("/figures?from=2020-01&to=2020-02&view=map")
    assert "There is nothing to see here yet" in page


def test_without_borders_no_map_is_offered(region: RunningHub) -> None:
    release(region, [region.enrol(name) for name in NAMES], builders.MONTH, 50, 70, 90)
    browser = Browser(region).sign_in("nils")
    assert "view=map" not in browser.page("/figures")
    assert 'aria-current="page">Charts' in browser.page("/figures?view=map")


@pytest.mark.parametrize(("content", "expected"), [(None, "can be read"), (b"{}", "FeatureCollection")])
def test_a_hub_whose_borders_are_wrong_does_not_start_and_says_why(
    start_hub: HubStarter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "borders.json").write_bytes(content)
    monkeypatch.setenv("REGIONAL_HUB_MAP_FILE", str(tmp_path / "borders.json"))
    with pytest.raises(VerbError) as caught:
        start_hub("sachsen.de")
    assert expected in caught.value.message and "map_file" in caught.value.message
