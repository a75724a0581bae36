"""Who runs a hub: said once, by whoever may, and known to everybody below."""

import json
from typing import Any

import httpx
import pytest

from regional_hub.orm import MemberRow
from regional_hub.settings import load_settings, write_settings
from shared_schema.directory import Directory
from shared_schema.envelope import parse_envelope
from shared_schema.governance import EnrolmentRequest, MembershipBody
from shared_schema.keys import MemberRole
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from tests.regional_hub.browsing import Browser
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import City, Network, RunningHub, check_problem, enrolment, join, key_of
from tests.regional_hub.test_members import events
from tests.regional_hub.test_settings import GOOD
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

STATE, COUNTRY, UNIVERSITY = "Landespräventionsrat Sachsen", "Bundesamt für Prävention", "Universität Leipzig"
BELOW, ABOVE, SECOND = "sachsen.de", "bund.de", "uni-leipzig.de"
FORBIDDEN = ["\u202eSachsen", "Sa\x00chsen", "u\u0308ber", "x" * 121]


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub(ABOVE, "nation", more={"operator": COUNTRY})


@pytest.fixture
def region(start_hub: HubStarter) -> RunningHub:
    return start_hub(BELOW, more={"operator": STATE})


def ask_to_join(child: RunningHub, parent: RunningHub, **params: object) -> dict[str, Any]:
    code = parent.verb("enrol.code", name=child.hub.name)["code"]
    return child.verb("parent.add", url=parent.url, fingerprint=parent.hub.key.public.fingerprint, code=code, **params)


def admit(child: RunningHub, parent: RunningHub, **params: object) -> None:
    parent.verb("enrol.approve", name=child.hub.name, fingerprint=child.hub.key.public.fingerprint, **params)


def operator_of(hub: RunningHub, name: str) -> str | None:
    """As the directory of this hub's log has it."""
    member = hub.hub.refresh_trust().directory.find(name)
    return None if member is None else member.operator


def directory_of(reader: City) -> Directory:
    """The directory of a city: the fold of what its own hub's feed shows it."""
    directory = Directory(reader.hub.hub.name, reader.hub.hub.key.public)
    page = reader.feed()
    for index, item in enumerate(page["entries"]):
        if item.get("envelope") is None or item["entry"]["kind"] != "membership":
            continue
        envelope = json.dumps(item["envelope"]).encode()
        signer = directory.find_key(item["envelope"]["signatures"][0]["keyid"])
        assert signer is not None
        statement = builders.receive(envelope, key=signer.key).statement
        assert isinstance(statement.body, MembershipBody)
        directory.learn(statement.body, signer=statement.origin, seq=statement.seq, position=index)
    return directory


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", " Sachsen", "Sach\nsen", *FORBIDDEN])
def test_a_setting_that_could_not_be_signed_stops_the_start(tmp_path: Any, text: str) -> None:
    write_settings(tmp_path, GOOD)
    path = tmp_path / "hub.toml"
    path.write_text(path.read_text() + f"operator = {json.dumps(text, ensure_ascii=True)}\n")
    with pytest.raises(VerbError, match="operator") as refused:
        load_settings(tmp_path)
    assert "Sachsen" not in refused.value.message


def test_a_city_has_no_operator(region: RunningHub) -> None:
    name = "mainz.rp.de"
    code = region.verb("enrol.code", name=name)["code"]
    value = builders.enrolment_request(name=name, code=code) | {"operator": STATE}
    body = builders.signed(builders.raw_json(value), "enrolment-request", builders.CITY_KEY)
    check_problem(region.post(body, "/v1/enrolments"), ProblemCode.SCHEMA, 422)
    key = key_of(name)
    assert region.post(enrolment(name, key, code), "/v1/enrolments").status_code == 202
    size = region.log_size()
    with pytest.raises(VerbError) as refused:
        region.verb("enrol.approve", name=name, fingerprint=key.public.fingerprint, operator=STATE)
    assert (refused.value.code, region.log_size()) == ("kind-not-allowed", size)
    region.verb("enrol.approve", name=name, fingerprint=key.public.fingerprint)
    with pytest.raises(VerbError) as refused:
        region.verb("members.operator", name=name, operator=STATE)
    assert (refused.value.code, region.log_size()) == ("kind-not-allowed", size + 1)


def test_nobody_says_who_runs_a_hub_that_is_none_here_or_takes_part_no_more(
    nation: RunningHub, region: RunningHub
) -> None:
    with pytest.raises(VerbError) as refused:
        nation.verb("members.operator", name=BELOW, operator=STATE)
    assert refused.value.code == "not-found"
    join(region, nation)
    nation.verb("members.set", name=BELOW, status="revoked")
    size = nation.log_size()
    for params in ({"operator": "Other"}, {"operator": " "}, {"operator": 7}, {}):
        with pytest.raises(VerbError):
            nation.verb("members.operator", name=BELOW, **params)
    assert (nation.log_size(), operator_of(nation, BELOW)) == (size, STATE)


