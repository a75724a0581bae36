"""Following another hub, up and down: what travels, what ends, and what a hub that lies can do.

A hub that is a member and lies in good order and well signed is in `test_critic_follow.py`; here the feed itself is
changed on its way.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub import log
from regional_hub.orm import AlarmRow, EntryRow, QuarantineRow, SourceRow
from shared_schema import canonical
from shared_schema.checkpoint import Checkpoint
from shared_schema.envelope import VerifiedEnvelope, parse_envelope
from shared_schema.keys import SigningKey
from shared_schema.merkle import EMPTY_ROOT
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.signed_reads import sign_request
from shared_schema.statement import SEALED_BY_HUBS, Kind, read_statement
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, RunningHub, join, key_of
from tests.shared_schema import builders

Page = dict[str, Any]


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("bund.de", "nation")


@pytest.fixture
def region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("sachsen.de")
    join(hub, nation)
    return hub


@pytest.fixture
def other_region(start_hub: HubStarter, nation: RunningHub) -> RunningHub:
    hub = start_hub("nrw.de")
    join(hub, nation)
    return hub


def follow(hub: RunningHub) -> dict[str, Any]:
    """One run over all sources; what it says about the only one, or the sum of all."""
    sources = hub.verb("follow")["sources"]
    assert sources
    return sources[0] if len(sources) == 1 else {"sources": sources}


def digests(hub: RunningHub) -> list[str]:
    with hub.hub.database.read() as session:
        return list(session.scalars(select(EntryRow.digest).order_by(EntryRow.index)))


def alarms(hub: RunningHub) -> list[tuple[str, str]]:
    return [(alarm["about"], alarm["code"]) for alarm in hub.verb("status")["alarms"]]


def envelopes(city: City) -> dict[str, bytes]:
    """Digest and canonical bytes of every content that a member sees."""
    found = {}
    for item in city.feed()["entries"]:
        if "envelope" in item:
            body = canonical.encode(item["envelope"])
            found[parse_envelope(body).digest] = body
    return found


# --- up and down ----------------------------------------------------------------------------------------------------


def test_an_item_travels_up_and_down_and_its_bytes_never_change(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author, reader = region.enrol("leipzig.sn.de"), other_region.enrol("koeln.nw.de")
    body = author.sign()
    region.accept(body)
    for hub in (nation, other_region):
        hub.verb("follow")
    assert envelopes(reader)[parse_envelope(body).digest] == body


@pytest.mark.parametrize(("audience", "arrives"), [("region", False), ("nation", True), ("europe", True)])
def test_what_is_for_the_region_stays_there(
    nation: RunningHub, region: RunningHub, other_region: RunningHub, audience: str, arrives: bool
) -> None:
    author, reader = region.enrol("leipzig.sn.de"), other_region.enrol("koeln.nw.de")
    body = author.sign(audience=audience)
    region.accept(body)
    nation.verb("follow")
    other_region.verb("follow")
    digest = parse_envelope(body).digest
    assert (digest in digests(nation), digest in envelopes(reader)) == (arrives, arrives)


def test_a_loop_ends_because_a_digest_is_taken_once(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    region.accept(region.enrol("leipzig.sn.de").sign())
    for _ in range(2):
        for hub in (nation, region, other_region):
            hub.verb("follow")
    sizes = [hub.log_size() for hub in (nation, region, other_region)]
    for _ in range(3):
        for hub in (nation, region, other_region):
            assert sum(source["appended"] for source in hub.verb("follow")["sources"]) == 0
    assert [hub.log_size() for hub in (nation, region, other_region)] == sizes
    for hub in (nation, region, other_region):
        assert len(set(digests(hub))) == len(digests(hub)) and hub.verb("verify")["ok"]


def test_a_region_verifies_a_city_of_another_region_through_the_memberships(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author = region.enrol("leipzig.sn.de")
    nation.verb("follow")
    other_region.verb("follow")
    member = other_region.hub.trust.directory.find("leipzig.sn.de")
    assert member is not None
    assert (member.key, member.vouched_by) == (author.key.public, "sachsen.de")
    voucher = other_region.hub.trust.directory.find("sachsen.de")
    assert voucher is not None and voucher.vouched_by == "bund.de"
    assert other_region.hub.trust.find_direct("leipzig.sn.de") is None  # known is not admitted
    assert other_region.post(author.sign()).status_code == 401


@pytest.mark.long
def test_three_levels_of_hubs_carry_an_item_from_end_to_end(start_hub: HubStarter) -> None:
    europe = start_hub("europa.eu", "europe")
    nations = [start_hub("bund.de", "nation"), start_hub("bund.at", "nation")]
    regions = [start_hub("sachsen.de"), start_hub("tirol.at")]
    for child, parent in zip([*nations, *regions], [europe, europe, *nations], strict=True):
        join(child, parent)
    author, reader = regions[0].enrol("leipzig.sn.de"), regions[1].enrol("innsbruck.at")
    body, inland = author.sign(), author.sign(audience="nation")
    regions[0].accept_many([body, inland])
    for hub in (nations[0], europe, nations[1], regions[1]):
        hub.verb("follow")
    seen = envelopes(reader)
    assert seen[parse_envelope(body).digest] == body and parse_envelope(inland).digest not in seen
    assert all(hub.verb("status")["quarantined"] == 0 for hub in (europe, *nations, *regions))
    assert all(hub.verb("verify")["ok"] for hub in (europe, *nations, *regions))


def test_a_withdrawal_travels_and_erases_everywhere(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    author, reader = region.enrol("leipzig.sn.de"), other_region.enrol("koeln.nw.de")
    body = author.sign()
    digest = parse_envelope(body).digest
    region.accept(body)
    nation.verb("follow")
    other_region.verb("follow")
    assert digest in envelopes(reader)
    region.accept(author.withdrawal(body))
    nation.verb("follow")
    other_region.verb("follow")
    assert digest not in envelopes(reader)
    for hub in (nation, region, other_region):
        assert hub.verb("verify")["ok"] and digest in digests(hub)


def test_a_hub_that_comes_late_reads_everything(start_hub: HubStarter, nation: RunningHub, region: RunningHub) -> None:
    author = region.enrol("leipzig.sn.de")
    bodies = [author.sign() for _ in range(600)]
    region.accept_many(bodies[:300])
    region.accept_many(bodies[300:])
    report = follow(nation)
    assert (report["pages"], report["quarantined"]) == (2, 0)
    late = start_hub("nrw.de")
    join(late, nation)
    assert follow(late)["pages"] == 2
    assert {parse_envelope(body).digest for body in bodies} <= set(digests(late))


def test_a_read_of_nothing_new_changes_nothing(nation: RunningHub, region: RunningHub) -> None:
    follow(nation)
    size = nation.log_size()
    assert follow(nation) == {"name": "sachsen.de", "pages": 1, "entries": 0, "appended": 0, "quarantined": 0}
    assert nation.log_size() == size


def test_a_wrong_fingerprint_of_the_hub_above_is_refused(start_hub: HubStarter, nation: RunningHub) -> None:
    hub = start_hub("sachsen.de")
    code = nation.verb("enrol.code", name="sachsen.de")["code"]
    with pytest.raises(VerbError) as refused:
        hub.verb("parent.add", url=nation.url, fingerprint=key_of("x").public.fingerprint, code=code)
    assert refused.value.code == "fingerprint-mismatch"
    assert hub.verb("status")["sources"] == [] and nation.verb("enrol.list") == {"waiting": []}
    join(hub, nation)  # the code was not used up


@pytest.mark.parametrize(
    "url", ["http://hub.example", "ftp://127.0.0.1", "https://user@hub.example", "file:///etc", "x", "https://[", ""]
)
def test_an_address_that_is_not_safe_is_refused(start_hub: HubStarter, url: str) -> None:
    hub = start_hub("sachsen.de")
    with pytest.raises(VerbError):
        hub.verb("parent.add", url=url, fingerprint="0" * 40, code="AAAA-AAAA-AAAA-AAAA")


# --- what cannot be verified ----------------------------------------------------------------------------------------


def put_unverified(hub: RunningHub, body: bytes) -> None:
    """Log a statement that no check has seen, as a hub of another making might."""
    envelope = parse_envelope(body)
    verified = read_statement(VerifiedEnvelope(envelope, hub.hub.key.public))
    with hub.hub.database.write() as session:
        head = log.get_head(session, for_append=True)
        log.append(session, [log.Arrival(verified)], name=hub.hub.name, key=hub.hub.key, head=head, now=hub.clock())


def membership(hub: RunningHub, city: str, key: SigningKey) -> bytes:
    """The hub's word for a city, outside its own list of members."""
    with hub.hub.database.read() as session:
        seqs = session.scalars(select(EntryRow.seq).where(EntryRow.origin == hub.hub.name)).all()
    body = builders.membership_body(member=city, key=base64.b64encode(key.public.raw).decode())
    return builders.signed_statement(
        Kind.MEMBERSHIP, body, key=hub.hub.key, origin=hub.hub.name, seq=max(seqs) + 1, audience="europe"
    )


