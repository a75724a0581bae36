"""What cannot be taken is set aside with its reason, is seen on both sides, and never stops the stream."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from regional_hub.orm import QuarantineRow
from shared_schema import canonical
from shared_schema.envelope import MAX_ENVELOPE_BYTES, envelope_from_object, parse_envelope, sign_payload
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, Network, RunningHub, check_problem, enrolment, join
from tests.regional_hub.test_critic_follow import CITY, CITY_KEY, LyingHub, of_city
from tests.shared_schema import builders

STRANGER = SigningKey.from_seed(b"nobo" * 8)


def broken_signature() -> bytes:
    envelope: dict[str, Any] = json.loads(of_city())
    other = json.loads(of_city(seq=2))
    envelope["signatures"][0]["sig"] = other["signatures"][0]["sig"]
    return json.dumps(envelope).encode()


def unknown_key() -> bytes:
    return builders.signed_statement(key=STRANGER, origin="nobody.aaa.de", audience="europe")


def wrong_origin() -> bytes:
    return builders.signed_statement(key=CITY_KEY, origin="somebody.aaa.de", audience="europe")


def later_kind() -> bytes:
    statement = builders.statement(origin=CITY, audience="europe") | {"kind": "gossip"}
    return sign_payload("gossip", canonical.encode(statement), CITY_KEY).to_bytes()


def later_field() -> bytes:
    return of_city(body=builders.practice_body() | {"mood": "good"})


def oversized() -> bytes:
    statement = builders.statement(origin=CITY, audience="europe") | {"pad": "x" * MAX_ENVELOPE_BYTES}
    return sign_payload("practice", canonical.encode(statement), CITY_KEY).to_bytes()


POISON: list[tuple[Callable[[], bytes], ProblemCode]] = [
    (broken_signature, ProblemCode.BAD_SIGNATURE),
    (unknown_key, ProblemCode.UNKNOWN_KEY),
    (wrong_origin, ProblemCode.WRONG_ORIGIN),
    (later_kind, ProblemCode.SCHEMA),
    (later_field, ProblemCode.SCHEMA),
    (oversized, ProblemCode.TOO_LARGE),
]


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("nation.de", "nation")


@pytest.fixture
def liar(nation: RunningHub, network: Network) -> LyingHub:
    return LyingHub(nation, network)


def put(liar: LyingHub, body: bytes) -> str:
    envelope = envelope_from_object(json.loads(body))
    liar.log.append(envelope, kind=envelope.kind, audience=Audience.EUROPE)  # type: ignore[arg-type]
    return envelope.digest


def test_poison_is_set_aside_with_its_reason_and_what_follows_is_taken(nation: RunningHub, liar: LyingHub) -> None:
    liar.vouch()
    codes = {put(liar, make()): code.value for make, code in POISON}
    good = put(liar, of_city(seq=40))
    liar.serve()
    (report,) = nation.verb("follow")["sources"]
    assert (report["entries"], report["appended"]) == (len(POISON) + 2, 2), report
    assert report["quarantined"] == len(codes) == len(POISON)
    lines = nation.verb("quarantine.list")["items"]
    assert {line["digest"]: line["code"] for line in lines} == codes
    assert sorted(line["entry"] for line in lines) == list(range(1, len(POISON) + 1))
    assert all(line["to_do"] and line["since"] and line["source"] == "aaa.de" for line in lines)
    assert nation.verb("quarantine.retry") == {"released": 0, "left": len(POISON)}
    for digest, code in codes.items():
        assert nation.verb("quarantine.show", digest=digest[:10])["code"] == code
        explained = nation.verb("explain", digest=digest)
        assert (explained["place"], explained["reason"]) == ("quarantined", code)
        assert nation.verb("quarantine.drop", digest=digest[:10])["state"] == "dropped"
    assert nation.verb("explain", digest=good)["place"] == "in-log"
    assert nation.verb("verify")["ok"]
    assert nation.verb("quarantine.list")["items"] == []
    with pytest.raises(VerbError, match="set aside"):
        nation.verb("quarantine.drop", digest=min(codes))


def test_what_was_set_aside_is_taken_when_it_is_tried_after_the_reason_is_gone(
    nation: RunningHub, liar: LyingHub
) -> None:
    put(liar, of_city())
    liar.serve()
    nation.verb("follow")
    assert nation.verb("quarantine.list")["items"][0]["code"] == "unknown-key"
    before = nation.log_size()
    liar.vouch()
    liar.serve(first=1)
    nation.verb("follow")  # the membership comes with the next page and releases it by itself
    assert (nation.verb("quarantine.list")["items"], nation.log_size()) == ([], before + 2)


def test_the_hub_that_an_item_came_from_sees_that_it_was_set_aside(start_hub: HubStarter) -> None:
    """The nation knows another city under the name, so it cannot take what the region's city says."""
    nation, region = start_hub("bund.de", "nation"), start_hub("sachsen.de")
    join(region, nation)
    nation.enrol("leipzig.sn.de")
    city = enrol_twin(region, "leipzig.sn.de")
    envelope = city.sign()
    digest = parse_envelope(envelope).digest
    region.accept(envelope)
    for hub in (nation, region):
        hub.verb("follow")
    (line,) = nation.verb("quarantine.list")["items"]
    assert (line["digest"], line["code"]) == (digest, "unknown-key")
    (report,) = region.verb("quarantine.list")["elsewhere"]
    assert (report["hub"], report["digest"], report["code"]) == ("bund.de", digest, "unknown-key")
    said = city.read(f"/v1/explain/{digest}").json()
    (receiver,) = said["receivers"]
    assert (receiver["name"], receiver["place"], receiver["reason"]) == ("bund.de", "quarantined", "unknown-key")
    nation.verb("quarantine.drop", digest=digest)
    region.verb("follow")
    assert region.verb("quarantine.list")["elsewhere"] == []


