"""Find names of persons in a text, by layers: each word for itself, then its neighbours.

A capitalised word that no dictionary has as an ordinary one is taken for a name, unless it is a place or another word
of this field; so a name need not stand in a list. Lists help with names that are words as well, and with names in lower
case. A name then takes in what belongs to it: particles, initials, the family name after a first name.

    find_person_names("Yesterday Rubija van Dijk came", "en")      [(10, 25)]
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from local_node.name_contexts import (
    AND,
    BEFORE_A_TOWN,
    CONTRACTION,
    FIELD_WORDS,
    FUNCTION_WORDS,
    INSTITUTIONS,
    INTRODUCTION,
    LEADING_PARTICLES,
    LEADING_PARTICLES_FR_NL,
    MIXED_CASE_NAME,
    NOT_NAMES_AT_THE_START,
    PARTICLES,
    ROLES,
    SAYS,
    STARTS_A_SENTENCE,
    TRAILING,
)
from local_node.name_lists import countries, family_names, first_names, is_of_a_place, months_and_days, places, towns
from local_node.ordinary_words import is_common, is_known, is_ordinary, is_proper, lemma_of

WELL_KNOWN: Final = 4
"""A first name in the lists of so many countries stands for a person also where a place is called so."""
UNMISTAKABLE: Final = 6
"""The same at the beginning of a sentence, where every word is capitalised."""
RATHER_A_NAME_THAN_A_COUNTRY: Final = 15
FEW_CAPITALS: Final = ("fr", "nl", "da")
"""Languages in which a capital inside a sentence is rarely anything but a name's."""
LONGEST_INTRODUCED: Final = 3
"""Words that are taken for a name after "my name is"."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_POSSESSIVE: Final = re.compile(r"['’]s?$")
_ACRONYM: Final = re.compile(r"[A-ZÀ-Þ]{2,}s?")
_SPACE: Final = re.compile(r"[ \t]{1,4}|[ \t]{0,4}\n[ \t]{0,4}")
"""No blank line."""
_SPACE_AFTER_INITIAL: Final = re.compile(r"\.?(?:[ \t]{1,4}|[ \t]{0,4}\n[ \t]{0,4})|\.")


class Sort(Enum):
    """What a word is by itself."""

    NAME = "name"
    PERHAPS = "an ordinary word that is a name as well"
    IN_LOWER_CASE = "a first name in lower case that is a word as well"
    ORDINARY = "ordinary, capitalised"
    PLACE = "place"
    CAPITALS = "in capitals"
    INITIAL = "initial"
    STRANGE = "in lower case, and in no dictionary"
    OTHER = "anything else"


@dataclass(slots=True)
class _Word:
    start: int
    end: int
    text: str
    sort: Sort = Sort.OTHER
    is_name: bool = False
    is_strong: bool = False

    @property
    def lower(self) -> str:
        return _POSSESSIVE.sub("", self.text).lower()

    @property
    def has_capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def countries(self) -> int:
        return first_names().get(self.lower, 0)


def find_person_names(text: str, language: str, known: frozenset[str] = frozenset()) -> list[tuple[int, int]]:
    """(start, end) of every name; `known` are words in lower case that are nobody's name here, such as the city's."""
    words = [_Word(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]
    for place, word in enumerate(words):
        word.sort = Sort.PLACE if word.lower in known else _sort_of(text, words, place, language)
    _apply_introductions(text, words, language)
    _apply_neighbours(text, words, language)
    for word in words:
        word.is_name = word.sort is Sort.NAME
    for place in range(len(words)):
        if words[place].is_name:
            _grow_right(text, words, place, language)
    for place in range(len(words) - 1, 0, -1):
        if words[place].is_name:
            _grow_left(text, words, place, language)
    return _spans(text, words)


# --- a word for itself ---------------------------------------------------------------------------------------------


def _sort_of(text: str, words: Sequence[_Word], place: int, language: str) -> Sort:
    word = words[place]
    base = _POSSESSIVE.sub("", word.text)
    if CONTRACTION.fullmatch(word.text) or word.lower in FUNCTION_WORDS:
        return Sort.OTHER
    if not word.has_capital:
        return _sort_of_lower(word.lower, word.countries, language)
    if len(word.text) == 1:
        return Sort.INITIAL
    if _ACRONYM.fullmatch(base) or base.isupper():
        return _sort_of_capitals(word, language)
    if re.search(r"[a-z][A-Z]", base) and not MIXED_CASE_NAME.match(base):
        return Sort.OTHER
    starts = place == 0 or bool(STARTS_A_SENTENCE.search(text[words[place - 1].end : word.start]))
    if place and word.lower in towns() and words[place - 1].lower in BEFORE_A_TOWN:
        return Sort.PLACE
    if _is_place(word):
        is_country = word.lower in countries() and word.countries < RATHER_A_NAME_THAN_A_COUNTRY
        return Sort.NAME if _is_well_known(word) and not is_country else Sort.PLACE
    if language == "de" and starts and is_common(word.lower, language) and word.countries < 2 * WELL_KNOWN:
        return Sort.PERHAPS if word.countries else Sort.ORDINARY
    if not _is_ordinary(base, language):
        return Sort.NAME
    if language != "de" and (_is_named_at_start(word, base, language) if starts else _is_named(words, place, base)):
        return Sort.NAME
    return Sort.PERHAPS if word.countries or word.lower in family_names() else Sort.ORDINARY


def _sort_of_lower(lower: str, countries_of_name: int, language: str) -> Sort:
    if language == "de" or lower in PARTICLES or len(lower) < 3 or lower in months_and_days() or lower in countries():
        return Sort.OTHER
    if countries_of_name and not is_common(lower, language):
        return Sort.NAME
    if countries_of_name >= WELL_KNOWN and language == "en":
        return Sort.IN_LOWER_CASE
    return Sort.OTHER if is_known(lower, language) else Sort.STRANGE


def _sort_of_capitals(word: _Word, language: str) -> Sort:
    lower = word.lower
    if lower in places() or is_common(lower, language):
        return Sort.CAPITALS
    if len(lower) >= 4 and (word.countries or lower in family_names()):
        return Sort.NAME
    is_strange = language in ("fr", "nl") and len(lower) >= 5 and not is_known(lower, language)
    return Sort.NAME if is_strange else Sort.CAPITALS


def _is_place(word: _Word) -> bool:
    if word.lower in places() or word.lower in FIELD_WORDS:
        return True
    is_named = word.countries or word.lower in family_names()
    return not is_named and (word.lower in towns() or is_of_a_place(word.lower))


def _is_well_known(word: _Word) -> bool:
    return word.countries >= WELL_KNOWN and word.lower not in FIELD_WORDS and word.lower not in months_and_days()


def _is_ordinary(base: str, language: str) -> bool:
    parts = [part for part in base.split("-") if part]
    if len(parts) < 2:
        return is_ordinary(base, language)
    return all(
        not part[0].isupper()
        or part.lower() in places()
        or is_of_a_place(part)
        or part.isupper()
        or is_ordinary(part, language)
        for part in parts
    )


def _is_named(words: Sequence[_Word], place: int, base: str) -> bool:
    """Whether an ordinary word inside a sentence is rather a name: in English, French, Dutch, Danish."""
    word = words[place]
    if word.countries > WELL_KNOWN and word.lower not in months_and_days():
        return True
    if not word.countries and word.lower not in family_names():
        return False
    before = words[place - 1].has_capital
    after = place + 1 < len(words) and words[place + 1].has_capital and words[place + 1].start - word.end == 1
    return not before and not after


def _is_named_at_start(word: _Word, base: str, language: str) -> bool:
    if word.lower in months_and_days() or len(word.lower) < 3:
        return False
    if word.countries >= UNMISTAKABLE and word.lower not in NOT_NAMES_AT_THE_START:
        return True
    is_inflected = lemma_of(word.lower, language) != word.lower
    return is_inflected and is_proper(base, language) and (word.countries >= 3 or word.lower in family_names())


# --- what stands around it -----------------------------------------------------------------------------------------


def _apply_introductions(text: str, words: Sequence[_Word], language: str) -> None:
    """After "my name is" the next words are a name, also in lower case."""
    for match in INTRODUCTION.finditer(text):
        first = next((place for place, word in enumerate(words) if word.start >= match.end()), len(words))
        for place in range(first, min(first + LONGEST_INTRODUCED, len(words))):
            word = words[place]
            gap = text[match.end() if place == first else words[place - 1].end : word.start]
            if gap.strip(" \t\"'“„«") if place == first else not _SPACE_AFTER_INITIAL.fullmatch(gap):
                break
            is_strange = language != "de" and not is_known(word.lower, language)
            if (
                (word.has_capital and language != "de")
                or word.sort in (Sort.NAME, Sort.PERHAPS, Sort.INITIAL)
                or is_strange
                or (place == first and word.has_capital and "am" in match[0].lower())
            ):
                word.sort = Sort.NAME
            elif word.lower not in PARTICLES:
                break


def _apply_neighbours(text: str, words: Sequence[_Word], language: str) -> None:
    for before, word in pairwise(words):
        gap = text[before.end : word.start]
        if before.sort is Sort.PERHAPS and word.lower in SAYS and gap == " ":
            before.sort = Sort.NAME
        if before.sort is Sort.IN_LOWER_CASE and word.sort in (Sort.STRANGE, Sort.NAME) and gap == " ":
            before.sort = Sort.NAME
        if language != "de" and gap.strip() == "" and _is_full_name(before, word):
            before.sort = word.sort = Sort.NAME
        if word.sort in (Sort.ORDINARY, Sort.PERHAPS) and before.lower in ROLES and gap in (" ", ". "):
            word.sort = Sort.NAME
    if language in FEW_CAPITALS:
        _apply_capitals(text, words, language)


def _is_full_name(first: _Word, family: _Word) -> bool:
    """`Jan Bakker`, `June Miller`: a first name before a family name, though each is a word as well."""
    return (
        first.has_capital
        and family.has_capital
        and (first.countries > 0 or first.lower in months_and_days())
        and family.lower in family_names()
        and first.sort in (Sort.PERHAPS, Sort.PLACE, Sort.ORDINARY, Sort.NAME)
        and family.sort in (Sort.PERHAPS, Sort.ORDINARY)
        and not {first.lower, family.lower} & (FIELD_WORDS | INSTITUTIONS)
    )


def _apply_capitals(text: str, words: Sequence[_Word], language: str) -> None:
    """A capital inside a sentence, where the language has few of them."""
    for place in range(1, len(words)):
        before, word = words[place - 1], words[place]
        if word.lower in INSTITUTIONS or STARTS_A_SENTENCE.search(text[before.end : word.start]):
            continue
        follows_lower = before.text[0].islower() or (before.text in ("Le", "La", "De", "Van") and place > 1)
        if word.sort in (Sort.ORDINARY, Sort.PERHAPS) and follows_lower and len(word.lower) > 3:
            word.sort = Sort.NAME
        elif word.sort is Sort.CAPITALS and language != "da" and len(word.text) > 2:
            is_alone = before.text[0].islower() or before.sort is Sort.NAME
            if is_alone and word.lower not in months_and_days():
                word.sort = Sort.NAME


# --- what belongs to it --------------------------------------------------------------------------------------------


def _grow_right(text: str, words: Sequence[_Word], place: int, language: str) -> None:
    """Take in particles, initials and the family name behind a name."""
    word = words[place]
    word.is_strong = word.is_strong or word.countries > 0
    bridge: list[_Word] = []
    for position in range(place + 1, len(words)):
        before, after = words[position - 1], words[position]
        if not _is_next(text, before, after) or after.is_name:
            break
        if after.lower in PARTICLES or after.sort is Sort.INITIAL or len(after.text) == 1:
            bridge.append(after)
            continue
        is_strong = word.is_strong or bool(bridge)
        if (
            (is_strong and after.sort in (Sort.ORDINARY, Sort.PERHAPS, Sort.CAPITALS, Sort.PLACE))
            or (after.sort in (Sort.PERHAPS, Sort.PLACE) and after.has_capital)
            or (word.text[0].islower() and after.sort is Sort.STRANGE)
        ):
            _mark([*bridge, after])
            after.is_strong = word.is_strong
        elif after.lower in TRAILING:
            _mark([after])
        elif after.lower in AND and not bridge and language != "de" and position + 1 < len(words):
            _mark_coordinated(text, word, after, words[position + 1])
        break
    if bridge and bridge[0].sort is Sort.INITIAL:
        _mark(bridge[:1])
    following = place + len(bridge) + 1
    if bridge and following < len(words) and words[following].is_name:
        _mark(bridge)


def _mark_coordinated(text: str, word: _Word, conjunction: _Word, other: _Word) -> None:
    """`Graves and Reed`: the other one is a name as well."""
    is_possible = other.sort is Sort.PERHAPS or (word.is_strong and other.sort in (Sort.ORDINARY, Sort.PLACE))
    if is_possible and text[conjunction.end : other.start] == " ":
        _mark([other])


def _grow_left(text: str, words: Sequence[_Word], place: int, language: str) -> None:
    """The same before a name."""
    other, conjunction = words[max(place - 2, 0)], words[place - 1]
    if place > 1 and conjunction.lower in AND and other.sort is Sort.PERHAPS:
        gap = text[other.end : words[place].start]
        _mark([other] if gap == f" {conjunction.text} " else [])
    bridge: list[_Word] = []
    position = place - 1
    while position >= 0 and _is_next(text, words[position], words[position + 1]) and not words[position].is_name:
        before = words[position]
        if before.lower not in PARTICLES and before.sort is not Sort.INITIAL and len(before.text) > 1:
            break
        bridge.append(before)
        position -= 1
    if position >= 0 and _is_next(text, words[position], words[position + 1]):
        before = words[position]
        is_first = before.sort is Sort.PERHAPS or (before.sort is Sort.PLACE and before.countries >= WELL_KNOWN)
        if before.is_name or is_first:
            _mark([*bridge, before])
            return
    leading = LEADING_PARTICLES_FR_NL if language in ("fr", "nl") else LEADING_PARTICLES
    for before in bridge:
        if before.sort is not Sort.INITIAL and before.lower not in leading:
            break
        _mark([before])


def _is_next(text: str, before: _Word, after: _Word) -> bool:
    """Whether only a space stands between; after an initial or a short title also a full stop."""
    space = _SPACE if len(before.text) > 2 else _SPACE_AFTER_INITIAL
    return bool(space.fullmatch(text, before.end, after.start))


def _mark(words: Iterable[_Word]) -> None:
    for word in words:
        word.is_name = True


def _spans(text: str, words: Sequence[_Word]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for before, word in zip([None, *words], words, strict=False):
        if not word.is_name:
            continue
        if (
            spans
            and before is not None
            and before.is_name
            and _SPACE_AFTER_INITIAL.fullmatch(text, before.end, word.start)
        ):
            spans[-1] = (spans[-1][0], word.end)
        else:
            spans.append((word.start, word.end))
    return spans
