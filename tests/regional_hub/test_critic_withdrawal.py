"""Taking back what was handed in a moment ago."""

from tests.regional_hub.running import City, RunningHub


def test_a_withdrawal_in_the_same_batch_as_its_item_is_taken(hub: RunningHub, city: City) -> None:
    """As a node sends it that was cut off from its hub for a while."""
    envelope = city.sign()
    hub.accept_many([envelope, city.withdrawal(envelope)])
    entry = next(entry for entry in city.feed()["entries"] if entry["entry"]["kind"] == "practice")
    assert entry["absent"] == "withdrawn"
    assert hub.verb("verify")["ok"]
    assert hub.post(envelope).status_code == 200


def test_nor_does_a_batch_let_a_city_take_back_what_is_not_its_own(hub: RunningHub, city: City) -> None:
    stranger = hub.enrol("dresden.sn.de")
    envelope = city.sign()
    body = b'{"submissions":[' + envelope + b"," + stranger.withdrawal(envelope) + b"]}"
    results = hub.post(body, "/v1/submissions/batch").json()["results"]
    assert [result["status"] for result in results] == [201, 404]
