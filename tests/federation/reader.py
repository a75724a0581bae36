"""Somebody who reads the pages of a running node."""

import httpx

from deploy.demo.federation import Program
from tests.browsing import PASSWORD


def read_page(node: Program, path: str, *, person: str = "anna") -> str:
    """The text of a page, for somebody who signs in to read it. Raises AssertionError unless it is there."""
    node.ask("account.set", id=person, password=PASSWORD)
    form = {"person": person, "password": PASSWORD}
    door = httpx.post(f"{node.url}/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    cookie = "; ".join(f"{each.name}={each.value}" for each in door.cookies.jar)
    answer = httpx.get(f"{node.url}{path}", headers={"Cookie": cookie, "Accept": "text/html"}, follow_redirects=False)
    while answer.status_code == 303:
        onwards = f"{node.url}{answer.headers['location']}"
        answer = httpx.get(onwards, headers={"Cookie": cookie, "Accept": "text/html"})
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.text
