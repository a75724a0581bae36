"""Does a message tell by its form what is in it? Bodies of neighbouring data sets, through the real verbs.

Two cities differ in one record of every month: one more, one less, or one in another cell. What leaves must have the
same number of bytes and the same cells in the same order, whatever was drawn.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.bench.disclosure_city import (
    EPSILONS,
    MEASURE,
    PROCESSES,
    City,
    cell_codes,
    make_policy,
    make_template,
    months_from,
    workshop,
)
from tests.bench.figures import Figure, exactly

PAIRS = 1_000
MONTHS_A_NODE = 100
CELLS = 4
MOST = 12
"""Counts around 10, where a number gets another digit."""
FIRST_YEAR = 1950
TABLE = f"{MEASURE}.by_{next(iter(EPSILONS))}"


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody on the wire sees of a message, and what its grid is."""

    length: int
    cells: tuple[str, ...]


def measure_messages(pairs: int = PAIRS) -> Iterator[Figure]:
    """In how many pairs the forms differ."""
    shares = [pairs // PROCESSES + (place < pairs % PROCESSES) for place in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        forms = [form for part in pool.map(neighbouring_forms, shares) for form in part]
    yield exactly(
        "messages_of_another_length",
        sum(one.length != other.length for one, other in forms),
        bar=0,
        sample_size=len(forms),
    )
    yield exactly(
        "messages_with_other_cells",
        sum(one.cells != other.cells for one, other in forms),
        bar=0,
        sample_size=len(forms),
    )


def neighbouring_forms(pairs: int) -> list[tuple[Form, Form]]:
    """The forms of releases of two cities that differ in one record."""
    chance = random.SystemRandom()
    forms: list[tuple[Form, Form]] = []
    with workshop() as directory:
        template = make_template(directory, make_policy(CELLS))
        for first in range(0, pairs, MONTHS_A_NODE):
            months = months_from(FIRST_YEAR, min(MONTHS_A_NODE, pairs - first))
            counts = {month: [chance.randint(0, MOST) for _ in range(CELLS)] for month in months}
            changed = {month: _neighbour(counts[month], chance) for month in months}
            with template.open(directory / f"{first}a") as one, template.open(directory / f"{first}b") as other:
                _import(one, counts)
                _import(other, changed)
                forms += [(_form(one, month), _form(other, month)) for month in months]
    return forms


def _neighbour(counts: list[int], chance: random.Random) -> list[int]:
    """One record more, one less or one moved."""
    other = list(counts)
    more, less = chance.sample(range(len(counts)), 2)
    kind = chance.choice(("more", "less", "moved")) if counts[less] else "more"
    other[more] += kind != "less"
    other[less] -= kind != "more"
    return other


def _import(city: City, counts: dict[str, list[int]]) -> None:
    rows = [
        [f"{month}-05", *[code] * len(EPSILONS)]
        for month, of_month in counts.items()
        for code, count in zip(cell_codes(CELLS), of_month, strict=True)
        for _ in range(count)
    ]
    city.import_events(rows, list(counts))


def _form(city: City, month: str) -> Form:
    answer = city.release(TABLE, month)
    return Form(len(answer["leaves"].encode()), tuple(cell["cell"] for cell in answer["cells"]))