@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_may_not_be_signed_admits_nobody(nation: RunningHub, region: RunningHub, text: str) -> None:
    ask_to_join(region, nation)
    size = nation.log_size()
    with pytest.raises(VerbError):
        admit(region, nation, operator=text)
    assert nation.log_size() == size and nation.verb("members.list")["members"] == []
    admit(region, nation)


def test_a_hub_is_not_told_who_runs_it_but_by_its_settings(region: RunningHub) -> None:
    size = region.log_size()
    with pytest.raises(VerbError, match="settings"):
        region.verb("members.operator", name=BELOW, operator=UNIVERSITY)
    assert region.log_size() == size
    assert region.verb("members.operator", name=BELOW) == {"name": BELOW, "operator": STATE}


def test_a_hub_without_the_setting_says_nothing(start_hub: HubStarter) -> None:
    hub = start_hub("nrw.de")
    size = hub.log_size()
    assert hub.verb("operator.say") == {"name": "nrw.de", "operator": None}
    assert (hub.log_size(), hub.verb("status")["operator"]) == (size, "")


def test_nothing_is_said_while_the_log_is_held(region: RunningHub) -> None:
    from sqlalchemy import update

    from regional_hub.orm import HeadRow

    with region.hub.database.write() as session:
        session.execute(update(HeadRow).values(held="restored"))
    size = region.log_size()
    assert region.verb("operator.say")["operator"] is None
    assert region.log_size() == size


