"""What was spent, added up by hand: the measurements do not judge the program's rule by that rule itself."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from shared_schema.governance import PolicyBody
from shared_schema.period import Period

WINDOW_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Spent:
    """One release and what it cost, in thousandths of epsilon."""

    table: str
    period: Period
    epsilon_milli: int
    is_correction: bool = False

    @property
    def months(self) -> range:
        first, last = self.period.first_day, self.period.last_day
        return range(first.year * 12 + first.month, last.year * 12 + last.month + 1)


def count_overspends(spent: Iterable[Spent], policy: PolicyBody) -> int:
    """The tables that spent too much in a month, and the years in which a measure or all measures did."""
    of_tables: defaultdict[str, Counter[int]] = defaultdict(Counter)
    releases: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for each in spent:
        for month in each.months:
            of_tables[each.table][month] += each.epsilon_milli
            releases[each.table][month] += 0 if each.is_correction else each.epsilon_milli
    allowed = {table.id: table.epsilon_milli for table in policy.tables}
    measures = {table.id: table.measure for table in policy.tables}
    too_much = sum(max(months.values()) > allowed[table] for table, months in releases.items())
    for start in {month for months in of_tables.values() for month in months}:
        of_measures: Counter[str] = Counter()
        for table, months in of_tables.items():
            year = (epsilon for month, epsilon in months.items() if start <= month < start + WINDOW_MONTHS)
            of_measures[measures[table]] += max(year, default=0)
        too_much += sum(epsilon > policy.epsilon_milli_per_measure for epsilon in of_measures.values())
        too_much += of_measures.total() > policy.epsilon_milli_total
    return too_much
