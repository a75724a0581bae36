"""What the console reads, on both databases: the verbs behind its pages, and the audit trail page by page."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from regional_hub import audit
from regional_hub.orm import ContentRow
from shared_schema.entry import digest_of
from shared_schema.envelope import parse_envelope
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubUnreachable
from shared_schema.statement import Kind
from tests.regional_hub.browsing import Browser
from tests.regional_hub.running import City, RunningHub


def test_the_overview_counts_what_there_is(hub: RunningHub, city: City) -> None:
    hub.accept(city.sign())
    city.feed()
    lines = hub.verb("overview")["lines"]
    assert lines["log"]["size"] == hub.log_size()
    assert lines["members"] == {"state": "good", "in_time": 1, "late": 0, "silent": 0}
    assert (lines["backup"]["state"], lines["keys"]["state"]) == ("bad", "good")
    assert "certificate" not in lines, "there is none without https"


def test_a_member_is_shown_with_what_it_has_handed_in(hub: RunningHub, city: City) -> None:
    item = city.sign()
    hub.accept(item)
    hub.accept(city.withdrawal(item))
    shown = hub.verb("members.show", name=city.name)
    assert shown["handed_in"] == {"practice": 1, "withdrawal": 1}
    assert (shown["lag"], shown["highest_seq"]) == (hub.log_size(), 2)
    states = [(each["kind"], each["state"]) for each in hub.verb("members.items", name=city.name)["items"]]
    assert states == [("withdrawal", "in-force"), ("practice", "withdrawn")]


@pytest.mark.parametrize("verb", ["members.show", "members.items"])
def test_nobody_is_shown_who_is_no_member(hub: RunningHub, verb: str) -> None:
    with pytest.raises(VerbError) as caught:
        hub.verb(verb, name="nobody.sn.de")
    assert caught.value.code == "not-found"


def test_changed_sums_are_named_by_table_and_period_until_they_are_published(hub: RunningHub, city: City) -> None:
    hub.accept(city.trend())
    assert hub.verb("sums.changed")["sums"] == [{"table": "bias_incidents.by_offence@1", "period": "2026-10"}]
    hub.verb("aggregate")
    assert hub.verb("sums.changed")["sums"] == []


def test_the_trail_is_read_by_number_and_exported_whole(hub: RunningHub, city: City) -> None:
    with hub.hub.database.read() as session:
        newest = audit.find_events(session, limit=2)
        older = audit.find_events(session, before=newest[-1].seq, limit=100)
        assert [row.seq for row in [*newest, *older]] == list(range(audit.verify(session), 0, -1))
        actions, people = audit.known_words(session)
        assert "member-admitted" in actions and "operator" in people
        assert len(list(audit.export(session))) == audit.verify(session)


def test_a_member_is_shown_with_what_went_out_to_it_and_what_it_has_given_up(hub: RunningHub, city: City) -> None:
    other = hub.enrol("dresden.sn.de")
    kept, first, second, third = other.sign(), other.sign(), other.sign(), other.sign()
    for body in (kept, first, second, third, other.trend(), other.sign(Kind.QUESTION)):
        hub.accept(body)
    before = hub.verb("members.show", name=city.name)
    assert before["handed_out"] == {}, "it has read nothing"
    city.feed()
    city.feed(hub.log_size())
    hub.accept(other.withdrawal(first))
    city.feed(hub.log_size())
    hub.accept(other.withdrawal(second))
    hub.accept(other.withdrawal(third))
    shown = hub.verb("members.show", name=city.name)
    assert shown["handed_out"]["practice"] == 1, "what was taken back is not counted"
    assert shown["handed_out"]["question"] == 1
    assert "trend" not in shown["handed_out"], "figures of a city stay with its hub"
    assert shown["taken_back"] == {"held": 3, "given_up": 1, "late": 0, "unreachable": 0}
    hub.clock.advance(days=8)
    assert hub.verb("members.show", name=city.name)["taken_back"]["late"] == 2
    assert hub.verb("members.show", name=other.name)["taken_back"]["held"] == 0, "its own are not counted"


def lose_envelope(stored: bytes) -> bytes:
    return stored.replace(b'"payload":', b'"paylaod":')


def lose_body(stored: bytes) -> bytes:
    envelope = parse_envelope(stored)
    return replace(envelope, payload=envelope.payload.replace(b'"body":', b'"bodx":')).to_bytes()


@pytest.mark.parametrize("damage", [lose_envelope, lose_body])
def test_a_withdrawal_that_cannot_be_read_takes_no_page_from_the_operator(
    region: RunningHub, town: City, damage: Callable[[bytes], bytes]
) -> None:
    other = region.enrol("dresden.sn.de")
    item = other.sign()
    region.accept(item)
    withdrawal = other.withdrawal(item)
    region.accept(withdrawal)
    with region.hub.database.write() as session:
        row = session.get_one(ContentRow, digest_of(withdrawal))
        row.envelope = damage(row.envelope)
    assert region.verb("overview")["lines"]["recalls"]["state"] == "bad"
    assert region.verb("members.show", name=town.name)["taken_back"] is None
    olga = Browser(region).sign_in("olga")
    assert "regional-hub verify" in olga.page("/")
    assert "regional-hub verify" in olga.page(f"/members/{town.name}")
    with pytest.raises(VerbError, match="regional-hub verify"):
        region.verb("recalls")
    with pytest.raises(HubUnreachable):
        other.api().recalls(0)  # an answer without it would say that nobody has the item
    assert not region.verb("verify")["ok"]
