"""A hub from an old copy asks its witnesses before it signs; what they prove holds the log, what they say does not."""

from collections.abc import Callable

import httpx
import pytest

from shared_schema.checkpoint import Checkpoint
from shared_schema.cosignature import cosigner
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import HubUnreachable
from shared_schema.witness import SIZE_MEDIA_TYPE
from tests.federation.test_recovery import Region, alarms, loop, nation, network, region  # noqa: F401  fixtures
from tests.regional_hub.running import City, Network, RunningHub, key_of

FAR = "https://witness.example"
VKEY = cosigner("witness.example", key_of("witness")).vkey


def witnessed(hub: RunningHub, witness: RunningHub) -> None:
    """`witness` follows nobody here: it witnesses the log, and that is all."""
    witness.verb("witness.add-log", vkey=hub.hub.verifier.vkey)
    hub.verb("witness.add", url=witness.url, vkey=witness.hub.cosigner.vkey)


def test_a_witness_that_is_a_hub_proves_what_was_lost_before_anything_is_signed(
    region: Region,  # noqa: F811
    nation: RunningHub,  # noqa: F811
) -> None:
    witnessed(region.running, nation)
    city = region.running.enrol("leipzig.sn.de")
    old = region.copy()
    region.running.accept(city.sign())
    assert region.running.verb("witness.collect")["cosigned"] == 1
    hub = region.restart(old)
    assert alarms(hub) == ["log-behind"]
    refused = hub.post(City("leipzig.sn.de", city.key, hub, seq=5).sign()).json()
    assert refused["code"] == ProblemCode.LOG_BEHIND.value
    assert hub.verb("recover")["answers"] == [{"hub": "bund.de", "gave": "knows-no-more"}]  # no more than it said


def test_a_witness_that_was_away_at_the_start_is_asked_with_the_next_cosignature(
    region: Region,  # noqa: F811
    nation: RunningHub,  # noqa: F811
    network: Network,  # noqa: F811
) -> None:
    witnessed(region.running, nation)
    city = region.running.enrol("leipzig.sn.de")
    old = region.copy()
    region.running.accept(city.sign())
    region.running.verb("witness.collect")
    app = network.apps.pop(nation.url)
    hub = region.restart(old)
    assert alarms(hub) == []
    network.apps[nation.url] = app
    hub.verb("witness.collect")
    assert alarms(hub) == ["log-behind"]


@pytest.fixture
def far(network: Network) -> Callable[[httpx.MockTransport], None]:  # noqa: F811
    """A witness that is no program of ours."""

    def place(answers: httpx.MockTransport) -> None:
        network.others[FAR] = answers

    return place


def only_witness(size: int) -> httpx.MockTransport:
    """It speaks C2SP tlog-witness and nothing else, and says that it has cosigned this much."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/add-checkpoint":
            return httpx.Response(404, stream=httpx.ByteStream(b""))
        stream = httpx.ByteStream(f"{size}\n".encode())
        return httpx.Response(409, headers={"Content-Type": SIZE_MEDIA_TYPE}, stream=stream)

    return httpx.MockTransport(answer)


def test_a_size_that_nothing_proves_is_an_alarm_and_stops_no_hub(
    region: Region,  # noqa: F811
    far: Callable[[httpx.MockTransport], None],
) -> None:
    hub = region.running
    city = hub.enrol("leipzig.sn.de")
    hub.verb("witness.add", url=FAR, vkey=VKEY)
    far(only_witness(999))
    hub = region.restart()
    assert alarms(hub) == ["feed-rollback"]
    hub.accept(City("leipzig.sn.de", city.key, hub).sign())
    assert hub.verb("recover.status")["state"] == "serving"
    far(only_witness(0))  # knows less: nothing to say
    assert alarms(region.restart()) == ["feed-rollback"]  # it ends when the witness has cosigned


def always(content: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _request: httpx.Response(200, stream=httpx.ByteStream(content)))


def test_a_head_that_this_hub_never_signed_holds_nothing(
    region: Region,  # noqa: F811
    far: Callable[[httpx.MockTransport], None],
) -> None:
    region.running.verb("witness.add", url=FAR, vkey=VKEY)
    for body in (Checkpoint("sachsen.de", 99, bytes(32)).sign(key_of("liar")), "x" * 20_000, "", "no note"):
        far(always(body.encode()))
        hub = region.restart()
        assert (alarms(hub), hub.verb("recover.status")["state"]) == ([], "serving")


def test_a_witness_that_is_away_delays_no_start(region: Region) -> None:  # noqa: F811
    region.running.verb("witness.add", url=FAR, vkey=VKEY)
    hub = region.restart()
    assert (alarms(hub), hub.verb("recover.status")["state"]) == ([], "serving")
    with pytest.raises(HubUnreachable), hub.hub.api(FAR) as api:
        api.witnessed("sachsen.de")
