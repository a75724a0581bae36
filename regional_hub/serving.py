"""The web application around a hub: what members ask, the pages, and the background work for as long as it runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from regional_hub.app import Hub
from regional_hub.background import deliver_forever, verify_forever, work_forever
from regional_hub.figure_answer import FigurePublisher
from regional_hub.region_map import NO_OUTLINES, MapError, Outlines, read_outlines
from regional_hub.web import node_api, recovery_api
from regional_hub.web.application import NO_COOKIES, add_pages
from regional_hub.web.site import Place, Site
from shared_schema.service.browser import (
    WITH_OWN_SCRIPTS,
    KnownHosts,
    SameOriginWrites,
    SecurityHeaders,
    hosts_of,
    origins_of,
)
from shared_schema.service.control import VerbError, control_server
from shared_schema.service.pages.site import RunVerb
from shared_schema.service.problems import install_problem_handlers


def create_app(hub: Hub, handle_verb: RunVerb) -> FastAPI:
    """The web application. Its lifespan runs the sequencer, the control socket and the background work."""

    async def handle(verb: str, params: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(handle_verb, verb, params)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(hub.ask_first)
        workers = [asyncio.create_task(work(hub, handle)) for work in (work_forever, verify_forever, deliver_forever)]
        try:
            async with control_server(hub.data_dir, handle):
                yield
        finally:
            hub.is_ending.set()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await hub.sequencer.stop()

    app = FastAPI(
        title="Prevention Exchange hub",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # one address each; a redirect would be built from the request
        lifespan=lifespan,
    )
    install_problem_handlers(app)
    app.include_router(node_api.make_router(hub))
    app.include_router(recovery_api.make_router(hub))
    add_pages(app, make_site(hub, handle_verb))
    public_url, port = hub.settings.public_url, hub.settings.port
    app.add_middleware(SameOriginWrites, origins=origins_of(public_url, port), exempt=NO_COOKIES)
    app.add_middleware(KnownHosts, hosts=hosts_of(public_url, port))
    app.add_middleware(SecurityHeaders, policy=WITH_OWN_SCRIPTS)
    return app


def make_site(hub: Hub, handle_verb: RunVerb) -> Site:
    """The hub's pages, whose verbs run as those of the command line do."""
    settings = hub.settings
    place = Place(
        name=settings.name,
        display_name=settings.display_name or settings.name,
        level=settings.level,
        read_fingerprint=lambda: hub.verifier.key.fingerprint,
        zone=hub.zone,
    )
    publisher = FigurePublisher(settings.name, settings.level, settings.area_code, settings.public_url)
    outlines = _read_outlines(hub)
    site = Site(hub.database, place, hub.clock, handle_verb, publisher, hub.area, settings.false_alarm_years, outlines)
    site.public_url = settings.public_url.rstrip("/")
    site.sends_mail = hub.mail_server is not None
    return site


def _read_outlines(hub: Hub) -> Outlines:
    """The map of the settings. Raises VerbError that names the file and what was expected of it."""
    if hub.settings.map_file is None:
        return NO_OUTLINES
    path = hub.data_dir / hub.settings.map_file
    try:
        return read_outlines(path.read_bytes(), hub.settings.map_code)
    except OSError:
        raise VerbError("bad-settings", f"expected a file that can be read at map_file, {path}") from None
    except MapError as error:
        raise VerbError("bad-settings", f"{error.message} in map_file, {path}") from None
