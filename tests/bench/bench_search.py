"""Search over an inbox of 10,000 items, beside the raw FTS5 query; and how well items that say the same are found.

Time: the inbox holds made-up lessons: sentences of the 494 real descriptions (or of a small word list, where
that file is not there) put together anew, a tenth of them copies with some other words. A search is what a person's
search is: words to terms, the index with its filters, versions, groups, balance, the answer as an object. The floor
is the same FTS5 expression on the same table in the same process, 20 row numbers by rank, and nothing else.

Likeness: `practices_ottawa.json` (team-earth/data, CC BY 4.0) marks records that describe a programme again. A record
becomes an item whose title is the programme's name, whose text is the description, and whose author is the
organisation. Figures count pairs of records. The file has no copies of a text by somebody else, so the rule for those
is measured on its descriptions with some words changed.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from sqlalchemy import insert

from local_node import library, verbs
from local_node.app import Node
from local_node.likeness import Likeness, group, sketch_text, title_key
from local_node.orm import HubRow, InboxRow
from local_node.search_query import match_all, parse_words, words_of
from local_node.settings import load_settings, write_settings
from shared_schema.service.key_file import load_key, write_key
from shared_schema.statement import Audience, Kind
from shared_schema.vocabulary import Outcome, Phenomenon
from tests.bench.figures import Figure, at_least, at_most, measured
from tests.bench.real_data import FOLDER
from tests.factories import HUB, NOW, make_key, make_practice, make_signed

PRACTICES_FILE: Final = FOLDER / "practices_ottawa.json"
ITEMS = 10_000
QUERIES = 600
CITIES = 400
BAR_MS = 50
FLOOR_LIMIT = 20
BAR_PRECISION, BAR_RECALL = 0.9, 0.95
READ_AS_ONE: Final = frozenset(
    map(
        frozenset,
        ((10, 317), (10, 439), (28, 346), (74, 416), (119, 346), (122, 249), (224, 443), (257, 317), (257, 439)),
    )
)
"""Pairs without a pointer that are of one programme, read by hand: a hyphen, an apostrophe, a blank in its name."""
CHANGED_PERCENT: Final = (5, 10, 20)
LEAST_WORDS = 20
"""Of a description that is copied with changes; in a shorter one a word is more than the percents."""
WORDS: Final = (
    "school",
    "youth",
    "work",
    "talks",
    "actors",
    "hate",
    "club",
    "sport",
    "faith",
    "exit",
    "prison",
    "trust",
)
Record = dict[str, Any]


def measure() -> Iterator[Figure]:
    """Seconds to build the index, milliseconds of a search and of its floor, precision and recall of likeness."""
    records: list[Record] = json.loads(PRACTICES_FILE.read_text("utf-8")) if PRACTICES_FILE.is_file() else []
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name:
        node = _make_node(Path(name))
        try:
            yield from _measure_search(node, sentences_of(records))
        finally:
            node.close()
    if records:
        yield from _measure_likeness(records)


# --- time ----------------------------------------------------------------------------------------------------------


def _make_node(directory: Path) -> Node:
    write_settings(directory, {"name": "reader.bench.de", "display_name": "Reader", "area_code": "14713000"})
    write_key(directory, make_key("reader.bench.de"))
    return Node(directory, load_settings(directory), load_key(directory), lambda: NOW)


def sentences_of(records: Sequence[Record]) -> list[str]:
    """What texts are put together from."""
    if records:
        return [part.strip() for record in records for part in record["description"].split(". ") if part.strip()]
    chosen = random.Random(1)
    return [" ".join(chosen.choices(WORDS, k=12)) for _ in range(1_000)]


def _measure_search(node: Node, sentences: Sequence[str]) -> Iterator[Figure]:
    _fill(node, sentences)
    begun = time.perf_counter()
    with node.database.write() as session:
        indexed = library.catch_up(session)
    yield measured("index_build_seconds", time.perf_counter() - begun, sample_size=indexed)
    queries = list(_make_queries(sentences))
    for search in (_search, _floor):
        for params in queries[:50]:
            search(node, params)  # both warm
    floor = _times(node, queries, _floor)
    found = _times(node, queries, _search)
    for name, times in (("floor_raw_fts5_ms", floor), ("search_ms", found)):
        yield measured(f"{name}_p50", _percentile(times, 50), sample_size=len(times))
        if name == "search_ms":
            yield at_most(f"{name}_p95", _percentile(times, 95), bar=BAR_MS, sample_size=len(times))
        else:
            yield measured(f"{name}_p95", _percentile(times, 95), sample_size=len(times))
        yield measured(f"{name}_max", max(times), sample_size=len(times))
    digests = [_timed(lambda: verbs.run(node, "digest", {})) for _ in range(20)]
    yield measured("digest_ms_p50", _percentile(digests, 50), sample_size=len(digests))


def _fill(node: Node, sentences: Sequence[str]) -> None:
    with node.database.write() as session:
        session.add(HubRow(name=HUB, url="http://127.0.0.1:9", vkey="x", level="region", added_at=NOW, enrolled=True))
    fill_inbox(node, sentences)


def fill_inbox(node: Node, sentences: Sequence[str]) -> None:
    """Store the items as a sync with the hub would leave them, but without an index."""
    rows = []
    chosen = random.Random(2)
    titles, texts = [""], [("", "")]
    for place in range(ITEMS):
        if place % 10 == 9:  # a copy by another city
            title = titles[-1]
            summary, lessons = (words.replace(" and ", " plus ") for words in texts[-1])
        else:
            title = " ".join(chosen.choice(sentences).split()[:6])[:100] or "Untitled"
            summary, lessons = (_passage(chosen, sentences, words) for words in (90, 180))
        titles.append(title)
        texts.append((summary, lessons))
        rows.append(_row(chosen, place, title.ljust(3, "."), summary, lessons))
    with node.database.write() as session:
        session.execute(insert(InboxRow), rows)


def _passage(chosen: random.Random, sentences: Sequence[str], words: int) -> str:
    return " ".join(". ".join(chosen.choices(sentences, k=12)).split()[:words])[:1_100]


def _row(chosen: random.Random, place: int, title: str, summary: str, lessons: str) -> dict[str, object]:
    practice = make_practice(
        title=title,
        summary=summary,
        lessons=lessons,
        outcome=chosen.choice(list(Outcome)).value,
        phenomenon=[chosen.choice(list(Phenomenon)).value],
        language=chosen.choice(["en", "de", "fr", "nl"]),
    )
    origin = f"city{chosen.randrange(CITIES)}.bench.de"
    envelope = make_signed(practice, Kind.PRACTICE, origin=origin, seq=place + 1)
    return {
        "digest": envelope.digest,
        "hub": HUB,
        "log_index": place,
        "kind": Kind.PRACTICE.value,
        "origin": origin,
        "seq": place + 1,
        "audience": Audience.EUROPE.value,
        "issued_at": f"2026-{1 + place % 11:02}-{1 + place % 28:02}T09:00:00Z",
        "received_at": NOW,
        "envelope": envelope.stored_bytes,
        "state": "accepted",
    }


def _make_queries(sentences: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One to four words of one sentence, as likely as they are written, every third with filters."""
    chosen = random.Random(3)
    for place in range(QUERIES):
        words = [word for word in words_of(chosen.choice(sentences)) if len(word) > 2] or ["youth"]
        params: dict[str, Any] = {"words": " ".join(chosen.sample(words, min(len(words), 1 + place % 4)))}
        if place % 3 == 0:
            params |= {"outcome": ["harm", "stopped"], "phenomenon": [chosen.choice(list(Phenomenon)).value]}
        yield params


