"""In front of every page: somebody who is signed in, with a role that may, from this site, and nothing that writes."""

import sqlite3

import pytest
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import Mount

from local_node.app import Node
from local_node.web.access import ALLOWED, Right
from tests.local_node.browsing import Browser

FORM = {"language": "de"}


@pytest.mark.parametrize("path", ["/", "/inbox", "/inbox/00", "/trends"])
def test_without_an_account_every_page_leads_to_the_door(node: Node, path: str) -> None:
    response = Browser(node).get(path)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/sign-in")
    program = Browser(node).get(path, headers={"Accept": "application/json"})
    assert (program.status_code, program.json()["code"]) == (401, "not-signed-in")


def test_a_route_that_names_no_right_is_refused_to_everybody(node: Node) -> None:
    browser = Browser(node).sign_in("anna", administrates=True)
    browser.app.add_api_route("/forgotten", lambda: PlainTextResponse("secret"))
    assert browser.get("/forgotten").status_code == 403
    assert "secret" not in browser.get("/forgotten").text
    assert Browser(node, app=browser.app).get("/forgotten").status_code == 303


def test_every_route_of_the_application_names_its_right(node: Node) -> None:
    browser = Browser(node)
    mounts = [route for route in browser.app.routes if isinstance(route, Mount)]
    assert [mount.path for mount in mounts] == ["/static"]
    others = [route for route in browser.app.routes if not isinstance(route, Mount)]
    assert all(isinstance(route, APIRoute) and route.dependencies for route in others)


def test_every_right_is_in_the_table(node: Node) -> None:
    assert set(ALLOWED) == set(Right)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8600"},
    ],
)
def test_a_form_of_another_site_is_refused(node: Node, headers: dict[str, str]) -> None:
    response = Browser(node).sign_in("anna").post("/language", FORM, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "cross-site")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8600", 303),
        ("http://localhost:8600", 303),
        ("https://evil.example", 403),
        ("http://127.0.0.1:8601", 403),
        ("null", 403),
        ("", 403),
        (None, 403),
    ],
)
def test_an_older_browser_is_judged_by_its_origin(node: Node, origin: str | None, status: int) -> None:
    browser = Browser(node)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({} if origin is None else {"Origin": origin})
    response = browser._ask("POST", "/language", headers, content=b"language=de")
    assert response.status_code == status


def test_reading_pages_writes_nothing(node: Node) -> None:
    browser = Browser(node).sign_in("anna")
    with sqlite3.connect(node.data_dir / "node.db") as watcher:
        before = watcher.execute("PRAGMA data_version").fetchone()
        for path in ("/", "/inbox", "/trends", "/sign-in", "/health", "/nothing"):
            browser.get(path)
        assert watcher.execute("PRAGMA data_version").fetchone() == before
        browser.post("/language", FORM)
        assert watcher.execute("PRAGMA data_version").fetchone() != before, "the watcher does see what is written"
    watcher.close()


@pytest.mark.parametrize("path", ["/", "/sign-in", "/inbox", "/nothing"])
def test_every_reply_says_what_a_browser_may_do(node: Node, path: str) -> None:
    headers = Browser(node).sign_in("anna").get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"language=de", 415),
        ("multipart/form-data", b"no boundary", 422),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 422),
        ("application/x-www-form-urlencoded", b"language=%ff%fe", 422),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(6_000)), 422),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * (6 * 1024 * 1024), 413),
    ],
)
def test_what_is_no_form_is_refused(node: Node, content_type: str, body: bytes, status: int) -> None:
    browser = Browser(node)
    headers = {"Content-Type": content_type, "Sec-Fetch-Site": "same-origin"}
    assert browser._ask("POST", "/language", headers, content=body).status_code == status


def test_a_form_that_is_sent_after_the_session_has_ended_can_be_sent_again(node: Node) -> None:
    """A redirection would lose what somebody has typed; this page stays, and reloading it sends the form once more."""
    browser = Browser(node).sign_in("anna")
    cookies = dict(browser.cookies)
    browser.cookies.clear()
    form = {"kind": "question", "title": "Half an hour of work", "form_key": "a-form-of-an-hour-ago", "version": "0"}
    answer = browser.post("/lessons", form)
    assert answer.status_code == 401 and "reload it" in answer.text and 'href="/sign-in" target="_blank"' in answer.text
    browser.cookies = cookies
    assert browser.post("/lessons", form).status_code == 303
    assert "Half an hour of work" in browser.page("/lessons")