def enrol_twin(hub: RunningHub, name: str) -> City:
    """A city whose name the hub above has given to another key already."""
    city = City(name, SigningKey.from_seed(b"twin" * 8), hub)
    code = hub.verb("enrol.code", name=name)["code"]
    assert hub.post(enrolment(name, city.key, code), "/v1/enrolments").status_code == 202
    hub.verb("enrol.approve", name=name, fingerprint=city.key.public.fingerprint)
    return city


def test_two_contents_for_one_number_alarm_the_operator_once(hub: RunningHub, city: City) -> None:
    first, second = city.sign(seq=1), city.sign(seq=1, body=builders.practice_body(title="Another story"))
    hub.accept(first)
    for _ in range(3):
        check_problem(hub.post(second), ProblemCode.SEQ_CONFLICT)
    (alarm,) = hub.verb("status")["alarms"]
    assert (alarm["code"], alarm["about"]) == ("seq-conflict", city.name)
    (line,) = hub.verb("quarantine.list")["evidence"]
    assert (line["first"], line["second"], line["content"]) == (
        parse_envelope(first).digest,
        parse_envelope(second).digest,
        "kept",
    )
    said = city.read(f"/v1/explain/{line['second']}").json()
    assert (said["place"], said["reason"]) == ("refused", "seq-conflict")
    stranger = hub.enrol("dresden.sn.de").read(f"/v1/explain/{line['second']}").json()
    assert (stranger["place"], "reason" in stranger) == ("unknown", False), "that is between its author and this hub"
    hub.verb("quarantine.drop", digest=line["second"])
    assert hub.verb("status")["alarms"] == []


