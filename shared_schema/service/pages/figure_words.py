"""What stands beside figures in words, at the node and at the hub: marks of charts, lengths of periods, reasons."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared_schema.service.charts import Mark
from shared_schema.service.translations import N_

LENGTHS: Final[Mapping[str, str]] = MappingProxyType(
    {"month": N_("By month"), "quarter": N_("By quarter"), "year": N_("By year")}
)
MARKS: Final[Mapping[Mark, str]] = MappingProxyType(
    {
        Mark.MISSING: N_("not collected: a gap, not a zero"),
        Mark.ABSENT: N_("nothing was shared"),
        Mark.FEW: N_("too few to tell"),
        Mark.HIDDEN: N_("hidden: from few cities, or one could be worked out"),
        Mark.PARTIAL: N_("without agencies that reported a part of it only"),
        Mark.BREAK: N_("break: counted in a new way from here on"),
        Mark.DIFFERS: N_("definition differs: not to be compared"),
        Mark.UP: N_("up, by more than chance"),
        Mark.DOWN: N_("down, by more than chance"),
        Mark.PEAK: N_("stands out against the twelve before, beyond chance"),
    }
)
HIDDEN: Final = N_("hidden")
FEW: Final = N_("too few to tell")
NOT_COLLECTED: Final = N_("not collected")
