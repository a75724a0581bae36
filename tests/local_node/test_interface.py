"""Every address for scripts is described, and whatever is asked at random gets an answer that is described."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from local_node import verbs
from local_node.app import Node, create_app
from local_node.web.interface import OPERATIONS, TITLE
from shared_schema import SOFTWARE_VERSION
from shared_schema.service.interface import Operation, describe
from tests.asking import ask_at_random
from tests.local_node.test_api import Script, script
from tests.serving import serving


def for_scripts(node: Node) -> set[str]:
    app = application(node)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    found = {f"{method} {route.path}" for route in routes for method in route.methods or ()}
    return {route for route in found if route.split(" ")[1].startswith(("/api/", "/health"))}


def application(node: Node) -> FastAPI:
    return create_app(node, lambda verb, params: verbs.run(node, verb, params))


def test_the_description_has_every_address_for_scripts_and_no_other(member: Node) -> None:
    assert {operation.route for operation in OPERATIONS} == for_scripts(member)


@pytest.fixture
def asked(member: Node, free_port: int) -> Iterator[tuple[str, Script]]:
    """The node behind real HTTP, and a script of its coordinator."""
    with serving(application(member), free_port) as url:
        yield url, script(member)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.route)
@pytest.mark.parametrize("examples", [8, pytest.param(300, marks=pytest.mark.long)], ids=["few", "many"])
def test_whatever_is_asked_the_answer_is_one_that_is_described(
    asked: tuple[str, Script], operation: Operation, examples: int
) -> None:
    url, program = asked
    host = f"127.0.0.1:{program.node.settings.port}"  # under which the node is known
    headers = {"Authorization": f"Bearer {program.token}", "Host": host}
    ask_at_random(describe(TITLE, SOFTWARE_VERSION, OPERATIONS), operation, url, lambda _case: headers, examples)
