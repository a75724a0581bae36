"""Taking back what was handed in a moment ago."""

from regional_hub.verbs import publish_policy
from shared_schema.entry import digest_of
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.regional_hub.running import City, RunningHub, check_problem


def test_a_withdrawal_in_the_same_batch_as_its_item_is_taken(hub: RunningHub, city: City) -> None:
    """As a node sends it that was cut off from its hub for a while."""
    envelope = city.sign()
    hub.accept_many([envelope, city.withdrawal(envelope)])
    entry = next(entry for entry in city.feed()["entries"] if entry["entry"]["kind"] == "practice")
    assert entry["absent"] == "withdrawn"
    assert hub.verb("verify")["ok"]
    assert hub.post(envelope).status_code == 200


def test_a_withdrawal_that_travels_less_far_than_its_item_is_refused(hub: RunningHub, city: City) -> None:
    """It would never reach holders elsewhere, who would keep the content."""
    envelope = city.sign(audience="europe")
    hub.accept(envelope)
    body = {"digest": digest_of(envelope), "reason": "error"}
    for audience in ("hub", "region", "nation"):
        narrow = city.sign(Kind.WITHDRAWAL, body, audience=audience)
        check_problem(hub.post(narrow), ProblemCode.RELEASE_RULE)
    hub.accept(city.sign(Kind.WITHDRAWAL, body, audience="europe"))
    assert hub.verb("verify")["ok"]


def test_a_policy_that_another_process_has_put_in_force_counts_at_once(hub: RunningHub, city: City) -> None:
    """This process has checked the figures against the policy it knew; the commit looks again."""
    stale = hub.hub.trust
    policy = stale.policy
    stricter = tuple(table.model_copy(update={"epsilon_milli": 1}) for table in policy.tables)
    publish_policy(hub.hub, policy.model_copy(update={"version": policy.version + 1, "tables": stricter}))
    hub.hub._trust = stale
    check_problem(hub.post(city.trend(1, 2, 3)), ProblemCode.UNKNOWN_TABLE)


def test_nor_does_a_batch_let_a_city_take_back_what_is_not_its_own(hub: RunningHub, city: City) -> None:
    stranger = hub.enrol("dresden.sn.de")
    envelope = city.sign()
    body = b'{"submissions":[' + envelope + b"," + stranger.withdrawal(envelope) + b"]}"
    results = hub.post(body, "/v1/submissions/batch").json()["results"]
    assert [result["status"] for result in results] == [201, 404]
