"""The policy in words, and another one in two steps: test exactly this text, then put exactly this text in force.

The mark of a test is the SHA-256 of the text and of the policy that it was tested against. A form whose text or whose
policy is another one by now has another mark, and is tested again.
"""

import hashlib
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from regional_hub.web.access import Right
from regional_hub.web.console_sealed import OBSTACLES, PERIODS
from regional_hub.web.site import Site
from shared_schema.canonical import parse_strict
from shared_schema.errors import ContractError
from shared_schema.governance import PolicyBody
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form, FormError, text_of
from shared_schema.service.pages.sealed_words import FOR_COORDINATORS, FOR_PROTECTION_OFFICERS
from shared_schema.service.pages.statuses import Failure, describe
from shared_schema.service.translations import N_

MAX_POLICY_CHARACTERS: Final = 500_000
"""Twenty times the starter policy."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ConsolePolicy(site)
    site.get("/policy", pages.show, Right.SEE_CONSOLE)
    site.post("/policy/test", pages.test, Right.OPERATE)
    site.post("/policy", pages.put_in_force, Right.OPERATE)
    site.notices["policy-published"] = N_("The policy is in force. Everybody who reads the log knows it from here on.")


class ConsolePolicy:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The policy in force, in words, with its text to change."""
        return self._show(request)

    def test(self, request: Request, form: Form) -> Response:
        """What would follow, without changing anything."""
        text = ""
        try:
            text = text_of(form, "policy", least=2, most=MAX_POLICY_CHARACTERS, lines=True)
            tested = self._site.act(request, "policy.set", {"policy": _parse(text), "dry_run": True})
        except (FormError, VerbError, ContractError) as error:
            return self._show(request, text=text, error=error)
        return self._show(request, text=text, tested=tested | self._sealed_changes(text))

    def put_in_force(self, request: Request, form: Form) -> Response:
        """Publish the text whose test the form carries."""
        text = ""
        try:
            text = text_of(form, "policy", least=2, most=MAX_POLICY_CHARACTERS, lines=True)
            if form.get("tested") != _mark(text, self._policy()):
                raise FormError("expected the text that was tested last", "policy", code="policy-untried")
            self._site.act(request, "policy.set", {"policy": _parse(text)})
        except (FormError, VerbError, ContractError) as error:
            return self._show(request, text=text, error=error)
        return self._site.go("/policy", done="policy-published")

    def _sealed_changes(self, text: str) -> dict[str, Any]:
        """Which tables would be collected as sealed totals from then on, and which no longer; with what hinders it."""
        before = {_place(each): each for each in self._site.run("sealed.tables", {})["tables"]}
        after = self._site.run("sealed.tables", {"policy": _parse(text)})["tables"]
        kept = {_place(each) for each in after}
        return {
            "sealed": [each for each in after if _rules(each) != _rules(before.get(_place(each)))],
            "unsealed": [each for place, each in before.items() if place not in kept],
        }

    def _policy(self) -> PolicyBody:
        return PolicyBody.from_object(self._site.run("policy.show", {}))

    def _show(
        self,
        request: Request,
        *,
        text: str | None = None,
        tested: dict[str, Any] | None = None,
        error: Failure | None = None,
    ) -> Response:
        policy = self._policy()
        text = _pretty(policy) if text is None else text
        return self._site.page(
            request,
            "console_policy.html",
            status=200 if error is None else self._site.status_of(error),
            error=None if error is None else describe(error) | {"field": "policy"},
            policy=policy,
            text=text,
            tested=tested,
            mark=_mark(text, policy),
            most=MAX_POLICY_CHARACTERS,
            sealed=self._site.run("sealed.tables", {})["tables"],
            own=self._site.place.display_name,
            obstacles=OBSTACLES,
            periods=PERIODS,
            for_coordinators=FOR_COORDINATORS,
            for_officers=FOR_PROTECTION_OFFICERS,
        )


def _place(table: dict[str, Any]) -> tuple[str, int]:
    return table["table"], table["version"]


def _rules(table: dict[str, Any] | None) -> dict[str, Any]:
    """What a policy says of a sealed table, without what depends on the members of now."""
    return {name: value for name, value in (table or {}).items() if name not in ("cities", "obstacles", "is_blocked")}


def _parse(text: str) -> dict[str, Any]:
    return parse_strict(text.encode())


def _pretty(policy: PolicyBody) -> str:
    return policy.model_dump_json(indent=2, exclude_none=True, by_alias=True)


def _mark(text: str, policy: PolicyBody) -> str:
    return hashlib.sha256(f"{policy.fingerprint} {text}".encode()).hexdigest()
