"""Batches at two hubs that stop and start again, at random, before, in and after every transaction: does anything
happen twice?

Each hub has a database in a file, and starts again from what a machine that stops leaves on its disk. In every fourth
run a hub that stops may come back without its keys, as from a backup. Every batch must end, opened with exactly the
true sum, or void, or never agreed to.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, exactly, measured
from tests.regional_hub.sealed_hubs import Faults
from tests.regional_hub.sealed_runs import EXPECTED, Run, Seen, copy_template, make_template

RUNS: Final = 1_000
ODDS: Final = (0.02, 0.05, 0.1)
"""How likely a hub stops at each of the moments at which it can, of which a batch has about a hundred."""
RESTORED: Final = 0.1
EVERY_FOURTH: Final = 4


def measure_crashes(runs: int = RUNS) -> Iterator[Figure]:
    """`RUNS` random ones on SQLite."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="sealed-") as made:
        template, chance = make_template(Path(made) / "template.db"), random.Random("sealed crashes")
        for number in range(runs):
            urls = copy_template(template, Path(made) / f"run-{number}")
            restored = RESTORED if number % EVERY_FOURTH == 0 else 0.0
            seen.add(Run(urls, chance, Faults(chance, odds=chance.choice(ODDS)), restored=restored).live())
            shutil.rmtree(Path(made) / f"run-{number}")
    for name in EXPECTED:
        yield measured(f"sealed_crashes_{name}", getattr(seen, name), sample_size=runs)
    for name in sorted(set(vars(seen)) - set(EXPECTED)):
        yield exactly(f"sealed_crashes_{name}", getattr(seen, name), bar=0, sample_size=runs)
