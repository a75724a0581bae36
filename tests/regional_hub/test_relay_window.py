"""What others can see of the relay: nothing before the window, and nothing in it that tells who or in which order."""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from regional_hub import relay
from regional_hub.relay_window import PATIENCE_WINDOWS, close_window, start_of_window
from regional_hub.trends import expected_cities
from shared_schema.content import AnswerBody
from shared_schema.envelope import parse_envelope
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, Clock, RunningHub, check_problem, join
from tests.regional_hub.test_relay_intake import RELAY, experience, practice, take_back
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NUMBERS = count(1)
NAMES = ("leipzig.sn.de", "dresden.sn.de", "chemnitz.sn.de", "zwickau.sn.de")


@pytest.fixture
def cities(hub: RunningHub) -> list[City]:
    """Four: with `min_contributors` 3, each has three others."""
    return [hub.enrol(name) for name in NAMES]


def confide(city: City, title: str | None = None, **changes: Any) -> bytes:
    attribution = changes.pop("attribution", "region")
    body = city.confide(practice(title=title or f"Project {next(NUMBERS)}", attribution=attribution), **changes)
    response = city.hub.post(body, RELAY)
    assert response.status_code == 201, response.text
    return body


def close(hub: RunningHub) -> dict[str, Any]:
    """A day goes by, and the window closes."""
    hub.clock.advance(days=1)
    return hub.verb("relay.publish")


def relayed_in(city: City) -> list[dict[str, Any]]:
    """The relayed items as a member reads them in the feed, with their statements."""
    entries = [entry for entry in city.feed()["entries"] if entry["entry"]["kind"] == "relayed"]
    payloads = [base64.b64decode(entry["envelope"]["payload"]) for entry in entries if "envelope" in entry]
    return [json.loads(payload) for payload in payloads]


def titles(city: City) -> list[str]:
    return [statement["body"]["practice"]["title"] for statement in relayed_in(city)]


# --- what holds an item back ---------------------------------------------------------------------------------------


def test_nothing_is_published_before_the_window_begins_anew(hub: RunningHub, cities: Sequence[City]) -> None:
    hub.clock.now = hub.clock.now.replace(hour=0, minute=0, second=0)
    for city in cities[:2]:
        confide(city)
    for hours in (0, 12, 11):
        hub.clock.advance(hours=hours)
        result = hub.verb("relay.publish")
        assert (result["published"], result["too_early"]) == (0, 2)
    hub.clock.advance(hours=1)
    assert hub.verb("relay.publish")["published"] == 2


def test_the_time_of_publication_does_not_depend_on_the_time_of_arrival(hub: RunningHub, cities: list[City]) -> None:
    """One comes a second after midnight, the other a second before the next: the same entry time for both."""
    hub.clock.now = hub.clock.now.replace(hour=0, minute=0, second=1)
    confide(cities[0], "First thing in the morning")
    hub.clock.now = hub.clock.now.replace(hour=23, minute=59, second=59)
    confide(cities[1], "Last thing in the evening")
    close(hub)
    entries = [entry["entry"] for entry in cities[2].feed()["entries"] if entry["entry"]["kind"] == "relayed"]
    assert len(entries) == 2
    assert len({entry["time"] for entry in entries}) == 1
    assert len({statement["issued_at"] for statement in relayed_in(cities[2])}) == 1


def test_among_too_few_cities_nothing_is_published(hub: RunningHub) -> None:
    cities = [hub.enrol(name) for name in NAMES[:3]]
    for city in cities[:2]:
        confide(city)
    assert (close(hub)["published"], hub.verb("relay.publish")["too_few_cities"]) == (0, 2)
    hub.enrol(NAMES[3])
    assert close(hub)["published"] == 2


def test_cities_that_are_suspended_are_none_to_be_one_of(hub: RunningHub, cities: list[City]) -> None:
    for city in cities[:2]:
        confide(city)
    hub.verb("members.set", name=cities[3].name, status="suspended")
    assert close(hub)["too_few_cities"] == 2


def test_an_item_alone_waits_for_one_of_another_author(hub: RunningHub, cities: list[City]) -> None:
    for _ in range(3):
        confide(cities[0])
    assert (close(hub)["published"], hub.verb("relay.publish")["alone"]) == (0, 3)
    confide(cities[1])
    assert close(hub)["published"] == 4


