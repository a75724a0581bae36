"""A browser at a node: asks the real application over an in-process transport."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from local_node import verbs
from local_node.app import Node, city_of, create_app
from local_node.door import accounts, sessions
from local_node.finding import Tallies
from local_node.orm import AccountRow
from local_node.web.inbox_news import News
from local_node.web.picture_view import Memory
from local_node.web.site import Site
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.browsing import PASSWORD, PageBrowser, password_hash

BASE = "http://127.0.0.1:8600"


def give_account(node: Node, person: str, *, administrates: bool = False) -> None:
    """An account with the password that `Browser.sign_in` types."""
    verbs.run(node, "account.set", {"id": person, "password": PASSWORD, "administrates": administrates})


_latest: list[tuple[Node, FastAPI, str]] = []
_free: dict[str, FastAPI] = {}


def app_of(node: Node) -> Any:
    """The application of a node: one for all its browsers, as in the world."""
    if not _latest or _latest[0][0] is not node:
        made_for = node.settings.model_dump_json()
        app = _free.pop(made_for, None)
        if app is None:
            app = create_app(node, lambda verb, params: verbs.run(node, verb, params))
        else:
            _move(app, node)
        _latest[:] = [(node, app, made_for)]
    return _latest[0][1]


def give_back(node: Node) -> None:
    """The node of a test is closed: the next one with the same settings gets its application, routes and all.

    To make one takes as long as ten pages. One to which a test has added a route is not given on.
    """
    if _latest and _latest[0][0] is node:
        _, app, made_for = _latest.pop()
        if len(_site_of(app).rights) == len([route for route in app.routes if isinstance(route, APIRoute)]):
            _free[made_for] = app


def _move(app: FastAPI, node: Node) -> None:
    """Show another node; what the pages of the former one have remembered is forgotten."""
    site = _site_of(app)
    site.database, site.clock = node.database, node.clock
    site.run = lambda verb, params: verbs.run(node, verb, params)
    site.renew_city(city_of(node))
    site._seen.clear()
    for pages in _pages_of(app):
        for name, value in vars(pages).items():
            if isinstance(value, (Tallies, News, Memory)):
                setattr(pages, name, type(value)())


def _pages_of(app: FastAPI) -> list[Any]:
    """The objects whose methods answer."""
    owners = [getattr(route.endpoint, "__self__", None) for route in app.routes if isinstance(route, APIRoute)]
    return list({id(owner): owner for owner in owners if owner is not None}.values())


def _site_of(app: FastAPI) -> Site:
    sites: set[Site] = {pages._site for pages in _pages_of(app)}
    (site,) = sites
    return site


@dataclass
class Browser(PageBrowser):
    """One browser at one node, signed in or not."""

    node: Node
    app: Any = None
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.app is None:
            self.app = app_of(self.node)

    def sign_in(self, person: str, *, administrates: bool = False) -> "Browser":
        """Be signed in as somebody of the node; who has no account yet gets one.

        The session is made here: the door has tests of its own, and its work costs more than a page.
        """
        now = self.node.clock()
        with self.node.database.write() as session:
            if session.get(AccountRow, person) is None:
                accounts.make_account(session, person, person, by="test", now=now)
            row = session.get_one(AccountRow, person)
            row.administrates = row.administrates or administrates
            row.password_hash = row.password_hash or password_hash()
            session.flush()
            account = accounts.get_account(session, person)
            self.cookies[SESSION_COOKIE] = sessions.begin(session, account, "Chromium, Linux", now)
        return self

    def send(self, method: str, path: str, headers: dict[bytes, bytes], **body: Any) -> httpx.Response:
        """Ask the application over an in-process transport."""
        node: Node | None = self.node  # none yet where a node is set up
        base = BASE if node is None else f"http://127.0.0.1:{node.settings.port}"

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, headers=headers, **body)

        return anyio.run(ask)
