"""The documents say what the code does: settings, commands, kinds, endpoints, problem codes, stations, links.

Tables are made from the programs by `python -m tests.repository.docs_tables`; these tests compare, and they check what
cannot be made.
"""

import asyncio
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_settings import BaseSettings

from local_node.settings import NodeSettings
from regional_hub.app import Hub
from regional_hub.serving import create_app
from regional_hub.settings import HubSettings
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.repository import docs_tables
from tests.repository.docs_tables import PARTS, ROOT, Part, read_part, read_words
from tests.repository.test_no_registry_hosts import find_matches, tracked_files

STATIONS = (
    "raw record",
    "frequency table",
    "disclosure control",
    "two-person review",
    "signed statement",
    "outbox",
    "push and pull",
    "hub intake",
    "log",
    "aggregate",
    "feed",
    "other node's inbox",
    "the screen",
)
"""The way of a summary. A station that is added or moved is a decision, so it stands here too."""
DATA_FLOW = ROOT / "docs" / "data_flow.md"
FILE_IN_TEXT = re.compile(r"`((?:shared_schema|local_node|regional_hub|tests|deploy|docs)/[\w./-]+\.\w+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
WORDS_GIVEN_UP = re.compile(r"\b(?:suspects?|targets?|threat scores?|hot ?spots?)\b", re.IGNORECASE)
"""Nothing here is about persons under observation, so nothing sounds like it."""
SETTINGS: dict[str, type[BaseSettings]] = {"hub": HubSettings, "node": NodeSettings}


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return sorted(path for path in tracked_files() if path.suffix == ".md")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """A document without code blocks and code in lines."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


# --- what is made from the programs --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS, ids=[part.name for part in PARTS])
def test_a_made_part_says_what_the_program_says(part: Part) -> None:
    now = read_part(part)
    made = part.make(now).strip("\n") + "\n"
    assert made == now, f"{part.file} is out of date; run: python -m tests.repository.docs_tables"


@pytest.mark.parametrize("name", ["problem-codes", "kinds", "endpoints"])
def test_every_row_of_a_made_table_has_words(name: str) -> None:
    (part,) = (part for part in PARTS if part.name == name)
    missing = [first for first, words in read_words(read_part(part)).items() if len(words) < 10]
    assert missing == [], f"{part.file}: expected words in the last column"


def test_the_table_of_problems_holds_every_code_and_no_other() -> None:
    part = next(part for part in PARTS if part.name == "problem-codes")
    assert list(read_words(read_part(part))) == [f"`{code.value}`" for code in ProblemCode]


def test_the_table_of_kinds_holds_every_kind_and_no_other() -> None:
    part = next(part for part in PARTS if part.name == "kinds")
    assert list(read_words(read_part(part))) == [f"`{kind.value}`" for kind in Kind]


def test_both_programs_have_commands_in_the_document() -> None:
    for name, least in (("hub-commands", 10), ("node-commands", 10)):
        part = next(part for part in PARTS if part.name == name)
        assert read_part(part).count("```text") >= least


def test_the_reads_that_anybody_may_do_are_those_that_the_document_says(tmp_path: Path) -> None:
    values = tomllib.loads(read(example_of("hub")))
    hub = Hub(tmp_path, HubSettings(**values), SigningKey.from_seed(bytes(range(32))))
    app = create_app(hub, lambda _verb, _params: {})
    paths = [path for method, path in docs_tables.hub_endpoints() if method == "GET"]

    async def read_all() -> dict[str, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=values["public_url"]) as client:
            return {path: (await client.get(re.sub(r"\{.*?\}", "0", path))).status_code for path in paths}

    statuses = asyncio.run(read_all())
    hub.close()
    assert {path for path, status in statuses.items() if status != 401} == docs_tables.UNSIGNED_READS


def test_a_made_part_is_not_made_twice() -> None:
    part = next(part for part in PARTS if part.name == "kinds")
    once = part.make(read_part(part))
    assert part.make(once) == once


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(LookupError, match="expected the marks"):
        docs_tables.find_part("no marks here", "kinds")


# --- settings and their examples -----------------------------------------------------------------------------------


def example_of(program: str) -> Path:
    return ROOT / "deploy" / f"{program}.example.toml"


def keys_of(text: str) -> list[str]:
    """The settings of an example, also those that are switched off by a number sign."""
    return re.findall(r"^(?:# )?([a-z_]+) = ", text, flags=re.MULTILINE)


@pytest.mark.parametrize("program", SETTINGS)
def test_an_example_holds_every_setting_once_and_no_other(program: str) -> None:
    assert sorted(keys_of(read(example_of(program)))) == sorted(SETTINGS[program].model_fields)


@pytest.mark.parametrize("program", SETTINGS)
def test_an_example_is_accepted_as_it_is_and_with_everything_switched_on(program: str) -> None:
    text = read(example_of(program))
    everything = re.sub(r"^# ([a-z_]+ = )", r"\1", text, flags=re.MULTILINE)
    for variant in (text, everything):
        values: dict[str, Any] = tomllib.loads(variant)
        assert SETTINGS[program](**values).model_dump(mode="json").items() >= values.items()


@pytest.mark.parametrize("program", SETTINGS)
def test_an_example_shows_the_defaults_where_there_are_any(program: str) -> None:
    values: dict[str, Any] = tomllib.loads(read(example_of(program)))
    # A city with one agency would be a strange example, and a hub without a name that people call it by.
    chosen = {"agencies_expected", "display_name"}
    for name, field in SETTINGS[program].model_fields.items():
        if not field.is_required() and name in values and name not in chosen:
            assert values[name] == field.default, name


# --- the stations --------------------------------------------------------------------------------------------------


def stations_of_the_table() -> list[tuple[str, list[str]]]:
    """(station, its files) of every row of the table in docs/data_flow.md."""
    rows = re.findall(r"^\| \[([^\]]+)\]\(#[\w-]+\) \| (.+?) \|", read(DATA_FLOW), flags=re.MULTILINE)
    return [(station, FILE_IN_TEXT.findall(files)) for station, files in rows]


def sections_of_the_stations() -> Iterator[tuple[str, str]]:
    """(heading in small letters, text) of every section of docs/data_flow.md."""
    for section in re.split(r"^## ", read(DATA_FLOW), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        yield heading.lower(), text


def test_the_table_names_every_station_in_order() -> None:
    assert [station for station, _ in stations_of_the_table()] == list(STATIONS)


def test_every_station_has_its_section_in_order() -> None:
    assert tuple(heading for heading, _ in sections_of_the_stations())[: len(STATIONS)] == STATIONS


def test_a_station_says_what_it_takes_what_can_go_wrong_and_which_test_shows_it() -> None:
    files = dict(stations_of_the_table())
    for heading, text in list(sections_of_the_stations())[: len(STATIONS)]:
        for words in ("*Takes → gives:*", "*What can go wrong:*", "*Test:* `tests/", "Read "):
            assert words in text, f"{heading}: expected {words}"
        assert files[heading], heading
        for file in files[heading]:
            assert f"`{file}`" in text, f"{heading}: expected {file}"


@pytest.mark.parametrize("document", documents(), ids=[str(path.relative_to(ROOT)) for path in documents()])
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = set(FILE_IN_TEXT.findall(read(document)))
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("local_node.records", "parse_csv"),
        ("local_node.record_store", "store"),
        ("local_node.tabulation", "tabulate"),
        ("local_node.ledger", "charge_and_draw"),
        ("local_node.disclosure", "protect"),
        ("local_node.narrative", "screen"),
        ("local_node.review", "approve TRANSITIONS"),
        ("local_node.release", "request_numbers request_words sign_approved"),
        ("local_node.outbox", "enqueue claim_next"),
        ("local_node.sync", "push pull"),
        ("regional_hub.intake", "check_submission commit_submissions"),
        ("regional_hub.log", "append make_receipts"),
        ("regional_hub.aggregate", "add_up"),
        ("regional_hub.trends", "publish_aggregates"),
        ("regional_hub.feed", "can_read make_page"),
        ("regional_hub.follow", "store_page"),
        ("local_node.item_store", "store_page"),
        ("local_node.trust", "Trust"),
    ],
)
def test_the_functions_to_read_are_where_the_document_says(module: str, names: str) -> None:
    source = read(ROOT / (module.replace(".", "/") + ".py"))
    for name in names.split():
        assert re.search(rf"^(?:async def|def|class) {name}\b|^{name}: ", source, flags=re.MULTILINE), name
        assert re.search(rf"`(?:\w+\.)?{name}\b", read(DATA_FLOW)), name


# --- links and words -----------------------------------------------------------------------------------------------


def anchors_of(text: str) -> set[str]:
    """The anchors that a reader's program makes of headings: small letters, hyphens, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=[str(path.relative_to(ROOT)) for path in documents()])
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(read(document)):
        if re.match(r"[a-z]+:", link):
            continue  # another site
        file, _, anchor = link.partition("#")
        path = (document.parent / file).resolve() if file else document
        known = path.exists() and (not anchor or anchor in anchors_of(read(path)))
        if not known or not path.is_relative_to(ROOT):
            broken.append(link)
    assert broken == []


def test_the_pictures_of_the_guide_are_those_that_are_drawn_of_screens() -> None:
    text = read(ROOT / "docs" / "coordinator_guide.md")
    sources = [read(path) for path in sorted((ROOT / "tests" / "browser").glob("screens_*.py"))]
    drawn = {shot for source in sources for shot in re.findall(r'shot="([a-z-]+)"', source)}
    pictures = re.findall(r"!\[([^\]]*)\]\(screens/([a-z-]+)-light-en-1280\.png\)", text)
    assert len(pictures) == text.count("![") >= 12
    assert [shot for _, shot in pictures if shot not in drawn] == []
    assert [shot for alt, shot in pictures if len(alt) < 20] == []


@pytest.mark.parametrize("document", documents(), ids=[str(path.relative_to(ROOT)) for path in documents()])
def test_no_document_uses_a_word_that_was_given_up_or_a_path_of_one_machine(document: Path) -> None:
    text = read(document)
    assert WORDS_GIVEN_UP.findall(without_code(text)) == []
    assert find_matches(text) == []


def test_the_index_leads_to_every_document() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(read(index))}
    missing = [path for path in documents() if path.is_relative_to(ROOT / "docs") and path not in linked]
    assert [path.name for path in missing if path != index] == []


