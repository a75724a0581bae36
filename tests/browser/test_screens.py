"""Every screen in Chromium: no violation that axe-core knows, by keyboard alone, at 320 pixels, dark, in German."""

from itertools import product
from pathlib import Path

import pytest

from tests.browser.chromium import NARROW, WIDE, Look, Window
from tests.browser.conftest import AddressOf, Open
from tests.browser.screens import Furnished, Screen, all_screens, hub_screens
from tests.browsing import PASSWORD
from tests.local_node.browsing import give_account

pytestmark = pytest.mark.browser

EVERY = [*all_screens(), *hub_screens()]
MAIN = [screen for screen in EVERY if screen.shot]
SCREENS = [pytest.param(screen, id=screen.id) for screen in EVERY]
MAIN_SCREENS = [pytest.param(each, id=each.id, marks=() if each.shot else pytest.mark.long) for each in EVERY]
"""Those with a picture always; the others in the long run."""
SOME_SCREENS = [pytest.param(each, id=each.id, marks=() if each in MAIN[::3] else pytest.mark.long) for each in EVERY]
"""Every third of them always; the others in the long run."""
ALL_LOOKS = [
    Look(scheme, language, width)
    for scheme, language, width in product(("light", "dark"), ("en", "de"), (NARROW, WIDE))
]
FOCUSABLE = (
    "a[href], button, input:not([type=hidden], [type=radio]:not(:checked)), select, textarea, summary, [tabindex='0']"
)
MOST_TABS = 30
"""The menu and the beginning of the page; the run in every look goes on to the end."""
WHERE_IT_IS = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), look = getComputedStyle(at);
  const label = at.closest('label');
  return {
    tag: at.tagName, size: box.width * box.height,
    outlined: (look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0),
    order: Array.from(document.querySelectorAll('*')).indexOf(at),
  };
}"""


def check(window: Window, address: str) -> None:
    """Everything that holds for every screen in every look."""
    assert window.violations() == []
    assert window.overflow() <= 0, f"{address} is {window.overflow()} pixels too wide"
    assert window.complaints == []


@pytest.mark.parametrize("screen", MAIN_SCREENS)
def test_a_screen_is_good_for_everybody(
    screen: Screen, address_of: AddressOf, open_window: Open, shots: Path | None
) -> None:
    address = address_of(screen)
    for look in (Look("dark", "de", NARROW), *((Look(),) if shots is not None else ())):  # all looks: the long run
        window = open_window(screen.who, look)
        window.open(address)
        check(window, address)
        if screen.shot and shots is not None:
            window.page.screenshot(path=shots / f"{screen.shot}-{look.name}.png", full_page=True)


@pytest.mark.parametrize("screen", SOME_SCREENS)
def test_a_screen_can_be_used_by_keyboard_alone(screen: Screen, address_of: AddressOf, open_window: Open) -> None:
    window = open_window(screen.who, Look())
    window.open(address_of(screen))
    radios = window.page.locator("input[type=radio]").filter(visible=True)
    names = radios.evaluate_all("all => all.map(each => each.name)")  # a group of them is one stop
    reachable = window.page.locator(FOCUSABLE).filter(visible=True).count() - len(names) + len(set(names))
    places = []
    for _ in range(min(reachable, MOST_TABS)):
        window.page.keyboard.press("Tab")
        places.append(window.page.evaluate(WHERE_IT_IS))
    assert all(place["tag"] != "BODY" for place in places[:-1]), "the focus is lost"
    assert all(place["outlined"] for place in places if place["size"]), "the focus cannot be seen"
    orders = [place["order"] for place in places]
    assert orders == sorted(orders), "the focus jumps"


@pytest.mark.parametrize("screen", SOME_SCREENS)
def test_a_screen_works_without_scripts(screen: Screen, address_of: AddressOf, open_window: Open) -> None:
    window = open_window(screen.who, Look(width=NARROW, scripts=False))
    window.open(address_of(screen))
    page = window.page
    assert page.locator("main h1").is_visible()
    assert window.overflow() <= 0
    for form in page.locator("main form").filter(visible=True).all():
        assert form.locator("button:not([type=button]), input[type=submit]").count(), form.inner_html()[:200]


@pytest.mark.long
@pytest.mark.parametrize("look", [pytest.param(look, id=look.name) for look in ALL_LOOKS])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_good_in_every_look(screen: Screen, look: Look, address_of: AddressOf, open_window: Open) -> None:
    window = open_window(screen.who, look)
    window.open(address_of(screen))
    check(window, screen.path)


def test_a_browser_keeps_the_cookie_of_a_node_on_this_machine(
    furnished: Furnished, served: str, open_window: Open
) -> None:
    """`__Host-` asks for TLS; browsers make an exception for loopback, and the node relies on it."""
    give_account(furnished.node, "rita")
    window = open_window(None, Look())
    window.open(f"{served}/sign-in")
    window.page.fill("#person", "rita")
    window.page.fill("#password", PASSWORD)
    window.page.keyboard.press("Enter")
    window.page.wait_for_url(f"{served}/")
    assert window.page.get_by_role("button", name="Sign out").is_visible()
    assert window.complaints == []
    window.page.context.clear_cookies()
