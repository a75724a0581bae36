"""How much of what points to a person the finder sees, how often it flags clean words, and how fast it is.

The texts are public sets in `../shared/data` (its README names the sources): English synthetic sentences with seventeen
sorts of identifiers, German sentences with persons, old French and Dutch newspapers with their errors of reading. Any
other file in one of these formats in that folder is measured as well. The rules were written with these texts at hand.

A person is *found* when every name word of the annotation is within a finding (a mask would leave none of them); a name
word begins with a capital, or is any word where none does. Another identifier is found when a finding touches it, as
that stops the release; how many of its letters and digits are covered is printed beside it. *Precision* for persons is
the share of name findings that touch an annotated person.
"""

import gzip
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_node.narrative import Finding, LocalLists, screen
from local_node.patterns import FindingKind
from local_node.person_names import find_person_names
from tests.bench.figures import Figure, at_least, at_most, measured

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPEED_FLOOR = 20_000
"""Characters a second and core."""
MAJORITY_LETTERS = re.compile(r"[A-Za-z .'’-]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
PERSON = "PERSON"
BARS = {"en": 0.97, "de": 0.95, "fr": 0.90, "nl": 0.90}
OTHER_BARS = {
    "STREET_ADDRESS": 0.97,
    "PHONE_NUMBER": 0.97,
    "EMAIL_ADDRESS": 0.97,
    "CREDIT_CARD": 0.97,
    "IBAN_CODE": 0.97,
    "US_SSN": 0.97,
    "US_DRIVER_LICENSE": 0.97,
}
"""Sorts of the English set that the bar is about; the others are reported."""
Span = tuple[int, int, str]


@dataclass(frozen=True)
class Document:
    """A text with what is annotated in it: (start, end, sort)."""

    text: str
    spans: Sequence[Span]


@dataclass
class Count:
    """Found of how many; and letters and digits covered of how many."""

    found: int = 0
    of: int = 0
    covered: int = 0
    characters: int = 0
    missed: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / self.of


def measure() -> Iterator[Figure]:
    """Every text set in the folder, then the practices that count as clean."""
    for path in sorted(DATA.glob("text_*.gz")):
        yield from measure_set(path)
    yield from measure_clean()


def measure_set(path: Path) -> Iterator[Figure]:
    """Recall of every sort, precision of names, flags on words that are nothing, and speed, for one file."""
    language = path.name.split("_")[1]
    documents = list(read_documents(path))
    name = path.name.split(".")[0].removeprefix("text_")
    yield _speed(name, language, documents)  # first, so that every word is new
    yield from _recalls(name, language, documents)
    yield from _precision(name, language, documents)


def _recalls(name: str, language: str, documents: Sequence[Document]) -> Iterator[Figure]:
    counts: dict[str, Count] = {}
    for document in documents:
        found = screen({"": document.text}, language=language).findings
        for span in document.spans:
            _count(counts.setdefault(span[2], Count()), document.text, span, found)
            if span[2] == PERSON and not MAJORITY_LETTERS.fullmatch(document.text[span[0] : span[1]]):
                _count(counts.setdefault("PERSON_of_other_letters", Count()), document.text, span, found)
    for sort, count in sorted(counts.items()):
        bar = BARS.get(language) if sort == PERSON else OTHER_BARS.get(sort)
        label = f"narrative_{name}_recall_{sort.lower()}"
        if bar is None:
            yield measured(label, count.recall, sample_size=count.of)
        else:
            yield at_least(label, count.recall, bar=bar, sample_size=count.of)
        yield measured(
            f"narrative_{name}_covered_{sort.lower()}", count.covered / count.characters, sample_size=count.of
        )


def _count(count: Count, text: str, span: Span, found: Sequence[Finding]) -> None:
    start, end, sort = span
    covered = {place for finding in found for place in range(max(start, finding.start), min(end, finding.end))}
    letters = [place for place in range(start, end) if text[place].isalnum()]
    count.of += 1
    count.characters += len(letters)
    count.covered += sum(place in covered for place in letters)
    count.found += _is_masked(text, start, end, covered) if sort == PERSON else bool(covered)


def _is_masked(text: str, start: int, end: int, covered: set[int]) -> bool:
    words = [match for match in _WORD.finditer(text, start, end) if len(match[0]) > 1]
    words = [match for match in words if match[0][0].isupper()] or words
    return all(match.start() in covered for match in words)


def _precision(name: str, language: str, documents: Sequence[Document]) -> Iterator[Figure]:
    on_persons = on_others = on_nothing = words = 0
    for document in documents:
        words += len(document.text.split())
        for start, end in find_person_names(document.text, language):
            touched = {sort for low, high, sort in document.spans if low < end and start < high}
            on_persons += PERSON in touched
            on_others += bool(touched) and PERSON not in touched
            on_nothing += not touched
    every = on_persons + on_others + on_nothing
    yield measured(f"narrative_{name}_precision_of_names", on_persons / every, sample_size=every)
    yield measured(f"narrative_{name}_share_of_names_on_places_and_organisations", on_others / every, sample_size=every)
    yield measured(f"narrative_{name}_names_on_nothing_per_1000_words", 1000 * on_nothing / words, sample_size=words)


def _speed(name: str, language: str, documents: Sequence[Document]) -> Figure:
    """All layers together, after the dictionaries are loaded, words seen for the first time included."""
    texts = [document.text for document in documents]
    screen({"": "A warm-up for Maria, eine Probe, un essai"}, language=language)
    began = time.process_time()
    for text in texts:
        screen({"": text}, language=language)
    characters = sum(map(len, texts))
    speed = characters / (time.process_time() - began)
    return at_least(f"narrative_{name}_characters_per_second", speed, bar=SPEED_FLOOR, sample_size=characters)


def measure_clean() -> Iterator[Figure]:
    """Flags on the descriptions of prevention programmes, apart from the names of their organisations.

    A node knows its own city's name, so that is no finding there either.
    """
    practices = json.loads((DATA / "practices_ottawa.json").read_text(encoding="utf-8"))
    lists = LocalLists(known=frozenset({"ottawa"}))
    flags: dict[FindingKind, int] = {}
    words = 0
    for practice in practices:
        text, organisation = practice.get("description") or "", practice.get("organization") or ""
        words += len(text.split())
        for finding in screen({"": text}, language="en", lists=lists).findings:
            passage = text[finding.start : finding.end].removesuffix("'s").removesuffix("’s")
            if passage not in organisation:
                flags[finding.kind] = flags.get(finding.kind, 0) + 1
    yield at_most("narrative_clean_flags_per_1000_words", 1000 * sum(flags.values()) / words, bar=5, sample_size=words)
    for kind, count in sorted(flags.items()):
        yield measured(f"narrative_clean_flags_{kind.value}", count, sample_size=words)


# --- reading -------------------------------------------------------------------------------------------------------


def read_documents(path: Path) -> Iterator[Document]:
    """Read one of the three formats: `.json.gz` with spans, `.tsv.gz` (GermEval 2014), `.bio.gz`."""
    content = gzip.decompress(path.read_bytes()).decode("utf-8")
    if ".json" in path.name:
        for item in json.loads(content):
            spans = [(span["start_position"], span["end_position"], span["entity_type"]) for span in item["spans"]]
            yield Document(item["full_text"], spans)
    elif ".tsv" in path.name:
        for block in re.split(r"\n\s*\n", content):
            rows = [line.split("\t") for line in block.splitlines() if line and not line.startswith("#")]
            yield _joined([(row[1], row[2]) for row in rows])
    else:
        yield from _sentences((line.split()[0], line.split()[-1]) for line in content.splitlines() if line.strip())


def _sentences(tokens: Iterable[tuple[str, str]]) -> Iterator[Document]:
    """The newspapers have no sentence ends, so a full stop or sixty words make one."""
    sentence: list[tuple[str, str]] = []
    for token in tokens:
        sentence.append(token)
        if token[0][-1] in ".!?" or len(sentence) > 60:
            yield _joined(sentence)
            sentence = []
    if sentence:
        yield _joined(sentence)


def _joined(tokens: Sequence[tuple[str, str]]) -> Document:
    text, before = "", None
    spans: list[list[int | str]] = []
    for word, tag in tokens:
        text += " " if text and word not in ".,;:!?)" else ""
        sort = None if tag == "O" else tag[2:].replace("PER", PERSON)
        if sort and sort == before and not tag.startswith("B-"):
            spans[-1][1] = len(text) + len(word)
        elif sort:
            spans.append([len(text), len(text) + len(word), sort])
        text += word
        before = sort
    return Document(text, [(int(start), int(end), str(sort)) for start, end, sort in spans])