# --- the README ----------------------------------------------------------------------------------------------------


def walk_through() -> str:
    """The README's walk-through."""
    return read(ROOT / "README.md").partition("## Walk-through")[2].partition("\n## ")[0]


def commands_of_the_walk_through() -> list[str]:
    """The commands that a reader copies."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", walk_through(), flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_walk_through_is_numbered_and_says_how_many_commands_it_has() -> None:
    stated = re.search(r"\*\*(\d+) commands\*\*", walk_through())
    assert stated is not None
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", walk_through(), flags=re.MULTILINE)]
    assert numbers == list(range(1, int(stated[1]) + 1))
    assert len(commands_of_the_walk_through()) == int(stated[1])


def test_the_walk_through_uses_commands_that_exist() -> None:
    known = [name for program in docs_tables.PROGRAMS for name, _ in docs_tables.commands_of(program)]
    used = re.findall(r"\./run (node|hub) ((?:[a-z]+ ?)+)", " ".join(commands_of_the_walk_through()))
    assert used
    for program, words in used:
        full = f"{'local-node' if program == 'node' else 'regional-hub'} {words.strip()}"
        assert any(f"{full} ".startswith(f"{name} ") for name in known), full


def test_the_readme_names_the_two_commands_and_the_licence() -> None:
    text = read(ROOT / "README.md")
    for words in ("./run demo", "./run test", "EUPL-1.2", "docs/index.md"):
        assert words in text
