"""An auditor redoes a sealed total: every step that still can be, and a word for each that cannot."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import select, update

from regional_hub.orm import EntryRow, SealedBatchRow
from shared_schema.service.control import VerbError
from tests.regional_hub.conftest import HubStarter
from tests.regional_hub.running import RunningHub
from tests.regional_hub.sealed_batches import Played, append, changed_sum, keep_rows, play, put, resay, start_hubs
from tests.regional_hub.test_sealed_claims import add_to_first, say_complete
from tests.regional_hub.test_sealed_totals import newest_of
from tests.shared_schema.sealed_world import HELPER

pytestmark = pytest.mark.sqlite_is_enough
OF_EVERYBODY = ["batch", "operators", "roster", "attendance", "sum of the leader", "sum of the helper", "total"]


@pytest.fixture
def region(start_hub: HubStarter) -> RunningHub:
    return start_hubs(start_hub)[0]


def audit(hub: RunningHub, played: Played) -> dict[str, str]:
    answer = hub.verb("batch.audit", digest=played.digest[:12])
    assert answer["batch"] == played.digest and all(check["words"] for check in answer["checks"])
    found = {check["check"]: check["holds"] for check in answer["checks"]}
    assert answer["ok"] is ("no" not in found.values())
    return found


def with_false_sum(region: RunningHub, played: Played) -> None:
    append(region, played.batch, played.roster, played.sums["leader"], changed_sum(played, "helper"))


def with_false_roster(region: RunningHub, played: Played) -> None:
    terms = played.roster.statement.body.to_object()["terms"]
    append(region, played.batch, resay(played.roster, terms=terms | {"leader_sum": "ab" * 32}))


def with_false_terms(region: RunningHub, played: Played) -> None:
    """The leader announces another least number of cities than the helper has signed."""
    terms = played.batch.statement.body.to_object()["terms"]
    append(region, resay(played.batch, terms=terms | {"plan": terms["plan"] | {"min_batch": 6}}))


def with_another_figure(region: RunningHub, played: Played) -> None:
    put(region, played)
    region.verb("aggregate")
    body = newest_of(region, complete=True).to_object() | {"revision": 7}
    say_complete(region, add_to_first(body, 3))


def with_another_operator(region: RunningHub, played: Played) -> None:
    put(region, played)
    region.say_of(HELPER, operator="Freistaat Sachsen")


def with_another_seed(region: RunningHub, played: Played) -> None:
    put(region, played)
    keep_rows(region, played, destroyed=True)
    with region.hub.database.write() as session:
        session.execute(update(SealedBatchRow).values(noise_seed=bytes(32)))


BROKEN: Mapping[str, tuple[Callable[[RunningHub, Played], None], str]] = {
    "a false sum": (with_false_sum, "sum of the helper"),
    "a roster of the leader alone": (with_false_roster, "roster"),
    "another figure is published": (with_another_figure, "published"),
    "the directory names one operator for both": (with_another_operator, "operators"),
    "another seed": (with_another_seed, "own noise"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_hold_is_named(region: RunningHub, name: str) -> None:
    make, check = BROKEN[name]
    make(region, play())
    assert [found for found, holds in audit(region, play()).items() if holds == "no"] == [check]


def test_terms_that_the_helper_has_not_signed_end_the_audit(region: RunningHub) -> None:
    with_false_terms(region, play())
    answer = region.verb("batch.audit", digest=_only_batch(region))
    assert [(check["check"], check["holds"]) for check in answer["checks"]] == [("batch", "no")]


def _only_batch(hub: RunningHub) -> str:
    with hub.hub.database.read() as session:
        return session.scalars(select(EntryRow.digest).where(EntryRow.kind == "batch")).one()


@pytest.mark.parametrize("digest", ["", "abc", "ab" * 32, "%%%%%%%%"])
def test_a_digest_of_no_batch_is_refused(region: RunningHub, digest: str) -> None:
    put(region, play())
    with pytest.raises(VerbError) as caught:
        region.verb("batch.audit", digest=digest)
    assert caught.value.code == "not-found"


def test_while_keys_and_shares_are_here_everything_can_be_redone(region: RunningHub) -> None:
    put(region, play())
    keep_rows(region, play(), destroyed=False)
    region.verb("aggregate")
    found = audit(region, play())
    assert list(found) == [*OF_EVERYBODY[:4], "own noise", "own sum", *OF_EVERYBODY[4:], "published"]
    assert set(found.values()) == {"yes"}


def test_afterwards_all_but_the_own_sum(region: RunningHub) -> None:
    put(region, play())
    keep_rows(region, play(), destroyed=True)
    region.verb("aggregate")
    found = audit(region, play())
    assert found.pop("own sum") == "cannot be redone"
    assert set(found.values()) == {"yes"}


def test_a_hub_that_takes_no_part_redoes_what_stands_in_its_log(region: RunningHub) -> None:
    put(region, play())
    found = audit(region, play())
    assert [found.pop(name) for name in ("own noise", "own sum", "published")] == ["cannot be redone"] * 3
    assert found == dict.fromkeys(OF_EVERYBODY, "yes")


def test_before_the_roster_nothing_is_open(region: RunningHub) -> None:
    append(region, play().batch)
    assert audit(region, play())["roster"] == "cannot be redone"


def test_nothing_secret_is_in_the_answer(region: RunningHub) -> None:
    put(region, play())
    keep_rows(region, play(), destroyed=False)
    answer: Any = json.dumps(region.verb("batch.audit", digest=play().digest))
    secrets = play().leader.secrets
    assert secrets is not None
    for secret in (secrets.noise_seed, secrets.key.raw):
        assert secret.hex() not in answer and secret.hex()[:16] not in answer
    assert not any(share.origin in answer for share in play().world.shares)
