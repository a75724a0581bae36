"""Names, keys and databases that belong to somebody else."""

from pathlib import Path

import pytest

from regional_hub.app import Hub
from shared_schema.service.control import VerbError
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import EventLoop, Network, RunningHub, enrolment, join, key_of


def test_a_name_that_another_region_has_taken_is_not_admitted(start_hub: HubStarter) -> None:
    """Else readers would believe the first key, and the first one's statements would block the second one's seq."""
    nation, squatter, region = start_hub("nation.de", "nation"), start_hub("aaa.de"), start_hub("zzz.de")
    join(squatter, nation)
    join(region, nation)
    squatter.accept(squatter.enrol("city.zzz.de").sign())
    nation.verb("follow")
    region.verb("follow")
    key = key_of("the real city")
    code = region.verb("enrol.code", name="city.zzz.de")["code"]
    assert region.post(enrolment("city.zzz.de", key, code), "/v1/enrolments").status_code == 202
    with pytest.raises(VerbError) as caught:
        region.verb("enrol.approve", name="city.zzz.de", fingerprint=key.public.fingerprint)
    assert caught.value.code == "name-taken"


def test_a_hub_signs_nothing_in_the_log_of_another_key(hub: RunningHub) -> None:
    before = hub.log_size()
    with pytest.raises(VerbError) as caught:
        Hub(hub.hub.data_dir, hub.hub.settings, key_of("another"), hub.clock)
    assert caught.value.code == "wrong-database"
    assert hub.log_size() == before


def test_a_hub_signs_nothing_in_the_log_of_another_name(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    with RunningHub.start(network, loop, tmp_path / "one", hub_database_url, name="one.de") as one:
        settings = one.hub.settings.model_copy(update={"name": "two.de"})
        with pytest.raises(VerbError):
            Hub(one.hub.data_dir, settings, one.hub.key, one.clock)