def test_a_warning_does_not_wait_for_ever(hub: RunningHub, cities: list[City]) -> None:
    confide(cities[0])
    waited = 0
    while close(hub)["published"] == 0:
        waited += 1
    assert waited == PATIENCE_WINDOWS


# --- what others see -----------------------------------------------------------------------------------------------


def test_until_then_nobody_else_sees_anything_at_all(hub: RunningHub, cities: list[City]) -> None:
    """Every byte that others can read is the same before and after: feed, checkpoint, tiles, members."""

    def everything() -> list[bytes]:
        reads = [cities[1].read("/v1/feed?from=0&seen=0"), cities[1].read("/v1/members/me"), cities[1].read(RELAY)]
        size = hub.log_size()
        public = [
            hub.client.get(path) for path in ("/checkpoint", f"/tile/0/000.p/{size}", f"/tile/entries/000.p/{size}")
        ]
        assert {answer.status_code for answer in (*reads, *public)} == {200}
        return [answer.content for answer in (*reads, *public)]

    before = everything()
    body = confide(cities[0])
    hub.post(cities[0].confide(take_back(body)), RELAY)
    confide(cities[0])
    assert everything() == before


@pytest.mark.sqlite_is_enough(False)
def test_what_is_published_has_no_byte_of_its_author(hub: RunningHub, cities: list[City]) -> None:
    author = cities[0]
    named = author.sign()
    hub.accept(named)
    bodies = [confide(author, f"Title {place}") for place in range(2)] + [confide(cities[1])]
    close(hub)
    author_words = [author.name, author.key.public.keyid, base64.b64encode(author.key.public.raw).decode(), "14713000"]
    secret = [*author_words, *(parse_envelope(body).digest for body in bodies)]
    found = relayed_in(cities[2])
    assert len(found) == 3
    for statement in found:
        text = json.dumps(statement)
        assert [word for word in secret if word in text] == []
        assert statement["origin"] == hub.hub.name
        assert statement["body"]["practice"]["area"]["code"] == "DED"


def test_no_number_of_a_city_is_missing_for_what_it_confided(hub: RunningHub, cities: list[City]) -> None:
    """Statements before and after have neighbouring numbers, and so have the hub's own."""
    hub.accept(cities[0].sign())
    confide(cities[0])
    confide(cities[1])
    hub.accept(cities[0].sign())
    close(hub)
    payloads = [
        json.loads(base64.b64decode(entry["envelope"]["payload"]))
        for entry in cities[2].feed()["entries"]
        if "envelope" in entry
    ]
    for origin in (cities[0].name, hub.hub.name):
        numbers = [payload["seq"] for payload in payloads if payload["origin"] == origin]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_order_in_the_log_is_drawn_and_not_that_of_arrival(hub: RunningHub, cities: list[City]) -> None:
    """Handed a shuffle, it is that shuffle's order, whatever came first; without one, the system draws."""
    for place, city in enumerate([*cities, *cities]):
        confide(city, f"Title {place}")
    hub.clock.advance(days=1)
    seen: list[str] = []

    def reverse_by_digest(rows: list[Any]) -> None:
        rows.sort(key=lambda row: row.digest, reverse=True)
        seen.extend(row.digest for row in rows)

    trust = hub.hub.refresh_trust()
    with hub.hub.database.write() as session:
        close_window(
            session, hub.hub.desk, trust=trust, cities=expected_cities(trust), now=hub.clock(),
            shuffle=reverse_by_digest,
        )  # fmt: skip
    by_request = {item["request"]: item["relayed"] for item in hub.verb("relay.list")["items"]}
    logged = [entry["entry"]["digest"] for entry in cities[2].feed()["entries"] if entry["entry"]["kind"] == "relayed"]
    assert logged == [by_request[digest] for digest in seen]


def test_many_items_do_not_come_out_as_they_came_in(hub: RunningHub, cities: list[City]) -> None:
    """One chance in 16! that the drawn order is that of arrival."""
    arrived = [f"Title {place}" for place in range(16)]
    for place, title in enumerate(arrived):
        confide(cities[place % 4], title)
    close(hub)
    published = titles(cities[0])
    assert sorted(published) == sorted(arrived)
    assert published != arrived


