"""Every address of the interface is described, and whatever is asked at random gets an answer that is described.

See `tests.asking` for what is held to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from fastapi.routing import APIRoute

from regional_hub.web.interface import OPERATIONS, TITLE
from shared_schema import SOFTWARE_VERSION
from shared_schema.service.interface import Operation, describe
from shared_schema.service.signed_reads import sign_request
from tests.asking import ask_at_random
from tests.postgres import free_port
from tests.regional_hub.running import City, EventLoop, Network, RunningHub
from tests.regional_hub.test_figures import NAMES, release
from tests.regional_hub.test_matrix import routes_of
from tests.regional_hub.test_workbench import token_of
from tests.serving import serving
from tests.shared_schema import builders


def for_programs(route: str) -> bool:
    path = route.split(" ")[1]
    return path.startswith(("/v1/", "/tile", "/receipt", "/checkpoint", "/health", "/add-checkpoint"))


def test_the_description_has_every_address_for_programs_and_no_other(region: RunningHub) -> None:
    described = {operation.route for operation in OPERATIONS}
    there = {route.replace(":path}", "}") for route in routes_of(region) if for_programs(route)}
    assert described == there


@dataclass(frozen=True)
class Asked:
    """A hub, and those who may ask it something."""

    url: str
    city: City
    figures_token: Mapping[str, str]
    console_token: Mapping[str, str]

    def headers(self, operation: Operation, case: Any) -> Mapping[str, str]:
        """What lets the question in, so that more than the door is asked."""
        if operation.access == "token":
            return self.console_token if operation.path == "/v1/status" else self.figures_token
        if operation.access == "signature" and operation.method == "GET":
            prepared = requests.Request(**case.as_transport_kwargs(base_url=self.url)).prepare()
            return sign_request("GET", str(prepared.url), self.city.key, self.city.hub.clock())
        return {}


@pytest.fixture(scope="module")
def asked(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A hub with figures behind real HTTP."""
    port = free_port()
    with RunningHub.start(Network(loop), loop, tmp_path_factory.mktemp("asked") / "hub", port=port) as hub:
        cities = [hub.enrol(name) for name in NAMES]
        release(hub, cities, builders.MONTH, 50, 70, 90)
        tokens = token_of(hub, "olga", "figures:read"), token_of(hub, "olga", "console:read")
        with serving(hub.app, port) as url:
            yield Asked(url, cities[0], *tokens)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.route)
@pytest.mark.parametrize("examples", [6, pytest.param(300, marks=pytest.mark.long)], ids=["few", "many"])
def test_whatever_is_asked_the_answer_is_one_that_is_described(
    asked: Asked, operation: Operation, examples: int
) -> None:
    described = describe(TITLE, SOFTWARE_VERSION, OPERATIONS)
    ask_at_random(described, operation, asked.url, lambda case: asked.headers(operation, case), examples)


def test_an_address_that_is_not_described_would_be_seen(region: RunningHub) -> None:
    region.app.add_api_route("/v1/forgotten", lambda: None)
    assert "GET /v1/forgotten" in routes_of(region) - {operation.route for operation in OPERATIONS}
    assert any(isinstance(route, APIRoute) for route in region.app.routes)
