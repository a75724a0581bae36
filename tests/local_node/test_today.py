"""Today says what needs this very person, and nothing that is somebody else's; the sync state is told in words."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from local_node import audit, hub_client, verbs
from local_node.app import Node
from local_node.hub_client import PinnedHub
from local_node.orm import AgencyRow, HubRow, OutboxRow, RecallRow, ReleaseRequestRow, WithdrawalRow
from local_node.sync import Alarm
from local_node.web import today
from local_node.web.access import Visitor
from local_node.web.sync_state import standing_of
from local_node.web.today import Need, Pressing
from shared_schema.checkpoint import NoteVerifier
from shared_schema.content import AnswerBody, QuestionBody
from shared_schema.governance import PolicyBody
from shared_schema.pins import Pin
from shared_schema.statement import Audience, Kind
from tests import factories
from tests.hub_simulator import Author, HubSimulator, Lie, MovableClock, seeded_key
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
QUARTER_HOUR = timedelta(minutes=15)


@pytest.fixture
def look(member: Node) -> Callable[[str], str]:
    """The first page as a person of this role sees it."""
    for person, role in (("paul", "partner"), ("rita", "reader"), ("olga", "administrator"), ("carla", "coordinator")):
        verbs.run(member, "people.add", {"id": person, "role": role})
    browsers: dict[str, Browser] = {}

    def page(person: str) -> str:
        if person not in browsers:
            browsers[person] = Browser(member).sign_in(person)
        return browsers[person].page("/")

    return page


def ask_release(node: Node, by: str, number: int = 1, *, state: str = "requested", age: int = 0) -> None:
    with node.database.write() as session:
        session.add(
            ReleaseRequestRow(
                id=f"r{number}", number=number, kind="practice", state=state,
                body=factories.make_practice().to_bytes().decode(), audience="europe", requested_by=by,
                requested_at=node.clock() - timedelta(days=age), findings='{"items":[]}',
            )
        )  # fmt: skip


# --- whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["paul", "rita", "olga"])
def test_who_may_not_review_is_not_asked_to(member: Node, look: Callable[[str], str], person: str) -> None:
    ask_release(member, "anna")
    assert "waits for your review" not in look(person)


def test_whoever_asked_for_a_release_is_not_asked_to_review_it(member: Node, look: Callable[[str], str]) -> None:
    ask_release(member, "anna")
    assert "waits for your review" not in look("anna")
    assert "1 release waits for your review." in look("ben")
    assert "1 release waits for your review." in look("carla")


def test_a_review_has_a_last_day_and_is_overdue_after_it(member: Node, look: Callable[[str], str]) -> None:
    ask_release(member, "anna", 1, age=2)
    page = look("ben")
    assert "by 27 Nov 2026" in page
    assert "overdue" not in page
    ask_release(member, "anna", 2, age=9)
    page = look("ben")
    assert "2 releases wait for your review." in page
    assert "overdue" in page


@pytest.mark.parametrize("person", ["paul", "rita", "ben"])
def test_alarms_are_explained_to_all_but_only_some_are_told_to_call(
    member: Node, hub: HubSimulator, look: Callable[[str], str], person: str
) -> None:
    hub.log(hub.city("dresden.sn.de").practice())
    hub.lie = Lie.FLIP_BIT
    verbs.run(member, "sync", {})
    assert "Something is wrong with sachsen.de" in look(person)
    assert "Call the operator" not in look(person)
    assert "Call the operator of sachsen.de" in look("anna")


def test_what_this_city_has_sent_itself_is_not_news_from_others(
    member: Node, hub: HubSimulator, look: Callable[[str], str]
) -> None:
    hub.log(hub.city("dresden.sn.de").practice("From Dresden"))
    hub.log(Author(LEIPZIG, member.key, member.clock).practice("From ourselves"))
    verbs.run(member, "sync", {})
    assert "From Dresden" in look("anna")
    assert "From ourselves" not in look("anna")
    assert "From ourselves" in Browser(member).sign_in("anna").page("/inbox?show=all")


def test_open_steps_of_the_set_up_lead_there_for_whoever_can_take_them(
    member: Node, look: Callable[[str], str]
) -> None:
    assert 'href="/set-up"' in look("olga")
    assert "of the set-up" in look("olga")
    assert "of the set-up" not in look("anna")
    with member.database.write() as session:
        row = AgencyRow(id="youth", name="Youth", kinds='{"codes":[]}', roles='{"codes":[]}', added_at=member.clock())
        session.add(row)
    assert 'href="/set-up"' not in look("olga")


@pytest.mark.parametrize(("person", "told"), [("anna", True), ("ben", True), ("paul", False), ("rita", False)])
def test_a_refusal_is_for_those_who_see_the_outbox(
    member: Node, look: Callable[[str], str], person: str, told: bool
) -> None:
    put_into_outbox(member, "refused")
    assert ("1 statement was refused by a hub" in look(person)) is told


def put_into_outbox(node: Node, state: str, number: int = 1) -> None:
    with node.database.write() as session:
        session.add(
            OutboxRow(
                digest=f"{number:064d}", seq=number, envelope=b"", hub="sachsen.de", state=state,
                reason="schema" if state == "refused" else None, created_at=node.clock() - timedelta(hours=3),
            )
        )  # fmt: skip


# --- what there is ---------------------------------------------------------------------------------------------------


def test_with_nothing_to_do_it_is_kind_and_has_one_suggestion(look: Callable[[str], str]) -> None:
    for person, suggestion in (("anna", "Write it down for other cities"), ("rita", "what other cities have learned")):
        page = look(person)
        assert "Nothing waits for you" in page
        assert suggestion in page


def test_without_a_hub_the_first_thing_is_to_add_one(node: Node) -> None:
    page = Browser(node).sign_in("anna").page("/")
    assert "Add your hub." in page
    assert "There is no hub yet." in page


def test_a_question_is_asked_until_somebody_has_answered(
    member: Node, hub: HubSimulator, look: Callable[[str], str]
) -> None:
    city = hub.city("dresden.sn.de")
    review = {"role": "reviewer", "detector": "narrative/0.1", "findings": 0}
    asked = {"title": "Who?", "text": "Who has tried?", "phenomenon": ["RWE"], "language": "en", "review": review}
    question = city.sign(Kind.QUESTION, QuestionBody.from_object(asked), Audience.REGION)
    hub.log(question)
    verbs.run(member, "sync", {})
    assert "1 question of another city has no answer yet." in look("paul")
    assert "has no answer yet" not in look("rita")
    anew = QuestionBody.from_object(asked | {"text": "Who has ever tried?", "replaces": question.digest})
    hub.log(city.sign(Kind.QUESTION, anew, Audience.REGION))
    verbs.run(member, "sync", {})
    assert "1 question of another city has no answer yet." in look("paul"), "two versions are one question"
    answer = {"question": question.digest, "text": "We have.", "language": "en", "review": review}
    hub.log(hub.city("halle.st.de").sign(Kind.ANSWER, AnswerBody.from_object(answer), Audience.REGION))
    verbs.run(member, "sync", {})
    assert "has no answer yet" not in look("paul")


def test_new_rules_are_news_for_a_fortnight_and_the_first_ones_are_none(
    member: Node, hub: HubSimulator, policy: PolicyBody, look: Callable[[str], str], clock: MovableClock
) -> None:
    assert "has changed its rules" not in look("anna")
    hub.publish_policy(policy.model_copy(update={"version": 2}))
    verbs.run(member, "sync", {})
    assert "sachsen.de has changed its rules" in look("anna")
    assert "has changed its rules" not in look("paul")
    clock.advance(days=15)
    assert "has changed its rules" not in Browser(member).sign_in("anna").page("/")


def test_an_old_backup_is_missed_and_a_new_one_ends_that(
    member: Node, clock: MovableClock, look: Callable[[str], str]
) -> None:
    assert "backup" not in look("anna")
    clock.advance(days=9)
    assert "There is no backup of this node yet." in Browser(member).sign_in("anna").page("/")
    with member.database.write() as session:
        audit.append(session, "local-node", "backup.made", "b1", clock())
    assert "backup" not in Browser(member).sign_in("anna").page("/")
    clock.advance(days=20)
    page = Browser(member).sign_in("anna").page("/")
    assert "The last backup is 20 days old." in page
    assert "local-node backup" in page


@pytest.mark.parametrize(("confirmed", "told"), [(None, True), (1, True), (2, False)])
def test_a_withdrawal_is_open_until_everybody_has_confirmed_it(
    member: Node, look: Callable[[str], str], confirmed: int | None, told: bool
) -> None:
    digest = "a" * 64
    with member.database.write() as session:
        session.add(
            WithdrawalRow(
                item="b" * 64, kind="practice", audience="europe", in_confidence=False, reason="error",
                asked_by="anna", asked_at=NOW, digest=digest, is_open=True,
            )
        )  # fmt: skip
        if confirmed is not None:
            session.add(
                RecallRow(
                    hub="sachsen.de", withdrawal=digest, item="b" * 64, holders=2, confirmed=confirmed, unreachable=0,
                    unheard=0, late='{"names":[]}', asked_at=NOW,
                )
            )  # fmt: skip
    assert ("not confirmed by everybody yet" in look("anna")) is told
    assert "not confirmed" not in look("paul")


@pytest.fixture
def source() -> Iterator[Callable[..., None]]:
    """Registers needs of another part for one test."""
    added: list[today.Source] = []

    def add(*needs: Need) -> None:
        def found(_session: Session, _visitor: Visitor, _now: datetime) -> Sequence[Need]:
            return needs

        today.register(found, found)
        added.append(found)

    yield add
    for each in added:
        today.SOURCES.remove(each)


def test_other_parts_add_theirs_and_the_most_pressing_comes_first(
    look: Callable[[str], str], source: Callable[..., None]
) -> None:
    source(
        Need("A draft of %(name)s waits.", "/lessons", Pressing.OPEN, {"name": "<b>mine</b>"}),
        Need("October is missing.", "/returns", Pressing.DUE, due=date(2026, 12, 15)),
        Need("September is missing.", "/returns", Pressing.LATE, due=date(2026, 11, 15)),
        Need("November comes.", "/returns", Pressing.DUE, due=date(2026, 11, 30)),
    )
    page = look("paul")
    places = [
        page.index(each) for each in ("September is missing.", "November comes.", "October is missing.", "A draft")
    ]
    assert places == sorted(places)
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert page.count("<p>October is missing.") == 1


# --- how the exchange stands -----------------------------------------------------------------------------------------


def hub_of(*, enrolled: bool = True, ago: timedelta | None = timedelta()) -> PinnedHub:
    pin = Pin(NoteVerifier("sachsen.de", seeded_key("sachsen.de").public))
    return PinnedHub(
        "sachsen.de", "https://hub.example", pin, "region", enrolled, 0, 0, None if ago is None else NOW - ago
    )


@pytest.mark.parametrize(
    ("hub", "every", "standing"),
    [
        (hub_of(), QUARTER_HOUR, "good"),
        (hub_of(ago=timedelta(minutes=59)), QUARTER_HOUR, "good"),
        (hub_of(ago=timedelta(minutes=61)), QUARTER_HOUR, "late"),
        (hub_of(ago=timedelta(hours=25)), QUARTER_HOUR, "down"),
        (hub_of(ago=None), QUARTER_HOUR, "down"),
        (hub_of(ago=timedelta(hours=25)), timedelta(hours=24), "good"),
        (hub_of(ago=timedelta(hours=80)), timedelta(hours=24), "late"),
        (hub_of(ago=timedelta(days=1)), timedelta(), "good"),
        (hub_of(ago=timedelta(days=3)), timedelta(), "late"),
        (hub_of(ago=timedelta(days=8)), timedelta(), "down"),
        (hub_of(enrolled=False), QUARTER_HOUR, "new"),
    ],
)
def test_a_hub_is_in_time_late_or_down(hub: PinnedHub, every: timedelta, standing: str) -> None:
    assert standing_of(hub, (), every, NOW) == standing


def test_an_alarm_comes_before_everything_else() -> None:
    alarm = Alarm("sachsen.de", "feed-fork", "expected", NOW, None)
    assert standing_of(hub_of(), (alarm,), QUARTER_HOUR, NOW) == "alarm"
    assert standing_of(hub_of(), (Alarm("bund.de", "feed-fork", "expected", NOW, None),), QUARTER_HOUR, NOW) == "good"


def test_with_the_network_pulled_the_page_works_and_says_what_waits(
    member: Node, hub: HubSimulator, clock: MovableClock, look: Callable[[str], str]
) -> None:
    with member.database.write() as session:
        hub_client.mark_success(session, "sachsen.de", clock())
    assert "in time" in look("anna")
    put_into_outbox(member, "waiting")
    put_into_outbox(member, "waiting", 2)
    clock.advance(days=8)
    with member.database.read() as session:
        assert session.get_one(HubRow, "sachsen.de").last_success_at is not None
    page = Browser(member).sign_in("anna").page("/")
    assert "down: the network or the hub does not answer" in page
    assert "2 since 22 Nov 2026" in page
    assert "Nothing is lost" in page
