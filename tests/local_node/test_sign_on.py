"""Single sign-on against a real small provider: what must not sign anybody in, then what does."""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from local_node import audit, sign_on_links
from local_node.sign_on import Attempt, Identity, SignOnError, check_address, parse_attempt
from local_node.sign_on_client import AT_ONCE, MAX_ANSWER_BYTES, SignOnService
from local_node.sign_on_links import LinkError
from shared_schema.service.database import Database
from tests.factories import NOW, add_people
from tests.hub_simulator import MovableClock
from tests.sign_on_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, REDIRECT, Provider, answered, ec_key, rsa_key


@pytest.fixture
def provider(clock: MovableClock) -> Provider:
    return Provider(clock)


@pytest.fixture
def service(provider: Provider, clock: MovableClock) -> SignOnService:
    return SignOnService(ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT, clock, provider)


def attempt() -> Attempt:
    return Attempt(*(secrets.token_urlsafe(32) for _ in range(3)))


def come_back(service: SignOnService, provider: Provider, **changes: Any) -> Identity:
    """One whole sign-in; `changes` replace what the browser brings back."""
    ours = attempt()
    brought = provider.sign_in(service.begin(ours), **{k: changes.pop(k) for k in ("email",) if k in changes}) | changes
    return service.finish(ours, state=brought["state"], code=brought["code"], who=brought["iss"])


# --- what must not sign anybody in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "of-another-sign-in"},
        {"nonce": None},
        {"iss": "https://login.other.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "another-program"},
        {"aud": [CLIENT_ID, "another-program"]},
        {"aud": []},
        {"aud": None},
        {"azp": "another-program"},
        {"exp": int(NOW.timestamp()) - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": int(NOW.timestamp()) + 3600},
        {"nbf": int(NOW.timestamp()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "an\u202eother"},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_signs_nobody_in(
    service: SignOnService, provider: Provider, lie: dict[str, Any]
) -> None:
    provider.lie = lie
    with pytest.raises(SignOnError) as caught:
        come_back(service, provider)
    assert caught.value.code == "sign-on-token"


@pytest.mark.parametrize("trick", ["none", "shared-secret"])
def test_the_token_does_not_choose_how_it_is_checked(service: SignOnService, provider: Provider, trick: Any) -> None:
    provider.unsigned = trick
    with pytest.raises(SignOnError) as caught:
        come_back(service, provider)
    assert caught.value.code == "sign-on-token"


def test_a_token_signed_by_a_key_that_the_issuer_does_not_publish_is_refused(
    service: SignOnService, provider: Provider
) -> None:
    provider.published = [ec_key(str(provider.key.kid))]  # the same id, another key
    with pytest.raises(SignOnError):
        come_back(service, provider)
    provider.published = []
    with pytest.raises(SignOnError):
        come_back(service, provider)


def test_an_answer_to_another_browser_is_refused_before_anything_is_asked(
    service: SignOnService, provider: Provider
) -> None:
    come_back(service, provider)
    asked = len(provider.asked)
    for changes in (
        {"state": "other"},
        {"state": ""},
        {"state": "é\ud800"},
        {"iss": "https://evil.example"},
        {"iss": None},
    ):
        with pytest.raises(SignOnError):
            come_back(service, provider, **changes)
    assert len(provider.asked) == asked


def test_a_code_that_another_attempt_began_is_refused(service: SignOnService, provider: Provider) -> None:
    theirs, ours = attempt(), attempt()
    stolen = provider.sign_in(service.begin(theirs))
    with pytest.raises(SignOnError) as caught:  # the verifier is another one
        service.finish(ours, state=ours.state, code=stolen["code"], who=ISSUER)
    assert caught.value.code == "sign-on-refused"


def test_a_code_works_once(service: SignOnService, provider: Provider) -> None:
    ours = attempt()
    brought = provider.sign_in(service.begin(ours))
    service.finish(ours, state=brought["state"], code=brought["code"], who=ISSUER)
    with pytest.raises(SignOnError):
        service.finish(ours, state=brought["state"], code=brought["code"], who=ISSUER)


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.city.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "https://user@login.city.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"token_endpoint": ["https://login.city.example/token"]},
    ],
    ids=str,
)
def test_a_description_of_somebody_else_is_refused(
    service: SignOnService, provider: Provider, description: dict[str, Any]
) -> None:
    provider.description = description
    with pytest.raises(SignOnError):
        service.begin(attempt())


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(500),
        lambda: httpx.Response(302, headers={"Location": "https://evil.example/"}),
        lambda: httpx.Response(200, stream=httpx.ByteStream(b"x" * (MAX_ANSWER_BYTES + 1))),
        lambda: httpx.Response(200, stream=httpx.ByteStream(b"[" * 100_000)),
        lambda: httpx.Response(200, stream=httpx.ByteStream(b"\xff\xfe")),
        lambda: answered([]),
    ],
)
def test_a_broken_service_is_an_error_and_not_a_crash(
    service: SignOnService, provider: Provider, answer: Callable[[], httpx.Response]
) -> None:
    ours = attempt()
    brought = provider.sign_in(service.begin(ours))
    provider.answer = answer()
    with pytest.raises(SignOnError):
        service.finish(ours, state=brought["state"], code=brought["code"], who=ISSUER)


