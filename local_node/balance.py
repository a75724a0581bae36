"""A list in which neither successes nor failures are missing: people write more of the one, and learn from both."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from shared_schema.vocabulary import Outcome

SUCCESSES = frozenset({Outcome.WORKED})
FAILURES = frozenset({Outcome.NO_EFFECT, Outcome.HARM, Outcome.NOT_DELIVERED, Outcome.STOPPED})
"""Mixed results and what is too early to say are neither."""
SHARE = 4
"""At least one place in four for either side, as far as there are any."""


class HasOutcomes(Protocol):
    """Something that lists hold; a group of alike items has several outcomes."""

    @property
    def outcomes(self) -> frozenset[Outcome]: ...


Item = TypeVar("Item", bound=HasOutcomes)


def choose(ranked: Sequence[Item], places: int) -> tuple[Item, ...]:
    """The first `places` of a ranked list, but at least a quarter of successes and a quarter of failures.

    Where there are fewer of a side, all of them; one place has room for one side alone. The order stays.
    """
    least = max(1, places // SHARE)
    reserved: dict[int, None] = {}
    for side in (FAILURES, SUCCESSES):
        found = [place for place, item in enumerate(ranked) if item.outcomes & side]
        reserved.update(dict.fromkeys(found[:least]))
    chosen = dict.fromkeys(list(reserved)[:places])
    for place in range(len(ranked)):
        if len(chosen) >= places:
            break
        chosen.setdefault(place)
    return tuple(ranked[place] for place in sorted(chosen))


def in_pages(ranked: Sequence[Item], places: int) -> Iterator[tuple[Item, ...]]:
    """A ranked list in pages that are chosen one after the other, each from what the pages before have left."""
    left = list(ranked)
    while left:
        page = choose(left, places)
        yield page
        taken = {id(item) for item in page}
        left = [item for item in left if id(item) not in taken]
