"""Every screen of the node: who opens it, and what has to be there first. A part has a module `screens_<part>`."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Final

import tests.browser
from local_node.app import Node
from tests.hub_simulator import HubSimulator

PREFIX: Final = "screens_"
STAFF: Final = {"anna": "coordinator", "ben": "reviewer", "paul": "partner", "rita": "reader", "olga": "administrator"}
"""Who works with the furnished node; everybody has an account with the password of `browsing`."""


@dataclass
class Furnished:
    """A node with something in every part, and what a screen's address needs to know of it."""

    node: Node
    hub: HubSimulator
    known: dict[str, str] = field(default_factory=dict)
    """Names for things that were made, for addresses such as `/inbox/{practice}`."""


@dataclass(frozen=True)
class Screen:
    """One screen. `path` may name what `furnish` has put into `known`; `shot` names its picture in the guide."""

    path: str
    as_: str | None = "anna"
    shot: str = ""
    status: int = 200

    @property
    def id(self) -> str:
        """How the test is called."""
        return f"{self.path.strip('/').replace('/', '_') or 'today'}-{self.as_ or 'nobody'}"

    def address(self, furnished: Furnished) -> str:
        """The path with everything in it."""
        return self.path.format(**furnished.known)


def parts() -> list[ModuleType]:
    """The modules of the parts, by name."""
    names = sorted(each.name for each in pkgutil.iter_modules(tests.browser.__path__) if each.name.startswith(PREFIX))
    return [importlib.import_module(f"tests.browser.{name}") for name in names]


def all_screens() -> list[Screen]:
    """The screens of all parts."""
    return [screen for part in parts() for screen in part.SCREENS]


def furnish_all(furnished: Furnished) -> None:
    """Let every part put its typical data into the node."""
    for part in parts():
        furnish: Callable[[Furnished], None] = part.furnish
        furnish(furnished)