def _search(node: Node, params: dict[str, Any]) -> None:
    verbs.run(node, "search", params)


def _floor(node: Node, params: dict[str, Any]) -> None:
    match = match_all(parse_words(params["words"]))
    with node.database.read() as session:
        session.connection().exec_driver_sql(
            "SELECT rowid FROM search_texts WHERE search_texts MATCH ? ORDER BY rank LIMIT ?", (match, FLOOR_LIMIT)
        ).all()


def _times(node: Node, queries: Sequence[dict[str, Any]], search: Callable[..., None]) -> list[float]:
    return [_timed(partial(search, node, params)) for params in queries]


def _timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def _percentile(times: Sequence[float], percent: int) -> float:
    return quantiles(times, n=100)[percent - 1]


# --- likeness ------------------------------------------------------------------------------------------------------


def _measure_likeness(records: Sequence[Record]) -> Iterator[Figure]:
    truth = _pairs_of(_pointers(records))
    both = _pairs_of(_groups(records, lambda record: record["organization"], with_text=True))
    yield measured("duplicates_marked_pairs", len(truth), sample_size=len(records))
    yield at_least("duplicates_precision", _share(both & truth, both), bar=BAR_PRECISION, sample_size=len(both))
    yield at_least("duplicates_recall", _share(both & truth, truth), bar=BAR_RECALL, sample_size=len(truth))
    unnamed = _pairs_of(_groups(records, lambda _record: None, with_text=True))
    yield measured("duplicates_precision_by_text_alone", _share(unnamed & truth, unnamed), sample_size=len(unnamed))
    yield measured("duplicates_recall_by_text_alone", _share(unnamed & truth, truth), sample_size=len(truth))
    titles = _pairs_of(_groups(records, lambda _record: "anybody", with_text=False))
    yield measured("duplicates_precision_by_title_alone", _share(titles & truth, titles), sample_size=len(titles))
    yield measured("duplicates_recall_by_title_alone", _share(titles & truth, truth), sample_size=len(truth))
    read = both & (truth | READ_AS_ONE)
    yield measured("duplicates_precision_after_reading", _share(read, both), sample_size=len(both))
    for percent in CHANGED_PERCENT:
        yield _measure_copies(records, percent)


