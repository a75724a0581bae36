"""What every page stands on: one gate in front of all routes, rendering in a language, and the errors.

A program gives a `Program`. A group of screens is a module with handlers and an `install(site)` that names the right
of every route:

    site.get("/returns", pages.show, Right.SEE_RETURNS)
    site.post("/returns", pages.save, Right.ENTER_RETURNS)
    site.api("GET", "/api/v1/inbox", api.inbox, Right.READ_INBOX, Scope.INBOX_READ)

A handler reads `visitor_of(request)`, calls the flows below, and answers with `site.page`, `site.go` or
`site.missing`. A GET never writes. A ProgramError, ContractError or VerbError that a handler lets through becomes a
page (or, for a program, a problem document) that says what was expected.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from jinja2 import BytecodeCache, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from jinja2.bccache import Bucket
from sqlalchemy.orm import Session
from starlette.datastructures import URL
from starlette.exceptions import HTTPException

from shared_schema.problem import ProblemCode
from shared_schema.service.accounts.account import Account
from shared_schema.service.accounts.changes import AccountChanges
from shared_schema.service.accounts.door import Door
from shared_schema.service.accounts.script_tokens import ScriptToken, UnknownToken, is_use_worth_noting
from shared_schema.service.accounts.sessions import LONGEST_QUIET, SignedIn
from shared_schema.service.database import Database
from shared_schema.service.limits import RequestError
from shared_schema.service.pages.access import OUTSIDE, OWN_ACCOUNT, Visitor
from shared_schema.service.pages.menu import Menu, menu_for
from shared_schema.service.pages.statuses import Failure, status_of
from shared_schema.service.pages.words import Words
from shared_schema.service.problems import problem_response
from shared_schema.service.translations import OWN_NAMES, Language, best_language, load_language

PACKAGE: Final = "shared_schema.service.pages"
"""Where templates and static files lie that both programs show."""
SHARED: Final = "shared"
"""A template of a program extends the shared one of the same name as `shared/name.html`."""
CATALOGUES: Final = "shared_schema.service.pages.locales"
SESSION_COOKIE: Final = "__Host-session"
LANGUAGE_COOKIE: Final = "language"
Handler = Callable[..., Any]
RunVerb = Callable[[str, dict[str, Any]], dict[str, Any]]


class Place(Protocol):
    """Whose program this is."""

    @property
    def name(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def zone(self) -> tzinfo: ...


@dataclass(frozen=True)
class Program:
    """What a program gives the pages."""

    door: Door[Any]
    changes: AccountChanges[Any, Any]
    visitor: type[Visitor]
    """With the table of rights."""
    needs_second_factor: Callable[[Session, Collection[str]], bool]
    """Whether somebody with these roles needs a second factor, by the rule in force."""
    words: Callable[[Language, tzinfo], Words]
    package: str
    """Where its templates lie; one that has the name of a shared one stands in its place."""
    catalogues: tuple[str, ...]
    menu: Menu
    programs_prefix: str
    """Addresses for programs: they take tokens and no cookies, so no other site can use somebody's session there."""
    scopes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Scope of a token → what it lets a script do, and the right that its owner needs for it."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    """Codes of its own errors that are not answered with 422."""
    stale: frozenset[str] = frozenset()
    """Those of them that came too late, and can try again with what is stored now."""
    buttons: frozenset[str] = frozenset()
    """Forms that are nothing but a button."""


class _CompiledOnce(BytecodeCache):
    """Templates are compiled once a process and not once a language: a tenth of a second for every first page."""

    _known: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if compiled := self._known.get(bucket.key):
            bucket.bytecode_from_string(compiled)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


class NotSignedInError(Exception):
    """The page needs somebody who is signed in."""


class NotAllowedError(Exception):
    """The page is not for this role, or for nobody."""


class SecondFactorOwedError(Exception):
    """The account needs a second factor, and has none yet."""


class NoTokenError(Exception):
    """The address is for scripts, and no token that is in force was shown."""


class OutOfScopeError(Exception):
    """The token does not open this, or its owner may not do it."""


class Site:
    """The pages of one program. `rights` is what every route asks for; `notices` are the sentences of `site.go`."""

    def __init__(
        self, program: Program, database: Database, place: Place, clock: Callable[[], datetime], run: RunVerb
    ) -> None:
        self.program = program
        self.door = program.door
        self.database = database
        self.place = place
        self.clock = clock
        self.run = run
        self.rights: dict[tuple[str, str], str] = {}
        self.scopes: dict[tuple[str, str], str] = {}
        self.notices: dict[str, str] = {}
        self.app: FastAPI | None = None
        self.public_url = ""
        """How browsers reach the pages; for links that are handed over."""
        self._seen: dict[str, datetime] = {}
        self._environment_of = cache(self._make_environment)

    def renew_place(self, place: Place) -> None:
        """Call the place by another name, or tell its time in another zone, from the next page on."""
        self.place = place
        self._environment_of.cache_clear()

    @property
    def has_single_sign_on(self) -> bool:
        """Whether people may also come in through another service."""
        return False

    # --- routes ----------------------------------------------------------------------------------------------------

    def get(self, path: str, handler: Handler, right: str) -> None:
        """Add a page that everybody with the right may read."""
        self._add("GET", path, handler, right)

    def post(self, path: str, handler: Handler, right: str) -> None:
        """Add what a form of everybody with the right may do."""
        self._add("POST", path, handler, right)

    def api(self, method: str, path: str, handler: Handler, right: str, scope: str) -> None:
        """Add what a script may do whose token has the scope, while its owner has the right."""
        assert path.startswith(self.program.programs_prefix)  # noqa: S101 - only there no cookie is looked at
        self.scopes[method, path] = scope
        self._add(method, path, handler, right)

    def _add(self, method: str, path: str, handler: Handler, right: str) -> None:
        assert self.app is not None  # noqa: S101 - `install` comes after `create_app`
        self.rights[method, path] = right
        self.app.add_api_route(path, handler, methods=[method], response_class=HTMLResponse)

    def gate(self, request: Request) -> None:
        """In front of every route: find out who asks, and refuse everything that the table does not allow.

        Raises NotSignedInError, NotAllowedError, SecondFactorOwedError; for scripts NoTokenError, OutOfScopeError.
        """
        _check_texts(request)
        route = request.scope.get("route")
        place = (request.method, route.path) if isinstance(route, APIRoute) else ("", "")
        right = self.rights.get(place)
        if self.is_for_programs(request):
            self._gate_for_scripts(request, right, self.scopes.get(place))
            return
        visitor = self._find_visitor(request)
        request.state.visitor = visitor
        request.state.words = self._words_for(request, visitor)
        if right == OUTSIDE:
            return
        if visitor is None:
            raise NotSignedInError
        if right is None or not visitor.may(right):
            raise NotAllowedError
        if visitor.owes_second_factor and right != OWN_ACCOUNT:
            raise SecondFactorOwedError
        if request.method == "POST":
            self._write_seen(visitor)

    def _gate_for_scripts(self, request: Request, right: str | None, scope: str | None) -> None:
        """A token and never a cookie. What its owner may not do now, the token does not open either."""
        visitor, token = self._find_bearer(request)
        request.state.visitor, request.state.token = visitor, token
        if right is None or scope not in token.scopes or not visitor.may(right) or visitor.owes_second_factor:
            raise OutOfScopeError

    def _find_bearer(self, request: Request) -> tuple[Visitor, ScriptToken]:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        now = self.clock()
        try:
            with self.database.read() as session:
                token = self.door.script_tokens.find_token(session, shown if scheme.lower() == "bearer" else "", now)
                account = self.door.accounts.find_account(session, token.person_id)
                if account is None or account.is_disabled:
                    raise NoTokenError
                owes = self._owes_second_factor(session, account)
        except UnknownToken:
            raise NoTokenError from None
        if is_use_worth_noting(token, now):
            with self.database.write() as session:
                self.door.script_tokens.note_use(session, token.id, now)
        return self.program.visitor(account, "", owes), token

    def _find_visitor(self, request: Request) -> Visitor | None:
        token = request.cookies.get(SESSION_COOKIE, "")
        if not token:
            return None
        now = self.clock()
        with self.database.read() as session:
            found = self.door.sessions.find_session(session, token, now)
            owes = found is not None and self._owes_second_factor(session, found.account)
        if found is None or now - self._last_seen(found) > LONGEST_QUIET:
            return None
        self._seen[found.token_hash] = now
        return self.program.visitor(found.account, found.token_hash, owes)

    def _owes_second_factor(self, session: Session, account: Account) -> bool:
        is_needed = self.program.needs_second_factor(session, account.roles)
        return is_needed and not self.door.second_factor.standing(session, account.person_id).is_on

    def _last_seen(self, found: SignedIn[Any]) -> datetime:
        return max(found.seen_at, self._seen.get(found.token_hash, found.seen_at))

    def last_seen(self, token_hash: str, stored: datetime) -> datetime:
        """When a session was last used: reading a page writes nothing, so the newest time is in memory."""
        return max(stored, self._seen.get(token_hash, stored))

    def _write_seen(self, visitor: Visitor) -> None:
        with self.database.write() as session:
            self.door.sessions.note_seen(session, visitor.session_hash, self._seen[visitor.session_hash])

    # --- languages -------------------------------------------------------------------------------------------------

    def _words_for(self, request: Request, visitor: Visitor | None) -> Words:
        wanted = (visitor.account.language if visitor else None) or request.cookies.get(LANGUAGE_COOKIE, "")
        if wanted not in OWN_NAMES:
            wanted = best_language(request.headers.get("accept-language", ""))
        return self._environment_of(wanted)[0]

    def _make_environment(self, code: str) -> tuple[Words, Environment]:
        """One environment for each language: overlays of jinja would share their globals between languages."""
        program = self.program
        words = program.words(load_language(program.catalogues, code), self.place.zone)
        shared = PackageLoader(PACKAGE)
        environment = Environment(
            loader=ChoiceLoader([PackageLoader(program.package), shared, PrefixLoader({SHARED: shared})]),
            bytecode_cache=_CompiledOnce(),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.policies["ext.i18n.trimmed"] = True  # as `tests.repository.catalogues` reads the templates
        environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
        environment.filters.update(words.filters())
        environment.globals.update(words.functions(), own_place=self.place, languages=OWN_NAMES, **self.names())
        environment.globals.update(
            menu=lambda visitor: menu_for(program.menu, visitor, self.rights),
            has_screen=lambda path: ("GET", path) in self.rights,
        )
        return words, environment

    def names(self) -> dict[str, Any]:
        """What the templates of a program know beside the shared names."""
        return {}

    def status_of(self, error: Failure) -> int:
        """The HTTP status of an error that a page shows beside what was typed."""
        return status_of(error, self.program.statuses)

    # --- answers ---------------------------------------------------------------------------------------------------

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page in the language of whoever asks."""
        words = words_of(request, self)
        environment = self._environment_of(words.code)[1]
        text = environment.get_template(template).render(
            now=self.clock(),
            words=words,
            visitor=getattr(request.state, "visitor", None),
            here=_address(request.url),
            notice=self.notices.get(request.query_params.get("done", "")),
            **values,
        )
        headers = {"Content-Language": words.code}
        return HTMLResponse(text, status_code=status, headers=headers)

    def go(self, path: str, *, done: str = "", **query: str) -> Response:
        """On to another page, after something was done; `done` names the notice that it shows."""
        if done and done not in self.notices:
            raise KeyError(done)
        parameters = {name: value for name, value in {**query, "done": done}.items() if value}
        joiner = "&" if "?" in path else "?"
        return RedirectResponse(f"{path}{joiner}{urlencode(parameters)}" if parameters else path, status_code=303)

    def message(self, request: Request, status: int, title: str, text: str, **values: Any) -> Response:
        """A page that says what went wrong, and the way back."""
        return self.page(request, "message.html", status=status, title=title, text=text, **values)

    def missing(self, request: Request) -> Response:
        """The one answer for what is not here and for what is somebody else's (CHECKS 46)."""
        if not self.is_browser(request):
            return problem_response(ProblemCode.NOT_FOUND, "expected an address that exists here")
        gettext = words_of(request, self).gettext
        return self.message(
            request,
            404,
            gettext("There is no such page"),
            gettext("Perhaps the address was copied without its end, or what it led to is not for you."),
        )

    def is_for_programs(self, request: Request) -> bool:
        """Whether the address is one for programs."""
        return request.url.path.startswith(self.program.programs_prefix)

    def is_browser(self, request: Request) -> bool:
        """Whether the answer is for a person."""
        return "text/html" in request.headers.get("accept", "") and not self.is_for_programs(request)