def test_a_service_that_hangs_is_asked_by_four_at_once(clock: MovableClock, provider: Provider) -> None:
    """Whoever is not signed in can begin a sign-in; the pages of the others must not wait for it."""
    release, waiting = threading.Event(), threading.Semaphore(0)

    class Hanging(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            waiting.release()
            release.wait()
            return provider.handle_request(request)

    service = SignOnService(ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT, clock, Hanging())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = [pool.submit(service.begin, attempt()) for _ in range(AT_ONCE)]
        for _ in begun:
            waiting.acquire()
        with pytest.raises(SignOnError) as caught:
            service.begin(attempt())
        release.set()
        assert all(one.result().startswith(ISSUER) for one in begun)
    assert caught.value.code == "sign-on-unreachable"
    assert service.begin(attempt()).startswith(ISSUER)


@pytest.mark.parametrize("address", ["", "login.city.example", "http://login.city.example", "https://", "https://[", 7])
def test_a_service_is_asked_at_an_https_address_only(address: object) -> None:
    with pytest.raises(SignOnError):
        check_address(address)
    assert check_address("http://127.0.0.1:9000/realm") == "http://127.0.0.1:9000/realm"


@pytest.mark.parametrize("cookie", ["", "a.b.c", "..", "x" * 200, "\ud800"])
def test_a_cookie_that_we_did_not_make_is_no_attempt(cookie: str) -> None:
    with pytest.raises(SignOnError):
        parse_attempt(cookie)


# --- what does -----------------------------------------------------------------------------------------------------


def test_who_signed_in_there_is_known_here(service: SignOnService, provider: Provider) -> None:
    assert come_back(service, provider) == Identity(ISSUER, "s-1", None)
    provider.key = rsa_key()
    assert come_back(service, provider, email="Anna@City.Example") == Identity(ISSUER, "s-1", "anna@city.example")


def test_an_address_that_the_service_has_not_verified_is_nobodys(service: SignOnService, provider: Provider) -> None:
    for claim in (False, "true", None):
        provider.lie = {"email_verified": claim}
        assert come_back(service, provider, email="anna@city.example").email is None


def test_a_new_key_of_the_service_counts_at_once(service: SignOnService, provider: Provider) -> None:
    come_back(service, provider)
    provider.key = ec_key("e2")
    assert come_back(service, provider).subject == "s-1"


def test_a_service_that_wants_the_secret_in_the_form_gets_it_there(service: SignOnService, provider: Provider) -> None:
    provider.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert come_back(service, provider).subject == "s-1"


def test_the_description_is_read_again_after_an_hour(
    service: SignOnService, provider: Provider, clock: MovableClock
) -> None:
    for minutes in (0, 59, 2):
        clock.advance(minutes=minutes)
        service.begin(attempt())
    assert provider.asked == ["GET /.well-known/openid-configuration"] * 2


def test_an_attempt_survives_its_cookie() -> None:
    ours = attempt()
    assert parse_attempt(ours.to_cookie()) == ours


# --- whose account it is -------------------------------------------------------------------------------------------


@pytest.fixture
def people(node_database: Database) -> Database:
    with node_database.write() as session:
        add_people(session)
    return node_database


@pytest.mark.parametrize("known_as", ["", " ", "a b", "@", "anna@", "é@city.example", "x" * 300, "a\nb"])
def test_a_link_needs_an_address_or_a_subject(people: Database, known_as: str) -> None:
    with people.write() as session, pytest.raises(LinkError):
        sign_on_links.link(session, "anna", ISSUER, known_as, by="anna", now=NOW)


def test_two_people_here_are_never_one_there(people: Database) -> None:
    with people.write() as session:
        sign_on_links.link(session, "anna", ISSUER, "anna@city.example", by="anna", now=NOW)
        sign_on_links.link(session, "bert", ISSUER, "s-2", by="anna", now=NOW)
        for taken in ("ANNA@city.example", "s-2"):
            with pytest.raises(LinkError):
                sign_on_links.link(session, "paula", ISSUER, taken, by="anna", now=NOW)


def test_somebody_without_a_link_is_nobody_here(people: Database) -> None:
    with people.write() as session:
        assert sign_on_links.find_linked(session, ISSUER, "s-1", "anna@city.example", NOW) is None
        sign_on_links.link(session, "anna", ISSUER, "s-1", by="anna", now=NOW)
        assert sign_on_links.find_linked(session, "https://other.example", "s-1", None, NOW) is None
        sign_on_links.unlink(session, "anna", by="anna", now=NOW)
        sign_on_links.unlink(session, "anna", by="anna", now=NOW)
        assert sign_on_links.find_linked(session, ISSUER, "s-1", None, NOW) is None
        actions = [event.action for event in audit.list_events(session)]
    assert actions == ["account.sign-on-unlinked", "account.sign-on-linked"]


def test_an_address_counts_until_the_first_sign_in_and_then_the_subject_does(people: Database) -> None:
    """An address that is given to somebody else later does not open the account of whoever had it."""
    with people.write() as session:
        sign_on_links.link(session, "anna", ISSUER, "Anna@city.example", by="anna", now=NOW)
        assert sign_on_links.find_linked(session, ISSUER, "s-1", None, NOW) is None
        assert sign_on_links.find_linked(session, ISSUER, "s-1", "anna@city.example", NOW) == "anna"
        assert sign_on_links.find_linked(session, ISSUER, "s-9", "anna@city.example", NOW) is None
        assert sign_on_links.find_linked(session, ISSUER, "s-1", None, NOW + timedelta(days=1)) == "anna"
        found = sign_on_links.find_link(session, "anna")
        assert found is not None
        assert (found.subject, found.text) == ("s-1", "s-1")