def quarantine(hub: RunningHub) -> list[tuple[str, str]]:
    with hub.hub.database.read() as session:
        return [(row.source, row.code) for row in session.scalars(select(QuarantineRow).order_by(QuarantineRow.digest))]


def test_an_item_of_somebody_unknown_waits_until_the_directory_grows(nation: RunningHub, region: RunningHub) -> None:
    key = key_of("mainz.rp.de")
    body = builders.signed_statement(key=key, origin="mainz.rp.de", seq=1)
    put_unverified(region, body)
    region.accept(region.enrol("leipzig.sn.de").sign())
    report = follow(nation)
    assert (report["quarantined"], quarantine(nation)) == (1, [("sachsen.de", "unknown-key")])
    assert parse_envelope(body).digest not in digests(nation)  # and the one behind it has passed
    assert nation.verb("status")["kinds"]["practice"] == 1
    put_unverified(region, membership(region, "mainz.rp.de", key))
    follow(nation)
    assert quarantine(nation) == [] and parse_envelope(body).digest in digests(nation)
    assert nation.verb("verify")["ok"]


def test_a_forged_item_is_set_aside_for_ever_and_stops_nothing(nation: RunningHub, region: RunningHub) -> None:
    author = region.enrol("leipzig.sn.de")
    forged = builders.signed_statement(key=builders.OTHER_KEY, origin="leipzig.sn.de", seq=1)
    value = json.loads(forged)
    value["signatures"][0]["keyid"] = author.key.public.keyid
    put_unverified(region, json.dumps(value).encode())
    good = author.sign(seq=2)
    region.accept(good)
    assert follow(nation)["quarantined"] == 1
    assert quarantine(nation) == [("sachsen.de", "bad-signature")]
    assert parse_envelope(good).digest in digests(nation)
    assert "leipzig.sn.de" not in {row["name"] for row in nation.verb("members.list")["members"]}


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (Kind.PRACTICE, {"origin": "dresden.sn.de"}, "wrong-origin"),
        (Kind.POLICY, {}, "kind-not-allowed"),
        (Kind.AGGREGATE, {"audience": "nation"}, "kind-not-allowed"),
        *((kind, {"audience": "nation"}, "kind-not-allowed") for kind in sorted(SEALED_BY_HUBS)),
    ],
)
def test_what_an_author_may_not_say_is_set_aside(
    nation: RunningHub, region: RunningHub, kind: Kind, changes: dict[str, str], code: str
) -> None:
    author = region.enrol("leipzig.sn.de")
    given: dict[str, str] = {"origin": author.name} | changes
    put_unverified(region, builders.signed_statement(kind, None, key=author.key, seq=1, **given))
    assert follow(nation)["quarantined"] == 1
    assert quarantine(nation) == [("sachsen.de", code)]


