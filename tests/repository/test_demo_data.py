"""The demo's figures and practices are what the demo and its README say they are."""

import csv
import gzip
import importlib.util
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared_schema.vocabulary import (
    AgencyRole,
    AgencyType,
    EvidenceLevel,
    FailureFactor,
    Outcome,
    Phenomenon,
    PreventionLevel,
    Setting,
)

DEMO = Path(__file__).parents[2] / "deploy" / "demo"
FIGURES = DEMO / "figures"
README = (FIGURES / "README.md").read_text(encoding="utf-8")
PLACES: list[dict[str, Any]] = json.loads((DEMO / "cities.json").read_text(encoding="utf-8"))
TOWNS = [place for place in PLACES if place["tables"] == ["by_weekday"]]
CITIES = [place for place in PLACES if place not in TOWNS]
CITY_NAMES = [city["city"] for city in CITIES]
FILES = [(place["city"], table.removeprefix("by_")) for place in PLACES for table in place["tables"]]

COLUMNS = {
    "offence": ["assault", "arson", "demonstration", "attack", "unconfirmed", "other"],
    "weekday": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
}
LESS_SUCCESSFUL = {Outcome.MIXED, Outcome.NO_EFFECT, Outcome.HARM, Outcome.NOT_DELIVERED, Outcome.STOPPED}

SUMMARY_WORDS = 100
LESSONS_WORDS = 200
TITLE_CHARACTERS = 120

ONE_TERM: Mapping[str, type[StrEnum]] = {
    "prevention_level": PreventionLevel,
    "outcome": Outcome,
    "evidence_level": EvidenceLevel,
}
TERM_LISTS: Mapping[str, type[StrEnum]] = {
    "phenomenon": Phenomenon,
    "setting": Setting,
    "failure_factors": FailureFactor,
}
REQUIRED = {
    *("title", "summary", "phenomenon", "prevention_level", "agencies", "outcome", "evidence_level", "lessons"),
    *("language", "attribution"),
}
OPTIONAL = {"setting", "failure_factors", "review_by"}

PRACTICES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DEMO / "practices").glob("*.json"))
}


def read_figures(city: str, dimension: str) -> tuple[list[str], list[dict[str, str]]]:
    with (FIGURES / f"{city}_by_{dimension}.csv").open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        rows = list(reader)
    return list(reader.fieldnames or ()), rows


def total(row: Mapping[str, str]) -> int:
    return sum(int(value) for column, value in row.items() if column != "month")


def month_number(month: str) -> int:
    assert re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month)
    return int(month[:4]) * 12 + int(month[5:])


def test_there_are_six_cities_in_two_laender_with_three_each() -> None:
    assert len(set(CITY_NAMES)) == len({city["lau"] for city in CITIES}) == 6
    assert Counter((city["nuts1"], city["hub"]) for city in CITIES) == {("DED", "sachsen.de"): 3, ("DEA", "nrw.de"): 3}


def test_three_small_towns_join_the_saxon_cities_so_that_a_sealed_total_has_six() -> None:
    assert [(town["hub"], town["nuts1"]) for town in TOWNS] == [("sachsen.de", "DED")] * 3
    assert len({place["lau"] for place in PLACES}) == len({place["city"] for place in PLACES}) == 9
    assert all(city["tables"] == ["by_offence", "by_weekday"] for city in CITIES)


def test_every_city_has_a_name_a_municipality_key_and_a_hub() -> None:
    land_digits = {"DED": "14", "DEA": "05"}
    for city in PLACES:
        assert set(city) == {"city", "name", "display_name", "lau", "nuts1", "hub", "tables"}
        assert re.fullmatch(rf"{city['city']}\.(sn|nw)\.de", city["name"])
        assert re.fullmatch(rf"{land_digits[city['nuts1']]}\d{{6}}", city["lau"])


@pytest.mark.parametrize(("city", "dimension"), FILES)
def test_figures_have_their_header_every_month_and_whole_counts(city: str, dimension: str) -> None:
    header, rows = read_figures(city, dimension)
    assert header == ["month", *COLUMNS[dimension]]
    numbers = [month_number(row["month"]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(rows)))
    assert (rows[0]["month"], len(rows)) == ("2014-01", 42)
    assert all(re.fullmatch(r"0|[1-9]\d*", row[column]) for row in rows for column in COLUMNS[dimension])


@pytest.mark.parametrize("city", CITY_NAMES)
def test_both_tables_of_a_city_count_the_same_events(city: str) -> None:
    by_offence, by_weekday = (read_figures(city, dimension)[1] for dimension in COLUMNS)
    assert [total(row) for row in by_offence] == [total(row) for row in by_weekday]


@pytest.mark.parametrize("city", PLACES, ids=[place["city"] for place in PLACES])
def test_the_readme_tells_the_totals(city: Mapping[str, Any]) -> None:
    dimension = city["tables"][0].removeprefix("by_")
    rows = read_figures(city["city"], dimension)[1]
    sums = [sum(int(row[column]) for row in rows) for column in COLUMNS[dimension]]
    assert f"| {' | '.join([city['display_name'], *map(str, sums), str(sum(sums))])} |" in README


