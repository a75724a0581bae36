"""Figures as an SDMX-JSON data message 2.1.0 (aligned with SDMX 3.1), observation by observation.

Values of dimensions are named by their place in a list that stands before the data, so the lists hold what was asked
for, of which the data may have less. Codes are written as values and not as ids with names: no code list of ours is
published, and a cell may have a dot, which an id may not. FREQ and OBS_STATUS are the code lists of SDMX itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from regional_hub.figure_answer import Answer
from regional_hub.figures import TOTAL
from regional_hub.formats.columns import FIGURE_COLUMNS, about, figure_values
from regional_hub.formats.json_file import joined, to_json
from regional_hub.formats.sdmx import (
    DATA_SET_ATTRIBUTES,
    FREQUENCIES,
    MEASURE,
    attributes_of,
    dataflow_of,
    dimensions_of,
    key_of,
)

SCHEMA: Final = "https://json.sdmx.org/2.1/sdmx-json-data-schema.json"
URN: Final = "urn:sdmx:org.sdmx.infomodel.datastructure.Dataflow="
FREQUENCY_NAMES: Final[Mapping[str, str]] = {"M": "Monthly", "Q": "Quarterly", "A": "Annual"}
"""As in CL_FREQ of SDMX."""
STATUS_NAMES: Final[Mapping[str, str]] = {
    "A": "Normal value",
    "B": "Time series break",
    "D": "Definition differs",
    "L": "Missing value; data exist but were not collected",
    "Q": "Missing value; suppressed",
}
"""As in CL_OBS_STATUS of SDMX."""
_TYPES: Final = {int: "Long", str: "String"}


def write_sdmx_json(answer: Answer) -> Iterator[bytes]:
    """A figure without a value has null in the place of OBS_VALUE. Raises nothing of its own."""
    head = {"$schema": SCHEMA, "meta": _meta(answer)}
    yield f'{to_json(head)[:-1]},"data":{{"structures":[{to_json(_structure(answer))}],"dataSets":['.encode()
    yield f'{to_json(_data_set(answer))[:-1]},"observations":{{'.encode()
    yield from joined(_observations(answer))
    yield b"}}]}}\n"


def _meta(answer: Answer) -> dict[str, Any]:
    citation = answer.citation
    return {
        # One answer has one id for ever.
        "id": hashlib.sha256(citation.link.encode()).hexdigest()[:32],
        "prepared": citation.published_at,
        "test": False,
        "name": citation.line,
        "sender": {"id": citation.hub.replace(".", "_"), "name": citation.hub},
        "links": [{"rel": "self", "href": citation.link}],
    }


def _structure(answer: Answer) -> dict[str, Any]:
    query, constant = answer.query, about(answer)
    return {
        "links": [{"rel": "dataflow", "urn": URN + dataflow_of(answer)}],
        "name": query.table.title,
        "dimensions": {"observation": _dimensions(answer)},
        "measures": {"observation": [{"id": MEASURE, "format": {"dataType": "Long"}}]},
        "attributes": {
            "dataSet": [
                {"id": each, "relationship": {"dataflow": {}}, "values": [{"value": constant[name]}]}
                for name, each in DATA_SET_ATTRIBUTES.items()
            ],
            "observation": [_attribute(name, each) for name, each in attributes_of(answer).items()],
        },
        "dataSets": [0],
    }


def _places(answer: Answer) -> tuple[tuple[str, ...], ...]:
    """The values of each dimension, in the order by which observations name them."""
    query = answer.query
    cells = (*query.codes, TOTAL) if query.wants_total else query.codes
    return (FREQUENCIES[query.by],), query.areas, cells, query.labels


def _dimensions(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for place, (name, values) in enumerate(zip(dimensions_of(answer.query.table), _places(answer), strict=True)):
        if name == "FREQ":
            listed = [{"id": value, "name": FREQUENCY_NAMES[value]} for value in values]
        else:
            listed = [{"value": value} for value in values]
        role = {"roles": [name]} if name in ("FREQ", "REF_AREA", "TIME_PERIOD") else {}
        found.append({"id": name, "keyPosition": place, **role, "values": listed})
    return found


def _attribute(column: str, name: str) -> dict[str, Any]:
    if column == "status":
        listed = [{"id": code, "name": text} for code, text in STATUS_NAMES.items()]
        return {"id": name, "roles": [name], "relationship": {"observation": {}}, "values": listed}
    return {
        "id": name,
        "relationship": {"observation": {}},
        "format": {"dataType": _TYPES[FIGURE_COLUMNS.get(column, str)]},
    }


def _data_set(answer: Answer) -> dict[str, Any]:
    query = answer.query
    return {
        "structure": 0,
        # Whoever loads it replaces what they had: a value that has been suppressed since must not survive beside it.
        "action": "Replace",
        "reportingBegin": query.labels[0],
        "reportingEnd": query.labels[-1],
        "links": [{"rel": "self", "href": answer.citation.link}],
        "attributes": [0] * len(DATA_SET_ATTRIBUTES),
    }


def _observations(answer: Answer) -> Iterator[str]:
    places = [{value: number for number, value in enumerate(values)} for values in _places(answer)]
    statuses = {code: number for number, code in enumerate(STATUS_NAMES)}
    attributes = attributes_of(answer)
    for figure in answer.figures:
        values = figure_values(figure, answer)
        key = ":".join(str(known[str(value)]) for known, value in zip(places, key_of(answer, values), strict=True))
        shown = [
            values["estimate"],
            *(statuses[figure.status] if name == "status" else values[name] for name in attributes),
        ]
        yield f'"{key}":{to_json(shown)}'