@pytest.mark.parametrize("kind", sorted(SEALED_BY_HUBS))
def test_what_two_hubs_say_about_a_sealed_total_is_followed_like_everything_else(
    nation: RunningHub, region: RunningHub, kind: Kind
) -> None:
    with region.hub.database.read() as session:
        seqs = session.scalars(select(EntryRow.seq).where(EntryRow.origin == region.hub.name)).all()
    body = builders.signed_statement(
        kind, None, key=region.hub.key, origin=region.hub.name, seq=max(seqs) + 1, audience="nation"
    )
    put_unverified(region, body)
    assert follow(nation)["quarantined"] == 0
    assert parse_envelope(body).digest in digests(nation)


def test_two_contents_for_one_seq_are_evidence_and_an_alarm(nation: RunningHub, region: RunningHub) -> None:
    author = region.enrol("leipzig.sn.de")
    region.accept(author.sign(seq=1))
    follow(nation)
    with region.hub.database.write() as session:  # the region forgets, and logs another content for the same seq
        session.query(EntryRow).filter(EntryRow.origin == author.name).update({"seq": 99})
    put_unverified(region, author.sign(body=builders.practice_body(title="Another thing"), seq=1))
    follow(nation)
    assert quarantine(nation) == [("sachsen.de", "seq-conflict")]
    assert alarms(nation) == [("sachsen.de", "seq-conflict")]
    assert nation.verb("status")["evidence"] == 1
    follow(nation)
    assert alarms(nation) == [("sachsen.de", "seq-conflict")]  # an honest page does not make evidence go away


