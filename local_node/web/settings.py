"""Settings that the administrator may change while the node runs, and those that need the console."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Request
from fastapi.responses import Response

from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.site import Site, visitor_of
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, choice_of, is_sent, number_of, text_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_

PROTECTION: Final = {
    "noise": N_("A small random amount is added to every figure (recommended)"),
    "threshold": N_("Small figures are left out, nothing finer than a quarter leaves"),
}
PROFILES: Final = {
    "default": N_("As much as the hub's rules allow"),
    "strict": N_("Half of it: less exact figures, more protection"),
}
CONSOLE_NAMES: Final = {
    "name": N_("The node's name"),
    "area_code": N_("Municipality code"),
    "area_version": N_("Year of the code list"),
    "city_size": N_("Size"),
    "urbanisation": N_("Kind of place"),
    "host": N_("Address to listen on"),
    "port": N_("Port"),
    "public_url": N_("Public address"),
    "sync_interval_seconds": N_("Seconds between syncs"),
    "allow_private_hubs": N_("Hubs inside the own network"),
    "freshness_hours": N_("Hours after which a hub's news count as old"),
    "witnesses": N_("Witnesses"),
    "witnesses_needed": N_("Witnesses needed"),
    "witnesses_strict": N_("Read nothing with too few witnesses"),
    "cosign_heads": N_("This node is a witness"),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = SettingsPages(site)
    site.notices |= {
        "settings-saved": N_("Saved. It counts from now on, and stands in the audit log."),
        "settings-same": N_("Nothing was changed."),
    }
    site.get("/settings", pages.show, Right.MANAGE_SETTINGS)
    site.post("/settings", pages.save, Right.MANAGE_SETTINGS)


class SettingsPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """All settings as they count now."""
        return self._page(request)

    def save(self, request: Request, form: Form) -> Response:
        """Change what was changed in the form; the form again, as it was typed, when that cannot be."""
        try:
            fixed = self._site.run("settings.show", {})["fixed"]
            changes = {name: read(form) for name, read in READERS.items() if name not in fixed}
            result = self._site.run(
                "settings.change",
                {"changes": changes, "seen": form.get("revision"), "by": visitor_of(request).person_id},
            )
        except (ProgramError, VerbError, ContractError) as error:
            typed = {name: str(value) for name, value in form.items()}
            return self._page(request, typed=typed | {"outside_open": is_sent(form, "outside_open")}, error=error)
        values = result["changeable"]
        self._site.renew_city(
            replace(self._site.city, display_name=str(values["display_name"]), zone=ZoneInfo(str(values["time_zone"])))
        )
        return self._site.go("/settings", done="settings-saved" if result["changed"] else "settings-same")

    def _page(
        self,
        request: Request,
        *,
        typed: dict[str, Any] | None = None,
        error: ProgramError | VerbError | ContractError | None = None,
    ) -> Response:
        shown = self._site.run("settings.show", {})
        words = request.state.words
        return self._site.page(
            request,
            "settings.html",
            status=200 if error is None else status_of(error),
            values=shown["changeable"] | (typed or {}),
            console=[(CONSOLE_NAMES[name], value) for name, value in shown["console"].items()],
            fixed=shown["fixed"],
            revision=shown["revision"],
            zones={zone: zone for zone in _zones()},
            protection={code: words.gettext(name) for code, name in PROTECTION.items()},
            profiles={code: words.gettext(name) for code, name in PROFILES.items()},
            error=None if error is None else describe(error),
        )


@cache
def _zones() -> tuple[str, ...]:
    """The names of the IANA time zone database, which is read from many files."""
    return tuple(sorted(available_timezones()))


def _months(form: Form) -> int | None:
    return number_of(form, "retention_months", least=1, most=1_200) if form.get("retention_months") else None


READERS: Final[dict[str, Callable[[Form], Any]]] = {
    "display_name": lambda form: text_of(form, "display_name", least=1, most=80),
    "time_zone": lambda form: choice_of(form, "time_zone", _zones()),
    "agencies_expected": lambda form: number_of(form, "agencies_expected", least=1, most=500),
    "protection": lambda form: choice_of(form, "protection", PROTECTION),
    "threshold": lambda form: number_of(form, "threshold", least=5, most=1_000),
    "privacy_profile": lambda form: choice_of(form, "privacy_profile", PROFILES),
    "retention_months": _months,
    "outside_open": lambda form: is_sent(form, "outside_open"),
}
"""Setting → how the form says it."""
