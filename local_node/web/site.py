"""What every page of the node stands on: one gate in front of all routes, rendering in a language, and the errors.

A group of screens is a module with handlers and an `install(site)` that names the right of every route:

    site.get("/returns", pages.show, Right.SEE_RETURNS)
    site.post("/returns", pages.save, Right.ENTER_RETURNS)
    site.api("GET", "/api/v1/inbox", api.inbox, Right.READ_INBOX, Scope.INBOX_READ)

A handler reads `visitor_of(request)`, calls the flows below, and answers with `site.page`, `site.go` or
`site.missing`. A GET never writes. A NodeError, ContractError or VerbError that a handler lets through becomes a page
(or, for a program, a problem document) that says what was expected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.datastructures import URL

from local_node import accounts, script_tokens, sessions, sign_in_steps
from local_node.script_tokens import Scope, ScriptToken, UnknownToken
from local_node.sessions import LONGEST_QUIET, SignedIn
from local_node.web.access import Right, Visitor
from local_node.web.menu import menu_for
from local_node.web.words import Words
from shared_schema.content import Surroundings
from shared_schema.problem import ProblemCode
from shared_schema.service.database import Database
from shared_schema.service.problems import problem_response
from shared_schema.service.translations import OWN_NAMES, best_language, load_language

if TYPE_CHECKING:  # its library is an optional extra
    from local_node.sign_on_client import SignOnService

API_PREFIX: Final = "/api/"
"""Addresses for programs: they take tokens and no cookies, so no other site can use somebody's session there."""
SESSION_COOKIE: Final = "__Host-session"
LANGUAGE_COOKIE: Final = "language"
LOCALES_PACKAGE: Final = "local_node.web.locales"
Handler = Callable[..., Any]
RunVerb = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class City:
    """Whose node this is."""

    name: str
    display_name: str
    read_fingerprint: Callable[[], str]
    zone: tzinfo
    sync_every: timedelta = timedelta(minutes=15)
    """How often a round of sync is due; 0 for only when somebody says so."""
    surroundings: Surroundings | None = None
    sends_mail: bool = False

    @property
    def fingerprint(self) -> str:
        """That of the key in use, which may change while the node runs."""
        return self.read_fingerprint()


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
    """The pages of one node. `rights` is what every route asks for; `notices` are the sentences of `site.go`."""

    def __init__(self, database: Database, city: City, clock: Callable[[], datetime], run: RunVerb) -> None:
        self.database = database
        self.city = city
        self.clock = clock
        self.run = run
        self.rights: dict[tuple[str, str], Right] = {}
        self.scopes: dict[tuple[str, str], Scope] = {}
        self.notices: dict[str, str] = {}
        self.app: FastAPI | None = None
        self.public_url = ""
        """How browsers reach the pages; for links that are handed over."""
        self.sign_on: SignOnService | None = None
        """The city's own sign-on service, where there is one."""
        self._seen: dict[str, datetime] = {}
        self._environment_of = cache(self._make_environment)

    def renew_city(self, city: City) -> None:
        """Call the city by another name, or tell its time in another zone, from the next page on."""
        self.city = city
        self._environment_of.cache_clear()

    # --- routes ----------------------------------------------------------------------------------------------------

    def get(self, path: str, handler: Handler, right: Right) -> None:
        """Add a page that everybody with the right may read."""
        self._add("GET", path, handler, right)

    def post(self, path: str, handler: Handler, right: Right) -> None:
        """Add what a form of everybody with the right may do."""
        self._add("POST", path, handler, right)

    def api(self, method: str, path: str, handler: Handler, right: Right, scope: Scope) -> None:
        """Add what a script may do whose token has the scope, while its owner has the right."""
        assert path.startswith(API_PREFIX)  # noqa: S101 - only there no cookie is looked at
        self.scopes[method, path] = scope
        self._add(method, path, handler, right)

    def _add(self, method: str, path: str, handler: Handler, right: Right) -> None:
        assert self.app is not None  # noqa: S101 - `install` comes after `create_app`
        self.rights[method, path] = right
        self.app.add_api_route(path, handler, methods=[method], response_class=HTMLResponse)

    def gate(self, request: Request) -> None:
        """In front of every route: find out who asks, and refuse everything that the table does not allow.

        Raises NotSignedInError, NotAllowedError, SecondFactorOwedError; for scripts NoTokenError, OutOfScopeError.
        """
        route = request.scope.get("route")
        place = (request.method, route.path) if isinstance(route, APIRoute) else ("", "")
        right = self.rights.get(place)
        if request.url.path.startswith(API_PREFIX):
            self._gate_for_scripts(request, right, self.scopes.get(place))
            return
        visitor = self._find_visitor(request)
        request.state.visitor = visitor
        request.state.words = self._words_for(request, visitor)
        if right is Right.OUTSIDE:
            return
        if visitor is None:
            raise NotSignedInError
        if right is None or not visitor.may(right):
            raise NotAllowedError
        if visitor.owes_second_factor and right is not Right.OWN_ACCOUNT:
            raise SecondFactorOwedError
        if request.method == "POST":
            self._write_seen(visitor)

    def _gate_for_scripts(self, request: Request, right: Right | None, scope: Scope | None) -> None:
        """A token and never a cookie. What its owner may not do now, the token does not open either."""
        visitor, token = self._find_bearer(request)
        request.state.visitor = visitor
        if right is None or scope not in token.scopes or not visitor.may(right) or visitor.owes_second_factor:
            raise OutOfScopeError

    def _find_bearer(self, request: Request) -> tuple[Visitor, ScriptToken]:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        now = self.clock()
        try:
            with self.database.read() as session:
                token = script_tokens.find_token(session, shown if scheme.lower() == "bearer" else "", now)
                account = accounts.find_account(session, token.person_id)
                if account is None or account.is_disabled:
                    raise NoTokenError
                owes = sign_in_steps.owes_set_up(session, account.person_id, account.roles)
        except UnknownToken:
            raise NoTokenError from None
        if script_tokens.is_use_worth_noting(token, now):
            with self.database.write() as session:
                script_tokens.note_use(session, token.id, now)
        return Visitor(account, "", owes), token

    def _find_visitor(self, request: Request) -> Visitor | None:
        token = request.cookies.get(SESSION_COOKIE, "")
        if not token:
            return None
        now = self.clock()
        with self.database.read() as session:
            found = sessions.find_session(session, token, now)
            owes = found is not None and sign_in_steps.owes_set_up(
                session, found.account.person_id, found.account.roles
            )
        if found is None or now - self._last_seen(found) > LONGEST_QUIET:
            return None
        self._seen[found.token_hash] = now
        return Visitor(found.account, found.token_hash, owes)

    def _last_seen(self, found: SignedIn) -> datetime:
        return max(found.seen_at, self._seen.get(found.token_hash, found.seen_at))

    def last_seen(self, token_hash: str, stored: datetime) -> datetime:
        """When a session was last used: reading a page writes nothing, so the newest time is in memory."""
        return max(stored, self._seen.get(token_hash, stored))

    def _write_seen(self, visitor: Visitor) -> None:
        with self.database.write() as session:
            sessions.note_seen(session, visitor.session_hash, self._seen[visitor.session_hash])

    # --- languages -------------------------------------------------------------------------------------------------

    def _words_for(self, request: Request, visitor: Visitor | None) -> Words:
        wanted = (visitor.account.language if visitor else None) or request.cookies.get(LANGUAGE_COOKIE, "")
        if wanted not in OWN_NAMES:
            wanted = best_language(request.headers.get("accept-language", ""))
        return self._environment_of(wanted)[0]

    def _make_environment(self, code: str) -> tuple[Words, Environment]:
        """One environment for each language: overlays of jinja would share their globals between languages."""
        words = Words(load_language(LOCALES_PACKAGE, code), self.city.zone)
        environment = Environment(
            loader=PackageLoader("local_node.web"),
            bytecode_cache=_CompiledOnce(),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.policies["ext.i18n.trimmed"] = True  # as `tests.repository.catalogues` reads the templates
        environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
        environment.filters.update(words.filters())
        environment.globals.update(words.functions(), city=self.city, languages=OWN_NAMES, Right=Right)
        environment.globals.update(
            menu=lambda visitor: menu_for(visitor, self.rights),
            has_screen=lambda path: ("GET", path) in self.rights,
        )
        return words, environment

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
        if not is_browser(request):
            return problem_response(ProblemCode.NOT_FOUND, "expected an address that exists here")
        gettext = words_of(request, self).gettext
        return self.message(
            request,
            404,
            gettext("There is no such page"),
            gettext("Perhaps the address was copied without its end, or what it led to is not for you."),
        )


def words_of(request: Request, site: Site) -> Words:
    """The language of a request; before the gate, the language that the browser asks for."""
    found = getattr(request.state, "words", None)
    return found if isinstance(found, Words) else site._words_for(request, None)


def visitor_of(request: Request) -> Visitor:
    """Who is signed in; only for handlers behind a right that needs somebody."""
    visitor = request.state.visitor
    assert isinstance(visitor, Visitor)  # noqa: S101 - the gate has seen to it
    return visitor


def is_browser(request: Request) -> bool:
    """Whether the answer is for a person."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(API_PREFIX)


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
