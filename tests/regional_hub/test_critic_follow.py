"""A hub that is a member and lies to the hub above: the others are read all the same, and nothing forged is kept."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from regional_hub import verbs
from shared_schema.checkpoint import split_note
from shared_schema.cosignature import add_lines, announce_cosigner, cosign
from shared_schema.envelope import parse_envelope
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import SAXONY, Network, RunningHub, check_problem, enrolment, join, key_of
from tests.shared_schema import builders
from tests.shared_schema.builders import Log

LIAR = "aaa.de"
"""Read before the honest region, because sources are read by name."""
CITY = "city.aaa.de"
CITY_KEY = SigningKey.from_seed(b"liar" * 8)


class LyingHub:
    """A member with the role of a hub: its log is whatever a test puts in, in good order and well signed."""

    url = "http://127.0.0.1:9999"

    def __init__(self, nation: RunningHub, network: Network) -> None:
        self.key, self._network = key_of(LIAR), network
        self.log = Log(self.key, LIAR)
        self._seq = 0
        self._clock = nation.clock
        self._network.others[self.url] = httpx.MockTransport(self._announce)
        code = nation.verb("enrol.code", name=LIAR)["code"]
        request = enrolment(LIAR, self.key, code, role=MemberRole.HUB, level="region", area=SAXONY, url=self.url)
        assert nation.post(request, "/v1/enrolments").status_code == 202
        nation.verb("enrol.approve", name=LIAR, fingerprint=self.key.public.fingerprint)

    def put(self, body: bytes, audience: Audience = Audience.EUROPE) -> None:
        self.log.append(parse_envelope(body), audience=audience)

    def vouch(self, audience: Audience = Audience.EUROPE, name: str = CITY, **changes: object) -> None:
        self._seq += 1
        key = base64.b64encode(CITY_KEY.public.raw).decode()
        body = builders.membership_body(member=name, key=key, **changes)
        envelope = builders.signed_statement(
            Kind.MEMBERSHIP, body, key=self.key, origin=LIAR, seq=self._seq, audience=audience.value
        )
        self.put(envelope, audience)

    def serve_on(self) -> None:
        """Answer every read from where it is asked, as a hub does whose reader asks once more after a withdrawal."""
        self._network.answers.pop(self.url, None)

    def serve(self, *, first: int = 0, hide: int | None = None) -> None:
        page = self.log.page(first, len(self.log.items) - first, seen=first)
        if hide is not None:
            entry: dict[str, object] = page["entries"][hide]
            del entry["envelope"]
            entry["absent"] = "audience"
        self._network.answers[self.url] = self._sign(page)

    def _sign(self, page: dict[str, Any]) -> bytes:
        note = page["checkpoint"]
        time = int(self._clock().timestamp())
        page["checkpoint"] = add_lines(note, [cosign(split_note(note)[0], LIAR, key_of("its cosigner"), time)])
        return json.dumps(page).encode()

    def _announce(self, request: httpx.Request) -> httpx.Response:
        """What it says beside the page that a test serves: which key vouches for its heads."""
        if request.url.path == "/v1/feed":
            first, seen = (int(request.url.params[name]) for name in ("from", "seen"))
            page = self.log.page(first, len(self.log.items) - first, seen=seen)
            return httpx.Response(200, stream=httpx.ByteStream(self._sign(page)))
        if request.url.path != "/v1/cosigner":
            return httpx.Response(503, stream=httpx.ByteStream(b""))
        announcement = announce_cosigner(LIAR, self.key, key_of("its cosigner")).encode()
        return httpx.Response(200, stream=httpx.ByteStream(announcement))


def of_city(kind: Kind = Kind.PRACTICE, body: Mapping[str, object] | None = None, seq: int = 1) -> bytes:
    audience = Audience.EUROPE.value
    return builders.signed_statement(kind, body, key=CITY_KEY, origin=CITY, seq=seq, audience=audience)


@pytest.fixture
def nation(start_hub: HubStarter) -> RunningHub:
    return start_hub("nation.de", "nation")


@pytest.fixture
def liar(nation: RunningHub, network: Network) -> LyingHub:
    return LyingHub(nation, network)


@pytest.fixture
def honest(start_hub: HubStarter, nation: RunningHub, liar: LyingHub) -> RunningHub:
    region = start_hub("zzz.de")
    join(region, nation)
    region.accept(region.enrol("city.zzz.de").sign())
    return region


def follow(nation: RunningHub) -> dict[str, object]:
    """What became of the liar, after a check that the honest region was read to its end and the log is sound."""
    liar, honest = nation.verb("follow")["sources"]
    assert honest["name"] == "zzz.de" and honest["entries"] == 4
    report = nation.verb("verify")
    assert report["ok"], report
    assert isinstance(liar, dict)
    return liar


@pytest.mark.usefixtures("honest")
class TestLyingHub:
    def test_two_contents_for_one_seq_in_one_page_are_evidence(self, nation: RunningHub, liar: LyingHub) -> None:
        liar.vouch()
        liar.put(of_city())
        liar.put(of_city(body=builders.practice_body(title="Another story")))
        liar.serve()
        report = follow(nation)
        assert (report["appended"], report["quarantined"]) == (2, 1)
        status = nation.verb("status")
        assert status["evidence"] == 1
        assert [alarm["code"] for alarm in status["alarms"]] == ["seq-conflict"]

    def test_figures_of_a_city_are_taken_from_nobody_else(self, nation: RunningHub, liar: LyingHub) -> None:
        liar.vouch()
        liar.put(of_city(Kind.TREND, seq=1))
        liar.put(of_city(Kind.TREND, seq=2))
        liar.serve()
        report = follow(nation)
        assert (report["appended"], report["quarantined"]) == (1, 2)

    def test_a_membership_that_stays_behind_admits_nothing(self, nation: RunningHub, liar: LyingHub) -> None:
        liar.vouch(Audience.REGION)
        liar.put(of_city())
        liar.serve()
        report = follow(nation)
        assert (report["appended"], report["quarantined"]) == (0, 1)

    def test_a_content_that_is_hidden_is_an_alarm(self, nation: RunningHub, liar: LyingHub) -> None:
        liar.vouch()
        liar.put(of_city())
        liar.serve(hide=1)
        assert follow(nation)["alarm"] == "feed-entry"
        liar.serve()
        assert follow_again(nation)["appended"] == 2

    def test_what_came_another_way_is_not_taken_twice(
        self, nation: RunningHub, liar: LyingHub, honest: RunningHub
    ) -> None:
        envelope = honest.cities[0].sign()
        honest.accept(envelope)
        liar.put(envelope)  # before the nation knows the city
        liar.serve()
        assert nation.verb("follow")["sources"][0]["quarantined"] == 1
        liar.vouch()
        liar.serve(first=1)
        assert nation.verb("follow")["sources"][0]["appended"] == 1
        assert nation.verb("status")["quarantined"] == 0
        assert nation.verb("verify")["ok"]

    def test_an_endless_log_does_not_keep_the_others_from_being_read(
        self, nation: RunningHub, liar: LyingHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verbs, "MAX_PAGES_A_RUN", 1)
        liar.vouch()
        liar.put(of_city())
        liar._network.answers[liar.url] = json.dumps(liar.log.page(0, 1)).encode()
        assert follow(nation)["entries"] == 1


def follow_again(nation: RunningHub) -> dict[str, object]:
    report = nation.verb("follow")["sources"][0]
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize("url", ["http://hub.example", "https://hub.example?a=1", "https://["])
def test_a_hub_that_cannot_be_followed_is_not_enrolled(nation: RunningHub, url: str) -> None:
    code = nation.verb("enrol.code", name=LIAR)["code"]
    request = enrolment(LIAR, key_of(LIAR), code, role=MemberRole.HUB, level="region", area=SAXONY, url=url)
    check_problem(nation.post(request, "/v1/enrolments"), ProblemCode.SCHEMA)