def test_evidence_loses_its_content_when_either_side_is_taken_back(hub: RunningHub, city: City) -> None:
    first, second = city.sign(seq=1), city.sign(seq=1, body=builders.practice_body(title="Another story"))
    hub.accept(first)
    hub.post(second)
    city.seq = 1
    hub.accept(city.withdrawal(second))
    assert [line["content"] for line in hub.verb("quarantine.list")["evidence"]] == ["erased"]
    check_problem(hub.post(second), ProblemCode.SEQ_CONFLICT)
    assert [line["content"] for line in hub.verb("quarantine.list")["evidence"]] == ["erased"], "it does not come back"
    assert hub.verb("verify")["ok"]
    page = city.feed()["entries"]
    assert sum("envelope" in entry for entry in page) == len(page), "the first content is still there"


# --- CHECKS 70 -----------------------------------------------------------------------------------------------------


def deliver_shuffled(hub: RunningHub, city: City, deliveries: int) -> None:
    """Every statement many times in any order: one entry each, and the same receipt every time."""
    bodies = [city.sign() for _ in range(40)]
    hub.accept_many(bodies)  # a first time in order: a lower seq behind a higher one is refused for ever
    size = hub.log_size()
    chance = random.Random(70)
    receipts: dict[bytes, bytes] = {}
    for start in range(0, deliveries, 200):
        group = [chance.choice(bodies) for _ in range(min(200, deliveries - start))]
        answer = hub.post(b'{"submissions":[' + b",".join(group) + b"]}", "/v1/submissions/batch").json()["results"]
        for body, result in zip(group, answer, strict=True):
            assert result["status"] == 200
            receipt = canonical.encode(result["receipt"])
            assert receipts.setdefault(body, receipt) == receipt
    assert hub.log_size() == size
    assert hub.verb("verify")["ok"]


def test_six_hundred_shuffled_deliveries_have_one_effect_each(hub: RunningHub, city: City) -> None:
    deliver_shuffled(hub, city, 600)


@pytest.mark.long
def test_a_hundred_thousand_shuffled_deliveries_have_one_effect_each(hub: RunningHub, city: City) -> None:
    deliver_shuffled(hub, city, 100_000)


# --- narrowing at the home hub -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["nation", "region", None])
def test_nobody_gets_back_what_was_taken_from_him(region: RunningHub, town: City, first: str | None) -> None:
    envelope = town.sign()
    region.accept(envelope)
    region.accept(town.withdrawal(envelope, to=first))
    check_problem(region.post(town.withdrawal(envelope, to="nation")), ProblemCode.RELEASE_RULE)
    size = region.log_size()
    assert region.verb("verify")["ok"]
    if first == "nation":
        region.accept(town.withdrawal(envelope, to="region"))
        assert region.log_size() == size + 1


def test_an_item_cannot_be_narrowed_to_what_it_was_meant_for_from_the_beginning(region: RunningHub, town: City) -> None:
    envelope = town.sign(audience=Audience.NATION.value)
    region.accept(envelope)
    check_problem(region.post(town.withdrawal(envelope, to="nation")), ProblemCode.RELEASE_RULE)
    figures = town.trend()
    region.accept(figures)
    check_problem(region.post(town.withdrawal(figures, to="region")), ProblemCode.RELEASE_RULE)
    body = {"digest": parse_envelope(envelope).digest, "reason": "other", "to": "hub"}
    check_problem(region.post(town.sign(Kind.WITHDRAWAL, body)), ProblemCode.SCHEMA)


def test_a_narrowing_beside_its_item_in_one_batch_keeps_the_rule(hub: RunningHub, city: City) -> None:
    envelope = city.sign()
    wider = [envelope, city.withdrawal(envelope, to="region"), city.withdrawal(envelope, to="nation")]
    answer = hub.post(b'{"submissions":[' + b",".join(wider) + b"]}", "/v1/submissions/batch").json()["results"]
    assert [result["status"] for result in answer] == [201, 201, 422]