# --- what is said ---------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough(False)
def test_a_hub_says_once_who_runs_it_and_again_when_the_setting_has_changed(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_operator(text: str | None) -> None:
        monkeypatch.setattr(hub.hub, "settings", hub.hub.settings.model_copy(update={"operator": text}))

    set_operator(STATE)
    size = hub.log_size()
    for _ in range(2):
        assert hub.verb("operator.say")["operator"] == STATE
    assert hub.log_size() == size + 1
    assert events(hub)[-1] == (BELOW, "operator-said", BELOW)
    set_operator(UNIVERSITY)
    with hub.another_process() as other:  # has folded its directory before, and says it second
        other.settings = hub.hub.settings
        assert other.refresh_trust().directory.find(BELOW) is not None
        hub.verb("operator.say")
        from regional_hub import verbs

        assert verbs.run(other, "operator.say", {})["operator"] == UNIVERSITY
    assert hub.log_size() == size + 2
    set_operator(None)
    assert hub.verb("operator.say")["operator"] == UNIVERSITY, "who is silent takes nothing back"
    assert hub.log_size() == size + 2 and hub.verb("verify")["ok"]


def test_two_processes_that_look_at_once_say_it_once(region: RunningHub) -> None:
    from regional_hub import operators
    from regional_hub.member_keys import Hand

    stale, size = region.hub.refresh_trust(), region.log_size()
    region.verb("operator.say")
    hub = region.hub
    with hub.database.write() as session:
        hand = Hand(hub.name, hub.key, region.clock())
        assert not operators.say_own(session, STATE, trust=stale, hand=hand, level="region", area=hub.area)
    assert region.log_size() == size + 1


def test_a_hub_that_has_announced_its_next_key_says_it_beside_that_one(region: RunningHub) -> None:
    region.verb("keys.announce")
    region.verb("operator.say")
    assert operator_of(region, BELOW) == STATE
    region.clock.advance(days=30)
    region.verb("keys.tend")
    size = region.log_size()
    assert region.verb("operator.say")["operator"] == STATE
    assert region.log_size() == size


@pytest.mark.sqlite_is_enough(False)
def test_a_hub_that_asks_to_join_says_who_runs_it_and_is_believed_or_corrected(
    hub: RunningHub, start_hub: HubStarter
) -> None:
    first, second = start_hub("nrw.de", more={"operator": STATE}), start_hub("hessen.de", more={"operator": STATE})
    assert ask_to_join(first, hub)["operator_told"] is True
    ask_to_join(second, hub)
    assert {each["name"]: each["operator"] for each in hub.verb("enrol.list")["waiting"]} == {
        "nrw.de": STATE,
        "hessen.de": STATE,
    }
    admit(first, hub)
    admit(second, hub, operator=f"  {UNIVERSITY} ")
    assert (operator_of(hub, "nrw.de"), operator_of(hub, "hessen.de")) == (STATE, UNIVERSITY)
    assert [event for event in events(hub) if event[1] == "operator-said"] == [
        ("operator", "operator-said", "nrw.de"),
        ("operator", "operator-said", "hessen.de"),
    ]
    assert hub.verb("members.show", name="hessen.de")["operator"] == UNIVERSITY


def test_whoever_admits_may_leave_it_open_and_say_it_later(nation: RunningHub, region: RunningHub) -> None:
    ask_to_join(region, nation)
    admit(region, nation, operator="")
    assert operator_of(nation, BELOW) is None
    nation.verb("members.operator", name=BELOW, operator=STATE)
    size = nation.log_size()
    nation.verb("members.operator", name=BELOW, operator=STATE)
    assert (operator_of(nation, BELOW), nation.log_size()) == (STATE, size), "said once"


def test_the_word_that_admits_is_one_that_an_older_program_reads(nation: RunningHub, region: RunningHub) -> None:
    join(region, nation)
    nation.verb("members.set", name=BELOW, status="suspended")
    with nation.hub.database.read() as session:
        from regional_hub.members import list_words

        words = [word.body for word in list_words(session, ABOVE) if word.body.member == BELOW]
    assert [(body.status.value, body.operator) for body in words] == [
        ("active", None),
        ("active", STATE),
        ("suspended", None),
    ]


def test_a_hub_keeps_its_operator_when_it_is_suspended_and_resumed_and_when_it_rotates(
    nation: RunningHub, region: RunningHub
) -> None:
    join(region, nation)
    nation.verb("follow")
    for status in ("suspended", "active"):
        nation.verb("members.set", name=BELOW, status=status)
        assert operator_of(nation, BELOW) == STATE
    region.verb("keys.announce")
    nation.verb("follow")
    member = nation.hub.refresh_trust().directory.find(BELOW)
    assert member is not None
    assert (member.key, member.operator) == (region.hub.own_keys.newest, STATE)
    with nation.hub.database.read() as session:
        assert session.get_one(MemberRow, BELOW).operator == STATE


class OlderHub(httpx.BaseTransport):
    """The way to a hub of an earlier release, which refuses a field that it does not know."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.refused = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/enrolments":
            payload = json.loads(parse_envelope(request.read()).payload)
            if "operator" in payload:
                self.refused += 1
                document = {"type": "about:blank", "title": "x", "status": 422, "code": "schema", "detail": "x"}
                body = httpx.ByteStream(json.dumps(document).encode())
                return httpx.Response(422, stream=body, headers={"content-type": "application/problem+json"})
        return self._network.handle_request(request)


def test_a_hub_above_of_an_earlier_release_is_asked_without_the_field(
    network: Network, start_hub: HubStarter, nation: RunningHub
) -> None:
    older = OlderHub(network)
    region = start_hub(BELOW, more={"operator": STATE}, cable=older)
    assert ask_to_join(region, nation)["operator_told"] is False
    assert older.refused == 1
    assert [each["operator"] for each in nation.verb("enrol.list")["waiting"]] == [""]
    admit(region, nation)
    assert operator_of(nation, BELOW) is None


def test_a_request_without_the_field_is_the_one_that_was_always_sent() -> None:
    request = EnrolmentRequest.from_object(builders.enrolment_request(role=MemberRole.HUB.value))
    assert request.operator is None and "operator" not in request.to_object()


def test_a_city_knows_who_runs_its_own_hub_and_the_second_one(
    nation: RunningHub, region: RunningHub, start_hub: HubStarter
) -> None:
    """Its hub says the first two; the third, a hub beside it, is the word of the hub above both."""
    second = start_hub(SECOND, more={"operator": UNIVERSITY})
    ask_to_join(region, nation, operator=COUNTRY)
    admit(region, nation)
    join(second, nation)
    town = region.enrol("leipzig.sn.de")
    for hub in (region, second, nation):
        hub.verb("operator.say")
    for hub in (nation, region):
        hub.verb("follow")
    found = directory_of(town)
    known = {name: found.find(name) for name in (BELOW, ABOVE, SECOND)}
    assert {name: member and member.operator for name, member in known.items()} == {
        BELOW: STATE,
        ABOVE: COUNTRY,
        SECOND: UNIVERSITY,
    }
    assert region.verb("status")["quarantined"] == nation.verb("status")["quarantined"] == 0
    assert nation.verb("verify")["ok"] and region.verb("verify")["ok"]


def test_the_console_shows_what_a_hub_says_of_itself_and_takes_a_correction(
    nation: RunningHub, region: RunningHub
) -> None:
    ask_to_join(region, nation)
    olga = Browser(nation).sign_in("olga")
    page = olga.page("/enrolments")
    assert f"It says that it is run by: {STATE}" in page and f'value="{STATE}"' in page
    fields = {"fingerprint": region.hub.key.public.fingerprint, "operator": UNIVERSITY}
    wrong = olga.post(f"/enrolments/{BELOW}/approve", fields | {"fingerprint": "0" * 40})
    assert wrong.status_code == 422 and f'value="{UNIVERSITY}"' in wrong.text, "what was typed is not lost"
    assert olga.post(f"/enrolments/{BELOW}/approve", fields | {"operator": "x" * 121}).status_code == 422
    assert nation.verb("members.list")["members"] == []
    assert olga.post(f"/enrolments/{BELOW}/approve", fields).status_code == 303
    assert UNIVERSITY in olga.page(f"/members/{BELOW}")
    for bad in ({"operator": ""}, {"operator": "x" * 121}, {}):
        assert olga.post(f"/members/{BELOW}/operator", bad).status_code == 422
    assert operator_of(nation, BELOW) == UNIVERSITY
    assert olga.post(f"/members/{BELOW}/operator", {"operator": STATE}).status_code == 303
    assert operator_of(nation, BELOW) == STATE
    assert olga.post("/members/nobody.de/operator", {"operator": STATE}).status_code == 404
