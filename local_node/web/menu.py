"""The node's menu: every group of screens, with the right that shows it."""

from typing import Final

from local_node.web.access import Right
from shared_schema.service.pages.menu import Menu, MenuLine
from shared_schema.service.translations import N_

MENU: Final[Menu] = (
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
            MenuLine("/sealed", N_("Sealed totals"), Right.DECIDE_RELEASE),
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