# --- what is never taken back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("narrowed", [{}, {"to": "nation"}], ids=["taken back", "narrowed"])
def test_a_hub_below_cannot_make_its_words_about_members_vanish_from_this_log(
    nation: RunningHub, liar: LyingHub, narrowed: dict[str, str]
) -> None:
    """Every reader would take a missing membership for a lie of this hub, and read nothing of it any more."""
    liar.vouch()
    liar.serve_on()
    nation.verb("follow")
    city = nation.enrol("leipzig.sn.de")
    ((word, _envelope),) = liar.log.items
    body = {"digest": word.digest, "reason": "other"} | narrowed
    withdrawal = builders.signed_statement(
        Kind.WITHDRAWAL, body, key=liar.key, origin="aaa.de", seq=90, audience="europe"
    )
    put(liar, withdrawal)
    liar.serve_on()
    (report,) = nation.verb("follow")["sources"]
    assert (report["appended"], report["quarantined"]) == (0, 1)
    assert [entry for entry in city.feed()["entries"] if "absent" in entry] == []


def lay_aside(nation: RunningHub, *bodies: bytes) -> list[str]:
    """As an older program would have left it that knew a field of these less."""
    envelopes = [parse_envelope(body) for body in bodies]
    with nation.hub.database.write() as session:
        for place, envelope in enumerate(envelopes):
            session.add(
                QuarantineRow(
                    digest=envelope.digest, source="aaa.de", source_index=1_000 + place, code="schema",
                    envelope=envelope.stored_bytes, since=nation.clock(),
                )
            )  # fmt: skip
    return [envelope.digest for envelope in envelopes]


def withdrawal_of(body: bytes, seq: int, **narrowed: str) -> bytes:
    return of_city(Kind.WITHDRAWAL, {"digest": parse_envelope(body).digest, "reason": "error"} | narrowed, seq)


def test_with_an_item_out_of_quarantine_comes_what_takes_it_back(nation: RunningHub, liar: LyingHub) -> None:
    liar.vouch()
    liar.serve()
    nation.verb("follow")
    other = of_city(seq=3)
    digest, *_ = lay_aside(nation, of_city(seq=1), withdrawal_of(of_city(seq=1), 2), other, withdrawal_of(other, 4))
    assert nation.verb("quarantine.retry", digest=digest) == {"released": 2, "left": 2}
    assert nation.verb("explain", digest=digest)["place"] == "withdrawn"
    assert nation.verb("verify")["ok"]


def test_narrowings_of_one_page_give_nobody_back_what_was_taken_from_him(nation: RunningHub, liar: LyingHub) -> None:
    liar.vouch()
    item = of_city(seq=1)
    put(liar, item)
    put(liar, withdrawal_of(item, 2, to="region"))
    put(liar, withdrawal_of(item, 3, to="nation"))
    liar.serve_on()
    (report,) = nation.verb("follow")["sources"]
    assert (report["appended"], report["quarantined"]) == (3, 1)


def test_a_reader_is_not_told_which_hub_a_sum_came_from_that_it_may_not_see(nation: RunningHub, liar: LyingHub) -> None:
    liar.vouch()
    digest = put(liar, of_city(seq=1))
    liar.serve()
    nation.verb("follow")
    reader = nation.enrol("leipzig.sn.de")
    said = reader.read(f"/v1/explain/{digest}").json()
    assert said["place"] == "in-log" and "aaa.de" not in json.dumps(said)
    assert "from aaa.de" in nation.verb("explain", digest=digest)["sentence"]


def test_nobody_takes_back_what_another_says_and_was_set_aside(nation: RunningHub, liar: LyingHub) -> None:
    liar.vouch()
    (digest,) = lay_aside(nation, of_city(seq=1))
    body = {"digest": digest, "reason": "other"}
    by_hub = builders.signed_statement(Kind.WITHDRAWAL, body, key=liar.key, origin="aaa.de", seq=90, audience="europe")
    put(liar, by_hub)
    liar.serve_on()
    nation.verb("follow")
    assert [line["digest"] for line in nation.verb("quarantine.list")["items"]] == [digest]
    put(liar, withdrawal_of(of_city(seq=1), 2))
    nation.verb("follow")
    assert nation.verb("quarantine.list")["items"] == []
