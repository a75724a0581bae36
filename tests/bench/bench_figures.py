"""How long an analyst waits for figures among ten million, beside DuckDB on a Parquet file of the same figures.

A nation with 55 regions: 12 tables of 40 cells, eleven years by month, quarter and year, two revisions of every sum.
The figures are made by one arithmetic rule in SQL, on SQLite, PostgreSQL and DuckDB alike, so that all three hold the
same. Five questions that a page or a script asks are answered in turn through the code of the hub, from the address to
the last figure; DuckDB answers the same five with SQL, with both cores. What a page needs has a bar.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import duckdb
import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from regional_hub.app import Hub
from regional_hub.figure_answer import FigurePublisher, find_answer
from regional_hub.figures import TOTAL
from regional_hub.settings import load_settings, write_settings
from regional_hub.verbs import publish_policy
from shared_schema.governance import PolicyBody
from shared_schema.keys import SigningKey
from shared_schema.service.database import Database
from shared_schema.service.key_file import load_key, write_key
from tests import postgres
from tests.bench.figures import Figure, at_most, measured

PARTS = ("sqlite", "postgres")
AREAS, TABLES, CELLS, YEARS = 56, 12, 40, range(2015, 2026)
REQUESTS, WARM = 60, 3
BAR_MS: Final = 100
FIRST_ENTRY: Final = 10
"""Before it stand the policy and what else begins a log."""
LENGTHS: Final = (("month", 1), ("quarter", 3), ("year", 12))
NATION: Final = "DE"
CODES: Final = tuple(f"C{place:02d}" for place in range(CELLS))
TABLE: Final = "incidents.by_kind_00"
QUESTIONS: Final[Mapping[str, tuple[bool, Mapping[str, Sequence[str]]]]] = {
    "page_all_cells_24_months": (True, {"table": [TABLE], "from": ["2024-01"], "to": ["2025-12"]}),
    "page_one_cell_11_years": (True, {"table": [TABLE], "cell": ["C07"], "from": ["2015-01"], "to": ["2025-12"]}),
    "page_one_cell_56_areas_24_months": (
        True,
        {"table": [TABLE], "cell": ["C07"], "level": ["*"], "from": ["2024-01"], "to": ["2025-12"]},
    ),
    "page_all_cells_24_months_as_of": (
        True,
        {"table": [TABLE], "from": ["2024-01"], "to": ["2025-12"], "as_of": ["*"]},
    ),
    "script_all_cells_56_areas_1_year": (
        False,
        {"table": [TABLE], "level": ["*"], "by": ["year"], "from": ["2025"], "to": ["2025"]},
    ),
}
"""Name → whether a page needs it, and its parameters; `*` is filled in by `_questions`."""


def measure(part: str | None = None) -> Iterator[Figure]:
    """p50, p95 and p99 in milliseconds of every question on every database; `part` is one of PARTS."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pe-bench-")))
        begun = time.perf_counter()
        parquet = folder / "figures.parquet"
        peer = stack.enter_context(duckdb.connect())
        cells = _fill_parquet(peer, parquet)
        yield measured("cells", cells, sample_size=cells)
        yield measured("duckdb_fill_seconds", time.perf_counter() - begun, sample_size=cells)
        for name, times in _ask_duckdb(peer, parquet).items():
            yield from _percentiles(f"duckdb_{name}", times, bar=None)
        for dialect in PARTS if part is None else (part,):
            begun = time.perf_counter()
            hub = stack.enter_context(_filled_hub(dialect, folder))
            yield measured(f"{dialect}_fill_seconds", time.perf_counter() - begun, sample_size=cells)
            yield measured(f"{dialect}_bytes_per_cell", _size(hub.database, folder) / cells, sample_size=cells)
            for name, times in _ask_hub(hub).items():
                yield from _percentiles(f"{dialect}_{name}", times, bar=BAR_MS if QUESTIONS[name][0] else None)


