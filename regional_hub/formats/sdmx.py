"""What both SDMX formats share: the names of dimensions, measure and attributes, and how a table is identified.

Dimensions: FREQ, REF_AREA, the table's own in upper case, TIME_PERIOD. Measure: OBS_VALUE. The other columns of the
plain formats are attributes under the same names in upper case. Ids of SDMX are narrower than ours (SDMX 3.1,
section 2, IDType): dots become `_`; an agency may keep its dots, and none of its parts begins with a digit.
"""

import re
from collections.abc import Mapping
from typing import Final

from regional_hub.figure_answer import Answer
from regional_hub.formats.columns import MECHANISM, Value
from shared_schema.period import Granularity
from shared_schema.trend import TableDefinition

FREQUENCIES: Final[Mapping[Granularity, str]] = {"month": "M", "quarter": "Q", "year": "A"}
MEASURE: Final = "OBS_VALUE"
ATTRIBUTES: Final[Mapping[str, str]] = {
    "status": "OBS_STATUS",
    "low": "LOW",
    "high": "HIGH",
    "variance_milli": "VARIANCE_MILLI",
    "contributors": "CONTRIBUTORS",
    "cities_reporting": "CITIES_REPORTING",
    "cities_expected": "CITIES_EXPECTED",
    "cities_suppressed": "CITIES_SUPPRESSED",
    "suppressed_at_most": "SUPPRESSED_AT_MOST",
    "withheld": "WITHHELD",
    "source": "SOURCE",
    "publisher": "PUBLISHER",
    "table_version": "TABLE_VERSION",
    "revision": "REVISION",
    "entry": "ENTRY",
}
"""Of one observation: our column → the attribute."""
DATA_SET_ATTRIBUTES: Final[Mapping[str, str]] = {
    "measure": "MEASURE",
    "table": "TABLE",
    "policy_version": "POLICY_VERSION",
    "as_of": "AS_OF",
    "published_at": "PUBLISHED_AT",
    "citation": "CITATION",
}
"""Of the whole data set."""
_TAKEN: Final = frozenset(
    {"FREQ", "REF_AREA", "TIME_PERIOD", MEASURE, "STRUCTURE", "STRUCTURE_ID", "STRUCTURE_NAME", "ACTION", "SERIES_KEY"}
    | {"OBS_KEY", *ATTRIBUTES.values(), *DATA_SET_ATTRIBUTES.values(), "MECHANISM"}
)


def attributes_of(answer: Answer) -> dict[str, str]:
    """The attributes of an observation that this answer has."""
    return {**ATTRIBUTES, MECHANISM: "MECHANISM"} if answer.tells_mechanism else {**ATTRIBUTES}


def dimensions_of(table: TableDefinition) -> tuple[str, str, str, str]:
    """The ids of the dimensions in their order. One that has the name of something else gets `DIM_` in front."""
    own = table.dimension.replace(".", "_").upper()
    return "FREQ", "REF_AREA", f"DIM_{own}" if own in _TAKEN else own, "TIME_PERIOD"


def key_of(answer: Answer, values: Mapping[str, Value]) -> tuple[Value, Value, Value, Value]:
    """The values of the dimensions of one figure."""
    return FREQUENCIES[answer.query.by], values["area"], values["cell"], values["period"]


def agency_of(answer: Answer) -> str:
    """The hub as an SDMX agency."""
    return re.sub(r"(?<![^.])(?=[0-9])", "N", answer.citation.hub)


def dataflow_of(answer: Answer) -> str:
    """`sachsen.de:bias_incidents_by_offence(1.0.0)`: the table in its wording."""
    table = answer.query.table
    return f"{agency_of(answer)}:{table.id.replace('.', '_')}({table.version}.0.0)"