def test_two_authors_with_the_same_text_give_statements_of_the_same_length(hub: RunningHub, cities: list[City]) -> None:
    """Place, program, role, dialect and month would differ; what is published does not."""
    review = {"role": "coordinator", "detector": "narrative 17", "findings": 120}
    other = practice(review=review, language="de-CH", review_by="2027-01", area=builders.LEIPZIG | {"code": "DE_1"})
    hub.post(cities[0].confide(practice(language="de", review_by="2027-12")), RELAY)
    hub.post(cities[1].confide(other), RELAY)
    close(hub)
    bodies = [statement["body"] for statement in relayed_in(cities[2])]
    assert bodies[0] == bodies[1]


def test_the_operators_list_is_the_only_place_with_the_link(hub: RunningHub, cities: list[City]) -> None:
    confide(cities[0])
    confide(cities[1])
    close(hub)
    items = hub.verb("relay.list")["items"]
    assert {item["member"] for item in items} == {cities[0].name, cities[1].name}
    assert {item["state"] for item in items} == {"published"}
    own = cities[0].standing()["items"]
    assert [item["relayed"] for item in own] == [item["relayed"] for item in items if item["member"] == NAMES[0]]
    assert hub.verb("verify")["ok"]


# --- taking back ---------------------------------------------------------------------------------------------------


def test_the_hub_takes_back_in_its_own_name_what_the_author_takes_back(hub: RunningHub, cities: list[City]) -> None:
    bodies = [confide(cities[0]), confide(cities[1])]
    close(hub)
    assert hub.post(cities[0].confide(take_back(bodies[0])), RELAY).status_code == 201
    assert len(relayed_in(cities[2])) == 2, "not at once: the minute would tell"
    assert close(hub)["withdrawn"] == 1
    page = cities[2].feed()
    absent = [entry for entry in page["entries"] if entry.get("absent") == "withdrawn"]
    withdrawal = json.loads(base64.b64decode(page["entries"][-1]["envelope"]["payload"]))
    assert [entry["entry"]["digest"] for entry in absent] == [withdrawal["body"]["digest"]]
    assert (withdrawal["kind"], withdrawal["origin"]) == ("withdrawal", hub.hub.name)
    assert [item["state"] for item in cities[0].standing()["items"]] == ["withdrawn", "withdrawn"]
    assert hub.verb("verify")["ok"]
    assert close(hub)["withdrawn"] == 0


def test_the_operator_takes_back_at_once(hub: RunningHub, cities: list[City]) -> None:
    bodies = [confide(cities[0]), confide(cities[1])]
    close(hub)
    relayed = cities[0].standing()["items"][0]["relayed"]
    for wrong in ({"relayed": relayed, "reason": "because"}, {"relayed": builders.DIGEST, "reason": "error"}):
        with pytest.raises(VerbError):
            hub.verb("relay.withdraw", **wrong)
    hub.verb("relay.withdraw", relayed=relayed[:12], reason="consent")
    assert len(relayed_in(cities[2])) == 1
    hub.post(cities[0].confide(take_back(bodies[0])), RELAY)
    assert close(hub)["withdrawn"] == 0
    assert {item["state"] for item in cities[0].standing()["items"]} == {"withdrawn"}
    assert hub.verb("verify")["ok"]


# --- newer ones, and praise for oneself ----------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_an_author_replaces_its_own_relayed_item_and_nobody_elses(hub: RunningHub, cities: list[City]) -> None:
    confide(cities[0])
    confide(cities[1])
    close(hub)
    relayed = cities[0].standing()["items"][0]["relayed"]
    newer = practice(replaces=relayed)
    check_problem(hub.post(cities[1].confide(newer), RELAY), ProblemCode.RELEASE_RULE)
    check_problem(hub.post(cities[0].confide(experience(practice=relayed)), RELAY), ProblemCode.RELEASE_RULE)
    assert hub.post(cities[1].confide(experience(practice=relayed)), RELAY).status_code == 201
    assert hub.post(cities[0].confide(newer), RELAY).status_code == 201
    assert close(hub)["published"] == 2


# --- questions -----------------------------------------------------------------------------------------------------


