"""The analyst's workbench: figures as charts and as a table, a question that makes no sense, and how to use them."""

import json
import math
from typing import Any

from regional_hub import figure_verbs
from regional_hub.publication import publish
from regional_hub.verbs import publish_policy
from shared_schema.statement import Audience, Kind
from shared_schema.trend import AggregateBody
from tests.browser.screens import FurnishedHub, HubScreen
from tests.shared_schema import builders

MONTHS = {f"2026-{month:02d}": (f"2026-{month:02d}-01", f"2026-{month:02d}-{days}") for month, days in zip(
    range(5, 11), (31, 30, 31, 31, 30, 31), strict=True
)}  # fmt: skip


def _outline() -> list[list[float]]:
    """An area that nobody could take for a real one: an ellipse."""
    turns = [2 * math.pi * step / 24 for step in range(24)]
    ring = [[round(13.5 + 1.4 * math.cos(turn), 3), round(51 + 0.6 * math.sin(turn), 3)] for turn in turns]
    return [*ring, ring[0]]


BORDERS = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"NUTS_ID": "DED"},
                "geometry": {"type": "Polygon", "coordinates": [_outline()]},
            }
        ],
    }
).encode()


def furnish(furnished: FurnishedHub) -> None:
    """Half a year of sums: figures, too few to tell, a break, withheld ones, one that nobody collected."""
    hub = furnished.hub
    publish_policy(hub, builders.POLICY)
    for number, (start, end) in enumerate(MONTHS.values()):
        cells = [_cell(code, number, place) for place, code in enumerate(builders.GRID)]
        period = builders.MONTH | {"start": start, "end": end}
        coverage = {"reporting": 9 + number % 3, "expected": 12}
        body = AggregateBody.from_object(builders.aggregate_body(period=period, cells=cells, coverage=coverage))
        with hub.database.write() as session:
            publish(session, Kind.AGGREGATE, body, Audience.REGION, name=hub.name, key=hub.key, now=hub.clock())
    figure_verbs.index(hub, {})


def _cell(code: str, month: int, place: int) -> dict[str, Any]:
    cell: dict[str, Any] = {"dims": {"offence": code}, "contributors": 9}
    if place == 2 and month < 2:
        return cell | {"status": "Q", "withheld": "few-cities", "contributors": 2}
    if place == 1 and month == 3:
        return cell | {"status": "L", "contributors": 0}
    estimate = (240 + 60 * month, 90 - 10 * month, 6)[place]
    status = "B" if place == 0 and month == 4 else "A"
    spread = {"variance_milli": 36_000, "low": estimate - 12, "high": estimate + 12}
    return cell | {"status": status, "estimate": estimate} | spread


SCREENS = [
    HubScreen("/figures?from=2026-05&to=2026-10", as_="nils", shot="hub-figures"),
    HubScreen("/figures?from=2026-05&to=2026-10&view=table", as_="nils", shot="hub-figures-table"),
    HubScreen("/figures?from=2026-05&to=2026-10&view=map", as_="nils"),
    HubScreen("/figures?from=2001-01&to=2001-03", as_="nils"),
    HubScreen("/figures/use?from=2026-05&to=2026-10", as_="nils", shot="hub-figures-use"),
]
SCREENS += [
    HubScreen("/watch", as_="nils"),
    HubScreen("/evidence", as_="nils", shot="hub-evidence"),
    HubScreen("/methods", as_=None, shot="hub-methods"),
    HubScreen("/interface", as_=None),
]