def _percentiles(name: str, times: Sequence[float], *, bar: float | None) -> Iterator[Figure]:
    found = quantiles(times, n=100, method="inclusive")
    yield measured(f"{name}_ms_p50", found[49], sample_size=len(times))
    p95, p99 = found[94], found[98]
    if bar is None:
        yield measured(f"{name}_ms_p95", p95, sample_size=len(times))
    else:
        yield at_most(f"{name}_ms_p95", p95, bar=bar, sample_size=len(times))
    yield measured(f"{name}_ms_p99", p99, sample_size=len(times))


def _clock(ask: Callable[[], int]) -> list[float]:
    times = []
    for number in range(WARM + REQUESTS):
        begun = time.perf_counter()
        assert ask() > 0
        if number >= WARM:
            times.append(1000 * (time.perf_counter() - begun))
    return times


# --- the same figures for all ---------------------------------------------------------------------------------------


def _areas() -> list[str]:
    return [NATION, *(f"DE{number:02d}" for number in range(1, AREAS))]


def _table_id(number: int) -> str:
    return f"incidents.by_kind_{number:02d}"


def _periods() -> list[tuple[int, int]]:
    """(number of the length, first month) of every period."""
    first, last = YEARS[0] * 12, YEARS[-1] * 12 + 11
    return [(number, start) for number, (_, months) in enumerate(LENGTHS) for start in range(first, last + 1, months)]


def _sums() -> list[tuple[int, int, int, int]]:
    """(entry, series, start, until or -1) of every revision, in the order of the log: all first ones, all second ones.

    A series is area, table and length: `(area * TABLES + table) * 3 + length + 1`.
    """
    ordered = sorted(
        (start, (area * TABLES + table) * len(LENGTHS) + length + 1)
        for length, start in _periods()
        for area in range(AREAS)
        for table in range(TABLES)
    )
    count = len(ordered)
    rows = []
    for revision in range(2):
        for place, (start, series) in enumerate(ordered):
            entry = FIRST_ENTRY + revision * count + place
            rows.append((entry, series, start, entry + count if revision == 0 else -1))
    return rows


MIXED: Final = "s.series_id * 7919 + p.place * 104729 + CAST(s.start AS BIGINT) * 1299709 + s.entry_index * 31"
FIGURE: Final = f"100 + ({MIXED}) % 897"
CELL_ROWS: Final = f"""
    SELECT s.series_id, p.place, s.start, s.entry_index, s.until, 'A' AS status, 12 AS contributors,
           {FIGURE} AS estimate, 24000 AS variance_milli, {FIGURE} - 9 AS low, {FIGURE} + 9 AS high,
           NULL AS suppressed, NULL AS suppressed_high, NULL AS withheld
    FROM shown_sums AS s CROSS JOIN places AS p
"""
SUM_COLUMNS: Final = "entry_index, series_id, start, until, revision, source_kind, reporting, expected, rolled_up"


def _series_rows() -> list[tuple[Any, ...]]:
    rows = []
    for area, code in enumerate(_areas()):
        for table in range(TABLES):
            for length, (by, _) in enumerate(LENGTHS):
                number = (area * TABLES + table) * len(LENGTHS) + length + 1
                own = area == 0
                whose = ("bund.de", "own", "nation") if own else (f"{code.lower()}.de", "below", "region")
                rows.append(
                    (
                        number,
                        *whose,
                        code,
                        "NUTS",
                        "2024",
                        _table_id(table),
                        1,
                        "ab" * 32,
                        by,
                        "kind",
                        0,
                        " ".join(CODES),
                    )
                )
    return rows


# --- the hub --------------------------------------------------------------------------------------------------------


@contextmanager
def _filled_hub(dialect: str, folder: Path) -> Iterator[Hub]:
    with ExitStack() as stack:
        url = None
        if dialect == "postgres":
            server = stack.enter_context(postgres.running_server())
            url = stack.enter_context(postgres.fresh_database(server)).render_as_string(hide_password=False)
        place = folder / dialect
        place.mkdir()
        hub = _make_hub(place, url)
        stack.callback(hub.close)
        (_fill_sqlite if url is None else _fill_postgres)(hub.database)
        yield hub


