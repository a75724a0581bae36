"""Figures as JSON: an object that says what they are, and under `figures` one object for each, on a line of its own."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.formats.columns import about, figure_values, filters
from shared_schema.service.exports import ROWS_A_CHUNK

_CLOSE: Final = "]}\n"


def to_json(value: object) -> str:
    """On one line, without spaces, UTF-8 as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_json(answer: Answer) -> Iterator[bytes]:
    """Every figure has every key; what it does not have is null. Raises nothing of its own."""
    head = to_json(about(answer) | {"filters": filters(answer)})
    yield f'{head[:-1]},"figures":['.encode()
    yield from joined(to_json(figure_values(figure, answer)) for figure in answer.figures)
    yield _CLOSE.encode()


def joined(members: Iterator[str]) -> Iterator[bytes]:
    """The members of an array or object, with commas between them, each on its line, some hundred at a time."""
    before = "\n"
    while batch := list(islice(members, ROWS_A_CHUNK)):
        yield (before + ",\n".join(batch)).encode()
        before = ",\n"