def test_the_readme_names_the_source_and_its_licence() -> None:
    assert "davben/arvig, CC0 (chronicle by Amadeu Antonio Stiftung / PRO ASYL)" in README


def test_no_figures_without_a_city() -> None:
    expected = {f"{city}_by_{dimension}.csv" for city, dimension in FILES}
    assert {path.name for path in FIGURES.glob("*.csv")} == expected


def load_compute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_figures_compute", FIGURES / "compute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compute_from(rows: list[str], folder: Path) -> dict[str, str]:
    source = folder / "chronicle.csv.gz"
    header = "date,place,state,community_id,category_en"
    source.write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode()))
    figures: dict[str, str] = load_compute().compute(source)
    return figures


def test_a_district_counts_for_its_city_and_its_neighbour_does_not(tmp_path: Path) -> None:
    figures = compute_from(
        [
            "2014-01-04,Dresden,Sachsen,146120000000,arson",
            "2014-01-04,Leubnitz Neuostra,Sachsen,146120000000,arson",
            "2014-01-04,Freital,Sachsen,146280110110,arson",
        ],
        tmp_path,
    )
    assert figures["dresden_by_offence.csv"].splitlines()[1:3] == ["2014-01,0,2,0,0,0,0", "2014-02,0,0,0,0,0,0"]
    assert figures["dresden_by_weekday.csv"].splitlines()[1] == "2014-01,0,0,0,0,0,2,0"


def test_equal_rows_and_combined_categories_count_once(tmp_path: Path) -> None:
    row = "2017-06-30,Leipzig,Sachsen,147130000000,miscellaneous attack & assault"
    figures = compute_from([row, row, row.replace("06-30", "07-01")], tmp_path)
    assert figures["leipzig_by_offence.csv"].splitlines()[-1] == "2017-06,0,0,0,1,0,0"


def test_the_check_finds_a_changed_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "same.csv").write_text("1\n")
    (tmp_path / "changed.csv").write_text("1\n")
    (tmp_path / "foreign.csv").write_text("1\n")
    computed = {"same.csv": "1\n", "changed.csv": "2\n", "missing.csv": "1\n"}
    assert load_compute().find_differences(computed, tmp_path) == ["changed.csv", "foreign.csv", "missing.csv"]


def test_every_city_has_two_practices() -> None:
    assert Counter(name.split("_")[0] for name in PRACTICES) == dict.fromkeys(CITY_NAMES, 2)
    assert all(re.fullmatch(r"[a-z]+_[12]_[a-z_]+", name) for name in PRACTICES)


def test_at_least_five_practices_are_less_successful_and_say_so() -> None:
    less_successful = [body for body in PRACTICES.values() if body["outcome"] in LESS_SUCCESSFUL]
    assert len(less_successful) >= 5
    assert all(body["failure_factors"] for body in less_successful)


def test_the_practices_cover_many_phenomena_and_every_level() -> None:
    phenomena = {code for body in PRACTICES.values() for code in body["phenomenon"]}
    assert phenomena >= {"RWE", "LWE", "REL.ISL", "REL.OTH", "ENS", "SIN", "AGO", "VIO", "MIX", "NOI", "POL"}
    assert {body["prevention_level"] for body in PRACTICES.values()} == set(PreventionLevel)


@pytest.mark.parametrize("name", PRACTICES)
def test_a_practice_has_the_fields_of_the_contract(name: str) -> None:
    body = PRACTICES[name]
    assert set(body) >= REQUIRED
    assert set(body) <= REQUIRED | OPTIONAL
    assert (body["language"], body["attribution"]) == ("en", "city")
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", body.get("review_by", "2027-12"))


@pytest.mark.parametrize("name", PRACTICES)
def test_a_practice_uses_only_codes_of_the_vocabulary(name: str) -> None:
    body = PRACTICES[name]
    for field, enum in ONE_TERM.items():
        assert enum(body[field])
    for field, enum in TERM_LISTS.items():
        codes = body.get(field, [])
        assert [enum(code).value for code in codes] == list(dict.fromkeys(codes))
    assert body["phenomenon"]
    assert body["agencies"]
    for agency in body["agencies"]:
        assert set(agency) == {"type", "role"}
        assert AgencyType(agency["type"])
        assert AgencyRole(agency["role"])


@pytest.mark.parametrize("name", PRACTICES)
def test_a_practice_keeps_the_word_limits(name: str) -> None:
    body = PRACTICES[name]
    assert 0 < len(body["title"]) <= TITLE_CHARACTERS
    assert 0 < len(body["summary"].split()) <= SUMMARY_WORDS
    assert 0 < len(body["lessons"].split()) <= LESSONS_WORDS


@pytest.mark.parametrize("name", PRACTICES)
def test_the_words_of_a_practice_hold_no_figure_name_or_address(name: str) -> None:
    """Stricter than the detectors: no digit, no capital inside a sentence, no sign that addresses and handles need."""
    body = PRACTICES[name]
    for text in (body["title"], body["summary"], body["lessons"]):
        assert unicodedata.is_normalized("NFC", text)
        assert not re.search(r"[0-9@/_]|[a-z,;] [A-Z]|\.[a-z]", text)
