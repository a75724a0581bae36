"""Addresses that nobody would type: an answer of ours, and never a failure of the server."""

import anyio
import httpx
import pytest

from local_node.app import Node, create_app
from local_node.web.pages import LAST_PAGE


def status_of(node: Node, address: str) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(create_app(node, lambda _verb, _params: {}), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8600") as client:
            return (await client.get(address, headers={"Accept": "text/html"})).status_code

    return anyio.run(ask)


@pytest.mark.parametrize("page", [0, -1, LAST_PAGE + 1, 10**19, 10**40])
def test_a_page_beyond_all_pages_is_not_found(node: Node, page: int) -> None:
    assert status_of(node, f"/inbox?page={page}") == 404


def test_the_last_page_is_one(node: Node) -> None:
    assert status_of(node, f"/inbox?page={LAST_PAGE}") == 200
