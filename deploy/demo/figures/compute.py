"""Compute the demo's monthly figures from the chronicle of events.

    python compute.py SOURCE.csv.gz           write the CSV files of each city of ../cities.json beside this script
    python compute.py --check SOURCE.csv.gz   compare with the files that are there; exit 1 when one differs

An event counts for a city when its municipality key does, whatever the place is called, so districts are in. Rows that
are equal in every column count once. A combined category "a & b" counts once, as "a". A month without events is a row
of zeros: the chronicle was kept in every month of the period, so these are true zeros.
"""

import argparse
import csv
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent

FIRST_MONTH: Final = "2014-01"
LAST_MONTH: Final = "2017-06"  # the months after it hold a small part of the usual number: not yet complete

OFFENCES: Final = {
    "assault": "assault",
    "arson": "arson",
    "demonstration": "demonstration",
    "miscellaneous attack": "attack",
    "suspicion": "unconfirmed",
    "other": "other",
}
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Event:
    """One row of the chronicle."""

    day: date
    place: str
    state: str
    municipality_key: str  # 12 digits
    category: str

    @property
    def lau(self) -> str:
        """The municipality's LAU code: the 12-digit key without the digits of the association of municipalities."""
        return self.municipality_key[:5] + self.municipality_key[9:]

    @property
    def month(self) -> str:
        return f"{self.day:%Y-%m}"

    @property
    def offence(self) -> str:
        return OFFENCES[self.category.split(" & ")[0]]

    @property
    def weekday(self) -> str:
        return WEEKDAYS[self.day.weekday()]


TABLES: Final[dict[str, tuple[Sequence[str], Callable[[Event], str]]]] = {
    "by_offence": (tuple(OFFENCES.values()), lambda event: event.offence),
    "by_weekday": (WEEKDAYS, lambda event: event.weekday),
}
"""Of each table the columns, and the one of an event; `tables` of a city names those that it has."""


def read_events(source: Path) -> Iterator[Event]:
    """The distinct rows of the chronicle, in its order."""
    with gzip.open(source, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        events = (
            Event(date.fromisoformat(row["date"]), row["place"], row["state"], row["community_id"], row["category_en"])
            for row in rows
        )
        yield from dict.fromkeys(events)


def months() -> list[str]:
    """Every month from the first to the last."""
    years = range(int(FIRST_MONTH[:4]), int(LAST_MONTH[:4]) + 1)
    every = (f"{year}-{month:02}" for year in years for month in range(1, 13))
    return [month for month in every if FIRST_MONTH <= month <= LAST_MONTH]


def table(events: Iterable[Event], columns: Sequence[str], column_of: Callable[[Event], str]) -> str:
    """One row per month, one column per category, as CSV text."""
    counts = Counter((event.month, column_of(event)) for event in events)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["month", *columns])
    writer.writerows([month, *(counts[month, column] for column in columns)] for month in months())
    return text.getvalue()


def compute(source: Path, cities: Path = HERE.parent / "cities.json") -> dict[str, str]:
    """The figures as file name → CSV text."""
    events = list(read_events(source))
    figures = {}
    for city in json.loads(cities.read_text(encoding="utf-8")):
        own = [event for event in events if event.lau == city["lau"]]
        for name in city["tables"]:
            columns, column_of = TABLES[name]
            figures[f"{city['city']}_{name}.csv"] = table(own, columns, column_of)
    return figures


def find_differences(figures: dict[str, str], folder: Path = HERE) -> list[str]:
    """The names of files that are missing, differ, or do not belong here."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.csv")}
    return sorted(name for name in figures.keys() | present.keys() if figures.get(name) != present.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description="Compute the demo's monthly figures from the chronicle of events.")
    parser.add_argument("source", type=Path, metavar="SOURCE.csv.gz", help="the chronicle, one event per row")
    parser.add_argument("--check", action="store_true", help="compare with the files that are there, write nothing")
    arguments = parser.parse_args()
    figures = compute(arguments.source)
    if arguments.check:
        different = find_differences(figures)
        for name in different:
            print(f"{name}: differs from what the source gives", file=sys.stderr)
        return 1 if different else 0
    for name, text in figures.items():
        (HERE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
