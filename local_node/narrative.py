"""Words: find what could point to a person, before a second person reads.

It fails closed: every finding blocks a release until somebody who did not write the text has masked it, taken a coarser
wording, or accepted it with a reason. Five layers look at every text: what can be told by its form (`patterns`), the
city's own lists (`LocalLists`), names (`person_names`), descriptions that fit one person only (`rare_combinations`) and
numbers so small that they are one. English, German, French, Dutch and Danish; offline, and the same answer every time.
It is a net under the reviewer and not in place of one: a story that only one family has is why a second person reads.

    screen({"summary": "Write to anna@example.org"}).findings
    -> (Finding(field="summary", start=9, end=25, kind=FindingKind.EMAIL, why="..."),)
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from local_node.coarser import coarser_wording
from local_node.folding import fold
from local_node.patterns import FindingKind, find_patterns
from local_node.person_names import find_person_names
from local_node.rare_combinations import find_combinations
from local_node.text_language import language_of
from shared_schema.messages import N_

DETECTOR: Final = "narrative/1.0"
"""What a statement's review note says was used; raise it with every change of the patterns, lists or libraries."""

CODED_FIELDS: Final = frozenset(
    {
        *("phenomenon", "prevention_level", "agencies", "outcome", "evidence_level", "intervention", "setting"),
        *("failure_factors", "cost", "staff", "reach", "tension", "attribution", "language", "review_by"),
        *("area", "review", "adapted_from", "practice", "question", "about", "digest", "reason", "replaces"),
        *("archived", "surroundings"),
    }
)
"""Fields that hold terms of the vocabulary, places and digests only. Every other text of a body is free text."""


