"""How long the node needs for each of its pages, at a size that few cities reach.

10,000 items in the inbox, 60 agencies with 36 months of returns, 500 activities a year, 3,000 entries of the audit log
and more: what `fill_<part>` of every `tests/browser/screens_<part>` puts there. Every screen that the browser tests
know is asked for through the whole application (gate, session, rendering), in one process, one after the other; the
time is that until the last byte is there. A first look comes after a change, when nothing is remembered, and pays for
the template as well; one figure of it has no bar. The floor is the page `/health`, which does nothing, behind the same
gate.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import anyio
import httpx

from local_node import audit, library, verbs
from local_node.app import Node, create_app
from local_node.settings import load_settings, write_settings
from shared_schema.service.key_file import load_key, write_key
from tests.bench.bench_search import ITEMS, fill_inbox, sentences_of
from tests.bench.figures import Figure, at_most, measured
from tests.browser.screens import STAFF, Furnished, Screen, all_screens, furnish_all, parts
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import BASE, Browser

REQUESTS: Final = 60
WARM: Final = 3
BAR_MS: Final = 100
NAME: Final = "leipzig.sn.de"


def measure() -> Iterator[Figure]:
    """Milliseconds per page: the middle and the 95th percentile, which has a bar."""
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name:
        furnished = _make_node(Path(name))
        try:
            begun = time.perf_counter()
            _fill_everything(furnished)
            yield measured("fill_seconds", time.perf_counter() - begun, sample_size=ITEMS)
            app = create_app(furnished.node, lambda verb, params: verbs.run(furnished.node, verb, params))
            cookies = {person: Browser(furnished.node, app=app).sign_in(person).cookies for person in STAFF}
            floor = anyio.run(_times, app, "/health", cookies["anna"])
            yield measured("floor_health_ms_p50", _percentile(floor, 50), sample_size=len(floor))
            worst = first = 0.0
            for screen in _different(all_screens()):
                path, who = screen.address(furnished), cookies.get(screen.as_ or "", {})
                _change_something(furnished.node)
                (look,) = anyio.run(_times, app, path, who, 1, 0)
                first = max(first, look)
                yield measured(f"{screen.id}_ms_first", look, sample_size=1)
                times = anyio.run(_times, app, path, who)
                p95 = _percentile(times, 95)
                worst = max(worst, p95)
                yield measured(f"{screen.id}_ms_p50", _percentile(times, 50), sample_size=len(times))
                yield at_most(f"{screen.id}_ms_p95", p95, bar=BAR_MS, sample_size=len(times))
            yield at_most("worst_page_ms_p95", worst, bar=BAR_MS, sample_size=REQUESTS)
            yield measured("worst_first_look_ms", first, sample_size=1)
        finally:
            furnished.node.close()


def _make_node(directory: Path) -> Furnished:
    write_settings(
        directory,
        {"name": NAME, "display_name": "Leipzig", "area_code": "14713000", "port": 8600, "agencies_expected": 60},
    )
    write_key(directory, seeded_key(NAME))
    clock = MovableClock()
    hub = HubSimulator("sachsen.de", clock=clock)
    node = Node(directory, load_settings(directory), load_key(directory), clock, hub)
    for person, role in STAFF.items():
        verbs.run(node, "people.add", {"id": person, "role": role})
    return Furnished(node, hub)


def _fill_everything(furnished: Furnished) -> None:
    """First what the browser tests have, so that every address exists; then the crowd."""
    furnish_all(furnished)
    fill_inbox(furnished.node, sentences_of([]))
    with furnished.node.database.write() as session:
        library.catch_up(session)
    for part in parts():
        fill: Any = getattr(part, "fill", None)
        if fill is not None:
            fill(furnished)


def _different(screens: Sequence[Screen]) -> list[Screen]:
    """Each screen once, also where two parts look at the same one."""
    return list({screen.id: screen for screen in screens}.values())


def _change_something(node: Node) -> None:
    """What was remembered of true counts is out of date after any change, so that a first look is one."""
    with node.database.write() as session:
        audit.append(session, "anna", "bench.changed", "bench", node.clock())


async def _times(
    app: Any, path: str, cookies: dict[str, str], requests: int = REQUESTS, warm: int = WARM
) -> list[float]:
    """Milliseconds of so many requests, after some that nobody counts."""
    headers = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    found = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        for number in range(warm + requests):
            begun = time.perf_counter()
            answer = await client.get(path, headers=headers)
            if number >= warm:
                found.append(1000 * (time.perf_counter() - begun))
            assert answer.status_code == 200, (path, answer.status_code)
    return found


def _percentile(times: Sequence[float], percent: int) -> float:
    return quantiles(times, n=100)[percent - 1]
