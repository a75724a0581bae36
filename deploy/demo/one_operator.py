"""Two hubs of one operator ask for a sealed total, and a city refuses.

No verb does that: a hub refuses to propose it, and the other one to sign it. The demo has the keys of both, so it plays
two hubs that lie together. What they sign is the very batch that was opened before, but for the operator and the month.
"""

from pathlib import Path
from typing import Final, Protocol

from deploy.demo.federation import COORDINATOR, DemoError
from deploy.demo.recall import Asked
from regional_hub import sealed_store
from regional_hub.app import Hub, open_hub
from regional_hub.publication import publish_statement
from shared_schema.keys import SigningKey
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import BatchBody
from shared_schema.sealed.countersign import BATCH_TERMS, countersign
from shared_schema.sealed.terms import BatchTerms
from shared_schema.service.key_file import load_key
from shared_schema.statement import Audience, Kind

NEXT_MONTH: Final = "2017-02"
"""It has figures, and none of them were ever asked for: nothing else speaks against this batch."""


class Refusing(Asked, Protocol):
    """A program that says with which code it refuses."""

    def refusal(self, verb: str, /, **params: object) -> str | None: ...


def announce(leader: Path, helper: Path, batch: str, period: str = NEXT_MONTH) -> str:
    """As a second process of the leader, with the helper's key; return the digest of the announcement."""
    hub = open_hub(leader)
    try:
        return announce_as(hub, load_key(helper), batch, period)
    finally:
        hub.close()


def announce_as(hub: Hub, helper_key: SigningKey, batch: str, period: str) -> str:
    """Log a batch with one operator for both hubs, signed by both as every batch is."""
    with hub.database.read() as session:
        found = sealed_store.find_batch(session, "leader", batch=batch)
        if found is None:
            raise DemoError("expected the batch that was opened before")
        terms = sealed_store.read_leader(session, found).batch.terms
    if terms is None:
        raise DemoError("expected a batch with terms")
    alike = of_one_operator(terms, period)
    body = BatchBody(terms=alike, helper=countersign(BATCH_TERMS, alike, helper_key))
    with hub.database.write() as session:
        _, said = publish_statement(
            session, Kind.BATCH, body, Audience.NATION, name=hub.name, key=hub.key, now=hub.clock()
        )
    return said.digest


def of_one_operator(terms: BatchTerms, period: str) -> BatchTerms:
    """The same terms for another period, run by the leader's operator alone."""
    changed = terms.to_object()
    changed["helper"]["operator"] = changed["leader"]["operator"]
    changed["plan"]["period"] = parse_period(period).to_object()
    return BatchTerms.from_object(changed)


def is_refused(node: Refusing, digest: str) -> bool:
    """Whether a city that has read the announcement shows it as refused, and refuses to send, for this very reason."""
    lines = [line for line in node.ask("sealed.list")["collections"] if line["batch"] == digest]
    is_shown = [line["standing"] for line in lines] == ["unreadable"]
    code = node.refusal("sealed.request", batch=digest, by=COORDINATOR)
    return is_shown and code == ProblemCode.SAME_OPERATOR.value
