"""The count of a recall says what is known: nobody has confirmed who may still show the item."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from sqlalchemy import select

from regional_hub import recall, recall_verbs
from regional_hub.members import to_member
from regional_hub.orm import MemberRow, RecallReportRow
from shared_schema.entry import digest_of
from shared_schema.keys import MemberRole
from shared_schema.names import format_time
from shared_schema.recall import MAX_RECALLS, MAX_SET_ASIDE, Recall, RecallPage, SetAside, is_settled
from shared_schema.statement import Kind
from tests.regional_hub.running import City, RunningHub, key_of

MOST_AT_ONCE = 50
"""Statements that a test hands in as one batch."""


@pytest.fixture
def taken_back(region: RunningHub, town: City) -> str:
    """The digest of the withdrawal of an item, the newest entry of the hub's log."""
    envelope = town.sign()
    region.accept(envelope)
    withdrawal = town.withdrawal(envelope)
    region.accept(withdrawal)
    return digest_of(withdrawal)


def add_member(hub: RunningHub, name: str, **columns: object) -> None:
    """A hub beside this one, or another member, as its row."""
    with hub.hub.database.write() as session:
        like = session.scalars(select(MemberRow).limit(1)).one()
        fields = {"role": "hub", "level": "region", "status": "active", "read_up_to": 0, "admitted_by": 0}
        session.add(
            MemberRow(
                name=name, public_key=key_of(name).public.raw, keyid=key_of(name).public.keyid, area=like.area,
                **fields | columns,
            )
        )  # fmt: skip


def count(hub: RunningHub) -> Recall:
    """What the hub says of its only withdrawal."""
    (line,) = hub.verb("recalls")["recalls"]
    return Recall(
        index=line["entry"], withdrawal=line["withdrawal"], item=line["item"], holders=line["holders"],
        confirmed=line["confirmed"], unreachable=line["unreachable"], unheard=line["unheard"], late=(),
    )  # fmt: skip


def hear(hub: RunningHub, source: str, page: RecallPage) -> None:
    """Store what a hub beside this one has said, having read this log to its end."""
    size = hub.log_size()
    with hub.hub.database.write() as session:
        session.get_one(MemberRow, source).read_up_to = size
        recall.store_reports(session, source, [page], recall.has_read(session, source), hub.clock())


def set_aside(hub: RunningHub, *digests: str) -> RecallPage:
    since = format_time(hub.clock())
    lines = tuple(SetAside(digest=digest, code="unknown-key", since=since) for digest in digests)
    return RecallPage(hub="aaa.de", recalls=(), set_aside=lines)


def test_a_hub_that_says_nothing_of_what_it_has_read_has_nothing_beyond_it(region: RunningHub, taken_back: str) -> None:
    add_member(region, "aaa.de")
    assert (count(region).holders, count(region).confirmed, count(region).unheard) == (1, 0, 1)
    hear(region, "aaa.de", set_aside(region))
    assert (count(region).holders, count(region).confirmed, count(region).unheard) == (1, 1, 0)
    assert taken_back


def test_a_hub_that_has_set_the_withdrawal_aside_has_not_confirmed_it(region: RunningHub, taken_back: str) -> None:
    """It has read it and could not verify it: its members still show the item."""
    add_member(region, "aaa.de")
    hear(region, "aaa.de", set_aside(region, taken_back))
    found = count(region)
    assert (found.holders, found.confirmed, found.unheard) == (1, 0, 1)
    hear(region, "aaa.de", set_aside(region))
    assert (count(region).confirmed, count(region).unheard) == (1, 0), "it has been taken out of quarantine"


def test_nothing_follows_from_a_list_of_what_was_set_aside_that_is_full(region: RunningHub, taken_back: str) -> None:
    add_member(region, "aaa.de")
    others = [f"{number:064x}" for number in range(MAX_SET_ASIDE)]
    hear(region, "aaa.de", set_aside(region, *others))
    assert count(region).unheard == 1
    assert taken_back


@pytest.mark.parametrize("status", ["suspended", "revoked", "left"])
def test_of_a_hub_that_ended_before_it_reported_nobody_says_that_all_beyond_it_have_confirmed(
    region: RunningHub, taken_back: str, status: str
) -> None:
    add_member(region, "aaa.de", status=status, read_up_to=region.log_size(), last_read_at=region.clock())
    found = count(region)
    assert (found.holders, found.confirmed, found.unheard, is_settled(found)) == (1, 1, 1, False)
    with region.hub.database.write() as session:
        session.add(
            RecallReportRow(
                source="aaa.de", withdrawal=taken_back, withdrawal_index=0, holders=7, confirmed=4, unreachable=1,
                unheard=0, late='{"names":["far.aaa.de"]}', reported_at=region.clock(),
            )
        )  # fmt: skip
    found = count(region)
    assert (found.holders, found.confirmed, found.unreachable) == (8, 5, 3), "nobody hears of the last two any more"
    assert is_settled(found)


