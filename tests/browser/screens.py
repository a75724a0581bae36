"""Every screen of both programs: who opens it, and what has to be there first.

A part of the node has a module `screens_<part>`, a part of the hub a module `screens_hub_<part>`.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Final

import tests.browser
from local_node.app import Node
from regional_hub.app import Hub
from tests.hub_simulator import HubSimulator

PREFIX: Final = "screens_"
HUB_PREFIX: Final = "screens_hub_"
HUB: Final = "hub:"
"""Before the name of somebody who works with the hub, where both programs' people are told apart."""
STAFF: Final = {"anna": "coordinator", "ben": "reviewer", "paul": "partner", "rita": "reader", "olga": "administrator"}
"""Who works with the furnished node; everybody has an account with the password of `browsing`."""


@dataclass
class Furnished:
    """A node with something in every part, and what a screen's address needs to know of it."""

    node: Node
    hub: HubSimulator
    known: dict[str, str] = field(default_factory=dict)
    """Names for things that were made, for addresses such as `/inbox/{practice}`."""


@dataclass
class FurnishedHub:
    """A hub with something in every part."""

    hub: Hub
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """One screen. `path` may name what `furnish` has put into `known`; `shot` names its picture in the guide."""

    path: str
    as_: str | None = "anna"
    shot: str = ""
    status: int = 200
    is_of_hub: bool = False

    @property
    def id(self) -> str:
        """How the test is called."""
        program, first = ("hub_", "start") if self.is_of_hub else ("", "today")
        return f"{program}{self.path.strip('/').replace('/', '_') or first}-{self.as_ or 'nobody'}"

    @property
    def who(self) -> str | None:
        """Whose window it is opened in."""
        return f"{HUB}{self.as_}" if self.is_of_hub and self.as_ else self.as_

    def address(self, furnished: Furnished | FurnishedHub) -> str:
        """The path with everything in it."""
        return self.path.format(**furnished.known)


def HubScreen(path: str, as_: str | None = "olga", shot: str = "", status: int = 200) -> Screen:
    """One screen of the hub."""
    return Screen(path, as_, shot, status, is_of_hub=True)


def _modules() -> list[str]:
    return sorted(each.name for each in pkgutil.iter_modules(tests.browser.__path__) if each.name.startswith(PREFIX))


def parts() -> list[ModuleType]:
    """The modules of the node's parts, by name."""
    return [importlib.import_module(f"tests.browser.{name}") for name in _modules() if not name.startswith(HUB_PREFIX)]


def hub_parts() -> list[ModuleType]:
    """The modules of the hub's parts, by name."""
    return [importlib.import_module(f"tests.browser.{name}") for name in _modules() if name.startswith(HUB_PREFIX)]


def all_screens() -> list[Screen]:
    """The screens of all parts of the node."""
    return [screen for part in parts() for screen in part.SCREENS]


def hub_screens() -> list[Screen]:
    """The screens of all parts of the hub."""
    return [screen for part in hub_parts() for screen in part.SCREENS]


def furnish_all(furnished: Furnished) -> None:
    """Let every part put its typical data into the node."""
    for part in parts():
        furnish: Callable[[Furnished], None] = part.furnish
        furnish(furnished)


def furnish_hub(furnished: FurnishedHub) -> None:
    """Let every part put its typical data into the hub."""
    for part in hub_parts():
        furnish: Callable[[FurnishedHub], None] = part.furnish
        furnish(furnished)
