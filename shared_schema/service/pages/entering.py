"""The last steps of every way in: the code where there is a second factor, a session, and its cookie.

Also the other direction: whoever is signed in and changes how they get in says once more who they are.
"""

from datetime import timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from shared_schema.service.accounts.account import Account
from shared_schema.service.accounts.second_step import PENDING
from shared_schema.service.accounts.sessions import SignInError
from shared_schema.service.pages.access import Visitor
from shared_schema.service.pages.site import SESSION_COOKIE, Site, local_path
from shared_schema.service.passwords import MAX_CHARACTERS
from shared_schema.service.tokens import MAX_TOKEN_CHARACTERS, hash_token

STEP_COOKIE: Final = "__Host-second-step"
FRESH: Final = timedelta(minutes=10)
"""Where an account has no password: how long ago its owner may have signed in."""
BROWSERS: Final = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def enter(site: Site, request: Request, account: Account, back: str, *, mark: str | None = None) -> Response:
    """After the first factor: on to the code, where there is a second one, else in.

    `mark` is that of the password which was checked. Checking takes its time and nobody waits for it, so the account
    may have been reset or disabled meanwhile. Raises SignInError then: who has the old password must not get in.
    """
    with site.database.write() as session:
        now = site.door.accounts.find_account(session, account.person_id)
        is_same = mark is None or site.door.accounts.password_mark(session, account.person_id) == mark
        if now is None or now.is_disabled or not is_same:
            raise SignInError("expected an account that has not changed in the meantime")
        if site.door.second_factor.standing(session, account.person_id).is_on:
            step = site.door.second_steps.begin(session, account.person_id, site.clock())
            answer = site.go("/sign-in/code", next=local_path(back))
            set_cookie(answer, STEP_COOKIE, step, seconds=int(PENDING.total_seconds()))
            return answer
        token = open_session(site, session, request, account)
    return let_in(site, token, back)


def open_session(site: Site, session: Session, request: Request, account: Account) -> str:
    """A new session in the place of the one that this browser may have had; return its token."""
    now = site.clock()
    site.door.sessions.end(session, hash_of_cookie(request), now)
    return site.door.sessions.begin(session, account, client_of(request.headers.get("user-agent", "")), now)


def let_in(site: Site, token: str, back: str, *, done: str = "") -> Response:
    """On to where somebody wanted to go, with the cookie of the session."""
    answer = site.go(local_path(back), done=done)
    set_cookie(answer, SESSION_COOKIE, token)
    drop_cookie(answer, STEP_COOKIE)
    return answer


def check_is_owner(site: Site, visitor: Visitor, form: FormData) -> None:
    """Raise SignInError unless the password in the form is the visitor's, or they signed in a moment ago without one.

    A browser that was left open must not be enough to change how somebody gets in (OWASP ASVS 5.0, 7.5.1).
    """
    person, now = visitor.person_id, site.clock()
    with site.database.read() as session:
        if not visitor.account.has_password:
            known = site.door.sessions.list_sessions(session, person, now)
            if not any(one.token_hash == visitor.session_hash and now - one.began_at <= FRESH for one in known):
                raise SignInError("expected somebody who signed in within ten minutes", code="sign-in-fresh")
            return
        site.door.sessions.check_may_try(session, person, now)
        is_owner = site.door.accounts.check_credentials(session, person, password_of(form, "current")) is not None
    if not is_owner:
        with site.database.write() as session:
            site.door.sessions.check_may_try(session, person, now)
            site.door.sessions.note_failure(session, person, now)
        raise SignInError("expected your password as it is now", code="password-wrong")


def password_of(form: FormData, field: str) -> str:
    """A password as it was typed; one that is too long is cut, and so is wrong."""
    return str(form.get(field, ""))[: MAX_CHARACTERS + 1]


def set_cookie(answer: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """A cookie that no script reads, that travels encrypted, and that no other site's form brings along."""
    answer.set_cookie(name, value, path="/", max_age=seconds, secure=True, httponly=True, samesite="lax")


def drop_cookie(answer: Response, name: str) -> None:
    """Take a cookie out of the browser."""
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def hash_of_cookie(request: Request) -> str:
    """The hash of this browser's session, whether it is alive or not."""
    return hash_token(request.cookies.get(SESSION_COOKIE, "")[:MAX_TOKEN_CHARACTERS])


def client_of(user_agent: str) -> str:
    """`Firefox, Windows`: enough to know one's own browser again, too little to follow anybody."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return ", ".join(part for part in (browser, system) if part)