def _make_hub(place: Path, url: str | None) -> Hub:
    values: dict[str, str | int] = {
        "name": "bund.de",
        "level": "nation",
        "area_scheme": "NUTS",
        "area_version": "2024",
        "area_code": NATION,
        "public_url": "http://127.0.0.1:8700",
        "port": 8700,
        "work_interval_seconds": 0,
    }
    write_settings(place, values | ({"database_url": url} if url else {}))
    write_key(place, SigningKey.from_seed(b"hubs" * 8))
    hub = Hub(place, load_settings(place), load_key(place))
    publish_policy(hub, PolicyBody.from_object(_policy()))
    return hub


def _policy() -> dict[str, Any]:
    tables = [
        {
            "id": _table_id(number),
            "version": 1,
            "measure": f"incidents_{number:02d}",
            "title": f"Incidents by kind, {number}",
            "unit": "record",
            "dimension": "kind",
            "cells": list(CODES),
            "source_kinds": ["police_recorded"],
            "granularities": ["month", "quarter", "year"],
            "epsilon_milli": 1000,
        }
        for number in range(TABLES)
    ]
    return {
        "version": 1,
        "vocabulary_version": 1,
        "tables": tables,
        "epsilon_milli_per_measure": 2000,
        "epsilon_milli_total": 4000,
        "min_contributors": 3,
    }


def _newest() -> int:
    return FIRST_ENTRY + len(_sums())


def _fill_sqlite(database: Database) -> None:
    path = make_url(database.url).database
    assert path is not None
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("CREATE TEMP TABLE places (place INTEGER)")
        connection.executemany("INSERT INTO places VALUES (?)", [(place,) for place in range(CELLS)])
        connection.executemany(f"INSERT INTO series VALUES ({', '.join('?' * 14)})", _series_rows())
        connection.executemany(
            f"INSERT INTO shown_sums ({SUM_COLUMNS}) VALUES (?, ?, ?, nullif(?, -1), 1, 'police_recorded', 12, 12, 0)",
            _sums(),
        )
        connection.execute(f"INSERT INTO shown_cells {CELL_ROWS} ORDER BY s.series_id, p.place, s.start, s.entry_index")
        connection.execute("INSERT INTO figures_head VALUES (1, ?)", (_newest(),))
    connection.close()


def _fill_postgres(database: Database) -> None:
    plain = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE places AS SELECT generate_series(0, %s) AS place", (CELLS - 1,))
        with cursor.copy("COPY series FROM STDIN") as copy:
            for row in _series_rows():
                copy.write_row(row)
        with cursor.copy(f"COPY shown_sums ({SUM_COLUMNS}) FROM STDIN") as copy:
            for entry, series, start, until in _sums():
                copy.write_row((entry, series, start, None if until < 0 else until, 1, "police_recorded", 12, 12, 0))
        cursor.execute(f"INSERT INTO shown_cells {_for_postgres(CELL_ROWS)} ORDER BY s.entry_index, p.place".encode())
        cursor.execute("INSERT INTO figures_head VALUES (1, %s)", (_newest(),))
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _for_postgres(query: str) -> str:
    """There a bare NULL is a text."""
    return query.replace("NULL AS suppressed,", "NULL::bigint AS suppressed,").replace(
        "NULL AS suppressed_high", "NULL::bigint AS suppressed_high"
    )


