"""The analyst's workbench: figures as charts and as a table, a question that makes no sense, and how to use them."""

import json
import math
from datetime import timedelta
from typing import Any

from regional_hub import figure_verbs, mail_addresses, watch_views
from regional_hub.orm import AccountRow, TrendAlertRow
from regional_hub.publication import publish
from regional_hub.verbs import publish_policy
from regional_hub.watch_filter import WatchFilter
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
    keep_views(furnished)


def keep_views(furnished: FurnishedHub) -> None:
    """Two alerts, one of which was taken back, and a view of nils with e-mails that waits for the code."""
    hub, now = furnished.hub, furnished.hub.clock()
    with hub.database.write() as session:
        session.get_one(AccountRow, "nils").email = "nils@land.example"
        for number, gone in enumerate((None, now)):
            session.add(
                TrendAlertRow(
                    id=f"{number:020d}",
                    kind="cities",
                    table_id=builders.TABLE.id,
                    table_version=builders.TABLE.version,
                    cell=builders.GRID[number],
                    period="2026-10",
                    start=2026 * 12 + 9,
                    stated=4,
                    judged=9,
                    chance=0.0001,
                    years=2,
                    entry_index=1,
                    state="new",
                    raised_at=now - timedelta(days=2),
                    said_at=gone or now - timedelta(days=2),
                    withdrawn_at=gone,
                )
            )
        view = watch_views.save(session, "nils", "Rising in several cities", WatchFilter(kinds=("cities",)), now)
        watch_views.choose_mail(session, "nils", view.id, now, wanted=True)
        mail_addresses.ask(session, "nils", now)
        furnished.known["off_token"] = view.off_token


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
    HubScreen("/watch", as_="nils", shot="hub-watch"),
    HubScreen("/watch?kind=cities&all=true", as_="nils"),
    HubScreen("/views", as_="nils", shot="hub-views"),
    HubScreen("/mail/off/{off_token}", as_=None),
    HubScreen("/evidence", as_="nils", shot="hub-evidence"),
    HubScreen("/methods", as_=None, shot="hub-methods"),
    HubScreen("/interface", as_=None),
]
