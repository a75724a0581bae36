"""One city takes a practice back, and the demo waits until everybody has confirmed that it is gone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from deploy.demo.federation import COORDINATOR

MAX_ROUNDS = 8
"""Down to the last city the withdrawal takes two rounds of the three levels, and the word of it back two more."""


class Asked(Protocol):
    """A node or a hub that does what its command line does."""

    def ask(self, verb: str, **params: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class TakenBack:
    """What became of it. `recall` is what the author's node says of it: how many have confirmed, of how many."""

    author: str
    title: str
    was_read_everywhere: bool
    confirmed: int
    holders: int
    is_gone: bool
    """No city shows it, and every hub has erased the content."""

    @property
    def withdrawn_everywhere(self) -> bool:
        return self.was_read_everywhere and self.is_gone and self.confirmed == self.holders > 0

    @property
    def recall(self) -> str:
        return f"{self.confirmed} of {self.holders}"


def take_back(
    nodes: Mapping[str, Asked], hubs: Mapping[str, Asked], author: str, exchange: Callable[[], None]
) -> TakenBack:
    """Let `author` take one of its practices back, and go on with rounds until nobody is missing."""
    node = nodes[author]
    practices = node.ask("inbox.list", kind="practice", state="accepted")["items"]
    item = min((item for item in practices if item["origin"] == author), key=lambda item: item["title"])
    digest = item["digest"]
    was_read_everywhere = all(_shows(reader, digest) for reader in nodes.values())
    node.ask("withdraw", digest=digest, by=COORDINATOR, reason="outdated")
    confirmed = holders = 0
    for _ in range(MAX_ROUNDS):
        exchange()
        node.ask("sync")  # whoever has just read the withdrawal says so with its next read
        (line,) = node.ask("recall.status", digest=digest)["recalls"]
        confirmed, holders = line.get("confirmed", 0), line.get("holders", 0)
        if confirmed == holders > 0 and line["unheard"] == 0:
            break
    is_gone = not any(_shows(reader, digest) for reader in nodes.values()) and all(
        hub.ask("explain", digest=digest)["place"] == "withdrawn" for hub in hubs.values()
    )
    return TakenBack(author, item["title"], was_read_everywhere, confirmed, holders, is_gone)


def _shows(node: Asked, digest: str) -> bool:
    """Whether a city can read an item."""
    return node.ask("inbox.show", digest=digest)["body"] is not None
