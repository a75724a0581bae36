"""The menu: every group of screens, with the right that shows it. What has no screen in this program is left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from local_node.web.access import Right, Visitor
from shared_schema.service.translations import N_


@dataclass(frozen=True, slots=True)
class MenuLine:
    """One screen in the menu."""

    path: str
    name: str
    right: Right


MENU: Final[tuple[tuple[str, tuple[MenuLine, ...]], ...]] = (
    (
        N_("Our work"),
        (
            MenuLine("/", N_("Today"), Right.SEE_TODAY),
            MenuLine("/returns", N_("Returns"), Right.SEE_RETURNS),
            MenuLine("/calendar", N_("Calendar"), Right.SEE_CALENDAR),
            MenuLine("/picture", N_("Picture"), Right.SEE_PICTURE),
            MenuLine("/report", N_("Report"), Right.SEE_OWN_FIGURES),
        ),
    ),
    (
        N_("Exchange"),
        (
            MenuLine("/inbox", N_("Inbox"), Right.READ_INBOX),
            MenuLine("/questions", N_("Questions"), Right.READ_INBOX),
            MenuLine("/lessons", N_("Lessons"), Right.SEE_LESSONS),
            MenuLine("/releases", N_("Figures to share"), Right.DECIDE_RELEASE),
            MenuLine("/reviews", N_("Review"), Right.DECIDE_RELEASE),
            MenuLine("/outbox", N_("Outbox"), Right.SEE_OUTBOX),
        ),
    ),
    (
        N_("This node"),
        (
            MenuLine("/agencies", N_("Agencies"), Right.SEE_AGENCIES),
            MenuLine("/accounts", N_("Accounts"), Right.MANAGE_ACCOUNTS),
            MenuLine("/oversight", N_("Data protection"), Right.SEE_OVERSIGHT),
            MenuLine("/hubs", N_("Hubs"), Right.SYNC_NOW),
            MenuLine("/settings", N_("Settings"), Right.MANAGE_SETTINGS),
        ),
    ),
)


def menu_for(visitor: Visitor | None, known: Mapping[tuple[str, str], Right]) -> Iterator[tuple[str, list[MenuLine]]]:
    """Heading → the lines that this visitor may open; a group without any is left out."""
    if visitor is None:
        return
    for heading, lines in MENU:
        allowed = [line for line in lines if visitor.may(line.right) and ("GET", line.path) in known]
        if allowed:
            yield heading, allowed