WHY: Final[Mapping[FindingKind, str]] = MappingProxyType(
    {
        FindingKind.EMAIL: N_("an e-mail address leads to one person"),
        FindingKind.URL: N_("a link may lead to a person's page"),
        FindingKind.NETWORK: N_("a network address leads to one household or device"),
        FindingKind.HANDLE: N_("a handle is a person's name online"),
        FindingKind.ACCOUNT: N_("this looks like the number of a bank account, a card or a paper"),
        FindingKind.DATE: N_("an exact day can be looked up; a month or a year says enough"),
        FindingKind.AGE: N_("an exact age narrows down who it was; an age band says enough"),
        FindingKind.PHONE: N_("this looks like a telephone number or a person's identity number"),
        FindingKind.ADDRESS: N_("an address leads to one household"),
        FindingKind.NAME: N_("this looks like a person's name"),
        FindingKind.LOCAL: N_("this stands in the city's own list of words that point to somebody"),
        FindingKind.COMBINATION: N_("each word is harmless, together they may fit one person only"),
        FindingKind.SMALL_NUMBER: N_("so few people may be recognised; say a few or leave the number out"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A passage, by its first character and the one after its last in the text of `field`.

    `coarser` is a wording that says less, None where there is none.
    """

    field: str
    start: int
    end: int
    kind: FindingKind
    why: str
    coarser: str | None = None


@dataclass(frozen=True)
class ScreenedText:
    """Texts that have been looked through. Only `screen` makes one."""

    fields: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LocalLists:
    """What a city knows itself: `pointing` phrases lead to somebody (streets, schools, agencies, staff, nicknames).

    `known` words are nobody's name here, such as the city's own.
    """

    pointing: tuple[str, ...] = ()
    known: frozenset[str] = field(default_factory=frozenset)


NO_LISTS: Final = LocalLists()
SHORT: Final = 40
"""Characters; of a shorter text nobody can say from its small words which language it is in."""
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_TOKEN: Final = re.compile(r"\w+")


def screen(fields: Mapping[str, str], *, language: str = "und", lists: LocalLists = NO_LISTS) -> ScreenedText:
    """Look through texts and return them with everything that was found, in the order of the fields' names and places.

    `language` is the BCP 47 tag that the author gave; without one of the five it is found out from the words. Names are
    sought in the language that a field is written in as well, so a wrong tag switches nothing off.
    """
    tag = language_of("\n".join(fields.values()), language)
    local = _index_of(lists.pointing)
    findings = tuple(
        finding for name, text in sorted(fields.items()) for finding in _find(name, text, tag, local, lists.known)
    )
    return ScreenedText(MappingProxyType(dict(fields)), findings)


def free_texts(body: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Every text of a body (as plain JSON) that somebody typed, by the dotted name of its field.

    A field that nobody has listed in CODED_FIELDS is taken for free text.
    """
    texts: dict[str, str] = {}
    for name, value in body.items():
        if not place and name in CODED_FIELDS:
            continue
        where = f"{place}{name}"
        if isinstance(value, str):
            texts[where] = value
        elif isinstance(value, Mapping):
            texts |= free_texts(value, f"{where}.")
        elif isinstance(value, (list, tuple)):
            texts |= free_texts({str(index): item for index, item in enumerate(value)}, f"{where}.")
    return texts


def _find(
    name: str, text: str, language: str, local: Mapping[str, re.Pattern[str]], known: frozenset[str]
) -> Iterator[Finding]:
    """Findings in one text; of two that overlap, the wider one stands for both, else they are put together."""
    folded = fold(text)
    found = [*find_patterns(folded.text, language)]
    for tag in {language, language_of(folded.text, "und" if len(text) > SHORT else language)}:
        found += [(start, end, FindingKind.NAME) for start, end in find_person_names(folded.text, tag, known)]
    found += [(match.start(), match.end(), FindingKind.NAME) for match in _find_caseless(folded.text)]
    found += [(start, end, FindingKind.COMBINATION) for start, end in find_combinations(folded.text)]
    placed = [(*folded.span(start, end), kind) for start, end, kind in found if end > start]
    if local:
        small = fold(text, small=True)
        placed += [(*small.span(*place), FindingKind.LOCAL) for place in _find_local(small.text, local)]
    for start, end, kind in _put_together(placed):
        yield Finding(name, start, end, kind, WHY[kind], coarser_wording(kind, text[start:end], language))


def _find_caseless(text: str) -> Iterator[re.Match[str]]:
    """Words in scripts without capitals: whether one is a name cannot be seen, so a person has to look."""
    for match in _LETTERS.finditer(text):
        if not text.isascii() and any(unicodedata.category(letter) == "Lo" for letter in match[0]):
            yield match


def _put_together(found: Sequence[tuple[int, int, FindingKind]]) -> Iterator[tuple[int, int, FindingKind]]:
    """Passages that do not overlap: each reaches as far as any of its parts, and is of the kind of the widest one."""
    start, reached, kind, width = 0, 0, FindingKind.NAME, 0
    for begin, end, each in sorted(found, key=lambda one: (one[0], -one[1])):
        if begin >= reached:
            if reached:
                yield start, reached, kind
            start, reached, kind, width = begin, end, each, end - begin
            continue
        reached = max(reached, end)
        if end - begin > width:
            kind, width = each, end - begin
    if reached:
        yield start, reached, kind


@lru_cache(maxsize=4)
def _index_of(phrases: tuple[str, ...]) -> Mapping[str, re.Pattern[str]]:
    """First word of phrases → one pattern for them in small letters, the longest first, any space between the words.

    A large city lists 15,000 streets: a text is compared with those that begin like one of its own words. To index so
    many takes a second or two, so the last few are kept.
    """
    by_first: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for phrase in phrases:
        words = tuple(fold(phrase, small=True).text.split())
        first = _TOKEN.search(" ".join(words))
        if words and first is not None:
            by_first[first[0]].add(words)
    return {first: _pattern_of(every) for first, every in by_first.items()}


def _pattern_of(phrases: Iterable[tuple[str, ...]]) -> re.Pattern[str]:
    ordered = sorted(phrases, key=lambda words: (-sum(map(len, words)), words))
    patterns = (r"\s+".join(map(re.escape, words)) for words in ordered)
    return re.compile(rf"(?P<phrase>{'|'.join(patterns)})(?!\w)")


def _find_local(text: str, index: Mapping[str, re.Pattern[str]]) -> Iterator[tuple[int, int]]:
    """(start, end) of listed phrases as whole words; what stands before their first word belongs to them."""
    for token in _TOKEN.finditer(text) if index else ():
        pattern = index.get(token[0])
        match = None if pattern is None else pattern.match(text, token.start())
        if match is not None:
            yield match.span("phrase")
