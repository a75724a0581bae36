"""A furnished node behind real HTTP, and one Chromium for the whole run."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser

from local_node import verbs
from local_node.app import Node, create_app
from local_node.settings import load_settings, write_settings
from shared_schema.service.key_file import load_key, write_key
from tests.browser.chromium import EXECUTABLE, Look, Window, new_context, new_window, running_chromium
from tests.browser.screens import STAFF, Furnished, furnish_all
from tests.browsing import PASSWORD
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import give_account
from tests.local_node.conftest import LEIPZIG

Open = Callable[..., Window]
"""`(person, look, another=False)`: a window of somebody with a look; `another` one beside the first."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; skips, saying so, where it is not installed.

    For one module only: while it runs, its event loop is this thread's, and no other test could have one.
    """
    if not EXECUTABLE.exists():
        pytest.skip(f"expected Chromium at {EXECUTABLE}: apt-get install chromium")
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """A node that is a member of a hub and has typical data in every part."""
    data_dir = tmp_path_factory.mktemp("furnished")
    clock = MovableClock()
    hub = HubSimulator("sachsen.de", clock=clock)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    write_settings(
        data_dir,
        {
            "name": LEIPZIG,
            "display_name": "Leipzig",
            "area_code": "14713000",
            "port": port,
            "sync_interval_seconds": 0,
            "time_zone": "Europe/Berlin",
        },
    )
    write_key(data_dir, seeded_key(LEIPZIG))
    node = Node(data_dir, load_settings(data_dir), load_key(data_dir), clock, hub)
    for person, role in STAFF.items():
        verbs.run(node, "people.add", {"id": person, "role": role})
    made = Furnished(node, hub)
    furnish_all(made)
    yield made
    node.close()


@pytest.fixture(scope="session")
def served(furnished: Furnished) -> Iterator[str]:
    """The address of the furnished node's pages."""
    node = furnished.node
    app = create_app(node, lambda verb, params: verbs.run(node, verb, params))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=node.settings.port, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:  # uvicorn has no other way to say so
        thread.join(0.01)
    yield f"http://127.0.0.1:{node.settings.port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def cookies(furnished: Furnished, served: str) -> Callable[[str | None], list[Any]]:
    """The session of somebody, for a browser; everybody signs in once a run."""
    known: dict[str | None, list[Any]] = {None: []}

    def of(person: str | None) -> list[Any]:
        if person not in known and person is not None:
            give_account(furnished.node, person)
            form = {"person": person, "password": PASSWORD}
            answer = httpx.post(f"{served}/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
            place = served.replace("http:", "https:")  # Chromium takes a `__Host-` cookie for nothing else
            known[person] = [
                {"name": cookie.name, "value": cookie.value, "url": place, "secure": True, "httpOnly": True}
                for cookie in answer.cookies.jar
            ]
            assert known[person], answer.text
        return known[person]

    return of


@pytest.fixture(scope="module")
def contexts(chromium: Browser, cookies: Callable[[str | None], list[Any]]) -> Iterator[Callable[..., Any]]:
    """A context for each person and look, kept for the run: making one costs more than a page."""
    made: dict[tuple[str | None, Look], Any] = {}

    def of(person: str | None, look: Look) -> Any:
        if (person, look) not in made:
            made[person, look] = new_context(chromium, look, cookies(person))
        return made[person, look]

    yield of
    for context in made.values():
        context.close()


@pytest.fixture(scope="module")
def windows(contexts: Callable[..., Any]) -> dict[tuple[str | None, Look], Window]:
    """One window for each person and look: opening one takes longer than many a page."""
    return {}


@pytest.fixture
def open_window(contexts: Callable[..., Any], windows: dict[tuple[str | None, Look], Window]) -> Open:
    """The window of somebody with a look, with nothing in its console yet."""

    def open_(person: str | None, look: Look, *, another: bool = False) -> Window:
        window = windows.get((person, look))
        if window is None or another or window.page.is_closed():
            window = windows[person, look] = new_window(contexts(person, look))
        window.complaints.clear()
        return window

    return open_


@pytest.fixture(scope="session")
def shots(request: pytest.FixtureRequest) -> Path | None:
    """Where pictures go: docs/screens with --shots; without it none are drawn."""
    if not request.config.getoption("--shots"):
        return None
    folder = Path(__file__).parents[2] / "docs" / "screens"
    folder.mkdir(exist_ok=True)
    return folder
