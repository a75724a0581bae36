"""Who receives something, as far as the logs that were read name their members."""

import base64

import pytest

from local_node import receivers
from local_node.receivers import Receivers
from shared_schema.governance import MembershipBody
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.statement import Audience, Kind
from tests.hub_simulator import SAXONY, Author, HubSimulator
from tests.local_node.conftest import LEIPZIG, Leipzig


def find(leipzig: Leipzig, audience: Audience) -> Receivers:
    leipzig.pull()
    with leipzig.database.read() as session:
        return receivers.find_receivers(session, leipzig.hub.name, audience, LEIPZIG)


def vouch(hub: HubSimulator, by: Author, member: Author, role: MemberRole, level: str | None = None) -> None:
    body = MembershipBody.from_object(
        {
            "member": member.name,
            "role": role.value,
            "key": base64.b64encode(member.key.public.raw).decode(),
            "status": "active",
            "area": SAXONY.to_object(),
        }
        | ({} if level is None else {"level": level})
    )
    hub.log(by.sign(Kind.MEMBERSHIP, body, Audience.EUROPE))


@pytest.fixture
def nation(leipzig: Leipzig, hub: HubSimulator) -> None:
    """Two cities here, one of which has left; a nation above; another region there with one city."""
    hub.city("dresden.sn.de")
    left = hub.city("chemnitz.sn.de")
    hub.enrol("chemnitz.sn.de", left.key.public, status=MemberStatus.LEFT)
    above, other = hub.city("de.example.eu", enrolled=False), hub.city("bayern.de", enrolled=False)
    vouch(hub, hub.author, above, MemberRole.PARENT, "nation")
    vouch(hub, above, other, MemberRole.HUB, "region")
    vouch(hub, other, hub.city("munich.by.de", enrolled=False), MemberRole.NODE)


def test_figures_for_the_hub_are_received_by_no_city(leipzig: Leipzig, nation: None) -> None:
    assert find(leipzig, Audience.HUB) == Receivers(("sachsen.de",), ())


def test_the_region_is_everybody_at_the_home_hub_but_ourselves_and_who_has_left(leipzig: Leipzig, nation: None) -> None:
    assert find(leipzig, Audience.REGION) == Receivers(("sachsen.de",), ("dresden.sn.de",))


@pytest.mark.parametrize("audience", [Audience.NATION, Audience.EUROPE])
def test_beyond_the_region_are_those_of_the_other_hubs_below_the_one_above(
    leipzig: Leipzig, nation: None, audience: Audience
) -> None:
    who = find(leipzig, audience)
    assert who.cities == ("dresden.sn.de", "munich.by.de")
    assert who.hubs == ("de.example.eu", "sachsen.de", "bayern.de")


def test_without_a_hub_above_the_nation_is_the_region(leipzig: Leipzig, hub: HubSimulator) -> None:
    hub.city("dresden.sn.de")
    assert find(leipzig, Audience.NATION) == find(leipzig, Audience.REGION)
