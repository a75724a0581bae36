"""The pages over the real application: verified contents only, escaped, without a script, and never a dead end."""

import re
from collections.abc import Callable

import pytest

from local_node import verbs
from local_node.app import Node
from shared_schema.governance import PolicyBody
from shared_schema.keys import MemberRole
from shared_schema.statement import SEALED_BY_HUBS, STATEMENT_BODIES, Audience, Kind
from tests.hub_simulator import HubSimulator, Lie
from tests.local_node.browsing import Browser
from tests.local_node.test_trends import aggregate, cell
from tests.shared_schema import builders


@pytest.fixture
def browser(member: Node) -> Browser:
    return Browser(member).sign_in("anna")


@pytest.fixture
def sync(member: Node) -> Callable[[], object]:
    return lambda: verbs.run(member, "sync", {})


def test_an_empty_node_says_what_to_do(node: Node) -> None:
    page = Browser(node).sign_in("anna").page("/")
    assert "Add your hub" in page
    assert "The node works without one" in page


def test_a_practice_of_another_city_is_read_here(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object]
) -> None:
    envelope = hub.city("dresden.sn.de").practice("Evenings & nights", failure_factors=["wrong_target"])
    hub.log(envelope)
    sync()
    assert "Evenings &amp; nights" in browser.page("/")
    assert f"/inbox/{envelope.digest}" in browser.page("/inbox")
    page = browser.page(f"/inbox/{envelope.digest}")
    assert "Few came after the first weeks." in page
    assert "the signature of dresden.sn.de was checked here" in page
    assert "chosen on assumption" in page
    assert f"/lessons/new?kind=experience&amp;about={envelope.digest}" in page


def test_what_a_sender_writes_is_text_and_never_markup(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object]
) -> None:
    attack = "<script>alert(1)</script> <img src=x onerror=alert(1)> =cmd {{ 7*7 }}"
    envelope = hub.city("dresden.sn.de").practice(attack, summary=attack, lessons=attack)
    hub.log(envelope)
    sync()
    for path in ("/", "/inbox", f"/inbox/{envelope.digest}"):
        page = browser.page(path)
        assert "<script>" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page
        assert "{{ 7*7 }}" in page


def test_the_content_of_an_item_that_is_not_verified_is_not_shown(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object]
) -> None:
    envelope = hub.city("koeln.nw.de", enrolled=False).practice("Nobody vouches for this")
    hub.log(envelope)
    sync()
    for path in ("/inbox?show=quarantined", "/inbox?show=all", f"/inbox/{envelope.digest}"):
        page = browser.page(path)
        assert "Nobody vouches for this" not in page
        assert "its author is not known yet" in page
    assert "Nobody vouches" not in browser.page("/inbox?kind=practice")


def test_a_withdrawn_item_says_so_and_shows_nothing_of_it(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object]
) -> None:
    city = hub.city("dresden.sn.de")
    envelope = city.practice("To be taken back")
    hub.log(envelope)
    sync()
    hub.withdraw(city, envelope.digest)
    sync()
    page = browser.page(f"/inbox/{envelope.digest}")
    assert "To be taken back" not in page
    assert "please destroy the copy" in page


def test_a_lying_hub_is_shown_on_the_first_page_until_it_is_honest_again(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object]
) -> None:
    hub.log(hub.city("dresden.sn.de").practice())
    hub.lie = Lie.FLIP_BIT
    sync()
    page = browser.page("/")
    assert "Something is wrong with sachsen.de" in page
    assert "Call the operator of sachsen.de" in page
    hub.lie = None
    sync()
    assert "Something is wrong" not in browser.page("/")


def test_the_inbox_comes_a_page_at_a_time(browser: Browser, hub: HubSimulator, sync: Callable[[], object]) -> None:
    city = hub.city("dresden.sn.de")
    for number in range(120):
        hub.log(city.practice(f"Practice {number:03d}"))
    sync()
    seen = []
    path = "/inbox"
    for _ in range(6):
        page = browser.page(path)
        seen += re.findall(r"Practice (\d{3})</a>", page)
        older = re.search(r'href="([^"]+)">Next page', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert path == ""
    assert seen == [f"{number:03d}" for number in reversed(range(120))]


def test_every_kind_of_statement_has_a_page(
    browser: Browser, hub: HubSimulator, sync: Callable[[], object], policy: PolicyBody
) -> None:
    nation = hub.city("bund.de", enrolled=False)
    hub.enrol(nation.name, nation.key.public, role=MemberRole.PARENT)
    hub.log(nation.sign(Kind.POLICY, policy, Audience.REGION))
    body = aggregate("2026-01", cell("assault", 40), cell("arson", None, status="Q"))
    hub.log(hub.author.sign(Kind.AGGREGATE, body, Audience.REGION))
    city = hub.city("dresden.sn.de")
    practice = city.practice()
    hub.log(practice)
    hub.log(city.withdrawal(practice.digest))
    for kind in sorted(SEALED_BY_HUBS):
        sealed = STATEMENT_BODIES[kind].from_object(builders.BODIES[kind])
        hub.log(hub.author.sign(kind, sealed, Audience.NATION))  # type: ignore[arg-type]
    sync()
    digests = set(re.findall(r"/inbox/([0-9a-f]{64})", browser.page("/inbox?show=all")))
    assert len(digests) == len(hub.entries)
    for digest in digests:
        assert "Where it comes from" in browser.page(f"/inbox/{digest}")
    for view in ("lessons", "sums", "members", "withdrawn", "quarantined", "all"):
        browser.page(f"/inbox?show={view}")
    for kind in Kind:
        browser.page(f"/inbox?kind={kind.value}")


@pytest.mark.parametrize(
    "path", ["/nothing", "/inbox?show=nothing", "/inbox?kind=rumour", "/inbox?page=0", "/inbox/00"]
)
def test_a_page_that_does_not_exist_leads_back(browser: Browser, path: str) -> None:
    response = browser.get(path)
    assert response.status_code == 404
    assert 'href="/inbox"' in response.text


def test_programs_get_a_problem_document_instead(browser: Browser) -> None:
    response = browser.get("/nothing", headers={"Accept": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/", "/inbox", "/trends", "/nothing", "/health", "/static/style.css"])
def test_every_reply_forbids_scripts_and_everything_inline(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_no_page_can_be_written_to(browser: Browser, method: str) -> None:
    assert browser.get("/", method=method, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 405


def test_a_forged_host_is_refused(browser: Browser) -> None:
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_health_is_for_programs(browser: Browser) -> None:
    assert browser.get("/health").json() == {"status": "ok"}


def test_every_page_has_a_title_a_language_and_a_way_past_the_navigation(browser: Browser) -> None:
    for path in ("/", "/inbox", "/picture"):
        page = browser.page(path)
        assert '<html lang="en">' in page
        assert re.search(r"<title>\w.* – Leipzig – Prevention Exchange</title>", page)
        assert 'class="skip" href="#main"' in page
        assert page.count("<h1>") == 1
        assert 'aria-current="page"' in page
