"""Figures as SDMX-CSV 2.1.0 (aligned with SDMX 3.1): the key, the value, and every attribute in a column of its own.

The format has no place for what holds for the whole data set, so those attributes are repeated in every row, as its
field guide says for attributes of partial keys.
"""

from collections.abc import Iterator
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.formats.columns import Value, about, figure_values
from regional_hub.formats.sdmx import DATA_SET_ATTRIBUTES, MEASURE, attributes_of, dataflow_of, dimensions_of, key_of
from shared_schema.service.exports import csv_chunks

_ACTION: Final = "I"
"""Information: nobody is told to change a database."""


def write_sdmx_csv(answer: Answer) -> Iterator[bytes]:
    """A figure without a value has an empty OBS_VALUE; texts are safe in a spreadsheet. Raises nothing of its own."""
    header = ("STRUCTURE", "STRUCTURE_ID", "ACTION", *dimensions_of(answer.query.table), MEASURE)
    return csv_chunks((*header, *attributes_of(answer).values(), *DATA_SET_ATTRIBUTES.values()), _rows(answer))


def _rows(answer: Answer) -> Iterator[tuple[Value, ...]]:
    start = "dataflow", dataflow_of(answer), _ACTION
    constant, attributes = about(answer), attributes_of(answer)
    end = [constant[name] for name in DATA_SET_ATTRIBUTES]
    for figure in answer.figures:
        values = figure_values(figure, answer)
        yield (*start, *key_of(answer, values), values["estimate"], *(values[name] for name in attributes), *end)
