"""A hub's address and key are checked before they are saved."""

from collections.abc import Callable

import pytest

from local_node import hub_client
from local_node.hub_client import HubError, check_address
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubIdentity
from tests.hub_simulator import HubSimulator, MovableClock, seeded_key


def leads_to(*addresses: str) -> Callable[[str], list[str]]:
    return lambda _host: list(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example",
        "file:///etc/passwd",
        "ftp://hub.example",
        "https://user:secret@hub.example",
        "https://user@hub.example",
        "https://hub.example:25",
        "https://hub.example:0x50",
        "https://hub.example:99999",
        "https://hub.example/?next=1",
        "https://hub.example/#x",
        "https://hub.example\\@evil.example",
        "https://",
        "hub.example",
        "https://hub.example/" + "a" * 300,
    ],
)
def test_an_address_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(HubError):
        check_address(url, allow_private=False, resolver=leads_to("93.184.215.14"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
    ],
)
def test_a_name_that_leads_into_a_private_network_is_refused_unless_the_settings_allow_it(address: str) -> None:
    resolver = leads_to("93.184.215.14", address)
    with pytest.raises(HubError, match="allow_private_hubs"):
        check_address("https://hub.example", allow_private=False, resolver=resolver)
    assert check_address("https://hub.example/", allow_private=True, resolver=resolver) == "https://hub.example"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_a_literal_that_means_this_machine_is_refused(host: str) -> None:
    with pytest.raises(HubError):
        check_address(f"https://{host}", allow_private=False)


def test_plain_http_is_for_this_machine_only() -> None:
    assert check_address("http://127.0.0.1:8700", allow_private=False) == "http://127.0.0.1:8700"


def test_a_name_that_leads_nowhere_is_refused() -> None:
    def nowhere(_host: str) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(HubError, match="can be found"):
        check_address("https://hub.example", allow_private=False, resolver=nowhere)


def identity(hub: HubSimulator, **changes: str) -> HubIdentity:
    values = {
        "name": hub.name,
        "level": "region",
        "vkey": hub.verifier.vkey,
        "fingerprint": hub.verifier.key.fingerprint,
        "api": 1,
    }
    return HubIdentity.from_object(values | changes)


def test_a_hub_is_pinned_only_with_the_fingerprint_of_its_own_key(
    node_database: Database, hub: HubSimulator, clock: MovableClock
) -> None:
    typed = seeded_key("somebody else").public.fingerprint
    claimed = identity(hub, fingerprint=typed)  # the hub may claim any fingerprint; its key decides
    with pytest.raises(HubError, match="fingerprint"), node_database.write() as session:
        hub_client.pin_hub(session, hub.url, claimed, typed, clock())
    with node_database.write() as session:
        typed = hub.verifier.key.fingerprint.upper().replace(" ", "")
        assert hub_client.pin_hub(session, hub.url, identity(hub), typed, clock()).name == hub.name


def test_a_known_hub_cannot_come_back_with_another_key(
    node_database: Database, hub: HubSimulator, clock: MovableClock
) -> None:
    other = HubSimulator(hub.name, clock=clock)
    other.author.key = seeded_key("somebody else")
    other.verifier = type(hub.verifier)(hub.name, other.author.key.public)
    with node_database.write() as session:
        hub_client.pin_hub(session, hub.url, identity(hub), hub.verifier.key.fingerprint, clock())
        with pytest.raises(HubError, match="pinned"):
            hub_client.pin_hub(session, hub.url, identity(other), other.verifier.key.fingerprint, clock())


def test_a_hub_with_a_key_in_another_name_is_refused(
    node_database: Database, hub: HubSimulator, clock: MovableClock
) -> None:
    with pytest.raises(HubError, match="own name"), node_database.write() as session:
        claimed = identity(hub, name="nrw.de")
        hub_client.pin_hub(session, hub.url, claimed, hub.verifier.key.fingerprint, clock())


def test_a_hub_that_was_never_added_is_not_found(node_database: Database) -> None:
    with pytest.raises(HubError, match="was added"), node_database.read() as session:
        hub_client.get_hub(session, "nrw.de")
