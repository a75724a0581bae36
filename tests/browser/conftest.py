"""A furnished node and a furnished hub behind real HTTP, and one Chromium for the whole run."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from local_node import verbs
from local_node.app import Node, create_app
from local_node.settings import load_settings, write_settings
from regional_hub import verbs as hub_verbs
from regional_hub.app import Hub
from regional_hub.door import accounts, needs_second_factor, second_factor, sessions
from regional_hub.serving import create_app as create_hub_app
from regional_hub.settings import HubSettings
from shared_schema.service.accounts.one_time_codes import code_at
from shared_schema.service.key_file import load_key, write_key
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.browser.chromium import EXECUTABLE, Look, Window, new_context, new_window, running_chromium
from tests.browser.screens import HUB, STAFF, Furnished, FurnishedHub, Screen, furnish_all, furnish_hub
from tests.browser.screens_hub_figures import BORDERS
from tests.browsing import PASSWORD
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key
from tests.local_node.browsing import give_account
from tests.local_node.conftest import LEIPZIG
from tests.regional_hub.browsing import ADMINISTRATOR
from tests.regional_hub.browsing import STAFF as HUB_STAFF
from tests.serving import serving

AddressOf = Callable[[Screen], str]
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
    port = free_port()
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
    with serving(create_app(node, lambda verb, params: verbs.run(node, verb, params)), node.settings.port) as address:
        yield address


@pytest.fixture(scope="session")
def furnished_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FurnishedHub]:
    """A hub of a region where everybody of its staff has an account, with typical data in every part."""
    port, folder = free_port(), tmp_path_factory.mktemp("hub")
    (folder / "borders.json").write_bytes(BORDERS)
    settings = HubSettings(
        name="sachsen.de",
        display_name="Sachsen",
        level="region",
        area_scheme="NUTS",
        area_version="2024",
        area_code="DED",
        public_url=f"http://127.0.0.1:{port}",
        port=port,
        time_zone="Europe/Berlin",
        work_interval_seconds=0,
        map_file="borders.json",
        alarm_webhook="https://pager.example/hub",
        alarm_email="hub-operators@sachsen.example",
        smtp_host="smtp.sachsen.example",
        smtp_sender="hub@sachsen.example",
    )
    hub = Hub(folder, settings, seeded_key("sachsen.de"), MovableClock())
    for person, role in HUB_STAFF.items():
        administrates = person == ADMINISTRATOR
        hub_verbs.run(hub, "account.add", {"id": person, "role": role, "administrates": administrates})
        hub_verbs.run(hub, "account.set", {"id": person, "password": PASSWORD})
    made = FurnishedHub(hub)
    furnish_hub(made)
    yield made
    hub.close()


@pytest.fixture(scope="session")
def served_hub(furnished_hub: FurnishedHub) -> Iterator[str]:
    """The address of the furnished hub's pages."""
    hub = furnished_hub.hub
    with serving(
        create_hub_app(hub, lambda verb, params: hub_verbs.run(hub, verb, params)), hub.settings.port
    ) as address:
        yield address


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def address_of(request: pytest.FixtureRequest) -> AddressOf:
    """Where a screen is, in the program that it belongs to."""

    def of(screen: Screen) -> str:
        program = "_hub" if screen.is_of_hub else ""
        served: str = request.getfixturevalue(f"served{program}")
        return served + screen.address(request.getfixturevalue(f"furnished{program}"))

    return of


def hub_cookies(furnished: FurnishedHub, served: str, person: str) -> list[Any]:
    """A session of somebody at the hub, with the second factor that the role needs."""
    hub = furnished.hub
    with hub.database.write() as session:
        account = accounts.get_account(session, person)
        if needs_second_factor(session, account.roles) and not second_factor.standing(session, person).is_on:
            secret = second_factor.begin(session, person, hub.clock())
            second_factor.confirm(session, person, code_at(secret, hub.clock()), hub.clock())
        token = sessions.begin(session, account, "Chromium, Linux", hub.clock())
    place = served.replace("http:", "https:")
    return [{"name": SESSION_COOKIE, "value": token, "url": place, "secure": True, "httpOnly": True}]


@pytest.fixture(scope="session")
def cookies(request: pytest.FixtureRequest) -> Callable[[str | None], list[Any]]:
    """The session of somebody, for a browser; everybody signs in once a run."""
    known: dict[str | None, list[Any]] = {None: []}

    def of(person: str | None) -> list[Any]:
        if person is not None and person not in known and person.startswith(HUB):
            hub, address = request.getfixturevalue("furnished_hub"), request.getfixturevalue("served_hub")
            known[person] = hub_cookies(hub, address, person.removeprefix(HUB))
        elif person not in known and person is not None:
            furnished, served = request.getfixturevalue("furnished"), request.getfixturevalue("served")
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
