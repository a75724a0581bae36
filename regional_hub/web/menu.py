"""The hub's menu: every group of screens, with the right that shows it."""

from typing import Final

from regional_hub.web.access import Right
from shared_schema.service.pages.menu import Menu, MenuLine
from shared_schema.service.translations import N_

MENU: Final[Menu] = (
    (
        N_("Federation"),
        (
            MenuLine("/members", N_("Members"), Right.SEE_CONSOLE),
            MenuLine("/enrolments", N_("Admit members"), Right.SEE_CONSOLE),
            MenuLine("/quarantine", N_("Quarantine"), Right.SEE_CONSOLE),
            MenuLine("/policy", N_("Policy"), Right.SEE_CONSOLE),
            MenuLine("/withdrawals", N_("Withdrawals"), Right.SEE_CONSOLE),
            MenuLine("/questions", N_("Relayed questions"), Right.SEE_CONSOLE),
            MenuLine("/sums", N_("Sums"), Right.SEE_CONSOLE),
            MenuLine("/sealed", N_("Sealed totals"), Right.SEE_CONSOLE),
            MenuLine("/witnesses", N_("Witnesses"), Right.SEE_CONSOLE),
            MenuLine("/alarms", N_("Being told of alarms"), Right.SEE_CONSOLE),
            MenuLine("/audit", N_("Audit trail"), Right.SEE_AUDIT),
        ),
    ),
    (
        N_("Figures"),
        (
            MenuLine("/figures", N_("Ask for figures"), Right.SEE_FIGURES),
            MenuLine("/watch", N_("Trend watch"), Right.SEE_FIGURES),
            MenuLine("/views", N_("My views"), Right.SAVE_VIEWS),
            MenuLine("/evidence", N_("What works"), Right.SEE_FIGURES),
            MenuLine("/methods", N_("Methods"), Right.OUTSIDE),
            MenuLine("/figures/use", N_("In Excel, R, Python"), Right.SEE_FIGURES),
            MenuLine("/interface", N_("Interface"), Right.OUTSIDE),
        ),
    ),
    (
        N_("This hub"),
        (
            MenuLine("/", N_("Start"), Right.SEE_START),
            MenuLine("/accounts", N_("Accounts"), Right.MANAGE_ACCOUNTS),
        ),
    ),
)