def _size(database: Database, folder: Path) -> float:
    if database.dialect == "sqlite":
        return sum(path.stat().st_size for path in (folder / "sqlite").glob("hub.db*"))
    with database.read() as session:
        return float(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _ask_hub(hub: Hub) -> dict[str, list[float]]:
    publisher = FigurePublisher("bund.de", "nation", NATION, "http://127.0.0.1:8700")

    def ask(parameters: Mapping[str, Sequence[str]]) -> int:
        with hub.database.read() as session:
            return sum(1 for _ in find_answer(session, parameters, publisher).figures)

    return {name: _clock(lambda asked=asked: ask(asked)) for name, asked in _questions().items()}  # type: ignore[misc]


def _questions() -> dict[str, dict[str, list[str]]]:
    asked: dict[str, dict[str, list[str]]] = {}
    for name, (_, parameters) in QUESTIONS.items():
        filled = {key: list(values) for key, values in parameters.items()}
        if filled.pop("level", None):
            filled["area"] = _areas()
        if "as_of" in filled:
            filled["as_of"] = [str(FIRST_ENTRY + len(_sums()) // 2)]
        asked[name] = filled
    return asked


# --- the peer -------------------------------------------------------------------------------------------------------


def _fill_parquet(peer: duckdb.DuckDBPyConnection, path: Path) -> int:
    """One wide file, in the order in which it is asked, as somebody would lay it out for this."""
    codes = ", ".join(f"'{code}'" for code in CODES)
    peer.execute("CREATE TABLE series (id BIGINT, area VARCHAR, table_id VARCHAR, length VARCHAR)")
    peer.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?)", [(row[0], row[4], row[7], row[10]) for row in _series_rows()]
    )
    sums = path.with_suffix(".csv")
    sums.write_text("\n".join(",".join(map(str, row)) for row in _sums()))
    names = "['entry_index', 'series_id', 'start', 'until']"
    peer.execute(
        "CREATE TABLE shown_sums AS SELECT entry_index, series_id, start, nullif(until, -1) AS until "
        f"FROM read_csv('{sums}', header=false, names={names})"
    )
    peer.execute(f"CREATE TABLE places AS SELECT unnest(range({CELLS})) AS place, unnest([{codes}]) AS cell")
    peer.execute(
        f"""COPY (
            SELECT x.table_id, x.length, x.area, p.cell, s.start, s.entry_index, s.until, 'A' AS status,
                   12 AS contributors,
                   {FIGURE} AS estimate, 24000 AS variance_milli, {FIGURE} - 9 AS low, {FIGURE} + 9 AS high,
                   12 AS reporting, 12 AS expected
            FROM shown_sums AS s CROSS JOIN places AS p JOIN series AS x ON x.id = s.series_id
            ORDER BY x.table_id, x.length, x.area, p.cell, s.start, s.entry_index
        ) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 122880)"""
    )
    (count,) = peer.execute(f"SELECT count(*) FROM '{path}'").fetchone() or (0,)
    for name in ("series", "shown_sums", "places"):
        peer.execute(f"DROP TABLE {name}")
    return int(count)


def _ask_duckdb(peer: duckdb.DuckDBPyConnection, path: Path) -> dict[str, list[float]]:
    def ask(parameters: Mapping[str, Sequence[str]]) -> int:
        query, values = _sql(parameters, path)
        return len(peer.execute(query, values).fetchall())

    return {name: _clock(lambda asked=asked: ask(asked)) for name, asked in _questions().items()}  # type: ignore[misc]


def _sql(parameters: Mapping[str, Sequence[str]], path: Path) -> tuple[str, list[Any]]:
    by = parameters.get("by", ["month"])[0]
    first, last = (_month(parameters[name][0]) for name in ("from", "to"))
    as_of = int(parameters.get("as_of", [str(_newest())])[0])
    areas, cells = parameters.get("area", [NATION]), [each for each in parameters.get("cell", ()) if each != TOTAL]
    where = ["table_id = ?", "length = ?", "start BETWEEN ? AND ?", "entry_index < ?", "(until IS NULL OR until >= ?)"]
    values: list[Any] = [parameters["table"][0], by, first, last, as_of, as_of]
    for column, wanted in (("area", areas), ("cell", cells)):
        if wanted:
            where.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    return f"SELECT * FROM '{path}' WHERE {' AND '.join(where)} ORDER BY area, cell, start", values


def _month(label: str) -> int:
    year, _, month = label.partition("-")
    return int(year) * 12 + int(month or 1) - 1
