"""Two years of a federation: monthly figures come in, are protected, reviewed, sent, added up and read elsewhere."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from deploy.demo.federation import COORDINATOR, HERE, REVIEWER, City, Federation, Program, together

MONTHS = 24
FIRST_MONTH = "2015-01"
AGENCY = "chronicle"
TABLES = {"bias_incidents.by_offence": "by_offence", "bias_incidents.by_weekday": "by_weekday"}
Told = Callable[[str], None]


def read_figures(city: City, suffix: str) -> dict[str, dict[str, int]]:
    """The true counts of a city: month → cell → count. They are real and public; see figures/README.md."""
    with (HERE / "figures" / f"{city.city}_{suffix}.csv").open(encoding="utf-8", newline="") as file:
        rows = {row.pop("month"): {cell: int(text) for cell, text in row.items()} for row in csv.DictReader(file)}
    return rows


def demo_months(city: City) -> list[str]:
    """The two years that the demo runs through: the peak of winter 2015/16 lies in their middle."""
    months = sorted(read_figures(city, "by_offence"))
    start = months.index(FIRST_MONTH)
    return months[start : start + MONTHS]


def run_story(federation: Federation, tell: Told) -> None:
    """Practices first, then month after month."""
    tell("cities release their practices")
    together(lambda city: _release_practices(federation.nodes[city.name], city), federation.cities)
    federation.exchange()
    months = demo_months(federation.cities[0])
    figures = {(city.name, table): read_figures(city, suffix)
               for city in federation.cities for table, suffix in TABLES.items()}  # fmt: skip
    for month in months:
        tell(f"figures of {month}")

        def release(city: City, month: str = month) -> None:
            for table in TABLES:
                _release_month(federation.nodes[city.name], table, month, figures[city.name, table][month])

        together(release, federation.cities)
        federation.exchange()
    tell("everything comes back to the cities")
    together(lambda node: node.ask("sync"), federation.nodes.values())


def _release_practices(node: Program, city: City) -> None:
    for path in sorted((HERE / "practices").glob(f"{city.city}_*.json")):
        request = node.ask("release.practice", file=str(path), by=COORDINATOR, audience="europe")["request"]
        node.ask("release.approve", request=request, by=REVIEWER, accept={})


def _release_month(node: Program, table: str, month: str, counts: dict[str, int]) -> None:
    enter_month(node, table, month, counts)
    request = node.ask("release.numbers", table=table, period=month, by=COORDINATOR)["request"]
    node.ask("release.approve", request=request, by=REVIEWER, accept={})


def enter_month(node: Program, table: str, month: str, counts: dict[str, int]) -> None:
    """Import a return with a city's true counts; nothing leaves by that."""
    mapping = node.data / f"{table}.toml"
    if not mapping.exists():
        mapping.write_text(_mapping(table, list(counts)), encoding="utf-8")
    file = node.data / "return.csv"
    _write_return(file, month, counts)
    node.ask("import", file=str(file), mapping=str(mapping), agency=AGENCY, by=COORDINATOR)
    file.unlink()


def _write_return(file: Path, month: str, counts: dict[str, int]) -> None:
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["month", *counts])
        writer.writerow([month, *counts.values()])


def _mapping(table: str, cells: list[str]) -> str:
    columns = ", ".join(f"{cell} = {json.dumps(cell)}" for cell in cells)
    return (
        f'kind = "returns"\nmeasure = "bias_incidents"\nsource_kind = "open_media"\n'
        f'table = "{table}"\ncolumns = {{ {columns} }}\n'
    )