def ask_about(city: City, relayed: str, audience: str = "europe") -> str:
    body = city.sign(Kind.QUESTION, builders.question_body(about=relayed), audience=audience)
    city.hub.accept(body)
    return parse_envelope(body).digest


def answer_to(question: str, **changes: object) -> AnswerBody:
    fields = {"question": question, "text": "We would begin later.", "attribution": "region", "review": builders.REVIEW}
    return AnswerBody.from_object(fields | changes)


def test_a_question_reaches_the_author_and_the_answer_names_nobody(hub: RunningHub, cities: list[City]) -> None:
    author, asker = cities[0], cities[2]
    confide(author)
    confide(cities[1])
    close(hub)
    relayed = author.standing()["items"][0]["relayed"]
    question = ask_about(asker, relayed)
    check_problem(hub.post(author.confide(answer_to(question)), RELAY), ProblemCode.NOT_FOUND)
    (listed,) = hub.verb("relay.questions")["questions"]
    assert (listed["question"], listed["asked_by"], listed["forwarded"]) == (question, asker.name, False)
    hub.verb("relay.forward", question=question[:10])
    hub.verb("relay.forward", question=question)
    assert hub.verb("relay.questions")["questions"][0]["forwarded"] is True
    assert author.standing()["questions"] == [
        {"question": question, "relayed": relayed, "request": author.standing()["items"][0]["request"]}
    ]
    assert [city.standing()["questions"] for city in cities[1:]] == [[], [], []]
    check_problem(hub.post(cities[1].confide(answer_to(question)), RELAY), ProblemCode.NOT_FOUND)
    check_problem(hub.post(author.confide(answer_to(question, attribution="country")), RELAY), ProblemCode.RELEASE_RULE)
    short = author.confide(answer_to(question), audience=Audience.REGION)
    check_problem(hub.post(short, RELAY), ProblemCode.RELEASE_RULE)
    assert hub.post(author.confide(answer_to(question)), RELAY).status_code == 201
    confide(cities[3])
    assert close(hub)["published"] == 2
    answers = [each["body"]["answer"] for each in relayed_in(asker) if "answer" in each["body"]]
    assert [(each["question"], each["text"]) for each in answers] == [(question, "We would begin later.")]


def test_a_question_that_its_author_could_not_read_is_not_handed_on(hub: RunningHub, cities: list[City]) -> None:
    confide(cities[0])
    confide(cities[1])
    close(hub)
    relayed = cities[0].standing()["items"][0]["relayed"]
    question = ask_about(cities[2], relayed, audience="hub")
    unrelated = cities[2].sign(Kind.QUESTION, builders.question_body())
    hub.accept(unrelated)
    for digest in (question, parse_envelope(unrelated).digest, builders.DIGEST, "ab"):
        with pytest.raises(VerbError):
            hub.verb("relay.forward", question=digest)
    assert cities[0].standing()["questions"] == []


# --- the nation ----------------------------------------------------------------------------------------------------


@pytest.fixture
def nation(start_hub: HubStarter) -> tuple[RunningHub, RunningHub, RunningHub]:
    """A nation with two regions of two cities each, all of whom it knows."""
    clock = Clock()
    top = start_hub("bund.de", "nation", clock=clock)
    saxony, rhine = start_hub("sachsen.de", clock=clock), start_hub("nrw.de", clock=clock)
    for region, names in ((saxony, NAMES[:2]), (rhine, ("koeln.nw.de", "bonn.nw.de"))):
        join(region, top)
        for name in names:
            region.enrol(name)
    top.verb("follow")
    return top, saxony, rhine


