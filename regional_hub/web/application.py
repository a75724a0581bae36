"""The hub's pages, beside the addresses of the contract that members and readers of the log use.

What is in the app before stays as it is: the contract has signatures of its own, and a gate in front of each
submission would cost a thread. Whatever comes after stands behind the gate, also what forgets to name its right.
"""

from types import ModuleType
from typing import Final

from fastapi import Depends, FastAPI

from regional_hub.web import (
    analyst_api,
    console_alarms,
    console_audit,
    console_enrolments,
    console_flow,
    console_members,
    console_policy,
    console_quarantine,
    console_sealed,
    evidence_pages,
    interface,
    methods_pages,
    people_pages,
    script_api,
    start,
    view_pages,
    watch_pages,
    workbench,
)
from regional_hub.web.site import API_PREFIX, PROGRAM, Site
from shared_schema.service.pages import (
    account,
    account_factor,
    account_tokens,
    failures,
    sign_in,
    sign_in_code,
    welcome,
)
from shared_schema.service.pages.site import static_files

GROUPS: Final[tuple[ModuleType, ...]] = (
    sign_in,
    sign_in_code,
    welcome,
    account,
    account_factor,
    account_tokens,
    people_pages,
    start,
    console_members,
    console_enrolments,
    console_quarantine,
    console_policy,
    console_flow,
    console_sealed,
    console_alarms,
    console_audit,
    workbench,
    watch_pages,
    view_pages,
    evidence_pages,
    methods_pages,
    script_api,
    analyst_api,
    interface,
)
"""Every group of screens; each one says in its `install` which right a route needs."""
MAIL_OFF: Final = "/mail/off/"
"""A mail program's button ends e-mails from outside (RFC 8058): by the secret in the address, and no cookie."""
NO_COOKIES: Final = (API_PREFIX, "/add-checkpoint", "/checkpoint", "/health", "/receipt/", "/tile/", MAIL_OFF)
"""Addresses of programs: with a signature, a token or a secret or none, but no cookie counts for anything there."""


def add_pages(app: FastAPI, site: Site) -> None:
    """Add gate, pages and static files to an application that has the contract's addresses."""
    site.app = app
    failures.install(app, site)
    app.router.dependencies.append(Depends(site.gate))
    app.mount("/static", static_files(PROGRAM), name="static")
    for group in GROUPS:
        group.install(site)