# --- a feed that lies -----------------------------------------------------------------------------------------------


def page_for(reader: RunningHub, source: RunningHub) -> Page:
    """What the source would answer to the reader's next request."""
    with reader.hub.database.read() as session:
        row = session.get_one(SourceRow, source.hub.name)
        target = f"/v1/feed?from={row.frontier_size}&seen={row.seen_size}"
    headers = sign_request("GET", source.url + target, reader.hub.key, reader.clock())
    page: Page = source.client.get(target, headers=headers).json()
    return page


def flip_a_digest(page: Page, _source: RunningHub) -> None:
    entry = page["entries"][1]["entry"]
    entry["digest"] = ("1" if entry["digest"][0] == "0" else "0") + entry["digest"][1:]


def flip_a_content(page: Page, _source: RunningHub) -> None:
    payload = base64.b64decode(page["entries"][-1]["envelope"]["payload"])
    changed = payload.replace(b"Students", b"Tudentss")
    assert changed != payload
    page["entries"][-1]["envelope"]["payload"] = base64.b64encode(changed).decode()


def drop_an_entry(page: Page, _source: RunningHub) -> None:
    del page["entries"][1]


def swap_entries(page: Page, _source: RunningHub) -> None:
    page["entries"][-1], page["entries"][-2] = page["entries"][-2], page["entries"][-1]


def rewind(page: Page, source: RunningHub) -> None:
    page["checkpoint"] = Checkpoint(source.hub.name, 0, EMPTY_ROOT).sign(source.hub.key)
    page["entries"] = []


def sign_with_another_key(page: Page, source: RunningHub) -> None:
    text = page["checkpoint"].split("\n\n")[0].split("\n")
    page["checkpoint"] = Checkpoint(text[0], int(text[1]), base64.b64decode(text[2])).sign(builders.OTHER_KEY)


def speak_as_another(page: Page, _source: RunningHub) -> None:
    page["hub"] = "nrw.de"


