"""Addresses that nobody would type: an answer of ours, and never a failure of the server."""

import pytest

from local_node.app import Node
from local_node.web.inbox import LAST_PAGE
from tests.local_node.browsing import Browser


def status_of(node: Node, address: str) -> int:
    return Browser(node).sign_in("anna").get(address).status_code


@pytest.mark.parametrize("page", [0, -1, LAST_PAGE + 1, 10**19, 10**40])
def test_a_page_beyond_all_pages_is_not_found(node: Node, page: int) -> None:
    assert status_of(node, f"/inbox?page={page}") == 404


def test_the_last_page_is_one(node: Node) -> None:
    assert status_of(node, f"/inbox?page={LAST_PAGE}") == 200
