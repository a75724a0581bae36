"""Ten thousand changed shares of which none may be accepted, and ten thousand honest ones that come out right.

The changes are those of `test_vdaf_mutations`: single bits, swapped halves, another batch, another city, counts out of
range with an honest proof, forged proofs. Each half carries 12 cells of counts up to 255.
"""

import random
from collections.abc import Iterator
from typing import Final

from tests.bench.figures import Figure, exactly, measured
from tests.shared_schema.sealed import TABLE, accept, make_report
from tests.shared_schema.test_vdaf_mutations import MUTATIONS, outcomes

SHARES: Final = 10_000


def measure_shares() -> Iterator[Figure]:
    """About five minutes."""
    counted = outcomes(TABLE, SHARES)
    accepted = sum(count for (_, outcome), count in counted.items() if outcome == "accepted")
    yield measured("sealed_shares_ways_of_changing_one", len(MUTATIONS), sample_size=counted.total())
    yield exactly("sealed_shares_changed_and_accepted", accepted, bar=0, sample_size=counted.total())
    chance = random.Random("honest shares")
    right = sum(_is_right(chance) for _ in range(SHARES))
    yield exactly("sealed_shares_honest_and_right", right, bar=SHARES, sample_size=SHARES)


def _is_right(chance: random.Random) -> bool:
    counts = [chance.randint(0, TABLE.circuit.max_measurement) for _ in range(TABLE.circuit.length)]
    return TABLE.unshard(list(accept(TABLE, make_report(TABLE, counts, chance))), 1) == counts