def static_files(program: Program) -> StaticFiles:
    """The style sheets, scripts and pictures of a program, and those that both programs show."""
    return StaticFiles(packages=[(program.package, "static"), (PACKAGE, "static")])


def _check_texts(request: Request) -> None:
    """A NUL is in no name and no address of anything; PostgreSQL stores none, and would be asked for it."""
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise HTTPException(404)
    if any("\x00" in text for pair in request.query_params.multi_items() for text in pair):
        raise RequestError("expected parameters without a NUL")


def words_of(request: Request, site: Site) -> Words:
    """The language of a request; before the gate, the language that the browser asks for."""
    found = getattr(request.state, "words", None)
    return found if isinstance(found, Words) else site._words_for(request, None)


def visitor_of(request: Request) -> Visitor:
    """Who is signed in; only for handlers behind a right that needs somebody."""
    visitor = request.state.visitor
    assert isinstance(visitor, Visitor)  # noqa: S101 - the gate has seen to it
    return visitor


def local_path(address: str | None) -> str:
    """An address of this site and no other, for going back after signing in; `/` for everything else."""
    address = address or ""
    parts = urlsplit(address) if len(address) <= 2_000 else urlsplit("")
    is_local = (
        address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and not parts.scheme
        and not parts.netloc
        and address.isprintable()
    )
    return address if is_local else "/"


def _address(url: URL) -> str:
    return f"{url.path}?{url.query}" if url.query else url.path


def text_in(values: Mapping[str, Any], name: str) -> str:
    """What was typed into a field, to show it again."""
    value = values.get(name, "")
    return value if isinstance(value, str) else ""