@pytest.mark.parametrize("role", ["node", "hub"])
def test_who_had_gone_before_the_item_came_is_not_counted(region: RunningHub, town: City, role: str) -> None:
    gone_at = region.clock()
    region.clock.advance(days=1)
    now = format_time(region.clock())
    envelope = town.sign(issued_at=now)
    region.accept(envelope)
    region.accept(town.sign(Kind.WITHDRAWAL, {"digest": digest_of(envelope), "reason": "error"}, issued_at=now))
    add_member(region, "aaa.de", role=role, status="left", last_read_at=gone_at)
    add_member(region, "bbb.de", role=role, status="left", last_read_at=None)
    assert (count(region).holders, count(region).unheard) == (0, 0)
    add_member(region, "ccc.de", role=role, status="left", last_read_at=region.clock())
    assert (count(region).holders, count(region).unreachable) == (1, 1)


def test_a_city_is_told_of_what_it_has_taken_back_itself_and_of_nothing_else(hub: RunningHub, city: City) -> None:
    """Who is late, and so who reads when, is for the author and for the hubs that add up."""
    other = hub.enrol("dresden.sn.de")
    for author in (city, other, city):
        envelope = author.sign()
        hub.accept(envelope)
        hub.accept(author.withdrawal(envelope))
    assert len(city.api().recalls(0).recalls) == 2
    (line,) = other.api().recalls(0).recalls
    with hub.hub.database.read() as session:
        members = {row.name: row for row in session.scalars(select(MemberRow))}
        reader = replace(to_member(members[other.name], hub.hub.name), role=MemberRole.HUB, name="aaa.de")
        page = recall.page_for(session, reader, hub.hub.publisher, since=0, now=hub.clock())
    assert len(page.recalls) == 3 and line in page.recalls


def test_the_operator_sees_more_withdrawals_than_one_answer_to_a_member_has(region: RunningHub, town: City) -> None:
    reader = region.enrol("dresden.sn.de")
    count = MAX_RECALLS + 1
    for first in range(0, count, MOST_AT_ONCE):
        items = [town.sign() for _ in range(first, min(first + MOST_AT_ONCE, count))]
        region.accept_many(items)
        region.accept_many([town.withdrawal(item) for item in items])
    assert len(region.verb("recalls")["recalls"]) == count
    assert region.verb("overview")["lines"]["recalls"] == {"state": "good", "all": count, "late": 0, "damaged": False}
    assert region.verb("members.show", name=reader.name)["taken_back"]["held"] == count
    page = town.api().recalls(0)
    assert (len(page.recalls), len(town.api().recalls(page.next or 0).recalls)) == (MAX_RECALLS, 1)


class Told:
    """A hub with many withdrawals, 200 on a page; it writes down from where it was asked."""

    def __init__(self, hub: str, count: int, is_open: Collection[int]) -> None:
        self.asked: list[int] = []
        self._hub, self._recalls = hub, [self._recall(index, index in is_open) for index in range(count)]

    @staticmethod
    def _recall(index: int, is_open: bool) -> Recall:
        digest = f"{index:064x}"
        confirmed = 2 if is_open else 3
        return Recall(
            index=index, withdrawal=digest, item=digest, holders=3, confirmed=confirmed, unreachable=0, unheard=0,
            late=(),
        )  # fmt: skip

    def recalls(self, since: int) -> RecallPage:
        self.asked.append(since)
        shown = self._recalls[since : since + MAX_RECALLS]
        following = since + MAX_RECALLS
        return RecallPage(
            hub=self._hub, recalls=tuple(shown), next=following if following < len(self._recalls) else None
        )


def test_of_many_withdrawals_only_the_open_and_the_new_are_asked_for_again(region: RunningHub) -> None:
    told = Told("aaa.de", 1_000, is_open={3, 150, 201, 900})
    recall_verbs.hear(region.hub, told, "aaa.de")  # type: ignore[arg-type]
    assert told.asked == [0, 200, 400, 600, 800]
    told.asked.clear()
    recall_verbs.hear(region.hub, told, "aaa.de")  # type: ignore[arg-type]
    assert told.asked == [1_000, 3, 900]


def test_what_is_new_is_heard_however_many_old_ones_stay_open(
    region: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_verbs, "MAX_PAGES", 3)
    recall_verbs.hear(region.hub, Told("aaa.de", 600, is_open=range(600)), "aaa.de")  # type: ignore[arg-type]
    told = Told("aaa.de", 601, is_open=range(601))
    recall_verbs.hear(region.hub, told, "aaa.de")  # type: ignore[arg-type]
    assert told.asked == [600, 0, 200]
    with region.hub.database.read() as session:
        assert session.get(RecallReportRow, ("aaa.de", f"{600:064x}")) is not None
