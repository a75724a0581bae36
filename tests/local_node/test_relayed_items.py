"""What a hub relays without its city's name, as another city's node stores and shows it."""

from typing import Any

import pytest

from local_node.inbox import InboxState
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody
from shared_schema.envelope import Envelope, sign_payload
from shared_schema.governance import RelayedBody, WithdrawalBody
from shared_schema.keys import MemberRole
from shared_schema.period import Area
from shared_schema.relay import UnnamedBody, generalise
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import Author, HubSimulator
from tests.local_node.browsing import Browser
from tests.local_node.conftest import Leipzig
from tests.local_node.test_pages import browser, sync
from tests.shared_schema import builders

__all__ = ["browser", "sync"]  # the fixtures of the pages
SAXONY = Area.from_object(builders.SAXONY)
CONTENTS: dict[str, UnnamedBody] = {
    "practice": PracticeBody.from_object(builders.practice_body(attribution="region", outcome="harm")),
    "experience": ExperienceBody.from_object(builders.experience_body(attribution="region")),
    "answer": AnswerBody.from_object(
        {"question": builders.DIGEST, "text": "Begin later.", "attribution": "region", "review": builders.REVIEW}
    ),
}


def relayed(content: UnnamedBody = CONTENTS["practice"]) -> RelayedBody:
    return generalise(content, SAXONY)


def with_area_of_a_city(envelope: Envelope, hub: HubSimulator) -> Envelope:
    """The same statement with a municipality in it, signed by the hub all the same."""
    payload = envelope.payload.replace(b'{"code":"DED","scheme":"NUTS"', b'{"code":"DE_14","scheme":"LAU"')
    assert payload != envelope.payload
    return sign_payload(Kind.RELAYED.value, payload, hub.author.key)


def nation_above(hub: HubSimulator) -> Author:
    """The hub above, for which this hub vouches."""
    nation = hub.city("bund.de", enrolled=False)
    hub.enrol(nation.name, nation.key.public, role=MemberRole.PARENT)
    return nation


# --- stored --------------------------------------------------------------------------------------------------------


def test_a_city_cannot_relay(leipzig: Leipzig) -> None:
    envelope = leipzig.hub.city("dresden.sn.de").sign(Kind.RELAYED, relayed(), Audience.EUROPE)
    leipzig.hub.log(envelope)
    leipzig.pull()
    item = leipzig.items()[envelope.digest]
    assert (item.state, item.reason) == (InboxState.QUARANTINED, "kind-not-allowed")


def test_an_item_that_names_a_municipality_is_not_shown_whoever_signed_it(leipzig: Leipzig) -> None:
    honest = leipzig.hub.author.sign(Kind.RELAYED, relayed(), Audience.EUROPE)
    envelope = with_area_of_a_city(honest, leipzig.hub)
    leipzig.hub.log(envelope, audience=Audience.EUROPE)
    leipzig.pull()
    item = leipzig.items()[envelope.digest]
    assert (item.state, item.reason, item.body) == (InboxState.QUARANTINED, "schema", None)


def test_another_hub_takes_nothing_back_that_this_one_has_relayed(leipzig: Leipzig) -> None:
    hub = leipzig.hub
    nation = nation_above(hub)
    envelope = hub.author.sign(Kind.RELAYED, relayed(), Audience.EUROPE)
    withdrawal = WithdrawalBody(digest=envelope.digest, reason="consent")
    hub.log(envelope)
    hub.log(nation.sign(Kind.WITHDRAWAL, withdrawal, Audience.EUROPE))
    leipzig.pull()
    assert leipzig.items()[envelope.digest].state is InboxState.ACCEPTED
    hub.log(hub.author.sign(Kind.WITHDRAWAL, withdrawal, Audience.EUROPE))
    leipzig.pull()
    item = leipzig.items()[envelope.digest]
    assert (item.state, item.body) == (InboxState.WITHDRAWN, None)


def test_the_hub_above_relays_as_well(leipzig: Leipzig) -> None:
    nation = nation_above(leipzig.hub)
    content = PracticeBody.from_object(builders.practice_body(attribution="country"))
    envelope = nation.sign(Kind.RELAYED, relayed(content), Audience.EUROPE)
    leipzig.hub.log(envelope)
    leipzig.pull()
    item = leipzig.items()[envelope.digest]
    assert (item.state, item.origin) == (InboxState.ACCEPTED, "bund.de")


# --- shown ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "title", "words"),
    [
        ("practice", "Debate nights at the university", "We would ask the students first."),
        ("experience", "Experience with a practice, city not named", "Keep the group small."),
        ("answer", "Answer, city not named", "Begin later."),
    ],
)
def test_each_has_a_page_that_says_why_no_city_is_named(
    browser: Browser, hub: HubSimulator, sync: Any, kind: str, title: str, words: str
) -> None:
    envelope = hub.author.sign(Kind.RELAYED, relayed(CONTENTS[kind]), Audience.EUROPE)
    hub.log(envelope)
    sync()
    page = browser.page(f"/inbox/{envelope.digest}")
    for expected in (title, words, "A city of this region has written this, and does not want to be named"):
        assert expected in page
    assert f"/inbox/{envelope.digest}" in browser.page("/inbox")
