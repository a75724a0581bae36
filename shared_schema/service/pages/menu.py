"""The menu: every group of screens, with the right that shows it. What has no screen in this program is left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared_schema.service.pages.access import Visitor


@dataclass(frozen=True, slots=True)
class MenuLine:
    """One screen in the menu."""

    path: str
    name: str
    right: str


Menu = tuple[tuple[str, tuple[MenuLine, ...]], ...]
"""Heading → lines; both are messages that are translated where they are shown."""


def menu_for(
    menu: Menu, visitor: Visitor | None, known: Mapping[tuple[str, str], str]
) -> Iterator[tuple[str, list[MenuLine]]]:
    """Heading → the lines that this visitor may open; a group without any is left out."""
    if visitor is None:
        return
    for heading, lines in menu:
        allowed = [line for line in lines if visitor.may(line.right) and ("GET", line.path) in known]
        if allowed:
            yield heading, allowed
