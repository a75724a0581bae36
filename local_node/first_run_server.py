"""`serve` where there is no node yet: the set-up pages first, and the node itself when it is made, in one process.

Which of the two answers is asked before every request and after every form, so the change needs no restart and no
signal; a crash at any moment leaves either the answers or the node.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from local_node import verbs
from local_node.app import Node, create_app, utc_now
from local_node.first_run import Answers, drop_answers
from local_node.setup_code import SetupDoor, make_code
from local_node.verbs.founding import Founder, found
from local_node.web.first_run import make_first_run
from shared_schema.service.browser import (
    WITH_OWN_SCRIPTS,
    KnownHosts,
    SameOriginWrites,
    SecurityHeaders,
    hosts_of,
    origins_of,
)

CODE_BYTES = 20


class FirstRun:
    """The application of both. `open_node` opens the node once it was made; `code` is for the console alone."""

    def __init__(
        self,
        data_dir: Path,
        public_url: str,
        port: int,
        open_node: Callable[[], Node],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.data_dir = data_dir
        self.code = make_code(secrets.token_bytes(CODE_BYTES))
        self._open_node = open_node
        self._is_made = False
        self._change = asyncio.Lock()
        self._over = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._node: Node | None = None
        self._node_app: FastAPI | None = None

        def make(answers: Answers) -> None:
            found(data_dir, settings_of(answers, port), founders_of(answers), clock)
            drop_answers(data_dir)
            self._is_made = True

        first = make_first_run(data_dir, SetupDoor(self.code, clock()), clock, make)
        first.add_middleware(SameOriginWrites, origins=origins_of(public_url, port))
        first.add_middleware(KnownHosts, hosts=hosts_of(public_url, port))
        first.add_middleware(SecurityHeaders, policy=WITH_OWN_SCRIPTS)
        self._first: ASGIApp = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._change_over()
        await (self._node_app or self._first)(scope, receive, send)
        await self._change_over()  # so that the console finds the node before anybody opens a page

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _change_over(self) -> None:
        """Open the node when it is made, once."""
        if not self._is_made or self._node_app is not None:
            return
        async with self._change:
            if self._node_app is not None:
                return
            node = await asyncio.to_thread(self._open_node)
            app = create_app(node, lambda verb, params: verbs.run(node, verb, params))
            started = asyncio.Event()
            self._life = asyncio.create_task(self._run(app, started))
            await started.wait()
            self._node, self._node_app = node, app

    async def _run(self, app: FastAPI, started: asyncio.Event) -> None:
        """The node's background work, begun and ended in one task."""
        try:
            async with app.router.lifespan_context(app):
                started.set()
                await self._over.wait()
        finally:
            started.set()

    async def close(self) -> None:
        """End the node's background work and close its database."""
        self._over.set()
        if self._life is not None:
            await self._life
        if self._node is not None:
            self._node.close()


def settings_of(answers: Answers, port: int) -> dict[str, str | int]:
    """The settings that the answers make, as `node.toml` has them."""
    assert answers.city and answers.name and answers.language  # noqa: S101 - no step is left
    values: dict[str, str | int] = {
        "name": answers.name,
        "display_name": answers.city.name,
        "area_code": answers.city.municipality,
        "area_version": answers.city.version,
        "time_zone": answers.language.time_zone,
        "port": port,
    }
    if answers.kind is not None:
        chosen = {"city_size": answers.kind.size, "urbanisation": answers.kind.urbanisation}
        values |= {name: value for name, value in chosen.items() if value}
    return values


def founders_of(answers: Answers) -> list[Founder]:
    """The people that the answers name; whoever set the node up administrates it."""
    assert answers.you and answers.team and answers.language  # noqa: S101 - no step is left
    you, language = answers.you, answers.language.language
    first = Founder(you.id, you.role, you.name, you.password_hash, administrates=True, language=language)
    return [first, *(Founder(each.id, each.role, each.name, language=language) for each in answers.team.people)]