def _measure_copies(records: Sequence[Record], percent: int) -> Figure:
    """The share of copies by another author that join their original, when so many words of each are changed."""
    chosen = random.Random(percent)
    texts = [text for text in (record["description"] for record in records) if len(words_of(text)) >= LEAST_WORDS]
    copies = [
        " ".join(f"x{place}" if chosen.randrange(100) < percent else word for place, word in enumerate(words_of(text)))
        for text in texts
    ]
    groups = _pairs_of(group([Likeness(None, "", sketch_text(text)) for text in [*texts, *copies]]))
    found = sum(frozenset({place, place + len(texts)}) in groups for place in range(len(texts)))
    return measured(f"copies_found_{percent}_percent_changed", found / len(texts), sample_size=len(texts))


def _groups(
    records: Sequence[Record], source: Callable[[Record], str | None], *, with_text: bool
) -> Sequence[Sequence[int]]:
    def likeness(record: Record) -> Likeness:
        author = source(record)
        words = record["description"] if with_text else ""
        return Likeness(None if author is None else title_key(author), title_key(record["program"]), sketch_text(words))

    return group([likeness(record) for record in records])


def _pointers(records: Sequence[Record]) -> Sequence[Sequence[int]]:
    """The groups that the file marks; `dup` is the id, which is the place, of the first record of the programme."""
    groups: dict[int, list[int]] = {}
    for place, record in enumerate(records):
        first = record.get("dup")
        groups.setdefault(place if first is None else first, []).append(place)
    return list(groups.values())


def _pairs_of(groups: Sequence[Sequence[int]]) -> set[frozenset[int]]:
    return {frozenset(pair) for members in groups for pair in combinations(members, 2)}


def _share(part: set[frozenset[int]], whole: set[frozenset[int]]) -> float:
    return len(part) / len(whole) if whole else 0.0