def test_what_names_only_the_country_is_published_by_the_nation(
    nation: tuple[RunningHub, RunningHub, RunningHub],
) -> None:
    """A region's signature would name the region; the nation learns the region and never the city."""
    top, saxony, rhine = nation
    author, other, asker = saxony.cities[0], rhine.cities[0], rhine.cities[1]
    for city in (author, other):
        confide(city, attribution="country", audience=Audience.NATION)
        top.clock.advance(days=1)
        assert city.hub.verb("relay.publish")["handed_up"] == 1
    members = {item["member"] for item in top.verb("relay.list")["items"]}
    assert members == {"sachsen.de", "nrw.de"}
    with top.hub.database.read() as session:
        held = [row.envelope for row in relay.list_items(session)]
    payloads = [parse_envelope(body).payload.decode() for body in held if body is not None]
    assert [text for text in payloads if author.name in text or "14713000" in text] == []
    top.clock.advance(days=1)
    assert top.verb("relay.publish")["published"] == 2
    rhine.verb("follow")
    found = relayed_in(asker)
    assert {(each["origin"], each["body"]["practice"]["area"]["code"]) for each in found} == {("bund.de", "DE")}
    assert author.standing()["items"][0]["state"] == "handed-up"
    saxony.verb("relay.publish")
    relayed = author.standing()["items"][0]["relayed"]
    assert relayed is not None

    question = ask_about(asker, relayed)
    top.verb("follow")
    top.verb("relay.forward", question=question)
    for hub in (saxony, top):
        hub.verb("follow")
    saxony.verb("relay.publish")
    assert [each["question"] for each in author.standing()["questions"]] == [question]
    body = author.confide(answer_to(question, attribution="country"))
    assert saxony.post(body, RELAY).status_code == 201
    top.clock.advance(days=1)
    assert saxony.verb("relay.publish")["handed_up"] == 1
    top.clock.advance(days=1)
    for _ in range(PATIENCE_WINDOWS + 1):
        top.verb("relay.publish")
        top.clock.advance(days=1)
    rhine.verb("follow")
    assert [each["body"]["answer"]["question"] for each in relayed_in(asker) if "answer" in each["body"]] == [question]


def test_a_withdrawal_goes_the_same_way_up(nation: tuple[RunningHub, RunningHub, RunningHub]) -> None:
    top, saxony, rhine = nation
    bodies = []
    for city in (saxony.cities[0], rhine.cities[0]):
        bodies.append(confide(city, attribution="country", audience=Audience.NATION))
        top.clock.advance(days=1)
        city.hub.verb("relay.publish")
    top.clock.advance(days=1)
    top.verb("relay.publish")
    assert saxony.post(saxony.cities[0].confide(take_back(bodies[0])), RELAY).status_code == 201
    top.clock.advance(days=1)
    assert saxony.verb("relay.publish")["withdrawn"] == 1
    top.clock.advance(days=1)
    assert top.verb("relay.publish")["withdrawn"] == 1
    rhine.verb("follow")
    assert len(relayed_in(rhine.cities[1])) == 1
    assert all(hub.verb("verify")["ok"] for hub in nation)


def test_a_nation_that_was_away_never_hears_of_what_was_taken_back_meanwhile(
    nation: tuple[RunningHub, RunningHub, RunningHub],
) -> None:
    top, saxony, _ = nation
    author = saxony.cities[0]
    body = confide(author, attribution="country", audience=Audience.NATION)
    app = saxony.network.apps.pop(top.url)
    top.clock.advance(days=1)
    result = saxony.verb("relay.publish")
    assert (result["handed_up"], result["problem"]) == (1, "unreachable")
    assert saxony.post(author.confide(take_back(body)), RELAY).status_code == 201
    top.clock.advance(days=1)
    assert saxony.verb("relay.publish")["problem"] == "unreachable"
    saxony.network.apps[top.url] = app
    assert saxony.verb("relay.publish")["problem"] is None
    assert top.verb("relay.list")["items"] == []
    with saxony.hub.database.read() as session:
        rows = [(row.state, row.envelope, row.up_envelope) for row in relay.list_items(session)]
    assert rows == [("withdrawn", None, None)] * 2


def test_a_hub_confides_only_what_names_the_country_alone(nation: tuple[RunningHub, RunningHub, RunningHub]) -> None:
    top, saxony, _ = nation
    as_hub = City(saxony.hub.name, saxony.hub.key, top)
    check_problem(top.post(as_hub.confide(), RELAY), ProblemCode.RELEASE_RULE)
    check_problem(saxony.post(City(top.hub.name, top.hub.key, saxony).confide(), RELAY), ProblemCode.WRONG_ORIGIN)


def test_windows_begin_at_fixed_times() -> None:
    day = timedelta(days=1)
    start = start_of_window(builders.NOW, day)
    assert (start.hour, start.minute) == (0, 0)
    assert start_of_window(start, day) == start
    assert start_of_window(start - timedelta(seconds=1), day) == start - day