def drop_the_envelope(page: Page, _source: RunningHub) -> None:
    del page["entries"][-1]["envelope"]


def stop_early(page: Page, _source: RunningHub) -> None:
    page["entries"] = []


def tell_something_unknown(page: Page, _source: RunningHub) -> None:
    page["more"] = 1


LIES: list[Callable[[Page, RunningHub], None]] = [
    flip_a_digest,
    flip_a_content,
    drop_an_entry,
    swap_entries,
    rewind,
    sign_with_another_key,
    speak_as_another,
    drop_the_envelope,
    stop_early,
    tell_something_unknown,
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_feed_that_lies_raises_an_alarm_and_an_honest_one_goes_on(
    nation: RunningHub, region: RunningHub, lie: Callable[[Page, RunningHub], None]
) -> None:
    author = region.enrol("leipzig.sn.de")
    region.accept(author.sign())
    follow(nation)
    region.accept_many([author.sign() for _ in range(3)])
    page = page_for(nation, region)
    lie(page, region)
    before = state(nation)
    nation.network.answers[region.url] = json.dumps(page).encode()
    for _ in range(2):
        report = follow(nation)
        assert report["alarm"].startswith("feed-") and report["appended"] == 0
        assert alarms(nation) == [("sachsen.de", report["alarm"])]  # one alarm, however often
        assert state(nation) == before
    del nation.network.answers[region.url]
    assert follow(nation)["appended"] == 3
    assert alarms(nation) == [] and nation.verb("verify")["ok"]
    with nation.hub.database.read() as session:
        (alarm,) = session.scalars(select(AlarmRow))
        assert alarm.resolved_at == nation.clock()


def state(hub: RunningHub) -> tuple[object, ...]:
    with hub.hub.database.read() as session:
        rows = session.scalars(select(SourceRow).order_by(SourceRow.name)).all()
        return hub.log_size(), [(row.name, row.seen_size, row.seen_root, row.frontier_size) for row in rows]


def test_a_fork_is_noticed_even_when_it_is_well_signed(
    nation: RunningHub, region: RunningHub, start_hub: HubStarter
) -> None:
    # The same key tells another story from some entry on: a restored backup, or a hub that shows two faces.
    author = region.enrol("leipzig.sn.de")
    region.accept(author.sign())
    follow(nation)
    before = state(nation)
    double = builders.Log(region.hub.key, region.hub.name)
    for number in range(20):
        double.append(builders.question_envelope(number))
    nation.network.answers[region.url] = json.dumps(double.page(region.log_size(), 2, seen=region.log_size())).encode()
    assert follow(nation)["alarm"] == ProblemCode.FEED_FORK.value
    assert state(nation) == before


def test_a_hub_that_is_away_is_no_alarm_and_the_others_are_read(
    nation: RunningHub, region: RunningHub, other_region: RunningHub
) -> None:
    region.accept(region.enrol("leipzig.sn.de").sign())
    app = nation.network.apps.pop(other_region.url)
    reports = {source["name"]: source for source in nation.verb("follow")["sources"]}
    assert "unreachable" in reports["nrw.de"] and reports["sachsen.de"]["appended"] >= 1
    assert alarms(nation) == []
    nation.network.apps[other_region.url] = app
    assert not any("unreachable" in source for source in nation.verb("follow")["sources"])


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b"\xff", b"null", b"[" * 100_000, b"x" * 9_000_000])
def test_an_answer_that_is_no_page_changes_nothing(nation: RunningHub, region: RunningHub, answer: bytes) -> None:
    before = state(nation)
    nation.network.answers[region.url] = answer
    report = follow(nation)
    assert {"alarm", "unreachable"} & set(report) and state(nation) == before


def test_a_hub_that_was_thrown_out_is_told_so(nation: RunningHub, region: RunningHub) -> None:
    nation.verb("members.set", name="sachsen.de", status="revoked")
    assert follow(region)["refused"] == "key-not-valid"
