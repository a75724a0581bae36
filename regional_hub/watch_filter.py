"""Which alerts of the trend watch somebody wants to see: by measure, table, cell and kind. Nothing chosen is all.

An alert is always about the hub's own area, so there is no choice of areas.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from regional_hub.errors import HubError
from regional_hub.trend_watch import ALERT_KINDS, AlertKind
from shared_schema.governance import PolicyBody

FIELDS: Final = ("measure", "table", "cell", "kind")
"""Parameters of an address, in the order of the one spelling."""
MOST_VALUES: Final = 40
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:/-]{0,79}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """What was chosen, each in order and once."""

    measures: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    kinds: tuple[AlertKind, ...] = ()

    def pairs(self) -> list[tuple[str, str]]:
        """As parameters of an address: the same choice is always the same text."""
        values = (self.measures, self.tables, self.cells, self.kinds)
        return [(field, value) for field, several in zip(FIELDS, values, strict=True) for value in several]

    def tables_in(self, policy: PolicyBody) -> frozenset[str] | None:
        """The tables of this choice; None for all. A measure has those that the policy in force gives it."""
        if not self.measures and not self.tables:
            return None
        of_measures = {table.id for table in policy.tables if table.measure in self.measures}
        if not self.measures:
            return frozenset(self.tables)
        return frozenset(of_measures & set(self.tables) if self.tables else of_measures)


def parse_filter(pairs: Iterable[tuple[str, str]]) -> WatchFilter:
    """A choice from parameters of an address; others are left alone. Raises HubError.

    A table or cell that the policy does not know any more finds nothing, and is no error: a saved view outlives it.
    """
    chosen: dict[str, set[str]] = {field: set() for field in FIELDS}
    for field, value in pairs:
        if field in chosen and value:
            chosen[field].add(value)
    if sum(map(len, chosen.values())) > MOST_VALUES:
        raise HubError(f"expected at most {MOST_VALUES} choices")
    kinds = chosen.pop("kind")
    if not kinds <= set(ALERT_KINDS):
        raise HubError(f"expected as kind one of {', '.join(ALERT_KINDS)}")
    if not all(_ID.fullmatch(value) for values in chosen.values() for value in values):
        raise HubError("expected ids of measures, tables and cells")
    measures, tables, cells = (tuple(sorted(chosen[field])) for field in FIELDS[:3])
    return WatchFilter(measures, tables, cells, cast(tuple[AlertKind, ...], tuple(sorted(kinds))))
