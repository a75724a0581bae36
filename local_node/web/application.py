"""All screens of the node put together on one gate, with their static files."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Final

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from local_node.web import (
    activity_form,
    agency_pages,
    api,
    calendar,
    clash_pages,
    hubs,
    inbox,
    interface,
    lesson_steps,
    lessons,
    mailing,
    outbox_pages,
    outside,
    oversight,
    people_pages,
    picture,
    questions,
    release_pages,
    report,
    return_form,
    return_sheets,
    returns,
    reviews,
    sealed_pages,
    settings,
    single_sign_on,
    today_screen,
    views,
)
from local_node.web.access import Right
from local_node.web.site import PROGRAM, Site
from shared_schema.problem import ProblemCode
from shared_schema.service.pages import (
    account,
    account_factor,
    account_tokens,
    failures,
    sign_in,
    sign_in_code,
    welcome,
)
from shared_schema.service.pages.site import static_files
from shared_schema.service.problems import install_problem_handlers, problem_response

GROUPS: Final[tuple[ModuleType, ...]] = (
    sign_in,
    sign_in_code,
    single_sign_on,
    welcome,
    account,
    account_factor,
    account_tokens,
    people_pages,
    agency_pages,
    api,
    interface,
    today_screen,
    inbox,
    views,
    questions,
    mailing,
    hubs,
    settings,
    outside,
    oversight,
    picture,
    report,
    returns,
    return_sheets,
    return_form,
    calendar,
    clash_pages,
    activity_form,
    lessons,
    lesson_steps,
    reviews,
    release_pages,
    sealed_pages,
    outbox_pages,
)
"""Every group of screens; each one says in its `install` which right a route needs."""


def make_web(site: Site, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None) -> FastAPI:
    """The web application of a node, without the checks of headers that its place in a network needs."""
    app = FastAPI(
        title="Prevention Exchange",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        dependencies=[Depends(site.gate)],
    )
    install_problem_handlers(app)
    site.app = app
    failures.install(app, site)
    app.mount("/static", static_files(PROGRAM), name="static")
    site.get("/health", lambda: _health(site), Right.OUTSIDE)
    for group in GROUPS:
        group.install(site)
    return app


def _health(site: Site) -> Response:
    """For programs that watch: whether the node can read its database."""
    try:
        site.database.check_reachable()
    except SQLAlchemyError:
        return problem_response(ProblemCode.BUSY, "expected a database that answers", {"Retry-After": "5"})
    return JSONResponse({"status": "ok"})
