"""Saved views of the trend watch: nobody else's, a feed that forgets nothing, e-mails to confirmed addresses."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from sqlalchemy import func, select

from regional_hub import mail_addresses, watch_views
from regional_hub.door import accounts
from regional_hub.orm import AccountRow, DeliveryRow, TrendAlertRow, WatchViewRow
from shared_schema.names import parse_time
from shared_schema.service.atom import ATOM
from tests.mail_server import HOST, Letterbox, letterbox
from tests.regional_hub.browsing import Browser, give_account
from tests.regional_hub.running import EventLoop, Network, RunningHub
from tests.regional_hub.test_watch_store import CALM, HIGH, correct, fill, report
from tests.regional_hub.test_watch_store import NAMES as SIX
from tests.shared_schema import builders

TABLE = builders.TABLE.id
NILS = "nils@land.example"
JSON = {"Accept": "application/json"}


@pytest.fixture
def box() -> Iterator[Letterbox]:
    with letterbox() as running:
        yield running


def started(network: Network, loop: EventLoop, folder: Path, url: str | None, box: Letterbox) -> Any:
    more = {"smtp_host": HOST, "smtp_port": box.port, "smtp_encryption": "none", "smtp_sender": "hub@sachsen.example"}
    return RunningHub.start(network, loop, folder, url, more=more)


@pytest.fixture
def hub(network: Network, loop: EventLoop, tmp_path: Path, box: Letterbox) -> Iterator[RunningHub]:
    """A hub on SQLite that can send e-mails."""
    with started(network, loop, tmp_path / "hub", None, box) as running:
        yield running


@pytest.fixture
def hub_on_both(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str, box: Letterbox
) -> Iterator[RunningHub]:
    with started(network, loop, tmp_path / "hub", hub_database_url, box) as running:
        yield running


def say(hub: RunningHub, number: int, **changes: Any) -> str:
    """An alert that was raised now."""
    alert = f"{number:020d}"
    row = TrendAlertRow(
        id=alert,
        kind="cities",
        table_id=TABLE,
        table_version=1,
        cell=builders.GRID[0],
        period="2026-10",
        start=2026 * 12 + 9,
        stated=3,
        judged=7,
        chance=0.0001,
        years=2,
        entry_index=1,
        state="new",
        raised_at=hub.clock(),
        said_at=hub.clock(),
    )
    for name, value in changes.items():
        setattr(row, name, value)
    with hub.hub.database.write() as session:
        session.merge(row)
    return alert


def save(hub: RunningHub, person: str = "nils", query: str = "", name: str = "Mine") -> tuple[Browser, str]:
    """A view of somebody; the path of its feed."""
    browser = Browser(hub).sign_in(person)
    page = browser.follow(browser.post("/views", {"name": name, "query": query}))
    found = re.search(rf"{re.escape(hub.url)}(/feeds/[\w-]+\.atom)", page.partition(f">{name}</a>")[2])
    assert found is not None
    return browser, found.group(1)


def view_id(hub: RunningHub) -> int:
    with hub.hub.database.read() as session:
        return session.scalars(select(WatchViewRow.id)).one()


def entries(text: str) -> list[Element]:
    root: Element = fromstring(text.encode())
    assert root.tag == f"{{{ATOM}}}feed"
    for tag in ("id", "title", "updated"):  # RFC 4287, section 4.1.1
        assert len(root.findall(f"{{{ATOM}}}{tag}")) == 1 and root.findtext(f"{{{ATOM}}}{tag}")
    parse_time(root.findtext(f"{{{ATOM}}}updated") or "")
    (link,) = (each for each in root.findall(f"{{{ATOM}}}link") if each.get("rel") == "self")
    assert link.get("type") == "application/atom+xml"
    found = root.findall(f"{{{ATOM}}}entry")
    for entry in found:  # section 4.1.2; the author may stand in each
        for tag in ("id", "title", "updated", "content"):
            assert len(entry.findall(f"{{{ATOM}}}{tag}")) == 1 and entry.findtext(f"{{{ATOM}}}{tag}")
        assert entry.findtext(f"{{{ATOM}}}author/{{{ATOM}}}name")
        assert parse_time(part(entry, "updated")) >= parse_time(part(entry, "published"))
    ids = [part(entry, "id") for entry in found]
    assert len(set(ids)) == len(ids)
    return found


def part(entry: Element, tag: str) -> str:
    return entry.findtext(f"{{{ATOM}}}{tag}") or ""


# --- views -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["kind=moon", "kind=", "table=%00", "table=a b", "&".join(f"cell=c{number}" for number in range(41))]
)
def test_a_choice_that_there_is_not_is_refused_or_nothing(hub: RunningHub, query: str) -> None:
    nils = Browser(hub).sign_in("nils")
    expected = 200 if query == "kind=" else 422
    assert nils.get(f"/watch?{query}").status_code in (expected, 400)
    saved = nils.post("/views", {"name": "x", "query": query})
    assert saved.status_code == (303 if expected == 200 else 422)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb", "a\nb"])
def test_a_name_that_nobody_can_read_saves_nothing_and_loses_nothing(hub: RunningHub, name: str) -> None:
    nils = Browser(hub).sign_in("nils")
    assert nils.post("/views", {"name": name, "query": "kind=sum"}, headers=JSON).status_code == 422
    assert watch_count(hub) == 0


def watch_count(hub: RunningHub) -> int:
    with hub.hub.database.read() as session:
        return session.scalar(select(func.count()).select_from(WatchViewRow)) or 0


def test_a_name_is_taken_once_and_twenty_views_are_enough(hub_on_both: RunningHub) -> None:
    nils, _ = save(hub_on_both, name="Same")
    again = nils.post("/views", {"name": "Same", "query": "kind=sum"})
    assert again.status_code == 422 and 'value="kind=sum"' in again.text
    for number in range(watch_views.MAX_VIEWS - 1):
        assert nils.post("/views", {"name": f"View {number}", "query": ""}).status_code == 303
    assert "Twenty views are enough" in nils.post("/views", {"name": "One more", "query": ""}).text
    assert watch_count(hub_on_both) == watch_views.MAX_VIEWS


def test_a_view_of_somebody_else_is_told_like_one_that_is_not_there(hub: RunningHub) -> None:
    save(hub)
    olga = Browser(hub).sign_in("olga")
    assert "Mine" not in olga.page("/views")
    for number in (view_id(hub), 999_999):
        for action in ("remove", "feed", "mail"):
            assert olga.post(f"/views/{number}/{action}", {"mail": "on"}).status_code == 404
    assert watch_count(hub) == 1


def test_a_view_shows_what_was_chosen_and_nothing_else(hub: RunningHub) -> None:
    say(hub, 1)
    say(hub, 2, kind="sum", stated=None, judged=None)
    say(hub, 3, table_id="another.table", cell="x")
    nils = Browser(hub).sign_in("nils")
    assert nils.page("/watch").count('<section class="card"><h2>') == 3
    page = nils.page(f"/watch?kind=sum&table={TABLE}")
    assert page.count('<section class="card"><h2>') == 1 and "The sum stands out" in page
    assert 'value="sum" checked' in page
    measure = builders.TABLE.measure
    assert nils.page(f"/watch?measure={measure}").count('<section class="card"><h2>') == 2
    assert nils.page("/watch?measure=unknown.measure").count('<section class="card"><h2>') == 0
    assert len(hub.verb("watch.list", filter="kind=sum")["alerts"]) == 1


def test_a_view_is_removed_with_its_feed(hub: RunningHub) -> None:
    nils, feed = save(hub)
    assert Browser(hub).get(feed).status_code == 200
    nils.follow(nils.post(f"/views/{view_id(hub)}/remove"))
    assert Browser(hub).get(feed).status_code == 404
    assert watch_count(hub) == 0


# --- the feed --------------------------------------------------------------------------------------------------------


def test_a_feed_opens_with_its_secret_alone_and_dies_with_it_and_with_the_account(hub: RunningHub) -> None:
    nils, feed = save(hub)
    outside = Browser(hub)
    for wrong in ("/feeds/x", "/feeds/.atom", feed[:-7] + ".atom", "/feeds/%00"):
        assert outside.get(wrong).status_code in (400, 404)
    answer = outside.get(feed)
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-cache"
    nils.post(f"/views/{view_id(hub)}/feed")
    assert outside.get(feed).status_code == 404
    _, feed = save(hub, name="Another")
    with hub.hub.database.write() as session:
        session.get_one(AccountRow, "nils").role = "auditor"
    assert outside.get(feed).status_code == 404, "an auditor has no views"
    with hub.hub.database.write() as session:
        row = session.get_one(AccountRow, "nils")
        row.role, row.disabled_at = "analyst", hub.clock()
    assert outside.get(feed).status_code == 404


def test_a_feed_without_an_alert_is_a_feed(hub: RunningHub) -> None:
    _, feed = save(hub)
    assert entries(Browser(hub).get(feed).text) == []


def test_a_reader_that_has_it_is_told_so_until_something_changes(hub: RunningHub) -> None:
    say(hub, 1)
    _, feed = save(hub)
    reader = Browser(hub)
    first = reader.get(feed)
    tag = {"If-None-Match": first.headers["etag"]}
    again = reader.get(feed, headers=tag)
    assert (again.status_code, again.text) == (304, "")
    assert reader.get(feed, headers={"Accept-Language": "de"} | tag).status_code == 304, "in its owner's language"
    hub.clock.advance(days=1)
    say(hub, 2, cell=builders.GRID[1])
    fresh = reader.get(feed, headers=tag)
    assert fresh.status_code == 200
    assert [part(entry, "id")[-20:] for entry in entries(fresh.text)] == [f"{2:020d}", f"{1:020d}"], "the newest first"


def test_a_feed_has_what_was_chosen_alone(hub: RunningHub) -> None:
    say(hub, 1)
    say(hub, 2, kind="sum", stated=None, judged=None)
    _, feed = save(hub, query="kind=sum")
    (entry,) = entries(Browser(hub).get(feed).text)
    assert "The sum stands out" in part(entry, "content")


@pytest.mark.sqlite_is_enough
def test_an_alert_that_is_taken_back_is_the_same_entry_and_says_so(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in SIX]
    fill(hub, cities)
    report(hub, cities, 3)
    _, feed = save(hub, query="kind=cities")
    before = entries(Browser(hub).get(feed).text)
    assert before and all("Rising in at least" in part(entry, "content") for entry in before)
    hub.clock.advance(days=1)
    assert correct(hub, cities[:1], CALM - HIGH, 1)["withdrawn"] == 1
    after = {part(entry, "id"): entry for entry in entries(Browser(hub).get(feed).text)}
    assert set(after) == {part(entry, "id") for entry in before}
    for entry in before:
        now = after[part(entry, "id")]
        assert part(now, "title").startswith("Taken back: ")
        assert "later figures have taken the rise away" in part(now, "content")
        assert part(now, "updated") > part(entry, "updated")
        assert part(now, "published") == part(entry, "published")
    assert not any(name in Browser(hub).get(feed).text for name in SIX)


def test_a_view_that_takes_the_number_of_a_removed_one_is_another_feed(hub: RunningHub) -> None:
    nils, first = save(hub)
    before = fromstring(nils.get(first).text.encode()).findtext(f"{{{ATOM}}}id")
    nils.post(f"/views/{view_id(hub)}/remove")
    hub.clock.advance(minutes=1)
    nils, second = save(hub)
    after = fromstring(nils.get(second).text.encode()).findtext(f"{{{ATOM}}}id")
    assert before and after and before != after
    assert after == fromstring(nils.get(second).text.encode()).findtext(f"{{{ATOM}}}id")


def test_a_number_beyond_any_view_is_none(hub_on_both: RunningHub) -> None:
    nils = Browser(hub_on_both).sign_in("nils")
    for action in ("remove", "feed", "mail"):
        for number in (0, 10**20, -(10**20)):
            assert nils.post(f"/views/{number}/{action}", {"mail": "on"}).status_code == 404


# --- addresses and e-mails -------------------------------------------------------------------------------------------


def give_address(hub: RunningHub, address: str = NILS, person: str = "nils") -> None:
    give_account(hub, person)
    with hub.hub.database.write() as session:
        session.get_one(AccountRow, person).email = address


def code_in(box: Letterbox) -> str:
    found = re.search(r"^(\d{4} \d{4})\r?$", box.texts[-1], re.MULTILINE)
    assert found is not None
    return found.group(1)


def confirm(hub: RunningHub, box: Letterbox) -> Browser:
    nils = Browser(hub).sign_in("nils")
    give_address(hub)
    nils.post("/views/address")
    hub.verb("alarms.deliver")
    assert "is confirmed" in nils.follow(nils.post("/views/address/confirm", {"code": code_in(box)}))
    return nils


def test_without_a_confirmed_address_nothing_but_one_code_is_sent(hub: RunningHub, box: Letterbox) -> None:
    nils, _ = save(hub)
    assert nils.post("/views/address", headers=JSON).status_code == 422, "there is no address at all"
    give_address(hub, "stranger@other.example")
    nils.post(f"/views/{view_id(hub)}/mail", {"mail": "on"})
    say(hub, 1)
    hub.clock.advance(hours=1)
    assert hub.verb("watch.mail") == {"queued": 0}
    for _ in range(3):
        nils.post("/views/address")
    hub.verb("alarms.deliver")
    assert [recipients for recipients, _ in box.letters] == [["stranger@other.example"]]
    assert "without the code nothing more is sent" in box.texts[0]


def test_a_hub_without_a_mail_server_says_so_and_takes_no_question_for_a_code(region: RunningHub) -> None:
    give_address(region)
    nils = Browser(region).sign_in("nils")
    page = nils.page("/views")
    assert "sends no e-mails" in page and "/views/address" not in page
    assert nils.post("/views/address").status_code == 422
    with region.hub.database.read() as session:
        assert session.scalars(select(DeliveryRow)).all() == []


def test_codes_are_few_short_lived_and_guessed_five_times_at_most(hub_on_both: RunningHub, box: Letterbox) -> None:
    hub = hub_on_both
    give_address(hub)
    nils = Browser(hub).sign_in("nils")
    for number in range(mail_addresses.MOST_ASKED + 3):
        nils.post("/views/address")
        hub.verb("alarms.deliver")
        hub.clock.advance(minutes=10)
        assert len(box.letters) == min(number + 1, mail_addresses.MOST_ASKED)
    hub.clock.advance(days=1)
    nils = Browser(hub).sign_in("nils")
    nils.post("/views/address")
    hub.verb("alarms.deliver")
    code = code_in(box)
    wrong = "0000 0000" if code != "0000 0000" else "1111 1111"
    for _ in range(mail_addresses.MOST_WRONG):
        assert nils.post("/views/address/confirm", {"code": wrong}).status_code == 422
    assert nils.post("/views/address/confirm", {"code": code}).status_code == 422, "too many were tried"
    hub.clock.advance(minutes=10)
    nils.post("/views/address")
    hub.verb("alarms.deliver")
    late = code_in(box)
    hub.clock.advance(hours=1)
    assert nils.post("/views/address/confirm", {"code": late}).status_code == 422, "an hour is over"
    with hub.hub.database.read() as session:
        assert mail_addresses.confirmed_address(session, "nils") is None


def test_a_code_is_nobody_elses_and_works_once(hub: RunningHub, box: Letterbox) -> None:
    nils = confirm(hub, box)
    assert nils.post("/views/address/confirm", {"code": code_in(box)}).status_code == 422
    give_address(hub, "olga@land.example", "olga")
    olga = Browser(hub).sign_in("olga")
    olga.post("/views/address")
    hub.verb("alarms.deliver")
    assert nils.post("/views/address/confirm", {"code": code_in(box)}).status_code == 422
    with hub.hub.database.read() as session:
        assert mail_addresses.confirmed_address(session, "nils") == NILS
        assert mail_addresses.confirmed_address(session, "olga") is None


def test_another_address_has_to_be_confirmed_anew(hub: RunningHub, box: Letterbox) -> None:
    nils = confirm(hub, box)
    give_address(hub, "new@land.example")
    with hub.hub.database.read() as session:
        assert mail_addresses.confirmed_address(session, "nils") is None
    assert "not confirmed" in nils.page("/views")


def mailing(hub: RunningHub, box: Letterbox) -> Browser:
    """A view whose owner gets e-mails; the code is taken out of the box."""
    nils = confirm(hub, box)
    save(hub, name="Rising")
    nils.post(f"/views/{view_id(hub)}/mail", {"mail": "on"})
    box.letters.clear()
    hub.clock.advance(minutes=1)
    return nils


def send(hub: RunningHub) -> None:
    hub.verb("watch.mail")
    hub.verb("alarms.deliver")


def test_what_is_new_comes_once_a_day_at_most_and_says_how_to_end_it(hub_on_both: RunningHub, box: Letterbox) -> None:
    hub = hub_on_both
    say(hub, 7)  # before the e-mails were chosen
    mailing(hub, box)
    send(hub)
    assert box.letters == []
    say(hub, 1)
    hub.clock.advance(minutes=11)
    for _ in range(3):
        send(hub)
    ((recipients, letter),) = box.letters
    assert recipients == [NILS] and letter["Subject"] == "sachsen.de: 1 alert of “Rising”"
    off = re.search(rf"{re.escape(hub.url)}(/mail/off/[\w-]+)", box.texts[0])
    assert off is not None and letter["List-Unsubscribe"].strip() == f"<{hub.url}{off.group(1)}>"
    assert "Rising in at least 3 of 7 cities" in box.texts[0]
    say(hub, 2, cell=builders.GRID[1])
    hub.clock.advance(hours=2)
    send(hub)
    assert len(box.letters) == 1, "once a day"
    hub.clock.advance(days=1)
    say(hub, 2, cell=builders.GRID[1], said_at=hub.clock() - timedelta(hours=1), withdrawn_at=hub.clock())
    send(hub)
    assert len(box.letters) == 2 and "Taken back" in box.texts[1]
    hub.clock.advance(days=1)
    send(hub)
    assert len(box.letters) == 2, "nothing new, no e-mail"


def test_the_link_in_an_e_mail_ends_them_when_its_button_is_pressed(hub: RunningHub, box: Letterbox) -> None:
    nils = mailing(hub, box)
    say(hub, 1)
    hub.clock.advance(minutes=11)
    send(hub)
    (path,) = set(re.findall(r"/mail/off/[\w-]+", box.texts[0]))
    outside = Browser(hub)
    assert "Send me no more" in outside.page(path)
    assert "E-mails: on" in nils.page("/views"), "looking at the link ends nothing"
    answer = outside.post(path, {"List-Unsubscribe": "One-Click"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200 and "no more e-mails" in answer.text
    assert outside.post(path).status_code == 200, "twice is once"
    assert "E-mails: off" in nils.page("/views")
    say(hub, 2)
    hub.clock.advance(days=2)
    send(hub)
    assert len(box.letters) == 1


@pytest.mark.parametrize("fate", ["ended", "removed", "kept out", "another role", "another address"])
def test_what_waits_is_not_sent_to_whom_it_is_not_for_any_more(hub: RunningHub, box: Letterbox, fate: str) -> None:
    nils = mailing(hub, box)
    say(hub, 1)
    hub.clock.advance(minutes=11)
    assert hub.verb("watch.mail") == {"queued": 1}
    if fate == "ended":
        nils.post(f"/views/{view_id(hub)}/mail", {"mail": "off"})
    elif fate == "removed":
        nils.post(f"/views/{view_id(hub)}/remove")
    else:
        with hub.hub.database.write() as session:
            row = session.get_one(AccountRow, "nils")
            row.disabled_at = hub.clock() if fate == "kept out" else None
            row.role = "auditor" if fate == "another role" else row.role
            row.email = "new@land.example" if fate == "another address" else row.email
    hub.verb("alarms.deliver")
    assert box.letters == []
    with hub.hub.database.read() as session:
        assert set(session.scalars(select(DeliveryRow.state).where(DeliveryRow.topic == "view"))) == {"dropped"}


def test_an_e_mail_that_is_not_taken_comes_later_and_the_operator_sees_it(hub: RunningHub, box: Letterbox) -> None:
    mailing(hub, box)
    say(hub, 1)
    hub.clock.advance(minutes=11)
    box.refuse = "450 come back later"
    send(hub)
    assert "alerts by e-mail" in [each["about"] for each in hub.verb("doctor")["findings"]]
    assert NILS not in str(hub.verb("alarms.show"))
    box.refuse = ""
    hub.clock.advance(hours=2)
    send(hub)
    assert len(box.letters) == 1


def test_an_address_that_is_gone_keeps_nobody_elses_e_mail_back(hub: RunningHub, box: Letterbox) -> None:
    mailing(hub, box)
    box.unknown = {NILS}
    give_account(hub, "mia", "analyst")
    give_address(hub, "mia@land.example", "mia")
    say(hub, 1)
    hub.clock.advance(minutes=11)
    assert hub.verb("watch.mail") == {"queued": 1}
    Browser(hub).sign_in("mia").post("/views/address")
    assert hub.verb("alarms.deliver") == {"sent": 1, "failed": 1}
    assert [recipients for recipients, _ in box.letters] == [["mia@land.example"]]


@pytest.mark.parametrize("owner", ["mia", "nils"])
def test_a_letter_that_waited_is_not_about_a_view_that_took_the_number_of_its_own(
    hub: RunningHub, box: Letterbox, owner: str
) -> None:
    """SQLite gives a number again. The letter would say another's view and hold the link that ends its e-mails."""
    nils = mailing(hub, box)
    say(hub, 1)
    hub.clock.advance(minutes=11)
    hub.verb("watch.mail")
    number = view_id(hub)
    with hub.hub.database.write() as session:
        waiting = session.scalars(select(DeliveryRow).where(DeliveryRow.topic == "view")).one()
        waiting.state, letter = "given-up", waiting.id
    hub.clock.advance(minutes=1)
    nils.post(f"/views/{number}/remove")
    if owner == "mia":
        give_account(hub, "mia", "analyst")
    other, _ = save(hub, owner, name="Secret")
    assert view_id(hub) == number
    other.post(f"/views/{number}/mail", {"mail": "on"})
    with hub.hub.database.write() as session:  # as if it had been on its way when the view was removed
        session.get_one(DeliveryRow, letter).state = "waiting"
    hub.verb("alarms.deliver")
    assert box.letters == []


def test_an_e_mail_is_in_the_language_of_its_reader(hub: RunningHub, box: Letterbox) -> None:
    mailing(hub, box)
    with hub.hub.database.write() as session:
        accounts.choose_language(session, "nils", "de")
    say(hub, 1)
    hub.clock.advance(minutes=11)
    send(hub)
    assert "Um das zu beenden" in box.texts[0] and box.letters[0][1]["Content-Language"] == "de"
